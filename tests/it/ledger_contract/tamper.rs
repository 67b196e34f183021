//! Whatever is done to a ledger's rows by hand is found: each of 1,000 rows in each way, the tail cut
//! at each of them, and every bit of a row.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, params};
use tempfile::TempDir;
use writegate::clock::SystemEntropy;
use writegate::ledger::chain::{self, Hash, Parts};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Head, Ledger, NewRow, RowKind};

use super::{append, at, row};

const ROWS: i64 = 1_000;

/// The columns, `seq` first.
const COLUMNS: [&str; 13] = [
    "seq",
    "writer",
    "entry",
    "nth",
    "kind",
    "at",
    "service_account",
    "route",
    "meta",
    "field_values",
    "salt",
    "values_digest",
    "hash",
];

/// A ledger whose file is changed behind its back.
struct Victim {
    ledger: SqliteLedger,
    by_hand: Connection,
    runtime: tokio::runtime::Runtime,
    /// The newest row, as it was published.
    head: Head,
    _folder: TempDir,
}

fn write(path: &Path, rows: i64) -> SqliteLedger {
    let entropy = Arc::new(SystemEntropy::default());
    let ledger = SqliteLedger::open(path, at(0), entropy).unwrap();
    let new = |number: i64| -> NewRow {
        let kind = [
            RowKind::Opened,
            RowKind::Closed,
            RowKind::Refused,
            RowKind::Held,
        ];
        let place = usize::try_from(number).unwrap();
        let mut new = row(&format!("E{:04}", number / 2), kind[place % 2], number);
        if place % 10 == 9 {
            new.kind = kind[2 + place / 10 % 2];
            new.entry = writegate::clock::EntryId::from_text(&format!("F{number}"));
        }
        new
    };
    block_on(append(&ledger, (0..rows).map(new).collect()));
    ledger
}

