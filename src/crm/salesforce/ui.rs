//! Records through the UI API (User Interface API Developer Guide, Create/Update/Delete a Record, Record
//! Batch): the same writes with another envelope.

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::org::Org;
use super::types::{self, Type};
use super::{collections, id, record};
use crate::crm::{Head, Malformed, json};
use crate::mutation::{Acting, ChangeSet, Mutation, Operation, RecordKey};

/// Records of one batch.
const MOST: usize = 200;
/// The members that act beside the fields.
const SAVES_DUPLICATES: &str = "allowSaveOnDuplicate";
const ALL_OR_NONE: &str = "allOrNone";

/// A write through the UI API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ui {
    /// `POST /ui-api/records`.
    Create,
    /// `PATCH /ui-api/records/{id}`, the id as the path spells it.
    Update(String),
    /// `DELETE /ui-api/records/{id}`.
    Delete(String),
    /// `POST /ui-api/records/batch`.
    Batch,
}

/// Whose write it is, and what its names mean.
struct Heard<'a> {
    head: &'a Head<'a>,
    org: &'a Org<'a>,
}

/// Takes it apart.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(
    ui: &Ui,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(ui, head, content, org))
}

fn read(
    ui: &Ui,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    let heard = &Heard { head, org };
    match ui {
        Ui::Create => {
            let members = body::object(head, content)?;
            flags(&members)?;
            only(&members, &["apiName", "fields", SAVES_DUPLICATES])?;
            Ok(vec![create(&members, heard, "the body", None)?])
        }
        Ui::Update(id) => {
            let members = body::object(head, content)?;
            flags(&members)?;
            only(&members, &["apiName", "fields", SAVES_DUPLICATES])?;
            Ok(vec![update(&members, Some(id), heard, "the body", None)?])
        }
        Ui::Delete(id) => {
            body::none(content)?;
            Ok(vec![delete(id, heard, "the path", None)?])
        }
        Ui::Batch => batch(heard, &body::object(head, content)?),
    }
}

/// `{"allOrNone", "operations": [{"type", "records": [{"apiName", "fields"}]}]}`.
fn batch(heard: &Heard<'_>, members: &Map<String, Value>) -> Result<Vec<Mutation>, Refused> {
    flags(members)?;
    only(members, &[ALL_OR_NONE, SAVES_DUPLICATES, "operations"])?;
    let Some(Value::Array(operations)) = members.get("operations") else {
        return Err(malformed("the body has no operations"));
    };
    let mut all = Vec::new();
    let mut once = collections::Once::default();
    for (at, operation) in operations.iter().enumerate() {
        let place = format!("operations[{at}]");
        let Value::Object(operation) = operation else {
            return Err(malformed(format!("{place} is not an object")));
        };
        only(operation, &["type", "records"])?;
        let kind = operation.get("type").and_then(Value::as_str);
        let Some(Value::Array(records)) = operation.get("records") else {
            return Err(malformed(format!("{place} has no records")));
        };
        for (nth, record) in records.iter().enumerate() {
            let row = format!("{place}.records[{nth}]");
            let Value::Object(record) = record else {
                return Err(malformed(format!("{row} is not an object")));
            };
            let mutation = in_batch(kind, record, heard, row)?;
            once.record(&mutation)?;
            all.push(mutation);
        }
    }
    match all.len() {
        0 => Err(malformed("the request names no record")),
        count if count > MOST => Err(malformed(format!(
            "the request has {count} records, and {MOST} is the most"
        ))),
        _ => Ok(all),
    }
}

fn in_batch(
    kind: Option<&str>,
    record: &Map<String, Value>,
    heard: &Heard<'_>,
    row: String,
) -> Result<Mutation, Refused> {
    flags(record)?;
    only(record, &["apiName", "fields", SAVES_DUPLICATES])?;
    let place = row.clone();
    let kind = kind.unwrap_or_default();
    if kind.eq_ignore_ascii_case("create") {
        create(record, heard, &place, Some(row))
    } else if kind.eq_ignore_ascii_case("update") {
        update(record, None, heard, &place, Some(row))
    } else if kind.eq_ignore_ascii_case("delete") {
        let fields = fields(record, &place)?;
        let named = record::read(fields, &place)?;
        let id = named
            .id
            .filter(|_| named.fields.is_empty())
            .ok_or_else(|| malformed(format!("{place}: a delete names an Id and nothing else")))?;
        let mutation = delete(&id, heard, &place, Some(row))?;
        same_object(record, &mutation.object, &place)?;
        Ok(mutation)
    } else {
        Err(malformed(format!(
            "{place}: type is not Create, Update or Delete"
        )))
    }
}

