//! What became of a job's rows. The CRM accepts a commit and works later: it is asked on a schedule
//! (`proxy::jobs`), and when the agent asks for the job; then the commit's entry is told, row by row.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri, header::ACCEPT};

use super::feed::again;
use crate::app::{App, Worker};
use crate::crm::path::CanonicalPath;
use crate::crm::salesforce::bulk::csv::{Fault, Reader, Record};
use crate::crm::salesforce::bulk::results::{self, Ended, Lines, List, Matched, Reads};
use crate::crm::salesforce::bulk::{self, Spec};
use crate::crm::{Head, ReadCall};
use crate::error::StoreError;
use crate::journal::job::{Fates, Fed, Name, Pending, Step as Told, Told as End};
use crate::journal::read::{self, EntryState};
use crate::mutation::{Outcome, OutcomeState};
use crate::proxy::Call;
use crate::proxy::actor::{Caller, Credential};
use crate::proxy::rows::uploaded;
use crate::upstream::{Answer, Body, Upstream};

/// Results of more rows are not waited for by a read that asks for their job.
const WAITED_FOR: u64 = 10_000;

/// Settles a commit whose results are pending, if this read asks for its job and the CRM is done with it.
/// A failure is nobody's but the log's: the next read tries again.
pub(in crate::proxy) async fn settle(
    call: Call<'_>,
    parts: &Parts,
    path: &CanonicalPath,
    caller: &Caller,
) {
    let head = Head {
        method: &parts.method,
        path,
        query: parts.uri.query(),
        headers: &parts.headers,
        sender: caller.sender(),
    };
    let (Some(job), Some(account)) = (bulk::asked_for(&head), &caller.service_account) else {
        return;
    };
    let name = Name {
        route: &call.state.route.name,
        job: &job,
        service_account: account,
    };
    settle_job(call.worker, call.place, &caller.credential, &name).await;
}

/// The same for a job by its name.
pub(super) async fn settle_job(
    worker: &Arc<Worker>,
    place: usize,
    credential: &Credential,
    name: &Name<'_>,
) {
    let app = &worker.app;
    let (pending, rows) = match pending(app, name).await {
        Ok(Some(pending)) => pending,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, job = name.job, "what became of a job is not known yet");
            return;
        }
    };
    let (worker, credential) = (Arc::clone(worker), credential.clone());
    let asking = async move { ask(&worker, place, &credential, &pending).await };
    if rows <= WAITED_FOR {
        asking.await;
    } else {
        let underway = app.inflight.enter();
        drop(tokio::spawn(async move {
            asking.await;
            drop(underway);
        }));
    }
}

/// The newest commit of a job, where it is this service account's and its end is not known; and how many
/// rows it has.
async fn pending(app: &App, name: &Name<'_>) -> Result<Option<(Pending, u64)>, StoreError> {
    let (mut rows, mut commits) = (0, Vec::new());
    for (step, owner) in app.journal.job_steps(name).await? {
        match step {
            Told::Fed(fed) => rows = fed.rows,
            Told::Committing { commit: entry } if owner == name.service_account => {
                commits.push(entry);
            }
            Told::Told(_) => commits.clear(),
            Told::Known { .. }
            | Told::Feeding
            | Told::Committing { .. }
            | Told::Aborted
            | Told::Closed
            | Told::Dropped => {}
        }
    }
    for commit in commits.iter().rev() {
        // one that the CRM refused was never pending
        if let Some(pending) = app.journal.job_of(commit).await? {
            return Ok(Some((pending, rows)));
        }
    }
    Ok(None)
}

/// Asks what became of a commit, unless somebody does already, and writes it down.
pub(in crate::proxy) async fn ask(
    worker: &Worker,
    place: usize,
    credential: &Credential,
    pending: &Pending,
) {
    let app = &worker.app;
    let Some(claim) = app.jobs.claim(&pending.commit) else {
        return;
    };
    let mut headers = HeaderMap::new();
    credential.put(&mut headers);
    let told = match worker.upstreams.get(place) {
        Some(upstream) => {
            headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
            let asking = Asking {
                app,
                upstream,
                headers,
                pending,
            };
            asking.tell().await
        }
        None => Err("the route has no upstream".into()),
    };
    match told {
        Ok(true) => claim.over(),
        Ok(false) => {}
        Err(why) => {
            tracing::warn!(%why, job = pending.job, "what became of a job is not known yet");
        }
    }
}

