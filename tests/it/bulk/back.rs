//! A job is taken back row by row: what its rows wrote and its records still hold.

use http::StatusCode;
use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Head, seed};

use super::{JOBS, field, newest, ran, updates, world};
use crate::support::client::Client;
use crate::support::house::{APPROVER, House, TOKEN};

/// Runs a job to its end; its entry.
async fn run(house: &House, spec: &Value, csv: &str) -> String {
    let agent = house.agent();
    let (job, answer) = ran(&agent, spec, csv).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    agent.get(&format!("{JOBS}/{job}")).await;
    let entry = newest(house).await;
    assert!(
        [EntryState::Done, EntryState::Partly].contains(&entry.state),
        "{entry:?}"
    );
    entry.id.to_string()
}

pub(super) async fn undone(house: &House, entries: &[&str], dry_run: bool) -> Value {
    let admin = Client::new(house.operators().await, APPROVER);
    let wish = json!({ "entries": entries, "dry_run": dry_run });
    let reply = admin.post("/api/v1/reverts", &wish).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
    reply.json()
}

pub(super) fn sums(report: &Value) -> [u64; 4] {
    let sum = |name: &str| report["summary"][name].as_u64().unwrap();
    [
        sum("restored"),
        sum("already"),
        sum("skipped"),
        sum("impossible"),
    ]
}

/// All fields of all accounts but those that Salesforce keeps itself.
fn kept(house: &House) -> Value {
    let mut world = world(house, "Account");
    for record in world.values_mut() {
        record.retain(|name, _| !name.starts_with("LastModified") && name != "SystemModstamp");
    }
    json!(world)
}

#[tokio::test]
async fn an_update_is_taken_back_where_nobody_else_wrote_since() {
    let house = House::builder().build().await;
    let before = kept(&house);
    let csv = format!(
        "Id,Industry,NumberOfEmployees\n{},New,120\n{},#N/A,7\n{},New,many\n",
        seed::ACME,
        seed::GLOBEX,
        seed::INITECH
    );
    let entry = run(&house, &updates("Account"), &csv).await;
    assert_ne!(kept(&house), before);
    let dry = undone(&house, &[&entry], true).await;
    assert_eq!(sums(&dry), [4, 0, 0, 0], "{dry}");
    let sandbox = &house.sandbox;
    let theirs = json!("Theirs");
    assert!(sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::GLOBEX,
        "Industry",
        theirs
    ));
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [3, 0, 1, 0], "{report}");
    assert_eq!(field(&house, "Account", seed::GLOBEX, "Industry"), "Theirs");
    let industry = before[seed::GLOBEX]["Industry"].clone();
    assert!(sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::GLOBEX,
        "Industry",
        industry
    ));
    assert_eq!(kept(&house), before);
    house.finish().await;
}

#[tokio::test]
async fn records_that_a_job_made_are_deleted() {
    let house = House::builder().build().await;
    let before = kept(&house);
    let spec = json!({ "object": "Account", "operation": "insert" });
    let entry = run(&house, &spec, "Name,Industry\nOne,A\nTwo,B\nThree,C\n").await;
    let ids = house.sandbox.ids(CrmKind::Salesforce, "Account");
    let touched = ids
        .iter()
        .find(|id| field(&house, "Account", id, "Name") == "Two")
        .unwrap();
    let theirs = json!("Theirs");
    assert!(
        house
            .sandbox
            .set_field(CrmKind::Salesforce, "Account", touched, "Industry", theirs)
    );
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [2, 0, 1, 0], "{report}");
    let mut now = kept(&house);
    assert_eq!(now[touched]["Industry"], "Theirs");
    now.as_object_mut().unwrap().remove(touched);
    assert_eq!(now, before);
    house.finish().await;
}

#[tokio::test]
async fn an_upsert_is_taken_back_both_ways() {
    let house = House::builder().build().await;
    assert!(house.sandbox.set_field(
        CrmKind::Salesforce,
        "Account",
        seed::ACME,
        "Ext_Id__c",
        json!("e-1")
    ));
    let before = kept(&house);
    let spec =
        json!({ "object": "Account", "operation": "upsert", "externalIdFieldName": "Ext_Id__c" });
    let entry = run(&house, &spec, "Ext_Id__c,Name\ne-1,Renamed\ne-2,Made\n").await;
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [2, 0, 0, 0], "{report}");
    assert_eq!(kept(&house), before);
    house.finish().await;
}

