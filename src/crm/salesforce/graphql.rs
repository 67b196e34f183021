//! GraphQL mutations (GraphQL API Developer Guide, Mutations): `{Object}Create`, `Update`, `Delete` below
//! `uiapi`. The document is read as the server runs it: fragments laid open, variables and directives
//! resolved, one operation chosen. What is not understood is refused.

mod lex;
mod run;
mod syntax;

use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::org::Org;
use super::types::{self, Type};
use super::{collections, id, record};
use crate::crm::{Head, Malformed};
use crate::mutation::{ChangeSet, Mutation, Operation, RecordKey, unknown_value};
use run::Called;

/// Records of one document.
const MOST: usize = 200;

/// Takes a document apart; one that only queries has no mutations.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(head, content, org))
}

fn read(head: &Head<'_>, content: &Content<'_>, org: &Org<'_>) -> Result<Vec<Mutation>, Refused> {
    body::parameters(head, &[])?;
    let members = body::object(head, content)?;
    for (name, value) in &members {
        let fine = match name.as_str() {
            "query" => value.is_string(),
            "operationName" => value.is_string() || value.is_null(),
            "variables" => value.is_object() || value.is_null(),
            // persisted queries would come here
            "extensions" => value.is_null() || value.as_object().is_some_and(Map::is_empty),
            _ => false,
        };
        if !fine {
            return Err(malformed(format!(
                "the member {} is not understood in a GraphQL request",
                body::shown(name)
            )));
        }
    }
    let Some(text) = members.get("query").and_then(Value::as_str) else {
        return Err(malformed("the GraphQL request has no query"));
    };
    let none = Map::new();
    let variables = members.get("variables").and_then(Value::as_object);
    let name = members.get("operationName").and_then(Value::as_str);
    let document = syntax::parse(text).map_err(|what| malformed(format!("GraphQL: {what}")))?;
    let called = run::calls(&document, name, variables.unwrap_or(&none))?;
    if called.len() > MOST {
        return Err(malformed(format!(
            "the document writes {} records, and {MOST} is the most",
            called.len()
        )));
    }
    let acting = body::acting(head)?;
    let mut once = collections::Once::default();
    let mut made: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for call in called {
        let mutation = one(&call, &made, &acting, org)?;
        once.record(&mutation)?;
        if mutation.operation == Operation::Create {
            made.push(call.key.clone());
        }
        all.push(mutation);
    }
    Ok(all)
}

fn one(
    call: &Called,
    made: &[String],
    acting: &super::headers::Acting,
    org: &Org<'_>,
) -> Result<Mutation, Refused> {
    let row = format!("{}.{}", call.parent, call.key);
    let (known, operation) = target(&call.name, &row, org)?;
    let known = &known;
    let mut input = call.input.clone();
    let id = match (operation, input.shift_remove("Id")) {
        (Operation::Create, None) => None,
        (Operation::Update | Operation::Delete, Some(Value::String(text))) => {
            if text.contains("@{") {
                return Err(Refused::Opaque(format!(
                    "{row}: a reference decides which record it is about: write its id out"
                )));
            }
            let id = id::canonical(&text)
                .map_err(|Malformed(what)| malformed(format!("{row}: {what}")))?;
            body::belongs(&id, known, &row)?;
            Some(id)
        }
        _ => {
            return Err(malformed(format!(
                "{row}: Id is missing, or stands where none belongs"
            )));
        }
    };
    let members = match (operation, input.shift_remove(known.name)) {
        (Operation::Delete, None) => Map::new(),
        (Operation::Create | Operation::Update, Some(Value::Object(members))) => members,
        _ => {
            return Err(malformed(format!(
                "{row}: {} is missing, or stands where none belongs",
                known.name
            )));
        }
    };
    if let Some(name) = input.keys().next() {
        return Err(malformed(format!(
            "{row}: the input has the member {}, which is not understood",
            body::shown(name)
        )));
    }
    if members.contains_key("attributes") {
        return Err(malformed(format!("{row}: attributes is no field")));
    }
    let members = referring(members, made, &row)?;
    let mut record = record::read(members, &row)?;
    record.agree(known, &row)?;
    record.names_only(id.as_deref(), &row)?;
    if operation != Operation::Delete {
        record.assign(acting, known)?;
    }
    let key = id.map(|id| RecordKey::Id { id });
    Ok(record.mutation(known, operation, key, Some(row)))
}

/// `AccountCreate` is a create of an Account.
fn target<'o>(name: &str, row: &str, org: &'o Org<'_>) -> Result<(Type<'o>, Operation), Refused> {
    let found = [
        ("Create", Operation::Create),
        ("Update", Operation::Update),
        ("Delete", Operation::Delete),
    ]
    .into_iter()
    .find_map(|(word, operation)| Some((name.strip_suffix(word)?, operation)));
    let Some((object, operation)) = found else {
        return Err(Refused::Opaque(format!(
            "{row}: no such mutation is documented"
        )));
    };
    match org.by_name(object) {
        Some(known) if known.name == object => Ok((known, operation)),
        _ => Err(Refused::Opaque(format!(
            "{row}: {}",
            types::unknown(object)
        ))),
    }
}

/// `@{alias}` stands for the id of a record that an earlier mutation of the document makes.
fn referring(
    members: Map<String, Value>,
    made: &[String],
    row: &str,
) -> Result<Map<String, Value>, Refused> {
    members
        .into_iter()
        .map(|(name, value)| match value.as_str() {
            Some(text) if text.contains("@{") => {
                let inside = text
                    .strip_prefix("@{")
                    .and_then(|rest| rest.strip_suffix('}'));
                let alias = inside.map(|inside| inside.split('.').next().unwrap_or(inside));
                match alias {
                    Some(alias) if made.iter().any(|key| key == alias) => {
                        Ok((name, unknown_value(text)))
                    }
                    _ => Err(Refused::Opaque(format!(
                        "{row}: a reference names no record that an earlier mutation makes"
                    ))),
                }
            }
            _ => Ok((name, value)),
        })
        .collect()
}
