//! PostgreSQL: replicas that share a ledger, and which servers are taken.

mod broken;
mod shared;
mod tamper;

use std::path::Path;
use std::sync::Arc;

use writegate::clock::{Clock, EntryId, SystemClock, SystemEntropy};
use writegate::error::StoreError;
use writegate::ledger::postgres::{Address, PostgresLedger};
use writegate::ledger::{Cursor, Ledger, RowFilter, RowKind};

use super::super::support::postgres::{own_postgres, postgres};
use super::{all, append, at, entries, faults, row};

pub(super) fn try_open(url: &str, replica: &str) -> Result<PostgresLedger, StoreError> {
    let address = Address::parse(url).unwrap();
    PostgresLedger::open(address, replica, Arc::new(SystemEntropy::default()))
}

pub(super) fn open(url: &str, replica: &str) -> PostgresLedger {
    try_open(url, replica).unwrap()
}

fn refused(url: &str) -> String {
    let error = try_open(url, "one").unwrap_err();
    assert!(!error.transient, "{error}");
    error.to_string()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let Some(server) = postgres("what_was_acknowledged_is_there_after_a_restart") else {
        return;
    };
    let database = server.database("restart");
    let mut heads = Vec::new();
    for run in 0..3 {
        let ledger = open(&database.url(), "one");
        assert_eq!(ledger.newest(), (run > 0).then(|| at(run - 1)));
        let opened = row(&format!("{run} a"), RowKind::Opened, run);
        append(&ledger, vec![opened]).await;
        append(&ledger, vec![row(&format!("{run} b"), RowKind::Refused, 0)]).await;
        heads.extend(ledger.heads().await.unwrap());
    }
    let ledger = open(&database.url(), "one");
    let rows = all(&ledger).await;
    assert_eq!(entries(&rows), ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]);
    let unclosed = ledger.unclosed().await.unwrap();
    assert_eq!(entries(&unclosed), ["0 a", "1 a", "2 a"]);
    assert_eq!(faults(&ledger, &heads).await, Vec::<String>::new());
}

#[tokio::test]
async fn others_read_while_one_writes() {
    let Some(server) = postgres("others_read_while_one_writes") else {
        return;
    };
    let database = server.database("readers");
    let address = || Address::parse(&database.url()).unwrap();
    let none = PostgresLedger::read_only(address()).unwrap_err();
    assert_eq!(none.to_string(), "ledger: the database holds no ledger");
    let writer = open(&database.url(), "one");
    let reader = PostgresLedger::read_only(address()).unwrap();
    for number in 0..3 {
        append(
            &writer,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
        assert_eq!(all(&reader).await, all(&writer).await);
    }
    for refused in [
        reader.append(vec![row("x", RowKind::Opened, 0)]).await,
        reader.raise_epoch(1).await.map(|_| ()),
    ] {
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "ledger: opened for reading only");
    }
    assert_eq!(
        (reader.writer(), reader.newest(), reader.queued()),
        (None, None, None)
    );
    assert!(reader.available().is_ok());
    drop(writer);
    assert_eq!(reader.verify(&[]).await.unwrap().rows, 3);
}

#[tokio::test]
async fn a_letter_that_no_text_has_is_its_callers_error_alone() {
    let Some(server) = postgres("a_letter_that_no_text_has_is_its_callers_error_alone") else {
        return;
    };
    let database = server.database("letters");
    let ledger = open(&database.url(), "one");
    let mut odd = row("B", RowKind::Refused, 0);
    odd.service_account = Some("a\0b".into());
    let (first, odd, last) = tokio::join!(
        ledger.append(vec![row("A", RowKind::Refused, 0)]),
        ledger.append(vec![odd]),
        ledger.append(vec![row("C", RowKind::Refused, 0)]),
    );
    first.unwrap();
    last.unwrap();
    let odd = odd.unwrap_err();
    assert!(!odd.transient && odd.what.contains("no text has"), "{odd}");
    assert_eq!(entries(&all(&ledger).await), ["A", "C"]);
}

