//! A hold as the operator API tells it, and in one line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::cli::visible::{value, visible};

/// A hold as the operator API tells it. What a later version leaves out is left out here.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Hold {
    pub(super) id: String,
    pub(super) entry: String,
    pub(super) state: String,
    pub(super) service_account: String,
    pub(super) route: String,
    pub(super) method: String,
    pub(super) at: String,
    pub(super) until: String,
    /// What an approval has to name.
    pub(super) digest: String,
    pub(super) rules: Vec<String>,
    pub(super) why: String,
    pub(super) waits_for: Option<String>,
    pub(super) approved_by: Vec<String>,
    pub(super) mutations: Vec<Outline>,
    pub(super) opaque: Option<String>,
    pub(super) moved: Option<Vec<String>>,
    pub(super) note: Option<String>,
    pub(super) release: String,
    /// The entries that a revert takes back.
    pub(super) takes_back: Option<Vec<String>>,
    /// `show` only.
    pub(super) path: Option<String>,
    /// `show` only.
    pub(super) query: Option<String>,
    /// `show` only: what would be sent beside the body.
    pub(super) headers: Vec<(String, String)>,
    /// `show` only: what acts beside the fields; headers among it.
    pub(super) acting: BTreeMap<String, String>,
    /// `show` only: what would be sent where it could not be taken apart.
    pub(super) body: Option<String>,
    /// `show` only: what the agent says of itself.
    pub(super) agent_says: Map<String, Value>,
    /// `show` only.
    pub(super) requirements: Vec<Asked>,
    /// `show` only.
    pub(super) approvals: Vec<Approval>,
    /// `show` only: each mutation with its values.
    pub(super) changes: Vec<Change>,
    /// `show` only, of a bulk job: a page of its rows.
    pub(super) rows: Option<Rows>,
    /// `show` only.
    pub(super) ended: Option<Map<String, Value>>,
}

/// Some rows of a bulk job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rows {
    /// How many it has.
    pub(super) total: u64,
    pub(super) items: Vec<Row>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row {
    pub(super) row: u64,
    pub(super) operation: String,
    pub(super) record: Value,
    pub(super) fields: BTreeMap<String, Values>,
}

