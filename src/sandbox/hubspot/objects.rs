//! One record at a time: list, create, read, update, archive.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::store::Record;
use super::Session;
use super::error::Error;
use super::portal::{stamp, value};
use super::schema::{self, Type};
use super::values;

impl Session<'_> {
    /// `GET /crm/v3/objects/{type}`.
    pub(super) fn list(&self, kind: &'static Type) -> Result<Answer, Error> {
        let request = self.call.request;
        let limit = self.limit(10, 100)?;
        let archived = request.flag("archived");
        let after = request.parameter("after").unwrap_or_default();
        let mut rows = self
            .portal
            .store
            .rows(kind.name)
            .filter(|row| row.deleted == archived && row.id.as_str() > after);
        let page: Vec<&Record> = rows.by_ref().take(limit).collect();
        let results: Vec<Value> = page.iter().map(|row| self.read(kind, row)).collect();
        let mut body = Map::from_iter([("results".to_owned(), json!(results))]);
        if let (Some(last), Some(_)) = (page.last(), rows.next()) {
            body.insert("paging".to_owned(), self.paging(&last.id));
        }
        Ok(Answer::json(200, Value::Object(body)))
    }

    /// `POST /crm/v3/objects/{type}`.
    pub(super) fn post(&mut self, kind: &'static Type) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let id = self.create(kind, &body)?;
        let base = super::base_url(self.call.request);
        let location = format!("{base}/crm/v3/objects/{}/{id}", kind.name);
        let shown = self.written(kind, &id, &body);
        Ok(Answer::json(201, shown).with("location", location))
    }

    /// `GET /crm/v3/objects/{type}/{id}`.
    pub(super) fn get(&self, kind: &'static Type, id: &str) -> Result<Answer, Error> {
        let request = self.call.request;
        let archived = request.flag("archived");
        let record = match self.resolve(kind, id, request.parameter("idProperty"))? {
            Some(id) => self.portal.store.any(kind.name, &id),
            None if archived => self.portal.store.any(kind.name, id),
            None => None,
        };
        let record = record
            .filter(|record| record.deleted == archived)
            .ok_or_else(Error::not_found)?;
        Ok(Answer::json(200, self.read(kind, record)))
    }

    /// `PATCH /crm/v3/objects/{type}/{id}`.
    pub(super) fn patch(&mut self, kind: &'static Type, id: &str) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let key = self.call.request.parameter("idProperty");
        let id = self.resolve(kind, id, key)?.ok_or_else(Error::not_found)?;
        self.update(kind, &id, &body)?;
        Ok(Answer::json(200, self.written(kind, &id, &body)))
    }

    /// `DELETE /crm/v3/objects/{type}/{id}`; archiving twice is no error.
    pub(super) fn delete(&mut self, kind: &'static Type, id: &str) -> Result<Answer, Error> {
        self.archive(kind, id)?;
        Ok(Answer::empty(204))
    }

    /// Archives a record that exists or existed.
    pub(super) fn archive(&mut self, kind: &'static Type, id: &str) -> Result<(), Error> {
        let id = self.portal.current(kind.name, id).to_owned();
        match self.portal.store.any(kind.name, &id) {
            None => return Err(Error::not_found()),
            Some(record) if record.deleted => {}
            Some(_) => {
                self.portal.store.delete(kind.name, &id, self.call.now);
            }
        }
        Ok(())
    }

    /// Makes a record with its links; its id.
    pub(super) fn create(
        &mut self,
        kind: &'static Type,
        body: &Map<String, Value>,
    ) -> Result<String, Error> {
        let mut fields = values::properties(kind, self.call.token, body)?;
        fields.retain(|_, value| !value.is_null());
        self.no_conflict(kind, &fields, None)?;
        let links = self.links_of(kind, body)?;
        let id = self.portal.new_id();
        let record = Record::new(id.clone(), fields, self.call.now);
        self.portal.store.insert(kind.name, record);
        for (other, other_id, number) in links {
            let link = ("HUBSPOT_DEFINED".to_owned(), number);
            self.portal
                .associate((kind.name, &id), (other, &other_id), &link);
        }
        Ok(id)
    }

    /// Writes properties of a record that exists.
    pub(super) fn update(
        &mut self,
        kind: &'static Type,
        id: &str,
        body: &Map<String, Value>,
    ) -> Result<(), Error> {
        let fields = values::properties(kind, self.call.token, body)?;
        self.no_conflict(kind, &fields, Some(id))?;
        let now = self.call.now;
        self.portal.store.update(kind.name, id, fields, now);
        Ok(())
    }

    /// Unique values that another record has already.
    fn no_conflict(
        &self,
        kind: &Type,
        fields: &Map<String, Value>,
        own: Option<&str>,
    ) -> Result<(), Error> {
        for property in kind.properties().filter(|property| property.unique) {
            let Some(wanted) = fields.get(property.name).and_then(Value::as_str) else {
                continue;
            };
            let holder = self.portal.holder(kind, property.name, wanted);
            if let Some(other) = holder.filter(|other| Some(other.id.as_str()) != own) {
                let mut name = kind.singular.to_owned();
                if let Some(first) = name.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                let message = format!("{name} already exists. Existing ID: {}", other.id);
                return Err(Error::new(409, "CONFLICT", message));
            }
        }
        Ok(())
    }

    /// The far ends of the links that a create names.
    fn links_of(
        &self,
        kind: &Type,
        body: &Map<String, Value>,
    ) -> Result<Vec<(&'static str, String, u64)>, Error> {
        let mut links = Vec::new();
        let given = body.get("associations").and_then(Value::as_array);
        for link in given.into_iter().flatten() {
            let to = link.get("to").and_then(|to| to.get("id"));
            let to = to.and_then(id_text).unwrap_or_default();
            let types = link.get("types").and_then(Value::as_array);
            for one in types.into_iter().flatten() {
                let number = one.get("associationTypeId").and_then(Value::as_u64);
                let (_, other, _) = number
                    .and_then(schema::association)
                    .filter(|(from, ..)| *from == kind.name)
                    .ok_or_else(|| {
                        let number = number.unwrap_or_default();
                        Error::invalid(format!(
                            "No association type {number} exists from {}",
                            kind.name
                        ))
                    })?;
                let id = self.portal.current(other, &to);
                if self.portal.store.live(other, id).is_none() {
                    return Err(Error::invalid(format!(
                        "{other} with ID {to} does not exist and cannot be associated"
                    )));
                }
                links.push((other, id.to_owned(), number.unwrap_or_default()));
            }
        }
        Ok(links)
    }

    /// The id of the record, not archived, that a key names. An unknown or not unique `idProperty` is an
    /// error.
    pub(super) fn resolve(
        &self,
        kind: &Type,
        key: &str,
        property: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let record = match property {
            None | Some("hs_object_id") => {
                let id = self.portal.current(kind.name, key);
                self.portal.store.live(kind.name, id)
            }
            Some(name) => {
                let property = kind.property(name).filter(|property| property.unique);
                let property = property.ok_or_else(|| {
                    Error::invalid(format!("Property \"{name}\" is not a unique property"))
                })?;
                self.portal.holder(kind, property.name, key)
            }
        };
        Ok(record.map(|record| record.id.clone()))
    }

    /// A record as a read shows it, with the properties and links that the query asks for.
    pub(super) fn read(&self, kind: &Type, record: &Record) -> Value {
        let asked = self.call.request.list("properties");
        let mut shown = self.shown(kind, record, asked.as_deref());
        let links = self.call.request.list("associations").unwrap_or_default();
        let linked: Map<String, Value> = links
            .iter()
            .filter_map(|name| schema::of(name))
            .filter_map(|other| Some((other.name.to_owned(), self.linked(kind, record, other)?)))
            .collect();
        if let Some(shown) = shown.as_object_mut()
            && !linked.is_empty()
        {
            shown.insert("associations".to_owned(), Value::Object(linked));
        }
        shown
    }

    fn linked(&self, kind: &Type, record: &Record, other: &Type) -> Option<Value> {
        let links = self.portal.links(kind.name, &record.id).iter();
        let results: Vec<Value> = links
            .filter(|link| link.to == other.name)
            .map(|link| json!({"id": link.id, "type": link.name}))
            .collect();
        (!results.is_empty()).then(|| json!({"results": results}))
    }

    /// A record with the given properties, or with those that are shown where none are named. Unknown
    /// names are left out without a word.
    pub(super) fn shown(&self, kind: &Type, record: &Record, asked: Option<&[String]>) -> Value {
        let modified = if kind.name == "contacts" {
            "lastmodifieddate"
        } else {
            "hs_lastmodifieddate"
        };
        let mut names = vec!["createdate", modified, "hs_object_id"];
        match asked {
            Some(asked) => names.extend(
                asked
                    .iter()
                    .filter_map(|name| kind.property(name))
                    .map(|property| property.name),
            ),
            None => names.extend(kind.shown),
        }
        names.sort_unstable();
        names.dedup();
        let properties: Map<String, Value> = names
            .into_iter()
            .filter(|name| self.call.token.sees(kind.name, name))
            .map(|name| (name.to_owned(), value(record, name)))
            .collect();
        let mut shown = json!({
            "id": record.id,
            "properties": properties,
            "createdAt": stamp(record.created),
            "updatedAt": stamp(record.modified),
            "archived": record.deleted,
        });
        if let Some(shown) = shown.as_object_mut()
            && record.deleted
        {
            shown.insert("archivedAt".to_owned(), json!(stamp(record.modified)));
        }
        shown
    }

    /// A record as the answer to a write shows it: what was written, and the stamps.
    pub(super) fn written(&self, kind: &Type, id: &str, body: &Map<String, Value>) -> Value {
        let Some(record) = self.portal.store.any(kind.name, id) else {
            return Value::Null;
        };
        let properties = body.get("properties").and_then(Value::as_object);
        let names: Vec<String> = properties
            .into_iter()
            .flat_map(|properties| properties.keys().cloned())
            .collect();
        self.shown(kind, record, Some(&names))
    }

    /// `limit` of the query.
    fn limit(&self, default: usize, most: usize) -> Result<usize, Error> {
        match self.call.request.parameter("limit") {
            None => Ok(default),
            Some(text) => super::page_size(text.parse().ok(), most),
        }
    }

    /// `paging` with an absolute link to the next page, as the client reaches the sandbox.
    fn paging(&self, after: &str) -> Value {
        let request = self.call.request;
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in request.query.iter().filter(|(name, _)| name != "after") {
            query.append_pair(name, value);
        }
        query.append_pair("after", after);
        let path = request.segments.join("/");
        let base = super::base_url(request);
        let link = format!("{base}/{path}?{}", query.finish());
        json!({"next": {"after": after, "link": link}})
    }
}

/// An id that stands as text or as number.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
