//! What another replica put in force judges here too; one that cannot load it refuses writes.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use writegate::ledger::{Row, RowKind};
use writegate::push::follow;
use writegate::rules::bundle::{Bundle, Named};
use writegate::rules::history::{Deed, Turn, numbered};

use super::{
    RULES, budget, files, house, listed, only, paint, passes, push, ready, roll_back, send,
};
use crate::support::house::House;

/// Puts files in force as another replica would: a row in the ledger, and nothing more. It passed no
/// cases here, and `named` is what the other one has.
async fn elsewhere(house: &House, number: u64, deed: Deed) -> Row {
    let turn = Turn {
        number,
        deed,
        by: "lee".into(),
        reason: "elsewhere".into(),
        at: house.app.clock.now(),
    };
    let journal = &house.app.journal;
    let (entry, meta) = (turn.entry(), turn.meta("before"));
    journal.rules(&entry, meta, turn.at).await.unwrap();
    let row = numbered(&**journal.ledger(), number).await.unwrap();
    row.unwrap()
}

fn deed(files: Value, named: Value) -> Deed {
    let files: std::collections::BTreeMap<String, String> = serde_json::from_value(files).unwrap();
    let named: Named = serde_json::from_value(named).unwrap();
    Deed::Push {
        files: Bundle::of(files).unwrap(),
        digest: "theirs".into(),
        cases: 0,
        named,
        onto: None,
    }
}

#[tokio::test]
async fn what_another_replica_put_in_force_judges_here() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let named = json!({ "service_accounts": ["sdr-agent"], "teams": ["sales ops"] });
    let row = elsewhere(&house, 1, deed(files("blue"), named)).await;
    assert_eq!(passes(&house).await, "red");
    follow(&house.app, &row).await.unwrap();
    assert_eq!(passes(&house).await, "blue");
    let newer = elsewhere(&house, 2, deed(files("green"), json!({}))).await;
    follow(&house.app, &newer).await.unwrap();
    // what comes late changes nothing
    follow(&house.app, &row).await.unwrap();
    assert_eq!(passes(&house).await, "green");
    let back = elsewhere(
        &house,
        3,
        Deed::Rollback {
            to: None,
            digest: "theirs".into(),
        },
    )
    .await;
    follow(&house.app, &back).await.unwrap();
    assert_eq!(passes(&house).await, "red");
    let back = elsewhere(
        &house,
        4,
        Deed::Rollback {
            to: Some(1),
            digest: "theirs".into(),
        },
    )
    .await;
    follow(&house.app, &back).await.unwrap();
    assert_eq!(passes(&house).await, "blue");
    house.finish().await;
}

#[tokio::test]
async fn a_replica_that_cannot_load_them_refuses_writes_until_it_can() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let newer = only("blue").replace("then: deny", "then: quarantine");
    let failing = json!({ "test.yaml": only("blue"), "test.cases.yaml": super::case("red") });
    let unknown = |what: &str, name: &str| json!({ what: [name] });
    let cases = [
        (
            json!({ "test.yaml": newer }),
            json!({}),
            "unknown `then` `quarantine`",
        ),
        (failing, json!({}), "case c: expected allow, got deny"),
        (
            files("blue"),
            unknown("service_accounts", "billing-agent"),
            "service account billing-agent",
        ),
        (
            files("blue"),
            unknown("teams", "deal desk"),
            "team deal desk",
        ),
        (files("blue"), unknown("routes", "emea"), "route emea"),
    ];
    let mut number = 0;
    for (files, named, told) in cases {
        number += 1;
        let row = elsewhere(&house, number, deed(files, named)).await;
        follow(&house.app, &row).await.unwrap();
        let refused = paint(&house, "red").await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (503, "WRITEGATE_UNAVAILABLE".to_owned()),
            "{told}"
        );
        let reads = house.agent().get("/services/data/v60.0/limits").await;
        assert_eq!(reads.status, 200);
        let ready = ready(&house).await;
        assert_eq!(ready.status, 503);
        let reasons = ready.json()["reasons"].to_string();
        assert!(reasons.contains(told), "{reasons}");
        assert!(reasons.contains("cannot be loaded here"), "{reasons}");
        // one that it can load
        number += 1;
        let row = elsewhere(&house, number, deed(super::files("green"), json!({}))).await;
        follow(&house.app, &row).await.unwrap();
        assert_eq!(super::ready(&house).await.status, 200);
        assert_eq!(passes(&house).await, "green");
    }
    house.finish().await;
}

