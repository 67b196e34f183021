//! Intended writes as SOAP messages, partner and enterprise, in all the ways that clients may spell
//! them, and read back.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value;

use super::generated::{Intended, Spelling, agree, intended, spelled_id, spelled_object, spelling};
use super::*;
use crate::mutation::RecordKey;

/// A message of an API with this operation.
pub(super) fn message(namespace: &str, operation: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Header><SessionHeader>\
         <sessionId></sessionId></SessionHeader></e:Header><e:Body>{operation}</e:Body></e:Envelope>"
    )
}

/// What becomes of a message.
pub(super) fn judge_message(target: &str, message: &str) -> Judged {
    let headers = header_map(&[("content-type", "text/xml; charset=UTF-8")]);
    judge_with("POST", target, &headers, message.as_bytes())
}

fn escaped(text: &str, spelling: &Spelling) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if spelling.escaped || matches!(letter, '<' | '>' | '&') {
            write!(out, "&#x{:X};", u32::from(letter)).unwrap();
        } else {
            out.push(letter);
        }
    }
    out
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string())
        }
    }
}

/// One sObject.
fn object(one: &Intended, enterprise: bool, spelling: &Spelling) -> String {
    let name = spelled_object(one.object, spelling);
    let mut parts: Vec<String> = one
        .fields
        .iter()
        .map(|(name, value)| match text(value) {
            Some(text) => format!("<s:{name}>{}</s:{name}>", escaped(&text, spelling)),
            None if spelling.with_attributes => format!("<s:{name} xsi:nil=\"true\"/>"),
            None => format!("<s:fieldsToNull>{name}</s:fieldsToNull>"),
        })
        .collect();
    match &one.key {
        Some(RecordKey::Id { id }) => {
            let name = if spelling.upper_id_name { "Id" } else { "id" };
            parts.push(format!("<s:{name}>{}</s:{name}>", spelled_id(id, spelling)));
        }
        Some(RecordKey::External { key, value }) => {
            parts.push(format!("<s:{key}>{}</s:{key}>", escaped(value, spelling)));
        }
        None => {}
    }
    if spelling.reversed {
        parts.reverse();
    }
    let (kind, typed) = if enterprise {
        (format!(" xsi:type=\"s:{name}\""), String::new())
    } else {
        (String::new(), format!("<s:type>{name}</s:type>"))
    };
    let api = if enterprise { "enterprise" } else { "partner" };
    format!(
        "<sObjects xmlns:s=\"urn:sobject.{api}.soap.sforce.com\"{kind}>{typed}{}</sObjects>",
        parts.concat()
    )
}

/// Intentions of one kind as one message: its path and its bytes.
fn spelled(all: &[Intended], enterprise: bool, spelling: &Spelling) -> (String, String) {
    let inner: String = all
        .iter()
        .map(|one| match (&one.key, one.operation) {
            (Some(RecordKey::Id { id }), Operation::Delete) => {
                format!("<ids>{}</ids>", spelled_id(id, spelling))
            }
            _ => object(one, enterprise, spelling),
        })
        .collect();
    let name = all[0].operation.word();
    let key = if all[0].operation == Operation::Upsert {
        "<externalIDFieldName>Ext__c</externalIDFieldName>"
    } else {
        ""
    };
    let (letter, api) = if enterprise {
        ('c', "enterprise")
    } else {
        ('u', "partner")
    };
    let slash = if spelling.doubled_slash { "/" } else { "" };
    let body = message(
        &format!("urn:{api}.soap.sforce.com"),
        &format!("<{name}>{key}{inner}</{name}>"),
    );
    (
        format!("{slash}/services/Soap/{letter}/61.0/00D000000000001"),
        body,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_message_is_read_as_it_was_meant(
        all in proptest::collection::vec(intended(), 1..12),
        enterprise in any::<bool>(),
        spelling in spelling(),
    ) {
        let first = all[0].clone();
        let same: Vec<Intended> = all
            .into_iter()
            .filter(|one| one.operation == first.operation)
            .filter(|one| first.operation != Operation::Upsert || one.object == first.object)
            .collect();
        let (target, body) = spelled(&same, enterprise, &spelling);
        let mut keys: Vec<String> = same
            .iter()
            .filter_map(|one| match &one.key {
                Some(RecordKey::Id { id }) => Some(id.clone()),
                Some(RecordKey::External { value, .. }) => Some(value.to_lowercase()),
                None => None,
            })
            .collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        let judged = judge_message(&target, &body);
        if keys.len() < count {
            prop_assert!(matches!(judged, Judged::Malformed(_)), "{judged:?}");
        } else {
            let Judged::Mutations(read) = judged else {
                panic!("{body}: {judged:?}");
            };
            prop_assert_eq!(read.len(), same.len());
            let place = if first.operation == Operation::Delete { "ids" } else { "sObjects" };
            for (at, (one, meant)) in read.iter().zip(&same).enumerate() {
                let mut meant = meant.clone();
                for value in meant.fields.values_mut() {
                    *value = text(value).map_or(Value::Null, Value::from);
                }
                agree(one, &meant, Some(&format!("{place}[{at}]")));
            }
        }
    }

    #[test]
    fn no_bytes_make_a_read_of_a_message(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let headers = header_map(&[("content-type", "text/xml")]);
        let judged = judge_with("POST", "/services/Soap/u/66.0", &headers, &body);
        prop_assert!(judged != Judged::Read);
    }
}
