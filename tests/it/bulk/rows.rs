//! What a job's record says would change is what changes, for every operation.

use http::StatusCode;
use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::sandbox::seed;

use super::{JOBS, committed, fed, field, made, newest, ran, recorded, updates, world};
use crate::support::house::House;

#[tokio::test]
async fn an_update_writes_what_its_rows_say() {
    let house = House::builder().build().await;
    let before = world(&house, "Account");
    let csv = format!(
        "Id,Industry,NumberOfEmployees,Website\n{},\"Soft, ware\",120,\n{},#N/A,,https://x.example\n",
        seed::ACME,
        seed::GLOBEX
    );
    let (job, answer) = ran(&house.agent(), &updates("Account"), &csv).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-verdict"), Some("allow"));
    let rows = recorded(&house, &job).await;
    let after = world(&house, "Account");
    let mut said = before.clone();
    for row in &rows {
        let record = said.get_mut(&row["Id"]).unwrap();
        for (name, text) in row
            .iter()
            .filter(|(name, text)| *name != "Id" && !text.is_empty())
        {
            let value = match (name.as_str(), text.as_str()) {
                (_, "#N/A") => Value::Null,
                ("NumberOfEmployees", number) => json!(number.parse::<i64>().unwrap()),
                (_, text) => json!(text),
            };
            record.insert(name.clone(), value);
        }
    }
    for (id, record) in &mut said {
        for computed in [
            "LastModifiedDate",
            "SystemModstamp",
            "Size_Tier__c",
            "LastModifiedById",
        ] {
            record.insert(computed.into(), after[id][computed].clone());
        }
    }
    assert_eq!(said, after, "what the record says, what the CRM has");
    assert_ne!(before, after);
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Accepted, "the CRM works on it");
    assert_eq!(entry.summary[0]["object"], "Account");
    house.finish().await;
}

#[tokio::test]
async fn every_operation_runs() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let spec = json!({ "object": "Account", "operation": "insert", "columnDelimiter": "SEMICOLON",
        "lineEnding": "CRLF", "contentType": "CSV" });
    let before = house
        .sandbox
        .ids(writegate::mutation::CrmKind::Salesforce, "Account")
        .len();
    let (_, answer) = ran(&agent, &spec, "Name;Industry\r\nOne;A\r\n\"Tw;o\";B\r\n").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let ids = house
        .sandbox
        .ids(writegate::mutation::CrmKind::Salesforce, "Account");
    assert_eq!(ids.len(), before + 2);
    let made = &ids[before..];
    assert_eq!(field(&house, "Account", &made[1], "Name"), "Tw;o");

    let spec = json!({ "object": "Account", "operation": "upsert",
        "externalIdFieldName": "Ext_Id__c" });
    let csv = "Ext_Id__c,Name,Parent.Ext_Id__c\nbulk-1,Upserted,\n";
    let (_, answer) = ran(&agent, &spec, csv).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let ids = house
        .sandbox
        .ids(writegate::mutation::CrmKind::Salesforce, "Account");
    assert_eq!(ids.len(), before + 3);

    for operation in ["delete", "hardDelete"] {
        let at = if operation == "delete" { 0 } else { 1 };
        let spec = json!({ "object": "Account", "operation": operation });
        let (_, answer) = ran(&agent, &spec, &format!("Id\n{}\n", made[at])).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let ids = house
        .sandbox
        .ids(writegate::mutation::CrmKind::Salesforce, "Account");
    assert_eq!(ids.len(), before + 1);
    house.finish().await;
}

#[tokio::test]
async fn one_row_that_is_denied_keeps_all_from_being_written() {
    let rules = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Industry: { agents: fill-else-deny, owner: RevOps } } }
