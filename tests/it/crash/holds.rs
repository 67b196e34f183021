//! kill -9 at each step of a hold, from its park to the answer that the agent collects.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use writegate::sandbox::{Fault, seed};

use super::scene::{ANN, DANA, Errand, Life, Release, World};
use super::steps::{Step, after, at_each_step, before, reads, writes};
use super::trace::{Script, at_each_call, at_each_failure};
use crate::support::long;
use Release::{Credential, Repeat};

/// Two people have to agree.
fn large() -> Errand {
    Errand::stage(seed::GLOBEX_EXPANSION, "Closed Won")
}

/// One does.
fn small() -> Errand {
    Errand::stage(seed::INITECH_PILOT, "Closed Lost")
}

fn lead() -> Errand {
    let body = json!({ "LastName": "Hopper", "Company": "Harvard" });
    Errand::salesforce(Method::POST, "Lead", body)
}

fn vandelay() -> Errand {
    let path = format!("Account/{}", seed::VANDELAY);
    Errand::salesforce(Method::DELETE, &path, Value::Null)
}

fn deal() -> Errand {
    let path = format!("deals/{}", seed::HS_INITECH_PILOT);
    Errand::hubspot(Method::PATCH, &path, &json!({ "dealstage": "closedwon" }))
}

/// Nobody decides it within a second, for which the call stays open.
fn hasty() -> Errand {
    let path = format!("Contact/{}", seed::PETER);
    Errand::salesforce(Method::PATCH, &path, json!({ "Title": "Consultant" }))
}

/// A life in which this waits.
async fn parked(world: &Arc<World>, errand: &Errand) -> (Life, String) {
    let life = world.begin();
    let hold = life.park(errand).await.unwrap();
    (life, hold)
}

/// A life in which a person has agreed to it, and nobody sends it before the agent comes again.
async fn approved(world: &Arc<World>, errand: &Errand) -> Life {
    let (life, hold) = parked(world, errand).await;
    life.decide(ANN, &hold, true).await.unwrap();
    life
}

/// A life in which the agent has its answer.
async fn collected(world: &Arc<World>, errand: &Errand) -> Life {
    let life = approved(world, errand).await;
    let answer = life.collect(errand).await.unwrap();
    assert!(answer.status.is_success(), "{}", answer.text());
    life
}

async fn prior_values_are_read(world: &Arc<World>) {
    let life = world.begin();
    let gate = before(world, 1, reads);
    life.struck(life.ask(&large()), gate.arrived(1)).await;
    life.ended().await;
}

async fn it_is_parked(world: &Arc<World>) {
    parked(world, &large()).await.0.kill().await;
}

async fn a_repeat_was_told_that_it_waits(world: &Arc<World>) {
    let (life, _) = parked(world, &deal()).await;
    life.park(&deal()).await.unwrap();
    life.kill().await;
}

async fn one_of_two_agreed(world: &Arc<World>) {
    let (life, hold) = parked(world, &large()).await;
    life.decide(DANA, &hold, true).await.unwrap();
    life.kill().await;
}

async fn both_agreed(world: &Arc<World>) {
    let (life, hold) = parked(world, &large()).await;
    for person in [ANN, DANA] {
        life.decide(person, &hold, true).await.unwrap();
    }
    life.kill().await;
}

async fn a_release_looks(world: &Arc<World>) {
    let (life, hold) = parked(world, &small()).await;
    let gate = before(world, 1, reads);
    life.decide(ANN, &hold, true).await.unwrap();
    match world.release {
        Repeat => life.struck(life.ask(&small()), gate.arrived(1)).await,
        Credential => {
            gate.arrived(1).await;
            life.program.strike();
        }
    }
    life.ended().await;
}

/// The write is at the CRM, and stays there.
async fn sent(world: &Arc<World>, errand: &Errand, done: bool) {
    let (life, hold) = parked(world, errand).await;
    let gate = match done {
        true => after(world, 1, writes),
        false => before(world, 1, writes),
    };
    life.decide(ANN, &hold, true).await.unwrap();
    match world.release {
        Repeat => life.struck(life.ask(errand), gate.arrived(1)).await,
        Credential => {
            gate.arrived(1).await;
            life.program.strike();
        }
    }
    life.ended().await;
}

async fn half_of_the_answer_is_there(world: &Arc<World>, bytes: usize) {
    let (life, hold) = parked(world, &lead()).await;
    world.line.stop_answer_after(bytes);
    life.decide(ANN, &hold, true).await.unwrap();
    match world.release {
        Repeat => {
            life.struck(life.ask(&lead()), world.line.answer_stopped())
                .await
        }
        Credential => {
            world.line.answer_stopped().await;
            life.program.strike();
        }
    }
    life.ended().await;
}

