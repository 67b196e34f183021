//! Writes that reach a record through another one: a relationship path changes the parent (REST API
//! Developer Guide, sObject Relationships), a nested record sets the lookup field (Insert or Update by
//! External ID).

use serde_json::{Map, Value};

use super::{id, types};
use crate::mutation::RecordKey;

/// Hops of one path (SOQL and SOSL Reference, Relationship Queries).
const MOST_HOPS: usize = 5;

/// The objects that a relationship of this name leads to, whatever object it stands on. `Owner` may be a
/// user or a queue and is not here.
const PARENTS: [(&str, &str); 12] = [
    ("Account", "Account"),
    ("Contact", "Contact"),
    ("Opportunity", "Opportunity"),
    ("Case", "Case"),
    ("Campaign", "Campaign"),
    ("Lead", "Lead"),
    ("Order", "Order"),
    ("Contract", "Contract"),
    ("Product2", "Product2"),
    ("Pricebook2", "Pricebook2"),
    ("CreatedBy", "User"),
    ("LastModifiedBy", "User"),
];
/// Those that depend on the object they stand on.
const PARENTS_OF: [(&str, &str, &str); 6] = [
    ("Account", "Parent", "Account"),
    ("Case", "Parent", "Case"),
    ("Campaign", "Parent", "Campaign"),
    ("Contact", "ReportsTo", "Contact"),
    ("Opportunity", "Owner", "User"),
    ("Account", "Owner", "User"),
];

/// The record that a relationship path changes, named by where it starts: `Contact.Account=003…`.
pub(super) fn parent(
    object: &'static str,
    record: &str,
    steps: &[&str],
) -> Result<(&'static str, RecordKey), String> {
    let known = types::by_name(object).ok_or_else(|| types::unknown(object))?;
    let record = id::canonical(record).map_err(|malformed| malformed.0)?;
    if !record.starts_with(known.prefix) || steps.len() > MOST_HOPS {
        return Err("the path names no record of its object, or too many relationships".into());
    }
    let (mut at, mut key) = (known.name, known.name.to_owned());
    for step in steps {
        let of = PARENTS_OF
            .iter()
            .find(|(of, name, _)| *of == at && name.eq_ignore_ascii_case(step))
            .map(|(_, name, to)| (*name, *to));
        let any = || {
            PARENTS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(step))
                .copied()
        };
        let Some((name, to)) = of.or_else(any) else {
            return Err(
                "a write through a relationship changes another record than the path names, and \
                 which one cannot be told: write to that record by its own id"
                    .into(),
            );
        };
        key.push('.');
        key.push_str(name);
        at = to;
    }
    Ok((at, RecordKey::External { key, value: record }))
}

/// The path below `/sobjects/` of a key that [`parent`] made.
pub(super) fn path(key: &RecordKey) -> Option<String> {
    let RecordKey::External { key, value } = key else {
        return None;
    };
    let (object, steps) = key.split_once('.')?;
    Some(format!("{object}/{value}/{}", steps.replace('.', "/")))
}

/// The lookup field that a nested record sets, and how the record is named that it then points to:
/// `{"Owner": {"Ext__c": "x"}}` sets `OwnerId`. `None`: it is no such record.
pub(super) fn lookup(name: &str, members: &Map<String, Value>) -> Option<(String, String)> {
    if !types::is_name(name) {
        return None;
    }
    let mut fields = members.iter().filter(|(name, _)| *name != "attributes");
    let (Some((key, value)), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let kind = match members.get("attributes") {
        None => "",
        Some(Value::Object(attributes)) => match (attributes.get("type"), attributes.len()) {
            (Some(Value::String(kind)), 1) if types::is_name(kind) => kind.as_str(),
            _ => return None,
        },
        Some(_) => return None,
    };
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    if !types::is_name(key) {
        return None;
    }
    let lookup = match strip(name, "__r") {
        Some(custom) => format!("{custom}__c"),
        None if strip(name, "__c").is_some() || strip(name, "Id").is_some() => return None,
        None => format!("{name}Id"),
    };
    Some((
        lookup,
        format!(
            "{kind}{}{key}={value}",
            if kind.is_empty() { "" } else { "." }
        ),
    ))
}

fn strip<'n>(name: &'n str, end: &str) -> Option<&'n str> {
    let start = name.len().checked_sub(end.len())?;
    let (rest, last) = (name.get(..start)?, name.get(start..)?);
    last.eq_ignore_ascii_case(end).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(name: &str, json: &str) -> Option<(String, String)> {
        let Ok(Value::Object(members)) = crate::crm::json::parse(json.as_bytes()) else {
            panic!("{json}");
        };
        lookup(name, &members)
    }

    #[test]
    fn a_nested_record_sets_its_lookup() {
        for (name, json, field, to) in [
            ("Owner", r#"{"Ext__c":"x"}"#, "OwnerId", "Ext__c=x"),
            ("Account", r#"{"Number__c":7}"#, "AccountId", "Number__c=7"),
            ("Parent__r", r#"{"Ext__c":"x"}"#, "Parent__c", "Ext__c=x"),
            (
                "ns__Parent__R",
                r#"{"ns__E__c":"x"}"#,
                "ns__Parent__c",
                "ns__E__c=x",
            ),
            (
                "Owner",
                r#"{"attributes":{"type":"User"},"Ext__c":"x"}"#,
                "OwnerId",
                "User.Ext__c=x",
            ),
        ] {
            assert_eq!(
                nested(name, json),
                Some((field.into(), to.into())),
                "{name}"
            );
        }
        for (name, json) in [
            ("Owner", r#"{"A__c":"x","B__c":"y"}"#),
            ("Owner", "{}"),
            ("Owner", r#"{"A__c":null}"#),
            ("Owner", r#"{"A__c":{"B__c":"x"}}"#),
            ("Contacts", r#"{"records":[]}"#),
            ("OwnerId", r#"{"A__c":"x"}"#),
            ("Foo__c", r#"{"A__c":"x"}"#),
        ] {
            assert_eq!(nested(name, json), None, "{name} {json}");
        }
    }

    #[test]
    fn a_relationship_path_ends_at_its_parent() {
        let (object, key) = parent("Contact", "003000000000001", &["account", "Owner"]).unwrap();
        assert_eq!(object, "User");
        assert_eq!(key.to_string(), "Contact.Account.Owner=003000000000001AAA");
        assert_eq!(
            path(&key).unwrap(),
            "Contact/003000000000001AAA/Account/Owner"
        );
        for (object, record, steps) in [
            ("Case", "500000000000001", &["Owner"][..]),
            ("Contact", "001000000000001", &["Account"]),
            ("Contact", "003000000000001", &["Contacts"]),
            ("Contact", "003000000000001", &["Account"; 6]),
        ] {
            assert!(parent(object, record, steps).is_err(), "{steps:?}");
        }
    }
}
