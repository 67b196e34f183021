//! The project's own differentials: paths and bodies that other parsers read in another way.

use serde_json::Value;

use super::{Request, study};
use crate::crm::Class;
use crate::crm::json;
use crate::crm::path::CanonicalPath;
use crate::mutation::{ChangeSet, Operation, RecordKey};

fn rows(file: &str, of: &str) -> Vec<Value> {
    let text = study("WRITEGATE_CORPORA", "shared/corpora", file).unwrap_or_default();
    let rows = text
        .lines()
        .map(|line| json::parse(line.as_bytes()).unwrap());
    rows.filter(|row| row["id"].as_str().is_some_and(|id| id.contains(of)))
        .collect()
}

/// What each row comes to. A write's body is the smallest that its call takes.
#[test]
fn paths() {
    let rows = rows("paths/writegate-paths.jsonl", "/hs-");
    for row in &rows {
        let (id, method) = (row["id"].as_str().unwrap(), row["method"].as_str().unwrap());
        let target = row["target"].as_str().unwrap();
        let outcome = match CanonicalPath::parse(target) {
            Err(_) => "refused".to_owned(),
            Ok(_) => match Request::new(method, target, "{}").class() {
                Class::Read => "read".to_owned(),
                Class::Opaque(_) => "opaque".to_owned(),
                Class::Auth => "auth".to_owned(),
                Class::Write(_) => "write".to_owned(),
            },
        };
        let expected = match id.trim_start_matches("path/hs-") {
            "dotdot" => "refused",
            "search" | "batch-read" => "read",
            // no record id
            "id-named-batch" => "opaque",
            _ => "write",
        };
        assert_eq!(outcome, expected, "{id}");
    }
    println!("{} HubSpot paths", rows.len());
}

/// The same write by another name of its type or another version is the same change.
#[test]
fn paths_with_the_same_decision() {
    let body = br#"{"properties":{"jobtitle":"x"}}"#;
    let canonical = Request::new("PATCH", "/crm/v3/objects/contacts/101", body)
        .parse()
        .unwrap();
    let mut compared = 0;
    for row in rows("paths/writegate-paths.jsonl", "/hs-") {
        if row["canonical"].as_str() != Some("/crm/v3/objects/contacts/101") {
            continue;
        }
        let request = Request::new("PATCH", row["target"].as_str().unwrap(), body);
        assert_eq!(request.parse().as_ref(), Ok(&canonical), "{row}");
        compared += 1;
    }
    println!("{compared} spellings of one update");
}

#[test]
fn bodies() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let rows = rows("json/writegate-bodies.jsonl", "/hs-");
    for row in &rows {
        let (id, route) = (row["id"].as_str().unwrap(), row["route"].as_str().unwrap());
        let (method, target) = match route {
            "hs-update" => ("PATCH", "/crm/v3/objects/contacts/101"),
            "hs-batch-update" => ("POST", "/crm/v3/objects/contacts/batch/update"),
            "hs-create" => ("POST", "/crm/v3/objects/contacts"),
            other => panic!("{other}"),
        };
        let body = STANDARD.decode(row["b64"].as_str().unwrap()).unwrap();
        let parsed = Request::new(method, target, body).parse();
        if row["expect"].as_str() == Some("reject") {
            assert!(parsed.is_err(), "{id}: {parsed:?}");
            continue;
        }
        let changes = parsed.unwrap();
        let mutations = changes.mutations();
        match id {
            "body/hs-case" => {
                assert_eq!(mutations[0].fields["lifecyclestage"], "customer");
            }
            "body/hs-idprop-mixed" => {
                let by_mail = RecordKey::External {
                    key: "email".into(),
                    value: "x@y.z".into(),
                };
                assert_eq!(mutations[0].record, Some(RecordKey::id("1")));
                assert_eq!(mutations[1].record, Some(by_mail));
            }
            "body/hs-assoc" => {
                let ends: Vec<_> = mutations
                    .iter()
                    .map(|m| (m.operation, m.object.as_str()))
                    .collect();
                let associate = Operation::Associate;
                assert_eq!(
                    ends,
                    [
                        (Operation::Create, "contacts"),
                        (associate, "contacts"),
                        (associate, "companies")
                    ]
                );
            }
            other => panic!("no expectation for {other}"),
        }
        assert!(matches!(changes, ChangeSet::Mutations(_)));
    }
    println!("{} HubSpot bodies", rows.len());
}
