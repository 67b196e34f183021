//! sObject Collections: up to 200 writes in one request, row by row or all or none; and the read of
//! up to 2,000 records by id.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::error::Error;
use super::rows::external_field;
use super::schema::{self, Field, Object};
use super::{Session, ids};

const MOST_WRITES: usize = 200;
const MOST_READS: usize = 2000;

impl Session<'_> {
    /// `POST /composite/sobjects`.
    pub(super) fn create_many(&mut self) -> Result<Answer, Error> {
        let (records, all_or_none) = self.records()?;
        self.each(all_or_none, &records, |session, record| {
            let (object, fields) = typed(record)?;
            let id = session.create(object, &fields)?;
            Ok(json!({"id": id, "success": true, "errors": []}))
        })
    }

    /// `PATCH /composite/sobjects`.
    pub(super) fn update_many(&mut self) -> Result<Answer, Error> {
        let (records, all_or_none) = self.records()?;
        self.each(all_or_none, &records, |session, record| {
            let (object, mut fields) = typed(record)?;
            let id = take(&mut fields, "id").ok_or_else(|| {
                let message = "Id not specified in an update call";
                Error::new(400, "MISSING_ARGUMENT", message).field("Id")
            })?;
            let id = session.locate(object, &id)?;
            session.update(object, &id, &fields)?;
            Ok(json!({"id": id, "success": true, "errors": []}))
        })
    }

    /// `PATCH /composite/sobjects/{type}/{external id field}`.
    pub(super) fn upsert_many(
        &mut self,
        object: &'static Object,
        key: &str,
    ) -> Result<Answer, Error> {
        let field = external_field(object, key)?;
        let (records, all_or_none) = self.records()?;
        self.each(all_or_none, &records, |session, record| {
            let (named, fields) = typed(record)?;
            if named.name != object.name {
                let message = format!("the record is no {}: {}", object.name, named.name);
                return Err(Error::new(400, "INVALID_TYPE", message));
            }
            session.upsert_one(object, field, fields)
        })
    }

    pub(super) fn upsert_one(
        &mut self,
        object: &'static Object,
        field: &'static Field,
        mut fields: Map<String, Value>,
    ) -> Result<Value, Error> {
        let wanted = take(&mut fields, field.name).ok_or_else(|| {
            let message = format!("{} not specified", field.name);
            Error::new(400, "MISSING_ARGUMENT", message).field(field.name)
        })?;
        let (id, created) = self.upsert(object, field, &wanted, &fields)?;
        Ok(json!({"id": id, "success": true, "errors": [], "created": created}))
    }

    /// `DELETE /composite/sobjects?ids=…`.
    pub(super) fn delete_many(&mut self) -> Result<Answer, Error> {
        let ids = self.call.request.list("ids").unwrap_or_default();
        limit(ids.len(), MOST_WRITES)?;
        let all_or_none = self.call.request.flag("allOrNone");
        let ids: Vec<Value> = ids.into_iter().map(Value::from).collect();
        self.each(all_or_none, &ids, |session, id| {
            let id = id.as_str().unwrap_or_default();
            let object = schema::objects()
                .iter()
                .find(|object| id.starts_with(object.prefix))
                .ok_or_else(|| Error::malformed_id("sObject", id))?;
            let id = session.locate(object, id)?;
            session.org.store.delete(object.name, &id, session.call.now);
            Ok(json!({"id": id, "success": true, "errors": []}))
        })
    }

    /// `GET /composite/sobjects/{type}?ids=…&fields=…`, and `POST` with both in the body.
    pub(super) fn read_many(
        &mut self,
        object: &'static Object,
        by_post: bool,
    ) -> Result<Answer, Error> {
        let (ids, names) = if by_post {
            let body = self.body_object()?;
            (strings(&body, "ids")?, strings(&body, "fields")?)
        } else {
            let list = |name: &str| self.call.request.list(name).unwrap_or_default();
            (list("ids"), list("fields"))
        };
        limit(ids.len(), MOST_READS)?;
        if names.is_empty() {
            let message = "The 'fields' parameter must name at least one field";
            return Err(Error::new(400, "INVALID_INPUT", message));
        }
        let fields = self.fields_of(object, &names)?;
        let read = |id: &String| {
            let id = ids::canonical(id).ok_or_else(|| Error::malformed_id(object.name, id))?;
            let record = self.org.store.live(object.name, &id);
            Ok(record.map_or(Value::Null, |record| self.shown(object, record, &fields)))
        };
        let rows: Vec<Value> = ids.iter().map(read).collect::<Result<_, Error>>()?;
        Ok(Answer::json(200, Value::Array(rows)))
    }

    /// Runs a write on each row; with all-or-none a failure takes everything back.
    pub(super) fn each(
        &mut self,
        all_or_none: bool,
        rows: &[Value],
        mut write: impl FnMut(&mut Self, &Value) -> Result<Value, Error>,
    ) -> Result<Answer, Error> {
        let before = all_or_none.then(|| self.org.clone());
        let results: Vec<Result<Value, Error>> = rows.iter().map(|row| write(self, row)).collect();
        let failed = results.iter().any(Result::is_err);
        if let Some(before) = before.filter(|_| failed) {
            *self.org = before;
            return Ok(Answer::json(200, rolled_back(&results)));
        }
        let rows = results.into_iter().map(|result| match result {
            Ok(row) => row,
            Err(error) => error.row(),
        });
        Ok(Answer::json(200, rows.collect()))
    }

    fn records(&self) -> Result<(Vec<Value>, bool), Error> {
        let mut body = self.body_object()?;
        let records = body.remove("records");
        let Some(Value::Array(records)) = records else {
            let message = "The 'records' element is required and must be a list";
            return Err(Error::new(400, "INVALID_INPUT", message));
        };
        limit(records.len(), MOST_WRITES)?;
        let all_or_none = body.get("allOrNone").and_then(Value::as_bool);
        Ok((records, all_or_none.unwrap_or(false)))
    }
}

