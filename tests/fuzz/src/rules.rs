//! Rule files: what compiles judges the same each time, and another file beside it never loosens it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use writegate::crm::json as strict;
use writegate::mutation::{
    Acting, Actor, ChangeSet, Claims, CrmKind, Effect, Mutation, Operation, Origin, Prior,
    RecordKey, Snapshot, Undo,
};
use writegate::policy::{Evaluation, Question, RuleSet};

const ACCOUNT: &str = "001Wg0000000001IAA";
/// Names no object: it can only be stricter.
const BESIDE: &str = "crm: salesforce\nrules:\n  - { name: beside, \
    applies: { object: Account }, then: hold, reason: Somebody looks. }\n";

pub(crate) fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(rules) = compiled(&[text]) else {
        return;
    };
    assert_eq!(compiled(&[text]).unwrap().digest(), rules.digest());
    let both = compiled(&[text, BESIDE]);
    for changes in changes() {
        let alone = verdict(&rules, &changes);
        assert_eq!(verdict(&rules, &changes), alone);
        if let Some(both) = &both {
            assert!(
                verdict(both, &changes) >= alone,
                "looser beside another file"
            );
        }
    }
}

/// A condition on the first line, the record as it is in the rest.
pub(crate) fn jsonpath(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (path, record) = text.split_once('\n').unwrap_or((text, "{}"));
    let key = Value::from(path).to_string();
    let file = |then: &str| {
        format!(
            "crm: salesforce\ndefault: allow\nrules:\n  - {{ name: one, when: {{ {key}: {{ blank: \
             false }} }}, then: {then}, reason: Looked at. }}\n"
        )
    };
    let Some(hold) = compiled(&[&file("hold")]) else {
        return;
    };
    let deny = compiled(&[&file("deny")]).unwrap();
    let before = strict::parse(record.as_bytes())
        .ok()
        .and_then(|record| record.as_object().cloned())
        .unwrap_or_default();
    let snapshot = Snapshot::of(vec![Prior::Found {
        id: ACCOUNT.into(),
        fields: before,
        stamp: None,
    }]);
    let changes = update();
    let of = |rules: &RuleSet| judged(rules, &changes, Some(&snapshot));
    let (held, denied) = (of(&hold), of(&deny));
    assert_eq!(of(&hold), held);
    let applies = |effect| effect != Effect::Allow;
    assert_eq!(applies(held), applies(denied), "a condition has one answer");
}

fn compiled(texts: &[&str]) -> Option<RuleSet> {
    let named = |(place, text): (usize, &&str)| (format!("{place}.yaml"), (*text).to_owned());
    let files: Vec<(String, String)> = texts.iter().enumerate().map(named).collect();
    RuleSet::compile(&files).ok()
}

fn update() -> ChangeSet {
    mutation(Operation::Update, Some(RecordKey::id(ACCOUNT)))
}

fn changes() -> [ChangeSet; 3] {
    [
        update(),
        mutation(Operation::Create, None),
        mutation(Operation::Delete, Some(RecordKey::id(ACCOUNT))),
    ]
}

fn mutation(operation: Operation, record: Option<RecordKey>) -> ChangeSet {
    ChangeSet::Mutations(vec![Mutation {
        object: "Account".into(),
        operation,
        record,
        fields: Map::from_iter([
            ("Industry".to_owned(), json!("Software")),
            ("AnnualRevenue".to_owned(), json!(12.5)),
        ]),
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }])
}

/// What is said when nothing is known of the record, and where that is asked for, of a blank one.
fn verdict(rules: &RuleSet, changes: &ChangeSet) -> Effect {
    let snapshot = Snapshot::of(vec![Prior::Found {
        id: ACCOUNT.into(),
        fields: Map::from_iter([("Industry".to_owned(), json!("Retail"))]),
        stamp: None,
    }]);
    judged(rules, changes, Some(&snapshot))
}

fn judged(rules: &RuleSet, changes: &ChangeSet, snapshot: Option<&Snapshot>) -> Effect {
    let actor = Actor {
        service_account: "agent".into(),
        claims: Claims::default(),
    };
    let acting = Acting::new();
    let question = |snapshot| Question {
        crm: CrmKind::Salesforce,
        route: "salesforce",
        actor: &actor,
        origin: Origin::Agent,
        method: "PATCH",
        path: "/services/data/v60.0/sobjects/Account",
        acting: &acting,
        changes,
        total: None,
        snapshot,
        now: Timestamp::UNIX_EPOCH,
    };
    drop(rules.evaluate(&question(None)));
    drop(rules.charges(&question(snapshot)));
    match rules.evaluate(&question(snapshot)) {
        Evaluation::Decided { verdict, .. } => verdict.effect,
        Evaluation::NeedsPrior(_) => panic!("asked again for what it was given"),
    }
}
