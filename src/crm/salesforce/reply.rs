//! What became of each row, by Salesforce's answer; and a refusal in Salesforce's error shape (REST
//! API Developer Guide, Status Codes and Error Responses, sObject Collections).

mod dialects;
mod markup;
mod parts;
mod soap;
mod whole;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

pub(in crate::crm) use dialects::{dialect, refuse_in, retold};

use super::{Shape, Ui, bulk, id};
use crate::crm::{RefusalAnswer, error_code, json};
use crate::error::Refusal;
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, RecordKey};

/// What became of each mutation. Doubt is [`OutcomeState::Unknown`].
pub(in crate::crm) fn outcome(
    shape: &Shape,
    mutations: &[Mutation],
    status: StatusCode,
    body: &[u8],
) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; mutations.len()];
    let unknown = || all(Outcome::of(OutcomeState::Unknown));
    let (bytes, body) = (body, || parsed(body));
    match (shape, status.as_u16()) {
        (Shape::Soap(_), _) => soap::outcomes(mutations, status, bytes),
        // the CRM, or something before it, gave up waiting: it may have been done
        (_, 408) => unknown(),
        // what ran before may be done
        (Shape::Whole(_), 400..=499) => whole::outcomes(mutations, &body(), OutcomeState::Failed),
        (_, 300 | 400..=499) => all(failed(first_code(&body()))),
        (Shape::Row(_), 200..=299) => match mutations {
            [mutation] => vec![row(mutation, status, &body())],
            _ => unknown(),
        },
        (Shape::Ui(Ui::Batch), 200..=299) => parts::ui_batch(mutations, &body()),
        (Shape::Ui(_), 200..=299) => match mutations {
            [mutation] => vec![parts::ui_record(mutation, status, &body())],
            _ => unknown(),
        },
        (Shape::Collection(_), 200) => rows(mutations, &body()),
        (Shape::Nest(nest), 200) => parts::nested(*nest, mutations, &body()),
        (Shape::Tree(_), 200 | 201) => parts::tree(mutations, &body()),
        (Shape::GraphQl, 200) => parts::graphql(mutations, &body()),
        (Shape::Bulk(step), 200..=299) => all(Outcome::of(bulk_state(step, mutations, bytes))),
        (Shape::Whole(_), 200..=299) => whole::outcomes(mutations, &body(), OutcomeState::Done),
        _ => unknown(),
    }
}

/// Rows are written later: their results tell what became of each. A query writes none.
fn bulk_state(step: &bulk::Step, mutations: &[Mutation], body: &[u8]) -> OutcomeState {
    let bulk::Step::Batch { .. } = step else {
        return match bulk::info(body) {
            Ok(_) => OutcomeState::Accepted,
            Err(_) => OutcomeState::Unknown,
        };
    };
    let asks = |mutation: &Mutation| mutation.operation == Operation::Export;
    match bulk::batch::batch(body) {
        Err(_) => OutcomeState::Unknown,
        Ok(batch) if batch.state == "Failed" => OutcomeState::Failed,
        Ok(_) if mutations.iter().all(asks) => OutcomeState::Done,
        Ok(_) => OutcomeState::Accepted,
    }
}

fn parsed(body: &[u8]) -> Value {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'<') => markup::parsed(body),
        _ => json::parse_answer(body).unwrap_or(Value::Null),
    }
}

fn failed(code: Option<String>) -> Outcome {
    Outcome {
        code,
        ..Outcome::of(OutcomeState::Failed)
    }
}

/// The first error's code.
fn code(errors: &Value, name: &str) -> Option<String> {
    let code = errors.get(0)?.get(name)?.as_str()?;
    error_code(code).map(str::to_owned)
}

/// The code of a refused request: of its first error, of a tree's first record, of an exception.
fn first_code(body: &Value) -> Option<String> {
    let in_tree = || code(body.get("results")?.get(0)?.get("errors")?, "statusCode");
    code(body, "errorCode").or_else(in_tree)
}

/// 204 without a body for updates and deletes, else `{id, success, errors, created?}`.
fn row(mutation: &Mutation, status: StatusCode, body: &Value) -> Outcome {
    match (mutation.operation, status) {
        (Operation::Create, StatusCode::NO_CONTENT) => Outcome::of(OutcomeState::Unknown),
        (_, StatusCode::NO_CONTENT) => Outcome::of(OutcomeState::Done),
        (_, StatusCode::OK | StatusCode::CREATED) => {
            result(mutation, body, status == StatusCode::CREATED)
        }
        _ => Outcome::of(OutcomeState::Unknown),
    }
}

/// One result for each row, in their order.
fn rows(mutations: &[Mutation], body: &Value) -> Vec<Outcome> {
    let unknown = vec![Outcome::of(OutcomeState::Unknown); mutations.len()];
    let Value::Array(results) = body else {
        return unknown;
    };
    if results.len() != mutations.len() {
        return unknown;
    }
    mutations
        .iter()
        .zip(results)
        .map(|(mutation, answer)| result(mutation, answer, false))
        .collect()
}

/// One `{id, success, errors, created?}`.
fn result(mutation: &Mutation, answer: &Value, made: bool) -> Outcome {
    let id = answer
        .get("id")
        .and_then(Value::as_str)
        .and_then(|id| id::canonical(id).ok());
    let other = matches!((&mutation.record, &id),
        (Some(RecordKey::Id { id: asked }), Some(answered)) if asked != answered);
    match answer.get("success") {
        Some(Value::Bool(true)) if !other => {
            let made = made
                || mutation.operation == Operation::Create
                || answer.get("created") == Some(&Value::Bool(true));
            Outcome {
                new_id: id.filter(|_| made),
                ..Outcome::of(OutcomeState::Done)
            }
        }
        Some(Value::Bool(false)) => {
            let errors = answer.get("errors").unwrap_or(&Value::Null);
            failed(code(errors, "statusCode"))
        }
        _ => Outcome::of(OutcomeState::Unknown),
    }
}

/// A list of exactly one error: jsforce hides the text of two, and the code of an object without list.
pub(in crate::crm) fn refuse(refusal: &Refusal) -> RefusalAnswer {
    let mut error = json!({
        "message": refusal.message,
        "errorCode": refusal.kind.code(),
    });
    if let Some(error) = error.as_object_mut()
        && !refusal.fields.is_empty()
    {
        error.insert("fields".into(), json!(refusal.fields));
    }
    RefusalAnswer {
        status: StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::FORBIDDEN),
        content_type: "application/json;charset=UTF-8",
        body: Bytes::from(Value::Array(vec![error]).to_string()),
    }
}

#[cfg(test)]
mod tests;
