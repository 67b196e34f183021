//! The ledger in a SQLite file: one thread writes, two read, and callers never block. Several
//! processes may read one file; one writes.

mod file;
mod job;
mod query;
mod readers;
mod verify;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, JoinHandle};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::oneshot;

use self::file::FileLock;
use self::job::Job;
use self::readers::Readers;
use self::writer::Writer;
use super::inbox::{Append, Prepared, Status, read_only, stopped};
use super::{Cursor, Head, Ledger, NewRow, Row, RowFilter, Verified};
use crate::clock::{Entropy, entry_id};
use crate::error::StoreError;

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
    inbox: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    status: Arc<Status>,
    writer: String,
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
        let (status, name) = (writer.status(), writer.name().to_owned());
        let (inbox, jobs) = channel();
        let thread = Builder::new()
            .name("ledger-writer".into())
            .spawn(move || writer.run(&jobs))
            .map_err(|error| StoreError::caused("ledger", "cannot start a thread", false, error))?;
        let pen = Pen {
            inbox: Some(inbox),
            thread: Some(thread),
            status,
            writer: name,
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

    /// Why nothing can be written now; `transient` tells whether it passes by itself or takes a
    /// restart.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.pen.as_ref()?.status.trouble()
    }
}

impl Pen {
    fn append(
        &self,
        rows: Vec<NewRow>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        if let Some(trouble) = self.status.trouble() {
            return Err(trouble);
        }
        let rows: Vec<Prepared> = rows
            .into_iter()
            .map(|row| Prepared::new(row, &*self.entropy))
            .collect();
        self.status.reserve(&rows)?;
        let (done, result) = oneshot::channel();
        self.send(Job::Append(Append { rows, done }))?;
        Ok(result)
    }

    fn raise(&self, from: u64) -> Result<oneshot::Receiver<Result<u64, StoreError>>, StoreError> {
        let (done, result) = oneshot::channel();
        self.send(Job::Raise { from, done })?;
        Ok(result)
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        let sent = self.inbox.as_ref().map(|inbox| inbox.send(job));
        sent.and_then(Result::ok).ok_or_else(stopped)
    }
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
        let pen = self.pen.as_ref().ok_or_else(read_only)?;
        if rows.is_empty() {
            return Ok(());
        }
        let result = pen.append(rows)?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn writer(&self) -> Option<&str> {
        Some(&self.pen.as_ref()?.writer)
    }

    /// One process writes the file.
    async fn alive(&self, writer: &str) -> Result<bool, StoreError> {
        Ok(self.writer() == Some(writer))
    }

    /// There are none.
    async fn others(&self, after: &Cursor) -> Result<(Vec<Row>, Cursor), StoreError> {
        Ok((Vec::new(), after.clone()))
    }

    /// Never.
    async fn changed(&self) {
        std::future::pending().await
    }

    async fn epoch(&self) -> Result<u64, StoreError> {
        self.readers
            .read(|connection| query::epoch(connection))
            .await
    }

    async fn raise_epoch(&self, from: u64) -> Result<u64, StoreError> {
        let pen = self.pen.as_ref().ok_or_else(read_only)?;
        let result = pen.raise(from)?;
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
        Some(self.pen.as_ref()?.status.queued())
    }

    fn newest(&self) -> Option<Timestamp> {
        self.pen.as_ref()?.status.newest()
    }
}
