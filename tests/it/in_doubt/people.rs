//! What a person settles: over the operator API and on the command line.

use serde_json::json;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::*;
use crate::support::client::Client;
use crate::support::house::{APPROVER, OPERATOR, VIEWER};
use crate::support::program::verb;

/// A create that nothing can tell of.
async fn lost_create(scene: &Scene) -> String {
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseBeforeEffect);
    let agent = scene.house.agent();
    let reply = agent.post(ACCOUNTS, &json!({ "Name": "Nakatomi" })).await;
    let doubt = doubtful(&reply);
    scene.wait_out();
    assert!(scene.look().await.is_empty());
    doubt
}

fn target(entry: &str) -> String {
    format!("/api/v1/entries/{entry}/settle")
}

#[tokio::test]
async fn a_person_says_that_it_was_not_done() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let agent = scene.house.agent();
    let blocked = agent.post(ACCOUNTS, &json!({ "Name": "Nakatomi" })).await;
    is_blocked_by(&blocked, &doubt);
    assert!(
        blocked.message().contains("A person has to settle it"),
        "{}",
        blocked.message()
    );
    let ann = Client::new(scene.house.operators().await, APPROVER);
    let wish = json!({ "outcome": "not_applied", "reason": "not in the org" });
    let reply = ann.post(&target(&doubt), &wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(scene.state(&doubt).await, EntryState::Failed);
    let repeat = agent.post(ACCOUNTS, &json!({ "Name": "Nakatomi" })).await;
    assert_eq!(repeat.status, 201);
    assert_eq!(scene.writes(), 2);
    // durable, with who and why
    let filter = RowFilter {
        kinds: vec![RowKind::Reconciled],
        ..RowFilter::default()
    };
    let rows = scene.house.ledger.rows(filter).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].meta["by"], "ann");
    assert_eq!(rows[0].meta["reason"], "not in the org");
    // once
    let again = ann.post(&target(&doubt), &wish).await;
    assert_eq!(again.status, 409, "{}", again.text());
    scene.house.finish().await;
}

#[tokio::test]
async fn a_person_says_that_it_was_done_and_nobody_makes_up_an_answer() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let ann = Client::new(scene.house.operators().await, APPROVER);
    let wish = json!({ "outcome": "applied", "reason": "found it under another name" });
    assert_eq!(ann.post(&target(&doubt), &wish).await.status, 200);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    // its id is not known, so the CRM's answer cannot be given
    let repeat = scene
        .house
        .agent()
        .post(ACCOUNTS, &json!({ "Name": "Nakatomi" }))
        .await;
    assert_eq!(doubtful(&repeat), doubt);
    assert!(
        repeat.message().starts_with(
            "May have been written: the same request was sent before and, as was found out since, \
             carried out; the CRM's answer is lost. Read the records; do not send it again."
        ),
        "{}",
        repeat.message()
    );
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_person_says_which_record_it_made_and_repeats_get_the_answer() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let made = scene.house.sandbox.ids(CrmKind::Salesforce, "Account");
    let ann = Client::new(scene.house.operators().await, APPROVER);
    let wish = |outcome: &str, id: &str| json!({ "outcome": outcome, "reason": "seen", "id": id });
    for wrong in [
        wish("applied", "001/../x"),
        wish("applied", ""),
        wish("not_applied", &made[0]),
    ] {
        let reply = ann.post(&target(&doubt), &wrong).await;
        assert_eq!(reply.status, 422, "{wrong}: {}", reply.text());
    }
    let named = wish("applied", &made[0]);
    assert_eq!(ann.post(&target(&doubt), &named).await.status, 200);
    let body = json!({ "Name": "Nakatomi" });
    let repeat = scene.house.agent().post(ACCOUNTS, &body).await;
    assert_eq!(repeat.status, 201, "{}", repeat.text());
    assert_eq!(repeat.json()["id"], made[0].as_str());
    assert_eq!(repeat.header("x-writegate-replayed"), Some("true"));
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn only_approvers_settle_and_only_what_is_in_doubt() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let done = scene
        .house
        .agent()
        .post(ACCOUNTS, &json!({ "Name": "Other" }))
        .await;
    let operators = scene.house.operators().await;
    let applied = json!({ "outcome": "applied", "reason": "x" });
    let cases = [
        (VIEWER, doubt.as_str(), applied.clone(), 403),
        ("nobody", &doubt, applied.clone(), 401),
        ("", &doubt, applied.clone(), 401),
        (APPROVER, &doubt, json!({ "outcome": "applied" }), 422),
        (
            APPROVER,
            &doubt,
            json!({ "outcome": "applied", "reason": " " }),
            422,
        ),
        (
            APPROVER,
            &doubt,
            json!({ "outcome": "maybe", "reason": "x" }),
            422,
        ),
        (APPROVER, &doubt, json!({ "reason": "x" }), 422),
        (APPROVER, "01JNOSUCHENTRY", applied.clone(), 404),
        (APPROVER, &entry(&done), applied.clone(), 409),
    ];
    for (token, entry, wish, status) in &cases {
        let client = Client::new(operators, token);
        let reply = client.post(&target(entry), wish).await;
        assert_eq!(
            reply.status.as_u16(),
            *status,
            "{token} {wish}: {}",
            reply.text()
        );
        assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    }
    // an admin is an approver too
    let dana = Client::new(operators, OPERATOR);
    assert_eq!(dana.post(&target(&doubt), &applied).await.status, 200);
    scene.house.finish().await;
}

