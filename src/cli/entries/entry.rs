//! An entry as the operator API tells it, and in one line.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::cli::visible::visible;

/// An entry as the operator API tells it. What a later version leaves out is left out here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) service_account: Option<String>,
    pub(super) route: Option<String>,
    pub(super) state: String,
    pub(super) mode: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) summary: Vec<Summary>,
    pub(super) verdict: Option<String>,
    pub(super) reasons: Vec<Reason>,
    pub(super) observed: Observed,
    pub(super) message: Option<String>,
    /// `show` only: each mutation with its values.
    pub(super) changes: Vec<Change>,
    /// `show` only: the entry's rows in the ledger.
    pub(super) rows: Vec<LedgerRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    pub(super) object: String,
    pub(super) operation: String,
    pub(super) record: Value,
    /// Names only.
    pub(super) fields: Vec<String>,
}

/// What would have spoken, had it been enforced.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Observed {
    /// `would-deny` and the like, the strictest first.
    pub(super) would: Vec<String>,
    pub(super) reasons: Vec<Reason>,
    pub(super) limits: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) rule: String,
    pub(super) message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    pub(super) object: String,
    pub(super) operation: String,
    pub(super) record: Value,
    pub(super) row: Option<String>,
    pub(super) outcome: Option<String>,
    /// Name → `{before, after}`; without `before` where it is not known.
    pub(super) fields: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LedgerRow {
    pub(super) seq: u64,
    pub(super) kind: String,
    pub(super) at: String,
    pub(super) hash: String,
}

pub(super) fn read(item: Value) -> Result<Entry, Failure> {
    Entry::deserialize(item).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })
}

/// `update Account 001… (Industry) and 3 more`, or the request where it was not decomposed.
pub(super) fn what(entry: &Entry) -> String {
    let Some(first) = entry.summary.first() else {
        return match (&entry.method, &entry.message) {
            (None, Some(message)) => visible(message),
            _ => request(entry),
        };
    };
    let mut text = format!("{} {}", first.operation, first.object);
    if let Some(record) = record(&first.record) {
        text = format!("{text} {record}");
    }
    if !first.fields.is_empty() {
        text = format!("{text} ({})", first.fields.join(", "));
    }
    match entry.summary.len() - 1 {
        0 => visible(&text),
        more => visible(&format!("{text} and {more} more")),
    }
}

/// `allow`, `allow, would-deny`.
pub(super) fn verdict(entry: &Entry) -> String {
    let word = entry.verdict.as_deref().unwrap_or("-");
    let would = entry.observed.would.iter().map(String::as_str);
    let words: Vec<&str> = std::iter::once(word).chain(would).collect();
    visible(&words.join(", "))
}

pub(super) fn request(entry: &Entry) -> String {
    let method = entry.method.as_deref().unwrap_or("-");
    visible(&format!("{method} {}", entry.path.as_deref().unwrap_or("")))
}

/// `{"id": …}`, `{"key": …, "value": …}`, text, or nothing.
pub(super) fn record(record: &Value) -> Option<String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    match (record.as_str(), text("id"), text("key"), text("value")) {
        (Some(id), ..) | (None, Some(id), ..) => Some(id.to_owned()),
        (None, None, Some(key), Some(value)) => Some(format!("{key}={value}")),
        _ => None,
    }
}
