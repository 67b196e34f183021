//! The org: its records, and how a record looks from outside.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::log::Effect;
use super::super::store::{Record, Store};
use super::super::{Token, seed};
use super::ids;
use super::schema::{self, Field, Kind, Object, Source};
use crate::mutation::CrmKind;

/// New records are numbered from here, above all seed data.
const FIRST_NEW: u64 = 5000;

/// The Salesforce face's memory.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Org {
    pub(super) store: Store,
    /// Rest rows of paged queries, by locator.
    pub(super) cursors: BTreeMap<String, Vec<Value>>,
    /// Rows per page where the request does not say.
    pub(super) page: usize,
    /// Requests so far, for `Sforce-Limit-Info`.
    pub(in crate::sandbox) calls: u64,
    /// Bulk jobs.
    pub(super) jobs: super::bulk::Jobs,
    /// Those of Bulk API 1.0.
    pub(super) batches: super::batches::Jobs,
    next: u64,
}

impl Org {
    /// An org without records.
    pub(in crate::sandbox) fn new(page: usize) -> Self {
        Self {
            store: Store::new(CrmKind::Salesforce),
            cursors: BTreeMap::new(),
            page,
            calls: 0,
            jobs: super::bulk::Jobs::default(),
            batches: super::batches::Jobs::default(),
            next: FIRST_NEW,
        }
    }

    /// Puts seed data in; fields are in the schema's spelling.
    pub(in crate::sandbox) fn place(&mut self, object: &str, record: Record) {
        self.store.place(object, record);
    }

    /// Fills a reference field of seed records.
    pub(in crate::sandbox) fn link(&mut self, object: &str, field: &str, pairs: &[(&str, &str)]) {
        for (id, target) in pairs {
            if let Some(record) = self.store.any(object, id) {
                let mut record = record.clone();
                record.put(field, json!(target));
                self.store.place(object, record);
            }
        }
    }

    /// A number that was not given before.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// An id that was not given before.
    pub(super) fn new_id(&mut self, object: &Object) -> String {
        ids::numbered(object.prefix, self.number())
    }

    /// A record that is not deleted, with all its fields.
    pub(in crate::sandbox) fn view(&self, object: &str, id: &str) -> Option<Map<String, Value>> {
        let object = schema::object(object)?;
        let record = self.store.live(object.name, &ids::canonical(id)?)?;
        Some(
            object
                .fields()
                .map(|field| (field.name.to_owned(), value(record, object, field)))
                .collect(),
        )
    }

    pub(in crate::sandbox) fn ids(&self, object: &str) -> Vec<String> {
        let name = schema::object(object).map_or("", |object| object.name);
        self.store.ids(name)
    }

    pub(in crate::sandbox) fn set(
        &mut self,
        object: &str,
        id: &str,
        field: &str,
        value: Value,
        now: Timestamp,
    ) -> bool {
        let Some((object, id)) = self.existing(object, id) else {
            return false;
        };
        let name = object.field(field).map_or(field, |field| field.name);
        let fields = Map::from_iter([(name.to_owned(), value)]);
        self.store.aside(|store| {
            let done = store.update(object.name, &id, fields, now);
            store.by_hand(object.name, &id);
            done
        })
    }

    pub(in crate::sandbox) fn bin(&mut self, object: &str, id: &str, now: Timestamp) -> bool {
        self.existing(object, id).is_some_and(|(object, id)| {
            self.store
                .aside(|store| store.delete(object.name, &id, now))
        })
    }

    /// What the present request changed.
    pub(in crate::sandbox) fn effects(&mut self) -> Vec<Effect> {
        self.store.effects()
    }

    fn existing(&self, object: &str, id: &str) -> Option<(&'static Object, String)> {
        let object = schema::object(object)?;
        let id = ids::canonical(id)?;
        self.store.live(object.name, &id)?;
        Some((object, id))
    }
}

/// The fields of an object that a token may see.
pub(super) fn visible(object: &Object, token: &Token) -> impl Iterator<Item = &'static Field> {
    let name = object.name;
    let token = token.clone();
    object
        .fields()
        .filter(move |field| token.sees(name, field.name))
}

