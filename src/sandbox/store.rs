//! Records in memory, as both faces keep them: tables of rows with stamps and a recycle bin.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::log::{Effect, EffectKind};
use crate::mutation::CrmKind;

/// One record. Field names are in the schema's spelling; blank fields are absent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) fields: Map<String, Value>,
    pub(super) created: Timestamp,
    pub(super) modified: Timestamp,
    /// In the recycle bin, or archived.
    pub(super) deleted: bool,
    /// Grows with every change.
    pub(super) version: u64,
    /// Whether the latest change is a person's, made in the CRM itself.
    pub(super) by_hand: bool,
}

impl Record {
    pub(super) fn new(id: String, fields: Map<String, Value>, now: Timestamp) -> Self {
        Self {
            id,
            fields,
            created: now,
            modified: now,
            deleted: false,
            version: 1,
            by_hand: false,
        }
    }

    /// The value of a field; null when it is blank.
    pub(super) fn get(&self, field: &str) -> Value {
        self.fields.get(field).cloned().unwrap_or(Value::Null)
    }

    /// Sets a field; null takes it away.
    pub(super) fn put(&mut self, field: &str, value: Value) {
        if value.is_null() {
            self.fields.shift_remove(field);
        } else {
            self.fields.insert(field.to_owned(), value);
        }
    }

    fn changed(&mut self, now: Timestamp) {
        self.modified = now;
        self.version += 1;
        self.by_hand = false;
    }
}

/// All records of one face, by canonical object name and id, and what the present request changed.
#[derive(Clone, Debug)]
pub(super) struct Store {
    crm: CrmKind,
    tables: BTreeMap<String, BTreeMap<String, Record>>,
    effects: Vec<Effect>,
}

impl Store {
    pub(super) fn new(crm: CrmKind) -> Self {
        Self {
            crm,
            tables: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    /// Everything in the table, deleted rows too, in order of ids.
    pub(super) fn rows(&self, object: &str) -> impl Iterator<Item = &Record> {
        self.tables
            .get(object)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// A row, deleted or not.
    pub(super) fn any(&self, object: &str, id: &str) -> Option<&Record> {
        self.tables.get(object)?.get(id)
    }

    /// A row that is not deleted.
    pub(super) fn live(&self, object: &str, id: &str) -> Option<&Record> {
        self.any(object, id).filter(|record| !record.deleted)
    }

    /// A new row.
    pub(super) fn insert(&mut self, object: &str, record: Record) {
        self.note(object, &record.id, EffectKind::Created);
        self.place(object, record);
    }

    /// A row that no request makes: seed data.
    pub(super) fn place(&mut self, object: &str, record: Record) {
        let table = self.tables.entry(object.to_owned()).or_default();
        table.insert(record.id.clone(), record);
    }

    /// Writes fields of a row; null blanks. False when there is no such row.
    pub(super) fn update(
        &mut self,
        object: &str,
        id: &str,
        fields: Map<String, Value>,
        now: Timestamp,
    ) -> bool {
        let Some(record) = self.row(object, id) else {
            return false;
        };
        for (name, value) in fields {
            record.put(&name, value);
        }
        record.changed(now);
        self.note(object, id, EffectKind::Updated);
        true
    }

    /// The latest change of a row was a person's.
    pub(super) fn by_hand(&mut self, object: &str, id: &str) {
        if let Some(record) = self.row(object, id) {
            record.by_hand = true;
        }
    }

    /// Moves a row to the recycle bin. False when there is no such row.
    pub(super) fn delete(&mut self, object: &str, id: &str, now: Timestamp) -> bool {
        let Some(record) = self.row(object, id) else {
            return false;
        };
        record.deleted = true;
        record.changed(now);
        self.note(object, id, EffectKind::Deleted);
        true
    }

    /// Brings a row back from the recycle bin. False when there is no such row.
    pub(super) fn undelete(&mut self, object: &str, id: &str, now: Timestamp) -> bool {
        let Some(record) = self.row(object, id) else {
            return false;
        };
        record.deleted = false;
        record.changed(now);
        self.note(object, id, EffectKind::Restored);
        true
    }

    /// Takes a row out for good.
    pub(super) fn purge(&mut self, object: &str, id: &str, kind: EffectKind) -> Option<Record> {
        let record = self.tables.get_mut(object)?.remove(id)?;
        self.note(object, id, kind);
        Some(record)
    }

    /// The ids of all rows that are not deleted.
    pub(super) fn ids(&self, object: &str) -> Vec<String> {
        let live = self.rows(object).filter(|record| !record.deleted);
        live.map(|record| record.id.clone()).collect()
    }

    /// Makes a change that no request makes: it is not told as an effect of one.
    pub(super) fn aside(&mut self, change: impl FnOnce(&mut Self) -> bool) -> bool {
        let done = change(self);
        self.effects();
        done
    }

    /// What was changed since the last call.
    pub(super) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn row(&mut self, object: &str, id: &str) -> Option<&mut Record> {
        self.tables.get_mut(object)?.get_mut(id)
    }

    /// Notes a change that is not kept in a table.
    pub(super) fn note(&mut self, object: &str, id: &str, kind: EffectKind) {
        self.effects.push(Effect {
            crm: self.crm,
            object: object.to_owned(),
            id: id.to_owned(),
            kind,
        });
    }
}
