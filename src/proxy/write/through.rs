//! Steps 8 to 12: journal, send, outcome, close, reply.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};

use super::Write;
use crate::crm::Shape;
use crate::error::Refusal;
use crate::gate::Permit;
use crate::journal::{Closing, Journaled};
use crate::mutation::{ChangeSet, Charge, Outcome, OutcomeState, Snapshot, Verdict};
use crate::proxy::{ENTRY, Refused, VERDICT, answer_of, target, words};
use crate::upstream::{Answer, Body, SendError};

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
}

/// Journals, sends, closes, replies.
pub(super) async fn through(
    write: &Write,
    permit: Permit,
    sending: &Sending,
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
    // 8 durable before anything is sent
    let subject = write.subject(Some(&sending.changes), Some(&sending.verdict));
    let opened = app
        .journal
        .open(permit, &subject, &sending.snapshot, &sending.charges)
        .await;
    let journaled = match opened {
        Ok(journaled) => journaled,
        Err((_permit, error)) => {
            write.refund().await;
            return Err(Refusal::unavailable(error.to_string()).into());
        }
    };
    // 9 one dispatch
    let upstream = write
        .worker
        .upstreams
        .get(write.place)
        .ok_or_else(super::super::no_upstream)?;
    let last_look = |journaled: &Journaled| {
        journaled
            .permit()
            .still_good(&app.control.switches(), app.clock.now())
    };
    match upstream.send(&journaled, request, last_look).await {
        Ok(answer) => answered(write, sending, journaled, answer, conditional).await,
        Err(error) => Err(unanswered(write, sending, journaled, &error).await),
    }
}

/// The request as it goes out; the flag says whether we put a condition on it.
pub(super) fn request(write: &Write, sending: &Sending) -> Result<(Request<Body>, bool), Refusal> {
    let mut request = Request::new(Body::full(sending.bytes.clone()));
    *request.method_mut() = write.parts.method.clone();
    *request.uri_mut() = target(&write.path, false, write.parts.uri.query())?;
    *request.headers_mut() = write.upstream_headers()?;
    let condition = match &sending.shape {
        Some(shape) if sending.rests_on_prior => {
            write.state()?.crm.precondition(shape, &sending.snapshot)
        }
        Some(_) | None => None,
    };
    // A condition of the agent's own stays; ours would replace it.
    let ours = condition.filter(|(name, _)| !request.headers().contains_key(name));
    let conditional = ours.is_some();
    if let Some((name, value)) = ours {
        request.headers_mut().insert(name, value);
    }
    Ok((request, conditional))
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
    let moved = conditional && answer.status == StatusCode::PRECONDITION_FAILED;
    let closing = Closing {
        status: Some(answer.status.as_u16()),
        sent: true,
        outcomes,
        note: moved.then(|| "the record moved between the look at it and the write".into()),
    };
    close(write, journaled, &closing).await;
    if moved {
        let refusal = words::moved();
        return Err(Box::new(Refused {
            refusal,
            entry: Some(write.entry.clone()),
            instead: None,
        }));
    }
    let mut response = answer_of(answer);
    if let Ok(entry) = HeaderValue::from_str(write.entry.as_str()) {
        response.headers_mut().insert(ENTRY, entry);
    }
    response
        .headers_mut()
        .insert(VERDICT, HeaderValue::from_static("allow"));
    Ok(response)
}

/// What became of each mutation; an opaque request has one outcome, told by its status.
pub(super) fn outcomes(write: &Write, sending: &Sending, answer: &Answer) -> Vec<Outcome> {
    let Some((shape, state)) = sending.shape.as_ref().zip(write.state().ok()) else {
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
    close(write, journaled, &closing).await;
    Box::new(Refused {
        refusal,
        entry: Some(entry),
        instead: None,
    })
}

/// Returns when the outcome is durable. The records are free again once its row is on its way: the
/// ledger keeps the order, so a later write's row is never durable without this one. What was not
/// sent is not charged.
async fn close(write: &Write, journaled: Journaled, closing: &Closing) {
    let app = &write.worker.app;
    let free = async {
        if closing.sent {
            app.control.settle(&write.entry).await
        } else {
            app.control.refund(&write.entry).await
        }
    };
    let (_, freed) = tokio::join!(
        biased;
        app.journal.close(journaled, closing, app.clock.now()),
        free,
    );
    if let Err(error) = freed {
        tracing::error!(%error, entry = %write.entry, "a reservation is not settled");
    }
}

fn stopped(write: &Write) -> Refusal {
    let switches = write.worker.app.control.switches();
    match switches.stops(&write.actor.service_account, true) {
        Some(switch) => words::stopped(switch, &write.actor.service_account, write.now),
        None => Refusal::unavailable("the view of the kill switches is too old"),
    }
}
