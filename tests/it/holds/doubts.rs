//! Holds and doubt: an approved write is not sent over one that is in doubt, and one that is left in
//! doubt itself blocks its record.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use writegate::clock::{Clock, EntryId, ManualClock};
use writegate::hold::State;
use writegate::proxy::releases;
use writegate::sandbox::Fault;

use super::{Bench, PATIENCE, RULES, SALES_OPS, builder, clock, held, hold_of, opportunity};
use crate::support::client::Reply;

/// The next write to the CRM is cut off before its effect.
fn cut_off(bench: &Bench) {
    let patch = |head: &writegate::sandbox::Head<'_>| head.method == Method::PATCH;
    bench
        .house
        .sandbox
        .script(patch, 1, Fault::CloseBeforeEffect);
}

/// A field that waits for nobody.
async fn next_step(bench: &Bench, record: &str, text: &str) -> Reply {
    let body = json!({ "NextStep": text });
    bench.house.agent().patch(&opportunity(record), &body).await
}

/// Leaves a write of the agent to a record in doubt; its entry.
async fn doubt(bench: &Bench, record: &str) -> String {
    cut_off(bench);
    let reply = next_step(bench, record, "call").await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_OUTCOME");
    reply.header("x-writegate-entry").unwrap().to_owned()
}

/// The CRM has had its time, and the clockwork looks.
async fn settle(bench: &Bench, clock: &ManualClock) -> Vec<EntryId> {
    clock.advance_ms(601_000);
    writegate::doubt::settle_due(&bench.house.worker(), clock.now()).await
}

/// What an approved hold is told to wait for.
fn behind(entry: &str) -> String {
    format!(
        "an earlier write to this record is in doubt (entry {entry}); this goes when that is settled"
    )
}

#[tokio::test]
async fn an_approved_write_waits_until_its_record_is_not_in_doubt_any_more() {
    let clock = clock();
    let (bench, deal, id) = held(builder(RULES).clock(clock.clone()), "Prospecting").await;
    let entry = doubt(&bench, &deal).await;
    bench.approve(SALES_OPS, &id).await;
    let unsaid = |hold: &writegate::hold::Hold| hold.note.is_none();
    let holds = &bench.house.app.holds;
    holds.wait(&bench.slot(&id), PATIENCE, unsaid).await;
    let shown = bench.show(&id).await;
    assert_eq!(shown["state"], "approved");
    assert_eq!(shown["note"], behind(&entry));
    // The clockwork does not even look at the record before the entry is settled.
    let before = bench.house.sandbox.requests();
    clock.advance_ms(599_000);
    releases::tick(&bench.house.app).await;
    bench.house.idle().await;
    assert_eq!(bench.house.sandbox.requests(), before);
    assert_eq!(settle(&bench, &clock).await, [EntryId::from_text(&entry)]);
    releases::tick(&bench.house.app).await;
    bench.until(&id, State::Released).await;
    assert_eq!(bench.show(&id).await["note"], Value::Null);
    assert_eq!(bench.writes().len(), 2);
    assert_eq!(bench.opportunity(&deal, "StageName"), "Prospecting");
    bench.finish().await;
}

#[tokio::test]
async fn the_repeat_that_carries_a_release_reads_back_what_stands_in_its_way() {
    let clock = clock();
    let rules = builder(RULES).clock(clock.clone());
    let (bench, deal, id) = held(super::without_credentials(rules), "Prospecting").await;
    let entry = doubt(&bench, &deal).await;
    bench.approve(SALES_OPS, &id).await;
    let reply = bench.stage(&deal, "Prospecting").await;
    assert_eq!(reply.code(), "WRITEGATE_HELD");
    assert_eq!(
        reply.message(),
        format!(
            "Not written yet: approved, but {}. Repeat exactly this request later to get the CRM's \
             answer; do not vary it. [hold {id}]",
            behind(&entry)
        )
    );
    assert_eq!(bench.writes().len(), 1);
    clock.advance_ms(601_000);
    let reply = bench.stage(&deal, "Prospecting").await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text());
    assert_eq!(bench.writes().len(), 2);
    bench.finish().await;
}

#[tokio::test]
async fn a_release_in_doubt_blocks_its_record_until_it_is_settled() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deal = bench.deals().remove(2);
    let held = bench.stage(&deal, "Prospecting").await;
    let id = hold_of(&held);
    let entry = held.header("x-writegate-entry").unwrap();
    cut_off(&bench);
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::InDoubt).await;
    let reply = next_step(&bench, &deal, "call").await;
    assert_eq!(reply.code(), "WRITEGATE_IN_DOUBT", "{}", reply.text());
    let message = reply.message();
    assert!(message.ends_with(&format!("[entry {entry}]")), "{message}");
    assert_eq!(bench.writes().len(), 1);
    assert_eq!(settle(&bench, &clock).await, [EntryId::from_text(entry)]);
    assert_eq!(next_step(&bench, &deal, "call").await.status, 204);
    // People are told too, before any repeat asks.
    releases::tick(&bench.house.app).await;
    assert_eq!(bench.state(&id).await, "settled");
    bench.finish().await;
}
