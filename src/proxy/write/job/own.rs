//! Whose results a job's are: rules let an agent have those of the rows that it fed here itself.

use super::results::settle_job;
use crate::crm::salesforce::bulk;
use crate::error::Refusal;
use crate::mutation::{ChangeSet, Operation};
use crate::proxy::write::Write;

/// How rules name the results of one's own jobs …
const OWN: &str = "jobs/ingest";
/// … and those of other people's and programs'.
const OTHERS: &str = "jobs/ingest/others";

impl Write {
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
        let own = found.is_some_and(|job| job.fed.is_some() && job.owner == *account);
        if own {
            // who reads what became of its rows can know, and so can the entry
            let credential = &self.caller.credential;
            settle_job(&self.worker, self.place, credential, &self.name(&job)).await;
        }
        Ok(own)
    }
}