fn create(
    members: &Map<String, Value>,
    heard: &Heard<'_>,
    place: &str,
    row: Option<String>,
) -> Result<Mutation, Refused> {
    let Some(object) = members.get("apiName").and_then(Value::as_str) else {
        return Err(malformed(format!("{place}: apiName is missing")));
    };
    if !types::is_name(object) {
        return Err(malformed(format!(
            "{place}: apiName is not the name of an object"
        )));
    }
    let known = &heard.org.named(object)?;
    let mut record = record::read(fields(members, place)?, place)?;
    record.agree(known, place)?;
    record.names_only(None, place)?;
    record.assign(&body::acting(heard.head)?, known)?;
    Ok(record.mutation(known, Operation::Create, None, row))
}

fn update(
    members: &Map<String, Value>,
    path: Option<&String>,
    heard: &Heard<'_>,
    place: &str,
    row: Option<String>,
) -> Result<Mutation, Refused> {
    let mut record = record::read(fields(members, place)?, place)?;
    let id = match path {
        Some(id) => Some(id::canonical(id)?),
        None => record.id.clone(),
    };
    let id = id.ok_or_else(|| malformed(format!("{place}: the Id is missing")))?;
    let known = &by_id(&id, heard.org, place)?;
    same_object(members, known.name, place)?;
    record.agree(known, place)?;
    record.names_only(Some(&id), place)?;
    record.assign(&body::acting(heard.head)?, known)?;
    Ok(record.mutation(known, Operation::Update, Some(RecordKey::Id { id }), row))
}

fn delete(
    id: &str,
    heard: &Heard<'_>,
    place: &str,
    row: Option<String>,
) -> Result<Mutation, Refused> {
    let id = id::canonical(id)?;
    let known = &by_id(&id, heard.org, place)?;
    let key = Some(RecordKey::Id { id });
    Ok(body::mutation(
        known,
        Operation::Delete,
        key,
        row,
        Map::new(),
    ))
}

fn by_id<'o>(id: &str, org: &'o Org<'_>, place: &str) -> Result<Type<'o>, Refused> {
    org.by_id(id).ok_or_else(|| {
        Refused::Opaque(format!(
            "{place}: no known object has ids that begin like this one: write it through \
             /sobjects/{{type}}/{{id}}"
        ))
    })
}

/// Refuses an `apiName` that is not the object's.
fn same_object(members: &Map<String, Value>, object: &str, place: &str) -> Result<(), Refused> {
    match members.get("apiName") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(name)) if name.eq_ignore_ascii_case(object) => Ok(()),
        Some(_) => Err(malformed(format!(
            "{place}: apiName is not {object}, which the id names"
        ))),
    }
}

fn fields(members: &Map<String, Value>, place: &str) -> Result<Map<String, Value>, Refused> {
    match members.get("fields") {
        Some(Value::Object(fields)) if !fields.contains_key("attributes") => Ok(fields.clone()),
        _ => Err(malformed(format!(
            "{place}: fields is missing or no object"
        ))),
    }
}

fn flags(members: &Map<String, Value>) -> Result<(), Refused> {
    for name in [SAVES_DUPLICATES, ALL_OR_NONE] {
        if members.get(name).is_some_and(|flag| !flag.is_boolean()) {
            return Err(malformed(format!("{name} is neither true nor false")));
        }
    }
    Ok(())
}

fn only(members: &Map<String, Value>, known: &[&str]) -> Result<(), Refused> {
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(malformed(format!(
            "the body has the member {}, which is not understood there; known are {}",
            body::shown(name),
            known.join(", ")
        ))),
    }
}

/// What the envelope says beside the fields, of all and of each record.
pub(super) fn acting_in(body: &[u8]) -> Acting {
    let parsed = json::parse(body).unwrap_or_default();
    let mut acting = Acting::new();
    told(&parsed, "", &mut acting);
    let operations = parsed.get("operations").and_then(Value::as_array);
    for (at, operation) in operations.into_iter().flatten().enumerate() {
        let records = operation.get("records").and_then(Value::as_array);
        for (nth, record) in records.into_iter().flatten().enumerate() {
            let place = format!("operations[{at}].records[{nth}].");
            told(record, &place, &mut acting);
        }
    }
    acting
}

fn told(value: &Value, place: &str, acting: &mut Acting) {
    for name in [SAVES_DUPLICATES, ALL_OR_NONE] {
        if let Some(flag) = value.get(name).and_then(Value::as_bool) {
            acting.insert(format!("{place}{name}"), flag.to_string());
        }
    }
}
