//! Whatever is done by SQL to the rows of any chain is found: each column of each row, rows removed,
//! moved and put in, tails cut off before a published head, and before one that another chain names.

use std::fmt::Write as _;

use writegate::ledger::postgres::{Address, PostgresLedger};
use writegate::ledger::{Head, Ledger, NewRow, RowKind};

use super::super::super::support::postgres::{ByHand, Database, postgres};
use super::super::{append, naming, row};
use super::open;

/// Rows of one chain.
const ROWS: i64 = 100;

/// A ledger of two chains that is changed behind its back.
struct Victim {
    ledger: PostgresLedger,
    by_hand: ByHand,
    /// The ends of both chains, as they were published.
    heads: Vec<Head>,
    _database: Database,
}

/// Rows of every kind; an entry is opened in one chain, and closed in the other.
fn rows(writer: &str, other: &str) -> Vec<NewRow> {
    let new = |number: i64| match number % 4 {
        0 => row(&format!("{writer} {number}"), RowKind::Opened, number),
        1 => row(&format!("{other} {}", number - 1), RowKind::Closed, number),
        2 => row(&format!("{writer} {number}"), RowKind::Refused, number),
        _ => row(
            &format!("{writer} {}", number - 1),
            RowKind::Delivered,
            number,
        ),
    };
    (0..ROWS).map(new).collect()
}

impl Victim {
    async fn new(test: &str) -> Option<Self> {
        let database = postgres(test)?.database(test);
        let (one, two) = (open(&database.url(), "one"), open(&database.url(), "two"));
        for (first, second) in rows("one", "two").into_iter().zip(rows("two", "one")) {
            append(&one, vec![first]).await;
            append(&two, vec![second]).await;
        }
        let heads = one.heads().await.unwrap();
        drop((one, two));
        let by_hand = database.by_hand();
        by_hand
            .run(
                "ALTER TABLE ledger_rows DISABLE TRIGGER ALL;
                 ALTER TABLE ledger_rows DROP CONSTRAINT ledger_rows_in_a_chain;
                 ALTER TABLE ledger_rows DROP CONSTRAINT ledger_rows_by_entry;
                 ALTER TABLE ledger_rows ALTER writer DROP NOT NULL, ALTER meta DROP NOT NULL,
                     ALTER hash DROP NOT NULL;
                 ALTER TABLE ledger_rows ALTER place DROP IDENTITY;
                 ALTER TABLE ledger_rows ALTER place SET DEFAULT 1000000;
                 DROP INDEX ledger_rows_by_place;
                 CREATE INDEX ON ledger_rows (writer, seq);
                 CREATE TABLE pristine AS SELECT * FROM ledger_rows",
            )
            .unwrap();
        let address = Address::parse(&database.url()).unwrap();
        let victim = Self {
            ledger: PostgresLedger::read_only(address).unwrap(),
            by_hand,
            heads,
            _database: database,
        };
        let verified = victim.ledger.verify(&victim.heads).await.unwrap();
        assert_eq!(verified.faults, Vec::<String>::new());
        assert_eq!(
            (verified.rows, &verified.heads),
            (2 * ROWS as u64, &victim.heads)
        );
        Some(victim)
    }

    fn restore(&self) {
        let restore = "BEGIN; DELETE FROM ledger_rows; INSERT INTO ledger_rows \
                       SELECT * FROM pristine; COMMIT";
        self.by_hand.run(restore).unwrap();
    }

    async fn faults(&self, published: &[Head]) -> Vec<String> {
        self.ledger.verify(published).await.unwrap().faults
    }

    /// Does it to each row of chain `one`, every tenth at a time, and expects each to be named.
    async fn each_row_is_named(&self, sql: &str, published: &[Head]) -> usize {
        let mut cases = 0;
        for first in 1..=10 {
            let places = (first..=ROWS).step_by(10);
            let list = places.clone().fold(String::new(), |mut list, place| {
                let comma = if list.is_empty() { "" } else { ", " };
                write!(list, "{comma}{place}").unwrap();
                list
            });
            let these = format!("writer = 'one' AND seq IN ({list})");
            self.by_hand.run(&sql.replace("THESE", &these)).unwrap();
            let faults = self.faults(published).await;
            for place in places {
                let named = format!("one: row {place}: ");
                let is_named = faults.iter().any(|fault| fault.starts_with(&named));
                assert!(is_named, "{sql}: {named}\n{faults:#?}");
                cases += 1;
            }
            let other = |fault: &&String| fault.starts_with("two: ");
            assert_eq!(faults.iter().find(other), None, "{sql}");
            self.restore();
        }
        cases
    }
}

