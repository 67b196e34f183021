//! A request that was made before: the same one is under way, in doubt, or settled. It is never sent
//! twice by itself.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use jiff::Timestamp;

use super::Write;
use super::through::Sending;
use crate::app::Worker;
use crate::clock::EntryId;
use crate::crm::{ReadCall, Replay, Shape};
use crate::digest::{self, Sameness};
use crate::doubt::{self, Arrival, Blocked, Flight, Landed, Reader, Seat};
use crate::error::RefusalKind;

use crate::journal::Closing;
use crate::journal::sent::Sent;
use crate::mutation::{ChangeSet, OutcomeState, Snapshot, Verdict};
use crate::proxy::{ENTRY, REPLAYED, Refused, VERDICT, answer_of, words};
use crate::upstream::{Answer, Body};

/// Whether a request was made before.
#[derive(Debug)]
pub(super) enum Again {
    /// No: it goes on.
    No(Seat),
    /// Yes, and this is its answer.
    Answer(Response<Body>),
}

impl Write {
    /// What tells the same request again.
    pub(super) fn digest_of(&self, changes: &ChangeSet, bytes: &Bytes) -> String {
        let opaque = matches!(changes, ChangeSet::Opaque(_));
        let acting = self.acting(opaque).unwrap_or_default();
        digest::of(&Sameness {
            route: self.route(),
            service_account: &self.actor.service_account,
            method: self.parts.method.as_str(),
            path: self.path.as_str(),
            query: self.parts.uri.query(),
            acting: &acting,
            changes,
            bytes,
        })
    }

    /// Comes with a request, before it is judged: waits for the same one that is being sent, reads
    /// back what is in doubt with this request's credential, and answers what was settled.
    pub(super) async fn arrive(
        &self,
        shape: Option<&Shape>,
        changes: &ChangeSet,
    ) -> Result<Again, Box<Refused>> {
        let doubts = &self.worker.app.doubts;
        let arriving = doubts.flights.arrive(&self.digest);
        let seat = match self.watch.wait_for(pin!(arriving)).await {
            Arrival::Go(seat) => seat,
            Arrival::Landed(landed) => return reply(&landed).map(Again::Answer),
            Arrival::Lost(entry) => return Err(lost(entry)),
        };
        if let Some(answer) = self.twin(shape, changes).await? {
            return Ok(Again::Answer(answer));
        }
        self.read_back(changes).await;
        if let Some(settled) = doubts.settled(&self.digest, self.now) {
            return self.settled(shape, &settled).await.map(Again::Answer);
        }
        match self.blocked(changes, None) {
            Some(blocked) => {
                let refusal = words::in_doubt(&blocked, self.now);
                Err(self.refuse(refusal, Some(changes), None).await)
            }
            None => Ok(Again::No(seat)),
        }
    }

    /// Looks again once the records are locked and known by their ids: a write that was waited for may
    /// have ended in doubt.
    pub(super) async fn not_in_doubt(
        &self,
        changes: &ChangeSet,
        snapshot: &Snapshot,
        verdict: &Verdict,
    ) -> Result<(), Box<Refused>> {
        match self.blocked(changes, Some(snapshot)) {
            None => Ok(()),
            Some(blocked) => {
                let refusal = words::in_doubt(&blocked, self.now);
                Err(self.give_back(refusal, changes, verdict).await)
            }
        }
    }

    /// The entry in doubt that stands in the way.
    pub(super) fn blocked(
        &self,
        changes: &ChangeSet,
        snapshot: Option<&Snapshot>,
    ) -> Option<Blocked> {
        let whose = (self.actor.service_account.as_str(), self.route());
        let doubts = &self.worker.app.doubts;
        doubts.blocks(whose, &self.digest, changes.mutations(), snapshot)
    }

    /// What stands in this write's way is waited for; the rest is read back beside it.
    pub(super) async fn read_back(&self, changes: &ChangeSet) {
        let whose = (self.actor.service_account.as_str(), self.route());
        let doubts = &self.worker.app.doubts;
        let (met, others) = doubts.due_of(whose, &self.digest, changes.mutations(), self.now);
        let mut headers = HeaderMap::new();
        let none = met.is_empty() && others.is_empty();
        if none {
            return;
        }
        self.caller.credential.put(&mut headers);
        let (worker, place, now) = (Arc::clone(&self.worker), self.place, self.now);
        if !others.is_empty() {
            let (worker, headers) = (Arc::clone(&worker), headers.clone());
            tokio::spawn(async move {
                settle(&worker, place, &headers, &others, now).await;
            });
        }
        let settling = settle(&worker, place, &headers, &met, now);
        self.watch.wait_for(pin!(settling)).await;
    }

    /// All that is in doubt of its service account is waited for: a hold's own release may be.
    pub(super) async fn read_back_all(&self) {
        let whose = (self.actor.service_account.as_str(), self.route());
        let (_, due) = self.worker.app.doubts.due_of(whose, "", &[], self.now);
        let mut headers = HeaderMap::new();
        if due.is_empty() {
            return;
        }
        self.caller.credential.put(&mut headers);
        let settling = settle(&self.worker, self.place, &headers, &due, self.now);
        self.watch.wait_for(pin!(settling)).await;
    }

    /// The answer to a repeat of what was settled as done: the CRM's own where it can be told without
    /// making anything up, else words that say what happened.
    pub(super) async fn settled(
        &self,
        shape: Option<&Shape>,
        settled: &Arc<Sent>,
    ) -> Result<Response<Body>, Box<Refused>> {
        let replay = self.replay(shape, settled).await;
        let entry = settled.entry.clone();
        let Some(mut response) = replay else {
            let refusal = words::was_written(&entry, &settled.mutations, &settled.outcomes);
            return Err(Box::new(Refused {
                refusal,
                entry: Some(entry),
                instead: None,
            }));
        };
        mark(&mut response, &entry);
        Ok(response)
    }

