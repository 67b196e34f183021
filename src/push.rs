//! Rules that were pushed take the place of the folder's, on every replica: the newest row of rules in
//! the ledger says which are in force. Putting others in force is one step: the row is durable, then
//! they judge here; other replicas follow the row ([`follow`]). A replica that cannot load what is in
//! force refuses writes until it can load what is.

mod standing;

use std::sync::Arc;

use jiff::Timestamp;

pub use self::standing::{Origin, Standing};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::Config;
use crate::error::{Conflict, StoreError};
use crate::ledger::{Ledger, Row};
use crate::policy::RuleSet;
use crate::reload::exchange;
use crate::rules::bundle::{Bundle, Named};
use crate::rules::history::{Deed, Turn, newest, numbered};
use crate::rules::{self, Proven, Unfit};

/// Other rules judge from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest that judged before.
    pub before: String,
    /// The digest that judges now.
    pub after: String,
    /// How many cases passed.
    pub cases: usize,
    /// Budgets whose window is another one now.
    pub windows: Vec<String>,
    /// Limits that begin empty.
    pub empty: Vec<String>,
    /// The entry that tells of it; none where these files were in force already.
    pub entry: Option<EntryId>,
}

/// Why the rules are as they were.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Mistakes, or cases that fail.
    #[error("{0}")]
    Unfit(#[from] Unfit),
    /// There is nothing to go back to, or it is in force.
    #[error("{0}")]
    Nothing(String),
    /// Somebody else put rules in force meanwhile.
    #[error(
        "somebody else put rules in force at the same time: look at `writegate rules history`, then do it \
         again if it is still wanted"
    )]
    Moved,
    /// A store cannot record it, or tell what was charged.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Back {
    /// To what was in force before the push that is.
    Before,
    /// To each replica's folder.
    Folder,
    /// To the newest push whose digest begins so.
    Digest(String),
}

/// Puts these files in force. `by` is who, `reason` why.
///
/// # Errors
/// [`PushError`]: then nothing has changed.
pub async fn push(
    app: &App,
    files: Bundle,
    (by, reason): (&str, &str),
) -> Result<Pushed, PushError> {
    let _turn = app.reloads.turn().await;
    let ledger = Arc::clone(app.journal.ledger());
    let last = caught_up(app).await?;
    let proven = compiled(app, Some((files.clone(), None))).await?;
    let onto = last.as_ref().and_then(Turn::push);
    if let Some(number) = onto
        && let Some((in_force, _)) = files_of(&*ledger, number).await?
        && in_force == files
    {
        return Ok(unchanged(app, proven.cases));
    }
    let deed = Deed::Push {
        files,
        digest: proven.rules.digest().to_owned(),
        cases: proven.cases,
        named: Named::of(&proven.rules, &app.config),
        onto,
    };
    put_in_force(app, proven, (last, deed), (by, reason)).await
}

/// Puts rules in force that were so before.
///
/// # Errors
/// [`PushError`]: then nothing has changed.
pub async fn roll_back(
    app: &App,
    back: &Back,
    (by, reason): (&str, &str),
) -> Result<Pushed, PushError> {
    let _turn = app.reloads.turn().await;
    let ledger = Arc::clone(app.journal.ledger());
    let last = caught_up(app).await?;
    let in_force = last.as_ref().and_then(Turn::push);
    let to = target(&*ledger, in_force, back).await?;
    if to == in_force {
        let what = "these rules are in force already";
        return Err(PushError::Nothing(what.into()));
    }
    let files = match to {
        Some(number) => Some(kept(&*ledger, number).await?),
        None => None,
    };
    let files = files.map(|(files, named)| (files, Some(named)));
    let proven = compiled(app, files).await?;
    let digest = proven.rules.digest().to_owned();
    let deed = Deed::Rollback { to, digest };
    put_in_force(app, proven, (last, deed), (by, reason)).await
}

/// The push to go back to; `None`: each replica's folder.
async fn target(
    ledger: &dyn Ledger,
    in_force: Option<u64>,
    back: &Back,
) -> Result<Option<u64>, PushError> {
    let wanted = match back {
        Back::Folder => return Ok(None),
        Back::Digest(digest) => digest.to_ascii_lowercase(),
        Back::Before => {
            let Some(number) = in_force else {
                let what = "the rules in force are the folder's: nothing was pushed before them";
                return Err(PushError::Nothing(what.into()));
            };
            let row = numbered(ledger, number).await?;
            let turn = row.as_ref().and_then(|row| Turn::of(row).ok().flatten());
            return Ok(match turn.map(|turn| turn.deed) {
                Some(Deed::Push { onto, .. }) => onto,
                Some(Deed::Rollback { .. }) | None => None,
            });
        }
    };
    let rows = newest(ledger, 0).await?;
    let turns = rows.iter().filter_map(|row| Turn::of(row).ok().flatten());
    let mut pushes = turns.filter(|turn| matches!(turn.deed, Deed::Push { .. }));
    let found = pushes.find(|turn| turn.digest().starts_with(&wanted));
    match found {
        Some(turn) if !wanted.is_empty() => Ok(Some(turn.number)),
        _ => Err(PushError::Nothing(format!(
            "no push has a digest that begins with {wanted:?}: look at `writegate rules history`"
        ))),
    }
}

