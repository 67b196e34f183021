//! The record APIs before version 3: contacts v1, companies v1 and v2, deals v1, crm-objects v1. Their
//! properties are lists of names and values, their batches bare arrays.

use std::collections::HashSet;

use http::Method;
use serde_json::{Map, Value};

use super::body::record::{Part, external, folded, id, id_text, property_list};
use super::body::{Stop, archived, both_of_merge, changed, document, empty, malformed, no_query};
use crate::crm::Head;
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// Records in one request: more than this is bulk, which has other ways.
const MAX_ROWS: usize = 1_000;

/// What is done to records of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create(Form),
    /// By its id.
    Update(String, Form),
    /// A contact by its address.
    UpdateByEmail(String),
    UpsertByEmail(String),
    Archive(String),
    /// The survivor's id; `{vidToMerge}`.
    Merge(String),
    /// `[{vid or email, properties}]`.
    Contacts,
    /// `[{objectId, properties}]`.
    Rows,
    /// `[[{name, value}]]`.
    Creates,
    /// `{ids}`.
    Archives,
}

/// How the properties of one record stand in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{properties: [{property, value}]}`.
    Contact,
    /// `{properties: [{name, value}]}`.
    Named,
    /// `[{name, value}]`.
    Bare,
}

/// The type as it is spelled, and the call.
pub(super) fn route<'a>(method: &Method, words: &[&'a str]) -> Option<(&'a str, Call)> {
    let own = |id: &&str| (*id).to_owned();
    let post = *method == Method::POST;
    let put = *method == Method::PUT;
    let delete = *method == Method::DELETE;
    let call = match words {
        ["contacts", "contact", rest @ ..] => {
            let call = match rest {
                [] if post => Call::Create(Form::Contact),
                ["batch"] if post => Call::Contacts,
                ["vid", id, "profile"] if post => Call::Update(own(id), Form::Contact),
                ["email", email, "profile"] if post => Call::UpdateByEmail(own(email)),
                ["createOrUpdate", "email", email] if post => Call::UpsertByEmail(own(email)),
                ["vid", id] if delete => Call::Archive(own(id)),
                ["merge-vids", id] if post => Call::Merge(own(id)),
                _ => return None,
            };
            ("contacts", call)
        }
        ["companies", "companies"] if post => ("companies", Call::Create(Form::Named)),
        ["companies", "companies", id] if put => ("companies", Call::Update(own(id), Form::Named)),
        ["companies", "companies", id] if delete => ("companies", Call::Archive(own(id))),
        ["companies", "batch-async", "update"] if post => ("companies", Call::Rows),
        ["deals", "deal"] if post => ("deals", Call::Create(Form::Named)),
        ["deals", "deal", id] if put => ("deals", Call::Update(own(id), Form::Named)),
        ["deals", "deal", id] if delete => ("deals", Call::Archive(own(id))),
        ["deals", "batch-async", "update"] if post => ("deals", Call::Rows),
        ["crm-objects", "objects", object, rest @ ..] => {
            let call = match rest {
                [] if post => Call::Create(Form::Bare),
                ["batch-create"] if post => Call::Creates,
                ["batch-update"] if post => Call::Rows,
                ["batch-delete"] if post => Call::Archives,
                [id] if put => Call::Update(own(id), Form::Bare),
                [id] if delete => Call::Archive(own(id)),
                _ => return None,
            };
            (*object, call)
        }
        _ => return None,
    };
    Some(call)
}

pub(super) fn parse(
    call: &Call,
    object: &str,
    head: &Head<'_>,
    body: &[u8],
) -> Result<Vec<Mutation>, Stop> {
    no_query(head)?;
    if let Call::Archive(in_path) = call {
        empty(body)?;
        let id = id_text(in_path, "the id in the path")?;
        return Ok(vec![archived(object, id, None)]);
    }
    let document = document(head, body)?;
    let by_id = |id: &str| id_text(id, "the id in the path").map(RecordKey::id);
    let by_email = |email: &str| external("email", email, "the address in the path");
    let one = |operation, record, form| {
        let fields = fields(&document, form)?;
        Ok(vec![changed(object, operation, record, fields, None)])
    };
    match call {
        Call::Create(form) => created(object, &document, *form),
        Call::Update(id, form) => one(Operation::Update, by_id(id)?, *form),
        Call::UpdateByEmail(email) => one(Operation::Update, by_email(email)?, Form::Contact),
        Call::UpsertByEmail(email) => one(Operation::Upsert, by_email(email)?, Form::Contact),
        Call::Merge(survivor) => {
            let root = Part::root(&document)?;
            root.only(&["vidToMerge"])?;
            let loser = id(root.required("vidToMerge")?, "vidToMerge")?;
            both_of_merge(object, id_text(survivor, "the id in the path")?, loser)
        }
        Call::Contacts | Call::Rows | Call::Creates => rows(call, object, &document),
        Call::Archives => {
            let root = Part::root(&document)?;
            root.only(&["ids"])?;
            let mut mutations = Vec::new();
            for (place, one) in counted(root.array("ids")?)?.iter().enumerate() {
                let row = format!("ids[{place}]");
                mutations.push(archived(object, id(one, &row)?, Some(row)));
            }
            distinct(mutations)
        }
        // answered above
        Call::Archive(_) => Ok(Vec::new()),
    }
}

