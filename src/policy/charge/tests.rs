//! What requests take from limits.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::*;
use crate::mutation::{Acting, Actor, ChangeSet, Claims, Opaque, Origin, Snapshot, Undo};

const LIMITS: &str = "\
crm: hubspot
limits:
  - { name: burst, per: service_account, rate: 10/s }
  - { name: hourly, per: service_account, count: mutations, max: 500, window: 1h }
  - { name: objects, per: [object, service_account], count: mutations, max: 5, window: 1h }
  - { name: churn, per: record, count: mutations, max: 5, window: 1d }
  - { name: runaway, per: [route, service_account], count: records, max: 50, window: 2m, then: stop }
  - { name: creates, per: service_account, count: create, max: 5, window: 1h }
  - { name: deletes, per: service_account, count: delete, max: 5, window: 1h }
  - { name: probing, per: service_account, count: refusals, max: 20, window: 10m, then: stop }
  - { name: queue, per: [service_account, route], count: holds, max: 100 }
";

fn set() -> RuleSet {
    let narrowed = "\
crm: hubspot
routes: [other]
limits: [{ name: narrow, per: route, count: requests, max: 5, window: 1h }]
";
    let files = [("a.yaml", LIMITS), ("b.yaml", narrowed)];
    RuleSet::compile(&files.map(|(name, text)| (name.into(), text.into()))).unwrap()
}

fn mutation(operation: Operation, object: &str, record: Option<&str>) -> Mutation {
    let mut fields = Map::new();
    fields.insert("x".into(), json!(1));
    Mutation {
        object: object.into(),
        operation,
        record: record.map(RecordKey::id),
        fields,
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn charges(changes: &ChangeSet, priors: Option<Vec<Prior>>, at: i64) -> Vec<Charge> {
    let actor = Actor {
        service_account: "a".into(),
        claims: Claims::default(),
    };
    let snapshot = priors.map(Snapshot::of);
    set().charges(&Question {
        total: None,
        crm: CrmKind::HubSpot,
        route: "hs",
        actor: &actor,
        origin: Origin::Agent,
        method: "POST",
        path: "/x",
        acting: &Acting::new(),
        changes,
        snapshot: snapshot.as_ref(),
        now: Timestamp::from_nanosecond(at.into()).unwrap(),
    })
}

/// `limit key amount` for each charge.
fn told(charges: &[Charge]) -> Vec<String> {
    charges
        .iter()
        .map(|charge| format!("{} {} {}", charge.limit.name, charge.key, charge.amount))
        .collect()
}

fn of(mutations: Vec<Mutation>) -> ChangeSet {
    ChangeSet::Mutations(mutations)
}

#[test]
fn a_batch_is_charged_by_what_each_limit_counts_and_keeps_apart() {
    let charges = charges(
        &of(vec![
            mutation(Operation::Update, "Contacts", Some("1")),
            mutation(Operation::Update, "contacts", Some("1")),
            mutation(Operation::Update, "contacts", Some("2")),
            mutation(Operation::Delete, "deals", Some("1")),
            mutation(Operation::Create, "deals", None),
        ]),
        None,
        0,
    );
    assert_eq!(
        told(&charges),
        [
            "burst a 1",
            "hourly a 5",
            "objects a/contacts 3",
            "objects a/deals 2",
            "churn contacts/1 2",
            "churn contacts/2 1",
            "churn deals/1 1",
            "runaway a/hs 4",
            "creates a 1",
            "deletes a 1",
        ]
    );
    let runaway = &charges[7];
    assert_eq!(runaway.records[..2], ["contacts/1", "contacts/2"]);
    assert_eq!(runaway.records[2], "deals/1");
    assert!(runaway.records[3].starts_with("deals/new-"));
    assert!(charges[0].records.is_empty());
}

#[test]
fn the_id_that_the_read_returned_counts() {
    let by_email = |value: &str| {
        let mut mutation = mutation(Operation::Upsert, "contacts", None);
        mutation.record = Some(RecordKey::External {
            key: "Email".into(),
            value: value.into(),
        });
        mutation
    };
    let found = Prior::Found {
        id: "7".into(),
        fields: Map::new(),
        stamp: None,
    };
    let batch = || of(vec![by_email("a/b@x"), by_email("c@x")]);
    let told = |priors| told(&charges(&batch(), priors, 0));
    let same = told(Some(vec![found.clone(), found]));
    assert!(same.contains(&"churn contacts/7 2".to_owned()), "{same:?}");
    assert!(
        same.contains(&"runaway a/hs 1".to_owned()),
        "two keys, one record"
    );
    assert!(!same.iter().any(|charge| charge.starts_with("creates")));
    let absent = told(Some(vec![Prior::Absent, Prior::Unknown]));
    assert!(
        absent.contains(&"churn contacts/email=a%2Fb@x 1".to_owned()),
        "{absent:?}"
    );
    assert!(
        absent.contains(&"creates a 2".to_owned()),
        "unknown counts as both"
    );
}

#[test]
fn a_merge_counts_each_loser_once() {
    let mut merge = mutation(Operation::Merge, "contacts", Some("1"));
    merge.others = vec![RecordKey::id("2"), RecordKey::id("3")];
    let delete = |id| mutation(Operation::Delete, "contacts", Some(id));
    let told = told(&charges(
        &of(vec![merge, delete("2"), delete("3")]),
        None,
        0,
    ));
    for charge in [
        "churn contacts/1 1",
        "churn contacts/2 1",
        "runaway a/hs 3",
        "deletes a 2",
        "hourly a 3",
    ] {
        assert!(told.contains(&charge.to_owned()), "{charge} {told:?}");
    }
}

#[test]
fn every_create_is_a_record_of_its_own() {
    let records = |at, field: &str| {
        let mut create = mutation(Operation::Create, "deals", None);
        create.fields.insert(field.into(), json!(1));
        let charges = charges(&of(vec![create.clone(), create]), None, at);
        let runaway = charges
            .into_iter()
            .find(|charge| charge.limit.name == "runaway");
        let records = runaway.unwrap().records;
        assert_eq!(records.len(), 2);
        records
    };
    let mut all = records(1, "a");
    all.extend(records(2, "a"));
    all.extend(records(1, "b"));
    all.sort();
    all.dedup();
    assert_eq!(
        all.len(),
        6,
        "in one request, at another time, with other values"
    );
}

#[test]
fn an_opaque_request_counts_as_one_record() {
    let opaque = ChangeSet::Opaque(Opaque::unknown("?"));
    assert_eq!(
        told(&charges(&opaque, None, 0)),
        ["burst a 1", "hourly a 1", "objects a/ 1", "runaway a/hs 1"]
    );
}

#[test]
fn refusals_and_holds_are_charged_when_they_happen() {
    let set = set();
    assert_eq!(
        told(&set.refusal_charges(CrmKind::HubSpot, "hs", "a")),
        ["probing a 1"]
    );
    assert_eq!(
        told(&set.hold_charges(CrmKind::HubSpot, "hs", "a")),
        ["queue a/hs 1"]
    );
    assert!(
        set.refusal_charges(CrmKind::Salesforce, "hs", "a")
            .is_empty()
    );
    let narrow = set
        .limits_for(CrmKind::HubSpot, "other")
        .any(|limit| limit.name == "narrow");
    assert!(
        narrow
            && !set
                .limits_for(CrmKind::HubSpot, "hs")
                .any(|limit| limit.name == "narrow")
    );
}
