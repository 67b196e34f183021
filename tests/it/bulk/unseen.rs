//! Nothing is committed whose rows did not pass here.

use http::{Method, StatusCode};
use serde_json::json;
use writegate::sandbox::seed;

use super::{JOBS, committed, fed, made, ran, updates, world};
use crate::support::client::Client;
use crate::support::house::{House, TOKEN};
use crate::support::wire::{statuses, talk};

fn direct(house: &House) -> Client {
    let address = house.sandbox.base_url();
    let address = address.trim_start_matches("http://").parse().unwrap();
    Client::new(address, TOKEN)
}

fn csv() -> String {
    format!("Id,Industry\n{},Software\n", seed::ACME)
}

#[tokio::test]
async fn a_job_that_was_fed_elsewhere_is_not_committed() {
    let house = House::builder().build().await;
    let (agent, direct) = (house.agent(), direct(&house));
    let before = world(&house, "Account");
    let elsewhere = made(&direct, &updates("Account")).await;
    fed(&direct, &elsewhere, csv()).await;
    let half = made(&agent, &updates("Account")).await;
    fed(&direct, &half, csv()).await;
    let unfed = made(&agent, &updates("Account")).await;
    for job in [&elsewhere, &half, &unfed] {
        let refused = committed(&agent, job).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE");
    }
    assert_eq!(world(&house, "Account"), before);
    house.finish().await;
}

#[tokio::test]
async fn a_job_that_was_made_elsewhere_is_looked_up_before_it_is_fed() {
    let rules = "
crm: salesforce
default: allow
objects: { Account: { fields: { Industry: { agents: deny } } }, '*': { delete: deny } }
";
    let house = House::builder().rules(rules).build().await;
    let (agent, direct) = (house.agent(), direct(&house));
    let deletes = json!({ "object": "Account", "operation": "delete" });
    for (spec, csv) in [
        (updates("Account"), csv()),
        (deletes, format!("Id\n{}\n", seed::ACME)),
    ] {
        let job = made(&direct, &spec).await;
        let taken = fed(&agent, &job, csv).await;
        assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
        let refused = committed(&agent, &job).await;
        assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    }
    let job = made(&direct, &updates("Account")).await;
    direct
        .patch(&format!("{JOBS}/{job}"), &json!({ "state": "Aborted" }))
        .await;
    let refused = fed(&agent, &job, csv()).await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "it is not open");
    let unknown = fed(&agent, "7500000000000zzAAA", csv()).await;
    assert!(!unknown.status.is_success());
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_second_upload_is_refused_and_changes_nothing() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = made(&agent, &updates("Account")).await;
    assert_eq!(fed(&agent, &job, csv()).await.status, StatusCode::CREATED);
    let requests = house.sandbox.requests();
    let other = format!("Id,Name\n{},Other\n", seed::GLOBEX);
    let refused = fed(&agent, &job, other).await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "{}", refused.text());
    assert_eq!(
        house.sandbox.requests(),
        requests,
        "no byte reached the CRM"
    );
    assert_eq!(committed(&agent, &job).await.status, StatusCode::OK);
    assert_eq!(
        super::field(&house, "Account", seed::ACME, "Industry"),
        "Software"
    );
    assert_eq!(super::recorded(&house, &job).await.len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn two_uploads_at_once_are_one() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = made(&agent, &updates("Account")).await;
    let uploads = (0..8).map(|_| fed(&agent, &job, csv()));
    let answers = futures_all(uploads).await;
    let taken = answers
        .iter()
        .filter(|code| **code == StatusCode::CREATED)
        .count();
    assert_eq!(taken, 1, "{answers:?}");
    assert_eq!(super::recorded(&house, &job).await.len(), 1);
    house.finish().await;
}

async fn futures_all(
    all: impl Iterator<Item = impl Future<Output = crate::support::client::Reply>>,
) -> Vec<StatusCode> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut answers = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|one| match one.as_mut().poll(cx) {
            std::task::Poll::Ready(reply) => {
                answers.push(reply.status);
                false
            }
            std::task::Poll::Pending => true,
        });
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    answers
}

