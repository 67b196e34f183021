//! Bulk jobs. The write is the commit: before it, a job is made and fed, and its rows go into the
//! ledger's record of the job while they pass; the commit is judged against that record, and refused
//! without it.

mod batch;
mod commit;
mod feed;
mod judge;
mod object;
mod own;
mod results;
mod words;

pub(super) use judge::{Look, Stop};
pub(in crate::proxy) use results::{ask, settle};

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use super::Write;
use crate::crm::Shape;
use crate::crm::salesforce::bulk::{self, Spec, Step, Turn, Work};
use crate::error::{Refusal, RefusalKind, StoreError};
use crate::journal::job::{Fed, Name, Step as Told};
use crate::mutation::{ChangeSet, Effect, Mutation, Operation, ReasonKind, RecordKey, Undo};
use crate::policy::Evaluation;
use crate::proxy::{Refused, answer_of, target};
use crate::upstream::{Answer, Body};

/// A job as its record has it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its id at the CRM.
    pub(super) id: String,
    /// What it is to do.
    pub(super) spec: Spec,
    /// How many steps it has taken.
    steps: u32,
    /// Whether it was made through here.
    made: bool,
    /// Whether an upload began; of a job of batches whether one was taken.
    feeding: bool,
    /// The upload that ended.
    pub(super) fed: Option<Fed>,
    /// Whether it was aborted or dropped.
    over: bool,
    /// Who made or fed it here; nobody a job that was looked up alone.
    owner: Option<String>,
}

impl Job {
    /// Whether the CRM has it: one that starts at once is made by its commit.
    fn at_crm(&self) -> bool {
        self.id.len() == 18
    }

    /// What its commit's entry says it changes; `None` where its upload did not come to its end.
    pub(super) fn changes(&self) -> Option<ChangeSet> {
        self.fed.as_ref().map(|fed| summary(self, fed))
    }

    /// The job that steps tell of; `None`: it is not known.
    fn of(id: &str, steps: Vec<(Told, String)>) -> Option<Self> {
        let mut job: Option<Self> = None;
        for (step, owner) in steps {
            match (step, &mut job) {
                (Told::Known { spec, made }, None) => {
                    job = Some(Self {
                        id: id.to_owned(),
                        spec: serde_json::from_value(spec).ok()?,
                        steps: 0,
                        made,
                        feeding: false,
                        fed: None,
                        over: false,
                        owner: made.then_some(owner),
                    });
                }
                (Told::Feeding, Some(job)) => {
                    job.feeding = true;
                    job.owner.get_or_insert(owner);
                }
                (Told::Fed(fed), Some(job)) => job.fed = Some(fed),
                (Told::Aborted | Told::Closed | Told::Dropped, Some(job)) => job.over = true,
                (Told::Known { .. } | Told::Committing { .. } | Told::Told(_), _)
                | (
                    Told::Feeding | Told::Fed(_) | Told::Aborted | Told::Closed | Told::Dropped,
                    None,
                ) => {}
            }
            if let Some(job) = &mut job {
                job.steps = job.steps.saturating_add(1);
            }
        }
        job
    }
}

/// The step of a job that a shape is, where it is one.
pub(super) fn step(shape: &Shape) -> Option<&Step> {
    match shape {
        Shape::Salesforce(crate::crm::salesforce::Shape::Bulk(step)) => Some(step),
        Shape::Salesforce(_) | Shape::HubSpot(_) | Shape::TwoReadings(_) => None,
    }
}

/// The job that a request commits, unless its body aborts it. One that starts at once is named by what
/// it holds, so that the same request is the same job.
pub(super) fn commits(shape: &Shape, service_account: &str, bytes: &[u8]) -> Option<String> {
    match step(shape)? {
        Step::Turn { job } => Some(job.clone()),
        Step::Start | Step::Batch { .. } => {
            let mut context = Context::new(&SHA256);
            let job = step(shape).and_then(Step::batch_of).unwrap_or_default();
            for name in [service_account, job] {
                context.update(&(name.len() as u64).to_be_bytes());
                context.update(name.as_bytes());
            }
            context.update(bytes);
            let digest = context.finish();
            Some(
                digest
                    .as_ref()
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect(),
            )
        }
        Step::Make | Step::Feed { .. } | Step::Drop { .. } => None,
    }
}

