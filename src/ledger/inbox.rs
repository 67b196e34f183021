//! What goes to a thread that writes, and what callers see of it without asking: the same for every
//! store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use super::chain::{Hash, Parts, Salt, values_digest};
use super::{NewRow, RowKind};
use crate::clock::{Entropy, EntryId};
use crate::error::StoreError;

/// Rows that may wait for the writer; more are refused.
const QUEUE: usize = 8_192;
/// The same in bytes: a row can hold a whole batch with its prior values.
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Time of the newest row of an empty ledger.
const NEVER: i64 = i64::MIN;

/// A row as it is stored, but for its place in the chain.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) entry: EntryId,
    pub(super) kind: RowKind,
    /// Microseconds since 1970.
    pub(super) at: i64,
    pub(super) service_account: Option<String>,
    pub(super) route: Option<String>,
    pub(super) meta: String,
    pub(super) values: Option<Values>,
    /// How many rows its entry must have.
    pub(super) nth: Option<u32>,
    /// The epoch it belongs to.
    pub(super) epoch: Option<u64>,
}

/// A row's values as they are stored.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) text: String,
    pub(super) salt: Salt,
    pub(super) digest: Hash,
}

impl Prepared {
    pub(super) fn new(row: NewRow, entropy: &dyn Entropy) -> Self {
        Self {
            at: row.at.as_microsecond(),
            meta: row.meta.to_string(),
            values: row.values.as_ref().map(|values| seal(values, entropy)),
            entry: row.entry,
            kind: row.kind,
            service_account: row.service_account,
            route: row.route,
            nth: row.nth,
            epoch: row.epoch,
        }
    }

    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.meta.len() + self.values.as_ref().map_or(0, |values| values.text.len())
    }

    /// Whether all its texts are such as a store of text takes. Those of JSON are: it has no zero byte.
    pub(super) fn is_text(&self) -> bool {
        let bare = [
            Some(self.entry.as_str()),
            self.service_account.as_deref(),
            self.route.as_deref(),
        ];
        !bare.iter().flatten().any(|text| text.contains('\0'))
    }

    /// What its hash covers, at a place of its own.
    pub(super) fn parts<'r>(&'r self, writer: &'r str, seq: i64, nth: u32) -> Parts<'r> {
        Parts {
            writer: writer.as_bytes(),
            seq,
            entry: self.entry.as_str().as_bytes(),
            nth: nth.into(),
            kind: self.kind.word().as_bytes(),
            at: self.at,
            service_account: self.service_account.as_deref().map(str::as_bytes),
            route: self.route.as_deref().map(str::as_bytes),
            meta: self.meta.as_bytes(),
            values_digest: self.values.as_ref().map(|values| values.digest.as_slice()),
        }
    }
}

fn seal(values: &Value, entropy: &dyn Entropy) -> Values {
    let mut salt = Salt::default();
    entropy.fill(&mut salt);
    let text = values.to_string();
    let digest = values_digest(&salt, text.as_bytes());
    Values { text, salt, digest }
}

/// Rows that are durable together or not at all.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) rows: Vec<Prepared>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
}

impl Append {
    /// Tells the caller; one that hung up does not want to know.
    pub(super) fn answer(self, result: Result<(), StoreError>) {
        drop(self.done.send(result));
    }
}

/// Why nothing can be written now.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) what: String,
    /// It may pass by itself.
    pub(super) passes: bool,
}

/// What callers can see without asking the thread.
#[derive(Debug)]
pub(super) struct Status {
    trouble: ArcSwapOption<Trouble>,
    /// Rows that are queued.
    queued: AtomicUsize,
    /// Their texts, in bytes.
    queued_bytes: AtomicUsize,
    /// Microseconds since 1970.
    newest: AtomicI64,
    /// What the store's clock showed, and when it did.
    clock: ArcSwapOption<(Timestamp, Instant)>,
}

impl Status {
    pub(super) fn new(newest: Option<i64>) -> Self {
        Self {
            trouble: ArcSwapOption::empty(),
            queued: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            newest: AtomicI64::new(newest.unwrap_or(NEVER)),
            clock: ArcSwapOption::empty(),
        }
    }

    /// The store's clock shows this now.
    pub(super) fn saw_clock(&self, micros: i64) {
        let seen = Timestamp::from_microsecond(micros).ok();
        let seen = seen.map(|shown| Arc::new((shown, Instant::now())));
        self.clock.store(seen);
    }

    /// What the store's clock shows, if it was seen.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        let seen = self.clock.load();
        let (shown, at) = seen.as_deref()?;
        shown.checked_add(at.elapsed()).ok()
    }

    /// A row of this time was written.
    pub(super) fn wrote(&self, at: i64) {
        self.newest.fetch_max(at, Ordering::AcqRel);
    }

    /// The newest row's time; `None` for an empty ledger.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        let newest = self.newest.load(Ordering::Acquire);
        (newest != NEVER).then(|| Timestamp::from_microsecond(newest).ok())?
    }

    /// Why nothing can be written now.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let trouble = self.trouble.load();
        let trouble = trouble.as_ref()?;
        let what = trouble.what.clone();
        Some(StoreError::new("ledger", what, trouble.passes))
    }

    /// Nothing can be written from now on.
    pub(super) fn fail(&self, trouble: Trouble) {
        self.trouble.store(Some(Arc::new(trouble)));
    }

    /// Rows can be written again.
    pub(super) fn recover(&self) {
        self.trouble.store(None);
    }

    /// Rows that wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Acquire)
    }

    /// Takes room in the queue for rows.
    pub(super) fn reserve(&self, rows: &[Prepared]) -> Result<(), StoreError> {
        // What happened already has to be told; only what is yet to happen can be refused.
        let told = rows.iter().all(|row| tells(row.kind));
        let queued = self.queued.fetch_add(rows.len(), Ordering::AcqRel);
        let queued_bytes = self.queued_bytes.fetch_add(bytes(rows), Ordering::AcqRel);
        if told || (queued < QUEUE && queued_bytes < QUEUE_BYTES) {
            return Ok(());
        }
        self.release(rows);
        let what = format!("{queued} rows of {queued_bytes} bytes wait to be written already");
        Err(StoreError::new("ledger", what, true))
    }

    /// Gives the room back: the rows wait no longer.
    pub(super) fn release(&self, rows: &[Prepared]) {
        self.queued.fetch_sub(rows.len(), Ordering::AcqRel);
        self.queued_bytes.fetch_sub(bytes(rows), Ordering::AcqRel);
    }
}

fn bytes(rows: &[Prepared]) -> usize {
    rows.iter().map(Prepared::bytes).sum()
}

/// Whether a row tells of what happened already.
fn tells(kind: RowKind) -> bool {
    matches!(
        kind,
        RowKind::Closed | RowKind::InDoubt | RowKind::Reconciled | RowKind::Switch
    )
}

/// The error of whoever asks a writer that has ended.
pub(super) fn stopped() -> StoreError {
    StoreError::new("ledger", "the writing thread has stopped", false)
}

/// The error of whoever writes into a ledger that was opened to be read.
pub(super) fn read_only() -> StoreError {
    StoreError::new("ledger", "opened for reading only", false)
}
