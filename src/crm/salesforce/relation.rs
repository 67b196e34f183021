//! Writes that reach a record through another one: a relationship path changes the parent (REST API
//! Developer Guide, sObject Relationships), a nested record sets the lookup field (Insert or Update by
//! External ID).

use serde_json::{Map, Value};

use super::body::Refused;
use super::id;
use super::org::Org;
use super::types::{self, Type};
use crate::mutation::{RecordKey, same_name};

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

/// Where a relationship path starts and which steps it takes, as it spells them: `Contact.account=003…`.
pub(super) fn way(object: &str, record: &str, steps: &[&str]) -> Result<RecordKey, String> {
    let names = steps.iter().all(|step| types::is_name(step));
    if !names || steps.is_empty() || steps.len() > MOST_HOPS {
        return Err("the path names no relationships, or too many".into());
    }
    Ok(RecordKey::External {
        key: format!("{object}.{}", steps.join(".")),
        value: record.to_owned(),
    })
}

/// The record that a relationship path changes, named by where it starts: `Contact.Account=003…`. `None`:
/// it is no such path.
pub(super) fn parent<'o>(
    org: &'o Org<'_>,
    key: &RecordKey,
) -> Option<Result<(Type<'o>, RecordKey), Refused>> {
    let RecordKey::External { key, value } = key else {
        return None;
    };
    let (object, steps) = key.split_once('.')?;
    Some(end(org, object, value, steps))
}

fn end<'o>(
    org: &'o Org<'_>,
    object: &str,
    record: &str,
    steps: &str,
) -> Result<(Type<'o>, RecordKey), Refused> {
    let at = org.named(object)?;
    let record = id::canonical(record)?;
    if !record.starts_with(at.prefix) {
        return Err(Refused::Opaque(
            "the path names no record of its object".into(),
        ));
    }
    if steps.contains('.') {
        // it may be led elsewhere by a change of a record on the way, whose id nobody has to lock it by
        return Err(Refused::Opaque(
            "a write through several relationships changes a record that hangs on others, which \
             cannot be told: write to it by its id"
                .into(),
        ));
    }
    let Some((name, to)) = leads(org, at.name, steps) else {
        return Err(Refused::Opaque(
            "a write through a relationship changes another record than the path names, and \
             which one cannot be told: write to it by its id"
                .into(),
        ));
    };
    let key = format!("{}.{name}", at.name);
    Ok((to, RecordKey::External { key, value: record }))
}

/// The relationship of an object, and where it leads.
fn leads<'o>(org: &'o Org<'_>, object: &str, step: &str) -> Option<(String, Type<'o>)> {
    let of = PARENTS_OF
        .iter()
        .find(|(of, name, _)| *of == object && same_name(name, step))
        .map(|(_, name, to)| (*name, *to));
    let any = || {
        PARENTS
            .iter()
            .find(|(name, _)| same_name(name, step))
            .copied()
    };
    match of.or_else(any) {
        Some((name, to)) => Some((name.to_owned(), org.by_name(to)?)),
        None => Some((step.to_owned(), org.parent(object, step)?)),
    }
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
    use crate::crm::Head;
    use crate::crm::catalog::Catalog;
    use crate::crm::path::CanonicalPath;
    use crate::mutation::CrmKind;

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
        let catalog = Catalog::builtin(CrmKind::Salesforce);
        let rows = CanonicalPath::parse("/services/data/v60.0/sobjects").unwrap();
        let head = Head {
            method: &http::Method::PATCH,
            path: &rows,
            query: None,
            headers: &http::HeaderMap::new(),
            sender: crate::crm::catalog::Sender::default(),
        };
        let org = Org::of(&catalog, &head);
        let at_the_end = |object: &str, record: &str, steps: &[&str]| {
            let way = way(object, record, steps).ok()?;
            parent(&org, &way)?.ok()
        };
        let (object, key) = at_the_end("Contact", "003000000000001", &["account"]).unwrap();
        assert_eq!(object.name, "Account");
        assert_eq!(key.to_string(), "Contact.Account=003000000000001AAA");
        assert_eq!(path(&key).unwrap(), "Contact/003000000000001AAA/Account");
        for (object, record, steps) in [
            ("Case", "500000000000001", &["Owner"][..]),
            ("Contact", "001000000000001", &["Account"]),
            ("Contact", "003000000000001", &["Contacts"]),
            ("Contact", "003000000000001", &["Account", "Owner"]),
            ("Contact", "003000000000001", &["Account"; 6]),
        ] {
            assert!(at_the_end(object, record, steps).is_none(), "{steps:?}");
        }
    }
}
