//! The end of a server: the signal to stop, and the count of what must be finished first.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// Starts a drain. Dropping the last one starts it too: nobody is left who could.
#[derive(Clone, Debug)]
pub struct Trigger(Arc<watch::Sender<bool>>);

impl Trigger {
    /// A trigger that is not pulled yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Starts the drain of everything that holds a [`Shutdown`] of this trigger.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }

    /// The other end, for a server.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        Shutdown(self.0.subscribe())
    }
}

impl Default for Trigger {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells when a drain has started.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Whether it has.
    #[must_use]
    pub fn has_started(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Returns when it has.
    pub async fn started(&mut self) {
        // An error means that the trigger is gone, which starts the drain as well.
        drop(self.0.wait_for(|pulled| *pulled).await);
    }
}

/// Counts tasks that a drain waits for, on all workers.
#[derive(Clone, Default)]
pub struct Inflight(Arc<Count>);

#[derive(Default)]
struct Count {
    tasks: AtomicUsize,
    none: Notify,
}

impl Inflight {
    /// A counter at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.tasks.load(Ordering::Acquire)
    }

    /// Counts one more until the guard goes.
    #[must_use]
    pub fn guard(&self) -> InflightGuard {
        self.0.tasks.fetch_add(1, Ordering::AcqRel);
        InflightGuard(Arc::clone(&self.0))
    }

    /// Detaches a task from the request that starts it: a client that goes away does not cut it, and
    /// a drain waits for it. Runs on the worker it is started on.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let guard = self.guard();
        tokio::spawn(async move {
            let output = task.await;
            drop(guard);
            output
        })
    }

    /// Returns when there are none.
    pub async fn none(&self) {
        loop {
            let notified = self.0.none.notified();
            tokio::pin!(notified);
            // Registered before the count is read, so that the last one cannot slip through.
            notified.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl fmt::Debug for Inflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inflight").field(&self.count()).finish()
    }
}

/// One counted task.
pub struct InflightGuard(Arc<Count>);

impl Drop for InflightGuard {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none.notify_waiters();
        }
    }
}

impl fmt::Debug for InflightGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InflightGuard")
    }
}

/// TERM and INT, caught from the moment this is made: one that comes before anybody waits for it is
/// not lost.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on. Needs the context of the runtime that waits for them.
    ///
    /// # Errors
    /// When they cannot be listened for.
    pub fn caught() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The first TERM or INT pulls the trigger; an INT after that ends the process at once, with
    /// status 130. Does not return.
    pub async fn pull(mut self, trigger: Trigger) {
        loop {
            let interrupted = tokio::select! {
                _ = self.terminate.recv() => false,
                _ = self.interrupt.recv() => true,
            };
            if interrupted && *trigger.0.borrow() {
                tracing::warn!("interrupted again: stopping at once");
                std::process::exit(130);
            }
            tracing::info!("stopping: no new connections, finishing what is under way");
            trigger.pull();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_waits_for_the_last_task() {
        let inflight = Inflight::new();
        inflight.none().await;
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let task = inflight.spawn(async move { wait.await.is_ok() });
        assert_eq!(inflight.count(), 1);
        let waiting = tokio::spawn({
            let inflight = inflight.clone();
            async move { inflight.none().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        go.send(()).unwrap();
        waiting.await.unwrap();
        assert!(task.await.unwrap());
    }

    #[tokio::test]
    async fn a_pulled_or_dropped_trigger_starts_the_drain() {
        let trigger = Trigger::new();
        let mut shutdown = trigger.shutdown();
        assert!(!shutdown.has_started());
        trigger.pull();
        shutdown.started().await;
        assert!(shutdown.has_started());

        let trigger = Trigger::new();
        let mut shutdown = trigger.shutdown();
        drop(trigger);
        shutdown.started().await;
        assert!(shutdown.has_started());
    }
}
