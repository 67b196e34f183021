//! Entries as people and programs read them: the rows under one id, put together.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::rows::part;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowFilter, RowKind};
use crate::mutation::{
    Mutation, Observed, Operation, Outcome, OutcomeState, Prior, RecordKey, Snapshot, field,
};

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// Refused; nothing was sent.
    Refused,
    /// Being sent now.
    Open,
    /// Waits for a person.
    Held,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Opened, then not sent after all.
    NotSent,
    /// The CRM says all of it is done.
    Done,
    /// The CRM says some of it is done.
    Partly,
    /// The CRM says none of it is.
    Failed,
    /// The CRM has taken it and works on it; its results are pending.
    Accepted,
    /// Sent, or maybe sent, with no answer known.
    InDoubt,
    /// A switch was thrown or resumed.
    Switch,
    /// A limit was set or unset at run time, or other rules were put in force.
    Setting,
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
    /// Under which mode of its route it was judged: `enforce`, `observe`.
    pub mode: Option<String>,
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
    /// What would have spoken, had it been enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
    /// What the caller was told, for refusals; a note for the rest.
    pub message: Option<String>,
    /// The rule set that judged.
    pub rules: Option<String>,
}

/// One mutation with its values.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The object.
    pub object: String,
    /// The operation.
    pub operation: String,
    /// The record, as the request names it; the new id for a create that is done.
    pub record: Option<RecordKey>,
    /// Where it stands in a batch.
    pub row: Option<String>,
    /// What became of it.
    pub outcome: Option<OutcomeState>,
    /// Field → its values. For a delete or merge, the fields that were there before.
    pub fields: BTreeMap<String, Values>,
}

/// A field's values.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Values {
    /// Before; absent when it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What was written; absent when nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// One entry with everything the ledger has of it.
#[derive(Clone, Debug, Serialize)]
pub struct Detail {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// Mutation by mutation.
    pub changes: Vec<Change>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Of this service account.
    pub service_account: Option<String>,
    /// Begun at or after this moment.
    pub since: Option<Timestamp>,
    /// In this state.
    pub state: Option<EntryState>,
    /// Only those before this place.
    pub before: Option<u64>,
}

