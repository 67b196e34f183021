//! Answers that come as XML, because the request did or asked for it: read into what JSON would say
//! (`Result`, `Errors`, `SObjectTreeResponse`). What is written otherwise says nothing.

use roxmltree::Node;
use serde_json::{Map, Value};

use crate::crm::xml;

/// What an answer says; null where that cannot be told.
pub(super) fn parsed(body: &[u8]) -> Value {
    let Ok(document) = xml::parse(body) else {
        return Value::Null;
    };
    let root = document.root_element();
    let found = match root.tag_name().name() {
        "Errors" => list(root, "Error"),
        "Result" => object(root),
        "SObjectTreeResponse" => tree(root),
        _ => None,
    };
    found.unwrap_or(Value::Null)
}

fn list(node: Node<'_, '_>, name: &str) -> Option<Value> {
    let elements = xml::elements(node).ok()?;
    let named = elements
        .into_iter()
        .filter(|element| element.tag_name().name() == name);
    named
        .map(object)
        .collect::<Option<Vec<_>>>()
        .map(Value::Array)
}

/// Elements that hold text. Lists inside are `errors`, one element for each.
fn object(node: Node<'_, '_>) -> Option<Value> {
    let mut members = Map::new();
    for element in xml::elements(node).ok()? {
        let name = element.tag_name().name();
        if name == "errors" {
            members.entry(name).or_insert(list(node, name)?);
            continue;
        }
        let value = match xml::value(element).ok()? {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::from(text),
        };
        if members.insert(name.to_owned(), value).is_some() {
            return None;
        }
    }
    Some(Value::Object(members))
}

fn tree(node: Node<'_, '_>) -> Option<Value> {
    let mut members = Map::new();
    let elements = xml::elements(node).ok()?;
    let errors = elements
        .iter()
        .find(|element| element.tag_name().name() == "hasErrors")?;
    let errors = xml::value(*errors).ok()? == "true";
    members.insert("hasErrors".to_owned(), Value::Bool(errors));
    members.insert("results".to_owned(), list(node, "results")?);
    Some(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_says_what_json_would() {
        for (xml, expected) in [
            (
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Result><id>001</id>\
                 <success>true</success></Result>",
                json!({ "id": "001", "success": true }),
            ),
            (
                "<Errors><Error><errorCode>A</errorCode><message>b</message></Error></Errors>",
                json!([{ "errorCode": "A", "message": "b" }]),
            ),
            (
                "<SObjectTreeResponse><hasErrors>true</hasErrors><results>\
                 <referenceId>a</referenceId><errors><statusCode>X</statusCode></errors></results>\
                 </SObjectTreeResponse>",
                json!({ "hasErrors": true,
                    "results": [{ "referenceId": "a", "errors": [{ "statusCode": "X" }] }] }),
            ),
            ("<html><body>busy</body></html>", Value::Null),
            ("<Result><id>1</id><id>2</id></Result>", Value::Null),
            ("<Result", Value::Null),
        ] {
            assert_eq!(parsed(xml.as_bytes()), expected, "{xml}");
        }
    }
}
