//! Prior values: `batch/read` of up to 100 records of one type by one kind of key, one call each.

pub(super) mod links;
pub(super) mod matching;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::list::LISTS;
use super::types::{self, is_property};
use crate::crm::catalog::Catalog;
use crate::crm::json::parse_answer;
use crate::crm::{Head, PriorFailure, PriorPlan, ReadCall, Wanted};
use crate::mutation::{Mutation, Operation, Prior, RecordKey};

/// Inputs of one `batch/read` (HubSpot's page "Using object APIs").
const MAX_INPUTS: usize = 100;

/// Properties that tell which key an answer belongs to: earlier ids of a merged record, further
/// addresses of a contact.
const MERGED_IDS: &str = "hs_merged_object_ids";
const FURTHER_EMAILS: &str = "hs_additional_emails";

/// The records of one type that are read by one kind of key.
#[derive(Default)]
struct Group<'a> {
    /// Each key once, with the mutations that name it.
    keys: BTreeMap<&'a str, Vec<usize>>,
    properties: Vec<String>,
    /// Everything is read: what is deleted or merged can only be rebuilt from the snapshot.
    all: bool,
}

/// The reads that bring the prior values. Creates need none; the far end of a link is read only where
/// a rule looks at it.
pub(in crate::crm) fn plan(
    head: &Head<'_>,
    mutations: &[Mutation],
    wanted: &Wanted,
    catalog: &Catalog,
    now: Timestamp,
) -> PriorPlan {
    let paths = Paths {
        endpoint: Endpoint::of(head.path).ok(),
    };
    let mut groups: BTreeMap<(&str, Option<&str>), Group<'_>> = BTreeMap::new();
    for (place, mutation) in mutations.iter().enumerate() {
        let wanted = wanted.get(place).map(Vec::as_slice).unwrap_or_default();
        let Some(record) = &mutation.record else {
            continue;
        };
        // of a link only the link is read, but where a rule looks at the record
        if mutation.object == LISTS || links::is_link(mutation) && wanted.is_empty() {
            continue;
        }
        let (id_property, key) = match record {
            RecordKey::Id { id } => (None, id),
            RecordKey::External { key, value } => (Some(key.as_str()), value),
        };
        let group = groups.entry((&mutation.object, id_property)).or_default();
        group.keys.entry(key).or_default().push(place);
        group.ask_for(mutation, wanted);
    }
    let mut reads = links::reads(mutations, paths.date());
    reads.extend(links::lists(mutations, paths.is_of_contacts()));
    for ((name, id_property), group) in &mut groups {
        let Some(target) = paths.batch_read(name) else {
            continue;
        };
        if group.all {
            let Some(names) = catalog.properties(name, now) else {
                return PriorPlan::Catalog(paths.property_list(name));
            };
            names.iter().for_each(|name| group.ask(name));
        }
        group.ask_for_matching(name, *id_property);
        reads.extend(group.calls(&target, *id_property));
    }
    PriorPlan::Reads(reads)
}

impl Group<'_> {
    fn ask_for(&mut self, mutation: &Mutation, wanted: &[String]) {
        let deletes = [Operation::Delete, Operation::Merge, Operation::Purge];
        self.all |= deletes.contains(&mutation.operation);
        // the fields of a link are not the record's
        let written = mutation.fields.keys().filter(|_| !links::is_link(mutation));
        written.chain(wanted).for_each(|name| self.ask(name));
    }

    /// Adds a property once, in HubSpot's spelling. What cannot be a property's name is nowhere.
    fn ask(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        if is_property(&name) && !self.properties.contains(&name) {
            self.properties.push(name);
        }
    }

    /// Adds what tells which key a record of the answer belongs to.
    fn ask_for_matching(&mut self, object: &str, id_property: Option<&str>) {
        self.ask(id_property.unwrap_or(MERGED_IDS));
        if object == "contacts" && id_property == Some("email") {
            self.ask(FURTHER_EMAILS);
        }
    }

    fn calls(&self, target: &str, id_property: Option<&str>) -> Vec<ReadCall> {
        let keys: Vec<_> = self.keys.iter().collect();
        let call = |keys: &[(&&str, &Vec<usize>)]| {
            let inputs: Vec<Value> = keys.iter().map(|(key, _)| json!({ "id": key })).collect();
            let mut body = json!({
                "properties": self.properties,
                "propertiesWithHistory": [],
                "inputs": inputs,
            });
            if let (Some(members), Some(name)) = (body.as_object_mut(), id_property) {
                members.insert("idProperty".to_owned(), Value::from(name));
            }
            ReadCall {
                method: Method::POST,
                target: target.to_owned(),
                body: Some(Bytes::from(body.to_string())),
                covers: keys
                    .iter()
                    .flat_map(|(_, places)| places.iter().copied())
                    .collect(),
            }
        };
        keys.chunks(MAX_INPUTS).map(call).collect()
    }
}

/// Where to read: the same API version as the write, so that both see the same account rules.
struct Paths<'a> {
    endpoint: Option<Endpoint<'a>>,
}

