//! kill -9 while several agents ask and two people decide, not always the same way.

use std::sync::Arc;

use http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use writegate::sandbox::seed;

use super::figures::{Figures, mixed};
use super::judge;
use super::scene::{ANN, DANA, Errand, Life, Release, World};
use super::steps::{after, before, writes};
use crate::support::long;

const AGENTS: usize = 4;
const ACCOUNTS: [&str; 12] = [
    seed::ACME,
    seed::GLOBEX,
    seed::INITECH,
    seed::UMBRELLA,
    seed::STARK,
    seed::WAYNE,
    seed::HOOLI,
    seed::SOYLENT,
    seed::WONKA,
    seed::TYRELL,
    seed::CYBERDYNE,
    seed::VANDELAY,
];
/// As many answers as everybody gets before all is decided, at the least.
const ANSWERS: usize = 2 * ACCOUNTS.len();

fn rated(account: &str) -> Errand {
    let path = format!("Account/{account}");
    Errand::salesforce(Method::PATCH, &path, json!({ "Rating": "Hot" }))
}

/// Asks for each of its accounts until it has the CRM's answer, or a no.
async fn agent(life: Life, number: usize) -> Option<()> {
    let mut open: Vec<Errand> = ACCOUNTS
        .iter()
        .skip(number)
        .step_by(AGENTS)
        .map(|id| rated(id))
        .collect();
    while let Some(errand) = open.pop() {
        let reply = life.ask(&errand).await?;
        if !reply.status.is_success() && reply.code() != "WRITEGATE_REJECTED" {
            open.insert(0, errand);
        }
    }
    Some(())
}

/// Decides whatever waits; a quarter of it is a no.
async fn person(life: Life, who: (&'static str, &'static str), seed: usize) -> Option<()> {
    let mut number = seed;
    loop {
        let waits = life.read("holds?state=open").await?;
        for hold in waits["items"].as_array().unwrap() {
            let id = hold["id"].as_str().unwrap();
            number += 1;
            let yes = !mixed(number).is_multiple_of(4);
            life.decide(who, id, yes).await?;
        }
    }
}

/// Everybody at once, until so many answers were given, or a write waits at the CRM.
async fn struck_in_the_crowd(release: Release, seed: usize) -> Arc<World> {
    let world = World::new(release).await;
    let life = world.begin();
    let number = mixed(seed);
    let most = 1 + number / 3 % 3;
    let gate = match number % 3 {
        0 => None,
        1 => Some(before(&world, most, writes)),
        _ => Some(after(&world, most, writes)),
    };
    let mut agents = JoinSet::new();
    for number in 0..AGENTS {
        agents.spawn(agent(life.clone(), number));
    }
    let mut people = JoinSet::new();
    for (number, who) in [ANN, DANA].into_iter().enumerate() {
        people.spawn(person(life.clone(), who, seed * 1000 + number * 500));
    }
    let moment = async {
        match &gate {
            // one is sure to be approved, more are likely to come meanwhile
            Some(gate) => gate.arrived(1).await,
            None => {
                let wanted = 1 + number / 3 % ANSWERS;
                let mut answers = world.answers.subscribe();
                answers.wait_for(|&given| given >= wanted).await.unwrap();
            }
        }
    };
    // or everybody has what there is to have
    let all = async { while agents.join_next().await.is_some() {} };
    tokio::select! { () = moment => {}, () = all => {} }
    life.program.strike();
    while let Some(ended) = agents.join_next().await {
        ended.unwrap();
    }
    while let Some(ended) = people.join_next().await {
        ended.unwrap();
    }
    life.ended().await;
    if let Some(gate) = gate {
        gate.open();
    }
    world
}

#[tokio::test]
async fn while_many_ask_and_people_decide() {
    let began = Instant::now();
    let mut figures = Figures::default();
    for seed in 0..if long() { 100 } else { 3 } {
        for release in [Release::Repeat, Release::Credential] {
            let world = struck_in_the_crowd(release, seed).await;
            let found = judge::judge(&world).await;
            figures.add(&format!("{release:?}, seed {seed}"), &world, true, found);
        }
    }
    figures.tell("crowds", began);
}
