//! What is counted beside a write: its refusal, its time, the limits that hold for it at run time.

use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;

use super::Write;
use crate::control::Ask;
use crate::error::Refusal;
use crate::gate;
use crate::metrics::Tally;
use crate::mutation::Charge;
use crate::proxy::body;

impl Write {
    /// The body. Waiting for it is the client's time.
    pub(super) async fn collect(&self, incoming: Incoming) -> Result<Bytes, Refusal> {
        let began = Instant::now();
        let collected = body::collect(&self.parts.headers, incoming).await;
        self.watch.away(began.elapsed());
        collected
    }

    pub(super) fn tally(&self) -> Option<&Tally> {
        self.worker.tallies.get(self.place).map(AsRef::as_ref)
    }

    /// Puts limits that were set at run time in place of the rules' own.
    pub(super) fn apply_live(&self, charges: &mut [Charge]) {
        let limits = &self.worker.app.limits;
        limits.apply(charges, &self.actor.service_account, self.now);
    }

    /// Counts a refusal, in limits that observe and in those that do not.
    pub(super) async fn count_refusal(&self, charges: Vec<Charge>, observing: &[String]) {
        let (noticed, charges): (Vec<Charge>, Vec<Charge>) = charges
            .into_iter()
            .partition(|charge| observing.contains(&charge.limit.name));
        self.count_noticed(noticed).await;
        if charges.is_empty() {
            return;
        }
        let ask = self.refusal_ask(charges);
        match self.worker.app.control.charge(ask).await {
            Ok(Some(switch)) => self.record_trip(&switch).await,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "a refusal is not counted"),
        }
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
}
