//! The same request once straight to the CRM and once through the proxy: the same answer.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::header::DATE;
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock};
use writegate::config::{Config, Fingerprint};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox, seed};

use crate::support::client::{Client, Reply};
use crate::support::house::{House, TOKEN, options};
use crate::support::shapes;

/// A token that we know and the CRM does not take any more.
const EXPIRED: &str = "00Dxx!canary-expired-token";
/// What rewritten addresses show: as long as the CRM's own, so that lengths are the same.
const PROXY: &str = "prox.test:12345";

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new("2026-11-20T09:00:00Z".parse().unwrap()))
}

fn shows_proxy(config: &mut Config) {
    for route in &mut config.routes {
        route.public_url = format!("http://{PROXY}").parse().unwrap();
    }
}

/// A CRM of its own with the same records at the same moment, and a client that asks it straight. Asked
/// the same in the same order it answers the same, counters included.
async fn twin(change: impl FnOnce(&mut Options)) -> (Running, Client) {
    let mut options = options(&clock());
    change(&mut options);
    let listen = "127.0.0.1:0".parse().unwrap();
    let twin = Sandbox::start(listen, options).await.unwrap();
    let client = Client::new(twin.addr, TOKEN);
    (twin, client)
}

/// An answer as lines, so that two can be compared whole. Left out: the port, the machine's date, and
/// the id that HubSpot makes up for each error.
fn lines(reply: &Reply, port: u16) -> Vec<String> {
    let mut lines: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| !name.as_str().starts_with("x-writegate-"))
        .filter(|(name, _)| *name != DATE)
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    lines.sort();
    lines.insert(0, reply.status.to_string());
    let mut body = format!("{:?}", reply.body);
    let id = "correlationId\\\":\\\"";
    if let Some((before, after)) = body.split_once(id) {
        body = format!("{before}{}", &after[36..]);
    }
    lines.push(body);
    // addresses of the CRM lead through the proxy, where clients look for them
    let own = format!("127.0.0.1:{port}");
    lines.iter().map(|line| line.replace(&own, PROXY)).collect()
}

/// The same for writes: without the CRM's count of requests, in which our own reads are.
fn uncounted(reply: &Reply, port: u16) -> Vec<String> {
    let counts =
        |line: &String| line.starts_with("sforce-limit-info") || line.contains("daily-remaining");
    lines(reply, port)
        .into_iter()
        .filter(|line| !counts(line))
        .collect()
}

struct Read {
    crm: CrmKind,
    method: Method,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// The status that shows that the case is what it says.
    status: u16,
}

fn read(crm: CrmKind, status: u16, line: &str) -> Read {
    let (method, target) = line.split_once(' ').unwrap();
    let base = "/services/data/v60.0";
    Read {
        crm,
        method: method.parse().unwrap(),
        target: target.replace('~', base),
        headers: Vec::new(),
        body: None,
        status,
    }
}

impl Read {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The same without coding.
    fn plain(&self) -> Self {
        Self {
            crm: self.crm,
            method: self.method.clone(),
            target: self.target.clone(),
            headers: Vec::new(),
            body: self.body.clone(),
            status: self.status,
        }
    }
}

fn salesforce(status: u16, line: &str) -> Read {
    read(CrmKind::Salesforce, status, line)
}

fn hubspot(status: u16, line: &str) -> Read {
    read(CrmKind::HubSpot, status, line)
}

