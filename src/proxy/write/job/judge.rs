//! The verdict of a job: every row of its record is judged like a row of a batch, on what its record
//! holds now, one chunk at a time; the most restrictive one counts.

use aws_lc_rs::digest::{Context, SHA256};

use super::feed::again;
use super::{Job, unavailable, words};
use crate::crm::Wanted;
use crate::crm::salesforce::bulk::Once;
use crate::crm::salesforce::bulk::csv::Fault;
use crate::error::{Refusal, StoreError};
use crate::hold::drift::drift;
use crate::journal::job::{Chunk, Fed, Priors};
use crate::mutation::{
    ChangeSet, Effect, Mutation, Operation, Prior, Reason, ReasonKind, Requirement, Snapshot,
    Verdict,
};
use crate::policy::{Evaluation, JobRows};
use crate::proxy::Refused;
use crate::proxy::write::Write;
use crate::proxy::write::judge::{Judgement, incomplete};
use crate::snapshot::Failure;

/// What the rules say of a job as a whole.
#[derive(Debug)]
pub(in crate::proxy::write) struct JobJudgement {
    /// The most restrictive verdict of its rows.
    pub(in crate::proxy::write) verdict: Verdict,
    /// How many rows are judged as what.
    pub(in crate::proxy::write) rows: Vec<(Operation, u64)>,
}

/// Why the rows of a job have no verdict that lets it go on.
#[derive(Debug)]
pub(in crate::proxy::write) enum Stop {
    /// The caller is told so.
    Refusal(Refusal),
    /// The rules deny some of these rows.
    Denied(Refusal, Box<Verdict>),
    /// Their prior values cannot be read.
    Unread(Failure),
    /// They are not what was shown.
    Moved(Vec<String>),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refusal(unavailable(&error))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// Whether rows are judged first, or once more before a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy::write) enum Look {
    /// What is read goes into the record.
    First,
    /// What is read has to be what was shown.
    Again,
}

impl Write {
    /// The job that this write commits, and its upload.
    pub(in crate::proxy::write) fn committing(&self) -> Option<(&Job, &Fed)> {
        let job = self.job.as_deref()?;
        Some((job, job.fed.as_ref()?))
    }

    /// The verdict of an agent's commit.
    pub(in crate::proxy::write) async fn judge_job(
        &self,
        changes: &ChangeSet,
    ) -> Result<Judgement, Box<Refused>> {
        let nobody = Verdict::allow();
        let judged = match self.rows(Look::First).await {
            Ok(judged) => judged,
            Err(Stop::Refusal(refusal)) => {
                return Err(self.give_back(refusal, changes, &nobody).await);
            }
            Err(Stop::Denied(refusal, verdict)) => {
                return Err(self.give_back(refusal, changes, &verdict).await);
            }
            Err(Stop::Unread(failure)) => {
                return Err(self.no_snapshot(failure, changes, &nobody).await);
            }
            Err(Stop::Moved(_)) => {
                let refusal = crate::proxy::words::moved();
                return Err(self.give_back(refusal, changes, &nobody).await);
            }
        };
        if let Some((job, _)) = self.committing() {
            let app = &self.worker.app;
            let commit = (&self.name(&job.id), &self.entry);
            let judged = app.journal.job_judged(commit, app.clock.now());
            if let Err(error) = judged.await {
                return Err(self.give_back(unavailable(&error), changes, &nobody).await);
            }
        }
        Ok(Judgement {
            verdict: judged.verdict,
            rests_on_prior: false,
            // The values of the rows' records are in the job's record; the job itself has none.
            snapshot: Some(Snapshot::of(vec![Prior::Absent])),
            rows: judged.rows,
        })
    }

