//! The header entries of a message that act (SOAP API Developer Guide, SOAP Headers): each is part of
//! the change set or is refused.

use roxmltree::Node;
use serde_json::{Map, Value};

use super::envelope::{Api, Envelope, children, plain};
use crate::crm::salesforce::body::{Refused, malformed};
use crate::crm::salesforce::headers::Acting as Owner;
use crate::crm::salesforce::id;
use crate::crm::{Malformed, xml};
use crate::mutation::Acting;

/// Entries that say how the answer comes, or who speaks.
const IDLE: [&str; 3] = ["SessionHeader", "QueryOptions", "StreamingEnabledHeader"];
/// Entries that act and say all of it themselves, with the values that they may have.
const TOLD: [(&str, &[&str]); 7] = [
    ("AllOrNoneHeader", &["allOrNone"]),
    ("AllowFieldTruncationHeader", &["allowFieldTruncation"]),
    ("DisableFeedTrackingHeader", &["disableFeedTracking"]),
    (
        "DuplicateRuleHeader",
        &["allowSave", "includeRecordDetails", "runAsCurrentUser"],
    ),
    ("LocaleOptions", &["language", "localizeErrors"]),
    ("MruHeader", &["updateMru"]),
    ("EmailHeader", &MAILS),
];
/// The mails that a write may send beside what it writes.
const MAILS: [&str; 3] = [
    "triggerAutoResponseEmail",
    "triggerOtherEmail",
    "triggerUserEmail",
];
/// What a client says of itself.
const CALL_OPTIONS: [&str; 2] = ["client", "defaultNamespace"];
/// The rule that the org has for an object.
const DEFAULT_RULE: &str = "of the object";

/// What the header entries of a message come to.
#[derive(Debug)]
pub(super) struct Said {
    /// Who owns what is written.
    pub(super) owner: Owner,
    /// The mails that it sends beside; empty for none.
    pub(super) mails: Map<String, Value>,
    /// All that acts, for the change set.
    pub(super) acting: Acting,
}

/// Reads the header entries of an operation on records.
///
/// # Errors
/// Entries that are not understood, or that change what nobody can tell.
pub(super) fn read(envelope: &Envelope<'_, '_>) -> Result<Said, Refused> {
    let mut said = Said {
        owner: Owner::Nothing,
        mails: Map::new(),
        acting: Acting::new(),
    };
    for entry in &envelope.headers {
        let name = entry.tag_name().name();
        if IDLE.contains(&name) {
            continue;
        }
        match TOLD.iter().find(|(known, _)| *known == name) {
            Some((_, parts)) => told(envelope.api, *entry, parts, &mut said)?,
            None if name == "CallOptions" => call_options(envelope.api, *entry)?,
            None if name == "AssignmentRuleHeader" => {
                said.owner = owner(envelope.api, *entry, &mut said.acting)?;
            }
            None => return Err(unclear(name)),
        }
    }
    Ok(said)
}

/// Refuses header entries of a login but the one in which libraries name themselves: some have another
/// user log in.
///
/// # Errors
/// [`Malformed`] names what may stand there.
pub(super) fn of_login(envelope: &Envelope<'_, '_>) -> Result<(), Malformed> {
    for entry in &envelope.headers {
        let mut inside = children(envelope.api, *entry)?.into_iter();
        let known = entry.tag_name().name() == "CallOptions"
            && inside.all(|part| CALL_OPTIONS.contains(&part.tag_name().name()));
        if !known {
            return Err(xml::here(
                entry.document(),
                *entry,
                "a login has no header but CallOptions: leave it out",
            ));
        }
    }
    Ok(())
}

fn unclear(name: &str) -> Refused {
    Refused::Opaque(match name {
        "OwnerChangeOptions" | "UserTerritoryDeleteHeader" => {
            format!("the header {name} moves records that the message does not name: leave it out")
        }
        "PackageVersionHeader" => {
            "the header PackageVersionHeader has code of another version run: leave it out".into()
        }
        _ => "the message has a header that is not understood on a write: leave it out".into(),
    })
}

/// Parts of a header entry by name, each among `known`.
fn parts<'a>(
    api: Api,
    entry: Node<'a, '_>,
    known: &[&str],
) -> Result<Vec<(&'a str, &'a str)>, Refused> {
    let mut parts = Vec::new();
    for part in children(api, entry)? {
        let name = part.tag_name().name();
        plain(part, &["type"])?;
        if !known.contains(&name) {
            let here = xml::here(
                part.document(),
                part,
                "a header says what is not understood",
            );
            return Err(here.into());
        }
        parts.push((name, xml::value(part)?));
    }
    Ok(parts)
}

fn told(api: Api, entry: Node<'_, '_>, known: &[&str], said: &mut Said) -> Result<(), Refused> {
    let header = entry.tag_name().name();
    for (name, value) in parts(api, entry, known)? {
        let text = header == "LocaleOptions" && name == "language";
        let value = if text {
            value.to_owned()
        } else {
            truth(value, name)?.to_string()
        };
        if MAILS.contains(&name) && value == "true" {
            said.mails.insert(name.to_owned(), true.into());
        }
        said.acting.insert(format!("{header}.{name}"), value);
    }
    Ok(())
}

/// The client's name alone; a default namespace would give names another meaning.
fn call_options(api: Api, entry: Node<'_, '_>) -> Result<(), Refused> {
    for (name, value) in parts(api, entry, &CALL_OPTIONS)? {
        if name == "defaultNamespace" && !value.is_empty() {
            return Err(Refused::Opaque(
                "the header CallOptions holds a defaultNamespace: write names with their namespace \
                 and leave it out"
                    .into(),
            ));
        }
    }
    Ok(())
}

/// An assignment rule picks the owner: one by its id, or the object's own.
fn owner(api: Api, entry: Node<'_, '_>, acting: &mut Acting) -> Result<Owner, Refused> {
    let mut owner = Owner::Nothing;
    for (name, value) in parts(api, entry, &["assignmentRuleId", "useDefaultRule"])? {
        let found = match name {
            "useDefaultRule" if !truth(value, name)? => Owner::Nothing,
            "useDefaultRule" => Owner::AssignmentRule(DEFAULT_RULE.into()),
            _ if value.is_empty() => Owner::Nothing,
            _ => match id::canonical(value) {
                Ok(rule) if rule.starts_with("01Q") => Owner::AssignmentRule(rule),
                _ => return Err(malformed("assignmentRuleId is not the id of a rule")),
            },
        };
        acting.insert(format!("AssignmentRuleHeader.{name}"), value.to_owned());
        match (&owner, found) {
            (_, Owner::Nothing) => {}
            (Owner::Nothing, rule) => owner = rule,
            (Owner::AssignmentRule(_), Owner::AssignmentRule(_)) => {
                return Err(malformed("two assignment rules are named: send one"));
            }
        }
    }
    Ok(owner)
}

/// A truth value as XML Schema writes it.
pub(super) fn truth(text: &str, name: &str) -> Result<bool, Refused> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(malformed(format!("{name} is neither true nor false"))),
    }
}
