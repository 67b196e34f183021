//! Bulk API 1.0 (Bulk API Developer Guide): jobs asked for and told in XML or JSON, and batches, which run
//! when they are posted. What is in a batch: `rows`.

mod rows;

pub use rows::{Apart, rows};

use http::{HeaderMap, header};
use roxmltree::Node;
use serde_json::{Map, Value};

use super::spec::{Form, Spec};
use super::{Info, Turn};
use crate::crm::salesforce::body::{self, Content, Refused, malformed};
use crate::crm::salesforce::{id, query};
use crate::crm::{Head, Malformed, json, xml};
use crate::mutation::{ChangeSet, Mutation, Operation, Undo};

/// The namespace of jobs, batches and rows.
const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";
/// How rules name queries of Bulk API 1.0, and results that are not of one's own batches.
pub const EXPORT: &str = "async/job";
/// Salesforce's bound on the bytes of a batch …
pub const BYTES_MOST: usize = 10_000_000;
/// … and on its rows.
pub const ROWS_MOST: u64 = 10_000;

/// What a body is written in, by its Content-Type, given once and in UTF-8.
///
/// # Errors
/// Why it cannot be told, for people.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, String> {
    if body::is_json(headers) {
        return Ok(Form::Json);
    }
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(value)), None) => value.to_ascii_lowercase().replace([' ', '\t', '"'], ""),
        _ => String::new(),
    };
    let (kind, charset) = value.split_once(';').unwrap_or((&value, "charset=utf-8"));
    match (kind, charset) {
        ("text/csv", "charset=utf-8") => Ok(Form::Csv),
        ("application/xml" | "text/xml", "charset=utf-8") => Ok(Form::Xml),
        _ => Err(
            "jobs and their batches are sent as Content-Type: application/xml, application/json \
             or text/csv, in UTF-8"
                .into(),
        ),
    }
}

/// The members of a job in a body.
pub(super) fn members(head: &Head<'_>, body: &[u8]) -> Result<Map<String, Value>, Refused> {
    match form(head.headers).map_err(malformed)? {
        Form::Json => body::object(head, &Content::Bytes(body)),
        Form::Xml => Ok(of_xml(body, "jobInfo", true)?),
        Form::Csv => Err(malformed("a job is told in XML or JSON")),
    }
}

/// The texts that a flat element holds, by the names of its elements.
fn of_xml(body: &[u8], root: &str, strict: bool) -> Result<Map<String, Value>, Malformed> {
    let document = xml::parse(body)?;
    let top = document.root_element();
    named(top, root)?;
    let mut members = Map::new();
    for element in xml::elements(top)? {
        let name = element.tag_name().name();
        named(element, name)?;
        if strict && element.attributes().len() > 0 {
            return Err(odd(element, "has attributes"));
        }
        let text = Value::from(xml::value(element)?);
        if members.insert(name.to_owned(), text).is_some() {
            return Err(odd(element, "stands there twice"));
        }
    }
    Ok(members)
}

/// Refuses another element than this one.
fn named(node: Node<'_, '_>, name: &str) -> Result<(), Malformed> {
    if node.has_tag_name((NAMESPACE, name)) {
        return Ok(());
    }
    let what = format!("an element is not {name} of the namespace {NAMESPACE}");
    Err(xml::here(node.document(), node, &what))
}

/// Refuses an element, by its name.
fn odd(node: Node<'_, '_>, what: &str) -> Malformed {
    let name = body::shown(node.tag_name().name());
    xml::here(node.document(), node, &format!("the element {name} {what}"))
}

/// What the end of a job asks for.
pub(super) fn turn(head: &Head<'_>, body: &[u8]) -> Result<Turn, Malformed> {
    let members = match members(head, body) {
        Ok(members) => members,
        Err(Refused::Malformed(what) | Refused::Opaque(what)) => return Err(Malformed(what)),
    };
    match (members.len(), members.get("state").and_then(Value::as_str)) {
        (1, Some("Closed")) => Ok(Turn::Close),
        (1, Some("Aborted")) => Ok(Turn::Abort),
        _ => Err(Malformed(
            "the job's state is neither Closed nor Aborted, or is not all that is asked for".into(),
        )),
    }
}

/// A job in an answer.
///
/// # Errors
/// Why it cannot be told; for people.
pub fn info(body: &[u8]) -> Result<Info, String> {
    let members = answer(body, "jobInfo")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let (Some(job), Some(state)) = (text("id"), text("state")) else {
        return Err("the CRM's answer tells no job".into());
    };
    let spec = match Spec::told_of_batches(&members) {
        Ok(spec) => spec,
        Err(Refused::Opaque(why) | Refused::Malformed(why)) => return Err(why),
    };
    Ok(Info {
        id: id::canonical(job).map_err(|Malformed(what)| what)?,
        state: state.to_owned(),
        spec,
    })
}

/// A batch as the CRM tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its id in 18 characters.
    pub id: String,
    /// Its state, as the CRM words it.
    pub state: String,
    /// Rows that it came to, where that is told.
    pub processed: Option<u64>,
    /// Those of them that it refused.
    pub failed: Option<u64>,
}

/// A batch in an answer.
///
/// # Errors
/// Why it cannot be told; for our log.
pub fn batch(body: &[u8]) -> Result<Batch, String> {
    let members = answer(body, "batchInfo")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let (Some(batch), Some(state)) = (text("id"), text("state")) else {
        return Err("the CRM's answer tells no batch".into());
    };
    let count = |name: &str| match members.get(name) {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    };
    Ok(Batch {
        id: id::canonical(batch).map_err(|Malformed(what)| what)?,
        state: state.to_owned(),
        processed: count("numberRecordsProcessed"),
        failed: count("numberRecordsFailed"),
    })
}

/// The members of an answer, in either form.
fn answer(body: &[u8], root: &str) -> Result<Map<String, Value>, String> {
    if body.trim_ascii_start().starts_with(b"<") {
        return of_xml(body, root, false).map_err(|Malformed(what)| what);
    }
    match json::parse_answer(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("the CRM's answer is no object".into()),
        Err(Malformed(what)) => Err(what),
    }
}

/// What a batch of a query job is judged as: an export of what it selects.
///
/// # Errors
/// [`Malformed`]; the inner error says why it is not taken apart.
pub fn query(body: &[u8]) -> Result<Result<ChangeSet, String>, Malformed> {
    let text =
        std::str::from_utf8(body).map_err(|_not_utf8| Malformed("it is not UTF-8".into()))?;
    if text.len() > 100_000 || text.chars().any(|letter| letter == '\0') {
        return Err(Malformed(
            "the query is longer than SOQL may be, or holds NUL".into(),
        ));
    }
    if query::has_usage_clause(text) {
        let why = "FOR VIEW, FOR REFERENCE, UPDATE TRACKING and UPDATE VIEWSTAT write usage data";
        return Ok(Err(why.into()));
    }
    let mutation = Mutation {
        object: EXPORT.to_owned(),
        operation: Operation::Export,
        record: None,
        fields: Map::from_iter([("query".to_owned(), Value::from(text))]),
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    };
    Ok(Ok(ChangeSet::Mutations(vec![mutation])))
}

#[cfg(test)]
mod tests;
