//! The commit of a job: judged against the job's record, then sent as any other write.

use std::sync::Arc;

use bytes::Bytes;

use super::{Answered, Job, summary, words};
use hyper::body::Incoming;

use crate::crm::Shape;
use crate::crm::salesforce::bulk::{self, ONCE_MOST, results};
use crate::error::Refusal;
use crate::journal::job::{Pending, Step as Told};
use crate::mutation::{ChangeSet, Charge};
use crate::policy::JobRows;
use crate::proxy::write::Write;
use crate::proxy::write::judge::Judgement;
use crate::upstream::Answer;

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

    /// Makes, feeds and commits in one request: its rows are taken down before it is judged.
    pub(super) async fn start(self, shape: Shape, incoming: Incoming) -> Answered {
        let bytes = self.body(incoming).await?;
        let asked = bulk::start(&self.head(), &bytes).map_err(Refusal::malformed);
        let asked = self.or_refuse(asked).await?;
        let (spec, csv) = self
            .or_refuse(asked.map_err(|why| words::unclear(&why)))
            .await?;
        let spec = self.placed(spec).await?;
        let account = &self.actor.service_account;
        let id = super::commits(&shape, account, &bytes).unwrap_or_default();
        let job = self.take_down(&id, &spec, csv, ONCE_MOST).await;
        let job = self.or_refuse(job).await?;
        let bytes = bytes.clone();
        self.commit(shape, job, bytes).await
    }

    /// The CRM has taken the rows of a job: from now on it is asked what became of them. One that starts
    /// at once has an id of the CRM's only now; its record is found under that, too.
    pub(in crate::proxy::write) async fn taken(&self, shape: Option<&Shape>, answer: &Answer) {
        if !answer.status.is_success() {
            return;
        }
        self.claim(shape).await;
        let Some((job, fed)) = self.committing() else {
            return;
        };
        let at_crm = if job.at_crm() {
            Ok(job.id.clone())
        } else if bulk::of_batches(&self.head()) {
            bulk::batch::batch(&answer.body).map(|batch| batch.id)
        } else {
            bulk::info(&answer.body).map(|info| info.id)
        };
        let Ok(at_crm) = at_crm else { return };
        let mut steps = Vec::new();
        if at_crm != job.id {
            steps.push(Told::Known {
                spec: serde_json::json!(job.spec),
                made: true,
            });
            steps.push(Told::Feeding);
            steps.push(Told::Fed(fed.clone()));
            steps.push(Told::Committing {
                commit: self.entry.clone(),
            });
        }
        let pending = Pending {
            route: self.route().to_owned(),
            service_account: self.actor.service_account.clone(),
            rows: job.id.clone(),
            place: results::place(self.path.as_str(), &at_crm),
            job: at_crm,
            commit: self.entry.clone(),
        };
        let app = &self.worker.app;
        let now = app.clock.now();
        match app.journal.job_taken(&pending, &steps, now).await {
            Ok(()) => app.jobs.add(pending, now),
            Err(error) => tracing::error!(%error, "what becomes of a job will not be asked for"),
        }
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
