//! P10: addresses of the CRM lead through the proxy where clients look for them, and nothing else in an
//! answer changes; so no client leaves the proxy.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::Method;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Options, Sandbox, seed};

use super::login::{APP, PUBLIC, SECRET, builder, form, post};
use super::support::client::{Client, Reply};
use super::support::house::{House, TOKEN};
use super::support::program::Program;
use super::support::wire::Canary;

fn scripted(house: &House, status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let body: Vec<u8> = body.into();
    let answer = Fault::Answer {
        status,
        headers,
        body: body.into(),
    };
    house.sandbox.script(|_| true, 1, answer);
}

const JSON: (&str, &str) = ("content-type", "application/json;charset=UTF-8");

/// Each read whose answer has addresses, an answer with `@` for the CRM's own where they stand and `#`
/// where the same address means nothing.
const PLACES: [(CrmKind, &str, &str); 9] = [
    (
        CrmKind::Salesforce,
        "GET /services/data/v60.0",
        r##"{ "sobjects" : "/services/data/v60.0/sobjects", "identity":"@/id/00D/005","x":"#/", "y":{"identity":"#"}}"##,
    ),
    (
        CrmKind::Salesforce,
        "GET /services/oauth2/userinfo",
        r##"{"sub":"@/id/00D/005","name":"#","urls":{"rest":"@/services/data/v{version}/","deep":{"x":"#"}},"photos":{"picture":"@/p"}}"##,
    ),
    (
        CrmKind::Salesforce,
        "GET /id/00D000000000001EAA/005000000000001AAA",
        r##"{"id":"@/id/00D/005","urls":{"query":"@/q"},"status":{"body":"#"},"is_app_installed":true,"n":1.50}"##,
    ),
    (
        CrmKind::Salesforce,
        "GET /.well-known/openid-configuration",
        r##"{"issuer":"@","token_endpoint":"@/services/oauth2/token","scopes_supported":["#"]}"##,
    ),
    (
        CrmKind::Salesforce,
        "GET /services/data/v60.0/query?q=SELECT+Id+FROM+Account",
        r##"{"identity":"#","records":[{"Website":"#/","attributes":{"url":"#"}}]}"##,
    ),
    (
        CrmKind::HubSpot,
        "GET /crm/v3/objects/companies",
        r##"{"results":[{"id":"1","properties":{"website":"#","link":"#"},"url":"#","associations":{"deals":{"paging":{"next":{"link":"@/a"}}}}}],"paging":{"next":{"after":"#","link":"@/crm?x=%20"},"prev":{"link":"@/b"}}}"##,
    ),
    (
        CrmKind::HubSpot,
        "POST /crm/v3/objects/companies/search",
        r##"{"results":[{"properties":{"paging":{"next":{"link":"#"}}}}],"paging":{"next":{"link":"@/c"}}}"##,
    ),
    (
        CrmKind::HubSpot,
        "POST /crm/v4/associations/companies/contacts/batch/read",
        r##"{"status":"COMPLETE","results":[{"to":[],"paging":{"next":{"link":"@/d"}}}],"links":{"next":"@/e"}}"##,
    ),
    (
        CrmKind::HubSpot,
        "GET /crm/v3/owners",
        r##"{"results":[{"email":"#"}],"paging":{"next":{"link":"https://app.hubspot.com/x"}}}"##,
    ),
];

async fn read(house: &House, crm: CrmKind, line: &str) -> Reply {
    let (method, target) = line.split_once(' ').unwrap();
    let body = (method == "POST").then(|| "{\"inputs\":[]}".into());
    let agent = house.agent_of(crm).with("accept-encoding", "gzip, br");
    agent.raw(method.parse().unwrap(), target, body).await
}

