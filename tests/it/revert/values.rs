//! Fields: what is restored, what is left alone.

use serde_json::{Value, json};
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::sandbox::seed;

use super::{Desk, account, by_field, company, entry, lines, sums};

#[tokio::test]
async fn an_update_of_one_row_is_undone_field_by_field() {
    let desk = Desk::open().await;
    let body = json!({ "Industry": "Software", "NumberOfEmployees": 5, "Phone": "+1" });
    let reply = desk
        .house
        .agent()
        .patch(&account(seed::GLOBEX), &body)
        .await;
    let before = desk.field(Salesforce, "Account", seed::GLOBEX, "Name");
    desk.house
        .sandbox
        .set_field(Salesforce, "Account", seed::GLOBEX, "Phone", json!("+49"));
    let report = desk.undo(&[entry(&reply)]).await;
    assert_eq!(sums(&report), (2, 1, 0), "{report}");
    let lines = by_field(&report);
    let line = &lines["Industry"];
    assert_eq!(
        (&line.action[..], &line.then),
        ("restored", &json!("Manufacturing"))
    );
    assert_eq!(
        (&line.written, &line.now),
        (&json!("Software"), &json!("Software"))
    );
    let line = &lines["Phone"];
    assert_eq!(
        (&line.action[..], &line.why),
        ("skipped", &json!("changed since"))
    );
    assert_eq!((&line.written, &line.now), (&json!("+1"), &json!("+49")));
    let field = |name: &str| desk.field(Salesforce, "Account", seed::GLOBEX, name);
    assert_eq!(field("Industry"), json!("Manufacturing"));
    assert_eq!(field("NumberOfEmployees"), json!(4200));
    assert_eq!(field("Phone"), json!("+49"));
    assert_eq!(field("Name"), before);
    desk.house.finish().await;
}

#[tokio::test]
async fn who_changed_a_record_since_is_told_as_far_as_the_crm_tells() {
    let desk = Desk::open().await;
    let body = json!({ "Phone": "+1" });
    let one = desk.house.agent().patch(&account(seed::ACME), &body).await;
    let agent = desk.house.hubspot_agent();
    let body = json!({ "properties": { "phone": "+1" } });
    let two = agent.patch(&company(seed::HS_ACME), &body).await;
    let entries = [entry(&one), entry(&two)];
    let editors = async || -> Vec<Value> {
        let report = desk
            .ask(&json!({ "entries": entries, "dry_run": true }))
            .await
            .json();
        let items = report["items"].as_array().unwrap().iter();
        items.map(|item| item["editor"].clone()).collect()
    };
    assert_eq!(editors().await, [json!(null), json!(null)]);
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", seed::ACME, "Phone", json!("+49"));
    sandbox.set_field(HubSpot, "companies", seed::HS_ACME, "phone", json!("+49"));
    assert_eq!(
        editors().await,
        [seed::HS_OPERATIONS_USER, seed::OPERATIONS_USER]
    );
    // An agent's own later write is told apart from a person's.
    let body = json!({ "Phone": "+2" });
    entry(&desk.house.agent().patch(&account(seed::ACME), &body).await);
    assert_eq!(editors().await[1], seed::INTEGRATION_USER);
    desk.house.finish().await;
}

