//! What cannot be taken back: merges and permanent deletes.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::log::EffectKind;
use super::super::store::Record;
use super::Session;
use super::error::Error;
use super::objects::id_text;
use super::schema::Type;

impl Session<'_> {
    /// `POST /crm/v3/objects/{type}/merge`: both records go, a new one has the first's values and, where
    /// it had none, the second's. Both old ids keep leading to it.
    pub(super) fn merge(&mut self, kind: &'static Type) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let of = |name: &str| body.get(name).and_then(id_text).unwrap_or_default();
        let id = self.merged(kind, &of("primaryObjectId"), &of("objectIdToMerge"))?;
        let record = self.portal.store.any(kind.name, &id);
        let record = record.ok_or_else(Error::not_found)?;
        Ok(Answer::json(200, self.shown(kind, record, None)))
    }

    /// Merges two records; the new one's id.
    pub(super) fn merged(
        &mut self,
        kind: &'static Type,
        first: &str,
        second: &str,
    ) -> Result<String, Error> {
        let of = |id: &str| {
            let found = self.resolve(kind, id, None)?;
            found.ok_or_else(Error::not_found)
        };
        let (first, second) = (of(first)?, of(second)?);
        if first == second {
            return Err(Error::invalid("a record cannot be merged with itself"));
        }
        let store = &self.portal.store;
        let values = |id: &str| {
            let record = store.any(kind.name, id);
            record
                .map(|record| record.fields.clone())
                .unwrap_or_default()
        };
        let mut fields: Map<String, Value> = values(&second);
        fields.extend(values(&first));
        let merged = json!(format!("{first};{second}"));
        fields.insert("hs_merged_object_ids".to_owned(), merged);
        let id = self.portal.new_id();
        let record = Record::new(id.clone(), fields, self.call.now);
        self.portal.store.insert(kind.name, record);
        for old in [&first, &second] {
            self.portal
                .store
                .purge(kind.name, old, EffectKind::MergedAway);
            self.portal.moved(kind.name, old, &id);
        }
        Ok(id)
    }

    /// `POST /crm/v3/objects/{type}/gdpr-delete`: gone for good, archived or not.
    pub(super) fn gdpr_delete(&mut self, kind: &'static Type) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let key = body.get("objectId").and_then(id_text).unwrap_or_default();
        let property = body.get("idProperty").and_then(Value::as_str);
        let id = self.resolve(kind, &key, property)?.unwrap_or(key);
        let gone = self.portal.store.purge(kind.name, &id, EffectKind::Purged);
        gone.ok_or_else(Error::not_found)?;
        Ok(Answer::empty(204))
    }
}
