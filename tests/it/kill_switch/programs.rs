//! A kill across three programs on one Redis and one PostgreSQL, with writes and releases under way at
//! each, and one of them cut off from Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use http::Method;
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, Head, Options, Running, Sandbox, Token, seed};

use super::{ACCOUNTS, create, read};
use crate::support::cable::{Plan, Wire};
use crate::support::client::{Client, Reply};
use crate::support::house::{BROKER, OPERATOR, OTHER_TOKEN, TOKEN};
use crate::support::postgres::{Database, postgres};
use crate::support::program::{Program, Ran};
use crate::support::redis::Redis;
use crate::support::wire::soon;

const REPLICAS: usize = 3;
/// Writes that wait for their prior values at each program, and releases.
const WRITES: usize = 20;
const RELEASES: usize = 4;

const RULES: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow } }
  Account: { fields: { Industry: { agents: fill-else-deny } } }
rules:
  - { name: asked, applies: { object: Account, field: Description }, then: hold }
";

struct Fleet {
    crm: Running,
    wires: Vec<Wire>,
    programs: Vec<Program>,
    _redis: Redis,
}

async fn sandbox() -> Running {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(OTHER_TOKEN));
    options.tokens.push(Token::new(BROKER));
    let listen = "127.0.0.1:0".parse().unwrap();
    Sandbox::start(listen, options).await.unwrap()
}

fn start(crm: &Running, wire: &Wire, database: &Database, number: usize) -> Program {
    Program::before(&crm.base_url())
        .rules(&[("salesforce.yaml", RULES)])
        .route(", release_credential: { env: BROKER }")
        .env("WRITEGATE_CONTROL", &wire.url())
        .env("WRITEGATE_LEDGER", &database.url())
        .env("WRITEGATE_REPLICA", &format!("replica-{number}"))
        .start()
}

impl Fleet {
    async fn of(test: &str) -> Option<Self> {
        let database = postgres(test)?.database(test);
        let redis = Redis::start(test)?;
        let crm = sandbox().await;
        let wires: Vec<Wire> = (0..REPLICAS).map(|_| Wire::to(redis.port)).collect();
        let start = |(number, wire)| start(&crm, wire, &database, number);
        let programs: Vec<Program> = wires.iter().enumerate().map(start).collect();
        // each has a view of the switches
        for program in &programs {
            soon(async { while create(&program.agent()).await.status != 201 {} }).await;
        }
        Some(Self {
            crm,
            wires,
            programs,
            _redis: redis,
        })
    }

    /// A verb at one of the programs, beside everything else that goes on here.
    async fn verb(&self, place: usize, arguments: &'static [&'static str]) -> Ran {
        let admin = format!("http://{}", self.programs[place].admin);
        let env = [
            ("WRITEGATE_ADMIN", admin),
            ("WRITEGATE_TOKEN", OPERATOR.to_owned()),
        ];
        let ran = move || {
            let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
            crate::support::program::verb(arguments, &env)
        };
        spawn_blocking(ran).await.unwrap()
    }
}

async fn patch(client: Client, id: String, fields: Value) -> Reply {
    client.patch(&format!("{ACCOUNTS}/{id}"), &fields).await
}

/// Parks a write at a program and says the id of the hold and its digest.
async fn parked(program: &Program, id: &str) -> (String, String) {
    let held = patch(
        program.agent(),
        id.to_owned(),
        json!({ "Description": "later" }),
    )
    .await;
    assert_eq!(held.code(), "WRITEGATE_HELD", "{}", held.text());
    let message = held.message();
    let hold = message
        .rsplit_once("[hold ")
        .unwrap()
        .1
        .trim_end_matches(']')
        .to_owned();
    let shown = Client::new(program.admin, OPERATOR)
        .get(&format!("/api/v1/holds/{hold}"))
        .await;
    (hold, shown.json()["digest"].as_str().unwrap().to_owned())
}

fn is_read(head: &Head<'_>) -> bool {
    head.method == Method::GET
}

