//! Puts other rules in force while requests are served: all or nothing, between two requests. The
//! configuration file is not read again.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;

use crate::app::App;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::mutation::{Charge, Limit, LimitKind};
use crate::policy::RuleSet;
use crate::rules::{self, Proven, Unfit};

/// What a reload does not change, for the answer.
pub const RESTART_ONLY: &str = "only the rules were read again: routes, service accounts, operators, \
     admin, control and ledger of the configuration file take a restart";

/// Mistakes that `status` repeats; the answer to the reload and the log have all.
const MISTAKES_SHOWN: usize = 5;

/// Reloads of this process: one at a time, and the last one if it was refused.
#[derive(Debug, Default)]
pub struct Reloads {
    turn: Mutex<()>,
    refused: ArcSwapOption<Refused>,
}

/// A reload that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refused {
    at: Timestamp,
    by: String,
    reasons: Vec<String>,
}

/// Other rules judge from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// The digest that judged before.
    pub before: String,
    /// The digest that judges now.
    pub after: String,
    /// How many cases passed.
    pub cases: usize,
    /// Budgets whose window is another one now.
    pub windows: Vec<String>,
    /// Limits that begin empty: they are new, or count something else under their name.
    pub empty: Vec<String>,
    /// The entry that tells of it; none where the rules are the same as before.
    pub entry: Option<EntryId>,
}

/// Why the rules are as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Mistakes, or cases that fail.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// A store cannot record it, or tell what was charged.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Reloads {
    /// The same for whoever asks, without a token: no name, and nothing of what the files say.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let refused = self.refused.load_full()?;
        Some(format!(
            "a reload at {} changed nothing, the rules before it still judge: {} to mend, see `writegate \
             status`",
            refused.at.strftime("%F %H:%M UTC"),
            refused.reasons.len(),
        ))
    }

    /// Why the rules in force are not the ones in the folder, as far as a reload found out.
    #[must_use]
    pub fn degraded(&self) -> Option<String> {
        let refused = self.refused.load_full()?;
        let count = refused.reasons.len();
        let shown: Vec<&str> = refused
            .reasons
            .iter()
            .take(MISTAKES_SHOWN)
            .map(String::as_str)
            .collect();
        let more = match count.saturating_sub(MISTAKES_SHOWN) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        Some(format!(
            "the reload by {} at {} changed nothing, the rules before it still judge: {}{more}",
            refused.by,
            refused.at.strftime("%F %H:%M:%S UTC"),
            shown.join("; "),
        ))
    }
}

/// Loads the rules and runs their cases; puts them in force if they are fit. Each write keeps the
/// rules it began with. `by` is who asked.
///
/// # Errors
/// [`ReloadError`]: then nothing has changed.
pub async fn reload(app: &Arc<App>, by: &str) -> Result<Reloaded, ReloadError> {
    let _turn = app.reloads.turn.lock().await;
    let result = replace(app, by).await;
    app.metrics.reloaded(result.is_ok());
    match &result {
        Ok(reloaded) => {
            app.reloads.refused.store(None);
            let Reloaded { before, after, .. } = reloaded;
            tracing::info!(by, %before, %after, empty = ?reloaded.empty, "rules reloaded");
        }
        Err(error) => {
            tracing::error!(by, %error, "rules not reloaded: the ones before still judge");
            let reasons = match error {
                ReloadError::Unfit(Unfit(reasons)) => reasons.clone(),
                ReloadError::Store(error) => vec![error.to_string()],
            };
            app.reloads.refused.store(Some(Arc::new(Refused {
                at: app.clock.now(),
                by: by.to_owned(),
                reasons,
            })));
        }
    }
    result
}

async fn replace(app: &Arc<App>, by: &str) -> Result<Reloaded, ReloadError> {
    let Proven { rules, cases } = proven(app).await?;
    let before = app.rules.load_full();
    let mut reloaded = Reloaded {
        before: before.digest().to_owned(),
        after: rules.digest().to_owned(),
        cases,
        windows: Vec::new(),
        empty: Vec::new(),
        entry: None,
    };
    if reloaded.before == reloaded.after {
        return Ok(reloaded);
    }
    let now = app.clock.now();
    let changed = Changed::between(&before, &rules);
    let charges = changed.charges(app, now).await?;
    reloaded.windows = changed.lengthen(app, &charges, now).await?;
    let entry = app.entry_id(now);
    let meta = json!({
        "what": format!(
            "rules reloaded by {by}: {} → {}",
            short(&reloaded.before),
            short(&reloaded.after)
        ),
        "reload": { "before": reloaded.before, "after": reloaded.after, "cases": cases },
        "by": by,
    });
    app.journal.setting(&entry, None, meta, now).await?;
    reloaded.empty = changed.begin(app, &charges, now).await;
    app.rules.store(Arc::new(rules));
    reloaded.entry = Some(entry);
    Ok(reloaded)
}

/// As much of a digest as tells two apart in a line; the row has all of both.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// Reads files and runs cases, away from the runtime that answers operators.
async fn proven(app: &Arc<App>) -> Result<Proven, Unfit> {
    let reading = {
        let app = Arc::clone(app);
        tokio::task::spawn_blocking(move || rules::proven(&app.config))
    };
    match reading.await {
        Ok(proven) => proven,
        Err(error) => Err(Unfit(vec![format!("the rules cannot be read: {error}")])),
    }
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

    /// Begins the limits that are new. One that was there before counts what was charged to it then;
    /// the names of the rest, which begin empty.
    async fn begin(
        &self,
        app: &App,
        charges: &[(Timestamp, Charge)],
        now: Timestamp,
    ) -> Vec<String> {
        let mut empty = Vec::new();
        for limit in &self.others {
            let theirs = charged_to(limit, charges);
            if theirs.is_empty() {
                empty.push(limit.name.clone());
            }
            if let Err(error) = begun(app, limit, theirs, now).await {
                tracing::error!(%error, limit = limit.name, "what was charged to it before is not known");
            }
        }
        empty
    }
}

/// Puts what was charged to a limit in place of what is known under its name.
async fn begun(
    app: &App,
    limit: &Limit,
    charges: Vec<(Timestamp, Charge)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    app.control.forget(&limit.name).await?;
    let LimitKind::Budget { max, .. } = limit.kind else {
        return Ok(());
    };
    if charges.is_empty() {
        return Ok(());
    }
    // A window that held nothing so far: all of it is taken up.
    let mut nothing = limit.clone();
    nothing.kind = LimitKind::Budget { max, window_ms: 0 };
    app.control.lengthen(&nothing, limit, charges, now).await
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

/// Reloads at each SIGHUP, from the moment of the call: what would have ended the process before does
/// not any more. Needs a runtime.
///
/// # Errors
/// When the signal cannot be listened for.
pub fn on_hangup(app: Arc<App>) -> io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            // The log has told what became of it, and `/readyz` does.
            drop(reload(&app, "SIGHUP").await);
        }
    })
}
