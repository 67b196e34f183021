//! What SOAP messages do to records: rows, ids, merges, conversions.

use serde_json::{Map, Value, json};

use super::message::Element;
use crate::sandbox::log::EffectKind;
use crate::sandbox::salesforce::collections::{take, typed};
use crate::sandbox::salesforce::error::Error;
use crate::sandbox::salesforce::rows::external_field;
use crate::sandbox::salesforce::schema::{self, Object};
use crate::sandbox::salesforce::{Session, ids};

impl Session<'_> {
    /// `create`, `update`, `upsert`: one result for each `sObjects`.
    pub(super) fn soap_rows(
        &mut self,
        all_or_none: bool,
        operation: &Element,
    ) -> Result<Value, Error> {
        let rows = operation
            .parts
            .iter()
            .filter(|part| part.name == "sObjects");
        let rows: Vec<Value> = rows.map(Element::row).collect();
        let key = operation.said("externalIDFieldName").to_owned();
        let answer = self.each(all_or_none, &rows, |session, row| {
            let (object, mut fields) = typed(row)?;
            if operation.name == "create" {
                let id = session.create(object, &fields)?;
                return Ok(json!({ "id": id, "success": true }));
            }
            if operation.name == "upsert" && !key.eq_ignore_ascii_case("Id") {
                let field = external_field(object, &key)?;
                let mut result = session.upsert_one(object, field, fields)?;
                if let Some(result) = result.as_object_mut() {
                    result.shift_remove("errors");
                }
                return Ok(result);
            }
            match take(&mut fields, "Id") {
                Some(id) => {
                    let id = session.locate(object, &id)?;
                    session.update(object, &id, &fields)?;
                    Ok(json!({ "id": id, "success": true, "created": false }))
                }
                None if operation.name == "upsert" => {
                    let id = session.create(object, &fields)?;
                    Ok(json!({ "id": id, "success": true, "created": true }))
                }
                None => {
                    let message = "Id not specified in an update call";
                    Err(Error::new(400, "MISSING_ARGUMENT", message).field("Id"))
                }
            }
        })?;
        Ok(answer.body.unwrap_or_default())
    }

    /// `delete`, `undelete`, `emptyRecycleBin`: one result for each of the `ids`.
    pub(super) fn soap_ids(
        &mut self,
        all_or_none: bool,
        operation: &Element,
    ) -> Result<Value, Error> {
        let answer = self.each(all_or_none, &operation.all("ids"), |session, id| {
            let id = id.as_str().unwrap_or_default();
            let object = object_of(id)?;
            let now = session.call.now;
            let binned = |session: &Self| {
                let id = ids::canonical(id).ok_or_else(|| Error::malformed_id(object.name, id))?;
                let record = session.org.store.any(object.name, &id);
                match record.filter(|record| record.deleted) {
                    Some(_) => Ok(id),
                    None => Err(Error::new(
                        400,
                        "UNDELETE_FAILED",
                        "Entity is not in the recycle bin",
                    )),
                }
            };
            let id = match operation.name.as_str() {
                "delete" => {
                    let id = session.locate(object, id)?;
                    session.org.store.delete(object.name, &id, now);
                    id
                }
                "undelete" => {
                    let id = binned(session)?;
                    session.org.store.undelete(object.name, &id, now);
                    id
                }
                _ => {
                    let id = binned(session)?;
                    let store = &mut session.org.store;
                    store.purge(object.name, &id, EffectKind::Purged);
                    id
                }
            };
            Ok(json!({ "id": id, "success": true }))
        })?;
        Ok(answer.body.unwrap_or_default())
    }

    /// `merge`: the master gets its fields, the losers go to the recycle bin.
    pub(super) fn soap_merges(&mut self, operation: &Element) -> Result<Value, Error> {
        let requests: Vec<Value> = operation.parts.iter().map(merge_row).collect();
        let answer = self.each(false, &requests, |session, request| {
            let (object, mut fields) = typed(request.get("master").unwrap_or(&Value::Null))?;
            let id = take(&mut fields, "Id").unwrap_or_default();
            let id = session.locate(object, &id)?;
            let losers = request.get("losers").and_then(Value::as_array);
            let mut gone = Vec::new();
            for loser in losers.into_iter().flatten() {
                gone.push(session.locate(object, loser.as_str().unwrap_or_default())?);
            }
            session.update(object, &id, &fields)?;
            for loser in &gone {
                let now = session.call.now;
                session.org.store.delete(object.name, loser, now);
            }
            Ok(json!({ "id": id, "mergedRecordIds": gone, "success": true }))
        })?;
        Ok(answer.body.unwrap_or_default())
    }

    /// `convertLead`: what is not named is made from the lead.
    pub(super) fn soap_conversions(&mut self, operation: &Element) -> Result<Value, Error> {
        let rows: Vec<Value> = operation.parts.iter().map(Element::row).collect();
        let answer = self.each(false, &rows, |session, row| session.convert(row))?;
        Ok(answer.body.unwrap_or_default())
    }

    fn convert(&mut self, row: &Value) -> Result<Value, Error> {
        let said = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let object = |name: &str| schema::object(name).ok_or_else(Error::not_found);
        let lead = self.locate(object("Lead")?, said("leadId"))?;
        let found = self.org.view("Lead", &lead).unwrap_or_default();
        let of_lead = |name: &str| found.get(name).cloned().unwrap_or_default();
        let named = |name: &str| (!said(name).is_empty()).then(|| json!(said(name)));
        let owner = named("ownerId");
        let mut make = |name: &str, mut fields: Map<String, Value>| {
            if let Some(owner) = &owner {
                fields.insert("OwnerId".into(), owner.clone());
            }
            fields.retain(|_, value| !value.is_null());
            let id = self.create(object(name)?, &fields)?;
            Ok::<Value, Error>(json!(id))
        };
        let account = match named("accountId") {
            Some(id) => id,
            None => make(
                "Account",
                Map::from_iter([("Name".into(), of_lead("Company"))]),
            )?,
        };
        let contact = match named("contactId") {
            Some(id) => id,
            None => {
                let mut fields = Map::from_iter([("AccountId".into(), account.clone())]);
                for name in ["FirstName", "LastName", "Email", "Phone", "Title"] {
                    fields.insert(name.into(), of_lead(name));
                }
                make("Contact", fields)?
            }
        };
        let opportunity = match (named("opportunityId"), said("doNotCreateOpportunity")) {
            (Some(id), _) => id,
            (None, "true" | "1") => Value::Null,
            (None, _) => {
                let name = named("opportunityName").unwrap_or_else(|| of_lead("Company"));
                let fields = [
                    ("Name", name),
                    ("AccountId", account.clone()),
                    ("StageName", json!("Prospecting")),
                    ("CloseDate", json!("2030-12-31")),
                ];
                let fields = fields.map(|(name, value)| (name.to_owned(), value));
                make("Opportunity", Map::from_iter(fields))?
            }
        };
        let converted = [
            ("Status", json!(said("convertedStatus"))),
            ("IsConverted", json!(true)),
        ];
        let fields = converted.map(|(name, value)| (name.to_owned(), value));
        let now = self.call.now;
        let fields = Map::from_iter(fields);
        self.org.store.update("Lead", &lead, fields, now);
        Ok(json!({
            "accountId": account, "contactId": contact, "leadId": lead,
            "opportunityId": opportunity, "success": true,
        }))
    }
}

fn merge_row(request: &Element) -> Value {
    let master = request.part("masterRecord").map(Element::row);
    json!({ "master": master, "losers": request.all("recordToMergeIds") })
}

fn object_of(id: &str) -> Result<&'static Object, Error> {
    let mut objects = schema::objects().iter();
    objects
        .find(|object| id.starts_with(object.prefix))
        .ok_or_else(|| Error::malformed_id("sObject", id))
}
