//! Control state from what the ledger knows: at the start, and whenever it is lost. Where replicas share
//! it, one of them builds it and the others join; who joins fences out nobody's permits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::App;
use crate::clock::EntryId;
use crate::control::Rebuild;
use crate::error::{Conflict, StoreError};
use crate::hold;
use crate::journal::Journal;
use crate::mutation::Charge;
use crate::policy::RuleSet;
use crate::reload::SETTLED_MS;

/// Another replica that has raised the epoch has so long to build the state …
const BUILT_WITHIN: Duration = Duration::from_secs(2);
/// … and is looked at this often.
const LOOK_EACH: Duration = Duration::from_millis(50);

/// At the start.
pub(super) async fn begin(app: &App) -> Result<(), StoreError> {
    let mut raised = None;
    build(app, None, &mut raised).await
}

/// Builds what was lost, or joins what another replica has built by now. `raised` is the epoch that this
/// process raised for this loss already: nothing was granted under one that never came into force.
///
/// # Errors
/// The stores'.
pub(crate) async fn build(
    app: &App,
    why: Option<&str>,
    raised: &mut Option<u64>,
) -> Result<(), StoreError> {
    let ledger = app.journal.ledger();
    let lost = app.control.epoch();
    let mut waited: Option<(u64, Instant)> = None;
    loop {
        let epoch = ledger.epoch().await?;
        if app.control.join(epoch).await? {
            *raised = None;
            return Ok(());
        }
        if *raised != Some(epoch) {
            fit(app).await?;
            if epoch > lost && still_building(app, epoch, &mut waited).await? {
                sleep(LOOK_EACH).await;
                continue;
            }
            match raise(app, epoch, why).await {
                Ok(epoch) => *raised = Some(epoch),
                // Another replica was first.
                Err(error) if error.conflict == Some(Conflict::Epoch) => continue,
                Err(error) => return Err(error),
            }
        }
        if let Some(epoch) = raised.take() {
            rebuild(app, epoch, raised).await?;
        }
        return Ok(());
    }
}

/// Charges are read back by the rules in force: one that cannot load them leaves it to the others.
async fn fit(app: &App) -> Result<(), StoreError> {
    match app.journal.barred() {
        Err(barred) if app.others_live().await? => {
            let what = format!("another replica has to rebuild control state: {barred}");
            Err(StoreError::new("control", what, true))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether another replica may be about to build the state of this epoch.
async fn still_building(
    app: &App,
    epoch: u64,
    waited: &mut Option<(u64, Instant)>,
) -> Result<bool, StoreError> {
    if !app.others_live().await? {
        return Ok(false);
    }
    match waited {
        Some((same, until)) if *same == epoch => Ok(Instant::now() < *until),
        Some(_) | None => {
            *waited = Some((epoch, Instant::now() + BUILT_WITHIN));
            Ok(true)
        }
    }
}

async fn raise(app: &App, from: u64, why: Option<&str>) -> Result<u64, StoreError> {
    let Some(why) = why else {
        return app.journal.ledger().raise_epoch(from).await;
    };
    let now = app.clock.now();
    let id = app.entry_id(now);
    app.journal.raise_epoch(from, (&id, why), now).await
}

/// Builds control state anew from the ledger. Nobody throws or resumes a switch here meanwhile. An
/// attempt that fails before anything can be in force leaves the epoch in `unused`, for the next one.
async fn rebuild(app: &App, epoch: u64, unused: &mut Option<u64>) -> Result<(), StoreError> {
    *unused = Some(epoch);
    app.catch_up().await?;
    let one_at_a_time = app.switching.lock().await;
    let now = app.clock.now();
    let rules = app.rules.load();
    let mut rebuild = known(&app.journal, &rules, &app.holds, (epoch, now)).await?;
    // a limit may have thrown one whose row is still on its way
    let here = app.control.switches();
    let unrecorded = app.journal.unrecorded(&here.thrown).await?;
    rebuild.thrown.extend(unrecorded);
    let waiting = rebuild.waiting.clone();
    // From here on it may be in force, and others may grant under it, whatever we are told.
    *unused = None;
    app.control.rebuild(rebuild).await?;
    drop(one_at_a_time);
    if let Err(error) = give_back(app, waiting).await {
        tracing::warn!(%error, "holds that ended meanwhile count until the next rebuild");
    }
    Ok(())
}

/// What has ended meanwhile gave its gauges back to the state before.
async fn give_back(app: &App, waiting: Vec<(EntryId, Charge)>) -> Result<(), StoreError> {
    app.catch_up().await?;
    let still = app.holds.waiting();
    for (reservation, _) in waiting {
        if !still.iter().any(|(waits, _)| *waits == reservation) {
            app.control.settle(&reservation).await?;
        }
    }
    Ok(())
}

impl App {
    /// Whether another replica that shares the ledger lives.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn others_live(&self) -> Result<bool, StoreError> {
        let ledger = self.journal.ledger();
        if !ledger.shared() {
            return Ok(false);
        }
        for head in ledger.heads().await? {
            let other = ledger.writer() != Some(head.writer.as_str());
            if other && ledger.alive(&head.writer).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What the ledger knows that control state has to know.
async fn known(
    journal: &Journal,
    rules: &RuleSet,
    holds: &hold::Book,
    (epoch, now): (u64, Timestamp),
) -> Result<Rebuild, StoreError> {
    let mut known = journal.rebuild(epoch, now, longest_window(rules)).await?;
    known.charges = restated(rules, known.charges);
    known.waiting = holds.waiting();
    Ok(known)
}

/// Charges count by the limits in force now: a window that became longer while nothing was served
/// remembers for as long. What was charged to a limit that is gone, or that counts something else by now,
/// stands in counters of its own: other rules, here or at another replica, may count by it.
fn restated(rules: &RuleSet, mut charges: Vec<(Timestamp, Charge)>) -> Vec<(Timestamp, Charge)> {
    for (_, charge) in &mut charges {
        let now = rules.limit(&charge.limit.name);
        if let Some(limit) = now.filter(|limit| limit.counts_like(&charge.limit)) {
            charge.limit.clone_from(limit);
        }
    }
    charges
}

/// The longest window of any limit: older charges count nowhere. At least as much as a reload takes for
/// granted that is known of limits that it puts in force.
fn longest_window(rules: &RuleSet) -> SignedDuration {
    let longest = rules.longest_window_ms().max(SETTLED_MS);
    SignedDuration::from_millis(i64::try_from(longest).unwrap_or(i64::MAX / 1000))
}
