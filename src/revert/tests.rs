//! The planner: entries and present values in, a plan out.

mod properties;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::deed::{self, Record, Sorted};
use super::plan::{Back, Plan, Present, plan};
use super::report::Action;
use crate::clock::EntryId;
use crate::crm::Crm;
use crate::journal::read::EntryState;
use crate::journal::written::{Written, WrittenChange};
use crate::mutation::{
    CrmKind, Mutation, Operation, Outcome, OutcomeState, Prior, RecordKey, Undo,
};

const SALESFORCE: Crm = Crm(CrmKind::Salesforce);
const HUBSPOT: Crm = Crm(CrmKind::HubSpot);
const ID: &str = "001000000000001AAA";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn change(operation: Operation, fields: &Value, prior: Prior, outcome: Outcome) -> WrittenChange {
    WrittenChange {
        mutation: Mutation {
            object: "Account".into(),
            operation,
            record: (operation != Operation::Create).then(|| RecordKey::id(ID)),
            fields: map(fields),
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        },
        prior,
        outcome,
    }
}

fn found(fields: &Value, stamp: Option<Timestamp>) -> Prior {
    Prior::Found {
        id: ID.into(),
        fields: map(fields),
        stamp: stamp.map(|stamp| stamp.to_string()),
    }
}

fn done() -> Outcome {
    Outcome::of(OutcomeState::Done)
}

fn update(written: &Value, before: &Value) -> WrittenChange {
    change(Operation::Update, written, found(before, None), done())
}

fn create(written: &Value) -> WrittenChange {
    let made = Outcome {
        new_id: Some(ID.into()),
        ..done()
    };
    change(Operation::Create, written, Prior::Absent, made)
}

/// An entry that was open for a second from `opened` on.
fn written(seq: u64, opened: i64, changes: Vec<WrittenChange>) -> Written {
    Written {
        entry: EntryId::from_text(&format!("E{seq}")),
        place: seq,
        state: EntryState::Done,
        service_account: "enrichment-agent".into(),
        route: "salesforce".into(),
        path: "/services/data/v60.0/sobjects/Account/x".into(),
        opened_at: at(opened),
        closed_at: Some(at(opened + 1)),
        reverts: Vec::new(),
        changes: Some(changes),
    }
}

fn sort(entries: &[Written], crm: Crm) -> Sorted {
    deed::sort(0, entries, |_| Some(crm))
}

fn only(sorted: Sorted) -> Record {
    let [record] = <[Record; 1]>::try_from(sorted.records).unwrap();
    record
}

/// The plan for one record that holds `now`.
fn planned(crm: Crm, entries: &[Written], now: &Value, stamp: Option<Timestamp>) -> Plan {
    let record = only(sort(entries, crm));
    let stamp = stamp.map(|stamp| stamp.to_string());
    let present = Present::Found {
        fields: &map(now),
        hidden: &["Secret__c".into()],
        stamp: stamp.as_deref(),
    };
    plan(crm, &record, present)
}

fn said(plan: &Plan) -> Vec<(Action, Option<&str>, Option<&str>)> {
    let items = plan.findings.iter().map(|finding| &finding.item);
    items
        .map(|item| (item.action, item.field.as_deref(), item.why.as_deref()))
        .collect()
}

