//! The CRM's log and the ledger side by side: what was sent under which entry, and whether each tells what
//! the other does.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::sandbox::Seen;

use super::scene::{Errand, World};

/// All rows of the ledger; none where it was not made yet.
pub(super) async fn rows(world: &World) -> Vec<Row> {
    match SqliteLedger::read_only(&world.folder.path().join("writegate.db")) {
        Ok(ledger) => ledger.rows(RowFilter::default()).await.unwrap_or_default(),
        Err(_not_there) => Vec::new(),
    }
}

/// The rows of each entry, oldest first.
pub(super) fn entries(rows: &[Row]) -> BTreeMap<String, Vec<&Row>> {
    let mut entries: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let entry = row.entry.as_str().to_owned();
        entries.entry(entry).or_default().push(row);
    }
    entries
}

pub(super) fn has(rows: &[&Row], kind: RowKind) -> bool {
    rows.iter().any(|row| row.kind == kind)
}

/// Entries that were sent, or maybe sent, and whose outcome no row tells.
pub(super) fn open(rows: &[Row]) -> BTreeSet<String> {
    let entries = entries(rows).into_iter();
    let open = entries.filter(|(_, rows)| {
        let ended = has(rows, RowKind::Closed) || has(rows, RowKind::Reconciled);
        has(rows, RowKind::Opened) && !ended
    });
    open.map(|(entry, _)| entry).collect()
}

/// What tells a request to the CRM: method, path, and the ids in a batch.
type Key = (Method, String, BTreeSet<String>);

#[expect(clippy::disallowed_methods, reason = "a body of our own")]
fn body_of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap_or_default()
}

fn key_of_seen(seen: &Seen) -> Key {
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let body = body_of(seen);
    let batch = body.get("records").or_else(|| body.get("inputs"));
    let in_body = batch.and_then(Value::as_array).into_iter().flatten();
    let in_body = in_body.filter_map(|one| Some(one.get("id")?.as_str()?.to_owned()));
    let listed = query.split('&').find_map(|part| part.strip_prefix("ids="));
    let listed = listed.into_iter().flat_map(|ids| ids.split(','));
    let ids = in_body.chain(listed.map(str::to_owned)).collect();
    (seen.method.clone(), path.to_owned(), ids)
}

fn key_of_row(row: &Row) -> Key {
    let values = row.values.as_ref().unwrap();
    let path = values["path"].as_str().unwrap().to_owned();
    let method = row.meta["method"].as_str().unwrap().parse().unwrap();
    let batch = path.ends_with("/composite/sobjects") || path.contains("/batch/");
    let mutations = values["mutations"].as_array().unwrap().iter();
    let ids = mutations.filter(|_| batch);
    let ids = ids.filter_map(|one| Some(one["record"]["id"].as_str()?.to_owned()));
    let ids = ids.collect();
    (method, path, ids)
}

fn counted<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    all.fold(BTreeMap::new(), |mut counts, one| {
        *counts.entry(one).or_default() += 1;
        counts
    })
}

/// A key that can be sorted.
fn text((method, path, ids): &Key) -> String {
    format!("{method} {path} {ids:?}")
}

/// Requests that were read whole are told apart by all of it, others by method and path.
pub(super) fn joined(world: &World, rows: &[Row]) {
    let opened: Vec<Key> = rows
        .iter()
        .filter(|row| row.kind == RowKind::Opened)
        .map(key_of_row)
        .collect();
    let seen = world.crm.writes();
    let whole = |key: &Key| text(key);
    let outline = |key: &Key| text(&(key.0.clone(), key.1.clone(), BTreeSet::new()));
    let complete = seen.iter().filter(|seen| seen.complete);
    for (what, sent, opened) in [
        (
            "read whole",
            counted(complete.map(|seen| whole(&key_of_seen(seen)))),
            counted(opened.iter().map(whole)),
        ),
        (
            "arrived",
            counted(seen.iter().map(|seen| outline(&key_of_seen(seen)))),
            counted(opened.iter().map(outline)),
        ),
    ] {
        for (key, sent) in sent {
            match opened.get(&key).copied().unwrap_or(0) {
                0 => world.fault(format!("no opened row: {key}, {what} {sent} times")),
                opened if sent > opened => {
                    world.fault(format!("sent twice: {key}, {what} {sent}, opened {opened}"));
                }
                _ => {}
            }
        }
    }
}

/// How often the CRM saw an errand, and how often it did it.
pub(super) fn truth(world: &World, errand: &Errand) -> (usize, usize) {
    let writes = world.crm.writes();
    let mine = writes.iter().filter(|seen| {
        let same = seen.method == errand.method && seen.target == errand.target;
        same && (!seen.complete || body_of(seen) == errand.body.clone().unwrap_or_default())
    });
    let mine: Vec<&Seen> = mine.collect();
    let done = mine.iter().filter(|seen| !seen.effects.is_empty());
    (mine.len(), done.count())
}

/// Whether an errand may have been sent, as far as the ledger knows.
pub(super) async fn may_be(world: &World, errand: &Errand) -> bool {
    let rows = rows(world).await;
    entries(&rows).values().any(|rows| {
        let opened = rows.iter().find(|row| row.kind == RowKind::Opened);
        let mine = |row: &&&Row| {
            let (method, path, _) = key_of_row(row);
            method == errand.method && path == errand.target
        };
        opened.filter(mine).is_some() && !has(rows, RowKind::Closed)
    })
}

/// Whether the CRM did more of these requests than entries tell.
pub(super) fn was_done(world: &World, rows: &[Row], opened: &Row) -> bool {
    let key = key_of_row(opened);
    let done = world.crm.writes();
    let done = done.iter().filter(|seen| !seen.effects.is_empty());
    let done = done.filter(|seen| key_of_seen(seen) == key).count();
    let told = entries(rows).into_values().filter(|rows| {
        let opened = rows.iter().find(|row| row.kind == RowKind::Opened);
        opened.is_some_and(|row| key_of_row(row) == key) && told_done(rows)
    });
    done > told.count()
}

/// Whether the rows of an entry say that it was done.
fn told_done(rows: &[&Row]) -> bool {
    let last = rows
        .iter()
        .rev()
        .find(|row| matches!(row.kind, RowKind::Closed | RowKind::Reconciled));
    last.is_some_and(|row| {
        let outcomes = row.meta["outcomes"].as_array().unwrap();
        outcomes.iter().any(|outcome| outcome["state"] == "done")
    })
}

/// Each entry that has an outcome tells what the CRM did.
pub(super) fn told_as_it_was(world: &World, rows: &[Row]) {
    let done = world.crm.writes();
    let done = done.iter().filter(|seen| !seen.effects.is_empty());
    let done = counted(done.map(|seen| text(&key_of_seen(seen))));
    let entries = entries(rows);
    let told = entries.values().filter(|rows| told_done(rows));
    let told = counted(told.filter_map(|rows| {
        let opened = rows.iter().find(|row| row.kind == RowKind::Opened);
        Some(text(&key_of_row(opened?)))
    }));
    if done != told {
        world.fault(format!("done at the CRM: {done:?}, told: {told:?}"));
    }
    for entry in open(rows) {
        world.fault(format!("{entry} is open in the end"));
    }
}
