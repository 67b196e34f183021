//! The release of a held bulk job: its commit is what waits. Every row is judged again by today's rules
//! on what its record is today; one that moved since it was shown stops it.

use std::pin::pin;
use std::sync::Arc;

use super::{Release, Stop, record};
use crate::gate::{self, Permit};
use crate::hold::rows::refused;
use crate::mutation::{Mutation, Operation, Prior, Snapshot, Verdict};
use crate::proxy::words::{self, holds};
use crate::proxy::write::job::{Look, Stop as Why, commits};
use crate::proxy::write::release::again::Again;
use crate::snapshot::Failure;

impl Again {
    /// Finds the record of the job that this commits; true where it commits one.
    ///
    /// # Errors
    /// Why it is not the job that was shown.
    pub(super) async fn find_job(&mut self) -> Result<bool, Stop> {
        let account = &self.write.actor.service_account;
        let shape = self.shape.as_ref();
        let Some(id) = shape.and_then(|shape| commits(shape, account, &self.bytes)) else {
            return Ok(false);
        };
        let query = |mutation: &Mutation| mutation.operation == Operation::Export;
        if self.changes.mutations().iter().all(query) {
            return Ok(false);
        }
        let job = self.write.job_of_record(&id).await?;
        let told = job.filter(|job| job.changes().as_ref() == Some(&self.changes));
        let Some(job) = told else {
            let what = "what the ledger keeps of the job is not what was shown";
            return Err(Stop::NotNow(what.into()));
        };
        self.write.job = Some(Arc::new(job));
        Ok(true)
    }
}

impl Release<'_> {
    /// Step 5 and 6 once more, for every row.
    pub(super) async fn judge_job(&self) -> Result<(Permit, Verdict, Snapshot), Stop> {
        let (write, changes) = (self.write(), &self.again.changes);
        let locks = write.locks(changes, None);
        let control = &*self.app().control;
        write.asks();
        let account = &write.actor.service_account;
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
        write.knows_others()?;
        if let Some(blocked) = write.blocked(changes, None) {
            return Err(Stop::InDoubt(blocked.entry));
        }
        let verdict = match write.rows(Look::Again).await {
            Ok(judged) => judged.verdict,
            Err(why) => return Err(self.not_now(why).await?),
        };
        let snapshot = Snapshot::of(vec![Prior::Absent]);
        // rows were compared one by one; what people are asked may be another thing today
        self.still_as_shown(&verdict, &snapshot, Vec::new()).await?;
        let permit = self.permit(&verdict, locks).await?;
        Ok((permit, verdict, snapshot))
    }

    /// Rows that are denied today, or that moved, end the hold: sent again, it is asked anew.
    async fn not_now(&self, why: Why) -> Result<Stop, Stop> {
        let now = self.now();
        let (verdict, message) = match why {
            Why::Refusal(refusal) => return Ok(refusal.into()),
            Why::Unread(Failure::PassOn(answer)) if answer.status.as_u16() == 401 => {
                return Ok(Stop::Unauthorised(answer));
            }
            Why::Unread(_) => return Ok(Stop::NotNow("the CRM cannot be read now".into())),
            Why::Denied(_, verdict) => {
                let message = holds::denied_now(&self.write().about(&self.again.changes, &verdict));
                (Some(verdict), message)
            }
            Why::Moved(fields) => {
                let why = format!(
                    "{} changed in its rows since it was asked for",
                    fields.join(", ")
                );
                (None, holds::lost(self.hold, &why))
            }
        };
        let row = refused(self.hold, verdict.as_deref(), &message, now);
        record(self.app(), self.slot, row).await?;
        Ok(Stop::Recorded)
    }
}
