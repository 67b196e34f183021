//! Intended writes as SOAP messages, partner and enterprise, in all the ways that clients may spell
//! them, and read back.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value;

use super::generated::{Intended, Spelling, agree, intended, spelled_id, spelled_object, spelling};
use super::*;
use crate::mutation::RecordKey;

/// The header entry of a session that was cut out.
pub(super) const SESSION: &str = "<SessionHeader><sessionId></sessionId></SessionHeader>";

/// A message of an API with this operation.
pub(super) fn message(namespace: &str, operation: &str) -> String {
    format!(
        "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns=\"{namespace}\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Header>{SESSION}</e:Header><e:Body>{operation}</e:Body></e:Envelope>"
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

const PARTNER: &str = "/services/Soap/u/61.0";

/// What becomes of a partner message with this header entry and operation.
fn judge_partner(header: &str, operation: &str) -> Judged {
    let message = message("urn:partner.soap.sforce.com", operation);
    let entry = format!("{header}</e:Header>");
    judge_message(PARTNER, &message.replace("</e:Header>", &entry))
}

#[test]
fn a_rule_that_picks_the_owner_of_a_merged_record_is_judged() {
    let header =
        "<AssignmentRuleHeader><useDefaultRule>true</useDefaultRule></AssignmentRuleHeader>";
    let merge = |object: &str, prefix: &str, fields: &str| {
        format!(
            "<merge><request><masterRecord><type>{object}</type><Id>{prefix}000000000001</Id>{fields}\
             </masterRecord><recordToMergeIds>{prefix}000000000002</recordToMergeIds></request></merge>"
        )
    };
    let Judged::Mutations(merged) = judge_partner(header, &merge("Lead", "00Q", "")) else {
        panic!("a merge is taken apart");
    };
    assert_eq!(merged[0].fields["OwnerId"], "assignment rule of the object");
    let Judged::Mutations(merged) = judge_partner("", &merge("Lead", "00Q", "")) else {
        panic!("a merge is taken apart");
    };
    assert!(merged[0].fields.is_empty());
    let owned = merge("Lead", "00Q", "<OwnerId>005000000000001AAA</OwnerId>");
    assert!(matches!(
        judge_partner(header, &owned),
        Judged::Malformed(_)
    ));
    let contact = judge_partner(header, &merge("Contact", "003", ""));
    assert!(matches!(contact, Judged::Opaque(_)), "{contact:?}");
}

#[test]
fn what_approvers_see_is_all_that_is_sent() {
    let mail = |subject: &str| format!("<sendEmail><messages>{subject}</messages></sendEmail>");
    for (subject, seen) in [
        ("<subject xsi:nil=\"false\">s</subject>", Value::from("s")),
        ("<subject xsi:nil=\"true\"/>", Value::Null),
    ] {
        let Judged::Mutations(sent) = judge_partner("", &mail(subject)) else {
            panic!("{subject}");
        };
        assert_eq!(sent[0].fields["subject"], seen, "{subject}");
    }
    for operation in [
        mail("<subject xsi:nil=\"true\">s</subject>"),
        mail("<subject xsi:nil=\"maybe\">s</subject>"),
        mail("<subject href=\"#1\"/>"),
        mail("<subject id=\"1\">s</subject>"),
        mail("<o:subject xmlns:o=\"urn:other\">s</o:subject>"),
        mail("<records><o:Name xmlns:o=\"urn:other\">s</o:Name></records>"),
        "<sendEmail><messages href=\"#1\"/></sendEmail>".to_owned(),
    ] {
        let judged = judge_partner("", &operation);
        assert!(
            matches!(judged, Judged::Malformed(_)),
            "{operation}: {judged:?}"
        );
    }
}

#[test]
fn what_is_nil_in_a_conversion_is_nothing() {
    let convert = |more: &str| {
        format!(
            "<convertLead><leadConverts><leadId>00Q000000000001</leadId><convertedStatus>Done\
             </convertedStatus>{more}</leadConverts></convertLead>"
        )
    };
    let Judged::Mutations(plain) = judge_partner("", &convert("")) else {
        panic!("a conversion is taken apart");
    };
    for more in [
        "<accountId xsi:nil=\"true\"/>",
        "<doNotCreateOpportunity xsi:nil=\"1\"/>",
    ] {
        let Judged::Mutations(same) = judge_partner("", &convert(more)) else {
            panic!("{more}");
        };
        assert_eq!(same, plain, "{more}");
    }
    for more in [
        "<doNotCreateOpportunity xsi:nil=\"true\">true</doNotCreateOpportunity>",
        "<opportunityName xsi:nil=\"1\">x</opportunityName>",
        "<opportunityName xsi:nil=\"x\">x</opportunityName>",
    ] {
        let judged = judge_partner("", &convert(more));
        assert!(matches!(judged, Judged::Malformed(_)), "{more}: {judged:?}");
    }
}

#[test]
fn many_fields_are_told_apart_in_one_pass() {
    let fields: String = (0..60_000)
        .map(|place| format!("<F{place}__c>1</F{place}__c>"))
        .collect();
    let lookups: String = (0..6_000)
        .map(|place| format!("<L{place}__r><type>Account</type><E__c>1</E__c></L{place}__r>"))
        .collect();
    for (more, ok) in [
        ("", true),
        ("<f0__C>1</f0__C>", false),
        ("<L0__c>1</L0__c>", false),
    ] {
        let create = format!(
            "<create><sObjects><type>Account</type>{fields}{lookups}{more}</sObjects></create>"
        );
        let judged = judge_partner("", &create);
        assert_eq!(matches!(judged, Judged::Mutations(_)), ok, "{more}");
    }
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
