//! What the answers to prior reads say.
//!
//! Records are matched to mutations by id or external id, never by their place.

use http::StatusCode;
use serde_json::{Map, Value};

use super::STAMP;
use crate::crm::salesforce::{id, relation};
use crate::crm::{PriorFailure, ReadCall, json};
use crate::mutation::{Mutation, Operation, Prior, RecordKey, field, same_name};

/// What Salesforce writes before the name of a field that the caller cannot read.
const NO_COLUMN: &str = "No such column '";

/// The shape of an answer, told from the target of its call.
pub(super) enum Kind {
    Row,
    List,
    Query,
    Composite,
}

/// Why no records came.
pub(super) enum Missing {
    /// The answer says that there is none.
    Absent,
    /// The read did not work.
    Failure(PriorFailure),
}

/// The prior of each mutation that `call` covers.
///
/// # Errors
/// [`PriorFailure`] when the answer does not bring them.
pub(in crate::crm) fn found(
    call: &ReadCall,
    mutations: &[Mutation],
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let covered: Vec<(usize, &Mutation)> = call
        .covers
        .iter()
        .filter_map(|place| mutations.get(*place).map(|mutation| (*place, mutation)))
        .collect();
    let kind = kind(&call.target);
    match records(&kind, &covered, status, body) {
        Ok(records) if matches!(kind, Kind::Row) => row(&covered, &records),
        Ok(records) => covered
            .iter()
            .map(|(place, mutation)| Ok((*place, prior(mutation, &records)?)))
            .collect(),
        Err(Missing::Absent) => Ok(covered
            .iter()
            .map(|(place, _)| (*place, Prior::Absent))
            .collect()),
        Err(Missing::Failure(failure)) => Err(failure),
    }
}

fn kind(target: &str) -> Kind {
    let below = target.splitn(5, '/').nth(4).unwrap_or_default();
    if below.starts_with("sobjects/") {
        Kind::Row
    } else if below.starts_with("query?") || below.starts_with("queryAll?") {
        Kind::Query
    } else if below.starts_with("composite/sobjects/") {
        Kind::List
    } else {
        Kind::Composite
    }
}

