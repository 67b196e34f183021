//! P9: rules are replaced all or nothing, between two requests, and a set that is unfit changes
//! nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use writegate::clock::ManualClock;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Sandbox, seed};

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, Builder, House, OPEN_HUBSPOT, OPEN_RULES, OPERATOR};
use super::support::program::Program;

/// A rule set under which writes of a colour pass, and of no other. Two sets are mixed when a verdict
/// is not the one of the digest that the entry names.
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

fn write(folder: &TempDir, name: &str, text: &str) {
    std::fs::write(folder.path().join(name), text).unwrap();
}

/// A house whose rules can be changed in a folder.
fn house(folder: &TempDir, rules: &str) -> Builder {
    write(folder, "test.yaml", rules);
    let rules_of: std::path::PathBuf = folder.path().to_owned();
    House::builder()
        .rules(rules)
        .configure(move |config| config.rules = rules_of)
}

fn account(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

async fn paint(client: &Client, colour: &str) -> Reply {
    client
        .patch(&account(seed::ACME), &json!({ "Industry": colour }))
        .await
}

async fn reload(house: &House) -> Reply {
    let dana = Client::new(house.operators().await, OPERATOR);
    dana.post("/api/v1/reload", &json!({})).await
}

async fn ready(house: &House) -> Reply {
    Client::new(house.operators().await, "")
        .get("/readyz")
        .await
}

#[tokio::test]
async fn other_rules_judge_after_a_reload_and_the_ledger_says_who_and_what() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    assert_eq!(paint(&house.agent(), "red").await.status, 204);
    write(&folder, "test.yaml", &only("blue"));
    // nobody asked yet
    assert_eq!(paint(&house.agent(), "red").await.status, 204);
    let before = house.app.rules.load().digest().to_owned();
    let reply = reload(&house).await;
    let answer = reply.json();
    assert_eq!(reply.status, 200, "{answer}");
    let after = house.app.rules.load().digest().to_owned();
    assert_eq!(answer["changed"], true);
    assert_eq!(
        (&answer["before"], &answer["after"]),
        (&json!(before), &json!(after))
    );
    assert!(
        answer["note"].as_str().unwrap().contains("take a restart"),
        "{answer}"
    );
    assert_eq!(paint(&house.agent(), "red").await.status, 403);
    assert_eq!(paint(&house.agent(), "blue").await.status, 204);
    let rows = house.app.journal.settings().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].meta["reload"]["before"], json!(before));
    assert_eq!(rows[0].meta["reload"]["after"], json!(after));
    assert_eq!(rows[0].meta["by"], "dana");
    let what = format!(
        "rules reloaded by dana: {} → {}",
        &before[..12],
        &after[..12]
    );
    assert_eq!(rows[0].meta["what"], json!(what));
    assert_eq!(rows[0].entry.as_str(), answer["entry"].as_str().unwrap());
    // the same again changes nothing and writes nothing
    let again = reload(&house).await.json();
    assert_eq!(again["changed"], false, "{again}");
    assert_eq!(house.app.journal.settings().await.unwrap().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_set_that_is_unfit_changes_nothing_and_readyz_says_so() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    let digest = house.app.rules.load().digest().to_owned();
    let broken = only("blue").replace("then: deny", "then: allow");
    write(&folder, "test.yaml", &broken);
    let reply = reload(&house).await;
    assert_eq!(reply.status, 422, "{}", reply.text());
    let answer = reply.json();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("nothing has changed"), "{message}");
    assert!(
        message.contains("test.yaml:8:11: unknown `then` `allow`"),
        "{message}"
    );
    assert_eq!(house.app.rules.load().digest(), digest);
    assert_eq!(paint(&house.agent(), "red").await.status, 204);
    let reply = ready(&house).await;
    assert_eq!(reply.status, 200, "the last good rules judge");
    let degraded = reply.json()["degraded"][0].as_str().unwrap().to_owned();
    assert!(degraded.starts_with("a reload at "), "{degraded}");
    assert!(degraded.contains(" 1 to mend"), "{degraded}");
    for told in ["dana", "test.yaml"] {
        assert!(!degraded.contains(told), "{degraded}");
    }
    let dana = Client::new(house.operators().await, OPERATOR);
    let status = dana.get("/api/v1/status").await.json();
    let degraded = status["degraded"][0].as_str().unwrap();
    assert!(degraded.starts_with("the reload by dana at "), "{degraded}");
    assert!(degraded.contains("test.yaml:8:11"), "{degraded}");
    assert!(house.app.journal.settings().await.unwrap().is_empty());
    // a case that fails is as good as a mistake
    write(&folder, "test.yaml", &only("blue"));
    let case = "- { name: red, as: a, update: Account, before: {}, set: { Industry: red }, verdict: allow }\n";
    write(&folder, "test.cases.yaml", case);
    let reply = reload(&house).await;
    assert_eq!(reply.status, 422);
    assert!(
        reply
            .text()
            .contains("test.cases.yaml:1: case red: expected allow, got deny"),
        "{}",
        reply.text()
    );
    assert_eq!(house.app.rules.load().digest(), digest);
    // a good set is in force, and nothing is degraded any more
    write(&folder, "test.cases.yaml", "[]\n");
    assert_eq!(reload(&house).await.status, 200);
    assert_eq!(ready(&house).await.json()["degraded"], json!([]));
    assert_eq!(paint(&house.agent(), "blue").await.status, 204);
    house.finish().await;
}

