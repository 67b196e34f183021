//! Whose a job is: who made it here, else who fed it here first. Nobody else commits or ends it, and rules
//! let an agent have the results of the rows that it fed here itself.

use super::results::settle_job;
use super::{Job, step, unavailable, words};
use crate::crm::Shape;
use crate::crm::salesforce::bulk::{self, Step};
use crate::error::{Conflict, Refusal};
use crate::journal::job::Step as Told;
use crate::mutation::{ChangeSet, Operation};
use crate::proxy::Refused;
use crate::proxy::write::Write;

/// How rules name the results of one's own jobs …
const OWN: &str = "jobs/ingest";
/// … and those of other people's and programs'.
const OTHERS: &str = "jobs/ingest/others";

impl Job {
    /// Whether another service account made or fed it here.
    pub(super) fn is_of_others(&self, account: &str) -> bool {
        self.owner.as_deref().is_some_and(|owner| owner != account)
    }

    /// Whether it is of this place: it was made here, or took rows here.
    fn is_of_here(&self) -> bool {
        self.made || self.fed.is_some() || (self.spec.batches && self.feeding)
    }
}

impl Write {
    /// A job that this service account made or fed through here.
    pub(super) async fn own(&self, id: &str) -> Result<Job, Box<Refused>> {
        let refusal = match self.noted(id).await? {
            Some(job) if job.is_of_others(&self.actor.service_account) => words::not_theirs(id),
            Some(job) if job.owner.is_some() => return Ok(job),
            Some(_) | None => words::unknown(id),
        };
        Err(self.refuse(refusal, None, None).await)
    }

    /// A job that this service account may abort, close or drop: nothing judges that, so it has to be
    /// its own.
    pub(super) async fn to_end(&self, id: &str) -> Result<Job, Box<Refused>> {
        let refusal = match self.noted(id).await? {
            Some(job) if job.is_of_others(&self.actor.service_account) => words::not_theirs(id),
            Some(job) if !job.is_of_here() => words::elsewhere(id),
            Some(job) if bulk::of_batches(&self.head()) && !job.spec.batches => {
                words::other_api(id)
            }
            Some(job) => return Ok(job),
            None => words::elsewhere(id),
        };
        Err(self.refuse(refusal, None, None).await)
    }

    /// The job as its record has it, whether or not it is over.
    pub(super) async fn noted(&self, id: &str) -> Result<Option<Job>, Box<Refused>> {
        let steps = self.worker.app.journal.job_steps(&self.name(id)).await;
        let steps = self
            .or_refuse(steps.map_err(|error| unavailable(&error)))
            .await?;
        Ok(Job::of(id, steps))
    }

    /// The CRM has taken a batch: a job that was nobody's here is its service account's.
    pub(super) async fn claim(&self, shape: Option<&Shape>) {
        let Some(id) = shape.and_then(step).and_then(Step::batch_of) else {
            return;
        };
        let steps = self.worker.app.journal.job_steps(&self.name(id)).await;
        let claimed = match steps.map(|steps| Job::of(id, steps)) {
            Ok(Some(job)) if job.owner.is_none() => {
                self.step(id, &Told::Feeding, Some(job.steps)).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        match claimed {
            Err(error) if error.conflict != Some(Conflict::Moved) => {
                tracing::warn!(%error, job = id, "whose a job is, is not noted");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Names the results of a job by who fed it: a job that did not get its rows here, from this service
    /// account, holds somebody else's data.
    pub(in crate::proxy::write) async fn told_apart(
        &self,
        changes: ChangeSet,
    ) -> Result<ChangeSet, Refusal> {
        let ChangeSet::Mutations(mut mutations) = changes else {
            return Ok(changes);
        };
        for mutation in &mut mutations {
            if mutation.operation != Operation::Export {
                continue;
            }
            let one = mutation.row.is_none();
            match mutation.object.as_str() {
                OWN if !one || !self.fed_here().await? => OTHERS.clone_into(&mut mutation.object),
                // of one's own batches
                bulk::batch::EXPORT if one && self.fed_here().await? => {
                    OWN.clone_into(&mut mutation.object);
                }
                _ => {}
            }
        }
        Ok(ChangeSet::Mutations(mutations))
    }

    /// Whether the job that is asked for got its rows here.
    async fn fed_here(&self) -> Result<bool, Refusal> {
        let Some(job) = bulk::asked_for(&self.head()) else {
            return Ok(false);
        };
        let found = self.job_of_record(&job).await;
        let found = found.map_err(|error| Refusal::unavailable(error.to_string()))?;
        let account = &self.actor.service_account;
        let own = found.is_some_and(|job| job.fed.is_some() && job.owner.as_ref() == Some(account));
        if own {
            // who reads what became of its rows can know, and so can the entry
            let credential = &self.caller.credential;
            settle_job(&self.worker, self.place, credential, &self.name(&job)).await;
        }
        Ok(own)
    }
}