    /// Judges all rows. Holds one chunk at a time, and eight bytes for each record.
    pub(in crate::proxy::write) async fn rows(&self, look: Look) -> Result<JobJudgement, Stop> {
        let Some((job, fed)) = self.committing() else {
            return Err(Stop::Refusal(words::unknown("?")));
        };
        let mut sum = Sum::new(fed);
        let (mut after, mut shown) = (None, None);
        let app = &self.worker.app;
        while let Some((chunk, place)) = app.journal.next_chunk(&self.name(&job.id), after).await? {
            after = Some(place);
            let changes = ChangeSet::Mutations(sum.take(job, fed, &chunk)?);
            let (verdict, snapshot, wanted) = self.chunk(&changes, &sum, fed).await?;
            let named = changes.mutations().iter().any(|row| row.record.is_some());
            match look {
                // new records held nothing before
                _ if !named => {}
                Look::First => {
                    let commit = (&self.name(&job.id), &self.entry);
                    let held = Priors {
                        first: chunk.first,
                        snapshot: snapshot.clone(),
                    };
                    let now = app.clock.now();
                    app.journal.job_priors(commit, &held, now).await?;
                }
                Look::Again => {
                    let next = app.journal.next_priors(&self.entry, shown).await?;
                    let of_chunk = next.filter(|(before, _)| before.first == chunk.first);
                    let (before, place) = of_chunk.ok_or_else(|| words::unfed(&job.id))?;
                    shown = Some(place);
                    let before = &before.snapshot;
                    let moved = drift(changes.mutations(), &wanted, before, &snapshot);
                    if !moved.is_empty() {
                        return Err(Stop::Moved(moved));
                    }
                }
            }
            sum.add(changes.mutations(), &snapshot, verdict);
        }
        let judged = sum.whole(fed).ok_or_else(|| words::unfed(&job.id))?;
        Ok(self.many(judged, fed))
    }

    /// One chunk: what its records hold, and what the rules say.
    async fn chunk(
        &self,
        changes: &ChangeSet,
        sum: &Sum,
        fed: &Fed,
    ) -> Result<(Verdict, Snapshot, Wanted), Stop> {
        let wanted = match self.rules.evaluate(&self.question(changes, None)?) {
            Evaluation::Decided { verdict, .. } => {
                self.passing(verdict, changes, sum, fed)?;
                Wanted::new()
            }
            Evaluation::NeedsPrior(wanted) => wanted,
        };
        let snapshot = self
            .snapshot(changes, &wanted)
            .await
            .map_err(Stop::Unread)?;
        if let Some(refusal) = incomplete(&snapshot, changes, &self.entry) {
            return Err(refusal.into());
        }
        if let Some(blocked) = self.blocked(changes, Some(&snapshot)) {
            return Err(crate::proxy::words::in_doubt(&blocked, self.now).into());
        }
        let question = self.question(changes, Some(&snapshot))?;
        let Evaluation::Decided { verdict, .. } = self.rules.evaluate(&question) else {
            return Err(Refusal::unavailable("the rules asked for prior values twice").into());
        };
        let verdict = self.passing(verdict, changes, sum, fed)?;
        Ok((verdict, snapshot, wanted))
    }

    fn passing(
        &self,
        verdict: Verdict,
        changes: &ChangeSet,
        sum: &Sum,
        fed: &Fed,
    ) -> Result<Verdict, Stop> {
        let (verdict, _) = self.enforced(verdict, false);
        if verdict.effect != Effect::Deny {
            return Ok(verdict);
        }
        let refusal = words::denied(&self.about(changes, &verdict), fed.rows, sum.rows);
        Err(Stop::Denied(refusal, Box::new(of_job(verdict))))
    }

    /// A job of very many rows is decided by a person, whatever its rows are.
    fn many(&self, mut judged: JobJudgement, fed: &Fed) -> JobJudgement {
        let most = self.worker.app.config.max_rows;
        if fed.rows <= most {
            return judged;
        }
        let many = Verdict {
            effect: Effect::Hold,
            reasons: vec![Reason {
                effect: Effect::Hold,
                kind: ReasonKind::Rule,
                rule: "max_rows".into(),
                mutation: Some(0),
                field: None,
                message: format!("a job of {} rows has more than {most}", fed.rows),
                owner: None,
            }],
            requirements: vec![Requirement::Approvers(1)],
            ..Verdict::allow()
        };
        let (many, _) = self.enforced(many, false);
        join(&mut judged.verdict, many);
        judged
    }
}

