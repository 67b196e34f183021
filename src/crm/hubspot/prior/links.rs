//! Prior values of links: which types each pair of records is linked by, read for up to 1,000 records
//! at a time; and of lists, which are read one by one.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};

use super::failed;
use crate::crm::hubspot::association::TYPES;
use crate::crm::hubspot::inverse::{link, member};
use crate::crm::hubspot::list::LISTS;
use crate::crm::hubspot::types;
use crate::crm::{PriorFailure, ReadCall};
use crate::mutation::{Mutation, Operation, Prior, RecordKey};

/// Ids of one read (HubSpot's changelog on batch reads of associations).
const MAX_INPUTS: usize = 1_000;

/// Whether a mutation is one end of a link, or somebody's coming on a list or leaving it.
pub(in crate::crm::hubspot) fn is_link(mutation: &Mutation) -> bool {
    [Operation::Associate, Operation::Dissociate].contains(&mutation.operation)
}

/// Whether two mutations in a row are the two ends of one link between records that are there.
fn pair(near: &Mutation, far: &Mutation) -> bool {
    let names = |one: &Mutation, other: &Mutation| matches!((one.others.as_slice(), &other.record), ([a], Some(b)) if a == b);
    is_link(near) && is_link(far) && names(near, far) && names(far, near)
}

fn id(mutation: &Mutation) -> Option<&str> {
    match mutation.record.as_ref()? {
        RecordKey::Id { id } => Some(id),
        RecordKey::External { .. } => None,
    }
}

/// The reads of the links between the records that a change set links or unlinks; `date` is the API's
/// version, where it is a dated one.
pub(super) fn reads(mutations: &[Mutation], date: Option<&str>) -> Vec<ReadCall> {
    let mut groups: BTreeMap<(&str, &str), BTreeMap<&str, Vec<usize>>> = BTreeMap::new();
    let mut place = 0;
    while let (Some(near), Some(far)) = (mutations.get(place), mutations.get(place + 1)) {
        match (pair(near, far), id(near)) {
            (true, Some(from)) => {
                let group = groups.entry((&near.object, &far.object)).or_default();
                group.entry(from).or_default().extend([place, place + 1]);
                place += 2;
            }
            _ => place += 1,
        }
    }
    let mut calls = Vec::new();
    for (place, mutation) in mutations.iter().enumerate() {
        calls.extend(alone(mutation, place, date));
    }
    for ((near, far), records) in groups {
        let (Some(near), Some(far)) = (types::on_paths(near), types::on_paths(far)) else {
            continue;
        };
        let target = target(near, far, date);
        let records: Vec<_> = records.into_iter().collect();
        calls.extend(records.chunks(MAX_INPUTS).map(|records| {
            let inputs: Vec<Value> = records.iter().map(|(id, _)| json!({ "id": id })).collect();
            ReadCall {
                method: Method::POST,
                target: target.clone(),
                body: Some(Bytes::from(json!({ "inputs": inputs }).to_string())),
                covers: records
                    .iter()
                    .flat_map(|(_, places)| places.clone())
                    .collect(),
            }
        }));
    }
    calls
}

fn target(near: &str, far: &str, date: Option<&str>) -> String {
    match date {
        Some(date) => format!("/crm/associations/{date}/{near}/{far}/batch/read"),
        None => format!("/crm/v4/associations/{near}/{far}/batch/read"),
    }
}

/// The read of a link that a revert looks at as a record.
fn alone(mutation: &Mutation, place: usize, date: Option<&str>) -> Option<ReadCall> {
    if let Some((kind, _, who)) = member::parts(&mutation.object, id(mutation)?) {
        return Some(ReadCall {
            method: Method::GET,
            target: format!("/crm/v3/lists/records/{kind}/{who}/memberships"),
            body: None,
            covers: vec![place],
        });
    }
    let ([near, far], [from, _]) = link::ends(&mutation.object, id(mutation)?)?;
    Some(ReadCall {
        method: Method::POST,
        target: target(near, far, date),
        body: Some(Bytes::from(
            json!({ "inputs": [{ "id": from }] }).to_string(),
        )),
        covers: vec![place],
    })
}

/// The reads of the lists that a change set names; `legacy` is the contacts API, whose lists have ids of
/// their own.
pub(super) fn lists(mutations: &[Mutation], legacy: bool) -> Vec<ReadCall> {
    let mut lists: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, mutation) in mutations.iter().enumerate() {
        if let (LISTS, Some(id)) = (mutation.object.as_str(), id(mutation)) {
            lists.entry(id).or_default().push(place);
        }
    }
    let call = |(id, covers): (&str, Vec<usize>)| ReadCall {
        method: Method::GET,
        target: if legacy {
            format!("/contacts/v1/lists/{id}")
        } else {
            format!("/crm/v3/lists/{id}?includeFilters=true")
        },
        body: None,
        covers,
    };
    lists.into_iter().map(call).collect()
}

