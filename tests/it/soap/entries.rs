//! P2: what the entry of a message says is what changes in the CRM, operation by operation.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::{
    CrmKind, Mutation, Operation, Outcome, OutcomeState, Prior, RecordKey, Snapshot,
};
use writegate::sandbox::{EffectKind, seed};

use super::{ENTERPRISE, OPEN, PARTNER, enterprise, message, only_write, post};
use crate::support::house::{House, TOKEN};

type Records = BTreeMap<(String, String), Map<String, Value>>;

fn records(house: &House) -> Records {
    let mut all = Records::new();
    for object in ["Account", "Contact", "Lead", "Opportunity", "Case"] {
        for id in house.sandbox.ids(CrmKind::Salesforce, object) {
            let record = house.sandbox.record(CrmKind::Salesforce, object, &id);
            all.insert((object.to_owned(), id), record.unwrap());
        }
    }
    all
}

/// What the ledger says of the only write.
struct Told {
    mutations: Vec<Mutation>,
    snapshot: Snapshot,
    outcomes: Vec<Outcome>,
}

async fn told(house: &House) -> Told {
    let rows = |kind| {
        house.ledger.rows(RowFilter {
            kinds: vec![kind],
            ..RowFilter::default()
        })
    };
    let (opened, closed) = (rows(RowKind::Opened).await, rows(RowKind::Closed).await);
    let (opened, closed) = (opened.unwrap(), closed.unwrap());
    assert_eq!((opened.len(), closed.len()), (1, 1));
    let values = opened[0].values.clone().unwrap();
    Told {
        mutations: serde_json::from_value(values["mutations"].clone()).unwrap(),
        snapshot: serde_json::from_value(values["snapshot"].clone()).unwrap(),
        outcomes: serde_json::from_value(closed[0].meta["outcomes"].clone()).unwrap(),
    }
}

/// A value as text, so that `5` is `"5"`; blank for null and absent.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string().trim_end_matches(".0").to_owned(),
    }
}

fn is_stamp(object: &str, name: &str) -> bool {
    let made = name == "Name" && ["Contact", "Lead"].contains(&object);
    made || [
        "Id",
        "SystemModstamp",
        "LastModifiedDate",
        "LastModifiedById",
        "CreatedDate",
        "CreatedById",
        "OwnerId",
        "Customer_Number__c",
        "Size_Tier__c",
        "IsDeleted",
    ]
    .contains(&name)
}

/// Fields that differ, by name and new value.
fn changed(
    object: &str,
    was: &Map<String, Value>,
    is: &Map<String, Value>,
) -> BTreeSet<(String, String)> {
    is.keys()
        .filter(|name| !is_stamp(object, name))
        .filter(|name| text(was.get(*name)) != text(is.get(*name)))
        .map(|name| (name.clone(), text(is.get(name))))
        .collect()
}

