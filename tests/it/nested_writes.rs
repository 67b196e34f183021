//! P2, P3: requests that hold others are judged part by part and as one; what became of each part is
//! known, and what only the CRM will know is never guessed.

use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::{CrmKind, Outcome, OutcomeState};
use writegate::sandbox::seed;

use super::support::client::Client;
use super::support::house::{APPROVER, House};

const DATA: &str = "/services/data/v60.0";

fn part(reference: &str, method: &str, url: &str, body: Value) -> Value {
    let mut part = json!({ "method": method, "url": format!("{DATA}/{url}"),
        "referenceId": reference });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

fn account() -> String {
    format!("sobjects/Account/{}", seed::ACME)
}

fn industry(house: &House) -> Value {
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    record.unwrap()["Industry"].clone()
}

/// The outcomes of the only write that was sent.
async fn outcomes(house: &House) -> Vec<OutcomeState> {
    let closed = RowFilter {
        kinds: vec![RowKind::Closed],
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(closed).await.unwrap();
    assert_eq!(rows.len(), 1);
    let outcomes: Vec<Outcome> = serde_json::from_value(rows[0].meta["outcomes"].clone()).unwrap();
    outcomes.into_iter().map(|outcome| outcome.state).collect()
}

#[tokio::test]
async fn one_denied_part_refuses_the_whole_and_nothing_is_sent() {
    let rules = "
crm: salesforce
default: allow
objects:
  Opportunity: { fields: { Amount: { owner: VP Sales } } }
";
    let house = House::builder().rules(rules).build().await;
    let amount = format!("sobjects/Opportunity/{}", seed::ACME_RENEWAL);
    let parts = json!([
        part("a", "PATCH", &account(), json!({ "Industry": "Software" })),
        part("b", "PATCH", &amount, json!({ "Amount": 5 })),
    ]);
    let graph = json!({ "graphs": [{ "graphId": "g", "compositeRequest": parts }] });
    let batch = json!({ "batchRequests": [
        { "method": "PATCH", "url": format!("v60.0/{amount}"), "richInput": { "Amount": 5 } } ] });
    for (path, body) in [
        ("composite", json!({ "compositeRequest": parts })),
        ("composite/graph", graph),
        ("composite/batch", batch),
    ] {
        let reply = house.agent().post(&format!("{DATA}/{path}"), &body).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{path}: {}", reply.text());
        assert!(
            reply.message().contains("Opportunity.Amount"),
            "{}",
            reply.message()
        );
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn what_became_of_each_part_is_told() {
    let parts = |house: &House| {
        let wrong = part("b", "POST", "sobjects/Lead", json!({ "LastName": "x" }));
        let right = part("a", "PATCH", &account(), json!({ "Industry": "Software" }));
        assert_eq!(industry(house), Value::Null);
        json!([right, wrong])
    };
    for (all_or_none, states, state) in [
        (
            false,
            [OutcomeState::Done, OutcomeState::Failed],
            EntryState::Partly,
        ),
        (
            true,
            [OutcomeState::Failed, OutcomeState::Failed],
            EntryState::Failed,
        ),
    ] {
        let house = House::builder().build().await;
        let body = json!({ "allOrNone": all_or_none, "compositeRequest": parts(&house) });
        let reply = house
            .agent()
            .post(&format!("{DATA}/composite"), &body)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(outcomes(&house).await, states);
        assert_eq!(house.entries().await[0].state, state);
        assert_eq!(industry(&house).is_null(), all_or_none);
        house.finish().await;
    }
    // In a batch what comes first stays done.
    let house = House::builder().build().await;
    let body = json!({ "haltOnError": true, "batchRequests": [
        { "method": "PATCH", "url": format!("v60.0/{}", account()),
          "richInput": { "Industry": "Software" } },
        { "method": "POST", "url": "v60.0/sobjects/Lead", "richInput": { "LastName": "x" } },
        { "method": "DELETE", "url": format!("v60.0/sobjects/Lead/{}", seed::LEAD_ADA) } ] });
    let reply = house
        .agent()
        .post(&format!("{DATA}/composite/batch"), &body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let states = [
        OutcomeState::Done,
        OutcomeState::Failed,
        OutcomeState::Failed,
    ];
    assert_eq!(outcomes(&house).await, states);
    house.finish().await;
}

#[tokio::test]
async fn what_a_reference_will_bring_is_not_guessed() {
    let rules = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow } } }
rules:
  - name: other-accounts
    applies: { object: Contact }
    when: { after.AccountId: { matches: '^003' } }
    then: hold
";
    let house = House::builder().rules(rules).build().await;
    let body = |lookup: &str| {
        json!({ "compositeRequest": [
            part("new", "POST", "sobjects/Account", json!({ "Name": "x" })),
            part("child", "POST", "sobjects/Contact",
                json!({ "LastName": "y", lookup: "@{new.id}" })),
        ] })
    };
    let composite = format!("{DATA}/composite");
    // A rule that looks at the value cannot tell, and applies.
    let held = house.agent().post(&composite, &body("AccountId")).await;
    assert_eq!(held.code(), "WRITEGATE_HELD", "{}", held.text());
    assert!(house.sandbox.writes().is_empty());
    // Another value is nobody's business, and is the CRM's to fill in.
    let passed = house.agent().post(&composite, &body("Title")).await;
    assert_eq!(passed.status, 200, "{}", passed.text());
    let new = passed.json()["compositeResponse"][0]["body"]["id"].clone();
    let child = passed.json()["compositeResponse"][1]["body"]["id"].clone();
    let contact = house
        .sandbox
        .record(CrmKind::Salesforce, "Contact", child.as_str().unwrap());
    assert_eq!(contact.unwrap()["Title"], new);
    house.finish().await;
}

#[tokio::test]
async fn what_only_reads_passes_without_an_entry() {
    let rules = "
crm: salesforce
default: deny
";
    let house = House::builder().rules(rules).build().await;
    let reads = json!({ "compositeRequest": [
        part("q", "GET", "query?q=SELECT+Id+FROM+Account", Value::Null),
        part("r", "GET", &account(), Value::Null) ] });
    let batch = json!({ "batchRequests": [{ "method": "GET", "url": "v60.0/limits" }] });
    let query =
        json!({ "query": "query { uiapi { query { Account { edges { node { Id } } } } } }" });
    for (path, body) in [
        ("composite", reads),
        ("composite/batch", batch),
        ("graphql", query),
    ] {
        let target = format!("{DATA}/{path}");
        let reply = house.agent().post(&target, &body).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-writegate-entry"), None);
        let seen = house.sandbox.seen();
        let last = seen.last().unwrap();
        assert_eq!(
            (&*last.target, &last.body[..]),
            (&*target, body.to_string().as_bytes())
        );
    }
    assert!(house.entries().await.is_empty());
    house.finish().await;
}

/// The prior values of all parts come in one call of the CRM's.
#[tokio::test]
async fn one_read_brings_what_all_parts_change() {
    let house = House::builder().build().await;
    let lead = format!("sobjects/Lead/{}", seed::LEAD_ADA);
    let contact = format!("sobjects/Contact/{}", seed::WILE);
    let rows = json!({ "records": [
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Phone": "1" },
        { "attributes": { "type": "Account" }, "id": seed::STARK, "Phone": "1" } ] });
    let body = json!({ "compositeRequest": [
        part("a", "PATCH", &account(), json!({ "Industry": "Software" })),
        part("b", "DELETE", &lead, Value::Null),
        part("c", "PATCH", &contact, json!({ "Title": "Chief" })),
        part("d", "PATCH", "composite/sobjects", rows),
        part("e", "POST", "sobjects/Account", json!({ "Name": "New" })) ] });
    let reply = house
        .agent()
        .post(&format!("{DATA}/composite"), &body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(house.sandbox.requests(), 2);
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_composite_is_taken_back() {
    let house = House::builder().build().await;
    let admin = house.operators().await;
    let body = json!({ "compositeRequest": [
        part("a", "PATCH", &account(), json!({ "Industry": "Software" })),
        part("b", "POST", "sobjects/Contact", json!({ "LastName": "New" })) ] });
    let reply = house
        .agent()
        .post(&format!("{DATA}/composite"), &body)
        .await;
    let entry = reply.header("x-writegate-entry").unwrap().to_owned();
    assert_eq!(industry(&house), "Software");
    let contacts = house.sandbox.ids(CrmKind::Salesforce, "Contact").len();
    let undone = Client::new(admin, APPROVER)
        .post("/api/v1/reverts", &json!({ "entries": [entry] }))
        .await;
    assert_eq!(undone.status, 200, "{}", undone.text());
    assert_eq!(undone.json()["summary"]["restored"], 2, "{}", undone.text());
    assert_eq!(industry(&house), Value::Null);
    let left = house.sandbox.ids(CrmKind::Salesforce, "Contact").len();
    assert_eq!(left, contacts - 1);
    house.finish().await;
}

/// The record that a relationship path changes is the parent: it is the one that is judged and locked.
#[tokio::test]
async fn a_relationship_path_is_judged_as_the_parent() {
    let rules = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Industry: { agents: fill-else-deny } } }
";
    let house = House::builder().rules(rules).build().await;
    let target = format!("{DATA}/sobjects/Contact/{}/Account", seed::WILE);
    let body = json!({ "Industry": "Software" });
    let reply = house.agent().patch(&target, &body).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(industry(&house), "Software");
    let reply = house
        .agent()
        .patch(&target, &json!({ "Industry": "Retail" }))
        .await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    assert_eq!(industry(&house), "Software");
    house.finish().await;
}
