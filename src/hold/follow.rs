//! What other processes write of holds. The rows of one hold have one order, whoever wrote them: each
//! is taken over behind the one before it, once.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;

use super::book::{Book, Slot, read};
use super::rows::{Said, fold};
use super::{Hold, gauge_reservation};
use crate::clock::EntryId;
use crate::control::ControlState;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowKind};

impl Book {
    /// Takes over a row of another writer. One that is known already changes nothing, and so does one
    /// that belongs to no hold. What ended takes nothing from the gauges any more, should its writer
    /// not live to see to that.
    ///
    /// # Errors
    /// The ledger's: then it has to be taken over again.
    pub async fn follow(
        &self,
        (ledger, control): (&dyn Ledger, &dyn ControlState),
        row: &Row,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let known = self.by_entry(&row.entry);
        if row.kind == RowKind::Held {
            if known.is_none()
                && let Some(hold) = fold([Said::from(row)])
            {
                self.take_up(hold, now);
            }
            return Ok(());
        }
        let Some(slot) = known else {
            return Ok(());
        };
        let before = slot.has_ended();
        if !slot.step(row) {
            slot.refresh(ledger).await?;
        }
        if row.kind == RowKind::Decided {
            slot.note(|hold| hold.retry_at = None);
        }
        if !before {
            slot.give_back(control).await;
        }
        Ok(())
    }

    /// Learns what the ledger knows of the hold that an entry is, if it is one.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn look_again(
        &self,
        (ledger, control): (&dyn Ledger, &dyn ControlState),
        entry: &EntryId,
    ) -> Result<(), StoreError> {
        if let Some(slot) = self.by_entry(entry) {
            slot.refresh(ledger).await?;
            slot.give_back(control).await;
        }
        Ok(())
    }
}

impl Slot {
    fn has_ended(&self) -> bool {
        self.look().is_some_and(|hold| hold.end.is_some())
    }

    /// Gives the gauges back of a hold that has ended.
    async fn give_back(&self, control: &dyn ControlState) {
        if self.has_ended()
            && let Err(error) = control.settle(&gauge_reservation(self.entry())).await
        {
            tracing::warn!(%error, hold = self.id(), "a gauge is not given back yet");
        }
    }

    /// Takes over the next row; false where one before it is not known yet.
    fn step(&self, row: &Row) -> bool {
        let mut missing = false;
        self.hold.send_if_modified(|hold| {
            let Some(hold) = hold else {
                // It is being parked; the row that parks it is there already.
                missing = true;
                return false;
            };
            match row.nth.cmp(&hold.rows) {
                Ordering::Less => false,
                Ordering::Equal => {
                    Arc::make_mut(hold).apply(Said::from(row));
                    true
                }
                Ordering::Greater => {
                    missing = true;
                    false
                }
            }
        });
        !missing
    }

    /// Learns what the ledger knows, if that is more than what is known here.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn refresh(&self, ledger: &dyn Ledger) -> Result<(), StoreError> {
        if let Some(hold) = read(ledger, self.entry()).await? {
            self.learn(hold);
        }
        Ok(())
    }

    /// Takes over a hold as rows have it, unless more is known here. What only this process knows stays.
    pub(super) fn learn(&self, mut new: Hold) {
        self.hold.send_if_modified(|hold| {
            if let Some(old) = hold {
                if new.rows <= old.rows {
                    return false;
                }
                new.releasing = old.releasing;
                new.note.clone_from(&old.note);
                new.behind.clone_from(&old.behind);
                new.retry_at = old.retry_at;
                new.answer.clone_from(&old.answer);
            }
            *hold = Some(Arc::new(new));
            true
        });
    }
}
