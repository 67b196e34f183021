//! A restart at every state of a hold: what was known before is known after, and nothing is sent
//! twice.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use writegate::clock::ManualClock;
use writegate::config::{Role, Secret};
use writegate::hold::decide::{Undecided, Wish};
use writegate::hold::rows::Decision;
use writegate::hold::{End, Hold, State};
use writegate::journal::read::EntryState;
use writegate::ledger::RowKind;
use writegate::proxy::releases;
use writegate::sandbox::{Fault, Gate, Running};

use super::{PATIENCE, RULES, builder, clock, hold_of, opportunity, without_credentials};
use crate::support::client::Reply;
use crate::support::house::{BROKER, Builder, House};

const LIMITS: &str = "
limits:
  - { name: hourly, per: service_account, count: mutations, max: 2, window: 240h }
  - { name: queue, per: service_account, count: holds, max: 2 }
";

/// A house that can end and begin again over the same ledger and CRM.
pub(super) struct Lives {
    folder: Arc<TempDir>,
    pub(super) clock: Arc<ManualClock>,
    crm: Option<Arc<Running>>,
    rules: String,
}

impl Lives {
    pub(super) fn new(rules: &str) -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            clock: clock(),
            crm: None,
            rules: rules.to_owned(),
        }
    }

    /// The writes that the CRM saw, in all lives.
    fn writes(&self) -> usize {
        self.crm.as_ref().unwrap().writes().len()
    }

    /// The next life; `change` is what else is different in it.
    pub(super) async fn begin(&mut self, change: impl FnOnce(Builder) -> Builder) -> House {
        let mut builder = change(builder(&self.rules))
            .folder(&self.folder)
            .clock(self.clock.clone());
        if let Some(crm) = &self.crm {
            builder = builder.crm(crm);
        }
        let house = builder.build().await;
        self.crm = Some(Arc::clone(&house.sandbox));
        house
    }
}

/// Ends a life the orderly way, and returns when nothing of it is left.
async fn end(mut house: House) {
    house.stop().await;
    let app = Arc::downgrade(&house.app);
    drop(house);
    while app.upgrade().is_some() {
        tokio::task::yield_now().await;
    }
}

async fn stage(house: &House, record: &str, stage: &str) -> Reply {
    let body = json!({ "StageName": stage });
    house.agent().patch(&opportunity(record), &body).await
}

fn deals(house: &House) -> Vec<String> {
    let sandbox = &house.sandbox;
    sandbox.ids(writegate::mutation::CrmKind::Salesforce, "Opportunity")
}

fn look(house: &House, id: &str) -> Arc<Hold> {
    house.app.holds.by_id(id).unwrap().look().unwrap()
}

fn state(house: &House, id: &str) -> State {
    look(house, id).state(&house.app.config)
}

async fn decide(
    house: &House,
    name: &str,
    id: &str,
    decision: Decision,
) -> Result<Arc<Hold>, Undecided> {
    let app = &house.app;
    let slot = app.holds.by_id(id).unwrap();
    let operator = app.config.operators.iter().find(|one| one.name == name);
    let wish = Wish {
        decision,
        reason: Some("because".into()),
        shown: Some(slot.look().unwrap().terms.shown.clone()),
    };
    let turn = slot.turn().await;
    turn.decide(&app.desk(), operator.unwrap(), wish).await
}

async fn until(house: &House, id: &str, wanted: State) {
    let app = &house.app;
    let slot = app.holds.by_id(id).unwrap();
    let other = |hold: &Hold| hold.state(&app.config) != wanted;
    app.holds.wait(&slot, PATIENCE, other).await;
    assert_eq!(state(house, id), wanted);
}

#[tokio::test]
async fn what_waits_still_waits_and_counts() {
    let mut lives = Lives::new(&format!("{RULES}{LIMITS}"));
    let house = lives.begin(|builder| builder).await;
    let deals = deals(&house);
    let first = hold_of(&stage(&house, &deals[1], "Closed Won").await);
    let second = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    decide(&house, "ann", &first, Decision::Approve)
        .await
        .unwrap();
    let before = look(&house, &first);
    end(house).await;

    let house = lives.begin(|builder| builder).await;
    let after = look(&house, &first);
    assert_eq!(after.approvals, before.approvals);
    assert_eq!(after.terms, before.terms);
    assert_eq!(
        (after.expires_at, &after.key),
        (before.expires_at, &before.key)
    );
    assert_eq!(after.looked, before.looked);
    assert_eq!(state(&house, &first), State::Parked);
    // The same request attaches to it, the queue is full, and the budget is used up.
    assert_eq!(
        hold_of(&stage(&house, &deals[1], "Closed Won").await),
        first
    );
    let usage = house
        .app
        .control
        .usage(house.app.clock.now())
        .await
        .unwrap();
    assert!(
        usage.iter().all(|one| one.used == 2) && usage.len() == 2,
        "{usage:?}"
    );
    let full = stage(&house, &deals[2], "Prospecting").await;
    assert_eq!(full.code(), "WRITEGATE_BUDGET");
    decide(&house, "deb", &first, Decision::Approve)
        .await
        .unwrap();
    releases::all(&house.app);
    until(&house, &first, State::Released).await;
    decide(&house, "ann", &second, Decision::Reject)
        .await
        .unwrap();
    house.app.holds.by_id(&second).unwrap().turn().await;
    let usage = house
        .app
        .control
        .usage(house.app.clock.now())
        .await
        .unwrap();
    assert_eq!(usage.len(), 1, "{usage:?}");
    assert_eq!(lives.writes(), 1);
    house.finish().await;
}

