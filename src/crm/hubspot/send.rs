//! Single mails and form submissions: a send, and the properties that it writes on the contact first.

use http::Method;
use serde_json::{Map, Value};

use super::body::record::{Part, external, property_list};
use super::body::{Stop, changed, document, malformed, no_query};
use super::types::is_property;
use crate::crm::Head;
use crate::mutation::{Mutation, Operation, Undo};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `contactProperties` as an object.
    Mail,
    /// The same as a list of `name` and `value`.
    LegacyMail,
    Form,
}

pub(super) fn route(method: &Method, words: &[&str]) -> Option<Call> {
    if *method != Method::POST {
        return None;
    }
    match words {
        ["marketing", "transactional", "single-email", "send"]
        | ["marketing", "email" | "email-campaigns", "single-send"] => Some(Call::Mail),
        ["email", "public", "singleEmail", "send"] => Some(Call::LegacyMail),
        ["submissions", "integration", "submit", _, _]
        | ["submissions", "integration", "secure", "submit", _, _] => Some(Call::Form),
        _ => None,
    }
}

pub(super) fn parse(call: Call, head: &Head<'_>, body: &[u8]) -> Result<Vec<Mutation>, Stop> {
    no_query(head)?;
    let document = document(head, body)?;
    let root = Part::root(&document)?;
    match call {
        Call::Mail | Call::LegacyMail => mail(call, &root),
        Call::Form => form(&root),
    }
}

fn sent(object: &str, fields: Map<String, Value>) -> Mutation {
    Mutation {
        object: object.to_owned(),
        operation: Operation::Send,
        record: None,
        fields,
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    }
}

/// The contact at an address: written where it is there, made where not.
fn contact(email: &str, place: &str, fields: Map<String, Value>) -> Result<Mutation, Stop> {
    let key = external("email", email, place)?;
    let mut mutation = changed("contacts", Operation::Upsert, key, fields, None);
    // the mail is gone
    mutation.undo = Undo::Partial;
    Ok(mutation)
}

fn mail(call: Call, root: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    root.only(&[
        "emailId",
        "message",
        "contactProperties",
        "customProperties",
    ])?;
    let message = Part::of(root.required("message")?, "message".to_owned(), true)?;
    message.only(&[
        "to",
        "from",
        "cc",
        "bcc",
        "replyTo",
        "replyToList",
        "sendId",
    ])?;
    let Some(to) = message.text("to")? else {
        return malformed("message.to is missing");
    };
    let mut fields: Map<String, Value> = message
        .members()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for name in ["emailId", "customProperties"] {
        if let Some(value) = root.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let written = match (call, root.get("contactProperties")) {
        (_, None) => Map::new(),
        (Call::LegacyMail, Some(Value::Array(list))) => {
            property_list(list, "name", "contactProperties")?
        }
        (Call::Mail, Some(Value::Object(members))) => properties(members)?,
        _ => return malformed("contactProperties has another form than this call takes"),
    };
    let mut mutations = vec![sent("single-send", fields)];
    if !written.is_empty() {
        mutations.push(contact(to, "message.to", written)?);
    }
    Ok(mutations)
}

fn properties(members: &Map<String, Value>) -> Result<Map<String, Value>, Stop> {
    let mut fields = Map::new();
    for (name, value) in members {
        let single = !(value.is_array() || value.is_object());
        if !is_property(name) || !single {
            return malformed("contactProperties has a name or value that no property has");
        }
        fields.insert(name.to_ascii_lowercase(), value.clone());
    }
    Ok(fields)
}

/// `fields` write the contact whose address is among them. What a cookie or another object's type
/// would choose cannot be told.
fn form(root: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    root.only(&[
        "fields",
        "context",
        "legalConsentOptions",
        "submittedAt",
        "skipValidation",
    ])?;
    let mut written = Map::new();
    for (place, one) in root.array("fields")?.iter().enumerate() {
        let part = Part::of(one, format!("fields[{place}]"), true)?;
        part.only(&["objectTypeId", "name", "value"])?;
        if part.text("objectTypeId")?.is_some_and(|kind| kind != "0-1") {
            return Err(Stop::Opaque(format!(
                "{} writes another record than the contact",
                part.at
            )));
        }
        let name = part.text("name")?.unwrap_or_default().to_ascii_lowercase();
        let value = part.get("value").cloned().unwrap_or_default();
        if !is_property(&name) || value.is_array() || value.is_object() {
            return malformed(format!("{} is not a property with one value", part.at));
        }
        if written.insert(name, value).is_some() {
            return malformed(format!("{} names a property twice", part.at));
        }
    }
    // the address is the key: it names the contact and changes nothing of it
    let Some(Value::String(email)) = written.shift_remove("email") else {
        return Err(Stop::Opaque(
            "it names no e-mail address, so whom it writes cannot be told".to_owned(),
        ));
    };
    let mut fields = Map::new();
    for name in ["context", "legalConsentOptions"] {
        if let Some(value) = root.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    let contact = contact(&email, "the address among `fields`", written)?;
    Ok(vec![sent("form-submissions", fields), contact])
}
