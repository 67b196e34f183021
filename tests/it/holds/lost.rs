//! A hold in doubt: read back by its own repeats, and known as settled by all who look at it.

use http::StatusCode;
use serde_json::json;
use writegate::hold::State;
use writegate::sandbox::{Fault, Head};

use super::{Bench, OPERATOR, RULES, SALES_OPS, builder, clock, hold_of, without_credentials};

fn patch(head: &Head<'_>) -> bool {
    head.method == http::Method::PATCH
}

#[tokio::test]
async fn its_own_repeat_reads_it_back_where_nothing_else_can() {
    let clock = clock();
    let bench = Bench::of(without_credentials(builder(RULES).clock(clock.clone()))).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    bench.approve(SALES_OPS, &id).await;
    let sandbox = &bench.house.sandbox;
    sandbox.script(patch, 1, Fault::CloseBeforeEffect);
    let lost = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(lost.code(), "WRITEGATE_UNKNOWN_OUTCOME");
    let entry = bench.show(&id).await["entry"].as_str().unwrap().to_owned();
    assert_eq!(
        lost.message(),
        format!(
            "May have been written: this was approved and sent, and the CRM did not answer. Read the \
             record first; it is not sent again until settled. [entry {entry}] [hold {id}]"
        )
    );
    // Once the CRM had its time it is known that it did not happen: people are asked again.
    clock.advance_ms(11 * 60_000);
    let new = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    assert_eq!(bench.state(&id).await, "settled");
    // What did happen is known at once.
    bench.approve(SALES_OPS, &new).await;
    sandbox.script(patch, 1, Fault::CloseAfterEffect);
    let answer = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    assert_eq!(bench.state(&new).await, "settled");
    assert_eq!(bench.writes().len(), 2);
    bench.finish().await;
}

#[tokio::test]
async fn what_a_person_settled_is_settled_for_its_hold_too() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    bench
        .house
        .sandbox
        .script(patch, 1, Fault::CloseBeforeEffect);
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::InDoubt).await;
    let entry = bench.show(&id).await["entry"].as_str().unwrap().to_owned();
    let wish = json!({ "outcome": "not_applied", "reason": "looked" });
    let target = format!("/api/v1/entries/{entry}/settle");
    let settled = bench.operator(OPERATOR).post(&target, &wish).await;
    assert_eq!(settled.status, StatusCode::OK, "{}", settled.text());
    assert_eq!(bench.state(&id).await, "settled");
    let told = bench
        .house
        .agent()
        .get(&format!("/_writegate/holds/{id}"))
        .await;
    assert_eq!(told.json()["state"], "settled");
    bench.finish().await;
}
