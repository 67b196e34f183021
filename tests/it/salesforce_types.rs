//! An org's own object types are judged like built-in ones, whichever family a write comes by; what the
//! org does not tell is never guessed.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Head, seed};

use super::soap;
use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, House};

const DATA: &str = "/services/data/v60.0";

const RULES: &str = "
crm: salesforce
default: deny
objects:
  Health_Check__c:
    create: { agents: allow }
    delete: { agents: allow }
    fields:
      Score__c|Account__c|Ext_Id__c: { agents: allow }
      Notes__c: { agents: deny, owner: RevOps }
  Health_Finding__c:
    create: { agents: allow }
    fields: { Name|Check__c: { agents: allow } }
  Account:
    create: { agents: allow }
    fields: { Name: { agents: allow }, Industry: { agents: deny, owner: RevOps } }
";

/// How often the org was asked for all its types, and for the relationships of one.
fn looks(house: &House) -> (usize, usize) {
    let seen = house.sandbox.seen();
    let ends = |end: &str| {
        seen.iter()
            .filter(|seen| seen.target.ends_with(end))
            .count()
    };
    (ends("v60.0/sobjects"), ends("/describe"))
}

fn check(house: &House, id: &str) -> Value {
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Health_Check__c", id);
    Value::Object(record.unwrap())
}

