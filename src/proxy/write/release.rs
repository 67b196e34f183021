//! The release of an approved write: judged again by today's rules on what the record is today, then
//! sent as it was parked, at most once (P6, P7). Releases are people's acts: nothing is charged.

mod again;
mod dispatch;
mod job;

use std::pin::pin;
use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;

use super::Write;
use super::park::requirements;
use crate::app::{App, Worker};
use crate::clock::EntryId;
use crate::error::{Conflict, Refusal, StoreError};
use crate::gate::{self, Decision, Judged, Permit};
use crate::hold::drift::{drift, touched};
use crate::hold::rows::{Change, drifted, refused};
use crate::hold::{
    self, Contents, Hold, Releasing, Shown, Slot, State, TRY_AGAIN, Terms, Turn, people,
};
use crate::ledger::NewRow;
use crate::mutation::{Effect, Mutation, Operation, Prior, Snapshot, Verdict};
use crate::policy::Evaluation;
use crate::proxy::actor::Credential;
use crate::proxy::words::{self, holds};
use crate::snapshot::Failure;
use crate::upstream::Answer;
use again::Again;

/// Why a release did not come to be.
#[derive(Debug)]
enum Stop {
    /// Not now: the hold stays approved, and is told so.
    NotNow(String),
    /// Not before this entry is settled, which left one of the records in doubt: likewise.
    InDoubt(EntryId),
    /// The CRM does not take the credential: likewise.
    Unauthorised(Box<Answer>),
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
        if matches!(error.conflict, Some(Conflict::Moved | Conflict::Opened)) {
            return Self::Recorded;
        }
        tracing::error!(%error, "a release cannot be recorded");
        Self::NotNow("Writegate cannot record changes now".into())
    }
}

/// Releases a hold if it is approved, with the credential that the configuration has for it, else with
/// the agent's `own`. Returns when it is over; to be run to its end, and counted as under way by whoever
/// runs it. Where the CRM did not take the agent's own credential, returns its answer: it is the agent's.
pub(in crate::proxy) async fn release(
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    own: Option<&Credential>,
) -> Option<Box<Answer>> {
    let app = &worker.app;
    let (hold, credential, releasing) = claim(app, slot, own).await?;
    let theirs = matches!(credential, Credential::Own(..) | Credential::Session(_));
    let result = run(worker, slot, &hold, credential).await;
    let mut refused = None;
    let turn = slot.turn().await;
    let now = app.clock.now();
    turn.note(|hold| {
        hold.releasing = false;
        match result {
            Err(Stop::NotNow(note)) => {
                tracing::warn!(hold = %hold.id, %note, "not released");
                hold.note = Some(note);
                hold.retry_at = now.checked_add(TRY_AGAIN).ok();
            }
            Err(Stop::InDoubt(entry)) => {
                tracing::info!(hold = %hold.id, %entry, "not released before this is settled");
                hold.note = Some(holds::behind(&entry));
                hold.behind = Some(entry);
            }
            Err(Stop::Unauthorised(answer)) => {
                tracing::warn!(hold = %hold.id, "not released: the credential is refused");
                if hold.end.is_none() {
                    hold.note = Some(hold::REFUSED.to_owned());
                    hold.retry_at = now.checked_add(TRY_AGAIN).ok();
                }
                refused = theirs.then_some(answer);
            }
            Ok(()) | Err(Stop::Recorded) => {}
        }
    });
    drop(releasing);
    turn.settle(&*app.control).await;
    refused
}

