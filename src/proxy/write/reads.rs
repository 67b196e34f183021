//! Who may write, and what only the body tells: that a request changes nothing, or holds secrets.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{Request, Response};

use super::Write;
use crate::error::Refusal;
use crate::gate;
use crate::mutation::{ChangeSet, Operation};
use crate::proxy::{Refused, head, headers, links, no_upstream, reserve, target, words};
use crate::upstream::Body;

impl Write {
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
            .map_err(|error| words::unreachable_upstream(&error.to_string()))?;
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