#[tokio::test]
async fn addresses_are_rewritten_by_position_and_every_other_byte_stays() {
    let house = builder().build().await;
    let own = house.sandbox.base_url();
    for (crm, line, template) in PLACES {
        let came = template.replace(['@', '#'], &own);
        let expected = template.replace('@', PUBLIC).replace('#', &own);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(came.as_bytes()).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(came.as_bytes()).unwrap();
        let codings = [
            (None, came.clone().into_bytes()),
            (Some("gzip"), gzip.finish().unwrap()),
            (Some("deflate"), zlib.finish().unwrap()),
        ];
        let touched = came != expected || crm == CrmKind::HubSpot;
        for (coding, body) in codings {
            if !touched && coding.is_some() {
                continue;
            }
            let mut headers = vec![JSON];
            headers.extend(coding.map(|coding| ("content-encoding", coding)));
            scripted(&house, 200, &headers, body);
            let reply = read(&house, crm, line).await;
            assert_eq!(reply.text(), expected, "{line} {coding:?}");
            assert_eq!(reply.header("content-encoding"), None);
            let length = expected.len().to_string();
            assert_eq!(
                reply.header("content-length"),
                Some(length.as_str()),
                "{line}"
            );
        }
        let seen = house.sandbox.seen();
        let asked = seen.last().unwrap().headers["accept-encoding"]
            .to_str()
            .unwrap();
        assert_eq!(asked == "identity", touched, "{line}");
    }
    house.finish().await;
}

/// What is too long to wait for is rewritten while it passes.
#[tokio::test]
async fn a_long_answer_is_rewritten_on_its_way() {
    let house = builder().build().await;
    let own = house.sandbox.base_url();
    let rows: Vec<Value> = (0..40_000)
        .map(|row| json!({ "id": row.to_string(), "properties": { "website": own } }))
        .collect();
    let long = |base: &str| {
        json!({ "results": rows, "paging": { "next": { "link": format!("{base}/next") } } })
            .to_string()
    };
    scripted(&house, 200, &[JSON], long(&own));
    let reply = read(&house, CrmKind::HubSpot, "GET /crm/v3/objects/companies").await;
    assert!(reply.body.len() > 2_000_000);
    assert!(
        reply.text() == long(PUBLIC),
        "an answer of {} bytes",
        reply.body.len()
    );
    house.finish().await;
}

#[tokio::test]
async fn what_cannot_be_rewritten_does_not_pass() {
    let house = builder().build().await;
    let own = house.sandbox.base_url();
    let page = format!("<html>{{\"identity\":\"{own}\"}}");
    scripted(&house, 200, &[JSON], page.clone());
    let reply = read(&house, CrmKind::Salesforce, "GET /services/data/v60.0").await;
    assert_eq!(reply.text(), page, "no JSON, but called so");
    let html = [("content-type", "text/html")];
    scripted(&house, 200, &html, page.clone());
    let reply = read(&house, CrmKind::Salesforce, "GET /services/data/v60.0").await;
    assert_eq!(
        reply.code(),
        "WRITEGATE_UPSTREAM",
        "its identity leads away"
    );
    scripted(&house, 503, &html, page.clone());
    let reply = read(&house, CrmKind::Salesforce, "GET /services/data/v60.0").await;
    assert_eq!(reply.text(), page, "an error has no identity");
    scripted(&house, 200, &[JSON, ("content-encoding", "br")], "canary");
    let reply = read(&house, CrmKind::Salesforce, "GET /services/data/v60.0").await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (502, "WRITEGATE_UPSTREAM")
    );
    house.finish().await;
}

#[tokio::test]
async fn a_location_leads_to_the_proxy_or_nowhere() {
    let canary = Canary::start().await;
    let house = builder().build().await;
    let own = house.sandbox.base_url();
    let row = "/services/data/v60.0/sobjects/Account/001000000000001AAA";
    let away = format!("http://{}/x", canary.address);
    for (given, shown) in [
        (row.to_owned(), Some(row.to_owned())),
        (
            format!("{own}{row}?a#b"),
            Some(format!("{PUBLIC}{row}?a#b")),
        ),
        (away.clone(), None),
        (format!("//{}/x", canary.address), None),
        (format!("{}@{}/x", own, canary.address), None),
    ] {
        scripted(&house, 302, &[("location", &given)], "");
        let reply = house.agent().get("/services/data/v60.0/sobjects").await;
        assert_eq!(reply.header("location"), shown.as_deref(), "{given}");
        let status = if shown.is_some() { 302 } else { 502 };
        assert_eq!(reply.status, status, "{given}");
        // a write is done, whatever its answer says of where
        let target = "/services/data/v60.0/sobjects/Account";
        let created = json!({ "id": "001000000000001AAA", "success": true, "errors": [] });
        let writing = |head: &writegate::sandbox::Head<'_>| head.method == Method::POST;
        let answer = Fault::Answer {
            status: 201,
            headers: vec![
                ("location".into(), given.clone()),
                ("content-type".into(), "application/json".into()),
            ],
            body: created.to_string().into(),
        };
        house.sandbox.script(writing, 1, answer);
        let body = json!({ "Name": crate::support::unique("made") });
        let reply = house.agent().post(target, &body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("location"), shown.as_deref(), "{given}");
    }
    assert_eq!(canary.came(), 0);
    house.finish().await;
}

