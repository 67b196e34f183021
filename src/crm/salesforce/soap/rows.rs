//! Rows and ids: `create`, `update`, `upsert`, `delete`, `undelete`, `emptyRecycleBin` (SOAP API
//! Developer Guide, Core Calls).

use roxmltree::Node;
use serde_json::Map;

use super::envelope::{Envelope, known, plain};
use super::headers::Said;
use super::object;
use super::operation::Rows;
use crate::crm::salesforce::body::{self, Refused, malformed};
use crate::crm::salesforce::collections::{self, Once};
use crate::crm::salesforce::org::Org;
use crate::crm::salesforce::{Collection, id, types};
use crate::crm::{Malformed, xml};
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// The elements of an operation of this name, which holds no others but `beside`.
pub(super) fn listed<'a, 'input>(
    envelope: &Envelope<'a, 'input>,
    name: &str,
    beside: &[&str],
) -> Result<Vec<Node<'a, 'input>>, Refused> {
    let mut listed = Vec::new();
    for part in xml::elements(envelope.operation)? {
        known(envelope.api, part)?;
        let found = part.tag_name().name();
        if found == name {
            listed.push(part);
        } else if !beside.contains(&found) {
            return Err(xml::here(
                part.document(),
                part,
                "the operation has a part that is not understood",
            )
            .into());
        }
    }
    collections::counted(listed.len())?;
    Ok(listed)
}

/// `sObjects` that are written.
pub(super) fn written(
    rows: Rows,
    envelope: &Envelope<'_, '_>,
    said: &Said,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    let key = match rows {
        Rows::Upsert => Some(external_key(envelope)?),
        Rows::Create | Rows::Update => None,
    };
    let beside: &[&str] = if rows == Rows::Upsert { &[KEY] } else { &[] };
    let mut once = Once::default();
    listed(envelope, "sObjects", beside)?
        .into_iter()
        .enumerate()
        .map(|(place, node)| {
            let row = format!("sObjects[{place}]");
            let (known, mut record) = object::read(envelope.api, node, &row, org)?;
            let collection = match (rows, &key) {
                (Rows::Create, _) => Collection::Create,
                (Rows::Upsert, Some(field)) => Collection::Upsert {
                    object: known.name.to_owned(),
                    field: field.clone(),
                },
                (Rows::Update | Rows::Upsert, _) => Collection::Update,
            };
            let (operation, key) = collections::target(&collection, &mut record, &row)?;
            let id = match &key {
                Some(RecordKey::Id { id }) => Some(id.as_str()),
                Some(RecordKey::External { .. }) | None => None,
            };
            record.names_only(id, &row)?;
            record.assign(&said.owner, &known)?;
            let mutation = record.mutation(&known, operation, key, Some(row));
            once.record(&mutation)?;
            Ok(mutation)
        })
        .collect()
}

const KEY: &str = "externalIDFieldName";

/// The field that names the records of an upsert.
fn external_key(envelope: &Envelope<'_, '_>) -> Result<String, Refused> {
    let parts = xml::elements(envelope.operation)?;
    let mut named = parts.iter().filter(|part| part.tag_name().name() == KEY);
    let (Some(field), None) = (named.next(), named.next()) else {
        return Err(malformed(format!("{KEY} does not stand there once")));
    };
    plain(*field, &["type"])?;
    let field = xml::value(*field)?;
    if types::is_name(field) {
        Ok(field.to_owned())
    } else {
        Err(malformed(format!("{KEY} is not the name of a field")))
    }
}

/// `ids` of records: they say what they are ids of.
pub(super) fn named(
    operation: Operation,
    envelope: &Envelope<'_, '_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    let mut once = Once::default();
    listed(envelope, "ids", &[])?
        .into_iter()
        .enumerate()
        .map(|(place, node)| {
            let row = format!("ids[{place}]");
            let id = an_id(node, &row)?;
            let known = org.by_id(&id).ok_or_else(|| unknown(&row))?;
            let key = Some(RecordKey::Id { id });
            let mut mutation = body::mutation(&known, operation, key, Some(row), Map::new());
            if operation == Operation::Purge {
                mutation.undo = Undo::None;
            }
            once.record(&mutation)?;
            Ok(mutation)
        })
        .collect()
}

pub(super) fn unknown(row: &str) -> Refused {
    Refused::Opaque(format!(
        "{row}: no known object has ids that begin like this one"
    ))
}

/// The record id that an element holds.
pub(super) fn an_id(node: Node<'_, '_>, place: &str) -> Result<String, Refused> {
    plain(node, &["type"])?;
    id::canonical(xml::value(node)?)
        .map_err(|Malformed(what)| malformed(format!("{place}: {what}")))
}