impl Paths<'_> {
    fn batch_read(&self, object: &str) -> Option<String> {
        let name = self.name(object)?;
        Some(match self.date() {
            Some(date) => format!("/crm/objects/{date}/{name}/batch/read"),
            None => format!("/crm/v3/objects/{name}/batch/read"),
        })
    }

    /// Beta versions have no property lists.
    fn property_list(&self, object: &str) -> ReadCall {
        let name = self.name(object).unwrap_or_default();
        let target = match self.date().filter(|date| !date.ends_with("-beta")) {
            Some(date) => format!("/crm/properties/{date}/{name}"),
            None => format!("/crm/v3/properties/{name}"),
        };
        ReadCall {
            method: Method::GET,
            target,
            body: None,
            covers: Vec::new(),
        }
    }

    /// Whether it is the contacts API of version 1, whose lists have ids of their own.
    fn is_of_contacts(&self) -> bool {
        let first = self
            .endpoint
            .as_ref()
            .map(|endpoint| endpoint.words.first());
        first == Some(Some(&"contacts"))
    }

    fn date(&self) -> Option<&str> {
        let endpoint = self
            .endpoint
            .as_ref()
            .filter(|endpoint| endpoint.is_dated());
        endpoint.map(|endpoint| endpoint.version)
    }

    /// The type as the request spells it, which HubSpot takes if it takes the write; else as HubSpot
    /// takes it everywhere. `None`: it is no type of records.
    fn name(&self, object: &str) -> Option<String> {
        let words = self
            .endpoint
            .as_ref()
            .map(|endpoint| endpoint.words.as_slice());
        let name = match words {
            Some(["crm", "objects", spelled, ..])
                if types::resolve(spelled).is_some_and(|own| own.name == object) =>
            {
                spelled
            }
            _ => types::on_paths(object)?,
        };
        Some(name.to_owned())
    }
}

/// The priors in the answer to a `batch/read`; a record that HubSpot says is not there is absent.
pub(in crate::crm) fn found(
    call: &ReadCall,
    mutations: &[Mutation],
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let answer = answered(status, body)?;
    if call.target.contains("/lists/") {
        return links::of_list(&answer, call, mutations);
    }
    if call.target.contains("/associations/") {
        return links::of_links(&answer, call, mutations);
    }
    matching::priors(&answer, call, mutations)
}

/// The read of what is archived under these ids.
pub(in crate::crm) fn deleted(head: &Head<'_>, object: &str, ids: &[&str]) -> Option<ReadCall> {
    let paths = Paths {
        endpoint: Endpoint::of(head.path).ok(),
    };
    let inputs: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    let body = json!({ "properties": [], "propertiesWithHistory": [], "inputs": inputs });
    Some(ReadCall {
        method: Method::POST,
        target: format!("{}?archived=true", paths.batch_read(object)?),
        body: Some(Bytes::from(body.to_string())),
        covers: Vec::new(),
    })
}

/// The ids of the archived records in its answer.
///
/// # Errors
/// [`PriorFailure`] when the answer does not bring them.
pub(in crate::crm) fn deleted_found(
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<String>, PriorFailure> {
    let answer = answered(status, body)?;
    let results = answer.get("results").and_then(Value::as_array);
    let results = results.ok_or_else(|| failed("a read's answer has no records"))?;
    let archived = results
        .iter()
        .filter(|record| record.get("archived") == Some(&Value::Bool(true)));
    let ids = archived.filter_map(|record| record.get("id")?.as_str().map(str::to_owned));
    Ok(ids.collect())
}

/// The key that a contact to be made would be alone with: HubSpot keeps e-mail addresses unique.
/// Which properties of the portal's own are unique is not known here.
pub(in crate::crm) fn unique_key(mutation: &Mutation) -> Option<RecordKey> {
    let email = mutation.fields.get("email")?.as_str()?.trim();
    let told = mutation.object == "contacts" && !email.is_empty();
    told.then(|| RecordKey::External {
        key: "email".to_owned(),
        value: email.to_owned(),
    })
}

/// Reads a property list (`GET /crm/v3/properties/{type}`) or the account's own types into the catalog.
pub(in crate::crm) fn learn(
    call: &ReadCall,
    status: StatusCode,
    body: &[u8],
    catalog: &Catalog,
    now: Timestamp,
) -> Result<(), PriorFailure> {
    let answer = answered(status, body)?;
    if call.target == types::SCHEMAS {
        let names =
            types::learned(&answer).ok_or_else(|| failed("the schemas have no `results`"))?;
        catalog.learn_types(names, now);
        return Ok(());
    }
    let spelled = call.target.rsplit('/').next().unwrap_or_default();
    let object = match types::resolve(spelled) {
        Some(object) => Some(object.name),
        None => types::on_paths(spelled),
    };
    let properties = answer.get("results").and_then(Value::as_array);
    let (Some(object), Some(properties)) = (object, properties) else {
        return Err(failed("a property list has no `results`"));
    };
    let names = properties
        .iter()
        .map(|property| {
            property
                .get("name")
                .and_then(Value::as_str)
                .map(str::to_ascii_lowercase)
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| failed("a property list has a property without a name"))?;
    catalog.learn_properties(object, names, now);
    Ok(())
}

/// The document of a successful answer (207: some records are missing).
fn answered(status: StatusCode, body: &[u8]) -> Result<Value, PriorFailure> {
    match status.as_u16() {
        200 | 207 => parse_answer(body).map_err(|error| failed(&error.0)),
        400 | 401 | 404 | 429 => Err(PriorFailure::PassOn),
        403 if category(body).as_deref() == Some("MISSING_SCOPES") => Err(PriorFailure::Unreadable(
            "the credential has no scope to read these records, so their values cannot be recorded \
             before the write"
                .to_owned(),
        )),
        other => Err(failed(&format!("HubSpot answered a read with status {other}"))),
    }
}

fn category(body: &[u8]) -> Option<String> {
    let error = parse_answer(body).ok()?;
    error.get("category")?.as_str().map(str::to_owned)
}

fn failed(what: &str) -> PriorFailure {
    PriorFailure::Failed(what.to_owned())
}
