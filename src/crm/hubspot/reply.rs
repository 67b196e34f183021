//! HubSpot's answers: what became of each mutation, and a refusal in HubSpot's own error shape.

mod batch;
mod others;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::prior::matching;
use super::{Batch, Call, Shape};
use crate::crm::json::parse_answer;
use crate::crm::{RefusalAnswer, error_code};
use crate::error::Refusal;
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, Prior, Snapshot};

/// What became of each mutation. A 4xx did nothing; what cannot be read is unknown.
pub(in crate::crm) fn outcome(
    shape: &Shape,
    mutations: &[Mutation],
    snapshot: &Snapshot,
    status: StatusCode,
    body: &[u8],
) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; mutations.len()];
    let answer = parse_answer(body).ok();
    // 408 and 499 come from servers on the way, after the request may have been carried out
    if status.is_client_error() && ![408, 499].contains(&status.as_u16()) {
        return all(failed(answer.as_ref()));
    }
    match (&shape.call, status.as_u16(), &answer) {
        (Call::Link(call), ..) => others::links(call, mutations, status, answer.as_ref()),
        (Call::List(_), ..) => others::lists(mutations, status, answer.as_ref()),
        (Call::Legacy(_) | Call::Engagement(_), ..) => {
            others::legacy(mutations, status, answer.as_ref())
        }
        (Call::Send(_), ..) => others::sends(mutations, status, answer.as_ref()),
        // exports, file imports and archives are worked on after the answer
        (Call::Whole(_), 202, _) => all(Outcome::of(OutcomeState::Accepted)),
        (Call::Whole(_), 200..=299, _) => all(Outcome::of(OutcomeState::Done)),
        (Call::Archive(_) | Call::GdprDelete | Call::Batch(Batch::Archive), 204, _) => {
            all(Outcome::of(OutcomeState::Done))
        }
        (Call::Update(_), 200 | 201, Some(record)) => updated(mutations, snapshot, record),
        (Call::Create | Call::Merge, 200 | 201, Some(record)) => single(mutations, record),
        (Call::Batch(_), 200 | 201 | 207, Some(answer)) => batch::outcomes(mutations, answer),
        _ => all(Outcome::of(OutcomeState::Unknown)),
    }
}

/// The answer to an update is the updated record: under the id that the snapshot read returned (an id
/// from before a merge answers under the new one), or with the key that the request names. Any other
/// record tells nothing.
fn updated(mutations: &[Mutation], snapshot: &Snapshot, record: &Value) -> Vec<Outcome> {
    let id = record.get("id").and_then(Value::as_str);
    let same = |(place, mutation): (usize, &Mutation)| {
        let read = match snapshot.prior(place) {
            Prior::Found { id, .. } => Some(id.as_str()),
            Prior::Absent | Prior::Unknown => None,
        };
        let named = mutation.record.as_ref();
        id.is_some() && (id == read || named.is_some_and(|key| matching::is_of(record, key)))
    };
    let state = |same| match same {
        true => OutcomeState::Done,
        false => OutcomeState::Unknown,
    };
    let places = mutations.iter().enumerate();
    places.map(|one| Outcome::of(state(same(one)))).collect()
}

/// The answer to a call that makes one record is the record.
fn single(mutations: &[Mutation], record: &Value) -> Vec<Outcome> {
    let id = record.get("id").and_then(Value::as_str);
    let state = if id.is_some() {
        OutcomeState::Done
    } else {
        OutcomeState::Unknown
    };
    let outcome = |mutation: &Mutation| {
        let makes = [Operation::Create, Operation::Merge].contains(&mutation.operation);
        Outcome {
            new_id: id.filter(|_| makes).map(str::to_owned),
            ..Outcome::of(state)
        }
    };
    mutations.iter().map(outcome).collect()
}

/// Not done, with HubSpot's category.
fn failed(error: Option<&Value>) -> Outcome {
    let category = error
        .and_then(|error| error.get("category"))
        .and_then(Value::as_str)
        .and_then(error_code);
    Outcome {
        code: category.map(str::to_owned),
        ..Outcome::of(OutcomeState::Failed)
    }
}

/// A refusal as HubSpot words an error: its SDKs raise their usual exception, and the Node client wants
/// exactly this content type.
pub(in crate::crm) fn refuse(
    refusal: &Refusal,
    entry: Option<&str>,
    correlation: &str,
) -> RefusalAnswer {
    let lists = [
        ("rule", refusal.rule.iter().cloned().collect::<Vec<_>>()),
        ("rows", refusal.rows.clone()),
        ("fields", refusal.fields.clone()),
        ("entry", entry.map(str::to_owned).into_iter().collect()),
    ];
    let context: Map<String, Value> = lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name.to_owned(), Value::from(list)))
        .collect();
    let mut body = json!({
        "status": "error",
        "message": refusal.message,
        "correlationId": correlation,
        "category": refusal.kind.code(),
    });
    if let Some(members) = body.as_object_mut().filter(|_| !context.is_empty()) {
        members.insert("context".to_owned(), Value::Object(context));
    }
    RefusalAnswer {
        status: StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::FORBIDDEN),
        content_type: "application/json",
        body: Bytes::from(body.to_string()),
    }
}
