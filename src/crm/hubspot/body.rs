//! The body of a write, taken apart into mutations. Strict: a member that is not described, a key
//! with two readings and a record named twice are refused.

pub(super) mod record;

use std::collections::HashSet;

use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::types::is_property;
use super::{Batch, Call, Shape, association, engagement, legacy, list, send};
use crate::crm::{Head, Malformed, json};
use crate::mutation::{Acting, ChangeSet, Mutation, Opaque, Operation, RecordKey, Undo};
use record::{Part, external, id, id_text, link_types};

/// HubSpot takes no more inputs in one batch (its page "Using object APIs").
const MAX_INPUTS: usize = 100;

/// Why a body gives no mutations. By now method and path are known, so no `endpoints` row opens it.
pub(super) enum Stop {
    Malformed(String),
    Opaque(String),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.0)
    }
}

pub(super) fn malformed<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Malformed(what.into()))
}

/// Takes a write's body apart; `types` are the names that rules say for the shape's types.
pub(super) fn parse(
    shape: &Shape,
    types: &[String],
    head: &Head<'_>,
    body: &[u8],
) -> Result<ChangeSet, Malformed> {
    match mutations(shape, types, head, body) {
        Ok(mutations) => Ok(ChangeSet::Mutations(mutations)),
        Err(Stop::Opaque(reason)) => Ok(ChangeSet::Opaque(Opaque::unclear(reason))),
        Err(Stop::Malformed(what)) => Err(Malformed(what)),
    }
}

/// The types of the links that are made with records: two links to one record can mean different
/// things.
pub(in crate::crm) fn acting_in(shape: &Shape, body: &[u8]) -> Acting {
    let (Call::Create | Call::Batch(Batch::Create), Ok(document)) =
        (&shape.call, json::parse(body))
    else {
        return Acting::new();
    };
    let inputs = document.get("inputs").and_then(Value::as_array);
    let inputs = inputs.into_iter().flatten().enumerate();
    let in_batch =
        inputs.flat_map(|(place, input)| link_types(input, &format!("inputs[{place}].")));
    link_types(&document, "")
        .into_iter()
        .chain(in_batch)
        .collect()
}

fn mutations(
    shape: &Shape,
    types: &[String],
    head: &Head<'_>,
    body: &[u8],
) -> Result<Vec<Mutation>, Stop> {
    let object = types.first().map_or("", String::as_str);
    match &shape.call {
        Call::Link(call) => return association::parse(call, types, head, body),
        Call::List(call) => return list::parse(call, head, body),
        Call::Legacy(call) => return legacy::parse(call, object, head, body),
        Call::Engagement(id) => return engagement::parse(id.as_deref(), head, body),
        Call::Send(call) => return send::parse(*call, head, body),
        Call::Create
        | Call::Update(_)
        | Call::Archive(_)
        | Call::Batch(_)
        | Call::Merge
        | Call::GdprDelete
        | Call::Whole(_) => {}
    }
    let id_property = query(&shape.call, head.query)?;
    if let Call::Archive(in_path) = &shape.call {
        empty(body)?;
        let id = id_text(in_path, "the id in the path")?;
        return Ok(vec![archived(object, id, None)]);
    }
    let document = document(head, body)?;
    let root = Part::root(&document)?;
    match &shape.call {
        Call::Create => created(object, &root),
        Call::Update(in_path) => updated(object, in_path, id_property, &root),
        Call::Batch(batch) => inputs(object, *batch, &root),
        Call::Merge => merged(object, &root),
        Call::GdprDelete => purged(object, &root),
        // answered above, or taken apart by itself
        Call::Archive(_)
        | Call::Link(_)
        | Call::List(_)
        | Call::Legacy(_)
        | Call::Engagement(_)
        | Call::Send(_)
        | Call::Whole(_) => Ok(Vec::new()),
    }
}

/// A JSON body, strictly.
pub(super) fn document(head: &Head<'_>, body: &[u8]) -> Result<Value, Stop> {
    content_type(head)?;
    Ok(json::parse(body)?)
}

/// A write that takes no body.
pub(super) fn empty(body: &[u8]) -> Result<(), Stop> {
    if body.is_empty() {
        return Ok(());
    }
    malformed("a DELETE takes no body; leave it out")
}

/// A write that takes no query.
pub(super) fn no_query(head: &Head<'_>) -> Result<(), Stop> {
    if head.query.is_none_or(str::is_empty) {
        return Ok(());
    }
    malformed("this write takes no query parameters; leave them out")
}

/// The query of a write: `idProperty` on a single update, nothing anywhere else.
fn query<'a>(call: &Call, query: Option<&'a str>) -> Result<Option<&'a str>, Stop> {
    let Some(query) = query.filter(|query| !query.is_empty()) else {
        return Ok(None);
    };
    match (call, query.strip_prefix("idProperty=")) {
        (Call::Update(_), Some(name)) if is_property(name) => Ok(Some(name)),
        (Call::Update(_), _) => {
            malformed("the query of an update takes one `idProperty` with a property's name only")
        }
        _ => malformed("this write takes no query parameters; leave them out"),
    }
}

