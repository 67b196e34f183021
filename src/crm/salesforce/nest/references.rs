//! `@{reference.field}`: values that only the CRM knows when it runs the request. What they decide is
//! never guessed.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::body::{self, Refused, malformed};
use super::makes;
use super::part::Part;
use crate::mutation::{Mutation, unknown_value};

/// The parts that were named so far, and whether each makes records.
#[derive(Default)]
pub(super) struct References(HashMap<String, bool>);

impl References {
    /// Remembers a part. Two of one name are refused.
    pub(super) fn add(&mut self, part: &Part<'_>, mutations: &[Mutation]) -> Result<(), Refused> {
        let Some(reference) = part.reference else {
            return Ok(());
        };
        let taken = self
            .0
            .keys()
            .any(|known| known.eq_ignore_ascii_case(reference));
        if taken {
            return Err(malformed(format!(
                "{}: another sub-request has this referenceId",
                part.place
            )));
        }
        self.0.insert(reference.to_owned(), makes(mutations));
        Ok(())
    }

    /// A body with unknown values in place of references.
    pub(super) fn replaced(&self, value: &Value, place: &str) -> Result<Value, Refused> {
        Ok(match value {
            Value::String(text) if text.contains("@{") => {
                self.check(text, place)?;
                unknown_value(text)
            }
            Value::Array(list) => Value::Array(
                list.iter()
                    .map(|value| self.replaced(value, place))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => {
                let mut replaced = Map::new();
                for (name, value) in members {
                    if name.contains("@{") {
                        return Err(Refused::Opaque(format!(
                            "{place}: a reference decides the name of a field: write it out"
                        )));
                    }
                    replaced.insert(name.clone(), self.replaced(value, place)?);
                }
                Value::Object(replaced)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        })
    }

    /// Each reference names an earlier part that makes records: what a part reads would be copied from
    /// one record to another unseen.
    fn check(&self, text: &str, place: &str) -> Result<(), Refused> {
        for after in text.split("@{").skip(1) {
            let Some((inside, _)) = after.split_once('}') else {
                return Err(malformed(format!("{place}: a reference has no end")));
            };
            let name = inside.split(['.', '[']).next().unwrap_or(inside);
            match self.0.get(name) {
                Some(true) => {}
                Some(false) => {
                    return Err(Refused::Opaque(format!(
                        "{place}: the reference {} copies what another record holds: read it first, \
                         and write the value",
                        body::shown(name)
                    )));
                }
                None => {
                    return Err(malformed(format!(
                        "{place}: no sub-request before it has the referenceId {}",
                        body::shown(name)
                    )));
                }
            }
        }
        Ok(())
    }
}
