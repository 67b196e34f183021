//! What became of a job's rows is asked for on a schedule, by whom the configuration or the next request
//! gives a credential, and is known row by row.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use writegate::clock::{Clock, EntryId, ManualClock, SystemClock};
use writegate::journal::read::EntryState;
use writegate::mutation::OutcomeState;
use writegate::proxy::jobs::ask_due;
use writegate::proxy::rows::Rows;
use writegate::sandbox::seed;

use super::{JOBS, newest, ran, updates};
use crate::support::house::{Builder, House};

fn still(builder: Builder) -> (Builder, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    (builder.clock(clock.clone()), clock)
}

fn without_credentials(builder: Builder) -> Builder {
    builder.configure(|config| {
        for account in &mut config.service_accounts {
            account.credentials.clear();
        }
    })
}

/// Of each row what became of it, with the ids of those that were made.
async fn fates(
    house: &House,
    commit: &EntryId,
) -> Vec<(OutcomeState, Option<String>, Option<String>)> {
    let mut rows = Rows::of(&house.app.journal, "salesforce", commit)
        .await
        .unwrap()
        .unwrap();
    let mut all = Vec::new();
    while let Some(part) = rows.next().await.unwrap() {
        let fates = part.fates.expect("known row by row").into_iter();
        all.extend(fates.map(|fate| (fate.state, fate.new_id, fate.code)));
    }
    all
}

#[tokio::test]
async fn the_clockwork_asks_with_the_configured_credential() {
    let (builder, clock) = still(House::builder());
    let house = builder.build().await;
    let worker = house.worker();
    let csv = format!(
        "Id,NumberOfEmployees\n{},7\n{},many\n{},8\n",
        seed::ACME,
        seed::GLOBEX,
        seed::INITECH
    );
    let (_, answer) = ran(&house.agent(), &updates("Account"), &csv).await;
    assert_eq!(answer.status, StatusCode::OK);
    let entry = newest(&house).await;
    assert_eq!(entry.state, EntryState::Accepted);
    let asked = house.sandbox.requests();
    clock.advance_ms(9_000);
    ask_due(&worker, clock.now()).await;
    assert_eq!(
        house.sandbox.requests(),
        asked,
        "the CRM gets some time first"
    );
    clock.advance_ms(1_000);
    ask_due(&worker, clock.now()).await;
    assert_eq!(newest(&house).await.state, EntryState::Partly);
    let known: Vec<_> = fates(&house, &entry.id)
        .await
        .into_iter()
        .map(|(state, ..)| state)
        .collect();
    let (done, failed) = (OutcomeState::Done, OutcomeState::Failed);
    assert_eq!(known, [done, failed, done]);
    let asked = house.sandbox.requests();
    clock.advance_ms(60 * 60_000);
    ask_due(&worker, clock.now()).await;
    assert_eq!(house.sandbox.requests(), asked, "nothing is left to ask");
    house.finish().await;
}

#[tokio::test]
async fn the_next_request_of_the_service_account_brings_a_credential() {
    let (builder, clock) = still(without_credentials(House::builder()));
    let house = builder.build().await;
    let worker = house.worker();
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    ran(&house.agent(), &updates("Account"), &csv).await;
    clock.advance_ms(10_000);
    ask_due(&worker, clock.now()).await;
    let other = house.other_agent().get("/services/data/v60.0/limits").await;
    assert_eq!(other.status, StatusCode::OK);
    house.idle().await;
    assert_eq!(
        newest(&house).await.state,
        EntryState::Accepted,
        "not theirs to ask"
    );
    house.agent().get("/services/data/v60.0/limits").await;
    house.idle().await;
    assert_eq!(newest(&house).await.state, EntryState::Done);
    house.finish().await;
}

#[tokio::test]
async fn what_was_pending_is_asked_for_after_a_restart() {
    let (builder, clock) = still(House::builder());
    let house = builder.build().await;
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    ran(&house.agent(), &updates("Account"), &csv).await;
    let crm = Arc::clone(&house.sandbox);
    let folder = house.close().await;
    let again = House::builder()
        .clock(clock.clone())
        .folder(&folder)
        .crm(&crm);
    let house = again.build().await;
    clock.advance_ms(10_000);
    ask_due(&house.worker(), clock.now()).await;
    assert_eq!(newest(&house).await.state, EntryState::Done);
    house.finish().await;
}

#[tokio::test]
async fn new_records_are_known_by_their_ids_whatever_the_order_of_the_results() {
    let (builder, clock) = still(House::builder());
    let house = builder.build().await;
    let spec = json!({ "object": "Account", "operation": "insert" });
    let csv = "Name,NumberOfEmployees\nOne,1\nTwo,none\nOne,1\n\"Th,ree\",#N/A\n";
    ran(&house.agent(), &spec, csv).await;
    let entry = newest(&house).await;
    clock.advance_ms(10_000);
    ask_due(&house.worker(), clock.now()).await;
    let known = fates(&house, &entry.id).await;
    for (place, name) in [(0, "One"), (2, "One"), (3, "Th,ree")] {
        let id = known[place].1.as_ref().expect("made");
        assert_eq!(super::field(&house, "Account", id, "Name"), name);
    }
    assert_ne!(known[0].1, known[2].1, "two rows, two records");
    assert_eq!((known[1].0, &known[1].1), (OutcomeState::Failed, &None));
    assert!(known[1].2.is_some(), "why it was refused: {known:?}");
    house.finish().await;
}

/// The agent's own read of the results is enough, and is passed on byte for byte.
#[tokio::test]
async fn reading_the_results_tells_the_entry() {
    let house = without_credentials(House::builder()).build().await;
    let agent = house.agent();
    let csv = format!("Id,Industry\n{},A\n", seed::ACME);
    let (job, _) = ran(&agent, &updates("Account"), &csv).await;
    let commit = newest(&house).await.id;
    let results = agent.get(&format!("{JOBS}/{job}/successfulResults")).await;
    let csv = format!(
        "\"sf__Id\",\"sf__Created\",\"Id\",\"Industry\"\n\"{0}\",\"false\",\"{0}\",\"A\"\n",
        seed::ACME
    );
    assert_eq!(results.text(), csv);
    let entries = house.entries().await;
    let entry = entries.iter().find(|entry| entry.id == commit).unwrap();
    assert_eq!(entry.state, EntryState::Done, "{:?}", entry.message);
    assert_eq!(fates(&house, &commit).await.len(), 1);
}
