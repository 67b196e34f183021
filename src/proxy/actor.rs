//! Who is calling: every identity on the request and its connection must name the same service account,
//! and at most one credential may be there.

use std::collections::HashMap;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

use super::words;
use crate::config::{Config, Fingerprint};
use crate::credential::{self, Handle, Keyring};
use crate::error::Refusal;
use crate::mutation::Claims;

/// Salesforce's other header for a session (Bulk API 1.0; simple-salesforce uses it).
pub(super) const SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");
/// HubSpot declares these as credentials beside `Authorization`.
const OTHER_CREDENTIALS: [&str; 2] = ["private-app", "private-app-legacy"];
/// Query parameters that carry a credential.
const QUERY_CREDENTIALS: [&str; 5] = ["access_token", "oauth_token", "hapikey", "sid", "token"];
/// What a claim may hold.
const CLAIM_MOST: usize = 1024;

/// How a Writegate key begins, or what follows the `!` of one that looks like a Salesforce session.
const KEY: &str = "wg_";

/// What identifies the service accounts, and what goes upstream for them.
#[derive(Debug, Default)]
pub struct Callers {
    known: HashMap<Fingerprint, Known>,
    /// Names in client certificates, as they are written.
    certs: HashMap<String, String>,
    /// The broker's credentials, by service account and route.
    brokers: HashMap<(String, String), Handle>,
}

/// What a request and its connection say of who is calling.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The route's name.
    pub route: &'a str,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// Its query.
    pub query: Option<&'a str>,
    /// The names in the connection's client certificate, which was verified.
    pub names: &'a [String],
    /// Whether the credential may stand elsewhere than in the headers: then a certificate only names.
    pub elsewhere: bool,
}

#[derive(Clone, Debug)]
struct Known {
    service_account: String,
    key: bool,
}

/// What goes upstream.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The agent's own, as it came (pass-through).
    Own(HeaderName, HeaderValue),
    /// The broker's, in place of a Writegate key.
    Broker(Handle),
    /// The agent's own, cut out of the body; here as it stands in a header.
    Session(HeaderValue),
    /// None was there.
    None,
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The service account; `None`: nobody we know.
    pub service_account: Option<String>,
    /// The fingerprint of what was presented.
    pub fingerprint: Option<Fingerprint>,
    /// What goes upstream.
    pub credential: Credential,
}

impl Callers {
    /// Those of a configuration, whose own credentials are on a keyring.
    #[must_use]
    pub fn new(config: &Config, keyring: &Keyring) -> Self {
        let mut known = HashMap::new();
        let mut certs = HashMap::new();
        let mut brokers = HashMap::new();
        for account in &config.service_accounts {
            let tokens = account.tokens.iter().map(|token| (token, false));
            let keys = account.keys.iter().map(|key| (key, true));
            for (fingerprint, key) in tokens.chain(keys) {
                let service_account = account.name.clone();
                known.insert(
                    *fingerprint,
                    Known {
                        service_account,
                        key,
                    },
                );
            }
            for name in &account.certs {
                certs.insert(name.clone(), account.name.clone());
            }
            for (route, from) in &account.credentials {
                if let Some(handle) = keyring.handle(route, from) {
                    brokers.insert((account.name.clone(), route.clone()), handle);
                }
            }
        }
        Self {
            known,
            certs,
            brokers,
        }
    }

