//! Up to 200 rows through `/composite/sobjects` (REST API Developer Guide, sObject Collections).

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::headers::Acting;
use super::org::Org;
use super::record::{self, Record};
use super::types::{self, Type};
use super::{Collection, id, multipart as beside};
use crate::crm::{Head, Malformed, json, multipart};
use crate::mutation::{ChangeSet, Mutation, Operation, RecordKey, same_name};

/// The member, or the parameter of a delete, that says whether the rows stand and fall together.
const ALL_OR_NONE: &str = "allOrNone";
/// Records in one request.
const MAX_RECORDS: usize = 200;

/// Takes a write of several rows apart.
///
/// # Errors
/// [`Malformed`] when query and body do not have one reading together.
pub(super) fn parse(
    collection: &Collection,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(match collection {
        Collection::Delete => delete(head, content, org),
        Collection::Create | Collection::Update | Collection::Upsert { .. } => {
            rows(collection, head, content, org)
        }
    })
}

/// `?ids=…&allOrNone=…`, no body. The ids say what they are ids of.
fn delete(head: &Head<'_>, content: &Content<'_>, org: &Org<'_>) -> Result<Vec<Mutation>, Refused> {
    body::none(content)?;
    let query = body::parameters(head, &["ids", ALL_OR_NONE])?;
    body::flag(&query, ALL_OR_NONE)?;
    let Some((_, ids)) = query.iter().find(|(name, _)| *name == "ids") else {
        return Err(malformed("the query does not say which ids to delete"));
    };
    let ids: Vec<&str> = ids.split(',').collect();
    counted(ids.len())?;
    let mut once = Once::default();
    ids.into_iter()
        .enumerate()
        .map(|(place, text)| {
            let row = format!("ids[{place}]");
            let id = id::canonical(text)
                .map_err(|Malformed(what)| malformed(format!("{row}: {what}")))?;
            let known = org.by_id(&id).ok_or_else(|| {
                Refused::Opaque(format!(
                    "{row}: no known object has ids that begin like this one: delete it through \
                     /sobjects/{{type}}/{{id}}"
                ))
            })?;
            once.check(&id, &row)?;
            let key = Some(RecordKey::Id { id });
            Ok(body::mutation(
                &known,
                Operation::Delete,
                key,
                Some(row),
                Map::new(),
            ))
        })
        .collect()
}

/// `{"allOrNone": …, "records": […]}`.
fn rows(
    collection: &Collection,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    let acting = body::acting(head)?;
    let (members, mut files) = beside::document(head, content, beside::Records::Collection)?;
    let records = records(members)?;
    counted(records.len())?;
    let mut once = Once::default();
    let rows = records
        .into_iter()
        .enumerate()
        .map(|(place, record)| {
            let row = format!("records[{place}]");
            let Value::Object(members) = record else {
                return Err(malformed(format!("{row} is not an object")));
            };
            let mut record = record::read(members, &row)?;
            let known = object(&record, &row, org)?;
            record.take_file(&mut files, &known, &row)?;
            one(collection, record, &known, (&acting, row), &mut once)
        })
        .collect::<Result<Vec<_>, _>>()?;
    match files.first() {
        None => Ok(rows),
        Some(_) => Err(malformed("the body has a file that no record names")),
    }
}

fn records(members: Map<String, Value>) -> Result<Vec<Value>, Refused> {
    let mut records = None;
    for (name, value) in members {
        match (name.as_str(), value) {
            ("records", Value::Array(list)) => records = Some(list),
            (ALL_OR_NONE, Value::Bool(_)) => {}
            ("records", _) => return Err(malformed("records is not a list")),
            (ALL_OR_NONE, _) => return Err(malformed("allOrNone is neither true nor false")),
            (other, _) => {
                return Err(malformed(format!(
                    "the body has the member {}; only records and allOrNone are understood",
                    body::shown(other)
                )));
            }
        }
    }
    records.ok_or_else(|| malformed("the body has no records"))
}

/// Whether the rows stand and fall together.
pub(super) fn acting_in(body: &[u8]) -> Option<(String, String)> {
    let records = multipart::first_part(body).unwrap_or(body);
    let flag = json::parse(records).ok()?.get(ALL_OR_NONE)?.as_bool()?;
    Some((ALL_OR_NONE.to_owned(), flag.to_string()))
}

