//! Records of others: a doubtful write is never taken for the maker of a record that another one made,
//! or may have made (P8, P11).

use serde_json::json;
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::sandbox::seed;

use super::*;
use crate::support::client::Client;
use crate::support::house::APPROVER;

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";
const BY_KEY: &str = "/services/data/v60.0/sobjects/Account/Ext_Id__c/N-7";

fn id(reply: &Reply) -> String {
    reply.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_create_is_not_settled_with_another_accounts_record() {
    for (method, target, body) in [
        (Method::POST, ACCOUNTS, json!({ "Name": "Nakatomi" })),
        (Method::PATCH, BY_KEY, json!({ "Name": "Nakatomi" })),
    ] {
        let scene = Scene::new().await;
        scene.fail(&method, target, Fault::CloseBeforeEffect);
        let agent = scene.house.agent();
        let lost = doubtful(&agent.send(method.clone(), target, Some(&body)).await);
        let other = scene.house.other_agent();
        let theirs = other.send(method.clone(), target, Some(&body)).await;
        assert_eq!(theirs.status, 201, "{}", theirs.text());
        scene.wait_out();
        scene.look().await;
        assert_eq!(scene.state(&lost).await, EntryState::InDoubt, "{method}");
        is_blocked_by(&agent.send(method, target, Some(&body)).await, &lost);
        // and a revert leaves that record alone
        let ann = Client::new(scene.house.operators().await, APPROVER);
        let wish = json!({ "entries": [lost] });
        let report = ann.post("/api/v1/reverts", &wish).await.json();
        assert_eq!(report["summary"]["restored"], 0, "{report}");
        let record = scene
            .house
            .sandbox
            .record(Salesforce, "Account", &id(&theirs));
        assert!(record.is_some());
        scene.house.finish().await;
    }
}

#[tokio::test]
async fn of_two_lost_creates_neither_is_given_the_one_record() {
    let scene = Scene::new().await;
    let body = json!({ "Name": "Nakatomi" });
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseBeforeEffect);
    let first = doubtful(&scene.house.agent().post(ACCOUNTS, &body).await);
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
    let second = doubtful(&scene.house.other_agent().post(ACCOUNTS, &body).await);
    scene.wait_out();
    assert!(scene.look().await.is_empty());
    for lost in [first, second] {
        assert_eq!(scene.state(&lost).await, EntryState::InDoubt);
    }
    scene.house.finish().await;
}

#[tokio::test]
async fn an_equal_create_that_is_under_way_is_waited_for() {
    let scene = Scene::new().await;
    let body = json!({ "Name": "Nakatomi" });
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
    let lost = doubtful(&scene.house.agent().post(ACCOUNTS, &body).await);
    let (gate, wait) = gated(false);
    scene.fail(&Method::POST, ACCOUNTS, wait);
    let other = scene.house.other_agent();
    let theirs = tokio::spawn(async move { other.post(ACCOUNTS, &body).await });
    gate.arrived(1).await;
    scene.wait_out();
    assert!(scene.look().await.is_empty());
    gate.open();
    assert_eq!(theirs.await.unwrap().status, 201);
    scene.wait_out();
    // now each of the two records has its maker
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&lost).await, EntryState::Done);
    scene.house.finish().await;
}

#[tokio::test]
async fn another_create_that_is_under_way_is_not_waited_for() {
    let scene = Scene::new().await;
    scene.fail(&Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let lost = doubtful(&agent.post(ACCOUNTS, &json!({ "Name": "Nakatomi" })).await);
    let (gate, wait) = gated(false);
    let acme = account(seed::ACME);
    scene.fail(&Method::POST, ACCOUNTS, wait.clone());
    scene.fail(&Method::PATCH, &acme, wait);
    let other = scene.house.other_agent();
    let create = tokio::spawn({
        let other = other.clone();
        async move { other.post(ACCOUNTS, &json!({ "Name": "Tyrell" })).await }
    });
    let update = tokio::spawn(async move { other.patch(&acme, &industry("Media")).await });
    gate.arrived(2).await;
    scene.wait_out();
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&lost).await, EntryState::Done);
    gate.open();
    assert_eq!(create.await.unwrap().status, 201);
    assert_eq!(update.await.unwrap().status, 204);
    scene.house.finish().await;
}

#[tokio::test]
async fn an_edit_between_the_send_and_the_settlement_keeps_the_record() {
    const MINUTES: i64 = 60_000;
    // a field that was not written: only the stamp tells of the edit
    for (edit, restored) in [(Some("Phone"), 0), (None, 1)] {
        let scene = Scene::new().await;
        scene.fail(&Method::POST, ACCOUNTS, Fault::CloseAfterEffect);
        let body = json!({ "Name": "Nakatomi" });
        let lost = doubtful(&scene.house.agent().post(ACCOUNTS, &body).await);
        let effects = scene.house.sandbox.writes().remove(0).effects;
        let made = effects[0].id.clone();
        scene.clock.advance_ms(60 * MINUTES);
        let sandbox = &scene.house.sandbox;
        if let Some(field) = edit {
            assert!(sandbox.set_field(Salesforce, "Account", &made, field, json!("+49")));
        }
        scene.clock.advance_ms(60 * MINUTES);
        scene.look().await;
        assert_eq!(scene.state(&lost).await, EntryState::Done);
        let ann = Client::new(scene.house.operators().await, APPROVER);
        let wish = json!({ "entries": [lost] });
        let report = ann.post("/api/v1/reverts", &wish).await.json();
        assert_eq!(report["summary"]["restored"], restored, "{report}");
        let left = sandbox.record(Salesforce, "Account", &made);
        assert_eq!(left.is_some(), edit.is_some());
        scene.house.finish().await;
    }
}

#[tokio::test]
async fn a_record_that_the_reader_cannot_see_is_not_taken_for_deleted() {
    let contact = format!("/crm/v3/objects/contacts/{}", seed::HS_HANK);
    for (crm, target) in [(Salesforce, account(seed::STARK)), (HubSpot, contact)] {
        let scene = Scene::new().await;
        scene.fail(&Method::DELETE, &target, Fault::CloseBeforeEffect);
        let agent = scene.house.agent_of(crm);
        let lost = doubtful(&agent.delete(&target).await);
        scene.wait_out();
        let (status, body) = match crm {
            Salesforce => (
                404,
                json!([{ "errorCode": "NOT_FOUND", "message": "gone" }]),
            ),
            HubSpot => (
                207,
                json!({ "status": "COMPLETE", "results": [], "numErrors": 1,
                "errors": [{ "status": "error", "category": "OBJECT_NOT_FOUND",
                    "message": "gone", "context": { "ids": [seed::HS_HANK] } }] }),
            ),
        };
        let unseen = Fault::Answer {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string().into(),
        };
        let looks = |head: &writegate::sandbox::Head<'_>| head.method != Method::DELETE;
        scene.house.sandbox.script(looks, 1, unseen);
        scene.look().await;
        assert_eq!(scene.state(&lost).await, EntryState::InDoubt, "{crm}");
        is_blocked_by(&agent.delete(&target).await, &lost);
        assert_eq!(scene.writes(), 1);
        scene.house.finish().await;
    }
}
