//! A CRM that does not take a release: what was approved stays so where nothing was opened, and the
//! agent hears what the CRM says to its own credential.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};
use serde_json::json;
use writegate::hold::Hold;
use writegate::sandbox::{Fault, Head};

use super::{Bench, OPERATOR, PATIENCE, RULES, SALES_OPS, builder, hold_of, without_credentials};

const LEADS: &str = "/services/data/v61.0/sobjects/Lead";
const OVER: &str = "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"Session expired\"}]";

fn answer(status: u16, body: &'static str) -> Fault {
    Fault::Answer {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.into(),
    }
}

fn reads(head: &Head<'_>) -> bool {
    head.method == Method::GET
}

fn writes(head: &Head<'_>) -> bool {
    head.method == Method::POST || head.method == Method::PATCH
}

#[tokio::test]
async fn a_session_that_is_over_is_the_agents_to_renew_and_the_yes_stands() {
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    let agent = bench.house.agent();
    let stage = (
        super::opportunity(&deals[2]),
        json!({ "StageName": "Prospecting" }),
    );
    let lead = (
        LEADS.to_owned(),
        json!({ "LastName": "Hopper", "Company": "Navy" }),
    );
    for (method, (target, body), done) in [
        (Method::PATCH, stage, StatusCode::NO_CONTENT),
        (Method::POST, lead, StatusCode::CREATED),
    ] {
        let sent = bench.writes().len();
        let id = hold_of(&agent.send(method.clone(), &target, Some(&body)).await);
        bench.approve(SALES_OPS, &id).await;
        bench.house.sandbox.script(reads, 1, answer(401, OVER));
        let told = agent.send(method.clone(), &target, Some(&body)).await;
        assert_eq!(
            (told.status, told.text().as_str()),
            (StatusCode::UNAUTHORIZED, OVER)
        );
        let shown = bench.show(&id).await;
        assert_eq!(shown["state"], "approved", "{shown}");
        assert_eq!(
            shown["note"],
            "the CRM refused the credential of the release"
        );
        assert_eq!(bench.writes().len(), sent);
        // Logged in again.
        let told = agent.send(method, &target, Some(&body)).await;
        assert_eq!(told.status, done, "{}", told.text());
        assert_eq!(bench.writes().len(), sent + 1);
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_session_that_ends_between_look_and_write_is_the_agents_to_renew() {
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let agent = bench.house.agent();
    let body = json!({ "LastName": "Hopper", "Company": "Navy" });
    let id = hold_of(&agent.post(LEADS, &body).await);
    bench.approve(OPERATOR, &id).await;
    bench.house.sandbox.script(writes, 1, answer(401, OVER));
    let told = agent.post(LEADS, &body).await;
    assert_eq!(
        (told.status, told.text().as_str()),
        (StatusCode::UNAUTHORIZED, OVER)
    );
    // What was opened is not sent again: another yes is asked for.
    let ended = agent.post(LEADS, &body).await;
    assert_eq!(ended.code(), "WRITEGATE_UPSTREAM");
    assert!(
        ended
            .message()
            .starts_with("Not written: it was approved, but the CRM refused")
    );
    assert_ne!(hold_of(&agent.post(LEADS, &body).await), id);
    bench.finish().await;
}

#[tokio::test]
async fn a_crm_that_is_down_ends_no_approval() {
    for fault in [Fault::CloseBeforeEffect, answer(503, "[]")] {
        let bench = Bench::of(builder(RULES)).await;
        let agent = bench.house.agent();
        let body = json!({ "LastName": "Hopper", "Company": "Navy" });
        let id = hold_of(&agent.post(LEADS, &body).await);
        let down = Arc::new(AtomicBool::new(true));
        let is_down = Arc::clone(&down);
        let all = move |_: &Head<'_>| is_down.load(Ordering::SeqCst);
        bench.house.sandbox.script(all, 1_000, fault);
        bench.approve(OPERATOR, &id).await;
        let slot = bench.slot(&id);
        let trying = |hold: &Hold| hold.end.is_none() && hold.note.is_none();
        bench.house.app.holds.wait(&slot, PATIENCE, trying).await;
        let shown = bench.show(&id).await;
        assert_eq!(shown["state"], "approved", "{shown}");
        let note = shown["note"].as_str().unwrap();
        assert!(note.starts_with("the CRM "), "{note}");
        assert_eq!(agent.post(LEADS, &body).await.code(), "WRITEGATE_HELD");
        down.store(false, Ordering::SeqCst);
        let answer = agent.post(LEADS, &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        bench.finish().await;
    }
}

#[tokio::test]
async fn a_record_that_moves_between_look_and_write_is_asked_again() {
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    bench.approve(SALES_OPS, &id).await;
    bench.house.sandbox.script(writes, 1, answer(412, "[]"));
    let new = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    assert_ne!(new, id);
    let shown = bench.show(&new).await;
    assert_eq!(
        (&shown["state"], &shown["approved_by"]),
        (&json!("parked"), &json!([]))
    );
    assert_eq!(bench.show(&id).await["state"], "not_sent");
    bench.approve(SALES_OPS, &new).await;
    let answer = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    bench.finish().await;
}

#[tokio::test]
async fn a_release_that_breaks_off_gives_the_hold_back() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let yes = json!({ "digest": bench.digest(&id).await });
    bench.house.ledger.burst_at_the_next_read();
    let approved = bench.decide(SALES_OPS, &id, "approve", &yes).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    bench.house.idle().await;
    assert_eq!(bench.state(&id).await, "approved");
    let rejected = bench.reject(SALES_OPS, &id, "it did not go").await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text());
    assert!(bench.writes().is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn who_repeats_what_was_refused_is_counted_and_stopped() {
    let limits = "
limits:
  - { name: probing, per: service_account, count: refusals, max: 3, window: 1h, then: stop }
";
    let bench = Bench::of(builder(&format!("{RULES}{limits}"))).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    bench.reject(SALES_OPS, &id, "no contract").await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(bench.stage(&deals[2], "Closed Won").await.code());
    }
    let (rejected, stopped) = codes.split_at(4);
    assert!(
        rejected.iter().all(|code| code == "WRITEGATE_REJECTED"),
        "{codes:?}"
    );
    assert!(
        stopped.iter().all(|code| code == "WRITEGATE_STOPPED"),
        "{codes:?}"
    );
    // A hold that waits is asked for as often as anybody likes.
    let other = bench.house.other_agent();
    let body = json!({ "StageName": "Closed Won" });
    for _ in 0..6 {
        hold_of(&other.patch(&super::opportunity(&deals[3]), &body).await);
    }
    bench.finish().await;
}
