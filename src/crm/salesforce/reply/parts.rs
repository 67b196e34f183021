//! What became of each part of a request that holds several: by its name where the answer has names,
//! else by its place (REST API Developer Guide, Composite; UI API; GraphQL API).

use http::StatusCode;
use serde_json::Value;

use super::{code, failed, row, rows};
use crate::crm::error_code;
use crate::crm::salesforce::Nest;
use crate::crm::salesforce::id;
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState};

fn unknown() -> Outcome {
    Outcome::of(OutcomeState::Unknown)
}

/// The part that a mutation stands in (`compositeRequest[2]:ref`), and its row there.
fn part(mutation: &Mutation) -> (&str, Option<&str>) {
    let place = mutation.row.as_deref().unwrap_or_default();
    for list in [".records[", ".ids["] {
        if let Some((part, row)) = place.split_once(list) {
            return (part, Some(row));
        }
    }
    (place, None)
}

/// Sub-requests: each has a status and a body of its own.
pub(super) fn nested(nest: Nest, mutations: &[Mutation], body: &Value) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(mutations.len());
    let mut rest = mutations;
    while let Some(first) = rest.first() {
        let (place, _) = part(first);
        let length = rest
            .iter()
            .take_while(|mutation| part(mutation).0 == place)
            .count();
        let (group, after) = rest.split_at(length);
        outcomes.extend(of_part(group, answer(nest, place, body)));
        rest = after;
    }
    outcomes
}

/// The answer to the part of this place: its status and body.
fn answer<'v>(nest: Nest, place: &str, body: &'v Value) -> Option<(u16, &'v Value)> {
    let (list, status, inner) = match nest {
        Nest::Batch => (body.get("results")?, "statusCode", "result"),
        Nest::Composite => (body.get("compositeResponse")?, "httpStatusCode", "body"),
        Nest::Graph => {
            let graph = body.get("graphs")?.get(index(place)?)?;
            let list = graph.get("graphResponse")?.get("compositeResponse")?;
            (list, "httpStatusCode", "body")
        }
    };
    let found = match place.rsplit_once(':') {
        Some((_, reference)) => list
            .as_array()?
            .iter()
            .find(|answer| answer.get("referenceId").and_then(Value::as_str) == Some(reference))?,
        None => list.get(index(place)?)?,
    };
    let status = u16::try_from(found.get(status)?.as_u64()?).ok()?;
    Some((status, found.get(inner).unwrap_or(&Value::Null)))
}

/// The first number in brackets.
fn index(place: &str) -> Option<usize> {
    let (_, rest) = place.split_once('[')?;
    rest.split_once(']')?.0.parse().ok()
}

fn of_part(group: &[Mutation], answer: Option<(u16, &Value)>) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; group.len()];
    let Some((status, body)) = answer else {
        return all(unknown());
    };
    let in_rows = group.iter().all(|mutation| part(mutation).1.is_some());
    match (status, group) {
        (300 | 400..=407 | 409..=499, _) => all(failed(code(body, "errorCode"))),
        (200, _) if in_rows => rows(group, body),
        (200..=299, [mutation]) if mutation.record.is_none() && !makes(mutation) => {
            all(Outcome::of(OutcomeState::Done))
        }
        (200..=299, [mutation]) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            vec![row(mutation, status, body)]
        }
        (200..=299, _) => super::whole::outcomes(group, body, OutcomeState::Done),
        _ => all(unknown()),
    }
}

fn makes(mutation: &Mutation) -> bool {
    mutation.operation == Operation::Create
}

/// `{hasErrors: false, results: [{referenceId, id}]}`: all are made.
pub(super) fn tree(mutations: &[Mutation], body: &Value) -> Vec<Outcome> {
    let results = body.get("results").and_then(Value::as_array);
    let made = body.get("hasErrors") == Some(&Value::Bool(false));
    mutations
        .iter()
        .map(|mutation| {
            let reference = mutation.row.as_deref().and_then(|row| row.rsplit_once(':'));
            let result = reference
                .zip(results)
                .and_then(|((_, reference), results)| {
                    results.iter().find(|result| {
                        result.get("referenceId").and_then(Value::as_str) == Some(reference)
                    })
                });
            let id = result
                .and_then(|result| result.get("id")?.as_str())
                .and_then(|id| id::canonical(id).ok());
            match id {
                Some(id) if made => done(Some(id)),
                _ => unknown(),
            }
        })
        .collect()
}

fn done(new_id: Option<String>) -> Outcome {
    Outcome {
        new_id,
        ..Outcome::of(OutcomeState::Done)
    }
}

/// A record of the UI API: 201 and 200 with the record, 204 without a body.
pub(super) fn ui_record(mutation: &Mutation, status: StatusCode, body: &Value) -> Outcome {
    let id = body.get("id").and_then(Value::as_str);
    let id = id.and_then(|id| id::canonical(id).ok());
    match (mutation.operation, status, id) {
        (Operation::Delete, StatusCode::NO_CONTENT, _) => done(None),
        (Operation::Create, StatusCode::OK | StatusCode::CREATED, Some(id)) => done(Some(id)),
        (Operation::Update, StatusCode::NO_CONTENT, _) => done(None),
        (Operation::Update, StatusCode::OK, Some(id))
            if mutation.record == Some(crate::mutation::RecordKey::id(&*id)) =>
        {
            done(None)
        }
        _ => unknown(),
    }
}

/// `{hasErrors, results: [{statusCode, result}]}`, one for each record.
pub(super) fn ui_batch(mutations: &[Mutation], body: &Value) -> Vec<Outcome> {
    let results = body.get("results").and_then(Value::as_array);
    let results = results.filter(|results| results.len() == mutations.len());
    let Some(results) = results else {
        return vec![unknown(); mutations.len()];
    };
    mutations
        .iter()
        .zip(results)
        .map(|(mutation, answer)| {
            let status = answer.get("statusCode").and_then(Value::as_u64);
            let status = status.and_then(|status| u16::try_from(status).ok());
            let body = answer.get("result").unwrap_or(&Value::Null);
            match status {
                Some(400..=407 | 409..=499) => failed(code(body, "errorCode")),
                Some(status) => {
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                    ui_record(mutation, status, body)
                }
                None => unknown(),
            }
        })
        .collect()
}

/// `{data: {uiapi: {key: {…}}}, errors}`: a mutation that is done has an object, one that is not has
/// none and an error.
pub(super) fn graphql(mutations: &[Mutation], body: &Value) -> Vec<Outcome> {
    let errors = body.get("errors").and_then(Value::as_array);
    let code = errors.and_then(|errors| {
        let code = errors.first()?.get("extensions")?.get("ErrorType")?;
        error_code(code.as_str()?).map(str::to_owned)
    });
    let failed_some = errors.is_some_and(|errors| !errors.is_empty());
    mutations
        .iter()
        .map(|mutation| {
            let keys = mutation.row.as_deref().and_then(|row| row.split_once('.'));
            let answer = keys.and_then(|(outer, key)| body.get("data")?.get(outer)?.get(key));
            match answer {
                Some(Value::Object(members)) => {
                    let record = members.get("Record").and_then(|record| record.get("Id"));
                    let id = record.and_then(Value::as_str);
                    let id = id.and_then(|id| id::canonical(id).ok());
                    done(id.filter(|_| makes(mutation)))
                }
                Some(Value::Null) | None if failed_some => failed(code.clone()),
                _ => unknown(),
            }
        })
        .collect()
}