type Answered = Result<Response<Body>, Box<Refused>>;

impl Write {
    /// One step of a job.
    pub(super) async fn job(self, shape: Shape, step: Step, incoming: Incoming) -> Answered {
        self.may_write().await?;
        match &step {
            Step::Make => self.make(incoming).await,
            Step::Start => self.start(shape, incoming).await,
            Step::Feed { job } => self.feed(job, incoming).await,
            Step::Batch { job } => self.batch(&shape, job, incoming).await,
            Step::Drop { job } => {
                self.no_body(incoming).await?;
                let job = self.to_end(job).await?;
                self.control(&job, Told::Dropped, Bytes::new()).await
            }
            Step::Turn { job } => {
                let bytes = self.body(incoming).await?;
                let turn = bulk::turn(&self.head(), &bytes);
                let turn = self.or_refuse(turn.map_err(Refusal::malformed)).await?;
                let end = match turn {
                    Turn::Abort => Told::Aborted,
                    Turn::Close => Told::Closed,
                    Turn::Commit => {
                        let job = self.own(job).await?;
                        return self.commit(shape, job, bytes).await;
                    }
                };
                let job = self.to_end(job).await?;
                self.control(&job, end, bytes).await
            }
        }
    }

    /// Makes a job. Nothing is written yet, so it is refused early only where no row could pass.
    async fn make(self, incoming: Incoming) -> Answered {
        let bytes = self.body(incoming).await?;
        let asked = bulk::make(&self.head(), &bytes).map_err(Refusal::malformed);
        let asked = self.or_refuse(asked).await?;
        let spec = self
            .or_refuse(asked.map_err(|why| words::unclear(&why)))
            .await?;
        let spec = self.placed(spec).await?;
        self.never(&spec).await?;
        let answer = self.pass(bytes).await?;
        if answer.status.is_success() {
            let told = bulk::told(&self.head(), &answer.body);
            let catalog = &self.state()?.catalog;
            match told.and_then(|told| Ok((told.id, told.spec.placed(catalog)?))) {
                Ok((id, told)) if told == spec => self.known(&id, &spec, true).await,
                // it is looked up again before it is fed
                Ok(_) => tracing::warn!("the CRM made another job than was asked for"),
                Err(why) => tracing::warn!(%why, "the CRM's answer tells no job"),
            }
        }
        Ok(answer_of(answer))
    }

    /// Notes a job; one that could not be noted is looked up when it is fed.
    async fn known(&self, id: &str, spec: &Spec, made: bool) {
        let step = Told::Known {
            spec: serde_json::json!(spec),
            made,
        };
        if let Err(error) = self.step(id, &step, Some(0)).await {
            tracing::warn!(%error, job = id, "a job is not noted");
        }
    }

    /// Refuses a job whose operation no row of it may do, whatever it holds.
    async fn never(&self, spec: &Spec) -> Result<(), Box<Refused>> {
        let operation = spec.work.operation();
        if matches!(operation, Operation::Update | Operation::Upsert) {
            return Ok(());
        }
        let object = if spec.work == Work::Query {
            bulk::batch::EXPORT.to_owned()
        } else {
            spec.object.clone()
        };
        let bare = Mutation {
            object,
            operation,
            record: None,
            fields: serde_json::Map::new(),
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        };
        let changes = ChangeSet::Mutations(vec![bare]);
        let Evaluation::Decided { verdict, .. } =
            self.rules.evaluate(&self.question(&changes, None)?)
        else {
            return Ok(());
        };
        let (verdict, _) = self.enforced(verdict, false);
        let by_row = verdict.deciding().any(|reason| {
            matches!(reason.kind, ReasonKind::Operation | ReasonKind::Default)
                && reason.field.is_none()
        });
        if verdict.effect == Effect::Deny && by_row {
            return Err(self.denied(&changes, &verdict).await);
        }
        Ok(())
    }

