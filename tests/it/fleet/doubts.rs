//! Writes under way and in doubt at one replica stand in the way at all of them; a request that is made
//! again elsewhere is not sent twice.

use writegate::follow::{Absent, sweep};
use writegate::journal::read::EntryState;
use writegate::sandbox::{Fault, Gate, Head};

use super::*;
use crate::support::cable::{Plan, Wire};
use crate::support::house::{House, OPEN_RULES};

fn posts(head: &Head<'_>) -> bool {
    head.method == Method::POST
}

fn patches(head: &Head<'_>) -> bool {
    head.method == Method::PATCH
}

async fn houses(fleet: &Fleet) -> (House, House) {
    let open = || House::builder().rules(OPEN_RULES);
    let one = fleet.house("one", open()).await;
    (one, fleet.house("two", open()).await)
}

async fn known(house: &House) {
    soon(async { while house.app.catch_up().await.is_err() {} }).await;
}

fn account(house: &House) -> String {
    let id = house
        .sandbox
        .ids(writegate::mutation::CrmKind::Salesforce, "Account")
        .remove(0);
    format!("{ACCOUNTS}/{id}")
}

#[tokio::test]
async fn what_is_in_doubt_here_blocks_there_until_it_is_settled() {
    let name = "fleet::doubts::what_is_in_doubt_here_blocks_there_until_it_is_settled";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let (one, two) = houses(&fleet).await;
    let (agent, other) = (one.agent(), two.agent());
    let acme = account(&one);
    fleet.crm.script(patches, 1, Fault::CloseBeforeEffect);
    // what could not be read back is in doubt for as long as a person takes
    let unread = |head: &Head<'_>| head.method == Method::GET;
    let doubtful = agent.patch(&acme, &json!({ "Industry": "Software" })).await;
    assert_eq!(doubtful.code(), "WRITEGATE_UNKNOWN_OUTCOME");
    let entry = doubtful.header("x-writegate-entry").unwrap().to_owned();
    known(&two).await;
    let lost = Fault::Answer {
        status: 500,
        headers: Vec::new(),
        body: "[]".into(),
    };
    fleet.crm.script(unread, 1, lost);
    let blocked = other.patch(&acme, &json!({ "Industry": "Retail" })).await;
    assert_eq!(
        (blocked.status.as_u16(), blocked.code().as_str()),
        (423, "WRITEGATE_IN_DOUBT")
    );
    assert_eq!(two.app.in_doubt().await.unwrap(), 1);
    // settled there, it blocks nowhere
    let admin = Client::new(two.operators().await, OPERATOR);
    let body = json!({ "outcome": "not_applied", "reason": "looked" });
    let settle = format!("/api/v1/entries/{entry}/settle");
    let settled = admin.post(&settle, &body).await;
    assert_eq!(settled.status, 200, "{}", settled.text());
    known(&one).await;
    assert!(
        !one.app
            .doubts
            .has(&writegate::clock::EntryId::from_text(&entry))
    );
    let free = async {
        loop {
            // its locks go when every replica can know of the doubt
            let reply = agent.patch(&acme, &json!({ "Industry": "Retail" })).await;
            if reply.status != 429 {
                break reply;
            }
        }
    };
    assert_eq!(soon(free).await.status, 204);
    // of two who settle, one does
    let admin = Client::new(one.operators().await, OPERATOR);
    assert_eq!(admin.post(&settle, &body).await.status, 409);
}

#[tokio::test]
async fn a_repeat_elsewhere_waits_for_the_answer_and_is_not_sent() {
    let name = "fleet::doubts::a_repeat_elsewhere_waits_for_the_answer_and_is_not_sent";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let (one, two) = houses(&fleet).await;
    let gate = Gate::new();
    fleet
        .crm
        .script(posts, 1, Fault::WaitAfterEffect(gate.clone()));
    let body = json!({ "Name": "Nakatomi" });
    let ask = |agent: Client| {
        let body = body.clone();
        tokio::spawn(async move { agent.post(ACCOUNTS, &body).await })
    };
    let first = ask(one.agent());
    gate.arrived(1).await;
    known(&two).await;
    let repeat = ask(two.agent());
    until(|| two.app.doubts.elsewhere.awaited() == 1).await;
    gate.open();
    let (first, repeat) = (first.await.unwrap(), soon(repeat).await.unwrap());
    assert_eq!((first.status.as_u16(), repeat.status.as_u16()), (201, 201));
    assert_eq!(first.json()["id"], repeat.json()["id"]);
    assert_eq!(repeat.header("x-writegate-replayed"), Some("true"));
    assert_eq!(fleet.crm.writes().len(), 1);
    // later it is another one
    known(&two).await;
    assert_eq!(two.agent().post(ACCOUNTS, &body).await.status, 201);
    assert_eq!(fleet.crm.writes().len(), 2);
}

