//! A job is ended by whose it is: nothing judges an abort, so nobody aborts what others made elsewhere.

use http::{Method, StatusCode};
use serde_json::json;
use writegate::sandbox::seed;

use super::batches::{self, JOB, client, posted};
use super::{JOBS, fed, updates};
use crate::support::client::{Client, Reply};
use crate::support::house::{House, OTHER_TOKEN, TOKEN};

/// Asks for the end of a job of batches.
async fn turned(agent: &Client, job: &str, state: &str) -> Reply {
    let body = json!({ "state": state }).to_string();
    let agent = agent.with("content-type", "application/json");
    let target = format!("{JOB}/{job}");
    agent.raw(Method::POST, &target, Some(body.into())).await
}

#[tokio::test]
async fn a_job_of_batches_that_others_made_is_not_ended() {
    let house = House::builder().build().await;
    let theirs = Client::new(house.sandbox.addr, "").with("x-sfdc-session", TOKEN);
    let (agent, other) = (client(&house, TOKEN), client(&house, OTHER_TOKEN));
    let job = batches::made(&theirs, "update", "JSON", &[]).await;
    for state in ["Aborted", "Closed"] {
        let refused = turned(&agent, &job, state).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    }
    // a batch that the CRM does not get makes it nobody's
    let refused = posted(&agent, &job, "JSON", "[{]").await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "{}", refused.text());
    let refused = turned(&agent, &job, "Aborted").await;
    assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    // one that it takes does
    let rows = json!([{ "Id": seed::ACME, "Industry": "A" }]).to_string();
    let taken = posted(&other, &job, "JSON", rows.clone()).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    for refused in [
        posted(&agent, &job, "JSON", rows).await,
        turned(&agent, &job, "Aborted").await,
    ] {
        assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    }
    let closed = turned(&other, &job, "Closed").await;
    assert_eq!(closed.status, StatusCode::OK, "{}", closed.text());
    let own = batches::made(&agent, "update", "JSON", &[]).await;
    let aborted = turned(&agent, &own, "Aborted").await;
    assert_eq!(aborted.status, StatusCode::OK, "{}", aborted.text());
    house.finish().await;
}

#[tokio::test]
async fn an_upload_that_breaks_off_makes_a_job_nobody_s() {
    let house = House::builder().build().await;
    let (agent, theirs) = (house.agent(), Client::new(house.sandbox.addr, TOKEN));
    let job = super::made(&theirs, &updates("Account")).await;
    let refused = fed(&agent, &job, "Id,Industry\n\"never ended\n").await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "{}", refused.text());
    let target = format!("{JOBS}/{job}");
    for (method, body) in [
        (Method::PATCH, Some(json!({ "state": "Aborted" }))),
        (Method::DELETE, None),
    ] {
        let refused = agent.send(method, &target, body.as_ref()).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    }
    assert_eq!(theirs.get(&target).await.json()["state"], "Open");
    house.finish().await;
}