/// What the chunks so far come to.
struct Sum {
    once: Once,
    verdict: Verdict,
    counted: Vec<(Operation, u64)>,
    rows: u64,
    sha256: Context,
}

impl Sum {
    fn new(fed: &Fed) -> Self {
        let mut sha256 = Context::new(&SHA256);
        sha256.update(fed.header.as_bytes());
        Self {
            once: Once::default(),
            verdict: Verdict::allow(),
            counted: Vec::new(),
            rows: 0,
            sha256,
        }
    }

    /// The mutations of a chunk. A record that was named before is refused.
    fn take(&mut self, job: &Job, fed: &Fed, chunk: &Chunk) -> Result<Vec<Mutation>, Refusal> {
        if chunk.first != self.rows {
            return Err(words::unfed(&job.id));
        }
        self.sha256.update(chunk.csv.as_bytes());
        let mut mutations = Vec::with_capacity(usize::try_from(chunk.rows).unwrap_or(0));
        let once = &mut self.once;
        again(&job.spec, &fed.header, chunk, |columns, place, record| {
            let mutation = columns.mutation(place, record)?;
            if !once.is_new(&mutation) {
                let what = "names the same record as a row before it: send one row for each record";
                return Err(Fault::row(format!("rows[{place}] {what}")));
            }
            mutations.push(mutation);
            Ok(())
        })
        .map_err(Refusal::malformed)?;
        self.rows += chunk.rows;
        Ok(mutations)
    }

    fn add(&mut self, mutations: &[Mutation], snapshot: &Snapshot, verdict: Verdict) {
        for (place, mutation) in mutations.iter().enumerate() {
            JobRows::count(mutation, snapshot.prior(place), &mut self.counted);
        }
        join(&mut self.verdict, of_job(verdict));
    }

    /// All of it, where it is all that was uploaded.
    fn whole(self, fed: &Fed) -> Option<JobJudgement> {
        let digest = self.sha256.finish();
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        (self.rows == fed.rows && hex == fed.sha256).then_some(JobJudgement {
            verdict: self.verdict,
            rows: self.counted,
        })
    }
}

/// Reasons as they speak of the job: each row or rule once for each field.
fn of_job(mut verdict: Verdict) -> Verdict {
    for reason in &mut verdict.reasons {
        reason.mutation = Some(0);
    }
    once_each(&mut verdict.reasons);
    if let Some(observed) = &mut verdict.observed {
        for reason in &mut observed.reasons {
            reason.mutation = Some(0);
        }
        once_each(&mut observed.reasons);
    }
    verdict
}

fn once_each(reasons: &mut Vec<Reason>) {
    let mut seen: Vec<Reason> = Vec::new();
    reasons.retain(|reason| {
        let new = !seen.contains(reason);
        if new {
            seen.push(reason.clone());
        }
        new
    });
}

/// The stricter of both, with the reasons of both.
fn join(sum: &mut Verdict, more: Verdict) {
    sum.effect = sum.effect.max(more.effect);
    sum.reasons.extend(more.reasons);
    once_each(&mut sum.reasons);
    for requirement in more.requirements {
        if !sum.requirements.contains(&requirement) {
            sum.requirements.push(requirement);
        }
    }
    sum.expires_seconds = sum.expires_seconds.min(more.expires_seconds);
    sum.wait_seconds = sum.wait_seconds.max(more.wait_seconds);
    if let Some(observed) = more.observed {
        sum.observe(observed.reasons);
        if let Some(all) = &mut sum.observed {
            once_each(&mut all.reasons);
        }
    }
}
