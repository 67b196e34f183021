//! P9: what cannot be recorded is not written, and said so; reads go on, and everything goes on by
//! itself once it can be recorded again. Rules that do not hold do not start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::journal::read::EntryState;
use writegate::sandbox::{Options, Sandbox, seed};

use super::support::client::{Client, Reply};
use super::support::house::{House, TOKEN};
use super::support::program::Program;
use super::support::skipped;

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

async fn create(client: &Client) -> Reply {
    client.post(ACCOUNTS, &json!({ "Name": "of a test" })).await
}

async fn read(client: &Client) -> Reply {
    client.get(&format!("{ACCOUNTS}/{}", seed::ACME)).await
}

fn unavailable(reply: &Reply) {
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.code(), "WRITEGATE_UNAVAILABLE");
    assert_eq!(
        reply.message(),
        "Not written: Writegate cannot record changes now. Try again in 5 s."
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn while_the_ledger_cannot_write_nothing_is_written_and_reads_go_on() {
    let house = House::builder().build().await;
    let ready = Client::new(house.operators().await, "");
    assert_eq!(ready.get("/readyz").await.status, 200);
    house.ledger.break_down();
    let agent = house.agent();
    let acme = format!("{ACCOUNTS}/{}", seed::ACME);
    unavailable(&agent.patch(&acme, &json!({ "Rating": "Hot" })).await);
    unavailable(&create(&agent).await);
    unavailable(&agent.delete(&acme).await);
    unavailable(&agent.post("/services/apexrest/anything", &json!({})).await);
    let hubspot = house.hubspot_agent();
    let body = json!({ "properties": { "name": "x" } });
    unavailable(&hubspot.post("/crm/v3/objects/companies", &body).await);
    assert_eq!(read(&house.agent()).await.status, 200);
    assert!(house.sandbox.writes().is_empty());
    let not = ready.get("/readyz").await;
    assert_eq!(not.status, 503);
    assert_eq!(not.json()["ready"], false);
    assert_eq!(
        not.json()["reasons"],
        json!(["ledger: made to fail by a test"])
    );
    assert_eq!(ready.get("/healthz").await.status, 200);
    house.ledger.repair();
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(ready.get("/readyz").await.status, 200);
    house.finish().await;
}

#[tokio::test]
async fn an_outcome_that_cannot_be_recorded_at_once_is_recorded_later() {
    let house = House::builder().build().await;
    let wait = house.ledger.hold_next(writegate::ledger::RowKind::Closed);
    let agent = house.agent();
    let write = tokio::spawn(async move { create(&agent).await });
    wait.arrived().await;
    house.ledger.break_down();
    wait.open();
    // it happened, and the agent is told so
    assert_eq!(write.await.unwrap().status, 201);
    assert_eq!(house.count(EntryState::Open).await, 1);
    house.ledger.repair();
    while house.count(EntryState::Done).await == 0 {
        tokio::task::yield_now().await;
    }
    house.finish().await;
}

#[tokio::test]
async fn a_clock_behind_the_ledger_refuses_writes() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let house = House::builder().clock(clock.clone()).build().await;
    let ready = Client::new(house.operators().await, "");
    let start = clock.now();
    assert_eq!(create(&house.agent()).await.status, 201);
    clock.advance_ms(-5_000);
    assert_eq!(create(&house.agent()).await.status, 201);
    clock.advance_ms(-1);
    unavailable(&create(&house.agent()).await);
    assert_eq!(read(&house.agent()).await.status, 200);
    assert_eq!(house.sandbox.writes().len(), 2);
    let not = ready.get("/readyz").await;
    assert_eq!(not.status, 503);
    let reason = not.json()["reasons"][0].as_str().unwrap().to_owned();
    assert!(reason.ends_with(": set the clock"), "{reason}");
    clock.set(start);
    assert_eq!(create(&house.agent()).await.status, 201);
    drop(ready);
    // nor does a start go on with such a clock
    clock.advance_ms(60_000);
    assert_eq!(create(&house.agent()).await.status, 201);
    house.finish().await;
}

/// A tiny file system of its own, taken away in the end.
struct Tiny(PathBuf);

impl Tiny {
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=640k", "none"])
            .arg(at)
            .output()
            .is_ok_and(|done| done.status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        drop(unmounted);
    }
}

#[tokio::test]
async fn a_full_disk_stops_writes_until_it_has_room() {
    let place = tempfile::tempdir().unwrap();
    let Some(tiny) = Tiny::mount(&place.path().join("disk")) else {
        return skipped("a full disk", "the right to mount a tmpfs");
    };
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), Options::with_token(TOKEN))
        .await
        .unwrap();
    let starting = Program::before(&sandbox.base_url()).ledger(tiny.0.join("writegate.db"));
    let mut program = starting.start();
    let ready = Client::new(program.admin, "");
    assert_eq!(create(&program.agent()).await.status, 201);
    // nothing is left but what the ledger has already
    let filler = tiny.0.join("filler");
    drop(std::fs::write(&filler, vec![0; 1 << 20]));
    let mut written = 1;
    let refused = loop {
        let reply = create(&program.agent()).await;
        if reply.status != 201 {
            break reply;
        }
        written += 1;
        assert!(written < 1000, "the disk is never full");
    };
    unavailable(&refused);
    unavailable(&create(&program.agent()).await);
    assert_eq!(sandbox.writes().len(), written);
    assert_eq!(read(&program.agent()).await.status, 200);
    let not = ready.get("/readyz").await;
    assert_eq!(not.status, 503);
    assert!(not.text().contains("full"), "{}", not.text());
    std::fs::remove_file(&filler).unwrap();
    program.logged("the ledger can write again").await;
    assert_eq!(create(&program.agent()).await.status, 201);
    assert_eq!(ready.get("/readyz").await.status, 200);
    assert_eq!(sandbox.writes().len(), written + 1);
    assert_eq!(program.stop(), Some(0));
    let ledger = program.ledger.display().to_string();
    let verified = program.verb(&["ledger", "verify", "--ledger", &ledger]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[test]
fn rules_that_do_not_compile_or_hold_do_not_start() {
    let good = "crm: salesforce\ndefault: deny\n";
    let cases =
        "- { name: never, as: sdr-agent, update: Account, set: { Name: x }, verdict: allow }\n";
    let broken = [("salesforce.yaml", "crm: salesforce\ndefault: perhaps\n")];
    let failing = [("salesforce.yaml", good), ("salesforce.cases.yaml", cases)];
    let unknown = [("salesforce.yaml", "crm: salesforce\nrulez: []\n")];
    for (files, place) in [
        (broken.as_slice(), "salesforce.yaml:2:10: "),
        (
            &failing,
            "salesforce.cases.yaml:1: case never: expected allow, got deny",
        ),
        (&unknown, "salesforce.yaml:2:1: "),
    ] {
        let ran = Program::before("http://127.0.0.1:1").rules(files).refused();
        assert_eq!(ran.code, Some(78), "{ran:?}");
        assert!(ran.err.contains(place), "{place}\n{}", ran.err);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn a_second_serve_on_the_same_ledger_does_not_start() {
    let first = Program::before("http://127.0.0.1:1").start();
    let second = Program::before("http://127.0.0.1:1").folder(&first.folder);
    let ran = second.refused();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("another process writes this ledger"),
        "{}",
        ran.err
    );
}
