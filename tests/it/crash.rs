//! kill -9 at any moment: nothing is forwarded without an entry, nothing that was acknowledged is lost,
//! what nobody knows is in doubt and said so, limits and switches are as they were.

mod crowd;
mod doubts;
mod figures;
mod holds;
mod judge;
mod line;
mod point;
mod reverts;
mod scene;
mod steps;
mod trace;
mod truth;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, Row, RowFilter, RowKind};
use writegate::sandbox::{Fault, Gate, Options, Running, Sandbox, Token};

use super::support::client::{Client, Reply};
use super::support::house::{OTHER_TOKEN, TOKEN};
use super::support::program::{Program, Starting, verb};
use super::support::{long, skipped};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";
const BUDGET: usize = 60;
const RULES: &str = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow } } }
limits:
  - { name: hourly, per: service_account, count: mutations, max: 60, window: 1h }
";

async fn sandbox() -> Running {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(OTHER_TOKEN));
    Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

fn before(upstream: &str) -> Starting {
    Program::before(upstream).rules(&[("salesforce.yaml", RULES)])
}

async fn create(client: &Client, name: &str) -> Option<Reply> {
    let body = json!({ "Name": name }).to_string();
    client
        .try_raw(Method::POST, ACCOUNTS, Some(body.into()))
        .await
        .ok()
}

