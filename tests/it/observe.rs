//! What observes records and refuses nothing: routes, rules and limits. All else refuses as ever.

use http::Method;
use serde_json::json;
use writegate::config::{Config, Mode};
use writegate::control::Usage;
use writegate::journal::read::{Entry, EntryState};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::Would;
use writegate::sandbox::seed;

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, House, OPERATOR};

/// Denies one field, holds another, and looks at prior values for a third.
const STRICT: &str = "
crm: salesforce
default: allow
objects:
  Account:
    fields:
      Industry: deny
      Website: { agents: hold, owner: Sales Ops }
      Phone: fill-else-deny
rules:
  - name: key-accounts
    when: { before.Name: { matches: '^Acme' } }
    then: hold
    reason: Key accounts are for people.
limits:
  - { name: hourly, per: service_account, count: mutations, max: 2, window: 1h }
  - { name: runaway, per: service_account, count: requests, max: 1, window: 1h, then: stop }
";

fn observing(config: &mut Config) {
    config.routes[0].mode = Mode::Observe;
}

/// A house whose first route observes.
async fn watched(rules: &str) -> House {
    let builder = House::builder().rules(rules).configure(observing);
    builder.build().await
}

async fn used(house: &House) -> Vec<Usage> {
    let now = house.app.clock.now();
    house.app.control.usage(now).await.unwrap()
}

fn account(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

async fn set(agent: &Client, id: &str, field: &str, value: &str) -> Reply {
    agent.patch(&account(id), &json!({ field: value })).await
}

fn would(entry: &Entry) -> Vec<Would> {
    let observed = entry.observed.as_ref();
    observed.map_or_else(Vec::new, |observed| observed.would.clone())
}

fn rules_of(entry: &Entry) -> Vec<&str> {
    let reasons = entry.observed.iter().flat_map(|observed| &observed.reasons);
    reasons.map(|reason| reason.rule.as_str()).collect()
}

fn limits(entry: &Entry) -> Vec<&str> {
    let limits = entry.observed.iter().flat_map(|observed| &observed.limits);
    limits.map(String::as_str).collect()
}

#[tokio::test]
async fn a_denial_is_recorded_and_the_write_goes_through_with_its_snapshot() {
    let house = watched(STRICT).await;
    let reply = set(&house.agent(), seed::GLOBEX, "Industry", "Software").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.header("x-writegate-verdict"), Some("allow"));
    assert_eq!(reply.header("x-writegate-would"), Some("deny"));
    let entry = house.entries().await.remove(0);
    assert_eq!(entry.state, EntryState::Done);
    assert_eq!(entry.verdict.as_deref(), Some("allow"));
    assert_eq!(entry.reasons, json!([]));
    assert_eq!(would(&entry), [Would::WouldDeny]);
    assert_eq!(rules_of(&entry), ["field Account.Industry"]);
    let opened = house
        .ledger
        .rows(RowFilter {
            kinds: vec![RowKind::Opened],
            ..RowFilter::default()
        })
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        opened.meta["verdict"]["observed"]["would"],
        json!(["would-deny"])
    );
    let before = &opened.values.unwrap()["snapshot"]["priors"][0];
    assert!(before.to_string().contains("Manufacturing"), "{before}");
    house.finish().await;
}

#[tokio::test]
async fn a_hold_is_recorded_and_nothing_waits_or_is_conditional() {
    let house = watched(STRICT).await;
    let reply = set(&house.agent(), seed::ACME, "Phone", "+1 555").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    // a row that denies because of the value before, and a rule that holds
    assert_eq!(reply.header("x-writegate-would"), Some("deny"));
    let entry = house.entries().await.remove(0);
    assert_eq!(would(&entry), [Would::WouldDeny, Would::WouldHold]);
    assert_eq!(
        rules_of(&entry),
        ["field Account.Phone", "rule key-accounts"]
    );
    let written = house.sandbox.writes().remove(0);
    assert!(
        !written.headers.contains_key("if-unmodified-since"),
        "an observed verdict makes no write conditional"
    );
    house.finish().await;
}

