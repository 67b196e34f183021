//! JSON Schemas (draft-07) of the files that people write, for editors: names, words and forms. What
//! only the loaders can tell (names that exist, patterns, paths) `writegate check` tells.

mod config;
mod rules;

use serde_json::{Map, Value, json};

pub use config::config;
pub use rules::rules;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// A map with these keys and no others.
fn map(properties: Value, required: &[&str]) -> Value {
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties);
    schema.insert("required".into(), required.into());
    schema.insert("additionalProperties".into(), false.into());
    Value::Object(schema)
}

/// Text that is not empty.
fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

/// One of these words.
fn words<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    let words: Vec<&str> = words.into_iter().collect();
    json!({ "type": "string", "enum": words })
}

/// The same with a description.
fn described(mut schema: Value, description: &str) -> Value {
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".into(), description.into());
    }
    schema
}

fn list(items: &Value) -> Value {
    json!({ "type": "array", "items": items })
}

/// One of a kind, or a list of at least one.
fn one_or_many(item: &Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item, "minItems": 1 }] })
}