/// The name that a row's only mutation gives.
fn name(row: &Row) -> String {
    let values = row.values.as_ref().unwrap();
    values["mutations"][0]["fields"]["Name"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a body of our own")]
fn sent_names(sandbox: &Running) -> BTreeSet<String> {
    let name = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap();
        body["Name"].as_str().unwrap().to_owned()
    };
    sandbox
        .writes()
        .iter()
        .filter(|seen| seen.complete)
        .map(|seen| name(&seen.body))
        .collect()
}

async fn rows(ledger: &SqliteLedger, kind: RowKind) -> Vec<Row> {
    let filter = RowFilter {
        kinds: vec![kind],
        ..RowFilter::default()
    };
    ledger.rows(filter).await.unwrap()
}

/// What the file says right after the crash: the names that were opened, and how many are not closed.
async fn left_behind(file: &std::path::Path) -> (BTreeSet<String>, usize) {
    let ledger = SqliteLedger::read_only(file).unwrap();
    let opened = rows(&ledger, RowKind::Opened).await;
    let names: BTreeSet<String> = opened.iter().map(name).collect();
    assert_eq!(names.len(), opened.len(), "each write has one opened row");
    (names, ledger.unclosed().await.unwrap().len())
}

/// Starts again in the folder of a program that crashed and checks what holds after every crash.
/// `acknowledged` are the names whose writer was told of success.
async fn recovered(
    sandbox: &Running,
    folder: &Arc<TempDir>,
    acknowledged: &BTreeSet<String>,
) -> Program {
    let file = folder.path().join("writegate.db");
    // a program that ended while it made its ledger left none
    let (opened, open) = match SqliteLedger::read_only(&file) {
        Ok(_) => left_behind(&file).await,
        Err(_) => (BTreeSet::new(), 0),
    };
    let sent = sent_names(sandbox);
    assert!(
        sent.is_subset(&opened),
        "sent without an entry: {:?}",
        sent.difference(&opened)
    );
    let lost: Vec<_> = acknowledged.difference(&opened).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let program = before(&sandbox.base_url()).folder(folder).start();
    let told = program
        .log()
        .iter()
        .filter(|line| line.contains("in doubt: the process ended"))
        .count();
    assert_eq!(told, open, "told in the log");
    let status = program.verb(&["status"]).out;
    let in_doubt = status
        .lines()
        .find_map(|line| line.strip_prefix("in doubt"))
        .unwrap();
    assert_eq!(in_doubt.trim(), open.to_string(), "{status}");
    let listed = program.verb(&[
        "entries", "list", "--limit", "500", "--state", "in_doubt", "--json",
    ]);
    assert_eq!(
        listed.out.matches("\"state\":\"in_doubt\"").count(),
        open,
        "{}",
        listed.out
    );
    let ledger = program.ledger.display().to_string();
    let verified = verb(&["ledger", "verify", "--ledger", &ledger], &[]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    program
}

/// What is left of the budget is what was not opened before.
async fn budget_goes_on(program: &Program, opened_before: usize) {
    let mut more = 0;
    loop {
        let reply = create(&program.agent(), &format!("after the crash {more}"))
            .await
            .unwrap();
        if reply.status != 201 {
            assert_eq!(reply.code(), "WRITEGATE_BUDGET", "{}", reply.text());
            break;
        }
        more += 1;
    }
    assert_eq!(opened_before + more, BUDGET);
}

#[tokio::test]
async fn between_the_journal_and_the_first_byte() {
    // takes connections and says nothing: the TLS handshake never ends
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("https://{}", silent.local_addr().unwrap());
    let mut program = before(&upstream).start();
    let agent = program.agent();
    let write = tokio::spawn(async move { create(&agent, "never sent").await });
    let (mut stream, _) = silent.accept().await.unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).await.unwrap();
    program.kill();
    assert!(write.await.unwrap().is_none());
    let mut rest = Vec::new();
    // a reset ends it as well
    drop(stream.read_to_end(&mut rest).await);
    // one handshake record (RFC 8446 5.1: type 22), and nothing after it
    let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    assert_eq!((first[0], rest.len()), (22, 4 + length));
    let sandbox = sandbox().await;
    let (opened, open) = left_behind(&program.ledger).await;
    assert_eq!((opened.len(), open), (1, 1));
    let again = recovered(&sandbox, &program.folder, &BTreeSet::new()).await;
    assert!(sandbox.writes().is_empty(), "and it is not sent later");
    budget_goes_on(&again, 1).await;
}

#[tokio::test]
async fn between_the_send_and_the_close() {
    for before_effect in [true, false] {
        let sandbox = sandbox().await;
        let mut program = before(&sandbox.base_url()).start();
        program.verb(&["kill", "sdr-agent", "--reason", "before the crash"]);
        let gate = Gate::new();
        let fault = match before_effect {
            true => Fault::WaitBeforeEffect(gate.clone()),
            false => Fault::WaitAfterEffect(gate.clone()),
        };
        sandbox.script(|head| head.method == Method::POST, 1, fault);
        let agent = program.agent();
        let write = tokio::spawn(async move { create(&agent, "sent").await });
        gate.arrived(1).await;
        program.kill();
        assert!(write.await.unwrap().is_none());
        let again = recovered(&sandbox, &program.folder, &BTreeSet::new()).await;
        assert_eq!(sandbox.writes().len(), 1, "and it is not sent again");
        let stopped = create(&again.other_agent(), "stopped").await.unwrap();
        assert_eq!(stopped.code(), "WRITEGATE_STOPPED");
        budget_goes_on(&again, 1).await;
        gate.open();
    }
}

/// Several writers until the program is gone; it goes after so many acknowledgements.
async fn while_many_write(seed: usize) {
    let sandbox = sandbox().await;
    let mut program = before(&sandbox.base_url()).start();
    let wanted = 3 + seed.wrapping_mul(7919) % (BUDGET - 20);
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let (count, mut counted) = watch::channel(0);
    let next = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..8 {
        let (agent, next, count) = (program.agent(), Arc::clone(&next), count.clone());
        let acknowledged = Arc::clone(&acknowledged);
        writers.spawn(async move {
            loop {
                let name = format!("crash {seed} {}", next.fetch_add(1, Ordering::SeqCst));
                match create(&agent, &name).await {
                    Some(reply) if reply.status == 201 => {
                        acknowledged.lock().insert(name);
                        count.send_modify(|count| *count += 1);
                    }
                    // cut off, or the budget is used up
                    Some(_) | None => return,
                }
            }
        });
    }
    counted.wait_for(|&count| count >= wanted).await.unwrap();
    program.kill();
    // a connection that was never taken is refused by now
    drop(writers);
    let acknowledged = acknowledged.lock().clone();
    assert!(acknowledged.len() >= wanted);
    let (opened, _) = left_behind(&program.ledger).await;
    let again = recovered(&sandbox, &program.folder, &acknowledged).await;
    budget_goes_on(&again, opened.len()).await;
}

#[tokio::test]
async fn while_many_writes_run() {
    let seeds = if long() { 60 } else { 3 };
    for seed in 0..seeds {
        while_many_write(seed).await;
    }
}

/// One after the other until the program is gone.
async fn one_by_one(program: &Program, run: usize) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    for number in 0..6 {
        let name = format!("sync {run} {number}");
        match create(&program.agent(), &name).await {
            Some(reply) if reply.status == 201 => acknowledged.insert(name),
            Some(_) | None => break,
        };
    }
    acknowledged
}

#[tokio::test]
async fn at_each_sync_of_the_disk() {
    let there = std::process::Command::new("strace").arg("-V").output();
    if !there.is_ok_and(|ran| ran.status.success()) {
        return skipped("kill -9 at each sync", "strace");
    }
    let syncs = if long() { 40 } else { 12 };
    let mut survived = 0;
    for sync in 1..=syncs {
        let sandbox = sandbox().await;
        let inject = format!("inject=fsync,fdatasync:signal=SIGKILL:when={sync}");
        let trace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
        ];
        let under: Vec<&str> = trace.into_iter().chain(["-e", inject.as_str()]).collect();
        let starting = before(&sandbox.base_url()).under(&under);
        let folder = starting.place();
        let acknowledged = match starting.try_start() {
            Ok(mut program) => {
                let acknowledged = one_by_one(&program, sync).await;
                survived += usize::from(acknowledged.len() == 6);
                program.kill();
                acknowledged
            }
            Err(_ended_at_the_start) => BTreeSet::new(),
        };
        recovered(&sandbox, &folder, &acknowledged).await;
    }
    assert!(survived < syncs, "no sync was hit");
}