async fn made(agent: &Client) -> String {
    let new = json!({ "Ext_Id__c": "H-1", "Account__c": seed::ACME });
    let target = format!("{DATA}/sobjects/health_check__C");
    let reply = agent.post(&target, &new).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn part(url: &str, body: &Value) -> Value {
    json!({ "method": "PATCH", "url": format!("{DATA}/{url}"), "referenceId": "a", "body": body })
}

/// One field of one record, written by each family that can.
fn families(id: &str, fields: &Value) -> Vec<(Method, String, Value)> {
    let row = format!("sobjects/Health_Check__c/{id}");
    let typed = |id: Value| {
        let mut record = fields.clone();
        record["attributes"] = json!({ "type": "Health_Check__c" });
        let (name, value) = if id.is_null() {
            ("Ext_Id__c", json!("H-1"))
        } else {
            ("id", id)
        };
        record[name] = value;
        json!({ "records": [record] })
    };
    let parts = json!([part(&row, fields)]);
    let mutation = "mutation M($fields: X) { uiapi { one: Health_Check__cUpdate(input: { Id: \"ID\", \
                    Health_Check__c: $fields }) { success } } }";
    let ui = json!({ "type": "Update",
        "records": [{ "fields": with(fields, "Id", &json!(id)) }] });
    vec![
        (Method::PATCH, row.clone(), fields.clone()),
        (
            Method::PATCH,
            "sobjects/HEALTH_CHECK__C/Ext_Id__c/H-1".into(),
            fields.clone(),
        ),
        (Method::PATCH, "composite/sobjects".into(), typed(json!(id))),
        (
            Method::PATCH,
            "composite/sobjects/Health_Check__c/Ext_Id__c".into(),
            typed(Value::Null),
        ),
        (
            Method::POST,
            "composite".into(),
            json!({ "compositeRequest": parts }),
        ),
        (
            Method::POST,
            "composite/graph".into(),
            json!({ "graphs": [{ "graphId": "g", "compositeRequest": parts }] }),
        ),
        (
            Method::POST,
            "composite/batch".into(),
            json!({ "batchRequests": [
                { "method": "PATCH", "url": format!("v60.0/{row}"), "richInput": fields }] }),
        ),
        (
            Method::PATCH,
            format!("ui-api/records/{id}"),
            json!({ "fields": fields }),
        ),
        (
            Method::POST,
            "ui-api/records/batch".into(),
            json!({ "operations": [ui] }),
        ),
        (
            Method::POST,
            "graphql".into(),
            json!({ "query": mutation.replace("ID", id), "variables": { "fields": fields } }),
        ),
    ]
}

fn with(fields: &Value, name: &str, value: &Value) -> Value {
    let mut all = fields.clone();
    all[name] = value.clone();
    all
}

/// Each family before a proxy that has not looked at the org yet, so that it looks by itself: by a name, or
/// by the first characters of an id alone.
#[tokio::test]
async fn a_type_of_the_orgs_own_is_judged_by_every_family() {
    let house = House::builder().rules(RULES).build().await;
    let id = made(&house.agent()).await;
    assert!(id.starts_with("a00"), "{id}");
    let crm = Arc::clone(&house.sandbox);
    house.finish().await;
    let delete = format!("composite/sobjects?ids={id}");
    let count = families(&id, &json!({})).len();
    for nth in 0..=count {
        let house = House::builder().rules(RULES).crm(&crm).build().await;
        let (agent, before) = (house.agent(), looks(&house));
        let written = crm.writes().len();
        let family = |field: &str, value: Value| {
            let mut all = families(&id, &json!({ field: value }));
            (nth < count).then(|| all.swap_remove(nth))
        };
        let score = json!(f64::from(u8::try_from(nth).unwrap()));
        if let Some((method, path, body)) = family("Notes__c", json!("x")) {
            let target = format!("{DATA}/{path}");
            let reply = agent.send(method, &target, Some(&body)).await;
            let text = reply.text();
            let denied = text.contains("WRITEGATE_DENIED");
            assert!(
                denied && text.contains("Health_Check__c.Notes__c"),
                "{path}: {text}"
            );
            assert_eq!(crm.writes().len(), written, "{path}");
        }
        if let Some((method, path, body)) = family("Score__c", score.clone()) {
            let target = format!("{DATA}/{path}");
            let reply = agent.send(method, &target, Some(&body)).await;
            assert!(reply.status.is_success(), "{path}: {}", reply.text());
            assert_eq!(check(&house, &id)["Score__c"], score, "{path}");
        } else {
            let reply = agent.delete(&format!("{DATA}/{delete}")).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        assert_eq!(looks(&house), (before.0 + 1, before.1), "family {nth}");
        house.close().await;
    }
}

/// The same in a message, whose session is what the org is asked with.
#[tokio::test]
async fn a_type_of_the_orgs_own_is_judged_in_a_message() {
    let house = House::builder().rules(RULES).build().await;
    let row = |id: &str, field: &str, value: &str| {
        format!("<sObjects><type>HEALTH_CHECK__C</type>{id}<{field}>{value}</{field}></sObjects>")
    };
    let create = format!("<create>{}</create>", row("", "Ext_Id__c", "H-1"));
    let made = soap::call(&house, &create).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let id = house
        .sandbox
        .ids(CrmKind::Salesforce, "Health_Check__c")
        .remove(0);
    assert_eq!(looks(&house), (1, 0));
    let named = format!("<Id>{id}</Id>");
    let key = "<externalIDFieldName>Ext_Id__c</externalIDFieldName>";
    let by_key = |field: &str, value: &str| {
        let row = row("<Ext_Id__c>H-1</Ext_Id__c>", field, value);
        format!("<upsert>{key}{row}</upsert>")
    };
    let by_id =
        |field: &str, value: &str| format!("<update>{}</update>", row(&named, field, value));
    for operation in [by_id("Notes__c", "x"), by_key("Notes__c", "x")] {
        let reply = soap::call(&house, &operation).await;
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
        let field = "Health_Check__c.Notes__c";
        assert!(reply.message().contains(field), "{}", reply.text());
    }
    for (operation, score) in [
        (by_id("Score__c", "3"), 3.0),
        (by_key("Score__c", "4"), 4.0),
    ] {
        let reply = soap::call(&house, &operation).await;
        assert!(reply.text().contains("<success>true"), "{}", reply.text());
        assert_eq!(check(&house, &id)["Score__c"], score);
    }
    // its prior value was read under its own name
    let entry = house.entries().await.remove(0);
    assert_eq!(entry.summary[0]["object"], "Health_Check__c");
    // and of an id alone its type
    let wrong = named.replace(&id, seed::ACME);
    let wrong = format!("<update>{}</update>", row(&wrong, "Score__c", "5"));
    let reply = soap::call(&house, &wrong).await;
    assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{}", reply.text());
    let delete = format!("<delete><ids>{id}</ids></delete>");
    let reply = soap::call(&house, &delete).await;
    assert!(reply.text().contains("<success>true"), "{}", reply.text());
    assert_eq!(looks(&house), (1, 0));
    house.finish().await;
}

#[tokio::test]
async fn relationships_of_the_orgs_own_lead_where_the_org_says() {
    let house = House::builder().rules(RULES).build().await;
    let agent = house.agent();
    let id = made(&agent).await;
    // a nested record sets the lookup field
    let nested = json!({ "Name": "one", "Check__r": { "Ext_Id__c": "H-1" } });
    let target = format!("{DATA}/sobjects/Health_Finding__c");
    let reply = agent.post(&target, &nested).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let finding = reply.json()["id"].as_str().unwrap().to_owned();
    // a path through a relationship changes the record at its end; of two, nobody knows the one between
    for (path, code, says) in [
        (
            format!("Health_Check__c/{id}/Account__r"),
            "WRITEGATE_DENIED",
            "Account.Industry",
        ),
        (
            format!("Health_Finding__c/{finding}/Check__r/Account__r"),
            "WRITEGATE_OPAQUE",
            "write to it by its id",
        ),
    ] {
        let target = format!("{DATA}/sobjects/{path}");
        let reply = agent.patch(&target, &json!({ "Industry": "Retail" })).await;
        assert_eq!(reply.code(), code, "{}", reply.text());
        assert!(reply.message().contains(says), "{}", reply.text());
    }
    let target = format!("{DATA}/sobjects/Health_Finding__c/{finding}/Check__r");
    let reply = agent.patch(&target, &json!({ "Score__c": 7 })).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(check(&house, &id)["Score__c"], 7.0);
    // children below a built-in parent and below one of the org's own
    let tree = |notes: &str| {
        json!({ "records": [{ "attributes": { "type": "Account", "referenceId": "a" }, "Name": "A",
            "Health_Checks__r": { "records": [{
                "attributes": { "type": "Health_Check__c", "referenceId": "b" }, notes: "5",
                "Health_Findings__r": { "records": [{
                    "attributes": { "type": "Health_Finding__c", "referenceId": "c" },
                    "Name": "f" }] } }] } }] })
    };
    let target = format!("{DATA}/composite/tree/Account");
    let reply = agent.post(&target, &tree("Notes__c")).await;
    assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
    let reply = agent.post(&target, &tree("Score__c")).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    // one look at all types, one at each object whose relationships counted
    assert_eq!(looks(&house), (1, 3));
    house.finish().await;
}

#[tokio::test]
async fn names_ids_and_prefixes_that_disagree_are_refused() {
    let house = House::builder().rules(RULES).build().await;
    let agent = house.agent();
    let id = made(&agent).await;
    let typed = |kind: &str| json!({ "records": [{ "attributes": { "type": kind }, "id": id, "Score__c": 1 }] });
    for (path, body) in [
        (
            format!("sobjects/Health_Finding__c/{id}"),
            json!({ "Name": "x" }),
        ),
        (format!("sobjects/Account/{id}"), json!({ "Name": "x" })),
        (
            format!("sobjects/Health_Check__c/{}", seed::ACME),
            json!({ "Score__c": 1 }),
        ),
        ("composite/sobjects".into(), typed("Health_Finding__c")),
        ("composite/sobjects".into(), typed("Account")),
        (
            format!("sobjects/Health_Check__c/{id}"),
            json!({ "attributes": { "type": "Account" }, "Score__c": 1 }),
        ),
        (
            format!("ui-api/records/{id}"),
            json!({ "apiName": "Health_Finding__c", "fields": { "Score__c": 1 } }),
        ),
    ] {
        let reply = agent.patch(&format!("{DATA}/{path}"), &body).await;
        let text = reply.text();
        assert!(
            text.contains("WRITEGATE_MALFORMED"),
            "{path} {body}: {text}"
        );
    }
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

async fn unknown(agent: &Client) -> Reply {
    let target = format!("{DATA}/sobjects/Nothing__c/a0Z000000000001");
    agent.patch(&target, &json!({ "Name": "x" })).await
}

#[tokio::test]
async fn what_is_not_there_costs_one_read_in_ten_minutes() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let building = House::builder().rules(RULES).clock(clock.clone());
    let house = building.build().await;
    let agent = house.agent();
    for _ in 0..3 {
        assert_eq!(unknown(&agent).await.code(), "WRITEGATE_OPAQUE");
    }
    let rows = json!({ "records": [{ "attributes": { "type": "Other__c" }, "Name": "x" }] });
    let target = format!("{DATA}/composite/sobjects");
    assert_eq!(agent.post(&target, &rows).await.code(), "WRITEGATE_OPAQUE");
    let ids = format!("{target}?ids=a0Z000000000001");
    assert_eq!(agent.delete(&ids).await.code(), "WRITEGATE_OPAQUE");
    assert_eq!(looks(&house), (1, 0));
    // what one credential does not see another one may
    assert_eq!(
        unknown(&house.other_agent()).await.code(),
        "WRITEGATE_OPAQUE"
    );
    assert_eq!(looks(&house), (2, 0));
    clock.advance_ms(599_999);
    assert_eq!(unknown(&agent).await.code(), "WRITEGATE_OPAQUE");
    assert_eq!(looks(&house), (2, 0));
    clock.advance_ms(1);
    assert_eq!(unknown(&agent).await.code(), "WRITEGATE_OPAQUE");
    assert_eq!(looks(&house), (3, 0));
    // a type that is known is not looked for again
    made(&agent).await;
    clock.advance_ms(3_600_000);
    made_again(&agent).await;
    assert_eq!(looks(&house), (3, 0));
    house.finish().await;
}

async fn made_again(agent: &Client) {
    let target = format!("{DATA}/sobjects/Health_Check__c");
    let reply = agent.post(&target, &json!({ "Score__c": 1 })).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

#[tokio::test]
async fn a_look_that_fails_is_the_crms_answer_or_none_is_given() {
    for (status, told) in [
        (401, "INVALID_SESSION_ID"),
        (404, "INVALID_SESSION_ID"),
        (429, "INVALID_SESSION_ID"),
        (403, "WRITEGATE_UNAVAILABLE"),
        (500, "WRITEGATE_UNAVAILABLE"),
    ] {
        let house = House::builder().rules(RULES).build().await;
        let fault = Fault::Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: r#"[{"errorCode":"INVALID_SESSION_ID","message":"x"}]"#.into(),
        };
        let of_types = |head: &Head<'_>| head.path == "/services/data/v60.0/sobjects";
        house.sandbox.script(of_types, 1, fault);
        let new = json!({ "Ext_Id__c": "H-1" });
        let target = format!("{DATA}/sobjects/Health_Check__c");
        let reply = house.agent().post(&target, &new).await;
        assert_eq!(reply.code(), told, "{status}: {}", reply.text());
        let passed_on = told == "INVALID_SESSION_ID";
        assert_eq!(reply.status, if passed_on { status } else { 503 });
        assert!(house.sandbox.writes().is_empty());
        // and nothing was learned from it
        made(&house.agent()).await;
        house.finish().await;
    }
}

#[tokio::test]
async fn a_record_of_the_orgs_own_type_is_taken_back() {
    let house = House::builder().rules(RULES).build().await;
    let agent = house.agent();
    let id = made(&agent).await;
    let target = format!("{DATA}/sobjects/Health_Check__c/{id}");
    let reply = agent.patch(&target, &json!({ "Score__c": 9 })).await;
    let entry = reply.header("x-writegate-entry").unwrap().to_owned();
    assert_eq!(check(&house, &id)["Score__c"], 9.0);
    let admin = Client::new(house.operators().await, APPROVER);
    let undone = admin
        .post("/api/v1/reverts", &json!({ "entries": [entry] }))
        .await;
    assert_eq!(undone.json()["summary"]["restored"], 1, "{}", undone.text());
    assert_eq!(check(&house, &id)["Score__c"], Value::Null);
    house.finish().await;
}
