//! Steps 8 to 12: journal, send, outcome, close, reply.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::Timestamp;
use tokio::runtime::Handle;

use super::{Write, again, export};
use crate::crm::Shape;
use crate::doubt::{Launch, Seat};
use crate::error::Refusal;
use crate::gate::Permit;
use crate::journal::{Closing, Journaled};
use crate::mutation::{ChangeSet, Charge, Outcome, OutcomeState, Snapshot, Verdict};
use crate::proxy::{
    ENTRY, Refused, SHOULD_RETRY, VERDICT, WOULD, answer_of, headers, target, words,
};
use crate::upstream::{Answer, Body, Exported, SendError};

/// What is sent, and what it rests on.
#[derive(Debug)]
pub(super) struct Sending {
    /// The parser's shape; `None` for an opaque request that an `endpoints` row lets through.
    pub(super) shape: Option<Shape>,
    /// The inspected bytes: exactly these are sent.
    pub(super) bytes: Bytes,
    /// What would change.
    pub(super) changes: ChangeSet,
    /// What the rules said.
    pub(super) verdict: Verdict,
    /// Whether the verdict rests on prior values.
    pub(super) rests_on_prior: bool,
    /// The prior values.
    pub(super) snapshot: Snapshot,
    /// What was taken from limits.
    pub(super) charges: Vec<Charge>,
    /// Nothing of it happened before this moment.
    pub(super) at: Timestamp,
}

/// Journals, sends, closes, replies.
pub(super) async fn through(
    write: &Write,
    permit: Permit,
    sending: &Sending,
    seat: &Seat,
) -> Result<Response<Body>, Box<Refused>> {
    let app = &write.worker.app;
    let (request, conditional) = match request(write, sending) {
        Ok(request) => request,
        Err(refusal) => {
            return Err(write
                .give_back(refusal, &sending.changes, &sending.verdict)
                .await);
        }
    };
    let upstream = write
        .worker
        .upstreams
        .get(write.place)
        .ok_or_else(super::super::no_upstream)?;
    let launching = seat.launch(&write.entry);
    let flight = match write.watch.wait_for(pin!(launching)).await {
        Launch::Flight(flight) => flight,
        Launch::Landed(landed) => {
            write.refund().await;
            return again::reply(&landed);
        }
        Launch::Lost(entry) => {
            write.refund().await;
            return Err(again::lost(entry));
        }
    };
    // 8 durable before anything is sent
    let subject = write.subject(Some(&sending.changes), Some(&sending.verdict));
    let opened = app
        .journal
        .open(permit, &subject, &sending.snapshot, &sending.charges)
        .await;
    let journaled = match opened {
        Ok(journaled) => journaled,
        Err((_permit, error)) => {
            flight.abort();
            let refusal = Refusal::unavailable(error.to_string());
            return Err(write
                .give_back(refusal, &sending.changes, &sending.verdict)
                .await);
        }
    };
    let (mutations, snapshot) = (sending.changes.mutations(), &sending.snapshot);
    app.doubts.sends(write.route(), mutations, snapshot);
    let mut adrift = Adrift {
        write,
        sending,
        over: false,
    };
    let underway = app.inflight.sending(&write.actor.service_account);
    // 9 one dispatch
    let sent = if export::exports(&sending.changes) {
        let sending_it = upstream.export(&journaled, request, &**app);
        write.watch.wait_for(pin!(sending_it)).await
    } else {
        let sending_it = upstream.send(&journaled, request, &**app);
        let answer = write.watch.wait_for(pin!(sending_it)).await;
        answer.map(Exported::Whole)
    };
    let answer = match sent {
        Ok(Exported::Begun(begun)) => {
            adrift.over = true;
            // who asks for the same gets a stream of its own
            flight.abort();
            let answer = export::streamed(write, sending, journaled, begun, underway);
            return Ok(answer);
        }
        Ok(Exported::Whole(answer)) => {
            answered(write, sending, journaled, answer, conditional).await
        }
        Err(error) => Err(unanswered(write, sending, journaled, &error).await),
    };
    adrift.over = true;
    again::land(flight, &answer);
    answer
}

