//! Reverts and writes in doubt: a revert can end in doubt itself, and leaves alone what is in doubt.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use writegate::clock::{Clock, EntryId, ManualClock, SystemClock};
use writegate::config::Secret;
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind::Salesforce;
use writegate::sandbox::{Fault, seed};

use super::{Builder, Client, Desk, House, Reply, account, entry, sums};
use crate::support::house::{APPROVER, BROKER};

/// A desk whose clock stands still.
struct Scene {
    desk: Desk,
    clock: Arc<ManualClock>,
}

impl Scene {
    async fn new() -> Self {
        Self::of(House::builder()).await
    }

    async fn of(builder: Builder) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let desk = Desk::of(builder.clock(clock.clone())).await;
        Self { desk, clock }
    }

    async fn write(&self, id: &str, body: &Value) -> Reply {
        self.clock.advance_ms(2_000);
        self.desk.house.agent().patch(&account(id), body).await
    }

    fn fail(&self, method: &Method, fault: Fault) {
        let method = method.clone();
        let meant = move |head: &writegate::sandbox::Head<'_>| {
            head.method == method && head.path.contains("/sobjects")
        };
        self.desk.house.sandbox.script(meant, 1, fault);
    }

    /// The CRM has had its time, and the clockwork looks.
    async fn look_later(&self) -> Vec<EntryId> {
        self.clock.advance_ms(11 * 60_000);
        writegate::doubt::settle_due(&self.desk.house.worker(), self.clock.now()).await
    }

    /// The entries that are in doubt.
    async fn doubtful(&self) -> Vec<String> {
        let entries = self.desk.house.entries().await.into_iter();
        let doubtful = entries.filter(|entry| entry.state == EntryState::InDoubt);
        doubtful.map(|entry| entry.id.to_string()).collect()
    }
}

