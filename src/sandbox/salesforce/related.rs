//! A record reached through another one's relationship; actions that only say that they ran.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::error::Error;
use super::org::value;
use super::schema::{self, Object};
use super::{Session, ids};

impl Session<'_> {
    /// Whether a path goes on from a record: its id stands where a field might.
    pub(super) fn steps(object: &str, id: &str) -> bool {
        let object = schema::object(object);
        let id = ids::canonical(id);
        object
            .zip(id)
            .is_some_and(|(object, id)| id.starts_with(object.prefix))
    }

    /// `/sobjects/{type}/{id}/{relationship}…`: the record at its end is meant.
    pub(super) fn related(
        &mut self,
        method: &str,
        mut object: &'static Object,
        id: &str,
        steps: &[&str],
    ) -> Result<Answer, Error> {
        let mut id = self.locate(object, id)?;
        for step in steps {
            let (field, target) = object.relationship(step).ok_or_else(Error::not_found)?;
            let record = self.org.store.live(object.name, &id);
            let record = record.ok_or_else(Error::not_found)?;
            let next = value(record, object, field);
            id = next
                .as_str()
                .map(str::to_owned)
                .ok_or_else(Error::not_found)?;
            object = schema::object(target).ok_or_else(Error::not_found)?;
        }
        match method {
            "GET" => self.get_row(object, &id),
            "PATCH" => self.patch_row(object, &id),
            "DELETE" => self.delete_row(object, &id),
            other => Err(Error::not_allowed(other, "HEAD,GET,PATCH,DELETE")),
        }
    }

    /// `POST /actions/…/{name}`: nothing happens, each input is answered.
    pub(super) fn act(&mut self, path: &[&str]) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let inputs = body.get("inputs").and_then(Value::as_array);
        let inputs = inputs.ok_or_else(|| Error::parser("inputs must be a list"))?;
        let name = path.last().copied().unwrap_or_default();
        let done: Vec<Value> = inputs
            .iter()
            .map(|_| {
                json!({ "actionName": name, "errors": null, "isSuccess": true,
                    "outputValues": null })
            })
            .collect();
        Ok(Answer::json(200, json!(done)))
    }
}
