//! What is written down before and after a write: `open`, `close`, `sweep`. The only maker of
//! [`Journaled`], without which nothing is sent (INVARIANT: journal before send).

mod bar;
mod epoch;
pub mod job;
mod journaled;
mod learned;
pub mod read;
mod rows;
pub mod sent;
mod sweep;
mod view;
pub mod written;

pub use journaled::Journaled;
pub use view::View;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::clock::EntryId;
use crate::control::{Rebuild, SwitchChange};
use crate::error::{Conflict, RefusalKind, StoreError};
use crate::gate::Permit;
use crate::ledger::{Head, Ledger, NewRow, Row, RowFilter, RowKind};
use crate::mutation::{
    Acting, Actor, ChangeSet, Charge, Observed, Origin, Outcome, Snapshot, Verdict,
};

/// A clock this far behind the newest row, or from the store's, is not to be trusted; less is two cores
/// reading it at once.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(5);
/// A row about what happened already, which cannot be written, is tried again after this, doubling up to a minute.
const AGAIN: Duration = Duration::from_millis(200);

/// What is known of a governed request when a row is written for it.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The entry.
    pub entry: &'a EntryId,
    /// How many rows it has, where it has some and nobody else may take its next step.
    pub nth: Option<u32>,
    /// Who asks.
    pub actor: &'a Actor,
    /// Where the write comes from.
    pub origin: Origin,
    /// The route's name.
    pub route: &'a str,
    /// Whether the route enforces verdicts: `enforce`, `observe`.
    pub mode: &'a str,
    /// The method on the request line.
    pub method: &'a str,
    /// The canonical path.
    pub path: Cow<'a, str>,
    /// The raw query; of an opaque request the parameters' names.
    pub query: Option<Cow<'a, str>>,
    /// The headers that act on the write beside its body.
    pub acting: &'a Acting,
    /// What would change, once it is known.
    pub changes: Option<&'a ChangeSet>,
    /// What the rules said, once they were asked.
    pub verdict: Option<&'a Verdict>,
    /// The rule set that judged.
    pub rules: &'a str,
    /// What tells the same request again, once it is known (`crate::digest`).
    pub digest: Option<&'a str>,
    /// The request's time.
    pub now: Timestamp,
}

/// The row of a write that waits for a person: what every governed request has, and these.
#[must_use]
pub fn held(
    subject: &Subject<'_>,
    more_meta: Map<String, Value>,
    more_values: Map<String, Value>,
) -> NewRow {
    rows::held(subject, more_meta, more_values)
}

/// What became of a write that was opened.
#[derive(Clone, Debug)]
pub struct Closing {
    /// The CRM's status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Whether any byte was, or may have been, sent.
    pub sent: bool,
    /// One for each mutation.
    pub outcomes: Vec<Outcome>,
    /// Why it was not sent, or why the outcome is unknown; for people.
    pub note: Option<String>,
}

/// A refusal, as its row tells it.
#[derive(Clone, Copy, Debug)]
pub struct Refusing<'a> {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// What the caller is told.
    pub message: &'a str,
    /// What it takes from limits that count refusals.
    pub charges: &'a [Charge],
    /// What would have spoken, where it is more than the verdict says.
    pub observed: Option<&'a Observed>,
}

/// What became of a write in doubt, and who says so.
#[derive(Clone, Copy, Debug)]
pub struct Reconciling<'a> {
    /// The entry in doubt.
    pub entry: &'a EntryId,
    /// Its service account.
    pub service_account: &'a str,
    /// Its route.
    pub route: &'a str,
    /// One for each mutation; none is unknown.
    pub outcomes: &'a [Outcome],
    /// `read back`, or an operator's name.
    pub by: &'a str,
    /// Why; for people.
    pub reason: &'a str,
}

/// The journal over a ledger.
#[derive(Clone, Debug)]
pub struct Journal {
    ledger: Arc<dyn Ledger>,
    bar: Arc<bar::Bar>,
    view: Arc<View>,
}

