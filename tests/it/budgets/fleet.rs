//! One budget for a fleet of programs on one Redis and one PostgreSQL: agents that hang up, answers that
//! are lost, a program that is killed and started again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::task::JoinSet;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox};

use super::super::support::cable::{Plan, Wire};
use super::super::support::client::Client;
use super::super::support::house::TOKEN;
use super::super::support::long;
use super::super::support::postgres::{Database, postgres};
use super::super::support::program::{Program, Starting};
use super::super::support::redis::Redis;
use super::super::support::wire::{soon, until};
use super::{COLLECTION, batch, create, rules};

const BUDGET: usize = 1_000;
const REPLICAS: usize = 5;

/// What the agents know of what they asked for, in records.
#[derive(Debug, Default)]
struct Told {
    /// Done, says the answer.
    done: AtomicUsize,
    /// No answer came, or one that says that nobody knows.
    unsure: AtomicUsize,
    /// Requests, by answer.
    asked: AtomicUsize,
    unavailable: AtomicUsize,
}

struct Fleet {
    crm: Running,
    _redis: Redis,
    database: Database,
    wires: Arc<Vec<Wire>>,
}

impl Fleet {
    fn starting(&self, number: usize) -> Starting {
        Program::before(&self.crm.base_url())
            .rules(&[("salesforce.yaml", &rules(BUDGET))])
            .env("WRITEGATE_CONTROL", &self.wires[number].url())
            .env("WRITEGATE_LEDGER", &self.database.url())
            .env("WRITEGATE_REPLICA", &format!("replica-{number}"))
    }
}

/// Numbers that look random, the same in each run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    })
}

/// Batches of 1 to 200, some hung up on, until the budget is used up or this was enough.
/// `dies`: the program is killed meanwhile.
async fn agent(client: Client, told: Arc<Told>, number: u64, (turns, dies): (usize, bool)) {
    let mut random = numbers(number + 1);
    for _ in 0..turns {
        let mut next = |below: u64| usize::try_from(random.next().unwrap() % below).unwrap();
        let size = if next(10) == 0 {
            1 + next(200)
        } else {
            1 + next(5)
        };
        let (hangs_up, patience) = (next(8) == 0, Duration::from_millis(next(40) as u64));
        let body = batch(size);
        told.asked.fetch_add(1, Ordering::SeqCst);
        let body = Some(Bytes::from(body.to_string()));
        let asking = async { client.try_raw(Method::POST, COLLECTION, body).await.ok() };
        let answer = if hangs_up {
            tokio::time::timeout(patience, asking).await.unwrap_or(None)
        } else {
            soon(asking).await
        };
        let Some(reply) = answer else {
            if hangs_up {
                // what was asked goes on without it, unless the program dies
                let lost = if dies { size } else { 0 };
                told.unsure.fetch_add(lost, Ordering::SeqCst);
                continue;
            }
            assert!(dies, "an answer is missing");
            told.unsure.fetch_add(size, Ordering::SeqCst);
            return;
        };
        match (reply.status.as_u16(), reply.text().contains("WRITEGATE_")) {
            (200, false) => {
                told.done.fetch_add(size, Ordering::SeqCst);
            }
            (502 | 504, _) => {
                told.unsure.fetch_add(size, Ordering::SeqCst);
            }
            (503, true) => {
                told.unavailable.fetch_add(1, Ordering::SeqCst);
            }
            (403, true) if reply.code() == "WRITEGATE_BUDGET" => {}
            _ => panic!("{} {}", reply.status, reply.text()),
        }
    }
}

/// Cuts what comes back from Redis at random until told that it is enough.
fn cut_at_random(wires: &[Wire], done: &AtomicBool) -> usize {
    for turn in numbers(7) {
        if done.load(Ordering::SeqCst) {
            break;
        }
        let wire = &wires[usize::try_from(turn).unwrap() % wires.len()];
        let (before, began) = (wire.cuts(), std::time::Instant::now());
        wire.plan(Plan::After(
            "EVALSHA".into(),
            usize::try_from(turn % 40).unwrap(),
        ));
        while wire.cuts() == before && began.elapsed() < Duration::from_millis(20) {
            std::thread::yield_now();
        }
        wire.plan(Plan::Pass);
        std::thread::park_timeout(Duration::from_millis(turn % 100));
    }
    wires.iter().map(Wire::cuts).sum()
}

/// P4: five programs, agents at each, one budget of 1,000: never more, and at the end nothing is left
/// unused but what is in doubt.
#[tokio::test]
async fn five_programs_never_exceed_a_budget() {
    const TEST: &str = "five_programs_never_exceed_a_budget";
    let Some(server) = postgres(TEST) else { return };
    let Some(redis) = Redis::start(TEST) else {
        return;
    };
    let options = Options::with_token(TOKEN);
    let crm = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let seed = crm.ids(CrmKind::Salesforce, "Account").len();
    let wires = Arc::new((0..REPLICAS).map(|_| Wire::to(redis.port)).collect());
    let fleet = Fleet {
        crm,
        _redis: redis,
        database: server.database(TEST),
        wires,
    };
    let made = || fleet.crm.ids(CrmKind::Salesforce, "Account").len() - seed;
    let mut programs: Vec<Program> = (0..REPLICAS)
        .map(|number| fleet.starting(number).start())
        .collect();

    let (agents, turns) = if long() { (64, 12) } else { (12, 12) };
    let (told, enough) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for (place, program) in programs.iter().enumerate() {
        for number in 0..agents {
            let number = (place as u64) * 1_000 + number;
            let asks = (turns, place == 0);
            tasks.spawn(agent(program.agent(), Arc::clone(&told), number, asks));
        }
    }
    let (wires, cutting) = (Arc::clone(&fleet.wires), Arc::clone(&enough));
    let chaos = tokio::task::spawn_blocking(move || cut_at_random(&wires, &cutting));
    until(|| made() > 150).await;
    let folder = Arc::clone(&programs[0].folder);
    programs[0].kill();
    programs[0] = fleet.starting(0).folder(&folder).start();
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    enough.store(true, Ordering::SeqCst);
    let cuts = chaos.await.unwrap();
    // what nobody heard the end of comes to its end
    for program in &programs {
        let idle = Client::new(program.admin, "");
        soon(async {
            while !idle
                .get("/metrics")
                .await
                .text()
                .contains("writegate_writes_under_way 0")
            {}
        })
        .await;
    }
    let by_agents = made();
    assert!(by_agents <= BUDGET, "{by_agents} of {BUDGET}");
    let (mut left, agent) = (0, programs[1].agent());
    loop {
        let reply = create(&agent).await;
        match reply.status.as_u16() {
            201 => left += 1,
            503 => {}
            _ => {
                assert_eq!(reply.code(), "WRITEGATE_BUDGET", "{}", reply.text());
                break;
            }
        }
    }
    let load = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    let (done, unsure, unused) = (load(&told.done), load(&told.unsure), BUDGET - made());
    println!(
        "{} asks at {REPLICAS} programs of {agents}, {cuts} answers of Redis cut, {} refused as \
         unavailable: {done} records told as done, {by_agents} done, {left} left, {unused} unused, at \
         most {unsure} in doubt",
        load(&told.asked),
        load(&told.unavailable),
    );
    assert!(made() <= BUDGET && done <= by_agents);
    assert!(unused <= unsure, "{unused} unused, {unsure} in doubt");
}