#[tokio::test]
async fn a_reload_that_cannot_be_recorded_does_not_happen() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    let digest = house.app.rules.load().digest().to_owned();
    write(&folder, "test.yaml", &only("blue"));
    house.ledger.break_down();
    let refused = reload(&house).await;
    assert_eq!(refused.status, 503);
    let json = refused.json();
    let told = json["error"]["message"].as_str().unwrap();
    assert!(told.starts_with("the ledger cannot answer now: "), "{told}");
    assert_eq!(house.app.rules.load().digest(), digest);
    let degraded = ready(&house).await.json()["degraded"].clone();
    assert_eq!(degraded.as_array().unwrap().len(), 1, "{degraded}");
    house.ledger.repair();
    assert_eq!(paint(&house.agent(), "red").await.status, 204);
    house.finish().await;
}

#[tokio::test]
async fn only_an_admin_reloads() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    let ann = Client::new(house.operators().await, APPROVER);
    assert_eq!(ann.post("/api/v1/reload", &json!({})).await.status, 403);
    let nobody = Client::new(ann.to, "");
    assert_eq!(nobody.post("/api/v1/reload", &json!({})).await.status, 401);
    house.finish().await;
}

#[tokio::test]
async fn a_write_keeps_the_rules_it_began_with() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    let before = house.app.rules.load().digest().to_owned();
    let wait = house.ledger.hold_next(RowKind::Opened);
    let agent = house.agent();
    let under_way = tokio::spawn(async move { paint(&agent, "red").await });
    wait.arrived().await;
    write(&folder, "test.yaml", &only("blue"));
    assert_eq!(reload(&house).await.status, 200);
    wait.open();
    assert_eq!(under_way.await.unwrap().status, 204);
    let entries = house.entries().await;
    let opened = entries.iter().find(|entry| entry.route.is_some()).unwrap();
    assert_eq!(opened.rules.as_deref(), Some(before.as_str()));
    house.finish().await;
}

/// Eight clients write red and blue while the rules change between the two twenty times.
#[tokio::test]
async fn no_decision_is_mixed_from_two_sets() {
    const RELOADS: usize = 20;
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &only("red")).build().await;
    let done = Arc::new(AtomicUsize::new(0));
    let agent = house.agent();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (agent, done) = (agent.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut writes = 0;
                while done.load(Ordering::SeqCst) < RELOADS {
                    let colour = if (number + writes) % 2 == 0 {
                        "red"
                    } else {
                        "blue"
                    };
                    paint(&agent, colour).await;
                    writes += 1;
                }
            })
        })
        .collect();
    let mut digests = vec![house.app.rules.load().digest().to_owned()];
    for round in 0..RELOADS {
        let colour = if round % 2 == 0 { "blue" } else { "red" };
        write(&folder, "test.yaml", &only(colour));
        let answer = reload(&house).await.json();
        assert_eq!(answer["changed"], true, "{answer}");
        digests.push(answer["after"].as_str().unwrap().to_owned());
        done.fetch_add(1, Ordering::SeqCst);
    }
    for client in clients {
        client.await.unwrap();
    }
    house.idle().await;
    let (red, blue) = (digests[0].clone(), digests[1].clone());
    let judged = judged(&*house.ledger).await;
    let used: BTreeSet<&String> = judged.iter().map(|(digest, ..)| digest).collect();
    assert_eq!(
        used,
        BTreeSet::from([&red, &blue]),
        "{} writes",
        judged.len()
    );
    for (digest, colour, passed) in &judged {
        let may = if *digest == red { "red" } else { "blue" };
        assert_eq!(*passed, colour == may, "{colour} under only-{may}");
    }
    println!("{} writes under {RELOADS} reloads, mixed: 0", judged.len());
    house.finish().await;
}

