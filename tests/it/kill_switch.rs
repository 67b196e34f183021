//! P5: after a kill is acknowledged, no first byte of that service account's writes reaches the CRM.

mod fleet;
mod programs;
mod verbs;

use std::net::SocketAddr;
use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::control::{ControlState, Switch, SwitchScope, Switches};
use writegate::journal::read::EntryState;
use writegate::ledger::RowKind;
use writegate::sandbox::seed;

use super::support::client::{Client, Reply};
use super::support::doctored::Doctored;
use super::support::front::Front;
use super::support::house::{APPROVER, House, OPERATOR, OTHER_TOKEN, TOKEN, VIEWER};
use super::support::unique;

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";
const AGENT: &str = "/api/v1/switches/enrichment-agent";
const ALL: &str = "/api/v1/switches/*";

async fn create(client: &Client) -> Reply {
    client
        .post(ACCOUNTS, &json!({ "Name": unique("of a test") }))
        .await
}

async fn read(client: &Client) -> Reply {
    client.get(&format!("{ACCOUNTS}/{}", seed::ACME)).await
}

async fn kill(operators: SocketAddr, switch: &str, scope: &str) -> Reply {
    let wish = json!({ "scope": scope, "reason": "odd writes" });
    let dana = Client::new(operators, OPERATOR);
    let reply = dana.send(Method::PUT, switch, Some(&wish)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

/// Only an admin narrows a full stop, and the first reason stays to be read.
#[tokio::test]
async fn an_approver_does_not_narrow_a_full_stop() {
    let house = House::builder().build().await;
    let operators = house.operators().await;
    kill(operators, AGENT, "all").await;
    let ann = Client::new(operators, APPROVER);
    let wish = json!({ "scope": "writes", "reason": "reads are harmless" });
    let narrowed = ann.send(Method::PUT, AGENT, Some(&wish)).await;
    assert_eq!(
        (narrowed.status.as_u16(), &narrowed.json()["error"]["code"]),
        (409, &json!("stopped_wider")),
        "{}",
        narrowed.text()
    );
    assert_eq!(read(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    let wish = json!({ "scope": "all", "reason": "still odd" });
    for _ in 0..2 {
        let again = ann.send(Method::PUT, AGENT, Some(&wish)).await;
        assert_eq!(again.status, 200, "{}", again.text());
    }
    let stands = ann.get(AGENT).await.json();
    let reason = &stands["switch"]["reason"];
    assert_eq!(reason, "still odd; first stopped by dana: odd writes");
    kill(operators, AGENT, "writes").await;
    assert_eq!(read(&house.agent()).await.status, 200);
    house.finish().await;
}

/// What nobody reads in a wish is refused, and stops nobody.
#[tokio::test]
async fn a_wish_that_is_not_understood_stops_nobody() {
    let house = House::builder().build().await;
    let dana = Client::new(house.operators().await, OPERATOR);
    for wish in [
        json!({ "scope": "all", "writes": true }),
        json!({ "scope": "all", "reason": 7 }),
    ] {
        let reply = dana.send(Method::PUT, AGENT, Some(&wish)).await;
        assert_eq!(reply.status, 422, "{wish}: {}", reply.text());
    }
    assert_eq!(create(&house.agent()).await.status, 201);
    house.finish().await;
}

/// So many creates of each caller at once.
fn creates(callers: &[(Client, usize)]) -> JoinSet<(String, Reply)> {
    let mut writes = JoinSet::new();
    for (client, count) in callers {
        for _ in 0..*count {
            let client = client.clone();
            writes.spawn(async move { (client.token.clone(), create(&client).await) });
        }
    }
    writes
}

/// Writes of each caller that the CRM saw, even their first byte.
fn seen(house: &House, token: &str) -> usize {
    let bearer = format!("Bearer {token}");
    let theirs = house.sandbox.seen();
    theirs
        .iter()
        .filter(|seen| seen.method == Method::POST && seen.headers["authorization"] == bearer)
        .count()
}

async fn stopped_and_others_went_on(house: &House, mut writes: JoinSet<(String, Reply)>) {
    while let Some(done) = writes.join_next().await {
        let (token, reply) = done.unwrap();
        if token == TOKEN {
            assert_eq!(reply.code(), "WRITEGATE_STOPPED", "{}", reply.text());
            let said = reply.message();
            assert!(
                said.starts_with("Not written: enrichment-agent was stopped at "),
                "{said}"
            );
            assert!(
                said.ends_with("(dana). Only a person can resume it. Stop working."),
                "{said}"
            );
        } else {
            assert_eq!(reply.status, 201, "{}", reply.text());
        }
    }
    assert_eq!(seen(house, TOKEN), 0);
}

#[tokio::test]
async fn writes_that_wait_before_the_journal_are_stopped() {
    let house = House::builder().build().await;
    let operators = house.operators().await;
    let dam = house.ledger.hold_all(RowKind::Opened);
    let writes = creates(&[(house.agent(), 50), (house.other_agent(), 10)]);
    dam.arrived(60).await;
    let told = kill(operators, AGENT, "writes").await.json();
    assert_eq!(
        (&told["confirmed"], &told["replicas"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&told["sent"], &told["recorded"]),
        (&json!(0), &json!(true))
    );
    dam.open();
    stopped_and_others_went_on(&house, writes).await;
    assert_eq!(seen(&house, OTHER_TOKEN), 10);
    assert_eq!(house.count(EntryState::NotSent).await, 50);
    house.finish().await;
}

#[tokio::test]
async fn writes_that_wait_for_a_connection_are_stopped() {
    let mut front = Front::closed().await;
    let (url, ca) = (front.url(), front.ca());
    let house = House::builder()
        .upstream(&url)
        .configure(move |config| {
            for route in &mut config.routes {
                route.upstream_ca = Some(ca.clone());
            }
        })
        .build()
        .await;
    front.lead_to(house.sandbox.addr);
    let operators = house.operators().await;
    let writes = creates(&[(house.agent(), 50), (house.other_agent(), 10)]);
    front.arrived(60).await;
    kill(operators, AGENT, "writes").await;
    front.open();
    stopped_and_others_went_on(&house, writes).await;
    assert_eq!(seen(&house, OTHER_TOKEN), 10);
    house.finish().await;
}

#[tokio::test]
async fn scope_writes_leaves_reads_and_scope_all_stops_them() {
    let house = House::builder().build().await;
    let operators = house.operators().await;
    let agent = house.agent();
    kill(operators, AGENT, "writes").await;
    assert_eq!(create(&agent).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(read(&agent).await.status, 200);
    kill(operators, AGENT, "all").await;
    assert_eq!(read(&agent).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(read(&house.other_agent()).await.status, 200);
    assert_eq!(create(&house.other_agent()).await.status, 201);
    kill(operators, ALL, "writes").await;
    assert_eq!(
        create(&house.other_agent()).await.code(),
        "WRITEGATE_STOPPED"
    );
    assert_eq!(read(&house.other_agent()).await.status, 200);
    kill(operators, ALL, "all").await;
    assert_eq!(read(&house.other_agent()).await.code(), "WRITEGATE_STOPPED");
    // to resume all does not resume the one that was stopped by itself
    let dana = Client::new(operators, OPERATOR);
    assert_eq!(dana.delete(ALL).await.status, 200);
    assert_eq!(create(&house.other_agent()).await.status, 201);
    assert_eq!(create(&agent).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(dana.delete(AGENT).await.status, 200);
    assert_eq!(create(&agent).await.status, 201);
    assert_eq!(dana.delete(AGENT).await.status, 409);
    house.finish().await;
}

#[tokio::test]
async fn a_kill_comes_before_the_body_is_read() {
    let house = House::builder().build().await;
    kill(house.operators().await, AGENT, "writes").await;
    let body = Some("{ this is no JSON".into());
    let reply = house.agent().raw(Method::POST, ACCOUNTS, body).await;
    assert_eq!(reply.code(), "WRITEGATE_STOPPED");
    assert_eq!(house.count(EntryState::Refused).await, 1);
    house.finish().await;
}

#[tokio::test]
async fn a_switch_survives_a_restart_until_it_is_resumed() {
    let house = House::builder().build().await;
    kill(house.operators().await, AGENT, "writes").await;
    let folder = house.close().await;
    let house = House::builder().folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(read(&house.agent()).await.status, 200);
    let dana = Client::new(house.operators().await, OPERATOR);
    let shown = dana.get(AGENT).await.json();
    assert_eq!(shown["switch"]["reason"], "odd writes");
    assert_eq!(dana.delete(AGENT).await.status, 200);
    house.close().await;
    let house = House::builder().folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.status, 201);
}

#[tokio::test]
async fn a_trip_wire_throws_the_switch_and_a_resume_empties_it() {
    let rules = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow } } }
limits:
  - { name: runaway, per: service_account, count: records, max: 3, window: 1h, then: stop }
";
    let house = House::builder().rules(rules).build().await;
    let agent = house.agent();
    for _ in 0..3 {
        assert_eq!(create(&agent).await.status, 201);
    }
    let reply = create(&agent).await;
    assert_eq!(reply.code(), "WRITEGATE_STOPPED");
    assert!(
        reply.message().contains("(limit runaway)"),
        "{}",
        reply.message()
    );
    assert_eq!(read(&agent).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(create(&house.other_agent()).await.status, 201);
    // over a restart, and a person's kill on top keeps the limit to empty
    let folder = house.close().await;
    let house = House::builder().rules(rules).folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    let operators = house.operators().await;
    kill(operators, AGENT, "writes").await;
    let resumed = Client::new(operators, OPERATOR).delete(AGENT).await.json();
    assert_eq!(resumed["limit_emptied"], "runaway");
    for _ in 0..2 {
        assert_eq!(create(&house.agent()).await.status, 201);
    }
    // emptied stays emptied: two of three are used
    house.close().await;
    let house = House::builder().rules(rules).folder(&folder).build().await;
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
}

#[tokio::test]
async fn an_old_permit_looks_at_the_switches_again() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let control = Doctored::new();
    let builder = House::builder()
        .clock(clock.clone())
        .control(control.clone());
    let house = builder.build().await;
    let switch = Switch {
        service_account: "enrichment-agent".into(),
        scope: SwitchScope::Writes,
        by: "dana".into(),
        reason: "test".into(),
        at: clock.now(),
        limit: None,
    };
    let wait = house.ledger.hold_next(RowKind::Opened);
    let agent = house.agent();
    let write = tokio::spawn(async move { create(&agent).await });
    wait.arrived().await;
    // a change that did not move the version: only the permit's age makes it look
    control.show(Switches {
        version: control.switches().version,
        confirmed_at: None,
        thrown: vec![switch],
    });
    clock.advance_ms(2_001);
    wait.open();
    assert_eq!(write.await.unwrap().code(), "WRITEGATE_STOPPED");
    house.finish().await;
}

#[tokio::test]
async fn a_view_of_the_switches_that_is_too_old_refuses_writes_and_passes_reads() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let control = Doctored::new();
    let builder = House::builder()
        .clock(clock.clone())
        .control(control.clone());
    let house = builder.build().await;
    let seen_at = |at| Switches {
        version: control.switches().version,
        confirmed_at: Some(at),
        thrown: Vec::new(),
    };
    control.show(seen_at(clock.now()));
    assert_eq!(create(&house.agent()).await.status, 201);
    clock.advance_ms(2_001);
    let reply = create(&house.agent()).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (503, "WRITEGATE_UNAVAILABLE")
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(read(&house.agent()).await.status, 200);
    let ready = Client::new(house.operators().await, "")
        .get("/readyz")
        .await;
    assert_eq!(ready.status, 503);
    assert_eq!(
        ready.json()["reasons"],
        json!(["the view of the kill switches is too old"])
    );
    // it grows too old while a write waits
    control.show(seen_at(clock.now()));
    let wait = house.ledger.hold_next(RowKind::Opened);
    let agent = house.agent();
    let write = tokio::spawn(async move { create(&agent).await });
    wait.arrived().await;
    clock.advance_ms(2_001);
    wait.open();
    assert_eq!(write.await.unwrap().code(), "WRITEGATE_UNAVAILABLE");
    assert_eq!(house.count(EntryState::NotSent).await, 1);
    house.finish().await;
}

#[tokio::test]
async fn roles_decide_who_may_kill_and_resume() {
    let house = House::builder().build().await;
    let operators = house.operators().await;
    let wish = json!({ "scope": "all", "reason": "test" });
    let put = async |token: &str, target: &str, wish: &Value| {
        let client = Client::new(operators, token);
        client
            .send(Method::PUT, target, Some(wish))
            .await
            .status
            .as_u16()
    };
    for token in ["", "a-stranger", TOKEN] {
        assert_eq!(put(token, AGENT, &wish).await, 401);
        assert_eq!(
            Client::new(operators, token)
                .get("/api/v1/status")
                .await
                .status,
            401
        );
        assert_eq!(
            Client::new(operators, token)
                .get("/api/v1/entries")
                .await
                .status,
            401
        );
        assert_eq!(
            Client::new(operators, token).delete(AGENT).await.status,
            401
        );
    }
    assert_eq!(put(VIEWER, AGENT, &wish).await, 403);
    assert_eq!(
        Client::new(operators, VIEWER)
            .get("/api/v1/status")
            .await
            .status,
        200
    );
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(put(APPROVER, "/api/v1/switches/nobody", &wish).await, 404);
    assert_eq!(
        put(APPROVER, AGENT, &json!({ "scope": "some", "reason": "x" })).await,
        422
    );
    assert_eq!(put(APPROVER, AGENT, &wish).await, 200);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    let resume = async |token| Client::new(operators, token).delete(AGENT).await;
    assert_eq!(resume(VIEWER).await.status, 403);
    let told = resume(APPROVER).await;
    assert_eq!(told.status, 403);
    let message = told.json()["error"]["message"].clone();
    assert_eq!(message, "ann needs the role admin for this");
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(resume(OPERATOR).await.status, 200);
    assert_eq!(create(&house.agent()).await.status, 201);
    house.finish().await;
}

#[tokio::test]
async fn a_kill_acts_even_while_the_ledger_cannot_write() {
    let house = House::builder().build().await;
    let operators = house.operators().await;
    house.ledger.break_down();
    let told = kill(operators, AGENT, "writes").await.json();
    assert_eq!(told["recorded"], false);
    house.ledger.repair();
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    // again, now on record
    assert_eq!(
        kill(operators, AGENT, "writes").await.json()["recorded"],
        true
    );
    house.finish().await;
}
