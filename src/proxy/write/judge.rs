//! Step 5: the verdict, with prior values read under locks where a row or rule looks at them.

use std::pin::pin;

use std::collections::HashMap;
use std::time::Instant;

use http::StatusCode;

use super::{Write, passes};
use crate::clock::EntryId;
use crate::crm::Wanted;
use crate::doubt;
use crate::error::Refusal;
use crate::gate;
use crate::mutation::{
    ChangeSet, CrmKind, Mutation, Operation, Prior, RecordKey, Snapshot, Verdict,
};
use crate::policy::{Evaluation, Question};
use crate::proxy::{Refused, answer_of, words};
use crate::snapshot::{self, Failure};

/// What the rules said, and what they looked at.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Their verdict.
    pub(super) verdict: Verdict,
    /// Whether it rests on prior values.
    pub(super) rests_on_prior: bool,
    /// The prior values, where they were read.
    pub(super) snapshot: Option<Snapshot>,
    /// Of a bulk job's commit, how many of its rows are judged as what.
    pub(super) rows: Vec<(Operation, u64)>,
}

impl Write {
    /// The question put to the rules.
    pub(super) fn question<'a>(
        &'a self,
        changes: &'a ChangeSet,
        snapshot: Option<&'a Snapshot>,
    ) -> Result<Question<'a>, Refusal> {
        Ok(Question {
            total: self.committing().map(|(_, fed)| fed.rows),
            crm: self.state()?.route.crm,
            route: self.route(),
            actor: &self.actor,
            origin: self.origin,
            method: self.parts.method.as_str(),
            path: self.path.as_str(),
            acting: &self.acting,
            changes,
            snapshot,
            now: self.now,
        })
    }

    /// Judges a change set. Prior values are read when the rules ask for them, or when a record is
    /// named by another key than its id: limits and locks use the id.
    pub(super) async fn judge(&self, changes: &ChangeSet) -> Result<Judgement, Box<Refused>> {
        let question = self.question(changes, None)?;
        let wanted = match self.rules.evaluate(&question) {
            Evaluation::Decided {
                verdict,
                rests_on_prior,
            } => {
                let (verdict, rests_on_prior) = self.enforced(verdict, rests_on_prior);
                if !passes(&verdict) {
                    return Err(self.denied(changes, &verdict).await);
                }
                if !changes
                    .mutations()
                    .iter()
                    .any(|mutation| self.may_have_another_id(mutation))
                {
                    return Ok(Judgement {
                        verdict,
                        rests_on_prior,
                        snapshot: None,
                        rows: Vec::new(),
                    });
                }
                Wanted::new()
            }
            Evaluation::NeedsPrior(wanted) => wanted,
        };
        let snapshot = self.locked_snapshot(changes, &wanted).await?;
        if let Some(refusal) = one_record_twice(&snapshot, changes) {
            return Err(self.give_back(refusal, changes, &Verdict::allow()).await);
        }
        let question = self.question(changes, Some(&snapshot))?;
        let Evaluation::Decided {
            verdict,
            rests_on_prior,
        } = self.rules.evaluate(&question)
        else {
            // Everything there is to know was given; a rule set that asks again cannot decide.
            let refusal = Refusal::unavailable("the rules asked for prior values twice");
            return Err(self.give_back(refusal, changes, &Verdict::allow()).await);
        };
        let (verdict, rests_on_prior) = self.enforced(verdict, rests_on_prior);
        if !passes(&verdict) {
            return Err(self.denied(changes, &verdict).await);
        }
        Ok(Judgement {
            verdict,
            rests_on_prior,
            snapshot: Some(snapshot),
            rows: Vec::new(),
        })
    }

    /// Whether the read can name the record otherwise than the request does: limits, locks and blocks
    /// go by that id. An older id of a merged HubSpot record still leads to it.
    fn may_have_another_id(&self, mutation: &Mutation) -> bool {
        match &mutation.record {
            Some(RecordKey::External { .. }) => true,
            Some(RecordKey::Id { .. }) => self
                .state()
                .is_ok_and(|state| state.route.crm == CrmKind::HubSpot),
            None => false,
        }
    }

    /// Judges what cannot be taken apart.
    pub(super) fn judge_opaque(&self, changes: &ChangeSet) -> Result<Judgement, Verdict> {
        let evaluation = match self.question(changes, None) {
            Ok(question) => self.rules.evaluate(&question),
            Err(_no_route) => Evaluation::NeedsPrior(Vec::new()),
        };
        let Evaluation::Decided {
            verdict,
            rests_on_prior,
        } = evaluation
        else {
            return Err(Verdict {
                effect: crate::mutation::Effect::Deny,
                ..Verdict::allow()
            });
        };
        let (verdict, rests_on_prior) = self.enforced(verdict, rests_on_prior);
        if !passes(&verdict) {
            return Err(verdict);
        }
        Ok(Judgement {
            verdict,
            rests_on_prior,
            snapshot: Some(Snapshot::default()),
            rows: Vec::new(),
        })
    }

    /// The snapshot that goes into the entry: the one that was judged on, or taken now. What cannot be
    /// read could not be undone, so it is not written.
    pub(super) async fn complete(
        &self,
        snapshot: Option<Snapshot>,
        changes: &ChangeSet,
        verdict: &Verdict,
    ) -> Result<Snapshot, Box<Refused>> {
        let snapshot = match snapshot {
            Some(snapshot) => snapshot,
            None => match self.snapshot(changes, &Wanted::new()).await {
                Ok(snapshot) => snapshot,
                Err(failure) => return Err(self.no_snapshot(failure, changes, verdict).await),
            },
        };
        match incomplete(&snapshot, changes, &self.entry) {
            Some(refusal) => Err(self.give_back(refusal, changes, verdict).await),
            None => Ok(snapshot),
        }
    }

    /// Prior values that stay as they are until this write is closed, as far as it is ours to say. A
    /// record that is named by another key is known by its id only after the first look; another write
    /// may have had it under that id meanwhile, so it is locked by its id and looked at again.
    async fn locked_snapshot(
        &self,
        changes: &ChangeSet,
        wanted: &Wanted,
    ) -> Result<Snapshot, Box<Refused>> {
        let named = self.locks(changes, None);
        self.lock(changes, named.clone()).await?;
        let first = self.look(changes, wanted).await?;
        let all = self.locks(changes, Some(&first));
        if all == named {
            return Ok(first);
        }
        self.lock(changes, all.clone()).await?;
        let second = self.look(changes, wanted).await?;
        if self.locks(changes, Some(&second)) == all {
            return Ok(second);
        }
        let refusal = words::moved();
        Err(self.give_back(refusal, changes, &Verdict::allow()).await)
    }

    async fn look(&self, changes: &ChangeSet, wanted: &Wanted) -> Result<Snapshot, Box<Refused>> {
        match self.snapshot(changes, wanted).await {
            Ok(snapshot) => Ok(snapshot),
            Err(failure) => Err(self.no_snapshot(failure, changes, &Verdict::allow()).await),
        }
    }

    async fn lock(&self, changes: &ChangeSet, locks: Vec<String>) -> Result<(), Box<Refused>> {
        let control = &*self.worker.app.control;
        self.asks();
        let account = &self.actor.service_account;
        let locking = gate::lock(control, &self.reservation, account, locks, self.now);
        match self.watch.wait_for(pin!(locking)).await {
            Ok(_epoch) => Ok(()),
            Err(cause) => Err(self.caused(&cause, changes, &Verdict::allow()).await),
        }
    }

    /// The records a change set locks: as it names them, and by the ids that were read. Beside other
    /// replicas the request itself, too.
    pub(super) fn locks(&self, changes: &ChangeSet, snapshot: Option<&Snapshot>) -> Vec<String> {
        let mut locks = Vec::new();
        for (place, mutation) in changes.mutations().iter().enumerate() {
            let prior = snapshot.map(|snapshot| snapshot.prior(place));
            locks.extend(doubt::records(self.route(), mutation, prior));
        }
        locks.extend(self.lock_of(&self.digest));
        locks.sort_unstable();
        locks.dedup();
        locks
    }

    /// Reads prior values with the write's own credential.
    pub(super) async fn snapshot(
        &self,
        changes: &ChangeSet,
        wanted: &Wanted,
    ) -> Result<Snapshot, Failure> {
        if changes.mutations().is_empty() {
            return Ok(Snapshot::default());
        }
        let failed = |refusal: Refusal| Failure::Failed(refusal.message);
        let access = self.access().map_err(failed)?;
        let head = self.head();
        let taking = self
            .taking(&head, &access, changes.mutations())
            .map_err(failed)?;
        let began = Instant::now();
        let taken = snapshot::take(&taking, wanted).await;
        let took = began.elapsed();
        self.watch.away(took);
        if let Some(tally) = self.tally() {
            tally.snapshot(took);
        }
        taken
    }

    /// A snapshot that could not be taken: the CRM's own answer, a denial, or unavailable.
    pub(super) async fn no_snapshot(
        &self,
        failure: Failure,
        changes: &ChangeSet,
        verdict: &Verdict,
    ) -> Box<Refused> {
        match failure {
            Failure::PassOn(answer)
                if answer.status == StatusCode::UNAUTHORIZED
                    && self.caller.credential.is_ours() =>
            {
                let refusal = words::credential_refused();
                self.give_back(refusal, changes, verdict).await
            }
            Failure::NoCredential(error) => {
                let refusal = words::no_credential(&error);
                self.give_back(refusal, changes, verdict).await
            }
            Failure::PassOn(answer) => {
                let note = format!("the CRM answered the prior read with {}", answer.status);
                let refusal = Refusal::new(crate::error::RefusalKind::Upstream, note);
                let mut refused = self.give_back(refusal, changes, verdict).await;
                if refused.entry.is_some() {
                    refused.instead = Some(Box::new(answer_of(*answer)));
                }
                refused
            }
            Failure::Unreadable(field) => {
                let refusal = words::unreadable(&field, &self.entry);
                self.give_back(refusal, changes, verdict).await
            }
            Failure::Failed(detail) => {
                let mut refusal = Refusal::unavailable(detail);
                refusal.message =
                    "Not written: the present values cannot be read from the CRM. Try again in 5 s."
                        .into();
                self.give_back(refusal, changes, verdict).await
            }
        }
    }
}

