//! Bodies that are no JSON, read as leniently as the rest: rows and trees in XML, records with files
//! beside them; and answers in XML.

use roxmltree::{Document, Node};
use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::request::Request;

type Members = Map<String, Value>;

/// The body where it is no JSON.
pub(super) fn read(request: &Request) -> Option<Result<Members, String>> {
    let kind = request.header("content-type")?;
    let folded = kind.to_ascii_lowercase();
    if folded.contains("xml") {
        return Some(xml(request));
    }
    let at = folded.strip_prefix("multipart/form-data")?.len();
    let (_, boundary) = kind.get(kind.len() - at..)?.split_once("boundary=")?;
    Some(multipart(request, boundary.trim_matches('"')))
}

fn xml(request: &Request) -> Result<Members, String> {
    let body = request.body()?;
    let text = String::from_utf8(body).map_err(|error| error.to_string())?;
    let document = Document::parse(&text).map_err(|error| error.to_string())?;
    Ok(members(document.root_element()))
}

fn members(element: Node<'_, '_>) -> Members {
    let mut members = Map::new();
    let mut records = Vec::new();
    for child in element.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        if name == "records" {
            let mut record = self::members(child);
            let attribute = |name: &str| child.attribute(name).unwrap_or_default();
            let attributes = json!({ "type": attribute("type"),
                "referenceId": attribute("referenceId") });
            record.insert("attributes".to_owned(), attributes);
            records.push(Value::Object(record));
        } else if child.children().any(|inner| inner.is_element()) {
            members.insert(name.to_owned(), Value::Object(self::members(child)));
        } else {
            let value = child.text().map_or(Value::Null, Value::from);
            members.insert(name.to_owned(), value);
        }
    }
    if !records.is_empty() {
        members.insert("records".to_owned(), Value::Array(records));
    }
    members
}

/// The part named `collection` or `entity_…` is the collection, or the record, the last one of them where
/// there are several; the others are values of fields.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox plays a lenient server and must not share the proxy's strict parser"
)]
fn multipart(request: &Request, boundary: &str) -> Result<Members, String> {
    let body = request.body()?;
    let text = String::from_utf8_lossy(&body);
    let mut parts: Vec<(&str, &str)> = text
        .split(&format!("--{boundary}"))
        .filter_map(|part| part.split_once("\r\n\r\n"))
        .map(|(head, value)| (name(head), value.strip_suffix("\r\n").unwrap_or(value)))
        .collect();
    let of_records = |(name, _): &(&str, &str)| {
        let name = name.to_ascii_lowercase();
        name == "collection" || name.starts_with("entity_")
    };
    let at = parts.iter().rposition(of_records);
    let (_, record) = parts.remove(at.ok_or("the body has no part with records")?);
    let mut record: Members = serde_json::from_str(record).map_err(|error| error.to_string())?;
    for (name, value) in parts {
        match record.get_mut("records").and_then(Value::as_array_mut) {
            Some(records) => place(records, name, value),
            None => {
                record.insert(name.to_owned(), Value::from(value));
            }
        }
    }
    Ok(record)
}

/// What a part's head calls it.
fn name(head: &str) -> &str {
    let name = head.split(" name=\"").nth(1);
    name.and_then(|rest| rest.split('"').next()).unwrap_or("")
}

/// The value goes to the record that names the part.
fn place(records: &mut [Value], part: &str, value: &str) {
    for record in records {
        let attributes = record.get("attributes").cloned().unwrap_or_default();
        let text = |name: &str| attributes.get(name).and_then(Value::as_str);
        if let (Some(named), Some(field)) = (text("binaryPartName"), text("binaryPartNameAlias"))
            && let Some(record) = record.as_object_mut()
            && named == part
        {
            record.insert(field.to_owned(), Value::from(value));
        }
    }
}

/// The answer in XML where that was asked for, as far as rows and trees are answered.
pub(super) fn as_asked(request: &Request, answer: Answer) -> Answer {
    let asked = request
        .header("accept")
        .is_some_and(|kind| kind == "application/xml");
    match answer.body.as_ref().filter(|_| asked) {
        Some(Value::Array(errors)) => {
            let errors: String = errors
                .iter()
                .map(|error| format!("<Error>{}</Error>", inside(error)))
                .collect();
            answer.in_xml(format!("<Errors>{errors}</Errors>"))
        }
        Some(body @ Value::Object(members)) if members.contains_key("results") => {
            let xml = format!(
                "<SObjectTreeResponse>{}</SObjectTreeResponse>",
                inside(body)
            );
            answer.in_xml(xml)
        }
        Some(body @ Value::Object(_)) => {
            let xml = format!("<Result>{}</Result>", inside(body));
            answer.in_xml(xml)
        }
        _ => answer,
    }
}

fn inside(value: &Value) -> String {
    let element = |name: &str, value: &Value| format!("<{name}>{}</{name}>", inside(value));
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value.as_array() {
                Some(list) => list.iter().map(|one| element(name, one)).collect(),
                None => element(name, value),
            })
            .collect(),
        Value::String(text) => text.replace('&', "&amp;").replace('<', "&lt;"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}
