//! The upload of a job's rows: every byte passes on to the CRM as it comes, is read strictly, and goes
//! into the job's record. Holds a chunk of rows, never the file.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use super::{Answered, Job, unavailable, words};
use crate::crm::salesforce::bulk::csv::{Fault, Reader, Record};
use crate::crm::salesforce::bulk::{self, Columns, ONCE_MOST, Spec};
use crate::error::{Conflict, Refusal, RefusalKind, StoreError};
use crate::journal::job::{Chunk, Fed, Name, Step as Told};
use crate::proxy::write::Write;
use crate::proxy::{Refused, answer_of};
use crate::upstream::{Answer, Body, Piece, ReadError};

/// Rows in one chunk: as many as one read of prior values takes.
const CHUNK_ROWS: u64 = 2_000;
/// Bytes in one chunk.
const CHUNK_BYTES: usize = 256 * 1024;
/// Parts of the body on their way to the CRM.
const PIECES: usize = 2;

/// What is taken down of an upload while it passes.
struct Taking {
    spec: Spec,
    reader: Option<Reader>,
    noted: Noted,
    sha256: Context,
}

/// What the records of an upload come to.
#[derive(Default)]
struct Noted {
    /// As many rows may come.
    most: u64,
    columns: Option<Columns>,
    header: String,
    /// Which field each column writes; `None`: it names the record.
    writes: Vec<Option<usize>>,
    fields: Vec<(String, u64)>,
    bytes: u64,
    rows: u64,
    chunk: Vec<u8>,
    first: u64,
    full: Vec<Chunk>,
}

impl Taking {
    fn new(spec: &Spec, most: u64) -> Self {
        Self {
            spec: spec.clone(),
            reader: Some(Reader::new(spec.dialect())),
            noted: Noted {
                most,
                ..Noted::default()
            },
            sha256: Context::new(&SHA256),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.sha256.update(bytes);
        self.noted.bytes += bytes.len() as u64;
        let (spec, noted) = (&self.spec, &mut self.noted);
        match &mut self.reader {
            Some(reader) => reader.push(bytes, |record| noted.record(spec, record)),
            None => Ok(()),
        }
    }

    /// The end: the last chunk, and what all comes to.
    fn finish(mut self) -> Result<(Vec<Chunk>, Fed), Fault> {
        let (spec, noted) = (&self.spec, &mut self.noted);
        if let Some(reader) = self.reader.take() {
            reader.finish(|record| noted.record(spec, record))?;
        }
        if noted.rows == 0 {
            return Err(Fault::of(2, "is missing: there is no row"));
        }
        noted.cut()?;
        let digest = self.sha256.finish();
        let sha256 = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let fed = Fed {
            sha256: sha256.collect(),
            bytes: self.noted.bytes,
            rows: self.noted.rows,
            header: self.noted.header,
            fields: self.noted.fields,
        };
        Ok((self.noted.full, fed))
    }
}

impl Noted {
    fn record(&mut self, spec: &Spec, record: Record<'_>) -> Result<(), Fault> {
        if self.columns.is_none() {
            let columns = Columns::of(spec, record)?;
            self.header = text(record.raw.to_vec(), record.line)?;
            self.fields = columns.fields().map(|name| (name.to_owned(), 0)).collect();
            self.writes = columns.places().collect();
            self.columns = Some(columns);
            return Ok(());
        }
        if self.rows >= self.most {
            let what = format!("is more than may be sent at once: {} rows", self.most);
            return Err(Fault::of(record.line, &what));
        }
        for (cell, place) in record.cells().zip(&self.writes) {
            let field = place.and_then(|place| self.fields.get_mut(place));
            if let Some((_, rows)) = field.filter(|_| !cell.is_empty()) {
                *rows += 1;
            }
        }
        self.rows += 1;
        self.chunk.extend_from_slice(record.raw);
        if self.rows - self.first >= CHUNK_ROWS || self.chunk.len() >= CHUNK_BYTES {
            self.cut()?;
        }
        Ok(())
    }

    fn cut(&mut self) -> Result<(), Fault> {
        if self.rows > self.first {
            self.full.push(Chunk {
                first: self.first,
                rows: self.rows - self.first,
                csv: text(std::mem::take(&mut self.chunk), 0)?,
            });
            self.first = self.rows;
        }
        Ok(())
    }
}

fn text(bytes: Vec<u8>, line: u64) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|_not_utf8| Fault::of(line, "is not UTF-8"))
}

