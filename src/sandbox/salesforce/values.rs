//! What may be written: names, types, lengths, required fields, references.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::error::Error;
use super::org::stamp;
use super::schema::{self, Field, Kind, Object, Source};
use super::{Session, ids};

/// What a write does to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Insert,
    Update,
}

/// The fields of a body, checked and in the form in which they are stored.
pub(super) fn fields(
    session: &Session<'_>,
    object: &Object,
    body: &Map<String, Value>,
    write: Write,
) -> Result<Map<String, Value>, Error> {
    let mut fields = Map::new();
    for (name, value) in body {
        if name == "attributes" {
            continue;
        }
        if name.eq_ignore_ascii_case("Id") {
            return Err(no_id(write));
        }
        if let Some((reference, target)) = object.relationship(name)
            && !value.is_null()
        {
            let id = by_external_id(session, target, name, value)?;
            fields.insert(reference.name.to_owned(), json!(id));
            continue;
        }
        let field = object
            .field(name)
            .filter(|field| session.call.token.sees(object.name, field.name))
            .ok_or_else(|| Error::no_column(name, object.name))?;
        if !field.writable() {
            return Err(read_only(field));
        }
        let value = stored(field, value)?;
        if field.kind == Kind::Reference {
            reference(session, object, field, &value)?;
        }
        fields.insert(field.name.to_owned(), normal_reference(field, value));
    }
    required(object, &fields, write)?;
    Ok(fields)
}

fn no_id(write: Write) -> Error {
    match write {
        Write::Insert => Error::new(
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id in an insert call",
        )
        .field("Id"),
        Write::Update => Error::new(
            400,
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
        ),
    }
}

fn read_only(field: &Field) -> Error {
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and \
         verify that it is read/write for your profile or permission set.",
        field.name
    );
    Error::new(400, "INVALID_FIELD_FOR_INSERT_UPDATE", message).field(field.name)
}

fn required(object: &Object, fields: &Map<String, Value>, write: Write) -> Result<(), Error> {
    let missing: Vec<&str> = object
        .fields()
        .filter(|field| field.source == Source::Required)
        .filter(|field| match (fields.get(field.name), write) {
            (Some(value), _) => value.is_null(),
            (None, Write::Insert) => true,
            (None, Write::Update) => false,
        })
        .map(|field| field.name)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Error::missing(&missing))
    }
}

/// A value in the form in which it is stored and shown; null for blanks.
fn stored(field: &Field, value: &Value) -> Result<Value, Error> {
    if value.is_null() || value.as_str().is_some_and(str::is_empty) {
        return Ok(Value::Null);
    }
    let wrong = || cannot_deserialize(field, value);
    match field.kind {
        Kind::Boolean => match (value.as_bool(), value.as_str()) {
            (Some(flag), _) => Ok(json!(flag)),
            (None, Some("true")) => Ok(json!(true)),
            (None, Some("false")) => Ok(json!(false)),
            (None, Some(_) | None) => Err(wrong()),
        },
        Kind::Int => match (value.as_i64(), value.as_str()) {
            (Some(number), _) => Ok(json!(number)),
            (None, Some(text)) => text
                .parse::<i64>()
                .map_or_else(|_| Err(wrong()), |n| Ok(json!(n))),
            (None, None) => Err(wrong()),
        },
        Kind::Double | Kind::Currency | Kind::Percent => match (value.as_f64(), value.as_str()) {
            (Some(number), _) => Ok(json!(number)),
            (None, Some(text)) => text
                .parse::<f64>()
                .map_or_else(|_| Err(wrong()), |n| Ok(json!(n))),
            (None, None) => Err(wrong()),
        },
        Kind::Date => {
            let text = value.as_str().ok_or_else(wrong)?;
            match text.get(..10).unwrap_or(text).parse::<Date>() {
                Ok(date) => Ok(json!(date.to_string())),
                Err(_) => Err(wrong()),
            }
        }
        Kind::DateTime => {
            let text = value.as_str().ok_or_else(wrong)?;
            match text.parse::<Timestamp>() {
                Ok(at) => Ok(json!(stamp(at))),
                Err(_) => Err(wrong()),
            }
        }
        Kind::Id
        | Kind::Text
        | Kind::TextArea
        | Kind::Picklist
        | Kind::Email
        | Kind::Phone
        | Kind::Url
        | Kind::Reference
        | Kind::Address => text(field, value.as_str().ok_or_else(wrong)?),
    }
}