fn one(
    collection: &Collection,
    mut record: Record,
    known: &Type<'_>,
    (acting, row): (&Acting, String),
    once: &mut Once,
) -> Result<Mutation, Refused> {
    if let Collection::Upsert { object, .. } = collection
        && !same_name(object, known.name)
    {
        return Err(malformed(format!(
            "{row}: attributes.type is not {object}, which the path names"
        )));
    }
    record.agree(known, &row)?;
    let (operation, key) = target(collection, &mut record, &row)?;
    let id = match &key {
        Some(RecordKey::Id { id }) => Some(id.as_str()),
        Some(RecordKey::External { .. }) | None => None,
    };
    record.names_only(id, &row)?;
    if let Some(key) = &key {
        once.check(&key.to_string(), &row)?;
    }
    record.assign(acting, known)?;
    Ok(record.mutation(known, operation, key, Some(row)))
}

/// The type that a record names; required in collections.
fn object<'o>(record: &Record, row: &str, org: &'o Org<'_>) -> Result<Type<'o>, Refused> {
    let Some(object) = &record.object else {
        return Err(malformed(format!("{row}: attributes.type is missing")));
    };
    if !types::is_name(object) {
        return Err(malformed(format!(
            "{row}: attributes.type is not the name of an object"
        )));
    }
    org.by_name(object)
        .ok_or_else(|| Refused::Opaque(format!("{row}: {}", types::unknown(object))))
}

/// What happens to which record. With `Id` as the external id, a row without id is a create.
pub(super) fn target(
    collection: &Collection,
    record: &mut Record,
    row: &str,
) -> Result<(Operation, Option<RecordKey>), Refused> {
    let by_id = |record: &Record| record.id.clone().map(|id| RecordKey::Id { id });
    match collection {
        Collection::Create => Ok((Operation::Create, None)),
        Collection::Update | Collection::Delete => match by_id(record) {
            Some(key) => Ok((Operation::Update, Some(key))),
            None => Err(malformed(format!("{row}: the id is missing"))),
        },
        Collection::Upsert { field, .. } if same_name(field, "Id") => Ok(match by_id(record) {
            Some(key) => (Operation::Update, Some(key)),
            None => (Operation::Create, None),
        }),
        Collection::Upsert { field, .. } => {
            let value = take_key(&mut record.fields, field, row)?;
            let key = RecordKey::External {
                key: field.clone(),
                value,
            };
            Ok((Operation::Upsert, Some(key)))
        }
    }
}

/// Takes the external id out of a row's fields: it names the record, it does not change it.
fn take_key(fields: &mut Map<String, Value>, key: &str, row: &str) -> Result<String, Refused> {
    let name = fields.keys().find(|name| same_name(name, key)).cloned();
    let value = match name.and_then(|name| fields.shift_remove(&name)) {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        _ => {
            return Err(malformed(format!(
                "{row}: {key}, which the path says names the record, is not a text or a whole \
                 number"
            )));
        }
    };
    body::key_value(&value, row)?;
    Ok(value)
}

pub(super) fn counted(records: usize) -> Result<(), Refused> {
    match records {
        0 => Err(malformed("the request names no record")),
        1..=MAX_RECORDS => Ok(()),
        _ => Err(malformed(format!(
            "the request has {records} records, and {MAX_RECORDS} is the most: send it in parts"
        ))),
    }
}

/// Sees to it that a request names each record once. External ids compare without case, as Salesforce
/// does by default.
#[derive(Default)]
pub(super) struct Once(HashSet<String>);

impl Once {
    /// The same for a record of any object.
    pub(super) fn record(&mut self, mutation: &Mutation) -> Result<(), Refused> {
        let Some(key) = &mutation.record else {
            return Ok(());
        };
        let key = match key {
            RecordKey::Id { id } => id.clone(),
            RecordKey::External { key, value } => {
                format!("{}.{key}={value}", mutation.object)
            }
        };
        self.check(&key, mutation.row.as_deref().unwrap_or("the request"))
    }

    fn check(&mut self, key: &str, row: &str) -> Result<(), Refused> {
        let folded = if id::canonical(key).is_ok() {
            key.to_owned()
        } else {
            key.to_lowercase()
        };
        if self.0.insert(folded) {
            Ok(())
        } else {
            Err(malformed(format!(
                "{row} names the same record as a row before it: send one row for each record"
            )))
        }
    }
}