impl Hold {
    /// Whether it began before this moment; what tells no moment did not.
    pub(super) fn began_before(&self, moment: Timestamp) -> bool {
        self.at.parse().is_ok_and(|at: Timestamp| at < moment)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outline {
    pub(super) object: String,
    pub(super) operation: String,
    pub(super) record: Value,
    pub(super) fields: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) asks: String,
    pub(super) met: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Approval {
    pub(super) by: String,
    pub(super) at: String,
    pub(super) reason: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    pub(super) object: String,
    pub(super) operation: String,
    pub(super) record: Value,
    pub(super) row: Option<String>,
    pub(super) undo: String,
    pub(super) exists: Option<bool>,
    /// Name → `{then, proposed, now}`.
    pub(super) fields: BTreeMap<String, Values>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Values {
    /// `None` where it was not known.
    #[serde(deserialize_with = "present")]
    pub(super) then: Option<Value>,
    /// `None` where the field is not written.
    #[serde(deserialize_with = "present")]
    pub(super) proposed: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub(super) now: Option<Value>,
}

/// A member that is there, be it null.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

pub(super) fn read(item: Value) -> Result<Hold, Failure> {
    Hold::deserialize(item).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })
}

/// Fields whose values stand in a list.
const VALUES_LISTED: usize = 3;

/// Holds by what says most of why they wait, in the order in which it first appears: a rule with a name,
/// else the row of the operation, else that of a field.
pub(super) fn by_rule(holds: &[Hold]) -> Vec<(String, Vec<&Hold>)> {
    let mut groups: Vec<(String, Vec<&Hold>)> = Vec::new();
    for hold in holds {
        let of = |kind: &str| hold.rules.iter().find(|rule| rule.starts_with(kind));
        let rule = of("rule ").or_else(|| of("operation "));
        let rule = rule.or(hold.rules.first());
        let rule = rule.cloned().unwrap_or_else(|| "-".into());
        match groups.iter_mut().find(|(name, _)| *name == rule) {
            Some((_, group)) => group.push(hold),
            None => groups.push((rule, vec![hold])),
        }
    }
    groups
}

/// `update Opportunity 006… (StageName) and 3 more`, with the values where they are known:
/// `StageName "Prospecting" → "Closed Won"`.
pub(super) fn what(hold: &Hold) -> String {
    if let Some(change) = hold.changes.first() {
        return more(&valued(change, usize::MAX), hold.changes.len());
    }
    outline(hold)
}

/// The same with the first values only.
pub(super) fn brief(hold: &Hold) -> String {
    match hold.changes.first() {
        Some(change) => more(&valued(change, VALUES_LISTED), hold.changes.len()),
        None => outline(hold),
    }
}

fn outline(hold: &Hold) -> String {
    let Some(first) = hold.mutations.first() else {
        let why = hold.opaque.as_deref().unwrap_or_default();
        return visible(&format!("{} ({why})", hold.method));
    };
    let mut text = format!("{} {}", first.operation, first.object);
    if let Some(record) = record(&first.record) {
        text = format!("{text} {record}");
    }
    if !first.fields.is_empty() {
        text = format!("{text} ({})", first.fields.join(", "));
    }
    more(&visible(&text), hold.mutations.len())
}

fn more(text: &str, count: usize) -> String {
    match count.saturating_sub(1) {
        0 => text.to_owned(),
        more => format!("{text} and {more} more"),
    }
}

fn valued(change: &Change, most: usize) -> String {
    let mut text = visible(&format!("{} {}", change.operation, change.object));
    if let Some(record) = record(&change.record) {
        text = format!("{text} {}", visible(&record));
    }
    let written = change.fields.iter().filter_map(|(name, values)| {
        let proposed = value(values.proposed.as_ref()?);
        let now = values.now.as_ref().map_or_else(|| "?".into(), value);
        Some(match change.operation.as_str() {
            "create" => format!("{} {proposed}", visible(name)),
            _ => format!("{} {now} → {proposed}", visible(name)),
        })
    });
    let mut written: Vec<String> = written.collect();
    if written.is_empty() {
        return text;
    }
    let left = written.len().saturating_sub(most);
    written.truncate(most);
    if left > 0 {
        written.push(format!("{left} more fields"));
    }
    format!("{text}: {}", written.join(", "))
}

/// `{"id": …}`, `{"key": …, "value": …}`, or nothing.
pub(super) fn record(record: &Value) -> Option<String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    match (text("id"), text("key"), text("value")) {
        (Some(id), ..) => Some(id.to_owned()),
        (None, Some(key), Some(value)) => Some(format!("{key}={value}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hold(rules: &[&str], operation: &str) -> Hold {
        let one = |value: &str| json!({ "then": null, "now": null, "proposed": value });
        let change = json!({ "operation": operation, "object": "Lead", "fields": {
            "Company": one("Acme"), "Email": one("a@b.c"), "LastName": one("Ng"), "Title": one("VP"),
        } });
        read(json!({ "rules": rules, "changes": [change] })).unwrap()
    }

    #[test]
    fn a_rule_with_a_name_heads_its_group_whatever_row_holds_too() {
        let row = "field Lead.Email";
        let holds = [
            hold(&[row, "operation Lead.create", "rule risky"], "create"),
            hold(&[row, "operation Lead.create"], "create"),
            hold(&[row], "create"),
        ];
        let groups = by_rule(&holds);
        let names: Vec<&str> = groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["rule risky", "operation Lead.create", row]);
    }

    #[test]
    fn a_list_shows_the_first_values() {
        assert_eq!(
            brief(&hold(&[], "create")),
            "create Lead: Company \"Acme\", Email \"a@b.c\", LastName \"Ng\", 1 more fields"
        );
        assert!(what(&hold(&[], "update")).ends_with("Title null → \"VP\""));
    }
}
