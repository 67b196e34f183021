//! Batches: one row that is held holds the whole request, and the agent is told which rows it is for.

use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;

use super::{Bench, SALES_OPS, builder, hold_of};
use crate::support::client::Reply;

const COLLECTIONS: &str = "/services/data/v61.0/composite/sobjects";

/// Stages are Sales Ops's, names ask for a reason of their own, many rows at once are looked at.
const RULES: &str = r#"
crm: salesforce
default: allow
objects:
  "*": { fields: { Type: { agents: hold, owner: Sales Ops } } }
  Opportunity:
    fields:
      StageName|Type: { agents: hold, owner: Sales Ops }
rules:
  - { name: names, applies: { field: [Name, Description] }, then: hold, reason: Names are looked at. }
  - { name: many, when: { request.mutations: { at_least: 4 } }, then: hold, reason: Many rows are looked at. }
"#;
const HUBSPOT: &str = "
crm: hubspot
default: allow
objects: { deals: { fields: { dealstage: { agents: hold, owner: Sales Ops } } } }
";

async fn send(bench: &Bench, rows: &[Value]) -> Reply {
    let deals = bench.deals();
    let records: Vec<Value> = rows
        .iter()
        .zip(&deals)
        .map(|(fields, id)| {
            let mut record = json!({ "attributes": { "type": "Opportunity" }, "id": id });
            let members = record.as_object_mut().unwrap();
            members.extend(fields.as_object().unwrap().clone());
            record
        })
        .collect();
    let body = json!({ "allOrNone": false, "records": records });
    let agent = bench.house.agent();
    agent.send(Method::PATCH, COLLECTIONS, Some(&body)).await
}

/// `Not written yet, 0 of 3: waits …` and what stands behind `Why: `.
fn told(reply: &Reply) -> (String, String) {
    let message = reply.message();
    let (opening, rest) = message.split_once(": waits for ").unwrap();
    let (_, why) = rest.split_once("Why: ").unwrap();
    let (why, _) = why.split_once(". [hold ").unwrap();
    (opening.to_owned(), why.to_owned())
}

#[tokio::test]
async fn the_rows_that_are_held_are_named() {
    let bench = Bench::of(builder(RULES)).await;
    let (free, stage) = (json!({ "NextStep": "x" }), json!({ "StageName": "x" }));
    let cases = [
        (
            vec![free.clone(), stage.clone()],
            "0 of 2",
            "records[1]: Opportunity.StageName is decided by Sales Ops",
        ),
        (
            vec![stage.clone(), free.clone(), stage.clone()],
            "0 of 3",
            "records[0], records[2]: Opportunity.StageName is decided by Sales Ops",
        ),
        (
            vec![json!({ "StageName": "x", "Type": "x" }), free.clone()],
            "0 of 2",
            "records[0]: Opportunity.StageName is decided by Sales Ops; records[0]: Opportunity.Type is decided by Sales Ops",
        ),
        // two rows of the matrix say the same of one row
        (
            vec![free.clone(), json!({ "Type": "x" })],
            "0 of 2",
            "records[1]: Opportunity.Type is decided by Sales Ops",
        ),
        // two fields of one row ask for the same: the row is named once
        (
            vec![free.clone(), json!({ "Name": "x", "Description": "x" })],
            "0 of 2",
            "records[1]: Names are looked at (rule names)",
        ),
        // what all rows are held for needs no list of them
        (
            vec![stage.clone(), stage.clone()],
            "0 of 2",
            "Opportunity.StageName is decided by Sales Ops",
        ),
        (
            vec![free.clone(), free.clone(), free, stage],
            "0 of 4",
            "Many rows are looked at (rule many); records[3]: Opportunity.StageName is decided by Sales Ops",
        ),
    ];
    for (rows, count, expected) in cases {
        let held = send(&bench, &rows).await;
        let (opening, why) = told(&held);
        assert_eq!(opening, format!("Not written yet, {count}"));
        assert_eq!(why, expected, "{rows:?}");
    }
    assert!(bench.writes().is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn the_whole_batch_waits_and_goes_as_one() {
    let bench = Bench::of(builder(RULES)).await;
    let deals = bench.deals();
    let rows = [
        json!({ "NextStep": "call" }),
        json!({ "StageName": "Prospecting" }),
    ];
    let held = send(&bench, &rows).await;
    let id = hold_of(&held);
    assert_ne!(bench.opportunity(&deals[0], "NextStep"), "call");
    assert_eq!(hold_of(&send(&bench, &rows).await), id);
    bench.release(SALES_OPS, &id).await;
    assert_eq!(bench.writes().len(), 1);
    let answer = send(&bench, &rows).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json().as_array().unwrap().len(), 2);
    assert_eq!(bench.opportunity(&deals[0], "NextStep"), "call");
    assert_eq!(bench.opportunity(&deals[1], "StageName"), "Prospecting");
    bench.finish().await;
}

/// All or none is part of what is asked: with it turned round it is another request.
#[tokio::test]
async fn all_or_none_turned_round_is_another_request() {
    let bench = Bench::of(builder(RULES)).await;
    let deals = bench.deals();
    let send = |more: &'static str| {
        let body = format!(
            "{{{more}\"records\":[{{\"attributes\":{{\"type\":\"Opportunity\"}},\"id\":\"{}\",\
             \"StageName\":\"x\"}}]}}",
            deals[0]
        );
        let agent = bench.house.agent();
        async move {
            let reply = agent
                .raw(Method::PATCH, COLLECTIONS, Some(body.into()))
                .await;
            hold_of(&reply)
        }
    };
    let one = send("\"allOrNone\":false,").await;
    assert_eq!(send("\"allOrNone\" : false , ").await, one);
    assert_ne!(send("\"allOrNone\":true,").await, one);
    bench.finish().await;
}

#[tokio::test]
async fn hubspot_callers_get_the_rows_apart_too() {
    let bench = Bench::of(builder(HUBSPOT)).await;
    let deals = bench.house.sandbox.ids(CrmKind::HubSpot, "deals");
    let body = json!({ "inputs": [
        { "id": deals[0], "properties": { "description": "x" } },
        { "id": deals[2], "properties": { "dealstage": "presentationscheduled" } },
    ]});
    let agent = bench.house.hubspot_agent();
    let held = agent
        .post("/crm/v3/objects/deals/batch/update", &body)
        .await;
    assert_eq!(held.code(), "WRITEGATE_HELD");
    assert_eq!(held.json()["context"]["rows"], json!(["inputs[1]"]));
    assert_eq!(
        told(&held),
        (
            "Not written yet, 0 of 2".to_owned(),
            "inputs[1]: deals.dealstage is decided by Sales Ops".to_owned()
        )
    );
    bench.finish().await;
}
