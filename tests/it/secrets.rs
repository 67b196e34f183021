//! P12: what is secret reaches no log, no entry and no message, in no spelling; values of records reach
//! the ledger's values, and nothing else. Everything is pushed through the real binary at its most
//! talkative.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Options, Running, Sandbox, Token, seed};

use super::support::canaries::{found, spellings};
use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, BROKER, KEY, OPERATOR, OTHER_TOKEN, TOKEN, VIEWER};
use super::support::program::Program;

/// Secrets that nobody configured: they only come in.
const STRANGERS: [&str; 13] = [
    "canary-of-a-stranger!bearer",
    "canary-of-a-stranger!cookie",
    "canary-of-a-stranger!session",
    "canary-of-a-stranger!query",
    "canary-of-a-stranger!hapikey",
    "canary-of-a-stranger!password",
    "canary-of-a-stranger!client-secret",
    "canary-of-a-stranger!refresh-token",
    "canary-of-a-stranger!path-token",
    "canary-of-a-stranger!operator",
    "canary-of-a-stranger!soap",
    "canary-of-a-stranger!basic",
    "canary-of-a-stranger!second",
];

/// Values of records.
const VALUES: [&str; 9] = [
    "canary value of an allowed write",
    "canary value of a denied write",
    "canary value of a row of a batch",
    "canary value of a malformed body",
    "canary value that was there before",
    "canary value that the CRM refuses",
    "canary-value-of-an-external-id",
    "canary value of a hubspot write",
    "canary value of an opaque body",
];

const SALESFORCE: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow } }
  Account:
    fields:
      AnnualRevenue|Site: { owner: VP Sales }
      Industry: { agents: fill-else-deny }
limits:
  - { name: churn, per: record, count: mutations, max: 40, window: 1h }
";
const HUBSPOT: &str = "
crm: hubspot
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow }, associate: { agents: allow } }
";

fn secrets() -> Vec<&'static str> {
    let known = [TOKEN, OTHER_TOKEN, KEY, BROKER, OPERATOR, APPROVER, VIEWER];
    known.into_iter().chain(STRANGERS).collect()
}

#[test]
fn the_search_finds_every_spelling() {
    for spelling in spellings(STRANGERS[0]) {
        assert_eq!(
            found(&format!("before {spelling} after"), &STRANGERS),
            [STRANGERS[0]]
        );
    }
    let basic = STANDARD.encode(format!("user:{}", STRANGERS[5]));
    assert_eq!(found(&basic, &STRANGERS), [STRANGERS[5]]);
    assert!(found("canary of nobody", &secrets()).is_empty());
}

async fn started() -> (Running, Program) {
    let mut options = Options::with_token(TOKEN);
    options
        .tokens
        .extend([Token::new(OTHER_TOKEN), Token::new(BROKER)]);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let starting = Program::before(&sandbox.base_url())
        .rules(&[("salesforce.yaml", SALESFORCE), ("hubspot.yaml", HUBSPOT)])
        .env("WRITEGATE_LOG", "trace");
    (sandbox, starting.start())
}

