//! A no: what was taken is given back, the refusal is recorded and counted, and made an answer.

use std::sync::atomic::Ordering;

use super::Write;
use crate::error::Refusal;
use crate::gate::Cause;
use crate::journal::Refusing;
use crate::mutation::{ChangeSet, Verdict};
use crate::proxy::Refused;
use crate::proxy::words;

impl Write {
    /// A denial by the rules; nothing was taken but, perhaps, locks.
    pub(super) async fn denied(&self, changes: &ChangeSet, verdict: &Verdict) -> Box<Refused> {
        let refusal = words::denied(&self.about(changes, verdict));
        self.give_back(refusal, changes, verdict).await
    }

    /// The gate's no.
    pub(super) async fn caused(
        &self,
        cause: &Cause,
        changes: &ChangeSet,
        verdict: &Verdict,
    ) -> Box<Refused> {
        if let Cause::Limited {
            tripped: Some(switch),
            ..
        } = cause
        {
            self.record_trip(switch).await;
        }
        let refusal = words::caused(cause, &self.about(changes, verdict));
        self.give_back(refusal, changes, verdict).await
    }

    /// Refuses, and gives back what was taken.
    pub(super) async fn give_back(
        &self,
        refusal: Refusal,
        changes: &ChangeSet,
        verdict: &Verdict,
    ) -> Box<Refused> {
        self.refund().await;
        self.refuse(refusal, Some(changes), Some(verdict)).await
    }

    /// From now on there may be something to give back.
    pub(super) fn asks(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(super) async fn refund(&self) {
        if !self.asked.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.worker.app.control.refund(&self.reservation).await {
            tracing::error!(%error, entry = %self.entry, "a reservation is not given back");
        }
    }

    /// Records the refusal, counts it, and makes it an answer. What cannot be recorded is answered as
    /// unavailable: a refusal leaves an entry where a write was meant.
    pub(super) async fn refuse(
        &self,
        refusal: Refusal,
        changes: Option<&ChangeSet>,
        verdict: Option<&Verdict>,
    ) -> Box<Refused> {
        let app = &self.worker.app;
        let stranger = self.caller.service_account.is_none();
        if stranger && !app.strangers.may_record(self.now) {
            return refusal.into();
        }
        let (charges, observing) = self.thresholds(self.refusal_charges(refusal.kind));
        let noticed = self.count_refusal(charges.clone(), &observing).await;
        let observed = self.observed(verdict, &noticed);
        let refusing = Refusing {
            kind: refusal.kind,
            message: &refusal.message,
            charges: &charges,
            observed: observed.as_ref(),
        };
        let subject = self.subject(changes, verdict);
        match app.journal.refused(&subject, &refusing).await {
            Ok(()) => Box::new(Refused {
                refusal,
                entry: Some(self.entry.clone()),
                instead: None,
            }),
            Err(error) => Refusal::unavailable(error.to_string()).into(),
        }
    }
}
