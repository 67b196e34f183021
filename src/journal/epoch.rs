//! Epochs of control state, and what the journal knows that a state which is built anew needs.

use jiff::Timestamp;

use super::{Journal, rows};
use crate::clock::EntryId;
use crate::control::{Switch, SwitchChange};
use crate::error::StoreError;
use crate::ledger::{RowFilter, RowKind};

impl Journal {
    /// Begins another epoch, durably, where it is `from` now: what was granted before and is not written
    /// down by now never is, so its charges need not be counted when control state is built anew. `why`
    /// says what happened. Returns the epoch.
    ///
    /// # Errors
    /// The store's, or a clock that is behind the ledger; with a conflict, somebody else was first.
    pub async fn raise_epoch(
        &self,
        from: u64,
        (entry, why): (&EntryId, &str),
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.clock_holds(now)?;
        let raised = self.ledger.raise_epoch(from).await?;
        self.append_in_the_end(rows::raised(entry, why, now)).await;
        Ok(raised)
    }

    /// The next epoch: that of a process that starts.
    ///
    /// # Errors
    /// The store's.
    pub async fn next_epoch(&self) -> Result<u64, StoreError> {
        let from = self.ledger.epoch().await?;
        self.ledger.raise_epoch(from).await
    }

    /// Writes down that a limit threw a switch: once, by whichever replica sees it first, and tried again
    /// in the background until it is durable.
    pub async fn trip(&self, switch: &Switch, now: Timestamp) {
        let entry = format!("trip-{}-{}", switch.service_account, switch.at);
        let change = SwitchChange::Throw(switch.clone());
        let entry = EntryId::from_text(&entry);
        let mut row = rows::switch(&entry, &change, &switch.by, &switch.reason, now);
        row.nth = Some(0);
        self.append_in_the_end(row).await;
    }

    /// Those of these switches whose throwing no row tells of yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn unrecorded(&self, thrown: &[Switch]) -> Result<Vec<Switch>, StoreError> {
        let rows = RowFilter {
            kinds: vec![RowKind::Switch],
            ..RowFilter::default()
        };
        let rows = self.ledger.rows(rows).await?;
        let unrecorded = |switch: &&Switch| !rows::tells_of(&rows, switch);
        Ok(thrown.iter().filter(unrecorded).cloned().collect())
    }
}
