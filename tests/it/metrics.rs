//! `/metrics`: what was done is counted once and under the right words, and nothing that was written,
//! or by which token, stands in it (P12).

use std::collections::BTreeMap;
use std::time::Instant;

use http::Method;
use serde_json::json;
use writegate::config::Mode;
use writegate::sandbox::{Fault, Gate, seed};

use super::support::client::{Client, Reply};
use super::support::doctored::Doctored;
use super::support::house::{APPROVER, House, OPEN_HUBSPOT, OPEN_RULES, OPERATOR, TOKEN};

const RULES: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow } }
  Account:
    fields:
      Website: { agents: hold, owner: Sales Ops }
      Phone: deny
limits:
  - { name: hourly, per: service_account, count: mutations, max: 100, window: 1h }
  - { name: churn, per: record, count: mutations, max: 50, window: 1h }
";

/// The series of a text, and its value; every one stands there once.
fn series(text: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let before = series.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(before, None, "{name} stands there twice");
    }
    series
}

async fn scrape(house: &House) -> Reply {
    let client = Client::new(house.operators().await, "");
    let reply = client.get("/metrics").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply
}

pub(crate) async fn told(house: &House) -> BTreeMap<String, f64> {
    series(&scrape(house).await.text())
}

fn account(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

#[track_caller]
fn is(told: &BTreeMap<String, f64>, name: &str, value: f64) {
    let found = told.get(&format!("writegate_{name}"));
    let near: Vec<_> = told
        .keys()
        .filter(|key| key.contains(name.split('{').next().unwrap()) && !key.contains("_bucket"))
        .collect();
    assert_eq!(found, Some(&value), "{name}; there are {near:?}");
}

#[tokio::test]
async fn requests_refusals_and_answers_are_counted_once() {
    let house = House::builder()
        .rules(RULES)
        .and_rules(OPEN_HUBSPOT)
        .build()
        .await;
    let agent = house.agent();
    for _ in 0..3 {
        assert_eq!(agent.get(&account(seed::ACME)).await.status, 200);
    }
    assert_eq!(agent.get(&account("001Wg0000000999IAA")).await.status, 404);
    let set = |field: &'static str| {
        let agent = agent.clone();
        async move {
            agent
                .patch(&account(seed::ACME), &json!({ field: "x" }))
                .await
                .status
        }
    };
    assert_eq!(set("Rating").await, 204);
    assert_eq!(set("Rating").await, 204);
    assert_eq!(set("Phone").await, 403);
    assert_eq!(set("Website").await, 423);
    let reply = agent.post("/services/apexrest/x", &json!({})).await;
    assert_eq!(reply.code(), "WRITEGATE_OPAQUE");
    let stranger = Client::new(house.salesforce, "00Dxx!nobody");
    assert_eq!(stranger.get(&account(seed::ACME)).await.status, 403);
    let login =
        Client::new(house.salesforce, "").with("content-type", "application/x-www-form-urlencoded");
    let form = "grant_type=client_credentials&client_id=nobody";
    let login = login
        .raw(Method::POST, "/services/oauth2/token", Some(form.into()))
        .await;
    assert_eq!(login.status, 403);
    // a dot segment: nobody can say what it is
    assert_eq!(agent.get("/services/data/v60.0/../x").await.status, 400);
    let contact = json!({ "properties": { "lastname": "Doe" } });
    let created = house
        .hubspot_agent()
        .post("/crm/v3/objects/contacts", &contact)
        .await;
    assert_eq!(created.status, 201);
    house.idle().await;
    let told = told(&house).await;
    as_done(&told, house.sandbox.requests());
    // each allowed write was timed in all its parts
    is(
        &told,
        "request_seconds_count{route=\"salesforce\",class=\"write\"}",
        4.0,
    );
    is(
        &told,
        "request_seconds_bucket{le=\"+Inf\",route=\"salesforce\",class=\"write\"}",
        4.0,
    );
    is(&told, "own_seconds_count{route=\"salesforce\"}", 4.0);
    assert!(told["writegate_snapshot_seconds_count{route=\"salesforce\"}"] >= 2.0);
    assert!(told["writegate_ledger_append_seconds_count"] >= 8.0);
    is(&told, "ledger_append_failures_total", 0.0);
    is(&told, "ledger_queued_rows", 0.0);
    is(&told, "writes_under_way", 0.0);
    is(&told, "in_doubt", 0.0);
    is(&told, "holds", 1.0);
    is(&told, "ready", 1.0);
    house.finish().await;
}

/// Seconds that Writegate spent on writes of its own accord.
pub(crate) async fn own_seconds(house: &House) -> f64 {
    told(house).await["writegate_own_seconds_sum{route=\"salesforce\"}"]
}

