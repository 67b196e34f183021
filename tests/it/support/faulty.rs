//! Stores that fail on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use writegate::error::StoreError;
use writegate::ledger::{Cursor, Head, Ledger, NewRow, Row, RowFilter, RowKind, Verified};

/// A ledger that refuses to write while it is told to, and that can be made to wait. It has no clock:
/// that of a house may show anything.
#[derive(Debug)]
pub(crate) struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    broken: AtomicBool,
    deaf: AtomicBool,
    bursts: AtomicBool,
    waits: Mutex<Option<(RowKind, Arc<Wait>)>>,
    dam: Mutex<Option<(RowKind, Dam)>>,
    panics: Mutex<Option<RowKind>>,
    fails: Mutex<Option<(RowKind, usize)>>,
}

/// A place where all rows of one kind wait before they are written. Clones are the same dam.
#[derive(Clone, Debug)]
pub(crate) struct Dam(Arc<(watch::Sender<usize>, watch::Sender<bool>)>);

impl Dam {
    /// Returns once so many have come.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut arrived = self.0.0.subscribe();
        arrived.wait_for(|&arrived| arrived >= count).await.unwrap();
    }

    /// Lets all through, from now on.
    pub(crate) fn open(&self) {
        self.0.1.send_replace(true);
    }

    async fn pass(&self) {
        self.0.0.send_modify(|arrived| *arrived += 1);
        self.0.1.subscribe().wait_for(|&open| open).await.unwrap();
    }
}

/// A place where rows of one kind wait before they are written.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    arrived: Notify,
    open: Notify,
}

impl Wait {
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn open(&self) {
        self.open.notify_one();
    }
}

impl FaultyLedger {
    pub(crate) fn new(inner: Arc<dyn Ledger>) -> Self {
        Self {
            inner,
            broken: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            bursts: AtomicBool::new(false),
            waits: Mutex::new(None),
            dam: Mutex::new(None),
            panics: Mutex::new(None),
            fails: Mutex::new(None),
        }
    }

    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn repair(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    /// From now on nothing, or again everything, is heard of what others write.
    pub(crate) fn hears(&self, hears: bool) {
        self.deaf.store(!hears, Ordering::SeqCst);
    }

    /// The next read panics.
    pub(crate) fn burst_at_the_next_read(&self) {
        self.bursts.store(true, Ordering::SeqCst);
    }

    /// The next row of this kind waits before it is written.
    pub(crate) fn hold_next(&self, kind: RowKind) -> Arc<Wait> {
        let wait = Arc::new(Wait::default());
        *self.waits.lock() = Some((kind, Arc::clone(&wait)));
        wait
    }

    /// All rows of this kind wait before they are written.
    pub(crate) fn hold_all(&self, kind: RowKind) -> Dam {
        let dam = Dam(Arc::new((watch::Sender::new(0), watch::Sender::new(false))));
        *self.dam.lock() = Some((kind, dam.clone()));
        dam
    }

    /// Whoever writes the next row of this kind panics.
    pub(crate) fn panic_next(&self, kind: RowKind) {
        *self.panics.lock() = Some(kind);
    }

    /// Rows of this kind are refused once, after so many that are not.
    pub(crate) fn fail_after(&self, kind: RowKind, passing: usize) {
        *self.fails.lock() = Some((kind, passing));
    }

    fn failing(&self, rows: &[NewRow]) -> bool {
        let mut fails = self.fails.lock();
        match &mut *fails {
            Some((kind, passing)) if rows.iter().any(|row| row.kind == *kind) => {
                let now = *passing == 0;
                *passing = passing.saturating_sub(1);
                now && fails.take().is_some()
            }
            Some(_) | None => false,
        }
    }

    fn waiting(&self, rows: &[NewRow]) -> Option<Arc<Wait>> {
        let mut waits = self.waits.lock();
        let kind = waits.as_ref().map(|(kind, _)| *kind)?;
        rows.iter()
            .any(|row| row.kind == kind)
            .then(|| waits.take().unwrap().1)
    }
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        let panics = {
            let mut panics = self.panics.lock();
            panics.take_if(|kind| rows.iter().any(|row| row.kind == *kind))
        };
        assert!(panics.is_none(), "made to panic by a test");
        if let Some(wait) = self.waiting(&rows) {
            wait.arrived.notify_one();
            wait.open.notified().await;
        }
        let dam = self.dam.lock().clone();
        if let Some((kind, dam)) = dam
            && rows.iter().any(|row| row.kind == kind)
        {
            dam.pass().await;
        }
        self.available()?;
        if self.failing(&rows) {
            return Err(StoreError::new("ledger", "made to fail by a test", true));
        }
        self.inner.append(rows).await
    }

    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError> {
        let bursts = self.bursts.swap(false, Ordering::SeqCst);
        assert!(!bursts, "made to panic by a test");
        self.inner.rows(filter).await
    }

    async fn unclosed(&self) -> Result<Vec<Row>, StoreError> {
        self.inner.unclosed().await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.inner.heads().await
    }

    async fn verify(&self, published: &[Head]) -> Result<Verified, StoreError> {
        self.inner.verify(published).await
    }

    fn writer(&self) -> Option<&str> {
        self.inner.writer()
    }

    fn shared(&self) -> bool {
        self.inner.shared()
    }

    async fn alive(&self, writer: &str) -> Result<bool, StoreError> {
        self.inner.alive(writer).await
    }

    async fn others(&self, after: &Cursor) -> Result<(Vec<Row>, Cursor), StoreError> {
        if self.deaf.load(Ordering::SeqCst) {
            return Err(StoreError::new("ledger", "made deaf by a test", true));
        }
        self.inner.others(after).await
    }

    async fn changed(&self) {
        self.inner.changed().await;
    }

    async fn epoch(&self) -> Result<u64, StoreError> {
        self.inner.epoch().await
    }

    async fn raise_epoch(&self, from: u64) -> Result<u64, StoreError> {
        self.inner.raise_epoch(from).await
    }

    fn available(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::new("ledger", "made to fail by a test", true));
        }
        self.inner.available()
    }

    fn queued(&self) -> Option<usize> {
        self.inner.queued()
    }

    fn newest(&self) -> Option<Timestamp> {
        self.inner.newest()
    }
}
