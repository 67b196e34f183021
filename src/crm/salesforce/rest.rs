//! One row through `/sobjects` (REST API Developer Guide, sObject Rows).

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::org::Org;
use super::types::Type;
use super::{Row, id, markup, multipart, record, relation};
use crate::crm::{Head, Malformed};
use crate::mutation::{ChangeSet, Mutation, Operation, RecordKey, field};

/// Where the one record stands, in errors.
const PLACE: &str = "the body";

/// Takes a write of one row apart.
///
/// # Errors
/// [`Malformed`] when path, query and body do not have one reading together.
pub(super) fn parse(
    row: &Row,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(row, head, content, org).map(|mutation| vec![mutation]))
}

fn read(
    row: &Row,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Mutation, Refused> {
    let (known, key) = named(row, org)?;
    let known = &known;
    let operation = operation(row, head)?;
    if operation == Operation::Delete {
        body::none(content)?;
        return Ok(body::mutation(known, operation, key, None, Map::new()));
    }
    let (members, files) = match markup::bytes(head.headers, content) {
        Some(bytes) => (markup::row(bytes, known)?, Vec::new()),
        None => multipart::document(head, content, multipart::Records::Row)?,
    };
    let mut record = record::read(members, PLACE)?;
    for file in &files {
        record.hold(file, file.name, known, PLACE)?;
    }
    record.agree(known, PLACE)?;
    match &key {
        Some(RecordKey::Id { id }) => record.names_only(Some(id), PLACE)?,
        Some(RecordKey::External { key, value }) => {
            if record.id.is_some() {
                return Err(malformed(
                    "the body has an id, and the path names the record by another field",
                ));
            }
            same_key(&record.fields, key, value)?;
        }
        None => record.names_only(None, PLACE)?,
    }
    record.assign(&body::acting(head)?, known)?;
    Ok(record.mutation(known, operation, key, None))
}

/// The object, and the record by its key in its canonical form.
fn named<'o>(row: &Row, org: &'o Org<'_>) -> Result<(Type<'o>, Option<RecordKey>), Refused> {
    if let Some(parent) = row.key.as_ref().and_then(|key| relation::parent(org, key)) {
        return parent.map(|(known, key)| (known, Some(key)));
    }
    let known = org.named(&row.object)?;
    let key = row.key.as_ref().map(|key| checked(key, &known));
    Ok((known, key.transpose()?))
}

/// `updateOnly=true` keeps an upsert from creating.
fn operation(row: &Row, head: &Head<'_>) -> Result<Operation, Refused> {
    if row.operation != Operation::Upsert {
        body::parameters(head, &[])?;
        return Ok(row.operation);
    }
    let query = body::parameters(head, &["updateOnly"])?;
    Ok(match body::flag(&query, "updateOnly")? {
        Some(true) => Operation::Update,
        Some(false) | None => Operation::Upsert,
    })
}

/// The key in its canonical form.
fn checked(key: &RecordKey, known: &Type<'_>) -> Result<RecordKey, Refused> {
    match key {
        RecordKey::Id { id } => {
            let id = id::canonical(id)?;
            body::belongs(&id, known, "the path")?;
            Ok(RecordKey::Id { id })
        }
        RecordKey::External { value, .. } => {
            body::key_value(value, "the path")?;
            Ok(key.clone())
        }
    }
}

/// The body may repeat the key, but not contradict it.
fn same_key(fields: &Map<String, Value>, key: &str, value: &str) -> Result<(), Refused> {
    let repeated = match field(fields, key) {
        None => return Ok(()),
        Some(Value::String(text)) => text == value,
        Some(Value::Number(number)) => number.to_string() == value,
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => false,
    };
    if repeated {
        Ok(())
    } else {
        Err(malformed(format!(
            "the body gives {key} another value than the path"
        )))
    }
}
