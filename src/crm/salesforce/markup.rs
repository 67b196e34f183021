//! Records written as XML, where the guide shows the form: one row below its object's name, and trees
//! (REST API Developer Guide, sObject Rows, sObject Tree Request Body). Read into what JSON would say.

use std::collections::HashSet;

use http::{HeaderMap, header};
use roxmltree::Node;
use serde_json::{Map, Value, json};

use super::body::{Content, Refused, malformed, shown};
use super::types::Type;
use crate::crm::xml::{self, INSTANCE};
use crate::mutation::same_name;

/// Whether the type says that it is XML in UTF-8.
pub(super) fn is_xml(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let value = value.to_ascii_lowercase().replace([' ', '\t', '"'], "");
    let kind = value.strip_suffix(";charset=utf-8").unwrap_or(&value);
    matches!(kind, "application/xml" | "text/xml")
}

/// The body's bytes where it is XML.
pub(super) fn bytes<'a>(headers: &HeaderMap, content: &Content<'a>) -> Option<&'a [u8]> {
    match content {
        Content::Bytes(bytes) => is_xml(headers).then_some(bytes),
        Content::Value(_) | Content::Nothing => None,
    }
}

/// `<Account><Name>x</Name></Account>`.
pub(super) fn row(body: &[u8], known: &Type<'_>) -> Result<Map<String, Value>, Refused> {
    let document = xml::parse(body)?;
    let root = document.root_element();
    if !same_name(name(root)?, known.name) || root.attributes().next().is_some() {
        return Err(malformed(format!(
            "the XML body is not a {} without attributes",
            known.name
        )));
    }
    let (mut members, mut names) = (Map::new(), HashSet::new());
    for element in xml::elements(root)? {
        add(&mut members, &mut names, name(element)?, value(element)?)?;
    }
    Ok(members)
}

/// `<SObjectTreeRequest><records type="Account" referenceId="a">…</records></SObjectTreeRequest>`.
pub(super) fn tree(body: &[u8]) -> Result<Map<String, Value>, Refused> {
    let document = xml::parse(body)?;
    let root = document.root_element();
    if name(root)? != "SObjectTreeRequest" || root.attributes().next().is_some() {
        return Err(malformed("the XML body is not an SObjectTreeRequest"));
    }
    records(root)
}

fn records(list: Node<'_, '_>) -> Result<Map<String, Value>, Refused> {
    let mut all = Vec::new();
    for element in xml::elements(list)? {
        if name(element)? != "records" {
            return Err(malformed(
                "an XML list of records holds something else than records",
            ));
        }
        all.push(Value::Object(record(element)?));
    }
    let mut members = Map::new();
    members.insert("records".into(), Value::Array(all));
    Ok(members)
}

fn record(element: Node<'_, '_>) -> Result<Map<String, Value>, Refused> {
    let attributes = (element.attribute("type"), element.attribute("referenceId"));
    let (Some(kind), Some(reference)) = attributes else {
        return Err(malformed("records have no type and referenceId"));
    };
    if element.attributes().len() != 2 {
        return Err(malformed("records have more than type and referenceId"));
    }
    let mut members = Map::new();
    members.insert(
        "attributes".into(),
        json!({ "type": kind, "referenceId": reference }),
    );
    let mut names = HashSet::from(["attributes".to_owned()]);
    for field in xml::elements(element)? {
        let is_list = field.children().any(|child| child.is_element());
        let value = if is_list && field.attributes().next().is_none() {
            Value::Object(records(field)?)
        } else {
            value(field)?
        };
        add(&mut members, &mut names, name(field)?, value)?;
    }
    Ok(members)
}

/// Two elements whose names differ at most in case have two readings.
fn add(
    members: &mut Map<String, Value>,
    names: &mut HashSet<String>,
    name: &str,
    value: Value,
) -> Result<(), Refused> {
    if !names.insert(name.to_ascii_lowercase()) {
        return Err(malformed(format!(
            "the XML body holds {} twice in one record",
            shown(name)
        )));
    }
    members.insert(name.to_owned(), value);
    Ok(())
}

