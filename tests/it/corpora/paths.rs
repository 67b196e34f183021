//! Paths that servers read in different ways.

use serde_json::Value;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::{Decision, TOKEN, address, decide, message, settings};
use crate::support::house::House;
use crate::support::shapes;
use crate::support::study::{corpus, member};

/// Rows that are judged otherwise than the corpus proposes, and why.
const OVERRULED: [(&str, &str); 3] = [
    (
        "path/sf-lead-2slash",
        "the sf CLI sends it; read as one slash, and sent as one",
    ),
    (
        "path/sf-route-tree",
        "the corpus has no body that is a tree",
    ),
    (
        "path/sf-route-graph",
        "the corpus has no body that is a graph",
    ),
];

/// Rows that are operations with a name: what no rule allows by that name is denied.
const NAMED: [&str; 3] = [
    "path/sf-route-tooling",
    "path/sf-route-actions",
    "path/sf-route-actions-std",
];

/// The other spelling of the same write, where the corpus names none.
const TWINS: [(&str, &str); 7] = [
    (
        "path/sf-lead-2slash",
        "PATCH /services/data/v66.0/sobjects/Account/001000000000001AAA",
    ),
    (
        "path/sf-extid-id",
        "PATCH /services/data/v66.0/sobjects/Account/001000000000001AAA",
    ),
    (
        "path/sf-extid-slash",
        "PATCH /services/data/v66.0/sobjects/Account/Ext_Id__c/%34%2f%32",
    ),
    (
        "path/sf-route-collections",
        "PATCH /services/data/v66.0/composite/sobjects/",
    ),
    ("path/hs-batch-update", "PATCH /crm/v3/objects/contacts/101"),
    (
        "path/hs-batch-upsert",
        "POST /crm/objects/2026-03/contacts/batch/upsert",
    ),
    (
        "path/hs-batch-trailing",
        "POST /crm/v3/objects/contacts/batch/update",
    ),
];

/// Some say yes and some say no, so that the same decision is one that could differ.
const RULES: [(&str, &str); 2] = [
    (shapes::SALESFORCE_RULES, shapes::HUBSPOT_RULES),
    (
        "crm: salesforce\ndefault: allow\n\
         objects: { Account: { fields: { Name: { owner: Sales } } } }\n",
        "crm: hubspot\ndefault: allow\n\
         objects: { contacts: { fields: { jobtitle: { owner: Sales } } } }\n",
    ),
];

/// A body that fits the path.
fn body(target: &str) -> String {
    let account = format!(
        r#"{{"attributes":{{"type":"Account"}},"id":"{}","Name":"x"}}"#,
        seed::ACME
    );
    let contact = r#"{"properties":{"jobtitle":"x"}}"#;
    match target {
        path if path.contains("/composite/sobjects") => format!(r#"{{"records":[{account}]}}"#),
        path if path.contains("/batch/read") => r#"{"inputs":[{"id":"51000000001"}]}"#.into(),
        path if path.contains("/batch/upsert") => {
            let input =
                r#"{"id":"wile@acme.example","idProperty":"email","properties":{"jobtitle":"x"}}"#;
            format!(r#"{{"inputs":[{input}]}}"#)
        }
        path if path.contains("/batch/update") => {
            r#"{"inputs":[{"id":"51000000001","properties":{"jobtitle":"x"}}]}"#.into()
        }
        path if path.contains("/search") => "{}".into(),
        path if path.contains("/crm/") => contact.into(),
        _ => r#"{"Name":"x"}"#.into(),
    }
}

/// Decides one request line in a house of its own.
async fn judged(line: &str, rules: (&str, &str)) -> Decision {
    let line = line
        .replace("001000000000001AAA", seed::ACME)
        .replace("001000000000001", &seed::ACME[..15])
        .replace("My_Ext__c", "Ext_Id__c")
        .replace("/101", "/51000000001");
    let crm = if line.contains("/services") || line.contains("/Services") {
        CrmKind::Salesforce
    } else {
        CrmKind::HubSpot
    };
    let house = House::builder()
        .rules(rules.0)
        .and_rules(rules.1)
        .settings(settings())
        .token(TOKEN)
        .build()
        .await;
    let to = address(&house, crm);
    let fields: &[(&str, &[u8])] = &[("Content-Type", b"application/json")];
    let body = if line.starts_with("GET ") {
        String::new()
    } else {
        body(&line)
    };
    let decision = decide(&house, to, message(to, &line, fields, body.as_bytes())).await;
    // What was taken for a read has no entry; what was written has one.
    if !decision.is_refused() && decision.mutations.is_empty() {
        assert!(house.entries().await.is_empty(), "{line}");
    }
    house.finish().await;
    decision
}

fn twin(row: &Value) -> Option<String> {
    let named = row["canonical"].as_str();
    let known = TWINS.iter().find(|(id, _)| *id == member(row, "id"));
    match (named, known) {
        (Some(path), _) => Some(format!("{} {path}", member(row, "method"))),
        (None, Some((_, line))) => Some((*line).to_owned()),
        (None, None) => None,
    }
}

#[tokio::test]
async fn every_path_is_refused_or_judged_as_its_canonical_form() {
    let rows = corpus("paths/writegate-paths.jsonl");
    let (mut refused, mut same, mut accepted) = (0, 0, 0);
    for row in &rows {
        let id = member(row, "id");
        let line = format!("{} {}", member(row, "method"), member(row, "target"));
        for rules in RULES {
            let decision = judged(&line, rules).await;
            let expect = match OVERRULED.iter().find(|(known, _)| *known == id) {
                Some(_) if id == "path/sf-lead-2slash" => "same-decision",
                Some(_) => "reject",
                None => member(row, "expect"),
            };
            match (expect, twin(row)) {
                ("reject", _) if NAMED.contains(&id) => {
                    let named = ["invoke", "send", "schema"];
                    let told = decision.mutations.iter();
                    assert!(!decision.mutations.is_empty(), "{id}: {decision:?}");
                    for one in told {
                        assert!(named.contains(&one.operation.word()), "{id}: {decision:?}");
                    }
                    same += 1;
                }
                ("reject", _) => {
                    let code = decision.code.clone().unwrap_or_default();
                    assert!(
                        ["WRITEGATE_MALFORMED", "WRITEGATE_OPAQUE"].contains(&code.as_str()),
                        "{id}: {decision:?}"
                    );
                    refused += 1;
                }
                ("accept", _) if rules.0.contains("owner") && row["canonical"].is_string() => {
                    assert_eq!(decision.code.as_deref(), Some("WRITEGATE_DENIED"), "{id}");
                    accepted += 1;
                }
                ("accept", _) => {
                    assert!(!decision.is_refused(), "{id}: {decision:?}");
                    accepted += 1;
                }
                ("same-decision" | "same-decision-or-reject", Some(twin)) => {
                    assert_eq!(decision, judged(&twin, rules).await, "{id}");
                    assert!(!decision.mutations.is_empty(), "{id}: {decision:?}");
                    same += 1;
                }
                ("same-decision-or-reject", None) => {
                    assert!(
                        decision.is_refused() || !decision.mutations.is_empty(),
                        "{id}"
                    );
                    refused += usize::from(decision.is_refused());
                    same += usize::from(!decision.is_refused());
                }
                (other, _) => panic!("{id}: {other} without a twin"),
            }
        }
    }
    println!(
        "paths: {} rows under two rule sets: {refused} refused with nothing at the CRM, {same} judged \
         as their twin, {accepted} accepted",
        rows.len()
    );
    for (id, why) in OVERRULED {
        println!("overruled: {id}: {why}");
    }
}