/// The prior of each mutation that a read of a list covers: its definition.
pub(super) fn of_list(
    answer: &Value,
    call: &ReadCall,
    mutations: &[Mutation],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    if let (true, [place]) = (
        call.target.ends_with("/memberships"),
        call.covers.as_slice(),
    ) {
        let prior = mutations.get(*place).and_then(|own| member_of(own, answer));
        let prior = prior.ok_or_else(|| failed("the answer tells no memberships"))?;
        return Ok(vec![(*place, prior)]);
    }
    let list = answer.get("list").unwrap_or(answer);
    let id = list.get("listId").and_then(text);
    let (Some(id), Value::Object(fields)) = (id, list) else {
        return Err(failed("the answer is no list"));
    };
    let stamp = list.get("updatedAt").and_then(Value::as_str);
    let prior = Prior::Found {
        id,
        fields: fields.clone(),
        stamp: stamp.map(str::to_owned),
    };
    let places = call.covers.iter();
    Ok(places.map(|place| (*place, prior.clone())).collect())
}

/// Whether a record is on a list, by the lists that it is on.
fn member_of(mutation: &Mutation, answer: &Value) -> Option<Prior> {
    let whole = id(mutation)?;
    let (_, list, _) = member::parts(&mutation.object, whole)?;
    let mut lists = answer.get("results")?.as_array()?.iter();
    let on = lists.any(|one| one.get("listId").and_then(text).as_deref() == Some(list));
    let fields = Map::from_iter([(member::MEMBER.to_owned(), Value::Bool(on))]);
    Some(Prior::Found {
        id: whole.to_owned(),
        fields,
        stamp: None,
    })
}

/// The prior of each end that a read of links covers: the types that link the two now; blank for none.
pub(super) fn of_links(
    answer: &Value,
    call: &ReadCall,
    mutations: &[Mutation],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    let links = Links::of(answer)?;
    let mut priors = Vec::new();
    if let [place] = call.covers.as_slice() {
        let whole = mutations.get(*place).and_then(id);
        let Some((whole, (from, to))) = whole.and_then(|id| Some((id, id.split_once('/')?))) else {
            return Err(failed("a read of links covers something else"));
        };
        let types = links.between(from, to)?;
        return Ok(vec![(*place, found(whole, types.as_deref()))]);
    }
    for places in call.covers.chunks(2) {
        let ends = places.iter().filter_map(|place| mutations.get(*place));
        let ids: Vec<&str> = ends.filter_map(id).collect();
        let ([near, far], [from, to]) = (places, ids.as_slice()) else {
            return Err(failed("a read of links covers something else"));
        };
        let types = links.between(from, to)?;
        for (place, id) in [(near, from), (far, to)] {
            priors.push((*place, found(id, types.as_deref())));
        }
    }
    Ok(priors)
}

fn found(id: &str, types: Option<&str>) -> Prior {
    let value = types.map_or(Value::Null, Value::from);
    Prior::Found {
        id: id.to_owned(),
        fields: Map::from_iter([(TYPES.to_owned(), value)]),
        stamp: None,
    }
}

/// A record's links: the far ids, each with the types; and whether there are more.
type Ends = (BTreeMap<String, String>, bool);

struct Links(BTreeMap<String, Ends>);

impl Links {
    fn of(answer: &Value) -> Result<Self, PriorFailure> {
        let results = answer.get("results").and_then(Value::as_array);
        let results = results.ok_or_else(|| failed("a read's answer has no links"))?;
        let mut links = BTreeMap::new();
        for result in results {
            let from = result.get("from").and_then(|from| from.get("id"));
            let ends = result.get("to").and_then(Value::as_array);
            let (Some(from), Some(ends)) = (from.and_then(text), ends) else {
                return Err(failed("a read's answer has a link without ends"));
            };
            let more = result.get("paging").is_some_and(|paging| !paging.is_null());
            let known: &mut Ends = links.entry(from).or_default();
            known.1 |= more;
            for end in ends {
                let Some(to) = end.get("toObjectId").and_then(text) else {
                    return Err(failed("a read's answer has a link without ends"));
                };
                known.0.insert(to, types_of(end));
            }
        }
        Ok(Self(links))
    }

    fn between(&self, from: &str, to: &str) -> Result<Option<String>, PriorFailure> {
        let Some((ends, more)) = self.0.get(from) else {
            return Ok(None);
        };
        match ends.get(to) {
            Some(types) => Ok(Some(types.clone())),
            None if *more => Err(failed("a record has more links than one read brings")),
            None => Ok(None),
        }
    }
}

/// The types of one link as a write has them.
fn types_of(end: &Value) -> String {
    let types = end.get("associationTypes").and_then(Value::as_array);
    let mut types: Vec<String> = types
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let category = one.get("category")?.as_str()?;
            Some(format!("{category} {}", one.get("typeId")?.as_u64()?))
        })
        .collect();
    types.sort_unstable();
    types.join(", ")
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
