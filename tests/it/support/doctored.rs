//! Control state that a test can look into: who waits for a lock, and with a view of the switches
//! and replicas of the test's own.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use writegate::clock::EntryId;
use writegate::control::memory::MemoryControl;
use writegate::control::{
    Admission, Ask, ControlState, Rebuild, Replica, Switch, SwitchChange, Switches, Usage,
};
use writegate::error::StoreError;
use writegate::mutation::{Charge, Limit};

/// Control state in memory, under observation.
#[derive(Debug)]
pub(crate) struct Doctored {
    inner: MemoryControl,
    view: Mutex<Option<Switches>>,
    replicas: Mutex<Option<Vec<Replica>>>,
    waiting: watch::Sender<usize>,
}

impl Doctored {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryControl::new(),
            view: Mutex::new(None),
            replicas: Mutex::new(None),
            waiting: watch::Sender::new(0),
        })
    }

    /// The view of the switches from now on, in place of the true one.
    pub(crate) fn show(&self, view: Switches) {
        *self.view.lock() = Some(view);
    }

    /// Who shares the switches from now on.
    pub(crate) fn shared_by(&self, replicas: Vec<Replica>) {
        *self.replicas.lock() = Some(replicas);
    }

    /// Returns once so many asks had to wait for a lock.
    pub(crate) async fn waiting(&self, count: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|&waiting| waiting >= count).await.unwrap();
    }
}

#[async_trait]
impl ControlState for Doctored {
    async fn admit(&self, ask: Ask) -> Result<Admission, StoreError> {
        let mut admitted = pin!(self.inner.admit(ask));
        let first = poll_fn(|context| Poll::Ready(admitted.as_mut().poll(context))).await;
        match first {
            Poll::Ready(admission) => admission,
            Poll::Pending => {
                self.waiting.send_modify(|waiting| *waiting += 1);
                admitted.await
            }
        }
    }

    async fn charge(&self, ask: Ask) -> Result<Option<Switch>, StoreError> {
        self.inner.charge(ask).await
    }

    async fn settle(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.inner.settle(reservation).await
    }

    async fn refund(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.inner.refund(reservation).await
    }

    fn switches(&self) -> Arc<Switches> {
        match &*self.view.lock() {
            Some(view) => Arc::new(view.clone()),
            None => self.inner.switches(),
        }
    }

    async fn set_switch(&self, change: SwitchChange) -> Result<Arc<Switches>, StoreError> {
        self.inner.set_switch(change).await
    }

    async fn usage(&self, now: Timestamp) -> Result<Vec<Usage>, StoreError> {
        self.inner.usage(now).await
    }

    async fn lengthen(
        &self,
        before: &Limit,
        after: &Limit,
        charges: Vec<(Timestamp, Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.inner.lengthen(before, after, charges, now).await
    }

    async fn rebuild(&self, from: Rebuild) -> Result<(), StoreError> {
        self.inner.rebuild(from).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let told = self.replicas.lock().clone();
        match told {
            Some(replicas) => Ok(replicas),
            None => self.inner.replicas().await,
        }
    }
}
