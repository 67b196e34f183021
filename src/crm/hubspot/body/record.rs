//! The parts of a record body: members, keys, properties, links.

use serde_json::{Map, Value};

use super::{Stop, malformed};
use crate::crm::hubspot::links;
use crate::crm::hubspot::types::{ObjectType, is_property};
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// A record's value may be this long as a key; longer is nobody's unique property.
const MAX_KEY: usize = 1_000;

/// An object of the body and where it stands.
pub(in crate::crm::hubspot) struct Part<'a> {
    members: &'a Map<String, Value>,
    /// `the body`, `inputs[3]`; for messages.
    pub(in crate::crm::hubspot) at: String,
    in_batch: bool,
}

impl<'a> Part<'a> {
    /// The whole body.
    pub(in crate::crm::hubspot) fn root(document: &'a Value) -> Result<Self, Stop> {
        Self::of(document, "the body".to_owned(), false)
    }

    /// One input of a batch.
    pub(in crate::crm::hubspot) fn input(value: &'a Value, place: usize) -> Result<Self, Stop> {
        Self::of(value, format!("inputs[{place}]"), true)
    }

    /// A part at some place of the body.
    pub(in crate::crm::hubspot) fn of(
        value: &'a Value,
        at: String,
        in_batch: bool,
    ) -> Result<Self, Stop> {
        let Value::Object(members) = value else {
            return malformed(format!("{at} is not a JSON object"));
        };
        Ok(Self {
            members,
            at,
            in_batch,
        })
    }

    /// Where it stands in a batch.
    pub(in crate::crm::hubspot) fn row(&self) -> Option<String> {
        self.in_batch.then(|| self.at.clone())
    }

    /// A member's place, for messages.
    pub(in crate::crm::hubspot) fn place(&self, member: &str) -> String {
        if self.in_batch {
            format!("{}.{member}", self.at)
        } else {
            member.to_owned()
        }
    }

    /// Refuses members that are not described.
    pub(in crate::crm::hubspot) fn only(&self, names: &[&str]) -> Result<(), Stop> {
        match self
            .members
            .keys()
            .find(|name| !names.contains(&name.as_str()))
        {
            None => Ok(()),
            Some(name) => malformed(format!(
                "{} has the member {:?}, which this write does not take",
                self.at,
                name.chars().take(64).collect::<String>()
            )),
        }?;
        match self.get("objectWriteTraceId") {
            None | Some(Value::String(_)) => Ok(()),
            Some(_) => malformed(format!(
                "{} is not a string",
                self.place("objectWriteTraceId")
            )),
        }
    }

