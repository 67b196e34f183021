//! What holds after every crash, whenever it came: one judge for all points.
//!
//! 1. the CRM saw each write at most once, and none without an opened row;
//! 2. nothing that anybody was told of is lost or otherwise;
//! 3. all that may have reached the CRM without a closing row is in doubt, is shown so, and is settled by
//!    reading back or by a person; nothing is sent again;
//! 4. the ledger's chain is whole, and its states are what the CRM did;
//! 5. whoever asks again hears what is true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Method;
use serde_json::{Value, json};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::sandbox::Seen;

use super::scene::{Asked, Errand, Life, Release, World, being_sent};
use crate::support::client::Reply;
use crate::support::program::{Program, verb};

/// What a point came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Entries that were opened and not closed when the program was killed.
    pub(super) open: usize,
    /// Of these, those that the restart tells to be in doubt, or has settled.
    pub(super) doubts: usize,
}

/// All rows of the ledger; none where it was not made yet.
async fn rows(world: &World) -> Vec<Row> {
    match SqliteLedger::read_only(&world.folder.path().join("writegate.db")) {
        Ok(ledger) => ledger.rows(RowFilter::default()).await.unwrap_or_default(),
        Err(_not_there) => Vec::new(),
    }
}

/// The rows of each entry, oldest first.
fn entries(rows: &[Row]) -> BTreeMap<String, Vec<&Row>> {
    let mut entries: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let entry = row.entry.as_str().to_owned();
        entries.entry(entry).or_default().push(row);
    }
    entries
}

fn has(rows: &[&Row], kind: RowKind) -> bool {
    rows.iter().any(|row| row.kind == kind)
}

