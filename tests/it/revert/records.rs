//! Whole records: creates, upserts, deletes, batches.

use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::sandbox::{Fault, seed};

use super::{Desk, by_field, company, entry, lines, sums};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";
const COLLECTION: &str = "/services/data/v60.0/composite/sobjects";

fn id(reply: &super::Reply) -> String {
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_create_is_deleted_while_nobody_touched_it() {
    let desk = Desk::open().await;
    let one = desk
        .house
        .agent()
        .post(ACCOUNTS, &json!({ "Name": "New", "Industry": "X" }))
        .await;
    let body = json!({ "properties": { "name": "New", "phone": "+1" } });
    let two = desk
        .house
        .hubspot_agent()
        .post("/crm/v3/objects/companies", &body)
        .await;
    let report = desk.undo(&[entry(&one), entry(&two)]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    for line in lines(&report) {
        assert_eq!(
            (line.field, line.why),
            (Value::Null, json!("deleted: the entry made it"))
        );
    }
    let sandbox = &desk.house.sandbox;
    assert!(sandbox.record(Salesforce, "Account", &id(&one)).is_none());
    assert!(sandbox.record(HubSpot, "companies", &id(&two)).is_none());
    // and that is taken back where the API can, which is said where it cannot
    let made = report["summary"]["made"].as_array().unwrap();
    let made: Vec<String> = made
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    let report = desk.undo(&made).await;
    assert_eq!(sums(&report), (1, 0, 1), "{report}");
    let why: Vec<String> = lines(&report)
        .iter()
        .map(|line| line.why.to_string())
        .collect();
    assert!(why.iter().any(|why| why.contains("restore")), "{why:?}");
    assert!(sandbox.record(Salesforce, "Account", &id(&one)).is_some());
    desk.house.finish().await;
}

#[tokio::test]
async fn a_create_that_somebody_touched_stays() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let one = agent
        .post(ACCOUNTS, &json!({ "Name": "New", "Industry": "X" }))
        .await;
    let body = json!({ "properties": { "name": "New" } });
    let hubspot = desk.house.hubspot_agent();
    let two = hubspot.post("/crm/v3/objects/companies", &body).await;
    let sandbox = &desk.house.sandbox;
    // a field that we wrote, and one that we did not
    sandbox.set_field(Salesforce, "Account", &id(&one), "Industry", json!("Y"));
    desk.touch("companies", &id(&two), "phone", "+49");
    let report = desk.undo(&[entry(&one), entry(&two)]).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    let why: Vec<String> = lines(&report)
        .iter()
        .map(|line| line.why.to_string())
        .collect();
    assert!(why[0].contains("somebody else changed it at"), "{why:?}");
    assert!(why[1].contains("changed since: Industry"), "{why:?}");
    assert!(sandbox.record(Salesforce, "Account", &id(&one)).is_some());
    assert!(sandbox.record(HubSpot, "companies", &id(&two)).is_some());
    assert_eq!(sandbox.writes().len(), 2);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_record_made_and_changed_by_the_same_run_goes_as_a_whole() {
    let desk = Desk::open().await;
    let agent = desk.house.agent().with("x-writegate-run", "night");
    let reply = agent.post(ACCOUNTS, &json!({ "Name": "New" })).await;
    let path = format!("{ACCOUNTS}/{}", id(&reply));
    entry(
        &agent
            .patch(&path, &json!({ "Name": "Newer", "Phone": "1" }))
            .await,
    );
    entry(&agent.patch(&path, &json!({ "Phone": "2" })).await);
    let hubspot = desk.house.hubspot_agent().with("x-writegate-run", "night");
    let body = json!({ "properties": { "name": "New" } });
    let other = hubspot.post("/crm/v3/objects/companies", &body).await;
    let body = json!({ "properties": { "phone": "2" } });
    entry(&hubspot.patch(&company(&id(&other)), &body).await);
    let writes = desk.house.sandbox.writes().len();
    let report = desk
        .revert(&json!({ "as": "enrichment-agent", "run": "night" }))
        .await;
    assert_eq!(sums(&report), (6, 0, 0), "{report}");
    assert_eq!(report["summary"]["entries"], 5);
    assert_eq!(desk.house.sandbox.writes().len(), writes + 2);
    assert!(
        desk.house
            .sandbox
            .record(Salesforce, "Account", &id(&reply))
            .is_none()
    );
    assert!(
        desk.house
            .sandbox
            .record(HubSpot, "companies", &id(&other))
            .is_none()
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn a_record_made_by_us_with_a_later_edit_of_others_keeps_that_edit() {
    let desk = Desk::open().await;
    let agent = desk.house.hubspot_agent();
    let body = json!({ "properties": { "name": "New" } });
    let reply = agent.post("/crm/v3/objects/companies", &body).await;
    let sandbox = &desk.house.sandbox;
    desk.touch("companies", &id(&reply), "city", "Bonn");
    let body = json!({ "properties": { "phone": "2" } });
    let second = agent.patch(&company(&id(&reply)), &body).await;
    let report = desk.undo(&[entry(&reply), entry(&second)]).await;
    // our own update is undone, the record stays because of the edit between
    assert_eq!(sums(&report), (1, 1, 0), "{report}");
    let record = sandbox.record(HubSpot, "companies", &id(&reply)).unwrap();
    assert_eq!(
        (&record["city"], &record["phone"]),
        (&json!("Bonn"), &json!(null))
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn upserts_are_undone_as_what_they_came_to() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let by_key = |key: &str| format!("{ACCOUNTS}/Ext_Id__c/{key}");
    let body = json!({ "Name": "Acme Inc", "Phone": "9" });
    let known = agent.patch(&by_key("A-1001"), &body).await;
    let new = agent.patch(&by_key("A-9999"), &body).await;
    assert_eq!((known.status.as_u16(), new.status.as_u16()), (200, 201));
    let inputs = json!({ "inputs": [
        { "id": "A-1002", "idProperty": "ext_id", "properties": { "city": "Ulm" } },
        { "id": "A-8888", "idProperty": "ext_id",
          "properties": { "name": "New", "city": "Ulm", "ext_id": "A-8888" } },
        { "id": "A-7777", "idProperty": "ext_id", "properties": { "name": "Nameless" } },
    ]});
    let hubspot = desk.house.hubspot_agent();
    let both = hubspot
        .post("/crm/v3/objects/companies/batch/upsert", &inputs)
        .await;
    let made = |at: usize| {
        both.json()["results"][at]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let report = desk.undo(&[entry(&known), entry(&new), entry(&both)]).await;
    // the answer does not show the key of the third, so nobody knows which record it made
    assert_eq!(sums(&report), (5, 0, 1), "{report}");
    let sandbox = &desk.house.sandbox;
    let acme = sandbox.record(Salesforce, "Account", seed::ACME).unwrap();
    assert_eq!(acme["Name"], "Acme Corporation");
    assert!(sandbox.record(Salesforce, "Account", &id(&new)).is_none());
    let globex = sandbox
        .record(HubSpot, "companies", seed::HS_GLOBEX)
        .unwrap();
    assert_eq!(globex["city"], "Cypress Creek");
    assert!(sandbox.record(HubSpot, "companies", &made(1)).is_none());
    assert!(sandbox.record(HubSpot, "companies", &made(2)).is_some());
    desk.house.finish().await;
}

#[tokio::test]
async fn what_has_no_way_back_is_said_plainly() {
    let desk = Desk::of(super::House::builder().and_rules(
        "{ crm: hubspot, objects: { contacts: { merge: { agents: allow }, purge: { agents: allow } } } }",
    ))
    .await;
    let hubspot = desk.house.hubspot_agent();
    let archived = hubspot.delete(&company(seed::HS_WAYNE)).await;
    let body = json!({ "primaryObjectId": seed::HS_HANK, "objectIdToMerge": seed::HS_PETER });
    let merged = hubspot.post("/crm/v3/objects/contacts/merge", &body).await;
    let purged = hubspot
        .post(
            "/crm/v3/objects/contacts/gdpr-delete",
            &json!({ "objectId": seed::HS_ALICE }),
        )
        .await;
    let entries = [&archived, &merged, &purged].map(entry);
    let requests = desk.house.sandbox.requests();
    let report = desk.undo(&entries).await;
    assert_eq!(sums(&report), (0, 0, 4), "{report}");
    // newest first; a merge is also a delete of its loser
    let why: Vec<String> = lines(&report)
        .iter()
        .map(|line| line.why.to_string())
        .collect();
    for (why, said) in why
        .iter()
        .zip(["past any recycle bin", "merged", "by a merge", "90 days"])
    {
        assert!(why.contains(said), "{why}");
    }
    assert_eq!(
        desk.house.sandbox.requests(),
        requests,
        "nothing was asked of the CRM"
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn what_was_deleted_comes_back_from_the_bin_and_keeps_its_id() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let sandbox = &desk.house.sandbox;
    let there = |id: &str| sandbox.record(Salesforce, "Account", id);
    let before = there(seed::VANDELAY).unwrap();
    let one = agent
        .delete(&format!("{ACCOUNTS}/{}", seed::VANDELAY))
        .await;
    let both = format!("{COLLECTION}?ids={},{}", seed::WONKA, seed::TYRELL);
    let two = agent.delete(&both).await;
    assert!(there(seed::VANDELAY).is_none() && there(seed::WONKA).is_none());
    let report = desk.undo(&[entry(&one), entry(&two)]).await;
    assert_eq!(sums(&report), (3, 0, 0), "{report}");
    let after = there(seed::VANDELAY).unwrap();
    assert_eq!(
        (&after["Id"], &after["Name"]),
        (&before["Id"], &before["Name"])
    );
    assert!(there(seed::WONKA).is_some() && there(seed::TYRELL).is_some());
    // it is a write of its own, and there is nothing left to do
    let again = desk.undo(&[entry(&one)]).await;
    assert_eq!(sums(&again).0, 0, "{again}");
    desk.house.finish().await;
}

#[tokio::test]
async fn a_record_that_was_merged_since_is_left_alone() {
    let rules = "{ crm: hubspot, objects: { contacts: { merge: { agents: allow } } } }";
    let desk = Desk::of(super::House::builder().and_rules(rules)).await;
    let hubspot = desk.house.hubspot_agent();
    let path = format!("/crm/v3/objects/contacts/{}", seed::HS_HANK);
    let one = hubspot
        .patch(&path, &json!({ "properties": { "city": "Ulm" } }))
        .await;
    let body = json!({ "primaryObjectId": seed::HS_HANK, "objectIdToMerge": seed::HS_PETER });
    entry(&hubspot.post("/crm/v3/objects/contacts/merge", &body).await);
    let report = desk.undo(&[entry(&one)]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let why = lines(&report).remove(0).why;
    assert_eq!(why, json!("the record was merged into another one"));
    desk.house.finish().await;
}

#[tokio::test]
async fn batches_are_undone_in_batches_and_row_by_row() {
    let desk = Desk::open().await;
    let ids = [seed::GLOBEX, seed::INITECH, seed::STARK, seed::WAYNE];
    let mut records: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "attributes": { "type": "Account" }, "id": id, "Phone": "1", "Industry": "X" }))
        .collect();
    // one row that the CRM refuses: it wrote nothing
    records[3]["NumberOfEmployees"] = json!("many");
    let body = json!({ "allOrNone": false, "records": records });
    let one = desk.house.agent().patch(COLLECTION, &body).await;
    let inputs: Vec<Value> = [seed::HS_GLOBEX, seed::HS_STARK, seed::HS_WAYNE]
        .iter()
        .map(|id| json!({ "id": id, "properties": { "phone": "1" } }))
        .collect();
    let hubspot = desk.house.hubspot_agent();
    let two = hubspot
        .post(
            "/crm/v3/objects/companies/batch/update",
            &json!({ "inputs": inputs }),
        )
        .await;
    assert_eq!(desk.house.count(EntryState::Partly).await, 1);
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", seed::STARK, "Phone", json!("2"));
    sandbox.delete(HubSpot, "companies", seed::HS_STARK);
    let writes = sandbox.writes().len();
    let report = desk.undo(&[entry(&one), entry(&two)]).await;
    assert_eq!(sums(&report), (2 + 2 + 1 + 2, 1 + 1, 0), "{report}");
    assert_eq!(sandbox.writes().len(), writes + 2);
    for id in ids {
        let phone = desk.field(Salesforce, "Account", id, "Phone");
        assert_eq!(
            phone,
            if id == seed::STARK {
                json!("2")
            } else {
                json!(null)
            }
        );
        assert_ne!(desk.field(Salesforce, "Account", id, "Industry"), "X");
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn a_row_that_the_crm_refuses_is_told_and_the_others_are_restored() {
    let desk = Desk::open().await;
    // Name is required: the seed data is made to have none, which no API call could restore
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", seed::STARK, "Name", json!(null));
    let record = |id: &str| json!({ "attributes": { "type": "Account" }, "id": id, "Name": "N" });
    let body = json!({ "records": [record(seed::STARK), record(seed::WAYNE)] });
    let one = desk.house.agent().patch(COLLECTION, &body).await;
    let report = desk.undo(&[entry(&one)]).await;
    assert_eq!(sums(&report), (1, 0, 1), "{report}");
    let line = lines(&report)
        .into_iter()
        .find(|line| line.action == "impossible")
        .unwrap();
    assert_eq!(
        line.why,
        json!("the CRM refused it (REQUIRED_FIELD_MISSING)")
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::WAYNE, "Name"),
        "Wayne Logistics"
    );
    assert_eq!(desk.house.count(EntryState::Partly).await, 1);
    desk.house.finish().await;

    // HubSpot: an option that is none any more
    let desk = Desk::open().await;
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(
        HubSpot,
        "companies",
        seed::HS_STARK,
        "industry",
        json!("GONE"),
    );
    let input = |id: &str| json!({ "id": id, "properties": { "industry": "RETAIL" } });
    let body = json!({ "inputs": [input(seed::HS_STARK), input(seed::HS_WAYNE)] });
    let path = "/crm/v3/objects/companies/batch/update";
    let one = desk.house.hubspot_agent().post(path, &body).await;
    let report = desk.undo(&[entry(&one)]).await;
    assert_eq!(sums(&report), (1, 0, 1), "{report}");
    assert_eq!(
        desk.field(HubSpot, "companies", seed::HS_WAYNE, "industry"),
        "LOGISTICS_AND_SUPPLY_CHAIN"
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn links_made_with_a_record_go_with_it() {
    let desk = Desk::open().await;
    let link = json!({
        "to": { "id": seed::HS_ACME },
        "types": [{ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279 }],
    });
    let body = json!({ "properties": { "email": "new@acme.example" }, "associations": [link] });
    let path = "/crm/v3/objects/contacts";
    let hubspot = desk.house.hubspot_agent();
    let gone = hubspot.post(path, &body).await;
    let report = desk.undo(&[entry(&gone)]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    let link = format!("link to companies/{}", seed::HS_ACME);
    assert_eq!(by_field(&report)[&link].why, json!("goes with the record"));
    let kept = hubspot.post(path, &body).await;
    desk.touch("contacts", &id(&kept), "city", "Bonn");
    let report = desk.undo(&[entry(&kept)]).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    assert_eq!(by_field(&report)[&link].why, json!("stays with the record"));
    desk.house.finish().await;
}

#[tokio::test]
async fn many_creates_are_deleted_together_and_the_touched_one_stays() {
    let desk = Desk::open().await;
    let records: Vec<Value> = (0..5)
        .map(|n| json!({ "attributes": { "type": "Account" }, "Name": format!("N{n}") }))
        .collect();
    let one = desk
        .house
        .agent()
        .post(COLLECTION, &json!({ "records": records }))
        .await;
    let inputs: Vec<Value> = (0..5)
        .map(|n| json!({ "properties": { "name": format!("N{n}") } }))
        .collect();
    let path = "/crm/v3/objects/companies/batch/create";
    let two = desk
        .house
        .hubspot_agent()
        .post(path, &json!({ "inputs": inputs }))
        .await;
    let ids = |reply: &Value| -> Vec<String> {
        let rows = reply.as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (accounts, companies) = (ids(&one.json()), ids(&two.json()["results"]));
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", &accounts[2], "Name", json!("Mine"));
    desk.touch("companies", &companies[3], "city", "Bonn");
    let report = desk.undo(&[entry(&one), entry(&two)]).await;
    assert_eq!(sums(&report), (8, 2, 0), "{report}");
    for (n, (account, company)) in accounts.iter().zip(&companies).enumerate() {
        assert_eq!(
            sandbox.record(Salesforce, "Account", account).is_some(),
            n == 2
        );
        assert_eq!(
            sandbox.record(HubSpot, "companies", company).is_some(),
            n == 3
        );
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn a_created_parent_stays_while_records_of_others_hang_on_it() {
    let desk = Desk::open().await;
    let (agent, sandbox) = (desk.house.agent(), &desk.house.sandbox);
    let made = async |object: &str, body: Value| {
        let target = format!("/services/data/v60.0/sobjects/{object}");
        agent.post(&target, &body).await
    };
    let parent = made("Account", json!({ "Name": "Parent" })).await;
    let lonely = made("Account", json!({ "Name": "Lonely" })).await;
    let theirs = json!({ "LastName": "Theirs", "AccountId": id(&parent) });
    let contacts = "/services/data/v60.0/sobjects/Contact";
    let other = desk.house.other_agent().post(contacts, &theirs).await;
    assert_eq!(other.status, 201, "{}", other.text());
    let entries = [entry(&parent), entry(&lonely)];
    for dry_run in [true, false] {
        let wish = json!({ "entries": entries, "dry_run": dry_run });
        let report = desk.revert(&wish).await;
        assert_eq!(sums(&report), (1, 1, 0), "{report}");
        let why = report["items"].as_array().unwrap().iter();
        let mut why = why.filter(|item| item["action"] == "skipped");
        let why = why.next().unwrap()["why"].clone();
        assert!(
            why.as_str().unwrap().contains("other records hang on it"),
            "{why}"
        );
    }
    assert!(sandbox.record(Salesforce, "Contact", &id(&other)).is_some());
    assert!(
        sandbox
            .record(Salesforce, "Account", &id(&parent))
            .is_some()
    );
    assert!(
        sandbox
            .record(Salesforce, "Account", &id(&lonely))
            .is_none()
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn children_of_the_same_revert_go_before_their_parent() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let parent = agent.post(ACCOUNTS, &json!({ "Name": "Parent" })).await;
    let child = json!({ "LastName": "Child", "AccountId": id(&parent) });
    let child = agent
        .post("/services/data/v60.0/sobjects/Contact", &child)
        .await;
    let later = agent.post(ACCOUNTS, &json!({ "Name": "Later" })).await;
    let report = desk
        .undo(&[entry(&parent), entry(&child), entry(&later)])
        .await;
    assert_eq!(sums(&report), (3, 0, 0), "{report}");
    desk.house.finish().await;
}

#[tokio::test]
async fn a_created_record_stays_where_nobody_can_tell_what_hangs_on_it() {
    let desk = Desk::open().await;
    let made = desk
        .house
        .agent()
        .post(ACCOUNTS, &json!({ "Name": "New" }))
        .await;
    let fault = Fault::Answer {
        status: 500,
        headers: Vec::new(),
        body: "[]".into(),
    };
    let asks = |head: &writegate::sandbox::Head<'_>| head.path.contains("/query");
    desk.house.sandbox.script(asks, 1, fault);
    let report = desk.undo(&[entry(&made)]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let sandbox = &desk.house.sandbox;
    assert!(sandbox.record(Salesforce, "Account", &id(&made)).is_some());
    desk.house.finish().await;
}