    /// Abort or removal of one's own job: it writes nothing.
    async fn control(&self, job: &Job, step: Told, bytes: Bytes) -> Answered {
        let answer = self.pass(bytes).await?;
        if answer.status.is_success()
            && let Err(error) = self.step(&job.id, &step, None).await
        {
            tracing::error!(%error, job = job.id, "the end of a job is not noted");
        }
        Ok(answer_of(answer))
    }

    /// The job as its record has it; `None`: it is not known.
    pub(in crate::proxy::write) async fn job_of_record(
        &self,
        id: &str,
    ) -> Result<Option<Job>, StoreError> {
        let steps = self.worker.app.journal.job_steps(&self.name(id)).await?;
        Ok(Job::of(id, steps).filter(|job| !job.over))
    }

    fn name<'a>(&'a self, job: &'a str) -> Name<'a> {
        Name {
            route: self.route(),
            job,
            service_account: &self.actor.service_account,
        }
    }

    async fn step(&self, id: &str, step: &Told, nth: Option<u32>) -> Result<(), StoreError> {
        let app = &self.worker.app;
        app.journal
            .job_step(&self.name(id), step, nth, app.clock.now())
            .await
    }

    async fn body(&self, incoming: Incoming) -> Result<Bytes, Box<Refused>> {
        let bytes = self.collect(incoming).await;
        self.or_refuse(bytes).await
    }

    async fn no_body(&self, incoming: Incoming) -> Result<(), Box<Refused>> {
        let bytes = self.body(incoming).await?;
        let none = bytes.is_empty();
        let told = none
            .then_some(())
            .ok_or_else(|| Refusal::malformed("a DELETE has a body"));
        self.or_refuse(told).await
    }

    async fn or_refuse<T>(&self, told: Result<T, Refusal>) -> Result<T, Box<Refused>> {
        match told {
            Ok(told) => Ok(told),
            Err(refusal) => Err(self.refuse(refusal, None, None).await),
        }
    }

    /// Passes a step on that changes no record.
    async fn pass(&self, bytes: Bytes) -> Result<Answer, Box<Refused>> {
        let request = self.outgoing(Body::full(bytes))?;
        let upstream = self.worker.upstreams.get(self.place);
        let upstream = upstream.ok_or_else(super::super::no_upstream)?;
        let answer = upstream.feed(request).await;
        let unreachable = |error: crate::upstream::ReadError| {
            if let crate::upstream::ReadError::NoCredential(error) = &error {
                return super::super::words::no_credential(error);
            }
            let message = "Not written: the CRM did not answer. A job may have been left there; \
                               none of its rows is written.";
            Refusal::new(RefusalKind::Upstream, message).detail(error.to_string())
        };
        let answer = answer.map_err(unreachable);
        self.or_refuse(answer.and_then(|answer| self.theirs(answer)))
            .await
    }

    /// The CRM's answer, unless it refuses a credential of ours.
    fn theirs(&self, answer: Answer) -> Result<Answer, Refusal> {
        if self.caller.credential.is_ours() && answer.status == StatusCode::UNAUTHORIZED {
            return Err(super::super::words::credential_refused());
        }
        Ok(answer)
    }

    fn outgoing(&self, body: Body) -> Result<Request<Body>, Refusal> {
        let mut request = Request::new(body);
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = target(&self.path, false, None)?;
        *request.headers_mut() = self.upstream_headers()?;
        Ok(request)
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::unavailable(error.to_string())
}

/// What a commit's entry says it changes: the rows themselves are in the job's record.
pub(super) fn summary(job: &Job, fed: &Fed) -> ChangeSet {
    let fields = fed.fields.iter();
    let mutation = Mutation {
        object: job.spec.object.clone(),
        operation: Operation::Import,
        record: job.at_crm().then(|| RecordKey::id(job.id.clone())),
        fields: fields
            .map(|(name, rows)| (name.clone(), serde_json::json!({ "rows": rows })))
            .collect(),
        row: Some(format!(
            "{} of {} rows, sha256:{}",
            job.spec.work.operation(),
            fed.rows,
            fed.sha256
        )),
        undo: Undo::Partial,
        others: Vec::new(),
    };
    ChangeSet::Mutations(vec![mutation])
}
