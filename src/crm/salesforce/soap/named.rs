//! Operations that are judged by their names: sends, approvals, quick actions, schema, secrets. Their
//! parts are shown, and rules may look at them.

use roxmltree::Node;
use serde_json::{Map, Value};

use super::Api;
use super::envelope::{Envelope, known, plain};
use crate::crm::salesforce::body::{Refused, malformed};
use crate::crm::salesforce::whole;
use crate::crm::xml::{self, INSTANCE};
use crate::mutation::{Mutation, Operation, Undo};

/// More than Salesforce takes.
const MOST: usize = 200;

/// The one operation.
pub(super) fn whole(
    envelope: &Envelope<'_, '_>,
    operation: Operation,
    name: &str,
) -> Result<Vec<Mutation>, Refused> {
    match operation {
        // secrets are nobody's to see, not even an approver's
        Operation::Credential | Operation::Export => {
            Ok(vec![mutation(operation, name, None, Map::new())])
        }
        Operation::Schema => {
            let document = envelope.operation.document();
            let range = envelope.operation.range();
            let text = document.input_text().get(range).unwrap_or_default();
            let mut fields = Map::new();
            let described = whole::described("text/xml", text.as_bytes());
            fields.insert("operation".into(), envelope.name().into());
            fields.insert("content".into(), described.into());
            Ok(vec![mutation(operation, name, None, fields)])
        }
        Operation::Create
        | Operation::Update
        | Operation::Upsert
        | Operation::Delete
        | Operation::Purge
        | Operation::Restore
        | Operation::Merge
        | Operation::Convert
        | Operation::Associate
        | Operation::Dissociate
        | Operation::Send
        | Operation::Import
        | Operation::Invoke
        | Operation::Settings => each(envelope, operation, |_| Ok(name.to_owned())),
    }
}

/// The same, where each part names its thing by the element `by`.
pub(super) fn named(
    envelope: &Envelope<'_, '_>,
    operation: Operation,
    by: &str,
) -> Result<Vec<Mutation>, Refused> {
    each(envelope, operation, |fields| {
        let name = fields.get(by).and_then(Value::as_str);
        let plain = |name: &&str| !name.is_empty() && name.len() <= MOST;
        name.filter(plain)
            .map(str::to_owned)
            .ok_or_else(|| malformed(format!("{by} is missing")))
    })
}

/// One mutation for each element of the operation.
fn each(
    envelope: &Envelope<'_, '_>,
    operation: Operation,
    name: impl Fn(&Map<String, Value>) -> Result<String, Refused>,
) -> Result<Vec<Mutation>, Refused> {
    let parts = xml::elements(envelope.operation)?;
    if parts.len() > MOST {
        return Err(malformed(format!(
            "more than {MOST} parts: send less at a time"
        )));
    }
    let mut all = Vec::new();
    for (place, part) in parts.into_iter().enumerate() {
        let element = part.tag_name().name();
        let fields = match shown(envelope.api, part)? {
            Value::Object(fields) => fields,
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)) => Map::from_iter([(element.to_owned(), value)]),
        };
        let row = format!("{element}[{place}]");
        all.push(mutation(operation, &name(&fields)?, Some(row), fields));
    }
    if all.is_empty() {
        all.push(mutation(operation, &name(&Map::new())?, None, Map::new()));
    }
    Ok(all)
}

fn mutation(
    operation: Operation,
    name: &str,
    row: Option<String>,
    fields: Map<String, Value>,
) -> Mutation {
    Mutation {
        object: name.to_owned(),
        operation,
        record: None,
        fields,
        row,
        undo: Undo::None,
        others: Vec::new(),
    }
}

/// An element as people read it: text, or its parts by name; a name that stands there again makes a
/// list. Nothing in it may stand for something else, and nothing is left out.
fn shown(api: Api, node: Node<'_, '_>) -> Result<Value, Refused> {
    known(api, node)?;
    plain(node, &["type", "nil"])?;
    if xml::is_nil(node)? {
        return Ok(Value::Null);
    }
    let parts = xml::elements(node);
    let parts = match parts {
        Ok(parts) if !parts.is_empty() => parts,
        Ok(_) | Err(_) => return Ok(xml::value(node)?.into()),
    };
    let mut fields = Map::new();
    if let Some(kind) = node.attribute((INSTANCE, "type")) {
        fields.insert("type".into(), kind.into());
    }
    for part in parts {
        let value = shown(api, part)?;
        match fields.get_mut(part.tag_name().name()) {
            None => {
                fields.insert(part.tag_name().name().to_owned(), value);
            }
            Some(Value::Array(list)) => list.push(value),
            Some(one) => {
                let first = one.take();
                *one = Value::Array(vec![first, value]);
            }
        }
    }
    Ok(Value::Object(fields))
}
