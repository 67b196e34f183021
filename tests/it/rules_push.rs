//! Rules that are pushed judge on every replica, in place of its folder, all or nothing; the ledger says
//! who, when and why, and any of them can be put in force again.

mod followed;
mod verbs;

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use writegate::ledger::RowKind;
use writegate::reload::{self, ReloadError};
use writegate::sandbox::seed;

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, Builder, House, OPERATOR, VIEWER};

const RULES: &str = "/api/v1/rules";
const ROLLBACK: &str = "/api/v1/rules/rollback";

/// A rule set under which writes of a colour pass, and of no other.
fn only(colour: &str) -> String {
    format!(
        "
crm: salesforce
default: allow
rules:
  - name: only-{colour}
    applies: {{ object: Account, field: Industry }}
    when: {{ not: {{ after.Industry: {colour} }} }}
    then: deny
    reason: It is not {colour}.
"
    )
}

/// A case that holds under [`only`] the colour.
fn case(colour: &str) -> String {
    format!(
        "- {{ name: c, as: a, update: Account, before: {{}}, set: {{ Industry: {colour} }}, verdict: allow }}\n"
    )
}

fn files(colour: &str) -> Value {
    json!({ "test.yaml": only(colour), "test.cases.yaml": case(colour) })
}

/// A house whose folder of rules says red.
fn house(rules: &TempDir) -> Builder {
    std::fs::write(rules.path().join("test.yaml"), only("red")).unwrap();
    let folder = rules.path().to_owned();
    House::builder()
        .rules(&only("red"))
        .configure(move |config| config.rules = folder)
}

async fn paint(house: &House, colour: &str) -> Reply {
    let account = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let body = json!({ "Industry": colour });
    house.agent().patch(&account, &body).await
}

/// The colour that passes.
async fn passes(house: &House) -> &'static str {
    let mut passing = Vec::new();
    for colour in ["red", "blue", "green"] {
        if paint(house, colour).await.status == 204 {
            passing.push(colour);
        }
    }
    assert_eq!(passing.len(), 1, "{passing:?}");
    passing[0]
}

async fn send(house: &House, method: Method, target: &str, wish: &Value) -> Reply {
    let dana = Client::new(house.operators().await, OPERATOR);
    dana.send(method, target, Some(wish)).await
}

