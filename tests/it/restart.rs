//! A restart refills no budget: what was used before counts after it, charge by charge.

use std::sync::Arc;

use serde_json::json;
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::journal::read::EntryState;
use writegate::ledger::RowKind;

use super::support::client::{Client, Reply};
use super::support::house::{House, OPERATOR};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

fn rules(limit: &str) -> String {
    format!(
        "
crm: salesforce
default: allow
objects:
  '*': {{ create: {{ agents: allow }} }}
  Account: {{ fields: {{ OwnerId: {{ agents: deny }} }} }}
limits:
  - {{ {limit} }}
"
    )
}

async fn create(client: &Client) -> Reply {
    client.post(ACCOUNTS, &json!({ "Name": "of a test" })).await
}

#[tokio::test]
async fn a_budget_goes_on_where_it_was_and_its_window_moves() {
    let rules = rules("name: hourly, per: service_account, count: mutations, max: 3, window: 1h");
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let house = House::builder()
        .rules(&rules)
        .clock(clock.clone())
        .build()
        .await;
    assert_eq!(create(&house.agent()).await.status, 201);
    clock.advance_ms(30 * 60_000);
    assert_eq!(create(&house.agent()).await.status, 201);
    let folder = house.close().await;
    let again = House::builder().rules(&rules).clock(clock.clone());
    let house = again.folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_BUDGET");
    // the first one leaves the window, nothing else does
    clock.advance_ms(30 * 60_000 + 1);
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_BUDGET");
}

#[tokio::test]
async fn what_was_given_back_stays_given_back() {
    let rules = rules("name: hourly, per: service_account, count: mutations, max: 1, window: 1h");
    let house = House::builder().rules(&rules).build().await;
    let operator = Client::new(house.operators().await, OPERATOR);
    let switch = "/api/v1/switches/enrichment-agent";
    let wait = house.ledger.hold_next(RowKind::Opened);
    let agent = house.agent();
    let writing = tokio::spawn(async move { create(&agent).await });
    wait.arrived().await;
    let kill = json!({ "scope": "writes", "reason": "test" });
    operator.send(http::Method::PUT, switch, Some(&kill)).await;
    wait.open();
    assert_eq!(writing.await.unwrap().code(), "WRITEGATE_STOPPED");
    assert_eq!(operator.delete(switch).await.status, 200);
    drop(operator);
    let folder = house.close().await;
    let house = House::builder().rules(&rules).folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_BUDGET");
}

#[tokio::test]
async fn refusals_go_on_counting() {
    let rules = rules(
        "name: probing, per: service_account, count: refusals, max: 3, window: 1h, then: stop",
    );
    let owned = json!({ "Name": "x", "OwnerId": "005Wg0000000002IAA" });
    let mut folder = None;
    for turn in 0..4 {
        let mut builder = House::builder().rules(&rules);
        if let Some(folder) = &folder {
            builder = builder.folder(folder);
        }
        let house = builder.build().await;
        assert_eq!(create(&house.agent()).await.status, 201, "{turn}");
        assert_eq!(
            house.agent().post(ACCOUNTS, &owned).await.code(),
            "WRITEGATE_DENIED"
        );
        let stopped = create(&house.agent()).await.status == 403;
        assert_eq!(stopped, turn == 3, "{turn}");
        folder = Some(house.close().await);
    }
}

#[tokio::test]
async fn nothing_is_in_doubt_after_an_orderly_end() {
    let house = House::builder().build().await;
    assert_eq!(create(&house.agent()).await.status, 201);
    let folder = house.close().await;
    let house = House::builder().folder(&folder).build().await;
    assert!(house.app.found_open.is_empty());
    assert_eq!(house.count(EntryState::InDoubt).await, 0);
    assert_eq!(house.count(EntryState::Done).await, 1);
}
