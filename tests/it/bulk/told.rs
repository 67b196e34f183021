//! What became of a job's rows: pending until the CRM says it.

use http::{Method, StatusCode};
use serde_json::json;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::journal::read::{EntryState, detail};
use writegate::sandbox::{Fault, seed};

use super::{JOBS, newest, ran, updates};
use crate::support::house::House;

#[tokio::test]
async fn an_entry_tells_the_results_once_the_agent_asks_for_the_job() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let csv = format!("Id,Industry\n{},A\n{},B\n", seed::ACME, seed::GLOBEX);
    let (job, _) = ran(&agent, &updates("Account"), &csv).await;
    assert_eq!(newest(&house).await.state, EntryState::Accepted);
    let info = agent.get(&format!("{JOBS}/{job}")).await;
    assert_eq!(info.json()["state"], "JobComplete");
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Done, "{:?}", entry.message);

    // a row that the CRM refuses: the number of employees is none
    let csv = format!(
        "Id,NumberOfEmployees\n{},many\n{},7\n",
        seed::ACME,
        seed::GLOBEX
    );
    let (job, answer) = ran(&agent, &updates("Account"), &csv).await;
    assert_eq!(answer.status, StatusCode::OK);
    agent.get(&format!("{JOBS}/{job}")).await;
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Partly, "{:?}", entry.message);
    let shown = detail(&*house.ledger, &entry.id).await.unwrap().unwrap();
    let told = shown.entry.message.unwrap();
    assert!(
        told.contains("1 rows written, 1 refused, 0 not processed"),
        "{told}"
    );
    house.finish().await;
}

/// What an agent fed itself is its own; all other jobs hold other people's data.
#[tokio::test]
async fn the_results_of_others_are_another_thing_than_ones_own() {
    let rules = "
crm: salesforce
default: allow
objects:
  jobs/ingest: { export: { agents: allow } }
  jobs/ingest/others: { export: deny }
";
    let house = House::builder().rules(rules).build().await;
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    let (job, _) = ran(&house.agent(), &updates("Account"), &csv).await;
    for results in ["successfulResults", "failedResults", "unprocessedrecords"] {
        let target = format!("{JOBS}/{job}/{results}");
        assert_eq!(house.agent().get(&target).await.status, StatusCode::OK);
        let other = house.other_agent().get(&target).await;
        assert_eq!(other.code(), "WRITEGATE_DENIED", "{}", other.text());
        let unknown = format!("{JOBS}/750Wg0000000099IAA/{results}");
        assert_eq!(house.agent().get(&unknown).await.code(), "WRITEGATE_DENIED");
    }
}

#[tokio::test]
async fn a_commit_that_the_crm_refuses_is_failed() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    let (job, _) = ran(&agent, &updates("Account"), &csv).await;
    let again = super::committed(&agent, &job).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST, "{}", again.text());
    assert_eq!(again.json()[0]["errorCode"], "INVALIDJOBSTATE");
    assert_eq!(newest(&house).await.state, EntryState::Failed);
    let aborted = agent
        .patch(&format!("{JOBS}/{job}"), &json!({ "state": "Aborted" }))
        .await;
    assert_eq!(aborted.status, StatusCode::BAD_REQUEST);
    house.finish().await;
}

#[tokio::test]
async fn a_commit_without_an_answer_is_in_doubt_and_not_sent_again() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = super::made(&agent, &updates("Account")).await;
    super::fed(&agent, &job, format!("Id,Industry\n{},A\n", seed::ACME)).await;
    let lost = Fault::CloseAfterEffect;
    house
        .sandbox
        .script(|head| head.method == Method::PATCH, 1, lost);
    let answer = super::committed(&agent, &job).await;
    assert_eq!(
        answer.code(),
        "WRITEGATE_UNKNOWN_OUTCOME",
        "{}",
        answer.text()
    );
    assert_eq!(newest(&house).await.state, EntryState::InDoubt);
    let again = super::committed(&agent, &job).await;
    assert_eq!(again.code(), "WRITEGATE_IN_DOUBT", "{}", again.text());
    assert_eq!(house.sandbox.writes().len(), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_kill_between_upload_and_commit_stops_the_commit() {
    let house = House::builder().build().await;
    let agent = house.agent();
    let job = super::made(&agent, &updates("Account")).await;
    super::fed(&agent, &job, format!("Id,Industry\n{},A\n", seed::ACME)).await;
    let thrown = Switch {
        service_account: "enrichment-agent".into(),
        scope: SwitchScope::Writes,
        by: "dana".into(),
        reason: "enough".into(),
        at: house.app.clock.now(),
        limit: None,
    };
    let control = &house.app.control;
    control
        .set_switch(SwitchChange::Throw(thrown))
        .await
        .unwrap();
    let refused = super::committed(&agent, &job).await;
    assert_eq!(refused.code(), "WRITEGATE_STOPPED", "{}", refused.text());
    assert_eq!(
        agent.post(JOBS, &updates("Account")).await.code(),
        "WRITEGATE_STOPPED"
    );
    assert!(house.sandbox.writes().is_empty());
    house.finish().await;
}
