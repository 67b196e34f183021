//! What nobody sends any more and nobody closed: marked as in doubt, by one process only.

use jiff::Timestamp;

use super::{Closing, Journal, read, rows};
use crate::clock::EntryId;
use crate::error::{Conflict, StoreError};
use crate::ledger::{NewRow, Row, RowKind};
use crate::mutation::{Outcome, OutcomeState};

impl Journal {
    /// Marks what a crash left open as in doubt; returns the entries. Call once, before serving. What
    /// another writer that lives has opened may be under way.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self, now: Timestamp) -> Result<Vec<EntryId>, StoreError> {
        let mut left = Vec::new();
        for opened in self.left_behind().await? {
            left.extend(self.left_open(&opened.entry, now).await?);
        }
        let entries = |rows: Vec<NewRow>| rows.into_iter().map(|row| row.entry).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        match self.ledger.append(left.clone()).await {
            Ok(()) => return Ok(entries(left)),
            // Another replica does the same, entry by entry.
            Err(error) if error.conflict == Some(Conflict::Moved) => {}
            Err(error) => return Err(error),
        }
        let mut marked = Vec::new();
        for row in left {
            marked.extend(self.doubt(&row.entry, now).await?);
        }
        Ok(entries(marked))
    }

    /// Marks an entry as in doubt whose writer does not live any more; returns the row. `None`: it has
    /// ended or is in doubt already, or somebody else was first.
    ///
    /// # Errors
    /// The store's.
    pub async fn doubt(
        &self,
        entry: &EntryId,
        now: Timestamp,
    ) -> Result<Option<NewRow>, StoreError> {
        let Some(row) = self.left_open(entry, now).await? else {
            return Ok(None);
        };
        match self.ledger.append(vec![row.clone()]).await {
            Ok(()) => Ok(Some(row)),
            Err(error) if error.conflict == Some(Conflict::Moved) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether an entry that was opened is neither closed nor in doubt.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_open(&self, entry: &EntryId) -> Result<bool, StoreError> {
        let rows = read::of_entry(&*self.ledger, entry).await?;
        Ok(!rows.iter().any(ends))
    }

    /// The row that marks an entry, where it is open: the next one of its rows, or none at all.
    async fn left_open(
        &self,
        entry: &EntryId,
        now: Timestamp,
    ) -> Result<Option<NewRow>, StoreError> {
        let rows = read::of_entry(&*self.ledger, entry).await?;
        let opened = rows.iter().find(|row| row.kind == RowKind::Opened);
        let Some(opened) = opened.filter(|_| !rows.iter().any(ends)) else {
            return Ok(None);
        };
        let closing = Closing {
            status: None,
            sent: true,
            // What could not be taken apart has one outcome.
            outcomes: vec![Outcome::of(OutcomeState::Unknown); rows::mutations_of(opened).max(1)],
            note: Some("the process ended before the outcome was known".into()),
        };
        let mut row = rows::closed(
            entry,
            opened.service_account.as_deref().unwrap_or_default(),
            opened.route.as_deref().unwrap_or_default(),
            &closing,
            now,
        );
        row.nth = u32::try_from(rows.len()).ok();
        Ok(Some(row))
    }

    /// The rows whose writer does not send any more: our own, from before, and those of the dead.
    async fn left_behind(&self) -> Result<Vec<Row>, StoreError> {
        let mut left = Vec::new();
        for row in self.ledger.unclosed().await? {
            let own = self.ledger.writer() == Some(row.writer.as_str());
            if own || !self.ledger.alive(&row.writer).await? {
                left.push(row);
            }
        }
        Ok(left)
    }
}

/// Whether a row says what became of a write, or that nobody knows.
fn ends(row: &Row) -> bool {
    matches!(
        row.kind,
        RowKind::Closed | RowKind::InDoubt | RowKind::Reconciled
    )
}
