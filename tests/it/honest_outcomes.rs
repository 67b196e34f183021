//! P11: whatever goes wrong at the CRM, at whatever moment: no success-shaped answer for a write that
//! did not happen, an entry that says what is known, and never a second dispatch.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Head, seed};

use super::support::client::{Client, Reply};
use super::support::house::{House, TOKEN};

/// A write of a kind, the same on every run.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Update,
    Create,
    Collection,
    AllOrNone,
    Delete,
    HubUpdate,
    HubCreate,
    HubBatch,
}

const KINDS: [Kind; 8] = [
    Kind::Update,
    Kind::Create,
    Kind::Collection,
    Kind::AllOrNone,
    Kind::Delete,
    Kind::HubUpdate,
    Kind::HubCreate,
    Kind::HubBatch,
];

impl Kind {
    fn is_hubspot(self) -> bool {
        matches!(self, Self::HubUpdate | Self::HubCreate | Self::HubBatch)
    }

    fn request(self) -> (Method, String, Option<Value>) {
        let data = "/services/data/v60.0";
        let account = |id: &str| format!("{data}/sobjects/Account/{id}");
        let rows = |all: bool| {
            json!({ "allOrNone": all, "records": [
                { "attributes": { "type": "Account" }, "id": seed::ACME, "Rating": "Hot" },
                { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "Rating": "Hot" },
            ] })
        };
        let collection = format!("{data}/composite/sobjects");
        let companies = "/crm/v3/objects/companies";
        match self {
            Self::Update => (
                Method::PATCH,
                account(seed::ACME),
                Some(json!({ "Rating": "Hot" })),
            ),
            Self::Create => {
                let target = format!("{data}/sobjects/Account");
                (Method::POST, target, Some(json!({ "Name": "New" })))
            }
            Self::Collection => (Method::PATCH, collection, Some(rows(false))),
            Self::AllOrNone => (Method::PATCH, collection, Some(rows(true))),
            Self::Delete => (Method::DELETE, account(seed::VANDELAY), None),
            Self::HubUpdate => (
                Method::PATCH,
                format!("{companies}/{}", seed::HS_ACME),
                Some(json!({ "properties": { "phone": "1" } })),
            ),
            Self::HubCreate => (
                Method::POST,
                companies.into(),
                Some(json!({ "properties": { "name": "New" } })),
            ),
            Self::HubBatch => (
                Method::POST,
                format!("{companies}/batch/update"),
                Some(json!({ "inputs": [
                    { "id": seed::HS_ACME, "properties": { "phone": "1" } },
                    { "id": seed::HS_GLOBEX, "properties": { "phone": "1" } },
                ] })),
            ),
        }
    }

    /// Whether a request at the CRM is this write, and not one of our reads before it.
    fn is(self, head: &Head<'_>) -> bool {
        let (method, target, _) = self.request();
        *head.method == method && head.path == target
    }
}

async fn send(house: &House, kind: Kind) -> Reply {
    let client = if kind.is_hubspot() {
        house.hubspot_agent()
    } else {
        house.agent()
    };
    let (method, target, body) = kind.request();
    client.send(method, &target, body.as_ref()).await
}

/// What a write with a fault came to: the answer, the entry's state, and whether it had an effect.
async fn with_fault(kind: Kind, warm: bool, fault: Fault) -> (Reply, EntryState, bool) {
    let house = House::builder().build().await;
    if warm {
        // an idle connection that was used before is in the pool
        for _ in 0..4 {
            let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::WAYNE);
            assert_eq!(house.agent().get(&target).await.status, 200);
            let target = format!("/crm/v3/objects/companies/{}", seed::HS_WAYNE);
            assert_eq!(house.hubspot_agent().get(&target).await.status, 200);
        }
    }
    house.sandbox.script(move |head| kind.is(head), 1, fault);
    let reply = send(&house, kind).await;
    let writes = house.sandbox.writes();
    assert_eq!(writes.len(), 1, "{kind:?}: dispatches");
    let effect = !writes[0].effects.is_empty();
    let entries = house.entries().await;
    assert_eq!(entries.len(), 1, "{kind:?}");
    let state = entries[0].state;
    assert_eq!(
        reply.header("x-writegate-entry"),
        Some(entries[0].id.as_str())
    );
    house.finish().await;
    (reply, state, effect)
}

