//! One record of a body: its members taken apart, and held against what names it.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::body::{self, Refused, malformed};
use super::headers::Acting;
use super::types::{self, Type};
use super::{id, multipart, relation, whole};
use crate::crm::Malformed;
use crate::crm::multipart::Part;
use crate::mutation::{
    Mutation, Operation, RecordKey, field, is_unknown, same_name, unknown_value,
};

/// Objects whose owner an assignment rule picks.
const ASSIGNED: [&str; 3] = ["Lead", "Case", "Account"];

/// How a change set shows the owner that an assignment rule picks, followed by the rule's id.
pub(super) const ASSIGNED_BY_RULE: &str = "assignment rule ";

/// As many characters of a file in a JSON body are shown as they are.
const SHOWN_FILE: usize = 64;

/// One record of a body, taken apart but not yet judged.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// `attributes.type`, as the request spells it.
    pub(super) object: Option<String>,
    /// The id in `attributes.url`, canonical.
    pub(super) url: Option<String>,
    /// `id`, canonical.
    pub(super) id: Option<String>,
    /// The fields.
    pub(super) fields: Map<String, Value>,
    /// Lookup fields that nested records set, and what these point to.
    lookups: Vec<(String, String)>,
    /// The part of the body that holds its file, and the field that the file is for.
    part: Option<(String, String)>,
}

/// Takes the members of one record apart. `place` says where it stands: `the body`, `records[3]`.
pub(super) fn read(members: Map<String, Value>, place: &str) -> Result<Record, Refused> {
    let mut record = Record::default();
    for (name, value) in members {
        if name == "attributes" {
            attributes(value, place, &mut record)?;
        } else if same_name(&name, "attributes") {
            return Err(malformed(format!(
                "{place}: attributes is not written in lower case"
            )));
        } else if same_name(&name, "id") {
            record.id = Some(id_member(&value, place)?);
        } else if !types::is_name(&name) {
            return Err(malformed(format!(
                "{place}: {} is not the name of a field",
                body::shown(&name)
            )));
        } else if is_unknown(&value) {
            record.fields.insert(name, value);
        } else if let Some((lookup, to)) = value
            .as_object()
            .and_then(|members| relation::lookup(&name, members))
        {
            record.lookups.push((lookup, to));
        } else if value.is_object() || value.is_array() {
            return Err(Refused::Opaque(format!(
                "{place}: {name} is a nested record or list, which is not taken apart yet: send \
                 the lookup field's id, and other records by themselves"
            )));
        } else {
            record.fields.insert(name, value);
        }
    }
    record.lay_lookups(place)?;
    Ok(record)
}

fn id_member(value: &Value, place: &str) -> Result<String, Refused> {
    let Value::String(text) = value else {
        return Err(malformed(format!("{place}: the id is not a string")));
    };
    id::canonical(text).map_err(|Malformed(what)| malformed(format!("{place}: {what}")))
}

/// `{"type": …, "url": …}`, and which part of the body holds a file; all else is refused.
fn attributes(value: Value, place: &str, record: &mut Record) -> Result<(), Refused> {
    let Value::Object(members) = value else {
        return Err(malformed(format!("{place}: attributes is not an object")));
    };
    let (mut part, mut alias) = (None, None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("type", Value::String(object)) => record.object = Some(object),
            ("url", Value::String(url)) => record.url = Some(url_id(&url, place)?),
            ("binaryPartName", Value::String(name)) => part = Some(name),
            ("binaryPartNameAlias", Value::String(field)) => alias = Some(field),
            _ => {
                return Err(malformed(format!(
                    "{place}: attributes holds more than the texts type and url, and those that \
                     name a file"
                )));
            }
        }
    }
    match (part, alias) {
        (None, None) => Ok(()),
        (Some(part), Some(alias)) => {
            record.part = Some((part, alias));
            Ok(())
        }
        _ => Err(malformed(format!(
            "{place}: of binaryPartName and binaryPartNameAlias one is missing"
        ))),
    }
}

/// The id that a row's url ends in.
fn url_id(url: &str, place: &str) -> Result<String, Refused> {
    let last = url.rsplit('/').next().unwrap_or(url);
    id::canonical(last).map_err(|_no_id| {
        malformed(format!(
            "{place}: attributes.url does not end in a record id"
        ))
    })
}

impl Record {
    /// One with these fields.
    pub(super) fn of(fields: Map<String, Value>) -> Self {
        Self {
            fields,
            ..Self::default()
        }
    }