#[tokio::test]
async fn the_answer_to_a_write_leads_through_the_proxy() {
    let house = builder().build().await;
    let own = house.sandbox.base_url();
    let answer = |base: &str| {
        let made = json!({ "id": "1", "properties": { "name": own, "link": own } });
        json!({ "status": "COMPLETE", "results": [made], "links": { "next": format!("{base}/t") } })
    };
    let fault = Fault::Answer {
        status: 201,
        headers: vec![("content-type".into(), "application/json".into())],
        body: answer(&own).to_string().into(),
    };
    house
        .sandbox
        .script(|head| head.method == Method::POST, 1, fault);
    let body = json!({ "inputs": [{ "properties": { "name": own } }] });
    let reply = house
        .hubspot_agent()
        .post("/crm/v3/objects/companies/batch/create", &body)
        .await;
    assert_eq!(reply.text(), answer(PUBLIC).to_string());
    house.finish().await;
}

/// Every address in a JSON value.
fn addresses(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.starts_with("http") => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|value| addresses(value, found)),
        Value::Object(all) => all.values().for_each(|value| addresses(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A client that follows every address it is given, from the login on, never meets the CRM itself.
#[tokio::test]
async fn who_follows_every_address_stays_at_the_proxy() {
    let mut options = Options::with_token(TOKEN);
    options
        .apps
        .push(writegate::sandbox::OAuthApp::new(APP, SECRET));
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url()).clients(&[APP]).start();
    let (salesforce, hubspot) = (program.salesforce, program.hubspot);
    let login = form(&[
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
    ]);
    // the proxy takes this header out: a request that has it at the CRM went there straight
    let marked = |client: Client| client.with("x-writegate-run", "straight");
    let nobody = marked(Client::new(salesforce, ""));
    let answer = post(&nobody, "/services/oauth2/token", &login).await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let mut given = Vec::new();
    addresses(&answer.json(), &mut given);
    let agent = marked(Client::new(salesforce, &token));
    let of_hubspot = marked(Client::new(hubspot, TOKEN));
    for (client, target) in [
        (&agent, "/services/data/v60.0".to_owned()),
        (&agent, "/services/oauth2/userinfo".to_owned()),
        (&of_hubspot, "/crm/v3/objects/companies?limit=1".to_owned()),
        (
            &agent,
            format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
        ),
    ] {
        let reply = client.get(&target).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        addresses(&reply.json(), &mut given);
    }
    assert!(given.len() > 8, "{given:?}");
    for address in &given {
        let (host, path) = address["http://".len()..]
            .split_once('/')
            .unwrap_or((&address["http://".len()..], ""));
        let own = [salesforce.to_string(), hubspot.to_string()];
        if !own.contains(&host.to_owned()) {
            // a value of a record that only looks like one
            assert_ne!(host, sandbox.addr.to_string(), "{address}");
            continue;
        }
        let to = if host == own[0] { &agent } else { &of_hubspot };
        to.get(&format!("/{}", path.replace("{version}", "60.0")))
            .await;
    }
    let seen = sandbox.seen();
    assert!(seen.len() > 8);
    assert!(
        seen.iter()
            .all(|seen| !seen.headers.contains_key("x-writegate-run"))
    );
    assert_eq!(program.stop(), Some(0));
}
