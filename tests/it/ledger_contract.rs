//! What every ledger promises, run for each backend; below, what is SQLite's alone.

mod postgres;
mod sqlite;
mod tamper;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use writegate::clock::{EntryId, SystemEntropy};
use writegate::error::{Conflict, StoreError};
use writegate::ledger::postgres::PostgresLedger;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Cursor, Head, Ledger, NewRow, Row, RowFilter, RowKind};

use super::support::postgres::{Database, postgres as postgres_server};

/// Expands each case for one backend; `$make` gives a fresh ledger, and what it needs to be there.
macro_rules! contract {
    ($backend:ident, $make:path, [$($case:ident),* $(,)?]) => {
        mod $backend {
            $(#[tokio::test]
            async fn $case() {
                let Some((ledger, _needs)) = $make(stringify!($case)) else { return };
                super::$case(&ledger).await;
            })*

            #[test]
            fn number_of_cases() {
                let cases = [$(stringify!($case)),*].len();
                println!("contract of the ledger, {}: {cases} cases", stringify!($backend));
            }
        }
    };
}

/// What every backend keeps.
macro_rules! all_cases {
    ($backend:ident, $make:path) => {
        contract!(
            $backend,
            $make,
            [
                a_row_comes_back_as_it_was_written,
                places_have_no_gaps_and_rows_come_in_their_order,
                rows_are_found_by_each_condition,
                pages_follow_each_other,
                what_is_opened_and_not_closed_is_found,
                an_entry_is_opened_once,
                the_next_step_of_an_entry_is_taken_once,
                a_step_that_was_taken_takes_its_append_with_it,
                an_entry_counts_its_rows,
                a_grant_of_an_older_epoch_is_not_written,
                the_epoch_is_raised_by_one,
                rows_of_one_append_are_written_together_or_not_at_all,
                an_empty_ledger_is_in_order,
                heads_name_the_newest_row,
                a_published_head_is_in_the_chain,
                heads_that_a_row_names_are_checked,
                the_newest_time_is_known_without_waiting,
                many_at_once_make_one_chain,
                a_writer_knows_its_chain,
                a_lone_writer_has_no_others,
            ]
        );
    };
}

all_cases!(on_sqlite, super::fresh_file);
all_cases!(on_postgres, super::fresh_database);

fn fresh_database(case: &str) -> Option<(PostgresLedger, Database)> {
    let database = postgres_server(case)?.database(case);
    Some((postgres::open(&database.url(), "one"), database))
}

fn fresh_file(_: &str) -> Option<(SqliteLedger, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    Some((open(&folder.path().join("ledger.db")), folder))
}

fn open(path: &Path) -> SqliteLedger {
    SqliteLedger::open(path, at(0), Arc::new(SystemEntropy::default())).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn row(entry: &str, kind: RowKind, seconds: i64) -> NewRow {
    NewRow {
        entry: EntryId::from_text(entry),
        kind,
        at: at(seconds),
        service_account: Some("enrichment-agent".into()),
        route: Some("salesforce".into()),
        meta: json!({"z": 1, "a": [kind.word(), null, 1.5], "ü": "\u{0} \"quoted\" \u{1F600}"}),
        values: Some(json!({"Industry": "Retail", "AnnualRevenue": 1e21, "Name": entry})),
        nth: None,
        epoch: None,
    }
}

/// A row that is the next step of its entry, if the entry has so many rows.
fn step(entry: &str, kind: RowKind, nth: u32) -> NewRow {
    NewRow {
        nth: Some(nth),
        ..row(entry, kind, nth.into())
    }
}

/// A row that rests on a grant.
fn granted(entry: &str, epoch: u64) -> NewRow {
    NewRow {
        epoch: Some(epoch),
        ..row(entry, RowKind::Opened, 0)
    }
}

fn why_not<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Conflict {
    let error = result.unwrap_err();
    assert!(!error.transient, "{error}");
    error.conflict.unwrap()
}

async fn append(ledger: &dyn Ledger, rows: Vec<NewRow>) {
    ledger.append(rows).await.unwrap();
}

async fn all(ledger: &dyn Ledger) -> Vec<Row> {
    ledger.rows(RowFilter::default()).await.unwrap()
}

async fn faults(ledger: &dyn Ledger, published: &[Head]) -> Vec<String> {
    ledger.verify(published).await.unwrap().faults
}

fn entries(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.entry.as_str()).collect()
}