#[tokio::test]
async fn a_limit_is_counted_and_neither_refuses_nor_stops() {
    let house = watched(STRICT).await;
    let agent = house.agent();
    let mut seen = Vec::new();
    for value in ["a", "b", "c"] {
        let reply = set(&agent, seed::GLOBEX, "Rating", value).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        seen.push(reply.header("x-writegate-would").map(ToOwned::to_owned));
    }
    let limit = Some("limit".to_owned());
    assert_eq!(seen, [None, limit.clone(), limit]);
    let entries = house.entries().await;
    assert_eq!(limits(&entries[0]), ["hourly", "runaway"]);
    assert_eq!(limits(&entries[1]), ["runaway"]);
    assert_eq!(would(&entries[0]), [Would::WouldLimit]);
    assert!(house.app.control.switches().thrown.is_empty());
    let used = used(&house).await;
    let used: Vec<_> = used
        .iter()
        .map(|usage| (usage.limit.as_str(), usage.used))
        .collect();
    assert_eq!(used, [("hourly", 3), ("runaway", 3)]);
    house.finish().await;
}

#[tokio::test]
async fn what_cannot_be_taken_apart_passes_with_an_entry() {
    let house = watched(STRICT).await;
    let target = "/services/apexrest/renew";
    let reply = house.agent().post(target, &json!({ "all": true })).await;
    // the sandbox has no such path, and it is the sandbox that says so
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert_eq!(reply.header("x-writegate-would"), Some("deny"));
    assert_eq!(house.sandbox.seen()[0].target, target);
    assert_eq!(&house.sandbox.seen()[0].body[..], br#"{"all":true}"#);
    let entry = house.entries().await.remove(0);
    assert_eq!(entry.state, EntryState::Failed);
    assert_eq!(rules_of(&entry), ["endpoints"]);
    house.finish().await;
}

#[tokio::test]
async fn all_else_refuses_as_ever() {
    let house = watched(STRICT).await;
    let agent = house.agent();
    // two readings
    let twice = br#"{"Industry":"a","Industry":"b"}"#.as_slice();
    let reply = agent
        .raw(Method::PATCH, &account(seed::GLOBEX), Some(twice.into()))
        .await;
    assert_eq!(
        (reply.status.as_u16(), reply.code()),
        (400, "WRITEGATE_MALFORMED".into())
    );
    assert_eq!(reply.header("x-writegate-would"), None);
    // nobody we know
    let stranger = Client::new(house.salesforce, "00Dxx!nobody");
    let reply = set(&stranger, seed::GLOBEX, "Industry", "a").await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
    // a login
    let login =
        Client::new(house.salesforce, "").with("content-type", "application/x-www-form-urlencoded");
    let form = "grant_type=client_credentials&client_id=nobody";
    let reply = login
        .raw(Method::POST, "/services/oauth2/token", Some(form.into()))
        .await;
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_CALLER");
    // the store
    house.ledger.break_down();
    let reply = set(&agent, seed::GLOBEX, "Industry", "a").await;
    assert_eq!(reply.code(), "WRITEGATE_UNAVAILABLE");
    house.ledger.repair();
    // the kill switch
    let ann = Client::new(house.operators().await, APPROVER);
    let scope = json!({ "scope": "writes" });
    let killed = ann
        .send(
            Method::PUT,
            "/api/v1/switches/enrichment-agent",
            Some(&scope),
        )
        .await;
    assert_eq!(killed.status, 200);
    let reply = set(&agent, seed::GLOBEX, "Industry", "a").await;
    assert_eq!(reply.code(), "WRITEGATE_STOPPED");
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_taken_refuses_as_ever() {
    let house = watched(STRICT).await;
    let reply = set(&house.agent(), "001Wg0000000999IAA", "Industry", "a").await;
    assert_eq!(reply.status, 404, "{}", reply.text());
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}

/// A refusal that the route makes for other reasons counts, and trips nothing.
#[tokio::test]
async fn refusals_are_counted_and_trip_nothing() {
    const PROBING: &str = "
crm: salesforce
default: allow
limits:
  - { name: probing, per: service_account, count: refusals, max: 1, window: 1h, then: stop }
";
    let house = watched(PROBING).await;
    for _ in 0..3 {
        let reply = house
            .agent()
            .raw(Method::PATCH, &account(seed::GLOBEX), Some("{".into()))
            .await;
        assert_eq!(reply.status, 400);
    }
    assert!(house.app.control.switches().thrown.is_empty());
    let used = used(&house).await;
    assert_eq!((used.len(), used[0].used), (1, 3));
    let entries = house.entries().await;
    for entry in &entries[..2] {
        assert_eq!(would(entry), [Would::WouldLimit]);
        assert_eq!(limits(entry), ["probing"]);
        assert_eq!(entry.verdict, None, "the rules were not asked");
    }
    assert_eq!(entries[2].observed, None);
    assert_eq!(
        set(&house.agent(), seed::GLOBEX, "Rating", "a")
            .await
            .status,
        204
    );
    house.finish().await;
}

const PARTLY: &str = "
crm: salesforce
default: allow
objects:
  Account:
    fields: { Industry: deny }
rules:
  - name: trial
    applies: { field: Rating|Industry }
    when: { before.Name: { matches: '^Globex' } }
    then: deny
    observe: true
    reason: Perhaps one day.
limits:
  - { name: trial-budget, per: service_account, count: mutations, max: 1, window: 1h, then: stop, observe: true }
  - { name: budget, per: service_account, count: mutations, max: 3, window: 1h }
";

#[tokio::test]
async fn one_rule_and_one_limit_observe_while_the_others_are_enforced() {
    let house = House::builder().rules(PARTLY).build().await;
    let agent = house.agent();
    let reply = set(&agent, seed::GLOBEX, "Rating", "Hot").await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.header("x-writegate-would"), Some("deny"));
    let entry = house.entries().await.remove(0);
    assert_eq!(
        (rules_of(&entry), limits(&entry)),
        (vec!["rule trial"], vec![])
    );
    // nothing rests on what the rule looked at
    let written = house.sandbox.writes().remove(0);
    assert!(!written.headers.contains_key("if-unmodified-since"));
    // a row is enforced, and its refusal does not speak of the rule that observes
    let reply = set(&agent, seed::GLOBEX, "Industry", "x").await;
    assert_eq!(reply.status, 403);
    assert!(!reply.message().contains("Perhaps"), "{}", reply.message());
    // the second and third pass the limit that observes; the fourth reaches the one that does not
    for value in ["Warm", "Cold"] {
        let reply = set(&agent, seed::ACME, "Rating", value).await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        assert_eq!(reply.header("x-writegate-would"), Some("limit"));
    }
    assert_eq!(limits(&house.entries().await[0]), ["trial-budget"]);
    let reply = set(&agent, seed::ACME, "Rating", "Hot").await;
    assert_eq!(reply.status, 403);
    assert!(
        reply.message().contains("limit budget is used up"),
        "{}",
        reply.message()
    );
    assert!(house.app.control.switches().thrown.is_empty());
    house.finish().await;
}

/// What a refused write's verdict observed is told beside the limit that it reached.
#[tokio::test]
async fn a_refusal_tells_of_rules_and_limits_that_observe() {
    let rules = PARTLY
        .replace("count: mutations, max: 1", "count: refusals, max: 0")
        .replace("    when: { before.Name: { matches: '^Globex' } }\n", "");
    let house = House::builder().rules(&rules).build().await;
    let reply = set(&house.agent(), seed::GLOBEX, "Industry", "x").await;
    assert_eq!(reply.status, 403);
    let entry = house.entries().await.remove(0);
    assert_eq!(entry.verdict.as_deref(), Some("deny"));
    assert_eq!(would(&entry), [Would::WouldDeny, Would::WouldLimit]);
    assert_eq!(rules_of(&entry), ["rule trial"]);
    assert_eq!(limits(&entry), ["trial-budget"]);
    house.finish().await;
}

/// Of a write that waits for a person: how many may wait, and how much may be asked for.
#[tokio::test]
async fn a_hold_tells_of_limits_that_observe() {
    const HELD: &str = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Rating: { agents: hold } } }