/// A write that may have been sent. Where its task ends by a panic nobody knows what became of it: it
/// is in doubt, so that it is read back, and its record does not stay locked until the next start.
struct Adrift<'a> {
    write: &'a Write,
    sending: &'a Sending,
    over: bool,
}

impl Drop for Adrift<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let app = Arc::clone(&self.write.worker.app);
        let count = self.sending.changes.mutations().len().max(1);
        let closing = Closing {
            status: None,
            sent: true,
            outcomes: vec![Outcome::of(OutcomeState::Unknown); count],
            note: None,
        };
        tell_doubt(self.write, self.sending, &closing, app.clock.now());
        let reservation = self.write.reservation.clone();
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { app.free(&reservation, &closing).await });
        }
    }
}

/// The request as it goes out; the flag says whether we put a condition on it.
pub(super) fn request(write: &Write, sending: &Sending) -> Result<(Request<Body>, bool), Refusal> {
    let passed = headers::of_write(&write.parts.headers, write.state()?.crm);
    let (headers, bytes) = write.signed(passed, sending.bytes.clone())?;
    let mut request = Request::new(Body::full(bytes));
    *request.method_mut() = write.parts.method.clone();
    *request.uri_mut() = target(&write.path, false, write.parts.uri.query())?;
    *request.headers_mut() = headers;
    let condition = match &sending.shape {
        Some(shape) if sending.rests_on_prior => {
            write.state()?.crm.precondition(shape, &sending.snapshot)
        }
        Some(_) | None => None,
    };
    // Of two conditions the earlier moment holds: the agent's own must not switch ours off.
    let ours = condition.filter(|(name, ours)| !earlier(request.headers().get(name), ours));
    let conditional = ours.is_some();
    if let Some((name, value)) = ours {
        request.headers_mut().insert(name, value);
    }
    Ok((request, conditional))
}

/// Whether the agent's own `If-Unmodified-Since` (RFC 9110 13.1.4) names a moment before ours.
fn earlier(theirs: Option<&HeaderValue>, ours: &HeaderValue) -> bool {
    let moment = |value: &HeaderValue| jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok();
    match (theirs.and_then(moment), moment(ours)) {
        (Some(theirs), Some(ours)) => theirs < ours,
        _ => false,
    }
}

/// 10 to 12: the CRM answered.
async fn answered(
    write: &Write,
    sending: &Sending,
    journaled: Journaled,
    answer: Answer,
    conditional: bool,
) -> Result<Response<Body>, Box<Refused>> {
    let outcomes = outcomes(write, sending, &answer);
    let refusal = not_theirs(write, &answer, &outcomes, conditional);
    let doubt = outcomes
        .iter()
        .any(|outcome| outcome.state == OutcomeState::Unknown);
    let closing = Closing {
        status: Some(answer.status.as_u16()),
        sent: true,
        outcomes,
        note: refusal.as_ref().and_then(|refusal| refusal.detail.clone()),
    };
    write.taken(sending.shape.as_ref(), &answer).await;
    close(write, sending, journaled, &closing).await;
    if let Some(refusal) = refusal {
        return Err(Box::new(Refused {
            refusal,
            entry: Some(write.entry.clone()),
            instead: None,
        }));
    }
    let mut response = answer_of(answer);
    mark(write, sending, &mut response);
    if doubt {
        // An SDK that resends on its own would write a second time.
        let never = HeaderValue::from_static("false");
        response.headers_mut().insert(SHOULD_RETRY, never);
    }
    Ok(response)
}

/// Says of an answer which entry it is of, and what the rules said.
pub(super) fn mark(write: &Write, sending: &Sending, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    if let Ok(entry) = HeaderValue::from_str(write.entry.as_str()) {
        headers.insert(ENTRY, entry);
    }
    headers.insert(VERDICT, HeaderValue::from_static("allow"));
    if let Some(would) = sending.verdict.would() {
        let metrics = &write.worker.app.metrics;
        metrics.observed(write.route(), would);
        headers.insert(WOULD, HeaderValue::from_static(would.word()));
    }
}

