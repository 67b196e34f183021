//! Limits set while the proxy runs: they stand in place of the rules' own until they end, survive a
//! restart, and never touch what is used.

use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock};
use writegate::limits::{self, Live};
use writegate::sandbox::{Options, Sandbox, seed};

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, Builder, House, OPEN_HUBSPOT, OPERATOR, TOKEN, VIEWER};
use super::support::program::Program;

const RULES: &str = "
crm: salesforce
default: allow
limits:
  - { name: hourly,  per: service_account, count: mutations, max: 2, window: 1h }
  - { name: pace,    per: service_account, rate: 100/s, burst: 100 }
  - { name: total,   per: route, count: requests, max: 1000, window: 1d }
  - { name: probing, per: service_account, count: refusals, max: 1000, window: 1h, then: stop }
";

fn noon() -> Arc<ManualClock> {
    let noon: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    Arc::new(ManualClock::new(noon))
}

fn house(clock: &Arc<ManualClock>) -> Builder {
    House::builder().rules(RULES).clock(clock.clone())
}

async fn write(agent: &Client) -> Reply {
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::GLOBEX);
    agent.patch(&target, &json!({ "Rating": "Hot" })).await
}

async fn operator(house: &House, token: &str) -> Client {
    Client::new(house.operators().await, token)
}

async fn set(dana: &Client, name: &str, wish: Value) -> Reply {
    let target = format!("/api/v1/limits/{name}");
    dana.send(Method::PUT, &target, Some(&wish)).await
}

async fn unset(dana: &Client, name: &str, wish: Value) -> Reply {
    let target = format!("/api/v1/limits/{name}");
    dana.send(Method::DELETE, &target, Some(&wish)).await
}

/// How many more writes pass before one is refused.
async fn room(agent: &Client) -> usize {
    let mut passed = 0;
    while write(agent).await.status == 204 {
        passed += 1;
    }
    passed
}

#[tokio::test]
async fn a_live_maximum_holds_until_it_ends_and_counters_stay() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    assert_eq!(room(&house.agent()).await, 2);
    let wish = json!({ "max": 5, "for": "30m", "reason": "launch day" });
    let reply = set(&dana, "hourly", wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["live"]["until"], "2026-11-20T12:30:00Z");
    assert_eq!(reply.json()["file"]["max"], 2);
    // what was used is used
    assert_eq!(room(&house.agent()).await, 3);
    let refused = write(&house.agent()).await;
    assert!(
        refused
            .message()
            .contains("used up (5 of 5 mutations in 1 h)"),
        "{}",
        refused.message()
    );
    let shown = dana.get("/api/v1/limits/hourly").await.json();
    assert_eq!(shown["file"], json!({ "max": 2, "window_ms": 3_600_000 }));
    assert_eq!(shown["live"][0]["max"], 5);
    assert_eq!(shown["live"][0]["by"], "dana");
    assert_eq!(shown["live"][0]["reason"], "launch day");
    assert_eq!(
        shown["used"],
        json!([{ "key": "enrichment-agent", "used": 5, "max": 5 }])
    );
    let told = |max: u64| {
        let scrape = format!("writegate_limit_max{{limit=\"hourly\"}} {max}");
        let dana = dana.clone();
        async move {
            let status = dana.get("/api/v1/status").await.json();
            let limits = status["limits"].as_array().unwrap().clone();
            let hourly = limits.iter().find(|limit| limit["limit"] == "hourly");
            assert_eq!(hourly.unwrap()["max"], max);
            let metrics = dana.get("/metrics").await.text();
            assert!(metrics.contains(&scrape), "{scrape}\n{metrics}");
        }
    };
    told(5).await;
    // it ends by itself, and what was used is not forgotten
    clock.advance_ms(30 * 60_000);
    told(2).await;
    let refused = write(&house.agent()).await;
    assert!(
        refused
            .message()
            .contains("used up (5 of 2 mutations in 1 h)"),
        "{}",
        refused.message()
    );
    assert_eq!(
        dana.get("/api/v1/limits/hourly").await.json()["live"],
        json!([])
    );
    house.finish().await;
}

