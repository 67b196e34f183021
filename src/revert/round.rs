//! One request of a revert: its records are locked before they are looked at, so that no agent's write
//! slips in between the look and the write.

use std::sync::Arc;

use http::HeaderMap;

use super::batch::{Batch, Kind};
use super::children;
use super::deed::Record;
use super::look::{Way, look, present};
use super::plan::{self, Back, Plan};
use super::report::{Action, Finding};
use crate::app::Worker;
use crate::clock::EntryId;
use crate::gate::{self, Cause};
use crate::mutation::{Actor, Prior, Snapshot};
use crate::policy::RuleSet;

/// Said where a record turned out other than a moment ago.
pub(super) const MOVED: &str = "changed while it was being reverted; try again";

/// A revert at work.
#[derive(Debug)]
pub(super) struct Reverting {
    pub(super) worker: Arc<Worker>,
    /// The operator's name.
    pub(super) operator: String,
    /// The same as entries have it.
    pub(super) actor: Actor,
    /// The rules in force when it began; a reload in between does not change them.
    pub(super) rules: Arc<RuleSet>,
    pub(super) dry_run: bool,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) findings: Vec<Finding>,
    /// Records that have to be looked at again, in other batches.
    pub(super) again: Vec<Batch>,
}

/// One record of a round, with something to do.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) record: Record,
    pub(super) plan: Plan,
    /// What it holds.
    pub(super) prior: Prior,
}

impl Turn {
    /// Nothing comes of it.
    pub(super) fn fail(mut self, action: Action, why: &str) -> Vec<Finding> {
        for finding in &mut self.plan.findings {
            finding.fail(action, why);
        }
        self.plan.findings
    }
}

impl Reverting {
    pub(super) async fn round(&self, batch: &Batch) -> Round {
        let app = &self.worker.app;
        let credential = batch.credential(app);
        let (Some(state), Ok(credential)) = (app.routes.get(batch.place), credential) else {
            return left_alone(batch, Action::Impossible, "its route cannot be reached");
        };
        let mut access = HeaderMap::new();
        credential.put(&mut access);
        let way = Way {
            worker: &self.worker,
            place: batch.place,
            state,
            credential: &credential,
            access: &access,
            like: &batch.like,
        };
        let now = app.clock.now();
        let entry = app.entry_id(now);
        if !self.dry_run {
            let locks = batch.locks(state);
            let name = &self.actor.service_account;
            if let Err(cause) = gate::lock(&*app.control, &entry, name, locks, now).await {
                return not_locked(batch, &cause);
            }
            // Nobody takes a step any more: what others left in doubt is known from here on.
            if let Err(error) = app.catch_up().await {
                self.refund(&entry).await;
                tracing::warn!(%error, "a revert waits until the other replicas are heard");
                let why = "what other replicas did is not known now; try again";
                return left_alone(batch, Action::Skipped, why);
            }
        }
        match look(&way, batch).await {
            Ok(snapshot) => self.looked(&way, batch, &entry, &snapshot).await,
            Err(why) => {
                self.refund(&entry).await;
                left_alone(batch, Action::Skipped, &why)
            }
        }
    }

    async fn looked(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        entry: &EntryId,
        snapshot: &Snapshot,
    ) -> Round {
        let mut round = Round::default();
        let (mut turns, mut others) = (Vec::new(), Vec::new());
        let (doubts, route) = (&self.worker.app.doubts, &way.state.route.name);
        for (place, record) in batch.records.iter().enumerate() {
            // What is in doubt may still come to be, and reading it back compares with what was there.
            if let Some(doubtful) = doubts.of_record(route, &record.object, &record.id) {
                let why = format!("another write to it is in doubt: settle entry {doubtful} first");
                let plan = plan::left_alone(record, Action::Skipped, &why);
                round.findings.extend(plan.findings);
                continue;
            }
            let plan = plan::plan(way.state.crm, record, present(snapshot, place, &record.id));
            let turn = Turn {
                record: record.clone(),
                plan,
                prior: snapshot.prior(place).clone(),
            };
            match (&turn.plan.back, batch.kind) {
                (Back::Nothing, _) => round.findings.extend(turn.plan.findings),
                (Back::Restore(_), Kind::Restore)
                | (Back::Remove, Kind::Remove)
                | (Back::Undelete, Kind::Undelete) => {
                    turns.push(turn);
                }
                _ if batch.again => round.findings.extend(turn.fail(Action::Skipped, MOVED)),
                _ => others.push(turn.record),
            }
        }
        if !others.is_empty() {
            round.again.push(batch.turned(others));
        }
        let turns = children::spare(way, batch, turns, &mut round.findings).await;
        let ready = self.judge(way, batch, turns, &mut round.findings).await;
        match ready {
            Some(ready) if self.dry_run => {
                let plans = ready.turns.into_iter().flat_map(|turn| turn.plan.findings);
                round.findings.extend(plans);
            }
            Some(ready) => {
                let told = Box::pin(self.send(way, batch, entry, ready)).await;
                round.findings.extend(told);
            }
            None => self.refund(entry).await,
        }
        round
    }

    /// Lets go of the locks of a round that sends nothing.
    pub(super) async fn refund(&self, entry: &EntryId) {
        if self.dry_run {
            return;
        }
        if let Err(error) = self.worker.app.control.refund(entry).await {
            tracing::error!(%error, %entry, "a revert's locks are not given back");
        }
    }
}

fn left_alone(batch: &Batch, action: Action, why: &str) -> Round {
    let plans = batch
        .records
        .iter()
        .map(|record| plan::left_alone(record, action, why));
    Round {
        findings: plans.flat_map(|plan| plan.findings).collect(),
        again: Vec::new(),
    }
}

/// Where one record of many is busy, the others need not wait for it.
fn not_locked(batch: &Batch, cause: &Cause) -> Round {
    let (left, right) = batch.records.split_at(batch.records.len() / 2);
    if matches!(cause, Cause::Busy) && !left.is_empty() {
        return Round {
            findings: Vec::new(),
            again: vec![batch.with(left.to_vec()), batch.with(right.to_vec())],
        };
    }
    left_alone(batch, Action::Skipped, &told(cause))
}

/// The gate's no, for people.
pub(super) fn told(cause: &Cause) -> String {
    match cause {
        Cause::Denied => "the rules deny it".into(),
        Cause::Limited { charge, .. } => format!("limit {} does not allow it", charge.limit.name),
        Cause::Stopped(switch) => format!(
            "{} was stopped by {} ({}): resume it first",
            match switch.service_account.as_str() {
                "*" => "everything",
                name => name,
            },
            switch.by,
            switch.reason
        ),
        Cause::Busy => "another write to it is under way; try again".into(),
        Cause::Stale => "the view of the kill switches is too old; try again".into(),
        Cause::Store(error) => {
            tracing::error!(%error, "a revert cannot be admitted");
            "the control store cannot answer now; try again".into()
        }
    }
}