/// One Content-Type, JSON, in UTF-8.
fn content_type(head: &Head<'_>) -> Result<(), Stop> {
    let mut values = head.headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return malformed("a write needs exactly one Content-Type: application/json");
    };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    let (kind, charset) = text.split_once(';').unwrap_or((&text, ""));
    let trim = |part: &str| part.trim_matches([' ', '\t']).to_owned();
    let utf8 = ["", "charset=utf-8", "charset=\"utf-8\"", "charset=utf8"];
    if trim(kind) == "application/json" && utf8.contains(&trim(charset).as_str()) {
        return Ok(());
    }
    malformed("the Content-Type is not application/json in UTF-8; send the body as JSON")
}

fn created(object: &str, part: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    part.only(&["properties", "associations", "objectWriteTraceId"])?;
    let mut mutations = vec![Mutation {
        object: object.to_owned(),
        operation: Operation::Create,
        record: None,
        fields: part.properties()?,
        row: part.row(),
        undo: Undo::Full,
        others: Vec::new(),
    }];
    mutations.extend(part.links(object)?);
    Ok(mutations)
}

fn updated(
    object: &str,
    in_path: &str,
    id_property: Option<&str>,
    part: &Part<'_>,
) -> Result<Vec<Mutation>, Stop> {
    part.only(&["properties", "objectWriteTraceId"])?;
    let record = match id_property {
        // servers differ on when they decode it
        Some(_) if in_path.contains('/') => {
            return malformed(
                "the key in the path holds a slash; use batch/update, which takes any key",
            );
        }
        Some(name) => external(name, in_path, "the key in the path")?,
        None => RecordKey::id(id_text(in_path, "the id in the path")?),
    };
    Ok(vec![changed(
        object,
        Operation::Update,
        record,
        part.properties()?,
        part.row(),
    )])
}

pub(super) fn changed(
    object: &str,
    operation: Operation,
    record: RecordKey,
    fields: Map<String, Value>,
    row: Option<String>,
) -> Mutation {
    Mutation {
        object: object.to_owned(),
        operation,
        record: Some(record),
        fields,
        row,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

pub(super) fn archived(object: &str, id: String, row: Option<String>) -> Mutation {
    Mutation {
        undo: Undo::Partial,
        ..changed(
            object,
            Operation::Delete,
            RecordKey::id(id),
            Map::new(),
            row,
        )
    }
}

/// `{"inputs": […]}`: each input by itself, no record twice.
fn inputs(object: &str, batch: Batch, root: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    root.only(&["inputs"])?;
    let inputs = root.array("inputs")?;
    if inputs.is_empty() || inputs.len() > MAX_INPUTS {
        return malformed(format!(
            "`inputs` has {} entries; send between 1 and {MAX_INPUTS}",
            inputs.len()
        ));
    }
    let mut seen = HashSet::new();
    let mut mutations = Vec::new();
    for (place, input) in inputs.iter().enumerate() {
        let part = Part::input(input, place)?;
        for mutation in one_input(object, batch, &part)? {
            let named = mutation.operation != Operation::Associate;
            let key = mutation
                .record
                .as_ref()
                .filter(|_| named)
                .map(record::folded);
            if key.is_some_and(|key| !seen.insert(key)) {
                return malformed(format!(
                    "{} names a record that an input before it names",
                    part.at
                ));
            }
            mutations.push(mutation);
        }
    }
    Ok(mutations)
}

fn one_input(object: &str, batch: Batch, part: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    let operation = match batch {
        Batch::Create => return created(object, part),
        Batch::Archive => {
            part.only(&["id"])?;
            let id = id(part.required("id")?, &part.place("id"))?;
            return Ok(vec![archived(object, id, part.row())]);
        }
        Batch::Update => Operation::Update,
        Batch::Upsert => Operation::Upsert,
    };
    part.only(&["id", "idProperty", "properties", "objectWriteTraceId"])?;
    let record = part.key("id", batch == Batch::Upsert)?;
    Ok(vec![changed(
        object,
        operation,
        record,
        part.properties()?,
        part.row(),
    )])
}

/// The merge's result has a new id; both old ones keep resolving to it. The loser goes with all that
/// stands in it, so it is a delete of its own: rules, limits and the snapshot see it as one.
fn merged(object: &str, root: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    root.only(&["primaryObjectId", "objectIdToMerge"])?;
    let survivor = id(root.required("primaryObjectId")?, "primaryObjectId")?;
    let loser = id(root.required("objectIdToMerge")?, "objectIdToMerge")?;
    both_of_merge(object, survivor, loser)
}

/// A merge, and the delete of the record that goes into the other.
pub(super) fn both_of_merge(
    object: &str,
    survivor: String,
    loser: String,
) -> Result<Vec<Mutation>, Stop> {
    if survivor == loser {
        return malformed("a record cannot be merged with itself");
    }
    let merge = Mutation {
        undo: Undo::None,
        others: vec![RecordKey::id(loser.clone())],
        ..changed(
            object,
            Operation::Merge,
            RecordKey::id(survivor),
            Map::new(),
            None,
        )
    };
    let delete = Mutation {
        undo: Undo::None,
        ..archived(object, loser, None)
    };
    Ok(vec![merge, delete])
}

fn purged(object: &str, root: &Part<'_>) -> Result<Vec<Mutation>, Stop> {
    root.only(&["objectId", "idProperty"])?;
    let record = root.key("objectId", false)?;
    Ok(vec![Mutation {
        undo: Undo::None,
        ..changed(object, Operation::Purge, record, Map::new(), None)
    }])
}
