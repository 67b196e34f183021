//! Reverts and writes in doubt: a revert in doubt is read back and settled like any other write, and a
//! record that is in doubt is left alone.

use http::Method;
use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind::Salesforce;
use writegate::sandbox::{Fault, seed};

use super::{Desk, account, entry, lines, sums};
use crate::support::client::{Client, Reply};
use crate::support::house::{APPROVER, BROKER};

fn industry(value: &str) -> Value {
    json!({ "Industry": value })
}

/// The next change of a row goes wrong so.
fn fail(desk: &Desk, fault: Fault) {
    let sandbox = &desk.house.sandbox;
    sandbox.script(|head| head.method == Method::PATCH, 1, fault);
}

/// A revert whose answer is lost: its own entry.
async fn lost(desk: &Desk, written: &str, fault: Fault) -> String {
    fail(desk, fault);
    let report = desk.undo(&[written.to_owned()]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let entries = desk.house.entries().await;
    let mut entries = entries.iter();
    let doubt = entries.find(|entry| entry.state == EntryState::InDoubt);
    doubt.unwrap().id.to_string()
}

async fn state(desk: &Desk, id: &str) -> EntryState {
    let entries = desk.house.entries().await;
    let mut entries = entries.iter();
    entries.find(|entry| entry.id.as_str() == id).unwrap().state
}

async fn settle(desk: &Desk, id: &str, outcome: &str) -> Reply {
    let wish = json!({ "outcome": outcome, "reason": "looked" });
    let ann = Client::new(desk.admin, APPROVER);
    ann.post(&format!("/api/v1/entries/{id}/settle"), &wish)
        .await
}

async fn written(desk: &Desk) -> String {
    let agent = desk.house.agent();
    entry(
        &agent
            .patch(&account(seed::GLOBEX), &industry("Software"))
            .await,
    )
}

/// With the broker credential of the service account whose write it took back.
#[tokio::test]
async fn a_revert_in_doubt_is_read_back() {
    let desk = Desk::open().await;
    let one = written(&desk).await;
    let doubt = lost(&desk, &one, Fault::CloseAfterEffect).await;
    let worker = desk.house.worker();
    let now = desk.house.app.clock.now();
    let settled = writegate::doubt::settle_due(&worker, now).await;
    assert_eq!(settled.len(), 1);
    assert_eq!(state(&desk, &doubt).await, EntryState::Done);
    let read = desk.house.sandbox.seen().pop().unwrap();
    assert_eq!(read.headers["authorization"], format!("Bearer {BROKER}"));
    desk.house.finish().await;
}

#[tokio::test]
async fn a_person_settles_a_revert_in_doubt_at_once() {
    let desk = Desk::open().await;
    let one = written(&desk).await;
    let doubt = lost(&desk, &one, Fault::CloseBeforeEffect).await;
    let reply = settle(&desk, &doubt, "not_applied").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(state(&desk, &doubt).await, EntryState::Failed);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_record_in_doubt_is_left_alone_until_it_is_settled() {
    let desk = Desk::open().await;
    let one = written(&desk).await;
    let doubt = lost(&desk, &one, Fault::CloseBeforeEffect).await;
    for dry_run in [true, false] {
        let body = json!({ "entries": [one], "dry_run": dry_run });
        let report = desk.revert(&body).await;
        assert_eq!(sums(&report), (0, 1, 0), "{report}");
        let why = lines(&report).remove(0).why;
        assert_eq!(
            why,
            json!(format!("entry {doubt} is in doubt: settle it first"))
        );
    }
    assert_eq!(desk.house.sandbox.writes().len(), 2);
    assert_eq!(settle(&desk, &doubt, "not_applied").await.status, 200);
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (1, 0, 0), "{report}");
    let field = desk.field(Salesforce, "Account", seed::GLOBEX, "Industry");
    assert_eq!(field, "Manufacturing");
    desk.house.finish().await;
}

#[tokio::test]
async fn what_was_taken_back_is_no_answer_any_more() {
    let desk = Desk::open().await;
    let (agent, globex) = (desk.house.agent(), account(seed::GLOBEX));
    fail(&desk, Fault::CloseAfterEffect);
    let one = agent.patch(&globex, &industry("Software")).await;
    let one = one.header("x-writegate-entry").unwrap().to_owned();
    // read back, and answered as done
    let repeat = agent.patch(&globex, &industry("Software")).await;
    assert_eq!(repeat.header("x-writegate-replayed"), Some("true"));
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (1, 0, 0), "{report}");
    let again = agent.patch(&globex, &industry("Software")).await;
    assert_eq!(
        (again.status.as_u16(), again.header("x-writegate-replayed")),
        (204, None)
    );
    let field = desk.field(Salesforce, "Account", seed::GLOBEX, "Industry");
    assert_eq!(field, "Software");
    desk.house.finish().await;
}
