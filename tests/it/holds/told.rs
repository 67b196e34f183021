//! The agent was told when it has the answer, not when an answer was made: who hung up gets it later.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use writegate::hold::State;
use writegate::ledger::RowKind;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, Head};

use super::{
    Bench, OPERATOR, PATIENCE, RULES, SALES_OPS, builder, clock, hold_of, without_credentials,
};
use crate::support::house::TOKEN;

const LEADS: &str = "/services/data/v61.0/sobjects/Lead";

/// Creates of contacts wait, and the call waits with them.
const PATIENT: &str = "
crm: salesforce
default: allow
objects: { Contact: { create: { agents: allow } } }
rules:
  - { name: patient, applies: { object: Contact }, then: hold, wait: 30s }
";

/// A create whose caller can hang up.
async fn create(bench: &Bench, target: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        bench.house.salesforce,
        body.len()
    );
    let mut stream = TcpStream::connect(bench.house.salesforce).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// A request of which nobody waits for the answer.
async fn ask(bench: &Bench, target: &str) -> TcpStream {
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\r\n",
        bench.house.salesforce
    );
    let mut stream = TcpStream::connect(bench.house.salesforce).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The caller is gone, and the proxy has had every occasion to notice.
async fn gone(bench: &Bench, stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
    let account = bench.house.sandbox.ids(CrmKind::Salesforce, "Account")[0].clone();
    let target = format!("/services/data/v61.0/sobjects/Account/{account}");
    for _ in 0..8 {
        assert_eq!(bench.house.agent().get(&target).await.status, 200);
    }
}

fn post(head: &Head<'_>) -> bool {
    head.method == http::Method::POST
}

#[tokio::test]
async fn who_hung_up_while_its_repeat_carried_the_release_gets_the_answer_later() {
    let clock = clock();
    let house = without_credentials(builder(RULES).clock(clock.clone()));
    let bench = Bench::of(house).await;
    let body = json!({ "LastName": "Hopper", "Company": "Navy" });
    let id = hold_of(&bench.house.agent().post(LEADS, &body).await);
    bench.approve(OPERATOR, &id).await;
    let gate = Gate::new();
    let sandbox = &bench.house.sandbox;
    sandbox.script(post, 1, Fault::WaitBeforeEffect(gate.clone()));
    let call = create(&bench, LEADS, &body).await;
    gate.arrived(1).await;
    gone(&bench, call).await;
    gate.open();
    bench.until(&id, State::Released).await;
    bench.house.idle().await;
    clock.advance_ms(11 * 60_000);
    let answer = bench.house.agent().post(LEADS, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn who_hung_up_while_it_waited_for_a_decision_gets_the_answer_later() {
    let clock = clock();
    let bench = Bench::of(builder(PATIENT).clock(clock.clone())).await;
    let body = json!({ "LastName": "Hopper" });
    let contacts = "/services/data/v61.0/sobjects/Contact";
    let dam = bench.house.ledger.hold_all(RowKind::Held);
    let call = create(&bench, contacts, &body).await;
    dam.arrived(1).await;
    dam.open();
    let holds = &bench.house.app.holds;
    let id = loop {
        match holds.all().first() {
            Some(hold) => break hold.id.clone(),
            None => tokio::task::yield_now().await,
        }
    };
    gone(&bench, call).await;
    bench.release(SALES_OPS, &id).await;
    bench.house.idle().await;
    clock.advance_ms(11 * 60_000);
    let answer = bench.house.agent().post(contacts, &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn nobody_waits_for_the_row_that_says_it_was_told_but_whoever_asks_next() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    clock.advance_ms(7 * 24 * 3_600_000);
    let dam = bench.house.ledger.hold_all(RowKind::Delivered);
    let told = tokio::time::timeout(PATIENCE, bench.stage(&deals[2], "Closed Won")).await;
    assert_eq!(told.unwrap().code(), "WRITEGATE_EXPIRED");
    dam.arrived(1).await;
    // Said once: the next one is a new request, whenever the row comes to be.
    let next = bench.stage(&deals[2], "Closed Won");
    let (next, ()) = tokio::join!(biased; next, async { dam.open() });
    assert_ne!(hold_of(&next), id);
    bench.finish().await;
}

#[tokio::test]
async fn who_asks_how_a_hold_stands_and_hangs_up_does_not_keep_it_from_ending() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    clock.advance_ms(7 * 24 * 3_600_000);
    let row = bench.house.ledger.hold_next(RowKind::Expired);
    let call = ask(&bench, &format!("/_writegate/holds/{id}")).await;
    row.arrived().await;
    gone(&bench, call).await;
    row.open();
    bench.until(&id, State::Expired).await;
    bench.finish().await;
}