async fn push(house: &House, colour: &str) -> Value {
    let wish = json!({ "files": files(colour), "reason": format!("now {colour}") });
    let reply = send(house, Method::PUT, RULES, &wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn roll_back(house: &House, wish: &Value) -> Value {
    let reply = send(house, Method::POST, ROLLBACK, wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn listed(house: &House) -> Value {
    let vic = Client::new(house.operators().await, VIEWER);
    vic.get(RULES).await.json()
}

async fn ready(house: &House) -> Reply {
    Client::new(house.operators().await, "")
        .get("/readyz")
        .await
}

#[tokio::test]
async fn pushed_rules_judge_and_are_on_record_and_outlive_a_restart() {
    let rules = TempDir::new().unwrap();
    let before = house(&rules).build().await;
    let digest = before.app.rules.load().digest().to_owned();
    assert_eq!(passes(&before).await, "red");
    let answer = push(&before, "blue").await;
    let after = before.app.rules.load().digest().to_owned();
    assert_eq!(
        (&answer["before"], &answer["after"]),
        (&json!(digest), &json!(after))
    );
    assert_eq!(
        (&answer["changed"], &answer["cases"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(passes(&before).await, "blue");

    let filter = writegate::ledger::RowFilter {
        kinds: vec![RowKind::Rules],
        ..Default::default()
    };
    let rows = before.app.journal.ledger().rows(filter).await.unwrap();
    assert_eq!(rows.len(), 1);
    let meta = &rows[0].meta;
    assert_eq!(meta["by"], "dana");
    assert_eq!(meta["reason"], "now blue");
    assert_eq!(meta["rules"]["push"]["files"], files("blue"));
    assert_eq!(meta["rules"]["push"]["digest"], json!(after));
    let what = format!(
        "rules pushed by dana: {} → {}: now blue",
        &digest[..12],
        &after[..12]
    );
    assert_eq!(meta["what"], json!(what));
    assert_eq!(rows[0].entry.as_str(), answer["entry"].as_str().unwrap());
    let listed = before.entries().await;
    assert!(
        listed
            .iter()
            .any(|entry| entry.message.as_deref() == Some(&what)),
        "{listed:?}"
    );

    // where they come from is told
    let told = ready(&before).await.json()["rules"].clone();
    assert_eq!(told, json!({ "digest": after, "from": "push 1" }));
    let dana = Client::new(before.operators().await, OPERATOR);
    let status = dana.get("/api/v1/status").await.json();
    let from = status["rules_from"].as_str().unwrap();
    assert!(
        from.starts_with("push 1, put in force by dana at 20"),
        "{from}"
    );

    let crm = Arc::clone(&before.sandbox);
    let folder = before.close().await;
    let again = house(&rules).crm(&crm).folder(&folder).build().await;
    assert_eq!(passes(&again).await, "blue");
    assert_eq!(again.app.rules.load().digest(), after);
    again.finish().await;
}

#[tokio::test]
async fn a_reload_says_that_the_rules_were_pushed_and_changes_nothing() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    push(&house, "blue").await;
    std::fs::write(rules.path().join("test.yaml"), only("green")).unwrap();
    let reply = send(&house, Method::POST, "/api/v1/reload", &json!({})).await;
    assert_eq!(reply.status, 409, "{}", reply.text());
    let error = reply.json()["error"].clone();
    assert_eq!(error["code"], "pushed");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("the rules in force are push 1, put in force by dana at "),
        "{message}"
    );
    let hangup = reload::reload(&house.app, "SIGHUP").await;
    assert!(
        matches!(hangup, Err(ReloadError::Pushed { .. })),
        "{hangup:?}"
    );
    assert_eq!(passes(&house).await, "blue");
    assert_eq!(ready(&house).await.json()["degraded"], json!([]));
    // back at the folder, it is read again
    roll_back(&house, &json!({})).await;
    assert_eq!(passes(&house).await, "green");
    std::fs::write(rules.path().join("test.yaml"), only("red")).unwrap();
    let reply = send(&house, Method::POST, "/api/v1/reload", &json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(passes(&house).await, "red");
    house.finish().await;
}

#[tokio::test]
async fn what_is_unfit_changes_nothing() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let broken = only("blue").replace("then: deny", "then: allow");
    let long = |name: &str| json!({ name: only("blue") });
    for (files, told) in [
        (
            json!({ "test.yaml": broken }),
            "test.yaml:8:11: unknown `then` `allow`",
        ),
        (
            json!({ "test.yaml": only("blue"), "test.cases.yaml": case("red") }),
            "test.cases.yaml:1: case c: expected allow, got deny",
        ),
        (
            json!({ "test.cases.yaml": case("red") }),
            "there is no rule file",
        ),
        (json!({}), "there is no rule file"),
        (long("../test.yaml"), "is named NAME.yaml"),
        (long("test.yml"), "is named NAME.yaml"),
        (long(".yaml"), "is named NAME.yaml"),
        (json!({ "test.yaml": 7 }), "`files` must be an object"),
        (json!("test.yaml"), "`files` must be an object"),
    ] {
        let wish = json!({ "files": files });
        let reply = send(&house, Method::PUT, RULES, &wish).await;
        assert_eq!(reply.status, 422, "{files}: {}", reply.text());
        let message = reply.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains(told), "{files}: {message}");
    }
    let unknown = json!({ "files": files("blue"), "why": "x" });
    assert_eq!(send(&house, Method::PUT, RULES, &unknown).await.status, 422);
    assert_eq!(listed(&house).await["items"], json!([]));
    assert_eq!(passes(&house).await, "red");
    house.finish().await;
}

#[tokio::test]
async fn any_rules_from_before_can_be_put_in_force_again() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let nothing = send(&house, Method::POST, ROLLBACK, &json!({})).await;
    assert_eq!(nothing.status, 409, "{}", nothing.text());
    let blue = push(&house, "blue").await["after"]
        .as_str()
        .unwrap()
        .to_owned();
    push(&house, "green").await;
    assert_eq!(passes(&house).await, "green");
    // the same files again are no news
    assert_eq!(push(&house, "green").await["entry"], Value::Null);

    let answer = roll_back(&house, &json!({ "reason": "too green" })).await;
    assert_eq!(answer["after"], json!(blue));
    assert_eq!(passes(&house).await, "blue");
    roll_back(&house, &json!({})).await;
    assert_eq!(passes(&house).await, "red");
    let told = ready(&house).await.json()["rules"]["from"].clone();
    assert_eq!(told, "folder");
    assert_eq!(
        send(&house, Method::POST, ROLLBACK, &json!({}))
            .await
            .status,
        409
    );
    let digest = json!({ "digest": &blue[..8] });
    roll_back(&house, &digest).await;
    assert_eq!(passes(&house).await, "blue");
    for wrong in [
        &digest,
        &json!({ "digest": "" }),
        &json!({ "digest": "zz" }),
    ] {
        let reply = send(&house, Method::POST, ROLLBACK, wrong).await;
        assert_eq!(reply.status, 409, "{wrong}: {}", reply.text());
    }

    let listed = listed(&house).await;
    let items = listed["items"].as_array().unwrap();
    let seen: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item["number"].as_u64().unwrap(),
                item["did"].as_str().unwrap(),
                item["to"].as_u64(),
                item["in_force"].as_bool().unwrap(),
                item["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (5, "rollback", Some(1), true, "no reason given"),
            (4, "rollback", None, false, "no reason given"),
            (3, "rollback", Some(1), false, "too green"),
            (2, "push", Some(2), false, "now green"),
            (1, "push", Some(1), false, "now blue"),
        ]
    );
    assert_eq!(
        (&listed["digest"], &listed["from"]),
        (&json!(blue), &json!("push 1"))
    );
    assert_eq!(items[4]["files"], json!(["test.cases.yaml", "test.yaml"]));

    roll_back(&house, &json!({ "digest": "folder" })).await;
    assert_eq!(passes(&house).await, "red");
    // back is to what was in force when the push came, not to the row before
    roll_back(&house, &json!({ "digest": blue })).await;
    push(&house, "green").await;
    roll_back(&house, &json!({})).await;
    assert_eq!(passes(&house).await, "blue");
    // what was rolled back to outlives a restart too
    let crm = Arc::clone(&house.sandbox);
    let folder = house.close().await;
    let again = self::house(&rules).crm(&crm).folder(&folder).build().await;
    assert_eq!(passes(&again).await, "blue");
    again.finish().await;
}

#[tokio::test]
async fn only_an_admin_pushes_and_anybody_with_a_role_looks() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let operators = house.operators().await;
    let wish = json!({ "files": files("blue") });
    for (token, looks, pushes) in [("", 401, 401), (VIEWER, 200, 403), (APPROVER, 200, 403)] {
        let client = Client::new(operators, token);
        assert_eq!(client.get(RULES).await.status, looks);
        let pushed = client.send(Method::PUT, RULES, Some(&wish)).await;
        assert_eq!(pushed.status, pushes);
        assert_eq!(client.post(ROLLBACK, &json!({})).await.status, pushes);
    }
    assert_eq!(passes(&house).await, "red");
    house.finish().await;
}

/// A row that cannot be written puts nothing in force.
#[tokio::test]
async fn what_is_not_on_record_does_not_judge() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    house.ledger.break_down();
    let wish = json!({ "files": files("blue") });
    let reply = send(&house, Method::PUT, RULES, &wish).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    house.ledger.repair();
    assert_eq!(passes(&house).await, "red");
    assert_eq!(ready(&house).await.json()["rules"]["from"], "folder");
    push(&house, "blue").await;
    assert_eq!(passes(&house).await, "blue");
    house.finish().await;
}

fn budget(name: &str, max: u64, window: &str) -> Value {
    let rules = format!(
        "{}limits:\n  - {{ name: {name}, per: service_account, count: mutations, max: {max}, window: {window} }}\n",
        only("red")
    );
    json!({ "test.yaml": rules })
}

/// P4 across a push, as across a reload.
#[tokio::test]
async fn a_push_refills_no_budget() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let put = async |files: Value| {
        let reply = send(&house, Method::PUT, RULES, &json!({ "files": files })).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    };
    let answer = put(budget("steady", 3, "1m")).await;
    assert_eq!(answer["empty"], json!(["steady"]));
    for _ in 0..3 {
        assert_eq!(paint(&house, "red").await.status, 204);
    }
    let answer = put(budget("steady", 4, "1h")).await;
    assert_eq!(answer["windows"], json!(["steady"]), "{answer}");
    assert_eq!(paint(&house, "red").await.status, 204);
    assert_eq!(paint(&house, "red").await.code(), "WRITEGATE_BUDGET");
    roll_back(&house, &json!({})).await;
    assert_eq!(paint(&house, "red").await.code(), "WRITEGATE_BUDGET");
    house.finish().await;
}
