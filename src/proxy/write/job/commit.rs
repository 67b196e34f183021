//! The commit of a job: judged against the job's record, then sent as any other write.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::{Answered, Job, summary, words};
use hyper::body::Incoming;

use crate::app::App;
use crate::clock::EntryId;
use crate::crm::Shape;
use crate::crm::salesforce::bulk;
use crate::crm::salesforce::bulk::Spec;
use crate::error::Refusal;
use crate::journal::job::{Fed, Name, Step as Told};
use crate::mutation::{ChangeSet, Charge};
use crate::policy::JobRows;
use crate::proxy::ENTRY;
use crate::proxy::write::Write;
use crate::proxy::write::judge::Judgement;
use crate::upstream::Body;

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
        let account = &self.actor.service_account;
        let id = super::commits(&shape, account, &bytes).unwrap_or_default();
        let job = self.take_down(&id, &spec, csv).await;
        let job = self.or_refuse(job).await?;
        let bytes = bytes.clone();
        let app = Arc::clone(&self.worker.app);
        let (route, account) = (self.route().to_owned(), self.actor.service_account.clone());
        let steps = (job.spec.clone(), job.fed.clone());
        let answer = self.commit(shape, job, bytes).await;
        if let Ok(response) = &answer {
            started(&app, (&route, &account), steps, response).await;
        }
        answer
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

/// The CRM has made a job: under its id, so that the job's results are told to its commit's entry.
async fn started(
    app: &App,
    (route, service_account): (&str, &str),
    (spec, fed): (Spec, Option<Fed>),
    response: &Response<Body>,
) {
    let commit = response
        .headers()
        .get(ENTRY)
        .and_then(|entry| entry.to_str().ok());
    let (Body::Full(bytes), Some(commit), Some(fed)) = (response.body(), commit, fed) else {
        return;
    };
    let Ok(info) = bulk::info(bytes) else {
        return;
    };
    let name = Name {
        route,
        job: &info.id,
        service_account,
    };
    let known = Told::Known {
        spec: serde_json::json!(spec),
        made: true,
    };
    let commit = Told::Committing {
        commit: EntryId::from_text(commit),
    };
    // an answer that is given again finds them there
    let steps = [
        (known, 0),
        (Told::Feeding, 1),
        (Told::Fed(fed), 2),
        (commit, 3),
    ];
    for (step, nth) in steps {
        let noted = app
            .journal
            .job_step(&name, &step, Some(nth), app.clock.now())
            .await;
        if let Err(error) = noted {
            tracing::debug!(%error, job = info.id, "a job is not noted");
            return;
        }
    }
}