#[test]
fn only_fields_that_hold_what_we_wrote_are_written_back() {
    let entry = written(
        1,
        0,
        vec![update(
            &json!({"A": "x", "B": 5, "C": null, "D": "d", "Secret__c": "s", "E": "e", "F": "f",
                "OwnerId": "assignment rule 01Q000000000001EAA", "CreatedDate": "2020-01-01"}),
            &json!({"A": "a", "B": null, "C": "c", "D": "was", "Secret__c": "t", "F": "f",
                "OwnerId": "005000000000001AAA", "CreatedDate": "2019-01-01"}),
        )],
    );
    let now = json!({"a": "x", "B": 5.0, "C": "", "D": "theirs", "E": "e", "F": "f", "Z": 1,
        "OwnerId": "005000000000002AAA", "CreatedDate": "2020-01-01"});
    let plan = planned(SALESFORCE, &[entry], &now, None);
    assert_eq!(
        plan.back,
        Back::Restore(map(&json!({"A": "a", "B": null, "C": "c"})))
    );
    let said = said(&plan);
    assert!(said.contains(&(Action::Skipped, Some("D"), Some("changed since"))));
    let of = |name: &str| {
        *said
            .iter()
            .find(|(_, field, _)| *field == Some(name))
            .unwrap()
    };
    assert_eq!(of("A"), (Action::Restored, Some("A"), None));
    assert_eq!(of("Secret__c").0, Action::Skipped);
    assert!(of("E").2.unwrap().contains("not in the snapshot"));
    assert!(of("F").2.unwrap().contains("already"));
    assert!(of("OwnerId").2.unwrap().contains("assignment rule"));
    assert_eq!(of("CreatedDate").0, Action::Impossible);
    assert_eq!(said.len(), 9);
}

#[test]
fn newer_writes_are_undone_before_older_ones() {
    let first = written(
        1,
        0,
        vec![update(
            &json!({"A": 2, "B": 1}),
            &json!({"A": 1, "B": null}),
        )],
    );
    let second = written(2, 5, vec![update(&json!({"A": 3}), &json!({"A": 2}))]);
    let both = [second, first.clone()];
    let plan_both = planned(SALESFORCE, &both, &json!({"A": 3, "B": 1}), None);
    assert_eq!(
        plan_both.back,
        Back::Restore(map(&json!({"A": 1, "B": null})))
    );
    // somebody changed it after the newer one: both are left alone
    let plan_changed = planned(SALESFORCE, &both, &json!({"A": 9, "B": 1}), None);
    assert_eq!(plan_changed.back, Back::Restore(map(&json!({"B": null}))));
    // the older one alone is covered by the newer one
    let alone = planned(SALESFORCE, &[first], &json!({"A": 3, "B": 1}), None);
    assert_eq!(alone.back, Back::Restore(map(&json!({"B": null}))));
}

#[test]
fn what_was_made_goes_only_if_every_stamp_is_accounted_for() {
    let made = written(1, 0, vec![create(&json!({"Name": "N", "A": null}))]);
    let now = |fields: Value| {
        let mut now = map(&json!({"Name": "N", "CreatedDate": at(0).to_string()}));
        now.extend(map(&fields));
        Value::Object(now)
    };
    let alone = std::slice::from_ref(&made);
    let back = |now: &Value, stamp| planned(SALESFORCE, alone, now, stamp).back;
    assert_eq!(back(&now(json!({})), Some(at(0))), Back::Remove);
    // a second later, but while the create was under way
    assert_eq!(back(&now(json!({})), Some(at(1))), Back::Remove);
    assert_eq!(back(&now(json!({})), Some(at(2))), Back::Nothing);
    assert_eq!(back(&now(json!({})), None), Back::Nothing);
    assert_eq!(back(&now(json!({"Name": "M"})), Some(at(0))), Back::Nothing);
    assert_eq!(back(&now(json!({"A": "x"})), Some(at(0))), Back::Nothing);
    assert_eq!(
        back(&now(json!({"B": "of a workflow"})), Some(at(0))),
        Back::Remove
    );

    let changed = |stamp| {
        let prior = found(&json!({"A": null}), Some(stamp));
        written(
            2,
            10,
            vec![change(Operation::Update, &json!({"A": "x"}), prior, done())],
        )
    };
    let back = |stamp, present| {
        let both = [changed(stamp), made.clone()];
        planned(SALESFORCE, &both, &now(json!({"A": "x"})), Some(present)).back
    };
    assert_eq!(back(at(0), at(10)), Back::Remove);
    let restored = Back::Restore(map(&json!({"A": null})));
    // somebody else came between the two, or after them
    assert_eq!(back(at(5), at(10)), restored);
    assert_eq!(back(at(0), at(12)), restored);
}