#[tokio::test]
async fn a_live_value_can_be_for_one_service_account_and_be_lower() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    let wish = json!({ "max": 4, "for": "1h" });
    assert_eq!(set(&dana, "hourly", wish).await.status, 200);
    let wish = json!({ "max": 1, "for": "1h", "service_account": "sdr-agent" });
    assert_eq!(set(&dana, "HOURLY", wish).await.status, 200);
    assert_eq!(room(&house.other_agent()).await, 1);
    assert_eq!(room(&house.agent()).await, 4);
    // without its own value it has that of all
    let reply = unset(&dana, "hourly", json!({ "service_account": "sdr-agent" })).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(room(&house.other_agent()).await, 3);
    assert_eq!(unset(&dana, "hourly", json!({})).await.status, 200);
    assert_eq!(write(&house.agent()).await.status, 403);
    let again = unset(&dana, "hourly", json!({})).await;
    assert_eq!(
        (again.status.as_u16(), again.json()["error"]["code"].clone()),
        (409, json!("not_set"))
    );
    house.finish().await;
}

/// Nothing fits into nothing, however few are sent and however long the window is waited for.
#[tokio::test]
async fn a_limit_of_none_says_when_that_ends() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    let wish = json!({ "max": 0, "for": "30m" });
    assert_eq!(set(&dana, "hourly", wish).await.status, 200);
    let refused = write(&house.agent()).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.message(),
        "Not written: limit hourly allows no mutations until 12:30 UTC; stop until then."
    );
    clock.advance_ms(30 * 60_000);
    assert_eq!(room(&house.agent()).await, 2);
    house.finish().await;
}

/// A body that says something else than it means changes nothing.
#[tokio::test]
async fn a_wish_that_is_not_understood_lifts_nothing() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    let wish = json!({ "max": 1, "for": "1h" });
    assert_eq!(set(&dana, "hourly", wish).await.status, 200);
    for (wish, says) in [
        (
            json!({ "as": "sdr-agent" }),
            "unknown key `as`: use service_account, reason",
        ),
        (
            json!({ "service_account": 7 }),
            "`service_account` must be text",
        ),
        (json!(["sdr-agent"]), "the body has to be a JSON object"),
    ] {
        let reply = unset(&dana, "hourly", wish.clone()).await;
        assert_eq!(reply.status, 422, "{wish}: {}", reply.text());
        let json = reply.json();
        assert_eq!(json["error"]["message"], says, "{wish}");
    }
    assert_eq!(room(&house.agent()).await, 1);
    house.finish().await;
}

#[tokio::test]
async fn a_restart_knows_live_values_and_what_is_used() {
    let clock = noon();
    let mut first = house(&clock).build().await;
    let live = |service_account: Option<&str>, max| Live {
        limit: "hourly".into(),
        service_account: service_account.map(Into::into),
        value: limits::Value::Max(max),
        until: clock.now() + SignedDuration::from_hours(2),
        by: "dana".into(),
        reason: "launch day".into(),
        at: clock.now(),
    };
    limits::set(&first.app, live(None, 5)).await.unwrap();
    limits::set(&first.app, live(Some("sdr-agent"), 9))
        .await
        .unwrap();
    let who = ("dana", "enough");
    let unset = limits::unset(&first.app, "hourly", Some("sdr-agent"), who, clock.now()).await;
    assert!(unset.unwrap().is_some());
    for _ in 0..3 {
        assert_eq!(write(&first.agent()).await.status, 204);
    }
    first.stop().await;
    let stores = Arc::clone(&first.folder);
    drop(first);
    let second = house(&clock).folder(&stores).build().await;
    let dana = operator(&second, OPERATOR).await;
    let shown = dana.get("/api/v1/limits/hourly").await.json();
    assert_eq!(shown["live"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["live"][0]["reason"], "launch day");
    assert_eq!(shown["used"][0]["used"], 3);
    assert_eq!(room(&second.agent()).await, 2);
    let rows = second.app.journal.settings().await.unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].meta["by"], "dana");
    assert_eq!(rows[1].service_account.as_deref(), Some("sdr-agent"));
    let told = rows[0].meta["what"].as_str().unwrap();
    assert_eq!(
        told,
        "limit hourly set to 5 until 2026-11-20 14:00:00 UTC by dana: launch day"
    );
}