    /// Who is calling.
    ///
    /// # Errors
    /// A refusal when there is more than one credential or one in a place that is not attributed, when two
    /// identities name different service accounts, and when there is nothing to send upstream for one.
    pub fn identify(&self, presented: Presented<'_>) -> Result<Caller, Refusal> {
        no_other_credentials(presented.headers, presented.query)?;
        let certified = self.certified(presented.names)?;
        let Some((name, value, secret)) = credential(presented.headers)? else {
            return match certified {
                Some(account) if presented.elsewhere => Ok(Caller {
                    service_account: Some(account.to_owned()),
                    fingerprint: None,
                    credential: Credential::None,
                }),
                Some(account) => self.by_certificate(account, presented.route),
                None => Ok(Caller {
                    service_account: None,
                    fingerprint: None,
                    credential: Credential::None,
                }),
            };
        };
        let fingerprint = Fingerprint::of(secret.as_bytes());
        let known = self.known.get(&fingerprint);
        if let Some(known) = known {
            self.agree(&known.service_account, certified, presented.names)?;
        }
        let credential = match known {
            Some(known) if known.key => {
                Credential::Broker(self.broker(&known.service_account, presented.route)?)
            }
            // A key of ours must never travel on, known or not.
            None if is_key(secret) => {
                return Ok(Caller {
                    service_account: None,
                    fingerprint: Some(fingerprint),
                    credential: Credential::None,
                });
            }
            Some(_) | None => {
                let mut value = value.clone();
                value.set_sensitive(true);
                Credential::Own(name, value)
            }
        };
        let by_secret = known.map(|known| known.service_account.as_str());
        Ok(Caller {
            service_account: by_secret.or(certified).map(str::to_owned),
            fingerprint: Some(fingerprint),
            credential,
        })
    }

    /// Whether the configuration names this token or key.
    #[must_use]
    pub fn has(&self, fingerprint: &Fingerprint) -> bool {
        self.known.contains_key(fingerprint)
    }

    /// Whether a connection's certificate says nothing against a service account that is told otherwise.
    ///
    /// # Errors
    /// The refusal where it does.
    pub fn agrees(&self, account: &str, names: &[String]) -> Result<(), Refusal> {
        self.agree(account, self.certified(names)?, names)
    }

    /// The service account that a certificate's names stand for: exactly one, or none.
    fn certified(&self, names: &[String]) -> Result<Option<&str>, Refusal> {
        let mut accounts = names.iter().filter_map(|name| self.certs.get(name));
        let Some(first) = accounts.next() else {
            return Ok(None);
        };
        match accounts.find(|other| *other != first) {
            Some(other) => Err(words::two_callers(first, other)),
            None => Ok(Some(first)),
        }
    }

    /// Whether a certificate says nothing against who a token or key stands for. One that is known to
    /// nobody does where that service account has `certs`: it is bound to them.
    fn agree(
        &self,
        account: &str,
        certified: Option<&str>,
        names: &[String],
    ) -> Result<(), Refusal> {
        match certified {
            Some(other) if other != account => Err(words::two_callers(other, account)),
            Some(_) => Ok(()),
            None if names.is_empty() => Ok(()),
            None if self.certs.values().any(|bound| bound == account) => {
                Err(words::other_certificate(account))
            }
            None => Ok(()),
        }
    }

    /// A certificate and nothing else: the proxy's own credential goes upstream.
    fn by_certificate(&self, account: &str, route: &str) -> Result<Caller, Refusal> {
        let place = (account.to_owned(), route.to_owned());
        let handle = self.brokers.get(&place).copied();
        let handle = handle.ok_or_else(|| words::certificate_alone(account, route))?;
        Ok(Caller {
            service_account: Some(account.to_owned()),
            fingerprint: None,
            credential: Credential::Broker(handle),
        })
    }

    fn broker(&self, account: &str, route: &str) -> Result<Handle, Refusal> {
        let place = (account.to_owned(), route.to_owned());
        let handle = self.brokers.get(&place).copied();
        handle.ok_or_else(|| words::key_without_credential(account, route))
    }
}

/// Whether a secret has the form of a Writegate key.
#[must_use]
pub fn is_key(secret: &str) -> bool {
    let behind = secret.split_once('!').map_or(secret, |(_, rest)| rest);
    secret.starts_with(KEY) || behind.starts_with(KEY)
}

