//! What rows and collections share: the body's type, the members of one record, and the acting
//! headers laid over them.

use std::collections::HashSet;

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::headers;
use super::headers::Acting;
use super::query::Query;
use super::types::Type;
use crate::crm::{Head, Malformed, json};
use crate::mutation::{ChangeSet, Mutation, Opaque, Operation, RecordKey, Undo};

/// The longest value an external-id field can hold, in characters.
const MAX_KEY: usize = 255;

/// A body: as it came, or a part of one that was read already.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// As it came.
    Bytes(&'a [u8]),
    /// A part of a body that was read; JSON by where it stands.
    Value(&'a Value),
    /// None, where there is a place for one.
    Nothing,
}

/// A request that has more than one reading, or that is not taken apart. By now method and path are
/// known, so no `endpoints` row opens it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed(String),
    Opaque(String),
}

impl From<Malformed> for Refused {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// A refusal for an ambiguous message.
pub(super) fn malformed(what: impl Into<String>) -> Refused {
    Refused::Malformed(what.into())
}

/// The change set of a request that was read, or what became of it instead.
pub(super) fn change_set(read: Result<Vec<Mutation>, Refused>) -> Result<ChangeSet, Malformed> {
    match read {
        Ok(mutations) => Ok(ChangeSet::Mutations(mutations)),
        Err(Refused::Opaque(reason)) => Ok(ChangeSet::Opaque(Opaque::unclear(reason))),
        Err(Refused::Malformed(what)) => Err(Malformed(what)),
    }
}

/// The parameters of a write; each must be among `known` and stand there once. `_HttpMethod` has been
/// resolved before.
pub(super) fn parameters(head: &Head<'_>, known: &[&str]) -> Result<Query, Refused> {
    let query = Query::parse(head.query).map_err(Refused::Malformed)?;
    let mut seen = HashSet::new();
    for (name, _) in query.iter() {
        if name != "_HttpMethod" && !known.contains(&name) {
            return Err(malformed(format!(
                "the query parameter {} is not understood on this write: leave it out",
                shown(name)
            )));
        }
        if !seen.insert(name) {
            return Err(malformed(format!(
                "the query parameter {name} is given twice"
            )));
        }
    }
    Ok(query)
}

/// A parameter that is `true` or `false`; `None` where it is absent.
pub(super) fn flag(query: &Query, name: &str) -> Result<Option<bool>, Refused> {
    match query.iter().find(|(known, _)| *known == name) {
        None => Ok(None),
        Some((_, "true")) => Ok(Some(true)),
        Some((_, "false")) => Ok(Some(false)),
        Some(_) => Err(malformed(format!(
            "the query parameter {name} is neither true nor false"
        ))),
    }
}

/// Refuses a body where none belongs.
pub(super) fn none(content: &Content<'_>) -> Result<(), Refused> {
    match content {
        Content::Nothing | Content::Bytes(b"") => Ok(()),
        Content::Bytes(_) | Content::Value(_) => Err(malformed("a DELETE has a body: send none")),
    }
}

/// The body as one JSON object, when its type says that it is JSON in UTF-8.
pub(super) fn object(
    head: &Head<'_>,
    content: &Content<'_>,
) -> Result<Map<String, Value>, Refused> {
    let value = match content {
        Content::Value(value) => (*value).clone(),
        Content::Nothing => return Err(malformed("there is no body: send a JSON object")),
        Content::Bytes(_) if !is_json(head.headers) => {
            return Err(malformed(
                "the header Content-Type is not application/json (UTF-8), given once",
            ));
        }
        Content::Bytes(bytes) => json::parse(bytes)?,
    };
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(malformed("the JSON body is not an object"))
        }
    }
}

/// Whether the type says that it is JSON in UTF-8.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
    let json = parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = |part: &str| {
        part.split_once('=').is_some_and(|(name, charset)| {
            name.eq_ignore_ascii_case("charset")
                && charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    json && match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(part), None) => utf8(part),
        (Some(_), Some(_)) => false,
    }
}

/// A mutation; what is deleted comes back from the recycle bin, but not through the REST API.
pub(super) fn mutation(
    known: &Type<'_>,
    operation: Operation,
    record: Option<RecordKey>,
    row: Option<String>,
    fields: Map<String, Value>,
) -> Mutation {
    let undo = if operation == Operation::Delete {
        Undo::Partial
    } else {
        Undo::Full
    };
    Mutation {
        object: known.name.to_owned(),
        operation,
        record,
        fields,
        row,
        undo,
        others: Vec::new(),
    }
}

/// Refuses an id whose first characters belong to another object.
pub(super) fn belongs(id: &str, known: &Type<'_>, place: &str) -> Result<(), Refused> {
    if id.starts_with(known.prefix) {
        Ok(())
    } else {
        Err(malformed(format!(
            "{place}: the id does not begin like one of {} ({})",
            known.name, known.prefix
        )))
    }
}

/// Refuses the value of an external-id field that two readers could tell apart differently.
pub(super) fn key_value(value: &str, place: &str) -> Result<(), Refused> {
    let plain = !value.is_empty()
        && value.trim() == value
        && value.chars().count() <= MAX_KEY
        && !value.chars().any(char::is_control);
    if plain {
        Ok(())
    } else {
        Err(malformed(format!(
            "{place}: the external id is empty, longer than {MAX_KEY} characters, or has white \
             space at its ends or control characters"
        )))
    }
}

/// What the acting headers come to; `classify` has refused what is not understood.
pub(super) fn acting(head: &Head<'_>) -> Result<Acting, Refused> {
    headers::acting(head.headers).map_err(Refused::Opaque)
}

/// A caller's name in an error: escaped and cut.
pub(super) fn shown(name: &str) -> String {
    format!("{:?}", name.chars().take(64).collect::<String>())
}