#[tokio::test]
async fn a_repeat_that_comes_before_the_first_is_known_is_not_sent_either() {
    let name = "fleet::doubts::a_repeat_that_comes_before_the_first_is_known_is_not_sent_either";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let (one, two) = houses(&fleet).await;
    let gate = Gate::new();
    fleet
        .crm
        .script(posts, 1, Fault::WaitAfterEffect(gate.clone()));
    let body = json!({ "Name": "Nakatomi" });
    two.ledger.hears(false);
    assert!(two.app.catch_up().await.is_err());
    let (agent, other) = (one.agent(), two.agent());
    let sent = body.clone();
    let first = tokio::spawn(async move { agent.post(ACCOUNTS, &sent).await });
    gate.arrived(1).await;
    // it does not know of the first one, and finds it at the lock
    let repeat = other.post(ACCOUNTS, &body).await;
    assert!(
        [429, 503].contains(&repeat.status.as_u16()),
        "{}",
        repeat.text()
    );
    gate.open();
    assert_eq!(first.await.unwrap().status, 201);
    assert_eq!(fleet.crm.writes().len(), 1);
}

/// Leads a wire to where it should in the end: a replica that is cut off does not end.
struct Home<'w>(&'w Wire, u16);

impl Drop for Home<'_> {
    fn drop(&mut self) {
        self.0.lead_to(self.1);
    }
}

/// A process that is cut off between its durable row and its first byte, and is taken for dead, sends
/// nothing when it is back.
#[tokio::test]
async fn what_was_given_up_is_not_sent_by_one_that_comes_back() {
    let name = "fleet::doubts::what_was_given_up_is_not_sent_by_one_that_comes_back";
    let Some(fleet) = Fleet::start(name).await else {
        return;
    };
    let wire = Wire::to(fleet.database.port);
    let open = || House::builder().rules(OPEN_RULES);
    let one = fleet.house_over("one", &wire, open()).await;
    let two = fleet.house("two", open()).await;
    assert_eq!(create(&one.agent()).await.status, 201);
    known(&two).await;
    let _home = Home(&wire, fleet.database.port);
    // the row gets there; that it did is not heard
    wire.strand();
    wire.plan(Plan::After("Zorg".into(), 0));
    let agent = one.agent();
    let writing =
        tokio::spawn(async move { agent.post(ACCOUNTS, &json!({ "Name": "Zorg" })).await });
    soon(async {
        while two.app.doubts.elsewhere.writers().is_empty() {
            known(&two).await;
        }
    })
    .await;
    let entry = two.app.doubts.elsewhere.of("one").remove(0);
    let mut absent = Absent::default();
    soon(async {
        while !two.app.doubts.has(&entry) {
            sweep(&two.app, &mut absent).await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    let doubted = two.ledger.rows(RowFilter {
        kinds: vec![RowKind::InDoubt],
        ..RowFilter::default()
    });
    let doubted = doubted.await.unwrap();
    assert_eq!(doubted.len(), 1);
    // two seconds after it was granted it looks twice
    let old = doubted[0].at + jiff::SignedDuration::from_secs(3);
    until(|| fleet.clock.now() > old).await;
    wire.lead_to(fleet.database.port);
    let reply = soon(writing).await.unwrap();
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(fleet.crm.writes().len(), 1);
    // nothing is in doubt any more: it was never sent
    known(&two).await;
    assert!(!two.app.doubts.has(&entry) && !one.app.doubts.has(&entry));
    assert_eq!(two.count(EntryState::NotSent).await, 1);
}
