//! What a doubtful write blocks, and what goes on.

use serde_json::json;
use writegate::sandbox::seed;

use super::*;
use crate::support::doctored::Doctored;

#[tokio::test]
async fn any_key_of_the_record_is_blocked_and_all_else_goes_on() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let doubt = scene.doubt(Fault::CloseBeforeEffect).await;
    // another field, another key, a delete, a batch
    is_blocked_by(
        &agent.patch(&acme, &json!({ "Rating": "Hot" })).await,
        &doubt,
    );
    let by_key = "/services/data/v60.0/sobjects/Account/Ext_Id__c/A-1001";
    is_blocked_by(
        &agent.patch(by_key, &json!({ "Rating": "Hot" })).await,
        &doubt,
    );
    is_blocked_by(&agent.delete(&acme).await, &doubt);
    let batch = json!({ "allOrNone": false, "records": [
        { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Rating": "Hot" },
        { "attributes": { "type": "Account" }, "id": seed::ACME, "Rating": "Hot" },
    ]});
    let collections = "/services/data/v60.0/composite/sobjects";
    let reply = agent.patch(collections, &batch).await;
    is_blocked_by(&reply, &doubt);
    assert!(
        reply.message().contains("records[1]"),
        "{}",
        reply.message()
    );
    assert!(
        !reply.message().contains("records[0]"),
        "{}",
        reply.message()
    );
    assert_eq!(scene.writes(), 1);
    // other records, other accounts, reads
    let globex = account(seed::GLOBEX);
    assert_eq!(agent.patch(&globex, &industry("Retail")).await.status, 204);
    let other = scene.house.other_agent();
    assert_eq!(
        other.patch(&acme, &json!({ "Rating": "Hot" })).await.status,
        204
    );
    assert_eq!(agent.get(&acme).await.status, 200);
    scene.house.finish().await;
}

#[tokio::test]
async fn who_waited_for_the_record_is_told_before_anything_is_sent() {
    let control = Doctored::new();
    let scene = Scene::of(House::builder().control(control.clone())).await;
    let acme = account(seed::ACME);
    let (gate, wait) = gated(false);
    scene.fail(&Method::PATCH, &acme, wait);
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let first = tokio::spawn({
        let (agent, acme) = (agent.clone(), acme.clone());
        async move { agent.patch(&acme, &industry("Software")).await }
    });
    gate.arrived(1).await;
    let second = tokio::spawn({
        let (agent, acme) = (agent.clone(), acme.clone());
        async move { agent.patch(&acme, &json!({ "Rating": "Hot" })).await }
    });
    control.waiting(1).await;
    gate.open();
    let doubt = doubtful(&first.await.unwrap());
    let second = second.await.unwrap();
    is_blocked_by(&second, &doubt);
    assert_eq!(scene.writes(), 1);
    let usage = scene.house.app.control.usage(scene.clock.now()).await;
    assert!(usage.unwrap().iter().all(|limit| limit.used <= 1));
    scene.house.finish().await;
}

#[tokio::test]
async fn no_person_is_asked_about_a_record_in_doubt() {
    let rules = "
crm: salesforce
default: allow
objects:
  Account: { fields: { Rating: { agents: hold } } }
";
    let scene = Scene::of(House::builder().rules(rules)).await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let doubt = scene.doubt(Fault::CloseBeforeEffect).await;
    let held = agent.patch(&acme, &json!({ "Rating": "Hot" })).await;
    is_blocked_by(&held, &doubt);
    scene.house.finish().await;
}

#[tokio::test]
async fn a_create_blocks_its_repeat_and_nothing_else() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let accounts = "/services/data/v60.0/sobjects/Account";
    scene.fail(&Method::POST, accounts, Fault::CloseBeforeEffect);
    let body = json!({ "Name": "Nakatomi", "Industry": "Retail" });
    let doubt = doubtful(&agent.post(accounts, &body).await);
    // the order of the members does not make it another request
    let turned = json!({ "Industry": "Retail", "Name": "Nakatomi" });
    let reply = agent.post(accounts, &turned).await;
    is_blocked_by(&reply, &doubt);
    assert!(
        reply
            .message()
            .starts_with("May have been written: this very request was sent before, "),
        "{}",
        reply.message()
    );
    let other = json!({ "Name": "Nakatomi", "Industry": "Media" });
    assert_eq!(agent.post(accounts, &other).await.status, 201);
    let theirs = scene.house.other_agent().post(accounts, &body).await;
    assert_eq!(theirs.status, 201);
    scene.house.finish().await;
}

#[tokio::test]
async fn an_answer_that_tells_nothing_is_doubt_too() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let fault = Fault::Answer {
        status: 503,
        headers: Vec::new(),
        body: "later".into(),
    };
    scene.fail(&Method::PATCH, &acme, fault);
    let reply = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(reply.status, 503);
    let doubt = entry(&reply);
    is_blocked_by(
        &agent.patch(&acme, &json!({ "Rating": "Hot" })).await,
        &doubt,
    );
    scene.wait_out();
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::Failed);
    scene.house.finish().await;
}

#[tokio::test]
async fn what_was_never_sent_is_not_in_doubt() {
    let house = House::builder()
        .upstream("http://127.0.0.1:1")
        .build()
        .await;
    let accounts = "/services/data/v60.0/sobjects/Account";
    let body = json!({ "Name": "Nakatomi" });
    for _ in 0..2 {
        let reply = house.agent().post(accounts, &body).await;
        assert_eq!(reply.code(), "WRITEGATE_UPSTREAM", "{}", reply.text());
    }
    assert_eq!(house.count(EntryState::NotSent).await, 2);
    assert_eq!(house.app.in_doubt().await.unwrap(), 0);
    house.finish().await;
}

#[tokio::test]
async fn what_is_in_doubt_is_counted_until_it_is_settled() {
    let scene = Scene::new().await;
    let doubt = scene.doubt(Fault::CloseAfterEffect).await;
    assert_eq!(scene.house.app.in_doubt().await.unwrap(), 1);
    assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    assert_eq!(scene.look().await.len(), 1);
    assert_eq!(scene.house.app.in_doubt().await.unwrap(), 0);
    assert_eq!(scene.state(&doubt).await, EntryState::Done);
    assert_eq!(scene.field(seed::ACME, "Industry"), "Software");
    scene.house.finish().await;
}
