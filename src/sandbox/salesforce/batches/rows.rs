//! The sandbox's own, lenient reading of jobs and batches in CSV, XML and JSON.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

use super::super::bulk::rows as csv;
use super::super::error::Error;
use crate::sandbox::request::Request;

/// Whether a request is written in JSON; its answer is, too.
pub(super) fn is_json(request: &Request) -> bool {
    let kind = request.header("content-type").unwrap_or("application/xml");
    kind.starts_with("application/json")
}

fn invalid(why: impl ToString) -> Error {
    Error::new(400, "InvalidBatch", why.to_string())
}

/// One row: what it writes, and what names its record.
#[derive(Clone, Debug, Default)]
pub(super) struct Row(Map<String, Value>);

impl Row {
    /// A text that names the record.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        let mut members = self.0.iter();
        let (_, value) = members.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    /// What it writes.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = self.0.clone();
        fields.retain(|name, _| {
            !name.eq_ignore_ascii_case("Id") && !name.eq_ignore_ascii_case("attributes")
        });
        for nested in fields.values_mut().filter_map(Value::as_object_mut) {
            nested.retain(|name, _| name != "type" && name != "attributes");
        }
        fields
    }
}

/// The members of a job.
pub(super) fn members(request: &Request) -> Result<Map<String, Value>, Error> {
    if is_json(request) {
        let body = request.json().map_err(invalid)?;
        return Ok(body.as_object().cloned().unwrap_or_default());
    }
    let body = request.body().map_err(invalid)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let document = Document::parse(&body).map_err(invalid)?;
    let elements = document.root_element().children().filter(Node::is_element);
    let text = |node: Node<'_, '_>| Value::from(node.text().unwrap_or_default());
    Ok(elements
        .map(|node| (node.tag_name().name().to_owned(), text(node)))
        .collect())
}

/// The rows of a batch.
pub(super) fn rows(kind: &str, body: &str) -> Result<Vec<Row>, Error> {
    match kind {
        "CSV" => {
            let mut records = csv::records(body, b',').into_iter();
            let header = records.next().unwrap_or_default();
            Ok(records
                .map(|cells| {
                    let row = csv::Row {
                        header: &header,
                        cells: &cells,
                    };
                    let mut members = row.fields();
                    if let Some(id) = row.get("Id") {
                        members.insert("Id".into(), id.into());
                    }
                    Row(members)
                })
                .collect())
        }
        "JSON" => in_json(body),
        _ => {
            let document = Document::parse(body).map_err(invalid)?;
            let records = document.root_element().children().filter(Node::is_element);
            Ok(records.map(|record| Row(of_element(record))).collect())
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox must not share the proxy's strict parser"
)]
fn in_json(body: &str) -> Result<Vec<Row>, Error> {
    let rows: Vec<Map<String, Value>> = serde_json::from_str(body).map_err(invalid)?;
    Ok(rows.into_iter().map(Row).collect())
}

fn of_element(record: Node<'_, '_>) -> Map<String, Value> {
    let fields = record.children().filter(Node::is_element).map(|field| {
        let nil = field.attributes().any(|attribute| {
            attribute.name() == "nil" && ["true", "1"].contains(&attribute.value())
        });
        let nested = field.children().find(Node::is_element);
        let value = match nested {
            Some(nested) => Value::Object(of_element(nested)),
            None if nil => Value::Null,
            None => Value::from(field.text().unwrap_or_default()),
        };
        (field.tag_name().name().to_owned(), value)
    });
    fields.collect()
}

/// Text between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