/// All records that the answer holds.
pub(super) fn records(
    kind: &Kind,
    covered: &[(usize, &Mutation)],
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<Map<String, Value>>, Missing> {
    if status != StatusCode::OK {
        let errors = json::parse_answer(body).unwrap_or(Value::Null);
        return Err(refused(covered, status.as_u16(), &errors, true));
    }
    let Ok(body) = json::parse_answer(body) else {
        return Err(failed("the answer is not JSON with one reading"));
    };
    match kind {
        Kind::Composite => composite(covered, &body),
        Kind::Row | Kind::List | Kind::Query => listed(body),
    }
}

/// A row, a list with nulls, or a page of a query.
fn listed(body: Value) -> Result<Vec<Map<String, Value>>, Missing> {
    match body {
        Value::Array(list) => list
            .into_iter()
            .filter(|record| !record.is_null())
            .map(record)
            .collect(),
        Value::Object(mut page) if page.contains_key("records") => {
            if page.get("done") != Some(&Value::Bool(true)) {
                return Err(failed("the query has more than one page"));
            }
            listed(page.remove("records").unwrap_or_default())
        }
        row @ Value::Object(_) => Ok(vec![record(row)?]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(failed("the answer holds no records"))
        }
    }
}

/// A record says which one it is; what does not is no record, and not that there is none.
fn record(value: Value) -> Result<Map<String, Value>, Missing> {
    match value {
        Value::Object(members) if record_id(&members).is_some() => Ok(members),
        Value::Object(_) => Err(failed("a record came without its id")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(failed("the answer holds something that is no record"))
        }
    }
}

/// The records of all parts. Of a part's alternatives (`p3_0`, `p3_1`) one has to work.
fn composite(
    covered: &[(usize, &Mutation)],
    body: &Value,
) -> Result<Vec<Map<String, Value>>, Missing> {
    let answers = body
        .get("compositeResponse")
        .and_then(Value::as_array)
        .ok_or_else(|| failed("the composite answer has no list"))?;
    let mut all = Vec::new();
    for answer in answers {
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let part = text("referenceId").and_then(|reference| reference.split('_').next());
        let status = answer.get("httpStatusCode").and_then(Value::as_u64);
        let body = answer.get("body").unwrap_or(&Value::Null);
        match status {
            Some(200) => all.extend(listed(body.clone())?),
            Some(404) => {}
            Some(400) if has_working_alternative(answers, part) => {}
            Some(status) => {
                let status = u16::try_from(status).unwrap_or_default();
                return Err(refused(covered, status, body, false));
            }
            None => return Err(failed("a part of the composite answer has no status")),
        }
    }
    Ok(all)
}

fn has_working_alternative(answers: &[Value], part: Option<&str>) -> bool {
    answers.iter().any(|answer| {
        let reference = answer.get("referenceId").and_then(Value::as_str);
        part.is_some()
            && reference.and_then(|reference| reference.split('_').next()) == part
            && answer.get("httpStatusCode").and_then(Value::as_u64) == Some(200)
    })
}

/// What an error answer means. Only the answer to a whole call can be passed on: a part of a composite
/// stands in one that says 200.
fn refused(covered: &[(usize, &Mutation)], status: u16, errors: &Value, whole: bool) -> Missing {
    let failure = format!("a prior read was answered with {status}");
    let pass_on = |failure: String| {
        if whole {
            Missing::Failure(PriorFailure::PassOn)
        } else {
            failed(failure)
        }
    };
    match status {
        404 if covered
            .iter()
            .all(|(_, mutation)| mutation.operation == Operation::Upsert) =>
        {
            Missing::Absent
        }
        300 | 401 | 404 | 429 => pass_on(failure),
        403 if code(errors) == Some("REQUEST_LIMIT_EXCEEDED") => pass_on(failure),
        400 => match unreadable(errors) {
            None => pass_on(failure),
            Some(name) if writes(covered, name) => {
                Missing::Failure(PriorFailure::Unreadable(name.to_owned()))
            }
            Some(name) if same_name(name, STAMP) || same_name(name, "Id") => {
                failed(format!("{name} cannot be read"))
            }
            Some(name) => Missing::Failure(PriorFailure::Hidden(name.to_owned())),
        },
        _ => failed(failure),
    }
}

fn failed(what: impl Into<String>) -> Missing {
    Missing::Failure(PriorFailure::Failed(what.into()))
}

/// Whether a covered mutation writes this field, or names its record by it.
fn writes(covered: &[(usize, &Mutation)], name: &str) -> bool {
    covered.iter().any(|(_, mutation)| {
        field(&mutation.fields, name).is_some()
            || matches!(&mutation.record, Some(RecordKey::External { key, .. }) if same_name(key, name))
    })
}

fn code(errors: &Value) -> Option<&str> {
    errors.get(0)?.get("errorCode")?.as_str()
}

/// The field that an `INVALID_FIELD` error names.
fn unreadable(errors: &Value) -> Option<&str> {
    if code(errors) != Some("INVALID_FIELD") {
        return None;
    }
    let message = errors.get(0)?.get("message")?.as_str()?;
    let (_, rest) = message.split_once(NO_COLUMN)?;
    rest.split_once('\'').map(|(name, _)| name)
}

/// The one record of a row read. Asked by external id, Salesforce says which record it names.
fn row(
    covered: &[(usize, &Mutation)],
    records: &[Map<String, Value>],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let ([(place, mutation)], [record]) = (covered, records) else {
        return Err(PriorFailure::Failed("a row read brought no one row".into()));
    };
    match &mutation.record {
        Some(RecordKey::Id { id }) if record_id(record).as_ref() != Some(id) => Err(
            PriorFailure::Failed("a row read brought another record".into()),
        ),
        Some(key) if relation::path(key).is_some() && !is_of(record, &mutation.object) => Err(
            PriorFailure::Failed("a relationship led to a record of another object".into()),
        ),
        _ => Ok(vec![(*place, one(record)?)]),
    }
}

/// Whether a record says that it is of this object.
fn is_of(record: &Map<String, Value>, object: &str) -> bool {
    record
        .get("attributes")
        .and_then(|attributes| attributes.get("type"))
        .and_then(Value::as_str)
        .is_some_and(|named| same_name(named, object))
}

fn prior(mutation: &Mutation, records: &[Map<String, Value>]) -> Result<Prior, PriorFailure> {
    let matching: Vec<_> = match &mutation.record {
        None => return Ok(Prior::Absent),
        Some(RecordKey::Id { id }) => records
            .iter()
            .filter(|record| record_id(record).as_ref() == Some(id))
            .collect(),
        Some(RecordKey::External { key, value }) => by_key(mutation, records, key, value),
    };
    match matching.as_slice() {
        [] => Ok(Prior::Absent),
        [record] => one(record),
        // one record that was read by several keys
        [first, rest @ ..]
            if rest
                .iter()
                .all(|other| record_id(other) == record_id(first)) =>
        {
            let mut all = (*first).clone();
            for other in rest {
                all.extend((*other).clone());
            }
            one(&all)
        }
        _ => Ok(Prior::Unknown),
    }
}

/// Records of the object whose key has this value: exactly, or else without case.
fn by_key<'a>(
    mutation: &Mutation,
    records: &'a [Map<String, Value>],
    key: &str,
    value: &str,
) -> Vec<&'a Map<String, Value>> {
    let of_object = |record: &&Map<String, Value>| is_of(record, &mutation.object);
    let with = |fits: &dyn Fn(&Value) -> bool| -> Vec<&'a Map<String, Value>> {
        records
            .iter()
            .filter(of_object)
            .filter(|record| field(record, key).is_some_and(fits))
            .collect()
    };
    let exact = with(&|found| found.as_str() == Some(value));
    if !exact.is_empty() {
        return exact;
    }
    with(&|found| match found {
        Value::String(text) => text.to_lowercase() == value.to_lowercase(),
        Value::Number(number) => number.as_f64() == value.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    })
}

fn record_id(record: &Map<String, Value>) -> Option<String> {
    id::canonical(field(record, "Id")?.as_str()?).ok()
}

pub(super) fn one(record: &Map<String, Value>) -> Result<Prior, PriorFailure> {
    let id = record_id(record)
        .ok_or_else(|| PriorFailure::Failed("a record came without its id".into()))?;
    let stamp = field(record, STAMP)
        .and_then(Value::as_str)
        .map(str::to_owned);
    let mut fields = record.clone();
    fields.shift_remove("attributes");
    Ok(Prior::Found { id, fields, stamp })
}
