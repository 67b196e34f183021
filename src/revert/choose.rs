//! Which entries a revert is about: those that are named, or the newest of a service account. Only what
//! this ledger has on record; nothing is attributed by guessing.

use jiff::Timestamp;

use super::RevertError;
use crate::clock::EntryId;
use crate::journal::written::{self, Chosen, Written};
use crate::ledger::Ledger;

/// As many entries as one revert takes.
const MOST: usize = 10_000;

/// Which entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// These.
    Entries(Vec<EntryId>),
    /// Those of a service account that wrote something, or may have.
    Of {
        /// The service account; `operator:NAME` for an operator's reverts.
        service_account: String,
        /// How far back.
        reach: Reach,
    },
}

/// How far back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The newest so many.
    Last(usize),
    /// Those opened at or after this moment.
    Since(Timestamp),
    /// Those of this run, as the agent named it at the time.
    Run(String),
}

/// The chosen entries, newest first, each once. What an operator's revert wrote counts as the agent's
/// whose writes it took back, so that their credential serves.
///
/// # Errors
/// [`RevertError`] when a named entry is not on record, there are too many, or the ledger fails.
pub(super) async fn choose(
    ledger: &dyn Ledger,
    choice: &Choice,
    route: Option<&str>,
) -> Result<Vec<Written>, RevertError> {
    let mut chosen = match choice {
        Choice::Entries(ids) => named(ledger, ids, route).await?,
        Choice::Of {
            service_account,
            reach,
        } => {
            let (most, since, run) = match reach {
                Reach::Last(most) => (*most, None, None),
                Reach::Since(since) => (MOST + 1, Some(*since), None),
                Reach::Run(run) => (MOST + 1, None, Some(run.as_str())),
            };
            let chosen = Chosen {
                service_account,
                run,
                since,
                route,
            };
            written::newest(ledger, &chosen, most.min(MOST + 1)).await?
        }
    };
    if chosen.len() > MOST {
        return Err(RevertError::TooMany(MOST));
    }
    for entry in &mut chosen {
        entry.service_account = written::agent(ledger, entry).await?;
    }
    Ok(chosen)
}

async fn named(
    ledger: &dyn Ledger,
    ids: &[EntryId],
    route: Option<&str>,
) -> Result<Vec<Written>, RevertError> {
    let mut chosen: Vec<Written> = Vec::new();
    for id in ids {
        if chosen.iter().any(|known| known.entry == *id) {
            continue;
        }
        match written::written(ledger, id).await? {
            Some(entry) if route.is_none_or(|route| entry.route == route) => chosen.push(entry),
            Some(entry) => {
                let other = entry.route;
                return Err(RevertError::Entry(format!(
                    "{id} went through route {other}"
                )));
            }
            None => {
                let why = format!("no write with the id {id} was opened in this ledger");
                return Err(RevertError::Entry(why));
            }
        }
    }
    chosen.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.place));
    Ok(chosen)
}
