//! P4 through the whole proxy: a budget of N grants N and never more, whoever asks and however they
//! leave; what is refused or never sent costs nothing.

mod fleet;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use writegate::journal::read::EntryState;
use writegate::ledger::RowKind;
use writegate::mutation::CrmKind;

use super::support::client::{Client, Reply};
use super::support::house::{House, OPERATOR, TOKEN};
use super::support::long;
use super::support::unique;

const COLLECTION: &str = "/services/data/v60.0/composite/sobjects";
const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

fn rules(max: usize) -> String {
    format!(
        "
crm: salesforce
default: allow
objects:
  '*': {{ create: {{ agents: allow }} }}
  Account: {{ fields: {{ OwnerId: {{ agents: deny }} }} }}
limits:
  - {{ name: hourly, per: service_account, count: mutations, max: {max}, window: 1h }}
"
    )
}

fn batch(size: usize) -> Value {
    let record = |_| json!({ "attributes": { "type": "Account" }, "Name": unique("of a batch") });
    json!({ "allOrNone": false, "records": (0..size).map(record).collect::<Vec<_>>() })
}

async fn create(client: &Client) -> Reply {
    client
        .post(ACCOUNTS, &json!({ "Name": unique("alone") }))
        .await
}

/// How many accounts a house's sandbox has beyond its seed.
fn made(house: &House, seed: usize) -> usize {
    house.sandbox.ids(CrmKind::Salesforce, "Account").len() - seed
}

/// Numbers that look random, the same in each run.
fn sizes(seed: usize) -> impl Iterator<Item = usize> {
    let mut state = seed.wrapping_mul(0x9E37_79B9) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= (state & 0xFFFF_FFFF) >> 7;
        state ^= state << 17;
        (state >> 8) % 7 + 1
    })
}

/// Sends batches until three were refused; adds what was granted.
async fn greedy(client: Client, seed: usize, granted: Arc<AtomicUsize>) {
    let mut refused = 0;
    for size in sizes(seed) {
        let reply = client.post(COLLECTION, &batch(size)).await;
        if reply.status == 200 {
            granted.fetch_add(size, Ordering::SeqCst);
            continue;
        }
        assert_eq!(reply.code(), "WRITEGATE_BUDGET", "{}", reply.text());
        refused += 1;
        if refused == 3 {
            return;
        }
    }
}

/// Sends batches and never waits for an answer: whole ones, and ones whose body breaks off.
async fn rude(house: std::net::SocketAddr, seed: usize) {
    for (turn, size) in sizes(seed).take(4).enumerate() {
        let body = batch(size).to_string();
        let head = format!(
            "POST {COLLECTION} HTTP/1.1\r\nhost: {house}\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let sent = if turn % 2 == 0 {
            body.len()
        } else {
            body.len() / 2
        };
        let mut stream = TcpStream::connect(house).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..sent]).await.unwrap();
    }
}

async fn everybody_at_once(max: usize, round: usize) {
    let house = House::builder().rules(&rules(max)).build().await;
    let seed = house.sandbox.ids(CrmKind::Salesforce, "Account").len();
    let granted = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for number in 0..64 {
        if number % 4 == 3 {
            clients.spawn(rude(house.salesforce, round * 1000 + number));
        } else {
            let granted = Arc::clone(&granted);
            clients.spawn(greedy(house.agent(), round * 1000 + number, granted));
        }
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    // what no batch fitted into
    while create(&house.agent()).await.status == 201 {
        granted.fetch_add(1, Ordering::SeqCst);
    }
    house.idle().await;
    assert_eq!(made(&house, seed), max, "round {round}");
    assert!(granted.load(Ordering::SeqCst) <= max);
    // a sibling has a budget of its own
    assert_eq!(create(&house.other_agent()).await.status, 201);
    house.finish().await;
}

#[tokio::test]
async fn sixty_four_clients_get_the_whole_budget_and_no_more() {
    let rounds = if long() { 30 } else { 2 };
    for round in 0..rounds {
        everybody_at_once(97 + round, round).await;
    }
}

#[tokio::test]
async fn refused_requests_cost_nothing() {
    let house = House::builder().rules(&rules(3)).build().await;
    let agent = house.agent();
    for _ in 0..4 {
        let owned = json!({ "Name": "x", "OwnerId": "005Wg0000000002IAA" });
        assert_eq!(
            agent.post(ACCOUNTS, &owned).await.code(),
            "WRITEGATE_DENIED"
        );
        let twice = Some("{\"Name\":\"x\",\"Name\":\"y\"}".into());
        let twice = agent.raw(http::Method::POST, ACCOUNTS, twice).await;
        assert_eq!(twice.code(), "WRITEGATE_MALFORMED");
        assert_eq!(agent.post(COLLECTION, &batch(4)).await.status, 403);
    }
    for _ in 0..3 {
        assert_eq!(create(&agent).await.status, 201);
    }
    assert_eq!(create(&agent).await.code(), "WRITEGATE_BUDGET");
    house.finish().await;
}

#[tokio::test]
async fn a_request_that_alone_exceeds_the_limit_is_told_how_many_fit() {
    let house = House::builder().rules(&rules(5)).build().await;
    let agent = house.agent();
    assert_eq!(agent.post(COLLECTION, &batch(2)).await.status, 200);
    let reply = agent.post(COLLECTION, &batch(6)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (403, "WRITEGATE_BUDGET")
    );
    assert_eq!(
        reply.message(),
        "Not written: this request alone has 6 mutations, and limit hourly allows 5 in 1 h; 3 fit \
         now. Send fewer at a time."
    );
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(agent.post(COLLECTION, &batch(3)).await.status, 200);
    let reply = create(&agent).await;
    assert!(
        reply.message().starts_with(
            "Not written: limit hourly is used up (5 of 5 mutations in 1 h). Room again at "
        ),
        "{}",
        reply.message()
    );
    house.finish().await;
}

#[tokio::test]
async fn what_was_never_sent_costs_nothing() {
    let house = House::builder().rules(&rules(2)).build().await;
    let agent = house.agent();
    house.ledger.break_down();
    for _ in 0..3 {
        assert_eq!(create(&agent).await.status, 503);
    }
    house.ledger.repair();
    // stopped between the journal and the first byte
    let operator = Client::new(house.operators().await, OPERATOR);
    let switch = "/api/v1/switches/enrichment-agent";
    for _ in 0..3 {
        let wait = house.ledger.hold_next(RowKind::Opened);
        let writing = tokio::spawn({
            let agent = agent.clone();
            async move { create(&agent).await }
        });
        wait.arrived().await;
        let kill = json!({ "scope": "writes", "reason": "test" });
        operator.send(http::Method::PUT, switch, Some(&kill)).await;
        wait.open();
        assert_eq!(writing.await.unwrap().code(), "WRITEGATE_STOPPED");
        assert_eq!(operator.delete(switch).await.status, 200);
    }
    assert_eq!(house.count(EntryState::NotSent).await, 3);
    assert_eq!(create(&agent).await.status, 201);
    assert_eq!(create(&agent).await.status, 201);
    assert_eq!(create(&agent).await.code(), "WRITEGATE_BUDGET");
    house.finish().await;
}