/// Each write as the ledger has it: the digest that judged, the colour, whether the rules let it pass.
async fn judged(ledger: &dyn Ledger) -> Vec<(String, String, bool)> {
    let filter = RowFilter {
        kinds: vec![RowKind::Opened, RowKind::Refused],
        ..RowFilter::default()
    };
    let rows = ledger.rows(filter).await.unwrap();
    let judged = rows.iter().map(|row| {
        let colour = &row.values.as_ref().unwrap()["mutations"][0]["fields"]["Industry"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let passed = row.meta["verdict"]["effect"] == "allow";
        (text(&row.meta["rules"]), text(colour), passed)
    });
    judged.collect()
}

fn budget(max: u64, window: &str) -> String {
    format!(
        "{OPEN_RULES}
limits:
  - {{ name: steady, per: service_account, count: mutations, max: {max}, window: {window} }}
"
    )
}

/// P4 across a reload: what a short window forgot still counts within a longer one.
#[tokio::test]
async fn a_longer_window_refills_no_budget() {
    let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &budget(3, "1m"))
        .clock(clock.clone())
        .build()
        .await;
    for colour in ["a", "b", "c"] {
        assert_eq!(paint(&house.agent(), colour).await.status, 204);
    }
    assert_eq!(paint(&house.agent(), "d").await.status, 403);
    clock.advance_ms(61_000);
    assert_eq!(paint(&house.agent(), "e").await.status, 204);
    write(&folder, "test.yaml", &budget(5, "1h"));
    let answer = reload(&house).await.json();
    assert_eq!(answer["windows"], json!(["steady"]), "{answer}");
    // four within the hour
    assert_eq!(paint(&house.agent(), "f").await.status, 204);
    let refused = paint(&house.agent(), "g").await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .message()
            .contains("used up (5 of 5 mutations in 1 h)"),
        "{}",
        refused.message()
    );
    house.finish().await;
}

fn used(refused: &Reply) -> String {
    assert_eq!(refused.status, 403, "{}", refused.text());
    let message = refused.message();
    let (_, told) = message.split_once("is used up (").unwrap();
    told.split(')').next().unwrap().to_owned()
}

/// What was charged to another limit is no charge of this one, be it of the same name; the answer says
/// which limits begin so. A restart knows it too.
#[tokio::test]
async fn a_limit_that_is_new_or_counts_something_else_begins_empty() {
    let folder = TempDir::new().unwrap();
    let first = house(&folder, &budget(3, "1h")).build().await;
    for colour in ["a", "b", "c"] {
        assert_eq!(paint(&first.agent(), colour).await.status, 204);
    }
    assert_eq!(paint(&first.agent(), "d").await.status, 403);
    let others = format!(
        "{OPEN_RULES}
limits:
  - {{ name: steady, per: service_account, count: requests, max: 3, window: 1h }}
  - {{ name: fresh, per: service_account, count: mutations, max: 2, window: 1h }}
"
    );
    write(&folder, "test.yaml", &others);
    let answer = reload(&first).await.json();
    assert_eq!(answer["empty"], json!(["steady", "fresh"]), "{answer}");
    assert_eq!(answer["windows"], json!([]));
    for colour in ["e", "f"] {
        assert_eq!(paint(&first.agent(), colour).await.status, 204);
    }
    let refused = used(&paint(&first.agent(), "g").await);
    assert_eq!(refused, "2 of 2 mutations in 1 h");
    let stores = first.close().await;
    // one request of three is left to `steady`
    let others = others.replace("max: 2", "max: 9");
    let second = house(&folder, &others).folder(&stores).build().await;
    assert_eq!(paint(&second.agent(), "h").await.status, 204);
    let refused = used(&paint(&second.agent(), "i").await);
    assert_eq!(refused, "3 of 3 requests in 1 h");
}