impl Callers {
    /// Who is calling, by a session in the body beside what the headers say. All must be the same.
    ///
    /// # Errors
    /// A refusal for two credentials, for none in the place for one, and for a key of ours: what goes
    /// upstream in its stead is not put into messages.
    pub fn in_body(
        &self,
        caller: Caller,
        session: Option<&str>,
        names: &[String],
    ) -> Result<Caller, Refusal> {
        if matches!(caller.credential, Credential::Broker(_)) {
            return Err(words::no_key_in_body());
        }
        let certified = self.certified(names)?;
        let Some(session) = session else {
            let nothing = caller.fingerprint.is_none() && certified.is_some();
            return if nothing {
                Err(words::no_key_in_body())
            } else {
                Ok(caller)
            };
        };
        if session.is_empty() {
            return Err(Refusal::malformed("the session id in the body is empty"));
        }
        let fingerprint = Fingerprint::of(session.as_bytes());
        if caller.fingerprint.is_some_and(|known| known != fingerprint) {
            return Err(Refusal::malformed(
                "more than one credential is given: the session in the body is not that of the headers",
            ));
        }
        let known = self.known.get(&fingerprint);
        if known.is_some_and(|known| known.key) {
            return Err(words::no_key_in_body());
        }
        if let Some(known) = known {
            self.agree(&known.service_account, certified, names)?;
        }
        let by_session = known.map(|known| known.service_account.as_str());
        Ok(Caller {
            service_account: by_session.or(certified).map(str::to_owned),
            fingerprint: Some(fingerprint),
            credential: Credential::Session(in_header(session)?),
        })
    }
}

/// Whether a request of the login path carries a Writegate key, which must not leave the proxy: in a header
/// or as a value of its form.
#[must_use]
pub fn bears_key(headers: &HeaderMap, form: &[u8]) -> bool {
    let mut values = headers
        .get_all(AUTHORIZATION)
        .into_iter()
        .chain(headers.get_all(SESSION))
        .filter_map(|value| value.to_str().ok());
    let in_message = |start: &[u8]| memmem::find(form, start).is_some();
    values.any(is_or_holds_key)
        || form_urlencoded::parse(form).any(|(_, value)| is_key(&value))
        || in_message(b">wg_")
        || in_message(b"!wg_")
}

/// A key behind its scheme, or in the client's secret of `Basic`.
fn is_or_holds_key(value: &str) -> bool {
    let (scheme, secret) = value.rsplit_once(' ').unwrap_or(("", value));
    let coded = scheme.trim().eq_ignore_ascii_case("basic");
    let pair = coded.then(|| STANDARD.decode(secret).ok()).flatten();
    let pair = pair.and_then(|pair| String::from_utf8(pair).ok());
    is_key(secret) || pair.is_some_and(|pair| pair.split(':').any(is_key))
}

impl Credential {
    /// Puts the credential on a request that goes upstream: into this place of the body, or else into
    /// the headers. Returns the body. The broker's is put there by `upstream`.
    ///
    /// # Errors
    /// When it cannot stand there.
    pub fn sign(
        &self,
        headers: &mut HeaderMap,
        body: Bytes,
        place: Option<Range<usize>>,
    ) -> Result<Bytes, Refusal> {
        let Some(place) = place else {
            self.put(headers);
            return Ok(body);
        };
        credential::clear(headers);
        let secret = match self {
            Self::None => return Ok(body),
            Self::Broker(handle) => {
                handle.put_at(headers, &place);
                return Ok(body);
            }
            Self::Own(name, value) if *name == AUTHORIZATION => token(value),
            Self::Own(_, value) => value.to_str().ok(),
            Self::Session(value) => token(value),
        };
        let signed = secret.and_then(|secret| credential::spliced(&body, &place, secret));
        signed.ok_or_else(|| Refusal::unavailable("a credential cannot stand in a message"))
    }

    /// Puts the credential on a request that goes upstream. The broker's is put there by `upstream`.
    pub fn put(&self, headers: &mut HeaderMap) {
        match self {
            Self::None => credential::clear(headers),
            Self::Own(name, value) => {
                credential::clear(headers);
                headers.insert(name.clone(), value.clone());
            }
            Self::Session(value) => {
                credential::clear(headers);
                headers.insert(AUTHORIZATION, value.clone());
            }
            Self::Broker(handle) => handle.put(headers),
        }
    }

