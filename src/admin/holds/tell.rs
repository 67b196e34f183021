//! A hold as the operator API tells it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::hold::people::{Person, agreed, is_met, unmet, waits_for};
use crate::hold::{Contents, End, Hold, State, credential};
use crate::mutation::{Effect, Mutation, Prior, Requirement, Snapshot, field, same_name};

/// A line of a list: no values.
pub(super) fn summary(config: &Config, hold: &Hold) -> Value {
    let state = hold.state(config);
    let account = &hold.actor.service_account;
    let people = agreed(config, hold);
    let waits = || waits_for(&unmet(&hold.terms.requirements, &people));
    json!({
        "id": hold.id,
        "entry": hold.entry,
        "state": state.word(),
        "service_account": account,
        "route": hold.route,
        "method": hold.method,
        "at": hold.at,
        "until": hold.expires_at,
        "digest": hold.terms.shown,
        "rules": rules(hold),
        "why": hold.terms.why,
        "waits_for": (state == State::Parked).then(waits),
        "approved_by": people.iter().flat_map(Person::names).collect::<Vec<_>>(),
        "mutations": hold.summary,
        "opaque": hold.opaque,
        "moved": hold.drifted.as_ref().map(|drifted| &drifted.fields),
        "note": hold.note,
        "release": match (credential(config, hold), &hold.takes_back) {
            (Some(_), _) => "now",
            (None, None) => "with the agent's next repeat",
            (None, Some(_)) => "not before a credential is configured",
        },
        "takes_back": hold.takes_back.as_ref().map(|back| &back.entries),
    })
}

/// Everything an approver has to see. What the agent says of itself stands apart, and is marked so.
pub(super) fn detail(config: &Config, hold: &Hold, contents: Option<&Contents>) -> Value {
    let mut told = summary(config, hold);
    let people = agreed(config, hold);
    let more = json!({
        "path": contents.map(|contents| &contents.path),
        "query": contents.and_then(|contents| contents.query.as_ref()),
        "agent_says": hold.actor.claims,
        "reasons": hold.verdict.as_ref().map(|verdict| &verdict.reasons),
        "rule_set": hold.rules,
        "requirements": hold
            .terms
            .requirements
            .iter()
            .map(|one| requirement(one, &people))
            .collect::<Vec<_>>(),
        "approvals": hold.approvals,
        "headers": contents.map(headers),
        "acting": hold.acting,
        "body": contents.and_then(|contents| body(hold, contents)),
        "changes": contents.map(|contents| changes(hold, contents)),
        "moved_at": hold.drifted.as_ref().map(|drifted| drifted.at),
        "ended": hold.end.as_ref().map(ended),
        "ended_at": hold.ended_at,
        "told_at": hold.told,
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    told
}

/// The headers that would be sent, without the credential.
fn headers(contents: &Contents) -> Vec<[String; 2]> {
    let headers = contents.headers().unwrap_or_default();
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            [name.as_str().to_owned(), value]
        })
        .collect()
}

/// What would be sent where it could not be taken apart: all of it, as text where it is text.
fn body(hold: &Hold, contents: &Contents) -> Option<String> {
    hold.opaque.as_ref()?;
    let bytes = contents.bytes()?;
    Some(match std::str::from_utf8(&bytes) {
        Ok(text) => text.to_owned(),
        Err(_binary) => format!("base64:{}", STANDARD.encode(&bytes)),
    })
}

/// The rows and rules that hold it, each once.
fn rules(hold: &Hold) -> Vec<&str> {
    let mut rules: Vec<&str> = Vec::new();
    let verdict = hold.verdict.iter();
    for reason in verdict.flat_map(|verdict| &verdict.reasons) {
        if reason.effect == Effect::Hold && !rules.contains(&reason.rule.as_str()) {
            rules.push(&reason.rule);
        }
    }
    if rules.is_empty() {
        rules.push("limit");
    }
    rules
}

fn requirement(requirement: &Requirement, people: &[Person<'_>]) -> Value {
    json!({
        "asks": waits_for(std::slice::from_ref(requirement)),
        "met": !people.is_empty() && is_met(requirement, people),
    })
}

fn ended(end: &End) -> Value {
    match end {
        End::Rejected { by, teams, reason } => {
            json!({ "by": by, "teams": teams, "reason": reason })
        }
        End::Expired { approved } => json!({ "approved": approved }),
        End::Denied { message } => json!({ "reason": message }),
        End::Released { status } => json!({ "status": status }),
        End::NotSent { note } => json!({ "reason": note }),
        End::InDoubt | End::Settled => json!({}),
    }
}

/// Mutation by mutation, every field with what stood there when it was parked, what is proposed, and
/// what stands there as far as is known now.
fn changes(hold: &Hold, contents: &Contents) -> Vec<Value> {
    let (first, last) = (&contents.snapshot, contents.shown());
    contents
        .mutations
        .iter()
        .enumerate()
        .map(|(place, mutation)| {
            let looked = hold.looked.get(place).map_or(&[][..], Vec::as_slice);
            json!({
                "object": mutation.object,
                "operation": mutation.operation,
                "record": mutation.record,
                "others": mutation.others,
                "row": mutation.row,
                "undo": mutation.undo,
                "exists": exists(last.prior(place)),
                "fields": fields(place, mutation, looked, first, last),
            })
        })
        .collect()
}

fn exists(prior: &Prior) -> Option<bool> {
    match prior {
        Prior::Found { .. } => Some(true),
        Prior::Absent => Some(false),
        Prior::Unknown => None,
    }
}

fn fields(
    place: usize,
    mutation: &Mutation,
    looked: &[String],
    first: &Snapshot,
    last: &Snapshot,
) -> BTreeMap<String, Value> {
    let mut names: Vec<String> = mutation.fields.keys().cloned().collect();
    names.extend(looked.iter().cloned());
    if mutation.fields.is_empty()
        && let Prior::Found { fields, .. } = last.prior(place)
    {
        names.extend(fields.keys().cloned());
    }
    names
        .into_iter()
        .map(|name| {
            let mut values = Map::new();
            put(&mut values, "then", before(first, place, &name));
            put(
                &mut values,
                "proposed",
                field(&mutation.fields, &name).cloned(),
            );
            put(&mut values, "now", before(last, place, &name));
            (name, Value::Object(values))
        })
        .collect()
}

fn put(values: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        values.insert(name.to_owned(), value);
    }
}

/// A field's prior value; `None` where it is not known.
fn before(snapshot: &Snapshot, place: usize, name: &str) -> Option<Value> {
    match snapshot.prior(place) {
        Prior::Found { fields, .. } if !hidden(snapshot, place, name) => {
            Some(field(fields, name).cloned().unwrap_or_default())
        }
        Prior::Absent => Some(Value::Null),
        Prior::Found { .. } | Prior::Unknown => None,
    }
}

/// Whether a field could not be read; names compare without case.
fn hidden(snapshot: &Snapshot, place: usize, name: &str) -> bool {
    let mut hidden = snapshot.hidden(place).iter();
    hidden.any(|one| same_name(one, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_could_not_be_read_is_unknown_in_any_spelling() {
        let found = Prior::Found {
            id: "006".into(),
            fields: Map::new(),
            stamp: None,
        };
        let snapshot = Snapshot {
            priors: vec![found],
            hidden: vec![vec!["nextstep__c".into()]],
        };
        assert_eq!(before(&snapshot, 0, "NextStep__c"), None);
        assert_eq!(before(&snapshot, 0, "Amount"), Some(Value::Null));
    }
}
