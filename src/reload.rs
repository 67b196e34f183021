//! Puts other rules in force and other certificates in place while requests are served: all or nothing,
//! between two requests. The configuration file is not read again.

mod certificates;
mod exchange;

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, MutexGuard};

use self::certificates::Fresh;
pub(crate) use self::exchange::exchange;
use crate::app::App;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::rules::{self, Proven, Unfit};

/// What a reload does not change, for the answer.
pub const RESTART_ONLY: &str = "only the rules and certificates were read again: routes, service accounts, \
     operators, admin, control and ledger of the configuration file take a restart";

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
    /// Routes whose certificates were read again.
    pub certificates: Vec<String>,
    /// The entry that tells of it; none where the rules are the same as before.
    pub entry: Option<EntryId>,
}

/// Why the rules are as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Mistakes, or cases that fail.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// The rules in force are not the folder's.
    #[error(
        "the rules in force are {from}, so the folder is not read: `writegate rules push DIR` puts others in \
         force, `writegate rules rollback` the ones before{}",
        if certificates.is_empty() { "" } else { "; the listeners' certificates were read again" }
    )]
    Pushed {
        /// Where the rules in force come from.
        from: String,
        /// Routes whose certificates were read again.
        certificates: Vec<String>,
    },
    /// A store cannot record it, or tell what was charged.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Reloads {
    /// Whoever puts other rules in force does so alone.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Other rules are in force than those that a reload refused to replace.
    pub(crate) fn over(&self) {
        self.refused.store(None);
    }

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

/// Loads the rules and runs their cases, and reads the listeners' certificates; puts all of it in force
/// if it is fit. Each write keeps the rules it began with, each connection its certificate. `by` is who
/// asked.
///
/// # Errors
/// [`ReloadError`]: then nothing has changed, but for certificates where the rules were pushed.
pub async fn reload(app: &Arc<App>, by: &str) -> Result<Reloaded, ReloadError> {
    let _turn = app.reloads.turn().await;
    let result = match certificates::read(app).await {
        Ok(fresh) => put(replace(app, by).await, fresh),
        Err(unfit) => Err(ReloadError::Unfit(unfit)),
    };
    app.metrics.reloaded(result.is_ok());
    match &result {
        Ok(reloaded) => {
            app.reloads.over();
            let Reloaded { before, after, .. } = reloaded;
            tracing::info!(
                by, %before, %after, empty = ?reloaded.empty, certificates = ?reloaded.certificates,
                "rules reloaded"
            );
        }
        Err(ReloadError::Pushed { certificates, .. }) => {
            tracing::warn!(
                by,
                ?certificates,
                "not reloaded: the rules in force were pushed, the folder is not read"
            );
        }
        Err(error) => {
            tracing::error!(by, %error, "rules not reloaded: the ones before still judge");
            let reasons = match error {
                ReloadError::Unfit(Unfit(reasons)) => reasons.clone(),
                ReloadError::Store(_) | ReloadError::Pushed { .. } => vec![error.to_string()],
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

/// Puts certificates in place where the rules are in force, or were not to be read.
fn put(mut result: Result<Reloaded, ReloadError>, fresh: Fresh) -> Result<Reloaded, ReloadError> {
    match &mut result {
        Ok(Reloaded { certificates, .. }) | Err(ReloadError::Pushed { certificates, .. }) => {
            *certificates = fresh.put();
        }
        Err(ReloadError::Unfit(_) | ReloadError::Store(_)) => {}
    }
    result
}

async fn replace(app: &Arc<App>, by: &str) -> Result<Reloaded, ReloadError> {
    if let Some(told) = app.standing.load().told() {
        return Err(ReloadError::Pushed {
            from: told,
            certificates: Vec::new(),
        });
    }
    let Proven { rules, cases } = proven(app).await?;
    let before = app.rules.load_full();
    let mut reloaded = Reloaded {
        before: before.digest().to_owned(),
        after: rules.digest().to_owned(),
        cases,
        windows: Vec::new(),
        empty: Vec::new(),
        certificates: Vec::new(),
        entry: None,
    };
    if reloaded.before == reloaded.after {
        return Ok(reloaded);
    }
    let now = app.clock.now();
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
    let recording = app.journal.setting(&entry, None, meta, now);
    let exchanged = exchange(app, rules, recording, now).await?;
    reloaded.windows = exchanged.windows;
    reloaded.empty = exchanged.empty;
    reloaded.entry = Some(entry);
    Ok(reloaded)
}

/// As much of a digest as tells two apart in a line; the row has all of both.
pub(crate) fn short(digest: &str) -> &str {
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