/// Why the CRM's answer is not the caller's: a credential of ours was refused or our own condition failed,
/// of which the caller knows nothing; or it looks like success and says of no record what became of it, as
/// the page of a middlebox does (INVARIANT: nobody gets a success-shaped answer for a write that did not
/// happen).
fn not_theirs(
    write: &Write,
    answer: &Answer,
    outcomes: &[Outcome],
    conditional: bool,
) -> Option<Refusal> {
    if write.caller.credential.is_ours() && answer.status == StatusCode::UNAUTHORIZED {
        return Some(words::credential_refused());
    }
    if conditional && answer.status == StatusCode::PRECONDITION_FAILED {
        let detail = "the record moved between the look at it and the write";
        return Some(words::moved().detail(detail));
    }
    let unknown = |outcome: &Outcome| outcome.state == OutcomeState::Unknown;
    let nothing_said = !outcomes.is_empty() && outcomes.iter().all(unknown);
    (answer.status.is_success() && nothing_said).then(|| {
        let detail = format!(
            "the CRM's answer ({}) is not one to this write",
            answer.status
        );
        words::unknown_outcome(false, &write.entry, &detail)
    })
}

/// What became of each mutation; an opaque request has one outcome, told by its status.
pub(super) fn outcomes(write: &Write, sending: &Sending, answer: &Answer) -> Vec<Outcome> {
    let parsed = sending.shape.as_ref().zip(write.state().ok());
    let Some((shape, state)) = parsed.filter(|_| !sending.changes.mutations().is_empty()) else {
        let state = match answer.status.as_u16() {
            200..=299 => OutcomeState::Done,
            400..=499 => OutcomeState::Failed,
            _ => OutcomeState::Unknown,
        };
        return vec![Outcome::of(state)];
    };
    state.crm.outcome(
        shape,
        sending.changes.mutations(),
        &sending.snapshot,
        answer.status,
        &answer.body,
    )
}

/// No answer: not sent is given back, the rest is in doubt.
async fn unanswered(
    write: &Write,
    sending: &Sending,
    journaled: Journaled,
    error: &SendError,
) -> Box<Refused> {
    let entry = write.entry.clone();
    let detail = error.to_string();
    let (sent, refusal) = match error {
        SendError::NotSent(_) => (false, words::unreachable_upstream(&detail)),
        SendError::Stopped => (false, stopped(write)),
        SendError::NoCredential(error) => (false, words::no_credential(error)),
        SendError::Lost(_) => (true, words::unknown_outcome(false, &entry, &detail)),
        SendError::Timeout => (true, words::unknown_outcome(true, &entry, &detail)),
    };
    let count = sending.changes.mutations().len().max(1);
    let state = if sent {
        OutcomeState::Unknown
    } else {
        OutcomeState::Failed
    };
    let closing = Closing {
        status: None,
        sent,
        outcomes: vec![Outcome::of(state); count],
        note: Some(detail),
    };
    close(write, sending, journaled, &closing).await;
    Box::new(Refused {
        refusal,
        entry: Some(entry),
        instead: None,
    })
}

/// Returns when the outcome is durable, or on its way to be.
async fn close(write: &Write, sending: &Sending, journaled: Journaled, closing: &Closing) {
    let app = &write.worker.app;
    tell_doubt(write, sending, closing, app.clock.now());
    app.close(journaled, (closing, None), &write.reservation)
        .await;
}

/// Before the records are free: who waits for them is told.
pub(super) fn tell_doubt(write: &Write, sending: &Sending, closing: &Closing, now: Timestamp) {
    let mut outcomes = closing.outcomes.iter();
    if outcomes.any(|outcome| outcome.state == OutcomeState::Unknown) {
        let doubts = &write.worker.app.doubts;
        doubts.doubted(again::in_doubt(write, sending, closing), now);
    }
}

fn stopped(write: &Write) -> Refusal {
    let switches = write.worker.app.control.switches();
    match switches.stops(&write.actor.service_account, true) {
        Some(switch) => words::stopped(switch, &write.actor.service_account, write.now),
        None => Refusal::unavailable("the view of the kill switches is too old"),
    }
}