    async fn replay(&self, shape: Option<&Shape>, settled: &Sent) -> Option<Response<Body>> {
        let mut outcomes = settled.outcomes.iter();
        if !outcomes.all(|outcome| outcome.state == OutcomeState::Done) {
            return None;
        }
        let state = self.state().ok()?;
        let replay = state.crm.replay(
            shape?,
            &self.head(),
            &settled.mutations,
            &settled.snapshot,
            &settled.outcomes,
        )?;
        match replay {
            Replay::Answer(status, body) => {
                Some(again(status, body, "application/json;charset=UTF-8"))
            }
            Replay::Xml(status, body) => Some(again(status, body, "text/xml;charset=UTF-8")),
            Replay::Read(call, status) => self.record(&call, status).await,
        }
    }

    /// Makes a read of our own with the write's credential.
    pub(super) async fn ask(&self, call: &ReadCall) -> Result<Answer, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = Uri::try_from(call.target.as_str()).map_err(|error| told(&error))?;
        self.caller.credential.put(request.headers_mut());
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json);
        let upstream = self.worker.upstreams.get(self.place);
        let upstream = upstream.ok_or("the route has no upstream")?;
        let reading = upstream.read(request);
        let answer = self.watch.wait_for(pin!(reading)).await;
        answer.map_err(|error| told(&error))
    }

    /// The record as the CRM shows it now, under the status of the write.
    async fn record(&self, call: &ReadCall, status: StatusCode) -> Option<Response<Body>> {
        let answer = self.ask(call).await.ok()?;
        if answer.status != StatusCode::OK {
            return None;
        }
        let mut response = answer_of(answer);
        *response.status_mut() = status;
        Some(response)
    }
}

/// An answer that is given again.
fn again(status: StatusCode, body: Bytes, kind: &'static str) -> Response<Body> {
    let empty = body.is_empty();
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    if !empty {
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

/// Reads these back with a credential.
async fn settle(
    worker: &Worker,
    place: usize,
    headers: &HeaderMap,
    due: &[EntryId],
    now: Timestamp,
) {
    let way = worker.app.routes.get(place);
    if let Some((state, upstream)) = way.zip(worker.upstreams.get(place)) {
        let reader = Reader {
            state,
            upstream,
            headers,
            now,
        };
        doubt::settle_some(&worker.app, &reader, due, now).await;
    }
}

/// Marks an answer that is given again.
fn mark(response: &mut Response<Body>, entry: &EntryId) {
    let headers = response.headers_mut();
    if let Ok(entry) = HeaderValue::from_str(entry.as_str()) {
        headers.insert(ENTRY, entry);
    }
    headers.insert(VERDICT, HeaderValue::from_static("allow"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
}

/// Tells the answer to those who wait for it. What was not sent, or refused for its credential, is no
/// answer for others: they are judged by themselves.
pub(super) fn land(flight: Flight, answer: &Result<Response<Body>, Box<Refused>>) {
    let own = match answer {
        Ok(response) => response.status() == StatusCode::UNAUTHORIZED,
        Err(refused) => !matches!(
            refused.refusal.kind,
            RefusalKind::UnknownOutcome | RefusalKind::UnknownOutcomeTimeout
        ),
    };
    if own {
        flight.abort();
    } else {
        flight.land(landed(answer));
    }
}

/// The answer of a write that was sent, for its repeats.
fn landed(answer: &Result<Response<Body>, Box<Refused>>) -> Landed {
    match answer {
        Ok(response) => Landed::Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: match response.body() {
                Body::Full(bytes) => bytes.clone(),
                Body::Empty
                | Body::Streamed(_)
                | Body::Leased(..)
                | Body::Piped(..)
                | Body::Edited(..) => Bytes::new(),
            },
        },
        Err(refused) => Landed::Refused(refused.refusal.clone(), refused.entry.clone()),
    }
}

/// The same answer for a repeat.
pub(super) fn reply(landed: &Landed) -> Result<Response<Body>, Box<Refused>> {
    match landed {
        Landed::Answer {
            status,
            headers,
            body,
        } => {
            let mut response = Response::new(Body::full(body.clone()));
            *response.status_mut() = *status;
            response.headers_mut().clone_from(headers);
            let replayed = HeaderValue::from_static("true");
            response.headers_mut().insert(REPLAYED, replayed);
            Ok(response)
        }
        Landed::Refused(refusal, entry) => Err(Box::new(Refused {
            refusal: refusal.clone(),
            entry: entry.clone(),
            instead: None,
        })),
    }
}

/// The same was sent, and nobody will tell its answer.
pub(super) fn lost(entry: EntryId) -> Box<Refused> {
    let refusal = words::unknown_outcome(false, &entry, "the task that sent it ended");
    Box::new(Refused {
        refusal,
        entry: Some(entry),
        instead: None,
    })
}

/// What is known of a write whose outcome is not.
pub(super) fn in_doubt(write: &Write, sending: &Sending, closing: &Closing) -> Sent {
    Sent {
        entry: write.entry.clone(),
        service_account: write.actor.service_account.clone(),
        route: write.route().to_owned(),
        method: write.parts.method.as_str().to_owned(),
        path: write.path.as_str().to_owned(),
        query: write.parts.uri.query().map(ToOwned::to_owned),
        digest: Some(write.digest.clone()),
        reverts: Vec::new(),
        mutations: sending.changes.mutations().to_vec(),
        snapshot: sending.snapshot.clone(),
        outcomes: closing.outcomes.clone(),
        at: sending.at,
    }
}