fn block_on<F: Future>(work: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

impl Victim {
    fn new(rows: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let writer = write(&path, rows);
        let head = block_on(writer.heads()).unwrap().pop().unwrap();
        drop(writer);
        let by_hand = Connection::open(&path).unwrap();
        by_hand
            .execute_batch(
                "DROP TRIGGER rows_stay_as_they_are; DROP TRIGGER rows_stay;
                 DROP TRIGGER rows_come_last; DROP TRIGGER rows_open_once;
                 DROP INDEX rows_by_entry;
                 CREATE TABLE pristine AS SELECT * FROM rows;
                 CREATE UNIQUE INDEX pristine_seq ON pristine (seq);
                 PRAGMA synchronous = off;",
            )
            .unwrap();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let victim = Self {
            ledger: SqliteLedger::read_only(&path).unwrap(),
            by_hand,
            runtime: runtime.enable_all().build().unwrap(),
            head,
            _folder: folder,
        };
        assert_eq!(victim.faults(), Vec::<String>::new());
        victim
    }

    fn do_by_hand(&self, sql: &str) -> usize {
        self.by_hand
            .execute(sql, [])
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn faults_with(&self, published: &[Head]) -> Vec<String> {
        let verified = self.runtime.block_on(self.ledger.verify(published));
        verified.unwrap().faults
    }

    fn faults(&self) -> Vec<String> {
        self.faults_with(&[])
    }

    fn restore(&self) {
        self.by_hand
            .execute_batch(
                "BEGIN; DELETE FROM rows; INSERT INTO rows SELECT * FROM pristine; COMMIT",
            )
            .unwrap();
    }

    /// The rows that faults name: `row 7: …`.
    fn named(&self, published: &[Head]) -> Vec<i64> {
        let faults = self.faults_with(published);
        let places = faults.iter().filter_map(|fault| {
            let place = fault.strip_prefix("row ")?.split(':').next()?;
            Some(place.parse().unwrap_or_else(|_| panic!("{fault}")))
        });
        places.collect()
    }
}

/// Does it to each row, every tenth at a time, and expects each to be named.
fn each_row_is_named(victim: &Victim, sql: &str, published: &[Head]) -> usize {
    let mut cases = 0;
    for first in 1..=10 {
        let places = (first..=ROWS).step_by(10);
        let list = places.clone().fold(String::new(), |mut list, place| {
            let comma = if list.is_empty() { "" } else { ", " };
            write!(list, "{comma}{place}").unwrap();
            list
        });
        let changed = victim.do_by_hand(&sql.replace("THESE", &list));
        assert!(changed > 0, "{sql}: nothing done");
        let named = victim.named(published);
        for place in places {
            assert!(named.contains(&place), "{sql}: row {place} is not named");
            cases += 1;
        }
        // nor is anybody accused who stands far away
        let innocent = |place: &&i64| (*place - first).rem_euclid(10) > 1;
        assert_eq!(named.iter().find(innocent), None, "{sql}");
        victim.restore();
    }
    cases
}

#[test]
fn each_row_is_guarded() {
    let victim = Victim::new(ROWS);
    let edits = [
        ("writer", "writer || 'x'"),
        ("entry", "entry || 'x'"),
        ("nth", "nth + 7"),
        ("kind", "iif(kind = 'opened', 'closed', 'opened')"),
        ("at", "at + 1"),
        ("service_account", "service_account || 'x'"),
        ("service_account", "NULL"),
        ("route", "route || 'x'"),
        ("route", "NULL"),
        ("meta", "meta || ' '"),
        ("field_values", "field_values || ' '"),
        ("field_values", "NULL"),
        ("salt", "NULL"),
        ("salt", "zeroblob(16)"),
        ("values_digest", "NULL"),
        ("values_digest", "zeroblob(32)"),
        ("hash", "zeroblob(32)"),
        ("hash", "zeroblob(31)"),
    ];
    let mut cases = 0;
    for (column, value) in edits {
        let sql = format!("UPDATE rows SET {column} = {value} WHERE seq IN (THESE)");
        cases += each_row_is_named(&victim, &sql, &[]);
    }
    // a part of the values passed off as salt has the same digest
    let shift = "UPDATE rows SET salt = CAST(salt || substr(field_values, 1, 1) AS BLOB), \
                 field_values = substr(field_values, 2) WHERE seq IN (THESE)";
    cases += each_row_is_named(&victim, shift, &[]);
    let gone = "UPDATE rows SET field_values = NULL, salt = NULL, values_digest = NULL \
                WHERE seq IN (THESE)";
    cases += each_row_is_named(&victim, gone, &[]);
    // the last row can only be missed by whoever knows that it was there
    let head = std::slice::from_ref(&victim.head);
    cases += each_row_is_named(&victim, "DELETE FROM rows WHERE seq IN (THESE)", head);
    let contents = COLUMNS[1..].join(", ");
    let copied = format!(
        "INSERT OR REPLACE INTO rows SELECT (seq + 998) % 1000 + 1, {contents} FROM pristine \
         WHERE (seq + 998) % 1000 + 1 IN (THESE)"
    );
    cases += each_row_is_named(&victim, &copied, &[]);
    println!("tamper: {cases} rows edited, removed or overwritten, 0 unnoticed");
}

#[test]
fn each_row_that_is_removed_moved_or_put_in_is_found() {
    let victim = Victim::new(ROWS);
    let contents = COLUMNS[1..].join(", ");
    let mut cases = 0;
    for place in (1..ROWS).step_by(8) {
        victim.do_by_hand(&format!("DELETE FROM rows WHERE seq = {place}"));
        assert!(victim.named(&[]).contains(&place), "removed {place}");
        victim.restore();

        victim.do_by_hand(&format!("DELETE FROM rows WHERE seq = {place}"));
        victim.do_by_hand(&format!(
            "UPDATE rows SET seq = seq - 1 WHERE seq > {place}"
        ));
        assert!(
            victim.named(&[]).contains(&place),
            "removed {place} and closed the gap"
        );
        victim.restore();

        let copy = |from: i64, to: i64| {
            victim.do_by_hand(&format!("DELETE FROM rows WHERE seq = {to}"));
            victim.do_by_hand(&format!(
                "INSERT INTO rows SELECT {to}, {contents} FROM pristine WHERE seq = {from}"
            ));
        };
        copy(place, place + 1);
        assert!(
            victim.named(&[]).contains(&(place + 1)),
            "duplicated {place}"
        );
        victim.restore();
        copy(place, ROWS + 1);
        assert!(
            victim.named(&[]).contains(&(ROWS + 1)),
            "appended {place} again"
        );
        victim.restore();
        for distance in [1, 2, 500] {
            let other = (place + distance - 1) % ROWS + 1;
            copy(place, other);
            copy(other, place);
            let faults = victim.faults();
            let moved = format!("row {}: reordered", place.min(other));
            assert!(
                faults.iter().any(|fault| fault.starts_with(&moved)),
                "{faults:?}"
            );
            victim.restore();
            cases += 1;
        }
        cases += 4;
    }
    println!("tamper: {cases} rows removed, duplicated, appended or swapped, 0 unnoticed");
}

#[test]
fn rows_removed_are_named_one_by_one_or_as_a_range() {
    let victim = Victim::new(20);
    victim.do_by_hand("DELETE FROM rows WHERE seq IN (1, 5, 10, 11, 12)");
    let faults = victim.faults();
    let removed: Vec<&str> = faults
        .iter()
        .filter(|fault| fault.contains("removed"))
        .map(String::as_str)
        .collect();
    assert_eq!(
        removed,
        [
            "row 1: removed",
            "row 5: removed",
            "rows 10 to 12: 3 removed"
        ]
    );
}

#[test]
fn a_tail_cut_at_any_row_is_found_with_a_published_head() {
    let victim = Victim::new(ROWS);
    victim
        .by_hand
        .execute_batch("DELETE FROM unclosed")
        .unwrap();
    let head = std::slice::from_ref(&victim.head);
    for last in (0..ROWS).rev() {
        victim.do_by_hand(&format!("DELETE FROM rows WHERE seq > {last}"));
        let faults = victim.faults_with(head);
        let cut = match last + 1 {
            ROWS => format!("row {ROWS}: cut off; it was published as head"),
            first => format!("rows {first} to {ROWS}: cut off; row {ROWS} was published as head"),
        };
        assert!(
            faults.iter().any(|fault| fault.starts_with(&cut)),
            "{faults:?}"
        );
    }
    println!("tamper: tail cut at {ROWS} places, 0 unnoticed");
}

#[test]
fn a_chain_that_was_written_anew_is_found_with_a_published_head() {
    let victim = Victim::new(60);
    victim.do_by_hand("UPDATE rows SET meta = '{}' WHERE seq = 30");
    for seq in 30..=60 {
        let hash = hash_again(&victim.by_hand, seq);
        let update = "UPDATE rows SET hash = ?1 WHERE seq = ?2";
        victim.by_hand.execute(update, params![hash, seq]).unwrap();
    }
    // whoever can write the whole file can write a chain; that is what heads are published for
    assert_eq!(victim.faults(), Vec::<String>::new());
    let faults = victim.faults_with(std::slice::from_ref(&victim.head));
    let expected = format!(
        "row 60: is not the one published as head at {}",
        victim.head.at
    );
    assert_eq!(faults, [expected]);
}

fn hash_again(by_hand: &Connection, seq: i64) -> Hash {
    let before = by_hand.query_row("SELECT hash FROM rows WHERE seq = ?1", [seq - 1], |row| {
        row.get(0)
    });
    let texts = "SELECT writer, entry, kind, service_account, route, meta, at, values_digest, nth \
                 FROM rows WHERE seq = ?1";
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Hash> {
        let text = |place: usize| row.get::<_, String>(place);
        let (writer, entry, kind) = (text(0)?, text(1)?, text(2)?);
        let (service_account, route, meta) = (text(3)?, text(4)?, text(5)?);
        let digest: Vec<u8> = row.get(7)?;
        let parts = Parts {
            writer: writer.as_bytes(),
            seq,
            entry: entry.as_bytes(),
            nth: row.get(8)?,
            kind: kind.as_bytes(),
            at: row.get(6)?,
            service_account: Some(service_account.as_bytes()),
            route: Some(route.as_bytes()),
            meta: meta.as_bytes(),
            values_digest: Some(&digest),
        };
        Ok(chain::hash(&before?, &parts))
    };
    by_hand.query_row(texts, [seq], read).unwrap()
}

#[test]
fn rows_of_another_ledger_are_found() {
    let victim = Victim::new(40);
    let folder = tempfile::tempdir().unwrap();
    let other: PathBuf = folder.path().join("other.db");
    drop(write(&other, 40));
    let attach = format!("ATTACH '{}' AS other", other.display());
    victim.by_hand.execute_batch(&attach).unwrap();
    for place in 1..=40 {
        victim.do_by_hand(&format!("DELETE FROM rows WHERE seq >= {place}"));
        victim.do_by_hand(&format!(
            "INSERT INTO rows SELECT * FROM other.rows WHERE seq >= {place}"
        ));
        let faults = victim.faults_with(std::slice::from_ref(&victim.head));
        assert!(!faults.is_empty(), "spliced at {place}");
        if place > 1 {
            let broken = format!(
                "row {place}: the chain of writer {} is broken",
                victim.head.writer
            );
            assert!(
                faults.iter().any(|fault| fault.starts_with(&broken)),
                "{faults:?}"
            );
        }
        victim.restore();
    }
}

#[test]
fn every_bit_of_a_row_is_guarded() {
    let victim = Victim::new(3);
    let mut cases = 0;
    for column in COLUMNS
        .into_iter()
        .filter(|column| !["seq", "nth", "at"].contains(column))
    {
        let read =
            format!("SELECT CAST({column} AS BLOB), typeof({column}) FROM rows WHERE seq = 2");
        let (bytes, kind): (Vec<u8>, String) = victim
            .by_hand
            .query_row(&read, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let update = format!("UPDATE rows SET {column} = CAST(?1 AS {kind}) WHERE seq = 2");
            victim.by_hand.execute(&update, params![flipped]).unwrap();
            assert_ne!(victim.faults(), Vec::<String>::new(), "{column}, bit {bit}");
            cases += 1;
        }
        victim.restore();
    }
    for bit in 0..63 {
        for column in ["at", "nth", "seq"] {
            let flip = format!(
                "UPDATE rows SET {column} = ({column} | {m}) - ({column} & {m})",
                m = 1_i64 << bit
            );
            let flipped = victim.by_hand.execute(&format!("{flip} WHERE seq = 2"), []);
            // a place can be taken
            if flipped.is_ok() {
                assert_ne!(victim.faults(), Vec::<String>::new(), "{column}, bit {bit}");
                cases += 1;
            }
            victim.restore();
        }
    }
    println!("tamper: {cases} bits flipped, 0 unnoticed");
}

#[test]
fn a_wrong_list_of_open_entries_is_found() {
    let victim = Victim::new(9);
    assert_eq!(
        victim.do_by_hand("DELETE FROM unclosed WHERE entry = 'E0004'"),
        1
    );
    assert_eq!(
        victim.faults(),
        ["entry E0004 is not closed, but not listed as such"]
    );
    victim.do_by_hand("INSERT INTO unclosed VALUES ('E0004', 9), ('E0001', 3)");
    assert_eq!(
        victim.faults(),
        ["entry E0001 is listed as not closed, but it is"]
    );
}

#[test]
fn erased_values_are_no_fault() {
    let victim = Victim::new(30);
    victim.do_by_hand("UPDATE rows SET field_values = NULL, salt = NULL WHERE seq % 3 = 0");
    assert_eq!(victim.faults(), Vec::<String>::new());
}
