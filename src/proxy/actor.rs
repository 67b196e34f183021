//! Who is calling: every identity on the request must name the same service account, and exactly one
//! credential may be there.

use std::collections::HashMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::words;
use crate::config::{Config, Fingerprint, Secret};
use crate::error::Refusal;
use crate::mutation::Claims;

/// Salesforce's other header for a session (Bulk API 1.0; simple-salesforce uses it).
const SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");
/// HubSpot declares these as credentials beside `Authorization`.
const OTHER_CREDENTIALS: [&str; 2] = ["private-app", "private-app-legacy"];
/// Query parameters that carry a credential.
const QUERY_CREDENTIALS: [&str; 5] = ["access_token", "oauth_token", "hapikey", "sid", "token"];
/// What a claim may hold.
const CLAIM_MOST: usize = 1024;

/// The credentials of all service accounts, by fingerprint.
#[derive(Debug, Default)]
pub struct Callers {
    known: HashMap<Fingerprint, Known>,
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
    Broker(Secret),
    /// The agent's own, cut out of the body.
    Session(Secret),
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
    /// The credentials in a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut known = HashMap::new();
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
        }
        Self { known }
    }

    /// Who is calling on this route.
    ///
    /// # Errors
    /// A refusal when there is more than one credential, or one in a place that is not attributed.
    pub fn identify(
        &self,
        config: &Config,
        route: &str,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Caller, Refusal> {
        no_other_credentials(headers, query)?;
        let Some((name, value, secret)) = credential(headers)? else {
            let credential = Credential::None;
            return Ok(Caller {
                service_account: None,
                fingerprint: None,
                credential,
            });
        };
        let fingerprint = Fingerprint::of(secret.as_bytes());
        let known = self.known.get(&fingerprint);
        let credential = match known {
            Some(known) if known.key => {
                Credential::Broker(broker(config, &known.service_account, route)?)
            }
            // A key of ours must never travel on, known or not.
            None if secret.starts_with("wg_") => Credential::None,
            Some(_) | None => {
                let mut value = value.clone();
                value.set_sensitive(true);
                Credential::Own(name, value)
            }
        };
        Ok(Caller {
            service_account: known.map(|known| known.service_account.clone()),
            fingerprint: Some(fingerprint),
            credential,
        })
    }
}

impl Callers {
    /// Who is calling, by a session in the body beside what the headers say. All must be the same.
    ///
    /// # Errors
    /// A refusal for two credentials, for none in the place for one, and for a key of ours: what goes
    /// upstream in its stead is not put into messages.
    pub fn in_body(&self, caller: Caller, session: Option<&str>) -> Result<Caller, Refusal> {
        if matches!(caller.credential, Credential::Broker(_)) {
            return Err(words::no_key_in_body());
        }
        let Some(session) = session else {
            return Ok(caller);
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
        Ok(Caller {
            service_account: known.map(|known| known.service_account.clone()),
            fingerprint: Some(fingerprint),
            credential: Credential::Session(Secret::new(session)),
        })
    }
}

impl Credential {
    /// Puts the credential on a request that goes upstream: into this place of the body, or else into
    /// the headers. Returns the body.
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
            self.put(headers)?;
            return Ok(body);
        };
        headers.remove(AUTHORIZATION);
        headers.remove(SESSION);
        let Some(secret) = self.secret() else {
            return Ok(body);
        };
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'&');
        if !secret.bytes().all(plain) {
            return Err(Refusal::unavailable(
                "a credential cannot stand in a message",
            ));
        }
        let mut signed = BytesMut::with_capacity(body.len() + secret.len());
        signed.extend_from_slice(body.get(..place.start).unwrap_or_default());
        signed.extend_from_slice(secret.as_bytes());
        signed.extend_from_slice(body.get(place.end..).unwrap_or_default());
        Ok(signed.freeze())
    }

    /// The bare secret.
    fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Own(name, value) => {
                let text = value.to_str().ok()?;
                if *name == AUTHORIZATION {
                    bearer(text).ok()
                } else {
                    Some(text)
                }
            }
            Self::Broker(secret) | Self::Session(secret) => Some(secret.expose()),
        }
    }

    /// Puts the credential on a request that goes upstream.
    ///
    /// # Errors
    /// When a broker credential cannot stand in a header.
    pub fn put(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        headers.remove(AUTHORIZATION);
        headers.remove(SESSION);
        match self {
            Self::None => {}
            Self::Own(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Broker(secret) | Self::Session(secret) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", secret.expose()))
                    .map_err(|_invalid| {
                        Refusal::unavailable("a broker credential cannot stand in a header")
                    })?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
            }
        }
        Ok(())
    }
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
fn no_other_credentials(headers: &HeaderMap, query: Option<&str>) -> Result<(), Refusal> {
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

fn broker(config: &Config, service_account: &str, route: &str) -> Result<Secret, Refusal> {
    config
        .service_accounts
        .iter()
        .find(|account| account.name == service_account)
        .and_then(|account| account.credentials.iter().find(|(name, _)| name == route))
        .map(|(_, secret)| secret.clone())
        .ok_or_else(|| {
            let mut refusal = words::unknown_caller(None);
            refusal.message = format!(
                "Not written: the key of {service_account} has no CRM credential for route {route}. \
                 Add one under `credentials:`."
            );
            refusal
        })
}

#[cfg(test)]
mod tests;
