//! Writes in doubt and holds: a release in doubt is read back like any other write, and what is in
//! doubt keeps a release from going.

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::*;
use crate::support::client::Client;
use crate::support::house::APPROVER;

const RULES: &str = "
crm: salesforce
default: allow
objects: { Account: { fields: { Rating: { agents: hold } } } }
";

impl Scene {
    /// Holds that the agent's own repeat releases.
    async fn held() -> Self {
        Self::of(House::builder().rules(RULES).configure(|config| {
            for account in &mut config.service_accounts {
                account.credentials.clear();
            }
        }))
        .await
    }

    /// The hold of a write, approved.
    async fn approved(&self, target: &str) -> String {
        let reply = self.house.agent().patch(target, &rating()).await;
        let message = reply.message();
        let (_, id) = message.rsplit_once("[hold ").unwrap();
        let id = id.trim_end_matches(']').to_owned();
        let ann = Client::new(self.house.operators().await, APPROVER);
        let digest = ann.get(&format!("/api/v1/holds/{id}")).await.json()["digest"].clone();
        let target = format!("/api/v1/holds/{id}/approve");
        let approved = ann.post(&target, &json!({ "digest": digest })).await;
        assert_eq!(approved.status, 200, "{}", approved.text());
        id
    }

    async fn hold(&self, id: &str) -> Value {
        let ann = Client::new(self.house.operators().await, APPROVER);
        ann.get(&format!("/api/v1/holds/{id}")).await.json()
    }
}

fn rating() -> Value {
    json!({ "Rating": "Hot" })
}

#[tokio::test]
async fn a_hold_shows_that_it_was_settled() {
    let scene = Scene::held().await;
    let acme = account(seed::ACME);
    let id = scene.approved(&acme).await;
    scene.fail(&Method::PATCH, &acme, Fault::CloseBeforeEffect);
    let agent = scene.house.agent();
    let lost = agent.patch(&acme, &rating()).await;
    let ann = Client::new(scene.house.operators().await, APPROVER);
    let wish = json!({ "outcome": "not_applied", "reason": "looked" });
    let target = format!("/api/v1/entries/{}/settle", entry(&lost));
    assert_eq!(ann.post(&target, &wish).await.status, 200);
    assert_eq!(scene.hold(&id).await["state"], "settled");
    // the next one is a new write, and waits anew
    let anew = agent.patch(&acme, &rating()).await;
    assert_eq!(anew.code(), "WRITEGATE_HELD", "{}", anew.text());
    assert_ne!(entry(&anew), entry(&lost));
    scene.house.finish().await;
}

#[tokio::test]
async fn a_release_waits_for_what_is_in_doubt() {
    let scene = Scene::held().await;
    let acme = account(seed::ACME);
    scene.approved(&acme).await;
    let agent = scene.house.agent();
    scene.fail(&Method::PATCH, &acme, Fault::CloseBeforeEffect);
    let doubt = doubtful(&agent.patch(&acme, &industry("Software")).await);
    let reply = agent.patch(&acme, &rating()).await;
    assert_eq!(reply.code(), "WRITEGATE_HELD", "{}", reply.text());
    let message = reply.message();
    let why = "Not written yet: approved, but ";
    assert!(message.starts_with(why), "{message}");
    assert!(
        message.contains("is in doubt (entry") && message.contains(&doubt),
        "{message}"
    );
    assert_eq!(scene.writes(), 1);
    // it goes once that is read back, which the same repeat does
    scene.wait_out();
    let reply = agent.patch(&acme, &rating()).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(scene.state(&doubt).await, EntryState::Failed);
    assert_eq!(scene.writes(), 2);
    scene.house.finish().await;
}

#[tokio::test]
async fn what_a_release_wrote_ends_the_answers_of_before() {
    let scene = Scene::held().await;
    let acme = account(seed::ACME);
    let agent = scene.house.agent();
    scene.fail(&Method::PATCH, &acme, Fault::CloseAfterEffect);
    doubtful(&agent.patch(&acme, &industry("Software")).await);
    let repeat = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(repeat.header("x-writegate-replayed"), Some("true"));
    scene.approved(&acme).await;
    let released = agent.patch(&acme, &rating()).await;
    assert_eq!(released.status, 204, "{}", released.text());
    let writes = scene.writes();
    // made again after another write to the record, it is no repeat
    let again = agent.patch(&acme, &industry("Software")).await;
    assert_eq!(
        (again.status.as_u16(), again.header("x-writegate-replayed")),
        (204, None)
    );
    assert_eq!(scene.writes(), writes + 1);
    let crm = CrmKind::Salesforce;
    let record = scene.house.sandbox.record(crm, "Account", seed::ACME);
    assert_eq!(record.unwrap()["Industry"], "Software");
    scene.house.finish().await;
}
