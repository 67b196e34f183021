//! Steps 8 to 11 of a release: journal, one dispatch, outcome, close; the CRM's answer is kept for the
//! agent. The entry can be opened once, which is what makes it at most one dispatch.

use std::pin::pin;
use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use super::{Release, Stop};
use crate::error::Conflict;
use crate::gate::Permit;
use crate::hold::contents::{Answer, Answered};
use crate::hold::{Hold, MOVED, REFUSED, STOPPED, UNREACHED, UNREAD, people};
use crate::journal::{Closing, Journaled, Subject};
use crate::mutation::{Outcome, OutcomeState, Snapshot, Verdict};
use crate::proxy::write::export::exports;
use crate::proxy::write::through::{self, Sending};
use crate::upstream::SendError;

impl Release<'_> {
    /// Sends it. After the entry is opened there is no way back to waiting.
    pub(super) async fn dispatch(
        &self,
        permit: Permit,
        verdict: &Verdict,
        snapshot: &Snapshot,
    ) -> Result<(), Stop> {
        let (write, app) = (self.write(), self.app());
        let sending = self.sending(verdict, snapshot);
        let request = through::request(write, &sending);
        let upstream = write.worker.upstreams.get(write.place);
        let ((request, conditional), upstream) = match (request, upstream) {
            (Ok(request), Some(upstream)) => (request, upstream),
            (request, _) => {
                write.refund().await;
                let refusal = request.err();
                return Err(refusal.map_or_else(
                    || Stop::NotNow("the route has no upstream".into()),
                    Stop::from,
                ));
            }
        };
        let journaled = self.open(permit, verdict, snapshot).await?;
        let _sent = app.inflight.sending(&write.actor.service_account);
        let sent = upstream.send(&journaled, request, &**app);
        let sent = write.watch.wait_for(pin!(sent)).await;
        let (closing, kept) = match &sent {
            Ok(answer) => {
                let closing = self.answered(&sending, answer, conditional);
                let kept = Answer::of(answer.status, &answer.headers, &answer.body);
                (closing, Some(kept))
            }
            Err(error) => (self.unanswered(error), None),
        };
        if let Ok(answer) = &sent {
            write.taken(sending.shape.as_ref(), answer).await;
        }
        self.close(&sending, journaled, &closing, kept).await;
        match sent {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                Err(Stop::Unauthorised(Box::new(answer)))
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Opens the entry in the hold's own turn: whatever else became of it meanwhile stands.
    async fn open(
        &self,
        permit: Permit,
        verdict: &Verdict,
        snapshot: &Snapshot,
    ) -> Result<Journaled, Stop> {
        let (write, app) = (self.write(), self.app());
        let turn = self.slot.turn().await;
        // what was judged is what people agreed to, and they still do
        let still = |hold: &Arc<Hold>| {
            hold.end.is_none()
                && !hold.opened
                && hold.terms == self.hold.terms
                && people::met(&app.config, hold, &hold.terms.requirements)
        };
        let Some(hold) = turn.hold().filter(still) else {
            write.refund().await;
            return Err(Stop::Recorded);
        };
        let subject = Subject {
            nth: Some(hold.rows),
            ..write.subject(Some(&self.again.changes), Some(verdict))
        };
        let reverts = self.hold.takes_back.as_ref().map(|back| &*back.entries);
        let opened = match reverts {
            Some(entries) => {
                app.journal
                    .open_revert(permit, &subject, snapshot, entries)
                    .await
            }
            None => app.journal.open(permit, &subject, snapshot, &[]).await,
        };
        match opened {
            Ok(journaled) => {
                turn.opened();
                let mutations = self.again.changes.mutations();
                app.doubts.sends(write.route(), mutations, snapshot);
                Ok(journaled)
            }
            Err((_permit, error)) => {
                write.refund().await;
                if error.conflict == Some(Conflict::Moved) {
                    // Another process releases it, or something else became of it there.
                    self.slot.refresh(&**app.journal.ledger()).await?;
                }
                Err(error.into())
            }
        }
    }

    fn sending(&self, verdict: &Verdict, snapshot: &Snapshot) -> Sending {
        Sending {
            shape: self.again.shape.clone(),
            bytes: self.again.bytes.clone(),
            changes: self.again.changes.clone(),
            verdict: verdict.clone(),
            // What was approved rests on what was shown, so the CRM is to look too where it can.
            rests_on_prior: true,
            snapshot: snapshot.clone(),
            charges: Vec::new(),
            at: self.write().now,
        }
    }

    /// The CRM answered. A note means that nothing was written and the agent is told so in our words:
    /// a 401 would send it to log in again, for a credential that need not be its own.
    fn answered(
        &self,
        sending: &Sending,
        answer: &crate::upstream::Answer,
        conditional: bool,
    ) -> Closing {
        let note = match answer.status {
            StatusCode::PRECONDITION_FAILED if conditional => Some(MOVED),
            StatusCode::UNAUTHORIZED => Some(REFUSED),
            _ => None,
        };
        Closing {
            status: Some(answer.status.as_u16()),
            sent: true,
            outcomes: through::outcomes(self.write(), sending, answer),
            note: note.map(str::to_owned),
        }
    }

    fn unanswered(&self, error: &SendError) -> Closing {
        let exports = exports(&self.again.changes);
        let (sent, note) = match error {
            SendError::NotSent(_) | SendError::NoCredential(_) => (false, UNREACHED.to_owned()),
            SendError::Stopped => (false, STOPPED.to_owned()),
            SendError::Lost(why) if exports => (true, format!("{UNREAD}: {why}")),
            SendError::Lost(_) | SendError::Timeout => (true, "the CRM did not answer".to_owned()),
        };
        tracing::warn!(hold = %self.hold.id, %error, "a release has no answer");
        // an export changes nothing, whatever became of its answer
        let state = if sent && !exports {
            OutcomeState::Unknown
        } else {
            OutcomeState::Failed
        };
        let count = self.again.changes.mutations().len().max(1);
        Closing {
            status: None,
            sent,
            outcomes: vec![Outcome::of(state); count],
            note: Some(note),
        }
    }

    /// The outcome is told once it is durable, or on its way to be; the records are free then.
    async fn close(
        &self,
        sending: &Sending,
        journaled: Journaled,
        closing: &Closing,
        answer: Option<Answer>,
    ) {
        let (write, app) = (self.write(), self.app());
        let values = answer.clone().map(|answer| json!(Answered { answer }));
        through::tell_doubt(write, sending, closing, app.clock.now());
        let closed = app.close(journaled, (closing, values), &write.reservation);
        let (row, durable) = closed.await;
        let turn = self.slot.turn().await;
        turn.said(&row);
        if !durable {
            turn.note(|hold| hold.answer = answer.map(Arc::new));
        }
        tracing::info!(hold = %self.hold.id, status = closing.status, "released");
    }
}
