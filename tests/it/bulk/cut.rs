//! An upload that has no reading, or that does not come to its end, leaves a job that is never committed.

use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use writegate::journal::job::Name;
use writegate::sandbox::{Fault, seed};

use super::{JOBS, committed, fed, made, updates};
use crate::holds::PATIENCE;
use crate::support::house::{House, TOKEN};

#[tokio::test]
async fn rows_without_one_reading_are_cut_off() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let id = seed::ACME;
    for csv in [
        format!("Id,Name\n{id},x,90\n"),
        format!("Id,Name\r\n{id},x\r\n"),
        format!("Id,Name\n{id},\"x\n"),
        format!("Id,Name\n{id},x\"y\"z\n"),
        format!("Id,Name,name\n{id},x,y\n"),
        format!("Id,Name|Discount__c\n{id},x|90\n"),
        format!("\u{feff}Id,Name\n{id},x\n"),
        "Id,Name\n".to_owned(),
        String::new(),
        "Name\nx\n".to_owned(),
    ] {
        let job = made(&agent, &updates("Account")).await;
        let refused = fed(&agent, &job, csv.clone()).await;
        assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "{csv:?}");
        let target = format!("{JOBS}/{job}/batches");
        let whole = house.sandbox.seen();
        let whole = whole
            .iter()
            .any(|seen| seen.target == target && seen.complete);
        assert!(!whole, "the CRM has all of {csv:?}");
        let refused = committed(&agent, &job).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{csv:?}");
    }
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn an_upload_that_its_client_breaks_off_is_never_committed() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = made(&agent, &updates("Account")).await;
    let half = format!("Id,Name\n{},Half\n", seed::ACME);
    let (job, agent) = (&job, &agent);
    let head = format!(
        "PUT {JOBS}/{job}/batches HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: text/csv\r\nContent-Length: {}\r\n\r\n{half}",
        house.salesforce,
        half.len() + 100
    );
    let mut stream = TcpStream::connect(house.salesforce).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let name = Name {
        route: "salesforce",
        job,
        service_account: "enrichment-agent",
    };
    let under_way = async {
        while house.app.journal.job_steps(&name).await.unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, under_way).await.unwrap();
    drop(stream);
    let refused = fed(agent, job, half).await;
    assert_eq!(refused.code(), "WRITEGATE_MALFORMED", "a job is fed once");
    let refused = committed(agent, job).await;
    assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn an_upload_that_the_crm_did_not_take_is_never_committed() {
    let no = Fault::Answer {
        status: 400,
        headers: vec![("content-type".into(), "application/json".into())],
        body: r#"[{"errorCode":"INVALIDJOB","message":"no"}]"#.into(),
    };
    for (fault, status) in [(no, 400), (Fault::CloseAfterEffect, 502)] {
        let house = House::builder().build().await;
        let agent = house.agent();
        let job = made(&agent, &updates("Account")).await;
        house
            .sandbox
            .script(|head| head.method == http::Method::PUT, 1, fault);
        let csv = format!("Id,Name\n{},Half\n", seed::ACME);
        let answer = fed(&agent, &job, csv).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        let refused = committed(&agent, &job).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
        assert!(house.sandbox.writes().is_empty());
        house.finish().await;
    }
}
