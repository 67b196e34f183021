//! What became of writes beside the objects API: links, lists, the APIs before version 3, sends.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::Value;

use super::failed;
use crate::crm::hubspot::association::Call as Link;
use crate::crm::hubspot::inverse::member::UNCHANGED;
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, RecordKey};

fn all(mutations: &[Mutation], state: OutcomeState) -> Vec<Outcome> {
    vec![Outcome::of(state); mutations.len()]
}

fn done(status: StatusCode) -> OutcomeState {
    if status.is_success() {
        OutcomeState::Done
    } else {
        OutcomeState::Unknown
    }
}

/// A list in an answer that may be there.
fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    let list = answer.get(name).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Each link by itself: a batch names those that it did not make, by the ids of both ends; an error
/// that names none of them may be about any.
pub(super) fn links(
    call: &Link,
    mutations: &[Mutation],
    status: StatusCode,
    answer: Option<&Value>,
) -> Vec<Outcome> {
    let errors = answer.map_or(&[][..], |answer| list(answer, "errors"));
    if !matches!(call, Link::Batch(_)) || errors.is_empty() || !status.is_success() {
        let partial = status.as_u16() == 207 || !errors.is_empty();
        let state = if partial {
            OutcomeState::Unknown
        } else {
            done(status)
        };
        return all(mutations, state);
    }
    let named: Vec<HashSet<String>> = errors.iter().map(ids_of).collect();
    let vague = named.iter().any(HashSet::is_empty);
    let outcome = |mutation: &Mutation| {
        let ids: Vec<&String> = mutation
            .record
            .iter()
            .chain(&mutation.others)
            .filter_map(|key| match key {
                RecordKey::Id { id } => Some(id),
                RecordKey::External { .. } => None,
            })
            .collect();
        let own = errors
            .iter()
            .zip(&named)
            .find(|(_, named)| !named.is_empty() && named.iter().all(|id| ids.contains(&id)));
        match own {
            Some((error, _)) => failed(Some(error)),
            None if vague => Outcome::of(OutcomeState::Unknown),
            None => Outcome::of(OutcomeState::Done),
        }
    };
    mutations.iter().map(outcome).collect()
}

/// The ids in an error's context.
fn ids_of(error: &Value) -> HashSet<String> {
    let context = error.get("context").and_then(Value::as_object);
    let lists = context.into_iter().flatten();
    lists
        .filter_map(|(_, list)| list.as_array())
        .flatten()
        .filter_map(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

/// Members of an answer that name who came and who left.
const ADDED: [&str; 3] = ["recordIdsAdded", "recordsIdsAdded", "updated"];
const REMOVED: [&str; 3] = ["recordIdsRemoved", "recordsIdsRemoved", "updated"];

/// Who came or left, where the answer tells it.
fn moved(answer: &Value, names: &[&str]) -> Option<HashSet<String>> {
    let list = names
        .iter()
        .find_map(|name| answer.get(*name)?.as_array())?;
    Some(list.iter().filter_map(text).collect())
}

/// Who is not there came not on the list and left it not. A list that was made has an id.
pub(super) fn lists(
    mutations: &[Mutation],
    status: StatusCode,
    answer: Option<&Value>,
) -> Vec<Outcome> {
    let state = done(status);
    let missing: HashSet<String> = [
        "recordIdsMissing",
        "recordsIdsMissing",
        "invalidVids",
        "invalidEmails",
    ]
    .into_iter()
    .flat_map(|name| answer.map_or(&[][..], |answer| list(answer, name)))
    .filter_map(text)
    .collect();
    let made = answer
        .map(|answer| answer.get("list").unwrap_or(answer))
        .and_then(|list| list.get("listId").and_then(text));
    let outcome = |mutation: &Mutation| {
        let who = mutation.others.first().map(|key| match key {
            RecordKey::Id { id } => id,
            RecordKey::External { value, .. } => value,
        });
        if state == OutcomeState::Done && who.is_some_and(|who| missing.contains(who)) {
            return failed(None);
        }
        let came = mutation.operation == Operation::Associate;
        let names = if came { &ADDED } else { &REMOVED };
        let moved = answer.and_then(|answer| moved(answer, names));
        // who is named by an address is answered by id
        let by_id = matches!(mutation.others.first(), Some(RecordKey::Id { .. }));
        let stayed = who.is_some_and(|who| moved.is_some_and(|moved| !moved.contains(who)));
        Outcome {
            code: (by_id && stayed).then(|| UNCHANGED.to_owned()),
            new_id: made
                .clone()
                .filter(|_| mutation.operation == Operation::Create),
            ..Outcome::of(state)
        }
    };
    mutations.iter().map(outcome).collect()
}

/// The APIs before version 3 answer with the record under an id of the family's own name, or with
/// nothing. Their batches are only taken in (202), and HubSpot never says what became of them.
pub(super) fn legacy(
    mutations: &[Mutation],
    status: StatusCode,
    answer: Option<&Value>,
) -> Vec<Outcome> {
    match status.as_u16() {
        200 | 201 | 204 => {}
        202 => return all(mutations, OutcomeState::Accepted),
        _ => return all(mutations, OutcomeState::Unknown),
    }
    let mut rows = match answer {
        Some(Value::Array(rows)) => rows.iter().collect::<Vec<_>>(),
        Some(row) => vec![row],
        None => Vec::new(),
    }
    .into_iter();
    let outcome = |mutation: &Mutation| {
        if mutation.operation == Operation::Associate {
            return Outcome::of(OutcomeState::Done);
        }
        let row = rows.next();
        let id = row.and_then(|row| {
            let engagement = row.get("engagement").and_then(|own| own.get("id"));
            let names = ["vid", "companyId", "dealId", "objectId"];
            let own = names.into_iter().find_map(|name| row.get(name));
            own.or(engagement).and_then(text)
        });
        let new = row.and_then(|row| row.get("isNew")) == Some(&Value::Bool(true));
        let creates = mutation.operation == Operation::Create;
        if creates && id.is_none() {
            // which record it made is not told
            return Outcome::of(OutcomeState::Unknown);
        }
        let made = creates || mutation.operation == Operation::Upsert && new;
        Outcome {
            new_id: id.filter(|_| made),
            ..Outcome::of(OutcomeState::Done)
        }
    };
    mutations.iter().map(outcome).collect()
}

/// A mail that was not taken may have written its contact all the same.
pub(super) fn sends(
    mutations: &[Mutation],
    status: StatusCode,
    answer: Option<&Value>,
) -> Vec<Outcome> {
    let result = answer
        .and_then(|answer| answer.get("sendResult"))
        .and_then(Value::as_str);
    let taken = match result {
        None => true,
        Some(word) => ["SENT", "QUEUED"].contains(&word),
    };
    let outcome = |mutation: &Mutation| match (mutation.operation, taken) {
        (_, true) => Outcome::of(done(status)),
        (Operation::Send, false) => failed(None),
        (_, false) => Outcome::of(OutcomeState::Unknown),
    };
    mutations.iter().map(outcome).collect()
}