/// Makes an approved hold one that is being released: by nobody else, and to no other end.
async fn claim(
    app: &App,
    slot: &Arc<Slot>,
    own: Option<&Credential>,
) -> Option<(Arc<Hold>, Credential, Releasing)> {
    let turn = slot.turn().await;
    let hold = turn.hold()?;
    if hold.state(&app.config) != State::Approved || hold.is_due(app.clock.now()) {
        return None;
    }
    let account = &hold.actor.service_account;
    let mut accounts = app.config.service_accounts.iter();
    if hold.takes_back.is_none() && !accounts.any(|known| known.name == *account) {
        let later = app.clock.now().checked_add(TRY_AGAIN).ok();
        turn.note(|hold| {
            hold.note = Some(holds::removed(&hold.actor.service_account));
            hold.retry_at = later;
        });
        return None;
    }
    let configured = hold::credential(&app.config, &hold);
    let credential = match configured {
        Some(from) => Credential::Broker(app.keyring.handle(&hold.route, from)?),
        None => own.cloned()?,
    };
    turn.note(|hold| (hold.note, hold.behind) = (None, None));
    let releasing = turn.releasing();
    Some((turn.hold()?, credential, releasing))
}

async fn run(
    worker: &Arc<Worker>,
    slot: &Arc<Slot>,
    hold: &Hold,
    credential: Credential,
) -> Result<(), Stop> {
    let app = &worker.app;
    let contents = Contents::load(&**app.journal.ledger(), &hold.entry).await?;
    let again = match contents {
        Some(contents) => Again::of(worker, hold, contents, credential).await,
        None => Err("its values were erased from the ledger".to_owned()),
    };
    let release = match again {
        Ok(mut again) => {
            let job = again.find_job().await?;
            Release {
                slot,
                hold,
                again,
                job,
            }
        }
        Err(why) => {
            let message = holds::lost(hold, &why);
            record(app, slot, refused(hold, None, &message, app.clock.now())).await?;
            return Err(Stop::Recorded);
        }
    };
    let judged = if release.job {
        release.judge_job().await
    } else {
        release.judge().await
    };
    let result = match judged {
        Ok((permit, verdict, snapshot)) => release.dispatch(permit, &verdict, &snapshot).await,
        Err(stop) => {
            // Only locks were taken.
            release.write().refund().await;
            Err(stop)
        }
    };
    let write = release.write();
    if let Some(tally) = write.tally() {
        tally.judged(&write.watch);
    }
    result
}

async fn record(app: &App, slot: &Arc<Slot>, row: NewRow) -> Result<(), StoreError> {
    let turn: Turn = slot.turn().await;
    turn.record(&**app.journal.ledger(), &*app.control, row)
        .await
}

/// Whether prior values of it are read.
fn is_read(mutation: &Mutation) -> bool {
    mutation.record.is_some() && mutation.operation != Operation::Associate
}

/// One release on its way.
#[derive(Debug)]
struct Release<'a> {
    slot: &'a Arc<Slot>,
    hold: &'a Hold,
    again: Again,
    /// Whether it commits a bulk job.
    job: bool,
}

