//! Jobs on objects of an org's own are judged, recorded and taken back like those on built-in ones; what
//! the org does not tell is not guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::proxy::rows::Rows;
use writegate::sandbox::{Fault, Head, seed};

use super::back::{sums, undone};
use super::{JOBS, fed, made, newest, ran, updates, world};
use crate::support::client::{Client, Reply};
use crate::support::house::{House, TOKEN};

const CHECK: &str = "Health_Check__c";
const V1: &str = "/services/async/60.0/job";
const SPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

type World = BTreeMap<String, Map<String, Value>>;

/// A check by the row API, before any job.
async fn check(agent: &Client) -> String {
    new_check(agent, "H-1").await
}

async fn other_check(agent: &Client) -> String {
    new_check(agent, "H-0").await
}

async fn new_check(agent: &Client, key: &str) -> String {
    let new = json!({ "Ext_Id__c": key, "Score__c": 1 });
    let target = format!("/services/data/v60.0/sobjects/{CHECK}");
    let reply = agent.post(&target, &new).await;
    assert_eq!(reply.status, StatusCode::CREATED, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// How often the org was asked for all its types.
fn looks(house: &House) -> usize {
    let seen = house.sandbox.seen();
    let all = |target: &str| target.ends_with("v60.0/sobjects");
    seen.iter().filter(|seen| all(&seen.target)).count()
}

fn system(name: &str) -> bool {
    name.starts_with("LastModified") || name.starts_with("Created") || name == "SystemModstamp"
}

/// What changed of each record, without what the CRM keeps itself: id → field → value.
fn changed(before: &World, after: &World) -> World {
    let mut all = World::new();
    for (id, record) in after {
        let old = before.get(id);
        let new = record.iter().filter(|(name, value)| {
            let was = old.and_then(|old| old.get(*name));
            was.unwrap_or(&Value::Null) != *value && !system(name) && *name != "Id"
        });
        let new: Map<String, Value> = new.map(|(k, v)| (k.clone(), v.clone())).collect();
        if !new.is_empty() {
            all.insert(id.clone(), new);
        }
    }
    all
}

fn names(changes: &World) -> BTreeSet<String> {
    let fields = changes.values().flat_map(|fields| fields.keys().cloned());
    fields.collect()
}

/// The fields that the newest entry names.
async fn told(house: &House) -> BTreeSet<String> {
    let fields = newest(house).await.summary[0]["fields"].clone();
    let fields = fields.as_array().unwrap().iter();
    fields.map(|name| name.as_str().unwrap().into()).collect()
}

/// What the record of the newest commit says of each row, by what names its record.
async fn recorded(house: &House) -> Vec<(Value, Value)> {
    let entry = newest(house).await;
    let rows = Rows::of(&house.app.journal, "salesforce", &entry.id).await;
    let mut rows = rows.unwrap().unwrap();
    let mut said = Vec::new();
    while let Some(part) = rows.next().await.unwrap() {
        for row in part.mutations.unwrap() {
            assert_eq!(row.object, CHECK);
            said.push((json!(row.record), Value::Object(row.fields)));
        }
    }
    said
}

/// Gives Acme the external id by which rows name it.
fn named(house: &House) {
    let (kind, key) = (CrmKind::Salesforce, "Ext_Id__c");
    let sandbox = &house.sandbox;
    assert!(sandbox.set_field(kind, "Account", seed::ACME, key, json!("e-1")));
}

#[tokio::test]
async fn a_job_writes_what_its_rows_say_and_is_taken_back() {
    let house = House::builder().build().await;
    let agent = house.agent();
    named(&house);
    let spec = json!({ "object": "health_check__C", "operation": "upsert",
        "externalIdFieldName": "Ext_Id__c" });
    let csv = "Ext_Id__c,Score__c,Account__r.Ext_Id__c\nH-2,8,e-1\n";
    let before = world(&house, CHECK);
    let (job, answer) = ran(&agent, &spec, csv).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(looks(&house), 1);
    let fields = BTreeSet::from(["Account__c".into(), "Score__c".into()]);
    assert_eq!(told(&house).await, fields);
    let made = world(&house, CHECK);
    let record = made.values().next().unwrap();
    assert_eq!(record["Account__c"], seed::ACME);
    assert_eq!(
        (&record["Score__c"], &record["Ext_Id__c"]),
        (&json!(8.0), &json!("H-2"))
    );
    let rows = recorded(&house).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].0, json!({ "key": "Ext_Id__c", "value": "H-2" }));
    assert_eq!(rows[0].1["Score__c"], "8");
    agent.get(&format!("{JOBS}/{job}")).await;
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Done, "{:?}", entry.message);
    let report = undone(&house, &[&entry.id.to_string()], false).await;
    assert_eq!(sums(&report), [1, 0, 0, 0], "{report}");
    assert_eq!(world(&house, CHECK), before);
    house.finish().await;
}

