//! What holds after every crash, whenever it came: one judge for all points.
//!
//! 1. the CRM saw each write at most once, and none without an opened row;
//! 2. nothing that anybody was told of is lost or otherwise;
//! 3. all that may have reached the CRM without a closing row is in doubt, is shown so, and is settled by
//!    reading back or by a person; nothing is sent again;
//! 4. the ledger's chain is whole, and its states are what the CRM did;
//! 5. whoever asks again hears what is true.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use writegate::ledger::{Row, RowKind};

use super::scene::{Asked, Errand, Life, PATIENCE, World, being_sent};
use super::truth::{entries, has, joined, may_be, open, rows, told_as_it_was, truth, was_done};
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
    // The CRM's own no to the agent's credential is passed on, so that SDKs log in again.
    let theirs = reply.status == 401 && done == 0;
    let openings = ["Not written", "May have been written: "];
    if !theirs && !openings.iter().any(|opening| message.starts_with(opening)) {
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

/// What was done at the CRM can be read there: the next request of its service account has to find it
/// or, with the route's credential, the clockwork.
async fn read_back(life: &Life) {
    let done = async || {
        let mut doubts = in_doubt(life).await.unwrap();
        doubts.retain(|(_, done)| *done);
        doubts
    };
    // it is looked at once, beside what was asked
    let looked = async { while !done().await.is_empty() {} };
    drop(timeout(PATIENCE, looked).await);
    for (entry, _) in done().await {
        life.world
            .fault(format!("{entry} is done, and not read back"));
    }
}

/// A person looks into the CRM and settles the rest.
pub(super) async fn settle(life: &Life) -> Option<()> {
    for (entry, done) in in_doubt(life).await? {
        let reply = life.settle(&entry, done).await?;
        // the clockwork may have read it back in between
        let settled = reply.status == StatusCode::CONFLICT && done;
        if reply.status != StatusCode::OK && !settled {
            life.world
                .fault(format!("{entry} cannot be settled: {}", reply.text()));
        }
    }
    Some(())
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
