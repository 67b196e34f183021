//! A runtime on a thread of its own. Reading has one and writing has one, so that whoever reads much
//! keeps nobody from writing, and neither keeps the data path.

use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::ledger::inbox::stopped;

/// A runtime that lives until this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    handle: Handle,
    ends: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Room {
    pub(super) fn open(name: &str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::caused("ledger", "cannot start a thread", false, error);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        let live = move || {
            // it ends when the other side is dropped
            drop(runtime.block_on(ended));
        };
        let thread = Builder::new()
            .name(name.into())
            .spawn(live)
            .map_err(cannot)?;
        Ok(Self {
            handle,
            ends: Some(ends),
            thread: Some(thread),
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Does something in the room and waits for it. Blocks, also on another runtime.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = sync_channel(1);
        drop(self.handle.spawn(async move {
            // whoever asked waits for it
            drop(tell.send(work.await));
        }));
        told.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of the ledger ended in a panic");
        }
    }
}
