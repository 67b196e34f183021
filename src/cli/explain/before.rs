//! Prior values from a file: `{"Opportunity/006…": {"Amount": 100}}`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::crm::json;
use crate::mutation::{Mutation, Operation, Prior, RecordKey, Snapshot, same_name};

/// What is known of records before the request.
#[derive(Debug, Default)]
pub(super) struct Before {
    records: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    /// As `explain` names it.
    object: String,
    /// As the file spells it: an id, or `FIELD=VALUE` for an external key.
    record: String,
    /// `None`: it is known that there is no such record.
    fields: Option<Map<String, Value>>,
}

impl Known {
    fn is_of(&self, mutation: &Mutation, key: &RecordKey) -> bool {
        same_name(&self.object, &mutation.object) && same_record(&self.record, key)
    }
}

impl Before {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let shown = file.display();
        let bytes = std::fs::read(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let value = json::parse_answer(&bytes).map_err(|malformed| {
            malformed
                .to_string()
                .replacen("the JSON body", &shown.to_string(), 1)
        })?;
        let form = || format!("{shown}: write {{\"OBJECT/ID\": {{FIELD: VALUE}}}}");
        let entries = value.as_object().ok_or_else(form)?;
        let mut records = Vec::new();
        for (key, value) in entries {
            let (object, record) = key.split_once('/').ok_or_else(form)?;
            let fields = match value {
                Value::Null => None,
                Value::Object(fields) => Some(fields.clone()),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    return Err(form());
                }
            };
            records.push(Known {
                object: object.to_owned(),
                record: record.to_owned(),
                fields,
            });
        }
        Ok(Self { records })
    }

    /// The prior of each mutation: what the file says, absent for a create, else unknown.
    pub(super) fn snapshot(&self, mutations: &[Mutation]) -> Snapshot {
        Snapshot::of(mutations.iter().map(|m| self.prior(m)).collect())
    }

    /// Records that none of the mutations touches, as `OBJECT/ID`: probably misspelt.
    pub(super) fn unused(&self, mutations: &[Mutation]) -> Vec<String> {
        let used = |known: &&Known| {
            mutations.iter().any(|mutation| {
                let key = mutation.record.as_ref();
                key.is_some_and(|key| known.is_of(mutation, key))
            })
        };
        let unused = self.records.iter().filter(|known| !used(known));
        unused
            .map(|known| format!("{}/{}", known.object, known.record))
            .collect()
    }

    fn prior(&self, mutation: &Mutation) -> Prior {
        if mutation.operation == Operation::Create {
            return Prior::Absent;
        }
        let Some(key) = &mutation.record else {
            return Prior::Unknown;
        };
        let known = self.records.iter().find(|known| known.is_of(mutation, key));
        match known {
            None => Prior::Unknown,
            Some(Known { fields: None, .. }) => Prior::not_returned(mutation.operation),
            Some(Known {
                fields: Some(fields),
                ..
            }) => Prior::Found {
                id: key.to_string(),
                fields: fields.clone(),
                stamp: None,
            },
        }
    }
}

/// An id in either of Salesforce's lengths, or an external key.
fn same_record(written: &str, key: &RecordKey) -> bool {
    match key {
        RecordKey::External { .. } => written == key.to_string(),
        RecordKey::Id { id } => {
            // 15 characters name the same record as the 18 that begin with them.
            written == id || (written.len() == 15 && id.len() == 18 && id.starts_with(written))
        }
    }
}
