//! P1: no byte of a write reaches the CRM before its entry and snapshot are durable.

use std::path::Path;

use serde_json::{Value, json};
use writegate::clock::{Clock, SystemClock, SystemEntropy};
use writegate::journal::read::EntryState;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::mutation::{CrmKind, Mutation, Prior, Snapshot, field};
use writegate::sandbox::{Fault, Gate, seed};

use super::support::client::Reply;
use super::support::house::House;
use super::support::shapes::{self, Shape};
use super::support::wire::soon;

fn opened() -> RowFilter {
    RowFilter {
        kinds: vec![RowKind::Opened],
        ..RowFilter::default()
    }
}

fn part<T: serde::de::DeserializeOwned>(row: &Row, name: &str) -> T {
    serde_json::from_value(row.values.as_ref().unwrap()[name].clone()).unwrap()
}

async fn house() -> House {
    House::builder()
        .rules(shapes::SALESFORCE_RULES)
        .and_rules(shapes::HUBSPOT_RULES)
        .build()
        .await
}

/// What the sandbox has of every record that a write names, before the write.
fn before(house: &House, crm: CrmKind, object: &str, id: &str) -> Value {
    house
        .sandbox
        .record(crm, object, id)
        .map_or(Value::Null, Value::Object)
}

#[tokio::test]
async fn while_the_entry_waits_the_crm_sees_reads_only() {
    for shape in shapes::all() {
        waits(&shape).await;
    }
}

async fn waits(shape: &Shape) {
    let house = house().await;
    let wait = house.ledger.hold_next(RowKind::Opened);
    let (agent, sent) = (house.agent_of(shape.crm), shape.clone());
    let mut write = tokio::spawn(async move {
        let body = sent.body.is_some().then(|| sent.bytes().into());
        agent.raw(sent.method, &sent.target, body).await
    });
    until(wait.arrived(), &mut write, shape).await;
    let (bytes, connections) = (house.sandbox.bytes_received(), house.sandbox.connections());
    // Another exchange goes all the way through meanwhile, so that time passes at both ends.
    let ledger = house.ledger.rows(opened()).await.unwrap();
    assert!(ledger.is_empty(), "{}: {ledger:?}", shape.name);
    assert!(
        house.sandbox.seen().iter().all(|seen| !seen.write),
        "{}: {:?}",
        shape.name,
        house.sandbox.seen()
    );
    assert_eq!(house.sandbox.bytes_received(), bytes, "{}", shape.name);
    assert_eq!(house.sandbox.connections(), connections, "{}", shape.name);
    // The write arrives once the row is down, and not before: it is there when the write is.
    let gate = Gate::new();
    let (crm, is_write) = (Fault::WaitBeforeEffect(gate.clone()), shape.method.clone());
    house
        .sandbox
        .script(move |head| head.method == is_write, 1, crm);
    wait.open();
    until(gate.arrived(1), &mut write, shape).await;
    durable(&house, shape).await;
    gate.open();
    let reply = write.await.unwrap();
    assert!(
        reply.status.is_success(),
        "{}: {}",
        shape.name,
        reply.text()
    );
    assert_eq!(house.sandbox.writes().len(), 1, "{}", shape.name);
    house.finish().await;
}

/// Waits for something that comes before the answer.
async fn until(
    first: impl Future<Output = ()>,
    write: &mut tokio::task::JoinHandle<Reply>,
    shape: &Shape,
) {
    tokio::select! {
        () = first => {}
        reply = write => panic!("{}: answered already: {}", shape.name, reply.unwrap().text()),
    }
}

