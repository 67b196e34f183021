//! What every ledger promises, run for each backend; below, what is SQLite's alone.

mod sqlite;
mod tamper;

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use writegate::clock::{EntryId, SystemEntropy};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Head, Ledger, NewRow, Row, RowFilter, RowKind};

/// Expands each case for one backend; `$make` gives a ledger in a fresh folder.
macro_rules! contract {
    ($backend:ident, $make:path, [$($case:ident),* $(,)?]) => {
        mod $backend {
            $(#[tokio::test]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let ledger = $make(&folder.path().join("ledger.db"));
                super::$case(&ledger).await;
            })*
        }
    };
}

contract!(
    on_sqlite,
    super::open,
    [
        a_row_comes_back_as_it_was_written,
        places_have_no_gaps_and_rows_come_in_their_order,
        rows_are_found_by_each_condition,
        pages_follow_each_other,
        what_is_opened_and_not_closed_is_found,
        an_entry_is_opened_once,
        rows_of_one_append_are_written_together_or_not_at_all,
        an_empty_ledger_is_in_order,
        heads_name_the_newest_row,
        a_published_head_is_in_the_chain,
        the_newest_time_is_known_without_waiting,
        many_at_once_make_one_chain,
    ]
);

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
    }
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
    assert!(!again.unwrap_err().transient);
    assert_eq!(entries(&all(ledger).await), ["A", "A", "B", "C"]);
    assert_eq!(faults(ledger, &[]).await, Vec::<String>::new());
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
