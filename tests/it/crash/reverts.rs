//! kill -9 at each step of a revert of several records, and of the revert of that.

use std::pin::Pin;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind::{self, HubSpot, Salesforce};
use writegate::sandbox::{Gate, Head, Seen, seed};

use super::scene::{Errand, Life, Release, World};
use super::steps::{Step, after, at_each_step, before, reads};
use super::trace::{Script, at_each_call, at_each_failure};
use Release::Credential;

/// What the agent wrote: the record, the field, and the value.
const WRITTEN: [(CrmKind, &str, &str, &str, &str); 6] = [
    (Salesforce, "Account", seed::ACME, "Industry", "Software"),
    (Salesforce, "Account", seed::GLOBEX, "Phone", "+49 1"),
    (Salesforce, "Lead", seed::LEAD_MARIE, "Rating", "Hot"),
    (
        Salesforce,
        "Opportunity",
        seed::STARK_PLATFORM,
        "NextStep",
        "Call",
    ),
    (HubSpot, "companies", seed::HS_ACME, "city", "Ulm"),
    (HubSpot, "contacts", seed::HS_WILE, "city", "Ulm"),
];

/// The one that somebody else changed since, and to what.
const THEIRS: (&str, &str) = (seed::GLOBEX, "+49 2");

const NEW: &str = "Nakatomi";

fn field(world: &World, (crm, object, id, field): (CrmKind, &str, &str, &str)) -> Value {
    let record = world.crm.record(crm, object, id).unwrap();
    let value = record.get(field).cloned().unwrap_or_default();
    // blank is null, absent or empty
    if value == "" { Value::Null } else { value }
}

/// A program whose agent wrote all of it, was killed, and is gone.
async fn written(world: &Arc<World>) {
    let before: Vec<Value> = WRITTEN
        .iter()
        .map(|(crm, object, id, name, _)| field(world, (*crm, object, id, name)))
        .collect();
    let life = world.begin();
    let body = json!({ "Name": NEW });
    let create = Errand::salesforce(Method::POST, "Account", body);
    let writes = WRITTEN.iter().map(|(crm, object, id, name, value)| {
        let (path, body) = (format!("{object}/{id}"), json!({ *name: value }));
        match crm {
            Salesforce => Errand::salesforce(Method::PATCH, &path, body),
            HubSpot => Errand::hubspot(Method::PATCH, &path, &body),
        }
    });
    for errand in writes.chain([create]) {
        let errand = Errand {
            passes: true,
            ..errand
        };
        let answer = life.ask(&errand).await.unwrap();
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    let (id, value) = THEIRS;
    assert!(
        world
            .crm
            .set_field(Salesforce, "Account", id, "Phone", json!(value))
    );
    life.kill().await;
    world.notes.lock().before = before;
    assert!(world.finish.set(|life| Box::pin(taken_back(life))).is_ok());
}

fn all() -> Value {
    json!({ "as": "enrichment-agent", "last": 50 })
}

/// Whatever a crash left half-done, one more revert ends it: what nobody else changed is as it was.
async fn taken_back(life: &Life) {
    let world = &life.world;
    life.revert(&all()).await.unwrap();
    let before = world.notes.lock().before.clone();
    for ((crm, object, id, name, _), before) in WRITTEN.iter().zip(before) {
        let theirs = (*id == THEIRS.0).then(|| json!(THEIRS.1));
        let wanted = theirs.unwrap_or(before);
        let now = field(world, (*crm, object, id, name));
        if now != wanted {
            world.fault(format!("{object}/{id}.{name} is {now}, not {wanted}"));
        }
    }
    let named = |id: &String| {
        let record = world.crm.record(Salesforce, "Account", id);
        record.is_some_and(|record| record["Name"] == NEW)
    };
    // what a revert's own revert brought back was touched by more than the agent
    let brought_back = |seen: &Seen| seen.target.contains("/services/Soap/");
    let stays = world.crm.seen().iter().any(brought_back);
    if !stays && world.crm.ids(Salesforce, "Account").iter().any(named) {
        world.fault("what the agent made is still there");
    }
}

/// The request of a revert that is about this.
fn about(part: &'static str) -> impl Fn(&Head<'_>) -> bool + Send + Sync + 'static {
    move |head| !reads(head) && head.path.contains(part)
}