/// Ways to say who one is, most of them wrong. None gets anywhere but the last.
async fn credentials(program: &Program) -> Vec<Reply> {
    let to = program.salesforce;
    let nobody = Client::new(to, "");
    let stranger = Client::new(to, STRANGERS[0]);
    let acme = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let basic = STANDARD.encode(format!("user:{}", STRANGERS[11]));
    let callers = [
        stranger.clone(),
        nobody.with("cookie", &format!("sid={}", STRANGERS[1])),
        nobody.with("x-sfdc-session", STRANGERS[2]),
        nobody.with("authorization", &format!("Basic {basic}")),
        nobody.with("authorization", &format!("OAuth {}", STRANGERS[0])),
        program
            .agent()
            .with("cookie", &format!("sid={}", STRANGERS[1])),
        program.agent().with("x-sfdc-session", STRANGERS[12]),
        program
            .agent()
            .with("authorization", &format!("Bearer {}", STRANGERS[12])),
        program.agent().with("x-api-key", STRANGERS[0]),
        program.agent().with("proxy-authorization", STRANGERS[12]),
    ];
    let mut replies = Vec::new();
    for caller in callers {
        replies.push(caller.get(&acme).await);
        replies.push(caller.patch(&acme, &json!({ "Rating": "Hot" })).await);
    }
    for query in [
        format!("oauth_token={}", STRANGERS[3]),
        format!("access_token={}", STRANGERS[3]),
        format!("hapikey={}", STRANGERS[4]),
        format!("sid={}", STRANGERS[3]),
    ] {
        for to in [program.salesforce, program.hubspot] {
            for caller in [Client::new(to, ""), Client::new(to, TOKEN)] {
                replies.push(caller.get(&format!("{acme}?{query}")).await);
                let target = format!("/crm/v3/objects/companies?{query}");
                replies.push(caller.post(&target, &json!({ "properties": {} })).await);
            }
        }
    }
    let key = Client::new(to, KEY);
    replies.push(key.get(&acme).await);
    let written = key.patch(&acme, &json!({ "Rating": "Warm" })).await;
    assert_eq!(
        written.status,
        204,
        "the broker's credential works: {}",
        written.text()
    );
    replies
}

/// Logins, in every form that carries a password.
async fn logins(program: &Program) -> Vec<Reply> {
    let mut replies = Vec::new();
    let form = format!(
        "grant_type=password&username=u&password={}&client_secret={}&refresh_token={}",
        STRANGERS[5].replace('!', "%21"),
        STRANGERS[6],
        STRANGERS[7]
    );
    let soap = format!(
        "<env:Envelope><env:Header><SessionHeader><sessionId>{}</sessionId></SessionHeader></env:Header>\
         <env:Body><login><password>{}</password></login></env:Body></env:Envelope>",
        STRANGERS[10], STRANGERS[5]
    );
    for to in [program.salesforce, program.hubspot] {
        for token in ["", TOKEN, STRANGERS[0]] {
            let client = Client::new(to, token);
            let forms = client.with("content-type", "application/x-www-form-urlencoded");
            for target in [
                "/services/oauth2/token",
                "/oauth/v1/token",
                "/services/oauth2/revoke",
            ] {
                let body = Some(form.clone().into());
                replies.push(forms.raw(Method::POST, target, body).await);
            }
            let xml = client
                .with("content-type", "text/xml")
                .with("soapaction", "login");
            for target in ["/services/Soap/u/60.0", "/services/Soap/c/60.0"] {
                let body = Some(soap.clone().into());
                replies.push(xml.raw(Method::POST, target, body).await);
            }
            for target in [
                format!("/oauth/v1/refresh-tokens/{}", STRANGERS[8]),
                format!("/oauth/v1/access-tokens/{}", STRANGERS[8]),
                format!("/services/oauth2/revoke?token={}", STRANGERS[8]),
                format!("/secur/frontdoor.jsp?sid={}", STRANGERS[8]),
            ] {
                replies.push(client.get(&target).await);
                replies.push(client.delete(&target).await);
                replies.push(client.post(&target, &json!({})).await);
            }
        }
    }
    replies
}