async fn it_was_released_and_nobody_told(world: &Arc<World>) {
    let life = approved(world, &vandelay()).await;
    life.program.logged("\"message\":\"released\"").await;
    life.kill().await;
}

async fn the_crm_refused_the_credential(world: &Arc<World>) {
    let life = approved(world, &small()).await;
    let fault = Fault::Answer {
        status: 401,
        headers: Vec::new(),
        body: "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"x\"}]".into(),
    };
    world.crm.script(writes, 1, fault);
    life.ask(&small()).await.unwrap();
    life.kill().await;
}

async fn it_was_collected(world: &Arc<World>, times: usize) {
    let life = collected(world, &lead()).await;
    for _ in 1..times {
        life.ask(&lead()).await.unwrap();
    }
    life.kill().await;
}

async fn it_was_rejected(world: &Arc<World>, told: bool) {
    let (life, hold) = parked(world, &large()).await;
    life.decide(ANN, &hold, true).await.unwrap();
    life.decide(DANA, &hold, false).await.unwrap();
    if told {
        let reply = life.ask(&large()).await.unwrap();
        assert_eq!(reply.code(), "WRITEGATE_REJECTED");
    }
    life.kill().await;
}

async fn the_call_is_kept_open(world: &Arc<World>) {
    let life = world.begin();
    let held = life.program.logged("\"message\":\"held\"");
    life.struck(life.ask(&hasty()), held).await;
    life.ended().await;
}

async fn it_has_expired(world: &Arc<World>) {
    let life = world.begin();
    let reply = life.ask(&hasty()).await.unwrap();
    assert_eq!(reply.code(), "WRITEGATE_EXPIRED", "{}", reply.text());
    life.kill().await;
}

/// A hold that waits again.
async fn drifted(world: &Arc<World>) -> (Life, String) {
    let (life, hold) = parked(world, &small()).await;
    life.moves(seed::INITECH_PILOT, "StageName", "Proposal");
    life.decide(ANN, &hold, true).await.unwrap();
    match world.release {
        Repeat => drop(life.park(&small()).await.unwrap()),
        Credential => life.program.logged("waits again").await,
    }
    (life, hold)
}

async fn it_drifted(world: &Arc<World>) {
    drifted(world).await.0.kill().await;
}

async fn it_was_approved_again(world: &Arc<World>) {
    let (life, hold) = drifted(world).await;
    life.decide(DANA, &hold, true).await.unwrap();
    life.kill().await;
}

async fn it_was_denied_in_the_end(world: &Arc<World>) {
    let (life, hold) = parked(world, &small()).await;
    life.moves(seed::INITECH_PILOT, "NextStep", "frozen");
    life.decide(ANN, &hold, true).await.unwrap();
    let reply = life.collect(&small()).await.unwrap();
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    life.kill().await;
}

