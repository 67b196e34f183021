//! Entries as people and programs read them: the rows under one id, put together.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::part;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowFilter, RowKind};
use crate::mutation::{Mutation, Outcome, OutcomeState, Snapshot};

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Refused; nothing was sent.
    Refused,
    /// Being sent now.
    Open,
    /// Opened, then not sent after all.
    NotSent,
    /// The CRM says all of it is done.
    Done,
    /// The CRM says some of it is done.
    Partly,
    /// The CRM says none of it is.
    Failed,
    /// Sent, or maybe sent, with no answer known.
    InDoubt,
    /// A switch was thrown or resumed.
    Switch,
}

/// One entry.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// When it began.
    pub at: Timestamp,
    /// Who.
    pub service_account: Option<String>,
    /// Through which route.
    pub route: Option<String>,
    /// Where it stands.
    pub state: EntryState,
    /// The method on the request line.
    pub method: Option<String>,
    /// The canonical path.
    pub path: Option<String>,
    /// What would change: object, operation, record, fields (names).
    pub summary: Value,
    /// What the rules said.
    pub verdict: Option<String>,
    /// Rows and rules that spoke.
    pub reasons: Value,
    /// What the caller was told, for refusals; a note for the rest.
    pub message: Option<String>,
    /// The rule set that judged.
    pub rules: Option<String>,
}

/// One field of one record, before and after.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Which mutation, by its place in the change set.
    pub mutation: usize,
    /// The object.
    pub object: String,
    /// The operation.
    pub operation: String,
    /// The record, as the request names it; the new id for a create that is done.
    pub record: Option<String>,
    /// The field.
    pub field: String,
    /// The value before; `null` with `known` false when it is not known.
    pub before: Value,
    /// Whether the value before is known.
    pub known: bool,
    /// The value that was written.
    pub after: Value,
    /// What became of it.
    pub outcome: Option<OutcomeState>,
}

/// One entry with everything the ledger has of it.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Field by field.
    pub changes: Vec<Change>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// The newest entries that match, newest first, with the place to go on from.
///
/// # Errors
/// The store's.
pub async fn entries(
    ledger: &dyn Ledger,
    service_account: Option<String>,
    since: Option<Timestamp>,
    before: Option<u64>,
    limit: usize,
) -> Result<(Vec<Entry>, Option<u64>), StoreError> {
    let filter = RowFilter {
        kinds: vec![
            RowKind::Opened,
            RowKind::Refused,
            RowKind::Held,
            RowKind::Switch,
        ],
        service_account,
        since,
        after: before,
        newest_first: true,
        limit,
        ..RowFilter::default()
    };
    let firsts = ledger.rows(filter).await?;
    let next = (limit > 0 && firsts.len() == limit).then(|| firsts.last().map(|row| row.seq));
    let mut entries = Vec::with_capacity(firsts.len());
    for first in firsts {
        let rows = of_entry(ledger, &first.entry).await?;
        entries.extend(entry(&rows));
    }
    Ok((entries, next.flatten()))
}

/// One entry, whole.
///
/// # Errors
/// The store's.
pub async fn detail(ledger: &dyn Ledger, id: &EntryId) -> Result<Option<Detail>, StoreError> {
    let rows = of_entry(ledger, id).await?;
    Ok(entry(&rows).map(|entry| Detail {
        entry,
        changes: changes(&rows),
        rows,
    }))
}

/// How many entries are in doubt: sent, or maybe sent, with no answer known, and not settled.
///
/// # Errors
/// The store's.
pub async fn in_doubt(ledger: &dyn Ledger) -> Result<usize, StoreError> {
    let kinds = vec![RowKind::Closed, RowKind::Reconciled];
    let rows = ledger
        .rows(RowFilter {
            kinds,
            ..RowFilter::default()
        })
        .await?;
    let mut doubted = HashSet::new();
    for row in &rows {
        let outcomes = part::<Vec<Outcome>>(&row.meta, "outcomes").unwrap_or_default();
        let unknown = outcomes
            .iter()
            .any(|outcome| outcome.state == OutcomeState::Unknown);
        if row.kind == RowKind::Closed && unknown {
            doubted.insert(&row.entry);
        } else {
            doubted.remove(&row.entry);
        }
    }
    Ok(doubted.len())
}

