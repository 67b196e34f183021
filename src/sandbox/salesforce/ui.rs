//! The UI API's records: one at a time, and mixed in a batch.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::schema::{self, Object};

impl Session<'_> {
    pub(super) fn route_ui(&mut self, method: &str, path: &[&str]) -> Result<Answer, Error> {
        match (method, path) {
            ("POST", [_, "records"]) => {
                let body = self.body_object()?;
                let id = self.ui_create(&body)?;
                self.ui_shown(201, &id)
            }
            ("POST", [_, "records", "batch"]) => self.ui_batch(),
            ("PATCH", [_, "records", id]) => {
                let body = self.body_object()?;
                let object = by_id(id)?;
                let id = self.locate(object, id)?;
                self.update(object, &id, &fields(&body))?;
                self.ui_shown(200, &id)
            }
            ("DELETE", [_, "records", id]) => self.delete_row(by_id(id)?, id),
            ("GET", [_, "records", id]) => self.ui_shown(200, id),
            _ => Err(Error::not_found()),
        }
    }

    fn ui_create(&mut self, body: &Map<String, Value>) -> Result<String, Error> {
        let name = body.get("apiName").and_then(Value::as_str).unwrap_or("");
        let object = schema::object(name).ok_or_else(Error::not_found)?;
        self.create(object, &fields(body))
    }

    fn ui_shown(&self, status: u16, id: &str) -> Result<Answer, Error> {
        let object = by_id(id)?;
        let record = self.org.store.live(object.name, id);
        let record = record.ok_or_else(Error::not_found)?;
        let all: Vec<_> = object.fields().collect();
        let shown = self.shown(object, record, &all);
        let fields: Map<String, Value> = shown
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != "attributes")
            .map(|(name, value)| (name.clone(), json!({ "value": value })))
            .collect();
        let body = json!({ "apiName": object.name, "id": record.id, "fields": fields });
        Ok(Answer::json(status, body))
    }

    /// `POST /ui-api/records/batch`.
    fn ui_batch(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let all_or_none = body.get("allOrNone").and_then(Value::as_bool) == Some(true);
        let before = all_or_none.then(|| self.org.clone());
        let operations = body.get("operations").and_then(Value::as_array);
        let (mut results, mut failed) = (Vec::new(), false);
        for operation in operations.into_iter().flatten() {
            let kind = operation.get("type").and_then(Value::as_str).unwrap_or("");
            let records = operation.get("records").and_then(Value::as_array);
            for record in records.into_iter().flatten() {
                let record = record.as_object().cloned().unwrap_or_default();
                let answer = match self.ui_one(&kind.to_ascii_lowercase(), &record) {
                    Ok(answer) => answer,
                    Err(error) => error.answer(),
                };
                failed |= answer.status >= 400;
                results.push(json!({ "statusCode": answer.status, "result": answer.body }));
            }
        }
        if let Some(before) = before.filter(|_| failed) {
            *self.org = before;
            return Err(Error::new(400, "INVALID_BATCH_REQUEST", "rolled back"));
        }
        let body = json!({ "hasErrors": failed, "results": results });
        Ok(Answer::json(200, body))
    }

    fn ui_one(&mut self, kind: &str, record: &Map<String, Value>) -> Result<Answer, Error> {
        let mut fields = fields(record);
        let id = fields.remove("Id");
        let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
        match kind {
            "create" => {
                let id = self.ui_create(record)?;
                self.ui_shown(201, &id)
            }
            "update" => {
                let object = by_id(id)?;
                let id = self.locate(object, id)?;
                self.update(object, &id, &fields)?;
                self.ui_shown(200, &id)
            }
            "delete" => self.delete_row(by_id(id)?, id),
            _ => Err(Error::new(400, "INVALID_INPUT", "no such operation")),
        }
    }
}

fn by_id(id: &str) -> Result<&'static Object, Error> {
    schema::objects()
        .iter()
        .find(|object| id.starts_with(object.prefix))
        .ok_or_else(|| Error::malformed_id("sObject", id))
}

fn fields(body: &Map<String, Value>) -> Map<String, Value> {
    let fields = body.get("fields").and_then(Value::as_object);
    fields.cloned().unwrap_or_default()
}
