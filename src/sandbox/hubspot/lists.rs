//! Lists and who is on them, of version 3 and of the contacts API before that.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::answer::Answer;
use super::super::log::EffectKind;
use super::super::store::Record;
use super::Session;
use super::error::Error;
use super::objects::id_text;

/// The table that lists are kept in.
pub(super) const LISTS: &str = "lists";

impl Session<'_> {
    /// `/crm/v3/lists…` and `/contacts/v1/lists…`; `None` for other paths.
    pub(super) fn route_lists(
        &mut self,
        method: &str,
        path: &[&str],
    ) -> Option<Result<Answer, Error>> {
        let answer = match (method, path) {
            ("POST", ["crm" | "contacts", "lists"]) => self.make_list(),
            ("GET", ["crm", "lists", "records", kind, id, "memberships"]) => {
                self.lists_of(kind, id)
            }
            ("GET", ["crm" | "contacts", "lists", id]) => self.list_with(id),
            ("DELETE", ["crm" | "contacts", "lists", id]) => self.delete_list(id),
            ("PUT", ["crm", "lists", id, "restore"]) => self.restore_list(id),
            ("PUT", ["crm", "lists", id, "update-list-name"]) => {
                let name = self.call.request.parameter("listName").unwrap_or_default();
                let fields = Map::from_iter([("name".to_owned(), json!(name))]);
                self.change_list(id, fields)
            }
            ("PUT", ["crm", "lists", id, "update-list-filters"])
            | ("POST", ["contacts", "lists", id]) => {
                let body = self.body_object();
                body.and_then(|body| self.change_list(id, body))
            }
            ("PUT", ["crm", "lists", id, "memberships", verb]) => self.members(id, verb),
            ("POST", ["contacts", "lists", id, verb @ ("add" | "remove")]) => {
                self.contacts_of_list(id, verb)
            }
            _ => return None,
        };
        Some(answer)
    }

    fn make_list(&mut self) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let id = self.portal.new_id();
        let record = Record::new(id.clone(), body, self.call.now);
        self.portal.store.insert(LISTS, record);
        self.list_with(&id)
    }

    fn list_with(&self, id: &str) -> Result<Answer, Error> {
        let list = self.portal.store.live(LISTS, id);
        let list = list.ok_or_else(Error::not_found)?;
        let mut fields = list.fields.clone();
        fields.insert("listId".to_owned(), json!(id));
        fields.insert("size".to_owned(), json!(self.portal.members(id).len()));
        Ok(Answer::json(200, json!({ "list": fields })))
    }

    /// The lists that a record is on.
    fn lists_of(&self, kind: &str, id: &str) -> Result<Answer, Error> {
        let id = self.resolve(super::kind(kind)?, id, None)?;
        let id = id.ok_or_else(Error::not_found)?;
        let lists = self.portal.store.ids(LISTS);
        let on = lists
            .iter()
            .filter(|list| self.portal.members(list).contains(&id.as_str()));
        let results: Vec<Value> = on.map(|list| json!({ "listId": list })).collect();
        Ok(Answer::json(200, json!({ "results": results })))
    }

    fn delete_list(&mut self, id: &str) -> Result<Answer, Error> {
        let now = self.call.now;
        if !self.portal.store.delete(LISTS, id, now) {
            return Err(Error::not_found());
        }
        Ok(Answer::empty(204))
    }

    fn restore_list(&mut self, id: &str) -> Result<Answer, Error> {
        let record = self.portal.store.any(LISTS, id).cloned();
        let mut record = record.ok_or_else(Error::not_found)?;
        record.deleted = false;
        self.portal.store.place(LISTS, record);
        self.portal.store.note(LISTS, id, EffectKind::Created);
        Ok(Answer::empty(204))
    }

    fn change_list(&mut self, id: &str, fields: Map<String, Value>) -> Result<Answer, Error> {
        let now = self.call.now;
        if self.portal.store.live(LISTS, id).is_none() {
            return Err(Error::not_found());
        }
        self.portal.store.update(LISTS, id, fields, now);
        self.list_with(id)
    }

    fn members(&mut self, list: &str, verb: &str) -> Result<Answer, Error> {
        let body = self.body()?;
        let ids = |list: Option<&Value>| -> Vec<String> {
            let list = list.and_then(Value::as_array).into_iter().flatten();
            list.filter_map(id_text).collect()
        };
        let (add, remove) = match verb {
            "add" => (ids(Some(&body)), Vec::new()),
            "remove" => (Vec::new(), ids(Some(&body))),
            "add-and-remove" => (
                ids(body.get("recordIdsToAdd")),
                ids(body.get("recordIdsToRemove")),
            ),
            _ => return Err(Error::no_resource()),
        };
        let (added, mut missing) = self.put_on(list, &add, true)?;
        let (removed, unknown) = self.put_on(list, &remove, false)?;
        missing.extend(unknown);
        Ok(Answer::json(
            200,
            json!({
                "recordsIdsAdded": added,
                "recordIdsRemoved": removed,
                "recordIdsMissing": missing,
            }),
        ))
    }

    /// Who came or left, and who is no record of the list's type.
    fn put_on(
        &mut self,
        list: &str,
        ids: &[String],
        add: bool,
    ) -> Result<(Vec<String>, Vec<String>), Error> {
        let record = self.portal.store.live(LISTS, list);
        let record = record.ok_or_else(Error::not_found)?;
        let kind = record.get("objectTypeId");
        let kind = super::kind(kind.as_str().unwrap_or("0-1"))?;
        let (mut moved, mut missing) = (Vec::new(), Vec::new());
        for id in ids {
            match self.resolve(kind, id, None)? {
                Some(own) => {
                    if self.portal.member(list, &own, add) {
                        moved.push(own);
                    }
                }
                None => missing.push(id.clone()),
            }
        }
        Ok((moved, missing))
    }

    fn contacts_of_list(&mut self, list: &str, verb: &str) -> Result<Answer, Error> {
        let body = self.body_object()?;
        let of = |name: &str| -> Vec<String> {
            let list = body.get(name).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(id_text).collect()
        };
        let mut ids = of("vids");
        let mut invalid = BTreeSet::new();
        for email in of("emails") {
            match self.resolve(super::kind("contacts")?, &email, Some("email"))? {
                Some(id) => ids.push(id),
                None => {
                    invalid.insert(email);
                }
            }
        }
        let (updated, missing) = self.put_on(list, &ids, verb == "add")?;
        Ok(Answer::json(
            200,
            json!({
                "updated": updated,
                "discarded": [],
                "invalidVids": missing,
                "invalidEmails": invalid,
            }),
        ))
    }
}
