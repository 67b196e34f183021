//! No snapshot, no write: on no path is anything written whose prior values could not be read, be it by
//! an agent, by the release of what people approved, or by a revert. Creates have none, and go.

use http::StatusCode;
use serde_json::json;
use writegate::hold::State;
use writegate::sandbox::{Fault, Head, Seen};

use super::holds::{Bench, builder, hold_of, without_credentials};
use super::support::client::{Client, Reply};
use super::support::house::{House, OPERATOR};
use super::support::shapes::{self, HUBSPOT_RULES, SALESFORCE_RULES, Shape};

/// How every read goes wrong.
fn faults() -> Vec<(&'static str, Fault)> {
    let answer = |status, body: &'static str| Fault::Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into(),
    };
    vec![
        ("an error", answer(500, "[]")),
        ("no answer", Fault::CloseBeforeBody),
        ("no record", answer(200, "{}")),
        ("half a record", answer(200, "{\"records\":[{\"Id\"")),
        (
            "not allowed",
            answer(403, "[{\"errorCode\":\"X\",\"message\":\"x\"}]"),
        ),
    ]
}

async fn send(house: &House, shape: &Shape) -> Reply {
    let body = shape.body.is_some().then(|| shape.bytes().into());
    let agent = house.agent_of(shape.crm);
    agent.raw(shape.method.clone(), &shape.target, body).await
}

/// Everything but the write itself goes wrong from now on.
fn fail(house: &House, shape: &Shape, fault: Fault) {
    let shape = shape.clone();
    let reads = move |head: &Head<'_>| {
        let target = match head.query {
            "" => head.path.to_owned(),
            query => format!("{}?{query}", head.path),
        };
        *head.method != shape.method || target != shape.canonical
    };
    house.sandbox.script(reads, usize::MAX, fault);
}

/// How often the write came to the CRM.
fn writes(house: &House, shape: &Shape) -> usize {
    let seen = house.sandbox.seen();
    let same = |seen: &&Seen| seen.method == shape.method && seen.target == shape.canonical;
    seen.iter().filter(same).count()
}

/// All shapes but the one that is read by the same path as it is written, so that a fault cannot tell
/// them apart; batches and graphs of sub-requests stand for it.
fn all() -> impl Iterator<Item = Shape> {
    let shapes = shapes::all().into_iter();
    shapes.filter(|shape| !shape.canonical.ends_with("/composite"))
}

/// Whether the proxy reads anything before it sends this.
async fn has_prior_values(shape: &Shape) -> bool {
    let house = open().await;
    send(&house, shape).await;
    let reads = house
        .sandbox
        .seen()
        .iter()
        .filter(|seen| !seen.write)
        .count();
    house.finish().await;
    reads > 0
}

async fn open() -> House {
    let builder = House::builder().rules(SALESFORCE_RULES);
    builder.and_rules(HUBSPOT_RULES).build().await
}

#[tokio::test]
async fn an_agents_write_is_not_sent() {
    let (mut refused, mut creates) = (0, 0);
    for shape in all() {
        let has = has_prior_values(&shape).await;
        for (name, fault) in faults() {
            let house = open().await;
            fail(&house, &shape, fault);
            let reply = send(&house, &shape).await;
            let what = format!("{} {}, {name}: {}", shape.crm, shape.name, reply.text());
            assert_eq!(writes(&house, &shape), usize::from(!has), "{what}");
            assert_eq!(reply.status.is_success(), !has, "{what}");
            if has {
                refused += 1;
            } else {
                creates += 1;
            }
        }
    }
    println!("without prior values: {refused} writes refused, {creates} creates sent");
    assert!(refused >= 100);
}

/// Everything is decided by people.
const HELD: &str = "
crm: salesforce
default: hold
objects: { '*': { create: { agents: hold }, delete: { agents: hold } } }
";
const HELD_HUBSPOT: &str = "
crm: hubspot
default: hold
objects:
  '*':
    create: { agents: hold }
    delete: { agents: hold }
    purge: { agents: hold }
    merge: { agents: hold }
    associate: { agents: hold }
";

#[tokio::test]
async fn what_people_approved_is_neither_parked_nor_sent() {
    let mut tried = 0;
    for shape in all() {
        if !has_prior_values(&shape).await {
            continue;
        }
        let (name, fault) = faults().swap_remove(tried % faults().len());
        let what = format!("{} {}, {name}", shape.crm, shape.name);
        let rules = || without_credentials(builder(HELD).and_rules(HELD_HUBSPOT));
        // nothing to show to people: it is not parked
        let bench = Bench::of(rules()).await;
        fail(&bench.house, &shape, fault.clone());
        let refused = send(&bench.house, &shape).await;
        assert_ne!(
            refused.status,
            StatusCode::LOCKED,
            "{what}: {}",
            refused.text()
        );
        assert!(bench.house.app.holds.all().is_empty(), "{what}");
        assert_eq!(writes(&bench.house, &shape), 0, "{what}");
        // approved, and what stands there now cannot be read: it is not sent
        let bench = Bench::of(rules()).await;
        let id = hold_of(&send(&bench.house, &shape).await);
        bench.approve(OPERATOR, &id).await;
        fail(&bench.house, &shape, fault);
        let reply = send(&bench.house, &shape).await;
        assert!(!reply.status.is_success(), "{what}: {}", reply.text());
        assert_eq!(writes(&bench.house, &shape), 0, "{what}");
        let hold = bench.slot(&id).look().unwrap();
        let state = hold.state(&bench.house.app.config);
        // A record that is said to be gone has moved; else it waits for its time.
        assert!(
            matches!(state, State::Approved | State::Parked),
            "{what}: {state:?}"
        );
        tried += 1;
    }
    println!("without prior values: {tried} kinds neither parked nor released");
    assert!(tried >= 20);
}

#[tokio::test]
async fn a_revert_writes_nothing() {
    let mut tried = 0;
    for shape in all() {
        // A request without a body may be anything to the sandbox's log; all others it tells apart.
        let mut faults = faults();
        faults.retain(|(name, _)| *name != "no answer");
        let (name, fault) = faults.swap_remove(tried % faults.len());
        let house = open().await;
        let done = send(&house, &shape).await;
        assert!(done.status.is_success(), "{}: {}", shape.name, done.text());
        let entry = done.header("x-writegate-entry").unwrap();
        house.sandbox.script(|_| true, usize::MAX, fault);
        let dana = Client::new(house.operators().await, OPERATOR);
        let target = format!("/api/v1/entries/{entry}/revert");
        let report = dana.post(&target, &json!({})).await;
        let what = format!("{} {}, {name}: {}", shape.crm, shape.name, report.text());
        assert_eq!(report.status, StatusCode::OK, "{what}");
        assert_eq!(report.json()["summary"]["restored"], 0, "{what}");
        assert_eq!(house.sandbox.writes().len(), 1, "{what}");
        house.finish().await;
        tried += 1;
    }
    println!("without prior values: {tried} kinds not reverted");
}