/// A write of an agent, and its revert of which nobody knows whether it was carried out.
async fn lost_revert(scene: &Scene, fault: Fault) -> String {
    let one = scene
        .write(seed::ACME, &json!({ "Industry": "Software" }))
        .await;
    scene.clock.advance_ms(2_000);
    scene.fail(&Method::PATCH, fault);
    let report = scene.desk.undo(&[entry(&one)]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let mut doubtful = scene.doubtful().await;
    assert_eq!(doubtful.len(), 1);
    doubtful.remove(0)
}

#[tokio::test]
async fn a_revert_in_doubt_is_read_back() {
    let accounts_credential = House::builder;
    let routes_credential = || {
        House::builder().configure(|config| {
            for account in &mut config.service_accounts {
                account.credentials.clear();
            }
            config.routes[0].release_credential = Some(Secret::new(BROKER).into());
        })
    };
    let builders: [&dyn Fn() -> Builder; 2] = [&accounts_credential, &routes_credential];
    for builder in builders {
        for (fault, done) in [
            (Fault::CloseAfterEffect, true),
            (Fault::CloseBeforeEffect, false),
        ] {
            let scene = Scene::of(builder()).await;
            let revert = lost_revert(&scene, fault).await;
            let settled = scene.look_later().await;
            assert_eq!(settled, [EntryId::from_text(&revert)]);
            let expected = if done {
                EntryState::Done
            } else {
                EntryState::Failed
            };
            let entries = scene.desk.house.entries().await;
            let state = entries.iter().find(|entry| entry.id.as_str() == revert);
            assert_eq!(state.unwrap().state, expected);
            scene.desk.house.finish().await;
        }
    }
}

#[tokio::test]
async fn a_person_settles_a_revert_in_doubt() {
    let scene = Scene::new().await;
    let revert = lost_revert(&scene, Fault::CloseAfterEffect).await;
    let ann = Client::new(scene.desk.admin, APPROVER);
    let wish = json!({ "outcome": "applied", "reason": "seen" });
    let target = format!("/api/v1/entries/{revert}/settle");
    let reply = ann.post(&target, &wish).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(scene.doubtful().await.is_empty());
    scene.desk.house.finish().await;
}

/// A write of the agent that lost its answer, and is settled as done.
async fn settled(scene: &Scene, send: impl AsyncFn() -> Reply) -> String {
    scene.clock.advance_ms(2_000);
    let lost = send().await;
    assert_eq!(lost.status, 502, "{}", lost.text());
    let settled = scene.look_later().await;
    assert_eq!(settled.len(), 1);
    let again = send().await;
    assert!(again.status.is_success(), "{}", again.text());
    assert_eq!(again.header("x-writegate-replayed"), Some("true"));
    settled[0].to_string()
}

#[tokio::test]
async fn what_was_settled_and_taken_back_is_written_anew() {
    let scene = Scene::new().await;
    let agent = scene.desk.house.agent();
    let body = json!({ "Industry": "Software" });
    scene.fail(&Method::PATCH, Fault::CloseAfterEffect);
    let update = settled(&scene, async || {
        agent.patch(&account(seed::ACME), &body).await
    })
    .await;
    let accounts = "/services/data/v60.0/sobjects/Account";
    let body = json!({ "Name": "Nakatomi" });
    scene.fail(&Method::POST, Fault::CloseAfterEffect);
    let create = settled(&scene, async || agent.post(accounts, &body).await).await;
    let report = scene.desk.undo(&[update, create]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    let writes = scene.desk.house.sandbox.writes().len();
    let update = scene
        .write(seed::ACME, &json!({ "Industry": "Software" }))
        .await;
    let create = agent.post(accounts, &body).await;
    for (reply, status) in [(update, 204), (create, 201)] {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.header("x-writegate-replayed"), None);
    }
    assert_eq!(scene.desk.house.sandbox.writes().len(), writes + 2);
    let now = scene
        .desk
        .field(Salesforce, "Account", seed::ACME, "Industry");
    assert_eq!(now, "Software");
    scene.desk.house.finish().await;
}

#[tokio::test]
async fn a_change_of_a_record_leaves_the_answer_to_its_create() {
    let scene = Scene::new().await;
    let agent = scene.desk.house.agent();
    let accounts = "/services/data/v60.0/sobjects/Account";
    let body = json!({ "Name": "Nakatomi" });
    scene.fail(&Method::POST, Fault::CloseAfterEffect);
    settled(&scene, async || agent.post(accounts, &body).await).await;
    let made = agent.post(accounts, &body).await.json()["id"].clone();
    let changed = scene
        .write(made.as_str().unwrap(), &json!({ "Phone": "1" }))
        .await;
    assert_eq!(changed.status, 204);
    let again = agent.post(accounts, &body).await;
    assert_eq!(again.header("x-writegate-replayed"), Some("true"));
    scene.desk.house.finish().await;
}

#[tokio::test]
async fn a_record_in_doubt_is_left_alone_until_it_is_settled() {
    let scene = Scene::new().await;
    let one = entry(
        &scene
            .write(seed::ACME, &json!({ "Industry": "Software" }))
            .await,
    );
    let other = entry(
        &scene
            .write(seed::GLOBEX, &json!({ "Industry": "Software" }))
            .await,
    );
    // another service account's write, which lands late
    scene.fail(&Method::PATCH, Fault::CloseBeforeEffect);
    scene.clock.advance_ms(2_000);
    let theirs = scene.desk.house.other_agent();
    let rating = json!({ "Rating": "Cold" });
    let lost = theirs.patch(&account(seed::ACME), &rating).await;
    assert_eq!(lost.status, 502, "{}", lost.text());
    for dry_run in [true, false] {
        let wish = json!({ "entries": [one, other], "dry_run": dry_run });
        let report = scene.desk.revert(&wish).await;
        assert_eq!(sums(&report), (1, 1, 0), "{report}");
        let items = report["items"].as_array().unwrap();
        let why = items[1]["why"].as_str().unwrap();
        let doubtful = lost.header("x-writegate-entry").unwrap();
        assert_eq!(items[1]["entry"], one.as_str(), "{report}");
        assert_eq!(
            why,
            format!("another write to it is in doubt: settle entry {doubtful} first")
        );
    }
    let now = scene
        .desk
        .field(Salesforce, "Account", seed::ACME, "Industry");
    assert_eq!(now, "Software");
    assert_eq!(scene.look_later().await.len(), 1);
    let report = scene.desk.undo(&[one]).await;
    assert_eq!(sums(&report), (1, 0, 0), "{report}");
    scene.desk.house.finish().await;
}