fn fields(document: &Value, form: Form) -> Result<Map<String, Value>, Stop> {
    let (name, list) = match (form, document) {
        (Form::Bare, Value::Array(list)) => return property_list(list, "name", "the body"),
        (Form::Bare, _) => return malformed("the body is not a list of names and values"),
        (Form::Contact, _) => ("property", Part::root(document)?),
        (Form::Named, _) => ("name", Part::root(document)?),
    };
    list.only(&["properties"])?;
    list.property_list(name)
}

fn made(object: &str, fields: Map<String, Value>, row: Option<String>) -> Mutation {
    Mutation {
        object: object.to_owned(),
        operation: Operation::Create,
        record: None,
        fields,
        row,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

/// One new record. A deal also names the records that it is linked to.
fn created(object: &str, document: &Value, form: Form) -> Result<Vec<Mutation>, Stop> {
    if object != "deals" {
        return Ok(vec![made(object, fields(document, form)?, None)]);
    }
    let root = Part::root(document)?;
    root.only(&["properties", "associations"])?;
    let mut mutations = vec![made(object, root.property_list("name")?, None)];
    if let Some(links) = root.get("associations") {
        let links = Part::of(links, "associations".to_owned(), true)?;
        let ends = [
            ("associatedVids", "contacts"),
            ("associatedCompanyIds", "companies"),
            ("associatedDealIds", "deals"),
        ];
        mutations.extend(linked(object, &links, &ends)?);
    }
    Ok(mutations)
}

/// The links of a record that is made: lists of ids, each list of one type.
pub(super) fn linked(
    object: &str,
    links: &Part<'_>,
    ends: &[(&str, &str)],
) -> Result<Vec<Mutation>, Stop> {
    let names: Vec<&str> = ends.iter().map(|(name, _)| *name).collect();
    links.only(&names)?;
    let mut mutations = Vec::new();
    for (name, far) in ends {
        if links.get(name).is_none() {
            continue;
        }
        for (place, one) in counted_or_none(links.array(name)?)?.iter().enumerate() {
            let row = format!("{}[{place}]", links.place(name));
            let key = RecordKey::id(id(one, &row)?);
            let end = |object: &str, record, others| Mutation {
                operation: Operation::Associate,
                record,
                others,
                ..made(object, Map::new(), Some(row.clone()))
            };
            mutations.push(end(object, None, vec![key.clone()]));
            mutations.push(end(far, Some(key), Vec::new()));
        }
    }
    Ok(mutations)
}

fn counted(list: &[Value]) -> Result<&[Value], Stop> {
    if list.is_empty() {
        return malformed("the body names no records");
    }
    counted_or_none(list)
}

fn counted_or_none(list: &[Value]) -> Result<&[Value], Stop> {
    if list.len() > MAX_ROWS {
        return malformed(format!(
            "{} records in one request; send at most {MAX_ROWS}",
            list.len()
        ));
    }
    Ok(list)
}

fn rows(call: &Call, object: &str, document: &Value) -> Result<Vec<Mutation>, Stop> {
    let Value::Array(list) = document else {
        return malformed("the body is not a list of records");
    };
    let mut mutations = Vec::new();
    for (place, one) in counted(list)?.iter().enumerate() {
        let at = format!("records[{place}]");
        let row = Some(at.clone());
        let mutation = match (call, one) {
            (Call::Creates, Value::Array(list)) => {
                made(object, property_list(list, "name", &at)?, row)
            }
            (Call::Creates, _) => return malformed(format!("{at} is not a list of properties")),
            (Call::Contacts, _) => contact(object, &Part::of(one, at, true)?, row)?,
            _ => {
                let part = Part::of(one, at, true)?;
                part.only(&["objectId", "properties"])?;
                let id = id(part.required("objectId")?, &part.place("objectId"))?;
                let fields = part.property_list("name")?;
                changed(object, Operation::Update, RecordKey::id(id), fields, row)
            }
        };
        mutations.push(mutation);
    }
    distinct(mutations)
}

/// A contact by its id is updated; one by its address is made where there is none.
fn contact(object: &str, part: &Part<'_>, row: Option<String>) -> Result<Mutation, Stop> {
    part.only(&["vid", "email", "properties"])?;
    let fields = part.property_list("property")?;
    let (operation, record) = match (part.get("vid"), part.text("email")?) {
        (Some(vid), None) => {
            let id = id(vid, &part.place("vid"))?;
            (Operation::Update, RecordKey::id(id))
        }
        (None, Some(email)) => {
            let key = external("email", email, &part.place("email"))?;
            (Operation::Upsert, key)
        }
        _ => return malformed(format!("{} needs either `vid` or `email`", part.at)),
    };
    Ok(changed(object, operation, record, fields, row))
}

/// No record twice.
fn distinct(mutations: Vec<Mutation>) -> Result<Vec<Mutation>, Stop> {
    let mut seen = HashSet::new();
    for mutation in &mutations {
        let key = mutation.record.as_ref().map(folded);
        if key.is_some_and(|key| !seen.insert(key)) {
            let at = mutation.row.as_deref().unwrap_or_default();
            return malformed(format!("{at} names a record that stands before it"));
        }
    }
    Ok(mutations)
}