impl Write {
    /// Takes the only upload of a job.
    pub(super) async fn feed(self, id: &str, incoming: Incoming) -> Answered {
        let job = self.to_feed(id).await?;
        match self.step(id, &Told::Feeding, Some(job.steps)).await {
            Ok(()) => {}
            Err(error) if error.conflict == Some(Conflict::Moved) => {
                return Err(self.refuse(words::fed_twice(id), None, None).await);
            }
            Err(error) => return Err(self.refuse(unavailable(&error), None, None).await),
        }
        let upstream = self.worker.upstreams.get(self.place);
        let upstream = upstream.ok_or_else(crate::proxy::no_upstream)?;
        let (pieces, received) = mpsc::channel(PIECES);
        let request = self.outgoing(Body::Piped(received, self.length()))?;
        let pumping = self.pump(&job, incoming, pieces);
        let (pumped, answer) = tokio::join!(pumping, upstream.feed(request));
        self.fed(id, pumped, answer).await
    }

    fn length(&self) -> Option<u64> {
        let value = self.parts.headers.get(CONTENT_LENGTH)?;
        value.to_str().ok()?.parse().ok()
    }

    /// The job; one that was made elsewhere is looked up.
    pub(super) async fn known_or_found(&self, id: &str) -> Result<Job, Box<Refused>> {
        match self.noted(id).await? {
            Some(job) => Ok(job),
            None => self.look_up(id).await,
        }
    }

    /// The job, if it may be fed.
    async fn to_feed(&self, id: &str) -> Result<Job, Box<Refused>> {
        let job = self.known_or_found(id).await?;
        let refusal = if job.is_of_others(&self.actor.service_account) {
            words::not_theirs(id)
        } else if job.spec.batches {
            words::other_api(id)
        } else if job.feeding {
            words::fed_twice(id)
        } else if job.over {
            words::over(id)
        } else {
            return Ok(job);
        };
        Err(self.refuse(refusal, None, None).await)
    }

    /// A job that was not made through here: what it is to do, and that it is still open. It is nobody's
    /// here until it takes rows.
    async fn look_up(&self, id: &str) -> Result<Job, Box<Refused>> {
        let call = bulk::look(&self.head(), id);
        let answer = self.ask(&call).await;
        let answer = answer.map_err(|why| super::super::words::unreachable_upstream(&why));
        let answer = answer.and_then(|answer| self.theirs(answer));
        let answer = self.or_refuse(answer).await?;
        if !answer.status.is_success() {
            let note = format!("the CRM answered a look at the job with {}", answer.status);
            let refusal = Refusal::new(RefusalKind::Upstream, note);
            let mut refused = self.refuse(refusal, None, None).await;
            if refused.entry.is_some() {
                refused.instead = Some(Box::new(answer_of(answer)));
            }
            return Err(refused);
        }
        let info = bulk::told(&self.head(), &answer.body).map_err(|why| words::unclear(&why));
        let info = self.or_refuse(info).await?;
        if info.id != id || info.state != "Open" {
            return Err(self.refuse(words::over(id), None, None).await);
        }
        let spec = self.placed(info.spec).await?;
        let step = Told::Known {
            spec: serde_json::json!(spec),
            made: false,
        };
        match self.step(id, &step, Some(0)).await {
            Ok(()) => {}
            Err(error) if error.conflict == Some(Conflict::Moved) => {
                // it was noted just now
                let job = self.noted(id).await?;
                return self.or_refuse(job.ok_or_else(|| words::unknown(id))).await;
            }
            Err(error) => return Err(self.refuse(unavailable(&error), None, None).await),
        }
        let known = vec![(step, self.actor.service_account.clone())];
        let job = Job::of(id, known).ok_or_else(|| words::unknown(id));
        self.or_refuse(job).await
    }

