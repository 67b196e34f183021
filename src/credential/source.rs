//! One credential: the token of now, when it is to be renewed, and how long to leave a login host alone
//! that does not grant. One asks at a time, for all runtimes.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Uri};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::answer::{self, Granted};
use super::{LoginHost, grant, rotated};
use crate::clock::Clock;
use crate::config::{self, Route, Secret};
use crate::mutation::CrmKind;

/// A token is renewed when a tenth of its life is left, but not earlier than this before its end.
const AHEAD_MOST: i64 = 300;
/// After a failure the login host is left alone for a second, doubling up to this many.
const PAUSE_MOST: i64 = 60;
/// A 401 makes us ask for another token this often at most: one that a path always answers must not make
/// us log in for each request.
const CALM: SignedDuration = SignedDuration::from_secs(10);

/// A token to send.
#[derive(Clone, Debug)]
pub struct Token {
    bearer: HeaderValue,
    /// Which one it is of those that a source had.
    number: u64,
}

impl Token {
    /// Puts it on a request.
    pub fn put(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.bearer.clone());
    }

    /// Puts it into these bytes of a body.
    ///
    /// # Errors
    /// When it cannot stand there.
    pub fn put_in(&self, body: &Bytes, place: &Range<usize>) -> Result<Bytes, Unavailable> {
        let bearer = self.bearer.to_str().ok();
        let token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer "));
        let whole = token.and_then(|token| super::spliced(body, place, token));
        whole.ok_or_else(|| Unavailable {
            why: "its token cannot stand in a message".into(),
            retry_after: PAUSE_MOST.unsigned_abs(),
        })
    }
}

/// There is no token now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Writegate cannot get its own credential: {why}")]
pub struct Unavailable {
    /// Why; no secret.
    pub why: String,
    /// Seconds after which asking again can help.
    pub retry_after: u64,
}

/// One credential of a route.
#[derive(Debug)]
pub struct Source {
    route: String,
    crm: CrmKind,
    upstream: Uri,
    login: Uri,
    from: config::Source,
    host: Arc<dyn LoginHost>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Whoever asks the login host.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    number: u64,
    held: Option<Held>,
    failed: Option<Failed>,
    /// Until then a 401 makes us ask for nothing.
    calm_until: Option<Timestamp>,
    /// A refresh token that stands nowhere but here.
    newer: Option<Secret>,
    /// Somebody renews it beside those who still use it.
    renewing: bool,
}

#[derive(Clone, Debug)]
struct Held {
    token: Token,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

#[derive(Clone, Debug)]
struct Failed {
    times: u32,
    why: String,
    until: Timestamp,
}

enum Look {
    Good(Token),
    Due(Token),
    Failing(Unavailable),
    Missing,
}

impl Source {
    pub(super) fn new(
        route: &Route,
        from: &config::Source,
        host: Arc<dyn LoginHost>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut state = State::default();
        if let config::Source::Static(secret) = from {
            state.hold_for_ever(secret);
        }
        let login = match route.crm {
            CrmKind::Salesforce => &route.login,
            CrmKind::HubSpot => &route.upstream,
        };
        Self {
            route: route.name.clone(),
            crm: route.crm,
            upstream: route.upstream.clone(),
            login: login.clone(),
            from: from.clone(),
            host,
            clock,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The token to send now; got first where there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn token(self: &Arc<Self>) -> Result<Token, Unavailable> {
        let look = self.state.lock().look(self.clock.now());
        match look {
            Look::Good(token) => Ok(token),
            Look::Due(token) => {
                let source = Arc::clone(self);
                let seen = Some(token.number);
                drop(tokio::spawn(async move { source.renew(seen).await }));
                Ok(token)
            }
            Look::Failing(error) => Err(error),
            Look::Missing => {
                // On a task of its own: a caller that leaves must not lose what was granted.
                let source = Arc::clone(self);
                let renewing = tokio::spawn(async move { source.renew(None).await });
                renewing.await.unwrap_or_else(|error| {
                    Err(Unavailable {
                        why: format!("asking for it broke off: {error}"),
                        retry_after: 1,
                    })
                })
            }
        }
    }

    /// The CRM answered 401 to this token. Whether another one can be had.
    #[must_use]
    pub fn refused(&self, token: &Token) -> bool {
        if matches!(self.from, config::Source::Static(_)) {
            return false;
        }
        let now = self.clock.now();
        let mut state = self.state.lock();
        let same = |held: &Held| held.token.number == token.number;
        if !state.held.as_ref().is_some_and(same) {
            // Somebody else found out before, and it was or is being renewed.
            return true;
        }
        if state.calm_until.is_some_and(|until| now < until) {
            return false;
        }
        tracing::info!(route = %self.route, "the CRM refuses the token of a credential: another one is asked for");
        state.held = None;
        state.calm_until = now.checked_add(CALM).ok();
        true
    }

    /// What does not come by; no secret.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        let failed = state.failed.as_ref()?;
        Some(format!(
            "route {} cannot get a credential of its own: {}",
            self.route, failed.why
        ))
    }

    /// Asks the login host, unless somebody else did since this token was `seen`.
    async fn renew(&self, seen: Option<u64>) -> Result<Token, Unavailable> {
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        if let Some(told) = self.state.lock().told(seen, now) {
            return told;
        }
        let asked = self.ask(now).await;
        let now = self.clock.now();
        let mut state = self.state.lock();
        state.renewing = false;
        match asked {
            Ok(granted) => {
                tracing::info!(route = %self.route, seconds = granted.seconds, "a credential was granted");
                Ok(state.hold(granted, now))
            }
            Err(why) => {
                tracing::error!(route = %self.route, %why, "a credential was not granted");
                Err(state.fail(why, now))
            }
        }
    }

    async fn ask(&self, now: Timestamp) -> Result<Granted, String> {
        let refresh_token = self.refresh_token();
        let login = self.login.to_string();
        let form = grant::form(
            &self.from,
            refresh_token.as_ref().map_or("", Secret::expose),
            login.trim_end_matches('/'),
            now,
        )?;
        let (status, body) = self.host.post(grant::path(self.crm), form).await?;
        let granted = answer::read(status, &body, &self.upstream)?;
        if let (Some(before), Some(after)) = (&refresh_token, &granted.refresh_token)
            && before.expose() != after
        {
            self.rotate(after);
        }
        Ok(granted)
    }

    fn refresh_token(&self) -> Option<Secret> {
        let config::Source::Refresh {
            refresh_token,
            file,
            ..
        } = &self.from
        else {
            return None;
        };
        let newer = self.state.lock().newer.clone();
        Some(rotated::today(
            refresh_token,
            file.as_deref(),
            newer.as_ref(),
        ))
    }

    /// The CRM gave another refresh token, and may have ended the one before.
    fn rotate(&self, token: &str) {
        let newer = match self.file().map(|file| (file, rotated::keep(file, token))) {
            Some((file, Ok(()))) => {
                tracing::info!(route = %self.route, file = %file.display(), "a new refresh token was written");
                None
            }
            Some((file, Err(error))) => {
                tracing::error!(
                    route = %self.route, file = %file.display(), %error,
                    "a new refresh token cannot be written: it is lost with the next restart"
                );
                Some(Secret::new(token))
            }
            None => {
                tracing::warn!(
                    route = %self.route,
                    "the CRM gave a new refresh token, which is lost with the next restart: name a `file` for it"
                );
                Some(Secret::new(token))
            }
        };
        self.state.lock().newer = newer;
    }

    fn file(&self) -> Option<&Path> {
        match &self.from {
            config::Source::Refresh { file, .. } => file.as_deref(),
            config::Source::Static(_)
            | config::Source::ClientCredentials { .. }
            | config::Source::Jwt { .. } => None,
        }
    }
}

impl State {
    fn hold_for_ever(&mut self, secret: &Secret) {
        match HeaderValue::try_from(format!("Bearer {}", secret.expose())) {
            Ok(mut bearer) => {
                bearer.set_sensitive(true);
                let granted = Granted {
                    bearer,
                    seconds: None,
                    refresh_token: None,
                };
                self.hold(granted, Timestamp::MIN);
            }
            Err(_invalid) => {
                self.failed = Some(Failed {
                    times: 1,
                    why: "it cannot stand in a header".into(),
                    until: Timestamp::MAX,
                });
            }
        }
    }

