//! P9: a write that takes its time is no clock that is behind the ledger; and what an opaque write came
//! to is told by its status.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use writegate::clock::ManualClock;
use writegate::journal::read::EntryState;
use writegate::sandbox::{Fault, Gate, seed};

use super::support::house::House;

#[tokio::test]
async fn a_slow_prior_read_does_not_look_like_a_clock_that_is_behind() {
    let clock = Arc::new(ManualClock::new(
        Timestamp::from_second(1_800_000_000).unwrap(),
    ));
    let house = House::builder().clock(clock.clone()).build().await;
    let gate = Gate::new();
    let slow = |head: &writegate::sandbox::Head<'_>| head.path.contains(seed::GLOBEX);
    house
        .sandbox
        .script(slow, 1, Fault::WaitBeforeEffect(gate.clone()));
    let agent = house.agent();
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::GLOBEX);
    let waiting = tokio::spawn(async move { agent.patch(&target, &json!({ "Phone": "1" })).await });
    gate.arrived(1).await;
    clock.advance_ms(8_000);
    let other = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = house
        .other_agent()
        .patch(&other, &json!({ "Phone": "2" }))
        .await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    gate.open();
    let reply = waiting.await.unwrap();
    assert_eq!(reply.status, 204, "{}", reply.text());
    house.finish().await;
}

#[tokio::test]
async fn an_opaque_write_ends_as_its_status_says() {
    let rules = "crm: salesforce\ndefault: deny\nendpoints:\n  \
                 POST /services/data/*/sobjects/*: { agents: allow }\n";
    let house = House::builder().rules(rules).build().await;
    let body = json!({ "Name": "x" });
    let reply = house
        .agent()
        .post("/services/data/v60.0/sobjects/Unknown_Thing__c", &body)
        .await;
    assert!(
        reply.header("x-writegate-entry").is_some(),
        "{}",
        reply.text()
    );
    let state = house.entries().await[0].state;
    let expected = if reply.status.is_success() {
        EntryState::Done
    } else {
        EntryState::Failed
    };
    assert_eq!(state, expected, "{}", reply.text());
    house.finish().await;
}
