//! The rows of the journal: what each kind holds in its `meta` (no field values) and its `values`.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Closing, Reconciling, Refusing, Subject};
use crate::clock::EntryId;
use crate::control::{Switch, SwitchChange, SwitchScope};
use crate::gate::Permit;
use crate::ledger::{Head, NewRow, Row, RowKind};
use crate::mutation::{
    ChangeSet, Charge, Mutation, Outcome, OutcomeState, Per, RecordKey, Snapshot,
};

/// A write about to be sent. Values: the mutations, their prior values, the charges (whose keys can
/// hold an e-mail address), the path (an external id can stand in it).
pub(super) fn opened(
    subject: &Subject<'_>,
    permit: &Permit,
    snapshot: &Snapshot,
    charges: &[Charge],
) -> NewRow {
    let mut row = governed(subject, RowKind::Opened);
    row.epoch = Some(permit.epoch());
    if let Value::Object(meta) = &mut row.meta {
        meta.insert("epoch".into(), permit.epoch().into());
        meta.insert("switch_version".into(), permit.switch_version().into());
    }
    if let Some(Value::Object(values)) = &mut row.values {
        values.insert("snapshot".into(), json!(snapshot));
        values.insert("charges".into(), json!(charges));
        // a digest of values without salt: it goes with them
        values.insert("digest".into(), json!(subject.digest));
    }
    row
}

/// A write that waits for a person.
pub(super) fn held(
    subject: &Subject<'_>,
    more_meta: Map<String, Value>,
    more_values: Map<String, Value>,
) -> NewRow {
    let mut row = governed(subject, RowKind::Held);
    if let Value::Object(meta) = &mut row.meta {
        meta.extend(more_meta);
    }
    if let Some(Value::Object(values)) = &mut row.values {
        values.extend(more_values);
    }
    row
}

/// Names the entries that a write takes back.
pub(super) fn reverts(row: &mut NewRow, entries: &[EntryId]) {
    if let Value::Object(meta) = &mut row.meta {
        meta.insert("reverts".into(), json!(entries));
    }
}

/// A refusal. Its message stands with the values: it can name a path, and a path an external id.
pub(super) fn refused(subject: &Subject<'_>, refusing: &Refusing<'_>) -> NewRow {
    let mut row = governed(subject, RowKind::Refused);
    if let Value::Object(meta) = &mut row.meta {
        meta.insert("refusal".into(), refusing.kind.code().into());
        if let Some(observed) = refusing.observed {
            meta.insert("observed".into(), json!(observed));
        }
    }
    if let Some(Value::Object(values)) = &mut row.values {
        values.insert("message".into(), refusing.message.into());
        if !refusing.charges.is_empty() {
            values.insert("charges".into(), json!(refusing.charges));
        }
    }
    row
}

/// What became of a write; in doubt where nobody knows.
pub(super) fn closed(
    entry: &EntryId,
    service_account: &str,
    route: &str,
    closing: &Closing,
    now: Timestamp,
) -> NewRow {
    let unknown = |outcome: &Outcome| outcome.state == OutcomeState::Unknown;
    let doubt = closing.outcomes.iter().any(unknown);
    NewRow {
        entry: entry.clone(),
        kind: if doubt {
            RowKind::InDoubt
        } else {
            RowKind::Closed
        },
        at: now,
        service_account: Some(service_account.to_owned()),
        route: Some(route.to_owned()),
        meta: json!({
            "status": closing.status,
            "sent": closing.sent,
            "outcomes": closing.outcomes,
            "note": closing.note,
        }),
        values: None,
        nth: None,
        epoch: None,
    }
}

/// Says in a closing row that it was sent twice: the first time the CRM answered 401.
pub(super) fn sent_again(row: &mut NewRow) {
    if let Value::Object(meta) = &mut row.meta {
        meta.insert("sent_again".into(), true.into());
    }
}

/// What became of a write in doubt.
pub(super) fn reconciled(reconciling: &Reconciling<'_>, now: Timestamp) -> NewRow {
    NewRow {
        entry: reconciling.entry.clone(),
        kind: RowKind::Reconciled,
        at: now,
        service_account: Some(reconciling.service_account.to_owned()),
        route: Some(reconciling.route.to_owned()),
        meta: json!({
            "sent": true,
            "outcomes": reconciling.outcomes,
            "by": reconciling.by,
            "reason": reconciling.reason,
            "note": format!("settled by {}: {}", reconciling.by, reconciling.reason),
        }),
        values: None,
        nth: None,
        epoch: None,
    }
}

