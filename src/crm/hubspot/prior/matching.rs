//! Which record of a `batch/read` answer belongs to which mutation. HubSpot keeps no order, gives a
//! merged record under its new id and finds a contact by any of its addresses.

use serde_json::{Map, Value};

use super::{FURTHER_EMAILS, MERGED_IDS, failed};
use crate::crm::{PriorFailure, ReadCall, error_code};
use crate::mutation::{Mutation, Prior, RecordKey};

/// A record of the answer.
struct Record<'a> {
    id: &'a str,
    properties: &'a Map<String, Value>,
    stamp: Option<&'a str>,
}

/// The prior of each mutation that the call covers.
pub(super) fn priors(
    answer: &Value,
    call: &ReadCall,
    mutations: &[Mutation],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let records = records(answer).ok_or_else(|| failed("a read's answer has no records"))?;
    let mut claimed = vec![false; records.len()];
    let mut priors = Vec::new();
    let mut open: Vec<(usize, &RecordKey)> = Vec::new();
    for &place in &call.covers {
        let Some(key) = mutations
            .get(place)
            .and_then(|mutation| mutation.record.as_ref())
        else {
            return Err(failed("a read covers a mutation without a record"));
        };
        match records
            .iter()
            .zip(&mut claimed)
            .find(|(record, _)| record.has(key))
        {
            Some((record, claimed)) => {
                *claimed = true;
                priors.push((place, record.prior()));
            }
            None => open.push((place, key)),
        }
    }
    let unclaimed: Vec<&Record<'_>> = records
        .iter()
        .zip(claimed)
        .filter_map(|(record, claimed)| (!claimed).then_some(record))
        .collect();
    let left = match unclaimed.as_slice() {
        [] => absent(answer)?,
        // HubSpot answers only with what was asked for: the last record is the last key's
        [record]
            if open
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a.1 == b.1)) =>
        {
            record.prior()
        }
        _ => {
            return Err(failed(
                "a read's answer has records that no key of the write names",
            ));
        }
    };
    priors.extend(open.into_iter().map(|(place, _)| (place, left.clone())));
    Ok(priors)
}

/// Whether an answered record is the one that a key names.
pub(in crate::crm::hubspot) fn is_of(record: &Value, key: &RecordKey) -> bool {
    let none = Map::new();
    let properties = record.get("properties").and_then(Value::as_object);
    record.get("id").and_then(Value::as_str).is_some_and(|id| {
        let properties = properties.unwrap_or(&none);
        let stamp = None;
        Record {
            id,
            properties,
            stamp,
        }
        .has(key)
    })
}

/// What a record is that is not in the answer: absent, unless HubSpot names another reason.
fn absent(answer: &Value) -> Result<Prior, PriorFailure> {
    let errors = answer.get("errors").and_then(Value::as_array);
    let mut categories = errors.into_iter().flatten().map(|error| {
        error
            .get("category")
            .and_then(Value::as_str)
            .and_then(error_code)
            .unwrap_or("no category")
    });
    match categories.find(|category| *category != "OBJECT_NOT_FOUND") {
        None => Ok(Prior::Absent),
        Some(category) => Err(failed(&format!(
            "HubSpot did not read some records: {category}"
        ))),
    }
}

fn records(answer: &Value) -> Option<Vec<Record<'_>>> {
    let results = answer.get("results")?.as_array()?;
    results
        .iter()
        .map(|value| {
            Some(Record {
                id: value.get("id")?.as_str()?,
                properties: value.get("properties")?.as_object()?,
                stamp: value.get("updatedAt").and_then(Value::as_str),
            })
        })
        .collect()
}

impl Record<'_> {
    fn has(&self, key: &RecordKey) -> bool {
        match key {
            RecordKey::Id { id } => self.id == id || self.lists(MERGED_IDS, id),
            RecordKey::External { key, value } => {
                self.text(key).is_some_and(|own| same(own, value))
                    || (key == "email" && self.lists(FURTHER_EMAILS, value))
            }
        }
    }

    fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).and_then(Value::as_str)
    }

    fn lists(&self, property: &str, value: &str) -> bool {
        self.text(property)
            .is_some_and(|list| list.split(';').any(|one| same(one.trim(), value)))
    }

    fn prior(&self) -> Prior {
        Prior::Found {
            id: self.id.to_owned(),
            fields: self.properties.clone(),
            stamp: self.stamp.map(str::to_owned),
        }
    }
}

/// Unique values compare without case in HubSpot.
fn same(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}