/// The row is durable, then they judge.
async fn put_in_force(
    app: &App,
    proven: Proven,
    (last, deed): (Option<Turn>, Deed),
    (by, reason): (&str, &str),
) -> Result<Pushed, PushError> {
    let now = app.clock.now();
    let turn = Turn {
        number: last.map_or(1, |last| last.number.saturating_add(1)),
        deed,
        by: by.to_owned(),
        reason: reason.to_owned(),
        at: now,
    };
    let before = app.rules.load().digest().to_owned();
    let (entry, meta) = (turn.entry(), turn.meta(&before));
    let recording = app.journal.rules(&entry, meta, now);
    let exchanged = exchange(app, proven.rules, recording, now).await;
    let exchanged = exchanged.map_err(|error| match error.conflict {
        Some(Conflict::Moved | Conflict::Opened) => PushError::Moved,
        Some(Conflict::Epoch) | None => PushError::Store(error),
    })?;
    let after = turn.digest().to_owned();
    tracing::info!(by, %before, %after, empty = ?exchanged.empty, "rules put in force");
    stands(app, Standing::of(&turn));
    Ok(Pushed {
        before,
        after,
        cases: proven.cases,
        windows: exchanged.windows,
        empty: exchanged.empty,
        entry: Some(entry),
    })
}

fn unchanged(app: &App, cases: usize) -> Pushed {
    let digest = app.rules.load().digest().to_owned();
    Pushed {
        before: digest.clone(),
        after: digest,
        cases,
        windows: Vec::new(),
        empty: Vec::new(),
        entry: None,
    }
}

/// What is in force here is what the ledger says.
fn stands(app: &App, standing: Standing) {
    app.standing.store(Arc::new(standing));
    app.reloads.over();
    app.journal.bar(None);
}

/// Follows another replica's row: what it put in force judges here too, or writes are refused. Rows of
/// other kinds, and those that are older than what is in force here, do nothing. What changes for limits
/// was told to control state by the other one.
///
/// # Errors
/// The ledger's: then it has to be followed again.
pub async fn follow(app: &App, row: &Row) -> Result<(), StoreError> {
    match Turn::of(row) {
        Ok(None) => return Ok(()),
        Ok(Some(turn)) if turn.number <= app.standing.load().number => return Ok(()),
        Ok(Some(_)) => {}
        Err(why) => {
            refuse(app, app.standing.load().number, &Unfit(vec![why]));
            return Ok(());
        }
    }
    let _turn = app.reloads.turn().await;
    caught_up(app).await.map(|_last| ())
}

/// What is in force by the ledger is in force here when this returns, or writes are refused.
async fn caught_up(app: &App) -> Result<Option<Turn>, StoreError> {
    let ledger = Arc::clone(app.journal.ledger());
    let Some(row) = newest(&*ledger, 1).await?.pop() else {
        return Ok(None);
    };
    let turn = match Turn::of(&row) {
        Ok(Some(turn)) => turn,
        Ok(None) => return Ok(None),
        Err(why) => {
            refuse(app, app.standing.load().number, &Unfit(vec![why]));
            let what = "the rules in force are of a newer version of Writegate";
            return Err(StoreError::new("ledger", what, false));
        }
    };
    if turn.number <= app.standing.load().number {
        return Ok(Some(turn));
    }
    let loaded = match loaded(&*ledger, &turn).await {
        Ok(files) => compiled(app, files).await,
        Err(PushError::Store(error)) => return Err(error),
        Err(PushError::Unfit(unfit)) => Err(unfit),
        Err(other) => Err(Unfit(vec![other.to_string()])),
    };
    match loaded {
        Ok(Proven { rules, .. }) => {
            let digest = rules.digest().to_owned();
            tracing::info!(by = %turn.by, %digest, "rules that were put in force elsewhere judge");
            app.rules.store(Arc::new(rules));
            stands(app, Standing::of(&turn));
        }
        Err(unfit) => refuse(app, turn.number, &unfit),
    }
    Ok(Some(turn))
}

fn refuse(app: &App, number: u64, unfit: &Unfit) {
    tracing::error!(error = %unfit, "writes are refused: the rules in force cannot be loaded");
    let before = app.standing.load();
    app.standing.store(Arc::new(Standing {
        number,
        origin: before.origin.clone(),
    }));
    app.journal.bar(Some(barred(unfit)));
}

fn barred(unfit: &Unfit) -> String {
    format!("the rules in force, which were pushed, cannot be loaded here: {unfit}")
}

type Files = (Bundle, Option<Named>);