fn text(field: &Field, text: &str) -> Result<Value, Error> {
    if field.kind == Kind::Reference {
        return Ok(json!(text));
    }
    if text.chars().count() > field.length {
        let message = format!(
            "{}: data value too large: {text} (max length={})",
            field.name, field.length
        );
        return Err(Error::new(400, "STRING_TOO_LONG", message).field(field.name));
    }
    if field.kind == Kind::Email && !(text.contains('@') && text.contains('.')) {
        let message = format!("{}: invalid email address: {text}", field.name);
        return Err(Error::new(400, "INVALID_EMAIL_ADDRESS", message).field(field.name));
    }
    Ok(json!(text))
}

fn cannot_deserialize(field: &Field, value: &Value) -> Error {
    let token = match value {
        Value::Null => "VALUE_NULL",
        Value::Bool(true) => "VALUE_TRUE",
        Value::Bool(false) => "VALUE_FALSE",
        Value::Number(number) if number.is_f64() => "VALUE_NUMBER_FLOAT",
        Value::Number(_) => "VALUE_NUMBER_INT",
        Value::String(_) => "VALUE_STRING",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    };
    let shown = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => "[".to_owned(),
        Value::Object(_) => "{".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    Error::parser(format!(
        "Cannot deserialize instance of {} from {token} value {shown} or request may be missing a \
         required field at [line:1, column:1]",
        field.kind.word()
    ))
}

fn reference(
    session: &Session<'_>,
    object: &Object,
    field: &Field,
    value: &Value,
) -> Result<(), Error> {
    let (Some(text), Some((target, _))) = (value.as_str(), field.target) else {
        return Ok(());
    };
    let wrong = || {
        let message = format!("{}: id value of incorrect type: {text}", field.name);
        Error::new(400, "MALFORMED_ID", message).field(field.name)
    };
    let id = ids::canonical(text).ok_or_else(wrong)?;
    let found = schema::objects()
        .iter()
        .find(|candidate| id.starts_with(candidate.prefix))
        .filter(|candidate| candidate.name == target || object.name == "Task")
        .ok_or_else(wrong)?;
    if session.org.store.live(found.name, &id).is_some() {
        return Ok(());
    }
    let message = format!("insufficient access rights on cross-reference id: {text}");
    Err(Error::new(
        400,
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        message,
    ))
}

fn normal_reference(field: &Field, value: Value) -> Value {
    if field.kind != Kind::Reference {
        return value;
    }
    match value.as_str().and_then(ids::canonical) {
        Some(id) => json!(id),
        None => value,
    }
}

/// The record that a nested object names: `{"Account": {"Ext_Id__c": "A-7"}}`.
fn by_external_id(
    session: &Session<'_>,
    target: &str,
    name: &str,
    value: &Value,
) -> Result<String, Error> {
    let object = schema::object(target).ok_or_else(Error::not_found)?;
    let mut keys = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.as_str() != "attributes");
    let (Some((key, value)), None) = (keys.next(), keys.next()) else {
        return Err(Error::new(
            400,
            "INVALID_FIELD",
            format!("{name} must name exactly one external id"),
        ));
    };
    let field = object
        .field(key)
        .filter(|field| field.external_id || field.kind == Kind::Id)
        .ok_or_else(|| Error::no_column(key, object.name))?;
    let wanted = value.as_str().unwrap_or_default();
    match session.matches(object, field, wanted).as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::new(
            400,
            "INVALID_FIELD",
            format!(
                "Foreign key external ID: {wanted} not found for field {key} in entity {target}"
            ),
        )),
        [_, ..] => Err(Error::new(
            400,
            "INVALID_FIELD",
            format!("More than one record found for external id field: {key}"),
        )),
    }
}
