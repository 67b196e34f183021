//! Logging in to the sandbox: the apps it knows, and the tokens it issued, which end by its clock or
//! when a test revokes them. Each face has its own wire form beside it.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::Value;

use super::Token;
use super::request::{Request, lenient};

/// An assertion is good for this long at most (Salesforce: three minutes).
const ASSERTION_MOST: i64 = 180;

/// An app that may ask for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthApp {
    /// Its client id.
    pub id: String,
    /// Its client secret.
    pub secret: String,
    /// The user whom its assertions may name.
    pub user: String,
    /// The public key (RSA, PKCS #1, DER) that its assertions are signed with.
    pub public_key: Option<Vec<u8>>,
    /// The refresh token it was given.
    pub refresh_token: Option<String>,
    /// Whether each use of the refresh token gives another one and ends this one.
    pub rotates: bool,
}

impl OAuthApp {
    /// An app with an id and a secret; it can use the client-credentials grant.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            user: String::new(),
            public_key: None,
            refresh_token: None,
            rotates: false,
        }
    }
}

/// What a bearer token is to the sandbox.
#[derive(Debug)]
pub(super) enum Bearer {
    /// One it takes.
    Known(Token),
    /// One it issued, that is over.
    Expired,
    /// None, or another.
    Unknown,
}

/// What was granted.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) token: String,
    /// Good for so many seconds.
    pub(super) seconds: i64,
    pub(super) refresh_token: Option<String>,
}

/// Why nothing was granted: the error's word and a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denied(pub(super) &'static str, pub(super) &'static str);

#[derive(Clone, Debug)]
struct Issued {
    secret: String,
    until: Timestamp,
}

/// The apps, and what was issued to them.
#[derive(Debug)]
pub(super) struct Logins {
    life: SignedDuration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    apps: Vec<OAuthApp>,
    issued: Vec<Issued>,
    rotated: usize,
}

impl Logins {
    pub(super) fn new(apps: Vec<OAuthApp>, life: SignedDuration) -> Self {
        let state = State {
            apps,
            issued: Vec::new(),
            rotated: 0,
        };
        Self {
            life,
            state: Mutex::new(state),
        }
    }

    /// Every token issued so far, in order.
    pub(super) fn issued(&self) -> Vec<String> {
        let state = self.state.lock();
        let issued = state.issued.iter();
        issued.map(|issued| issued.secret.clone()).collect()
    }

    /// Every token issued so far is over.
    pub(super) fn revoke(&self) {
        for issued in &mut self.state.lock().issued {
            issued.until = Timestamp::MIN;
        }
    }

    /// The refresh token that an app has now.
    pub(super) fn refresh_token(&self, app: &str) -> Option<String> {
        let state = self.state.lock();
        let mut apps = state.apps.iter();
        apps.find(|known| known.id == app)?.refresh_token.clone()
    }

    /// What a request's bearer token is; `fixed` are the ones that never end.
    pub(super) fn bearer(&self, request: &Request, fixed: &[Token], now: Timestamp) -> Bearer {
        let Some(secret) = request.bearer() else {
            return Bearer::Unknown;
        };
        if let Some(token) = fixed.iter().find(|token| token.secret == secret) {
            return Bearer::Known(token.clone());
        }
        let state = self.state.lock();
        match state.issued.iter().find(|issued| issued.secret == secret) {
            Some(issued) if now < issued.until => Bearer::Known(Token::new(secret)),
            Some(_) => Bearer::Expired,
            None => Bearer::Unknown,
        }
    }

