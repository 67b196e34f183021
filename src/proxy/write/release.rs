//! The release of an approved write: judged again by today's rules on what the record is today, then
//! sent as it was parked, at most once (P6, P7). Releases are people's acts: nothing is charged.

mod again;
mod dispatch;

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;

use super::Write;
use super::park::requirements;
use crate::app::{App, Worker};
use crate::error::{Refusal, StoreError};
use crate::gate::{self, Decision, Judged, Permit};
use crate::hold::drift::drift;
use crate::hold::rows::{Change, drifted, refused};
use crate::hold::{self, Contents, Hold, Shown, Slot, State, TRY_AGAIN, Terms, Turn, people};
use crate::ledger::NewRow;
use crate::mutation::{Effect, Operation, Prior, Snapshot, Verdict};
use crate::policy::Evaluation;
use crate::proxy::actor::Credential;
use crate::proxy::words::{self, holds};
use crate::snapshot::Failure;
use again::Again;

/// Why a release did not come to be.
#[derive(Debug)]
enum Stop {
    /// Not now: the hold stays approved, and is told so.
    NotNow(String),
    /// What was found is on record: the hold waits again, or has ended.
    Recorded,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        let said = refusal.message.trim_start_matches("Not written: ");
        Self::NotNow(said.to_owned())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a release cannot be recorded");
        Self::NotNow("Writegate cannot record changes now".into())
    }
}

/// Releases a hold if it is approved, with the credential that the configuration has for it, else with
/// the agent's `own`. Returns when it is over; to be run to its end, and counted as under way by whoever
/// runs it.
pub(in crate::proxy) async fn release(
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    own: Option<&Credential>,
) {
    let app = &worker.app;
    let Some((hold, credential)) = claim(app, slot, own).await else {
        return;
    };
    let result = run(worker, slot, &hold, credential).await;
    let turn = slot.turn().await;
    let now = app.clock.now();
    turn.note(|hold| {
        hold.releasing = false;
        match &result {
            Err(Stop::NotNow(note)) => {
                tracing::warn!(hold = %hold.id, %note, "not released");
                hold.note = Some(note.clone());
                hold.retry_at = now.checked_add(TRY_AGAIN).ok();
            }
            Ok(()) | Err(Stop::Recorded) => hold.note = None,
        }
    });
    turn.settle(&*app.control).await;
}

/// Makes an approved hold one that is being released: by nobody else, and to no other end.
async fn claim(
    app: &App,
    slot: &Arc<Slot>,
    own: Option<&Credential>,
) -> Option<(Arc<Hold>, Credential)> {
    let turn = slot.turn().await;
    let hold = turn.hold()?;
    if hold.state(&app.config) != State::Approved || hold.is_due(app.clock.now()) {
        return None;
    }
    let configured = hold::credential(&app.config, &hold.route, &hold.actor.service_account);
    let credential = match configured {
        Some(secret) => Credential::Broker(secret.clone()),
        None => own.cloned()?,
    };
    turn.note(|hold| hold.releasing = true);
    Some((turn.hold()?, credential))
}

async fn run(
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    hold: &Hold,
    credential: Credential,
) -> Result<(), Stop> {
    let app = &worker.app;
    let contents = Contents::load(&**app.journal.ledger(), &hold.entry).await?;
    let again = contents
        .ok_or_else(|| "its values were erased from the ledger".to_owned())
        .and_then(|contents| Again::of(worker, hold, contents, credential));
    let release = match again {
        Ok(again) => Release { slot, hold, again },
        Err(why) => {
            let message = format!("{why}. Sending it again opens a new hold.");
            record(app, slot, refused(hold, None, &message, app.clock.now())).await?;
            return Err(Stop::Recorded);
        }
    };
    let judged = release.judge().await;
    let (permit, verdict, snapshot) = match judged {
        Ok(judged) => judged,
        Err(stop) => {
            // Only locks were taken.
            release.write().refund().await;
            return Err(stop);
        }
    };
    release.dispatch(permit, &verdict, &snapshot).await
}

async fn record(app: &App, slot: &Arc<Slot>, row: NewRow) -> Result<(), StoreError> {
    let turn: Turn = slot.turn().await;
    turn.record(&**app.journal.ledger(), &*app.control, row)
        .await
}

/// One release on its way.
#[derive(Debug)]
struct Release<'a> {
    slot: &'a Arc<Slot>,
    hold: &'a Hold,
    again: Again,
}