#[test]
fn a_removal_speaks_for_all_that_was_done_to_the_record() {
    let link = |record: Option<&str>| {
        let mut link = change(Operation::Associate, &json!({}), Prior::Unknown, done());
        link.mutation.object = "companies".into();
        link.mutation.record = record.map(RecordKey::id);
        link
    };
    let mut made = create(&json!({"name": "N"}));
    made.mutation.object = "contacts".into();
    let entry = written(1, 0, vec![made, link(None), link(Some("52"))]);
    let born = json!({"name": "N", "createdate": at(0).to_string()});
    let plan = planned(HUBSPOT, std::slice::from_ref(&entry), &born, Some(at(0)));
    assert_eq!(plan.back, Back::Remove);
    assert_eq!(
        said(&plan),
        [
            (Action::Restored, None, Some("deleted: the entry made it")),
            (
                Action::Restored,
                Some("link to companies/52"),
                Some("goes with the record")
            ),
        ]
    );
    let kept = planned(HUBSPOT, &[entry], &born, Some(at(7)));
    assert_eq!(kept.back, Back::Nothing);
    assert!(
        said(&kept)
            .iter()
            .all(|(action, ..)| *action == Action::Skipped)
    );
}

#[test]
fn what_cannot_be_taken_back_is_told_before_anything_is_read() {
    let failed = Outcome::of(OutcomeState::Failed);
    let unknown = Outcome::of(OutcomeState::Unknown);
    let none = json!({});
    let entry = written(
        1,
        0,
        vec![
            change(Operation::Purge, &none, found(&none, None), done()),
            change(Operation::Merge, &none, found(&none, None), done()),
            change(Operation::Send, &none, Prior::Absent, done()),
            change(Operation::Update, &json!({"A": 1}), Prior::Unknown, done()),
            change(
                Operation::Update,
                &json!({"A": 1}),
                found(&none, None),
                unknown,
            ),
            change(
                Operation::Update,
                &json!({"A": 1}),
                found(&none, None),
                failed,
            ),
            change(Operation::Create, &json!({"A": 1}), Prior::Absent, done()),
        ],
    );
    let sorted = sort(&[entry], SALESFORCE);
    assert!(sorted.records.is_empty());
    // the failed one wrote nothing: there is nothing to say of it
    assert_eq!(sorted.findings.len(), 6);
    let impossible = |finding: &super::report::Finding| finding.item.action == Action::Impossible;
    assert!(sorted.findings.iter().all(impossible));

    let mut erased = written(2, 0, Vec::new());
    erased.changes = None;
    let opaque = written(3, 0, Vec::new());
    let mut refused = written(4, 0, vec![create(&none)]);
    refused.state = EntryState::Failed;
    let mut open = written(5, 0, vec![create(&none)]);
    open.state = EntryState::Open;
    let sorted = sort(&[erased, opaque, refused, open], SALESFORCE);
    let why: Vec<&str> = sorted
        .findings
        .iter()
        .map(|f| f.item.why.as_deref().unwrap())
        .collect();
    let texts = [
        "erased",
        "not taken apart",
        "nothing was written",
        "being sent",
    ];
    assert!(sorted.records.is_empty());
    for (why, text) in why.iter().zip(texts) {
        assert!(why.contains(text), "{why}");
    }
    // a route that is gone
    let gone = deed::sort(0, &[written(6, 0, vec![create(&none)])], |_| None);
    assert!(gone.records.is_empty() && gone.findings.len() == 1);
}

#[test]
fn a_record_that_is_gone_is_left_alone() {
    let entry = written(
        1,
        0,
        vec![update(&json!({"A": 1, "B": 2}), &json!({"A": 0, "B": 0}))],
    );
    let record = only(sort(&[entry], SALESFORCE));
    for present in [Present::Gone, Present::Merged, Present::Unknown] {
        let plan = plan(SALESFORCE, &record, present);
        assert_eq!(plan.back, Back::Nothing);
        assert_eq!(plan.findings.len(), 2);
        assert!(plan.findings.iter().all(|finding| !finding.pending));
    }
}