/// A field's value as the API shows it.
pub(super) fn value(record: &Record, object: &Object, field: &Field) -> Value {
    match field.source {
        Source::System => system(record, field.name),
        Source::Calculated => calculated(record, object.name, field.name),
        Source::Stored | Source::Required | Source::AutoNumber => {
            let stored = record.get(field.name);
            if !stored.is_null() {
                stored
            } else if field.kind == Kind::Boolean {
                Value::Bool(false)
            } else if field.name == "OwnerId" {
                json!(seed::SALES_USER)
            } else {
                Value::Null
            }
        }
    }
}

/// A moment as Salesforce writes it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

fn system(record: &Record, name: &str) -> Value {
    match name {
        "Id" => json!(record.id),
        "IsDeleted" => json!(record.deleted),
        "CreatedDate" => json!(stamp(record.created)),
        "LastModifiedDate" | "SystemModstamp" => json!(stamp(record.modified)),
        "LastModifiedById" if record.by_hand => json!(seed::OPERATIONS_USER),
        "CreatedById" | "LastModifiedById" => json!(seed::INTEGRATION_USER),
        "IsConverted" => json!(record.get("IsConverted") == true),
        _ => Value::Null,
    }
}

fn calculated(record: &Record, object: &str, name: &str) -> Value {
    let part = |name: &str| record.get(name);
    match (object, name) {
        (_, "Name") => {
            let parts = [part("FirstName"), part("LastName")];
            let parts: Vec<&str> = parts.iter().filter_map(Value::as_str).collect();
            json!(parts.join(" "))
        }
        ("Account", "BillingAddress") => address(record),
        ("Account", "Size_Tier__c") => match part("NumberOfEmployees").as_i64() {
            None => Value::Null,
            Some(1000..) => json!("Enterprise"),
            Some(100..) => json!("Mid-Market"),
            Some(_) => json!("SMB"),
        },
        ("Opportunity", "IsWon") => json!(part("StageName") == "Closed Won"),
        ("Opportunity", "IsClosed") => {
            let stage = part("StageName");
            json!(
                stage
                    .as_str()
                    .is_some_and(|stage| stage.starts_with("Closed"))
            )
        }
        ("Opportunity", "ExpectedRevenue") => {
            match (part("Amount").as_f64(), part("Probability").as_f64()) {
                (Some(amount), Some(probability)) => json!(amount * probability / 100.0),
                (Some(_) | None, Some(_) | None) => Value::Null,
            }
        }
        _ => Value::Null,
    }
}

fn address(record: &Record) -> Value {
    let part = |name: &str| record.get(name);
    let parts = json!({
        "city": part("BillingCity"),
        "country": part("BillingCountry"),
        "geocodeAccuracy": null,
        "latitude": null,
        "longitude": null,
        "postalCode": part("BillingPostalCode"),
        "state": part("BillingState"),
        "street": part("BillingStreet"),
    });
    let blank = parts
        .as_object()
        .is_none_or(|parts| parts.values().all(Value::is_null));
    if blank { Value::Null } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_data_fits_the_schema() {
        let org = seed::org(2000);
        for object in schema::objects() {
            for record in org.store.rows(object.name) {
                assert_eq!(ids::canonical(&record.id).as_ref(), Some(&record.id));
                assert!(record.id.starts_with(object.prefix), "{}", record.id);
                for (name, value) in &record.fields {
                    let field = object.field(name).filter(|field| field.name == name);
                    let field = field.unwrap_or_else(|| panic!("{}.{name}", object.name));
                    if let Some((target, _)) = field.target {
                        let id = value.as_str().unwrap();
                        assert!(
                            org.store.live(target, id).is_some(),
                            "{name} of {}",
                            record.id
                        );
                    }
                }
            }
        }
        assert_eq!(org.ids("Account").len(), 12);
        let acme = org.view("Account", seed::ACME).unwrap();
        assert!(acme["Industry"].is_null() && acme["NumberOfEmployees"].is_null());
        let task = org.view("Task", seed::ACME_TASK).unwrap();
        assert_eq!(task["WhatId"], seed::ACME);
    }
}
