//! The ledger in PostgreSQL, for replicas that share it: each writes a chain of its own, all read all of
//! them. It lives on a thread of its own; callers reach it by channels and never block.
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
mod schema;
mod session;
mod tls;
mod verify;
mod writer;

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::runtime::{self, Handle};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

pub use self::address::Address;
use self::link::Server;
use self::others::{News, listen};
use self::readers::{Readers, Reading};
use self::session::Session;
use self::writer::Writer;
use super::inbox::{Append, Prepared, Status, read_only, stopped};
use super::{Cursor, Head, Ledger, NewRow, Row, RowFilter, Verified};
use crate::clock::Entropy;
use crate::error::{Conflict, StoreError};

/// A ledger in PostgreSQL.
#[derive(Debug)]
pub struct PostgresLedger {
    readers: Readers,
    /// `None` when it was opened for reading only.
    pen: Option<Pen>,
    runtime: Handle,
    /// The thread ends when this is dropped.
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it takes to write.
#[derive(Debug)]
struct Pen {
    inbox: UnboundedSender<Append>,
    status: Arc<Status>,
    writer: String,
    entropy: Arc<dyn Entropy>,
    news: Arc<News>,
}

/// What the thread is started with and hands back.
struct Opened {
    readers: Readers,
    runtime: Handle,
    pen: Option<(Arc<Status>, Arc<News>)>,
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
        let (inbox, appends) = unbounded_channel();
        let writer = replica.to_owned();
        let (mut ledger, opened) = Self::start(server, Some((writer.clone(), appends)))?;
        ledger.pen = opened.pen.map(|(status, news)| Pen {
            inbox,
            status,
            writer,
            entropy,
            news,
        });
        Ok(ledger)
    }

    /// Opens a ledger to read, also while others write it. Blocks: for the command line.
    ///
    /// # Errors
    /// When the server cannot be reached, and when it holds no ledger of this version.
    pub fn read_only(address: Address) -> Result<Self, StoreError> {
        let server = Server::new(address, "reader")?;
        Ok(Self::start(server, None)?.0)
    }

    fn start(server: Server, write: Option<Write>) -> Result<(Self, Opened), StoreError> {
        let cannot = |error| StoreError::caused("ledger", "cannot start a thread", false, error);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let (tell, opened) = sync_channel(1);
        let (ends, ended) = oneshot::channel();
        let work = move || runtime.block_on(live(server, write, &tell, ended));
        let thread = Builder::new()
            .name("ledger".into())
            .spawn(work)
            .map_err(cannot)?;
        let opened = opened.recv().unwrap_or_else(|_| Err(stopped()))?;
        let ledger = Self {
            readers: opened.readers.clone(),
            pen: None,
            runtime: opened.runtime.clone(),
            ends: Some(ends),
            thread: Some(thread),
        };
        Ok((ledger, opened))
    }

    /// Why nothing can be written now; `transient` tells whether it passes by itself or takes a
    /// restart.
    #[must_use]
    pub fn trouble(&self) -> Option<StoreError> {
        self.pen.as_ref()?.status.trouble()
    }

    /// Reads on the ledger's own thread, with a connection of the pool.
    async fn read<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Reading) -> F + Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let readers = self.readers.clone();
        let reading = async move { work(readers.reading().await?).await };
        let done = self.runtime.spawn(reading).await;
        done.unwrap_or_else(|_| Err(stopped()))
    }
}

/// The chain to write, and what is appended to it.
type Write = (String, UnboundedReceiver<Append>);

/// The thread's life: opens, tells how it went, and works until it is not needed any more.
async fn live(
    server: Server,
    write: Option<Write>,
    tell: &SyncSender<Result<Opened, StoreError>>,
    ended: oneshot::Receiver<()>,
) {
    let opening = async {
        let readers = Readers::new(&server)?;
        let runtime = Handle::current();
        let Some((name, appends)) = write else {
            let mut reading = readers.reading().await?;
            schema::readable(reading.client()).await?;
            let opened = Opened {
                readers,
                runtime,
                pen: None,
            };
            return Ok((opened, None));
        };
        let (session, found) = Session::begin(&server, &name, None).await?;
        let status = Arc::new(Status::new(found.newest));
        status.saw_clock(found.clock);
        let news = Arc::new(News::default());
        let appended = Arc::clone(&news.appended);
        let writer = Writer::new(server.clone(), &name, Arc::clone(&status), appended, &found);
        let listening = listen(server, name, Arc::clone(&news), Arc::clone(&status));
        let opened = Opened {
            readers,
            runtime,
            pen: Some((status, news)),
        };
        Ok((opened, Some((writer.run(session, appends), listening))))
    };
    let working = match opening.await {
        Ok((opened, working)) => {
            if tell.send(Ok(opened)).is_err() {
                return;
            }
            working
        }
        Err(error) => {
            // whoever started this thread waits for it
            drop(tell.send(Err(error)));
            return;
        }
    };
    if let Some((writing, listening)) = working {
        let listening = tokio::spawn(listening);
        // it writes what is queued, then sees that nobody is left
        writing.await;
        listening.abort();
    }
    drop(ended.await);
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
        if let Some(row) = rows.iter().find(|row| !row.is_text()) {
            let what = format!("a row of {:?} holds a letter that no text has", row.entry);
            return Err(StoreError::new("ledger", what, false));
        }
        self.status.reserve(&rows)?;
        let (done, result) = oneshot::channel();
        let sent = self.inbox.send(Append { rows, done });
        match sent {
            Ok(()) => Ok(result),
            Err(_) => Err(stopped()),
        }
    }
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        drop(self.pen.take());
        drop(self.ends.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the ledger ended in a panic");
        }
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
