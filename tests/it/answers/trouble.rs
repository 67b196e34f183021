//! Callers nobody knows, messages with two readings, stores that are down, a CRM that cannot be
//! reached or does not answer.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::json;
use writegate::config::{Fingerprint, UnknownCallers};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::Fault;

use super::{BOTH, Expected, clock, expected, recorded, update};
use crate::support::client::{Client, Reply};
use crate::support::house::{House, TOKEN};
use crate::support::wire::{Canary, statuses, talk};

async fn house() -> House {
    House::builder().clock(clock()).build().await
}

async fn write(house: &House, crm: CrmKind) -> Reply {
    let (target, body) = update(crm);
    house.agent_of(crm).patch(&target, &body).await
}

#[tokio::test]
async fn callers_that_nobody_knows() {
    let secret = "00Dxx!canary-of-a-stranger";
    let known = format!(
        "Not written: no service account has this credential ({}). Add that line to `tokens:` of \
         one.",
        Fingerprint::of(secret.as_bytes())
    );
    let nobody = "Not written: the request carries no credential. Send the CRM token as \
                  `Authorization: Bearer …`.";
    for (may, reads) in [(UnknownCallers::Deny, false), (UnknownCallers::Reads, true)] {
        let house = House::builder().clock(clock()).unknown_callers(may);
        let house = house.build().await;
        for crm in BOTH {
            let (target, body) = update(crm);
            for (token, words) in [(secret, known.as_str()), ("", nobody)] {
                let mut stranger = house.agent_of(crm);
                stranger.token = token.into();
                let says = expected(403, "WRITEGATE_UNKNOWN_CALLER", words);
                let reply = stranger.patch(&target, &body).await;
                let entry = says.check(&reply, crm);
                recorded(&house, entry.as_deref(), &reply.message()).await;
                let reply = stranger.get(&target).await;
                if reads {
                    assert_eq!(reply.status, 401, "the CRM's own answer");
                } else {
                    says.verdict(None).check(&reply, crm);
                }
            }
        }
        assert!(house.sandbox.writes().is_empty());
        assert_eq!(house.sandbox.requests() > 0, reads);
        house.finish().await;
    }
}

/// What is wrong with a message, and what is said of it.
struct Wrong {
    crm: CrmKind,
    method: Method,
    target: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Bytes,
    says: Expected,
}

fn malformed(what: &str) -> Expected {
    expected(400, "WRITEGATE_MALFORMED", format!("Not written: {what}."))
}

fn wrong(crm: CrmKind, body: &str, says: Expected) -> Wrong {
    Wrong {
        crm,
        method: Method::PATCH,
        target: update(crm).0,
        headers: Vec::new(),
        body: Bytes::from(body.to_owned()),
        says,
    }
}

/// A body that nothing is wrong with: something else is.
fn usual(crm: CrmKind, what: &str) -> Wrong {
    let body = match crm {
        CrmKind::Salesforce => r#"{"Phone":"1"}"#,
        CrmKind::HubSpot => r#"{"properties":{"phone":"1"}}"#,
    };
    wrong(crm, body, malformed(what))
}

impl Wrong {
    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }
}

fn ambiguous() -> Vec<Wrong> {
    let (sf, hs) = BOTH.into();
    vec![
        wrong(
            sf,
            r#"{"Phone":"1","phone":"2"}"#,
            malformed(
                "the JSON body is refused: two members of one object are named \"phone\" \
                 (names compare without case) at line 1 column 20",
            ),
        ),
        wrong(sf, "[]", malformed("the JSON body is not an object")),
        wrong(sf, "", malformed("the JSON body is refused: it is empty"))
            .header("content-type", "application/json"),
        usual(
            sf,
            "the header Content-Type is not application/json (UTF-8), given once",
        )
        .header("content-type", "text/plain"),
        usual(
            sf,
            "the body's Content-Encoding is not one of gzip, deflate, identity: send it without",
        )
        .header("content-encoding", "br"),
        usual(
            sf,
            "the body is not what its Content-Encoding says: send it without",
        )
        .header("content-encoding", "gzip"),
        usual(
            sf,
            "the header x-http-method-override names a second method: send the real one",
        )
        .header("x-http-method-override", "DELETE"),
        usual(sf, "segment 5 of the path is a dot segment")
            .target("/services/data/v60.0/sobjects/../Account"),
        usual(
            sf,
            "more than one credential is given; send `Authorization` alone",
        )
        .header("x-sfdc-session", TOKEN),
        usual(
            hs,
            "a credential in the query is not attributed to anybody; send `Authorization` alone",
        )
        .target("/crm/v3/objects/companies/52000000001?hapikey=1"),
        wrong(
            hs,
            r#"{"properties":{"phone":"1"},"Properties":{}}"#,
            malformed(
                "the JSON body is refused: two members of one object are named \
                 \"Properties\" (names compare without case) at line 1 column 40",
            ),
        ),
        wrong(
            hs,
            r#"{"inputs":[]}"#,
            malformed("the body has the member \"inputs\", which this write does not take"),
        ),
        usual(
            hs,
            "the Content-Type is not application/json in UTF-8; send the body as JSON",
        )
        .header("content-type", "application/x-www-form-urlencoded"),
    ]
}

