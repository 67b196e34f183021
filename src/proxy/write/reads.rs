//! Who may write, and what only the body tells: what would change, that nothing would, or that it holds
//! secrets.

use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Request, Response, StatusCode};

use super::Write;
use crate::crm::{Head, Shape};
use crate::error::{Refusal, RefusalKind};
use crate::gate;
use crate::mutation::{ChangeSet, Mutation, Operation};
use crate::proxy::{Refused, answer_of, head, headers, links, no_upstream, reserve, target, words};
use crate::snapshot::{self, Failure, Taking};
use crate::upstream::{Answer, Body};

/// Why a body was not taken apart.
#[derive(Debug)]
pub(super) struct Unread {
    /// What the caller is told.
    pub(super) refusal: Refusal,
    /// The CRM's own answer to a look at what the write names: it is the caller's answer.
    instead: Option<Box<Answer>>,
}

impl From<Refusal> for Box<Unread> {
    fn from(refusal: Refusal) -> Self {
        Self::new(Unread {
            refusal,
            instead: None,
        })
    }
}

impl From<Failure> for Box<Unread> {
    fn from(failure: Failure) -> Self {
        let (refusal, instead) = match failure {
            Failure::PassOn(answer) => {
                let note = format!(
                    "the CRM answered the look at its objects with {}",
                    answer.status
                );
                (Refusal::new(RefusalKind::Upstream, note), Some(answer))
            }
            Failure::NoCredential(error) => (words::no_credential(&error), None),
            Failure::Unreadable(detail) | Failure::Failed(detail) => {
                let mut refusal = Refusal::unavailable(detail);
                refusal.message = "Not written: what the request names cannot be looked up in the \
                                   CRM. Try again in 5 s."
                    .into();
                (refusal, None)
            }
        };
        Self::new(Unread { refusal, instead })
    }
}

impl Write {
    /// Takes the body apart; what it names and nobody knows yet is looked up first, with the write's own
    /// credential.
    pub(super) async fn parsed(
        &self,
        shape: &Shape,
        bytes: &[u8],
    ) -> Result<ChangeSet, Box<Unread>> {
        let state = self.state()?;
        state.catalog.expire(self.now);
        let head = self.head();
        let mut parsed = state.crm.parse(shape, &head, bytes, &state.catalog);
        if !matches!(parsed, Ok(ChangeSet::Mutations(_))) {
            let access = self.access()?;
            let taking = self.taking(&head, &access, &[])?;
            let began = Instant::now();
            let understood = snapshot::understand(&taking, shape, bytes).await;
            self.watch.away(began.elapsed());
            parsed = understood?;
        }
        let told = self.told_apart(parsed.map_err(Refusal::malformed)?).await?;
        Ok(told)
    }

    /// The refusal of a body that was not taken apart.
    pub(super) async fn unread(&self, mut unread: Unread) -> Box<Refused> {
        let refused = |answer: &Answer| answer.status == StatusCode::UNAUTHORIZED;
        if self.caller.credential.is_ours() && unread.instead.as_deref().is_some_and(refused) {
            // a 401 to what the agent does not have would make it log in
            unread = Unread {
                refusal: words::credential_refused(),
                instead: None,
            };
        }
        let mut refused = self.refuse(unread.refusal, None, None).await;
        if refused.entry.is_some() {
            refused.instead = unread.instead.map(|answer| Box::new(answer_of(*answer)));
        }
        refused
    }

    /// The headers of our own reads: the write's own credential.
    pub(super) fn access(&self) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        self.caller.credential.put(&mut headers);
        Ok(headers)
    }

    /// How the CRM is asked about these mutations.
    pub(super) fn taking<'a>(
        &'a self,
        head: &'a Head<'a>,
        access: &'a HeaderMap,
        mutations: &'a [Mutation],
    ) -> Result<Taking<'a>, Refusal> {
        let state = self.state()?;
        let upstream = self.worker.upstreams.get(self.place);
        Ok(Taking {
            crm: state.crm,
            catalog: &state.catalog,
            upstream: upstream.ok_or_else(no_upstream)?,
            head,
            headers: access,
            mutations,
            now: self.now,
        })
    }

    /// Unknown callers never write; a stopped service account does not either.
    pub(super) async fn may_write(&self) -> Result<(), Box<Refused>> {
        if self.caller.service_account.is_none() {
            return Err(self
                .refuse(crate::proxy::unknown(&self.caller), None, None)
                .await);
        }
        let switches = self.worker.app.control.switches();
        let refusal = match switches.stops(&self.actor.service_account, true) {
            Some(switch) => words::stopped(switch, &self.actor.service_account, self.now),
            None if gate::fresh(&switches, self.now) => match self.knows_others() {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            },
            None => Refusal::unavailable("the view of the kill switches is too old"),
        };
        Err(self.refuse(refusal, None, None).await)
    }

    /// Streams a request that turned out to be a read, with the bytes that were looked at. A caller that
    /// may not write has been stopped before the body was read.
    pub(super) async fn read(self, bytes: Bytes) -> Result<Response<Body>, Box<Refused>> {
        let state = self.state()?;
        for limit in reserve::spared(state, &self.rules, self.now)? {
            tracing::info!(%limit, "would-limit: a read of the CRM's last calls");
        }
        let slash = self.path.trailing_slash();
        let uri = target(&self.path, slash, self.parts.uri.query())?;
        let places = links::of_read(state, &head(&self.parts, &self.path));
        let mut passed = self.parts.headers.clone();
        headers::to_read(&mut passed);
        links::ask(places, &mut passed);
        for name in [CONTENT_LENGTH, CONTENT_ENCODING] {
            passed.remove(name);
        }
        let (passed, bytes) = self.signed(passed, bytes)?;
        let mut request = Request::new(Body::full(bytes));
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = passed;
        let upstreams = &self.worker.upstreams;
        let upstream = upstreams.get(self.place).ok_or_else(no_upstream)?;
        let answer = upstream
            .stream(request)
            .await
            .map_err(|error| words::no_answer(&error))?;
        if self.caller.credential.is_ours() && answer.status() == StatusCode::UNAUTHORIZED {
            return Err(words::credential_refused().into());
        }
        let mut answer = links::answer(state, places, answer).await?;
        headers::to_answer(answer.headers_mut());
        Ok(answer)
    }
}

/// Whether every value is known for what it is. What mints or changes secrets carries some.
pub(super) fn understood(changes: Option<&ChangeSet>) -> bool {
    changes.is_some_and(|changes| match changes {
        ChangeSet::Mutations(mutations) => mutations
            .iter()
            .all(|mutation| mutation.operation != Operation::Credential),
        ChangeSet::Opaque(_) => false,
    })
}
