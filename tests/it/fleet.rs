//! Several replicas on one Redis and one PostgreSQL: what waits, was decided, is in doubt or was set at
//! one of them is so at all of them.

mod doubts;
mod programs;
mod races;
mod reloads;

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::hold::State;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::sandbox::seed;

use super::holds::{Bench, RULES, SALES_OPS, builder, hold_of, without_credentials};
use super::support::client::{Client, Reply};
use super::support::fleet::Fleet;
use super::support::house::{Builder, OPERATOR};
use super::support::wire::{soon, until};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

/// A clock that tests move. It begins an hour ago: what Redis confirmed is never old by it.
fn clock() -> Arc<ManualClock> {
    // long enough for what the longest test lets pass
    let ago = SystemClock.now() - jiff::SignedDuration::from_hours(2);
    Arc::new(ManualClock::new(ago))
}

/// A replica with its operators' side.
async fn bench(fleet: &Fleet, name: &str, builder: Builder) -> Bench {
    let house = fleet.house(name, builder).await;
    let admin = house.operators().await;
    Bench { house, admin }
}

/// Two of them.
async fn two(fleet: &Fleet, rules: &str) -> (Bench, Bench) {
    let one = bench(fleet, "one", builder(rules)).await;
    (one, bench(fleet, "two", builder(rules)).await)
}

/// Returns when a replica knows what the others wrote so far.
async fn caught_up(bench: &Bench) {
    soon(async { while bench.house.app.catch_up().await.is_err() {} }).await;
}

async fn stands(bench: &Bench, id: &str) -> State {
    caught_up(bench).await;
    let hold = bench.slot(id).look().unwrap();
    hold.state(&bench.house.app.config)
}

#[tokio::test]
async fn what_is_parked_here_is_approved_there_and_collected_anywhere() {
    let name = "fleet::what_is_parked_here_is_approved_there_and_collected_anywhere";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let (one, two) = two(&fleet, RULES).await;
    let deal = seed::INITECH_PILOT;
    let parked = one.stage(deal, "Closed Won").await;
    let id = hold_of(&parked);
    // the same request is the same hold
    let again = two.stage(deal, "Closed Won").await;
    assert_eq!(hold_of(&again), id);
    assert_eq!(
        again.header("x-writegate-entry"),
        parked.header("x-writegate-entry")
    );
    assert_eq!(two.state(&id).await, "parked");
    two.release(SALES_OPS, &id).await;
    assert_eq!(stands(&one, &id).await, State::Released);
    let (here, there) = (
        one.stage(deal, "Closed Won").await,
        two.stage(deal, "Closed Won").await,
    );
    assert_eq!(here.status, StatusCode::NO_CONTENT, "{}", here.text());
    assert_eq!((there.status, &there.body), (here.status, &here.body));
    for reply in [&here, &there] {
        assert_eq!(reply.header("x-writegate-replayed"), Some("true"));
        assert_eq!(
            reply.header("x-writegate-entry"),
            parked.header("x-writegate-entry")
        );
    }
    assert_eq!(fleet.crm.writes().len(), 1);
    let refused = one.approve(SALES_OPS, &id).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text());
}

#[tokio::test]
async fn a_call_that_is_kept_open_learns_at_once_what_was_decided_elsewhere() {
    let name = "fleet::a_call_that_is_kept_open_learns_at_once_what_was_decided_elsewhere";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    // a case is kept open for 20 s
    let (one, two) = two(&fleet, RULES).await;
    for yes in [true, false] {
        let (case, agent) = (one.first("Case"), one.house.agent());
        let body = json!({ "Subject": super::support::unique("open") });
        let asking = tokio::spawn(async move { agent.patch(&case, &body).await });
        let waiting = || one.house.app.holds.open(None) == 1;
        until(waiting).await;
        caught_up(&two).await;
        let hold = two
            .house
            .app
            .holds
            .all()
            .into_iter()
            .find(|hold| hold.end.is_none());
        let id = hold.unwrap().id.clone();
        let began = std::time::Instant::now();
        let said = match yes {
            true => two.approve(SALES_OPS, &id).await,
            false => two.reject(SALES_OPS, &id, "not today").await,
        };
        assert_eq!(said.status, StatusCode::OK, "{}", said.text());
        let told = soon(asking).await.unwrap();
        println!("told after {:?}", began.elapsed());
        match yes {
            true => assert_eq!(told.status, StatusCode::NO_CONTENT, "{}", told.text()),
            false => assert_eq!(told.code(), "WRITEGATE_REJECTED"),
        }
    }
    assert_eq!(fleet.crm.writes().len(), 1);
}

