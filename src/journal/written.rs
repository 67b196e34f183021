//! What an entry wrote, as a revert needs it: each mutation with its values from before and what became
//! of it.

use jiff::Timestamp;
use serde_json::Value;

use super::read::{self, EntryState};
use super::rows::part;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, RowFilter, RowKind};
use crate::mutation::{Actor, Mutation, Outcome, OutcomeState, Prior, Snapshot};

/// A revert of a revert of … is followed back to the agent no further than this.
const DEEPEST: usize = 32;

/// One entry that was opened.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its id.
    pub entry: EntryId,
    /// The place of its opened row: of two writes to a record the later one has the larger.
    pub place: u64,
    /// Where it stands.
    pub state: EntryState,
    /// Who wrote.
    pub service_account: String,
    /// Through which route.
    pub route: String,
    /// The canonical path.
    pub path: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When the CRM's answer was recorded; `None` where its outcome was settled later: then nothing tells
    /// when the CRM was done with it.
    pub closed_at: Option<Timestamp>,
    /// The entries that it took back.
    pub reverts: Vec<EntryId>,
    /// Its mutations; `None` where their values were erased.
    pub changes: Option<Vec<WrittenChange>>,
}

/// One mutation.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenChange {
    /// What was written.
    pub mutation: Mutation,
    /// What was there before.
    pub prior: Prior,
    /// What became of it.
    pub outcome: Outcome,
}

/// Which entries, newest first.
#[derive(Clone, Debug)]
pub struct Chosen<'a> {
    /// Of this service account.
    pub service_account: &'a str,
    /// Of this run, by the claims of their time.
    pub run: Option<&'a str>,
    /// Opened at or after this moment.
    pub since: Option<Timestamp>,
    /// Through this route.
    pub route: Option<&'a str>,
}

/// The newest entries that wrote something, or may have, newest first, at most `most`.
///
/// # Errors
/// The store's.
pub async fn newest(
    ledger: &dyn Ledger,
    chosen: &Chosen<'_>,
    most: usize,
) -> Result<Vec<Written>, StoreError> {
    const PAGE: usize = 200;
    let mut found = Vec::new();
    let mut before = None;
    loop {
        let filter = RowFilter {
            kinds: vec![RowKind::Opened],
            service_account: Some(chosen.service_account.to_owned()),
            since: chosen.since,
            after: before,
            newest_first: true,
            limit: PAGE,
            ..RowFilter::default()
        };
        let page = ledger.rows(filter).await?;
        for row in &page {
            before = Some(row.place);
            let actor: Option<Actor> = part(&row.meta, "actor");
            let run = actor.and_then(|actor| actor.claims.run);
            let wanted = chosen
                .route
                .is_none_or(|route| row.route.as_deref() == Some(route))
                && chosen
                    .run
                    .is_none_or(|run_id| run.as_deref() == Some(run_id));
            if !wanted {
                continue;
            }
            let entry = written(ledger, &row.entry).await?;
            found.extend(entry.filter(Written::wrote));
            if found.len() == most {
                return Ok(found);
            }
        }
        if page.len() < PAGE {
            return Ok(found);
        }
    }
}

/// One entry that was opened; `None` for one that was not, or that nobody knows.
///
/// # Errors
/// The store's.
pub async fn written(ledger: &dyn Ledger, id: &EntryId) -> Result<Option<Written>, StoreError> {
    let Some(detail) = read::detail(ledger, id).await? else {
        return Ok(None);
    };
    let opened = detail.rows.iter().find(|row| row.kind == RowKind::Opened);
    let Some(opened) = opened else {
        return Ok(None);
    };
    let ended = detail.rows.iter().rev().find(|row| {
        matches!(
            row.kind,
            RowKind::Closed | RowKind::InDoubt | RowKind::Reconciled
        )
    });
    let outcomes: Vec<Outcome> = ended
        .and_then(|row| part(&row.meta, "outcomes"))
        .unwrap_or_default();
    let values = opened.values.as_ref();
    let text = |name: &str| values.and_then(|values| values.get(name)?.as_str());
    Ok(Some(Written {
        entry: id.clone(),
        place: opened.place,
        state: detail.entry.state,
        service_account: opened.service_account.clone().unwrap_or_default(),
        route: opened.route.clone().unwrap_or_default(),
        path: text("path").unwrap_or_default().to_owned(),
        opened_at: opened.at,
        closed_at: ended
            .filter(|row| row.kind != RowKind::Reconciled)
            .map(|row| row.at),
        reverts: opened
            .meta
            .get("reverts")
            .and_then(|_| part(&opened.meta, "reverts"))
            .unwrap_or_default(),
        changes: values.map(|values| changes(values, &outcomes)),
    }))
}

/// Whose write it was in the end: a revert is of the service account whose writes it took back.
///
/// # Errors
/// The store's.
pub async fn agent(ledger: &dyn Ledger, entry: &Written) -> Result<String, StoreError> {
    let mut name = entry.service_account.clone();
    let mut reverts = entry.reverts.clone();
    for _ in 0..DEEPEST {
        let Some(first) = reverts.first() else { break };
        let Some(before) = written(ledger, first).await? else {
            break;
        };
        name = before.service_account;
        reverts = before.reverts;
    }
    Ok(name)
}

fn changes(values: &Value, outcomes: &[Outcome]) -> Vec<WrittenChange> {
    let mutations: Vec<Mutation> = part(values, "mutations").unwrap_or_default();
    let snapshot: Snapshot = part(values, "snapshot").unwrap_or_default();
    mutations
        .into_iter()
        .enumerate()
        .map(|(place, mutation)| WrittenChange {
            mutation,
            prior: snapshot.prior(place).clone(),
            outcome: outcomes
                .get(place)
                .cloned()
                .unwrap_or_else(|| Outcome::of(OutcomeState::Unknown)),
        })
        .collect()
}

impl Written {
    /// Whether the CRM did all or some of it, or may have.
    #[must_use]
    pub fn wrote(&self) -> bool {
        matches!(
            self.state,
            EntryState::Done | EntryState::Partly | EntryState::InDoubt
        )
    }
}