/// A revert that is stopped at a gate.
async fn stopped_at(world: &Arc<World>, gate: impl FnOnce(&World) -> Gate) {
    written(world).await;
    let gate = gate(world);
    let life = world.begin();
    life.struck(life.revert(&all()), gate.arrived(1)).await;
    life.ended().await;
}

async fn half_of_the_answer_is_there(world: &Arc<World>) {
    written(world).await;
    let life = world.begin();
    world.line.stop_answer_after(30);
    life.struck(life.revert(&all()), world.line.answer_stopped())
        .await;
    life.ended().await;
}

async fn it_was_reported(world: &Arc<World>) {
    written(world).await;
    let life = world.begin();
    life.revert(&all()).await.unwrap();
    life.kill().await;
}

/// What a revert made, taken back; stopped at a gate.
async fn redone(world: &Arc<World>, gate: impl FnOnce(&World) -> Gate) {
    written(world).await;
    let life = world.begin();
    let report = life.revert(&all()).await.unwrap();
    let gate = gate(world);
    let again = json!({ "entries": report["summary"]["made"] });
    life.struck(life.revert(&again), gate.arrived(1)).await;
    life.ended().await;
}

type Stopped<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn at<'a>(world: &'a Arc<World>, part: &'static str, done: bool) -> Stopped<'a> {
    Box::pin(stopped_at(world, move |world| match done {
        true => after(world, 1, about(part)),
        false => before(world, 1, about(part)),
    }))
}

#[rustfmt::skip]
const STEPS: [Step; 13] = [
    (Credential, "it looks", |world| Box::pin(stopped_at(world, |world| before(world, 1, reads)))),
    (Credential, "a row of Salesforce is at the CRM", |world| at(world, "/Account/001", false)),
    (Credential, "a row of Salesforce is done", |world| at(world, "/Lead/", true)),
    (Credential, "a later row is at the CRM", |world| at(world, "/Opportunity/", false)),
    (Credential, "a later row is done", |world| at(world, "/Opportunity/", true)),
    (Credential, "a delete is at the CRM", |world| Box::pin(stopped_at(world, |world| before(world, 1, |head| head.method == Method::DELETE)))),
    (Credential, "a delete is done", |world| Box::pin(stopped_at(world, |world| after(world, 1, |head| head.method == Method::DELETE)))),
    (Credential, "a HubSpot write is at the CRM", |world| at(world, seed::HS_WILE, false)),
    (Credential, "a HubSpot write is done", |world| at(world, seed::HS_ACME, true)),
    (Credential, "half of an answer is there", |world| Box::pin(half_of_the_answer_is_there(world))),
    (Credential, "it was reported", |world| Box::pin(it_was_reported(world))),
    (Credential, "its own revert is at the CRM", |world| Box::pin(redone(world, |world| before(world, 1, about("/Lead/"))))),
    (Credential, "its own revert is done", |world| Box::pin(redone(world, |world| after(world, 1, about("/Lead/"))))),
];

/// A dry run, the revert, and the revert of it.
struct Reverted;

impl Script for Reverted {
    async fn prepare(&self, world: &Arc<World>) {
        written(world).await;
    }

    async fn run(&self, life: &Life) -> Option<()> {
        let mut dry = all();
        dry["dry_run"] = json!(true);
        life.revert(&dry).await?;
        let report = life.revert(&all()).await?;
        let again = json!({ "entries": report["summary"]["made"] });
        life.revert(&again).await.map(drop)
    }
}

#[tokio::test]
async fn at_each_step_of_a_revert() {
    at_each_step("steps of reverts", &STEPS).await;
}

#[tokio::test]
async fn while_it_is_taken_back() {
    at_each_call("reverts", &Reverted, &[Credential]).await;
}

#[tokio::test]
async fn while_the_disk_breaks() {
    at_each_failure("reverts on a broken disk", &Reverted, &[Credential]).await;
}