/// By their ids, which begin as the org says.
#[tokio::test]
async fn an_update_by_ids_changes_the_fields_that_its_entry_names() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let id = check(&agent).await;
    let before = world(&house, CHECK);
    let wrong = format!("Id,Score__c\n{},1\n", seed::ACME);
    let (_, refused) = ran(&agent, &updates(CHECK), &wrong).await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "{}", refused.text());
    let csv = format!("Id,Score__c,Notes__c\n{id},#N/A,x\n");
    let (job, answer) = ran(&agent, &updates(CHECK), &csv).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let changes = changed(&before, &world(&house, CHECK));
    assert_eq!(names(&changes), told(&house).await);
    let fields = json!({ "Score__c": null, "Notes__c": "x" });
    assert_eq!(json!(changes), json!({ &id: fields }));
    assert_eq!(recorded(&house).await, [(json!({ "id": id }), fields)]);
    agent.get(&format!("{JOBS}/{job}")).await;
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Done, "{:?}", entry.message);
    let report = undone(&house, &[&entry.id.to_string()], false).await;
    assert_eq!(sums(&report), [2, 0, 0, 0], "{report}");
    assert!(changed(&before, &world(&house, CHECK)).is_empty());
    assert_eq!(looks(&house), 1);
    house.finish().await;
}

fn client(house: &House) -> Client {
    let client = Client::new(house.salesforce, "").with("x-sfdc-session", TOKEN);
    client.with("content-type", "application/xml; charset=UTF-8")
}