#[tokio::test]
async fn waiting_for_another_write_to_the_record_is_not_our_own_time() {
    // Records are locked when the gate decides, or before a rule looks at them.
    let looks = "
crm: salesforce
default: allow
rules:
  - { name: looks, when: { before.Name: Nobody }, then: deny }
";
    for rules in [OPEN_RULES, looks] {
        waiting_is_not_our_own_time(rules).await;
    }
}

async fn waiting_is_not_our_own_time(rules: &str) {
    let control = Doctored::new();
    let builder = House::builder().rules(rules).control(control.clone());
    let house = builder.build().await;
    let gate = Gate::new();
    let held = Fault::WaitBeforeEffect(gate.clone());
    let patch = |head: &writegate::sandbox::Head<'_>| head.method == Method::PATCH;
    house.sandbox.script(patch, 1, held);
    let start = |value: &'static str| {
        let agent = house.agent();
        tokio::spawn(async move {
            let began = Instant::now();
            let body = json!({ "Rating": value });
            let reply = agent.patch(&account(seed::ACME), &body).await;
            assert_eq!(reply.status, 204);
            began.elapsed()
        })
    };
    let first = start("Hot");
    gate.arrived(1).await;
    let second = start("Cold");
    control.waiting(1).await;
    // One waits for the CRM and one for the record while these are read.
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(house.agent().get(&account(seed::ACME)).await.status, 200);
    }
    let waited = began.elapsed();
    gate.open();
    let both = first.await.unwrap() + second.await.unwrap();
    house.idle().await;
    let own = own_seconds(&house).await;
    let most = both.saturating_sub(2 * waited).as_secs_f64();
    assert!(
        own <= most,
        "{own} of {most}; {waited:?} of {both:?} were waited"
    );
    house.finish().await;
}

/// What the first test did, as counts.
#[track_caller]
fn as_done(told: &BTreeMap<String, f64>, at_the_crm: u64) {
    let requests = |class: &str, verdict: &str, code: u16| {
        format!(
            "requests_total{{route=\"salesforce\",class=\"{class}\",verdict=\"{verdict}\",code=\"{code}\"}}"
        )
    };
    is(told, &requests("read", "none", 200), 3.0);
    is(told, &requests("read", "none", 404), 1.0);
    is(told, &requests("write", "allow", 204), 2.0);
    is(told, &requests("write", "deny", 403), 1.0);
    is(told, &requests("write", "hold", 423), 1.0);
    is(told, &requests("opaque", "deny", 403), 1.0);
    is(told, &requests("auth", "deny", 403), 1.0);
    is(told, &requests("read", "none", 403), 1.0);
    is(told, &requests("unknown", "none", 400), 1.0);
    is(
        told,
        "requests_total{route=\"hubspot\",class=\"write\",verdict=\"allow\",code=\"201\"}",
        1.0,
    );
    let refusals = |side: &str, code: &str| {
        format!("refusals_total{{route=\"salesforce\",side=\"{side}\",code=\"WRITEGATE_{code}\"}}")
    };
    is(told, &refusals("policy", "DENIED"), 1.0);
    is(told, &refusals("policy", "HELD"), 1.0);
    is(told, &refusals("policy", "OPAQUE"), 1.0);
    is(told, &refusals("caller", "UNKNOWN_CALLER"), 2.0);
    let answers = |way: &str, status: &str| {
        format!("crm_answers_total{{route=\"salesforce\",way=\"{way}\",status=\"{status}\"}}")
    };
    is(told, &answers("read", "2xx"), 3.0);
    is(told, &answers("read", "4xx"), 1.0);
    is(told, &answers("write", "2xx"), 2.0);
    is(told, &answers("write", "none"), 0.0);
    let own = at_the_crm - 4 - 2 - 1;
    let of_both = told[&format!("writegate_{}", answers("own_read", "2xx"))]
        + told[&format!(
            "writegate_{}",
            answers("own_read", "2xx").replace("salesforce", "hubspot")
        )];
    assert_eq!(
        of_both,
        f64::from(u32::try_from(own).unwrap()),
        "reads of our own"
    );
}

