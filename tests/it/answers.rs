//! What callers see: each row of the table of answers, end to end, in both CRMs' shapes, word for word.

mod limits;
mod policy;
mod quota;
mod trouble;

use std::sync::Arc;

use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::seed;

use super::support::client::Reply;
use super::support::house::{Builder, House};

const BOTH: [CrmKind; 2] = [CrmKind::Salesforce, CrmKind::HubSpot];

/// Friday, 20 November 2026, 14:02 UTC.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new("2026-11-20T14:02:00Z".parse().unwrap()))
}

fn house_with(clock: Arc<dyn Clock>, salesforce: &str, hubspot: &str) -> Builder {
    House::builder()
        .clock(clock)
        .rules(salesforce)
        .and_rules(hubspot)
}

/// A single record's path and what to write to it, in a CRM's own way.
fn update(crm: CrmKind) -> (String, Value) {
    match crm {
        CrmKind::Salesforce => (
            format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME),
            json!({ "Phone": "+1 555 0100" }),
        ),
        CrmKind::HubSpot => (
            format!("/crm/v3/objects/companies/{}", seed::HS_ACME),
            json!({ "properties": { "phone": "+1 555 0100" } }),
        ),
    }
}

/// What an answer must be.
#[derive(Clone, Debug)]
struct Expected {
    status: u16,
    code: &'static str,
    /// `{entry}` stands for the entry's id.
    message: String,
    retry_after: Option<&'static str>,
    /// The verdict that the headers say; `None` where no write was meant, or no entry could be made.
    verdict: Option<&'static str>,
}

fn expected(status: u16, code: &'static str, message: impl Into<String>) -> Expected {
    Expected {
        status,
        code,
        message: message.into(),
        retry_after: None,
        verdict: Some("deny"),
    }
}

impl Expected {
    fn after(mut self, seconds: &'static str) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    fn verdict(mut self, word: Option<&'static str>) -> Self {
        self.verdict = word;
        self
    }

    /// The message and everything around it; the entry's id.
    fn check(&self, reply: &Reply, crm: CrmKind) -> Option<String> {
        let text = reply.text();
        assert_eq!(reply.status.as_u16(), self.status, "{text}");
        let entry = reply.header("x-writegate-entry").map(str::to_owned);
        assert_eq!(entry.is_some(), self.verdict.is_some(), "{text}");
        assert_eq!(reply.header("x-writegate-verdict"), self.verdict, "{text}");
        assert_eq!(reply.header("retry-after"), self.retry_after, "{text}");
        // What a later repeat can help is left to the client's own patience; all else says no.
        let should = if self.retry_after.is_some() {
            None
        } else {
            Some("false")
        };
        assert_eq!(reply.header("x-should-retry"), should, "{text}");
        let message = self
            .message
            .replace("{entry}", entry.as_deref().unwrap_or("?"))
            .replace("{hold}", &hold_of(&reply.message()));
        assert_eq!(reply.message(), message);
        assert_eq!(reply.code(), self.code, "{text}");
        shaped(reply, crm, entry.as_deref());
        entry
    }
}

/// The hold that a message names; empty where it names none.
fn hold_of(message: &str) -> String {
    let named = message
        .split_once("[hold ")
        .map(|(_, id)| id.trim_end_matches(']'));
    named.unwrap_or_default().to_owned()
}

/// The envelope of the CRM's own errors.
fn shaped(reply: &Reply, crm: CrmKind, entry: Option<&str>) {
    let body = reply.json();
    let kind = reply.header("content-type").unwrap();
    match crm {
        CrmKind::Salesforce => {
            assert_eq!(kind, "application/json;charset=UTF-8");
            let list = body.as_array().unwrap();
            assert_eq!(list.len(), 1, "{body}");
            let names = list[0].as_object().unwrap().keys();
            assert!(
                names
                    .clone()
                    .all(|name| ["message", "errorCode", "fields"].contains(&name.as_str())),
                "{body}"
            );
        }
        CrmKind::HubSpot => {
            assert_eq!(kind, "application/json");
            assert_eq!(body["status"], "error");
            let id = body["correlationId"].as_str().unwrap();
            assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
            assert_eq!(body["context"]["entry"][0].as_str(), entry, "{body}");
        }
    }
}

/// What was said is in the ledger, under the id that was told.
async fn recorded(house: &House, entry: Option<&str>, message: &str) {
    let entries = house.entries().await;
    let newest = &entries[0];
    assert_eq!(Some(newest.id.as_str()), entry);
    assert_eq!(newest.state, EntryState::Refused);
    assert_eq!(newest.message.as_deref(), Some(message));
}
