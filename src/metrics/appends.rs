//! A ledger whose appends are timed; everything else goes straight through.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;

use super::Latency;
use crate::error::StoreError;
use crate::ledger::{Cursor, Head, Ledger, NewRow, Row, RowFilter, Verified};

/// A ledger, timed.
#[derive(Debug)]
pub struct Measured {
    inner: Arc<dyn Ledger>,
    appends: Arc<Latency>,
    failures: Counter,
}

impl Measured {
    pub(super) fn new(inner: Arc<dyn Ledger>, appends: Arc<Latency>, failures: Counter) -> Self {
        Self {
            inner,
            appends,
            failures,
        }
    }
}

#[async_trait]
impl Ledger for Measured {
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError> {
        let began = Instant::now();
        let result = self.inner.append(rows).await;
        match &result {
            Ok(()) => self.appends.observe(began.elapsed()),
            Err(_) => {
                self.failures.inc();
            }
        }
        result
    }

    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError> {
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
        self.inner.available()
    }

    fn newest(&self) -> Option<Timestamp> {
        self.inner.newest()
    }

    fn clock(&self) -> Option<Timestamp> {
        self.inner.clock()
    }

    fn queued(&self) -> Option<usize> {
        self.inner.queued()
    }
}
