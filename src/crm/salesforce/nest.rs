//! Requests that hold requests: `/composite`, `/composite/batch`, `/composite/graph` and their mirrors
//! (REST API Developer Guide, Composite Resources). Each sub-request is judged like one of its own, by
//! the same classifier; all together are one change set.

mod outer;
mod part;
mod references;

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::families::Nest;
use super::org::Org;
use super::{Row, Shape, headers, relation, route};
use crate::crm::{Class, Head, Malformed, Shape as AnyShape, json};
use crate::mutation::{Acting, ChangeSet, Mutation, Operation};
use part::Part;
use references::References;

/// Takes a request with sub-requests apart. One that only reads has no mutations.
///
/// # Errors
/// [`Malformed`] when it or a sub-request has more than one reading.
pub(super) fn parse(
    nest: Nest,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(nest, head, content, org))
}

fn read(
    nest: Nest,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    outer_headers(head)?;
    let members = body::object(head, content)?;
    let mut all = Vec::new();
    let mut once = super::collections::Once::default();
    for group in outer::groups(nest, &members)? {
        let mut references = References::default();
        for (at, value) in group.parts.iter().enumerate() {
            let part = part::read(nest, &group.place, at, value, head)?;
            let mutations = judged(&part, &mut references, org)?;
            references.add(&part, &mutations)?;
            for mutation in &mutations {
                once.record(mutation)?;
            }
            all.extend(mutations);
        }
    }
    Ok(all)
}

/// Nobody knows whether an acting header of the whole request acts on its parts.
fn outer_headers(head: &Head<'_>) -> Result<(), Refused> {
    let acts = head
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .find(|name| name.starts_with("sforce-") && headers::acts(name));
    match acts {
        None => Ok(()),
        Some(name) => Err(Refused::Opaque(format!(
            "the header {name} stands on a request that holds others: put it into the httpHeaders of \
             those that it is for"
        ))),
    }
}

fn judged(
    part: &Part<'_>,
    references: &mut References,
    org: &Org<'_>,
) -> Result<Vec<Mutation>, Refused> {
    let place = &part.place;
    let here = |what: String| format!("{place}: {what}");
    let head = part.head();
    let shape = match route::classify(&head) {
        Class::Read => return Ok(Vec::new()),
        Class::Auth => return Err(Refused::Opaque(here("a login cannot stand there".into()))),
        Class::Opaque(opaque) => return Err(Refused::Opaque(here(opaque.reason))),
        Class::Write(AnyShape::Salesforce(shape)) => shape,
        Class::Write(AnyShape::TwoReadings(what)) => return Err(malformed(here(what))),
        Class::Write(AnyShape::HubSpot(_)) => {
            return Err(malformed(here("it is no request to Salesforce".into())));
        }
    };
    if holds_others(&shape) {
        return Err(Refused::Opaque(here(
            "a request that holds requests or records of its own cannot stand in another: send it by \
             itself"
                .into(),
        )));
    }
    if let Shape::Row(Row { key: Some(key), .. }) = &shape
        && relation::path(key).is_some()
    {
        return Err(Refused::Opaque(here(
            "a relationship path changes another record than it names: write to that one by its id"
                .into(),
        )));
    }
    let resolved = part
        .body
        .map(|body| references.replaced(body, place))
        .transpose()?;
    let content = resolved.as_ref().map_or(Content::Nothing, Content::Value);
    let changes = super::parse_content(&shape, &head, &content, org);
    match changes.map_err(|Malformed(what)| malformed(here(what)))? {
        ChangeSet::Opaque(opaque) => Err(Refused::Opaque(here(opaque.reason))),
        ChangeSet::Mutations(mut mutations) => {
            for mutation in &mut mutations {
                let row = mutation.row.take();
                mutation.row = Some(match row {
                    Some(row) => format!("{place}.{row}"),
                    None => place.clone(),
                });
            }
            Ok(mutations)
        }
    }
}

fn holds_others(shape: &Shape) -> bool {
    match shape {
        Shape::Nest(_)
        | Shape::Tree(_)
        | Shape::Ui(super::ui::Ui::Batch)
        | Shape::GraphQl
        | Shape::Soap(_)
        | Shape::Bulk(_) => true,
        Shape::Row(_) | Shape::Collection(_) | Shape::Ui(_) | Shape::Search | Shape::Whole(_) => {
            false
        }
    }
}

/// What the body says beside its parts' records: whether they stand and fall together, and their
/// headers.
pub(super) fn acting_in(nest: Nest, body: &[u8]) -> Acting {
    let mut acting = Acting::new();
    let Ok(Value::Object(members)) = json::parse(body) else {
        return acting;
    };
    for (name, value) in &members {
        if let Value::Bool(flag) = value {
            acting.insert(name.clone(), flag.to_string());
        }
    }
    for group in outer::groups(nest, &members).unwrap_or_default() {
        for (at, part) in group.parts.iter().enumerate() {
            let headers = part.get("httpHeaders").and_then(Value::as_object);
            for (name, value) in headers.into_iter().flatten() {
                let place = format!("{}[{at}].{}", group.place, name.to_ascii_lowercase());
                acting.insert(place, value.as_str().unwrap_or_default().to_owned());
            }
        }
    }
    acting
}

/// Whether a part makes records whose ids later parts may name.
fn makes(mutations: &[Mutation]) -> bool {
    !mutations.is_empty()
        && mutations
            .iter()
            .all(|one| matches!(one.operation, Operation::Create | Operation::Upsert))
}

/// A member that must be `true` or `false` where it is there.
fn flag(members: &Map<String, Value>, name: &str) -> Result<(), Refused> {
    match members.get(name) {
        None | Some(Value::Bool(_)) => Ok(()),
        Some(_) => Err(malformed(format!("{name} is neither true nor false"))),
    }
}