/// Who asks for what.
struct Asking<'a> {
    app: &'a App,
    upstream: &'a Upstream,
    headers: HeaderMap,
    pending: &'a Pending,
}

/// Why the outcome of each row is not known.
enum Lack {
    /// It may be had later.
    Later(String),
    /// It is not to be had.
    Never(String),
}

impl From<StoreError> for Lack {
    fn from(error: StoreError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<Fault> for Lack {
    fn from(fault: Fault) -> Self {
        Self::Never(fault.to_string())
    }
}

impl Asking<'_> {
    /// True once there is nothing left to ask.
    async fn tell(&self) -> Result<bool, String> {
        let (journal, pending) = (&self.app.journal, self.pending);
        let said = |error: StoreError| error.to_string();
        let entry = read::detail(&**journal.ledger(), &pending.commit).await;
        let entry = entry.map_err(said)?;
        let state = entry.map(|detail| detail.entry.state);
        if matches!(state, Some(EntryState::Open | EntryState::InDoubt)) {
            // its answer is not recorded yet
            return Ok(false);
        }
        if state != Some(EntryState::Accepted) {
            let now = self.app.clock.now();
            journal.job_over(pending, now).await.map_err(said)?;
            return Ok(true);
        }
        let answer = self.read(&results::status(&pending.place)).await?;
        if !answer.status.is_success() {
            return Err(format!("the CRM answered with {}", answer.status));
        }
        let Some(ended) = results::ended(&pending.place, &answer.body)? else {
            return Ok(false);
        };
        let record = uploaded(journal, &pending.rows()).await.map_err(said)?;
        let rows = record.as_ref().map_or(0, |(_, fed)| fed.rows);
        if let Some((spec, fed)) = &record {
            match self.rows(spec, fed, &ended).await {
                Ok(()) => {}
                Err(Lack::Later(why)) => return Err(why),
                Err(Lack::Never(why)) => {
                    tracing::warn!(%why, job = pending.job, "the outcome of each row is not known");
                }
            }
        }
        let told = End {
            done: ended.processed.saturating_sub(ended.failed),
            failed: ended.failed,
            unprocessed: rows.saturating_sub(ended.processed),
            state: ended.state,
        };
        let name = pending.name();
        let now = self.app.clock.now();
        let told = journal.job_told((&name, &pending.commit), &told, now);
        told.await.map_err(said)?;
        Ok(true)
    }

    /// Learns the outcome of each row and writes it down, chunk by chunk as the rows are.
    async fn rows(&self, spec: &Spec, fed: &Fed, ended: &Ended) -> Result<(), Lack> {
        let (journal, pending) = (&self.app.journal, self.pending);
        let outcomes = match results::reads(&pending.place) {
            Reads::Lists(lists) => {
                let matched = self.matched(spec, fed, lists).await?;
                let left = match matched.count() == ended.processed {
                    true => OutcomeState::Failed,
                    false => OutcomeState::Unknown,
                };
                Outcomes::Matched(Box::new(matched), left)
            }
            Reads::Batch(_) if ended.processed == 0 && ended.state != "Completed" => {
                Outcomes::Failed
            }
            Reads::Batch(call) => {
                let answer = self.read(&call).await.map_err(Lack::Later)?;
                taken(&answer)?;
                let outcomes = results::of_batch(&answer.body).map_err(Lack::Never)?;
                if outcomes.len() as u64 != fed.rows {
                    let what = "the CRM's results are not one for each row of the batch";
                    return Err(Lack::Never(what.into()));
                }
                Outcomes::InOrder(outcomes)
            }
        };
        let (name, mut after) = (pending.rows(), None);
        while let Some((chunk, place)) = journal.next_chunk(&name, after).await? {
            after = Some(place);
            let fates = Fates {
                first: chunk.first,
                rows: outcomes.of(chunk.first, chunk.rows),
            };
            let now = self.app.clock.now();
            let at = (&name, &pending.commit);
            journal.job_fates(at, &fates, now).await?;
        }
        Ok(())
    }

    /// The rows of the job, and what the lists say of each.
    async fn matched(
        &self,
        spec: &Spec,
        fed: &Fed,
        lists: [(List, ReadCall); 2],
    ) -> Result<Matched, Lack> {
        let mut matched = None;
        let mut reader = Reader::new(spec.dialect());
        reader.push(fed.header.as_bytes(), |header| {
            matched = Some(Matched::of(spec, header));
            Ok(())
        })?;
        let mut matched = matched.ok_or_else(|| Lack::Never("there is no header".into()))?;
        let (name, mut after) = (self.pending.rows(), None);
        while let Some((chunk, place)) = self.app.journal.next_chunk(&name, after).await? {
            after = Some(place);
            again(spec, &fed.header, &chunk, |_, _, record| {
                matched.row(record);
                Ok(())
            })?;
        }
        for (list, call) in lists {
            self.list(&mut matched, list, &call).await?;
        }
        Ok(matched)
    }

    /// One list, as its bytes come.
    async fn list(&self, matched: &mut Matched, list: List, call: &ReadCall) -> Result<(), Lack> {
        let request = self.request(call).map_err(Lack::Never)?;
        let answer = self.upstream.download(request).await;
        let mut answer = answer.map_err(|error| Lack::Later(error.to_string()))?;
        if !answer.status.is_success() {
            return Err(unlike(answer.status.as_u16()));
        }
        let (mut lines, mut columns) = (Lines::default(), None);
        let mut each = |record: Record<'_>| match &columns {
            None => {
                columns = Some(matched.columns(list, record));
                Ok(())
            }
            Some(columns) => matched.told(columns, record),
        };
        while let Some(data) = answer.next().await.map_err(Lack::Later)? {
            lines.push(&data, &mut each)?;
        }
        lines.finish(&mut each)?;
        Ok(())
    }