limits:
  - { name: queue, per: service_account, count: holds, max: 1, observe: true }
  - { name: trial, per: service_account, count: mutations, max: 2, window: 1h, observe: true }
";
    let house = House::builder().rules(HELD).build().await;
    for value in ["Hot", "Warm", "Cold"] {
        let reply = set(&house.agent(), seed::GLOBEX, "Rating", value).await;
        assert_eq!(reply.status, 423, "{}", reply.text());
    }
    let entries = house.entries().await;
    assert_eq!(limits(&entries[0]), ["trial", "queue"]);
    assert_eq!(limits(&entries[1]), ["queue"]);
    assert_eq!(would(&entries[1]), [Would::WouldLimit]);
    assert_eq!(entries[2].observed, None);
    house.finish().await;
}

#[tokio::test]
async fn status_and_entries_tell_what_is_observed() {
    let house = watched(STRICT).await;
    set(&house.agent(), seed::GLOBEX, "Website", "https://x.example").await;
    let dana = Client::new(house.operators().await, OPERATOR);
    let status = dana.get("/api/v1/status").await.json();
    assert_eq!(status["routes"][0]["mode"], "observe");
    assert_eq!(status["routes"][1]["mode"], "enforce");
    let entries = dana.get("/api/v1/entries").await.json();
    assert_eq!(entries["items"][0]["verdict"], "allow");
    assert_eq!(
        entries["items"][0]["observed"]["would"],
        json!(["would-hold"])
    );
    house.finish().await;
}

