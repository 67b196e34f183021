//! What is counted of a write: what it takes from limits, its refusal, its time.

use std::pin::pin;

use bytes::Bytes;
use hyper::body::Incoming;

use super::Write;
use crate::control::{Ask, Switch};
use crate::error::{Refusal, RefusalKind, Side};
use crate::gate;
use crate::metrics::Tally;
use crate::mutation::{ChangeSet, Charge, Snapshot};
use crate::proxy::body;

impl Write {
    /// The body. Waiting for it is the client's time.
    pub(super) async fn collect(&self, incoming: Incoming) -> Result<Bytes, Refusal> {
        let collecting = body::collect(&self.parts.headers, incoming);
        self.watch.wait_for(pin!(collecting)).await
    }

    pub(super) fn tally(&self) -> Option<&Tally> {
        self.worker.tallies.get(self.place).map(AsRef::as_ref)
    }

    /// What the write takes from limits. A record that is yet to be made has no id; the entry's makes
    /// it different from every other one.
    pub(super) fn charges(
        &self,
        changes: &ChangeSet,
        snapshot: Option<&Snapshot>,
    ) -> Result<Vec<Charge>, Refusal> {
        let mut charges = self.rules.charges(&self.question(changes, snapshot)?);
        let made = charges
            .iter_mut()
            .flat_map(|charge| &mut charge.records)
            .filter(|record| record.contains("/new-"));
        for record in made {
            *record = format!("{record}-{}", self.entry);
        }
        self.apply_live(&mut charges);
        Ok(charges)
    }

    /// Refusals are limited too (`count: refusals`): an agent that probes is stopped. What is not the
    /// agent's doing, and what tells it to wait, does not count.
    pub(super) fn refusal_charges(&self, kind: RefusalKind) -> Vec<Charge> {
        let waits = matches!(
            kind,
            RefusalKind::Held | RefusalKind::InDoubt | RefusalKind::Stopped
        );
        let theirs = matches!(kind.side(), Side::Caller | Side::Policy);
        let known = self.caller.service_account.as_deref();
        match (known, self.state()) {
            (Some(name), Ok(state)) if theirs && !waits => {
                let route = &state.route;
                let mut charges = self.rules.refusal_charges(route.crm, &route.name, name);
                self.apply_live(&mut charges);
                charges
            }
            _ => Vec::new(),
        }
    }

    /// Puts limits that were set at run time in place of the rules' own.
    pub(super) fn apply_live(&self, charges: &mut [Charge]) {
        let limits = &self.worker.app.limits;
        limits.apply(charges, &self.actor.service_account, self.now);
    }

    /// Counts a refusal, in limits that observe and in those that do not. Returns those that observe and
    /// were passed.
    pub(super) async fn count_refusal(
        &self,
        charges: Vec<Charge>,
        observing: &[String],
    ) -> Vec<Charge> {
        let (noticed, charges): (Vec<Charge>, Vec<Charge>) = charges
            .into_iter()
            .partition(|charge| observing.contains(&charge.limit.name));
        let noticed = self.count_noticed(noticed).await;
        if charges.is_empty() {
            return noticed;
        }
        let ask = self.refusal_ask(charges);
        match self.worker.app.control.charge(ask).await {
            Ok(Some(switch)) => self.record_trip(&switch).await,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a refusal is not counted"),
        }
        noticed
    }

    pub(super) fn refusal_ask(&self, charges: Vec<Charge>) -> Ask {
        Ask {
            reservation: self.entry.clone(),
            service_account: self.actor.service_account.clone(),
            locks: Vec::new(),
            charges,
            patience: gate::PATIENCE,
            now: self.now,
        }
    }

    /// A tripped switch is a ledger row too, so that a restart does not lift it.
    pub(super) async fn record_trip(&self, switch: &Switch) {
        tracing::warn!(service_account = %switch.service_account, by = %switch.by, "kill switch tripped");
        let app = &self.worker.app;
        app.metrics.tripped(&switch.service_account, &switch.by);
        app.journal.trip(switch, app.clock.now()).await;
    }
}