/// Writes that are allowed, denied, refused by the CRM, malformed, opaque, lost.
async fn writes(sandbox: &Running, program: &Program) -> Vec<Reply> {
    let agent = program.agent();
    let account = |key: &str| format!("/services/data/v60.0/sobjects/Account/{key}");
    let acme = account(seed::ACME);
    for field in ["Industry", "NextStep__c"] {
        let before = json!(VALUES[4]);
        assert!(sandbox.set_field(CrmKind::Salesforce, "Account", seed::ACME, field, before));
    }
    let rows = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::ACME, "NextStep__c": VALUES[2] },
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "NumberOfEmployees": VALUES[5] },
    ] });
    let allowed = agent
        .patch(&acme, &json!({ "NextStep__c": VALUES[0] }))
        .await;
    assert_eq!(allowed.status, 204, "{}", allowed.text());
    let denied = agent
        .patch(&acme, &json!({ "Site": VALUES[1], "AnnualRevenue": 1 }))
        .await;
    assert_eq!(denied.code(), "WRITEGATE_DENIED");
    let filled = agent.patch(&acme, &json!({ "Industry": VALUES[1] })).await;
    assert_eq!(filled.code(), "WRITEGATE_DENIED");
    let twice = format!("{{\"Site\":\"{0}\",\"Site\":\"{0}\"}}", VALUES[3]);
    let half = format!("{{\"Site\":\"{}", VALUES[3]);
    let mut replies = vec![allowed, denied, filled];
    for body in [twice, half, VALUES[3].to_owned()] {
        let reply = agent.raw(Method::PATCH, &acme, Some(body.into())).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        replies.push(reply);
    }
    replies.push(
        agent
            .patch("/services/data/v60.0/composite/sobjects", &rows)
            .await,
    );
    replies.push(
        agent
            .patch(&acme, &json!({ "NumberOfEmployees": VALUES[5] }))
            .await,
    );
    let key = account(&format!("Ext_Id__c/{}", VALUES[6]));
    replies.push(
        agent
            .patch(&key, &json!({ "Name": VALUES[0], "Site": VALUES[1] }))
            .await,
    );
    replies.push(agent.patch(&key, &json!({ "Name": VALUES[0] })).await);
    replies.push(agent.patch(&key, &json!({ "Industry": VALUES[1] })).await);
    replies.push(agent.delete(&key).await);
    replies.extend(stranger_writes(sandbox, program).await);
    replies
}

/// Writes that are opaque, to the other CRM, or lost on the way.
async fn stranger_writes(sandbox: &Running, program: &Program) -> Vec<Reply> {
    let (agent, hubspot) = (program.agent(), Client::new(program.hubspot, TOKEN));
    let acme = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let mut replies = Vec::new();
    let opaque = json!({ "note": VALUES[8] });
    replies.push(agent.post("/services/apexrest/notes", &opaque).await);
    let unknown = format!(
        "/services/data/v60.0/sobjects/Unknown__c/Ext__c/{}",
        VALUES[6]
    );
    replies.push(agent.patch(&unknown, &opaque).await);
    let company = format!("/crm/v3/objects/companies/{}", seed::HS_ACME);
    for field in ["next_step", "industry", "no_such_property"] {
        let body = json!({ "properties": { field: VALUES[7] } });
        replies.push(hubspot.patch(&company, &body).await);
    }
    let by_key = format!("/crm/v3/objects/companies/{}?idProperty=ext_id", VALUES[6]);
    replies.push(
        hubspot
            .patch(&by_key, &json!({ "properties": { "city": VALUES[7] } }))
            .await,
    );
    for fault in [
        Fault::CloseBeforeEffect,
        Fault::CloseAfterEffect,
        Fault::Cut { keep: 30 },
    ] {
        sandbox.script(|head| head.method == Method::PATCH, 1, fault);
        replies.push(
            agent
                .patch(&acme, &json!({ "NextStep__c": VALUES[0] }))
                .await,
        );
    }
    replies
}

/// Everything that the operators' side answers.
async fn told(program: &Program) -> Vec<String> {
    let operator = Client::new(program.admin, OPERATOR);
    let mut told = Vec::new();
    for token in ["", STRANGERS[9], TOKEN, VIEWER] {
        for target in [
            "status",
            "entries",
            "limits",
            "switches",
            "switches/x",
            "nowhere",
        ] {
            let client = Client::new(program.admin, token);
            told.push(client.get(&format!("/api/v1/{target}")).await.text());
        }
    }
    for target in [
        "/readyz",
        "/healthz",
        "/api/v1/status",
        "/api/v1/limits",
        "/api/v1/switches",
    ] {
        told.push(operator.get(target).await.text());
    }
    let entries = operator.get("/api/v1/entries?limit=500").await;
    for entry in entries.json()["items"].as_array().unwrap() {
        let id = entry["id"].as_str().unwrap();
        told.push(operator.get(&format!("/api/v1/entries/{id}")).await.text());
    }
    told.push(entries.text());
    told
}