    /// A member; null counts as absent.
    pub(in crate::crm::hubspot) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A member that must be there.
    pub(in crate::crm::hubspot) fn required(&self, name: &str) -> Result<&'a Value, Stop> {
        match self.get(name) {
            Some(value) => Ok(value),
            None => malformed(format!("{} is missing", self.place(name))),
        }
    }

    /// A member that must be an array.
    pub(in crate::crm::hubspot) fn array(&self, name: &str) -> Result<&'a [Value], Stop> {
        let Value::Array(elements) = self.required(name)? else {
            return malformed(format!("{} is not an array", self.place(name)));
        };
        Ok(elements)
    }

    /// The record that `id_member` and `idProperty` name.
    pub(in crate::crm::hubspot) fn key(
        &self,
        id_member: &str,
        must_be_external: bool,
    ) -> Result<RecordKey, Stop> {
        let value = self.required(id_member)?;
        let place = self.place(id_member);
        match (self.get("idProperty"), value) {
            (None, _) if must_be_external => malformed(format!(
                "{} is missing; an upsert names its key",
                self.place("idProperty")
            )),
            (None, _) => Ok(RecordKey::id(id(value, &place)?)),
            (Some(Value::String(name)), Value::String(key)) => external(name, key, &place),
            (Some(Value::String(name)), Value::Number(key)) if key.is_u64() => {
                external(name, &key.to_string(), &place)
            }
            (Some(Value::String(_)), _) => malformed(format!("{place} is not a string")),
            (Some(_), _) => malformed(format!("{} is not a string", self.place("idProperty"))),
        }
    }

    /// `properties`: names in lower case, values as they are.
    pub(in crate::crm::hubspot) fn properties(&self) -> Result<Map<String, Value>, Stop> {
        let place = self.place("properties");
        let Value::Object(members) = self.required("properties")? else {
            return malformed(format!("{place} is not a JSON object"));
        };
        let mut fields = Map::new();
        for (name, value) in members {
            if !is_property(name) {
                return malformed(format!(
                    "{place} has a name with other characters than letters, digits and underscores"
                ));
            }
            let name = name.to_ascii_lowercase();
            check_value(&name, value, &place)?;
            fields.insert(name, value.clone());
        }
        Ok(fields)
    }

    /// `properties` as a list of names and values, as the APIs before version 3 have it.
    pub(in crate::crm::hubspot) fn property_list(
        &self,
        name_member: &str,
    ) -> Result<Map<String, Value>, Stop> {
        property_list(
            self.array("properties")?,
            name_member,
            &self.place("properties"),
        )
    }

    /// A member that must be a string, where it is there.
    pub(in crate::crm::hubspot) fn text(&self, name: &str) -> Result<Option<&'a str>, Stop> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => malformed(format!("{} is not a string", self.place(name))),
        }
    }

    /// All members but nulls.
    pub(in crate::crm::hubspot) fn members(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.members.iter().filter(|(_, value)| !value.is_null())
    }

    /// `associations`: two mutations for each link, one for each end.
    pub(in crate::crm::hubspot) fn links(&self, object: &str) -> Result<Vec<Mutation>, Stop> {
        if self.get("associations").is_none() {
            return Ok(Vec::new());
        }
        let mut mutations = Vec::new();
        for (place, link) in self.array("associations")?.iter().enumerate() {
            let at = format!("{}[{place}]", self.place("associations"));
            let link = Part::of(link, at, true)?;
            link.only(&["to", "types"])?;
            let to = Part::of(link.required("to")?, link.place("to"), true)?;
            to.only(&["id"])?;
            let far = RecordKey::id(id(to.required("id")?, &to.place("id"))?);
            let far_object = far_object(object, &link)?;
            let end = |object: &str, record, others| Mutation {
                object: object.to_owned(),
                operation: Operation::Associate,
                record,
                fields: Map::new(),
                row: Some(link.at.clone()),
                undo: Undo::Full,
                others,
            };
            mutations.push(end(object, None, vec![far.clone()]));
            mutations.push(end(far_object.name, Some(far), Vec::new()));
        }
        Ok(mutations)
    }
}

/// A list of names and values; a name stands in it once.
pub(in crate::crm::hubspot) fn property_list(
    list: &[Value],
    name_member: &str,
    place: &str,
) -> Result<Map<String, Value>, Stop> {
    let mut fields = Map::new();
    for (at, one) in list.iter().enumerate() {
        let part = Part::of(one, format!("{place}[{at}]"), true)?;
        part.only(&[name_member, "value"])?;
        let name = part.text(name_member)?.unwrap_or_default();
        if !is_property(name) {
            return malformed(format!(
                "{} is not a property's name",
                part.place(name_member)
            ));
        }
        let name = name.to_ascii_lowercase();
        let value = part.members.get("value").unwrap_or(&Value::Null);
        check_value(&name, value, place)?;
        if fields.insert(name, value.clone()).is_some() {
            return malformed(format!("{} names a property twice", part.at));
        }
    }
    Ok(fields)
}

/// The association types of all links in one part of a body that was taken apart, by their place.
pub(in crate::crm::hubspot) fn link_types(part: &Value, at: &str) -> Vec<(String, String)> {
    let links = part.get("associations").and_then(Value::as_array);
    let links = links.into_iter().flatten().enumerate();
    links
        .map(|(place, link)| {
            let types = link.get("types").and_then(Value::as_array);
            let types = types.into_iter().flatten().map(|kind| {
                let category = kind.get("associationCategory").and_then(Value::as_str);
                let type_id = kind.get("associationTypeId").unwrap_or(&Value::Null);
                format!("{} {type_id}", category.unwrap_or_default())
            });
            let types = types.collect::<Vec<_>>().join(", ");
            (format!("{at}associations[{place}].types"), types)
        })
        .collect()
}

