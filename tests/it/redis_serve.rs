//! `writegate serve` with Redis as control state: what happens to Redis costs agents time, never a budget
//! nor a kill switch.

use std::time::Instant;

use serde_json::json;
use tokio::task::JoinSet;
use writegate::sandbox::{Options, Running, Sandbox, Token, seed};

use super::support::client::{Client, Reply};
use super::support::house::{OTHER_TOKEN, TOKEN};
use super::support::program::{Program, Starting};
use super::support::redis::{Redis, Said};
use super::support::wire::{soon, until};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

fn rules(max: usize) -> String {
    format!(
        "
crm: salesforce
default: allow
objects:
  '*': {{ create: {{ agents: allow }} }}
  Account: {{ fields: {{ OwnerId: {{ agents: deny }} }} }}
limits:
  - {{ name: hourly, per: service_account, count: mutations, max: {max}, window: 1h }}
  - {{ name: pace, per: service_account, rate: 1000/s }}
  - {{ name: spread, per: service_account, count: records, max: 500, window: 1h }}
"
    )
}

async fn crm() -> Running {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(OTHER_TOKEN));
    let listen = "127.0.0.1:0".parse().unwrap();
    Sandbox::start(listen, options).await.unwrap()
}

fn starting(crm: &Running, redis: &Redis, max: usize) -> Starting {
    Program::before(&crm.base_url())
        .rules(&[("salesforce.yaml", &rules(max))])
        .env("WRITEGATE_CONTROL", &redis.url())
}

async fn create(client: &Client) -> Reply {
    let body = json!({ "Name": super::support::unique("of a test") });
    client.post(ACCOUNTS, &body).await
}

async fn read(client: &Client) -> Reply {
    client.get(&format!("{ACCOUNTS}/{}", seed::ACME)).await
}

/// Repeats a write until the answer is another one than that nothing can be recorded now; how many were
/// done.
async fn in_the_end(client: &Client) -> Reply {
    let began = Instant::now();
    let reply = soon(async {
        loop {
            let reply = create(client).await;
            if reply.status != 503 {
                break reply;
            }
            assert_eq!(reply.code(), "WRITEGATE_UNAVAILABLE");
        }
    });
    let reply = reply.await;
    println!("back after {:?}", began.elapsed());
    reply
}

fn operators(program: &Program) -> Client {
    Client::new(program.admin, "")
}

#[tokio::test]
async fn redis_killed_flushed_and_restarted_refills_no_budget_and_lifts_no_kill() {
    let name =
        "redis_serve::redis_killed_flushed_and_restarted_refills_no_budget_and_lifts_no_kill";
    let Some(mut redis) = Redis::start(name) else {
        return;
    };
    let crm = crm().await;
    let mut program = starting(&crm, &redis, 4).start();
    let (agent, other) = (program.agent(), program.other_agent());
    assert_eq!(in_the_end(&agent).await.status, 201);
    let ready = operators(&program).get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(program.verb(&["kill", "sdr-agent"]).code, Some(0));
    assert_eq!(create(&other).await.code(), "WRITEGATE_STOPPED");

    redis.kill();
    let refused = create(&agent).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (503, Some("5"))
    );
    assert_eq!(read(&agent).await.status, 200);
    assert_eq!(read(&other).await.code(), "WRITEGATE_STOPPED");
    let ready = operators(&program).get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("Redis"), "{}", ready.text());
    let metrics = operators(&program).get("/metrics").await.text();
    assert!(metrics.contains("writegate_control_ready 0"), "{metrics}");
    assert_eq!(program.verb(&["status"]).code, Some(0));
    redis.run();
    assert_eq!(in_the_end(&agent).await.status, 201);
    assert_eq!(create(&other).await.code(), "WRITEGATE_STOPPED");

    assert_eq!(redis.say(&["FLUSHALL"]), Said::Text("OK".into()));
    assert_eq!(in_the_end(&agent).await.status, 201);
    assert_eq!(create(&other).await.code(), "WRITEGATE_STOPPED");

    // a restart of the proxy finds what is its own, also after kill -9
    let folder = program.folder.clone();
    program.kill();
    let mut program = starting(&crm, &redis, 4).folder(&folder).start();
    let (agent, other) = (program.agent(), program.other_agent());
    assert_eq!(in_the_end(&agent).await.status, 201);
    assert_eq!(create(&agent).await.code(), "WRITEGATE_BUDGET");
    assert_eq!(create(&other).await.code(), "WRITEGATE_STOPPED");
    let metrics = operators(&program).get("/metrics").await.text();
    assert!(metrics.contains("writegate_control_ready 1"), "{metrics}");
    assert_eq!(program.stop(), Some(0));
    // an orderly end leaves the deployment to anybody
    assert!(redis.keys("wg:*:alone").is_empty());
}

#[tokio::test]
async fn without_redis_it_starts_and_reads_and_writes_once_there_is_one() {
    let name = "redis_serve::without_redis_it_starts_and_reads_and_writes_once_there_is_one";
    let Some(mut redis) = Redis::start(name) else {
        return;
    };
    let crm = crm().await;
    redis.kill();
    let program = starting(&crm, &redis, 4).start();
    let agent = program.agent();
    assert_eq!(read(&agent).await.status, 200);
    assert_eq!(create(&agent).await.status, 503);
    redis.run();
    assert_eq!(in_the_end(&agent).await.status, 201);
}

