//! P8: a revert restores only fields that we wrote, reports and skips what others changed since, and is
//! itself governed and revertible.

mod asked;
mod doubts;
mod governed;
mod held;
mod links;
mod many;
mod records;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Head};

use super::support::client::{Client, Reply};
use super::support::house::{APPROVER, Builder, House};

/// Patience for what happens on another thread; it passes only when something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// A house with its operators' side.
struct Desk {
    house: House,
    admin: SocketAddr,
}

/// One line of a result.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    action: String,
    field: Value,
    then: Value,
    written: Value,
    now: Value,
    why: Value,
}

impl Desk {
    async fn of(builder: Builder) -> Self {
        let house = builder.build().await;
        let admin = house.operators().await;
        Self { house, admin }
    }

    async fn open() -> Self {
        Self::of(House::builder()).await
    }

    /// Asks as ann, an approver.
    async fn ask(&self, body: &Value) -> Reply {
        Client::new(self.admin, APPROVER)
            .post("/api/v1/reverts", body)
            .await
    }

    /// A revert that is carried out.
    async fn revert(&self, body: &Value) -> Value {
        let reply = self.ask(body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        reply.json()
    }

    /// The next request of a revert to Salesforce goes so.
    fn next(&self, fault: Fault) {
        let ours = |head: &Head<'_>| head.headers.contains_key("sforce-auto-assign");
        self.house.sandbox.script(ours, 1, fault);
    }

    /// A revert of these entries.
    async fn undo(&self, entries: &[String]) -> Value {
        self.revert(&json!({ "entries": entries })).await
    }

    /// Somebody else changes a HubSpot record, at a moment that its stamp tells from every write before.
    fn touch(&self, object: &str, id: &str, field: &str, value: &str) {
        let before = self.house.app.clock.now();
        let stamp = || -> Timestamp {
            let stamp = self.field(CrmKind::HubSpot, object, id, "hs_lastmodifieddate");
            stamp.as_str().unwrap().parse().unwrap()
        };
        loop {
            let sandbox = &self.house.sandbox;
            assert!(sandbox.set_field(CrmKind::HubSpot, object, id, field, json!(value)));
            if stamp() > before {
                return;
            }
        }
    }

    /// A record's field, as the CRM holds it.
    fn field(&self, crm: CrmKind, object: &str, id: &str, field: &str) -> Value {
        let record = self.house.sandbox.record(crm, object, id);
        record.unwrap_or_else(|| panic!("{object}/{id} is gone"))[field].clone()
    }
}

/// The entry of a write that went through.
fn entry(reply: &Reply) -> String {
    assert!(reply.status.is_success(), "{}", reply.text());
    reply.header("x-writegate-entry").unwrap().to_owned()
}

/// How many lines say what.
fn sums(report: &Value) -> (u64, u64, u64) {
    let sum = |name: &str| report["summary"][name].as_u64().unwrap();
    (sum("restored"), sum("skipped"), sum("impossible"))
}

fn lines(report: &Value) -> Vec<Line> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = report["items"].as_array().unwrap().iter();
    items
        .map(|item| Line {
            action: text(&item["action"]),
            field: item["field"].clone(),
            then: item["then"].clone(),
            written: item["written"].clone(),
            now: item["now"].clone(),
            why: item["why"].clone(),
        })
        .collect()
}

/// The lines of a report by field.
fn by_field(report: &Value) -> BTreeMap<String, Line> {
    let named = lines(report).into_iter();
    named
        .map(|line| (line.field.as_str().unwrap_or("").to_owned(), line))
        .collect()
}

fn account(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

fn company(id: &str) -> String {
    format!("/crm/v3/objects/companies/{id}")
}