/// A kill switch thrown or resumed.
pub(super) fn switch(
    entry: &EntryId,
    change: &SwitchChange,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> NewRow {
    let service_account = match change {
        SwitchChange::Throw(switch) => &switch.service_account,
        SwitchChange::Resume {
            service_account, ..
        } => service_account,
    };
    NewRow {
        entry: entry.clone(),
        kind: RowKind::Switch,
        at: now,
        service_account: Some(service_account.clone()),
        route: None,
        meta: json!({
            "change": change,
            "by": by,
            "reason": reason,
            "what": switched(change, by, reason),
        }),
        values: None,
        nth: None,
        epoch: None,
    }
}

/// `stopped (writes) by dana: odd writes`
fn switched(change: &SwitchChange, by: &str, reason: &str) -> String {
    match change {
        SwitchChange::Throw(switch) => {
            let scope = match switch.scope {
                SwitchScope::All => "all",
                SwitchScope::Writes => "writes",
            };
            format!("stopped ({scope}) by {by}: {reason}")
        }
        SwitchChange::Resume { .. } => format!("resumed by {by}: {reason}"),
    }
}

/// Something was set at run time.
pub(super) fn setting(
    entry: &EntryId,
    service_account: Option<&str>,
    meta: Value,
    now: Timestamp,
) -> NewRow {
    NewRow {
        entry: entry.clone(),
        kind: RowKind::Setting,
        at: now,
        service_account: service_account.map(ToOwned::to_owned),
        route: None,
        meta,
        values: None,
        nth: None,
        epoch: None,
    }
}

/// Control state was lost while the process ran; it is built anew.
pub(super) fn raised(entry: &EntryId, why: &str, now: Timestamp) -> NewRow {
    let mut row = started(entry, None, now);
    if let Value::Object(meta) = &mut row.meta {
        meta.insert("rebuilt".into(), why.into());
    }
    row
}

/// A process started, and grants by this.
pub(super) fn started(entry: &EntryId, control: Option<&str>, now: Timestamp) -> NewRow {
    NewRow {
        entry: entry.clone(),
        kind: RowKind::Started,
        at: now,
        service_account: None,
        route: None,
        meta: json!({ "version": env!("CARGO_PKG_VERSION"), "control": control }),
        values: None,
        nth: None,
        epoch: None,
    }
}

/// The heads of the other writers' chains.
pub(super) fn heads(entry: &EntryId, heads: &[Head], now: Timestamp) -> NewRow {
    NewRow {
        entry: entry.clone(),
        kind: RowKind::Heads,
        at: now,
        service_account: None,
        route: None,
        meta: json!({ "heads": heads }),
        values: None,
        nth: None,
        epoch: None,
    }
}

fn governed(subject: &Subject<'_>, kind: RowKind) -> NewRow {
    let mutations = subject
        .changes
        .map(ChangeSet::mutations)
        .unwrap_or_default();
    let opaque = match subject.changes {
        Some(ChangeSet::Opaque(opaque)) => Some(opaque.reason.as_str()),
        Some(ChangeSet::Mutations(_)) | None => None,
    };
    NewRow {
        entry: subject.entry.clone(),
        kind,
        at: subject.now,
        service_account: Some(subject.actor.service_account.clone()),
        route: Some(subject.route.to_owned()),
        meta: json!({
            "actor": subject.actor,
            "origin": subject.origin,
            "mode": subject.mode,
            "method": subject.method,
            "acting": subject.acting,
            "opaque": opaque,
            "mutations": mutations.iter().map(outline).collect::<Vec<_>>(),
            "verdict": subject.verdict,
            "rules": subject.rules,
        }),
        values: Some(json!({
            "path": subject.path,
            "query": subject.query,
            "mutations": mutations,
        })),
        nth: subject.nth,
        epoch: None,
    }
}

/// A mutation without its values: an external key is a value.
fn outline(mutation: &Mutation) -> Value {
    let record = mutation.record.as_ref().map(|record| match record {
        RecordKey::Id { id } => json!({ "id": id }),
        RecordKey::External { key, .. } => json!({ "key": key }),
    });
    json!({
        "object": mutation.object,
        "operation": mutation.operation,
        "record": record,
        "row": mutation.row,
        "fields": mutation.fields.keys().collect::<Vec<_>>(),
    })
}

/// How many mutations an opened row has.
pub(super) fn mutations_of(row: &Row) -> usize {
    row.meta
        .get("mutations")
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
}

/// The switches that stand after all these changes, in the order of the rows.
pub(super) fn thrown(rows: &[Row]) -> Vec<Switch> {
    let mut thrown: Vec<Switch> = Vec::new();
    for change in rows
        .iter()
        .filter_map(|row| part::<SwitchChange>(&row.meta, "change"))
    {
        match change {
            SwitchChange::Throw(switch) => {
                thrown.retain(|known| known.service_account != switch.service_account);
                thrown.push(switch);
            }
            SwitchChange::Resume {
                service_account,
                thrown_at,
            } => thrown
                .retain(|known| known.service_account != service_account || known.at != thrown_at),
        }
    }
    thrown
}

/// Whether a row tells that this switch was thrown.
pub(super) fn tells_of(rows: &[Row], switch: &Switch) -> bool {
    let mut changes = rows.iter().filter_map(|row| part(&row.meta, "change"));
    changes.any(|change| match change {
        SwitchChange::Throw(thrown) => {
            thrown.service_account == switch.service_account && thrown.at == switch.at
        }
        SwitchChange::Resume { .. } => false,
    })
}

/// A limit that a resume emptied: charges in rows before it do not count any more.
#[derive(Debug)]
pub(super) struct Emptied {
    /// A place.
    before: u64,
    limit: String,
    service_account: String,
}

impl Emptied {
    fn covers(&self, row: &Row, charge: &Charge) -> bool {
        let theirs = !charge.limit.per.contains(&Per::ServiceAccount)
            || charge.key.split('/').next() == Some(self.service_account.as_str());
        row.place < self.before && charge.limit.name == self.limit && theirs
    }
}

/// The limits that were emptied, by the switch rows in their order: a resume empties the limit that
/// tripped, also where a person threw the switch again after it.
pub(super) fn emptied(rows: &[Row]) -> Vec<Emptied> {
    let mut tripped: HashMap<String, String> = HashMap::new();
    let mut emptied = Vec::new();
    for row in rows {
        match part::<SwitchChange>(&row.meta, "change") {
            Some(SwitchChange::Throw(switch)) => {
                if let Some(limit) = switch.limit {
                    tripped.insert(switch.service_account, limit);
                }
            }
            Some(SwitchChange::Resume {
                service_account, ..
            }) => {
                if let Some(limit) = tripped.remove(&service_account) {
                    emptied.push(Emptied {
                        before: row.place,
                        limit,
                        service_account,
                    });
                }
            }
            None => {}
        }
    }
    emptied
}

/// The charges that still count: taken, not given back because nothing was sent, and not emptied.
pub(super) fn charges(rows: &[Row], emptied: &[Emptied]) -> Vec<(Timestamp, Charge)> {
    let refunded: HashSet<&EntryId> = rows
        .iter()
        .filter(|row| row.kind == RowKind::Closed)
        .filter(|row| row.meta.get("sent") == Some(&Value::Bool(false)))
        .map(|row| &row.entry)
        .collect();
    rows.iter()
        .filter(|row| row.kind != RowKind::Closed && !refunded.contains(&row.entry))
        .flat_map(|row| {
            let charges = row
                .values
                .as_ref()
                .and_then(|values| part(values, "charges"));
            charges
                .unwrap_or_else(Vec::new)
                .into_iter()
                .filter(|charge| !emptied.iter().any(|emptied| emptied.covers(row, charge)))
                .map(|charge| (row.at, charge))
        })
        .collect()
}

/// A typed part of a row; a row is our own writing, so what does not fit is skipped and said.
pub(super) fn part<T: DeserializeOwned>(whole: &Value, name: &str) -> Option<T> {
    let value = whole.get(name)?.clone();
    match serde_json::from_value(value) {
        Ok(part) => Some(part),
        Err(error) => {
            tracing::error!(%error, part = name, "a ledger row has an unknown form");
            None
        }
    }
}
