//! Taking back who came on a list or left it: to a revert it is a record of the list's type, `lists/0-1`,
//! with the ids of list and member, `7/101`, and one field that tells whether it is on the list.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::json_headers;
use crate::crm::hubspot::list::LISTS;
use crate::crm::inverse::{Linked, WriteCall};
use crate::crm::path::CanonicalPath;
use crate::mutation::{Mutation, Operation, Outcome, Prior, RecordKey, field};

/// The one field.
pub(in crate::crm::hubspot) const MEMBER: &str = "member";

/// Said of an outcome that changed nothing: who was added was on the list, or the other way round.
pub(in crate::crm::hubspot) const UNCHANGED: &str = "UNCHANGED";

/// What a write did to one member of a list. `None`: it is no such write.
pub(in crate::crm) fn moved(
    mutation: &Mutation,
    prior: &Prior,
    outcome: &Outcome,
) -> Option<Result<Linked, &'static str>> {
    let (Some(RecordKey::Id { id: list }), LISTS, [who]) = (
        &mutation.record,
        mutation.object.as_str(),
        mutation.others.as_slice(),
    ) else {
        return None;
    };
    let came = mutation.operation == Operation::Associate;
    if !came && mutation.operation != Operation::Dissociate {
        return None;
    }
    let kind = match prior {
        Prior::Found { fields, .. } => field(fields, "objectTypeId").and_then(Value::as_str),
        Prior::Absent | Prior::Unknown => None,
    };
    let (Some(kind), RecordKey::Id { id: who }) = (kind, who) else {
        return Some(Err(
            "whose list it is, and who came or went, is not told by ids",
        ));
    };
    // who was there before was not put there by us
    let changed = outcome.code.as_deref() != Some(UNCHANGED);
    Some(Ok(Linked {
        object: format!("{LISTS}/{kind}"),
        id: format!("{list}/{who}"),
        field: MEMBER,
        then: Value::Bool(came != changed),
        written: Value::Bool(came),
        mutations: 1,
    }))
}

/// Whether an object is a list's membership.
pub(in crate::crm::hubspot) fn is_member(object: &str) -> bool {
    object
        .split_once('/')
        .is_some_and(|(lists, _)| lists == LISTS)
}

/// The list's type, the list and the member.
pub(in crate::crm::hubspot) fn parts<'a>(
    object: &'a str,
    id: &'a str,
) -> Option<(&'a str, &'a str, &'a str)> {
    let ((lists, kind), (list, who)) = (object.split_once('/')?, id.split_once('/')?);
    (lists == LISTS).then_some((kind, list, who))
}

/// The request that puts a record on a list, or takes it off.
pub(super) fn call(
    object: &str,
    id: &str,
    fields: &Map<String, Value>,
) -> Result<WriteCall, String> {
    let (_, list, who) = parts(object, id).ok_or("it is no membership of a list")?;
    let verb = match fields.get(MEMBER) {
        Some(Value::Bool(true)) => "add",
        _ => "remove",
    };
    let path = format!("/crm/v3/lists/{list}/memberships/{verb}");
    Ok(WriteCall {
        method: Method::PUT,
        path: CanonicalPath::parse(&path).map_err(|malformed| malformed.0)?,
        query: None,
        headers: json_headers(),
        body: Bytes::from(json!([who]).to_string()),
    })
}
