//! `/composite/tree`: records with their children, all or none.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::schema::{self, Object};

impl Session<'_> {
    /// `POST /composite/tree/{type}`.
    pub(super) fn tree(&mut self, object: &'static Object) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let records = body.get("records").and_then(Value::as_array);
        let records = records.ok_or_else(|| Error::parser("records must be a list"))?;
        let before = self.org.clone();
        let mut results = Vec::new();
        match self.branch(object, records, None, &mut results) {
            Ok(()) => {
                let body = json!({ "hasErrors": false, "results": results });
                Ok(Answer::json(201, body))
            }
            Err((reference, error)) => {
                *self.org = before;
                let errors = error.row().get("errors").cloned();
                let body = json!({ "hasErrors": true,
                    "results": [{ "referenceId": reference, "errors": errors }] });
                Ok(Answer::json(400, body))
            }
        }
    }

    /// Makes the records of one list; `parent` is the lookup's name and the parent's id.
    fn branch(
        &mut self,
        object: &'static Object,
        records: &[Value],
        parent: Option<(&str, &str)>,
        results: &mut Vec<Value>,
    ) -> Result<(), (String, Error)> {
        for record in records {
            let mut fields = record.as_object().cloned().unwrap_or_default();
            let attributes = fields.remove("attributes").unwrap_or_default();
            let text = |name: &str| attributes.get(name).and_then(Value::as_str);
            let reference = text("referenceId").unwrap_or_default().to_owned();
            let failed = |error: Error| (reference.clone(), error);
            if text("type").is_none_or(|kind| !kind.eq_ignore_ascii_case(object.name)) {
                return Err(failed(Error::new(400, "INVALID_TYPE", "another type")));
            }
            let children = children(&mut fields);
            if let Some((lookup, id)) = parent {
                fields.insert(lookup.to_owned(), json!(id));
            }
            let id = self.create(object, &fields).map_err(failed)?;
            results.push(json!({ "referenceId": reference, "id": id }));
            for (name, list) in children {
                let failed = |error: Error| (reference.clone(), error);
                let (child, lookup) = below(object, &name, &list)
                    .ok_or_else(|| failed(Error::no_column(&name, object.name)))?;
                self.branch(child, &list, Some((lookup, &id)), results)?;
            }
        }
        Ok(())
    }
}

fn children(fields: &mut Map<String, Value>) -> Vec<(String, Vec<Value>)> {
    let mut children = Vec::new();
    fields.retain(
        |name, value| match value.get("records").and_then(Value::as_array) {
            Some(list) => {
                children.push((name.clone(), list.clone()));
                false
            }
            None => true,
        },
    );
    children
}

/// The children's object, and the field by which it names this parent: the one whose plural the
/// relationship is.
fn below(
    parent: &Object,
    relationship: &str,
    list: &[Value],
) -> Option<(&'static Object, &'static str)> {
    let kind = list.first()?.get("attributes")?.get("type")?.as_str()?;
    let child = schema::object(kind)?;
    let named = relationship.eq_ignore_ascii_case(child.plural)
        || relationship.eq_ignore_ascii_case(&format!("{}s", child.name))
        || relationship.eq_ignore_ascii_case(&child.many());
    let lookup = child.fields().find(|field| {
        field
            .target
            .is_some_and(|(target, _)| target == parent.name)
    })?;
    named.then_some((child, lookup.name))
}