#[tokio::test]
async fn rates_and_refusals_can_be_set_too() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    let wish = json!({ "rate": "1/s", "burst": 1, "for": "1h" });
    assert_eq!(set(&dana, "pace", wish).await.status, 200);
    assert_eq!(write(&house.agent()).await.status, 204);
    let refused = write(&house.agent()).await;
    assert_eq!(refused.status, 429);
    assert!(
        refused.message().contains("limit pace allows 1 per second"),
        "{}",
        refused.message()
    );
    // one refusal was counted; one more trips the wire that was drawn tighter
    let wish = json!({ "max": 1, "for": "1h" });
    assert_eq!(set(&dana, "probing", wish).await.status, 200);
    assert_eq!(write(&house.agent()).await.status, 429);
    assert_eq!(write(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    house.finish().await;
}

/// What is asked of which limit, and the refusal.
fn nonsense() -> Vec<(&'static str, Value, u16, &'static str)> {
    vec![
        (
            "nosuch",
            json!({ "max": 1, "for": "1h" }),
            404,
            "no limit is named nosuch; there are: hourly, pace",
        ),
        (
            "hourly",
            json!({ "max": 1 }),
            422,
            "`for`: `` is not a duration",
        ),
        (
            "hourly",
            json!({ "max": 1, "for": "31d" }),
            422,
            "`for` may be 30d at most",
        ),
        (
            "hourly",
            json!({ "for": "1h" }),
            422,
            "limit hourly is a budget: give `max`",
        ),
        (
            "hourly",
            json!({ "max": -1, "for": "1h" }),
            422,
            "whole number",
        ),
        (
            "hourly",
            json!({ "rate": "1/s", "for": "1h" }),
            422,
            "limit hourly is a budget",
        ),
        (
            "hourly",
            json!({ "max": 1, "burst": 2, "for": "1h" }),
            422,
            "limit hourly is a budget",
        ),
        (
            "pace",
            json!({ "max": 1, "for": "1h" }),
            422,
            "limit pace is a rate: give `rate`",
        ),
        (
            "pace",
            json!({ "rate": "fast", "for": "1h" }),
            422,
            "`fast` is not a rate",
        ),
        (
            "pace",
            json!({ "rate": "1/s", "burst": 0, "for": "1h" }),
            422,
            "`burst` has to be",
        ),
        (
            "hourly",
            json!({ "max": 1, "for": "1h", "service_account": "nobody" }),
            404,
            "no service account is named nobody",
        ),
        (
            "total",
            json!({ "max": 1, "for": "1h", "service_account": "sdr-agent" }),
            422,
            "not kept apart by service account",
        ),
        (
            "hourly",
            json!({ "maximum": 1, "for": "1h" }),
            422,
            "unknown key `maximum`",
        ),
    ]
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_to_do() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    for (name, wish, status, says) in nonsense() {
        let reply = set(&dana, name, wish.clone()).await;
        assert_eq!(reply.status, status, "{name} {wish}: {}", reply.text());
        let json = reply.json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{name} {wish}: {message}");
    }
    let unknown = unset(&dana, "nosuch", json!({})).await;
    assert_eq!(unknown.status, 404);
    assert!(house.app.journal.settings().await.unwrap().is_empty());
    house.finish().await;
}

#[tokio::test]
async fn only_an_admin_sets_and_a_viewer_looks() {
    let clock = noon();
    let house = house(&clock).build().await;
    let ann = operator(&house, APPROVER).await;
    let wish = json!({ "max": 9, "for": "1h" });
    assert_eq!(set(&ann, "hourly", wish.clone()).await.status, 403);
    assert_eq!(unset(&ann, "hourly", json!({})).await.status, 403);
    let nobody = Client::new(ann.to, "");
    assert_eq!(nobody.get("/api/v1/limits").await.status, 401);
    let vic = Client::new(ann.to, VIEWER);
    let all = vic.get("/api/v1/limits").await.json();
    let names: Vec<_> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].clone())
        .collect();
    assert_eq!(names, ["hourly", "pace", "total", "probing"]);
    assert_eq!(vic.get("/api/v1/limits/nosuch").await.status, 404);
    // an agent's token is nobody's here
    assert_eq!(
        set(&Client::new(ann.to, TOKEN), "hourly", wish)
            .await
            .status,
        401
    );
    house.finish().await;
}

#[tokio::test]
async fn a_value_that_cannot_be_recorded_does_not_hold() {
    let clock = noon();
    let house = house(&clock).build().await;
    let dana = operator(&house, OPERATOR).await;
    house.ledger.break_down();
    let wish = json!({ "max": 9, "for": "1h" });
    assert_eq!(set(&dana, "hourly", wish).await.status, 503);
    house.ledger.repair();
    assert_eq!(room(&house.agent()).await, 2);
    house.finish().await;
}

