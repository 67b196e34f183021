//! The CRM credentials that the proxy holds itself: for agents with a Writegate key, for releases and
//! reverts. Tokens are got from the CRM's login host, kept in memory only, and shared by all runtimes.
//!
//! A request that is to go with one carries a [`Handle`] in its headers, never the token: `upstream`
//! puts the token in its place right before the first byte, and asks for another one where the CRM
//! answers 401. So no token is in anybody's hands on the way.

mod answer;
mod grant;
mod rotated;
mod source;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock::Clock;
use crate::config::{self, Config, Route};

pub use source::{Source, Token, Unavailable};

/// Under which a handle travels inside the proxy. An agent's own `x-writegate-*` headers are taken out
/// before.
const HANDLE: HeaderName = HeaderName::from_static("x-writegate-credential");
/// Beside it: which bytes of the body the token takes the place of, where it does not go into a header.
const PLACE: HeaderName = HeaderName::from_static("x-writegate-credential-place");
/// Salesforce's other header for a session.
const SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");

/// Where tokens are got: the login host of a route, and nothing else.
#[async_trait]
pub trait LoginHost: Send + Sync + std::fmt::Debug {
    /// Posts a form; status and body of the answer.
    ///
    /// # Errors
    /// Why there is no answer, for people.
    async fn post(&self, path: &str, form: String) -> Result<(u16, Bytes), String>;
}

/// Names one of the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(usize);

impl Handle {
    /// Puts it on a request, in place of any credential.
    pub fn put(self, headers: &mut HeaderMap) {
        clear(headers);
        headers.insert(HANDLE, HeaderValue::from(self.0));
    }

    /// Puts it on a request whose token stands in these bytes of its body.
    pub fn put_at(self, headers: &mut HeaderMap, place: &Range<usize>) {
        self.put(headers);
        if let Ok(place) = HeaderValue::try_from(format!("{}-{}", place.start, place.end)) {
            headers.insert(PLACE, place);
        }
    }
}

/// Takes every credential off a request.
pub fn clear(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, SESSION, HANDLE, PLACE] {
        headers.remove(name);
    }
}

/// Puts a Salesforce session where an API looks for it: Bulk API 1.0 in a header of its own, all others in
/// `Authorization` (Bulk API Developer Guide, Set Up Your Client Application).
pub fn suit(headers: &mut HeaderMap, path: &str) {
    let batches = path.starts_with("/services/async/");
    let moved = if batches {
        let bearer = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let secret = bearer.and_then(|value| value.strip_prefix(b"Bearer "));
        secret.map(HeaderValue::from_bytes)
    } else {
        let session = headers.get(SESSION).map(HeaderValue::as_bytes);
        session.map(|secret| HeaderValue::from_bytes(&[b"Bearer ", secret].concat()))
    };
    let Some(Ok(mut value)) = moved else { return };
    value.set_sensitive(true);
    let (from, to) = match batches {
        true => (AUTHORIZATION, SESSION),
        false => (SESSION, AUTHORIZATION),
    };
    headers.remove(from);
    headers.insert(to, value);
}

/// A body with a secret in place of these bytes; `None` where it cannot stand in XML as it is.
#[must_use]
pub fn spliced(body: &Bytes, place: &Range<usize>, secret: &str) -> Option<Bytes> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'&');
    if !secret.bytes().all(plain) {
        return None;
    }
    let mut whole = BytesMut::with_capacity(body.len() + secret.len());
    whole.extend_from_slice(body.get(..place.start)?);
    whole.extend_from_slice(secret.as_bytes());
    whole.extend_from_slice(body.get(place.end..)?);
    Some(whole.freeze())
}

/// All credentials that the configuration names.
#[derive(Debug, Default)]
pub struct Keyring {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    route: String,
    from: config::Source,
    source: Arc<Source>,
}

impl Keyring {
    /// Those of a configuration. `host` leads to a route's login host.
    #[must_use]
    pub fn new(
        config: &Config,
        host: impl Fn(&Route) -> Arc<dyn LoginHost>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let mut keyring = Self::default();
        for route in &config.routes {
            let accounts = config.service_accounts.iter();
            let theirs = accounts.flat_map(|account| &account.credentials);
            let theirs = theirs.filter(|(name, _)| *name == route.name);
            let sources = route.release_credential.iter();
            for from in sources.chain(theirs.map(|(_, from)| from)) {
                if keyring.handle(&route.name, from).is_none() {
                    let source = Source::new(route, from, host(route), Arc::clone(clock));
                    keyring.held.push(Held {
                        route: route.name.clone(),
                        from: from.clone(),
                        source: Arc::new(source),
                    });
                }
            }
        }
        keyring
    }

    /// The handle of a credential of a route. What is configured alike is one.
    #[must_use]
    pub fn handle(&self, route: &str, from: &config::Source) -> Option<Handle> {
        let same = |held: &Held| held.route == route && held.from == *from;
        self.held.iter().position(same).map(Handle)
    }

    /// Takes the handle off a request that is about to go out, and the place of the token in its body,
    /// where it has one there.
    #[must_use]
    pub fn take(&self, headers: &mut HeaderMap) -> Option<(&Arc<Source>, Option<Range<usize>>)> {
        let handle = headers.remove(HANDLE)?;
        let number: usize = handle.to_str().ok()?.parse().ok()?;
        let place = headers.remove(PLACE).and_then(|place| {
            let (start, end) = place.to_str().ok()?.split_once('-')?;
            Some(start.parse().ok()?..end.parse().ok()?)
        });
        self.held.get(number).map(|held| (&held.source, place))
    }

    /// What does not come by, a line each; no secret.
    #[must_use]
    pub fn trouble(&self) -> Vec<String> {
        let held = self.held.iter();
        held.filter_map(|held| held.source.trouble()).collect()
    }
}

#[cfg(test)]
mod tests;
