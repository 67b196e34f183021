//! P2, P3: the shared corpora against a live proxy: what must be refused is, no byte of it reaches the
//! CRM, and what says the same in another way is judged the same.

mod bodies;
mod csv;
mod http1;
mod paths;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::{CrmKind, Mutation};
use writegate::sandbox::seed;
use writegate::server::{Settings, Timeouts};

use super::support::house::House;
use super::support::wire::{statuses, talk};

/// The corpora's token.
const TOKEN: &str = "t0k3n";

/// Clients here stop in the middle: the server gives up on them soon.
fn settings() -> Settings {
    Settings {
        timeouts: Timeouts {
            idle: Duration::from_millis(100),
            head: Duration::from_secs(1),
            body: Duration::from_secs(1),
            linger: Duration::from_millis(100),
            ..Timeouts::default()
        },
        ..Settings::default()
    }
}

/// The corpora's record is one of the sandbox's here: the same length, so that no framing changes.
fn seeded(bytes: &[u8]) -> Vec<u8> {
    let pairs = [
        ("001000000000001AAA", seed::ACME),
        ("001000000000001", &seed::ACME[..15]),
    ];
    let mut bytes = bytes.to_vec();
    for (from, to) in pairs {
        assert_eq!(from.len(), to.len());
        let mut at = 0;
        while let Some(found) = find(&bytes[at..], from.as_bytes()) {
            bytes[at + found..at + found + to.len()].copy_from_slice(to.as_bytes());
            at += found + to.len();
        }
    }
    bytes
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|part| part == needle)
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
struct Decision {
    /// Our code, or none where the CRM answered.
    code: Option<String>,
    /// What the entry says would change; rows of a batch count as what they change.
    mutations: Vec<Mutation>,
}

impl Decision {
    fn is_refused(&self) -> bool {
        self.code.is_some()
    }
}

/// Our code in what came back, if it is there.
fn code(answer: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(answer);
    let (_, rest) = text.split_once("WRITEGATE_")?;
    let end = rest.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    Some(format!("WRITEGATE_{}", &rest[..end?]))
}

/// Sends one request and tells what was decided. A refusal leaves nothing at the CRM.
async fn decide(house: &House, to: SocketAddr, message: Vec<u8>) -> Decision {
    // a type that is not built in is looked up in the account's schemas
    let asked = || {
        let seen = house.sandbox.seen();
        let others = seen.iter().filter(|seen| seen.target != "/crm/v3/schemas");
        others.count()
    };
    let seen = asked();
    let rows = governed(house).await.len();
    let answer = talk(to, &[message]).await;
    let code = code(&answer);
    if code.is_some() {
        assert_eq!(asked(), seen, "{code:?} after a request to the CRM");
    } else {
        assert!(!statuses(&answer).is_empty(), "no answer");
    }
    let mut mutations: Vec<Mutation> = governed(house)
        .await
        .get(rows)
        .map(mutations)
        .unwrap_or_default();
    for mutation in &mut mutations {
        mutation.row = None;
    }
    Decision { code, mutations }
}

async fn governed(house: &House) -> Vec<Value> {
    let filter = RowFilter {
        kinds: vec![RowKind::Opened, RowKind::Refused],
        ..RowFilter::default()
    };
    let rows = house.ledger.rows(filter).await.unwrap();
    rows.into_iter().filter_map(|row| row.values).collect()
}

fn mutations(values: &Value) -> Vec<Mutation> {
    serde_json::from_value(values["mutations"].clone()).unwrap()
}

fn address(house: &House, crm: CrmKind) -> SocketAddr {
    house.agent_of(crm).to
}

/// A whole request on a connection of its own.
fn message(host: SocketAddr, line: &str, fields: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    )
    .into_bytes();
    for (name, value) in fields {
        message.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    if !body.is_empty() {
        message.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    message.extend(b"\r\n");
    message.extend(body);
    message
}