/// The type of the record at the far end of a link, by its association types, which must agree.
fn far_object(object: &str, link: &Part<'_>) -> Result<&'static ObjectType, Stop> {
    let mut far: Option<&'static ObjectType> = None;
    for (place, kind) in link.array("types")?.iter().enumerate() {
        let kind = Part::of(kind, format!("{}[{place}]", link.place("types")), true)?;
        kind.only(&["associationCategory", "associationTypeId"])?;
        let category = kind.required("associationCategory")?.as_str();
        let Some(type_id) = kind.required("associationTypeId")?.as_u64() else {
            return malformed(format!(
                "{} is not a number",
                kind.place("associationTypeId")
            ));
        };
        let end = match category {
            Some("HUBSPOT_DEFINED") => links::far_end(object, type_id),
            _ => None,
        };
        let Some(end) = end else {
            return Err(Stop::Opaque(format!(
                "{} does not tell what kind of record {} is linked to; use an association type that \
                 HubSpot defines for {}",
                kind.at, link.at, object
            )));
        };
        if far.is_some_and(|far| far != end) {
            return malformed(format!(
                "the types of {} lead to different objects",
                link.at
            ));
        }
        far = Some(end);
    }
    match far {
        Some(far) => Ok(far),
        None => malformed(format!("{} is empty", link.place("types"))),
    }
}

fn check_value(name: &str, value: &Value, place: &str) -> Result<(), Stop> {
    match value {
        Value::Array(_) | Value::Object(_) => malformed(format!(
            "{place}.{name} is not a single value; a list of options is one string joined by `;`"
        )),
        // said to add to a multi-select value: what the record will hold cannot be told
        Value::String(text) if text.trim_start().starts_with(';') => Err(Stop::Opaque(format!(
            "{place}.{name} begins with `;`, which adds to what is there; write the whole value"
        ))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// A record id that stands in the body: a string of digits, or a whole number.
pub(in crate::crm::hubspot) fn id(value: &Value, place: &str) -> Result<String, Stop> {
    if let Value::String(text) = value {
        return id_text(text, place);
    }
    match value.as_u64() {
        Some(number) => id_text(&number.to_string(), place),
        None => malformed(format!("{place} is not a record id")),
    }
}

/// A record id: decimal digits that begin with no zero, so that one record has one spelling.
pub(in crate::crm::hubspot) fn id_text(text: &str, place: &str) -> Result<String, Stop> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (1..=20).contains(&text.len()) && !text.starts_with('0') {
        return Ok(text.to_owned());
    }
    malformed(format!(
        "{place} is not a record id: decimal digits, no leading zero (another key needs `idProperty`)"
    ))
}

/// A record by a unique property. `hs_object_id` is the id itself.
pub(in crate::crm::hubspot) fn external(
    property: &str,
    value: &str,
    place: &str,
) -> Result<RecordKey, Stop> {
    if !is_property(property) {
        return malformed(format!(
            "the `idProperty` of {place} is not a property's name"
        ));
    }
    let key = property.to_ascii_lowercase();
    if key == "hs_object_id" {
        return Ok(RecordKey::id(id_text(value, place)?));
    }
    let blank_edges = value.trim() != value;
    if value.is_empty()
        || blank_edges
        || value.len() > MAX_KEY
        || value.chars().any(char::is_control)
    {
        return malformed(format!(
            "{place} is empty, too long, or has white space at its ends"
        ));
    }
    Ok(RecordKey::External {
        key,
        value: value.to_owned(),
    })
}

/// A key as HubSpot compares it: without case.
pub(in crate::crm::hubspot) fn folded(key: &RecordKey) -> (String, String) {
    match key {
        RecordKey::Id { id } => (String::new(), id.clone()),
        RecordKey::External { key, value } => (key.clone(), value.to_lowercase()),
    }
}