#[tokio::test]
async fn what_was_approved_is_released_at_the_start() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(without_credentials).await;
    let deals = deals(&house);
    let id = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    decide(&house, "ann", &id, Decision::Approve).await.unwrap();
    assert_eq!(state(&house, &id), State::Approved);
    end(house).await;

    let house = lives.begin(without_credentials).await;
    assert_eq!(state(&house, &id), State::Approved);
    end(house).await;

    let house = lives.begin(|builder| builder).await;
    until(&house, &id, State::Released).await;
    assert_eq!(lives.writes(), 1);
    let answer = stage(&house, &deals[2], "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    end(house).await;

    // The stored answer, and when it was first delivered.
    lives.clock.advance_ms(9 * 60_000);
    let house = lives.begin(|builder| builder).await;
    assert_eq!(state(&house, &id), State::Released);
    let answer = stage(&house, &deals[2], "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    end(house).await;

    lives.clock.advance_ms(60_000);
    let house = lives.begin(|builder| builder).await;
    assert_ne!(hold_of(&stage(&house, &deals[2], "Closed Won").await), id);
    assert_eq!(lives.writes(), 1);
    house.finish().await;
}

#[tokio::test]
async fn what_a_removed_service_account_asked_for_is_not_sent() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(without_credentials).await;
    let deals = deals(&house);
    let id = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    decide(&house, "ann", &id, Decision::Approve).await.unwrap();
    end(house).await;

    let removed = |builder: Builder| {
        builder.configure(|config| {
            config.service_accounts.remove(0);
            config.routes[0].release_credential = Some(Secret::new(BROKER).into());
        })
    };
    let house = lives.begin(removed).await;
    let slot = house.app.holds.by_id(&id).unwrap();
    let quiet = |hold: &Hold| hold.note.is_none();
    house.app.holds.wait(&slot, PATIENCE, quiet).await;
    house.idle().await;
    let hold = slot.look().unwrap();
    assert_eq!(hold.state(&house.app.config), State::Approved);
    assert_eq!(
        hold.note.as_deref(),
        Some("enrichment-agent is not configured any more: no kill switch would stop it")
    );
    assert_eq!(lives.writes(), 0);
    house.finish().await;
}

#[tokio::test]
async fn what_was_opened_and_not_closed_is_in_doubt_and_never_sent_again() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(|builder| builder).await;
    let deals = deals(&house);
    let id = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    // The CRM does it, and the ledger never hears of it.
    let gate = Gate::new();
    let fault = Fault::WaitAfterEffect(gate.clone());
    house
        .sandbox
        .script(|head| head.method == http::Method::PATCH, 1, fault);
    decide(&house, "ann", &id, Decision::Approve).await.unwrap();
    releases::all(&house.app);
    gate.arrived(1).await;
    assert_eq!(state(&house, &id), State::Releasing);
    house.ledger.break_down();
    gate.open();
    until(&house, &id, State::Released).await;
    // While its row is not durable the answer is there all the same.
    let answer = stage(&house, &deals[2], "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    // The row that is still to be written goes with the runtimes.
    end(house).await;

    let house = lives.begin(|builder| builder).await;
    assert_eq!(state(&house, &id), State::InDoubt);
    releases::tick(&house.app).await;
    assert!(matches!(
        decide(&house, "dana", &id, Decision::Approve).await,
        Err(Undecided::Moved(..))
    ));
    house.app.inflight.counter().none().await;
    assert_eq!(house.count(EntryState::InDoubt).await, 1);
    // A repeat reads it back.
    let answer = stage(&house, &deals[2], "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(state(&house, &id), State::Settled);
    assert_eq!(lives.writes(), 1);
    assert_eq!(house.count(EntryState::Done).await, 1);
    house.finish().await;
}

#[tokio::test]
async fn every_end_is_remembered() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(without_credentials).await;
    let deals = deals(&house);
    let rejected = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    let expired = hold_of(&stage(&house, &deals[2], "Closed Lost").await);
    let moved = hold_of(&stage(&house, &deals[3], "Closed Won").await);
    decide(&house, "ann", &rejected, Decision::Reject)
        .await
        .unwrap();
    decide(&house, "ann", &moved, Decision::Approve)
        .await
        .unwrap();
    let crm = writegate::mutation::CrmKind::Salesforce;
    assert!(
        house
            .sandbox
            .set_field(crm, "Opportunity", &deals[3], "StageName", json!("x"))
    );
    assert_eq!(
        hold_of(&stage(&house, &deals[3], "Closed Won").await),
        moved
    );
    let before = look(&house, &moved);
    end(house).await;

    lives.clock.advance_ms(6 * 24 * 3_600_000);
    let house = lives.begin(without_credentials).await;
    let after = look(&house, &moved);
    assert_eq!(after.drifted, before.drifted);
    assert_eq!(after.terms.shown, before.terms.shown);
    assert!(after.approvals.is_empty());
    let answer = stage(&house, &deals[2], "Closed Won").await;
    assert_eq!(answer.code(), "WRITEGATE_REJECTED");
    assert!(
        answer
            .message()
            .contains("ann (Sales Ops) said no: \"because\"")
    );
    end(house).await;

    lives.clock.advance_ms(24 * 3_600_000);
    let house = lives.begin(without_credentials).await;
    releases::tick(&house.app).await;
    assert_eq!(state(&house, &expired), State::Expired);
    end(house).await;
    let house = lives.begin(without_credentials).await;
    let told = stage(&house, &deals[2], "Closed Lost").await;
    assert_eq!(told.code(), "WRITEGATE_EXPIRED");
    end(house).await;
    // Said once: the next life does not say it again.
    let house = lives.begin(without_credentials).await;
    assert_ne!(
        hold_of(&stage(&house, &deals[2], "Closed Lost").await),
        expired
    );
    // An id is never given twice, and an old hold is still shown.
    let found = house
        .app
        .holds
        .find(&*house.ledger, &rejected)
        .await
        .unwrap();
    assert!(matches!(found.unwrap().end, Some(End::Rejected { .. })));
    assert_eq!(lives.writes(), 0);
    house.finish().await;
}