/// The files that a turn put in force; `None`: the folder's.
async fn loaded(ledger: &dyn Ledger, turn: &Turn) -> Result<Option<Files>, PushError> {
    match (&turn.deed, turn.push()) {
        (Deed::Push { files, named, .. }, _) => Ok(Some((files.clone(), Some(named.clone())))),
        (Deed::Rollback { .. }, None) => Ok(None),
        (Deed::Rollback { .. }, Some(number)) => {
            let (files, named) = kept(ledger, number).await?;
            Ok(Some((files, Some(named))))
        }
    }
}

/// The files of a push.
async fn kept(ledger: &dyn Ledger, number: u64) -> Result<(Bundle, Named), PushError> {
    let found = files_of(ledger, number).await?;
    let missing = || Unfit(vec![format!("the ledger has no files of push {number}")]);
    Ok(found.ok_or_else(missing)?)
}

async fn files_of(ledger: &dyn Ledger, number: u64) -> Result<Option<(Bundle, Named)>, StoreError> {
    let row = numbered(ledger, number).await?;
    let turn = row.as_ref().and_then(|row| Turn::of(row).ok().flatten());
    Ok(match turn.map(|turn| turn.deed) {
        Some(Deed::Push { files, named, .. }) => Some((files, named)),
        Some(Deed::Rollback { .. }) | None => None,
    })
}

/// Compiles files, or the folder's, away from the runtime that answers operators.
async fn compiled(app: &App, files: Option<Files>) -> Result<Proven, Unfit> {
    let config = app.config.clone();
    let compiling = tokio::task::spawn_blocking(move || compile(&config, files));
    match compiling.await {
        Ok(proven) => proven,
        Err(error) => Err(Unfit(vec![format!(
            "the rules cannot be compiled: {error}"
        )])),
    }
}

fn compile(config: &Config, files: Option<Files>) -> Result<Proven, Unfit> {
    let Some((files, named)) = files else {
        return rules::proven(config);
    };
    let lacking = named.map(|named| named.lacking(config)).unwrap_or_default();
    if !lacking.is_empty() {
        return Err(Unfit(lacking));
    }
    files.proven(str::to_owned, Some(rules::teams(config)))
}

/// What a process begins with: the rules in force, where they come from, and why writes are refused.
#[derive(Debug)]
pub struct Start {
    /// The rules.
    pub rules: RuleSet,
    /// Where they come from.
    pub standing: Standing,
    /// Why the rules that are in force cannot be loaded.
    pub barred: Option<String>,
}

/// What is in force at the start, in place of the folder's rules where something was pushed. Blocks for as
/// long as compiling takes.
///
/// # Errors
/// The ledger's.
pub async fn start(
    ledger: &dyn Ledger,
    config: &Config,
    folder: RuleSet,
) -> Result<Start, StoreError> {
    let mut start = Start {
        rules: folder,
        standing: Standing::default(),
        barred: None,
    };
    let Some(row) = newest(ledger, 1).await?.pop() else {
        return Ok(start);
    };
    let turn = match Turn::of(&row) {
        Ok(Some(turn)) => turn,
        Ok(None) => return Ok(start),
        Err(why) => {
            start.barred = Some(barred(&Unfit(vec![why])));
            return Ok(start);
        }
    };
    let proven = match loaded(ledger, &turn).await {
        // the folder was compiled already
        Ok(None) => {
            start.standing = Standing::of(&turn);
            return Ok(start);
        }
        Ok(files) => compile(config, files),
        Err(PushError::Store(error)) => return Err(error),
        Err(PushError::Unfit(unfit)) => Err(unfit),
        Err(other) => Err(Unfit(vec![other.to_string()])),
    };
    match proven {
        Ok(Proven { rules, .. }) => {
            start.rules = rules;
            start.standing = Standing::of(&turn);
        }
        Err(unfit) => {
            start.standing.number = turn.number;
            start.barred = Some(barred(&unfit));
        }
    }
    Ok(start)
}

/// Whether rules that were pushed are in force, so that the folder's are not needed.
///
/// # Errors
/// The ledger's.
pub async fn is_in_force(ledger: &dyn Ledger) -> Result<bool, StoreError> {
    let row = newest(ledger, 1).await?.pop();
    Ok(row.is_some_and(|row| match Turn::of(&row) {
        Ok(turn) => turn.is_some_and(|turn| turn.push().is_some()),
        Err(_) => true,
    }))
}

/// All that was put in force, newest first.
///
/// # Errors
/// The ledger's.
pub async fn history(ledger: &dyn Ledger) -> Result<Vec<(Row, Turn)>, StoreError> {
    let rows = newest(ledger, 0).await?;
    let turns = rows.into_iter().filter_map(|row| {
        let turn = Turn::of(&row).ok().flatten()?;
        Some((row, turn))
    });
    Ok(turns.collect())
}

/// When something was put in force, for people.
fn moment(at: Timestamp) -> String {
    at.strftime("%F %H:%M UTC").to_string()
}