#[tokio::test]
async fn nothing_is_settled_that_cannot_be_recorded() {
    let scene = Scene::new().await;
    let acme = account(seed::ACME);
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let doubt = doubtful(&agent.patch(&acme, &industry("Software")).await);
    let ann = Client::new(scene.house.operators().await, APPROVER);
    scene.house.ledger.break_down();
    assert!(scene.look().await.is_empty());
    let wish = json!({ "outcome": "not_applied", "reason": "x" });
    assert_eq!(ann.post(&target(&doubt), &wish).await.status, 503);
    scene.house.ledger.repair();
    assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    is_blocked_by(
        &agent.patch(&acme, &json!({ "Rating": "Hot" })).await,
        &doubt,
    );
    scene.clock.advance_ms(10_000);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    scene.house.finish().await;
}

#[tokio::test]
async fn two_people_at_once_settle_it_once() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let operators = scene.house.operators().await;
    let settle = |token: &'static str, outcome: &'static str| {
        let target = target(&doubt);
        async move {
            let wish = json!({ "outcome": outcome, "reason": "x" });
            Client::new(operators, token)
                .post(&target, &wish)
                .await
                .status
                .as_u16()
        }
    };
    let (one, two) = tokio::join!(settle(APPROVER, "applied"), settle(OPERATOR, "not_applied"));
    let mut answers = [one, two];
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    let filter = RowFilter {
        kinds: vec![RowKind::Reconciled],
        ..RowFilter::default()
    };
    assert_eq!(scene.house.ledger.rows(filter).await.unwrap().len(), 1);
    scene.house.finish().await;
}

#[tokio::test]
async fn the_command_line_settles() {
    let scene = Scene::new().await;
    let doubt = lost_create(&scene).await;
    let admin = format!("http://{}", scene.house.operators().await);
    let run = async |token: &'static str, more: &[&str]| {
        let words = [&["entries", "settle", &doubt], more].concat();
        let words: Vec<String> = words.into_iter().map(ToOwned::to_owned).collect();
        let admin = admin.clone();
        let blocking = move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let env = [("WRITEGATE_ADMIN", &*admin), ("WRITEGATE_TOKEN", token)];
            verb(&words, &env)
        };
        tokio::task::spawn_blocking(blocking).await.unwrap()
    };
    for (token, more, code) in [
        (APPROVER, &["--reason", "x"][..], 2),
        (
            APPROVER,
            &["--applied", "--not-applied", "--reason", "x"],
            2,
        ),
        (APPROVER, &["--applied"], 2),
        (VIEWER, &["--applied", "--reason", "x"], 1),
    ] {
        let ran = run(token, more).await;
        assert_eq!(ran.code, Some(code), "{more:?}: {ran:?}");
        assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    }
    let done = run(APPROVER, &["--not-applied", "--reason", "looked"]).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(
        done.out,
        format!("{doubt} was not carried out; a repeat is a new write\n")
    );
    let again = run(APPROVER, &["--not-applied", "--reason", "looked"]).await;
    assert_eq!(again.code, Some(1), "{again:?}");
    assert_eq!(scene.state(&doubt).await, EntryState::Failed);
    scene.house.finish().await;
}

#[tokio::test]
async fn what_cannot_be_taken_apart_waits_for_a_person() {
    let rules = "
crm: salesforce
default: deny
endpoints:
  'PATCH /services/data/v60.0/sobjects/Unknown__c/*': { enrichment-agent: allow }
";
    let scene = Scene::of(House::builder().rules(rules)).await;
    let custom = "/services/data/v60.0/sobjects/Unknown__c/a00000000000001";
    let body = json!({ "Rating": "Hot" });
    let agent = scene.house.agent();
    scene.fail(&Method::PATCH, custom, Fault::CloseAfterEffect);
    let doubt = doubtful(&agent.patch(custom, &body).await);
    scene.wait_out();
    assert!(scene.look().await.is_empty());
    is_blocked_by(&agent.patch(custom, &body).await, &doubt);
    let ann = Client::new(scene.house.operators().await, APPROVER);
    let wish = json!({ "outcome": "applied", "reason": "seen" });
    assert_eq!(ann.post(&target(&doubt), &wish).await.status, 200);
    assert_eq!(doubtful(&agent.patch(custom, &body).await), doubt);
    assert_eq!(scene.writes(), 1);
    scene.house.finish().await;
}