fn member(reply: &Reply, name: &str) -> String {
    let text = reply.text();
    let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

/// Makes a job of batches in XML.
async fn asked(agent: &Client, operation: &str, object: &str, more: &str) -> Reply {
    let body = format!(
        "<jobInfo xmlns=\"{SPACE}\"><operation>{operation}</operation><object>{object}</object>{more}\
         <contentType>XML</contentType></jobInfo>"
    );
    agent.raw(Method::POST, V1, Some(body.into())).await
}

async fn posted(agent: &Client, job: &str, rows: &str) -> Reply {
    let body = format!("<sObjects xmlns=\"{SPACE}\">{rows}</sObjects>");
    let target = format!("{V1}/{job}/batch");
    agent.raw(Method::POST, &target, Some(body.into())).await
}

#[tokio::test]
async fn a_batch_writes_what_its_rows_say_and_is_taken_back() {
    let house = House::builder().build().await;
    let agent = client(&house);
    named(&house);
    let made = asked(&agent, "insert", CHECK, "").await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(looks(&house), 1);
    let target = |job: &Reply, batch: &Reply| {
        format!("{V1}/{}/batch/{}", member(job, "id"), member(batch, "id"))
    };
    let empty = world(&house, CHECK);
    let rows = "<sObject><Score__c>1</Score__c></sObject><sObject><Score__c>2</Score__c></sObject>";
    let batch = posted(&agent, &member(&made, "id"), rows).await;
    assert_eq!(batch.status, StatusCode::CREATED, "{}", batch.text());
    assert_eq!(world(&house, CHECK).len(), empty.len() + 2);
    agent.get(&target(&made, &batch)).await;
    let inserted = newest(&house).await.id.to_string();
    let report = undone(&house, &[&inserted], false).await;
    assert_eq!(sums(&report), [2, 0, 0, 0], "{report}");
    assert_eq!(world(&house, CHECK), empty);

    let ids = [
        check(&house.agent()).await,
        other_check(&house.agent()).await,
    ];
    let before = world(&house, CHECK);
    let made = asked(&agent, "update", CHECK, "").await;
    let rows = format!(
        "<sObject><Id>{}</Id><Account__r><sObject><Ext_Id__c>e-1</Ext_Id__c></sObject></Account__r>\
         </sObject><sObject><Id>{}</Id><Score__c>3</Score__c></sObject>",
        ids[0], ids[1]
    );
    let batch = posted(&agent, &member(&made, "id"), &rows).await;
    assert_eq!(batch.status, StatusCode::CREATED, "{}", batch.text());
    let changes = changed(&before, &world(&house, CHECK));
    assert_eq!(names(&changes), told(&house).await);
    assert_eq!(
        json!(changes),
        json!({ &ids[0]: { "Account__c": seed::ACME }, &ids[1]: { "Score__c": 3.0 } })
    );
    let rows = recorded(&house).await;
    assert_eq!(
        rows[1],
        (json!({ "id": ids[1] }), json!({ "Score__c": "3" }))
    );
    agent.get(&target(&made, &batch)).await;
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Done, "{:?}", entry.message);
    // to what the CRM resolved the relationship is not known, so it stays
    let report = undone(&house, &[&entry.id.to_string()], false).await;
    assert_eq!(sums(&report), [1, 0, 1, 0], "{report}");
    let left = changed(&before, &world(&house, CHECK));
    assert_eq!(
        json!(left),
        json!({ &ids[0]: { "Account__c": seed::ACME } })
    );
    assert_eq!(looks(&house), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_row_that_is_denied_keeps_all_of_them_back() {
    let rules = "
crm: salesforce
default: allow
objects: { Health_Check__c: { delete: deny, fields: { Notes__c: { agents: deny, owner: RevOps } } } }
";
    let house = House::builder().rules(rules).build().await;
    let (agent, batches) = (house.agent(), client(&house));
    let id = check(&agent).await;
    let before = world(&house, CHECK);
    let csv = format!("Id,Notes__c\n{id},x\n");
    let (_, refused) = ran(&agent, &updates(CHECK), &csv).await;
    let deletes = json!({ "object": CHECK, "operation": "delete" });
    let early = agent.post(JOBS, &deletes).await;
    let job = member(&asked(&batches, "update", CHECK, "").await, "id");
    let rows = format!("<sObject><Id>{id}</Id><Notes__c>x</Notes__c></sObject>");
    let batch = posted(&batches, &job, &rows).await;
    for (reply, named) in [
        (refused, "Health_Check__c.Notes__c"),
        (early, CHECK),
        (batch, "Health_Check__c.Notes__c"),
    ] {
        assert_eq!(reply.code(), "WRITEGATE_DENIED", "{}", reply.text());
        assert!(reply.message().contains(named), "{}", reply.text());
    }
    assert_eq!(world(&house, CHECK), before);
    house.finish().await;
}

/// The prefix is in the job's record: neither a restart nor a CRM that tells its types no more matters.
#[tokio::test]
async fn a_job_is_fed_after_a_restart_without_another_look() {
    let house = House::builder().build().await;
    let id = check(&house.agent()).await;
    let job = made(&house.agent(), &updates(CHECK)).await;
    let sandbox = Arc::clone(&house.sandbox);
    let folder = house.close().await;
    let house = House::builder().folder(&folder).crm(&sandbox).build().await;
    let looked = looks(&house);
    let agent = house.agent();
    let taken = fed(&agent, &job, format!("Id,Score__c\n{id},9\n")).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let answer = super::committed(&agent, &job).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(super::field(&house, CHECK, &id, "Score__c"), 9.0);
    assert_eq!(looks(&house), looked);
    house.finish().await;
}

/// A job that was made beside the proxy: its object is looked up with it.
#[tokio::test]
async fn a_job_that_was_made_elsewhere_has_its_object_looked_up() {
    let house = House::builder().build().await;
    let address = house.sandbox.base_url();
    let address = address.trim_start_matches("http://").parse().unwrap();
    let direct = Client::new(address, TOKEN);
    let inserts = json!({ "object": CHECK, "operation": "insert" });
    let job = made(&direct, &inserts).await;
    let taken = fed(&house.agent(), &job, "Score__c\n9\n").await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let answer = super::committed(&house.agent(), &job).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!((looks(&house), house.sandbox.writes().len()), (1, 1));
    assert_eq!(told(&house).await, BTreeSet::from(["Score__c".into()]));
    house.finish().await;
}

#[tokio::test]
async fn an_object_that_the_org_does_not_tell_has_no_jobs() {
    let house = House::builder().build().await;
    let (agent, batches) = (house.agent(), client(&house));
    for object in ["Nothing__c", "ns__Nothing__c", "Nothing__x", "ApexClass"] {
        let refused = agent.post(JOBS, &updates(object)).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
        let refused = asked(&batches, "update", object, "").await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    }
    let jobs = |target: &str| target.contains("/job");
    let seen = house.sandbox.seen();
    assert!(!seen.iter().any(|seen| jobs(&seen.target)));
    assert_eq!(looks(&house), 2, "once for each form of the credential");
    house.finish().await;
}

#[tokio::test]
async fn a_look_that_fails_makes_no_job() {
    for (status, told) in [
        (401, "INVALID_SESSION_ID"),
        (429, "INVALID_SESSION_ID"),
        (403, "WRITEGATE_UNAVAILABLE"),
        (500, "WRITEGATE_UNAVAILABLE"),
    ] {
        let house = House::builder().build().await;
        let fault = || Fault::Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: r#"[{"errorCode":"INVALID_SESSION_ID","message":"x"}]"#.into(),
        };
        let of_types = |head: &Head<'_>| head.path == "/services/data/v60.0/sobjects";
        house.sandbox.script(of_types, 1, fault());
        let reply = house.agent().post(JOBS, &updates(CHECK)).await;
        assert_eq!(reply.code(), told, "{status}: {}", reply.text());
        house.sandbox.script(of_types, 1, fault());
        let reply = asked(&client(&house), "update", CHECK, "").await;
        assert!(reply.text().contains(told), "{status}: {}", reply.text());
        let jobs = |target: &str| target.contains("/job");
        assert!(!house.sandbox.seen().iter().any(|seen| jobs(&seen.target)));
        // and nothing was learned from it
        made(&house.agent(), &updates(CHECK)).await;
        house.finish().await;
    }
}