/// The newest entries that match, newest first, at most `limit`, with the place to go on from.
///
/// # Errors
/// The store's.
pub async fn entries(
    ledger: &dyn Ledger,
    which: &Which,
    limit: usize,
) -> Result<(Vec<Entry>, Option<u64>), StoreError> {
    let mut entries = Vec::new();
    let mut before = which.before;
    loop {
        let filter = RowFilter {
            kinds: vec![
                RowKind::Opened,
                RowKind::Refused,
                RowKind::Held,
                RowKind::Switch,
                RowKind::Setting,
                RowKind::Rules,
            ],
            service_account: which.service_account.clone(),
            since: which.since,
            after: before,
            newest_first: true,
            limit,
            ..RowFilter::default()
        };
        let firsts = ledger.rows(filter).await?;
        for first in &firsts {
            before = Some(first.place);
            let rows = of_entry(ledger, &first.entry).await?;
            // A hold that was released has two rows that begin something; the first one counts.
            if rows.first().is_some_and(|row| row.place != first.place) {
                continue;
            }
            entries.extend(
                entry(&rows).filter(|entry| which.state.is_none_or(|state| state == entry.state)),
            );
            if entries.len() == limit {
                return Ok((entries, before));
            }
        }
        if firsts.len() < limit {
            return Ok((entries, None));
        }
    }
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

/// The entries in doubt: sent, or maybe sent, with no answer known, and not settled.
///
/// # Errors
/// The store's.
pub async fn doubted(ledger: &dyn Ledger) -> Result<HashSet<EntryId>, StoreError> {
    let mut doubted = HashSet::new();
    for open in ledger.unclosed().await? {
        let rows = of_entry(ledger, &open.entry).await?;
        if rows.iter().any(|row| row.kind == RowKind::InDoubt) {
            doubted.insert(open.entry);
        }
    }
    Ok(doubted)
}

/// How many writes other replicas are sending now, of a service account or of all: opened, and neither
/// closed nor in doubt.
///
/// # Errors
/// The store's.
pub async fn under_way_elsewhere(
    ledger: &dyn Ledger,
    service_account: Option<&str>,
) -> Result<usize, StoreError> {
    let mut count = 0;
    for open in ledger.unclosed().await? {
        let elsewhere = ledger.writer() != Some(open.writer.as_str());
        let theirs =
            service_account.is_none() || open.service_account.as_deref() == service_account;
        if elsewhere && theirs {
            let rows = of_entry(ledger, &open.entry).await?;
            count += usize::from(!rows.iter().any(|row| row.kind == RowKind::InDoubt));
        }
    }
    Ok(count)
}

pub(super) async fn of_entry(ledger: &dyn Ledger, id: &EntryId) -> Result<Vec<Row>, StoreError> {
    ledger
        .rows(RowFilter {
            entry: Some(id.clone()),
            ..RowFilter::default()
        })
        .await
}

fn entry(rows: &[Row]) -> Option<Entry> {
    let first = rows.iter().find(|row| !ends(row))?;
    let text = |whole: &Value, name: &str| {
        whole
            .get(name)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let verdict = first.meta.get("verdict").cloned().unwrap_or_default();
    let closed = last(rows);
    Some(Entry {
        id: first.entry.clone(),
        at: first.at,
        service_account: first.service_account.clone(),
        route: first.route.clone(),
        state: state(rows, first.kind, closed),
        mode: text(&first.meta, "mode"),
        method: text(&first.meta, "method"),
        path: first
            .values
            .as_ref()
            .and_then(|values| text(values, "path")),
        summary: list(&first.meta, "mutations"),
        verdict: text(&verdict, "effect"),
        reasons: list(&verdict, "reasons"),
        observed: [&first.meta, &verdict]
            .into_iter()
            .find(|told| told.get("observed").is_some())
            .and_then(|told| part(told, "observed")),
        message: rows
            .iter()
            .filter_map(|row| row.values.as_ref())
            .find_map(|values| text(values, "message"))
            .or_else(|| closed.and_then(|row| text(&row.meta, "note")))
            .or_else(|| text(&first.meta, "what"))
            .or_else(|| text(&first.meta, "reason")),
        rules: text(&first.meta, "rules"),
    })
}

/// The row that tells the outcome. A settlement counts, also where the row of the doubt that it
/// settles was written late.
fn last(rows: &[Row]) -> Option<&Row> {
    let settled = |row: &&Row| row.kind == RowKind::Reconciled;
    let mut newest_first = rows.iter().rev();
    newest_first
        .clone()
        .find(settled)
        .or_else(|| newest_first.find(|row| ends(row)))
}

/// Whether a row tells an outcome.
fn ends(row: &Row) -> bool {
    matches!(
        row.kind,
        RowKind::Closed | RowKind::InDoubt | RowKind::Reconciled
    )
}

/// A list in a row; empty where there is none.
fn list(whole: &Value, name: &str) -> Value {
    whole
        .get(name)
        .filter(|value| value.is_array())
        .cloned()
        .unwrap_or_else(|| Value::Array(Vec::new()))
}

fn state(rows: &[Row], kind: RowKind, closed: Option<&Row>) -> EntryState {
    match (kind, closed) {
        (RowKind::Refused, _) => EntryState::Refused,
        (RowKind::Switch, _) => EntryState::Switch,
        (RowKind::Setting | RowKind::Rules, _) => EntryState::Setting,
        (RowKind::Held, None) => of_hold(rows),
        (_, None) => EntryState::Open,
        (_, Some(row)) if row.meta.get("sent") == Some(&Value::Bool(false)) => EntryState::NotSent,
        (_, Some(row)) => {
            of_outcomes(&part::<Vec<Outcome>>(&row.meta, "outcomes").unwrap_or_default())
        }
    }
}

/// Where a hold stands that has no outcome.
fn of_hold(rows: &[Row]) -> EntryState {
    let has = |kind| rows.iter().any(|row| row.kind == kind);
    let rejected = |row: &Row| row.meta.get("decision") == Some(&Value::from("reject"));
    if has(RowKind::Opened) {
        EntryState::Open
    } else if has(RowKind::Refused) {
        EntryState::Refused
    } else if has(RowKind::Expired) {
        EntryState::Expired
    } else if rows.iter().any(rejected) {
        EntryState::Rejected
    } else {
        EntryState::Held
    }
}

fn of_outcomes(outcomes: &[Outcome]) -> EntryState {
    let has = |state| outcomes.iter().any(|outcome| outcome.state == state);
    if has(OutcomeState::Accepted) {
        return EntryState::Accepted;
    }
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
    // Of a hold, what was there when it was sent.
    let opened = rows.iter().find(|row| row.kind == RowKind::Opened);
    let values = opened
        .and_then(|row| row.values.as_ref())
        .or_else(|| rows.iter().find_map(|row| row.values.as_ref()));
    let mutations: Vec<Mutation> = values
        .and_then(|values| part(values, "mutations"))
        .unwrap_or_default();
    let snapshot: Snapshot = values
        .filter(|values| values.get("snapshot").is_some())
        .and_then(|values| part(values, "snapshot"))
        .unwrap_or_default();
    let outcomes: Vec<Outcome> = last(rows)
        .and_then(|row| part(&row.meta, "outcomes"))
        .unwrap_or_default();
    mutations
        .iter()
        .enumerate()
        .map(|(place, mutation)| change(mutation, snapshot.prior(place), outcomes.get(place)))
        .collect()
}

fn change(mutation: &Mutation, prior: &Prior, outcome: Option<&Outcome>) -> Change {
    let new_id = outcome
        .and_then(|outcome| outcome.new_id.clone())
        .map(RecordKey::id);
    Change {
        object: mutation.object.clone(),
        operation: mutation.operation.word().to_owned(),
        record: new_id.or_else(|| mutation.record.clone()),
        row: mutation.row.clone(),
        outcome: outcome.map(|outcome| outcome.state),
        fields: fields(mutation, prior),
    }
}

fn fields(mutation: &Mutation, prior: &Prior) -> BTreeMap<String, Values> {
    let before = |name: &str| match prior {
        Prior::Found { fields, .. } => Some(field(fields, name).cloned().unwrap_or_default()),
        Prior::Absent => Some(Value::Null),
        Prior::Unknown => None,
    };
    let written = mutation.fields.iter().map(|(name, after)| {
        (
            name.clone(),
            Values {
                before: before(name),
                after: Some(after.clone()),
            },
        )
    });
    let gone = match (prior, mutation.operation) {
        (Prior::Found { fields, .. }, Operation::Delete | Operation::Purge | Operation::Merge) => {
            fields.clone()
        }
        _ => serde_json::Map::new(),
    };
    let gone = gone.into_iter().map(|(name, value)| {
        (
            name,
            Values {
                before: Some(value),
                after: None,
            },
        )
    });
    gone.chain(written).collect()
}