";
    let house = House::builder().rules(rules).build().await;
    let before = world(&house, "Account");
    let csv = format!(
        "Id,Industry\n{},Software\n{},Retail\n{},Retail\n",
        seed::ACME,
        seed::GLOBEX,
        seed::INITECH
    );
    let (_, answer) = ran(&house.agent(), &updates("Account"), &csv).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.code(), "WRITEGATE_DENIED");
    let message = answer.message();
    assert!(
        message.starts_with("Not written, 0 of 3: rows[1], rows[2]: Account.Industry"),
        "{message}"
    );
    assert_eq!(world(&house, "Account"), before);
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_record_that_is_named_twice_is_refused() {
    let house = House::builder().build().await;
    let csv = format!("Id,Industry\n{},A\n{},B\n", seed::ACME, &seed::ACME[..15]);
    let (_, answer) = ran(&house.agent(), &updates("Account"), &csv).await;
    assert_eq!(answer.code(), "WRITEGATE_MALFORMED", "{}", answer.text());
    assert!(answer.message().contains("rows[1]"), "{}", answer.message());
    house.finish().await;
}

#[tokio::test]
async fn a_lookup_by_external_id_is_judged_as_its_field() {
    let rules = "
crm: salesforce
default: allow
objects:
  Account: { fields: { ParentId: { agents: deny } } }
  Contact: { fields: { AccountId|OwnerId: { agents: deny }, Mentor__c: { agents: deny } } }
";
    let house = House::builder().rules(rules).build().await;
    for (object, id, header, field) in [
        ("Account", seed::ACME, "Parent.Ext_Id__c", "ParentId"),
        ("Contact", seed::WILE, "Account.Ext_Id__c", "AccountId"),
        ("Contact", seed::WILE, "User:Owner.Employee__c", "OwnerId"),
        ("Contact", seed::WILE, "Mentor__r.Ext_Id__c", "Mentor__c"),
    ] {
        let csv = format!("Id,{header}\n{id},x-1\n");
        let (_, answer) = ran(&house.agent(), &updates(object), &csv).await;
        assert_eq!(answer.code(), "WRITEGATE_DENIED", "{header}");
        let said = format!("{object}.{field} is not for enrichment-agent");
        assert!(answer.message().contains(&said), "{}", answer.message());
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_job_takes_one_request_and_its_rows() {
    let rules = "
crm: salesforce
default: allow
limits:
  - { name: few, per: service_account, count: mutations, max: 3, window: 1h }
  - { name: churn, per: record, count: mutations, max: 1, window: 1d }
  - { name: one, per: service_account, count: requests, max: 2, window: 1h }
";
    let house = House::builder().rules(rules).build().await;
    let two = format!("Id,Industry\n{},A\n{},B\n", seed::ACME, seed::GLOBEX);
    let agent = house.agent();
    let (_, answer) = ran(&agent, &updates("Account"), &two).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let (job, answer) = ran(&agent, &updates("Account"), &two).await;
    assert_eq!(answer.code(), "WRITEGATE_BUDGET", "{}", answer.text());
    assert_eq!(house.sandbox.writes().len(), 1);
    // it is not over: with room again it is committed
    let usage = house
        .app
        .control
        .usage(house.app.clock.now())
        .await
        .unwrap();
    let used: Vec<(&str, u64)> = usage.iter().map(|u| (u.limit.as_str(), u.used)).collect();
    assert!(
        used.contains(&("few", 2)) && used.contains(&("one", 1)),
        "{used:?}"
    );
    let dropped = agent
        .patch(&format!("{JOBS}/{job}"), &json!({ "state": "Aborted" }))
        .await;
    assert_eq!(dropped.status, StatusCode::OK);
    house.finish().await;
}

#[tokio::test]
async fn what_no_row_may_do_is_refused_when_the_job_is_made() {
    let rules = "
crm: salesforce
default: allow
objects: { '*': { delete: deny, create: deny, purge: deny } }
";
    let house = House::builder().rules(rules).build().await;
    for operation in ["insert", "delete", "hardDelete"] {
        let spec = json!({ "object": "Account", "operation": operation });
        let refused = house.agent().post(JOBS, &spec).await;
        assert_eq!(refused.code(), "WRITEGATE_DENIED", "{operation}");
    }
    let job = made(&house.agent(), &updates("Account")).await;
    fed(&house.agent(), &job, format!("Id,Name\n{},X\n", seed::ACME)).await;
    assert_eq!(committed(&house.agent(), &job).await.status, StatusCode::OK);
    house.finish().await;
}
