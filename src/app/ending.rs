//! The end of a write: the last look before its first byte, its closing row, and when its records are
//! free again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::App;
use crate::clock::EntryId;
use crate::journal::{Closing, Journaled};
use crate::ledger::NewRow;
use crate::mutation::{Outcome, OutcomeState};
use crate::upstream::LastLook;

/// After this every replica knows what is written down, or lets no write pass: its view of the others is
/// at most two seconds old.
const KNOWN_TO_ALL: Duration = Duration::from_millis(2_500);

#[async_trait]
impl LastLook for App {
    /// A permit that has grown old, because this process stood still or the CRM was slow, is looked at
    /// twice: whether a switch stops it, and whether another replica took this one for dead and gave the
    /// entry up.
    async fn passes(&self, journaled: &Journaled) -> bool {
        let permit = journaled.permit();
        let mut open_at = None;
        loop {
            let now = self.clock.now();
            if !permit.still_good(&self.control.switches(), now) {
                return false;
            }
            if !self.journal.ledger().shared() || permit.is_young(open_at, now) {
                return true;
            }
            match self.journal.is_open(journaled.entry()).await {
                Ok(true) => open_at = Some(now),
                Ok(false) => return false,
                Err(error) => {
                    tracing::warn!(%error, entry = %journaled.entry(), "not sent: it may have been given up");
                    return false;
                }
            }
        }
    }
}

impl App {
    /// Writes down what became of a write, and lets go of its records. Returns the row, and whether it is
    /// durable already.
    ///
    /// For a process that is alone they are free once the row is on its way: the ledger keeps the order,
    /// so a later write's row is never durable without this one. Others have chains of their own: for
    /// them it has to be durable, and where it is in doubt they have to know.
    pub async fn close(
        self: &Arc<Self>,
        journaled: Journaled,
        (closing, values): (&Closing, Option<Value>),
        reservation: &EntryId,
    ) -> (NewRow, bool) {
        let now = self.clock.now();
        let entry = journaled.entry().clone();
        let recording = self.journal.close_with(journaled, closing, values, now);
        if !self.journal.ledger().shared() {
            let freeing = self.free(reservation, closing);
            return tokio::join!(biased; recording, freeing).0;
        }
        let closed = recording.await;
        if !in_doubt(closing) {
            // Another replica may have given it up meanwhile.
            self.doubts.ended(&entry, &closing.outcomes, now);
        }
        self.free(reservation, closing).await;
        closed
    }

    /// Lets go of a write's records. What was not sent is not charged.
    pub async fn free(self: &Arc<Self>, reservation: &EntryId, closing: &Closing) {
        let (app, reservation, sent) = (Arc::clone(self), reservation.clone(), closing.sent);
        let freeing = async move {
            let freed = match sent {
                true => app.control.settle(&reservation).await,
                false => app.control.refund(&reservation).await,
            };
            if let Err(error) = freed {
                tracing::error!(%error, %reservation, "a reservation is not settled");
            }
        };
        if self.journal.ledger().shared() && in_doubt(closing) {
            drop(tokio::spawn(async move {
                tokio::time::sleep(KNOWN_TO_ALL).await;
                freeing.await;
            }));
        } else {
            freeing.await;
        }
    }
}

fn in_doubt(closing: &Closing) -> bool {
    let unknown = |outcome: &Outcome| outcome.state == OutcomeState::Unknown;
    closing.outcomes.iter().any(unknown)
}