#[rustfmt::skip]
const STEPS: [Step; 33] = [
    (Repeat, "prior values are read", |world| Box::pin(prior_values_are_read(world))),
    (Repeat, "it is parked", |world| Box::pin(it_is_parked(world))),
    (Credential, "a repeat was told that it waits", |world| Box::pin(a_repeat_was_told_that_it_waits(world))),
    (Repeat, "the call is kept open", |world| Box::pin(the_call_is_kept_open(world))),
    (Repeat, "one of two agreed", |world| Box::pin(one_of_two_agreed(world))),
    (Repeat, "both agreed", |world| Box::pin(both_agreed(world))),
    (Credential, "both agreed", |world| Box::pin(both_agreed(world))),
    (Repeat, "a release looks", |world| Box::pin(a_release_looks(world))),
    (Credential, "a release looks", |world| Box::pin(a_release_looks(world))),
    (Repeat, "an update is at the CRM", |world| Box::pin(async { sent(world, &small(), false).await })),
    (Repeat, "an update is done", |world| Box::pin(async { sent(world, &small(), true).await })),
    (Credential, "an update is at the CRM", |world| Box::pin(async { sent(world, &small(), false).await })),
    (Credential, "an update is done", |world| Box::pin(async { sent(world, &small(), true).await })),
    (Repeat, "a create is at the CRM", |world| Box::pin(async { sent(world, &lead(), false).await })),
    (Credential, "a create is done", |world| Box::pin(async { sent(world, &lead(), true).await })),
    (Credential, "a delete is at the CRM", |world| Box::pin(async { sent(world, &vandelay(), false).await })),
    (Repeat, "a delete is done", |world| Box::pin(async { sent(world, &vandelay(), true).await })),
    (Credential, "a HubSpot write is at the CRM", |world| Box::pin(async { sent(world, &deal(), false).await })),
    (Repeat, "a HubSpot write is done", |world| Box::pin(async { sent(world, &deal(), true).await })),
    (Repeat, "half of the answer's head is there", |world| Box::pin(half_of_the_answer_is_there(world, 40))),
    (Credential, "half of the answer's body is there", |world| Box::pin(half_of_the_answer_is_there(world, 200))),
    (Credential, "it was released and nobody told", |world| Box::pin(it_was_released_and_nobody_told(world))),
    (Repeat, "the CRM refused the credential", |world| Box::pin(the_crm_refused_the_credential(world))),
    (Repeat, "it was collected", |world| Box::pin(it_was_collected(world, 1))),
    (Credential, "it was collected twice", |world| Box::pin(it_was_collected(world, 2))),
    (Repeat, "it was rejected", |world| Box::pin(it_was_rejected(world, false))),
    (Repeat, "the agent was told of the rejection", |world| Box::pin(it_was_rejected(world, true))),
    (Repeat, "it has expired", |world| Box::pin(it_has_expired(world))),
    (Repeat, "it drifted", |world| Box::pin(it_drifted(world))),
    (Credential, "it drifted", |world| Box::pin(it_drifted(world))),
    (Repeat, "it was approved again", |world| Box::pin(it_was_approved_again(world))),
    (Credential, "it was approved again", |world| Box::pin(it_was_approved_again(world))),
    (Repeat, "it was denied in the end", |world| Box::pin(it_was_denied_in_the_end(world))),
];

/// Two people agree, and the agent collects the answer twice; also a create, a delete, and HubSpot.
struct Approved;

impl Script for Approved {
    async fn run(&self, life: &Life) -> Option<()> {
        let hold = life.park(&large()).await?;
        life.park(&large()).await?;
        life.decide(ANN, &hold, true).await?;
        life.park(&large()).await?;
        life.decide(DANA, &hold, true).await?;
        life.collect(&large()).await?;
        life.collect(&large()).await?;
        for errand in [lead(), vandelay(), deal()] {
            let hold = life.park(&errand).await?;
            life.decide(ANN, &hold, true).await?;
            life.collect(&errand).await?;
        }
        Some(())
    }
}

/// One is rejected, one drifts and is approved again, one is denied when it is to be released.
struct Otherwise;

impl Script for Otherwise {
    async fn run(&self, life: &Life) -> Option<()> {
        let hold = life.park(&large()).await?;
        life.decide(DANA, &hold, false).await?;
        life.ask(&large()).await?;
        life.ask(&large()).await?;
        let hold = life.park(&small()).await?;
        life.moves(seed::INITECH_PILOT, "StageName", "Proposal");
        life.decide(ANN, &hold, true).await?;
        life.collect(&small()).await?;
        life.decide(DANA, &hold, true).await?;
        life.collect(&small()).await?;
        let denied = Errand::stage(seed::ACME_RENEWAL, "Closed Won");
        let hold = life.park(&denied).await?;
        life.moves(seed::ACME_RENEWAL, "NextStep", "frozen");
        life.decide(ANN, &hold, true).await?;
        life.collect(&denied).await?;
        life.ask(&denied).await?;
        Some(())
    }
}

/// Nobody decides in time.
struct Expired;

impl Script for Expired {
    async fn run(&self, life: &Life) -> Option<()> {
        life.ask(&hasty()).await.map(drop)
    }
}

#[tokio::test]
async fn at_each_step_of_a_hold() {
    at_each_step("steps of holds", &STEPS).await;
}

#[tokio::test]
async fn from_the_park_to_the_answer() {
    at_each_call("holds that are approved", &Approved, &[Repeat, Credential]).await;
}

#[tokio::test]
async fn while_the_disk_breaks() {
    at_each_failure("holds on a broken disk", &Approved, &[Repeat, Credential]).await;
}

#[tokio::test]
async fn from_the_park_to_every_other_end() {
    at_each_call("holds that are not", &Otherwise, &[Repeat, Credential]).await;
    // takes a second or more at each point: a plain run has its steps
    if long() {
        at_each_call("holds that expire", &Expired, &[Repeat]).await;
    }
}
