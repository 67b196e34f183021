//! What may be written: property names, types, options; in the form in which values are stored.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::super::Token;
use super::error::{Error, PropertyError};
use super::portal::stamp;
use super::schema::{Kind, Property, Type};

/// The properties of a write, checked and as they are stored; null for blanks.
pub(super) fn properties(
    kind: &Type,
    token: &Token,
    body: &Map<String, Value>,
) -> Result<Map<String, Value>, Error> {
    let given = match body.get("properties") {
        Some(Value::Object(given)) => given.clone(),
        None => Map::new(),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        ) => {
            let message = "Invalid input JSON on line 1, column 1: Cannot deserialize value of type \
                           `java.util.LinkedHashMap` from another token";
            return Err(Error::invalid(message));
        }
    };
    let mut fields = Map::new();
    let mut errors = Vec::new();
    for (name, value) in &given {
        let property = kind
            .property(name)
            .filter(|property| token.sees(kind.name, property.name));
        match property {
            None => errors.push(PropertyError {
                name: name.clone(),
                code: "PROPERTY_DOESNT_EXIST",
                message: format!("Property \"{name}\" does not exist"),
            }),
            Some(property) => match stored(property, value)? {
                Ok(value) => {
                    fields.insert(property.name.to_owned(), value);
                }
                Err(error) => errors.push(error),
            },
        }
    }
    if errors.is_empty() {
        Ok(fields)
    } else {
        Err(Error::properties(errors))
    }
}

type Checked = Result<Value, PropertyError>;

/// A value as it is stored; the outer error is a body that does not parse.
fn stored(property: &Property, value: &Value) -> Result<Checked, Error> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => {
            let message = "Invalid input JSON on line 1, column 1: Cannot deserialize value of type \
                           `java.lang.String` from a list or an object";
            return Err(Error::invalid(message));
        }
    };
    Ok(checked(property, &text))
}

fn checked(property: &Property, text: &str) -> Checked {
    let wrong = |code: &'static str, message: String| PropertyError {
        name: property.name.to_owned(),
        code,
        message,
    };
    if property.read_only {
        let message = format!(
            "\"{}\" is a read only property; its value cannot be set.",
            property.name
        );
        return Err(wrong("READ_ONLY_VALUE", message));
    }
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match property.kind {
        Kind::Text => Ok(json!(text)),
        Kind::Email => {
            let parts = text.split_once('@');
            let good = parts.is_some_and(|(who, host)| !who.is_empty() && host.contains('.'));
            if good && !text.contains(' ') {
                return Ok(json!(text.to_lowercase()));
            }
            let message = format!("Email address {text} is invalid");
            Err(wrong("INVALID_EMAIL", message))
        }
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(json!(text)),
            Ok(_) | Err(_) => Err(wrong(
                "INVALID_DOUBLE",
                format!("{text} was not a valid number."),
            )),
        },
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            word @ ("true" | "false") => Ok(json!(word)),
            _ => Err(wrong(
                "INVALID_OPTION",
                format!("{text} was not one of the allowed options: [true, false]"),
            )),
        },
        Kind::DateTime => match moment(text) {
            Some(at) => Ok(json!(stamp(at))),
            None => Err(wrong(
                "INVALID_LONG",
                format!("{text} was not a valid long."),
            )),
        },
        Kind::Choice(options) => {
            if options.is_empty() || options.contains(&text) {
                return Ok(json!(text));
            }
            let options = options.join(", ");
            let message = format!("{text} was not one of the allowed options: [{options}]");
            Err(wrong("INVALID_OPTION", message))
        }
    }
}

/// A moment in any of the forms that HubSpot takes: ISO 8601, a date, milliseconds since 1970.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(millis) = text.parse::<i64>() {
        return Timestamp::from_millisecond(millis).ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}
