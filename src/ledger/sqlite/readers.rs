//! The threads that read: each with a connection of its own, all fed from one queue.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;
use rusqlite::{Connection, InterruptHandle};
use tokio::sync::oneshot;

use super::file;
use crate::error::StoreError;

/// Two, so that a check of the whole chain does not keep others waiting.
const THREADS: usize = 2;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

struct Reader {
    thread: JoinHandle<()>,
    interrupt: InterruptHandle,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.thread.thread().fmt(f)
    }
}

#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<Sender<Job>>,
    readers: Vec<Reader>,
    closing: Arc<AtomicBool>,
}

impl Readers {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (queue, jobs) = channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let closing = Arc::new(AtomicBool::new(false));
        let mut readers = Vec::with_capacity(THREADS);
        for number in 1..=THREADS {
            let connection = file::reader(path)?;
            let interrupt = connection.get_interrupt_handle();
            let (jobs, closing) = (Arc::clone(&jobs), Arc::clone(&closing));
            let thread = Builder::new()
                .name(format!("ledger-reader-{number}"))
                .spawn(move || work(connection, &jobs, &closing))
                .map_err(|error| {
                    StoreError::caused("ledger", "cannot start a thread", false, error)
                })?;
            readers.push(Reader { thread, interrupt });
        }
        Ok(Self {
            queue: Some(queue),
            readers,
            closing,
        })
    }

    /// Runs a read on one of the threads.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // whoever asked may have gone: then nobody wants to know
            drop(done.send(read(connection)));
        });
        let stopped = || StoreError::new("ledger", "the reading threads have stopped", false);
        let sent = self
            .queue
            .as_ref()
            .is_some_and(|queue| queue.send(job).is_ok());
        if !sent {
            return Err(stopped());
        }
        result.await.unwrap_or_else(|_| Err(stopped()))
    }
}

fn work(mut connection: Connection, jobs: &Mutex<Receiver<Job>>, closing: &AtomicBool) {
    loop {
        // one of the threads waits in `recv`, the others for this lock
        let job = jobs.lock().recv();
        match job {
            Ok(job) if !closing.load(Ordering::Acquire) => job(&mut connection),
            Ok(_) | Err(_) => return,
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        drop(self.queue.take());
        for reader in self.readers.drain(..) {
            reader.interrupt.interrupt();
            if reader.thread.join().is_err() {
                tracing::error!("a reading thread of the ledger ended in a panic");
            }
        }
    }
}
