//! The answer to a write that is known to be done, as Salesforce would have given it (REST API
//! Developer Guide, sObject Rows, sObject Rows by External ID, sObject Collections).

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Collection, Row, Shape, relation, route};
use crate::crm::{Head, Replay};
use crate::mutation::{Mutation, Operation, Outcome, Prior, RecordKey, Snapshot};

/// Upserts answer with `created` from this version on.
const TELLS_CREATED: u32 = 46;

pub(in crate::crm) fn replay(
    shape: &Shape,
    head: &Head<'_>,
    mutations: &[Mutation],
    snapshot: &Snapshot,
    outcomes: &[Outcome],
) -> Option<Replay> {
    let version = route::version_of(head.path)?;
    let mut results = Vec::new();
    for (place, mutation) in mutations.iter().enumerate() {
        results.push(result(
            mutation,
            snapshot.prior(place),
            outcomes.get(place)?,
        ));
    }
    match (shape, mutations) {
        (Shape::Row(row), [mutation]) => single(row, mutation, results.pop()?, version),
        (Shape::Collection(Collection::Upsert { .. }), _) if version < TELLS_CREATED => None,
        (Shape::Collection(_), _) => {
            let results: Option<Vec<Value>> = results.into_iter().collect();
            Some(answer(StatusCode::OK, &Value::Array(results?)))
        }
        (
            Shape::Row(_)
            | Shape::Bulk(_)
            | Shape::Nest(_)
            | Shape::Tree(_)
            | Shape::Ui(_)
            | Shape::GraphQl
            | Shape::Search
            | Shape::Whole(_),
            _,
        ) => None,
        (Shape::Soap(api), _) => {
            let results: Option<Vec<Value>> = results.into_iter().collect();
            super::soap::replay(*api, mutations, &results?)
        }
    }
}

fn single(row: &Row, mutation: &Mutation, result: Option<Value>, version: u32) -> Option<Replay> {
    let nothing = Some(Replay::Answer(StatusCode::NO_CONTENT, Bytes::new()));
    let by_id = match &row.key {
        Some(key @ RecordKey::External { .. }) => relation::path(key).is_some(),
        Some(RecordKey::Id { .. }) | None => true,
    };
    let operation = mutation.operation;
    if operation == Operation::Delete || (operation == Operation::Update && by_id) {
        return nothing;
    }
    let tells = operation == Operation::Upsert && version >= TELLS_CREATED;
    let result = result.filter(|_| tells || operation == Operation::Create)?;
    let made = operation == Operation::Create || result.get("created") == Some(&Value::Bool(true));
    let status = if made {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Some(answer(status, &result))
}

/// `{id, success, errors, created?}`, where the id is known.
fn result(mutation: &Mutation, prior: &Prior, outcome: &Outcome) -> Option<Value> {
    let before = match prior {
        Prior::Found { id, .. } => Some(id),
        Prior::Absent | Prior::Unknown => None,
    };
    let id = outcome.new_id.as_ref().or(before)?;
    let mut result = json!({ "id": id, "success": true, "errors": [] });
    if mutation.operation == Operation::Upsert
        && let Some(members) = result.as_object_mut()
    {
        members.insert("created".into(), before.is_none().into());
    }
    Some(result)
}

fn answer(status: StatusCode, body: &Value) -> Replay {
    Replay::Answer(status, Bytes::from(body.to_string()))
}