impl Release<'_> {
    fn write(&self) -> &Write {
        &self.again.write
    }

    fn app(&self) -> &Arc<App> {
        &self.write().worker.app
    }

    fn now(&self) -> Timestamp {
        self.write().now
    }

    /// Step 5 and 6 once more: locks, what the record is now, today's rules, and whether what people
    /// agreed to is still what would be done.
    async fn judge(&self) -> Result<(Permit, Verdict, Snapshot), Stop> {
        let (write, changes) = (self.write(), &self.again.changes);
        write.read_back(changes).await;
        let shown = self.again.contents.shown();
        let locks = write.locks(changes, Some(shown));
        let account = &write.actor.service_account;
        let control = &*self.app().control;
        write.asks();
        let locking = gate::lock(
            control,
            &write.reservation,
            account,
            locks.clone(),
            self.now(),
        );
        if let Err(cause) = write.watch.wait_for(pin!(locking)).await {
            let verdict = Verdict::allow();
            return Err(words::caused(&cause, &write.about(changes, &verdict)).into());
        }
        let looked = write.looked(changes);
        let snapshot = self.look(&looked).await?;
        write.knows_others()?;
        if write.open_elsewhere(changes, &snapshot).is_some() {
            return Err(Stop::NotNow("another replica writes the record".into()));
        }
        // What is in doubt may still come to be, so it is neither written over nor compared with.
        if let Some(blocked) = write.blocked(changes, Some(&snapshot)) {
            return Err(Stop::InDoubt(blocked.entry));
        }
        if !changes.mutations().iter().any(is_read) {
            self.probe().await?;
        }
        let verdict = self.verdict(&snapshot)?;
        self.still_as_shown(&verdict, &snapshot, looked).await?;
        let permit = self.permit(&verdict, locks).await?;
        Ok((permit, verdict, snapshot))
    }

    /// Step 6: the gate, for what people agreed to.
    async fn permit(&self, verdict: &Verdict, locks: Vec<String>) -> Result<Permit, Stop> {
        let (write, changes) = (self.write(), &self.again.changes);
        let judged = Judged {
            entry: &write.entry,
            reservation: &write.reservation,
            service_account: &write.actor.service_account,
            verdict,
            approved: true,
            charges: Vec::new(),
            observing: &[],
            locks,
            now: self.now(),
        };
        match gate::decide(&*self.app().control, judged).await {
            Decision::Permit(permit) => Ok(permit),
            Decision::Hold { .. } => Err(Stop::NotNow("the gate asks people again".into())),
            Decision::Refuse(cause) => {
                Err(words::caused(&cause, &write.about(changes, verdict)).into())
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
            Err(Failure::PassOn(answer)) if answer.status == StatusCode::UNAUTHORIZED => {
                return Err(Stop::Unauthorised(answer));
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
            Err(Failure::NoCredential(error)) => return Err(Stop::NotNow(error.to_string())),
            Err(Failure::Failed(detail)) => {
                tracing::warn!(hold = %self.hold.id, %detail, "a release cannot look");
                return Err(Stop::NotNow("the CRM cannot be read now".into()));
            }
        };
        self.known(snapshot)
    }

    /// Where there is no record to look at, a read of next to nothing: opening the entry is for once, so
    /// a CRM that is down, or a session that is over, must not be found out by the write.
    async fn probe(&self) -> Result<(), Stop> {
        let write = self.write();
        let call = write.state()?.crm.probe(&write.head());
        let answer = write.ask(&call).await.map_err(|detail| {
            tracing::warn!(hold = %self.hold.id, %detail, "a release cannot look");
            Stop::NotNow("the CRM cannot be reached now".into())
        })?;
        match answer.status.as_u16() {
            401 => Err(Stop::Unauthorised(Box::new(answer))),
            429 | 500..=599 => Err(Stop::NotNow(format!(
                "the CRM answered a look at it with {}",
                answer.status
            ))),
            _ => Ok(()),
        }
    }

    /// A record that was shown and is not returned any more is gone, as far as the credential can see:
    /// that is for people to see. One that was never known cannot be compared.
    fn known(&self, mut snapshot: Snapshot) -> Result<Snapshot, Stop> {
        let shown = self.again.contents.shown();
        for (place, mutation) in self.again.changes.mutations().iter().enumerate() {
            let prior = snapshot.priors.get_mut(place);
            let unknown = |prior: &&mut Prior| is_read(mutation) && **prior == Prior::Unknown;
            let Some(prior) = prior.filter(unknown) else {
                continue;
            };
            if !matches!(shown.prior(place), Prior::Found { .. }) {
                return Err(Stop::NotNow("the record cannot be read now".into()));
            }
            *prior = Prior::Absent;
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
        if hold.takes_back.is_some() {
            // A revert leaves alone what others changed since, whoever agrees to it (P8).
            let touched = touched(changes.mutations(), shown, snapshot);
            if !touched.is_empty() {
                let message = holds::touched(&touched);
                let row = refused(hold, Some(verdict), &message, now);
                record(self.app(), self.slot, row).await?;
                return Err(Stop::Recorded);
            }
        }
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
