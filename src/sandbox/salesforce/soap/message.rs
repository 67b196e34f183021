//! The sandbox's own, lenient reading of SOAP messages, and the answers to them. Nothing here is shared
//! with the proxy.

use roxmltree::{Document, Node};
use serde_json::{Map, Value};

const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An element: its local name, its type, its text or its parts.
#[derive(Clone, Debug, Default)]
pub(in crate::sandbox) struct Element {
    pub(in crate::sandbox) name: String,
    /// `xsi:type` without its prefix.
    pub(super) kind: Option<String>,
    pub(super) nil: bool,
    pub(in crate::sandbox) text: String,
    pub(super) parts: Vec<Element>,
}

impl Element {
    fn of(node: Node<'_, '_>) -> Self {
        let kind = node.attribute((INSTANCE, "type"));
        Self {
            name: node.tag_name().name().to_owned(),
            kind: kind.map(|kind| kind.rsplit(':').next().unwrap_or(kind).to_owned()),
            nil: node.attribute((INSTANCE, "nil")) == Some("true"),
            text: node.text().unwrap_or_default().to_owned(),
            parts: node
                .children()
                .filter(Node::is_element)
                .map(Self::of)
                .collect(),
        }
    }

    /// The part of this name.
    pub(in crate::sandbox) fn part(&self, name: &str) -> Option<&Self> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// The text of the part of this name; empty where there is none.
    pub(in crate::sandbox) fn said(&self, name: &str) -> &str {
        self.part(name).map_or("", |part| part.text.as_str())
    }

    /// The texts of all parts of this name.
    pub(super) fn all(&self, name: &str) -> Vec<Value> {
        let named = self.parts.iter().filter(|part| part.name == name);
        named.map(|part| part.text.as_str().into()).collect()
    }

    /// An sObject as a row of REST: its type in `attributes`.
    pub(super) fn row(&self) -> Value {
        let mut fields = Map::new();
        let kind = match self.kind.as_deref() {
            None | Some("sObject") => self.said("type"),
            Some(kind) => kind,
        };
        fields.insert("attributes".into(), serde_json::json!({ "type": kind }));
        for part in &self.parts {
            let value = match part.name.as_str() {
                "type" => continue,
                "fieldsToNull" => {
                    fields.insert(part.text.clone(), Value::Null);
                    continue;
                }
                _ if part.nil => Value::Null,
                _ if part.parts.is_empty() => part.text.as_str().into(),
                _ => part.row(),
            };
            fields.insert(part.name.clone(), value);
        }
        Value::Object(fields)
    }
}

/// What a body says: its headers and its operation.
pub(in crate::sandbox) fn read(body: &[u8]) -> Option<(Element, Element)> {
    let text = std::str::from_utf8(body).ok()?;
    let document = Document::parse(text).ok()?;
    let envelope = Element::of(document.root_element());
    let operation = envelope.part("Body")?.parts.first()?.clone();
    let headers = envelope.part("Header").cloned().unwrap_or_default();
    Some((headers, operation))
}

/// An answer's envelope.
pub(super) fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns=\"urn:partner.soap.sforce.com\" xmlns:sf=\"urn:sobject.partner.soap.sforce.com\" \
         xmlns:xsi=\"{INSTANCE}\"><soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    )
}

/// A fault.
pub(super) fn fault(code: &str, message: &str) -> String {
    let message = escaped(message);
    envelope(&format!(
        "<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>\
         </soapenv:Fault>"
    ))
}

/// A value as elements of this name: a list is one element for each.
pub(super) fn xml(name: &str, value: &Value) -> String {
    match value {
        Value::Null => format!("<{name} xsi:nil=\"true\"/>"),
        Value::Array(list) => list.iter().map(|value| xml(name, value)).collect(),
        Value::Object(fields) => {
            let inner: String = fields
                .iter()
                .map(|(name, value)| xml(name, value))
                .collect();
            format!("<{name}>{inner}</{name}>")
        }
        Value::String(text) => format!("<{name}>{}</{name}>", escaped(text)),
        Value::Bool(_) | Value::Number(_) => format!("<{name}>{value}</{name}>"),
    }
}

/// A row of REST as an sObject.
pub(super) fn object(name: &str, row: &Value) -> String {
    let Some(fields) = row.as_object() else {
        return xml(name, &Value::Null);
    };
    let mut inner = String::new();
    for (field, value) in fields {
        let part = match field.as_str() {
            "attributes" => xml("sf:type", value.get("type").unwrap_or(&Value::Null)),
            field if value.is_object() => object(&format!("sf:{field}"), value),
            field => xml(&format!("sf:{field}"), value),
        };
        inner.push_str(&part);
    }
    format!("<{name} xsi:type=\"sf:sObject\">{inner}</{name}>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
