//! The real program, several of them: kill -9, standing still, cut off, starting late, starting anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::{JoinSet, spawn_blocking};
use writegate::sandbox::{Fault, Gate, Head, Seen};

use super::*;
use crate::support::cable::{Plan, Wire};
use crate::support::house::BROKER;
use crate::support::program::{Program, Starting};

const GIVEN_UP: &str = "in doubt: the replica ended before the outcome was known";

fn changes(head: &Head<'_>) -> bool {
    head.method == Method::PATCH
}

fn changed(fleet: &Fleet) -> Vec<Seen> {
    let mut seen = fleet.crm.seen();
    seen.retain(|seen| seen.method == Method::PATCH);
    seen
}

async fn started(starting: Starting) -> Program {
    spawn_blocking(|| starting.start()).await.unwrap()
}

/// Repeats a call until it is answered so.
async fn until_code(code: &str, mut ask: impl AsyncFnMut() -> Reply) -> Reply {
    let asking = async {
        loop {
            let reply = ask().await;
            if reply.status.as_u16() >= 400 && reply.code() == code {
                break reply;
            }
        }
    };
    soon(asking).await
}

/// Creates something, again where nothing can be recorded now.
async fn in_the_end(client: &Client) -> Reply {
    let creating = async {
        loop {
            let reply = create(client).await;
            if reply.status != 503 {
                break reply;
            }
        }
    };
    soon(creating).await
}

fn acme() -> String {
    format!("{ACCOUNTS}/{}", seed::ACME)
}

#[tokio::test]
async fn what_a_killed_replica_left_open_is_in_doubt_at_the_others() {
    let name = "fleet::programs::what_a_killed_replica_left_open_is_in_doubt_at_the_others";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let mut one = started(fleet.program("one")).await;
    let two = started(fleet.program("two")).await;
    let gate = Gate::new();
    fleet
        .crm
        .script(changes, 1, Fault::WaitBeforeEffect(gate.clone()));
    let (agent, other) = (one.agent(), two.agent());
    let body = json!({ "Industry": "Software" });
    let sent = body.clone();
    let asking = tokio::spawn(async move {
        agent
            .try_raw(Method::PATCH, &acme(), Some(sent.to_string().into()))
            .await
            .is_err()
    });
    gate.arrived(1).await;
    one.kill();
    assert!(asking.await.unwrap());
    // the very same, and another one to the record
    for body in [body, json!({ "Industry": "Retail" })] {
        let ask = async || other.patch(&acme(), &body).await;
        until_code("WRITEGATE_IN_DOUBT", ask).await;
    }
    two.logged(GIVEN_UP).await;
    // who comes back knows as well
    let one = started(fleet.program("one").folder(&one.folder)).await;
    let reply = one
        .agent()
        .patch(&acme(), &json!({ "Industry": "Media" }))
        .await;
    assert_eq!(reply.code(), "WRITEGATE_IN_DOUBT", "{}", reply.text());
    for program in [&one, &two] {
        assert_eq!(in_the_end(&program.agent()).await.status, 201);
    }
    assert_eq!(changed(&fleet).len(), 1);
    gate.open();
}

#[tokio::test]
async fn what_a_killed_replica_was_releasing_is_never_sent_again() {
    let name = "fleet::programs::what_a_killed_replica_was_releasing_is_never_sent_again";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let start = |name: &str| {
        let starting = fleet.program(name).rules(&[("salesforce.yaml", RULES)]);
        started(
            starting
                .route(", release_credential: { env: BROKER }")
                .env("BROKER", BROKER),
        )
    };
    let mut one = start("one").await;
    let two = start("two").await;
    let deal = format!(
        "/services/data/v61.0/sobjects/Opportunity/{}",
        seed::INITECH_PILOT
    );
    let body = json!({ "StageName": "Closed Won" });
    let id = hold_of(&one.agent().patch(&deal, &body).await);
    let gate = Gate::new();
    fleet
        .crm
        .script(changes, 1, Fault::WaitBeforeEffect(gate.clone()));
    let shown = |program: &Program| {
        let client = Client::new(program.admin, OPERATOR);
        let target = format!("/api/v1/holds/{id}");
        async move { client.get(&target).await.json() }
    };
    let digest = shown(&two).await["digest"].clone();
    let yes = json!({ "digest": digest });
    let approve = format!("/api/v1/holds/{id}/approve");
    let approved = Client::new(one.admin, OPERATOR).post(&approve, &yes).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
    gate.arrived(1).await;
    one.kill();
    soon(async { while shown(&two).await["state"] != "in_doubt" {} }).await;
    two.logged(GIVEN_UP).await;
    for _ in 0..3 {
        let reply = two.agent().patch(&deal, &body).await;
        assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_OUTCOME");
    }
    let again = Client::new(two.admin, OPERATOR).post(&approve, &yes).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text());
    assert_eq!(changed(&fleet).len(), 1);
    gate.open();
}