/// P4: a limit is not refilled by taking it out of the rules for a while.
#[tokio::test]
async fn a_limit_that_was_away_counts_what_was_charged_to_it_before() {
    let folder = TempDir::new().unwrap();
    let house = house(&folder, &budget(3, "1h")).build().await;
    for colour in ["a", "b"] {
        assert_eq!(paint(&house.agent(), colour).await.status, 204);
    }
    write(&folder, "test.yaml", OPEN_RULES);
    assert_eq!(reload(&house).await.json()["empty"], json!([]));
    for colour in ["c", "d"] {
        assert_eq!(paint(&house.agent(), colour).await.status, 204);
    }
    write(&folder, "test.yaml", &budget(3, "1h"));
    assert_eq!(reload(&house).await.json()["empty"], json!([]));
    assert_eq!(paint(&house.agent(), "e").await.status, 204);
    let refused = used(&paint(&house.agent(), "f").await);
    assert_eq!(refused, "3 of 3 mutations in 1 h");
    house.finish().await;
}

/// The same when the window became longer while the proxy was down.
#[tokio::test]
async fn a_restart_with_a_longer_window_refills_no_budget() {
    let start: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let folder = TempDir::new().unwrap();
    let mut first = house(&folder, &budget(3, "1m"))
        .clock(clock.clone())
        .build()
        .await;
    assert_eq!(paint(&first.agent(), "a").await.status, 204);
    first.stop().await;
    let stores = Arc::clone(&first.folder);
    drop(first);
    clock.advance_ms(600_000);
    let second = house(&folder, &budget(2, "1h"))
        .clock(clock.clone())
        .folder(&stores)
        .build()
        .await;
    // refusals of another agent sweep idle counters
    for _ in 0..8 {
        let unknown = json!({ "Nothing__x": 1 });
        second
            .other_agent()
            .patch(&account(seed::ACME), &unknown)
            .await;
    }
    assert_eq!(paint(&second.agent(), "b").await.status, 204);
    assert_eq!(paint(&second.agent(), "c").await.status, 403);
}

#[tokio::test]
async fn sighup_and_the_verb_reload_the_real_program() {
    let sandbox = Sandbox::start(
        "127.0.0.1:0".parse().unwrap(),
        writegate::sandbox::Options::with_token(super::support::house::TOKEN),
    )
    .await
    .unwrap();
    let starting = Program::before(&sandbox.base_url()).rules(&[
        ("salesforce.yaml", &only("red")),
        ("hubspot.yaml", OPEN_HUBSPOT),
    ]);
    let program = tokio::task::spawn_blocking(|| starting.start())
        .await
        .unwrap();
    let rules = program.folder.path().join("rules/salesforce.yaml");
    assert_eq!(paint(&program.agent(), "red").await.status, 204);
    // by the signal: once operators are answered, it is listened for
    let admin = Client::new(program.admin, "");
    assert_eq!(admin.get("/readyz").await.status, 200);
    replace(&rules, &only("blue"));
    program.signal("HUP");
    program.logged("rules reloaded").await;
    assert_eq!(paint(&program.agent(), "blue").await.status, 204);
    assert_eq!(paint(&program.agent(), "red").await.status, 403);
    // by the verb
    let limit = "limits: [{ name: fresh, per: route, count: requests, max: 99, window: 1h }]";
    replace(&rules, &format!("{}{limit}\n", only("green")));
    let (program, ran) = tokio::task::spawn_blocking(move || {
        let ran = program.verb(&["reload"]);
        (program, ran)
    })
    .await
    .unwrap();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("rules reloaded: "), "{}", ran.out);
    let told = "limit fresh begins empty; what was done before does not count\n";
    assert!(ran.out.contains(told), "{}", ran.out);
    assert!(ran.out.contains("take a restart"), "{}", ran.out);
    assert_eq!(paint(&program.agent(), "green").await.status, 204);
    // a broken set by the verb
    replace(&rules, "crm: salesforce\nrulez: []\n");
    let (mut program, ran) = tokio::task::spawn_blocking(move || {
        let ran = program.verb(&["reload"]);
        (program, ran)
    })
    .await
    .unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains("salesforce.yaml:2:1: unknown key `rulez`"),
        "{}",
        ran.err
    );
    assert_eq!(paint(&program.agent(), "green").await.status, 204);
    let record = sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME)
        .unwrap();
    assert_eq!(record["Industry"], "green");
    let code = tokio::task::spawn_blocking(move || program.stop())
        .await
        .unwrap();
    assert_eq!(code, Some(0));
}

fn replace(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}