#[tokio::test]
async fn no_row_is_changed_or_deleted_even_by_hand() {
    let Some(server) = postgres("no_row_is_changed_or_deleted_even_by_hand") else {
        return;
    };
    let database = server.database("by_hand");
    let ledger = open(&database.url(), "one");
    for number in 0..3 {
        append(
            &ledger,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
    }
    let by_hand = database.by_hand();
    for refused in [
        "UPDATE ledger_rows SET meta = '{}' WHERE seq = 2",
        "UPDATE ledger_rows SET seq = 9 WHERE seq = 3",
        "UPDATE ledger_rows SET nth = 9 WHERE seq = 3",
        "UPDATE ledger_rows SET field_values = '{}' WHERE seq = 2",
        "UPDATE ledger_rows SET salt = NULL WHERE seq = 2",
        "UPDATE ledger_rows SET field_values = NULL WHERE seq = 2",
        "UPDATE ledger_rows SET field_values = NULL, salt = NULL, at = 0 WHERE seq = 2",
        "UPDATE ledger_rows SET field_values = NULL, salt = NULL, route = NULL WHERE seq = 2",
        "UPDATE ledger_rows SET field_values = NULL, salt = NULL, values_digest = NULL",
        "DELETE FROM ledger_rows WHERE seq = 3",
        "DELETE FROM ledger_rows",
        "TRUNCATE ledger_rows",
        "INSERT INTO ledger_rows SELECT * FROM ledger_rows WHERE seq = 2",
    ] {
        assert!(by_hand.run(refused).is_err(), "{refused}");
    }
    let erase = "UPDATE ledger_rows SET field_values = NULL, salt = NULL WHERE seq = 2";
    by_hand.run(erase).unwrap();
    let rows = all(&ledger).await;
    let values: Vec<bool> = rows.iter().map(|row| row.values.is_some()).collect();
    assert_eq!(values, [true, false, true]);
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn tables_of_another_version_are_left_alone() {
    let Some(server) = postgres("tables_of_another_version_are_left_alone") else {
        return;
    };
    let database = server.database("versions");
    drop(open(&database.url(), "one"));
    let by_hand = database.by_hand();
    by_hand
        .run("UPDATE ledger_version SET version = 99")
        .unwrap();
    let newer = "ledger: the ledger was written by a newer version of writegate (version 99)";
    assert_eq!(refused(&database.url()), newer);
    let address = Address::parse(&database.url()).unwrap();
    let reading = PostgresLedger::read_only(address).unwrap_err();
    assert_eq!(reading.to_string(), newer);
}

#[tokio::test]
async fn replicas_that_start_at_once_make_the_tables_once() {
    let Some(server) = postgres("replicas_that_start_at_once_make_the_tables_once") else {
        return;
    };
    let database = server.database("at_once");
    let url = database.url();
    let opened: Vec<PostgresLedger> = std::thread::scope(|scope| {
        let start = |number: usize| {
            let url = &url;
            scope.spawn(move || open(url, &format!("replica-{number}")))
        };
        let starting: Vec<_> = (0..6).map(start).collect();
        starting
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    for (number, ledger) in opened.iter().enumerate() {
        append(ledger, vec![row(&number.to_string(), RowKind::Opened, 0)]).await;
    }
    assert_eq!(all(&opened[0]).await.len(), 6);
    assert_eq!(opened[0].heads().await.unwrap().len(), 6);
}

#[test]
fn a_server_that_would_lose_what_it_acknowledged_is_refused() {
    const TEST: &str = "a_server_that_would_lose_what_it_acknowledged_is_refused";
    let Some(server) = own_postgres(TEST, &["fsync=off"]) else {
        return;
    };
    let said = refused(&server.database("no_fsync").url());
    assert!(said.contains("would lose what it acknowledged"), "{said}");
    let Some(server) = postgres(TEST) else {
        return;
    };
    // a commit that does not wait is made to wait
    let database = server.database("asynchronous");
    let by_hand = database.by_hand();
    let lazy = format!(
        "ALTER DATABASE \"{}\" SET synchronous_commit = off",
        database.name
    );
    by_hand.run(&lazy).unwrap();
    drop(open(&database.url(), "one"));
    by_hand.run("ALTER TABLE ledger_rows SET UNLOGGED").unwrap();
    let said = refused(&database.url());
    assert!(said.contains("unlogged"), "{said}");
    let ascii = server.database_with("ascii", "ENCODING 'SQL_ASCII' TEMPLATE template0");
    let said = refused(&ascii.url());
    assert!(said.contains("SQL_ASCII, and UTF8 is needed"), "{said}");
}

#[tokio::test]
async fn the_server_is_the_one_that_the_url_means() {
    let Some(server) = postgres("the_server_is_the_one_that_the_url_means") else {
        return;
    };
    let database = server.database("tls");
    let ledger = open(&database.url(), "one");
    let by_hand = database.by_hand();
    let sessions = "SELECT bool_and(ssl)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'writegate two'";
    let encrypted = |query: &str| -> Result<String, StoreError> {
        let ledger = try_open(&format!("{}?{query}", database.url()), "two")?;
        let seen = by_hand.texts(sessions).remove(0);
        drop(ledger);
        Ok(seen)
    };
    let ca = server.ca();
    let by_ca = |ca: &Path, host: &str| {
        let query = format!("sslmode=verify-full&sslrootcert={}", ca.display());
        let url = database.url().replace("127.0.0.1", host);
        try_open(&format!("{url}?{query}"), "two").map(drop)
    };
    assert_eq!(encrypted("sslmode=disable").unwrap(), "false");
    assert_eq!(encrypted("sslmode=prefer").unwrap(), "true");
    assert_eq!(encrypted("sslmode=require").unwrap(), "true");
    assert_eq!(encrypted("").unwrap(), "true");
    by_ca(&ca, "127.0.0.1").unwrap();
    by_ca(&ca, "localhost").unwrap();
    // the roots of this machine do not know the server's CA
    assert!(encrypted("sslmode=verify-full").is_err());
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    let stranger = writegate::tls::dev_ca(SystemClock.now()).unwrap();
    std::fs::write(&other, stranger.ca).unwrap();
    assert!(by_ca(&other, "127.0.0.1").is_err());
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let said = by_ca(&empty, "127.0.0.1").unwrap_err().to_string();
    assert!(said.contains("it holds no certificate"), "{said}");
    // a name that the certificate does not have
    let query = format!(
        "hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}",
        ca.display()
    );
    let url = database.url().replace("127.0.0.1", "db.acme.example");
    let said = try_open(&format!("{url}?{query}"), "two")
        .unwrap_err()
        .to_string();
    assert!(said.contains("not valid for name"), "{said}");
    let wrong = database.url().replace("hunter2", "hunter3");
    let said = try_open(&wrong, "two").unwrap_err().to_string();
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
    append(&ledger, vec![row("A", RowKind::Opened, 0)]).await;
}

#[tokio::test]
async fn no_question_reads_the_whole_table() {
    let Some(server) = postgres("no_question_reads_the_whole_table") else {
        return;
    };
    let database = server.database("indexes");
    let ledger = open(&database.url(), "one");
    for start in (0..20_000).step_by(500) {
        let of = |number: i64| {
            let kind = match number % 3 {
                0 => RowKind::Refused,
                1 => RowKind::Opened,
                _ => RowKind::Held,
            };
            let mut row = row(&number.to_string(), kind, number);
            row.service_account = Some(format!("agent-{}", number % 100));
            row.values = None;
            row
        };
        append(&ledger, (start..start + 500).map(of).collect()).await;
    }
    let by_hand = database.by_hand();
    by_hand.run("ANALYZE ledger_rows, ledger_unclosed").unwrap();
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'ledger_rows'";
    let looked = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'ledger_rows'";
    let count = |sql: &str| -> u64 { by_hand.texts(sql).remove(0).parse().unwrap() };
    let reader = PostgresLedger::read_only(Address::parse(&database.url()).unwrap()).unwrap();
    let before = (count(scans), count(looked));
    let page = |filter: RowFilter| RowFilter {
        limit: 20,
        ..filter
    };
    let filter = RowFilter::default;
    for newest_first in [false, true] {
        for filter in [
            RowFilter {
                entry: Some(EntryId::from_text("777")),
                ..filter()
            },
            page(filter()),
            page(RowFilter {
                after: Some(10_000),
                ..filter()
            }),
            page(RowFilter {
                kinds: vec![RowKind::Switch],
                ..filter()
            }),
            page(RowFilter {
                kinds: vec![RowKind::Held],
                after: Some(10_000),
                ..filter()
            }),
            page(RowFilter {
                service_account: Some("agent-7".into()),
                kinds: vec![RowKind::Opened, RowKind::Closed],
                ..filter()
            }),
            RowFilter {
                since: Some(at(19_990)),
                kinds: vec![RowKind::Opened, RowKind::Refused],
                ..filter()
            },
        ] {
            let filter = RowFilter {
                newest_first,
                ..filter
            };
            reader.rows(filter).await.unwrap();
        }
    }
    assert_eq!(reader.heads().await.unwrap()[0].seq, 20_000);
    let (others, _) = reader.others(&Cursor::default()).await.unwrap();
    assert_eq!(others.len(), 1_000);
    assert!(reader.alive("one").await.unwrap());
    // counted when a session ends
    drop(reader);
    while count(looked) < before.1 + 14 {}
    assert_eq!(count(scans), before.0, "the table was read from end to end");
}