/// SIGSTOP between the durable row and the first byte, until another replica has given the entry up.
#[tokio::test]
async fn one_that_stood_still_sends_nothing_that_was_given_up() {
    let name = "fleet::programs::one_that_stood_still_sends_nothing_that_was_given_up";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let wire = Wire::to(fleet.database.port);
    let one = started(fleet.program_over("one", &wire)).await;
    let two = started(fleet.program("two")).await;
    assert_eq!(in_the_end(&one.agent()).await.status, 201);
    wire.strand();
    wire.plan(Plan::After("Zorg".into(), 0));
    let agent = one.agent();
    let writing =
        tokio::spawn(async move { agent.post(ACCOUNTS, &json!({ "Name": "Zorg" })).await });
    let database = fleet.database.by_hand();
    let opened = "SELECT entry FROM ledger_unclosed";
    until(|| !database.texts(opened).is_empty()).await;
    one.signal("STOP");
    two.logged(GIVEN_UP).await;
    let told = fleet.clock.now() + jiff::SignedDuration::from_secs(2);
    until(|| fleet.clock.now() > told).await;
    wire.lead_to(fleet.database.port);
    one.signal("CONT");
    let reply = soon(writing).await.unwrap();
    assert_eq!(reply.status, 503, "{}", reply.text());
    until(|| database.texts(opened).is_empty()).await;
    assert_eq!(fleet.crm.writes().len(), 1);
    assert_eq!(in_the_end(&one.agent()).await.status, 201);
}

#[tokio::test]
async fn a_third_replica_starts_without_a_single_refusal_at_the_others() {
    let name = "fleet::programs::a_third_replica_starts_without_a_single_refusal_at_the_others";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let one = started(fleet.program("one")).await;
    let two = started(fleet.program("two")).await;
    for program in [&one, &two] {
        assert_eq!(in_the_end(&program.agent()).await.status, 201);
    }
    let (over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut agents = JoinSet::new();
    for program in [&one, &two, &one, &two] {
        let (agent, over, done) = (program.agent(), Arc::clone(&over), Arc::clone(&done));
        agents.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let reply = create(&agent).await;
                assert_eq!(reply.status, 201, "{}", reply.text());
                done.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    until(|| done.load(Ordering::SeqCst) > 20).await;
    let three = started(fleet.program("three")).await;
    assert_eq!(in_the_end(&three.agent()).await.status, 201);
    let so_far = done.load(Ordering::SeqCst);
    until(|| done.load(Ordering::SeqCst) > so_far + 20).await;
    over.store(true, Ordering::SeqCst);
    while let Some(agent) = agents.join_next().await {
        agent.unwrap();
    }
    println!("{} written, refused 0", done.load(Ordering::SeqCst));
}

#[tokio::test]
async fn all_restart_and_redis_forgets_and_nothing_is_lost() {
    let name = "fleet::programs::all_restart_and_redis_forgets_and_nothing_is_lost";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let rules = format!(
        "{RULES}limits:\n  - {{ name: hourly, per: service_account, count: mutations, max: 6, window: 1h }}\n"
    );
    let start = |name: &str| started(fleet.program(name).rules(&[("salesforce.yaml", &rules)]));
    let (mut one, mut two) = (start("one").await, start("two").await);
    let deal = format!(
        "/services/data/v61.0/sobjects/Opportunity/{}",
        seed::INITECH_PILOT
    );
    let body = json!({ "StageName": "Closed Won" });
    assert_eq!(in_the_end(&one.agent()).await.status, 201);
    let id = hold_of(&two.agent().patch(&deal, &body).await);
    assert_eq!(two.verb(&["kill", "sdr-agent"]).code, Some(0));
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
    let (one, two) = tokio::join!(start("one"), start("two"));
    let stopped = async |program: &Program| {
        let reply = create(&program.other_agent()).await;
        assert_eq!(reply.code(), "WRITEGATE_STOPPED", "{}", reply.text());
    };
    for program in [&one, &two] {
        assert_eq!(in_the_end(&program.agent()).await.status, 201);
        assert_eq!(hold_of(&program.agent().patch(&deal, &body).await), id);
        stopped(program).await;
    }
    let epoch = || {
        fleet
            .database
            .by_hand()
            .texts("SELECT epoch FROM ledger_epoch")
    };
    let before: u64 = epoch()[0].parse().unwrap();
    fleet.redis.say(&["FLUSHALL"]);
    for program in [&one, &two] {
        assert_eq!(in_the_end(&program.agent()).await.status, 201);
        assert_eq!(hold_of(&program.agent().patch(&deal, &body).await), id);
        stopped(program).await;
    }
    // one of the two has built it, and the other has joined
    let after: u64 = epoch()[0].parse().unwrap();
    assert_eq!(after, before + 1);
    // five were written and one was parked
    for program in [&one, &two] {
        assert_eq!(create(&program.agent()).await.code(), "WRITEGATE_BUDGET");
    }
    assert_eq!(fleet.crm.writes().len(), 5);
}

#[tokio::test]
async fn one_that_is_cut_off_from_the_ledger_reads_and_does_not_write() {
    let name = "fleet::programs::one_that_is_cut_off_from_the_ledger_reads_and_does_not_write";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let wire = Wire::to(fleet.database.port);
    let one = started(fleet.program("one")).await;
    let two = started(fleet.program_over("two", &wire)).await;
    let (agent, other) = (one.agent(), two.agent());
    for agent in [&agent, &other] {
        assert_eq!(in_the_end(agent).await.status, 201);
    }
    wire.strand();
    wire.cut();
    let ready = Client::new(two.admin, "");
    // before it knows, a write would wait for the ledger's answer
    soon(two.logged("the ledger cannot write; writes are refused")).await;
    soon(async { while ready.get("/readyz").await.status != 503 {} }).await;
    let refused = until_code("WRITEGATE_UNAVAILABLE", async || create(&other).await).await;
    assert_eq!(refused.status, 503);
    assert_eq!(other.get(&acme()).await.status, 200);
    assert_eq!(create(&agent).await.status, 201);
    wire.lead_to(fleet.database.port);
    assert_eq!(in_the_end(&other).await.status, 201);
}