#[tokio::test]
async fn a_second_replica_without_a_shared_ledger_does_not_start() {
    let name = "redis_serve::a_second_replica_without_a_shared_ledger_does_not_start";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let crm = crm().await;
    let first = starting(&crm, &redis, 4).start();
    assert_eq!(in_the_end(&first.agent()).await.status, 201);
    let second = starting(&crm, &redis, 4);
    let refused = tokio::task::spawn_blocking(move || second.refused())
        .await
        .unwrap();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.err.contains("is used by another replica"),
        "{refused:?}"
    );
    assert!(refused.err.contains("?deployment=NAME"), "{refused:?}");
    assert_eq!(create(&first.agent()).await.status, 201);
}

/// Agents go on while Redis is flushed again and again: of a budget of 60, 60 writes reach the CRM.
#[tokio::test]
async fn a_flush_under_load_lets_no_write_through_twice() {
    let Some(redis) = Redis::start("redis_serve::a_flush_under_load_lets_no_write_through_twice")
    else {
        return;
    };
    let (crm, max) = (crm().await, 60);
    let program = starting(&crm, &redis, max).start();
    assert_eq!(in_the_end(&program.agent()).await.status, 201);
    let mut agents = JoinSet::new();
    for _ in 0..8 {
        let agent = program.agent();
        agents.spawn(async move {
            let (mut done, mut refused) = (0, 0);
            loop {
                let reply = create(&agent).await;
                match reply.status.as_u16() {
                    201 => done += 1,
                    503 => refused += 1,
                    403 if reply.code() == "WRITEGATE_BUDGET" => return (done, refused),
                    _ => panic!("{}", reply.text()),
                }
            }
        });
    }
    for flush in 1..=4 {
        until(|| crm.writes().len() >= flush * 10).await;
        assert_eq!(redis.say(&["FLUSHALL"]), Said::Text("OK".into()));
    }
    let (mut done, mut refused) = (1, 0);
    soon(async {
        while let Some(ended) = agents.join_next().await {
            let (some_done, some_refused) = ended.unwrap();
            done += some_done;
            refused += some_refused;
        }
    })
    .await;
    println!("{done} done, {refused} refused meanwhile");
    assert_eq!((done, crm.writes().len()), (max, max));
}

/// What a governed write costs Redis, in steady state. The figures are for reading; what is held is
/// that a write that is let through is two questions.
#[tokio::test]
async fn a_write_asks_redis_twice() {
    let Some(redis) = Redis::start("redis_serve::a_write_asks_redis_twice") else {
        return;
    };
    let crm = crm().await;
    let program = starting(&crm, &redis, 400).start();
    let agent = program.agent();
    assert_eq!(in_the_end(&agent).await.status, 201);
    let (before, writes) = (Spent::of(&redis), 300);
    for _ in 0..writes {
        assert_eq!(create(&agent).await.status, 201);
    }
    let spent = Spent::of(&redis);
    let each = |now: u64, then: u64| (now - then) as f64 / f64::from(writes);
    // looks and sweeps go on beside the writes
    let asked = each(spent.scripts - spent.looks, before.scripts - before.looks);
    println!(
        "for each write: {asked:.2} scripts, {:.0} commands inside, {:.0} bytes to Redis, {:.0} back, \
         {:.1} us of its CPU (looks included)",
        each(spent.commands, before.commands),
        each(spent.input, before.input),
        each(spent.output, before.output),
        (spent.micros - before.micros) / f64::from(writes),
    );
    assert!((2.0..2.2).contains(&asked), "{asked}");
    // what is denied by the rules asks nothing
    let before = Spent::of(&redis);
    for _ in 0..writes {
        let body = json!({ "Name": "x", "OwnerId": "005Wg0000000002IAA" });
        assert_eq!(agent.post(ACCOUNTS, &body).await.code(), "WRITEGATE_DENIED");
    }
    let spent = Spent::of(&redis);
    let asked = each(spent.scripts - spent.looks, before.scripts - before.looks);
    assert!(asked < 0.2, "{asked}");
}

/// What Redis says of its own work.
struct Spent {
    scripts: u64,
    looks: u64,
    commands: u64,
    input: u64,
    output: u64,
    micros: f64,
}

impl Spent {
    fn of(redis: &Redis) -> Self {
        let text = |section: &str| redis.say(&["INFO", section]).text();
        let (stats, commands) = (text("stats"), text("commandstats"));
        let stat = |name: &str| -> u64 {
            let mut lines = stats.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(key, _)| *key == name).unwrap();
            found.1.parse().unwrap()
        };
        let calls = |command: &str, what: &str| -> u64 {
            let line = commands
                .lines()
                .find(|line| line.starts_with(&format!("cmdstat_{command}:")));
            let found = line.and_then(|line| line.split_once(&format!("{what}=")));
            let digits = found.map_or("0", |(_, rest)| rest.split(',').next().unwrap());
            digits.parse().unwrap()
        };
        let cpu: f64 = text("cpu")
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(key, _)| ["used_cpu_user", "used_cpu_sys"].contains(key))
            .map(|(_, seconds)| seconds.parse::<f64>().unwrap())
            .sum();
        let all = commands
            .lines()
            .filter_map(|line| line.split_once("calls="));
        let all: u64 = all
            .map(|(_, rest)| rest.split(',').next().unwrap().parse::<u64>().unwrap())
            .sum();
        let scripts = calls("evalsha", "calls");
        Self {
            // a look and a sweep are the only ones that read who is there
            looks: calls("hlen", "calls") + calls("hscan", "calls"),
            scripts,
            commands: all - scripts,
            input: stat("total_net_input_bytes"),
            output: stat("total_net_output_bytes"),
            micros: cpu * 1e6,
        }
    }
}
