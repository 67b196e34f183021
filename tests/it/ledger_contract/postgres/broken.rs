//! The way to the server breaks, or the server does: what was acknowledged is there once, what was
//! refused is not there, and writing goes on by itself.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value;
use writegate::error::StoreError;
use writegate::ledger::postgres::PostgresLedger;
use writegate::ledger::{Ledger, NewRow, RowKind};

use super::super::super::support::cut::{Cut, Cutter, Way};
use super::super::super::support::long;
use super::super::super::support::postgres::{Database, Postgres, postgres};
use super::super::{all, append, entries, faults, row};
use super::{open, try_open};

/// What callers heard.
#[derive(Debug, Default)]
struct Heard {
    acknowledged: Vec<String>,
    refused: Vec<String>,
}

impl Heard {
    fn of(&mut self, name: &str, result: Result<(), StoreError>) -> bool {
        let done = result.is_ok();
        if let Err(error) = result {
            assert!(error.transient && error.conflict.is_none(), "{error}");
            self.refused.push(name.to_owned());
        } else {
            self.acknowledged.push(name.to_owned());
        }
        done
    }

    /// Compares it with what is there: nothing lost, nothing twice, nothing that was refused.
    async fn holds_in(&self, ledger: &dyn Ledger) {
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for row in all(ledger).await {
            *there.entry(row.entry.to_string()).or_default() += 1;
        }
        for name in &self.acknowledged {
            assert_eq!(there.remove(name), Some(1), "{name} was acknowledged");
        }
        for name in &self.refused {
            assert_eq!(there.remove(name), None, "{name} was refused");
        }
        assert_eq!(there, BTreeMap::new(), "nobody asked for these");
        assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
    }
}

fn refusal(name: &str) -> NewRow {
    row(name, RowKind::Refused, 0)
}

/// Looks until it is so.
async fn until(mut so: impl FnMut() -> bool) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !so() {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait)
        .await
        .unwrap();
}

/// Returns when rows are taken again.
async fn recovered(ledger: &PostgresLedger) {
    until(|| {
        let trouble = ledger.trouble();
        assert!(
            trouble.as_ref().is_none_or(|trouble| trouble.transient),
            "{trouble:?}"
        );
        trouble.is_none()
    })
    .await;
}

/// A ledger behind a proxy.
fn behind(server: &Postgres, test: &str) -> (Cutter, PostgresLedger, Database) {
    let database = server.database(test);
    let cutter = Cutter::before(server.address());
    // so that it can be seen what passes
    let url = format!("{}?sslmode=disable", database.url_at(cutter.address));
    (cutter, open(&url, "one"), database)
}

#[tokio::test]
async fn a_connection_cut_around_a_commit_loses_and_doubles_nothing() {
    const TEST: &str = "a_connection_cut_around_a_commit";
    let Some(server) = postgres(TEST) else { return };
    let (cutter, ledger, database) = behind(server, TEST);
    let mut heard = Heard::default();
    let cuts = [
        // the server never hears of it
        (Way::ToServer, Cut::Before, false),
        // it hears a part
        (Way::ToServer, Cut::After(40), false),
        // it hears all of it, and nobody is there for the answer
        (Way::ToServer, Cut::Answer, true),
    ];
    for round in 0..4 {
        for (way, cut, written) in cuts {
            let name = format!("{round} {cut:?}");
            cutter.at(way, name.as_bytes(), cut);
            let beside = format!("{name} beside");
            let (result, other) = tokio::join!(
                ledger.append(vec![refusal(&name)]),
                ledger.append(vec![refusal(&beside)])
            );
            assert_eq!(result.is_ok(), written, "{name}");
            heard.of(&name, result);
            heard.of(&beside, other);
            recovered(&ledger).await;
            let after = format!("{name} after");
            assert!(heard.of(&after, ledger.append(vec![refusal(&after)]).await));
        }
    }
    assert_eq!(cutter.cuts(), 12);
    // nor is an entry opened twice that was opened, and nobody heard it
    cutter.at(Way::ToServer, b"opened once", Cut::Answer);
    let opened = vec![row("opened once", RowKind::Opened, 0)];
    assert!(heard.of("opened once", ledger.append(opened).await));
    recovered(&ledger).await;
    heard.holds_in(&ledger).await;
    drop(ledger);
    heard.holds_in(&open(&database.url(), "one")).await;
}