    fn request(&self, call: &ReadCall) -> Result<Request<Body>, String> {
        let mut request = Request::new(Body::Empty);
        *request.headers_mut() = self.headers.clone();
        *request.uri_mut() =
            Uri::try_from(call.target.as_str()).map_err(|error| error.to_string())?;
        Ok(request)
    }

    async fn read(&self, call: &ReadCall) -> Result<Answer, String> {
        let answer = self.upstream.read(self.request(call)?).await;
        answer.map_err(|error| error.to_string())
    }
}

fn taken(answer: &Answer) -> Result<(), Lack> {
    match answer.status.is_success() {
        true => Ok(()),
        false => Err(unlike(answer.status.as_u16())),
    }
}

/// Results that are gone stay gone; with another session, or later, others may be had.
fn unlike(status: u16) -> Lack {
    let why = format!("the CRM answered the read of its results with {status}");
    match status {
        400 | 404 | 410 => Lack::Never(why),
        _ => Lack::Later(why),
    }
}

/// The outcomes of all rows.
enum Outcomes {
    /// Found again in lists; those that no list has came to this.
    Matched(Box<Matched>, OutcomeState),
    /// Told in the order of the rows.
    InOrder(Vec<Outcome>),
    /// None was written.
    Failed,
}

impl Outcomes {
    fn of(&self, first: u64, rows: u64) -> Vec<Outcome> {
        match self {
            Self::Matched(matched, left) => matched.outcomes(first, rows, *left),
            Self::InOrder(all) => {
                let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX);
                let some = all.get(at(first)..at(first.saturating_add(rows)));
                some.unwrap_or_default().to_vec()
            }
            Self::Failed => (0..rows)
                .map(|_| Outcome::of(OutcomeState::Failed))
                .collect(),
        }
    }
}