#[tokio::test]
async fn each_column_of_each_row_is_guarded() {
    let Some(victim) = Victim::new("each_column_of_each_row").await else {
        return;
    };
    let edits = [
        ("entry", "entry || 'x'"),
        ("nth", "nth + 7"),
        (
            "kind",
            "CASE kind WHEN 'held' THEN 'switch' ELSE 'held' END",
        ),
        ("at", "at + 1"),
        ("service_account", "service_account || 'x'"),
        ("service_account", "NULL"),
        ("route", "route || 'x'"),
        ("route", "NULL"),
        ("meta", "meta || ' '"),
        ("meta", "NULL"),
        ("field_values", "field_values || ' '"),
        ("field_values", "NULL"),
        ("salt", "NULL"),
        ("salt", "decode(repeat('00', 16), 'hex')"),
        ("values_digest", "NULL"),
        ("values_digest", "decode(repeat('00', 32), 'hex')"),
        ("hash", "decode(repeat('00', 32), 'hex')"),
        ("hash", "decode(repeat('00', 31), 'hex')"),
        ("hash", "NULL"),
        ("hash", "set_bit(hash, 7, 1 - get_bit(hash, 7))"),
    ];
    let mut cases = 0;
    for (column, value) in edits {
        let sql = format!("UPDATE ledger_rows SET {column} = {value} WHERE THESE");
        cases += victim.each_row_is_named(&sql, &victim.heads).await;
    }
    for gone in [
        "DELETE FROM ledger_rows WHERE THESE",
        "UPDATE ledger_rows SET writer = writer || 'x' WHERE THESE",
        "UPDATE ledger_rows SET writer = NULL WHERE THESE",
        "UPDATE ledger_rows SET seq = -seq WHERE THESE",
        "UPDATE ledger_rows SET field_values = NULL, salt = NULL, values_digest = NULL WHERE THESE",
    ] {
        cases += victim.each_row_is_named(gone, &victim.heads).await;
    }
    println!("tamper, PostgreSQL: {cases} rows edited or removed, 0 unnoticed");
    victim
        .by_hand
        .run("UPDATE ledger_rows SET field_values = NULL, salt = NULL WHERE seq % 3 = 0")
        .unwrap();
    assert_eq!(victim.faults(&victim.heads).await, Vec::<String>::new());
}

#[tokio::test]
async fn rows_that_are_moved_or_put_in_are_found() {
    let Some(victim) = Victim::new("rows_that_are_moved").await else {
        return;
    };
    let mut cases = 0;
    for place in (1..ROWS).step_by(7) {
        let next = place + 1;
        let swapped = format!("CASE seq WHEN {place} THEN {next} WHEN {next} THEN {place} END");
        let swap = format!(
            "UPDATE ledger_rows SET seq = {swapped} WHERE writer = 'one' AND seq IN ({place}, {next})"
        );
        let closed = format!(
            "DELETE FROM ledger_rows WHERE writer = 'one' AND seq = {place};
             UPDATE ledger_rows SET seq = seq - 1 WHERE writer = 'one' AND seq > {place}"
        );
        let columns = "entry, nth, kind, at, service_account, route, meta, field_values, salt, \
                       values_digest, hash";
        let put_in = |writer: &str, seq: i64, from: &str, of: i64| {
            format!(
                "INSERT INTO ledger_rows (writer, seq, {columns}) SELECT '{writer}', {seq}, {columns} \
                 FROM pristine WHERE writer = '{from}' AND seq = {of}"
            )
        };
        let swap_places = format!(
            "UPDATE ledger_rows SET place = (SELECT place FROM pristine p WHERE p.writer = 'one' AND \
             p.seq = {swapped}) WHERE writer = 'one' AND ledger_rows.seq IN ({place}, {next})"
        )
        .replace("CASE seq", "CASE ledger_rows.seq");
        for sql in [
            swap,
            closed,
            swap_places,
            // once more at the end, at the beginning, beside itself, and in the other chain
            put_in("one", ROWS + 1, "one", place),
            put_in("one", 0, "one", place),
            put_in("one", place, "one", place),
            put_in("two", ROWS + 1, "one", place),
            // in place of another, and of the same one of the other chain
            format!(
                "DELETE FROM ledger_rows WHERE writer = 'one' AND seq = {next}; {}",
                put_in("one", next, "one", place)
            ),
            format!(
                "DELETE FROM ledger_rows WHERE writer = 'one' AND seq = {place}; {}",
                put_in("one", place, "two", place)
            ),
            // a chain of its own
            put_in("three", 1, "one", place),
        ] {
            victim.by_hand.run(&sql).unwrap();
            assert_ne!(victim.faults(&[]).await, Vec::<String>::new(), "{sql}");
            victim.restore();
            cases += 1;
        }
    }
    println!("tamper, PostgreSQL: {cases} rows moved or put in, 0 unnoticed");
}