    /// Grants what a form asks for, by one of `grants`. `audience` is the sandbox as its client reaches it.
    pub(super) fn grant(
        &self,
        form: &[(String, String)],
        grants: &[&str],
        audience: &str,
        now: Timestamp,
    ) -> Result<Granted, Denied> {
        let field = |name: &str| {
            let mut fields = form.iter();
            let found = fields.find(|(key, _)| key == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let grant = field("grant_type");
        if !grants.contains(&grant) {
            return Err(Denied("unsupported_grant_type", "grant type not supported"));
        }
        let mut state = self.state.lock();
        let app = match grant {
            JWT_BEARER => state.asserted(field("assertion"), audience, now)?,
            "client_credentials" => {
                state.known(field("client_id"), field("client_secret"), true)?
            }
            _ => {
                let app = state.known(field("client_id"), field("client_secret"), false)?;
                state.refreshes(app, field("refresh_token"))?;
                app
            }
        };
        Ok(state.issue(app, grant == "refresh_token", self.life, now))
    }
}

/// The name of the JWT bearer grant (RFC 7523).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

impl State {
    /// The place of the app. A refresh by a public app comes without a secret.
    fn known(&self, id: &str, secret: &str, confidential: bool) -> Result<usize, Denied> {
        let found = self.apps.iter().position(|app| app.id == id);
        let place = found.ok_or(Denied("invalid_client_id", "client identifier invalid"))?;
        let right = |app: &OAuthApp| app.secret == secret && (!confidential || !secret.is_empty());
        if self.apps.get(place).is_some_and(right) {
            return Ok(place);
        }
        Err(Denied("invalid_client", "invalid client credentials"))
    }

    fn refreshes(&self, place: usize, token: &str) -> Result<(), Denied> {
        let app = self.apps.get(place);
        let theirs = app.and_then(|app| app.refresh_token.as_deref());
        if theirs == Some(token) {
            return Ok(());
        }
        Err(Denied("invalid_grant", "expired access/refresh token"))
    }

    /// The app whose key an assertion is signed with, where it names the app, its user and us.
    fn asserted(&self, assertion: &str, audience: &str, now: Timestamp) -> Result<usize, Denied> {
        let invalid = Denied("invalid_grant", "invalid assertion");
        let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(invalid)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_not_base64| invalid);
        let claims = lenient(&bytes(claims)?).map_err(|_not_json| invalid)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or("");
        let mut apps = self.apps.iter();
        let place = apps
            .position(|app| app.id == text("iss"))
            .ok_or(Denied("invalid_client_id", "client identifier invalid"))?;
        let app = self.apps.get(place).ok_or(invalid)?;
        if app.user != text("sub") {
            return Err(Denied(
                "invalid_grant",
                "user hasn't approved this consumer",
            ));
        }
        let hosts = [
            "https://login.salesforce.com",
            "https://test.salesforce.com",
        ];
        if text("aud") != audience && !hosts.contains(&text("aud")) {
            return Err(Denied("invalid_grant", "audience is invalid"));
        }
        let left = claims.get("exp").and_then(Value::as_i64).unwrap_or(0) - now.as_second();
        if !(0..=ASSERTION_MOST).contains(&left) {
            return Err(Denied("invalid_grant", "expired authorization code"));
        }
        let key = app.public_key.as_deref().ok_or(invalid)?;
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &bytes(signature)?)
            .map_err(|_forged| invalid)?;
        Ok(place)
    }

    fn issue(
        &mut self,
        place: usize,
        refreshed: bool,
        life: SignedDuration,
        now: Timestamp,
    ) -> Granted {
        let number = self.issued.len() + 1;
        let token = format!("00D000000000001!sandbox.issued.{number}");
        self.issued.push(Issued {
            secret: token.clone(),
            until: now.checked_add(life).unwrap_or(Timestamp::MAX),
        });
        let mut refresh_token = None;
        if let Some(app) = self.apps.get_mut(place).filter(|_| refreshed) {
            if app.rotates {
                self.rotated += 1;
                app.refresh_token = Some(format!("sandbox-refresh-{}", self.rotated));
            }
            refresh_token.clone_from(&app.refresh_token);
        }
        Granted {
            token,
            seconds: life.as_secs(),
            refresh_token,
        }
    }
}

/// The fields of a form body.
pub(super) fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(&request.raw).into_owned().collect()
}
