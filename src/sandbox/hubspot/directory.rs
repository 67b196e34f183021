//! What the portal says of itself: properties, schemas, owners, account.

use serde_json::{Value, json};

use super::super::answer::Answer;
use super::Session;
use super::error::Error;
use super::portal::stamp;
use super::schema::{self, Kind, Property, Type};
use crate::sandbox::seed;

impl Session<'_> {
    /// `GET /crm/v3/properties/{type}`.
    pub(super) fn properties(&self, kind: &'static Type) -> Answer {
        let visible = kind
            .properties()
            .filter(|property| self.call.token.sees(kind.name, property.name));
        let results: Vec<Value> = visible.map(|property| described(kind, property)).collect();
        Answer::json(200, json!({"results": results}))
    }

    /// `GET /crm/v3/properties/{type}/{name}`.
    pub(super) fn property(&self, kind: &'static Type, name: &str) -> Result<Answer, Error> {
        let property = kind
            .property(name)
            .filter(|property| self.call.token.sees(kind.name, property.name))
            .ok_or_else(Error::no_resource)?;
        Ok(Answer::json(200, described(kind, property)))
    }

    /// `GET /crm/v3/schemas`: the custom types.
    pub(super) fn schemas(&self) -> Answer {
        let custom = schema::types()
            .iter()
            .filter(|kind| kind.id.starts_with("2-"));
        let results: Vec<Value> = custom.map(described_type).collect();
        Answer::json(200, json!({"results": results}))
    }

    /// `GET /crm/v3/owners`.
    pub(super) fn owners(&self) -> Answer {
        let results: Vec<Value> = seed::OWNERS.iter().map(owner).collect();
        Answer::json(200, json!({"results": results}))
    }

    /// `GET /crm/v3/owners/{id}`.
    pub(super) fn owner(&self, id: &str) -> Result<Answer, Error> {
        let found = seed::OWNERS.iter().find(|(own, ..)| *own == id);
        let found = found.ok_or_else(Error::no_resource)?;
        Ok(Answer::json(200, owner(found)))
    }

    /// `GET /account-info/v3/details`.
    pub(super) fn account(&self) -> Answer {
        Answer::json(
            200,
            json!({
                "portalId": seed::PORTAL,
                "accountType": "DEVELOPER_TEST",
                "timeZone": "UTC",
                "companyCurrency": "USD",
                "additionalCurrencies": [],
                "utcOffset": "+00:00",
                "utcOffsetMilliseconds": 0,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }),
        )
    }
}

fn described(kind: &Type, property: &Property) -> Value {
    let (word, field) = property.kind.words();
    let options: &[&str] = match property.kind {
        Kind::Choice(options) => options,
        Kind::Bool => &["true", "false"],
        Kind::Text | Kind::Email | Kind::Number | Kind::DateTime => &[],
    };
    let options: Vec<Value> = options
        .iter()
        .zip(0..)
        .map(|(value, place)| {
            json!({"label": value, "value": value, "displayOrder": place, "hidden": false})
        })
        .collect();
    json!({
        "name": property.name,
        "label": property.label,
        "type": word,
        "fieldType": field,
        "description": "",
        "groupName": format!("{}information", kind.singular),
        "options": options,
        "displayOrder": -1,
        "calculated": false,
        "externalOptions": property.name == "hubspot_owner_id",
        "hasUniqueValue": property.unique,
        "hidden": false,
        "hubspotDefined": !property.custom,
        "formField": !property.read_only,
        "archived": false,
        "modificationMetadata": {
            "archivable": property.custom,
            "readOnlyDefinition": !property.custom,
            "readOnlyOptions": !property.custom,
            "readOnlyValue": property.read_only,
        },
    })
}

fn described_type(kind: &Type) -> Value {
    let properties: Vec<Value> = kind
        .properties()
        .map(|property| described(kind, property))
        .collect();
    let at = stamp(seed::founded());
    json!({
        "id": kind.id.trim_start_matches("2-"),
        "objectTypeId": kind.id,
        "name": kind.singular,
        "fullyQualifiedName": format!("p{}_{}", seed::PORTAL, kind.singular),
        "labels": {"singular": "Health Check", "plural": "Health Checks"},
        "primaryDisplayProperty": "name",
        "secondaryDisplayProperties": [],
        "requiredProperties": [],
        "searchableProperties": ["name"],
        "properties": properties,
        "associations": [],
        "archived": false,
        "createdAt": at,
        "updatedAt": at,
    })
}

fn owner((id, email, first, last): &(&str, &str, &str, &str)) -> Value {
    let at = stamp(seed::founded());
    json!({
        "id": id,
        "email": email,
        "firstName": first,
        "lastName": last,
        "type": "PERSON",
        "userId": id.parse::<u64>().unwrap_or(0),
        "createdAt": at,
        "updatedAt": at,
        "archived": false,
    })
}
