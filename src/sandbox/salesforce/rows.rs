//! One record at a time: create, read, update, delete, by id and by external id.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::store::Record;
use super::conditions::{etag, http_date};
use super::error::Error;
use super::org::{value, visible};
use super::schema::{Field, Kind, Object};
use super::values::{self, Write};
use super::{Session, ids};

impl Session<'_> {
    /// `POST /sobjects/{type}`.
    pub(super) fn post_row(&mut self, object: &'static Object) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let id = self.create(object, &body)?;
        let location = format!(
            "/services/data/{}/sobjects/{}/{id}",
            self.version, object.name
        );
        let body = json!({"id": id, "success": true, "errors": []});
        Ok(Answer::json(201, body).with("location", location))
    }

    /// `GET /sobjects/{type}/{id}`.
    pub(super) fn get_row(&mut self, object: &'static Object, id: &str) -> Result<Answer, Error> {
        let fields = self.named_fields(object)?;
        let wrong = || {
            let message =
                format!("Provided external ID field does not exist or is not accessible: {id}");
            Error::new(404, "NOT_FOUND", message)
        };
        let canonical = ids::canonical(id).ok_or_else(wrong)?;
        let record = self
            .org
            .store
            .live(object.name, &canonical)
            .ok_or_else(Error::not_found)?;
        if self.unchanged(object, record)? {
            return Ok(Answer::empty(304));
        }
        let answer = Answer::json(200, self.shown(object, record, &fields))
            .with("last-modified", http_date(record.modified));
        Ok(match etag(object, record) {
            Some(tag) => answer.with("etag", tag),
            None => answer,
        })
    }

    /// `PATCH /sobjects/{type}/{id}`.
    pub(super) fn patch_row(&mut self, object: &'static Object, id: &str) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let id = self.locate(object, id)?;
        if let Some(refusal) = self.precondition(object, &id)? {
            return Ok(refusal);
        }
        self.update(object, &id, &body)?;
        Ok(Answer::empty(204))
    }

    /// `DELETE /sobjects/{type}/{id}`.
    pub(super) fn delete_row(
        &mut self,
        object: &'static Object,
        id: &str,
    ) -> Result<Answer, Error> {
        let id = self.locate(object, id)?;
        self.org.store.delete(object.name, &id, self.call.now);
        Ok(Answer::empty(204))
    }

    /// `GET`, `PATCH` (upsert) and `DELETE /sobjects/{type}/{external id field}/{value}`.
    pub(super) fn external_row(
        &mut self,
        object: &'static Object,
        key: &str,
        wanted: &str,
    ) -> Result<Answer, Error> {
        let field = external_field(object, key)?;
        let found = self.matches(object, field, wanted);
        if let [_, _, ..] = found.as_slice() {
            let urls: Vec<String> = found
                .iter()
                .map(|id| {
                    format!(
                        "/services/data/{}/sobjects/{}/{id}",
                        self.version, object.name
                    )
                })
                .collect();
            return Ok(Answer::json(300, json!(urls)));
        }
        match (self.call.request.method.as_str(), found.first()) {
            ("GET" | "HEAD", Some(id)) => self.get_row(object, id),
            ("DELETE", Some(id)) => self.delete_row(object, id),
            ("GET" | "HEAD" | "DELETE", None) => Err(Error::not_found()),
            ("PATCH", found) => {
                if let Some(id) = found
                    && let Some(refusal) = self.precondition(object, id)?
                {
                    return Ok(refusal);
                }
                let body = self.body_object()?;
                let (id, created) = self.upsert(object, field, wanted, &body)?;
                let body = json!({"id": id, "success": true, "errors": [], "created": created});
                Ok(Answer::json(if created { 201 } else { 200 }, body))
            }
            (other, _) => Err(Error::not_allowed(other, "HEAD,GET,PATCH,DELETE")),
        }
    }

    /// Makes a record; its id.
    pub(super) fn create(
        &mut self,
        object: &'static Object,
        body: &Map<String, Value>,
    ) -> Result<String, Error> {
        let mut fields = values::fields(self, object, body, Write::Insert)?;
        fields.retain(|_, value| !value.is_null());
        for (name, value) in defaults(object.name) {
            fields.entry(*name).or_insert_with(|| json!(value));
        }
        for field in object.fields() {
            if field.source == super::schema::Source::AutoNumber {
                let number = self.org.number();
                fields.insert(field.name.to_owned(), json!(format!("{number:08}")));
            }
        }
        let id = self.org.new_id(object);
        let record = Record::new(id.clone(), fields, self.call.now);
        self.org.store.insert(object.name, record);
        Ok(id)
    }

    /// Writes fields of a record that exists.
    pub(super) fn update(
        &mut self,
        object: &'static Object,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<(), Error> {
        let fields = values::fields(self, object, body, Write::Update)?;
        self.org
            .store
            .update(object.name, id, fields, self.call.now);
        Ok(())
    }

    /// Writes the record that an external id names, or makes it; its id, and whether it is new.
    pub(super) fn upsert(
        &mut self,
        object: &'static Object,
        field: &'static Field,
        wanted: &str,
        body: &Map<String, Value>,
    ) -> Result<(String, bool), Error> {
        let found = self.matches(object, field, wanted);
        match found.as_slice() {
            [id] => {
                self.update(object, id, body)?;
                Ok((id.clone(), false))
            }
            [] if field.kind == Kind::Id => Err(Error::not_found()),
            [] => {
                let mut body = body.clone();
                body.retain(|name, _| !name.eq_ignore_ascii_case(field.name));
                body.insert(field.name.to_owned(), json!(wanted));
                Ok((self.create(object, &body)?, true))
            }
            [_, ..] => {
                let message = format!("{}: more than one record found", field.name);
                Err(Error::new(400, "DUPLICATE_EXTERNAL_ID", message).field(field.name))
            }
        }
    }

    /// The canonical id of a record that is to be written.
    pub(super) fn locate(&self, object: &Object, id: &str) -> Result<String, Error> {
        let canonical = ids::canonical(id)
            .filter(|id| id.starts_with(object.prefix))
            .ok_or_else(|| Error::malformed_id(object.name, id))?;
        match self.org.store.any(object.name, &canonical) {
            None => Err(Error::not_found()),
            Some(record) if record.deleted => Err(Error::deleted()),
            Some(_) => Ok(canonical),
        }
    }

    /// The ids of all records that have this external id.
    pub(super) fn matches(&self, object: &Object, field: &Field, wanted: &str) -> Vec<String> {
        if field.kind == Kind::Id {
            let id = ids::canonical(wanted);
            return id
                .filter(|id| self.org.store.live(object.name, id).is_some())
                .into_iter()
                .collect();
        }
        let live = self.org.store.rows(object.name).filter(|row| !row.deleted);
        live.filter(|row| {
            let has = row.get(field.name);
            has.as_str()
                .is_some_and(|has| has.eq_ignore_ascii_case(wanted))
        })
        .map(|row| row.id.clone())
        .collect()
    }

    /// A record as JSON.
    pub(super) fn shown(&self, object: &Object, record: &Record, fields: &[&Field]) -> Value {
        let mut shown = Map::new();
        shown.insert("attributes".to_owned(), self.attributes(object, &record.id));
        for field in fields {
            shown.insert(field.name.to_owned(), value(record, object, field));
        }
        Value::Object(shown)
    }

    pub(super) fn attributes(&self, object: &Object, id: &str) -> Value {
        let url = format!(
            "/services/data/{}/sobjects/{}/{id}",
            self.version, object.name
        );
        json!({"type": object.name, "url": url})
    }

    /// The fields a read asks for by `fields=`; all that the token sees without it.
    fn named_fields(&self, object: &'static Object) -> Result<Vec<&'static Field>, Error> {
        match self.call.request.list("fields") {
            None => Ok(visible(object, self.call.token).collect()),
            Some(names) => self.fields_of(object, &names),
        }
    }

    /// Fields by their names; one that is unknown or hidden from the token fails them all.
    pub(super) fn fields_of(
        &self,
        object: &'static Object,
        names: &[String],
    ) -> Result<Vec<&'static Field>, Error> {
        let of = |name: &String| {
            object
                .field(name)
                .filter(|field| self.call.token.sees(object.name, field.name))
                .ok_or_else(|| Error::no_column(name, object.name))
        };
        names.iter().map(of).collect()
    }
}

/// The external-id field that a path or a collection names.
pub(super) fn external_field(object: &'static Object, key: &str) -> Result<&'static Field, Error> {
    object
        .field(key)
        .filter(|field| field.external_id || field.kind == Kind::Id)
        .ok_or_else(|| {
            let message =
                format!("Provided external ID field does not exist or is not accessible: {key}");
            Error::new(404, "NOT_FOUND", message)
        })
}

/// What a new record has where the request does not say.
fn defaults(object: &str) -> &'static [(&'static str, &'static str)] {
    match object {
        "Lead" => &[("Status", "Open - Not Contacted")],
        "Opportunity" => &[("ForecastCategoryName", "Pipeline")],
        "Case" => &[("Status", "New"), ("Priority", "Medium")],
        "Task" => &[("Status", "Not Started"), ("Priority", "Normal")],
        _ => &[],
    }
}