/// Entries that were sent, or maybe sent, and whose outcome no row tells.
fn open(rows: &[Row]) -> BTreeSet<String> {
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
fn joined(world: &World, rows: &[Row]) {
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
async fn may_be(world: &World, errand: &Errand) -> bool {
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

/// Whether an answer to an agent is true at this moment (P11), and the one that it had before.
pub(super) async fn honest(world: &World, errand: &Errand, reply: &Reply) {
    let (seen, done) = truth(world, errand);
    let wrong = |what: &str| {
        let status = reply.status.as_u16();
        let told = reply.text();
        world.fault(format!(
            "{what}: {}: seen {seen}, done {done}, told {status} {told}",
            errand.name()
        ));
    };
    if done > 1 {
        wrong("sent twice");
    }
    let before = world
        .notes
        .lock()
        .asked
        .get(&errand.name())
        .and_then(|asked| asked.answer.clone());
    if let Some(before) = before
        && (before.status != reply.status || before.body != reply.body)
    {
        wrong("another answer than before");
    }
    if reply.status.is_success() {
        if done != 1 {
            wrong("success for what did not happen");
        }
        return;
    }
    let message = reply.message();
    let doubt = reply.code() == "WRITEGATE_IN_DOUBT" || message.starts_with("May have been");
    if doubt && !may_be(world, errand).await {
        wrong("in doubt without a reason");
    }
    // what is under way is on its way to be written, and said so
    if !doubt && done > 0 && !being_sent(reply) {
        wrong("not written, and it was");
    }
    if !(message.starts_with("Not written") || message.starts_with("May have been written: ")) {
        wrong("an opening of its own");
    }
}

/// What a revert said to be restored, field by field, is so.
pub(super) fn reported(world: &World, report: &Value) {
    for item in report["items"].as_array().unwrap() {
        let record = item["record"].as_str().unwrap_or_default();
        let (object, id) = record.split_once('/').unwrap_or_default();
        if item["action"] != "restored" || item["field"].is_null() || item["by"].is_null() {
            continue;
        }
        let crm = match object.chars().all(|letter| letter.is_lowercase()) {
            true => writegate::mutation::CrmKind::HubSpot,
            false => writegate::mutation::CrmKind::Salesforce,
        };
        let field = item["field"].as_str().unwrap();
        let now = world.crm.record(crm, object, id);
        let now = now.and_then(|record| record.get(field).cloned());
        let same = now.clone().unwrap_or_default() == item["then"];
        if !same {
            world.fault(format!("said to be restored: {item}, and it is {now:?}"));
        }
    }
}

/// Starts again after a crash and judges: what was left behind, what the restart makes of it, what
/// agents hear who ask again, and what a person settles.
pub(super) async fn judge(world: &Arc<World>) -> Found {
    let left = rows(world).await;
    joined(world, &left);
    let life = world.begin();
    let found = doubts_are_found(&life, &left).await;
    kept(&life).await;
    ask_again(&life).await.unwrap();
    read_back(&life).await;
    settle(&life).await.unwrap();
    ask_once_more(&life).await.unwrap();
    if let Some(finish) = world.finish.get() {
        finish(&life).await;
    }
    kept(&life).await;
    let rows = rows(world).await;
    joined(world, &rows);
    told_as_it_was(world, &rows);
    let before = standing(&life).await;
    life.kill().await;
    let life = world.begin();
    kept(&life).await;
    let after = standing(&life).await;
    if before != after {
        world.fault(format!("lost by another crash: {before} became {after}"));
    }
    whole(world, &life.program);
    life.kill().await;
    found
}

/// Every entry without an outcome is in doubt: in the log, in the API, and at its hold.
async fn doubts_are_found(life: &Life, left: &[Row]) -> Found {
    let (world, open) = (&life.world, open(left));
    let known = entries(left);
    let new = open
        .iter()
        .filter(|entry| !has(&known[*entry], RowKind::InDoubt));
    let new = new.count();
    let log = life.program.log();
    let told = log
        .iter()
        .filter(|line| line.contains("in doubt: the process ended"));
    let told = told.count();
    if told != new {
        world.fault(format!("{new} new doubts, {told} in the log"));
    }
    let mut doubts = 0;
    for entry in &open {
        let shown = life.read(&format!("entries/{entry}")).await;
        let shown = shown.unwrap_or_default();
        let rows = shown["rows"].as_array().cloned().unwrap_or_default();
        let settled = rows.iter().any(|row| row["kind"] == "reconciled");
        if settled || shown["state"] == "in_doubt" {
            doubts += 1;
        } else {
            world.fault(format!("{entry} is not in doubt: {}", shown["state"]));
        }
        let held = known[entry].iter().find(|row| row.kind == RowKind::Held);
        let Some(hold) = held.and_then(|row| row.meta["hold"]["id"].as_str()) else {
            continue;
        };
        let hold = life
            .read(&format!("holds/{hold}"))
            .await
            .unwrap_or_default();
        if hold["state"] != "in_doubt" && hold["state"] != "settled" {
            world.fault(format!("{entry} is in doubt, its hold {}", hold["state"]));
        }
    }
    Found {
        open: open.len(),
        doubts,
    }
}

/// What was acknowledged stands: holds, decisions, settlements, reverts.
async fn kept(life: &Life) {
    let (holds, decided, settled, reverted) = {
        let notes = life.world.notes.lock();
        let holds: Vec<(String, String)> = notes
            .asked
            .values()
            .flat_map(|asked| asked.holds.clone())
            .collect();
        (
            holds,
            notes.decided.clone(),
            notes.settled.clone(),
            notes.reverted.clone(),
        )
    };
    let lost = |what: String| life.world.fault(format!("lost: {what}"));
    for (id, entry) in &holds {
        match life.read(&format!("holds/{id}")).await {
            Some(hold) if hold["entry"] == **entry => {}
            other => lost(format!("hold {id} of {entry}: {other:?}")),
        }
    }
    let rows = rows(&life.world).await;
    for one in &decided {
        let hold = life.read(&format!("holds/{}", one.hold)).await;
        let hold = hold.unwrap_or_default();
        let decision = if one.approve { "approve" } else { "reject" };
        let on_record = rows.iter().any(|row| {
            row.kind == RowKind::Decided
                && row.meta["id"] == *one.hold
                && row.meta["by"] == one.by
                && row.meta["decision"] == decision
        });
        let agreed = hold["approved_by"].as_array();
        let agreed = agreed.is_some_and(|all| all.iter().any(|name| name == one.by));
        let state = hold["state"].as_str().unwrap_or_default();
        let stands = match (one.approve, state) {
            (false, state) => state == "rejected",
            // or it drifted since
            (true, "parked") => agreed || !hold["moved"].is_null(),
            // another person's no may be durable, and nobody told
            (true, _) => true,
        };
        if !on_record || !stands {
            lost(format!("{one:?}: {on_record}, {hold}"));
        }
    }
    for (entry, applied) in settled {
        let shown = life
            .read(&format!("entries/{entry}"))
            .await
            .unwrap_or_default();
        let wanted = if applied { "done" } else { "failed" };
        if shown["state"] != wanted {
            lost(format!(
                "{entry} was settled as {wanted}: {}",
                shown["state"]
            ));
        }
    }
    for entry in reverted {
        let shown = life
            .read(&format!("entries/{entry}"))
            .await
            .unwrap_or_default();
        // with a broken disk the CRM's answer is told all the same, and read back after
        let waits = life.world.broken.load(Ordering::SeqCst) && shown["state"] == "in_doubt";
        if shown["state"] != "done" && shown["state"] != "partly" && !waits {
            lost(format!(
                "{entry} was said to have reverted: {}",
                shown["state"]
            ));
        }
    }
}

/// Agents make again what waits for a person, whatever they heard the last time.
pub(super) async fn ask_again(life: &Life) -> Option<()> {
    ask_those(life, |_| true).await
}

/// The same but for what has expired: each of these would wait anew for nobody.
async fn ask_once_more(life: &Life) -> Option<()> {
    let expired = |reply: &Reply| !reply.status.is_success() && reply.code() == "WRITEGATE_EXPIRED";
    ask_those(life, |asked| !asked.last.as_ref().is_some_and(expired)).await
}

async fn ask_those(life: &Life, which: impl Fn(&Asked) -> bool) -> Option<()> {
    let errands: Vec<Errand> = {
        let notes = life.world.notes.lock();
        let asked = notes.asked.values();
        let asked = asked.filter(|asked| !asked.errand.passes && which(asked));
        asked.map(|asked| asked.errand.clone()).collect()
    };
    for errand in errands {
        life.collect(&errand).await?;
    }
    Some(())
}

/// The entries in doubt, as the API lists them, with their errand's truth.
async fn in_doubt(life: &Life) -> Option<Vec<(String, bool)>> {
    let listed = life.read("entries?state=in_doubt&limit=500").await?;
    let listed = listed["items"].as_array().unwrap();
    let rows = rows(&life.world).await;
    let entries = entries(&rows);
    let truth = |entry: &Value| {
        let id = entry["id"].as_str().unwrap();
        let opened = entries[id].iter().find(|row| row.kind == RowKind::Opened);
        (id.to_owned(), was_done(&life.world, &rows, opened.unwrap()))
    };
    Some(listed.iter().map(truth).collect())
}

/// Whether the CRM did more of these requests than entries tell.
fn was_done(world: &World, rows: &[Row], opened: &Row) -> bool {
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

/// What was done at the CRM can be read there: the next request of its service account, or the
/// clockwork with the route's credential, has to find it.
async fn read_back(life: &Life) {
    loop {
        let doubts = in_doubt(life).await.unwrap();
        let done: Vec<&String> = doubts
            .iter()
            .filter(|(_, done)| *done)
            .map(|(entry, _)| entry)
            .collect();
        let stuck = life
            .program
            .log()
            .iter()
            .any(|line| line.contains("a write in doubt waits for a person"));
        if done.is_empty() {
            return;
        }
        if life.world.release == Release::Repeat || stuck {
            life.world
                .fault(format!("done, and not read back: {done:?}"));
            return;
        }
    }
}

/// A person looks into the CRM and settles the rest.
pub(super) async fn settle(life: &Life) -> Option<()> {
    for (entry, done) in in_doubt(life).await? {
        let reply = life.settle(&entry, done).await?;
        if reply.status != http::StatusCode::OK {
            life.world
                .fault(format!("{entry} cannot be settled: {}", reply.text()));
        }
    }
    Some(())
}

/// Each entry that has an outcome tells what the CRM did.
fn told_as_it_was(world: &World, rows: &[Row]) {
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

/// Holds and entries as they stand.
async fn standing(life: &Life) -> Value {
    let holds = life.read("holds?limit=1000").await.unwrap();
    let entries = life.read("entries?limit=500").await.unwrap();
    let part = |all: &Value, names: &[&str]| -> Vec<Value> {
        let all = all["items"].as_array().unwrap().iter();
        all.map(|one| names.iter().map(|name| one[*name].clone()).collect())
            .collect()
    };
    json!([
        part(&holds, &["id", "entry", "state", "digest", "approved_by"]),
        part(&entries, &["id", "state"]),
    ])
}

/// The chain holds, up to the head that was published last.
fn whole(world: &World, program: &Program) {
    let ledger = program.ledger.display().to_string();
    let head = format!("{ledger}.head");
    let mut words = vec!["ledger", "verify", "--ledger", &ledger];
    if world.folder.path().join("writegate.db.head").exists() {
        words.extend(["--head", &head]);
    }
    let verified = verb(&words, &[]);
    if verified.code != Some(0) {
        world.fault(format!("the chain: {verified:?}"));
    }
}
