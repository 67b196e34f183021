//! What is only observed: the verdicts and limits of a route with `mode: observe`, and limits with
//! `observe: true`. They are computed and recorded, and everything goes on as if nothing had spoken;
//! what refuses for other reasons (a message with two readings, an unknown caller, a kill switch, a
//! snapshot that cannot be taken, a store that is down) refuses as ever.

use super::Write;
use crate::config::Mode;
use crate::control::Admission;
use crate::error::Refusal;
use crate::mutation::{Charge, Observed, Then, Verdict, Would};
use crate::proxy::reserve;

impl Write {
    /// The verdict that is enforced, and whether it rests on prior values: on a route that observes,
    /// all pass, and nothing rests on anything.
    pub(super) fn enforced(&self, verdict: Verdict, rests_on_prior: bool) -> (Verdict, bool) {
        if self.observes() {
            (verdict.only_observed(), false)
        } else {
            (verdict, rests_on_prior)
        }
    }

    fn observes(&self) -> bool {
        let state = self.worker.app.routes.get(self.place);
        state.is_some_and(|state| state.route.mode == Mode::Observe)
    }

    /// Charges to limits that only observe become thresholds: counted, and neither refused nor
    /// stopped for. Returns the names of those limits too.
    pub(super) fn thresholds(&self, mut charges: Vec<Charge>) -> (Vec<Charge>, Vec<String>) {
        let all = self.observes();
        let mut observing: Vec<String> = Vec::new();
        for charge in &mut charges {
            let name = &charge.limit.name;
            if all || self.rules.observes(name) {
                if !observing.contains(name) {
                    observing.push(name.clone());
                }
                charge.limit.then = Then::Hold;
            }
        }
        (charges, observing)
    }

    /// Whether the CRM has calls left for agents; the limits that would say no and only observe.
    pub(super) fn spared(&self) -> Result<Vec<String>, Refusal> {
        reserve::spared(self.state()?, &self.rules, self.worker.app.clock.now())
    }

    /// Records limits that would have been reached.
    pub(super) fn notice(&self, verdict: &mut Verdict, noticed: &[Charge]) {
        for charge in noticed {
            let name = &charge.limit.name;
            let would = match self.rules.limit(name).map(|limit| limit.then) {
                Some(Then::Hold) => Would::WouldHold,
                Some(Then::Deny | Then::Stop) | None => Would::WouldLimit,
            };
            verdict.observe_limit(name, would);
        }
    }

    /// What would have spoken against a request that does not go through, with limits that it passed;
    /// none where it passed none: then its verdict says it all.
    pub(super) fn observed(
        &self,
        verdict: Option<&Verdict>,
        noticed: &[Charge],
    ) -> Option<Observed> {
        if noticed.is_empty() {
            return None;
        }
        let mut verdict = verdict.cloned().unwrap_or_else(Verdict::allow);
        self.notice(&mut verdict, noticed);
        verdict.observed.map(|observed| *observed)
    }

    /// Counts a refusal in limits that only observe; returns those that were passed.
    pub(super) async fn count_noticed(&self, charges: Vec<Charge>) -> Vec<Charge> {
        if charges.is_empty() {
            return charges;
        }
        let control = &self.worker.app.control;
        let admission = match control.admit(self.refusal_ask(charges)).await {
            Ok(admission) => admission,
            Err(error) => {
                tracing::error!(%error, "a refusal is not counted");
                return Vec::new();
            }
        };
        if let Err(error) = control.settle(&self.entry).await {
            tracing::error!(%error, entry = %self.entry, "a reservation is not settled");
        }
        let Admission::Granted { over, .. } = admission else {
            return Vec::new();
        };
        for charge in &over {
            let (limit, service_account) = (&charge.limit.name, &self.actor.service_account);
            tracing::warn!(%limit, %service_account, "would-limit: too many refusals");
        }
        over
    }
}