#[tokio::test]
async fn another_service_account_s_job_is_left_alone() {
    let house = House::builder().build().await;
    let (agent, other) = (house.agent(), house.other_agent());
    let job = made(&agent, &updates("Account")).await;
    let target = format!("{JOBS}/{job}");
    assert_eq!(fed(&other, &job, csv()).await.code(), "WRITEGATE_DENIED");
    assert_eq!(fed(&agent, &job, csv()).await.status, StatusCode::CREATED);
    for (method, body) in [
        (Method::PATCH, Some(json!({ "state": "UploadComplete" }))),
        (Method::PATCH, Some(json!({ "state": "Aborted" }))),
        (Method::DELETE, None),
    ] {
        let refused = other.send(method, &target, body.as_ref()).await;
        assert_eq!(refused.code(), "WRITEGATE_DENIED", "{}", refused.text());
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn an_aborted_or_dropped_job_is_not_committed() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = made(&agent, &updates("Account")).await;
    fed(&agent, &job, csv()).await;
    let aborted = agent
        .patch(&format!("{JOBS}/{job}"), &json!({ "state": "Aborted" }))
        .await;
    assert_eq!(aborted.status, StatusCode::OK, "{}", aborted.text());
    assert_eq!(committed(&agent, &job).await.code(), "WRITEGATE_MALFORMED");
    let (job, answer) = ran(&agent, &updates("Account"), &csv()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let dropped = agent.delete(&format!("{JOBS}/{job}")).await;
    assert_eq!(dropped.status, StatusCode::NO_CONTENT, "{}", dropped.text());
    assert_eq!(committed(&agent, &job).await.code(), "WRITEGATE_MALFORMED");
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn what_acts_and_is_not_understood_is_refused() {
    let house = House::builder().build().await;
    let agent = house.agent();
    for body in [
        json!({ "object": "Account", "operation": "update", "extra": 1 }),
        json!({ "object": "Account", "operation": "query" }),
        json!({ "object": "Account", "operation": "upsert" }),
        json!({ "object": "Account", "operation": "update", "contentType": "XML" }),
        json!({ "object": "Account", "operation": "update", "columnDelimiter": "," }),
        json!({ "object": "ApexClass", "operation": "update" }),
        json!({ "operation": "update" }),
    ] {
        let refused = agent.post(JOBS, &body).await;
        assert!(refused.code().starts_with("WRITEGATE_"), "{body}");
    }
    let job = made(&agent, &updates("Account")).await;
    let target = format!("{JOBS}/{job}");
    for body in [
        json!({ "state": "Closed" }),
        json!({ "state": "UploadComplete", "object": "Lead" }),
        json!({}),
    ] {
        assert_eq!(
            agent.patch(&target, &body).await.code(),
            "WRITEGATE_MALFORMED"
        );
    }
    let batches = format!("{target}/batches");
    let json = agent.raw(Method::PUT, &batches, Some(csv().into())).await;
    assert_eq!(json.code(), "WRITEGATE_OPAQUE");
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("sforce-auto-assign", "01Q000000000001"),
        ("sforce-line-ending", "CRLF"),
        ("x-http-method-override", "PATCH"),
    ] {
        let sent = agent.with("content-type", "text/csv").with(name, value);
        let refused = sent.raw(Method::PUT, &batches, Some(csv().into())).await;
        assert!(refused.code().starts_with("WRITEGATE_"), "{name}");
    }
    let queried = format!("{batches}?x=1");
    let sent = agent.with("content-type", "text/csv");
    let refused = sent.raw(Method::PUT, &queried, Some(csv().into())).await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED");
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn an_upload_in_chunks_is_taken_whole() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = made(&agent, &updates("Account")).await;
    let head = format!(
        "PUT {JOBS}/{job}/batches HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        house.salesforce
    );
    let csv = csv();
    let (left, right) = csv.split_at(20);
    let chunk = |part: &str| format!("{:x}\r\n{part}\r\n", part.len());
    let message = [head, chunk(left), chunk(right), "0\r\n\r\n".into()].concat();
    let answer = talk(house.salesforce, &[message.into_bytes()]).await;
    assert_eq!(statuses(&answer), [201]);
    assert_eq!(committed(&agent, &job).await.status, StatusCode::OK);
    assert_eq!(
        super::field(&house, "Account", seed::ACME, "Industry"),
        "Software"
    );
    house.finish().await;
}
