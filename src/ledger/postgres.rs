//! The ledger in PostgreSQL, for replicas that share it: each writes a chain of its own, all read all of
//! them. It lives on threads of its own; callers reach it by channels and never block.
//!
//! It needs connections that keep their session: directly to the server, not through a pooler that
//! hands out transactions.

mod address;
mod draft;
mod fault;
mod link;
mod others;
mod query;
mod readers;
mod room;
mod schema;
mod session;
mod tls;
mod verify;
mod writer;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

pub use self::address::Address;
use self::link::Server;
use self::others::{News, listen};
use self::readers::{Readers, Reading};
use self::room::Room;
use self::session::Session;
use self::writer::Writer;
use super::inbox::{Append, Prepared, Status, read_only, stopped};
use super::{Cursor, Head, Ledger, NewRow, Row, RowFilter, Verified};
use crate::clock::Entropy;
use crate::error::{Conflict, StoreError};

/// A ledger in PostgreSQL.
#[derive(Debug)]
pub struct PostgresLedger {
    /// `None` when it was opened for reading only.
    pen: Option<Pen>,
    readers: Readers,
    reading: Room,
}

/// What it takes to write. Fields are dropped in order: the room goes last.
#[derive(Debug)]
struct Pen {
    inbox: Option<UnboundedSender<Append>>,
    status: Arc<Status>,
    writer: String,
    entropy: Arc<dyn Entropy>,
    news: Arc<News>,
    /// Hung up when the writer has ended.
    ended: Mutex<Receiver<()>>,
    _room: Room,
}

impl PostgresLedger {
    /// Opens a ledger to read and write the chain of `replica`; its tables make themselves. Blocks: for
    /// starts.
    ///
    /// # Errors
    /// When the server cannot be reached or would not keep what it acknowledges, when another process
    /// writes the same chain, and when the tables are of a newer version.
    pub fn open(
        address: Address,
        replica: &str,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StoreError> {
        let server = Server::new(address, replica)?;
        let pen = Pen::take(&server, replica, entropy)?;
        Ok(Self {
            pen: Some(pen),
            readers: Readers::new(&server)?,
            reading: Room::open("ledger-reader")?,
        })
    }

    /// Opens a ledger to read, also while others write it. Blocks: for the command line.
    ///
    /// # Errors
    /// When the server cannot be reached, and when it holds no ledger of this version.
    pub fn read_only(address: Address) -> Result<Self, StoreError> {
        let server = Server::new(address, "reader")?;
        let readers = Readers::new(&server)?;
        let reading = Room::open("ledger-reader")?;
        let first = readers.clone();
        reading.wait(async move {
            let mut reading = first.reading().await?;
            schema::readable(reading.client()).await
        })?;
        Ok(Self {
            pen: None,
            readers,
            reading,
        })
    }

    /// Why nothing can be written now; `transient` tells whether it passes by itself or takes a
    /// restart.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.pen.as_ref()?.status.trouble()
    }

    /// Reads on the thread that reads, with a connection of the pool.
    async fn read<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Reading) -> F + Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let readers = self.readers.clone();
        let reading = async move { work(readers.reading().await?).await };
        let done = self.reading.handle().spawn(reading).await;
        done.unwrap_or_else(|_| Err(stopped()))
    }
}

impl Pen {
    /// Begins to write the chain of `replica`. Blocks.
    fn take(server: &Server, replica: &str, entropy: Arc<dyn Entropy>) -> Result<Self, StoreError> {
        let room = Room::open("ledger-writer")?;
        let (with, name) = (server.clone(), replica.to_owned());
        let begin = async move { Session::begin(&with, &name, None).await };
        let (session, found) = room.wait(begin)?;
        let status = Arc::new(Status::new(found.newest));
        status.saw_clock(found.clock);
        let news = Arc::new(News::default());
        let appended = Arc::clone(&news.appended);
        let (server, name) = (server.clone(), replica.to_owned());
        let writer = Writer::new(
            server.clone(),
            replica,
            Arc::clone(&status),
            appended,
            &found,
        );
        let listening = listen(server, name, Arc::clone(&news), Arc::clone(&status));
        let listening = room.handle().spawn(listening);
        let (inbox, appends) = unbounded_channel();
        let (ends, ended) = sync_channel(0);
        drop(room.handle().spawn(async move {
            // it writes what is queued, then sees that nobody is left
            writer.run(session, appends).await;
            listening.abort();
            drop(ends);
        }));
        Ok(Self {
            inbox: Some(inbox),
            status,
            writer: replica.to_owned(),
            entropy,
            news,
            ended: Mutex::new(ended),
            _room: room,
        })
    }

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
        if let Some(row) = rows.iter().find(|row| !row.is_text()) {
            let what = format!("a row of {:?} holds a letter that no text has", row.entry);
            return Err(StoreError::new("ledger", what, false));
        }
        self.status.reserve(&rows)?;
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

impl Drop for Pen {
    fn drop(&mut self) {
        drop(self.inbox.take());
        // it returns when the writer has ended
        let ended = self.ended.lock().recv();
        debug_assert!(ended.is_err(), "nothing is ever sent");
    }
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        let pen = self.pen.as_ref().ok_or_else(read_only)?;
        if rows.is_empty() {
            return Ok(());
        }
        let result = pen.append(rows)?;
        result.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError> {
        self.read(|reading| async move { query::rows(&reading, &filter).await })
            .await
    }

    async fn unclosed(&self) -> Result<Vec<Row>, StoreError> {
        self.read(|reading| async move { query::unclosed(&reading).await })
            .await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.read(|reading| async move { query::heads(&reading).await })
            .await
    }

    async fn verify(&self, published: &[Head]) -> Result<Verified, StoreError> {
        let published = published.to_vec();
        self.read(|reading| verify::verify(reading, published))
            .await
    }

    fn writer(&self) -> Option<&str> {
        Some(&self.pen.as_ref()?.writer)
    }

    fn shared(&self) -> bool {
        true
    }

    async fn alive(&self, writer: &str) -> Result<bool, StoreError> {
        let writer = writer.to_owned();
        self.read(|reading| async move { query::alive(&reading, &writer).await })
            .await
    }

    async fn others(&self, after: &Cursor) -> Result<(Vec<Row>, Cursor), StoreError> {
        let (own, after) = (self.writer().map(ToOwned::to_owned), after.clone());
        self.read(|reading| async move { query::others(&reading, own.as_deref(), &after).await })
            .await
    }

    async fn changed(&self) {
        match &self.pen {
            Some(pen) => pen.news.wait().await,
            None => std::future::pending().await,
        }
    }

    async fn epoch(&self) -> Result<u64, StoreError> {
        self.read(|reading| async move { query::epoch(&reading).await })
            .await
    }

    async fn raise_epoch(&self, from: u64) -> Result<u64, StoreError> {
        if self.pen.is_none() {
            return Err(read_only());
        }
        let raised =
            self.read(move |reading| async move { query::raise_epoch(&reading, from).await });
        raised
            .await?
            .ok_or_else(|| StoreError::conflict(Conflict::Epoch))
    }

    fn available(&self) -> Result<(), StoreError> {
        self.trouble().map_or(Ok(()), Err)
    }

    fn queued(&self) -> Option<usize> {
        Some(self.pen.as_ref()?.status.queued())
    }

    fn newest(&self) -> Option<Timestamp> {
        self.pen.as_ref()?.status.newest()
    }

    fn clock(&self) -> Option<Timestamp> {
        self.pen.as_ref()?.status.clock()
    }
}