/// People and their roles are those of today.
#[tokio::test]
async fn who_lost_the_role_or_the_name_did_not_agree() {
    type Change = fn(&mut writegate::config::Config);
    let changes: [(&str, Change, State); 6] = [
        ("nothing", |_| {}, State::Approved),
        (
            "the role",
            |c| c.operators[1].roles = vec![Role::Viewer],
            State::Parked,
        ),
        (
            "the name",
            |c| c.operators[1].name = "ann2".into(),
            State::Parked,
        ),
        (
            "the team",
            |c| c.operators[1].teams = vec!["Deal Desk".into()],
            State::Parked,
        ),
        ("the person", |c| drop(c.operators.remove(1)), State::Parked),
        (
            "a new owner of the account",
            |c| c.service_accounts[0].owner = Some("Ann".into()),
            State::Parked,
        ),
    ];
    for (name, change, wanted) in changes {
        let mut lives = Lives::new(RULES);
        let house = lives.begin(without_credentials).await;
        let deals = deals(&house);
        let id = hold_of(&stage(&house, &deals[2], "Closed Won").await);
        decide(&house, "ann", &id, Decision::Approve).await.unwrap();
        end(house).await;
        let house = lives
            .begin(|builder| without_credentials(builder).configure(change))
            .await;
        assert_eq!(state(&house, &id), wanted, "{name}");
        let answer = stage(&house, &deals[2], "Closed Won").await;
        let sent = usize::from(wanted == State::Approved);
        assert_eq!(answer.status == StatusCode::NO_CONTENT, sent == 1, "{name}");
        assert_eq!(lives.writes(), sent, "{name}");
        house.finish().await;
    }
}

/// The owner when it asked stays barred when the account gets another one.
#[tokio::test]
async fn the_owner_of_the_day_stays_barred() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(without_credentials).await;
    let deals = deals(&house);
    let id = hold_of(&stage(&house, &deals[2], "Closed Won").await);
    end(house).await;
    let house = lives
        .begin(|builder| {
            without_credentials(builder).configure(|config| {
                config.service_accounts[0].owner = Some("lee".into());
            })
        })
        .await;
    assert!(matches!(
        decide(&house, "kim", &id, Decision::Approve).await,
        Err(Undecided::Barred(_))
    ));
    decide(&house, "ann", &id, Decision::Approve).await.unwrap();
    house.finish().await;
}

/// A row that was on its way when somebody stopped waiting for it.
#[tokio::test]
async fn a_park_that_is_not_durable_is_not_told() {
    let mut lives = Lives::new(RULES);
    let house = lives.begin(without_credentials).await;
    let deals = deals(&house);
    let wait = house.ledger.hold_next(RowKind::Held);
    let agent = house.agent();
    let target = opportunity(&deals[2]);
    let call = tokio::spawn(async move {
        agent
            .patch(&target, &json!({ "StageName": "Closed Won" }))
            .await
    });
    wait.arrived().await;
    // Nobody hears of it before its row is durable.
    assert!(house.app.holds.all().is_empty());
    assert!(!call.is_finished());
    wait.open();
    let id = hold_of(&call.await.unwrap());
    assert_eq!(hold_of(&stage(&house, &deals[2], "Closed Won").await), id);
    house.idle().await;
    house.finish().await;
}