fn of_salesforce() -> Vec<Read> {
    let acme = seed::ACME;
    let row = format!("~/sobjects/Account/{acme}");
    let ids = format!("{acme},{},001Wg0000000999IAA", seed::GLOBEX);
    vec![
        salesforce(200, "GET /services/data"),
        salesforce(200, "GET ~"),
        salesforce(200, "GET ~/sobjects"),
        salesforce(200, "GET ~/sobjects").with("accept-encoding", "gzip"),
        salesforce(200, "GET ~/sobjects/Account/"),
        salesforce(200, "GET ~/sobjects/Account/describe").with("accept-encoding", "gzip, br"),
        salesforce(200, "GET ~/sobjects/Account/describe").with("accept-encoding", "identity"),
        salesforce(200, "HEAD ~/sobjects/Account/describe"),
        salesforce(200, "HEAD ~/sobjects/Account/describe").with("accept-encoding", "gzip"),
        salesforce(200, &format!("GET {row}")),
        salesforce(200, &format!("GET /{row}")),
        salesforce(200, &format!("HEAD {row}")),
        salesforce(200, &format!("GET {row}?fields=Name,Industry")),
        salesforce(304, &format!("GET {row}")).with("if-none-match", "*"),
        salesforce(304, &format!("GET {row}"))
            .with("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        salesforce(200, "GET ~/sobjects/Account/Ext_Id__c/A-1001"),
        salesforce(404, "GET ~/sobjects/Account/001Wg0000000999IAA"),
        salesforce(404, "HEAD ~/sobjects/Account/001Wg0000000999IAA"),
        salesforce(400, &format!("GET {row}?fields=Nope")),
        salesforce(400, "GET ~/query?q=SELECT+Nope+FROM+Account"),
        salesforce(
            200,
            "GET ~/query?q=SELECT+Id,Name+FROM+Account+ORDER+BY+Name",
        ),
        salesforce(
            200,
            "GET ~/query?q=SELECT%20Id%20FROM%20Contact%20WHERE%20Name%3D'a%2Bb'&x",
        ),
        salesforce(
            200,
            &format!("GET ~/composite/sobjects/Account?ids={ids}&fields=Name"),
        ),
        salesforce(200, "POST ~/composite/sobjects/Account")
            .body(json!({ "ids": [acme], "fields": ["Name", "Industry"] })),
        salesforce(400, "POST ~/composite/sobjects/Account").body(json!({ "ids": [acme] })),
        salesforce(200, "GET /services/oauth2/userinfo"),
        salesforce(200, "GET ~/search?q=FIND+%7BAcme%7D"),
    ]
}

fn of_hubspot() -> Vec<Read> {
    let acme = seed::HS_ACME;
    let base = "/crm/v3/objects";
    let missing = json!({ "properties": ["name"], "inputs": [{ "id": acme }, { "id": "9" }] });
    vec![
        hubspot(200, &format!("GET {base}/companies?limit=2")),
        hubspot(200, &format!("GET {base}/companies/?limit=2")),
        hubspot(200, &format!("GET {base}/companies?limit=100")).with("accept-encoding", "gzip"),
        hubspot(400, &format!("GET {base}/companies?limit=1000")),
        hubspot(
            200,
            &format!("GET {base}/companies/{acme}?properties=name,industry"),
        ),
        hubspot(200, &format!("HEAD {base}/companies/{acme}")),
        hubspot(200, &format!("GET /crm/objects/2026-03/0-2/{acme}")),
        hubspot(
            200,
            &format!("GET {base}/contacts/wile%40acme.example?idProperty=email"),
        ),
        hubspot(404, &format!("GET {base}/companies/9")),
        hubspot(207, &format!("POST {base}/companies/batch/read")).body(missing),
        hubspot(200, &format!("POST {base}/companies/search"))
            .body(json!({ "query": "acme", "limit": 5, "properties": ["name"] })),
        hubspot(400, &format!("POST {base}/companies/search")).body(json!({ "limit": 100_000 })),
        hubspot(200, "GET /crm/v3/properties/companies").with("accept-encoding", "gzip"),
        hubspot(404, "GET /crm/v3/properties/companies/nope"),
        hubspot(200, "GET /crm/v3/owners"),
        hubspot(200, "GET /crm/v3/schemas"),
        hubspot(200, "GET /account-info/v3/details"),
    ]
}

async fn ask(client: &Client, read: &Read) -> Reply {
    let client = read
        .headers
        .iter()
        .fold(client.clone(), |client, (name, value)| {
            client.with(name, value)
        });
    let body = read.body.as_ref().map(|body| Bytes::from(body.to_string()));
    client.raw(read.method.clone(), &read.target, body).await
}

#[tokio::test]
async fn reads_are_answered_as_the_crm_answers_them() {
    let house = House::builder()
        .clock(clock())
        .sandbox(|options| options.query_page = 5)
        .configure(shows_proxy)
        .build()
        .await;
    let (twin, straight) = twin(|options| options.query_page = 5).await;
    let mut next = Vec::new();
    let mut compared = 0;
    let mut both = async |read: &Read| {
        let expected = match read.crm {
            CrmKind::Salesforce => ask(&straight, read).await,
            // asked for as it is, so that it can be looked into
            CrmKind::HubSpot => ask(&straight, &read.plain()).await,
        };
        let name = format!("{} {}", read.method, read.target);
        assert_eq!(expected.status, read.status, "{name}: {}", expected.text());
        let reply = ask(&house.agent_of(read.crm), read).await;
        assert_eq!(
            lines(&reply, house.sandbox.addr.port()),
            lines(&expected, twin.addr.port()),
            "{name}"
        );
        compared += 1;
        reply
    };
    for read in of_salesforce().iter().chain(&of_hubspot()) {
        let reply = both(read).await;
        if read.target.contains("ORDER+BY") {
            next.push(reply.json()["nextRecordsUrl"].as_str().unwrap().to_owned());
        }
    }
    // The pages of a query lead on from each other.
    while let Some(url) = next.pop() {
        let reply = both(&salesforce(200, &format!("GET {url}"))).await;
        let url = reply.json()["nextRecordsUrl"].as_str().map(str::to_owned);
        next.extend(url);
    }
    println!("reads: {compared} compared byte for byte, 0 differences");
    assert!(house.entries().await.is_empty());
    house.finish().await;
}

/// The CRM's own 401 makes SDKs log in again.
#[tokio::test]
async fn a_token_that_the_crm_does_not_take_is_its_own_to_refuse() {
    let house = House::builder()
        .clock(clock())
        .configure(|config| {
            let print = Fingerprint::of(EXPIRED.as_bytes());
            config.service_accounts[0].tokens.push(print);
        })
        .build()
        .await;
    let port = house.sandbox.addr.port();
    let straight = Client::new(house.sandbox.addr, EXPIRED);
    for (crm, target) in [
        (CrmKind::Salesforce, "/services/data/v60.0/sobjects"),
        (CrmKind::HubSpot, "/crm/v3/objects/companies"),
    ] {
        let expected = straight.get(target).await;
        let mut agent = house.agent_of(crm);
        agent.token = EXPIRED.into();
        let reply = agent.get(target).await;
        assert_eq!(reply.status, 401);
        assert_eq!(lines(&reply, port), lines(&expected, port));
    }
    // A write gets the answer of the read before it, since nothing was written.
    let mut agent = house.agent();
    agent.token = EXPIRED.into();
    let row = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let reply = agent.patch(&row, &json!({ "Industry": "Retail" })).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (401, "INVALID_SESSION_ID")
    );
    assert_eq!(reply.header("www-authenticate"), Some("Token"));
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn allowed_writes_are_answered_as_the_crm_answers_them() {
    let mut compared = 0;
    for shape in shapes::all() {
        let house = House::builder()
            .clock(clock())
            .rules(shapes::SALESFORCE_RULES)
            .and_rules(shapes::HUBSPOT_RULES)
            .configure(shows_proxy)
            .build()
            .await;
        let (other, straight) = twin(|_| {}).await;
        let body = || shape.body.is_some().then(|| Bytes::from(shape.bytes()));
        let method = shape.method.clone();
        let expected = straight.raw(method.clone(), &shape.canonical, body()).await;
        let agent = house.agent_of(shape.crm);
        let reply = agent.raw(method, &shape.target, body()).await;
        assert!(expected.status.is_success(), "{}", shape.name);
        assert_eq!(
            uncounted(&reply, house.sandbox.addr.port()),
            uncounted(&expected, other.addr.port()),
            "{} ({})",
            shape.name,
            shape.crm
        );
        assert!(
            reply.header("x-writegate-entry").is_some(),
            "{}",
            shape.name
        );
        assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
        compared += 1;
        house.finish().await;
    }
    println!("writes: {compared} compared byte for byte, 0 differences");
}

/// What the CRM refuses is its own answer too, and the entry says that it failed.
#[tokio::test]
async fn a_write_that_the_crm_refuses_is_its_own_to_explain() {
    let house = House::builder().clock(clock()).build().await;
    let (other, straight) = twin(|_| {}).await;
    let company = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    for (crm, method, target, body) in [
        (
            CrmKind::Salesforce,
            Method::POST,
            "/services/data/v60.0/sobjects/Account".to_owned(),
            json!({ "Industry": "Retail" }),
        ),
        (
            CrmKind::Salesforce,
            Method::PATCH,
            format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
            json!({ "NumberOfEmployees": "many" }),
        ),
        (
            CrmKind::HubSpot,
            Method::PATCH,
            company,
            json!({ "properties": { "industry": "NONE_OF_THESE" } }),
        ),
    ] {
        let expected = straight.send(method.clone(), &target, Some(&body)).await;
        let reply = house.agent_of(crm).send(method, &target, Some(&body)).await;
        assert_eq!(reply.status, 400, "{target}");
        assert_eq!(
            uncounted(&reply, house.sandbox.addr.port()),
            uncounted(&expected, other.addr.port())
        );
    }
    assert!(
        house
            .sandbox
            .writes()
            .iter()
            .all(|seen| seen.effects.is_empty())
    );
    let failed = writegate::journal::read::EntryState::Failed;
    assert_eq!(house.count(failed).await, 3);
    house.finish().await;
}
