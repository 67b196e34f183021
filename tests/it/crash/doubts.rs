//! kill -9 while what an earlier crash left in doubt is read back, and while a person settles it.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use writegate::sandbox::{Head, seed};

use super::scene::{ANN, DANA, Errand, Life, Release, World};
use super::steps::{Step, after, at_each_step, before, reads};
use super::trace::{Script, at_each_call, at_each_failure};
use Release::{Credential, Repeat};

/// What the CRM did, and nobody heard of.
fn done() -> [Errand; 3] {
    let lead = json!({ "LastName": "Hopper", "Company": "Harvard" });
    let account = format!("Account/{}", seed::VANDELAY);
    [
        Errand::stage(seed::INITECH_PILOT, "Closed Won"),
        Errand::salesforce(Method::POST, "Lead", lead),
        Errand::salesforce(Method::DELETE, &account, Value::Null),
    ]
}

/// What it did not do.
fn not_done() -> [Errand; 2] {
    let deal = format!("deals/{}", seed::HS_INITECH_PILOT);
    [
        Errand::stage(seed::STARK_PLATFORM, "Closed Lost"),
        Errand::hubspot(Method::PATCH, &deal, &json!({ "dealstage": "closedwon" })),
    ]
}

fn of(errands: &[Errand]) -> impl Fn(&Head<'_>) -> bool + Send + Sync + 'static + use<> {
    let errands = errands.to_vec();
    move |head| {
        let mut errands = errands.iter();
        errands.any(|errand| errand.method == *head.method && errand.target == head.path)
    }
}

/// A program that was killed while all of these were at the CRM.
async fn doubtful(world: &Arc<World>) {
    let life = world.begin();
    let mut holds = Vec::new();
    for errand in done().iter().chain(&not_done()) {
        holds.push(life.park(errand).await.unwrap());
    }
    let gates = [
        after(world, done().len(), of(&done())),
        before(world, not_done().len(), of(&not_done())),
    ];
    for hold in &holds {
        life.decide(ANN, hold, true).await.unwrap();
    }
    let mut asks = JoinSet::new();
    if world.release == Repeat {
        for errand in done().into_iter().chain(not_done()) {
            let life = life.clone();
            asks.spawn(async move { life.ask(&errand).await });
        }
    }
    gates[0].arrived(done().len()).await;
    gates[1].arrived(not_done().len()).await;
    life.program.strike();
    while let Some(answer) = asks.join_next().await {
        assert!(answer.unwrap().is_none());
    }
    life.ended().await;
}

/// The entry that an errand's newest hold is.
fn entry(world: &World, errand: &Errand) -> String {
    let notes = world.notes.lock();
    notes.asked[&errand.name()].holds.last().unwrap().1.clone()
}

async fn it_is_in_doubt(world: &Arc<World>) {
    doubtful(world).await;
}

async fn it_is_read_back(world: &Arc<World>) {
    doubtful(world).await;
    let gate = before(world, 1, reads);
    let life = world.begin();
    match world.release {
        Repeat => life.struck(life.ask(&done()[0]), gate.arrived(1)).await,
        Credential => {
            gate.arrived(1).await;
            life.program.strike();
        }
    }
    life.ended().await;
}

async fn it_was_read_back(world: &Arc<World>) {
    doubtful(world).await;
    let life = world.begin();
    match world.release {
        Repeat => {
            let answer = life.ask(&done()[0]).await.unwrap();
            assert!(answer.status.is_success(), "{}", answer.text());
        }
        Credential => {
            let settled = "a write in doubt is settled";
            life.program.logged_times(settled, done().len()).await;
        }
    }
    life.kill().await;
}

async fn it_was_settled(world: &Arc<World>, errand: &Errand, applied: bool) {
    doubtful(world).await;
    let life = world.begin();
    let reply = life.settle(&entry(world, errand), applied).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    life.kill().await;
}

/// What was not done is a new write, which waits anew.
async fn it_waits_anew(world: &Arc<World>) {
    doubtful(world).await;
    let life = world.begin();
    for errand in not_done() {
        life.settle(&entry(world, &errand), false).await.unwrap();
        life.park(&errand).await.unwrap();
    }
    life.kill().await;
}

#[rustfmt::skip]
const STEPS: [Step; 9] = [
    (Repeat, "it is in doubt", |world| Box::pin(it_is_in_doubt(world))),
    (Credential, "it is in doubt", |world| Box::pin(it_is_in_doubt(world))),
    (Repeat, "it is read back", |world| Box::pin(it_is_read_back(world))),
    (Credential, "it is read back", |world| Box::pin(it_is_read_back(world))),
    (Repeat, "it was read back", |world| Box::pin(it_was_read_back(world))),
    (Credential, "it was read back", |world| Box::pin(it_was_read_back(world))),
    (Repeat, "a person settled it as done", |world| Box::pin(async { it_was_settled(world, &done()[1], true).await })),
    (Repeat, "a person settled it as not done", |world| Box::pin(async { it_was_settled(world, &not_done()[0], false).await })),
    (Repeat, "it waits anew", |world| Box::pin(it_waits_anew(world))),
];

/// Reads back, settles by hand, and does what was not done.
struct Settled;

impl Script for Settled {
    async fn prepare(&self, world: &Arc<World>) {
        doubtful(world).await;
    }

    async fn run(&self, life: &Life) -> Option<()> {
        for errand in done() {
            life.collect(&errand).await?;
        }
        for errand in not_done() {
            life.ask(&errand).await?;
            life.settle(&entry(&life.world, &errand), false).await?;
            let hold = life.park(&errand).await?;
            life.decide(DANA, &hold, true).await?;
            life.collect(&errand).await?;
        }
        Some(())
    }
}

#[tokio::test]
async fn at_each_step_of_a_settlement() {
    at_each_step("steps of settlements", &STEPS).await;
}

#[tokio::test]
async fn while_doubts_are_settled() {
    at_each_call("doubts that are settled", &Settled, &[Repeat, Credential]).await;
}

#[tokio::test]
async fn while_the_disk_breaks() {
    at_each_failure("doubts on a broken disk", &Settled, &[Repeat, Credential]).await;
}