/// Whatever was judged, each row that begins an entry says under which mode: what passed because nothing
/// was enforced is told from what was allowed.
#[tokio::test]
async fn each_row_says_under_which_mode_it_was_judged() {
    let hubspot = "
crm: hubspot
default: allow
objects:
  companies: { fields: { industry: { agents: deny }, phone: { agents: hold } } }
";
    let house = House::builder()
        .rules(STRICT)
        .and_rules(hubspot)
        .configure(observing)
        .build()
        .await;
    let dana = Client::new(house.operators().await, OPERATOR);
    let (observed, enforced) = (house.agent(), house.hubspot_agent());
    let company = format!("/crm/v3/objects/companies/{}", seed::HS_GLOBEX);
    set(&observed, seed::GLOBEX, "Industry", "Software").await;
    for property in ["city", "industry", "phone"] {
        let body = json!({ "properties": { property: "x" } });
        enforced.patch(&company, &body).await;
    }
    // refused before they were understood, and by nobody's rules
    let twice = Some("{\"a\":1,\"a\":2}".into());
    for (agent, target) in [
        (&observed, account(seed::GLOBEX)),
        (&enforced, company.clone()),
    ] {
        agent.raw(Method::PATCH, &target, twice.clone()).await;
        let dots = format!("{target}/../x");
        agent.post(&dots, &json!({})).await;
    }
    let entry = house.entries().await.pop().unwrap();
    let revert = dana
        .post(&format!("/api/v1/entries/{}/revert", entry.id), &json!({}))
        .await;
    assert_eq!(revert.status, 200, "{}", revert.text());
    let begin = vec![RowKind::Opened, RowKind::Refused, RowKind::Held];
    let filter = RowFilter {
        kinds: begin,
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(filter).await.unwrap();
    assert_eq!(rows.len(), 9);
    for row in &rows {
        let of_route = match row.route.as_deref() {
            Some("salesforce") => "observe",
            _ => "enforce",
        };
        // Nothing is only observed of a revert.
        let reverts = row.meta["origin"] == "revert";
        let mode = if reverts { "enforce" } else { of_route };
        assert_eq!(row.meta["mode"], mode, "{row:?}");
    }
    assert_eq!(
        rows.iter()
            .filter(|row| row.meta["origin"] == "revert")
            .count(),
        1
    );
    let told = dana.get(&format!("/api/v1/entries/{}", entry.id)).await;
    assert_eq!(told.json()["mode"], "observe");
    house.idle().await;
    house.finish().await;
}