#[tokio::test]
async fn limits_switches_rules_and_quota_are_told_as_they_stand() {
    let house = House::builder()
        .rules(RULES)
        .configure(|config| config.rules = "no/such/folder".into())
        .build()
        .await;
    let agent = house.agent();
    for id in [seed::ACME, seed::ACME, seed::GLOBEX] {
        let body = json!({ "Rating": "Hot" });
        assert_eq!(agent.patch(&account(id), &body).await.status, 204);
    }
    let ann = Client::new(house.operators().await, APPROVER);
    let scope = json!({ "scope": "writes" });
    ann.send(Method::PUT, "/api/v1/switches/sdr-agent", Some(&scope))
        .await;
    let dana = Client::new(ann.to, OPERATOR);
    let wish = json!({ "max": 90, "for": "1h" });
    dana.send(Method::PUT, "/api/v1/limits/hourly", Some(&wish))
        .await;
    // the configured folder is not there, so a reload is refused
    assert_eq!(dana.post("/api/v1/reload", &json!({})).await.status, 422);
    let told = told(&house).await;
    is(&told, "limit_used{limit=\"hourly\"}", 3.0);
    is(&told, "limit_keys{limit=\"hourly\"}", 1.0);
    is(&told, "limit_used{limit=\"churn\"}", 2.0);
    is(&told, "limit_max{limit=\"churn\"}", 50.0);
    is(&told, "limit_keys{limit=\"churn\"}", 2.0);
    is(&told, "limits_live", 1.0);
    is(
        &told,
        "switch_thrown{service_account=\"sdr-agent\",scope=\"writes\"}",
        1.0,
    );
    is(&told, "rules_reloads_total{result=\"refused\"}", 1.0);
    is(&told, "rules_stale", 1.0);
    let digest = house.app.rules.load().digest().to_owned();
    is(
        &told,
        &format!("rules_info{{digest=\"{digest}\",from=\"folder\"}}"),
        1.0,
    );
    // the sandbox counts calls as Salesforce does
    let max = told["writegate_crm_quota_max{route=\"salesforce\",window=\"daily\"}"];
    let left = told["writegate_crm_quota_remaining{route=\"salesforce\",window=\"daily\"}"];
    assert!(max > 0.0 && left < max && left > 0.0, "{left} of {max}");
    house.finish().await;
}

#[tokio::test]
async fn what_is_observed_and_what_fails_is_counted() {
    let house = House::builder()
        .rules(RULES)
        .configure(|config| config.routes[0].mode = Mode::Observe)
        .build()
        .await;
    let body = json!({ "Phone": "+1 555" });
    assert_eq!(
        house
            .agent()
            .patch(&account(seed::ACME), &body)
            .await
            .status,
        204
    );
    house.ledger.break_down();
    assert_eq!(
        house
            .agent()
            .patch(&account(seed::ACME), &body)
            .await
            .status,
        503
    );
    let broken = told(&house).await;
    is(
        &broken,
        "observed_total{route=\"salesforce\",would=\"deny\"}",
        1.0,
    );
    is(
        &broken,
        "refusals_total{route=\"salesforce\",side=\"us\",code=\"WRITEGATE_UNAVAILABLE\"}",
        1.0,
    );
    is(&broken, "ready", 0.0);
    assert!(broken["writegate_ledger_append_failures_total"] >= 1.0);
    house.ledger.repair();
    is(&told(&house).await, "ready", 1.0);
    house.finish().await;
}

/// Everything that identifies a person, a record or a credential goes through; none of it is told.
#[tokio::test]
async fn no_record_token_value_or_path_is_told() {
    let house = House::builder()
        .rules(RULES)
        .and_rules(OPEN_HUBSPOT)
        .build()
        .await;
    let agent = house.agent().with("x-writegate-intent", "canary-intent");
    let body = json!({ "Name": "canary-value", "Rating": "Hot" });
    agent.patch(&account(seed::ACME), &body).await;
    agent
        .post(
            "/services/data/v60.0/sobjects/Contact",
            &json!({ "LastName": "canary-person", "Email": "canary@acme.example" }),
        )
        .await;
    agent
        .patch(
            "/services/data/v60.0/sobjects/Account/Ext_Id__c/canary-key",
            &json!({ "Rating": "Hot" }),
        )
        .await;
    agent
        .get("/services/data/v60.0/query?q=SELECT+Id+FROM+Account+WHERE+Name='canary-query'")
        .await;
    agent
        .post("/services/apexrest/canary-path", &json!({}))
        .await;
    Client::new(house.salesforce, "canary-stranger")
        .get("/canary-path")
        .await;
    let hubspot = house.hubspot_agent();
    hubspot
        .patch(
            "/crm/v3/objects/contacts/canary@acme.example?idProperty=email",
            &json!({ "properties": { "lastname": "canary-person" } }),
        )
        .await;
    house.idle().await;
    let reply = scrape(&house).await;
    let text = reply.text();
    assert_eq!(
        reply.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(text.ends_with("# EOF\n"));
    tells_nothing(&text);
    house.finish().await;
}

fn tells_nothing(text: &str) {
    let secrets = [
        "canary",
        TOKEN,
        seed::ACME,
        "acme.example",
        "/services",
        "/crm/",
        "Ext_Id__c",
        "sha256",
        "Account",
        "contacts",
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let labels: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('{')?.1.split_once('}')?.0))
        .flat_map(|labels| labels.split("\","))
        .filter_map(|label| Some(label.split_once('=')?.0))
        .collect();
    let known = [
        "route",
        "class",
        "verdict",
        "code",
        "side",
        "way",
        "status",
        "le",
        "limit",
        "digest",
        "version",
        "window",
        "service_account",
        "scope",
        "result",
        "would",
        "by",
        "from",
    ];
    for label in labels {
        assert!(known.contains(&label), "a label {label}");
    }
}