impl Journal {
    /// A journal that writes into `ledger`.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>) -> Self {
        let view = Arc::new(View::new(ledger.shared()));
        Self {
            ledger,
            bar: Arc::default(),
            view,
        }
    }

    /// How far what other writers did is known.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The ledger underneath.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// Writes down that a write is about to be sent: durable when this returns. Gives the permit back
    /// when it cannot be written, so that its charges can be refunded.
    ///
    /// # Errors
    /// The store's, a clock that is behind the ledger, or a permit of an older epoch.
    pub async fn open(
        &self,
        permit: Permit,
        subject: &Subject<'_>,
        snapshot: &Snapshot,
        charges: &[Charge],
    ) -> Result<Journaled, (Permit, StoreError)> {
        let row = rows::opened(subject, &permit, snapshot, charges);
        self.open_row(permit, subject, row).await
    }

    /// The same for a write that takes back what these entries wrote; it is charged nowhere.
    ///
    /// # Errors
    /// The same.
    pub async fn open_revert(
        &self,
        permit: Permit,
        subject: &Subject<'_>,
        snapshot: &Snapshot,
        reverts: &[EntryId],
    ) -> Result<Journaled, (Permit, StoreError)> {
        let mut row = rows::opened(subject, &permit, snapshot, &[]);
        rows::reverts(&mut row, reverts);
        self.open_row(permit, subject, row).await
    }

    async fn open_row(
        &self,
        permit: Permit,
        subject: &Subject<'_>,
        row: NewRow,
    ) -> Result<Journaled, (Permit, StoreError)> {
        if let Err(error) = self.passes(subject.now) {
            return Err((permit, error));
        }
        match self.ledger.append(vec![row]).await {
            Ok(()) => {
                let service_account = &subject.actor.service_account;
                Ok(Journaled::of(permit, service_account, subject.route))
            }
            Err(error) => Err((permit, error)),
        }
    }

    /// Writes down what became of it. When the ledger cannot take it now, it is tried again in the
    /// background until it can; the process that dies before leaves it to [`Journal::sweep`].
    pub async fn close(&self, journaled: Journaled, closing: &Closing, now: Timestamp) {
        let _ = self.close_with(journaled, closing, None, now).await;
    }

    /// The same with values to keep beside the outcome. Returns the row, and whether it is durable
    /// already.
    pub async fn close_with(
        &self,
        journaled: Journaled,
        closing: &Closing,
        values: Option<Value>,
        now: Timestamp,
    ) -> (NewRow, bool) {
        let mut row = rows::closed(
            journaled.entry(),
            &journaled.service_account,
            &journaled.route,
            closing,
            now,
        );
        if journaled.was_sent_again() {
            rows::sent_again(&mut row);
        }
        row.values = values;
        let recorded = self.append_in_the_end(row.clone()).await;
        (row, recorded)
    }

    /// Writes down that a write waits for a person: one row with everything that a release needs.
    ///
    /// # Errors
    /// The store's, a clock that is behind the ledger, or charges that were taken in an older epoch.
    pub async fn park(&self, row: NewRow) -> Result<(), StoreError> {
        self.passes(row.at)?;
        self.ledger.append(vec![row]).await
    }

    async fn append_in_the_end(&self, row: NewRow) -> bool {
        let error = match self.ledger.append(vec![row.clone()]).await {
            Ok(()) => return true,
            // somebody else was first, for good
            Err(error) if error.conflict == Some(Conflict::Moved) => return true,
            Err(error) => error,
        };
        tracing::error!(%error, entry = %row.entry, kind = row.kind.word(), "not recorded yet");
        let ledger = Arc::clone(&self.ledger);
        tokio::spawn(async move { append_again(&*ledger, row).await });
        false
    }

    /// Writes down a refusal.
    ///
    /// # Errors
    /// The store's: then the caller is told that nothing can be recorded.
    pub async fn refused(
        &self,
        subject: &Subject<'_>,
        refusing: &Refusing<'_>,
    ) -> Result<(), StoreError> {
        self.ledger
            .append(vec![rows::refused(subject, refusing)])
            .await
    }

    /// Writes down what became of a write in doubt: durable when this returns.
    ///
    /// # Errors
    /// The store's; then it is still in doubt, or, with a conflict, somebody else has settled it.
    pub async fn reconcile(
        &self,
        reconciling: &Reconciling<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = read::of_entry(&*self.ledger, reconciling.entry).await?;
        let over = |row: &Row| matches!(row.kind, RowKind::Closed | RowKind::Reconciled);
        if rows.iter().any(over) {
            return Err(StoreError::conflict(Conflict::Moved));
        }
        let mut row = rows::reconciled(reconciling, now);
        row.nth = u32::try_from(rows.len()).ok();
        self.ledger.append(vec![row]).await
    }

    /// Writes down that a switch was thrown or resumed, before it counts as done.
    ///
    /// # Errors
    /// The store's.
    pub async fn switch(
        &self,
        entry: &EntryId,
        change: &SwitchChange,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.ledger
            .append(vec![rows::switch(entry, change, by, reason, now)])
            .await
    }

    /// The same for a switch that acts already: what the ledger cannot take now is tried again in the
    /// background until it can. Returns whether it is durable now.
    pub async fn switch_in_the_end(
        &self,
        entry: &EntryId,
        change: &SwitchChange,
        (by, reason): (&str, &str),
        now: Timestamp,
    ) -> bool {
        let row = rows::switch(entry, change, by, reason, now);
        self.append_in_the_end(row).await
    }

    /// What control state has to know when it is built anew: thrown switches, and charges not older
    /// than `longest` (the longest window of any limit). `epoch` is the one to grant under.
    ///
    /// # Errors
    /// The store's.
    pub async fn rebuild(
        &self,
        epoch: u64,
        now: Timestamp,
        longest: SignedDuration,
    ) -> Result<Rebuild, StoreError> {
        let switches = RowFilter {
            kinds: vec![RowKind::Switch],
            ..RowFilter::default()
        };
        let since = now.checked_sub(longest).unwrap_or(Timestamp::UNIX_EPOCH);
        let switches = self.ledger.rows(switches).await?;
        Ok(Rebuild {
            thrown: rows::thrown(&switches),
            charges: self.charged(since, &switches).await?,
            // Nothing waits for a person yet, so no gauge counts.
            waiting: Vec::new(),
            epoch,
        })
    }

    /// The charges that still count and were taken since a moment.
    ///
    /// # Errors
    /// The store's.
    pub async fn charges(&self, since: Timestamp) -> Result<Vec<(Timestamp, Charge)>, StoreError> {
        let switches = RowFilter {
            kinds: vec![RowKind::Switch],
            ..RowFilter::default()
        };
        let switches = self.ledger.rows(switches).await?;
        self.charged(since, &switches).await
    }

    async fn charged(
        &self,
        since: Timestamp,
        switches: &[Row],
    ) -> Result<Vec<(Timestamp, Charge)>, StoreError> {
        let filter = RowFilter {
            kinds: vec![
                RowKind::Opened,
                RowKind::Closed,
                RowKind::Held,
                RowKind::Refused,
            ],
            since: Some(since),
            ..RowFilter::default()
        };
        let rows = self.ledger.rows(filter).await?;
        Ok(rows::charges(&rows, &rows::emptied(switches)))
    }

    /// Writes down that something was set at run time, before it counts: `meta` says what, by whom and
    /// why; `service_account` is the one it is about, if it is about one.
    ///
    /// # Errors
    /// The store's, or a clock that is behind the ledger.
    pub async fn setting(
        &self,
        entry: &EntryId,
        service_account: Option<&str>,
        meta: Value,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clock_holds(now)?;
        self.ledger
            .append(vec![rows::setting(entry, service_account, meta, now)])
            .await
    }

    /// Everything that was ever set at run time, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn settings(&self) -> Result<Vec<Row>, StoreError> {
        let filter = RowFilter {
            kinds: vec![RowKind::Setting],
            ..RowFilter::default()
        };
        self.ledger.rows(filter).await
    }

    /// Writes down that a process started, and what it grants by.
    ///
    /// # Errors
    /// The store's.
    pub async fn started(
        &self,
        entry: &EntryId,
        control: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clock_holds(now)?;
        let row = rows::started(entry, Some(control), now);
        self.ledger.append(vec![row]).await
    }

    /// Writes down the heads of the other writers' chains, as they are now.
    ///
    /// # Errors
    /// The store's, or a clock that is behind the ledger.
    pub async fn heads(
        &self,
        entry: &EntryId,
        heads: &[Head],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.clock_holds(now)?;
        self.ledger
            .append(vec![rows::heads(entry, heads, now)])
            .await
    }

    /// A clock behind the ledger would put rows into the past; one that is far from the store's is wrong
    /// for some replica (P9).
    fn clock_holds(&self, now: Timestamp) -> Result<(), StoreError> {
        if let Some(clock) = self.ledger.clock()
            && now.duration_since(clock).abs() > CLOCK_SLACK
        {
            let what = format!("the clock shows {now}, the ledger's shows {clock}: set the clock");
            return Err(StoreError::new("ledger", what, true));
        }
        match self.ledger.newest() {
            Some(newest) if newest.duration_since(now) > CLOCK_SLACK => Err(StoreError::new(
                "ledger",
                format!("the clock shows {now}, the newest row is of {newest}: set the clock"),
                true,
            )),
            _ => Ok(()),
        }
    }
}

async fn append_again(ledger: &dyn Ledger, row: NewRow) {
    let mut pause = AGAIN;
    loop {
        tokio::time::sleep(pause).await;
        match ledger.append(vec![row.clone()]).await {
            Ok(()) => return,
            Err(error) if error.conflict == Some(Conflict::Moved) => return,
            Err(error) => {
                tracing::error!(%error, entry = %row.entry, "still not recorded");
            }
        }
        pause = (pause * 2).min(Duration::from_secs(60));
    }
}
