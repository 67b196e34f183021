//! P4 while rules change: two replicas are reloaded one after the other under load, and no limit grants
//! more than it has, whichever rules each of them judges by.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use writegate::mutation::Count;
use writegate::reload::reload;

use crate::support::client::Client;
use crate::support::fleet::Fleet;
use crate::support::house::House;
use crate::support::wire::soon;

const MOST: u64 = 400;
const AGENTS: usize = 4;

/// Rules with one limit.
fn rules(limit: &str) -> String {
    format!(
        "crm: salesforce\ndefault: allow\nobjects: {{ \"*\": {{ create: {{ agents: allow }} }} }}\n\
         limits:\n  - {{ name: shared, per: service_account, {limit} }}\n"
    )
}

fn write(folder: &TempDir, limit: &str) {
    std::fs::write(folder.path().join("one.yaml"), rules(limit)).unwrap();
}

async fn replica(fleet: &Fleet, name: &str, limit: &str) -> (House, TempDir) {
    let folder = TempDir::new().unwrap();
    write(&folder, limit);
    let own = folder.path().to_owned();
    let builder = House::builder()
        .rules(&rules(limit))
        .configure(move |config| config.rules = own);
    (fleet.house(name, builder).await, folder)
}

/// How many records the next request makes.
fn size(turn: usize) -> usize {
    [1, 3, 1, 2, 5][turn % 5]
}

/// Makes records until it is told to end.
async fn agent(client: Client, at: usize, granted: Arc<AtomicUsize>, end: Arc<AtomicBool>) {
    let mut turn = at;
    while !end.load(Ordering::SeqCst) {
        turn += 1;
        let records: Vec<Value> = (0..size(turn))
            .map(|place| {
                json!({"attributes": {"type": "Account"}, "Name": format!("{at}-{turn}-{place}")})
            })
            .collect();
        let body = json!({"allOrNone": true, "records": records}).to_string();
        let path = "/services/data/v60.0/composite/sobjects";
        let reply = client
            .raw(http::Method::POST, path, Some(Bytes::from(body)))
            .await;
        match reply.status.as_u16() {
            200 => {
                granted.fetch_add(1, Ordering::SeqCst);
            }
            // a busy record, or a view of the switches that is too old on a slow machine
            429 | 503 => {}
            _ => assert_eq!(reply.code(), "WRITEGATE_BUDGET", "{}", reply.text()),
        }
    }
}

/// What the ledger says was charged to a limit that counts this.
async fn charged(house: &House, count: Count) -> u64 {
    let all = house.app.journal.charges(Timestamp::UNIX_EPOCH).await;
    let all = all.unwrap();
    let theirs = all.iter().filter(|(_, charge)| charge.limit.count == count);
    theirs.map(|(_, charge)| charge.amount).sum()
}

/// Both replicas, agents at both; one is reloaded after a while, the other one later. What stood at the end.
async fn changed(test: &str, before: &str, after: &str) -> Option<(House, House)> {
    let fleet = Fleet::start(test).await?;
    let (one, first) = replica(&fleet, "one", before).await;
    let (two, second) = replica(&fleet, "two", before).await;
    let (granted, end) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let mut agents = JoinSet::new();
    for at in 0..AGENTS {
        for (house, place) in [(&one, at), (&two, at + AGENTS)] {
            let (granted, end) = (Arc::clone(&granted), Arc::clone(&end));
            agents.spawn(agent(house.agent(), place * 1_000_000, granted, end));
        }
    }
    let reach = |more: usize| {
        let granted = Arc::clone(&granted);
        let aim = granted.load(Ordering::SeqCst) + more;
        async move {
            while granted.load(Ordering::SeqCst) < aim {
                tokio::task::yield_now().await;
            }
        }
    };
    for (house, folder) in [(&one, &first), (&two, &second)] {
        soon(reach(20)).await;
        write(folder, after);
        reload(&house.app, "test").await.unwrap();
    }
    // until neither grants even one record more
    soon(async {
        for client in [one.agent(), two.agent()] {
            let more = json!({"Name": crate::support::unique("last")});
            let path = "/services/data/v60.0/sobjects/Account";
            while client.post(path, &more).await.status != 403 {}
        }
    })
    .await;
    end.store(true, Ordering::SeqCst);
    while let Some(done) = agents.join_next().await {
        done.unwrap();
    }
    Some((one, two))
}

#[tokio::test]
async fn a_limit_that_counts_something_else_loses_nothing_while_replicas_reload_in_turn() {
    let test = "fleet::reloads::a_limit_that_counts_something_else_loses_nothing_while_replicas_reload_in_turn";
    let (before, after) = (
        format!("count: requests, max: {MOST}, window: 1h"),
        format!("count: mutations, max: {MOST}, window: 1h"),
    );
    let Some((one, two)) = changed(test, &before, &after).await else {
        return;
    };
    let (old, new) = (
        charged(&one, Count::Requests).await,
        charged(&two, Count::Mutations).await,
    );
    println!("{old} requests by the old rules, {new} mutations by the new ones, of {MOST} each");
    assert!(old <= MOST);
    assert_eq!(new, MOST, "over the budget, or less than there was");
}

#[tokio::test]
async fn a_budget_of_another_window_is_one_budget_while_replicas_reload_in_turn() {
    let test =
        "fleet::reloads::a_budget_of_another_window_is_one_budget_while_replicas_reload_in_turn";
    for (before, after) in [("1h", "2h"), ("2h", "1h")] {
        let of = |window| format!("count: mutations, max: {MOST}, window: {window}");
        let Some((one, _two)) = changed(test, &of(before), &of(after)).await else {
            return;
        };
        let all = charged(&one, Count::Mutations).await;
        println!("{before} to {after}: {all} of {MOST}");
        assert_eq!(all, MOST, "{before} to {after}");
    }
}
