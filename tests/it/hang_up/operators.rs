//! An operator who hangs up does not leave the ledger and what acts apart.

use std::time::Duration;

use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::sandbox::{Fault, Head};

use crate::support::client::Client;
use crate::support::house::{House, OPERATOR};

const RULES: &str = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow } } }
limits:
  - { name: hourly, per: service_account, count: mutations, max: 100, window: 1h }
";
const SWITCH: &str = "/api/v1/switches/enrichment-agent";
const LIMIT: &str = "/api/v1/limits/hourly";
const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

/// Patience for what goes on without anybody who waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks, and is gone while its row is being written.
async fn hangs_up(house: &House, kind: RowKind, method: Method, target: &str, body: &Value) {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(AUTHORIZATION, format!("Bearer {OPERATOR}"))
        .body(Body::from(body.to_string()))
        .unwrap();
    let router = writegate::admin::router(house.app.clone());
    let wait = house.ledger.hold_next(kind);
    let asking = tokio::spawn(router.oneshot(request));
    timeout(PATIENCE, wait.arrived()).await.unwrap();
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    wait.open();
}

/// Returns when something has come to be.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let comes = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, comes).await.is_ok(), "{what}");
}

async fn rows(house: &House, kind: RowKind) -> usize {
    let filter = RowFilter {
        kinds: vec![kind],
        ..RowFilter::default()
    };
    house.ledger.rows(filter).await.unwrap().len()
}

#[tokio::test]
async fn a_kill_and_a_resume_are_carried_to_their_end() {
    let house = House::builder().build().await;
    let wish = json!({ "scope": "writes", "reason": "odd" });
    hangs_up(&house, RowKind::Switch, Method::PUT, SWITCH, &wish).await;
    until("the kill is on record", async || {
        rows(&house, RowKind::Switch).await == 1
    })
    .await;
    assert_eq!(house.app.control.switches().thrown.len(), 1);
    hangs_up(
        &house,
        RowKind::Switch,
        Method::DELETE,
        SWITCH,
        &Value::Null,
    )
    .await;
    until("it is resumed", async || {
        house.app.control.switches().thrown.is_empty()
    })
    .await;
    assert_eq!(rows(&house, RowKind::Switch).await, 2);
    house.finish().await;
}

#[tokio::test]
async fn a_limit_is_set_and_unset_wholly() {
    let house = House::builder().rules(RULES).build().await;
    let dana = Client::new(house.operators().await, OPERATOR);
    let live = async || {
        dana.get(LIMIT).await.json()["live"]
            .as_array()
            .unwrap()
            .len()
    };
    let wish = json!({ "max": 5, "for": "1h", "reason": "less" });
    hangs_up(&house, RowKind::Setting, Method::PUT, LIMIT, &wish).await;
    until("it is set", async || live().await == 1).await;
    hangs_up(&house, RowKind::Setting, Method::DELETE, LIMIT, &json!({})).await;
    until("it is unset", async || live().await == 0).await;
    house.finish().await;
}

#[tokio::test]
async fn a_settlement_is_carried_to_its_end_once() {
    let house = House::builder().build().await;
    let post = |head: &Head<'_>| head.method == Method::POST;
    house.sandbox.script(post, 1, Fault::CloseBeforeEffect);
    let lost = house
        .agent()
        .post(ACCOUNTS, &json!({ "Name": "New" }))
        .await;
    assert_eq!(lost.status, 502, "{}", lost.text());
    let entry = lost.header("x-writegate-entry").unwrap();
    let target = format!("/api/v1/entries/{entry}/settle");
    let wish = json!({ "outcome": "applied", "reason": "seen" });
    hangs_up(&house, RowKind::Reconciled, Method::POST, &target, &wish).await;
    let entry = writegate::clock::EntryId::from_text(entry);
    until("it is settled", async || !house.app.doubts.has(&entry)).await;
    let dana = Client::new(house.operators().await, OPERATOR);
    let other = json!({ "outcome": "not_applied", "reason": "not seen" });
    assert_eq!(dana.post(&target, &other).await.status, 409);
    assert_eq!(rows(&house, RowKind::Reconciled).await, 1);
    house.finish().await;
}
