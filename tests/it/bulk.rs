//! P1 for bulk jobs: the write is the commit. Nothing is committed that did not pass here row by row,
//! and what the record of a job says would change is what changes.

mod asked;
mod back;
mod batches;
mod client;
mod cut;
mod held;
mod large;
mod own;
mod record;
mod rows;
mod shown;
mod start;
mod told;
mod unseen;
mod whose;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use writegate::crm::salesforce::bulk::csv::{Dialect, Reader};
use writegate::journal::job::Name;
use writegate::journal::read::Entry;
use writegate::mutation::CrmKind;

use super::support::client::{Client, Reply};
use super::support::house::House;

/// Where jobs are.
pub(crate) const JOBS: &str = "/services/data/v60.0/jobs/ingest";

/// Makes a job and returns its id.
pub(crate) async fn made(agent: &Client, spec: &Value) -> String {
    let made = agent.post(JOBS, spec).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    assert_eq!(made.json()["state"], "Open");
    made.json()["id"].as_str().unwrap().to_owned()
}

/// Uploads rows.
pub(crate) async fn fed(agent: &Client, job: &str, csv: impl Into<Bytes>) -> Reply {
    let target = format!("{JOBS}/{job}/batches");
    let agent = agent.with("content-type", "text/csv");
    agent.raw(Method::PUT, &target, Some(csv.into())).await
}

/// Asks for the commit.
pub(crate) async fn committed(agent: &Client, job: &str) -> Reply {
    let body = json!({ "state": "UploadComplete" });
    agent.patch(&format!("{JOBS}/{job}"), &body).await
}

/// Makes, feeds and commits.
pub(crate) async fn ran(agent: &Client, spec: &Value, csv: &str) -> (String, Reply) {
    let job = made(agent, spec).await;
    let taken = fed(agent, &job, csv.to_owned()).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let answer = committed(agent, &job).await;
    (job, answer)
}

/// A job that updates accounts.
pub(crate) fn updates(object: &str) -> Value {
    json!({ "object": object, "operation": "update" })
}

pub(crate) fn field(house: &House, object: &str, id: &str, name: &str) -> Value {
    let record = house.sandbox.record(CrmKind::Salesforce, object, id);
    record.unwrap_or_else(|| panic!("{object} {id} is gone"))[name].clone()
}

/// The entry of the last commit, or of its refusal.
pub(crate) async fn newest(house: &House) -> Entry {
    house.entries().await.remove(0)
}

/// What the record of a job says that its rows write: by row, field → value.
pub(crate) async fn recorded(house: &House, job: &str) -> Vec<BTreeMap<String, String>> {
    let name = Name {
        route: "salesforce",
        job,
        service_account: "enrichment-agent",
    };
    let journal = &house.app.journal;
    let steps = journal.job_steps(&name).await.unwrap();
    let header = steps.iter().find_map(|(step, _)| {
        let told = json!(step);
        told["header"].as_str().map(str::to_owned)
    });
    let mut text = header.unwrap();
    let mut after = None;
    while let Some((chunk, place)) = journal.next_chunk(&name, after).await.unwrap() {
        after = Some(place);
        text.push_str(&chunk.csv);
    }
    let mut records: Vec<Vec<String>> = Vec::new();
    let mut reader = Reader::new(Dialect::default());
    let mut keep = |record: writegate::crm::salesforce::bulk::csv::Record<'_>| {
        records.push(record.cells().map(str::to_owned).collect());
        Ok(())
    };
    reader.push(text.as_bytes(), &mut keep).unwrap();
    reader.finish(&mut keep).unwrap();
    let header = records.remove(0);
    let named = |cells: Vec<String>| header.iter().cloned().zip(cells).collect();
    records.into_iter().map(named).collect()
}

/// All records of an object, by id.
pub(crate) fn world(house: &House, object: &str) -> BTreeMap<String, Map<String, Value>> {
    let ids = house.sandbox.ids(CrmKind::Salesforce, object);
    let record = |id: String| {
        let found = house
            .sandbox
            .record(CrmKind::Salesforce, object, &id)
            .unwrap();
        (id, found)
    };
    ids.into_iter().map(record).collect()
}
