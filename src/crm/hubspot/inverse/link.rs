//! Taking back what was done to a link: to a revert it is a record of two types, `contacts/companies`,
//! with the two ids, `1/2`, and one field that tells its types.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};

use super::{dated, json_headers};
use crate::crm::hubspot::association::TYPES;
use crate::crm::hubspot::{links, types};
use crate::crm::inverse::{Linked, WriteCall};
use crate::crm::path::CanonicalPath;
use crate::mutation::{Mutation, Operation, Prior, RecordKey, field};

/// What a write did to the link whose ends two mutations in a row are. `None`: they are no such ends.
pub(in crate::crm) fn linked(
    near: &Mutation,
    far: &Mutation,
    prior: &Prior,
) -> Option<Result<Linked, &'static str>> {
    let ends = |one: &Mutation, other: &Mutation| match (one.others.as_slice(), &other.record) {
        ([RecordKey::Id { id: a }], Some(RecordKey::Id { id: b })) if a == b => Some(b.clone()),
        _ => None,
    };
    let (to, from) = (ends(near, far)?, ends(far, near)?);
    if near.operation != far.operation {
        return None;
    }
    let Prior::Found { fields, .. } = prior else {
        return Some(Err("which types the link had before is not known"));
    };
    let then = field(fields, TYPES).cloned().unwrap_or_default();
    let written = written(near, far, &then)?;
    Some(written.map(|written| Linked {
        object: format!("{}/{}", near.object, far.object),
        id: format!("{from}/{to}"),
        field: TYPES,
        then,
        written,
        mutations: 2,
    }))
}

/// The types that the link had right after the write; null for no link.
fn written(near: &Mutation, far: &Mutation, then: &Value) -> Option<Result<Value, &'static str>> {
    let named = match near.fields.get(TYPES) {
        Some(Value::String(types)) => Some(types.clone()),
        Some(_) => return None,
        None => None,
    };
    let before = parts(then.as_str().unwrap_or_default());
    let after = match (near.operation, named) {
        (Operation::Associate, None) => {
            let Some(number) = links::unlabelled(&near.object, &far.object) else {
                return Some(Err("which type of link HubSpot made is not known"));
            };
            [before, vec![format!("HUBSPOT_DEFINED {number}")]].concat()
        }
        (_, Some(types)) if !numbered(&types) => {
            return Some(Err("the type of the link is told by its name only"));
        }
        // a set in the body of one link's request takes the place of what was there
        (Operation::Associate, Some(types)) if near.row.is_none() => parts(&types),
        (Operation::Associate, Some(types)) => [before, parts(&types)].concat(),
        (Operation::Dissociate, None) => Vec::new(),
        (Operation::Dissociate, Some(types)) => {
            let gone = parts(&types);
            before
                .into_iter()
                .filter(|one| !gone.contains(one))
                .collect()
        }
        _ => return None,
    };
    Some(Ok(joined(after)))
}

fn parts(types: &str) -> Vec<String> {
    let parts = types.split(", ").filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

fn joined(mut types: Vec<String>) -> Value {
    types.sort_unstable();
    types.dedup();
    match types.is_empty() {
        true => Value::Null,
        false => Value::from(types.join(", ")),
    }
}

/// Whether all types are told by category and number.
fn numbered(types: &str) -> bool {
    let number = |part: &str| {
        part.split_once(' ')
            .is_some_and(|(_, n)| n.parse::<u64>().is_ok())
    };
    types.split(", ").all(number)
}

/// Whether an object is a link of two types, or a list's membership.
pub(in crate::crm) fn is_link(object: &str) -> bool {
    object.contains('/')
}

/// The two types, as paths have them, and the two ids.
pub(in crate::crm::hubspot) fn ends<'a>(
    object: &'a str,
    id: &'a str,
) -> Option<([&'a str; 2], [&'a str; 2])> {
    let ((near, far), (from, to)) = (object.split_once('/')?, id.split_once('/')?);
    let names = [types::on_paths(near)?, types::on_paths(far)?];
    Some((names, [from, to]))
}

/// The request that gives a link the types it had: a set of types, or none.
pub(super) fn call(
    like: &CanonicalPath,
    object: &str,
    id: &str,
    fields: &Map<String, Value>,
) -> Result<WriteCall, String> {
    let ([near, far], [from, to]) =
        ends(object, id).ok_or("its objects are no types of records")?;
    let path = match dated(like) {
        Some(date) => format!("/crm/objects/{date}/{near}/{from}/associations/{far}/{to}"),
        None => format!("/crm/v4/objects/{near}/{from}/associations/{far}/{to}"),
    };
    let set = match fields.get(TYPES) {
        Some(Value::String(types)) => Some(set(types)?),
        _ => None,
    };
    Ok(WriteCall {
        method: if set.is_some() {
            Method::PUT
        } else {
            Method::DELETE
        },
        path: CanonicalPath::parse(&path).map_err(|malformed| malformed.0)?,
        query: None,
        headers: set.as_ref().map_or_else(HeaderMap::new, |_| json_headers()),
        body: set.map_or_else(Bytes::new, |set| Bytes::from(set.to_string())),
    })
}

fn set(types: &str) -> Result<Value, String> {
    let one = |part: &String| {
        let (category, number) = part.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        Some(json!({ "associationCategory": category, "associationTypeId": number }))
    };
    let set: Option<Vec<Value>> = parts(types).iter().map(one).collect();
    set.map(Value::from)
        .ok_or_else(|| "its types cannot be written back".to_owned())
}