    /// Lays the lookups over the fields: their ids are the CRM's to find.
    fn lay_lookups(&mut self, place: &str) -> Result<(), Refused> {
        let lookups = std::mem::take(&mut self.lookups);
        if lookups.is_empty() {
            return Ok(());
        }
        let lower = |name: &String| name.to_ascii_lowercase();
        let mut names: HashSet<String> = self.fields.keys().map(lower).collect();
        for (lookup, to) in lookups {
            if !names.insert(lower(&lookup)) {
                return Err(malformed(format!(
                    "{place}: {lookup} is given twice: as a field, and by a nested record"
                )));
            }
            self.fields.insert(lookup, unknown_value(&to));
        }
        Ok(())
    }

    /// Refuses what disagrees with the object that the path or `attributes.type` names.
    pub(super) fn agree(&self, known: &Type<'_>, place: &str) -> Result<(), Refused> {
        if let Some(object) = &self.object
            && !same_name(object, known.name)
        {
            return Err(malformed(format!(
                "{place}: attributes.type is not {}, which the path names",
                known.name
            )));
        }
        if let Some(id) = &self.id {
            body::belongs(id, known, place)?;
        }
        if self.part.is_some() {
            return Err(Refused::Opaque(format!(
                "{place}: it names a file part, where none can be sent: use a row or a collection"
            )));
        }
        Ok(())
    }

    /// Takes the file that a record of a collection names out of those of the body.
    pub(super) fn take_file(
        &mut self,
        files: &mut Vec<Part<'_>>,
        known: &Type<'_>,
        place: &str,
    ) -> Result<(), Refused> {
        let Some((part, alias)) = self.part.take() else {
            return Ok(());
        };
        let Some(at) = files.iter().position(|file| file.name == part) else {
            return Err(malformed(format!(
                "{place}: no part of the body, or another record's, is the file that it names"
            )));
        };
        let file = files.swap_remove(at);
        self.hold(&file, &alias, known, place)
    }

    /// Lays a file over the field that is for it: nobody judges what it holds.
    pub(super) fn hold(
        &mut self,
        file: &Part<'_>,
        name: &str,
        known: &Type<'_>,
        place: &str,
    ) -> Result<(), Refused> {
        let of_files = known.file.filter(|known| same_name(known, name));
        let Some(name) = of_files.filter(|name| field(&self.fields, name).is_none()) else {
            return Err(malformed(format!(
                "{place}: a file is for no field of {} that holds one, or for one that is given",
                known.name
            )));
        };
        let described = unknown_value(&multipart::described(file));
        self.fields.insert(name.to_owned(), described);
        Ok(())
    }

    /// A file that is written out as text is shown by its size and digest, like one beside the record.
    fn shorten_file(&mut self, known: &Type<'_>) {
        let Some(name) = known.file else { return };
        let mut fields = self.fields.iter_mut();
        let Some((_, value)) = fields.find(|(key, _)| same_name(key, name)) else {
            return;
        };
        if let Value::String(text) = value
            && text.len() > SHOWN_FILE
        {
            let described = whole::described("base64", text.as_bytes());
            *value = unknown_value(&format!("file: {described}"));
        }
    }

    /// Refuses ids in the body other than `id`, which the path or the row names.
    pub(super) fn names_only(&self, id: Option<&str>, place: &str) -> Result<(), Refused> {
        for (what, given) in [("id", &self.id), ("attributes.url", &self.url)] {
            if given.is_some() && given.as_deref() != id {
                return Err(malformed(format!(
                    "{place}: {what} names a record that this write does not name"
                )));
            }
        }
        Ok(())
    }

    /// Lays an assignment rule over the fields: it picks the owner.
    pub(super) fn assign(&mut self, acting: &Acting, known: &Type<'_>) -> Result<(), Refused> {
        let Acting::AssignmentRule(rule) = acting else {
            return Ok(());
        };
        if !ASSIGNED.contains(&known.name) {
            return Err(Refused::Opaque(format!(
                "Sforce-Auto-Assign names a rule, and {} has none: leave the header out",
                known.name
            )));
        }
        if field(&self.fields, "OwnerId").is_some() {
            return Err(malformed(
                "OwnerId is given, and Sforce-Auto-Assign names a rule that picks the owner: \
                 send one of them",
            ));
        }
        self.fields.insert(
            "OwnerId".into(),
            Value::from(format!("{ASSIGNED_BY_RULE}{rule}")),
        );
        Ok(())
    }

    /// The mutation that this record's fields make.
    pub(super) fn mutation(
        mut self,
        known: &Type<'_>,
        operation: Operation,
        key: Option<RecordKey>,
        row: Option<String>,
    ) -> Mutation {
        self.shorten_file(known);
        body::mutation(known, operation, key, row, self.fields)
    }
}
