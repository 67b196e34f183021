//! Parks a write that a person decides: exact bytes, prior values and what people are asked, in one
//! row of the ledger, before the agent hears of it.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::attach::Same;
use super::{Write, understood};
use crate::control::{Admission, Ask};
use crate::error::Refusal;
use crate::gate;
use crate::hold::rows::{Parked, meta};
use crate::hold::{
    Begun, Contents, Exact, Shown, Slot, TakesBack, Terms, Turn, gauge_reservation, people,
};
use crate::journal;
use crate::ledger::NewRow;
use crate::mutation::{ChangeSet, Charge, Requirement, Snapshot, Verdict};
use crate::policy::Evaluation;
use crate::proxy::words::{self, holds};
use crate::proxy::{Refused, headers};
use crate::upstream::Body;

/// A write that is to wait.
#[derive(Debug)]
pub(super) struct Parking {
    /// Whether it could not be taken apart.
    pub(super) opaque: bool,
    /// The inspected bytes.
    pub(super) bytes: Bytes,
    /// What would change.
    pub(super) changes: ChangeSet,
    /// What the rules said.
    pub(super) verdict: Verdict,
    /// The prior values, where they were read.
    pub(super) snapshot: Option<Snapshot>,
    /// What was taken from limits; it stays taken.
    pub(super) charges: Vec<Charge>,
    /// The thresholds that were passed.
    pub(super) over: Vec<Charge>,
    /// What it takes back, where it is a revert.
    pub(super) takes_back: Option<TakesBack>,
    /// The epoch in which all that was taken; `None`: nothing was.
    pub(super) epoch: Option<u64>,
}

impl Write {
    /// Parks, and answers when that is durable.
    pub(super) async fn park(&self, mut parking: Parking) -> Result<Response<Body>, Box<Refused>> {
        let app = &self.worker.app;
        let (changes, verdict) = (&parking.changes, &parking.verdict);
        if let Some(refusal) = self.not_for_people() {
            return Err(self.give_back(refusal, changes, verdict).await);
        }
        if !understood(Some(changes)) && !parking.opaque {
            // a hold keeps the body, and this one's is a secret
            let refusal = holds::not_kept(&self.entry);
            return Err(self.give_back(refusal, changes, verdict).await);
        }
        let snapshot = parking.snapshot.take();
        let snapshot = self.complete(snapshot, changes, verdict).await?;
        let same = match self.same(parking.opaque, &parking.bytes, changes) {
            Ok(same) => same,
            Err(refusal) => return Err(self.give_back(refusal, changes, verdict).await),
        };
        let about = self.about(changes, verdict);
        let epoch = match self.parks_alone(&same.key, &about).await {
            Ok(epoch) => epoch,
            Err(refusal) => return Err(self.give_back(refusal, changes, verdict).await),
        };
        // Two equal requests at once: the second one attaches to the first, and is charged nothing.
        let turn = match app.holds.begin(&same.key, &self.entry, &*app.entropy) {
            Some(Begun::New(turn)) => turn,
            Some(Begun::There(slot)) => {
                self.refund().await;
                return self.attach_to(&slot, &same, &parking).await;
            }
            None => {
                let refusal = Refusal::unavailable("no id for a hold is free");
                return Err(self.give_back(refusal, changes, verdict).await);
            }
        };
        let (gauge, noticed) = match self.gauge().await {
            Ok(taken) => taken,
            Err(refusal) => {
                app.holds.give_up(turn.slot());
                return Err(self.give_back(refusal, changes, verdict).await);
            }
        };
        self.notice(&mut parking.verdict, &noticed);
        // It rests on the older of both grants.
        parking.epoch = parking.epoch.into_iter().chain(epoch).min();
        let row = self.held_row(&turn, &parking, &same, snapshot, gauge);
        self.record_park(&turn, row).await?;
        let slot = Arc::clone(turn.slot());
        drop(turn);
        self.attach_to(&slot, &same, &parking).await
    }

    async fn attach_to(
        &self,
        slot: &Arc<Slot>,
        same: &Same,
        parking: &Parking,
    ) -> Result<Response<Body>, Box<Refused>> {
        let (changes, verdict) = (&parking.changes, &parking.verdict);
        match self.attached(slot, same, changes).await {
            Some(answer) => answer,
            None => Err(self.once_more(changes, verdict).await),
        }
    }

    /// What was parked has come and gone while this was on its way.
    async fn once_more(&self, changes: &ChangeSet, verdict: &Verdict) -> Box<Refused> {
        let refusal = Refusal::unavailable("a hold ended while an equal request came");
        self.refuse(refusal, Some(changes), Some(verdict)).await
    }

    /// Takes one more waiting hold from the gauges, under a reservation of its own. Returns what it took,
    /// and the gauges that only observe and were passed.
    async fn gauge(&self) -> Result<(Vec<Charge>, Vec<Charge>), Refusal> {
        let state = self.state()?;
        let mut charges = self.rules.hold_charges(
            state.route.crm,
            &state.route.name,
            &self.actor.service_account,
        );
        self.apply_live(&mut charges);
        let (charges, observing) = self.thresholds(charges);
        if charges.is_empty() {
            return Ok((charges, Vec::new()));
        }
        let ask = Ask {
            reservation: gauge_reservation(&self.entry),
            service_account: self.actor.service_account.clone(),
            locks: Vec::new(),
            charges: charges.clone(),
            patience: gate::PATIENCE,
            now: self.now,
        };
        match self.worker.app.control.admit(ask).await {
            Ok(Admission::Granted { mut over, .. }) => {
                over.retain(|charge| observing.contains(&charge.limit.name));
                Ok((charges, over))
            }
            Ok(Admission::Limited {
                charge,
                used,
                tripped,
                ..
            }) => Err(match tripped {
                Some(switch) => {
                    self.record_trip(&switch).await;
                    words::stopped(&switch, &self.actor.service_account, self.now)
                }
                None => holds::queue_full(&charge, used),
            }),
            Ok(Admission::Stopped(switch)) => Err(words::stopped(
                &switch,
                &self.actor.service_account,
                self.now,
            )),
            Ok(Admission::Busy { key }) => Err(Refusal::unavailable(format!("{key} is locked"))),
            Err(error) => {
                // it may have been taken all the same
                self.refund_gauge().await;
                Err(Refusal::unavailable(error.to_string()))
            }
        }
    }

