//! The ledger in a SQLite file: one thread writes, two read, and callers never block. Several
//! processes may read one file; one writes.

mod file;
mod inbox;
mod query;
mod readers;
mod verify;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use self::file::FileLock;
use self::inbox::{Append, Prepared, Status, Values};
use self::readers::Readers;
use self::writer::Writer;
use super::chain::{Salt, values_digest};
use super::{Head, Ledger, NewRow, Row, RowFilter, RowKind, Verified};
use crate::clock::{Entropy, entry_id};
use crate::error::StoreError;

/// Rows that may wait for the writer; more are refused.
const QUEUE: usize = 8_192;
/// The same in bytes: a row can hold a whole batch with its prior values.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// A ledger in a SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {
    readers: Readers,
    /// `None` when it was opened for reading only.
    pen: Option<Pen>,
}

/// What it takes to write. Fields are dropped in order: the lock goes last.
#[derive(Debug)]
struct Pen {
    inbox: Option<Sender<Append>>,
    writer: String,
    thread: Option<JoinHandle<()>>,
    status: Arc<Status>,
    entropy: Arc<dyn Entropy>,
    _lock: FileLock,
}

impl SqliteLedger {
    /// Opens a ledger to read and write, and makes the file where there is none. Blocks: for starts.
    ///
    /// `now` and `entropy` name the writer of a new file; `entropy` also salts values.
    ///
    /// # Errors
    /// When another process writes the file, when it is not a ledger or one of a newer version, and
    /// when the disk does not do what it should.
    pub fn open(
        path: &Path,
        now: Timestamp,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let lock = file::lock(path)?;
        let writer = Writer::new(file::writer(path)?, &entry_id(now, &*entropy))?;
        let readers = Readers::start(path)?;
        let status = writer.status();
        let name = writer.name().to_owned();
        let (inbox, appends) = channel();
        let thread = Builder::new()
            .name("ledger-writer".into())
            .spawn(move || writer.run(&appends))
            .map_err(|error| StoreError {
                store: "ledger",
                what: "cannot start a thread".into(),
                transient: false,
                source: Some(Box::new(error)),
            })?;
        let pen = Pen {
            inbox: Some(inbox),
            writer: name,
            thread: Some(thread),
            status,
            entropy,
            _lock: lock,
        };
        Ok(Self {
            readers,
            pen: Some(pen),
        })
    }

    /// Opens a ledger to read, also while another process writes it. Blocks: for the command line.
    ///
    /// # Errors
    /// When there is no such file, or it is not a ledger of this version.
    pub fn read_only(path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            readers: Readers::start(path)?,
            pen: None,
        })
    }

    /// The writer whose chain this process goes on with; `None` when it was opened for reading only.
    #[must_use]
    pub fn writer(&self) -> Option<&str> {
        self.pen.as_ref().map(|pen| pen.writer.as_str())
    }

    /// Why nothing can be written now; `transient` tells whether it passes by itself or takes a
    /// restart.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.pen.as_ref()?.status.trouble()
    }
}

impl Pen {
    fn prepare(&self, row: NewRow) -> Prepared {
        Prepared {
            at: row.at.as_microsecond(),
            meta: row.meta.to_string(),
            values: row.values.as_ref().map(|values| self.seal(values)),
            entry: row.entry,
            kind: row.kind,
            service_account: row.service_account,
            route: row.route,
        }
    }

    fn seal(&self, values: &Value) -> Values {
        let mut salt = Salt::default();
        self.entropy.fill(&mut salt);
        let text = values.to_string();
        let digest = values_digest(&salt, text.as_bytes());
        Values { text, salt, digest }
    }

    fn queue(
        &self,
        rows: Vec<NewRow>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        if let Some(trouble) = self.status.trouble() {
            return Err(trouble);
        }
        // What happened already has to be told; only what is yet to happen can be refused.
        let told = rows.iter().all(|row| tells(row.kind));
        let rows: Vec<Prepared> = rows.into_iter().map(|row| self.prepare(row)).collect();
        let (count, bytes) = (rows.len(), rows.iter().map(Prepared::bytes).sum());
        let queued = self.status.queued.fetch_add(count, Ordering::AcqRel);
        let queued_bytes = self.status.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        if !told && (queued >= QUEUE || queued_bytes >= QUEUE_BYTES) {
            self.status.queued.fetch_sub(count, Ordering::AcqRel);
            self.status.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
            let what = format!("{queued} rows of {queued_bytes} bytes wait to be written already");
            return Err(StoreError::new("ledger", what, true));
        }
        let (done, result) = oneshot::channel();
        let sent = self
            .inbox
            .as_ref()
            .map(|inbox| inbox.send(Append { rows, done }));
        match sent {
            Some(Ok(())) => Ok(result),
            Some(Err(_)) | None => Err(stopped()),
        }
    }
}

/// Whether a row tells of what happened already.
fn tells(kind: RowKind) -> bool {
    matches!(
        kind,
        RowKind::Closed | RowKind::InDoubt | RowKind::Reconciled | RowKind::Switch
    )
}

fn stopped() -> StoreError {
    StoreError::new("ledger", "the writing thread has stopped", false)
}

impl Drop for Pen {
    fn drop(&mut self) {
        // the thread writes what is queued, then sees that nobody is left
        drop(self.inbox.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writing thread of the ledger ended in a panic");
        }
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        let Some(pen) = &self.pen else {
            let what = "opened for reading only";
            return Err(StoreError::new("ledger", what, false));
        };
        if rows.is_empty() {
            return Ok(());
        }
        let result = pen.queue(rows)?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn available(&self) -> Result<(), StoreError> {
        self.trouble().map_or(Ok(()), Err)
    }

    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError> {
        self.readers
            .read(move |connection| query::rows(connection, &filter))
            .await
    }

    async fn unclosed(&self) -> Result<Vec<Row>, StoreError> {
        self.readers
            .read(|connection| query::unclosed(connection))
            .await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let head = self.readers.read(|connection| query::head(connection));
        Ok(head.await?.into_iter().collect())
    }

    async fn verify(&self, published: &[Head]) -> Result<Verified, StoreError> {
        let published = published.to_vec();
        self.readers
            .read(move |connection| verify::verify(connection, &published))
            .await
    }

    fn queued(&self) -> Option<usize> {
        let pen = self.pen.as_ref()?;
        Some(pen.status.queued.load(Ordering::Acquire))
    }

    fn newest(&self) -> Option<Timestamp> {
        let newest = self.pen.as_ref()?.status.newest()?;
        Timestamp::from_microsecond(newest).ok()
    }
}
