//! What the body of an operator's request asks for. A key that nobody reads is a mistake, not a wish
//! that is passed over.

use axum::response::Response;
use serde_json::{Map, Value};

use super::api::unprocessable;
use crate::crm::json;

/// A JSON body; an empty one says nothing.
pub(super) fn object(body: &[u8]) -> Result<Value, Response> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    json::parse(body).map_err(|fault| unprocessable(&format!("the body is not JSON: {fault}")))
}

/// A body with no other keys than these.
pub(super) fn wish(body: &[u8], keys: &[&str]) -> Result<Map<String, Value>, Response> {
    let wish = match object(body)? {
        Value::Null => Map::new(),
        Value::Object(wish) => wish,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(unprocessable("the body has to be a JSON object"));
        }
    };
    match wish.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(wish),
        Some(key) => {
            let text = format!("unknown key `{key}`: use {}", keys.join(", "));
            Err(unprocessable(&text))
        }
    }
}

/// Text, where it is given; null is as if it were not.
pub(super) fn text<'w>(
    wish: &'w Map<String, Value>,
    name: &str,
) -> Result<Option<&'w str>, Response> {
    match wish.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(unprocessable(&format!("`{name}` must be text"))),
    }
}

/// Why; it may be left out.
pub(super) fn reason(wish: &Map<String, Value>) -> Result<String, Response> {
    let reason = text(wish, "reason")?.map(str::trim);
    let reason = reason.filter(|reason| !reason.is_empty());
    Ok(reason.unwrap_or("no reason given").to_owned())
}