fn in_doubt((reply, state, effect): &(Reply, EntryState, bool), what: &str) {
    assert_eq!(reply.status, 502, "{what}: {}", reply.text());
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_OUTCOME", "{what}");
    assert!(
        reply.message().starts_with("May have been written: "),
        "{what}"
    );
    assert_eq!(reply.header("retry-after"), None, "{what}");
    assert_eq!(reply.header("x-should-retry"), Some("false"), "{what}");
    assert_eq!(*state, EntryState::InDoubt, "{what}: effect {effect}");
}

#[tokio::test]
async fn a_connection_that_ends_leaves_doubt() {
    for kind in KINDS {
        for warm in [false, true] {
            for fault in [
                Fault::CloseBeforeBody,
                Fault::CloseBeforeEffect,
                Fault::CloseAfterEffect,
            ] {
                let what = format!("{kind:?} {warm} {fault:?}");
                in_doubt(&with_fault(kind, warm, fault).await, &what);
            }
        }
    }
}

/// How long the whole answer to a write is on the wire.
async fn length(kind: Kind) -> usize {
    let house = House::builder().build().await;
    let (method, target, body) = kind.request();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // ends by itself once all of the answer is out
    let all = Fault::Cut { keep: 1 << 20 };
    house.sandbox.script(move |head| kind.is(head), 1, all);
    let mut stream = TcpStream::connect(house.sandbox.addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1 << 20];
    let mut read = 0;
    loop {
        let more = stream.read(&mut answer[read..]).await.unwrap();
        read += more;
        let text = String::from_utf8_lossy(&answer[..read]).into_owned();
        let Some((head, rest)) = text.split_once("\r\n\r\n") else {
            assert_ne!(more, 0);
            continue;
        };
        let length = head.to_ascii_lowercase().lines().find_map(|line| {
            line.strip_prefix("content-length: ")?
                .trim()
                .parse::<usize>()
                .ok()
        });
        if rest.len() >= length.unwrap_or(0) {
            return read;
        }
    }
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    for kind in [Kind::Update, Kind::Create, Kind::Collection, Kind::HubBatch] {
        let whole = length(kind).await;
        for keep in [0, 1, 20, whole / 2, whole - 1] {
            for fault in [Fault::Cut { keep }, Fault::Reset { keep }] {
                let what = format!("{kind:?} {fault:?} of {whole}");
                let came = with_fault(kind, false, fault).await;
                in_doubt(&came, &what);
                assert!(came.2, "{what}: it had its effect");
            }
        }
    }
}

