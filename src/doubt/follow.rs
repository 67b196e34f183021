//! What the rows of other processes say of writes under way, in doubt and settled.

use jiff::Timestamp;

use super::Book;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::sent;
use crate::ledger::{Row, RowKind};

impl Book {
    /// Takes over a row of another writer. Taken over twice it does no harm.
    ///
    /// # Errors
    /// The ledger's: then it has to be taken over again.
    pub async fn follow(
        &self,
        journal: &Journal,
        row: &Row,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match row.kind {
            RowKind::Opened => {
                if let Some(sent) = sent::of_opened(row) {
                    self.sends(&sent.route, &sent.mutations, &sent.snapshot);
                    self.elsewhere.opened(sent, &row.writer);
                }
            }
            RowKind::Closed | RowKind::Reconciled => {
                let outcomes = sent::outcomes(row);
                self.elsewhere.closed(&row.entry, &outcomes, row.at);
                self.ended(&row.entry, &outcomes, row.at);
            }
            RowKind::InDoubt => self.take_up(journal, &row.entry, now).await?,
            RowKind::Refused
            | RowKind::Held
            | RowKind::Decided
            | RowKind::Drifted
            | RowKind::Expired
            | RowKind::Delivered
            | RowKind::Switch
            | RowKind::Setting
            | RowKind::Started
            | RowKind::Heads
            | RowKind::Rules
            | RowKind::Job
            | RowKind::Learned => {}
        }
        Ok(())
    }

    /// Takes up an entry that the ledger has in doubt.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn take_up(
        &self,
        journal: &Journal,
        entry: &EntryId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ledger = &**journal.ledger();
        let Some(sent) = sent::doubt_of(ledger, entry).await? else {
            return Ok(());
        };
        if !self.has(entry) {
            self.doubted(sent, now);
        }
        self.elsewhere.doubted(entry);
        // One of our own may have been closed meanwhile, and nobody tells us of our own rows.
        if sent::doubt_of(ledger, entry).await?.is_none() {
            self.forget(entry);
        }
        Ok(())
    }
}
