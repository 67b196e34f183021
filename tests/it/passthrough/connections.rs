//! Connections: hop-by-hop fields stay on their hop, connections to the CRM are kept and their end is
//! no error, and a write is never sent twice.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Method;
use serde_json::json;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, seed};
use writegate::server::Settings;

use crate::support::client::Reply;
use crate::support::house::{House, TOKEN};
use crate::support::wire::{Kept, Upstream, statuses, talk};

const READ: &str = "/services/data/v60.0/sobjects/Account";

fn names(head: &str) -> BTreeSet<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect()
}

#[tokio::test]
async fn hop_by_hop_fields_stay_on_their_hop() {
    let upstream = Upstream::bind().await;
    let house = House::builder().upstream(&upstream.url()).build().await;
    let fields = [
        ("connection", "keep-alive, te, upgrade"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-connection", "keep-alive"),
        ("trailer", "x-sum"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "crm.example"),
        ("forwarded", "for=10.0.0.1"),
        ("x-writegate-intent", "look"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
        ("sforce-query-options", "batchSize=200"),
        ("x-anything", "kept"),
        ("user-agent", "agent/1.0"),
    ];
    let agent = fields.iter().fold(house.agent(), |agent, (name, value)| {
        agent.with(name, value)
    });
    let asked = tokio::spawn(async move { agent.get(READ).await });
    let mut link = upstream.next().await;
    let head = link.head().await;
    assert!(
        head.starts_with(&format!("GET {READ} HTTP/1.1\r\n")),
        "{head}"
    );
    let passed = ["accept", "accept-encoding", "authorization", "host"];
    let passed = passed
        .into_iter()
        .chain(["sforce-query-options", "user-agent", "x-anything"]);
    assert_eq!(names(&head), passed.map(str::to_owned).collect());
    link.write(
        b"HTTP/1.1 200 Fine\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
          Proxy-Authenticate: Basic\r\nTrailer: x-sum\r\nUpgrade: h2c\r\n\
          X-Writegate-Entry: forged\r\nX-Writegate-Verdict: forged\r\nX-Forwarded-Proto: https\r\n\
          Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: application/json\r\n\
          Sforce-Limit-Info: api-usage=1/2\r\nContent-Length: 2\r\n\r\n[]",
    )
    .await;
    let reply = asked.await.unwrap();
    let mut left: Vec<&str> = reply.headers.keys().map(http::HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(
        left,
        [
            "content-length",
            "content-type",
            "date",
            "set-cookie",
            "sforce-limit-info",
            "x-forwarded-proto"
        ]
    );
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
    house.finish().await;
}

/// A client that names end-to-end fields in `Connection` would have us drop them.
#[tokio::test]
async fn end_to_end_fields_cannot_be_nominated_away() {
    let house = House::builder().build().await;
    for name in ["authorization", "content-encoding", "x-writegate-run"] {
        let agent = house.agent().with("connection", name);
        let reply = agent.get(READ).await;
        assert_eq!(reply.code(), "WRITEGATE_MALFORMED", "{name}");
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn connections_to_the_crm_are_kept() {
    let settings = Settings {
        workers: 2,
        ..Settings::default()
    };
    let house = House::builder().settings(settings).build().await;
    let mut kept = Kept::new(house.salesforce, TOKEN);
    for _ in 0..50 {
        let reply = kept.send(&Method::GET, READ, &[], Bytes::new()).await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(house.sandbox.connections(), 1);
    // New client connections land on any worker; each has its own connection to the CRM.
    for _ in 0..20 {
        assert_eq!(house.agent().get(READ).await.status, 200);
        assert_eq!(
            house.hubspot_agent().get("/crm/v3/owners").await.status,
            200
        );
    }
    let connections = house.sandbox.connections();
    assert!(
        connections <= 4,
        "{connections} for two workers and two routes"
    );
    println!("90 reads, {connections} connections to the CRM");
    house.finish().await;
}

#[tokio::test]
async fn a_client_that_asks_to_close_is_closed() {
    let house = House::builder().build().await;
    let ask = format!(
        "GET {READ} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n",
        house.salesforce
    );
    let answer = talk(house.salesforce, &[ask.into_bytes()]).await;
    assert_eq!(statuses(&answer), [200]);
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(text.contains("connection: close"), "{text}");
    house.finish().await;
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";

#[tokio::test]
async fn an_idle_connection_that_the_crm_closed_is_no_error() {
    let upstream = Upstream::bind().await;
    let settings = Settings {
        workers: 1,
        ..Settings::default()
    };
    let house = House::builder()
        .upstream(&upstream.url())
        .settings(settings)
        .build()
        .await;
    let ask = || {
        let agent = house.agent();
        tokio::spawn(async move { agent.get(READ).await })
    };
    let first = ask();
    let mut link = upstream.next().await;
    link.head().await;
    link.write(ANSWER).await;
    assert_eq!(first.await.unwrap().status, 200);
    // Closed while idle: the next read takes another connection.
    drop(link);
    let second = ask();
    let mut link = upstream.next().await;
    link.head().await;
    link.write(ANSWER).await;
    assert_eq!(second.await.unwrap().status, 200);
    // Closed right after the next request was read: a read without a body is asked again, once.
    let third = ask();
    link.head().await;
    drop(link);
    let mut link = upstream.next().await;
    link.head().await;
    link.write(ANSWER).await;
    assert_eq!(third.await.unwrap().status, 200);
    // A connection of its own that breaks is the CRM's fault; the caller hears so.
    let fourth = ask();
    link.head().await;
    drop(link);
    let mut link = upstream.next().await;
    link.head().await;
    drop(link);
    let reply = fourth.await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (502, "WRITEGATE_UPSTREAM")
    );
    house.finish().await;
}

/// A POST that reads has a body that cannot be asked for again.
#[tokio::test]
async fn a_read_with_a_body_is_not_asked_again() {
    let house = House::builder().build().await;
    let target = "/crm/v3/objects/companies/search";
    let body = json!({ "query": "acme" });
    assert_eq!(house.hubspot_agent().post(target, &body).await.status, 200);
    let search = |head: &writegate::sandbox::Head<'_>| head.path.ends_with("/search");
    house.sandbox.script(search, 1, Fault::CloseBeforeEffect);
    let reply = house.hubspot_agent().post(target, &body).await;
    assert_eq!(reply.code(), "WRITEGATE_UPSTREAM");
    assert_eq!(house.sandbox.requests(), 2);
    house.finish().await;
}

/// However the connection ends once the CRM has the write: it is sent once, and the caller is told that
/// nobody knows.
#[tokio::test]
async fn a_write_is_never_sent_twice() {
    let faults = [
        (Fault::CloseBeforeBody, false),
        (Fault::CloseBeforeEffect, false),
        (Fault::CloseAfterEffect, true),
        (Fault::Cut { keep: 0 }, true),
        (Fault::Cut { keep: 5 }, true),
        (Fault::Cut { keep: 60 }, true),
        (Fault::Reset { keep: 0 }, true),
        (Fault::Reset { keep: 60 }, true),
    ];
    for (fault, effect) in faults {
        for crm in [CrmKind::Salesforce, CrmKind::HubSpot] {
            let house = House::builder().build().await;
            // Warm connections: what a retry would be tempted by.
            for _ in 0..3 {
                house.agent().get(READ).await;
                house.hubspot_agent().get("/crm/v3/owners").await;
            }
            let writes = |head: &writegate::sandbox::Head<'_>| head.method == Method::PATCH;
            house.sandbox.script(writes, 5, fault.clone());
            let reply = change(&house, crm).await;
            let what = format!("{fault:?} {crm}: {}", reply.text());
            assert_eq!(reply.status, 502, "{what}");
            assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_OUTCOME", "{what}");
            assert_eq!(reply.header("x-should-retry"), Some("false"), "{what}");
            assert_eq!(reply.header("retry-after"), None, "{what}");
            let seen = house.sandbox.writes();
            assert_eq!(seen.len(), 1, "{what}");
            assert_eq!(!seen[0].effects.is_empty(), effect, "{what}");
            assert_eq!(house.count(EntryState::InDoubt).await, 1, "{what}");
            house.finish().await;
        }
    }
}

async fn change(house: &House, crm: CrmKind) -> Reply {
    let agent = house.agent_of(crm);
    match crm {
        CrmKind::Salesforce => {
            let body = json!({ "Industry": "Software" });
            let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
            agent.patch(&target, &body).await
        }
        CrmKind::HubSpot => {
            let body = json!({ "properties": { "industry": "RETAIL" } });
            let target = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
            agent.patch(&target, &body).await
        }
    }
}
