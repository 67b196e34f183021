//! Rules in force, in the journal: the row that puts them in force, and the bar while they cannot be
//! loaded.

use arc_swap::ArcSwapOption;

use jiff::Timestamp;
use serde_json::Value;

use super::{Journal, rows};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::RowKind;

/// What keeps entries from being opened or parked though the ledger could take them, while there is
/// something.
#[derive(Debug, Default)]
pub(super) struct Bar(ArcSwapOption<String>);

impl Bar {
    pub(super) fn set(&self, why: Option<String>) {
        self.0.store(why.map(std::sync::Arc::new));
    }

    pub(super) fn passes(&self) -> Result<(), StoreError> {
        match &*self.0.load() {
            None => Ok(()),
            Some(why) => Err(StoreError::new("rules", why.as_str(), true)),
        }
    }
}

impl Journal {
    /// Nothing is opened nor parked for this reason, until it is over: no entry may rest on rules that
    /// are not the ones in force.
    pub fn bar(&self, why: Option<String>) {
        self.bar.set(why);
    }

    /// Why nothing is opened nor parked.
    ///
    /// # Errors
    /// The reason.
    pub fn barred(&self) -> Result<(), StoreError> {
        self.bar.passes()
    }

    /// Writes down that other rules are put in force, before they judge. The entry is nobody else's: where
    /// it is taken, somebody else did so at the same time.
    ///
    /// # Errors
    /// The store's, a clock that is behind the ledger, or an entry that is taken.
    pub async fn rules(
        &self,
        entry: &EntryId,
        meta: Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clock_holds(now)?;
        let mut row = rows::setting(entry, None, meta, now);
        row.kind = RowKind::Rules;
        row.nth = Some(0);
        self.ledger.append(vec![row]).await
    }

    /// Whether a write could be recorded at `now`.
    ///
    /// # Errors
    /// Why it could not.
    pub fn writable(&self, now: Timestamp) -> Result<(), StoreError> {
        self.ledger.available()?;
        self.passes(now)
    }

    pub(super) fn passes(&self, now: Timestamp) -> Result<(), StoreError> {
        self.barred()?;
        self.clock_holds(now)?;
        self.view.fresh(now)
    }
}
