//! What conditions answer, read from rule files as people write them.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::*;
use crate::mutation::{
    Acting, Actor, ChangeSet, Claims, CrmKind, Mutation, Operation, Origin, RecordKey, Undo,
};
use crate::policy::mistake::Mistakes;
use crate::policy::scene::Before;
use crate::policy::{Question, load, yaml};

use Answer::{CannotTell, No, Yes};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("{value} is no map");
    };
    map
}

/// The answers that are possible for a write of `fields` over `before`.
fn range(when: &str, fields: Value, before: Before<'_>) -> Range {
    let mut mistakes = Mistakes::of("when");
    let tree = yaml::read(when, &mut mistakes).unwrap();
    let condition = load::condition(&tree, &mut mistakes);
    assert_eq!(mistakes.into_list(), [], "{when}");
    let changes = ChangeSet::Mutations(vec![Mutation {
        object: "Opportunity".into(),
        operation: Operation::Update,
        record: Some(RecordKey::External {
            key: "Ext__c".into(),
            value: "7".into(),
        }),
        fields: map(fields),
        row: Some("records[3]".into()),
        undo: Undo::Partial,
        others: Vec::new(),
    }]);
    let actor = Actor {
        service_account: "sdr-agent".into(),
        claims: Claims {
            on_behalf_of: Some("kim".into()),
            confidence: Some("0.70".into()),
            ..Claims::default()
        },
    };
    let question = Question {
        total: None,
        crm: CrmKind::Salesforce,
        route: "emea",
        actor: &actor,
        origin: Origin::Agent,
        method: "PATCH",
        path: "/x",
        acting: &Acting::new(),
        changes: &changes,
        snapshot: None,
        now: Timestamp::UNIX_EPOCH,
    };
    let scene = Scene::new(&question, &changes.mutations()[0], before);
    condition.range(&scene)
}

fn found(fields: &Map<String, Value>) -> Before<'_> {
    Before::Found {
        fields,
        hidden: &[],
    }
}

fn answer(when: &str, fields: Value, before: Value) -> Answer {
    let before = map(before);
    let range = range(when, fields, found(&before));
    assert_eq!(range.least, range.most, "all is known: {when}");
    range.most
}

#[test]
fn everything_a_rule_may_look_at_is_there() {
    for when in [
        "actor.service_account: sdr-agent",
        "request.method: PATCH",
        "request.path: /x",
        "request.route: emea",
        "request.crm: salesforce",
        "request.mutations: 1",
        "mutation.object: Opportunity",
        "mutation.operation: update",
        "mutation.record.key: Ext__c",
        "mutation.record.value: 7",
        "mutation.record.id: null",
        "mutation.row: 'records[3]'",
        "mutation.undo: partial",
        "mutation.fields.amount: 5",
        "'mutation.fields[*]': x",
        "mutation.fields.*: x",
        "claims['on-behalf-of']: kim",
        "claims.confidence: { at_least: 0.7 }",
        "claims.run: { blank: true }",
        "$.after.AMOUNT: 5",
        "before.STAGE: Open",
        "after.stage: x",
        "after.lines[0].sku: b",
        "after.lines[-1].sku: c",
        "\"after.lines[?@.kind == 'old'].sku\": c",
        "after.lines[*].sku: { contains: b }",
        "after.lines..sku: c",
        "after.lines[1:].sku: c",
    ] {
        let fields = json!({"Amount": 5, "Stage": "x"});
        let before = json!({"stage": "Open", "Lines": [{"sku": "b"}, {"sku": "c", "kind": "old"}]});
        assert_eq!(answer(when, fields, before), Yes, "{when}");
    }
}

#[test]
fn comparisons_are_exact() {
    for (when, value, expected) in [
        ("after.A: { at_least: 100000 }", json!("100000.00"), Yes),
        (
            "after.A: { at_least: 100000 }",
            json!("99999.99999999999999999"),
            No,
        ),
        ("after.A: { more_than: 100000 }", json!(100_000), No),
        (
            "after.A: { more_than: 9007199254740992 }",
            json!("9007199254740993"),
            Yes,
        ),
        (
            "after.A: { less_than: 1e3, more_than: -1 }",
            json!(999.5),
            Yes,
        ),
        ("after.A: { less_than: 1e3, more_than: -1 }", json!(-1), No),
        ("after.A: { at_most: 0 }", json!("-0.0"), Yes),
        ("after.A: { at_most: 5 }", json!(null), No),
        ("after.A: { at_most: 5 }", json!(""), No),
        ("after.A: { at_most: 5 }", json!("5 USD"), CannotTell),
        ("after.A: { at_most: 5 }", json!(" 5"), CannotTell),
        ("after.A: { at_most: 5 }", json!("1,000"), CannotTell),
        ("after.A: { at_most: 5 }", json!([1]), CannotTell),
        ("after.A: { at_most: 5 }", json!(true), CannotTell),
        ("after.A: { at_most: '5' }", json!(5), Yes),
        ("after.A: 5", json!("5.0"), Yes),
        ("after.A: 0.1", json!("0.10"), Yes),
        ("after.A: [a, b]", json!("b"), Yes),
        ("after.A: [a, b]", json!("c"), No),
        ("after.A: [a, b]", json!("B"), CannotTell),
        ("after.A: null", json!(""), Yes),
        ("after.A: null", json!(0), No),
        ("after.A: true", json!("true"), Yes),
        ("after.A: { matches: '^x' }", json!("xyz"), Yes),
        ("after.A: { matches: '^x' }", json!("yx"), No),
        ("after.A: { matches: '^4' }", json!(42), Yes),
        ("after.A: { matches: '.*' }", json!(null), No),
        ("after.A: { matches: x }", json!({"a": "x"}), CannotTell),
        ("after.A: { contains: b;c }", json!("a;b;c"), Yes),
        ("after.A: { contains: z }", json!("a;b;c"), No),
        ("after.A: { blank: true }", json!(""), Yes),
        ("after.A: { blank: true }", json!(0), No),
        ("after.A: { blank: false }", json!(false), Yes),
    ] {
        assert_eq!(
            answer(when, json!({"a": value}), json!({})),
            expected,
            "{when} {value}"
        );
    }
}