/// The row is in the file, as another process would find it after a crash now, with every prior value.
async fn durable(house: &House, shape: &Shape) {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(house.folder.path()).unwrap() {
        let path = file.unwrap().path();
        // The shared memory beside the write-ahead log is not part of what survives.
        if !path.ends_with("ledger.db-shm") {
            let name = path.file_name().unwrap();
            std::fs::copy(&path, folder.path().join(name)).unwrap();
        }
    }
    let rows = reopened(folder.path()).await;
    let [row] = rows.as_slice() else {
        panic!("{}: {rows:?}", shape.name);
    };
    let mutations: Vec<Mutation> = part(row, "mutations");
    let snapshot: Snapshot = part(row, "snapshot");
    assert!(!mutations.is_empty());
    for (place, mutation) in mutations.iter().enumerate() {
        match snapshot.prior(place) {
            Prior::Found { id, fields, .. } => {
                let now = before(house, shape.crm, &mutation.object, id);
                for name in mutation.fields.keys() {
                    let was = field(fields, name).cloned().unwrap_or_default();
                    let is = now.as_object().and_then(|now| field(now, name));
                    let blank = |value: &Value| value.is_null() || value == "";
                    let is = is.cloned().unwrap_or_default();
                    assert!(
                        was == is || (blank(&was) && blank(&is)),
                        "{}: {name} was {was}, the entry says {is}",
                        shape.name
                    );
                }
                // What is taken away whole can only come back from the snapshot.
                if mutation.fields.is_empty() {
                    assert!(fields.len() > 5, "{}: {fields:?}", shape.name);
                }
            }
            Prior::Absent => assert!(
                ["create", "upsert", "associate"].contains(&mutation.operation.word()),
                "{}: {mutation:?}",
                shape.name
            ),
            Prior::Unknown => assert_eq!(mutation.operation.word(), "associate", "{}", shape.name),
        }
    }
}

async fn reopened(folder: &Path) -> Vec<Row> {
    let file = folder.join("ledger.db");
    let entropy = std::sync::Arc::new(SystemEntropy::default());
    let ledger = SqliteLedger::open(&file, SystemClock.now(), entropy).unwrap();
    ledger.rows(opened()).await.unwrap()
}

/// A ledger that goes down between the verdict and the entry.
#[tokio::test]
async fn what_cannot_be_journaled_is_not_sent_and_not_charged() {
    let rules = format!(
        "{}limits:\n  - {{ name: hourly, per: service_account, count: mutations, max: 1, window: 1h }}\n",
        shapes::SALESFORCE_RULES
    );
    let house = House::builder().rules(&rules).build().await;
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let body = json!({ "Industry": "Software" });
    for _ in 0..3 {
        let wait = house.ledger.hold_next(RowKind::Opened);
        let (agent, to, what) = (house.agent(), target.clone(), body.clone());
        let write = tokio::spawn(async move { agent.patch(&to, &what).await });
        soon(wait.arrived()).await;
        house.ledger.break_down();
        wait.open();
        let reply = write.await.unwrap();
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (503, "WRITEGATE_UNAVAILABLE")
        );
        assert_eq!(reply.header("retry-after"), Some("5"));
        house.ledger.repair();
    }
    assert!(house.sandbox.writes().is_empty());
    let used = house.app.control.usage(SystemClock.now()).await.unwrap();
    assert!(
        used.iter().all(|usage| usage.used == 0),
        "given back: {used:?}"
    );
    // The one mutation of this hour is still to be had, and the record is not locked.
    let reply = house.agent().patch(&target, &body).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    let reply = house.agent().patch(&target, &body).await;
    assert_eq!(reply.code(), "WRITEGATE_BUDGET");
    assert_eq!(house.sandbox.writes().len(), 1);
    assert_eq!(house.count(EntryState::Done).await, 1);
    house.finish().await;
}

/// A ledger that is down from the start: nothing is sent, whatever the shape.
#[tokio::test]
async fn while_the_ledger_is_down_no_shape_is_sent() {
    let house = house().await;
    house.ledger.break_down();
    for shape in shapes::all() {
        let body = shape.body.is_some().then(|| shape.bytes().into());
        let agent = house.agent_of(shape.crm);
        let reply = agent.raw(shape.method.clone(), &shape.target, body).await;
        assert_eq!(reply.code(), "WRITEGATE_UNAVAILABLE", "{}", shape.name);
    }
    assert!(house.sandbox.writes().is_empty());
    let read = house.agent().get("/services/data/v60.0/sobjects").await;
    assert_eq!(read.status, 200);
    house.ledger.repair();
    house.finish().await;
}