async fn a_row_comes_back_as_it_was_written(ledger: &dyn Ledger) {
    let bare = NewRow {
        service_account: None,
        route: None,
        values: None,
        meta: Value::Null,
        ..row("B", RowKind::Started, -1)
    };
    let mut full = row("A", RowKind::Opened, 0);
    full.at += SignedDuration::from_micros(123_456);
    append(ledger, vec![full.clone(), bare.clone()]).await;
    for (row, new) in all(ledger).await.iter().zip([full, bare]) {
        assert_eq!(row.entry, new.entry);
        assert_eq!((row.kind, row.at), (new.kind, new.at));
        assert_eq!(row.service_account, new.service_account);
        assert_eq!(row.route, new.route);
        assert_eq!(row.meta.to_string(), new.meta.to_string());
        assert_eq!(row.values, new.values);
        assert_eq!(row.hash.len(), 64);
    }
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn places_have_no_gaps_and_rows_come_in_their_order(ledger: &dyn Ledger) {
    for turn in 0..20 {
        let name = |part: &str| format!("{turn} {part}");
        let rows = ["a", "b", "c"].map(|part| row(&name(part), RowKind::Refused, -turn));
        append(ledger, rows.into()).await;
    }
    let rows = all(ledger).await;
    let places: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(places, (1..=60).collect::<Vec<u64>>());
    assert!(rows.iter().all(|row| row.writer == rows[0].writer));
    assert_eq!(entries(&rows)[..4], ["0 a", "0 b", "0 c", "1 a"]);
}

async fn rows_are_found_by_each_condition(ledger: &dyn Ledger) {
    let mut other = row("C", RowKind::Opened, 30);
    other.service_account = Some("other".into());
    let rows = vec![
        row("A", RowKind::Opened, 0),
        row("B", RowKind::Refused, 10),
        row("A", RowKind::Closed, 20),
        other,
        row("D", RowKind::Switch, 5),
    ];
    append(ledger, rows).await;
    let find = |filter: RowFilter| async move {
        let rows = ledger.rows(filter).await.unwrap();
        rows.iter()
            .map(|row| format!("{} {}", row.entry, row.kind.word()))
            .collect::<Vec<String>>()
    };
    let filter = RowFilter::default;
    let entry = Some(EntryId::from_text("A"));
    assert_eq!(
        find(RowFilter { entry, ..filter() }).await,
        ["A opened", "A closed"]
    );
    let kinds = vec![RowKind::Switch, RowKind::Refused];
    assert_eq!(
        find(RowFilter { kinds, ..filter() }).await,
        ["B refused", "D switch"]
    );
    let service_account = Some("other".to_owned());
    assert_eq!(
        find(RowFilter {
            service_account,
            ..filter()
        })
        .await,
        ["C opened"]
    );
    let since = Some(at(10));
    let late = ["B refused", "A closed", "C opened"];
    assert_eq!(find(RowFilter { since, ..filter() }).await, late);
    let joined = RowFilter {
        kinds: vec![RowKind::Opened, RowKind::Closed],
        service_account: Some("enrichment-agent".into()),
        since: Some(at(1)),
        ..filter()
    };
    assert_eq!(find(joined).await, ["A closed"]);
    let nobody = Some("nobody".to_owned());
    let none = RowFilter {
        service_account: nobody,
        ..filter()
    };
    assert_eq!(find(none).await, Vec::<String>::new());
}

async fn pages_follow_each_other(ledger: &dyn Ledger) {
    let rows = (0..10).map(|number| row(&number.to_string(), RowKind::Refused, number));
    append(ledger, rows.collect()).await;
    for newest_first in [false, true] {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let filter = RowFilter {
                after,
                newest_first,
                limit: 3,
                ..RowFilter::default()
            };
            let page = ledger.rows(filter).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 3);
            after = Some(last.seq);
            seen.extend(page.iter().map(|row| row.seq));
        }
        let mut expected: Vec<u64> = (1..=10).collect();
        if newest_first {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
}

async fn what_is_opened_and_not_closed_is_found(ledger: &dyn Ledger) {
    for name in ["D", "A", "C", "B"] {
        append(ledger, vec![row(name, RowKind::Opened, 0)]).await;
    }
    append(
        ledger,
        vec![row("E", RowKind::Refused, 1), row("C", RowKind::Held, 1)],
    )
    .await;
    append(
        ledger,
        vec![
            row("A", RowKind::Closed, 1),
            row("B", RowKind::Reconciled, 1),
        ],
    )
    .await;
    let unclosed = ledger.unclosed().await.unwrap();
    assert_eq!(entries(&unclosed), ["D", "C"]);
    assert!(unclosed.iter().all(|row| row.kind == RowKind::Opened));
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn an_entry_is_opened_once(ledger: &dyn Ledger) {
    append(ledger, vec![row("A", RowKind::Opened, 0)]).await;
    append(ledger, vec![row("A", RowKind::Closed, 1)]).await;
    // in one group with others, who do not notice
    let (first, again, last) = tokio::join!(
        ledger.append(vec![row("B", RowKind::Opened, 2)]),
        ledger.append(vec![row("A", RowKind::Opened, 2)]),
        ledger.append(vec![row("C", RowKind::Opened, 2)]),
    );
    first.unwrap();
    last.unwrap();
    assert_eq!(why_not(again), Conflict::Opened);
    assert_eq!(entries(&all(ledger).await), ["A", "A", "B", "C"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn the_next_step_of_an_entry_is_taken_once(ledger: &dyn Ledger) {
    append(ledger, vec![step("A", RowKind::Held, 0)]).await;
    for wrong in [0, 2, 7] {
        let refused = ledger
            .append(vec![step("A", RowKind::Decided, wrong)])
            .await;
        assert_eq!(why_not(refused), Conflict::Moved);
    }
    for nth in 1..20 {
        let take = || ledger.append(vec![step("A", RowKind::Decided, nth)]);
        let taken = tokio::join!(take(), take(), take(), take());
        let taken = [taken.0, taken.1, taken.2, taken.3];
        let (mine, not): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        assert_eq!(mine.len(), 1, "step {nth}");
        for refused in not {
            assert_eq!(why_not(refused), Conflict::Moved);
        }
    }
    let rows = all(ledger).await;
    let steps: Vec<u32> = rows.iter().map(|row| row.nth).collect();
    assert_eq!(steps, (0..20).collect::<Vec<u32>>());
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn a_step_that_was_taken_takes_its_append_with_it(ledger: &dyn Ledger) {
    append(ledger, vec![step("A", RowKind::Held, 0)]).await;
    let both = vec![
        step("A", RowKind::Decided, 1),
        step("A", RowKind::Expired, 2),
    ];
    append(ledger, both).await;
    let torn = [
        vec![
            row("B", RowKind::Refused, 0),
            step("A", RowKind::Delivered, 2),
        ],
        vec![
            step("A", RowKind::Delivered, 3),
            step("A", RowKind::Delivered, 3),
        ],
        vec![
            step("A", RowKind::Delivered, 3),
            row("C", RowKind::Refused, 0),
            step("D", RowKind::Held, 1),
        ],
    ];
    for rows in torn {
        let (refused, beside) = tokio::join!(
            ledger.append(rows),
            ledger.append(vec![row("E", RowKind::Refused, 0)])
        );
        assert_eq!(why_not(refused), Conflict::Moved);
        beside.unwrap();
    }
    assert_eq!(entries(&all(ledger).await), ["A", "A", "A", "E", "E", "E"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn an_entry_counts_its_rows(ledger: &dyn Ledger) {
    append(
        ledger,
        vec![row("A", RowKind::Opened, 0), row("B", RowKind::Held, 0)],
    )
    .await;
    append(ledger, vec![row("A", RowKind::Closed, 1)]).await;
    let both = vec![row("B", RowKind::Decided, 1), row("B", RowKind::Opened, 1)];
    append(ledger, both).await;
    append(
        ledger,
        vec![
            row("B", RowKind::Closed, 2),
            row("B", RowKind::Delivered, 2),
        ],
    )
    .await;
    append(ledger, vec![step("B", RowKind::Delivered, 5)]).await;
    let counted: Vec<String> = all(ledger)
        .await
        .iter()
        .map(|row| format!("{}{}", row.entry, row.nth))
        .collect();
    assert_eq!(counted, ["A0", "B0", "A1", "B1", "B2", "B3", "B4", "B5"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn a_grant_of_an_older_epoch_is_not_written(ledger: &dyn Ledger) {
    append(ledger, vec![granted("A", 1)]).await;
    assert_eq!(ledger.raise_epoch(1).await.unwrap(), 2);
    let late = vec![row("B", RowKind::Refused, 0), granted("B", 1)];
    let (late, young, none) = tokio::join!(
        ledger.append(late),
        ledger.append(vec![granted("C", 2)]),
        ledger.append(vec![row("A", RowKind::Closed, 1)]),
    );
    assert_eq!(why_not(late), Conflict::Epoch);
    young.unwrap();
    none.unwrap();
    assert_eq!(entries(&all(ledger).await), ["A", "C", "A"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
    // whatever is under way when it is raised, is written before it or not at all
    for epoch in 2..20 {
        let names = [0, 1, 2, 3].map(|number| format!("{epoch} {number}"));
        let write = |name: &str| ledger.append(vec![granted(name, epoch)]);
        let (raised, one, two, three, four) = tokio::join!(
            async {
                let raised = ledger.raise_epoch(epoch).await.unwrap();
                (raised, all(ledger).await.len())
            },
            write(&names[0]),
            write(&names[1]),
            write(&names[2]),
            write(&names[3]),
        );
        assert_eq!(raised.0, epoch + 1);
        for refused in [one, two, three, four].into_iter().filter(Result::is_err) {
            assert_eq!(why_not(refused), Conflict::Epoch);
        }
        assert_eq!(all(ledger).await.len(), raised.1);
        assert_eq!(why_not(write("late").await), Conflict::Epoch);
    }
}

async fn the_epoch_is_raised_by_one(ledger: &dyn Ledger) {
    assert_eq!(ledger.epoch().await.unwrap(), 1);
    for epoch in 1..5 {
        for wrong in [0, epoch + 1, u64::MAX] {
            assert_eq!(why_not(ledger.raise_epoch(wrong).await), Conflict::Epoch);
        }
        let raise = || ledger.raise_epoch(epoch);
        let raised = tokio::join!(raise(), raise(), raise());
        let raised = [raised.0, raised.1, raised.2];
        let mine = raised
            .iter()
            .filter(|raised| matches!(raised, Ok(new) if *new == epoch + 1));
        assert_eq!(mine.count(), 1, "{raised:?}");
        assert_eq!(ledger.epoch().await.unwrap(), epoch + 1);
    }
    assert_eq!(all(ledger).await, []);
}

async fn rows_of_one_append_are_written_together_or_not_at_all(ledger: &dyn Ledger) {
    append(ledger, vec![row("A", RowKind::Opened, 0)]).await;
    let half = vec![row("A", RowKind::Closed, 1), row("A", RowKind::Opened, 1)];
    let (before, torn, after) = tokio::join!(
        ledger.append(vec![row("B", RowKind::Opened, 1)]),
        ledger.append(half),
        ledger.append(vec![
            row("C", RowKind::Refused, 1),
            row("B", RowKind::Closed, 1)
        ]),
    );
    before.unwrap();
    after.unwrap();
    assert!(torn.is_err());
    assert_eq!(entries(&all(ledger).await), ["A", "B", "C", "B"]);
    assert_eq!(entries(&ledger.unclosed().await.unwrap()), ["A"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}

async fn an_empty_ledger_is_in_order(ledger: &dyn Ledger) {
    append(ledger, Vec::new()).await;
    assert_eq!(all(ledger).await, []);
    assert_eq!(ledger.heads().await.unwrap(), []);
    assert_eq!(ledger.newest(), None);
    let verified = ledger.verify(&[]).await.unwrap();
    assert_eq!(
        (verified.rows, verified.heads, verified.faults),
        (0, vec![], vec![])
    );
}

async fn heads_name_the_newest_row(ledger: &dyn Ledger) {
    for number in 1..4 {
        append(
            ledger,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
        let newest = all(ledger).await.pop().unwrap();
        let head = Head {
            writer: newest.writer,
            seq: newest.seq,
            hash: newest.hash,
            at: at(number),
        };
        assert_eq!(ledger.heads().await.unwrap(), std::slice::from_ref(&head));
        assert_eq!(ledger.verify(&[]).await.unwrap().heads, [head]);
    }
}

async fn a_published_head_is_in_the_chain(ledger: &dyn Ledger) {
    let mut published = Vec::new();
    for number in 0..5 {
        append(
            ledger,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
        published.extend(ledger.heads().await.unwrap());
    }
    assert_eq!(faults(ledger, &published).await, Vec::<String>::new());
    let wrong = [
        Head {
            hash: "00".repeat(32),
            ..published[1].clone()
        },
        Head {
            writer: "another".into(),
            ..published[2].clone()
        },
        Head {
            seq: 9,
            ..published[3].clone()
        },
        Head {
            seq: 0,
            ..published[3].clone()
        },
    ];
    for head in wrong {
        let faults = faults(ledger, &[published[0].clone(), head.clone()]).await;
        assert_eq!(faults.len(), 1, "{head:?}: {faults:?}");
    }
}

/// A row of this chain that names heads, as a replica does with those of the others.
fn naming(heads: &[Head]) -> NewRow {
    NewRow {
        meta: json!({ "heads": heads }),
        values: None,
        ..row("heads", RowKind::Heads, 0)
    }
}

async fn heads_that_a_row_names_are_checked(ledger: &dyn Ledger) {
    append(ledger, vec![row("A", RowKind::Opened, 0)]).await;
    let head = ledger.heads().await.unwrap().remove(0);
    append(ledger, vec![naming(std::slice::from_ref(&head))]).await;
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
    let gone = Head {
        writer: "a writer that is gone".into(),
        ..head.clone()
    };
    let other = Head {
        hash: "00".repeat(32),
        ..head
    };
    append(ledger, vec![naming(&[gone, other])]).await;
    let faults = faults(ledger, &[]).await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    let named = |fault: &String| fault.contains("row 3 of ");
    assert!(faults.iter().all(named), "{faults:?}");
}

async fn a_writer_knows_its_chain(ledger: &dyn Ledger) {
    append(ledger, vec![row("A", RowKind::Opened, 0)]).await;
    let writer = ledger.writer().unwrap();
    assert_eq!(all(ledger).await[0].writer, writer);
    assert!(ledger.alive(writer).await.unwrap());
    assert!(!ledger.alive("nobody").await.unwrap());
}

async fn a_lone_writer_has_no_others(ledger: &dyn Ledger) {
    append(ledger, vec![row("A", RowKind::Opened, 0)]).await;
    for after in [
        Cursor::default(),
        Cursor::behind(&ledger.heads().await.unwrap()),
    ] {
        let (rows, cursor) = ledger.others(&after).await.unwrap();
        assert_eq!((rows, cursor), (vec![], after));
    }
}

async fn the_newest_time_is_known_without_waiting(ledger: &dyn Ledger) {
    for (seconds, newest) in [(5, 5), (3, 5), (9, 9)] {
        append(
            ledger,
            vec![row(&seconds.to_string(), RowKind::Opened, seconds)],
        )
        .await;
        assert_eq!(ledger.newest(), Some(at(newest)));
    }
}

async fn many_at_once_make_one_chain(ledger: &dyn Ledger) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let work = async {
                    for number in 0..50 {
                        let name = |task: &str| format!("{thread}/{number}/{task}");
                        let (first, second) = (name("a"), name("b"));
                        let opened =
                            |name: &str| ledger.append(vec![row(name, RowKind::Opened, 0)]);
                        let (one, two) = tokio::join!(opened(&first), opened(&second));
                        one.unwrap();
                        two.unwrap();
                        // what was acknowledged can be read
                        let entry = Some(EntryId::from_text(&second));
                        let filter = RowFilter {
                            entry,
                            ..RowFilter::default()
                        };
                        assert_eq!(ledger.rows(filter).await.unwrap().len(), 1);
                        append(ledger, vec![row(&first, RowKind::Closed, 1)]).await;
                    }
                };
                runtime.enable_all().build().unwrap().block_on(work);
            });
        }
    });
    let places: Vec<u64> = all(ledger).await.iter().map(|row| row.seq).collect();
    assert_eq!(places, (1..=600).collect::<Vec<u64>>());
    assert_eq!(ledger.unclosed().await.unwrap().len(), 200);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
}