/// More rows than one collection, one chunk of the record, and one page of a report have.
#[tokio::test]
async fn a_job_of_many_rows_is_taken_back_in_parts() {
    let house = House::builder().build().await;
    let before = kept(&house);
    let spec = json!({ "object": "Account", "operation": "insert" });
    let mut csv = String::from("Name\n");
    for place in 0..2_150 {
        csv.push_str(&format!("Many {place}\n"));
    }
    let entry = run(&house, &spec, &csv).await;
    let made = house.sandbox.writes().len();
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [2_150, 0, 0, 0]);
    assert_eq!(report["items"].as_array().unwrap().len(), 1_000);
    assert_eq!(report["summary"]["unlisted"], 1_150);
    assert_eq!(kept(&house), before);
    let deletes = house.sandbox.writes().len() - made;
    assert_eq!(deletes, 11, "200 records by one request, chunk by chunk");
    house.finish().await;
}

#[tokio::test]
async fn a_job_of_which_nothing_is_known_yet_is_left_alone() {
    let house = House::builder().build().await;
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    ran(&house.agent(), &updates("Account"), &csv).await;
    let entry = newest(&house).await.id.to_string();
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [0, 0, 0, 1], "{report}");
    let why = report["items"][0]["why"].as_str().unwrap();
    assert!(why.contains("its results are pending"), "{why}");
    assert_eq!(field(&house, "Account", seed::ACME, "Industry"), "A");
    house.finish().await;
}

/// A batch of Bulk API 1.0 and a plain write between two jobs: newest first.
#[tokio::test]
async fn jobs_and_plain_writes_are_taken_back_in_their_order() {
    let house = House::builder().build().await;
    let before = kept(&house);
    let agent = house.agent();
    let one = |industry: &str| format!("Id,Industry\n{},{industry}\n", seed::ACME);
    let first = run(&house, &updates("Account"), &one("First")).await;
    let plain = agent
        .patch(
            &format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
            &json!({ "Industry": "Second" }),
        )
        .await;
    let second = plain.header("x-writegate-entry").unwrap().to_owned();
    let batches = Client::new(house.salesforce, "").with("x-sfdc-session", TOKEN);
    let job = json!({ "object": "Account", "operation": "update", "contentType": "JSON" });
    let made = batches.post("/services/async/60.0/job", &job).await;
    let job = made.json()["id"].as_str().unwrap().to_owned();
    let rows = json!([{ "Id": seed::ACME, "Industry": "Third" }]);
    let target = format!("/services/async/60.0/job/{job}/batch");
    let batch = batches.post(&target, &rows).await;
    let id = batch.json()["id"].as_str().unwrap().to_owned();
    batches.get(&format!("{target}/{id}")).await;
    let third = batch.header("x-writegate-entry").unwrap().to_owned();
    let report = undone(&house, &[&first, &third, &second], false).await;
    assert_eq!(sums(&report), [3, 0, 0, 0], "{report}");
    assert_eq!(kept(&house), before);
    house.finish().await;
}

/// Some rows were refused and which ones cannot be read any more: nothing is there to be settled.
#[tokio::test]
async fn rows_that_the_crm_tells_nothing_of_are_named_so() {
    let house = House::builder().build().await;
    let gone = Fault::Answer {
        status: 404,
        headers: Vec::new(),
        body: "[]".into(),
    };
    let of_results = |head: &Head<'_>| head.path.ends_with("/successfulResults");
    house.sandbox.script(of_results, 1, gone);
    let (acme, globex) = (seed::ACME, seed::GLOBEX);
    let csv = format!("Id,NumberOfEmployees\n{acme},7\n{globex},many\n");
    let entry = run(&house, &updates("Account"), &csv).await;
    assert_eq!(newest(&house).await.state, EntryState::Partly);
    let report = undone(&house, &[&entry], false).await;
    assert_eq!(sums(&report), [0, 0, 0, 2], "{report}");
    for item in report["items"].as_array().unwrap() {
        let why = "the CRM does not tell what became of it: look at the record";
        assert_eq!(item["why"], why, "{report}");
    }
    assert_eq!(field(&house, "Account", acme, "NumberOfEmployees"), 7);
    house.finish().await;
}