/// All that stands in the ledger's file, by column.
fn columns(program: &Program) -> BTreeMap<String, String> {
    let connection = Connection::open(&program.ledger).unwrap();
    let mut statement = connection.prepare("SELECT * FROM rows").unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut columns: BTreeMap<String, String> = BTreeMap::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        for (place, name) in names.iter().enumerate() {
            let all = columns.entry(name.clone()).or_default();
            match row.get_ref(place).unwrap() {
                ValueRef::Text(text) => all.push_str(&String::from_utf8_lossy(text)),
                ValueRef::Blob(_) | ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => {}
            }
            all.push('\n');
        }
    }
    columns
}

/// The messages of refusals of ours; what the CRM says is the CRM's.
fn message(reply: &Reply) -> Option<String> {
    let ours = reply.text().contains("WRITEGATE_");
    ours.then(|| reply.message())
}

#[tokio::test]
async fn nothing_secret_comes_out_anywhere() {
    let (sandbox, mut program) = started().await;
    let mut replies = credentials(&program).await;
    replies.extend(logins(&program).await);
    replies.extend(writes(&sandbox, &program).await);
    program.verb_as(STRANGERS[9], &["kill", "enrichment-agent"]);
    program.verb(&["kill", "sdr-agent", "--reason", "a test"]);
    let told = told(&program).await;
    let live = std::fs::read(&program.ledger).unwrap();
    let mut wal = program.ledger.clone().into_os_string();
    wal.push("-wal");
    let wal = std::fs::read(wal).unwrap();
    assert_eq!(program.stop(), Some(0));
    let secrets = secrets();
    let log = program.log();
    assert!(log.len() > 100, "{} lines", log.len());
    for line in &log {
        assert_eq!(found(line, &secrets), [""; 0], "in the log: {line}");
        assert_eq!(found(line, &VALUES), [""; 0], "in the log: {line}");
    }
    for file in [&live, &wal, &std::fs::read(&program.ledger).unwrap()] {
        let text = String::from_utf8_lossy(file);
        assert_eq!(found(&text, &secrets), [""; 0], "in the ledger's file");
    }
    let columns = columns(&program);
    for (name, text) in &columns {
        let values = found(text, &VALUES);
        if name == "field_values" {
            // all that were judged are there, but for bodies that could not be read
            assert_eq!(values.len(), VALUES.len() - 2, "{values:?}");
        } else {
            assert_eq!(values, [""; 0], "in the column {name}");
        }
    }
    for text in &told {
        assert_eq!(found(text, &secrets), [""; 0], "told to operators");
    }
    for reply in &replies {
        assert_eq!(found(&reply.text(), &secrets), [""; 0], "{}", reply.text());
        let headers = format!("{:?}", reply.headers);
        assert_eq!(found(&headers, &secrets), [""; 0], "{headers}");
        if let Some(message) = message(reply) {
            // the prior value least of all; what the agent itself put into the path may stand
            let but_path: Vec<&str> = found(&message, &VALUES);
            assert!(
                but_path.iter().all(|value| *value == VALUES[6]),
                "{message}"
            );
        }
    }
    let seen = sandbox.seen();
    assert!(
        seen.iter()
            .any(|seen| seen.headers["authorization"] == format!("Bearer {BROKER}"))
    );
    let upstream: String = seen.iter().map(|seen| format!("{seen:?}")).collect();
    let not_theirs = found(&upstream, &[KEY, OPERATOR, STRANGERS[1], STRANGERS[12]]);
    assert_eq!(not_theirs, [""; 0], "what is not the CRM's went to the CRM");
}

#[tokio::test]
async fn a_configuration_with_mistakes_shows_no_secret() {
    let starting = Program::before("http://127.0.0.1:1")
        .route(", release_credential: { env: RELEASE }, colour: blue")
        .env("RELEASE", STRANGERS[0])
        .env("WRITEGATE_LOG", "trace");
    let ran = starting.refused();
    assert_eq!(ran.code, Some(78));
    let all: Value = json!([ran.out, ran.err]);
    assert_eq!(found(&all.to_string(), &secrets()), [""; 0], "{all}");
}