fn rolled_back(results: &[Result<Value, Error>]) -> Value {
    let rolled = Error::new(
        400,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone \
         header",
    );
    let row = |result: &Result<Value, Error>| match result {
        Ok(_) => rolled.row(),
        Err(error) => error.row(),
    };
    results.iter().map(row).collect()
}

/// The object that a row's `attributes.type` names, and the row's fields.
pub(super) fn typed(record: &Value) -> Result<(&'static Object, Map<String, Value>), Error> {
    let fields = record.as_object().cloned().unwrap_or_default();
    let name = fields
        .get("attributes")
        .and_then(|attributes| attributes.get("type"))
        .and_then(Value::as_str);
    let Some(name) = name else {
        let message = "Cannot determine type from record: attributes.type is missing";
        return Err(Error::new(400, "INVALID_TYPE", message));
    };
    let object = schema::object(name).ok_or_else(|| unsupported(name))?;
    Ok((object, fields))
}

/// An object that does not exist.
pub(super) fn unsupported(name: &str) -> Error {
    let message = format!(
        "sObject type '{name}' is not supported. If you are attempting to use a custom object, be \
         sure to append the '__c' after the entity name. Please reference your WSDL or the describe \
         call for the appropriate names."
    );
    Error::new(400, "INVALID_TYPE", message)
}

/// Takes a text out of a row by its name, without case.
pub(super) fn take(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    let key = fields.keys().rfind(|key| key.eq_ignore_ascii_case(name))?;
    let value = fields.get(key)?.as_str()?.to_owned();
    fields.retain(|key, _| !key.eq_ignore_ascii_case(name));
    Some(value)
}

fn strings(body: &Map<String, Value>, name: &str) -> Result<Vec<String>, Error> {
    let list = body.get(name).and_then(Value::as_array);
    let texts = list.map(|list| list.iter().map(|value| value.as_str().map(str::to_owned)));
    texts
        .and_then(Iterator::collect)
        .ok_or_else(|| Error::parser(format!("{name} must be a list of strings")))
}

fn limit(count: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&count) {
        return Ok(());
    }
    let message = format!("The request must have between 1 and {most} records, it has {count}");
    Err(Error::new(400, "EXCEEDED_MAX_SIZE_REQUEST", message))
}
