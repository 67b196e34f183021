//! The decision, case by case, and what must hold for every case.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::mutation::{RecordKey, Undo};

const SENT: i64 = 1_700_000_000;

fn sent() -> Timestamp {
    Timestamp::from_second(SENT).unwrap()
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn mutation(operation: Operation, written: &Value) -> Mutation {
    Mutation {
        object: "Account".into(),
        operation,
        record: (operation != Operation::Create).then(|| RecordKey::id("001")),
        fields: fields(written),
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn found(values: &Value) -> Prior {
    stamped(values, "1")
}

fn stamped(values: &Value, stamp: &str) -> Prior {
    Prior::Found {
        id: "001".into(),
        fields: fields(values),
        stamp: Some(stamp.into()),
    }
}

fn one(mutation: &Mutation, prior: &Prior, present: Present, quiet: bool) -> Finding {
    let mutations = std::slice::from_ref(mutation);
    let known = [Outcome::of(OutcomeState::Unknown)];
    let priors = [prior.clone()];
    decide(mutations, &priors, &known, &[present], (sent(), quiet)).remove(0)
}

/// What a case comes to: `+` applied, `-` not applied, `.` too early, `?` a person.
fn sign(finding: &Finding) -> char {
    match finding {
        Finding::Applied(_) => '+',
        Finding::NotApplied => '-',
        Finding::TooEarly => '.',
        Finding::Undecided(_) => '?',
    }
}

/// What was written, what was there, what is there now (`gone`: no record), whether the record's stamp
/// moved, and what it comes to.
const UPDATES: &str = r#"
{"a":1}         | {"a":0}         | {"a":1}         | moved | +
{"a":1}         | {"a":0}         | {"a":0}         | still | -
{"a":1}         | {"a":0}         | {"a":0}         | moved | ?
{"a":1}         | {"a":0}         | {"a":2}         | moved | ?
{"a":1}         | {"a":1}         | {"a":1}         | still | ?
{"a":1}         | {"a":1}         | {"a":1}         | moved | ?
{"a":1}         | {"a":1}         | {"a":2}         | moved | ?
{"a":1}         | {}              | {"a":1}         | moved | +
{"a":1}         | {}              | {}              | still | -
{"a":1}         | {"a":null}      | {"a":""}        | still | -
{"a":null}      | {"a":"x"}       | {"a":null}      | moved | +
{"a":null}      | {"a":"x"}       | {}              | moved | +
{"a":""}        | {"a":"x"}       | {"a":null}      | moved | +
{"a":""}        | {"a":null}      | {"a":null}      | still | ?
{"a":1.50}      | {"a":"1"}       | {"a":"1.5"}     | moved | +
{"a":"100"}     | {"a":5.0}       | {"a":100.0}     | moved | +
{"a":1}         | {"a":"1.0"}     | {"a":1}         | moved | ?
{"a":true}      | {"a":"false"}   | {"a":"true"}    | moved | +
{"a":true}      | {"a":false}     | {"a":"false"}   | still | -
{"a":0}         | {"a":null}      | {"a":0}         | moved | +
{"a":0}         | {"a":null}      | {"a":null}      | still | -
{"a":false}     | {"a":null}      | {"a":null}      | still | -
{"a":1,"b":2}   | {"a":3,"b":4}   | {"a":1,"b":2}   | moved | +
{"a":1,"b":2}   | {"a":3,"b":4}   | {"a":3,"b":4}   | still | -
{"a":1,"b":2}   | {"a":3,"b":4}   | {"a":1,"b":4}   | moved | ?
{"a":1,"b":2}   | {"a":3,"b":4}   | {"a":1,"b":5}   | moved | ?
{"a":1,"b":2}   | {"a":3,"b":2}   | {"a":1,"b":2}   | moved | +
{"a":1,"b":2}   | {"a":3,"b":2}   | {"a":3,"b":2}   | still | -
{"a":1,"b":2}   | {"a":3,"b":2}   | {"a":1,"b":5}   | moved | ?
{"a":"x"}       | {"A":"p"}       | {"A":"x"}       | moved | +
{"a":"x"}       | {"a":"X"}       | {"a":"x"}       | moved | +
{"a":"x"}       | {"a":"p"}       | {"a":"X"}       | moved | ?
{"a":"x "}      | {"a":"p"}       | {"a":"x"}       | moved | ?
{"a":"2026-01-02T03:04:05Z"} | {"a":"2025-01-02T03:04:05.000+0000"} | {"a":"2026-01-02T03:04:05.000+0000"} | moved | +
{"a":"2026-01-02T03:04:05Z"} | {"a":"2026-01-02T04:04:05.000+0100"} | {"a":"2026-01-02T03:04:05.000+0000"} | moved | ?
{}              | {}              | {}              | still | ?
{"a":1}         | {"a":0}         | gone            | moved | ?
"#;

#[test]
fn updates_are_told_by_what_was_written_and_what_was_there() {
    let json = |text: &str| crate::crm::json::parse(text.as_bytes()).unwrap();
    let mut cases = 0;
    for line in UPDATES.trim().lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let stamp = if columns[3] == "moved" { "2" } else { "1" };
        let present = match columns[2] {
            "gone" => Prior::Absent,
            now => stamped(&json(now), stamp),
        };
        for operation in [Operation::Update, Operation::Upsert] {
            let mutation = mutation(operation, &json(columns[0]));
            let prior = found(&json(columns[1]));
            let finding = one(&mutation, &prior, Present::Record(present.clone()), true);
            let comes_to = sign(&finding).to_string();
            assert_eq!(comes_to, columns[4], "{operation}: {line}: {finding:?}");
            cases += 1;
        }
    }
    println!("{cases} cases, 0 wrong");
}

#[test]
fn upserts_of_a_new_key_are_told_by_the_key() {
    let upsert = mutation(Operation::Upsert, &json!({"a": 1}));
    let made = |at: i64, a: i64| {
        let at = Timestamp::from_second(SENT + at).unwrap();
        Present::Record(found(&json!({"a": a, "CreatedDate": at.to_string()})))
    };
    let cases = [
        (Present::Record(Prior::Absent), '-'),
        (made(0, 1), '+'),
        (made(5, 1), '+'),
        (made(-1, 1), '?'),
        (made(5, 2), '?'),
        (Present::Record(found(&json!({"a": 1}))), '?'),
        (Present::Unread, '?'),
        (Present::Record(Prior::Unknown), '?'),
    ];
    for (present, comes_to) in cases {
        let finding = one(&upsert, &Prior::Absent, present.clone(), true);
        assert_eq!(sign(&finding), comes_to, "{present:?}");
    }
    let finding = one(&upsert, &Prior::Absent, made(1, 1), true);
    assert_eq!(finding, Finding::Applied(Some("001".into())));
}

#[test]
fn deletes_are_told_by_whether_the_record_is_there() {
    let there = || found(&json!({"a": 1}));
    let cases = [
        (Operation::Delete, there(), Prior::Absent, '+'),
        (Operation::Delete, there(), there(), '-'),
        (Operation::Delete, there(), Prior::Unknown, '?'),
        (Operation::Delete, Prior::Absent, Prior::Absent, '-'),
        (Operation::Delete, Prior::Absent, there(), '?'),
        (Operation::Delete, Prior::Unknown, Prior::Absent, '?'),
        // an archived record is not a purged one
        (Operation::Purge, there(), Prior::Absent, '?'),
        (Operation::Purge, there(), there(), '-'),
        (Operation::Update, Prior::Absent, Prior::Absent, '-'),
        (Operation::Update, Prior::Unknown, there(), '?'),
        (Operation::Merge, there(), Prior::Absent, '?'),
        (Operation::Send, Prior::Absent, Prior::Absent, '?'),
        (Operation::Convert, there(), Prior::Absent, '?'),
    ];
    for (operation, prior, now, comes_to) in cases {
        let mutation = mutation(operation, &json!({}));
        let finding = one(&mutation, &prior, Present::Record(now.clone()), true);
        assert_eq!(sign(&finding), comes_to, "{operation} {prior:?} {now:?}");
    }
}

#[test]
fn the_loser_of_a_merge_is_not_told_by_a_record_that_answers() {
    let mut loser = mutation(Operation::Delete, &json!({}));
    let here = || Present::Record(found(&json!({})));
    assert_eq!(sign(&one(&loser, &found(&json!({})), here(), true)), '-');
    loser.undo = Undo::None;
    assert_eq!(sign(&one(&loser, &found(&json!({})), here(), true)), '?');
}

#[test]
fn creates_are_told_by_one_record_and_never_by_none() {
    let create = mutation(Operation::Create, &json!({"a": 1}));
    let made = |ids: &[&str]| Present::Made(ids.iter().map(|id| (*id).to_owned()).collect());
    for (present, comes_to) in [
        (made(&["x"]), '+'),
        (made(&[]), '?'),
        (made(&["x", "y"]), '?'),
        (Present::Unread, '?'),
    ] {
        let finding = one(&create, &Prior::Absent, present.clone(), true);
        assert_eq!(sign(&finding), comes_to, "{present:?}");
    }
}

#[test]
fn before_the_crm_had_its_time_only_what_happened_is_told() {
    let update = mutation(Operation::Update, &json!({"a": 1}));
    let delete = mutation(Operation::Delete, &json!({}));
    let (before, after) = (found(&json!({"a": 0})), stamped(&json!({"a": 1}), "2"));
    let early =
        |mutation, now: &Prior| sign(&one(mutation, &before, Present::Record(now.clone()), false));
    assert_eq!(early(&update, &before), '.');
    assert_eq!(early(&update, &after), '+');
    assert_eq!(early(&delete, &before), '.');
    assert_eq!(early(&delete, &Prior::Absent), '+');
}

#[test]
fn a_batch_is_decided_row_by_row() {
    let row = |operation, at: &str| Mutation {
        row: Some(at.into()),
        ..mutation(operation, &json!({"a": 1}))
    };
    let mutations = [
        row(Operation::Update, "r0"),
        row(Operation::Update, "r1"),
        row(Operation::Create, "r2"),
        row(Operation::Associate, "r2"),
        row(Operation::Update, "r3"),
    ];
    let zero = found(&json!({"a": 0}));
    let priors = [
        zero.clone(),
        zero.clone(),
        Prior::Absent,
        Prior::Unknown,
        zero.clone(),
    ];
    let mut known = vec![Outcome::of(OutcomeState::Unknown); 4];
    known.push(Outcome::of(OutcomeState::Failed));
    let present = [
        Present::Record(stamped(&json!({"a": 1}), "2")),
        Present::Record(zero),
        Present::Made(vec!["new".into()]),
        Present::Unread,
        Present::Unread,
    ];
    let findings = decide(&mutations, &priors, &known, &present, (sent(), true));
    assert_eq!(findings.iter().map(sign).collect::<String>(), "+-++-");
}

#[test]
fn two_rows_cannot_have_made_one_record() {
    let create = mutation(Operation::Create, &json!({"a": 1}));
    let mutations = [create.clone(), create];
    let made = || Present::Made(vec!["new".into()]);
    let findings = decide(&mutations, &[], &[], &[made(), made()], (sent(), true));
    assert_eq!(findings.iter().map(sign).collect::<String>(), "??");
}

/// A small world: a write that happens or not, then others who change what they like.
#[derive(Clone, Debug)]
struct World {
    written: Vec<u8>,
    before: Vec<u8>,
    happens: bool,
    others: Vec<(usize, u8)>,
}

fn worlds() -> impl Strategy<Value = World> {
    let values = || proptest::collection::vec(0_u8..3, 1..4);
    (values(), values(), any::<bool>()).prop_flat_map(|(written, before, happens)| {
        let width = written.len();
        let others = proptest::collection::vec((0..width, 3_u8..6), 0..3);
        let before: Vec<u8> = before.into_iter().cycle().take(width).collect();
        others.prop_map(move |others| World {
            written: written.clone(),
            before: before.clone(),
            happens,
            others,
        })
    })
}

proptest! {
    /// Others write values of their own; then the decision is right, or it is none.
    #[test]
    fn the_decision_is_right_or_none(world in worlds()) {
        let names = ["a", "b", "c", "d"];
        let record = |values: &[u8]| {
            let pairs = names.iter().zip(values);
            let member = |(name, value): (&&str, &u8)| ((*name).to_owned(), json!(value));
            Value::Object(pairs.map(member).collect())
        };
        let mut now = if world.happens { world.written.clone() } else { world.before.clone() };
        for (place, value) in &world.others {
            now[*place] = *value;
        }
        let moved = world.happens || !world.others.is_empty();
        let update = mutation(Operation::Update, &record(&world.written));
        let present = stamped(&record(&now), if moved { "2" } else { "1" });
        let prior = found(&record(&world.before));
        let right = match one(&update, &prior, Present::Record(present), true) {
            Finding::Applied(_) => world.happens,
            Finding::NotApplied => !world.happens,
            Finding::TooEarly => false,
            Finding::Undecided(_) => true,
        };
        prop_assert!(right);
    }
}
