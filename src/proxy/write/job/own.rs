//! Whose results a job's are: rules let an agent have those of the rows that it fed here itself.

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
            let results = mutation.operation == Operation::Export && mutation.object == OWN;
            if results && (mutation.row.is_some() || !self.fed_here().await?) {
                OTHERS.clone_into(&mut mutation.object);
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
        Ok(found.is_some_and(|job| job.fed.is_some() && job.owner == *account))
    }
}
