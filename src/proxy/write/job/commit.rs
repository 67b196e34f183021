//! The commit of a job: judged against the job's record, then sent as any other write.

use std::sync::Arc;

use bytes::Bytes;

use super::{Answered, Job, summary, words};
use crate::crm::Shape;
use crate::error::Refusal;
use crate::mutation::{ChangeSet, Charge};
use crate::policy::JobRows;
use crate::proxy::write::Write;
use crate::proxy::write::judge::Judgement;

impl Write {
    /// Commits a job whose upload passed here as a whole.
    pub(super) async fn commit(mut self, shape: Shape, job: Job, bytes: Bytes) -> Answered {
        let Some(fed) = job.fed.clone() else {
            return Err(self.refuse(words::unfed(&job.id), None, None).await);
        };
        if job.over {
            return Err(self.refuse(words::over(&job.id), None, None).await);
        }
        let changes = summary(&job, &fed);
        self.job = Some(Arc::new(job));
        self.detached(Some(shape), bytes, changes).await
    }

    /// What a write takes from limits, a job by its rows.
    pub(in crate::proxy::write) fn charges_of(
        &self,
        changes: &ChangeSet,
        judgement: &Judgement,
    ) -> Result<Vec<Charge>, Refusal> {
        let Some((job, fed)) = self.committing() else {
            return self.charges(changes, judgement.snapshot.as_ref());
        };
        let rows = JobRows {
            object: &job.spec.object,
            rows: fed.rows,
            operations: &judgement.rows,
        };
        let question = self.question(changes, judgement.snapshot.as_ref())?;
        let mut charges = self.rules.job_charges(&question, &rows);
        self.apply_live(&mut charges);
        Ok(charges)
    }
}
