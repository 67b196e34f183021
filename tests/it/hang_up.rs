//! A client that closes its connection at any moment leaves no lock and no charge behind, and what
//! became of its write is recorded.

mod operators;

use http::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use writegate::clock::{Clock, SystemClock};
use writegate::journal::read::EntryState;
use writegate::ledger::RowKind;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, Head, seed};

use super::support::doctored::Doctored;
use super::support::house::{House, TOKEN};

const RULES: &str = "
crm: salesforce
objects:
  Account: { fields: { Industry: { agents: allow }, Rating: { agents: fill-else-deny } } }
limits:
  - { name: hourly, per: service_account, count: mutations, max: 100, window: 1h }
";

fn target() -> String {
    format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME)
}

/// A write of which so many bytes of the body are sent.
async fn write(house: &House, body: &Value, sent: usize) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "PATCH {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        target(),
        house.salesforce,
        body.len()
    );
    let mut stream = TcpStream::connect(house.salesforce).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = &body.as_bytes()[..sent.min(body.len())];
    stream.write_all(part).await.unwrap();
    stream
}

/// The client is gone, and the proxy has had every occasion to notice.
async fn gone(house: &House, stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
    for _ in 0..8 {
        assert_eq!(house.agent().get(&target()).await.status, 200);
    }
}

fn industry() -> Value {
    json!({ "Industry": "Energy" })
}

/// What holds after each of them: nothing under way, the record free, as many charges as writes.
async fn nothing_is_left(house: House, written: usize) {
    house.idle().await;
    assert_eq!(house.count(EntryState::Done).await, written);
    assert_eq!(house.count(EntryState::Open).await, 0);
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME)
        .unwrap();
    assert_eq!(
        record
            .get("Industry")
            .is_some_and(|value| value == "Energy"),
        written > 0
    );
    let again = house
        .agent()
        .patch(&target(), &json!({ "Industry": "Retail" }))
        .await;
    assert_eq!(again.status, 204, "{}", again.text());
    let usage = house.app.control.usage(SystemClock.now()).await.unwrap();
    assert_eq!(usage[0].used, written as u64 + 1);
    assert_eq!(house.app.inflight.of("*"), 0);
    house.finish().await;
}

#[tokio::test]
async fn before_the_body_and_in_the_middle_of_it() {
    for sent in [0, 1, 10] {
        let house = House::builder().rules(RULES).build().await;
        let stream = write(&house, &industry(), sent).await;
        gone(&house, stream).await;
        assert!(house.sandbox.writes().is_empty());
        nothing_is_left(house, 0).await;
    }
}

fn patch(head: &Head<'_>) -> bool {
    head.method == Method::PATCH
}

fn prior(head: &Head<'_>) -> bool {
    head.method != Method::PATCH
}

#[tokio::test]
async fn while_it_waits_for_the_record() {
    let control = Doctored::new();
    let house = House::builder()
        .rules(RULES)
        .control(control.clone())
        .build()
        .await;
    let gate = Gate::new();
    house
        .sandbox
        .script(patch, 1, Fault::WaitBeforeEffect(gate.clone()));
    let other = json!({ "Industry": "Retail" });
    let first = write(&house, &other, usize::MAX).await;
    gate.arrived(1).await;
    let other = json!({ "Industry": "Energy", "Rating": "Hot" });
    let second = write(&house, &other, usize::MAX).await;
    control.waiting(1).await;
    gone(&house, second).await;
    gone(&house, first).await;
    gate.open();
    nothing_is_left(house, 2).await;
}

#[tokio::test]
async fn while_prior_values_are_read() {
    // once for the verdict, once for the entry alone
    for body in [json!({ "Industry": "Energy", "Rating": "Hot" }), industry()] {
        let house = House::builder().rules(RULES).build().await;
        let gate = Gate::new();
        house
            .sandbox
            .script(prior, 1, Fault::WaitBeforeEffect(gate.clone()));
        let stream = write(&house, &body, usize::MAX).await;
        gate.arrived(1).await;
        gone(&house, stream).await;
        gate.open();
        nothing_is_left(house, 1).await;
    }
}

#[tokio::test]
async fn while_its_entry_is_written_and_while_it_is_closed() {
    for kind in [RowKind::Opened, RowKind::Closed] {
        let house = House::builder().rules(RULES).build().await;
        let wait = house.ledger.hold_next(kind);
        let stream = write(&house, &industry(), usize::MAX).await;
        wait.arrived().await;
        gone(&house, stream).await;
        wait.open();
        nothing_is_left(house, 1).await;
    }
}

#[tokio::test]
async fn after_it_was_sent() {
    for before in [true, false] {
        let house = House::builder().rules(RULES).build().await;
        let gate = Gate::new();
        let fault = if before {
            Fault::WaitBeforeEffect(gate.clone())
        } else {
            Fault::WaitAfterEffect(gate.clone())
        };
        house.sandbox.script(patch, 1, fault);
        let stream = write(&house, &industry(), usize::MAX).await;
        gate.arrived(1).await;
        gone(&house, stream).await;
        gate.open();
        nothing_is_left(house, 1).await;
    }
}

#[tokio::test]
async fn a_refused_write_leaves_nothing_either() {
    let house = House::builder().rules(RULES).build().await;
    let wait = house.ledger.hold_next(RowKind::Refused);
    let stream = write(&house, &json!({ "AnnualRevenue": 5 }), usize::MAX).await;
    wait.arrived().await;
    gone(&house, stream).await;
    wait.open();
    house.idle().await;
    assert_eq!(house.count(EntryState::Refused).await, 1);
    nothing_is_left(house, 0).await;
}

#[tokio::test]
async fn the_outcome_of_a_lost_answer_is_recorded_without_a_client() {
    let house = House::builder().rules(RULES).build().await;
    let gate = Gate::new();
    house
        .sandbox
        .script(patch, 1, Fault::WaitAfterEffect(gate.clone()));
    house.sandbox.script(patch, 1, Fault::CloseAfterEffect);
    let stream = write(&house, &industry(), usize::MAX).await;
    gate.arrived(1).await;
    gone(&house, stream).await;
    gate.open();
    house.idle().await;
    assert_eq!(house.count(EntryState::InDoubt).await, 1);
    house.finish().await;
}