fn answer(status: u16, body: &str) -> Fault {
    Fault::Answer {
        status,
        headers: vec![("content-type".into(), "text/html".into())],
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

#[tokio::test]
async fn the_crms_own_errors_pass_and_are_told_from_doubt() {
    for kind in KINDS {
        for (status, state) in [
            (400, EntryState::Failed),
            (401, EntryState::Failed),
            (404, EntryState::Failed),
            (412, EntryState::Failed),
            (429, EntryState::Failed),
            (408, EntryState::InDoubt),
            (500, EntryState::InDoubt),
            (502, EntryState::InDoubt),
            (503, EntryState::InDoubt),
            (504, EntryState::InDoubt),
        ] {
            let (reply, came, _) = with_fault(kind, false, answer(status, "<h1>no</h1>")).await;
            assert_eq!(reply.status.as_u16(), status, "{kind:?}");
            assert_eq!(reply.text(), "<h1>no</h1>", "{kind:?}: as it came");
            assert_eq!(came, state, "{kind:?} {status}");
        }
    }
}

#[tokio::test]
async fn success_that_says_nothing_of_the_write_is_doubt() {
    for kind in KINDS {
        for (status, body) in [
            (200, "<h1>Please log in</h1>"),
            (200, "{"),
            (200, "[]"),
            (200, "{}"),
            (202, ""),
        ] {
            let came = with_fault(kind, false, answer(status, body)).await;
            in_doubt(&came, &format!("{kind:?} {status} {body}"));
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_doubt() {
    let fault = Fault::Answer {
        status: 302,
        headers: vec![("location".into(), "http://127.0.0.1:1/elsewhere".into())],
        body: Bytes::new(),
    };
    let (reply, state, _) = with_fault(Kind::Update, false, fault).await;
    assert_eq!(reply.status, 302);
    assert_eq!(state, EntryState::InDoubt);
}

/// Whatever this answers to the first request on each connection; how many requests came.
async fn speaking(bytes: &'static [u8]) -> (String, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (count, requests) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 1 << 16];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                count.send_modify(|count| *count += 1);
                drop(stream.write_all(bytes).await);
            }
        }
    });
    (url, requests)
}

#[tokio::test]
async fn what_is_not_http_is_doubt() {
    for bytes in [
        b"SSH-2.0-OpenSSH_9.9\r\n".as_slice(),
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 201 Created\r\ncontent-length: 999\r\n\r\n{\"success\":true",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"",
    ] {
        let (url, requests) = speaking(bytes).await;
        let house = House::builder().upstream(&url).build().await;
        let reply = send(&house, Kind::Create).await;
        let state = house.entries().await[0].state;
        in_doubt(&(reply, state, false), &String::from_utf8_lossy(bytes));
        assert_eq!(*requests.borrow(), 1);
    }
}

#[tokio::test]
async fn a_crm_that_cannot_be_reached_is_said_so_and_nothing_is_charged() {
    // bound and not listening: refused, and nobody else gets the port
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let rules = "
crm: salesforce
default: allow
objects: { '*': { create: { agents: allow }, delete: { agents: allow } } }
limits:
  - { name: hourly, per: service_account, count: mutations, max: 1, window: 1h }
";
    let house = House::builder().rules(rules).upstream(&url).build().await;
    for _ in 0..3 {
        let reply = send(&house, Kind::Create).await;
        assert_eq!(
            (reply.status.as_u16(), reply.code().as_str()),
            (502, "WRITEGATE_UPSTREAM")
        );
        assert!(
            reply.message().starts_with("Not written: "),
            "{}",
            reply.message()
        );
    }
    assert_eq!(house.count(EntryState::NotSent).await, 3);
    // what has to be read first is not even opened
    let reply = send(&house, Kind::Update).await;
    assert_eq!(
        (reply.status.as_u16(), reply.code().as_str()),
        (503, "WRITEGATE_UNAVAILABLE")
    );
    assert!(
        reply.message().starts_with("Not written: "),
        "{}",
        reply.message()
    );
    assert_eq!(house.count(EntryState::Refused).await, 1);
}

#[tokio::test]
async fn part_of_a_batch_is_told_from_all_and_none() {
    let house = House::builder().build().await;
    let target = "/services/data/v60.0/composite/sobjects";
    let rows = |all: bool, second: &str| {
        json!({ "allOrNone": all, "records": [
            { "attributes": { "type": "Account" }, "id": seed::ACME, "Rating": "Hot" },
            { "attributes": { "type": "Account" }, "id": seed::GLOBEX, "NumberOfEmployees": second },
        ] })
    };
    let agent: Client = house.agent();
    let partly = agent.patch(target, &rows(false, "many")).await;
    assert_eq!(partly.status, 200, "{}", partly.text());
    let success = |reply: &Reply| -> Vec<bool> {
        let rows = reply.json();
        let rows = rows.as_array().unwrap();
        rows.iter()
            .map(|row| row["success"].as_bool().unwrap())
            .collect()
    };
    assert_eq!(success(&partly), [true, false]);
    assert_eq!(house.entries().await[0].state, EntryState::Partly);
    let none = agent.patch(target, &rows(true, "many")).await;
    assert_eq!(success(&none), [false, false]);
    assert_eq!(house.entries().await[0].state, EntryState::Failed);
    let all = agent.patch(target, &rows(true, "12")).await;
    assert_eq!(
        (success(&all), all.status.as_u16()),
        (vec![true, true], 200)
    );
    assert_eq!(house.entries().await[0].state, EntryState::Done);
    let record = house
        .sandbox
        .record(CrmKind::Salesforce, "Account", seed::ACME);
    assert_eq!(record.unwrap()["Rating"], "Hot");

    let inputs = json!({ "inputs": [
        { "id": seed::HS_ACME, "properties": { "phone": "1" } },
        { "id": seed::HS_GLOBEX, "properties": { "industry": "NO_SUCH_OPTION" } },
    ] });
    let hubspot = house.hubspot_agent();
    let reply = hubspot
        .post("/crm/v3/objects/companies/batch/update", &inputs)
        .await;
    let written = !house.sandbox.writes().last().unwrap().effects.is_empty();
    let state = house.entries().await[0].state;
    let wanted = match (reply.status.as_u16(), written) {
        (207, true) => EntryState::Partly,
        (400, false) => EntryState::Failed,
        other => panic!("{other:?} {}", reply.text()),
    };
    assert_eq!(state, wanted);
    house.finish().await;
}
