//! A job that is made, fed and committed by one request: its rows are taken down before it goes.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::json;
use writegate::journal::read::EntryState;
use writegate::sandbox::seed;

use super::{JOBS, field, newest, world};
use crate::holds::{Bench, SALES_OPS, builder, hold_of};
use crate::support::client::{Client, Reply};
use crate::support::house::House;

fn body(operation: &str, csv: &str) -> Bytes {
    let job = json!({ "object": "Account", "operation": operation });
    Bytes::from(format!(
        "--BOUNDARY\r\nContent-Disposition: form-data; name=\"job\"\r\n\
         Content-Type: application/json; charset=UTF-8\r\n\r\n{job}\r\n\
         --BOUNDARY\r\nContent-Disposition: form-data; name=\"content\"; filename=\"content\"\r\n\
         Content-Type: text/csv\r\n\r\n{csv}\r\n--BOUNDARY--\r\n"
    ))
}

async fn started(agent: &Client, body: Bytes) -> Reply {
    let agent = agent.with("content-type", "multipart/form-data; boundary=BOUNDARY");
    agent.raw(Method::POST, JOBS, Some(body)).await
}

#[tokio::test]
async fn a_job_that_starts_at_once_is_judged_row_by_row() {
    let rules = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: fill-else-deny } } }, '*': { delete: deny } }
";
    let house = House::builder().rules(rules).build().await;
    let before = world(&house, "Account");
    let fills = format!("Id,Industry\n{},Software\n", seed::ACME);
    let overwrites = format!("{fills}{},Retail\n", seed::GLOBEX);
    let refused = started(&house.agent(), body("update", &overwrites)).await;
    assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    assert!(
        refused.message().contains("rows[1]"),
        "{}",
        refused.message()
    );
    let deletes = format!("Id\n{}\n", seed::ACME);
    let refused = started(&house.agent(), body("delete", &deletes)).await;
    assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    let odd = body("update", &fills).slice(2..);
    assert_eq!(
        started(&house.agent(), odd).await.code(),
        "WRITEGATE_MALFORMED"
    );
    let open = body("update", "Id,Industry\n1,\"x");
    assert_eq!(
        started(&house.agent(), open).await.code(),
        "WRITEGATE_MALFORMED"
    );
    assert_eq!(world(&house, "Account"), before);
    let answer = started(&house.agent(), body("update", &fills)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(field(&house, "Account", seed::ACME, "Industry"), "Software");
    assert_eq!(newest(&house).await.state, EntryState::Accepted);
    let job = answer.json()["id"].as_str().unwrap().to_owned();
    house.agent().get(&format!("{JOBS}/{job}")).await;
    assert_eq!(newest(&house).await.state, EntryState::Done);
    let again = super::committed(&house.agent(), &job).await;
    assert_eq!(
        again.json()[0]["errorCode"],
        "WRITEGATE_OPAQUE",
        "its rows are not under its id"
    );
    house.finish().await;
}

#[tokio::test]
async fn a_job_that_starts_at_once_waits_as_a_whole() {
    let rules = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: hold, owner: Sales Ops } } } }
";
    let bench = Bench::of(builder(rules)).await;
    let agent = bench.house.agent();
    let rows = body("update", &format!("Id,Industry\n{},Held\n", seed::ACME));
    let id = hold_of(&started(&agent, rows.clone()).await);
    assert_eq!(
        hold_of(&started(&agent, rows.clone()).await),
        id,
        "the same hold"
    );
    assert!(bench.writes().is_empty());
    bench.release(SALES_OPS, &id).await;
    assert_eq!(
        field(&bench.house, "Account", seed::ACME, "Industry"),
        "Held"
    );
    let answer = started(&agent, rows).await;
    assert_eq!(
        answer.header("x-writegate-replayed"),
        Some("true"),
        "{}",
        answer.text()
    );
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}
