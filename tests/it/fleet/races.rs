//! Races between replicas: two things happen to one hold at once, each at another replica, and there is
//! one outcome, the same at both.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "any other state fails the test"
)]

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::json;
use writegate::hold::State;
use writegate::ledger::RowKind;
use writegate::proxy::releases;

use super::*;
use crate::support::long;

const TASKS: &str = "/services/data/v61.0/sobjects/Task";

fn rounds() -> usize {
    if long() { 400 } else { 24 }
}

/// Creates wait for an approver: each round has a record of its own.
fn rules() -> String {
    RULES.replace("Lead:", "Task:")
}

async fn ask(bench: &Bench, round: usize) -> Reply {
    bench.house.agent().post(TASKS, &subject(round)).await
}

/// How often the CRM saw a round's write.
fn writes(fleet: &Fleet, round: usize) -> usize {
    let body = subject(round).to_string();
    let writes = fleet.crm.writes();
    writes.iter().filter(|write| write.body == body).count()
}

async fn decide(bench: &Bench, token: &str, id: &str, what: &str, digest: &str) -> u16 {
    let body = json!({ "digest": digest, "reason": "a race" });
    bench.decide(token, id, what, &body).await.status.as_u16()
}

/// A hold that waits at both, with its digest.
async fn parked(one: &Bench, two: &Bench, round: usize) -> (String, String) {
    let id = hold_of(&ask(one, round).await);
    caught_up(two).await;
    let digest = two.slot(&id).look().unwrap().terms.shown.clone();
    (id, digest)
}

/// How the hold stands at both once nothing moves any more: the same.
async fn settled(one: &Bench, two: &Bench, id: &str) -> State {
    let moves = |state: State| matches!(state, State::Approved | State::Releasing);
    soon(async {
        loop {
            one.house.idle().await;
            two.house.idle().await;
            let (here, there) = (stands(one, id).await, stands(two, id).await);
            if here == there && !moves(here) {
                return here;
            }
            releases::tick(&one.house.app).await;
            releases::tick(&two.house.app).await;
        }
    })
    .await
}

#[tokio::test]
async fn approve_here_and_approve_there() {
    let Some(fleet) = Fleet::start("fleet::races::approve_here_and_approve_there").await else {
        return;
    };
    let (one, two) = two(&fleet, &rules()).await;
    for round in 0..rounds() {
        let (id, digest) = parked(&one, &two, round).await;
        let (yes, too) = tokio::join!(
            decide(&one, SALES_OPS, &id, "approve", &digest),
            decide(&two, OPERATOR, &id, "approve", &digest),
        );
        assert!(yes == 200 || too == 200, "{yes} {too}");
        assert!([yes, too].iter().all(|status| [200, 409].contains(status)));
        assert_eq!(settled(&one, &two, &id).await, State::Released);
        assert_eq!(writes(&fleet, round), 1);
        let (here, there) = (ask(&one, round).await, ask(&two, round).await);
        assert_eq!((here.status.as_u16(), there.status.as_u16()), (201, 201));
        assert_eq!(here.body, there.body);
    }
    let opened = rows(&one, RowKind::Opened).await.len();
    assert_eq!((opened, fleet.crm.writes().len()), (rounds(), rounds()));
}

#[tokio::test]
async fn approve_here_and_reject_there() {
    let Some(fleet) = Fleet::start("fleet::races::approve_here_and_reject_there").await else {
        return;
    };
    let (one, two) = two(&fleet, &rules()).await;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..rounds() {
        let (id, digest) = parked(&one, &two, round).await;
        let (yes, no) = tokio::join!(decide(&one, SALES_OPS, &id, "approve", &digest), async {
            for _ in 0..(round % 8) * 40 {
                tokio::task::yield_now().await;
            }
            decide(&two, OPERATOR, &id, "reject", &digest).await
        });
        let state = settled(&one, &two, &id).await;
        *seen.entry(state.word()).or_default() += 1;
        match state {
            State::Released => assert_eq!((writes(&fleet, round), yes, no), (1, 200, 409)),
            // The yes may have come first; the no then came before it was sent.
            State::Rejected => assert_eq!((writes(&fleet, round), no), (0, 200)),
            other => panic!("{other:?} after {yes} and {no}"),
        }
    }
    println!("{seen:?} of {} rounds, contradictory outcomes 0", rounds());
}

#[tokio::test]
async fn approve_here_and_expire_there() {
    let clock = clock();
    let name = "fleet::races::approve_here_and_expire_there";
    let Some(fleet) = Fleet::by(name, clock.clone()).await else {
        return;
    };
    let short =
        "  - { name: short, applies: { object: Task }, then: hold, expires: 10s }\nendpoints:";
    let rules = rules().replace("endpoints:", short);
    let (one, two) = two(&fleet, &rules).await;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for round in 0..rounds() {
        caught_up(&one).await;
        let (id, digest) = parked(&one, &two, round).await;
        let (yes, ()) = tokio::join!(decide(&one, SALES_OPS, &id, "approve", &digest), async {
            for _ in 0..(round % 8) * 40 {
                tokio::task::yield_now().await;
            }
            clock.advance_ms(10_000);
            releases::tick(&two.house.app).await;
        });
        let state = settled(&one, &two, &id).await;
        *seen.entry(state.word()).or_default() += 1;
        match state {
            State::Released => assert_eq!((writes(&fleet, round), yes), (1, 200)),
            State::Expired => assert_eq!(writes(&fleet, round), 0),
            other => panic!("{other:?} after {yes}"),
        }
    }
    let ends = rows(&one, RowKind::Expired).await;
    let mut entries: Vec<_> = ends.iter().map(|row| row.entry.clone()).collect();
    entries.dedup();
    assert_eq!(entries.len(), ends.len(), "a hold expired twice");
    println!("{seen:?} of {} rounds, contradictory outcomes 0", rounds());
}

#[tokio::test]
async fn one_request_at_two_replicas_is_one_hold() {
    let Some(fleet) = Fleet::start("fleet::races::one_request_at_two_replicas_is_one_hold").await
    else {
        return;
    };
    let rules = format!(
        "{}limits:\n  - {{ name: queue, per: service_account, count: holds, max: 10000 }}\n  \
         - {{ name: hourly, per: service_account, count: mutations, max: 10000, window: 1h }}\n",
        rules()
    );
    let (one, two) = two(&fleet, &rules).await;
    for round in 0..rounds() {
        let (here, there, again) =
            tokio::join!(ask(&one, round), ask(&two, round), ask(&two, round));
        let ids = [&here, &there, &again].map(hold_of);
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(rows(&one, RowKind::Held).await.len(), round + 1);
    }
    // charged once each, waiting once each
    let usage = one
        .house
        .app
        .control
        .usage(fleet.clock.now())
        .await
        .unwrap();
    let used: Vec<u64> = usage.iter().map(|usage| usage.used).collect();
    assert_eq!(used, vec![rounds() as u64; 2], "{usage:?}");
    let id = one.house.app.holds.all()[0].id.clone();
    assert_eq!(
        two.reject(SALES_OPS, &id, "enough").await.status,
        StatusCode::OK
    );
    caught_up(&one).await;
    let usage = one
        .house
        .app
        .control
        .usage(fleet.clock.now())
        .await
        .unwrap();
    let queue = usage.iter().find(|usage| usage.limit == "queue").unwrap();
    assert_eq!(queue.used, rounds() as u64 - 1);
}
