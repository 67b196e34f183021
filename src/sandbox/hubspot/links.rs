//! Links between records that are there: versions 3, 4 and dated, and the legacy forms.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::objects::id_text;
use super::schema::{self, Type};

/// One type of link: its category and its number.
type Kind = (String, u64);

/// Both ends, and the types; none means the one without a label, or all of them.
type Asked = (String, String, Option<Vec<Kind>>);

impl Session<'_> {
    /// `/crm/v4/objects/{from}/{id}/associations/…`; `None` for other paths.
    pub(super) fn route_links(
        &mut self,
        method: &str,
        path: &[&str],
    ) -> Option<Result<Answer, Error>> {
        let answer = match (method, path) {
            ("PUT" | "DELETE", ["crm", "objects", from, id, "associations", rest @ ..]) => {
                self.one_link(method == "PUT", from, id, rest)
            }
            ("POST", ["crm", "associations", from, to, "batch", rest @ ..]) => {
                self.batch_of_links(from, to, rest)
            }
            ("PUT", ["crm-associations", "associations"]) => self.legacy_links(true),
            ("PUT", ["crm-associations", "associations", "create-batch"]) => {
                self.legacy_links(true)
            }
            ("PUT" | "DELETE", ["crm-associations", "associations", "delete"]) => {
                self.legacy_links(false)
            }
            ("PUT", ["crm-associations", "associations", "delete-batch"]) => {
                self.legacy_links(false)
            }
            ("PUT" | "DELETE", ["companies", "companies", id, "contacts", far]) => self.one_link(
                method == "PUT",
                "companies",
                id,
                &["default", "contacts", far],
            ),
            ("PUT" | "DELETE", ["deals", "deal", id, "associations", to]) => {
                self.links_by_query(method == "PUT", id, to)
            }
            _ => return None,
        };
        Some(answer)
    }

    fn one_link(
        &mut self,
        put: bool,
        from: &str,
        id: &str,
        rest: &[&str],
    ) -> Result<Answer, Error> {
        let (to, far, types) = match rest {
            ["default", to, far] => (to, far, None),
            [to, far] if put => (to, far, Some(kinds(&self.body()?)?)),
            [to, far] => (to, far, None),
            [to, far, name] => (to, far, Some(vec![named(from, to, name)?])),
            _ => return Err(Error::no_resource()),
        };
        // the body's types take the place of those that were there
        let whole = put && rest.len() == 2;
        let asked = ((*id).to_owned(), (*far).to_owned(), types);
        let ends = (super::kind(from)?, super::kind(to)?);
        if whole {
            self.unlink(ends, &(asked.0.clone(), asked.1.clone(), None), true)?;
        }
        if put {
            self.link(ends, &asked)?;
            return Ok(Answer::json(200, json!({"status": "COMPLETE"})));
        }
        self.unlink(ends, &asked, false)?;
        Ok(Answer::empty(204))
    }

    fn links_by_query(&mut self, put: bool, id: &str, to: &str) -> Result<Answer, Error> {
        let ends = (super::kind("deals")?, super::kind(&to.to_lowercase())?);
        let query = self.call.request.query.clone();
        for (_, far) in query.iter().filter(|(name, _)| name == "id") {
            let asked = (id.to_owned(), far.clone(), None);
            if put {
                self.link(ends, &asked)?;
            } else {
                self.unlink(ends, &asked, false)?;
            }
        }
        Ok(Answer::empty(204))
    }

    fn legacy_links(&mut self, put: bool) -> Result<Answer, Error> {
        let body = self.body()?;
        let list = body.as_array().cloned().unwrap_or_else(|| vec![body]);
        for one in list {
            let number = one.get("definitionId").and_then(Value::as_u64);
            let found = number.and_then(|number| Some((number, schema::association(number)?)));
            let (number, (from, to, _)) =
                found.ok_or_else(|| Error::invalid("No such association definition"))?;
            let ends = (super::kind(from)?, super::kind(to)?);
            let id = |name| one.get(name).and_then(id_text).unwrap_or_default();
            let kind = ("HUBSPOT_DEFINED".to_owned(), number);
            let asked = (id("fromObjectId"), id("toObjectId"), Some(vec![kind]));
            if put {
                self.link(ends, &asked)?;
            } else {
                self.unlink(ends, &asked, false)?;
            }
        }
        Ok(Answer::empty(204))
    }

    fn batch_of_links(&mut self, from: &str, to: &str, rest: &[&str]) -> Result<Answer, Error> {
        let ends = (super::kind(from)?, super::kind(to)?);
        let body = self.body()?;
        let inputs = body.get("inputs").and_then(Value::as_array).cloned();
        let inputs = inputs.ok_or_else(|| Error::invalid("inputs must be a list"))?;
        if rest == ["read"] {
            return Ok(self.read_links(ends, &inputs));
        }
        let (put, all) = match rest {
            ["create"] => (true, false),
            ["associate", "default"] => (true, true),
            ["archive"] => (false, true),
            ["labels", "archive"] => (false, false),
            _ => return Err(Error::no_resource()),
        };
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in &inputs {
            let types = match (
                input.get("types"),
                input.get("type").and_then(Value::as_str),
            ) {
                (Some(set), _) => Some(kinds(set)?),
                (None, Some(name)) => Some(vec![named(from, to, name)?]),
                (None, None) if all => None,
                (None, None) => return Err(Error::invalid("types are missing")),
            };
            let id = input.get("from").map(end).unwrap_or_default();
            let far = match input.get("to") {
                Some(Value::Array(far)) => far.iter().map(end).collect(),
                Some(one) => vec![end(one)],
                None => Vec::new(),
            };
            for far in far {
                let asked = (id.clone(), far.clone(), types.clone());
                let done = if put {
                    self.link(ends, &asked)
                } else {
                    self.unlink(ends, &asked, false)
                };
                match done {
                    Ok(()) => results.push(json!({"from": {"id": id}, "to": {"id": far}})),
                    Err(error) => {
                        let mut body = error.body();
                        if let Some(body) = body.as_object_mut() {
                            let context = json!({"fromObjectId": [id], "toObjectId": [far]});
                            body.insert("context".to_owned(), context);
                        }
                        errors.push(body);
                    }
                }
            }
        }
        if !put && errors.is_empty() {
            return Ok(Answer::empty(204));
        }
        Ok(self.outcome(if put { 201 } else { 200 }, &results, &errors))
    }

    fn read_links(&self, (near, far): (&Type, &Type), inputs: &[Value]) -> Answer {
        let mut results = Vec::new();
        for input in inputs {
            let id = end(input);
            let links = self.portal.links(near.name, &id).iter();
            let mut ends: Vec<(&str, Vec<Value>)> = Vec::new();
            for link in links.filter(|link| link.to == far.name) {
                let kind = json!({"category": link.kind.0, "typeId": link.kind.1, "label": null});
                match ends.iter_mut().find(|(known, _)| *known == link.id) {
                    Some((_, kinds)) => kinds.push(kind),
                    None => ends.push((&link.id, vec![kind])),
                }
            }
            if ends.is_empty() {
                continue;
            }
            let ends: Vec<Value> = ends
                .into_iter()
                .map(|(id, kinds)| {
                    let id: u64 = id.parse().unwrap_or_default();
                    json!({"toObjectId": id, "associationTypes": kinds})
                })
                .collect();
            results.push(json!({"from": {"id": id}, "to": ends}));
        }
        self.outcome(200, &results, &[])
    }

    fn link(&mut self, (near, far): (&Type, &Type), asked: &Asked) -> Result<(), Error> {
        let (from, to) = self.both((near, far), asked)?;
        let kinds = match &asked.2 {
            Some(kinds) => kinds.clone(),
            None => vec![unlabelled(near, far)],
        };
        for kind in kinds {
            self.portal
                .associate((near.name, &from), (far.name, &to), &kind);
        }
        Ok(())
    }

    fn unlink(
        &mut self,
        (near, far): (&Type, &Type),
        asked: &Asked,
        quiet: bool,
    ) -> Result<(), Error> {
        let (from, to) = self.both((near, far), asked)?;
        let ends = ((near.name, from.as_str()), (far.name, to.as_str()));
        self.portal.dissociate(ends, asked.2.as_deref(), quiet);
        Ok(())
    }

    /// The ids of both records, which must be there.
    fn both(&self, (near, far): (&Type, &Type), asked: &Asked) -> Result<(String, String), Error> {
        let find = |kind: &Type, id: &str| {
            let found = self.resolve(kind, id, None)?;
            found.ok_or_else(|| {
                let message = format!("{} with ID {id} not found", kind.singular);
                Error::new(404, "OBJECT_NOT_FOUND", message)
            })
        };
        Ok((find(near, &asked.0)?, find(far, &asked.1)?))
    }

    /// The body as JSON.
    pub(super) fn body(&self) -> Result<Value, Error> {
        let invalid = |what: String| Error::invalid(format!("Invalid input JSON: {what}"));
        self.call.request.json().map_err(invalid)
    }
}

fn end(value: &Value) -> String {
    value.get("id").and_then(id_text).unwrap_or_default()
}

/// The type of link between two types that has no label.
pub(super) fn unlabelled(near: &Type, far: &Type) -> Kind {
    let number = schema::unlabelled(near.name, far.name).unwrap_or(1);
    ("HUBSPOT_DEFINED".to_owned(), number)
}

fn named(from: &str, to: &str, name: &str) -> Result<Kind, Error> {
    let (from, to) = (super::kind(from)?, super::kind(to)?);
    let known = schema::by_name(from.name, to.name, name).or_else(|| name.parse().ok());
    known
        .map(|number| ("HUBSPOT_DEFINED".to_owned(), number))
        .ok_or_else(|| Error::invalid(format!("No association type {name} exists")))
}

fn kinds(set: &Value) -> Result<Vec<Kind>, Error> {
    let kind = |one: &Value| {
        let category = one.get("associationCategory")?.as_str()?.to_owned();
        Some((category, one.get("associationTypeId")?.as_u64()?))
    };
    let set = set.as_array();
    let kinds: Option<Vec<Kind>> = set.and_then(|set| set.iter().map(kind).collect());
    kinds.ok_or_else(|| Error::invalid("types must be a list of association types"))
}
