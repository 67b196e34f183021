//! What keeps a doubt from being settled keeps nothing else: a CRM that hangs, a task that panics.

use serde_json::json;
use tokio::time::timeout;
use writegate::ledger::RowKind;
use writegate::sandbox::{Head, seed};

use super::*;

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";
const CONTACTS: &str = "/crm/v3/objects/contacts";

/// Patience for what goes on beside the test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads below this path wait at a gate.
fn hang(scene: &Scene, path: &'static str) -> Gate {
    let gate = Gate::new();
    let reads = move |head: &Head<'_>| {
        let reads = head.method == Method::GET || head.path.ends_with("/read");
        reads && head.path.starts_with(path)
    };
    let fault = Fault::WaitBeforeEffect(gate.clone());
    scene.house.sandbox.script(reads, 1, fault);
    gate
}

async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let comes = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, comes).await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_crm_that_hangs_does_not_keep_the_doubts_of_another_route() {
    let scene = Scene::new().await;
    let acme = account(seed::ACME);
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let first = doubtful(&agent.patch(&acme, &industry("Software")).await);
    let wile = format!("{CONTACTS}/{}", seed::HS_WILE);
    scene.fail(&Method::PATCH, &wile, Fault::CloseAfterEffect);
    let title = json!({ "properties": { "jobtitle": "Founder" } });
    let second = doubtful(&scene.house.hubspot_agent().patch(&wile, &title).await);
    let gate = hang(&scene, "/services/");
    let ticking = tokio::spawn(writegate::doubt::tick(scene.house.worker()));
    timeout(PATIENCE, gate.arrived(1)).await.unwrap();
    until("the other one is settled", async || {
        scene.state(&second).await == EntryState::Done
    })
    .await;
    assert_eq!(scene.state(&first).await, EntryState::InDoubt);
    gate.open();
    until("the first one is settled", async || {
        scene.state(&first).await == EntryState::Done
    })
    .await;
    ticking.abort();
    scene.house.finish().await;
}

#[tokio::test]
async fn a_write_does_not_wait_for_the_doubts_of_other_records() {
    let scene = Scene::without_credentials().await;
    let (acme, globex) = (account(seed::ACME), account(seed::GLOBEX));
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    let agent = scene.house.agent();
    let doubt = doubtful(&agent.patch(&acme, &industry("Software")).await);
    let gate = hang(&scene, "/services/data/v60.0/sobjects/Account/001");
    // prior values are read too: the doubt's read has to be the one that hangs
    let body = json!({ "Name": "Nakatomi" });
    let create = timeout(PATIENCE, agent.post(ACCOUNTS, &body)).await;
    let create = create.unwrap();
    assert_eq!(create.status, 201, "{}", create.text());
    timeout(PATIENCE, gate.arrived(1)).await.unwrap();
    let body = industry("Media");
    let other = timeout(PATIENCE, agent.patch(&globex, &body)).await;
    assert_eq!(other.unwrap().status, 204);
    assert_eq!(scene.state(&doubt).await, EntryState::InDoubt);
    gate.open();
    until("it is settled beside them", async || {
        scene.state(&doubt).await == EntryState::Done
    })
    .await;
    scene.house.finish().await;
}

#[tokio::test]
async fn a_task_that_panics_leaves_a_doubt_that_is_settled() {
    let scene = Scene::new().await;
    let agent = scene.house.agent();
    let acme = account(seed::ACME);
    let create = json!({ "Name": "Nakatomi" });
    scene.house.ledger.panic_next(RowKind::Closed);
    let first = doubtful(&agent.post(ACCOUNTS, &create).await);
    scene.house.ledger.panic_next(RowKind::Closed);
    let second = doubtful(&agent.patch(&acme, &industry("Software")).await);
    for doubt in [first, second] {
        until("it is read back", async || {
            scene.look().await;
            scene.state(&doubt).await == EntryState::Done
        })
        .await;
    }
    // the answer is known by now, and the record is free
    let again = agent.post(ACCOUNTS, &create).await;
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(again.header("x-writegate-replayed"), Some("true"));
    let next = agent.patch(&acme, &industry("Media")).await;
    assert_eq!(next.status, 204, "{}", next.text());
    assert_eq!(scene.writes(), 3);
    scene.house.finish().await;
}
