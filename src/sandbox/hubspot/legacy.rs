//! The record APIs before version 3, and engagements: the same records in other words.

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::links::unlabelled;
use super::objects::id_text;
use super::schema::Type;

impl Session<'_> {
    /// `None` for other paths.
    pub(super) fn route_legacy(
        &mut self,
        method: &str,
        path: &[&str],
    ) -> Option<Result<Answer, Error>> {
        let answer = match (method, path) {
            ("POST", ["contacts", "contact", rest @ ..]) => self.legacy_contact(rest),
            ("DELETE", ["contacts", "contact", "vid", id]) => self.legacy_delete("contacts", id),
            ("POST", [plural @ "companies", "companies"] | [plural @ "deals", "deal"]) => {
                self.legacy_create(plural)
            }
            ("PUT", [plural @ "companies", "companies", id] | [plural @ "deals", "deal", id]) => {
                self.legacy_update(plural, id, "name")
            }
            (
                "DELETE",
                [plural @ "companies", "companies", id] | [plural @ "deals", "deal", id],
            ) => self.legacy_delete(plural, id),
            ("POST", [plural @ ("companies" | "deals"), "batch-async", "update"]) => {
                self.legacy_rows(plural).map(|()| Answer::empty(202))
            }
            (_, ["crm-objects", "objects", object, rest @ ..]) => {
                self.legacy_object(method, object, rest)
            }
            (_, ["engagements", "engagements", rest @ ..]) => self.engagement(method, rest),
            _ => return None,
        };
        Some(answer)
    }

    fn legacy_contact(&mut self, rest: &[&str]) -> Result<Answer, Error> {
        let kind = super::kind("contacts")?;
        match rest {
            [] => {
                let record = record(&self.body()?, "property");
                let id = self.create(kind, &record)?;
                Ok(Answer::json(200, json!({"vid": number(&id)})))
            }
            ["vid", id, "profile"] => self.legacy_update("contacts", id, "property"),
            ["email", email, "profile"] => {
                let id = self.resolve(kind, email, Some("email"))?;
                self.legacy_update("contacts", &id.ok_or_else(Error::not_found)?, "property")
            }
            ["createOrUpdate", "email", email] => {
                let body = self.body()?;
                let (id, new) = self.upserted(kind, email, record(&body, "property"))?;
                Ok(Answer::json(200, json!({"vid": number(&id), "isNew": new})))
            }
            ["merge-vids", id] => {
                let loser = self.body()?.get("vidToMerge").and_then(id_text);
                self.merged(kind, id, &loser.unwrap_or_default())?;
                Ok(Answer::empty(200))
            }
            ["batch"] => {
                for row in rows(&self.body()?) {
                    let fields = record(&row, "property");
                    match (row.get("vid").and_then(id_text), row.get("email")) {
                        (Some(id), _) => self.update(kind, &id, &fields)?,
                        (None, Some(email)) => {
                            let email = email.as_str().unwrap_or_default().to_owned();
                            self.upserted(kind, &email, fields)?;
                        }
                        (None, None) => return Err(Error::invalid("a row names no contact")),
                    }
                }
                Ok(Answer::empty(202))
            }
            _ => Err(Error::no_resource()),
        }
    }

    /// Writes the contact at an address; makes it where there is none.
    pub(super) fn upserted(
        &mut self,
        kind: &'static Type,
        email: &str,
        mut record: Map<String, Value>,
    ) -> Result<(String, bool), Error> {
        if let Some(id) = self.resolve(kind, email, Some("email"))? {
            self.update(kind, &id, &record)?;
            return Ok((id, false));
        }
        let properties = record.entry("properties").or_insert_with(|| json!({}));
        if let Some(properties) = properties.as_object_mut() {
            properties.entry("email").or_insert_with(|| json!(email));
        }
        Ok((self.create(kind, &record)?, true))
    }

    fn legacy_create(&mut self, object: &str) -> Result<Answer, Error> {
        let kind = super::kind(object)?;
        let body = self.body()?;
        let id = self.create(kind, &record(&body, "name"))?;
        let ends = [
            ("associatedVids", "contacts"),
            ("associatedCompanyIds", "companies"),
        ];
        self.linked_by_lists(kind, &id, body.get("associations"), &ends)?;
        let name = if object == "deals" {
            "dealId"
        } else {
            "companyId"
        };
        Ok(Answer::json(200, json!({ name: number(&id) })))
    }

    fn linked_by_lists(
        &mut self,
        kind: &'static Type,
        id: &str,
        lists: Option<&Value>,
        ends: &[(&str, &str)],
    ) -> Result<(), Error> {
        for (name, object) in ends {
            let far = super::kind(object)?;
            let list = lists.and_then(|lists| lists.get(*name)?.as_array());
            for other in list.into_iter().flatten().filter_map(id_text) {
                let other = self.resolve(far, &other, None)?;
                let other = other.ok_or_else(Error::not_found)?;
                let link = unlabelled(kind, far);
                self.portal
                    .associate((kind.name, id), (far.name, &other), &link);
            }
        }
        Ok(())
    }

    fn legacy_update(&mut self, object: &str, id: &str, name: &str) -> Result<Answer, Error> {
        let kind = super::kind(object)?;
        let own = self.resolve(kind, id, None)?.ok_or_else(Error::not_found)?;
        let body = self.body()?;
        self.update(kind, &own, &record(&body, name))?;
        Ok(match object {
            "contacts" => Answer::empty(204),
            _ => Answer::json(200, json!({"objectId": number(&own)})),
        })
    }

    fn legacy_delete(&mut self, object: &str, id: &str) -> Result<Answer, Error> {
        self.archive(super::kind(object)?, id)?;
        Ok(Answer::json(200, json!({"deleted": true})))
    }

    fn legacy_rows(&mut self, object: &str) -> Result<(), Error> {
        let kind = super::kind(object)?;
        for row in rows(&self.body()?) {
            let id = row.get("objectId").and_then(id_text).unwrap_or_default();
            let id = self
                .resolve(kind, &id, None)?
                .ok_or_else(Error::not_found)?;
            self.update(kind, &id, &record(&row, "name"))?;
        }
        Ok(())
    }

    fn legacy_object(
        &mut self,
        method: &str,
        object: &str,
        rest: &[&str],
    ) -> Result<Answer, Error> {
        let kind = super::kind(object)?;
        match (method, rest) {
            ("POST", []) => {
                let id = self.create(kind, &bare(&self.body()?))?;
                Ok(Answer::json(200, json!({"objectId": number(&id)})))
            }
            ("POST", ["batch-create"]) => {
                let mut made = Vec::new();
                for row in rows(&self.body()?) {
                    let id = self.create(kind, &bare(&row))?;
                    made.push(json!({"objectId": number(&id)}));
                }
                Ok(Answer::json(200, Value::Array(made)))
            }
            ("POST", ["batch-update"]) => self.legacy_rows(object).map(|()| Answer::empty(204)),
            ("POST", ["batch-delete"]) => {
                let body = self.body()?;
                let ids = body.get("ids").and_then(Value::as_array);
                for id in ids.into_iter().flatten().filter_map(id_text) {
                    self.archive(kind, &id)?;
                }
                Ok(Answer::empty(204))
            }
            ("PUT", [id]) => {
                let id = self.resolve(kind, id, None)?.ok_or_else(Error::not_found)?;
                let body = self.body()?;
                self.update(kind, &id, &bare(&body))?;
                Ok(Answer::json(200, json!({"objectId": number(&id)})))
            }
            ("DELETE", [id]) => {
                self.archive(kind, id)?;
                Ok(Answer::empty(204))
            }
            _ => Err(Error::no_resource()),
        }
    }

    /// What an engagement says is kept as the record that it is.
    fn engagement(&mut self, method: &str, rest: &[&str]) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let engagement = body.get("engagement").cloned().unwrap_or_default();
        let of = |name: &str| engagement.get(name).filter(|value| !value.is_null());
        let (object, prefix) = match of("type").and_then(Value::as_str) {
            Some("NOTE") => ("notes", "hs_note_"),
            Some("TASK") => ("tasks", "hs_task_"),
            _ => return Err(Error::invalid("Engagement type is not supported here")),
        };
        let mut properties = Map::new();
        if let Some(at) = of("timestamp") {
            properties.insert("hs_timestamp".to_owned(), at.clone());
        }
        let metadata = body.get("metadata").and_then(Value::as_object);
        for (name, value) in metadata.into_iter().flatten() {
            properties.insert(format!("{prefix}{}", name.to_lowercase()), value.clone());
        }
        let record = Map::from_iter([("properties".to_owned(), Value::Object(properties))]);
        let kind = super::kind(object)?;
        let id = match (method, rest) {
            ("POST", []) => {
                let id = self.create(kind, &record)?;
                let ends = [("contactIds", "contacts"), ("companyIds", "companies")];
                self.linked_by_lists(kind, &id, body.get("associations"), &ends)?;
                id
            }
            ("PATCH" | "PUT", [id]) => {
                let id = self.resolve(kind, id, None)?.ok_or_else(Error::not_found)?;
                self.update(kind, &id, &record)?;
                id
            }
            _ => return Err(Error::no_resource()),
        };
        let shown = json!({"engagement": {"id": number(&id), "type": of("type")}});
        Ok(Answer::json(200, shown))
    }
}

fn rows(body: &Value) -> Vec<Value> {
    body.as_array().cloned().unwrap_or_default()
}

fn number(id: &str) -> Value {
    id.parse::<u64>().map_or(Value::Null, Value::from)
}

/// A record of version 3 out of a list of names and values.
fn record(body: &Value, name: &str) -> Map<String, Value> {
    let list = body.get("properties").cloned().unwrap_or_default();
    named(&list, name)
}

fn bare(list: &Value) -> Map<String, Value> {
    named(list, "name")
}

fn named(list: &Value, name: &str) -> Map<String, Value> {
    let list = list.as_array().into_iter().flatten();
    let properties: Map<String, Value> = list
        .filter_map(|one| {
            let value = one.get("value").cloned().unwrap_or_default();
            Some((one.get(name)?.as_str()?.to_owned(), value))
        })
        .collect();
    Map::from_iter([("properties".to_owned(), Value::Object(properties))])
}
