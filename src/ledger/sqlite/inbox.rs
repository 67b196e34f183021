//! What goes to the writing thread, and what callers see of it without asking.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use tokio::sync::oneshot;

use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::RowKind;
use crate::ledger::chain::{Hash, Salt};

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
}

impl Prepared {
    /// How much it holds.
    pub(super) fn bytes(&self) -> usize {
        self.meta.len() + self.values.as_ref().map_or(0, |values| values.text.len())
    }
}

/// A row's values as they are stored.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) text: String,
    pub(super) salt: Salt,
    pub(super) digest: Hash,
}

/// Rows that are durable together or not at all.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) rows: Vec<Prepared>,
    pub(super) done: oneshot::Sender<Result<(), StoreError>>,
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
    pub(super) trouble: ArcSwapOption<Trouble>,
    /// Rows that are queued.
    pub(super) queued: AtomicUsize,
    /// Their texts, in bytes.
    pub(super) queued_bytes: AtomicUsize,
    /// Microseconds since 1970.
    newest: AtomicI64,
}

impl Status {
    pub(super) fn new(newest: Option<i64>) -> Self {
        Self {
            trouble: ArcSwapOption::empty(),
            queued: AtomicUsize::new(0),
            queued_bytes: AtomicUsize::new(0),
            newest: AtomicI64::new(newest.unwrap_or(NEVER)),
        }
    }

    /// A row of this time was written.
    pub(super) fn wrote(&self, at: i64) {
        self.newest.fetch_max(at, Ordering::AcqRel);
    }

    /// Microseconds; `None` for an empty ledger.
    pub(super) fn newest(&self) -> Option<i64> {
        let newest = self.newest.load(Ordering::Acquire);
        (newest != NEVER).then_some(newest)
    }

    /// Why nothing can be written now.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        let trouble = self.trouble.load();
        let trouble = trouble.as_ref()?;
        Some(StoreError::new(
            "ledger",
            trouble.what.clone(),
            trouble.passes,
        ))
    }
}