impl Release<'_> {
    fn write(&self) -> &Write {
        &self.again.write
    }

    fn app(&self) -> &App {
        &self.write().worker.app
    }

    fn now(&self) -> Timestamp {
        self.write().now
    }

    /// Step 5 and 6 once more: locks, what the record is now, today's rules, and whether what people
    /// agreed to is still what would be done.
    async fn judge(&self) -> Result<(Permit, Verdict, Snapshot), Stop> {
        let (write, changes) = (self.write(), &self.again.changes);
        let shown = self.again.contents.shown();
        let locks = write.locks(changes, Some(shown));
        let account = &write.actor.service_account;
        let control = &*self.app().control;
        write.asks();
        if let Err(cause) =
            gate::lock(control, &write.entry, account, locks.clone(), self.now()).await
        {
            let verdict = Verdict::allow();
            return Err(words::caused(&cause, &write.about(changes, &verdict)).into());
        }
        let looked = write.looked(changes);
        let snapshot = self.look(&looked).await?;
        let verdict = self.verdict(&snapshot)?;
        self.still_as_shown(&verdict, &snapshot, looked).await?;
        let judged = Judged {
            entry: &write.entry,
            service_account: account,
            verdict: &verdict,
            approved: true,
            charges: Vec::new(),
            observing: &[],
            locks,
            now: self.now(),
        };
        match gate::decide(control, judged).await {
            Decision::Permit(permit) => Ok((permit, verdict, snapshot)),
            Decision::Hold { .. } => Err(Stop::NotNow("the gate asks people again".into())),
            Decision::Refuse(cause) => {
                Err(words::caused(&cause, &write.about(changes, &verdict)).into())
            }
        }
    }

    /// The prior values now: of the fields that are written, that rules look at today, and that they
    /// looked at when it was shown.
    async fn look(&self, looked: &[Vec<String>]) -> Result<Snapshot, Stop> {
        let (write, changes) = (self.write(), &self.again.changes);
        let mut wanted = looked.to_vec();
        wanted.resize(changes.mutations().len(), Vec::new());
        for (wanted, before) in wanted.iter_mut().zip(&self.hold.looked) {
            wanted.extend(before.iter().cloned());
        }
        let snapshot = match write.snapshot(changes, &wanted).await {
            Ok(snapshot) => snapshot,
            // One record, and it is gone: that is for people to see.
            Err(Failure::PassOn(answer))
                if answer.status == StatusCode::NOT_FOUND && changes.mutations().len() == 1 =>
            {
                Snapshot::of(vec![Prior::Absent])
            }
            Err(Failure::PassOn(answer)) => {
                let what = format!(
                    "the CRM answered a look at the record with {}",
                    answer.status
                );
                return Err(Stop::NotNow(what));
            }
            Err(Failure::Unreadable(field)) => {
                let what = format!("the credential of the release cannot read {field}");
                return Err(Stop::NotNow(what));
            }
            Err(Failure::Failed(detail)) => {
                tracing::warn!(hold = %self.hold.id, %detail, "a release cannot look");
                return Err(Stop::NotNow("the CRM cannot be read now".into()));
            }
        };
        let unknown = changes.mutations().iter().enumerate().any(|(place, one)| {
            one.record.is_some()
                && one.operation != Operation::Associate
                && *snapshot.prior(place) == Prior::Unknown
        });
        if unknown {
            return Err(Stop::NotNow("the record cannot be read now".into()));
        }
        Ok(snapshot)
    }

    /// What today's rules say.
    fn verdict(&self, snapshot: &Snapshot) -> Result<Verdict, Stop> {
        let write = self.write();
        let opaque = self.again.shape.is_none();
        let seen = (!opaque).then_some(snapshot);
        let question = write.question(&self.again.changes, seen)?;
        match write.rules.evaluate(&question) {
            Evaluation::Decided { verdict, .. } => Ok(verdict),
            Evaluation::NeedsPrior(_) => Err(Stop::NotNow(
                "the rules asked for prior values twice".into(),
            )),
        }
    }

    /// A denial ends the hold. What moved makes approvals void; other requirements are asked anew.
    async fn still_as_shown(
        &self,
        verdict: &Verdict,
        snapshot: &Snapshot,
        looked: Vec<Vec<String>>,
    ) -> Result<(), Stop> {
        let (write, changes, hold) = (self.write(), &self.again.changes, self.hold);
        let now = self.now();
        if verdict.effect == Effect::Deny {
            let message = holds::denied_now(&write.about(changes, verdict));
            let row = refused(hold, Some(verdict), &message, now);
            record(self.app(), self.slot, row).await?;
            return Err(Stop::Recorded);
        }
        let shown = self.again.contents.shown();
        let mut watched = hold.looked.clone();
        watched.resize(changes.mutations().len(), Vec::new());
        let fields = drift(changes.mutations(), &watched, shown, snapshot);
        let held = verdict.effect == Effect::Hold;
        let enough = !held || people::met(&self.app().config, hold, &verdict.requirements);
        if fields.is_empty() && enough {
            return Ok(());
        }
        let terms = self.terms(verdict, snapshot);
        let change = Change {
            fields,
            snapshot: snapshot.clone(),
            verdict: verdict.clone(),
            rules: write.rules.digest().to_owned(),
            looked,
            terms,
        };
        record(self.app(), self.slot, drifted(hold, change, now)).await?;
        tracing::info!(hold = %hold.id, "waits again: not what was shown");
        Err(Stop::Recorded)
    }

    /// What people are asked from now on. Where the rules would let it pass today, what was asked
    /// before still is.
    fn terms(&self, verdict: &Verdict, snapshot: &Snapshot) -> Terms {
        let write = self.write();
        let held = verdict.effect == Effect::Hold;
        let (requirements, why) = if held {
            let about = write.about(&self.again.changes, verdict);
            (requirements(verdict), holds::why(&about, &[]))
        } else {
            let terms = &self.hold.terms;
            (terms.requirements.clone(), terms.why.clone())
        };
        let shown = Shown {
            id: &self.hold.id,
            entry: &self.hold.entry,
            content: &self.hold.content,
            bytes: &self.again.bytes,
            snapshot,
            requirements: &requirements,
        };
        Terms {
            shown: shown.digest(),
            requirements,
            why,
        }
    }
}