    /// Whether it is the proxy's own, of which the agent knows nothing.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Broker(_))
    }
}

/// A session id as it stands in `Authorization`.
fn in_header(session: &str) -> Result<HeaderValue, Refusal> {
    let value = HeaderValue::try_from(format!("Bearer {session}"));
    let mut value = value
        .map_err(|_invalid| Refusal::malformed("the session in the body is not printable ASCII"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token in the value of `Authorization`.
fn token(value: &HeaderValue) -> Option<&str> {
    bearer(value.to_str().ok()?).ok()
}

/// What the agent says of itself, from its `x-writegate-*` headers.
///
/// # Errors
/// A refusal for a claim that is too long, repeated or not text.
pub fn claims(headers: &HeaderMap) -> Result<Claims, Refusal> {
    let claim = |name: &str| {
        let mut values = headers.get_all(format!("x-writegate-{name}")).iter();
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(Refusal::malformed(format!(
                "the header x-writegate-{name} is given twice"
            )));
        }
        first.map_or(Ok(None), |value| match value.to_str() {
            Ok(text) if text.len() <= CLAIM_MOST => Ok(Some(text.to_owned())),
            Ok(_) => Err(Refusal::malformed(format!(
                "the header x-writegate-{name} is longer than {CLAIM_MOST} bytes"
            ))),
            Err(_not_ascii) => Err(Refusal::malformed(format!(
                "the header x-writegate-{name} is not printable ASCII"
            ))),
        })
    };
    Ok(Claims {
        intent: claim("intent")?,
        evidence: claim("evidence")?,
        confidence: claim("confidence")?,
        model: claim("model")?,
        on_behalf_of: claim("on-behalf-of")?,
        run: claim("run")?,
    })
}

/// The one credential of a request: its header, the header's value, the secret in it.
fn credential(headers: &HeaderMap) -> Result<Option<(HeaderName, &HeaderValue, &str)>, Refusal> {
    let mut found = None;
    for name in [AUTHORIZATION, SESSION] {
        for value in headers.get_all(&name) {
            if found.is_some() {
                return Err(Refusal::malformed(
                    "more than one credential is given; send `Authorization` alone",
                ));
            }
            let text = value.to_str().map_err(|_not_ascii| {
                Refusal::malformed(format!("the header {name} is not printable ASCII"))
            })?;
            let secret = if name == AUTHORIZATION {
                bearer(text)?
            } else {
                text
            };
            found = Some((name.clone(), value, secret));
        }
    }
    Ok(found)
}

/// The token of `Bearer …` (RFC 6750) or `OAuth …` (an older Salesforce spelling).
fn bearer(value: &str) -> Result<&str, Refusal> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
    let token = token.trim_start_matches(' ');
    if known && !token.is_empty() && !token.contains(' ') {
        return Ok(token);
    }
    Err(Refusal::malformed(
        "the header authorization is not `Bearer` and one token",
    ))
}

/// A credential in the query, a cookie or another header would act beside the one we attribute.
pub(super) fn no_other_credentials(
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<(), Refusal> {
    let refuse = |place: &str| {
        Err(Refusal::malformed(format!(
            "a credential in {place} is not attributed to anybody; send `Authorization` alone"
        )))
    };
    if OTHER_CREDENTIALS
        .iter()
        .any(|name| headers.contains_key(*name))
    {
        return refuse("this header");
    }
    let mut cookies = headers.get_all(COOKIE).iter().flat_map(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b';')
            .map(<[u8]>::trim_ascii)
    });
    if cookies.any(|cookie| cookie.len() >= 4 && cookie.to_ascii_lowercase().starts_with(b"sid=")) {
        return refuse("a cookie");
    }
    let named = |name: &str| {
        QUERY_CREDENTIALS
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    };
    let in_query = query.is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes()).any(|(name, _)| named(&name))
    });
    if in_query {
        return refuse("the query");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