/// A name without a namespace.
fn name<'a>(element: Node<'a, '_>) -> Result<&'a str, Refused> {
    match element.tag_name().namespace() {
        None => Ok(element.tag_name().name()),
        Some(_) => Err(malformed("an element of the XML body has a namespace")),
    }
}

/// A field's text; null where it says so. What an element without text writes is nobody's to know: it
/// blanks the field either way.
fn value(element: Node<'_, '_>) -> Result<Value, Refused> {
    if element.children().any(|child| child.is_element()) {
        return Err(Refused::Opaque(
            "the XML body holds a record in a record, whose form is not documented: send JSON"
                .into(),
        ));
    }
    let text = xml::value(element)?;
    match element.attributes().len() {
        0 => Ok(Value::from(text)),
        1 if element.attribute((INSTANCE, "nil")) == Some("true") && text.is_empty() => {
            Ok(Value::Null)
        }
        _ => Err(malformed(
            "an element of the XML body has an attribute that is not understood",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::types;
    use super::*;

    fn account(text: &str) -> Result<Map<String, Value>, Refused> {
        row(text.as_bytes(), types::by_name("Account").unwrap())
    }

    #[test]
    fn a_row_is_what_json_would_say() {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<account \
                   xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <Name>A &amp; B</Name>\
                   <Industry/><Phone xsi:nil=\"true\"/></account>";
        let expected = json!({ "Name": "A & B", "Industry": "", "Phone": null });
        assert_eq!(Value::Object(account(xml).unwrap()), expected);
    }

    #[test]
    fn a_tree_is_what_json_would_say() {
        let xml = "<SObjectTreeRequest><records type=\"Account\" referenceId=\"a\"><name>x</name>\
                   <Contacts><records type=\"Contact\" referenceId=\"b\"><lastname>y</lastname>\
                   </records></Contacts></records></SObjectTreeRequest>";
        let expected = json!({ "records": [{
            "attributes": { "type": "Account", "referenceId": "a" }, "name": "x",
            "Contacts": { "records": [{
                "attributes": { "type": "Contact", "referenceId": "b" }, "lastname": "y" }] } }] });
        assert_eq!(Value::Object(tree(xml.as_bytes()).unwrap()), expected);
    }

    #[test]
    fn what_reads_two_ways_is_refused() {
        for xml in [
            "<Contact><Name>x</Name></Contact>",
            "<Account xmlns=\"urn:x\"><Name>x</Name></Account>",
            "<Account><x:Name xmlns:x=\"urn:x\">x</x:Name></Account>",
            "<Account id=\"1\"><Name>x</Name></Account>",
            "<Account><Name>x</Name><NAME>y</NAME></Account>",
            "<Account><Name>x</Name><Name>x</Name></Account>",
            "<Account><Name a=\"b\">x</Name></Account>",
            "<Account><Owner><Ext__c>x</Ext__c></Owner></Account>",
            "<Account>x<Name>y</Name></Account>",
            "<!DOCTYPE a><Account/>",
            "{}",
        ] {
            assert!(account(xml).is_err(), "{xml}");
        }
        for xml in [
            "<Tree><records type=\"Account\" referenceId=\"a\"/></Tree>",
            "<SObjectTreeRequest><record type=\"Account\" referenceId=\"a\"/></SObjectTreeRequest>",
            "<SObjectTreeRequest><records type=\"Account\"/></SObjectTreeRequest>",
            "<SObjectTreeRequest><records type=\"Account\" referenceId=\"a\" x=\"y\"/>\
             </SObjectTreeRequest>",
        ] {
            assert!(tree(xml.as_bytes()).is_err(), "{xml}");
        }
    }
}