#[tokio::test]
async fn blanks_come_back_as_blanks() {
    let desk = Desk::open().await;
    let body = json!({ "Industry": "Software", "NumberOfEmployees": 5 });
    let one = desk.house.agent().patch(&account(seed::ACME), &body).await;
    let body = json!({ "properties": { "industry": "RETAIL", "numberofemployees": 5 } });
    let two = desk
        .house
        .hubspot_agent()
        .patch(&company(seed::HS_ACME), &body)
        .await;
    let body = json!({ "properties": { "industry": "", "numberofemployees": null } });
    let three = desk
        .house
        .hubspot_agent()
        .patch(&company(seed::HS_GLOBEX), &body)
        .await;
    let report = desk.undo(&[entry(&one), entry(&two), entry(&three)]).await;
    assert_eq!(sums(&report), (6, 0, 0), "{report}");
    for (crm, object, id, field, value) in [
        (Salesforce, "Account", seed::ACME, "Industry", json!(null)),
        (
            Salesforce,
            "Account",
            seed::ACME,
            "NumberOfEmployees",
            json!(null),
        ),
        (HubSpot, "companies", seed::HS_ACME, "industry", json!(null)),
        (
            HubSpot,
            "companies",
            seed::HS_ACME,
            "numberofemployees",
            json!(null),
        ),
        (
            HubSpot,
            "companies",
            seed::HS_GLOBEX,
            "industry",
            json!("MACHINERY"),
        ),
        (
            HubSpot,
            "companies",
            seed::HS_GLOBEX,
            "numberofemployees",
            json!("4200"),
        ),
    ] {
        assert_eq!(desk.field(crm, object, id, field), value, "{id} {field}");
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn a_revert_reverted_restores_the_write() {
    let desk = Desk::open().await;
    for (crm, object, id, field, path, body) in [
        (
            Salesforce,
            "Account",
            seed::ACME,
            "Industry",
            account(seed::ACME),
            json!({ "Industry": "Software" }),
        ),
        (
            HubSpot,
            "companies",
            seed::HS_ACME,
            "industry",
            company(seed::HS_ACME),
            json!({ "properties": { "industry": "RETAIL" } }),
        ),
    ] {
        let reply = desk.house.agent_of(crm).patch(&path, &body).await;
        let written = desk.field(crm, object, id, field);
        let first = desk.undo(&[entry(&reply)]).await;
        assert_eq!(desk.field(crm, object, id, field), json!(null));
        let made = first["summary"]["made"][0].as_str().unwrap().to_owned();
        let row = desk.house.entries().await.remove(0);
        assert_eq!(
            (row.id.as_str(), row.service_account.as_deref()),
            (&made[..], Some("operator:ann"))
        );
        let second = desk.undo(&[made]).await;
        assert_eq!(sums(&second), (1, 0, 0), "{second}");
        assert_eq!(desk.field(crm, object, id, field), written);
        // and a third time, chosen by the operator's name
        let body = json!({ "as": "operator:ann", "last": 1 });
        let third = desk.revert(&body).await;
        assert_eq!(sums(&third), (1, 0, 0), "{third}");
        assert_eq!(desk.field(crm, object, id, field), json!(null));
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn several_writes_to_a_record_are_undone_newest_first_in_one_write() {
    let desk = Desk::open().await;
    let agent = desk.house.agent();
    let path = account(seed::GLOBEX);
    let mut entries = Vec::new();
    for (industry, phone) in [("A", "1"), ("B", "2"), ("C", "3")] {
        let body = json!({ "Industry": industry, "Phone": phone });
        entries.push(entry(&agent.patch(&path, &body).await));
    }
    let writes = desk.house.sandbox.writes().len();
    // the order in which they are named does not matter
    let report = desk.undo(&entries).await;
    assert_eq!(sums(&report), (6, 0, 0), "{report}");
    assert_eq!(desk.house.sandbox.writes().len(), writes + 1);
    let first = &lines(&report)[0];
    assert_eq!((&first.then, &first.written), (&json!("B"), &json!("C")));
    let field = |name: &str| desk.field(Salesforce, "Account", seed::GLOBEX, name);
    assert_eq!(field("Industry"), json!("Manufacturing"));
    assert_eq!(field("Phone"), json!(null));
    // the one in the middle alone is not what the record holds
    for (industry, phone) in [("A", "1"), ("B", "2")] {
        let body = json!({ "Industry": industry, "Phone": phone });
        entries.push(entry(&agent.patch(&path, &body).await));
    }
    let report = desk.undo(&entries[3..4]).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    assert_eq!(field("Industry"), json!("B"));
    desk.house.finish().await;
}

#[tokio::test]
async fn what_is_undone_already_is_said_and_not_written_again() {
    let desk = Desk::open().await;
    let body = json!({ "Industry": "Software" });
    let reply = desk.house.agent().patch(&account(seed::ACME), &body).await;
    let entry = entry(&reply);
    desk.undo(std::slice::from_ref(&entry)).await;
    let writes = desk.house.sandbox.writes().len();
    let report = desk.undo(&[entry]).await;
    assert_eq!(sums(&report), (0, 0, 0), "{report}");
    assert_eq!(report["summary"]["already"], 1, "{report}");
    assert_eq!(lines(&report)[0].action, "already");
    assert_eq!(
        lines(&report)[0].why,
        json!("holds the value from before already")
    );
    assert_eq!(desk.house.sandbox.writes().len(), writes);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_value_in_the_crms_own_form_is_known_again() {
    let desk = Desk::open().await;
    let body = json!({ "AnnualRevenue": "1500.50", "OwnerId": &seed::OPERATIONS_USER[..15] });
    let one = desk
        .house
        .agent()
        .patch(&account(seed::GLOBEX), &body)
        .await;
    let body = json!({ "properties": { "amount": 1.50, "closedate": "2027-03-01" } });
    let path = format!("/crm/v3/objects/deals/{}", seed::HS_INITECH_PILOT);
    let two = desk.house.hubspot_agent().patch(&path, &body).await;
    let body = json!({ "properties": { "email": "Wile.E@Acme.example", "hs_email_optout": true } });
    let path = format!("/crm/v3/objects/contacts/{}", seed::HS_WILE);
    let three = desk.house.hubspot_agent().patch(&path, &body).await;
    let report = desk.undo(&[entry(&one), entry(&two), entry(&three)]).await;
    assert_eq!(sums(&report), (6, 0, 0), "{report}");
    for (crm, object, id, field, value) in [
        (
            Salesforce,
            "Account",
            seed::GLOBEX,
            "OwnerId",
            json!(seed::SALES_USER),
        ),
        (
            HubSpot,
            "deals",
            seed::HS_INITECH_PILOT,
            "amount",
            json!("18000"),
        ),
        (
            HubSpot,
            "deals",
            seed::HS_INITECH_PILOT,
            "closedate",
            json!("2027-02-26T00:00:00.000Z"),
        ),
        (
            HubSpot,
            "contacts",
            seed::HS_WILE,
            "email",
            json!("wile@acme.example"),
        ),
        (
            HubSpot,
            "contacts",
            seed::HS_WILE,
            "hs_email_optout",
            json!(null),
        ),
    ] {
        assert_eq!(desk.field(crm, object, id, field), value, "{id} {field}");
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn a_batch_of_creates_is_known_by_what_it_wrote_in_any_form() {
    let desk = Desk::open().await;
    let task = |subject: &str, at: Value| json!({ "properties": { "hs_task_subject": subject, "hs_timestamp": at } });
    let body = json!({ "inputs": [
        task("One", json!("2026-11-20T00:00:00Z")),
        task("Two", json!(1_795_132_800_000_i64)),
        task("Two", json!("2026-11-21")),
        task("Four", json!("2026-11-20T01:00:00+01:00")),
    ]});
    let made = desk
        .house
        .hubspot_agent()
        .post("/crm/v3/objects/tasks/batch/create", &body)
        .await;
    let results = made.json()["results"].clone();
    let answered = &results[0]["properties"]["hs_timestamp"];
    assert_eq!(
        answered, "2026-11-20T00:00:00.000Z",
        "the CRM has a form of its own"
    );
    let report = desk.undo(&[entry(&made)]).await;
    assert_eq!(sums(&report), (4, 0, 0), "{report}");
    for made in results.as_array().unwrap() {
        let id = made["id"].as_str().unwrap();
        assert!(desk.house.sandbox.record(HubSpot, "tasks", id).is_none());
    }
    desk.house.finish().await;
}
