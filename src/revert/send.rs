//! From a judged request to its outcome: gate, journal, one dispatch, closing row, and a look whether the
//! CRM holds what was written.

use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::batch::{Batch, Kind};
use super::judge::Ready;
use super::look::{Way, look};
use super::plan::Back;
use super::report::{Action, Finding};
use super::round::{Reverting, Turn, told};
use crate::clock::EntryId;
use crate::gate::{self, Decision, Judged, Permit};
use crate::journal::sent::Sent;
use crate::journal::{Closing, Journaled};
use crate::mutation::{Outcome, OutcomeState, Prior, field};
use crate::upstream::{Answer, Body, SendError};

impl Reverting {
    /// Sends a request whose records are locked under `entry`, and lets go of them.
    pub(super) async fn send(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        entry: &EntryId,
        ready: Ready,
    ) -> Vec<Finding> {
        let (outcomes, why) = match self.opened(way, batch, entry, &ready).await {
            Ok((journaled, request)) => self.dispatched(way, &ready, journaled, request).await,
            Err(why) => {
                self.refund(entry).await;
                return fail_all(ready.turns, &why);
            }
        };
        let turns = self
            .confirmed(way, batch, entry, ready.turns, &outcomes)
            .await;
        if let Err(error) = self.worker.app.control.settle(entry).await {
            tracing::error!(%error, %entry, "a revert's locks are not settled");
        }
        turns
            .into_iter()
            .zip(&outcomes)
            .flat_map(|(turn, outcome)| findings(turn, outcome, entry, why.as_deref()))
            .collect()
    }

    /// A permit, the request, and the durable row.
    async fn opened(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        entry: &EntryId,
        ready: &Ready,
    ) -> Result<(Journaled, Request<Body>), String> {
        let app = &self.worker.app;
        let request = request(way, ready)?;
        let judged = Judged {
            entry,
            reservation: entry,
            service_account: &self.actor.service_account,
            verdict: &ready.verdict,
            approved: false,
            charges: Vec::new(),
            observing: &[],
            locks: batch.locks(way.state),
            now: app.clock.now(),
        };
        let permit: Permit = match gate::decide(&*app.control, judged).await {
            Decision::Permit(permit) => permit,
            Decision::Hold { .. } => return Err("it asks another person".into()),
            Decision::Refuse(cause) => return Err(told(&cause)),
        };
        let subject = self.subject(way, entry, &ready.request, &ready.verdict);
        let reverts = reverted(&ready.turns);
        let opened = app
            .journal
            .open_revert(permit, &subject, &ready.snapshot, &reverts);
        match opened.await {
            Ok(journaled) => {
                let mutations = ready.request.changes.mutations();
                let route = &way.state.route.name;
                app.doubts.sends(route, mutations, &ready.snapshot);
                Ok((journaled, request))
            }
            Err((_permit, error)) => {
                tracing::error!(%error, "a revert cannot be recorded");
                Err("it cannot be recorded now, so it was not sent; try again".into())
            }
        }
    }

    /// What became of each record; the text says why where nothing was heard.
    async fn dispatched(
        &self,
        way: &Way<'_>,
        ready: &Ready,
        journaled: Journaled,
        request: Request<Body>,
    ) -> (Vec<Outcome>, Option<String>) {
        let app = &self.worker.app;
        let at = app.clock.now();
        let _sent = app.inflight.sending(&self.actor.service_account);
        let answer = match self.worker.upstreams.get(way.place) {
            Some(upstream) => upstream.send(&journaled, request, &**app).await,
            None => Err(SendError::NotSent("the route has no upstream".into())),
        };
        let all = |state| vec![Outcome::of(state); ready.turns.len()];
        let entry = journaled.entry().clone();
        let (closing, why) = match &answer {
            Ok(answer) => answered(way, ready, answer),
            Err(
                error @ (SendError::NotSent(_) | SendError::Stopped | SendError::NoCredential(_)),
            ) => {
                let why = format!("not sent: {error}");
                (
                    closing(None, false, all(OutcomeState::Failed), &why),
                    Some(why),
                )
            }
            Err(error @ (SendError::Lost(_) | SendError::Timeout)) => {
                let why = format!("may have been written ({error}): entry {entry} is in doubt");
                let unknown = all(OutcomeState::Unknown);
                (closing(None, true, unknown, &error.to_string()), Some(why))
            }
        };
        let now = app.clock.now();
        let unknown = |outcome: &Outcome| outcome.state == OutcomeState::Unknown;
        if closing.outcomes.iter().any(unknown) {
            let sent = self.in_doubt(way, ready, &entry, &closing, at);
            app.doubts.doubted(sent, now);
        }
        app.journal.close(journaled, &closing, now).await;
        (closing.outcomes, why)
    }

    /// What is known of a revert whose outcome is not.
    fn in_doubt(
        &self,
        way: &Way<'_>,
        ready: &Ready,
        entry: &EntryId,
        closing: &Closing,
        at: Timestamp,
    ) -> Sent {
        let call = &ready.request.call;
        Sent {
            entry: entry.clone(),
            service_account: self.actor.service_account.clone(),
            route: way.state.route.name.clone(),
            method: call.method.as_str().to_owned(),
            path: call.path.as_str().to_owned(),
            query: call.query.clone(),
            digest: None,
            reverts: reverted(&ready.turns),
            mutations: ready.request.changes.mutations().to_vec(),
            snapshot: ready.snapshot.clone(),
            outcomes: closing.outcomes.clone(),
            at,
        }
    }