    async fn refund_gauge(&self) {
        let gauge = gauge_reservation(&self.entry);
        if let Err(error) = self.worker.app.control.refund(&gauge).await {
            tracing::error!(%error, entry = %self.entry, "a gauge is not given back");
        }
    }

    pub(super) fn held_row(
        &self,
        turn: &Turn,
        parking: &Parking,
        same: &Same,
        snapshot: Snapshot,
        gauge: Vec<Charge>,
    ) -> NewRow {
        let Parking {
            bytes,
            changes,
            verdict,
            charges,
            over,
            takes_back,
            ..
        } = parking;
        let requirements = requirements(verdict);
        let shown = Shown {
            id: turn.slot().id(),
            entry: &self.entry,
            content: &same.content,
            bytes,
            snapshot: &snapshot,
            requirements: &requirements,
        };
        let parked = Parked {
            id: turn.slot().id().to_owned(),
            key: same.key.clone(),
            content: same.content.clone(),
            owner: self.owner(),
            barred: people::behind(&self.worker.app.config, &self.actor),
            upstream: self.upstream(),
            takes_back: takes_back.clone(),
            expires_at: self
                .now
                .checked_add(SignedDuration::from_secs(verdict.expires_seconds))
                .unwrap_or(self.now),
            wait_seconds: verdict.wait_seconds,
            looked: self.looked(changes),
            terms: Terms {
                shown: shown.digest(),
                why: holds::why(&self.about(changes, verdict), over),
                requirements,
            },
        };
        let passed = match self.state() {
            Ok(state) => headers::of_write(&self.parts.headers, state.crm),
            Err(_no_route) => http::HeaderMap::new(),
        };
        let mut contents = Contents::of(bytes, &passed, snapshot);
        // In full, as they are to be sent; of what is not taken apart an entry has less.
        self.path.as_str().clone_into(&mut contents.path);
        contents.query = self.parts.uri.query().map(str::to_owned);
        contents.charges.clone_from(charges);
        contents.gauge = gauge;
        contents.exact = parking.opaque.then(|| Exact {
            path: self.path.as_str().to_owned(),
            query: self.parts.uri.query().map(str::to_owned),
        });
        let subject = self.subject(Some(changes), Some(verdict));
        let mut row = journal::held(&subject, meta(&parked), values(&contents));
        row.epoch = parking.epoch;
        row
    }

    /// Makes the row durable. The write's locks go; what it took from limits stays taken.
    pub(super) async fn record_park(&self, turn: &Turn, row: NewRow) -> Result<(), Box<Refused>> {
        let app = &self.worker.app;
        if let Err(error) = app.journal.park(row.clone()).await {
            app.holds.give_up(turn.slot());
            self.refund_gauge().await;
            self.refund().await;
            return Err(Refusal::unavailable(error.to_string()).into());
        }
        turn.parked(&row);
        if let Err(error) = app.control.settle(&self.reservation).await {
            tracing::error!(%error, entry = %self.entry, "a reservation is not settled");
        }
        tracing::info!(
            hold = turn.slot().id(),
            entry = %self.entry,
            service_account = %self.actor.service_account,
            route = self.route(),
            "held"
        );
        Ok(())
    }

    /// Why a write that people would decide cannot be shown to any.
    fn not_for_people(&self) -> Option<Refusal> {
        if !people::anybody_decides(&self.worker.app.config, &self.actor) {
            return Some(holds::nobody_decides(&self.entry));
        }
        self.path
            .may_hold_secret()
            .then(|| holds::not_kept(&self.entry))
    }

    /// The CRM that the write is meant for.
    fn upstream(&self) -> String {
        let route = self.state().map(|state| &state.route);
        route.map_or_else(
            |_no_route| String::new(),
            |route| route.upstream.to_string(),
        )
    }

    fn owner(&self) -> Option<String> {
        let mut accounts = self.worker.app.config.service_accounts.iter();
        accounts
            .find(|account| account.name == self.actor.service_account)
            .and_then(|account| account.owner.clone())
    }

    /// For each mutation the fields that rules look at beyond those that are written.
    pub(super) fn looked(&self, changes: &ChangeSet) -> Vec<Vec<String>> {
        match self.question(changes, None) {
            Ok(question) => match self.rules.evaluate(&question) {
                Evaluation::NeedsPrior(wanted) => wanted,
                Evaluation::Decided { .. } => Vec::new(),
            },
            Err(_no_route) => Vec::new(),
        }
    }
}

/// What people are asked; where only a limit asks, any approver decides.
pub(super) fn requirements(verdict: &Verdict) -> Vec<Requirement> {
    if verdict.requirements.is_empty() {
        return vec![Requirement::Approvers(1)];
    }
    verdict.requirements.clone()
}

/// Mutations are in the row of every governed request.
fn values(contents: &Contents) -> Map<String, Value> {
    let Value::Object(mut values) = json!(contents) else {
        return Map::new();
    };
    values.shift_remove("mutations");
    values
}
