//! What a doubtful entry blocks, and when it is looked at.

use serde_json::{Map, json};

use super::*;
use crate::mutation::{Operation, RecordKey, Undo};

const AGENT: &str = "enrichment-agent";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn update(object: &str, record: RecordKey) -> Mutation {
    Mutation {
        object: object.into(),
        operation: Operation::Update,
        record: Some(record),
        fields: Map::from_iter([("a".to_owned(), json!(1))]),
        row: Some("records[0]".into()),
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn key(value: &str) -> RecordKey {
    RecordKey::External {
        key: "Ext__c".into(),
        value: value.into(),
    }
}

fn found(id: &str) -> Prior {
    Prior::Found {
        id: id.into(),
        fields: Map::new(),
        stamp: None,
    }
}

fn sent(mutations: Vec<Mutation>, priors: Vec<Prior>) -> Sent {
    Sent {
        entry: EntryId::from_text("E"),
        service_account: AGENT.into(),
        route: "salesforce".into(),
        method: "PATCH".into(),
        path: "/p".into(),
        query: None,
        digest: Some("digest".into()),
        reverts: Vec::new(),
        outcomes: vec![Outcome::of(OutcomeState::Unknown); mutations.len()],
        mutations,
        snapshot: Snapshot::of(priors),
        at: at(0),
    }
}

#[test]
fn any_key_of_a_record_is_blocked_for_its_account_on_its_route() {
    let book = Book::default();
    let doubt = sent(vec![update("Account", key("A-1"))], vec![found("001A")]);
    book.doubted(doubt, at(1));
    let blocks = |whose: (&str, &str), digest: &str, mutation: Mutation, prior: Option<Prior>| {
        let snapshot = prior.map(|prior| Snapshot::of(vec![prior]));
        book.blocks(whose, digest, &[mutation], snapshot.as_ref())
    };
    let mine = (AGENT, "salesforce");
    let by_key = || update("account", key("a-1"));
    assert!(blocks(mine, "other", by_key(), None).is_some());
    let by_id = || update("Account", RecordKey::id("001A"));
    assert!(blocks(mine, "other", by_id(), None).is_some());
    let by_other_key = || update("Account", key("B-1"));
    assert_eq!(blocks(mine, "other", by_other_key(), None), None);
    assert!(blocks(mine, "other", by_other_key(), Some(found("001A"))).is_some());
    // other records, objects, accounts, routes
    assert_eq!(
        blocks(mine, "other", by_other_key(), Some(found("001B"))),
        None
    );
    let contact = || update("Contact", RecordKey::id("001A"));
    assert_eq!(blocks(mine, "other", contact(), None), None);
    assert_eq!(
        blocks(("sdr-agent", "salesforce"), "digest", by_id(), None),
        None
    );
    assert_eq!(blocks((AGENT, "hubspot"), "digest", by_id(), None), None);
    // the very same request, whatever it names
    let same = blocks(mine, "digest", contact(), None).unwrap();
    assert!(same.same && same.rows.is_empty());
}

#[test]
fn it_is_looked_at_with_growing_pauses_and_when_the_crm_had_its_time() {
    let book = Book::default();
    book.doubted(sent(vec![], vec![]), at(1));
    let entry = EntryId::from_text("E");
    let mut looks = Vec::new();
    for second in 1..700 {
        if !book.due("salesforce", at(second)).is_empty() {
            looks.push(second);
            book.claim(&entry).unwrap().later(at(second));
        }
    }
    let early: Vec<i64> = looks.iter().copied().take(9).collect();
    assert_eq!(early, [1, 2, 4, 8, 16, 32, 64, 124, 184]);
    // not a moment before the ten minutes, and then at once
    let late: Vec<i64> = looks.into_iter().filter(|at| *at > 540).collect();
    assert_eq!(late, [544, 600, 660]);
}

#[test]
fn one_settles_at_a_time_and_what_is_stuck_waits_for_a_person() {
    let book = Book::default();
    let entry = EntryId::from_text("E");
    book.doubted(sent(vec![], vec![]), at(1));
    let claim = book.claim(&entry).unwrap();
    assert!(book.claim(&entry).is_none());
    claim.stuck("why");
    assert!(book.due("salesforce", at(1_000)).is_empty());
    assert_eq!(
        book.blocks((AGENT, "salesforce"), "digest", &[], None)
            .unwrap()
            .stuck,
        Some("why")
    );
    let claim = book.claim(&entry).unwrap();
    claim.settled(vec![Outcome::of(OutcomeState::Done)], at(2));
    assert!(!book.has(&entry));
    assert_eq!(
        book.blocks((AGENT, "salesforce"), "digest", &[], None),
        None
    );
}

#[test]
fn what_was_done_answers_for_a_day_and_what_was_not_never() {
    let book = Book::default();
    let entry = EntryId::from_text("E");
    for (state, answers) in [(OutcomeState::Done, true), (OutcomeState::Failed, false)] {
        book.pages.lock().settled.clear();
        book.doubted(sent(vec![], vec![]), at(1));
        let claim = book.claim(&entry).unwrap();
        claim.settled(vec![Outcome::of(state)], at(2));
        assert_eq!(book.settled("digest", at(3)).is_some(), answers);
        assert_eq!(book.settled("digest", at(2 + 86_399)).is_some(), answers);
        assert!(book.settled("digest", at(2 + 86_400)).is_none());
    }
}

#[test]
fn an_external_key_is_one_lock_in_any_case() {
    let external = |key: &str, value: &str| RecordKey::External {
        key: key.into(),
        value: value.into(),
    };
    assert_eq!(
        folded(&external("Ext__c", "ÄB-1")),
        folded(&external("ext__C", "äb-1"))
    );
    // the case of an id is part of it
    assert_ne!(
        folded(&RecordKey::id("001a")),
        folded(&RecordKey::id("001A"))
    );
}

#[test]
fn a_record_that_is_reached_through_another_is_locked_with_it() {
    let through = RecordKey::External {
        key: "Contact.Account".into(),
        value: "003000000000001AAA".into(),
    };
    let reached = update("Account", through);
    let moves = update("Contact", RecordKey::id("003000000000001AAA"));
    let prior = found("001000000000001AAA");
    for prior in [None, Some(&prior)] {
        let locks = records("r", &reached, prior);
        let shared = records("r", &moves, None);
        assert!(shared.iter().all(|lock| locks.contains(lock)), "{locks:?}");
    }
}