    /// Takes down rows that are written at once: all of them, before anything of it goes. All of their
    /// record is durable or nothing is, so whoever sends the same again finds none that stopped halfway.
    pub(super) async fn take_down(
        &self,
        id: &str,
        spec: &Spec,
        csv: &[u8],
        most: u64,
    ) -> Result<Job, Refusal> {
        if let Some(job) = self.taken_down(id).await? {
            return Ok(job);
        }
        let mut taking = Taking::new(spec, most);
        taking.push(csv).map_err(Refusal::malformed)?;
        let (chunks, fed) = taking.finish().map_err(Refusal::malformed)?;
        let known = Told::Known {
            spec: serde_json::json!(spec),
            made: true,
        };
        let app = &self.worker.app;
        let (name, now) = (self.name(id), app.clock.now());
        let steps = [known, Told::Fed(fed)];
        match app.journal.job_whole(&name, &steps, &chunks, now).await {
            Ok(()) => {
                let steps = steps.map(|step| (step, self.actor.service_account.clone()));
                Job::of(id, steps.into()).ok_or_else(|| words::unknown(id))
            }
            Err(error) if error.conflict == Some(Conflict::Moved) => {
                let job = self.taken_down(id).await?;
                job.ok_or_else(|| words::unfed(id))
            }
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// The record of the same request from before: its rows are the same.
    async fn taken_down(&self, id: &str) -> Result<Option<Job>, Refusal> {
        let steps = self.worker.app.journal.job_steps(&self.name(id)).await;
        let steps = steps.map_err(|error| unavailable(&error))?;
        Ok(Job::of(id, steps))
    }

    /// Hands the body on, part by part: each is read before it goes, and a part that has no reading
    /// cuts the upload off. The last one goes when all is known to have a reading.
    async fn pump(
        &self,
        job: &Job,
        mut incoming: Incoming,
        pieces: Sender<Piece>,
    ) -> Result<Fed, Refusal> {
        let mut taking = Taking::new(&job.spec, ONCE_MOST);
        let mut last: Option<Bytes> = None;
        let mut writing = None;
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| {
                Refusal::malformed("the body broke off or is framed wrongly")
                    .detail(error.to_string())
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            taking.push(&data).map_err(Refusal::malformed)?;
            let full = std::mem::take(&mut taking.noted.full);
            self.keep(&job.id, full, &mut writing).await?;
            if let Some(before) = last.replace(data) {
                self.hand_on(&pieces, before).await?;
            }
        }
        let (full, fed) = taking.finish().map_err(Refusal::malformed)?;
        self.keep(&job.id, full, &mut writing).await?;
        written(writing).await?;
        if let Some(last) = last {
            self.hand_on(&pieces, last).await?;
        }
        // whoever counts bytes has all by now, and does not wait for the end
        if pieces.send(Piece::End).await.is_err() {
            tracing::debug!("an upload of a known length has ended");
        }
        Ok(fed)
    }

    async fn hand_on(&self, pieces: &Sender<Piece>, data: Bytes) -> Result<(), Refusal> {
        let gone = |_closed| {
            let message = "Not written: the CRM stopped taking the rows. Make a new job.";
            Refusal::new(RefusalKind::Upstream, message)
        };
        pieces.send(Piece::Data(data)).await.map_err(gone)
    }

    /// Writes chunks down in their order, each while the next one comes in.
    async fn keep(
        &self,
        id: &str,
        chunks: Vec<Chunk>,
        writing: &mut Option<Writing>,
    ) -> Result<(), Refusal> {
        for chunk in chunks {
            written(writing.take()).await?;
            let app = Arc::clone(&self.worker.app);
            let (route, account) = (self.route().to_owned(), self.actor.service_account.clone());
            let job = id.to_owned();
            *writing = Some(tokio::spawn(async move {
                let name = Name {
                    route: &route,
                    job: &job,
                    service_account: &account,
                };
                app.journal.job_chunk(&name, &chunk, app.clock.now()).await
            }));
        }
        Ok(())
    }

    /// Only what both sides have whole can be committed.
    async fn fed(
        &self,
        id: &str,
        pumped: Result<Fed, Refusal>,
        answer: Result<Answer, ReadError>,
    ) -> Answered {
        match (pumped, answer) {
            (_, Ok(answer)) if self.theirs(answer.clone()).is_err() => {
                let refusal = super::super::words::credential_refused();
                Err(self.refuse(refusal, None, None).await)
            }
            (_, Err(ReadError::NoCredential(error))) => {
                let refusal = super::super::words::no_credential(&error);
                Err(self.refuse(refusal, None, None).await)
            }
            (Ok(fed), Ok(answer)) => {
                if answer.status.is_success() {
                    let noted = self.step(id, &Told::Fed(fed), None).await;
                    self.or_refuse(noted.map_err(|error| unavailable(&error)))
                        .await?;
                }
                Ok(answer_of(answer))
            }
            // the CRM's own no came before the end of the rows
            (Err(refusal), Ok(answer))
                if refusal.kind == RefusalKind::Upstream && !answer.status.is_success() =>
            {
                Ok(answer_of(answer))
            }
            (Err(refusal), _) => Err(self.refuse(refusal, None, None).await),
            (Ok(_), Err(error)) => {
                let refusal = super::super::words::unreachable_upstream(&error.to_string());
                Err(self.refuse(refusal, None, None).await)
            }
        }
    }
}

/// A chunk on its way into the ledger.
type Writing = JoinHandle<Result<(), StoreError>>;

/// Returns when it is durable.
async fn written(writing: Option<Writing>) -> Result<(), Refusal> {
    match writing {
        None => Ok(()),
        Some(writing) => match writing.await {
            Ok(written) => written.map_err(|error| unavailable(&error)),
            Err(error) => Err(Refusal::unavailable(error.to_string())),
        },
    }
}

/// The bytes of a chunk of rows, read again.
pub(super) fn again(
    spec: &Spec,
    header: &str,
    chunk: &Chunk,
    each: impl FnMut(&Columns, u64, Record<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    Columns::read(spec, header, (chunk.first, &chunk.csv), each)
}
