//! Several replicas over one ledger: what each sees of the others, and that no two take the same step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::error::Conflict;
use writegate::journal::Journal;
use writegate::ledger::postgres::PostgresLedger;
use writegate::ledger::{Cursor, Ledger, NewRow, Row, RowKind};

use super::super::super::support::postgres::{Database, postgres};
use super::super::{all, append, at, entries, faults, granted, row, step, why_not};
use super::{open, try_open};

/// Nothing takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two replicas.
fn two(test: &str) -> Option<(PostgresLedger, PostgresLedger, Database)> {
    let database = postgres(test)?.database(test);
    let replicas = ["one", "two"].map(|name| open(&database.url(), name));
    let [one, two] = replicas;
    Some((one, two, database))
}

/// All that there is from others.
async fn read_on(ledger: &PostgresLedger, cursor: &mut Cursor) -> Vec<Row> {
    let mut rows = Vec::new();
    loop {
        let (page, behind) = ledger.others(cursor).await.unwrap();
        *cursor = behind;
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

#[tokio::test]
async fn each_sees_what_the_others_wrote_and_has_a_chain_of_its_own() {
    let Some((one, two, database)) = two("each_sees_what_the_others_wrote") else {
        return;
    };
    let mut cursor = Cursor::default();
    for number in 0..5 {
        append(&one, vec![row(&format!("one {number}"), RowKind::Held, 0)]).await;
        append(
            &two,
            vec![row(&format!("one {number}"), RowKind::Decided, 0)],
        )
        .await;
        append(&two, vec![row(&format!("two {number}"), RowKind::Held, 0)]).await;
    }
    let seen = read_on(&one, &mut cursor).await;
    let said: Vec<String> = seen
        .iter()
        .map(|row| format!("{} {}", row.entry, row.nth))
        .collect();
    let expected = (0..5).flat_map(|n| [format!("one {n} 1"), format!("two {n} 0")]);
    assert_eq!(said, expected.collect::<Vec<String>>());
    let places: Vec<u64> = seen.iter().map(|row| row.seq).collect();
    assert_eq!(places, (1..=10).collect::<Vec<u64>>());
    assert!(read_on(&one, &mut cursor).await.is_empty());
    append(&two, vec![row("later", RowKind::Switch, 0)]).await;
    assert_eq!(entries(&read_on(&one, &mut cursor).await), ["later"]);
    // whoever begins with what the ledger holds begins behind it
    let heads = one.heads().await.unwrap();
    assert_eq!(
        heads.iter().map(|head| head.seq).collect::<Vec<u64>>(),
        [5, 11]
    );
    let mut behind = Cursor::behind(&heads);
    assert!(read_on(&one, &mut behind).await.is_empty());
    let third = open(&database.url(), "three");
    let mut cursor = Cursor::default();
    assert_eq!(read_on(&third, &mut cursor).await, all(&one).await);
    let verified = third.verify(&heads).await.unwrap();
    assert_eq!(
        (verified.rows, verified.heads, verified.faults),
        (16, heads, vec![])
    );
}

/// The arguments of an append by hand: one row of a chain of its own.
fn by_hand_append(writer: &str, entry: &str) -> String {
    format!(
        "SELECT ledger_append('{writer}', 1, NULL, ARRAY['{entry}'], ARRAY[0], ARRAY['held'], \
         ARRAY[0::bigint], ARRAY['a'], ARRAY['r'], ARRAY['{{}}'], ARRAY[NULL::text], \
         ARRAY[NULL::bytea], ARRAY[NULL::bytea], ARRAY['\\x{}'::bytea])",
        "00".repeat(32)
    )
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_not_left_out() {
    let Some((one, two, database)) = two("a_row_that_is_committed_late") else {
        return;
    };
    let slow = database.by_hand();
    slow.run("BEGIN").unwrap();
    slow.run(&by_hand_append("slow", "late")).unwrap();
    append(&one, vec![row("early", RowKind::Held, 0)]).await;
    let mut cursor = Cursor::default();
    assert_eq!(entries(&read_on(&two, &mut cursor).await), ["early"]);
    slow.run("COMMIT").unwrap();
    let late = read_on(&two, &mut cursor).await;
    assert_eq!(entries(&late), ["late"]);
    // its place is before the one that was read: a cursor of places would have passed it by
    let rows = all(&one).await;
    assert_eq!(entries(&rows), ["late", "early"]);
}

#[tokio::test]
async fn what_follows_from_a_row_is_never_seen_before_it() {
    let Some((one, two, database)) = two("what_follows_from_a_row") else {
        return;
    };
    let third = open(&database.url(), "three");
    let entries = 150;
    let writing = async {
        for number in 0..entries {
            let name = number.to_string();
            // in turns, so that either chain can be the one that is read too early
            let (first, second) = if number % 2 == 0 {
                (&one, &two)
            } else {
                (&two, &one)
            };
            append(first, vec![step(&name, RowKind::Held, 0)]).await;
            append(second, vec![step(&name, RowKind::Decided, 1)]).await;
        }
    };
    let reading = async {
        let (mut cursor, mut held) = (Cursor::default(), BTreeSet::new());
        let (mut looks, mut seen) = (0, 0);
        while seen < 2 * entries {
            let (rows, behind) = third.others(&cursor).await.unwrap();
            cursor = behind;
            looks += 1;
            seen += rows.len();
            for row in rows {
                if row.kind == RowKind::Held {
                    held.insert(row.entry);
                } else {
                    assert!(held.contains(&row.entry), "{} came first", row.entry);
                }
            }
        }
        looks
    };
    let both = async { tokio::join!(writing, reading) };
    let ((), looks) = tokio::time::timeout(PATIENCE, both).await.unwrap();
    println!("{entries} pairs of rows of two chains, looked for {looks} times: in order");
}

#[tokio::test]
async fn long_news_come_in_pages_without_a_gap() {
    let Some((one, two, database)) = two("long_news_come_in_pages") else {
        return;
    };
    let third = open(&database.url(), "three");
    for turn in 0..7 {
        let rows = |name: &str| -> Vec<NewRow> {
            let new = |number: i64| row(&format!("{name} {turn} {number}"), RowKind::Refused, 0);
            (0..200).map(new).collect()
        };
        let (first, second) = tokio::join!(two.append(rows("two")), third.append(rows("three")));
        first.unwrap();
        second.unwrap();
    }
    let mut cursor = Cursor::default();
    let mut seen = Vec::new();
    loop {
        let (page, behind) = one.others(&cursor).await.unwrap();
        assert!(page.len() <= 1_000);
        if page.is_empty() {
            break;
        }
        cursor = behind;
        seen.extend(page.into_iter().map(|row| (row.writer, row.seq)));
    }
    assert_eq!(seen.len(), 2_800);
    for writer in ["two", "three"] {
        let of = seen.iter().filter(|(name, _)| name == writer);
        let places: Vec<u64> = of.map(|(_, seq)| *seq).collect();
        assert_eq!(places, (1..=1_400).collect::<Vec<u64>>());
    }
}

#[tokio::test]
async fn of_two_replicas_one_takes_the_next_step() {
    let Some((one, two, _database)) = two("of_two_replicas_one_takes") else {
        return;
    };
    let entries = 24_u32;
    let held = (0..entries).map(|entry| step(&format!("hold {entry}"), RowKind::Held, 0));
    append(&one, held.collect()).await;
    let mut won = [0, 0];
    for nth in 1..12 {
        let down: Vec<u32> = (0..entries).rev().collect();
        let up: Vec<u32> = (0..entries).collect();
        let (first, second) = tokio::join!(take(&one, &up, nth), take(&two, &down, nth));
        assert_eq!(first.0.intersection(&second.0).count(), 0);
        assert_eq!(first.0.len() + second.0.len(), entries as usize);
        assert_eq!(first.1 + second.1, entries);
        won = [won[0] + first.0.len(), won[1] + second.0.len()];
    }
    println!("steps taken by two replicas at once: {won:?}, 0 twice");
    let rows = all(&one).await;
    assert_eq!(rows.len(), 12 * entries as usize);
    assert_eq!(faults(&two, &[]).await, Vec::<String>::new());
}

/// Takes the n-th step of these entries, all at once: which were taken, and how many were not.
async fn take(ledger: &PostgresLedger, order: &[u32], nth: u32) -> (BTreeSet<u32>, u32) {
    let step = |entry: &u32| step(&format!("hold {entry}"), RowKind::Decided, nth);
    let taking = order
        .iter()
        .map(|entry| Box::pin(ledger.append(vec![step(entry)])));
    let mut mine = BTreeSet::new();
    let mut refused = 0;
    for (entry, taken) in order.iter().zip(joined(taking.collect::<Vec<_>>()).await) {
        if taken.is_ok() {
            mine.insert(*entry);
        } else {
            assert_eq!(why_not(taken), Conflict::Moved);
            refused += 1;
        }
    }
    (mine, refused)
}

/// Waits for all, which are under way at once.
async fn joined<T, F: Future<Output = T> + Unpin>(mut work: Vec<F>) -> Vec<T> {
    let mut done: Vec<Option<T>> = work.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (place, work) in work.iter_mut().enumerate() {
            if done[place].is_none()
                && let std::task::Poll::Ready(result) = std::pin::Pin::new(work).poll(context)
            {
                done[place] = Some(result);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn rows_without_a_step_go_to_the_end_of_an_entry_that_others_write_to() {
    let Some((one, two, _database)) = two("rows_without_a_step") else {
        return;
    };
    append(&one, vec![row("A", RowKind::Opened, 0)]).await;
    for turn in 0..10 {
        let (first, second) = tokio::join!(
            one.append(vec![row("A", RowKind::InDoubt, turn)]),
            two.append(vec![row("A", RowKind::Delivered, turn)]),
        );
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(entries(&one.unclosed().await.unwrap()), ["A"]);
    append(&two, vec![row("A", RowKind::Reconciled, 0)]).await;
    assert!(one.unclosed().await.unwrap().is_empty());
    let again = one.append(vec![row("A", RowKind::Opened, 0)]).await;
    assert_eq!(why_not(again), Conflict::Opened);
    let rows = all(&one).await;
    let mut steps: Vec<u32> = rows.iter().map(|row| row.nth).collect();
    steps.sort_unstable();
    assert_eq!(steps, (0..22).collect::<Vec<u32>>());
    assert_eq!(faults(&one, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_epoch_that_one_raises_ends_the_grants_of_all() {
    let Some((one, two, _database)) = two("an_epoch_that_one_raises") else {
        return;
    };
    for epoch in 1..15 {
        let names: Vec<String> = (0..8).map(|number| format!("{epoch} {number}")).collect();
        let writing = names
            .iter()
            .map(|name| Box::pin(two.append(vec![granted(name, epoch)])));
        let (raised, written) = tokio::join!(
            async {
                let raised = one.raise_epoch(epoch).await.unwrap();
                (raised, all(&one).await.len())
            },
            joined(writing.collect::<Vec<_>>()),
        );
        assert_eq!(raised.0, epoch + 1);
        for refused in written.into_iter().filter(Result::is_err) {
            assert_eq!(why_not(refused), Conflict::Epoch);
        }
        // what could be read when it was raised is all there will ever be of it
        assert_eq!(all(&one).await.len(), raised.1);
        let late = two.append(vec![granted("late", epoch)]).await;
        assert_eq!(why_not(late), Conflict::Epoch);
        append(&two, vec![granted(&format!("young {epoch}"), epoch + 1)]).await;
        assert_eq!(two.epoch().await.unwrap(), epoch + 1);
    }
    let (first, second) = tokio::join!(one.raise_epoch(15), two.raise_epoch(15));
    let raised = [first, second];
    assert_eq!(
        raised
            .iter()
            .filter(|raised| matches!(raised, Ok(16)))
            .count(),
        1
    );
    let lost = raised.into_iter().find(Result::is_err).unwrap();
    assert_eq!(why_not(lost), Conflict::Epoch);
}

#[tokio::test]
async fn a_start_takes_nothing_for_in_doubt_that_another_may_be_sending() {
    let Some((one, two, database)) = two("a_start_takes_nothing") else {
        return;
    };
    append(&one, vec![row("A", RowKind::Opened, 0)]).await;
    append(&two, vec![row("B", RowKind::Opened, 0)]).await;
    drop(two);
    let two = Journal::new(Arc::new(open(&database.url(), "two")));
    let found = two.sweep(SystemClock.now()).await.unwrap();
    assert_eq!(found, [EntryId::from_text("B")]);
    assert!(two.sweep(SystemClock.now()).await.unwrap().is_empty());
    append(&one, vec![row("A", RowKind::Closed, 1)]).await;
    assert_eq!(entries(&one.unclosed().await.unwrap()), ["B"]);
}

#[tokio::test]
async fn a_name_has_one_process() {
    let Some((one, two, database)) = two("a_name_has_one_process") else {
        return;
    };
    for (name, alive) in [("one", true), ("two", true), ("three", false)] {
        assert_eq!(one.alive(name).await.unwrap(), alive, "{name}");
    }
    let said = try_open(&database.url(), "one").unwrap_err();
    assert!(!said.transient);
    let said = said.to_string();
    let expected =
        "ledger: another process writes this ledger as `one` (from 127.0.0.1, server process ";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with("(`replica`, WRITEGATE_REPLICA)"), "{said}");
    append(&one, vec![row("A", RowKind::Opened, 0)]).await;
    drop(one);
    while two.alive("one").await.unwrap() {}
    let one = open(&database.url(), "one");
    assert!(two.alive("one").await.unwrap());
    append(&one, vec![row("A", RowKind::Closed, 0)]).await;
    assert_eq!(faults(&two, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn news_are_told_at_once_and_found_without_being_told() {
    let Some((one, two, database)) = two("news_are_told_at_once") else {
        return;
    };
    // hears what is told: looking alone would take a second each time
    let rounds = 12;
    let begin = Instant::now();
    let mut cursor = Cursor::default();
    for number in 0..rounds {
        append(&two, vec![row(&number.to_string(), RowKind::Switch, 0)]).await;
        while read_on(&one, &mut cursor).await.is_empty() {
            one.changed().await;
        }
        // and tells it
        one.changed().await;
    }
    let took = begin.elapsed();
    println!("{rounds} changes heard in {took:?}");
    assert!(took.as_secs() < rounds - 1, "{took:?}");
    // nobody tells anything any more
    let by_hand = database.by_hand();
    let deaf = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' \
                OR query LIKE '%pg_notify%' AND pid <> pg_backend_pid()";
    by_hand.run(deaf).unwrap();
    append(&two, vec![row("unheard", RowKind::Switch, 0)]).await;
    let found = async {
        while read_on(&one, &mut cursor).await.is_empty() {
            one.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
}

#[tokio::test]
async fn a_clock_behind_what_another_wrote_is_noticed() {
    let Some((one, two, _database)) = two("a_clock_behind_what_another_wrote") else {
        return;
    };
    let now = SystemClock.now();
    let one = Arc::new(one);
    let journal = Journal::new(one.clone());
    journal.view().caught_up(now);
    journal.writable(now).unwrap();
    let ahead = NewRow {
        at: now + SignedDuration::from_secs(6),
        ..row("A", RowKind::Opened, 0)
    };
    append(&two, vec![ahead]).await;
    let noticed = async {
        while one.newest().is_none() {
            one.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.unwrap();
    let said = journal.writable(now).unwrap_err().to_string();
    assert!(
        said.contains("the newest row is of") && said.ends_with("set the clock"),
        "{said}"
    );
    journal
        .writable(now + SignedDuration::from_secs(2))
        .unwrap();
    // nor is one trusted that is far from the server's
    for wrong in [-7, 12] {
        let said = journal
            .writable(now + SignedDuration::from_secs(wrong))
            .unwrap_err();
        assert!(said.to_string().ends_with("set the clock"), "{said}");
    }
    let said = journal
        .writable(at(0) + SignedDuration::from_hours(24 * 3650))
        .unwrap_err();
    assert!(said.to_string().contains("the ledger's shows"), "{said}");
}
