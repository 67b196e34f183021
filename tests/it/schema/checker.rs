//! As much of JSON Schema draft-07 as our schemas use; a keyword that is not known here fails the test.

use regex::Regex;
use serde_json::{Map, Value};

/// Where a value does not fit, and why; empty: it fits.
pub(super) fn check(root: &Value, value: &Value) -> Vec<String> {
    fits(root, root, value, "")
}

fn fits(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    match schema.as_bool() {
        Some(true) => return Vec::new(),
        Some(false) => return vec![format!("{at}: nothing may stand here")],
        None => {}
    }
    let schema = schema.as_object().unwrap_or_else(|| panic!("{schema}"));
    if let Some(name) = schema.get("$ref") {
        let name = name.as_str().unwrap().strip_prefix('#').unwrap();
        let target = root
            .pointer(name)
            .unwrap_or_else(|| panic!("no definition {name}"));
        return fits(root, target, value, at);
    }
    let mut faults = Vec::new();
    for (keyword, wanted) in schema {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "definitions" => {}
            "properties" | "additionalProperties" if schema.contains_key("properties") => {
                if keyword == "properties" {
                    faults.extend(of_map(root, schema, value, at));
                }
            }
            "additionalProperties" => faults.extend(of_map(root, schema, value, at)),
            "anyOf" | "oneOf" => faults.extend(choice(root, keyword, wanted, value, at)),
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    faults.extend(fits(root, wanted, item, &format!("{at}[{place}]")));
                }
            }
            "propertyNames" => {
                for name in value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name)
                {
                    let name = Value::from(name.as_str());
                    faults.extend(fits(root, wanted, &name, at));
                }
            }
            _ => faults.extend(simple(keyword, wanted, value).map(|why| format!("{at}: {why}"))),
        }
    }
    faults
}

fn of_map(root: &Value, schema: &Map<String, Value>, value: &Value, at: &str) -> Vec<String> {
    let none = Map::new();
    let known = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let others = schema
        .get("additionalProperties")
        .unwrap_or(&Value::Bool(true));
    let mut faults = Vec::new();
    for (name, value) in value.as_object().unwrap_or(&none) {
        let schema = known.get(name).unwrap_or(others);
        faults.extend(fits(root, schema, value, &format!("{at}.{name}")));
    }
    faults
}

fn choice(root: &Value, keyword: &str, schemas: &Value, value: &Value, at: &str) -> Vec<String> {
    let tries: Vec<Vec<String>> = schemas
        .as_array()
        .unwrap()
        .iter()
        .map(|schema| fits(root, schema, value, at))
        .collect();
    let fitting = tries.iter().filter(|faults| faults.is_empty()).count();
    if fitting == 1 || (fitting > 1 && keyword == "anyOf") {
        return Vec::new();
    }
    vec![format!("{at}: {fitting} of {keyword} fit: {tries:?}")]
}

fn simple(keyword: &str, wanted: &Value, value: &Value) -> Option<String> {
    let size = |size: Option<usize>| size.map(|size| size as u64);
    let number = |most: bool, found: Option<u64>| {
        let wanted = wanted.as_u64().unwrap();
        found.is_none_or(|found| {
            if most {
                found <= wanted
            } else {
                found >= wanted
            }
        })
    };
    let fine = match keyword {
        "type" => {
            let types = wanted.as_array().cloned().unwrap_or(vec![wanted.clone()]);
            types.iter().any(|word| is(word.as_str().unwrap(), value))
        }
        "enum" => wanted.as_array().unwrap().contains(value),
        "required" => wanted.as_array().unwrap().iter().all(|name| {
            let map = value.as_object();
            map.is_none_or(|map| map.contains_key(name.as_str().unwrap()))
        }),
        "pattern" => {
            // the crate has no look-ahead; all it says here is: some digit is not 0
            let wanted = wanted.as_str().unwrap();
            let pattern = wanted.replace("(?=.*[1-9])", "");
            let some =
                |text: &str| pattern == wanted || text.contains(|c| ('1'..='9').contains(&c));
            let text = value.as_str();
            text.is_none_or(|text| some(text) && Regex::new(&pattern).unwrap().is_match(text))
        }
        "minLength" => number(false, size(value.as_str().map(str::len))),
        "minItems" => number(false, size(value.as_array().map(Vec::len))),
        "minProperties" => number(false, size(value.as_object().map(Map::len))),
        "maxProperties" => number(true, size(value.as_object().map(Map::len))),
        "minimum" => value
            .as_f64()
            .is_none_or(|found| found >= wanted.as_f64().unwrap()),
        "maximum" => value
            .as_f64()
            .is_none_or(|found| found <= wanted.as_f64().unwrap()),
        other => panic!("the checker does not know {other}"),
    };
    (!fine).then(|| format!("{value} is not {keyword} {wanted}"))
}

fn is(word: &str, value: &Value) -> bool {
    match word {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("a type {other}"),
    }
}