/// P5: what had not sent its first byte when the kill was acknowledged never sends it, on any of them.
#[tokio::test]
async fn after_a_kill_no_program_begins_a_write_or_a_release() {
    let Some(fleet) = Fleet::of("after_a_kill_no_program_begins_a_write_or_a_release").await else {
        return;
    };
    let mut records = Vec::new();
    for number in 0..REPLICAS * (WRITES + RELEASES) {
        let body = json!({ "Name": format!("number {number}") });
        let made = fleet.programs[0].agent().post(ACCOUNTS, &body).await;
        records.push(made.json()["id"].as_str().unwrap().to_owned());
    }
    let mut holds = Vec::new();
    for program in &fleet.programs {
        for id in records.split_off(records.len() - RELEASES) {
            holds.push((program.admin, parked(program, &id).await));
        }
    }
    let before = fleet.crm.writes().len();
    let gate = Gate::new();
    let waiting = REPLICAS * (WRITES + RELEASES);
    fleet
        .crm
        .script(is_read, waiting, Fault::WaitBeforeEffect(gate.clone()));
    let mut calls = JoinSet::new();
    for (number, id) in records.into_iter().enumerate() {
        let agent = fleet.programs[number % REPLICAS].agent();
        calls.spawn(patch(agent, id, json!({ "Industry": "Mining" })));
    }
    let mut releases = JoinSet::new();
    for (admin, (hold, digest)) in holds {
        releases.spawn(async move {
            let wish = json!({ "digest": digest });
            let approve = format!("/api/v1/holds/{hold}/approve");
            Client::new(admin, OPERATOR).post(&approve, &wish).await
        });
    }
    soon(gate.arrived(waiting)).await;
    let began = Instant::now();
    let killed = fleet.verb(1, &["kill", "enrichment-agent"]).await;
    println!("acknowledged after {:?}: {}", began.elapsed(), killed.out);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    gate.open();
    while let Some(reply) = calls.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.code(), "WRITEGATE_STOPPED", "{}", reply.text());
    }
    while let Some(reply) = releases.join_next().await {
        // it may be told that it is not sent yet, or that it was stopped
        assert_eq!(reply.unwrap().status, 200);
    }
    for program in &fleet.programs {
        assert_eq!(read(&program.agent()).await.code(), "WRITEGATE_STOPPED");
        assert_eq!(create(&program.other_agent()).await.status, 201);
    }
    let after = fleet.crm.writes().len() - before;
    assert_eq!(after, REPLICAS, "only those of the other agent");
    let industries = fleet
        .crm
        .ids(CrmKind::Salesforce, "Account")
        .into_iter()
        .filter(|id| {
            let record = fleet
                .crm
                .record(CrmKind::Salesforce, "Account", id)
                .unwrap();
            record
                .get("Industry")
                .is_some_and(|value| value == "Mining")
        });
    assert_eq!(industries.count(), 0);
    let resumed = fleet.verb(2, &["resume", "enrichment-agent"]).await;
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    for program in &fleet.programs {
        soon(async { while create(&program.agent()).await.status != 201 {} }).await;
    }
}

/// A program that Redis cannot tell refuses by itself, and the kill does not wait for it for ever.
#[tokio::test]
async fn a_program_cut_off_from_redis_writes_nothing_after_a_kill() {
    let test = "a_program_cut_off_from_redis_writes_nothing_after_a_kill";
    let Some(fleet) = Fleet::of(test).await else {
        return;
    };
    fleet.wires[2].plan(Plan::Swallow);
    let stop = Arc::new(AtomicBool::new(false));
    let mut agents = JoinSet::new();
    for program in &fleet.programs {
        let (agent, stop) = (program.agent(), Arc::clone(&stop));
        agents.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let reply = create(&agent).await;
                assert!(
                    [201, 403, 503].contains(&reply.status.as_u16()),
                    "{}",
                    reply.text()
                );
            }
        });
    }
    let began = Instant::now();
    let killed = fleet.verb(0, &["kill", "enrichment-agent"]).await;
    println!("acknowledged after {:?}: {}", began.elapsed(), killed.out);
    // one of them has not confirmed it, and a script is to know that
    assert_eq!(killed.code, Some(1), "{killed:?}");
    assert!(
        killed.out.contains("replica-2: not confirmed"),
        "{killed:?}"
    );
    let written = fleet.crm.writes().len();
    for program in &fleet.programs {
        for _ in 0..20 {
            assert!(!create(&program.agent()).await.status.is_success());
        }
    }
    assert_eq!(fleet.crm.writes().len(), written);
    fleet.wires[2].plan(Plan::Pass);
    fleet.wires[2].cut();
    let agent = fleet.programs[2].agent();
    soon(async { while read(&agent).await.status != 403 {} }).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = agents.join_next().await {
        ended.unwrap();
    }
    assert_eq!(fleet.crm.writes().len(), written);
    assert_eq!(read(&fleet.programs[1].other_agent()).await.status, 200);
    assert!(
        fleet
            .crm
            .record(CrmKind::Salesforce, "Account", seed::ACME)
            .is_some()
    );
}