#[tokio::test]
async fn without_a_credential_the_next_repeat_carries_it_wherever_it_comes() {
    let name = "fleet::without_a_credential_the_next_repeat_carries_it_wherever_it_comes";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let open = || without_credentials(builder(RULES));
    let one = bench(&fleet, "one", open()).await;
    let two = bench(&fleet, "two", open()).await;
    let deal = seed::INITECH_PILOT;
    let id = hold_of(&one.stage(deal, "Closed Lost").await);
    assert_eq!(one.approve(SALES_OPS, &id).await.status, StatusCode::OK);
    assert_eq!(stands(&two, &id).await, State::Approved);
    let (here, there) = tokio::join!(
        one.stage(deal, "Closed Lost"),
        two.stage(deal, "Closed Lost")
    );
    let statuses = [here.status.as_u16(), there.status.as_u16()];
    assert!(statuses.contains(&204), "{statuses:?}");
    assert_eq!(fleet.crm.writes().len(), 1);
    for bench in [&one, &two] {
        assert_eq!(bench.stage(deal, "Closed Lost").await.status, 204);
    }
    assert_eq!(fleet.crm.writes().len(), 1);
}

#[tokio::test]
async fn a_live_limit_counts_everywhere() {
    let name = "fleet::a_live_limit_counts_everywhere";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let rules = format!(
        "{RULES}limits:\n  - {{ name: hourly, per: service_account, count: mutations, max: 100, window: 1h }}\n"
    );
    let (one, two) = two(&fleet, &rules).await;
    let set = |bench: &Bench, max: u64| {
        let operator = bench.operator(OPERATOR);
        async move {
            let body = json!({ "max": max, "for": "1h", "reason": "a test" });
            let set = operator
                .send(Method::PUT, "/api/v1/limits/hourly", Some(&body))
                .await;
            assert_eq!(set.status, StatusCode::OK, "{}", set.text());
        }
    };
    set(&one, 1).await;
    caught_up(&two).await;
    assert_eq!(create(&two.house.agent()).await.status, 201);
    assert_eq!(create(&two.house.agent()).await.code(), "WRITEGATE_BUDGET");
    // of two that are set at once the ledger's last one counts for both
    for round in 0..8 {
        tokio::join!(set(&one, 50 + round), set(&two, 80 + round));
        caught_up(&one).await;
        caught_up(&two).await;
        let now = fleet.clock.now();
        let all = |bench: &Bench| bench.house.app.limits.all(now);
        assert_eq!(all(&one), all(&two));
        assert_eq!(all(&one).len(), 1);
    }
    assert_eq!(create(&one.house.agent()).await.status, 201);
}

async fn create(client: &Client) -> Reply {
    let body = json!({ "Name": super::support::unique("of a fleet") });
    client.post(ACCOUNTS, &body).await
}

#[tokio::test]
async fn a_replica_that_does_not_hear_the_others_writes_nothing() {
    let name = "fleet::a_replica_that_does_not_hear_the_others_writes_nothing";
    let clock = clock();
    let Some(fleet) = Fleet::by(name, clock.clone()).await else {
        return;
    };
    let (one, two) = two(&fleet, RULES).await;
    let (agent, other) = (one.house.agent(), two.house.agent());
    assert_eq!(create(&agent).await.status, 201);
    one.house.ledger.hears(false);
    // a look that is under way ends
    assert!(one.house.app.catch_up().await.is_err());
    clock.advance_ms(2_000);
    assert_eq!(create(&agent).await.status, 201);
    clock.advance_ms(1);
    let refused = create(&agent).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (503, "WRITEGATE_UNAVAILABLE")
    );
    assert_eq!(agent.get(&one.first("Account")).await.status, 200);
    let ready = Client::new(one.admin, "").get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.text().contains("what other replicas did"),
        "{}",
        ready.text()
    );
    caught_up(&two).await;
    assert_eq!(create(&other).await.status, 201);
    // neither is anything parked nor released
    let deal = seed::INITECH_PILOT;
    assert_eq!(one.stage(deal, "Closed Won").await.status, 503);
    one.house.ledger.hears(true);
    caught_up(&one).await;
    assert_eq!(create(&agent).await.status, 201);
    hold_of(&one.stage(deal, "Closed Won").await);
}

#[tokio::test]
async fn who_joins_a_fleet_fences_out_nobody() {
    let name = "fleet::who_joins_a_fleet_fences_out_nobody";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let (one, two) = two(&fleet, RULES).await;
    let epoch = one.house.ledger.epoch().await.unwrap();
    let opening = one.house.ledger.hold_next(RowKind::Opened);
    let agent = one.house.agent();
    let writing = tokio::spawn(async move { create(&agent).await });
    opening.arrived().await;
    let three = bench(&fleet, "three", builder(RULES)).await;
    opening.open();
    let reply = writing.await.unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    for bench in [&one, &two, &three] {
        assert_eq!(create(&bench.house.agent()).await.status, 201);
    }
    assert_eq!(one.house.ledger.epoch().await.unwrap(), epoch);
}

/// Rows of one kind, whoever wrote them.
async fn rows(bench: &Bench, kind: RowKind) -> Vec<writegate::ledger::Row> {
    let filter = RowFilter {
        kinds: vec![kind],
        ..RowFilter::default()
    };
    bench.house.ledger.rows(filter).await.unwrap()
}

fn subject(round: usize) -> Value {
    json!({ "Subject": format!("round {round}") })
}
