//! Step 5: the verdict, with prior values read under locks where a row or rule looks at them.

use std::collections::HashMap;

use super::{Write, passes};
use crate::clock::EntryId;
use crate::crm::Wanted;
use crate::error::Refusal;
use crate::gate;
use crate::mutation::{
    ChangeSet, Mutation, Operation, Origin, Prior, RecordKey, Snapshot, Verdict,
};
use crate::policy::{Evaluation, Question};
use crate::proxy::{Refused, answer_of, words};
use crate::snapshot::{self, Failure, Taking};

/// What the rules said, and what they looked at.
#[derive(Debug)]
pub(super) struct Judgement {
    /// Their verdict.
    pub(super) verdict: Verdict,
    /// Whether it rests on prior values.
    pub(super) rests_on_prior: bool,
    /// The prior values, where they were read.
    pub(super) snapshot: Option<Snapshot>,
}

impl Write {
    /// The question put to the rules.
    pub(super) fn question<'a>(
        &'a self,
        changes: &'a ChangeSet,
        snapshot: Option<&'a Snapshot>,
    ) -> Result<Question<'a>, Refusal> {
        Ok(Question {
            crm: self.state()?.route.crm,
            route: self.route(),
            actor: &self.actor,
            origin: Origin::Agent,
            method: self.parts.method.as_str(),
            path: self.path.as_str(),
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
                if !passes(&verdict) {
                    return Err(self.denied(changes, &verdict).await);
                }
                if !changes.mutations().iter().any(named_by_key) {
                    return Ok(Judgement {
                        verdict,
                        rests_on_prior,
                        snapshot: None,
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
        match self
            .rules
            .evaluate(&self.question(changes, Some(&snapshot))?)
        {
            Evaluation::Decided {
                verdict,
                rests_on_prior,
            } if passes(&verdict) => Ok(Judgement {
                verdict,
                rests_on_prior,
                snapshot: Some(snapshot),
            }),
            Evaluation::Decided { verdict, .. } => Err(self.denied(changes, &verdict).await),
            // Everything there is to know was given; a rule set that asks again cannot decide.
            Evaluation::NeedsPrior(_) => {
                let refusal = Refusal::unavailable("the rules asked for prior values twice");
                Err(self.give_back(refusal, changes, &Verdict::allow()).await)
            }
        }
    }

    /// Judges what cannot be taken apart.
    pub(super) fn judge_opaque(&self, changes: &ChangeSet) -> Result<Judgement, Verdict> {
        let evaluation = match self.question(changes, None) {
            Ok(question) => self.rules.evaluate(&question),
            Err(_no_route) => Evaluation::NeedsPrior(Vec::new()),
        };
        match evaluation {
            Evaluation::Decided {
                verdict,
                rests_on_prior,
            } if passes(&verdict) => Ok(Judgement {
                verdict,
                rests_on_prior,
                snapshot: Some(Snapshot::default()),
            }),
            Evaluation::Decided { verdict, .. } => Err(verdict),
            Evaluation::NeedsPrior(_) => Err(Verdict {
                effect: crate::mutation::Effect::Deny,
                ..Verdict::allow()
            }),
        }
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
        match gate::lock(
            control,
            &self.entry,
            &self.actor.service_account,
            locks,
            self.now,
        )
        .await
        {
            Ok(()) => Ok(()),
            Err(cause) => Err(self.caused(&cause, changes, &Verdict::allow()).await),
        }
    }

    /// The records a change set locks: as it names them, and by the ids that were read.
    pub(super) fn locks(&self, changes: &ChangeSet, snapshot: Option<&Snapshot>) -> Vec<String> {
        let mut locks = Vec::new();
        for (place, mutation) in changes.mutations().iter().enumerate() {
            let object = mutation.object.to_ascii_lowercase();
            let named = mutation.record.iter().chain(&mutation.others);
            locks.extend(named.map(|key| format!("{}/{object}/{key}", self.route())));
            if let Some(Prior::Found { id, .. }) = snapshot.map(|snapshot| snapshot.prior(place)) {
                locks.push(format!("{}/{object}/{id}", self.route()));
            }
        }
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
        let state = self.state().map_err(failed)?;
        let upstream = self
            .worker
            .upstreams
            .get(self.place)
            .ok_or_else(|| failed(super::super::no_upstream()))?;
        let mut headers = http::HeaderMap::new();
        self.caller.credential.put(&mut headers).map_err(failed)?;
        let taking = Taking {
            crm: state.crm,
            catalog: &state.catalog,
            upstream,
            head: &self.head(),
            headers: &headers,
            mutations: changes.mutations(),
        };
        snapshot::take(&taking, wanted).await
    }

    /// A snapshot that could not be taken: the CRM's own answer, a denial, or unavailable.
    pub(super) async fn no_snapshot(
        &self,
        failure: Failure,
        changes: &ChangeSet,
        verdict: &Verdict,
    ) -> Box<Refused> {
        match failure {
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

fn named_by_key(mutation: &Mutation) -> bool {
    matches!(mutation.record, Some(RecordKey::External { .. }))
}

/// Two rows that name one record by different keys: which value wins is the CRM's to choose.
fn one_record_twice(snapshot: &Snapshot, changes: &ChangeSet) -> Option<Refusal> {
    let mut seen: HashMap<(String, &str), &Mutation> = HashMap::new();
    for (place, mutation) in changes.mutations().iter().enumerate() {
        let Prior::Found { id, .. } = snapshot.prior(place) else {
            continue;
        };
        if mutation.operation == Operation::Associate {
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

/// A write to a record whose prior values are not known could not be undone: no snapshot, no write.
fn incomplete(snapshot: &Snapshot, changes: &ChangeSet, entry: &EntryId) -> Option<Refusal> {
    changes
        .mutations()
        .iter()
        .enumerate()
        .find_map(|(place, mutation)| {
            // A link overwrites nothing of the record at its far end, which is not read for it.
            let overwrites =
                mutation.record.is_some() && mutation.operation != Operation::Associate;
            let unknown = overwrites && *snapshot.prior(place) == Prior::Unknown;
            unknown.then(|| {
                let row = mutation
                    .row
                    .as_deref()
                    .map(|row| format!("{row}: "))
                    .unwrap_or_default();
                let mut refusal = words::unreadable(&format!("{row}{}", mutation.object), entry);
                refusal.rows = mutation.row.iter().cloned().collect();
                refusal
            })
        })
}
