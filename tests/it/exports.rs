//! Exports of any size: judged and recorded like a write, then handed on as fast as the agent reads; the
//! entry closes at the end, and says where that came too early.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use writegate::hold::State;
use writegate::journal::read::{Entry, EntryState};

use super::holds::{Bench, SALES_OPS, builder, hold_of};
use super::support::client::Client;
use super::support::house::{House, OPERATOR, TOKEN};

const REPORT: &str = "/services/data/v60.0/analytics/reports/00O000000000001AAA";

const RULES: &str = "
crm: salesforce
default: deny
objects: { analytics/reports: { export: { agents: allow } } }
";

/// More than any answer that is read whole.
const LARGE: usize = 65 * 1024 * 1024;
const PART: &[u8] = &[b'x'; 64 * 1024];

/// A CRM that says its answer has `said` bytes and sends `sent` of them.
async fn crm(said: usize, sent: usize) -> SocketAddr {
    answering("200 OK", said, sent).await
}

async fn answering(status: &'static str, said: usize, sent: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {said}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut left = sent;
        while left > 0 {
            let part = &PART[..left.min(PART.len())];
            if stream.write_all(part).await.is_err() {
                return;
            }
            left -= part.len();
        }
        stream.flush().await.unwrap();
        if said == sent {
            // the connection stays, as a CRM's does
            let mut rest = Vec::new();
            drop(stream.read_to_end(&mut rest).await);
        }
    });
    addr
}

/// Reads a request or an answer up to its body.
async fn head(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.unwrap());
    }
    read
}

async fn house(crm: SocketAddr) -> House {
    let building = House::builder().rules(RULES);
    building.upstream(&format!("http://{crm}")).build().await
}

/// The only entry, when it is closed.
async fn closed(house: &House) -> Entry {
    loop {
        let mut entries = house.entries().await;
        let entry = entries.pop().unwrap();
        if entry.state != EntryState::Open {
            return entry;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_export_of_any_size_is_handed_on_whole() {
    let house = house(crm(LARGE, LARGE).await).await;
    let reply = house.agent().raw(Method::GET, REPORT, None).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body.len(), LARGE);
    assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
    let entry = reply.header("x-writegate-entry").unwrap().to_owned();
    let told = closed(&house).await;
    assert_eq!(
        (told.id.as_str(), told.state),
        (entry.as_str(), EntryState::Done)
    );
    house.close().await;
}

/// A failure is looked at before it is handed on, however long it is.
#[tokio::test]
async fn a_long_failure_of_an_export_is_treated_as_a_short_one() {
    let long = 2 * 1024 * 1024;
    let house = house(answering("503 Service Unavailable", long, long).await).await;
    let reply = house.agent().raw(Method::GET, REPORT, None).await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.body.len(), long);
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    house.close().await;
}

/// What is stopped altogether reads no more, an answer on its way included.
#[tokio::test]
async fn a_full_stop_cuts_an_export_on_its_way() {
    let house = house(crm(LARGE, LARGE).await).await;
    let mut agent = TcpStream::connect(house.salesforce).await.unwrap();
    let host = house.salesforce;
    let request =
        format!("GET {REPORT} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    agent.write_all(request.as_bytes()).await.unwrap();
    head(&mut agent).await;
    let wish = json!({ "scope": "all", "reason": "takes too much" });
    let switch = "/api/v1/switches/enrichment-agent";
    let dana = Client::new(house.operators().await, OPERATOR);
    let stopped = dana.send(Method::PUT, switch, Some(&wish)).await;
    assert_eq!(stopped.status, 200, "{}", stopped.text());
    let mut rest = Vec::new();
    // cut: with or without an error of the connection
    drop(agent.read_to_end(&mut rest).await);
    assert!(rest.len() < LARGE, "all of it was handed on");
    let note = closed(&house).await.message.unwrap_or_default();
    assert!(note.contains("kill switch"), "{note}");
    house.close().await;
}

#[tokio::test]
async fn an_export_that_breaks_off_is_cut_off_and_says_so() {
    let house = house(crm(LARGE, LARGE / 2).await).await;
    let reply = house.agent().try_raw(Method::GET, REPORT, None).await;
    assert!(reply.is_err(), "half an answer was taken for a whole one");
    let told = closed(&house).await;
    let note = told.message.unwrap_or_default();
    assert!(note.contains("broke off after"), "{note}");
    house.close().await;
}

/// Requests that are answered while an answer is held up: time enough to take in all of it.
const MEANWHILE: usize = 300;

/// Answers reports with all of `LARGE`, saying when that is out, and everything else with nothing.
async fn answer(mut stream: TcpStream, all: Arc<AtomicBool>) {
    while let Some(request) = head_of(&mut stream).await {
        if !request.contains("/reports/") {
            let nothing = b"HTTP/1.1 204 No Content\r\n\r\n";
            stream.write_all(nothing).await.unwrap();
            continue;
        }
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..LARGE / PART.len() {
            if stream.write_all(PART).await.is_err() {
                return;
            }
        }
        all.store(true, Ordering::SeqCst);
    }
}

/// The same as `head`, or nothing where the connection ends.
async fn head_of(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(read).ok()
}

/// A CRM whose reports are large.
async fn crm_of_reports(all: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let crm = listener.local_addr().unwrap();
    let out = Arc::clone(all);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, Arc::clone(&out)));
        }
    });
    crm
}

/// An agent that reads nothing holds the CRM up, not the proxy's memory; its entry stays open.
#[tokio::test]
async fn an_agent_that_does_not_read_holds_the_answer_up() {
    let all = Arc::new(AtomicBool::new(false));
    let crm = crm_of_reports(&all).await;
    let house = house(crm).await;
    let mut agent = TcpStream::connect(house.salesforce).await.unwrap();
    let host = house.salesforce;
    let request =
        format!("GET {REPORT} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    agent.write_all(request.as_bytes()).await.unwrap();
    let told = String::from_utf8(head(&mut agent).await).unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    for _ in 0..MEANWHILE {
        let reply = house.agent().get("/services/data/v60.0/limits").await;
        assert_eq!(reply.status, 204);
    }
    assert!(!all.load(Ordering::SeqCst), "the whole answer was taken in");
    assert_eq!(house.entries().await[0].state, EntryState::Open);
    drop(agent);
    let note = closed(&house).await.message.unwrap_or_default();
    assert!(note.contains("hung up"), "{note}");
    house.close().await;
}

/// A release keeps its answer for the agent, but not one of any size; an export changes nothing, so none
/// is in doubt.
#[tokio::test]
async fn a_released_export_that_is_too_large_says_so() {
    let rules = "
crm: salesforce
default: deny
objects: { analytics/reports: { export: { agents: hold } } }
";
    let crm = crm_of_reports(&Arc::new(AtomicBool::new(false))).await;
    let bench = Bench::of(builder(rules).upstream(&format!("http://{crm}"))).await;
    let agent = bench.house.agent();
    let id = hold_of(&agent.get(REPORT).await);
    let approved = bench.approve(SALES_OPS, &id).await;
    assert_eq!(approved.status, 200, "{}", approved.text());
    bench.until(&id, State::NotSent).await;
    let told = agent.get(REPORT).await;
    assert_eq!(told.code(), "WRITEGATE_UPSTREAM", "{}", told.text());
    let message = told.message();
    assert!(
        message.starts_with(
            "Not written: it was approved, but what the CRM answered could not be kept"
        ) && message.contains("larger than 67108864 bytes"),
        "{message}"
    );
    assert_eq!(bench.house.entries().await[0].state, EntryState::Failed);
    bench.house.close().await;
}
