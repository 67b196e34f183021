//! Fields that a credential cannot read: what is written needs its prior value, what only a rule looks
//! at is unknown, and nothing else becomes unknown with it.

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::support::house::House;

const RULES: &str = "
crm: salesforce
default: deny
objects:
  Account|Contact:
    fields: { Industry|Title: { agents: fill-else-deny } }
rules:
  - name: key-accounts
    when: { before.Tier__c: Key }
    then: deny
    reason: Key accounts are for people.
  - name: other-tiers
    when: { before.Second_Tier__c: Key, before.Phone: '+1 000' }
    then: deny
    reason: So are these.
";

fn target(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

#[tokio::test]
async fn a_rule_that_cannot_tell_applies_and_says_so_of_itself_alone() {
    let house = House::builder().rules(RULES).build().await;
    let body = json!({ "Industry": "Software" });
    let reply = house.agent().patch(&target(seed::ACME), &body).await;
    assert_eq!(reply.status, 403);
    let entry = house.entries().await.remove(0);
    let message = "Not written: Key accounts are for people (rule key-accounts)";
    assert!(
        reply.message().starts_with(message),
        "{message} / {}",
        reply.message()
    );
    let reasons = entry.reasons.as_array().unwrap();
    let rules: Vec<_> = reasons.iter().map(|reason| &reason["rule"]).collect();
    // The Industry of Acme is blank and was read, so no row objects; its phone is another one.
    assert_eq!(rules, ["rule key-accounts"]);
    assert!(house.sandbox.writes().is_empty());
    // one read for each field that is not there, and the one that works
    assert_eq!(house.sandbox.requests(), 3);
    house.finish().await;
}

#[tokio::test]
async fn a_batch_of_two_types_is_read_in_the_end() {
    let rules = RULES.replace("then: deny", "then: hold");
    let house = House::builder().rules(&rules).build().await;
    let body = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::ACME, "Industry": "Software" },
        { "attributes": { "type": "Contact" }, "id": seed::WILE, "Title": "COO" },
    ]});
    let reply = house
        .agent()
        .patch("/services/data/v60.0/composite/sobjects", &body)
        .await;
    let message = "Not written, 0 of 2: records[1]: Contact.Title already has a value.";
    assert!(reply.message().starts_with(message), "{}", reply.message());
    assert_eq!(
        house
            .sandbox
            .record(CrmKind::Salesforce, "Account", seed::ACME)
            .unwrap()["Industry"],
        json!(null)
    );
    house.finish().await;
}

/// A record that no read returns may be hidden, or too new to be read: it is not blank.
#[tokio::test]
async fn a_record_that_is_not_returned_is_never_overwritten_unseen() {
    let hubspot = "
crm: hubspot
default: allow
";
    let house = House::builder()
        .rules(RULES)
        .and_rules(hubspot)
        .build()
        .await;
    let gone = "001Wg00000ZZZZZ";
    let records = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": gone, "Industry": "Software" },
        { "attributes": { "type": "Account" }, "id": "001Wg00000ZZZZY", "Industry": "Software" },
    ]});
    let rows = "/services/data/v60.0/composite/sobjects";
    let reply = house.agent().patch(rows, &records).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    // One row alone has an honest answer of the CRM.
    let one = json!({ "Industry": "Software" });
    assert_eq!(house.agent().patch(&target(gone), &one).await.status, 404);
    // Where the rules let everything through, what cannot be kept is not written either.
    let inputs = json!({ "inputs": [
        { "id": seed::HS_ACME, "properties": { "phone": "1" } },
        { "id": "59999999999", "properties": { "phone": "1" } },
    ]});
    let batch = "/crm/v3/objects/companies/batch/update";
    let reply = house.hubspot_agent().post(batch, &inputs).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    let message = "Not written: the present value of inputs[1]: companies cannot be read";
    assert!(reply.message().starts_with(message), "{}", reply.message());
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}