async fn of_entry(ledger: &dyn Ledger, id: &EntryId) -> Result<Vec<Row>, StoreError> {
    ledger
        .rows(RowFilter {
            entry: Some(id.clone()),
            ..RowFilter::default()
        })
        .await
}

fn entry(rows: &[Row]) -> Option<Entry> {
    let first = rows.iter().find(|row| row.kind != RowKind::Closed)?;
    let text = |whole: &Value, name: &str| {
        whole
            .get(name)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let verdict = first.meta.get("verdict").cloned().unwrap_or_default();
    let value = |name| first.values.as_ref().and_then(|values| text(values, name));
    let closed = rows.iter().rev().find(|row| row.kind == RowKind::Closed);
    Some(Entry {
        id: first.entry.clone(),
        at: first.at,
        service_account: first.service_account.clone(),
        route: first.route.clone(),
        state: state(first.kind, closed),
        method: text(&first.meta, "method"),
        path: value("path"),
        summary: first.meta.get("mutations").cloned().unwrap_or(Value::Null),
        verdict: text(&verdict, "effect"),
        reasons: verdict.get("reasons").cloned().unwrap_or(Value::Null),
        message: value("message")
            .or_else(|| closed.and_then(|row| text(&row.meta, "note")))
            .or_else(|| text(&first.meta, "reason")),
        rules: text(&first.meta, "rules"),
    })
}

fn state(kind: RowKind, closed: Option<&Row>) -> EntryState {
    match (kind, closed) {
        (RowKind::Refused, _) => EntryState::Refused,
        (RowKind::Switch, _) => EntryState::Switch,
        (_, None) => EntryState::Open,
        (_, Some(row)) if row.meta.get("sent") == Some(&Value::Bool(false)) => EntryState::NotSent,
        (_, Some(row)) => {
            of_outcomes(&part::<Vec<Outcome>>(&row.meta, "outcomes").unwrap_or_default())
        }
    }
}

fn of_outcomes(outcomes: &[Outcome]) -> EntryState {
    let has = |state| outcomes.iter().any(|outcome| outcome.state == state);
    match (
        has(OutcomeState::Unknown),
        has(OutcomeState::Done),
        has(OutcomeState::Failed),
    ) {
        (true, ..) | (false, false, false) => EntryState::InDoubt,
        (false, true, false) => EntryState::Done,
        (false, true, true) => EntryState::Partly,
        (false, false, true) => EntryState::Failed,
    }
}

fn changes(rows: &[Row]) -> Vec<Change> {
    let values = rows.iter().find_map(|row| row.values.as_ref());
    let mutations: Vec<Mutation> = values
        .and_then(|values| part(values, "mutations"))
        .unwrap_or_default();
    let snapshot: Snapshot = values
        .filter(|values| values.get("snapshot").is_some())
        .and_then(|values| part(values, "snapshot"))
        .unwrap_or_default();
    let outcomes: Vec<Outcome> = rows
        .iter()
        .rev()
        .find(|row| row.kind == RowKind::Closed)
        .and_then(|row| part(&row.meta, "outcomes"))
        .unwrap_or_default();
    mutations
        .iter()
        .enumerate()
        .flat_map(|(place, mutation)| of_mutation(mutation, &snapshot, place, outcomes.get(place)))
        .collect()
}

fn of_mutation(
    mutation: &Mutation,
    snapshot: &Snapshot,
    place: usize,
    outcome: Option<&Outcome>,
) -> Vec<Change> {
    use crate::mutation::{Prior, field};
    let record = outcome
        .and_then(|outcome| outcome.new_id.clone())
        .or_else(|| mutation.record.as_ref().map(ToString::to_string));
    let (known, before) = match snapshot.prior(place) {
        Prior::Found { fields, .. } => (true, Some(fields)),
        Prior::Absent => (true, None),
        Prior::Unknown => (false, None),
    };
    let change = |name: &str, after: Value| Change {
        mutation: place,
        object: mutation.object.clone(),
        operation: mutation.operation.word().to_owned(),
        record: record.clone(),
        field: name.to_owned(),
        before: before
            .and_then(|fields| field(fields, name))
            .cloned()
            .unwrap_or_default(),
        known,
        after,
        outcome: outcome.map(|outcome| outcome.state),
    };
    if mutation.fields.is_empty() {
        return vec![change("", Value::Null)];
    }
    mutation
        .fields
        .iter()
        .map(|(name, after)| change(name, after.clone()))
        .collect()
}