#[tokio::test]
async fn connections_cut_anywhere_lose_and_double_nothing() {
    const TEST: &str = "connections_cut_anywhere";
    let Some(server) = postgres(TEST) else { return };
    let (cutter, ledger, _database) = behind(server, TEST);
    let ledger = Arc::new(ledger);
    let mut random = TestRunner::default();
    let mut heard = Heard::default();
    let rounds = if long() { 400 } else { 40 };
    for round in 0..rounds {
        let there = any::<bool>().new_tree(&mut random).unwrap().current();
        let way = if there { Way::ToServer } else { Way::ToClient };
        let most: usize = if there { 12_000 } else { 600 };
        let bytes = (0..most).new_tree(&mut random).unwrap().current();
        cutter.after(way, bytes);
        let tasks = (0..8).map(|task| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let mut told = Vec::new();
                for number in 0..4 {
                    let name = format!("{round}/{task}/{number}");
                    let done = ledger.append(vec![refusal(&name)]).await;
                    told.push((name, done));
                }
                told
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            for (name, result) in task.await.unwrap() {
                heard.of(&name, result);
            }
        }
        recovered(&ledger).await;
    }
    cutter.let_be();
    println!(
        "{} connections cut anywhere: {} rows acknowledged, 0 lost, 0 doubled; {} refused, 0 there",
        cutter.cuts(),
        heard.acknowledged.len(),
        heard.refused.len()
    );
    assert!(cutter.cuts() > rounds / 2);
    heard.holds_in(&*ledger).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_and_asked_again() {
    const TEST: &str = "a_server_that_falls_silent";
    let Some(server) = postgres(TEST) else { return };
    let (cutter, ledger, _database) = behind(server, TEST);
    let mut heard = Heard::default();
    assert!(heard.of("before", ledger.append(vec![refusal("before")]).await));
    cutter.freeze(true);
    let (first, ()) = tokio::join!(ledger.append(vec![refusal("limbo")]), async {
        // while nobody knows what became of it, the next is refused at once
        until(|| ledger.available().is_err()).await;
        let next = ledger.append(vec![refusal("next")]).await;
        assert!(next.unwrap_err().transient);
        cutter.freeze(false);
    });
    heard.of("limbo", first);
    heard.refused.push("next".into());
    recovered(&ledger).await;
    assert!(heard.of("after", ledger.append(vec![refusal("after")]).await));
    heard.holds_in(&ledger).await;
}

#[tokio::test]
async fn a_way_that_is_closed_is_found_open_again() {
    const TEST: &str = "a_way_that_is_closed";
    let Some(server) = postgres(TEST) else { return };
    let (cutter, ledger, database) = behind(server, TEST);
    append(&ledger, vec![refusal("A")]).await;
    cutter.close(true);
    cutter.cut_all();
    // noticed without a write
    until(|| ledger.available().is_err()).await;
    for _ in 0..3 {
        let refused = ledger.append(vec![refusal("B")]).await.unwrap_err();
        assert!(refused.transient, "{refused}");
    }
    assert!(ledger.heads().await.unwrap_err().transient);
    assert_eq!(ledger.queued(), Some(0));
    cutter.close(false);
    recovered(&ledger).await;
    append(&ledger, vec![refusal("C")]).await;
    assert_eq!(entries(&all(&ledger).await), ["A", "C"]);
    // a process that ends while there is no way does not wait for one
    cutter.close(true);
    cutter.cut_all();
    drop(ledger);
    assert_eq!(all(&open(&database.url(), "one")).await.len(), 2);
}

#[tokio::test]
async fn rows_that_the_server_lost_stop_the_writing_for_good() {
    const TEST: &str = "rows_that_the_server_lost";
    let Some(server) = postgres(TEST) else { return };
    let (cutter, ledger, database) = behind(server, TEST);
    for name in ["A", "B", "C"] {
        append(&ledger, vec![refusal(name)]).await;
    }
    cutter.close(true);
    cutter.cut_all();
    // as a failover to a standby does that had not got it yet
    let by_hand = database.by_hand();
    by_hand
        .run("ALTER TABLE ledger_rows DISABLE TRIGGER ALL; DELETE FROM ledger_rows WHERE entry = 'C'; \
              ALTER TABLE ledger_rows ENABLE TRIGGER ALL")
        .unwrap();
    cutter.close(false);
    until(|| ledger.trouble().is_some_and(|trouble| !trouble.transient)).await;
    let refused = ledger.append(vec![refusal("D")]).await.unwrap_err();
    let expected = "the chain of one ended at row 3 and ends at another row 2 now";
    assert!(refused.what.starts_with(expected), "{refused}");
    assert_eq!(entries(&all(&ledger).await), ["A", "B"]);
    drop(ledger);
    // a person looked, and started it again
    let ledger = open(&database.url(), "one");
    append(&ledger, vec![refusal("D")]).await;
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    const TEST: &str = "a_full_queue_refuses";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let ledger = open(&database.url(), "one");
    let small = NewRow {
        meta: Value::Null,
        values: None,
        ..refusal("A")
    };
    let by_hand = database.by_hand();
    by_hand
        .run("BEGIN; LOCK TABLE ledger_rows IN SHARE MODE")
        .unwrap();
    // the task takes the first and waits for the table, or has not come to it: full either way
    let (one, two) = (vec![small.clone(); 512], vec![small.clone(); 8_192]);
    let refused = async {
        let error = ledger.append(vec![small]).await.unwrap_err();
        by_hand.run("COMMIT").unwrap();
        error
    };
    let (one, two, refused) = tokio::join!(ledger.append(one), ledger.append(two), refused);
    one.unwrap();
    two.unwrap();
    assert!(refused.transient);
    assert!(
        refused.what.ends_with("bytes wait to be written already"),
        "{refused}"
    );
    assert_eq!(ledger.verify(&[]).await.unwrap().rows, 8_704);
}

#[tokio::test]
async fn a_table_that_another_locks_is_waited_for_a_little() {
    const TEST: &str = "a_table_that_another_locks";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let ledger = open(&database.url(), "one");
    append(&ledger, vec![refusal("A")]).await;
    let by_hand = database.by_hand();
    by_hand
        .run("BEGIN; LOCK TABLE ledger_rows IN SHARE MODE")
        .unwrap();
    let error = ledger.append(vec![refusal("B")]).await.unwrap_err();
    assert!(
        error.transient && error.what.contains("lock timeout"),
        "{error}"
    );
    // the chain is there to be read all the while, and others wait for nothing
    assert_eq!(entries(&all(&ledger).await), ["A"]);
    by_hand.run("COMMIT").unwrap();
    recovered(&ledger).await;
    append(&ledger, vec![refusal("C")]).await;
    assert_eq!(entries(&all(&ledger).await), ["A", "C"]);
    let second = try_open(&database.url(), "two").unwrap();
    append(&second, vec![refusal("D")]).await;
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
}
