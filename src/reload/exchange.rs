//! Puts other rules in force: what was charged to limits that are other ones now is told to control
//! state, once, beside the row that says who did it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::app::App;
use crate::error::StoreError;
use crate::mutation::{Charge, Limit, LimitKind};
use crate::policy::RuleSet;

/// Whatever was granted longer ago than this is in the ledger, or was given back. Control state that was
/// built anew knows at least as much.
pub(crate) const SETTLED_MS: u64 = 10 * 60 * 1000;

/// What became of the limits.
pub(crate) struct Exchanged {
    /// Budgets whose window is another one now.
    pub(crate) windows: Vec<String>,
    /// Limits that begin empty: they are new, or count something else under their name.
    pub(crate) empty: Vec<String>,
}

/// These rules judge from now on. `recording` makes the change durable; where it fails, the rules before
/// still judge.
pub(crate) async fn exchange(
    app: &App,
    rules: RuleSet,
    recording: impl Future<Output = Result<(), StoreError>>,
    now: Timestamp,
) -> Result<Exchanged, StoreError> {
    let before = app.rules.load_full();
    let changed = Changed::between(&before, &rules);
    let charges = changed.charges(app, now).await?;
    let windows = changed.lengthen(app, &charges, now).await?;
    let empty = changed.take_up(app, &charges, now).await?;
    recording.await?;
    app.rules.store(Arc::new(rules));
    Ok(Exchanged { windows, empty })
}

/// Limits that are not what they were.
struct Changed<'r> {
    /// Budgets whose window is another one: as they were, and as they are to be.
    windows: Vec<(&'r Limit, &'r Limit)>,
    /// Limits that are new, or count something else under their name.
    others: Vec<&'r Limit>,
}

impl<'r> Changed<'r> {
    fn between(before: &'r RuleSet, after: &'r RuleSet) -> Self {
        let mut changed = Self {
            windows: Vec::new(),
            others: Vec::new(),
        };
        for limit in after.limits() {
            match before.limit(&limit.name) {
                Some(old) if old.counts_like(limit) => {
                    if window(old) != window(limit) {
                        changed.windows.push((old, limit));
                    }
                }
                Some(_) | None => changed.others.push(limit),
            }
        }
        changed
    }

    /// What the ledger knows that was charged within the longest of their windows.
    async fn charges(
        &self,
        app: &App,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, Charge)>, StoreError> {
        let limits = self.windows.iter().map(|(_, new)| new).chain(&self.others);
        let Some(longest) = limits.filter_map(|limit| window(limit)).max() else {
            return Ok(Vec::new());
        };
        let longest =
            SignedDuration::from_millis(i64::try_from(longest).unwrap_or(i64::MAX / 1000));
        let since = now.checked_sub(longest).unwrap_or(Timestamp::UNIX_EPOCH);
        app.journal.charges(since).await
    }

    /// Tells control state of the other windows, before they are in force. What a shorter window forgot
    /// is taken up again, so that a reload refills no budget.
    async fn lengthen(
        &self,
        app: &App,
        charges: &[(Timestamp, Charge)],
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        for (old, new) in &self.windows {
            let theirs = charged_to(new, charges);
            app.control.lengthen(old, new, theirs, now).await?;
        }
        Ok(self
            .windows
            .iter()
            .map(|(_, new)| new.name.clone())
            .collect())
    }

    /// Takes up what was charged to limits that are new here while they were in force before; the names of
    /// the rest, which begin empty. Their counters are their own, so nothing of them is forgotten: another
    /// replica may be charging them already.
    async fn take_up(
        &self,
        app: &App,
        charges: &[(Timestamp, Charge)],
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let mut empty = Vec::new();
        for limit in &self.others {
            let theirs = charged_to(limit, charges);
            let Some((_, latest)) = theirs.iter().max_by_key(|(at, _)| *at) else {
                empty.push(limit.name.clone());
                continue;
            };
            if window(limit).is_some() {
                let known = known(&latest.limit);
                app.control.lengthen(&known, limit, theirs, now).await?;
            }
        }
        Ok(empty)
    }
}

/// A limit with the window that its counters surely know all of: they forgot what lies outside of the one
/// they were charged by last. What was granted within it may not be in the ledger yet.
fn known(limit: &Limit) -> Limit {
    let mut known = limit.clone();
    if let LimitKind::Budget { window_ms, .. } = &mut known.kind {
        *window_ms = (*window_ms).min(SETTLED_MS);
    }
    known
}

/// What was charged to a limit, as it counts now.
fn charged_to(limit: &Limit, charges: &[(Timestamp, Charge)]) -> Vec<(Timestamp, Charge)> {
    let theirs = charges
        .iter()
        .filter(|(_, charge)| charge.limit.name == limit.name && limit.counts_like(&charge.limit));
    theirs.cloned().collect()
}

/// The window of a budget, in milliseconds; rates and gauges have none.
fn window(limit: &Limit) -> Option<u64> {
    match limit.kind {
        LimitKind::Budget { window_ms, .. } => (window_ms > 0).then_some(window_ms),
        LimitKind::Rate { .. } => None,
    }
}
