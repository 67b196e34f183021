//! Epochs of control state, and what the journal knows that a state which is built anew needs.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{RwLock, RwLockReadGuard};

use super::{Journal, rows};
use crate::clock::EntryId;
use crate::control::Switch;
use crate::error::StoreError;
use crate::ledger::{RowFilter, RowKind};

/// What was granted in an older epoch is not sent in this one: its charges were not counted when control
/// state was built anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence(Arc<RwLock<u64>>);

impl Fence {
    /// Lets a permit of this epoch or a later one through; none begins until the guard is dropped.
    pub(super) async fn pass(&self, epoch: u64) -> Result<RwLockReadGuard<'_, u64>, StoreError> {
        let now = self.0.read().await;
        if epoch < *now {
            let what = format!("granted in epoch {epoch}, and this is epoch {now}");
            return Err(StoreError::new("control", what, true));
        }
        Ok(now)
    }
}

impl Journal {
    /// Begins another epoch, durably: what was granted before and is not written down by now never is.
    /// `why` says what happened. Returns the epoch.
    ///
    /// # Errors
    /// The store's, or a clock that is behind the ledger.
    pub async fn raise_epoch(
        &self,
        entry: &EntryId,
        why: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.clock_holds(now)?;
        let mut fence = self.fence.0.write().await;
        self.ledger
            .append(vec![rows::raised(entry, why, now)])
            .await?;
        *fence = self.starts().await?;
        Ok(*fence)
    }

    /// How many epochs have begun: one with each start, one with each loss of control state.
    pub(super) async fn starts(&self) -> Result<u64, StoreError> {
        let starts = RowFilter {
            kinds: vec![RowKind::Started],
            ..RowFilter::default()
        };
        Ok(self.ledger.rows(starts).await?.len() as u64)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_granted_before_does_not_pass() {
        let fence = Fence::default();
        drop(fence.pass(1).await.unwrap());
        *fence.0.write().await = 3;
        assert!(fence.pass(2).await.unwrap_err().transient);
        let passed = fence.pass(3).await.unwrap();
        // nobody begins another epoch while one is on its way through
        assert!(fence.0.try_write().is_err());
        drop(passed);
        assert!(fence.0.try_write().is_ok());
    }
}