#[test]
fn the_right_side_may_be_a_path_times_a_number() {
    for (when, before, expected) in [
        (
            "after.A: { more_than: { path: before.A, times: 1.2 } }",
            json!("100"),
            No,
        ),
        (
            "after.A: { more_than: { path: before.A, times: 1.2 } }",
            json!("99.99"),
            Yes,
        ),
        (
            "after.A: { more_than: { path: before.A } }",
            json!(119.5),
            Yes,
        ),
        ("after.A: { path: before.A }", json!("120.0"), Yes),
        ("after.A: { path: before.A, times: -1 }", json!(-120), Yes),
        (
            "after.A: [{ path: before.B }, { path: before.A }]",
            json!(120),
            Yes,
        ),
        (
            "after.A: { more_than: { path: before.A } }",
            json!(null),
            CannotTell,
        ),
        (
            "after.A: { more_than: { path: before.A, times: 2 } }",
            json!("many"),
            CannotTell,
        ),
    ] {
        assert_eq!(
            answer(when, json!({"A": 120}), json!({"A": before})),
            expected,
            "{when} {before}"
        );
    }
}

#[test]
fn changed_compares_what_is_written_with_what_stood_there() {
    for (when, fields, expected) in [
        ("after.A: { changed: true }", json!({"a": "5.0"}), No),
        ("after.A: { changed: true }", json!({"a": 6}), Yes),
        ("before.A: { changed: true }", json!({"a": null}), Yes),
        ("after.A: { changed: false }", json!({"b": 6}), Yes),
        ("after.B: { changed: true }", json!({"b": ""}), No),
    ] {
        assert_eq!(
            answer(when, fields.clone(), json!({"A": 5})),
            expected,
            "{when} {fields}"
        );
    }
    let unread = range(
        "after.A: { changed: true }",
        json!({"b": 6}),
        Before::NotRead,
    );
    assert_eq!(
        unread,
        Range::only(No),
        "what is not written does not change"
    );
}

#[test]
fn what_is_not_known_is_open_or_cannot_be_told() {
    let when = "before.A: 5";
    assert_eq!(range(when, json!({}), Before::NotRead), Range::OPEN);
    assert_eq!(
        range(when, json!({}), Before::Unknown),
        Range::only(CannotTell)
    );
    assert_eq!(range(when, json!({}), Before::Blank), Range::only(No));
    assert_eq!(
        range("after.A: 5", json!({"A": 5}), Before::NotRead),
        Range::only(Yes)
    );
    assert_eq!(
        range(
            "after.A: { more_than: { path: before.A } }",
            json!({"A": 5}),
            Before::NotRead
        ),
        Range::OPEN
    );
    assert_eq!(
        range("before.A: 5\nafter.B: 1", json!({"B": 2}), Before::NotRead),
        Range::only(No),
        "all have to hold, and one does not"
    );
    assert_eq!(
        range(
            "any: [{ before.A: 5 }, { after.B: 2 }]",
            json!({"B": 2}),
            Before::NotRead
        ),
        Range::only(Yes)
    );
    assert_eq!(
        range(
            "any: [{ before.A: 5 }, { after.B: B }]",
            json!({"B": "b"}),
            Before::NotRead
        ),
        Range {
            least: CannotTell,
            most: Yes
        }
    );
    assert_eq!(
        range(
            "not: { before.A: 5, after.B: B }",
            json!({"B": "b"}),
            Before::NotRead
        ),
        Range {
            least: CannotTell,
            most: Yes
        }
    );
}

#[test]
fn several_selected_values_pass_when_one_does() {
    let before = json!({"L": [1, 5, "x"]});
    assert_eq!(answer("before.L[*]: 5", json!({}), before.clone()), Yes);
    assert_eq!(
        answer("before.L[*]: { more_than: 9 }", json!({}), before.clone()),
        CannotTell
    );
    assert_eq!(
        answer("before.L[0,1]: { more_than: 9 }", json!({}), before.clone()),
        No
    );
    assert_eq!(
        answer("before.L[9]: { blank: true }", json!({}), before.clone()),
        Yes
    );
    assert_eq!(answer("before.L: { contains: x }", json!({}), before), Yes);
}
