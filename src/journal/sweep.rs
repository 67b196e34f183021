//! What a crash left open: marked as in doubt before anything is served.

use jiff::Timestamp;

use super::{Closing, Journal, read, rows};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{NewRow, Row};
use crate::mutation::{Outcome, OutcomeState};

impl Journal {
    /// Marks what a crash left open as in doubt; returns the entries. Call once, before serving. What
    /// another writer that lives has opened may be under way.
    ///
    /// # Errors
    /// The store's.
    pub async fn sweep(&self, now: Timestamp) -> Result<Vec<EntryId>, StoreError> {
        let mut open = self.ledger.unclosed().await?;
        let doubted = read::doubted(&*self.ledger).await?;
        open.retain(|row| !doubted.contains(&row.entry));
        let open = self.left_behind(open).await?;
        let rows: Vec<NewRow> = open
            .iter()
            .map(|row| {
                let closing = Closing {
                    status: None,
                    sent: true,
                    // What could not be taken apart has one outcome.
                    outcomes: vec![
                        Outcome::of(OutcomeState::Unknown);
                        rows::mutations_of(row).max(1)
                    ],
                    note: Some("the process ended before the outcome was known".into()),
                };
                rows::closed(
                    &row.entry,
                    row.service_account.as_deref().unwrap_or_default(),
                    row.route.as_deref().unwrap_or_default(),
                    &closing,
                    now,
                )
            })
            .collect();
        if !rows.is_empty() {
            self.ledger.append(rows).await?;
        }
        Ok(open.into_iter().map(|row| row.entry).collect())
    }

    /// The rows whose writer does not send any more: our own, from before, and those of the dead.
    async fn left_behind(&self, open: Vec<Row>) -> Result<Vec<Row>, StoreError> {
        let mut left = Vec::new();
        for row in open {
            let own = self.ledger.writer() == Some(row.writer.as_str());
            if own || !self.ledger.alive(&row.writer).await? {
                left.push(row);
            }
        }
        Ok(left)
    }
}