/// Two rows that name one record by different keys: which value wins is the CRM's to choose.
fn one_record_twice(snapshot: &Snapshot, changes: &ChangeSet) -> Option<Refusal> {
    let mut seen: HashMap<(String, &str), &Mutation> = HashMap::new();
    for (place, mutation) in changes.mutations().iter().enumerate() {
        let Prior::Found { id, .. } = snapshot.prior(place) else {
            continue;
        };
        if [Operation::Associate, Operation::Dissociate].contains(&mutation.operation) {
            continue;
        }
        let record = (mutation.object.to_ascii_lowercase(), id.as_str());
        if let Some(first) = seen.insert(record, mutation) {
            let row = |mutation: &Mutation| mutation.row.clone().unwrap_or_default();
            return Some(Refusal::malformed(format!(
                "{} and {} name the same record; send it once",
                row(first),
                row(mutation)
            )));
        }
    }
    None
}

/// The rows whose prior values are not known, of those that can lose some: a new link takes nothing
/// from the record at its far end, which is read only where a rule looks at it.
fn unknown<'a>(
    snapshot: &'a Snapshot,
    changes: &'a ChangeSet,
) -> impl Iterator<Item = &'a Mutation> {
    let mutations = changes.mutations().iter().enumerate();
    mutations
        .filter(|(place, mutation)| {
            mutation.record.is_some()
                && mutation.operation != Operation::Associate
                && *snapshot.prior(*place) == Prior::Unknown
        })
        .map(|(_, mutation)| mutation)
}

/// A write to a record whose prior values are not known could not be undone: no snapshot, no write.
pub(super) fn incomplete(
    snapshot: &Snapshot,
    changes: &ChangeSet,
    entry: &EntryId,
) -> Option<Refusal> {
    let mutation = unknown(snapshot, changes).next()?;
    let row = mutation
        .row
        .as_deref()
        .map(|row| format!("{row}: "))
        .unwrap_or_default();
    let mut refusal = words::unreadable(&format!("{row}{}", mutation.object), entry);
    refusal.rows = mutation.row.iter().cloned().collect();
    Some(refusal)
}