/// A restart finds the same; and who is at it puts others in force, or goes back.
#[tokio::test]
async fn a_restart_does_not_get_around_rules_that_cannot_be_loaded() {
    let rules = TempDir::new().unwrap();
    let before = house(&rules).build().await;
    push(&before, "blue").await;
    let foreign = deed(files("green"), json!({ "routes": ["emea"] }));
    elsewhere(&before, 2, foreign).await;
    let crm = before.sandbox.clone();
    let folder = before.close().await;
    let again = house(&rules).crm(&crm).folder(&folder).build().await;
    assert_eq!(paint(&again, "red").await.status, 503);
    assert!(ready(&again).await.text().contains("route emea"));
    let answer = roll_back(&again, &json!({ "digest": "folder" })).await;
    assert_eq!(answer["changed"], true);
    assert_eq!(passes(&again).await, "red");
    assert_eq!(ready(&again).await.status, 200);
    again.finish().await;
}

/// A row in a form that this version does not know is as bad as rules that it cannot load.
#[tokio::test]
async fn a_row_of_a_newer_version_refuses_writes() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let journal = &house.app.journal;
    let entry = writegate::clock::EntryId::from_text("rules-1");
    let meta = json!({ "rules": { "number": 1, "canary": {} } });
    journal
        .rules(&entry, meta, house.app.clock.now())
        .await
        .unwrap();
    let row = numbered(&**journal.ledger(), 1).await.unwrap().unwrap();
    follow(&house.app, &row).await.unwrap();
    assert_eq!(paint(&house, "red").await.status, 503);
    assert!(ready(&house).await.text().contains("unknown form"));
    house.finish().await;
}

/// Of two replicas that push at once, one does.
#[tokio::test]
async fn two_pushes_at_once_are_one_push() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let waits = house.ledger.hold_next(RowKind::Rules);
    let wish = json!({ "files": files("blue") });
    let ours = send(&house, Method::PUT, RULES, &wish);
    let theirs = async {
        waits.arrived().await;
        let row = elsewhere(&house, 1, deed(files("green"), json!({}))).await;
        waits.open();
        row
    };
    let (ours, theirs) = tokio::join!(ours, theirs);
    assert_eq!(ours.status, 409, "{}", ours.text());
    assert_eq!(ours.json()["error"]["code"], "moved");
    assert_eq!(passes(&house).await, "red");
    follow(&house.app, &theirs).await.unwrap();
    assert_eq!(passes(&house).await, "green");
    // and the next one stands on it, followed or not
    elsewhere(&house, 2, deed(files("red"), json!({}))).await;
    push(&house, "blue").await;
    let listed = listed(&house).await;
    assert_eq!(listed["items"][0]["number"], 3);
    roll_back(&house, &json!({})).await;
    assert_eq!(passes(&house).await, "red");
    house.finish().await;
}

/// Control state is told once, by who pushed: whoever follows lets it be.
#[tokio::test]
async fn who_follows_does_not_touch_what_was_charged() {
    let rules = TempDir::new().unwrap();
    let house = house(&rules).build().await;
    let wish = json!({ "files": budget("steady", 3, "1h") });
    assert_eq!(send(&house, Method::PUT, RULES, &wish).await.status, 200);
    for _ in 0..3 {
        assert_eq!(paint(&house, "red").await.status, 204);
    }
    let used = async || {
        let now: Timestamp = house.app.clock.now();
        house.app.control.usage(now).await.unwrap()
    };
    let before = used().await;
    assert_eq!(before[0].used, 3);
    // the limit is gone, and there again: at who pushes it would begin with what the ledger knows
    let without = elsewhere(&house, 2, deed(files("red"), json!({}))).await;
    follow(&house.app, &without).await.unwrap();
    let with = deed(budget("steady", 3, "1h"), json!({}));
    let with = elsewhere(&house, 3, with).await;
    follow(&house.app, &with).await.unwrap();
    assert_eq!(used().await, before);
    assert_eq!(paint(&house, "red").await.code(), "WRITEGATE_BUDGET");
    house.finish().await;
}