const QUEUE: &str = "
crm: salesforce
default: { agents: hold, owner: Sales Ops }
limits:
  - { name: queue, per: service_account, count: holds, max: 2 }
";

async fn ask(agent: &Client, value: &str) -> u16 {
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::GLOBEX);
    let reply = agent.patch(&target, &json!({ "Rating": value })).await;
    reply.status.as_u16()
}

/// The gauge of waiting holds is a limit like the others: set at run time, and observed.
#[tokio::test]
async fn the_queue_of_holds_can_be_set_and_observed() {
    let clock = noon();
    let house = House::builder()
        .rules(QUEUE)
        .clock(clock.clone())
        .build()
        .await;
    let dana = operator(&house, OPERATOR).await;
    let wish = json!({ "max": 1, "for": "1h" });
    assert_eq!(set(&dana, "queue", wish).await.status, 200);
    assert_eq!(ask(&house.agent(), "one").await, 423);
    assert_eq!(ask(&house.agent(), "two").await, 403);
    clock.advance_ms(3_600_000);
    assert_eq!(ask(&house.agent(), "two").await, 423);
    assert_eq!(ask(&house.agent(), "three").await, 403);
    house.finish().await;
    let observed = QUEUE.replace("max: 2", "max: 1, observe: true");
    let house = House::builder().rules(&observed).build().await;
    for value in ["one", "two", "three"] {
        assert_eq!(ask(&house.agent(), value).await, 423);
    }
    house.finish().await;
}

#[tokio::test]
async fn the_verbs_list_set_and_unset() {
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), Options::with_token(TOKEN))
        .await
        .unwrap();
    let starting = Program::before(&sandbox.base_url())
        .rules(&[("salesforce.yaml", RULES), ("hubspot.yaml", OPEN_HUBSPOT)]);
    let mut program = tokio::task::spawn_blocking(|| starting.start())
        .await
        .unwrap();
    assert_eq!(room(&program.agent()).await, 2);
    let code = tokio::task::spawn_blocking(move || {
        let set = program.verb(&[
            "limits",
            "set",
            "hourly",
            "--as",
            "enrichment-agent",
            "--max",
            "9",
            "--for",
            "2h",
        ]);
        assert_eq!(set.code, Some(0), "{set:?}");
        assert!(
            set.out
                .starts_with("limit hourly for enrichment-agent: 9 in 1h until "),
            "{}",
            set.out
        );
        assert!(
            set.out
                .ends_with("then 2 in 1h again; what is used stays as it is\n"),
            "{}",
            set.out
        );
        let list = program.verb(&["limits", "list"]);
        let lines: Vec<&str> = list.out.lines().collect();
        assert!(lines[0].starts_with("LIMIT "), "{}", list.out);
        assert!(lines[1].starts_with("hourly "), "{}", list.out);
        assert!(lines[1].contains("2 in 1h"), "{}", list.out);
        assert!(
            lines[1].ends_with("2 of 9 by enrichment-agent"),
            "{}",
            list.out
        );
        assert!(
            lines[2].starts_with("  live, for enrichment-agent "),
            "{}",
            list.out
        );
        assert!(lines[3].contains("100/s, 100 at once"), "{}", list.out);
        let unset = program.verb(&["limits", "unset", "hourly", "--as", "enrichment-agent"]);
        assert_eq!(unset.code, Some(0), "{unset:?}");
        let twice = program.verb(&["limits", "unset", "hourly", "--as", "enrichment-agent"]);
        assert_eq!(twice.code, Some(1));
        assert!(
            twice
                .err
                .contains("limit hourly has no live value for enrichment-agent"),
            "{}",
            twice.err
        );
        for wrong in [
            &["limits", "set", "hourly", "--for", "2h"][..],
            &["limits", "set", "hourly", "--max", "5"],
            &[
                "limits", "set", "hourly", "--max", "5", "--rate", "5/s", "--for", "2h",
            ],
            &["limits", "set", "pace", "--burst", "5", "--for", "2h"],
        ] {
            assert_eq!(program.verb(wrong).code, Some(2), "{wrong:?}");
        }
        program.stop()
    })
    .await
    .unwrap();
    assert_eq!(code, Some(0));
}