    /// Looks at what was written back: a CRM's own automation may have changed it at once. Records are
    /// still locked.
    async fn confirmed(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        entry: &EntryId,
        mut turns: Vec<Turn>,
        outcomes: &[Outcome],
    ) -> Vec<Turn> {
        let done = |outcome: &Outcome| outcome.state == OutcomeState::Done;
        if batch.kind == Kind::Remove || !outcomes.iter().any(done) {
            return turns;
        }
        let records = turns.iter().map(|turn| turn.record.clone()).collect();
        let now = look(way, &batch.with(records)).await.ok();
        for (place, turn) in turns.iter_mut().enumerate() {
            if !outcomes.get(place).is_some_and(done) {
                continue;
            }
            match now.as_ref().map(|now| now.prior(place)) {
                Some(Prior::Found { fields, .. }) => confirm(turn, way, entry, fields),
                Some(Prior::Absent | Prior::Unknown) | None => unseen(turn),
            }
        }
        turns
    }
}

fn closing(status: Option<u16>, sent: bool, outcomes: Vec<Outcome>, note: &str) -> Closing {
    Closing {
        status,
        sent,
        outcomes,
        note: (!note.is_empty()).then(|| note.to_owned()),
    }
}

fn answered(way: &Way<'_>, ready: &Ready, answer: &Answer) -> (Closing, Option<String>) {
    let outcomes = way.state.crm.outcome(
        &ready.request.shape,
        ready.request.changes.mutations(),
        &ready.snapshot,
        answer.status,
        &answer.body,
    );
    let moved = answer.status == StatusCode::PRECONDITION_FAILED;
    let note = if moved {
        "the record moved between the look at it and the write"
    } else {
        ""
    };
    let status = Some(answer.status.as_u16());
    let why = moved.then(|| super::round::MOVED.to_owned());
    (closing(status, true, outcomes, note), why)
}

/// The request as it goes out, with a condition where the CRM has one for a single record.
fn request(way: &Way<'_>, ready: &Ready) -> Result<Request<Body>, String> {
    let call = &ready.request.call;
    let mut target = call.path.as_str().to_owned();
    if let Some(query) = &call.query {
        target.push('?');
        target.push_str(query);
    }
    let place = way.state.crm.session_place(&call.path, &call.body);
    let place = place.map_err(|malformed| malformed.0)?;
    let mut request = Request::new(Body::Empty);
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::try_from(target).map_err(|error| format!("its target: {error}"))?;
    let headers = request.headers_mut();
    headers.clone_from(&call.headers);
    let signed = way.credential.sign(headers, call.body.clone(), place);
    let body = signed.map_err(|refusal| refusal.message)?;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let condition = way
        .state
        .crm
        .precondition(&ready.request.shape, &ready.snapshot);
    if let Some((name, value)) = condition {
        headers.insert(name, value);
    }
    *request.body_mut() = Body::full(body);
    Ok(request)
}

/// The entries that a request takes back, in the order of the write.
pub(super) fn reverted(turns: &[Turn]) -> Vec<EntryId> {
    let mut entries: Vec<EntryId> = Vec::new();
    for finding in turns.iter().flat_map(|turn| &turn.plan.findings) {
        if finding.pending && !entries.contains(&finding.item.entry) {
            entries.push(finding.item.entry.clone());
        }
    }
    entries
}

fn confirm(turn: &mut Turn, way: &Way<'_>, entry: &EntryId, now: &Map<String, Value>) {
    let Back::Restore(written) = &turn.plan.back else {
        return;
    };
    for finding in &mut turn.plan.findings {
        let name = finding.item.field.as_deref().unwrap_or_default();
        let wanted = field(written, name);
        if wanted.is_some_and(|wanted| !way.state.crm.holds(name, wanted, field(now, name))) {
            finding.item.by = Some(entry.clone());
            let why = "written back, but the CRM holds another value now";
            finding.fail(Action::Skipped, why);
        }
    }
}

/// What was written back, and could not be looked at.
fn unseen(turn: &mut Turn) {
    let findings = turn.plan.findings.iter_mut();
    for finding in findings.filter(|finding| finding.pending) {
        finding.item.why = Some("written back, not looked at again".into());
    }
}

fn fail_all(turns: Vec<Turn>, why: &str) -> Vec<Finding> {
    turns
        .into_iter()
        .flat_map(|turn| turn.fail(Action::Skipped, why))
        .collect()
}

fn findings(mut turn: Turn, outcome: &Outcome, entry: &EntryId, why: Option<&str>) -> Vec<Finding> {
    let (action, why) = match (outcome.state, why, &outcome.code) {
        (OutcomeState::Done, ..) => {
            for finding in &mut turn.plan.findings {
                finding.done(entry);
            }
            return turn.plan.findings;
        }
        (_, Some(why), _) => (Action::Skipped, why.to_owned()),
        (OutcomeState::Unknown, None, _) => (
            Action::Skipped,
            format!("may have been written: entry {entry} is in doubt"),
        ),
        (OutcomeState::Accepted, None, _) => (
            Action::Skipped,
            "the CRM works on it: its results are pending".to_owned(),
        ),
        (OutcomeState::Failed, None, Some(code)) => {
            (Action::Impossible, format!("the CRM refused it ({code})"))
        }
        (OutcomeState::Failed, None, None) => (Action::Impossible, "the CRM refused it".to_owned()),
    };
    turn.fail(action, &why)
}