#[tokio::test]
async fn messages_with_two_readings() {
    let house = house().await;
    let cases = ambiguous();
    for case in &cases {
        let agent = case
            .headers
            .iter()
            .fold(house.agent_of(case.crm), |agent, (name, value)| {
                agent.with(name, value)
            });
        let method = case.method.clone();
        let reply = agent
            .raw(method, &case.target, Some(case.body.clone()))
            .await;
        case.says.check(&reply, case.crm);
    }
    println!("ambiguous messages: {} checked word for word", cases.len());
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let house = house().await;
    let says = expected(
        413,
        "WRITEGATE_TOO_LARGE",
        "Not written: the body is larger than 16777216 bytes. Send fewer records at a time.",
    );
    for crm in BOTH {
        let (target, _) = update(crm);
        // Small on its way, so that all of it is read whatever the machine is doing besides.
        let body = gzip(&vec![b' '; 16 * 1024 * 1024 + 1]);
        let agent = house.agent_of(crm).with("content-encoding", "gzip");
        let reply = agent.raw(Method::PATCH, &target, Some(body)).await;
        let entry = says.check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        // One that says so itself is not waited for.
        let to = house.agent_of(crm).to;
        let head = format!(
            "PATCH {target} HTTP/1.1\r\nHost: {to}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: 16777217\r\n\r\n"
        );
        let answer = talk(to, &[head.into_bytes()]).await;
        assert_eq!(statuses(&answer), [413]);
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}

#[tokio::test]
async fn a_ledger_that_is_down() {
    let house = house().await;
    house.ledger.break_down();
    let says = expected(
        503,
        "WRITEGATE_UNAVAILABLE",
        "Not written: Writegate cannot record changes now. Try again in 5 s.",
    );
    let says = says.after("5").verdict(None);
    for crm in BOTH {
        says.check(&write(&house, crm).await, crm);
        let (target, _) = update(crm);
        assert_eq!(house.agent_of(crm).get(&target).await.status, 200);
    }
    assert!(house.sandbox.writes().is_empty());
    house.ledger.repair();
    assert!(write(&house, CrmKind::Salesforce).await.status.is_success());
    house.finish().await;
}

#[tokio::test]
async fn a_crm_that_cannot_be_reached() {
    let canary = Canary::start().await;
    let nobody = format!("http://{}", canary.address);
    drop(canary);
    let house = House::builder()
        .clock(clock())
        .upstream(&nobody)
        .build()
        .await;
    let says = expected(
        502,
        "WRITEGATE_UPSTREAM",
        "Not written: the CRM cannot be reached. Nothing was sent; try again later.",
    );
    for (crm, target, body) in [
        (
            CrmKind::Salesforce,
            "/services/data/v60.0/sobjects/Account",
            json!({ "Name": "New" }),
        ),
        (
            CrmKind::HubSpot,
            "/crm/v3/objects/companies",
            json!({ "properties": { "name": "New" } }),
        ),
    ] {
        let reply = house.agent_of(crm).post(target, &body).await;
        says.check(&reply, crm);
        assert_eq!(house.entries().await[0].state, EntryState::NotSent);
        let (target, _) = update(crm);
        let reply = house.agent_of(crm).get(&target).await;
        says.clone().verdict(None).check(&reply, crm);
        // Without the present values a write could not be undone.
        let values = expected(
            503,
            "WRITEGATE_UNAVAILABLE",
            "Not written: the present values cannot be read from the CRM. Try again in 5 s.",
        );
        let reply = write(&house, crm).await;
        let entry = values.after("5").check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
    }
    house.finish().await;
}

#[tokio::test]
async fn a_crm_that_does_not_answer() {
    for crm in BOTH {
        let house = house().await;
        let writes = |head: &writegate::sandbox::Head<'_>| head.method == Method::PATCH;
        house.sandbox.script(writes, 1, Fault::CloseAfterEffect);
        let reply = write(&house, crm).await;
        let says = expected(
            502,
            "WRITEGATE_UNKNOWN_OUTCOME",
            "May have been written: the CRM did not answer. Read the record first; this request is \
             not sent again until settled. [entry {entry}]",
        );
        says.verdict(Some("allow")).check(&reply, crm);
        assert_eq!(house.count(EntryState::InDoubt).await, 1);
        house.finish().await;
    }
}

/// A message that is refused before it is a request has the shape of its route's CRM all the same.
#[tokio::test]
async fn refused_heads_are_shaped_too() {
    let house = house().await;
    for crm in BOTH {
        let agent = Client::new(house.agent_of(crm).to, TOKEN);
        let reply = agent.with("host", "crm.example").get("/").await;
        malformed("Host is given twice")
            .verdict(None)
            .check(&reply, crm);
        let reply = agent.with("expect", "200-ok").get("/").await;
        let mut says = malformed("Expect is not 100-continue before a body").verdict(None);
        says.status = 417;
        says.check(&reply, crm);
        let target = format!("/{}", "a".repeat(16_384));
        let mut says = malformed("the request target is too long; send the query in a body");
        (says.status, says.code) = (414, "WRITEGATE_TOO_LARGE");
        says.verdict(None).check(&agent.get(&target).await, crm);
    }
    assert_eq!(house.sandbox.requests(), 0);
    house.finish().await;
}