    /// What there is now. Of those who find it due, the first renews it.
    fn look(&mut self, now: Timestamp) -> Look {
        let failing = self.failed.clone().filter(|failed| now < failed.until);
        match self.held.clone().filter(|held| now < held.ends_at) {
            Some(held) if now < held.renew_at || failing.is_some() || self.renewing => {
                Look::Good(held.token)
            }
            Some(held) => {
                self.renewing = true;
                Look::Due(held.token)
            }
            None => match failing {
                Some(failed) => Look::Failing(failed.unavailable(now)),
                None => Look::Missing,
            },
        }
    }

    /// What whoever had the turn before came to, if it is an answer.
    fn told(&mut self, seen: Option<u64>, now: Timestamp) -> Option<Result<Token, Unavailable>> {
        let other = |held: &Held| now < held.ends_at && Some(held.token.number) != seen;
        if let Some(held) = self.held.clone().filter(other) {
            return Some(Ok(held.token));
        }
        let failed = self.failed.clone().filter(|failed| now < failed.until)?;
        self.renewing = false;
        Some(Err(failed.unavailable(now)))
    }

    fn hold(&mut self, granted: Granted, now: Timestamp) -> Token {
        self.number += 1;
        let token = Token {
            bearer: granted.bearer,
            number: self.number,
        };
        let at = |seconds: i64| {
            let moment = now.checked_add(SignedDuration::from_secs(seconds));
            moment.unwrap_or(Timestamp::MAX)
        };
        let (renew_at, ends_at) = match granted.seconds {
            Some(life) => (at(life - (life / 10).clamp(1, AHEAD_MOST)), at(life)),
            None => (Timestamp::MAX, Timestamp::MAX),
        };
        self.failed = None;
        self.held = Some(Held {
            token: token.clone(),
            renew_at,
            ends_at,
        });
        token
    }

    fn fail(&mut self, why: String, now: Timestamp) -> Unavailable {
        let times = self.failed.as_ref().map_or(0, |failed| failed.times);
        let pause = 1_i64.checked_shl(times).unwrap_or(PAUSE_MOST);
        let pause = SignedDuration::from_secs(pause.clamp(1, PAUSE_MOST));
        let failed = Failed {
            times: times.saturating_add(1).min(16),
            why,
            until: now.checked_add(pause).unwrap_or(Timestamp::MAX),
        };
        self.failed = Some(failed.clone());
        failed.unavailable(now)
    }
}

impl Failed {
    fn unavailable(self, now: Timestamp) -> Unavailable {
        let left = self
            .until
            .duration_since(now)
            .as_secs()
            .clamp(1, PAUSE_MOST);
        Unavailable {
            why: self.why,
            retry_after: u64::try_from(left).unwrap_or(1),
        }
    }
}
