//! Up to 100 records of one type in one request. A row that cannot be written fails the whole batch,
//! unless every row carries an `objectWriteTraceId`; rows that do not exist are reported beside the
//! others.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::objects::id_text;
use super::portal::stamp;
use super::schema::Type;

const MOST: usize = 100;
const MOST_WITH_HISTORY: usize = 50;

type Input = Map<String, Value>;

impl Session<'_> {
    /// `POST /crm/v3/objects/{type}/batch/{verb}`.
    pub(super) fn batch(&mut self, kind: &'static Type, verb: &str) -> Result<Answer, Error> {
        let body = self.body_object()?;
        match verb {
            "read" => self.batch_read(kind, &body),
            "create" => self.batch_write(201, &inputs(&body, MOST)?, |session, input| {
                let id = session.create(kind, input)?;
                Ok(session.written(kind, &id, input))
            }),
            "update" => {
                let inputs = inputs(&body, MOST)?;
                distinct(&inputs)?;
                self.batch_write(200, &inputs, |session, input| {
                    let id = session
                        .named(kind, input)?
                        .ok_or_else(|| missing(kind, input))?;
                    session.update(kind, &id, input)?;
                    Ok(session.written(kind, &id, input))
                })
            }
            "upsert" => {
                let inputs = inputs(&body, MOST)?;
                distinct(&inputs)?;
                self.batch_write(200, &inputs, |session, input| session.upsert(kind, input))
            }
            "archive" => {
                for input in inputs(&body, MOST)? {
                    let id = key(&input);
                    match self.archive(kind, &id) {
                        // what does not exist is archived already
                        Ok(()) => {}
                        Err(error) if error.status == 404 => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(Answer::empty(204))
            }
            _ => Err(Error::no_resource()),
        }
    }

    fn batch_read(&self, kind: &'static Type, body: &Input) -> Result<Answer, Error> {
        let history = body.get("propertiesWithHistory").and_then(Value::as_array);
        let most = match history {
            Some(names) if !names.is_empty() => MOST_WITH_HISTORY,
            Some(_) | None => MOST,
        };
        let key_property = body.get("idProperty").and_then(Value::as_str);
        let asked: Option<Vec<String>> = body
            .get("properties")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(id_text).collect());
        let archived = self.call.request.flag("archived");
        let (mut results, mut absent) = (Vec::new(), Vec::new());
        for input in inputs(body, most)? {
            let wanted = key(&input);
            let found = match self.resolve(kind, &wanted, key_property)? {
                Some(id) => self.portal.store.any(kind.name, &id),
                None => self.portal.store.any(kind.name, &wanted),
            };
            match found.filter(|record| record.deleted == archived) {
                Some(record) => results.push(self.shown(kind, record, asked.as_deref())),
                None => absent.push(wanted),
            }
        }
        let mut errors = Vec::new();
        if !absent.is_empty() {
            let message = format!(
                "Could not get some {} objects, they may be deleted or not exist. Check that ids are \
                 valid.",
                kind.singular.to_uppercase()
            );
            let mut error = Error::new(404, "OBJECT_NOT_FOUND", message).body();
            if let Some(error) = error.as_object_mut() {
                error.insert("context".to_owned(), json!({"ids": absent}));
            }
            errors.push(error);
        }
        Ok(self.outcome(200, &results, &errors))
    }

    fn batch_write(
        &mut self,
        status: u16,
        inputs: &[Input],
        mut write: impl FnMut(&mut Self, &Input) -> Result<Value, Error>,
    ) -> Result<Answer, Error> {
        let traced = inputs
            .iter()
            .all(|input| input.contains_key("objectWriteTraceId"));
        let before = self.portal.clone();
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            let trace = input.get("objectWriteTraceId");
            match write(self, input) {
                Ok(mut row) => {
                    if let (Some(row), Some(trace)) = (row.as_object_mut(), trace) {
                        row.insert("objectWriteTraceId".to_owned(), trace.clone());
                    }
                    results.push(row);
                }
                Err(error) if traced || error.status == 404 => {
                    let mut body = error.body();
                    if let Some(body) = body.as_object_mut() {
                        let context = match trace {
                            Some(trace) => json!({"objectWriteTraceId": [trace]}),
                            None => json!({"ids": [key(input)]}),
                        };
                        body.insert("context".to_owned(), context);
                    }
                    errors.push(body);
                }
                Err(error) => {
                    *self.portal = before;
                    return Err(error);
                }
            }
        }
        Ok(self.outcome(status, &results, &errors))
    }

    pub(super) fn outcome(&self, status: u16, results: &[Value], errors: &[Value]) -> Answer {
        let now = stamp(self.call.now);
        let mut body = json!({
            "status": "COMPLETE",
            "results": results,
            "startedAt": now,
            "completedAt": now,
        });
        let failed = !errors.is_empty();
        if let Some(body) = body.as_object_mut()
            && failed
        {
            body.insert("numErrors".to_owned(), json!(errors.len()));
            body.insert("errors".to_owned(), json!(errors));
        }
        Answer::json(if failed { 207 } else { status }, body)
    }

    fn upsert(&mut self, kind: &'static Type, input: &Input) -> Result<Value, Error> {
        let property = input.get("idProperty").and_then(Value::as_str);
        let found = self.named(kind, input)?;
        let (id, new) = match (found, property) {
            (Some(id), _) => {
                self.update(kind, &id, input)?;
                (id, false)
            }
            (None, None | Some("hs_object_id")) => return Err(missing(kind, input)),
            (None, Some(property)) => {
                let mut input = input.clone();
                let own = json!(key(&input));
                let properties = input.entry("properties").or_insert_with(|| json!({}));
                if let Some(properties) = properties.as_object_mut() {
                    properties.entry(property).or_insert(own);
                }
                (self.create(kind, &input)?, true)
            }
        };
        let mut row = self.written(kind, &id, input);
        if let Some(row) = row.as_object_mut() {
            row.insert("new".to_owned(), json!(new));
        }
        Ok(row)
    }

    /// The record that a row's `id` and `idProperty` name.
    fn named(&self, kind: &Type, input: &Input) -> Result<Option<String>, Error> {
        let property = input.get("idProperty").and_then(Value::as_str);
        self.resolve(kind, &key(input), property)
    }
}

fn missing(kind: &Type, input: &Input) -> Error {
    let message = format!("{} with ID {} not found", kind.singular, key(input));
    Error::new(404, "OBJECT_NOT_FOUND", message)
}

fn key(input: &Input) -> String {
    input.get("id").and_then(id_text).unwrap_or_default()
}

fn inputs(body: &Input, most: usize) -> Result<Vec<Input>, Error> {
    let inputs = body.get("inputs").and_then(Value::as_array);
    let inputs: Option<Vec<Input>> = inputs.and_then(|inputs| {
        inputs
            .iter()
            .map(|input| input.as_object().cloned())
            .collect()
    });
    let inputs = inputs.ok_or_else(|| Error::invalid("inputs must be a list of objects"))?;
    if inputs.is_empty() || inputs.len() > most {
        let message = format!(
            "A batch must have between 1 and {most} inputs, this one has {}",
            inputs.len()
        );
        return Err(Error::invalid(message));
    }
    Ok(inputs)
}

fn distinct(inputs: &[Input]) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for input in inputs {
        let id = key(input);
        if !seen.insert(id.clone()) {
            return Err(Error::invalid(format!(
                "Duplicate IDs found in batch input: [{id}]. IDs must be unique"
            )));
        }
    }
    Ok(())
}