/// Whether values are those of the entry, and nothing else changed.
async fn fields_agree(house: &House, before: &Records, what: &str) -> Told {
    let after = records(house);
    let told = told(house).await;
    let mut effects: BTreeSet<(String, String, EffectWord)> = BTreeSet::new();
    for (place, (mutation, outcome)) in told.mutations.iter().zip(&told.outcomes).enumerate() {
        assert_eq!(outcome.state, OutcomeState::Done, "{what}: {mutation:?}");
        let id = match (
            &outcome.new_id,
            told.snapshot.prior(place),
            &mutation.record,
        ) {
            (Some(id), _, _) | (None, Prior::Found { id, .. }, _) => id.clone(),
            (None, _, Some(RecordKey::Id { id })) => id.clone(),
            _ => String::new(),
        };
        let key = (mutation.object.clone(), id.clone());
        let word = match mutation.operation {
            Operation::Create => EffectWord::Created,
            Operation::Upsert if outcome.new_id.is_some() => EffectWord::Created,
            Operation::Update | Operation::Upsert | Operation::Merge | Operation::Convert => {
                EffectWord::Updated
            }
            Operation::Delete => EffectWord::Deleted,
            Operation::Purge => EffectWord::Purged,
            Operation::Restore => EffectWord::Restored,
            Operation::Send => EffectWord::Sent,
            Operation::Associate
            | Operation::Dissociate
            | Operation::Export
            | Operation::Import
            | Operation::Invoke
            | Operation::Schema
            | Operation::Settings
            | Operation::Credential => panic!("{what}: {mutation:?}"),
        };
        effects.insert((key.0.clone(), key.1.clone(), word));
        let writes = [
            Operation::Create,
            Operation::Update,
            Operation::Upsert,
            Operation::Merge,
        ];
        if what.starts_with("convert") || !writes.contains(&mutation.operation) {
            continue;
        }
        let blank = Map::new();
        let did = changed(&key.0, before.get(&key).unwrap_or(&blank), &after[&key]);
        let mut said: BTreeSet<(String, String)> = mutation
            .fields
            .iter()
            .filter(|(_, value)| !value.is_object())
            .map(|(name, value)| (name.clone(), text(Some(value))))
            .collect();
        if let (Operation::Upsert, Some(RecordKey::External { key, value })) =
            (mutation.operation, &mutation.record)
            && outcome.new_id.is_some()
        {
            said.insert((key.clone(), value.clone()));
        }
        let lookups: BTreeSet<&String> = mutation
            .fields
            .iter()
            .filter(|(_, value)| value.is_object())
            .map(|(name, _)| name)
            .collect();
        let did: BTreeSet<_> = did
            .into_iter()
            .filter(|(name, _)| !lookups.contains(name))
            .collect();
        assert_eq!(did, said, "{what}: {}", mutation.operation);
    }
    let seen = only_write(house).effects;
    let seen: BTreeSet<_> = seen
        .iter()
        .map(|effect| (effect.object.clone(), effect.id.clone(), word(effect.kind)))
        .collect();
    assert_eq!(effects, seen, "{what}");
    told
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EffectWord {
    Created,
    Updated,
    Deleted,
    Restored,
    Purged,
    Sent,
    Other,
}

fn word(kind: EffectKind) -> EffectWord {
    match kind {
        EffectKind::Created => EffectWord::Created,
        EffectKind::Updated => EffectWord::Updated,
        EffectKind::Deleted => EffectWord::Deleted,
        EffectKind::Restored => EffectWord::Restored,
        EffectKind::Purged => EffectWord::Purged,
        EffectKind::Sent => EffectWord::Sent,
        EffectKind::MergedAway | EffectKind::Linked | EffectKind::Unlinked => EffectWord::Other,
    }
}

/// Each operation: its name, the API, its headers and body, and how many mutations it is.
fn operations() -> Vec<(&'static str, &'static str, &'static str, String, usize)> {
    let acme = seed::ACME;
    let p = PARTNER;
    vec![
        ("create", p, "", "<create><sObjects><type>Account</type><Name>Soap &amp; Sons</Name><NumberOfEmployees>12</NumberOfEmployees></sObjects>\
          <sObjects xmlns:s=\"urn:sobject.partner.soap.sforce.com\"><s:type>Contact</s:type><s:LastName>Suds</s:LastName></sObjects></create>".into(), 2),
        ("create enterprise", ENTERPRISE, "", "<create><x:sObjects xmlns:x=\"urn:enterprise.soap.sforce.com\" \
          xmlns:o=\"urn:sobject.enterprise.soap.sforce.com\" xsi:type=\"o:Account\"><o:Name>Typed</o:Name>\
          <o:Type xsi:type=\"xsd:string\">Customer</o:Type></x:sObjects></create>".into(), 1),
        ("update", p, "<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>", format!("<update><sObjects xsi:type=\"sObject\"><type>Account</type><Id>{acme}</Id>\
          <Industry>Retail</Industry></sObjects></update>"), 1),
        ("update nulls", p, "", format!("<update><sObjects><type>Account</type><fieldsToNull>Name2__c</fieldsToNull><Id>{acme}</Id></sObjects></update>")
          .replace("Name2__c", "Website").replace("</Id>", "</Id><Phone xsi:nil=\"true\"/>"), 1),
        ("upsert", p, "", "<upsert><externalIDFieldName>Ext_Id__c</externalIDFieldName><sObjects><type>Account</type>\
          <Name>Fresh</Name><Ext_Id__c>SOAP-1</Ext_Id__c></sObjects></upsert>".into(), 1),
        ("delete", p, "", format!("<delete><ids>{}</ids><ids>{}</ids></delete>", seed::LEAD_ADA, seed::PETER), 2),
        ("merge", p, "", format!("<merge><request><masterRecord><type>Account</type><Id>{acme}</Id>\
          <Industry>Merged</Industry></masterRecord><recordToMergeIds>{}</recordToMergeIds>\
          <recordToMergeIds>{}</recordToMergeIds></request></merge>", seed::WONKA, seed::TYRELL), 3),
        ("convert", p, "", format!("<convertLead><leadConverts><convertedStatus>Qualified</convertedStatus>\
          <leadId>{}</leadId></leadConverts></convertLead>", seed::LEAD_MARIE), 4),
        ("lookup", p, "", format!("<update><sObjects><type>Contact</type><Id>{}</Id><Account><type>Account</type>\
          <Ext_Id__c>SOAP-LOOKUP</Ext_Id__c></Account></sObjects></update>", seed::HANK), 1),
        ("send", p, "", "<sendEmail><messages xsi:type=\"SingleEmailMessage\"><subject>s</subject></messages></sendEmail>".into(), 1),
    ]
}

#[tokio::test]
async fn what_the_entry_says_is_what_changes() {
    for (what, path, headers, operation, count) in operations() {
        let house = House::builder().rules(OPEN).build().await;
        for (field, value) in [
            ("Website", "https://acme.example"),
            ("Phone", "1"),
            ("Ext_Id__c", "A"),
        ] {
            let value = Value::from(value);
            house
                .sandbox
                .set_field(CrmKind::Salesforce, "Account", seed::ACME, field, value);
        }
        let key = Value::from("SOAP-LOOKUP");
        house.sandbox.set_field(
            CrmKind::Salesforce,
            "Account",
            seed::GLOBEX,
            "Ext_Id__c",
            key,
        );
        let before = records(&house);
        let body = if path == PARTNER {
            message(TOKEN, headers, &operation)
        } else {
            enterprise(TOKEN, headers, &operation)
        };
        let reply = post(&house, path, &body).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        assert!(
            reply.text().contains("<success>true"),
            "{what}: {}",
            reply.text()
        );
        assert_eq!(only_write(&house).body, body.as_bytes(), "{what}");
        let told = fields_agree(&house, &before, what).await;
        assert_eq!(told.mutations.len(), count, "{what}");
        house.finish().await;
    }
}

#[tokio::test]
async fn what_is_in_the_bin_can_come_back_or_go_for_good() {
    for name in ["undelete", "emptyRecycleBin"] {
        let house = House::builder().rules(OPEN).build().await;
        house
            .sandbox
            .delete(CrmKind::Salesforce, "Account", seed::WONKA);
        let operation = format!("<{name}><ids>{}</ids></{name}>", seed::WONKA);
        let reply = post(&house, PARTNER, &message(TOKEN, "", &operation)).await;
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        let before = records(&house);
        let told = fields_agree(&house, &before, name).await;
        assert_eq!(told.mutations[0].object, "Account");
        if name == "undelete" {
            let prior = told.snapshot.prior(0);
            assert!(matches!(prior, Prior::Found { .. }), "{prior:?}");
        }
        let there = house
            .sandbox
            .record(CrmKind::Salesforce, "Account", seed::WONKA);
        assert_eq!(there.is_some(), name == "undelete");
        house.finish().await;
    }
}

#[tokio::test]
async fn what_became_of_each_row_is_told() {
    let rows = "<create><sObjects><type>Lead</type><LastName>x</LastName></sObjects>\
                <sObjects><type>Account</type><Name>y</Name></sObjects></create>";
    for (all_or_none, states) in [
        (false, [OutcomeState::Failed, OutcomeState::Done]),
        (true, [OutcomeState::Failed, OutcomeState::Failed]),
    ] {
        let house = House::builder().rules(OPEN).build().await;
        let header =
            format!("<AllOrNoneHeader><allOrNone>{all_or_none}</allOrNone></AllOrNoneHeader>");
        let reply = post(&house, PARTNER, &message(TOKEN, &header, rows)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let told = told(&house).await;
        let found: Vec<_> = told.outcomes.iter().map(|outcome| outcome.state).collect();
        assert_eq!(found, states);
        assert_eq!(told.outcomes[1].new_id.is_some(), !all_or_none);
        house.finish().await;
    }
}

#[tokio::test]
async fn headers_that_act_are_in_the_entry() {
    let house = House::builder().rules(OPEN).build().await;
    let headers = "<EmailHeader><triggerUserEmail>true</triggerUserEmail></EmailHeader>\
                   <AssignmentRuleHeader><useDefaultRule>true</useDefaultRule></AssignmentRuleHeader>\
                   <DuplicateRuleHeader><allowSave>true</allowSave></DuplicateRuleHeader>";
    let lead = "<create><sObjects><type>Lead</type><LastName>x</LastName><Company>y</Company>\
                </sObjects></create>";
    let reply = post(&house, PARTNER, &message(TOKEN, headers, lead)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let told = told(&house).await;
    let words: Vec<_> = told
        .mutations
        .iter()
        .map(|m| (m.object.as_str(), m.operation))
        .collect();
    assert_eq!(
        words,
        [
            ("Lead", Operation::Create),
            ("EmailHeader", Operation::Send)
        ]
    );
    let owner = &told.mutations[0].fields["OwnerId"];
    assert_eq!(owner, "assignment rule of the object");
    let opened = house.ledger.rows(RowFilter {
        kinds: vec![RowKind::Opened],
        ..RowFilter::default()
    });
    let opened = opened.await.unwrap();
    let meta = opened[0].meta.to_string() + &opened[0].values.clone().unwrap().to_string();
    assert!(meta.contains("DuplicateRuleHeader.allowSave"), "{meta}");
    house.finish().await;
}
