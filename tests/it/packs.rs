//! The rules that are shipped: every case passes, and each level lets agents do no less than the one
//! below it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use writegate::config::{Config, Environment};
use writegate::mutation::{
    Acting, Actor, ChangeSet, Claims, CrmKind, Effect, Mutation, Operation, Origin, Prior,
    RecordKey, Snapshot, Undo,
};
use writegate::policy::{Evaluation, Question, RuleSet};
use writegate::rules;

fn folder(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("rules")
        .join(part)
}

/// A configuration with both routes, the rules of a folder and the teams that the packs name.
fn config(rules: &Path) -> Config {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("writegate.yaml");
    let text = format!(
        "
routes:
  - {{ name: salesforce, crm: salesforce, listen: 127.0.0.1:8443, upstream: https://acme.my.salesforce.com }}
  - {{ name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }}
rules: {}
operators:
  - {{ name: dana, roles: [admin], teams: [RevOps, Sales Ops, Deal Desk, VP Sales], token: \"sha256:{}\" }}
",
        rules.display(),
        "0".repeat(64)
    );
    std::fs::write(&file, text).unwrap();
    writegate::config::load_without_secrets(Some(&file), &Environment::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_case_of_every_pack_passes() {
    for (part, least) in [
        (".", 160),
        ("levels/1", 30),
        ("levels/2", 38),
        ("levels/3", 43),
    ] {
        let proven =
            rules::proven(&config(&folder(part))).unwrap_or_else(|unfit| panic!("{unfit}"));
        assert!(proven.cases >= least, "{part}: {} cases", proven.cases);
        println!("{part}: {} cases, failed: 0", proven.cases);
    }
}

/// An approver exists for each hold, and nothing in the packs is a slip of the pen.
#[test]
fn the_packs_name_nothing_that_never_matches() {
    for part in [".", "levels/1", "levels/2", "levels/3"] {
        let set = rules::load(&config(&folder(part))).unwrap();
        let mentions = set.mentions();
        let teams = ["RevOps", "Sales Ops", "Deal Desk", "VP Sales"];
        for team in &mentions.approvers {
            assert!(teams.contains(&team.as_str()), "{part}: {team}");
        }
        assert!(mentions.routes.is_empty(), "{part}");
    }
}

const FIELDS: [(CrmKind, &str, &[&str]); 8] = [
    (
        CrmKind::Salesforce,
        "Account",
        &["Industry", "OwnerId", "AI_Score__c", "Name"],
    ),
    (
        CrmKind::Salesforce,
        "Opportunity",
        &["Amount", "StageName", "NextStep", "Amount_Suggestion__c"],
    ),
    (
        CrmKind::Salesforce,
        "Contact",
        &["Title", "DoNotCall", "AI_Draft_Email__c"],
    ),
    (CrmKind::Salesforce, "Task", &["Subject", "Secret__c"]),
    (
        CrmKind::Salesforce,
        "PermissionSetAssignment",
        &["AssigneeId"],
    ),
    (
        CrmKind::HubSpot,
        "companies",
        &["industry", "hubspot_owner_id", "ai_score"],
    ),
    (
        CrmKind::HubSpot,
        "deals",
        &["amount", "dealstage", "hs_next_step", "amount_suggestion"],
    ),
    (CrmKind::HubSpot, "tasks", &["hs_task_subject", "secret"]),
];

/// Each field alone and with each operation, against a blank, another and an unknown value.
fn writes() -> Vec<(CrmKind, Mutation, Prior)> {
    let mut writes = Vec::new();
    for (crm, object, fields) in FIELDS {
        for operation in Operation::ALL {
            for field in fields {
                for prior in [json!(null), json!("other"), json!("unknown")] {
                    let made = operation == Operation::Create;
                    let mut before = Map::new();
                    before.insert((*field).to_owned(), prior.clone());
                    let prior = match (&prior, made) {
                        (_, true) => Prior::Absent,
                        (Value::String(text), _) if text == "unknown" => Prior::Unknown,
                        _ => Prior::Found {
                            id: "1".into(),
                            fields: before,
                            stamp: None,
                        },
                    };
                    let mut written = Map::new();
                    if matches!(
                        operation,
                        Operation::Create | Operation::Update | Operation::Upsert
                    ) {
                        written.insert((*field).to_owned(), json!("new"));
                    }
                    let mutation = Mutation {
                        object: object.into(),
                        operation,
                        record: (!made).then(|| RecordKey::id("1")),
                        fields: written,
                        row: None,
                        undo: Undo::Full,
                        others: Vec::new(),
                    };
                    writes.push((crm, mutation, prior));
                }
            }
        }
    }
    writes
}

fn effect(set: &RuleSet, (crm, mutation, prior): &(CrmKind, Mutation, Prior)) -> Effect {
    let actor = Actor {
        service_account: "any-agent".into(),
        claims: Claims::default(),
    };
    let changes = ChangeSet::Mutations(vec![mutation.clone()]);
    let snapshot = Snapshot::of(vec![prior.clone()]);
    let evaluation = set.evaluate(&Question {
        total: None,
        crm: *crm,
        route: crm.name(),
        actor: &actor,
        origin: Origin::Agent,
        method: "POST",
        path: "/",
        acting: &Acting::default(),
        changes: &changes,
        snapshot: Some(&snapshot),
        now: Timestamp::UNIX_EPOCH,
    });
    match evaluation {
        Evaluation::Decided { verdict, .. } => verdict.effect,
        Evaluation::NeedsPrior(fields) => panic!("asks again for {fields:?}"),
    }
}

#[test]
fn each_level_widens_what_the_one_below_it_allows() {
    let sets = ["levels/1", "levels/2", "levels/3"]
        .map(|part| rules::load(&config(&folder(part))).unwrap());
    let writes = writes();
    let mut allowed = [0; 3];
    for write in &writes {
        let effects = [0, 1, 2].map(|level| effect(&sets[level], write));
        assert!(
            effects[0] >= effects[1] && effects[1] >= effects[2],
            "{effects:?} for {write:?}"
        );
        for (count, effect) in allowed.iter_mut().zip(effects) {
            *count += usize::from(effect == Effect::Allow);
        }
        // what no level makes safe
        let never = matches!(
            write.1.operation,
            Operation::Purge | Operation::Send | Operation::Export | Operation::Credential
        );
        assert!(
            !never || effects == [Effect::Deny; 3],
            "{effects:?} for {write:?}"
        );
    }
    assert_eq!(allowed[0], 0, "at level 1 nothing happens by itself");
    assert!(
        allowed[0] < allowed[1] && allowed[1] < allowed[2],
        "{allowed:?}"
    );
    println!("{} writes; allowed by level: {allowed:?}", writes.len());
}
