//! One sObject of a message: its object by `<type>` (partner) or `xsi:type` (enterprise), its fields,
//! and what it blanks.

use std::collections::HashSet;

use roxmltree::Node;
use serde_json::{Map, Value, json};

use super::envelope::{Api, known, plain};
use crate::crm::Malformed;
use crate::crm::salesforce::body::{Refused, malformed};
use crate::crm::salesforce::org::Org;
use crate::crm::salesforce::record::{self, Record};
use crate::crm::salesforce::types::{self, Type};
use crate::crm::xml::{self, INSTANCE};

/// The types of plain values.
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// Takes an sObject apart: what it is of, and its record.
///
/// # Errors
/// [`Refused`] where it has more than one reading, or holds what cannot be told.
pub(super) fn read<'o>(
    api: Api,
    node: Node<'_, '_>,
    place: &str,
    org: &'o Org<'_>,
) -> Result<(Type<'o>, Record), Refused> {
    let (object, members) = members(api, node, place, true)?;
    let record = record::read(members, place)?;
    if !types::is_name(&object) {
        return Err(malformed(format!(
            "{place}: its type is not the name of an object"
        )));
    }
    let known = org
        .by_name(&object)
        .ok_or_else(|| Refused::Opaque(format!("{place}: {}", types::unknown(&object))))?;
    record.agree(&known, place)?;
    Ok((known, record))
}

/// The object that an sObject names, and its fields by name. Nested ones come as members.
fn members(
    api: Api,
    node: Node<'_, '_>,
    place: &str,
    outer: bool,
) -> Result<(String, Map<String, Value>), Refused> {
    plain(node, &["type"])?;
    let here = |what: &str| malformed(format!("{place}: {what}"));
    let (mut partner, mut blanked) = (None, Vec::new());
    let mut fields = Fields::default();
    for part in xml::elements(node)? {
        known(api, part)?;
        match part.tag_name().name() {
            "type" if api == Api::Partner => {
                plain(part, &["type"])?;
                if partner.replace(xml::value(part)?.to_owned()).is_some() {
                    return Err(here("its type stands there twice"));
                }
            }
            "type" => return Err(here("an enterprise object has its type in xsi:type alone")),
            "fieldsToNull" if outer => match value(api, part, place, false)? {
                // how generated clients spell an empty list
                Value::String(name) => blanked.push(name),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => {}
            },
            // … and no id
            name if name.eq_ignore_ascii_case("Id")
                && value(api, part, place, false)? == Value::Null => {}
            name => {
                let value = value(api, part, place, outer)?;
                fields.add(name, value, place)?;
            }
        }
    }
    for name in blanked {
        if name.eq_ignore_ascii_case("Id") {
            return Err(here("an id cannot be blanked"));
        }
        fields.add(&name, Value::Null, place)?;
    }
    let object = object(api, node, partner, place)?;
    Ok((object, fields.all))
}

/// Fields, and their names in lower case.
#[derive(Debug, Default)]
struct Fields {
    all: Map<String, Value>,
    names: HashSet<String>,
}

impl Fields {
    /// Adds a field once, whatever its spelling.
    fn add(&mut self, name: &str, value: Value, place: &str) -> Result<(), Refused> {
        if !self.names.insert(name.to_ascii_lowercase()) {
            return Err(malformed(format!("{place}: a field stands there twice")));
        }
        // to REST bodies these mean something else
        if name.eq_ignore_ascii_case("attributes") {
            return Err(malformed(format!(
                "{place}: attributes is not the name of a field"
            )));
        }
        self.all.insert(name.to_owned(), value);
        Ok(())
    }
}

/// The object: what `<type>` and `xsi:type` say must be the same.
fn object(
    api: Api,
    node: Node<'_, '_>,
    partner: Option<String>,
    place: &str,
) -> Result<String, Refused> {
    let here = |what: &str| malformed(format!("{place}: {what}"));
    let instance = instance_type(api, node)?;
    let object = match (api, partner, instance) {
        (Api::Partner, None, _) => return Err(here("its type is missing")),
        (Api::Partner, Some(object), None) => object,
        (Api::Partner, Some(object), Some(said)) if said == "sObject" || said == object => object,
        (Api::Partner, Some(_), Some(_)) => {
            return Err(here("its type and its xsi:type disagree"));
        }
        (_, _, Some(said)) if said != "sObject" => said,
        (_, _, _) => return Err(here("its xsi:type does not name an object")),
    };
    Ok(object)
}

/// The name that `xsi:type` gives to an sObject; its prefix must lead to the API.
fn instance_type(api: Api, node: Node<'_, '_>) -> Result<Option<String>, Malformed> {
    let Some(said) = node.attribute((INSTANCE, "type")) else {
        return Ok(None);
    };
    let (namespace, name) = resolved(node, said);
    if !api.speaks(namespace) {
        return Err(xml::here(
            node.document(),
            node,
            "an xsi:type stands in another namespace than the operation's",
        ));
    }
    Ok(Some(name.to_owned()))
}

/// A name with a prefix, by what the prefix stands for.
fn resolved<'a>(node: Node<'a, '_>, name: &'a str) -> (Option<&'a str>, &'a str) {
    match name.split_once(':') {
        Some((prefix, name)) => (node.lookup_namespace_uri(Some(prefix)), name),
        None => (node.lookup_namespace_uri(None), name),
    }
}

/// The value of a field: text, null for `xsi:nil`, or a nested record.
fn value(api: Api, part: Node<'_, '_>, place: &str, outer: bool) -> Result<Value, Refused> {
    plain(part, &["type", "nil"])?;
    let nested = part.children().any(|child| child.is_element());
    if xml::is_nil(part)? {
        return Ok(Value::Null);
    }
    if nested && outer {
        let (object, mut fields) = members(api, part, place, false)?;
        fields.insert("attributes".into(), json!({ "type": object }));
        return Ok(Value::Object(fields));
    }
    plain_type(part)?;
    Ok(xml::value(part)?.into())
}

/// A plain value may name its type, of XML Schema or an id.
fn plain_type(part: Node<'_, '_>) -> Result<(), Malformed> {
    let Some(said) = part.attribute((INSTANCE, "type")) else {
        return Ok(());
    };
    let (namespace, name) = resolved(part, said);
    if namespace == Some(SCHEMA) || name == "ID" {
        return Ok(());
    }
    Err(xml::here(
        part.document(),
        part,
        "a value has a type that is not one of XML Schema",
    ))
}