#[tokio::test]
async fn a_tail_cut_before_a_published_head_is_found() {
    let Some(victim) = Victim::new("a_tail_cut_before").await else {
        return;
    };
    victim.by_hand.run("DELETE FROM ledger_unclosed").unwrap();
    for last in (0..ROWS).rev() {
        let cut = format!("DELETE FROM ledger_rows WHERE writer = 'one' AND seq > {last}");
        victim.by_hand.run(&cut).unwrap();
        let faults = victim.faults(&victim.heads).await;
        let expected = match last + 1 {
            ROWS => format!("one: row {ROWS}: cut off; it was published as head of writer one"),
            first => format!("one: rows {first} to {ROWS}: cut off; row {ROWS} was published"),
        };
        assert!(
            faults.iter().any(|fault| fault.starts_with(&expected)),
            "{faults:?}"
        );
    }
    println!("tamper, PostgreSQL: tail cut at {ROWS} places, 0 unnoticed");
}

#[tokio::test]
async fn a_tail_cut_before_a_head_that_another_chain_names_is_found() {
    const TEST: &str = "a_tail_that_another_names";
    let Some(server) = postgres(TEST) else { return };
    let database = server.database(TEST);
    let (one, two) = (open(&database.url(), "one"), open(&database.url(), "two"));
    for number in 0..3 {
        append(&one, vec![row(&number.to_string(), RowKind::Refused, 0)]).await;
    }
    let head = one.heads().await.unwrap();
    append(&two, vec![naming(&head)]).await;
    append(&one, vec![row("later", RowKind::Refused, 0)]).await;
    assert_eq!(two.verify(&[]).await.unwrap().faults, Vec::<String>::new());
    let by_hand = database.by_hand();
    by_hand
        .run("ALTER TABLE ledger_rows DISABLE TRIGGER ALL")
        .unwrap();
    let cut = |from: u32| {
        let cut = format!("DELETE FROM ledger_rows WHERE writer = 'one' AND seq >= {from}");
        by_hand.run(&cut).unwrap();
    };
    // behind the head that is named, nobody can tell
    cut(4);
    assert_eq!(two.verify(&[]).await.unwrap().faults, Vec::<String>::new());
    cut(3);
    let faults = two.verify(&[]).await.unwrap().faults;
    let expected = "one: row 3: cut off; it is named as head of writer one by row 1 of two";
    assert_eq!(faults, [expected]);
    // nor can a whole chain be taken away
    cut(1);
    let faults = two.verify(&[]).await.unwrap().faults;
    let expected =
        "one: rows 1 to 3: cut off; row 3 is named as head of writer one by row 1 of two";
    assert_eq!(faults, [expected]);
}

#[tokio::test]
async fn a_wrong_list_of_open_entries_is_found() {
    let Some(victim) = Victim::new("a_wrong_list").await else {
        return;
    };
    let by_hand = &victim.by_hand;
    let listed = by_hand
        .texts("SELECT count(*) FROM ledger_unclosed")
        .remove(0);
    assert_eq!(listed, "0", "what one opens the other closes");
    by_hand
        .run("INSERT INTO ledger_unclosed VALUES ('one 0', 'one', 1), ('nobody', 'two', 7)")
        .unwrap();
    let mut faults = victim.faults(&[]).await;
    faults.sort();
    let expected = ["nobody", "one 0"]
        .map(|entry| format!("entry {entry} is listed as not closed, but it is"));
    assert_eq!(faults, expected);
    by_hand
        .run(
            "DELETE FROM ledger_unclosed; DELETE FROM ledger_rows WHERE writer = 'two' AND seq >= 98",
        )
        .unwrap();
    let faults = victim.faults(&[]).await;
    assert_eq!(
        faults,
        ["entry one 96 is not closed, but not listed as such"]
    );
}
