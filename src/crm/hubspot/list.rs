//! Lists and who is on them, of version 3 and dated, and of the contacts API before that. Who comes on
//! a list or leaves it is a mutation of the list, one for each record.

use std::collections::HashSet;

use http::Method;
use serde_json::{Map, Value};

use super::body::record::{Part, id, id_text};
use super::body::{Stop, changed, document, empty, malformed, no_query};
use crate::crm::Head;
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// The name that rules say.
pub(super) const LISTS: &str = "lists";

/// Records that come or go in one request.
const MAX_MEMBERS: usize = 10_000;

/// What is done to lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Delete(String),
    Restore(String),
    /// `?listName=`.
    Rename(String),
    /// A new definition: the body's members.
    Redefine(String),
    Add(String),
    Remove(String),
    AddAndRemove(String),
    /// `{vids, emails}` of the contacts API.
    Contacts(String, Operation),
}

pub(super) fn route(method: &Method, words: &[&str]) -> Option<Call> {
    let own = |id: &&str| (*id).to_owned();
    let call = match (method, words) {
        (&Method::POST, ["crm", "lists"] | ["contacts", "lists"]) => Call::Create,
        (&Method::DELETE, ["crm" | "contacts", "lists", id]) => Call::Delete(own(id)),
        (&Method::PUT, ["crm", "lists", id, "restore"]) => Call::Restore(own(id)),
        (&Method::PUT, ["crm", "lists", id, "update-list-name"]) => Call::Rename(own(id)),
        (&Method::PUT, ["crm", "lists", id, "update-list-filters"])
        | (&Method::POST, ["contacts", "lists", id]) => Call::Redefine(own(id)),
        (&Method::PUT, ["crm", "lists", id, "memberships", "add"]) => Call::Add(own(id)),
        (&Method::PUT, ["crm", "lists", id, "memberships", "remove"]) => Call::Remove(own(id)),
        (&Method::PUT, ["crm", "lists", id, "memberships", "add-and-remove"]) => {
            Call::AddAndRemove(own(id))
        }
        (&Method::POST, ["contacts", "lists", id, "add"]) => {
            Call::Contacts(own(id), Operation::Associate)
        }
        (&Method::POST, ["contacts", "lists", id, "remove"]) => {
            Call::Contacts(own(id), Operation::Dissociate)
        }
        _ => return None,
    };
    Some(call)
}

pub(super) fn parse(call: &Call, head: &Head<'_>, body: &[u8]) -> Result<Vec<Mutation>, Stop> {
    if let Call::Rename(list) = call {
        return renamed(list, head, body);
    }
    no_query(head)?;
    let of = |list: &str| id_text(list, "the list's id in the path");
    match call {
        Call::Create => {
            let document = document(head, body)?;
            let mutation = Mutation {
                record: None,
                ..written(Operation::Create, "", members(&document)?)
            };
            Ok(vec![mutation])
        }
        Call::Delete(list) => {
            empty(body)?;
            let list = of(list)?;
            Ok(vec![written(Operation::Delete, &list, Map::new())])
        }
        Call::Restore(list) => {
            let others = vec![RecordKey::id(of(list)?)];
            // what is deleted cannot be read, so there is nothing to be known of it
            Ok(vec![Mutation {
                record: None,
                others,
                ..written(Operation::Restore, "", Map::new())
            }])
        }
        Call::Redefine(list) => {
            let document = document(head, body)?;
            Ok(vec![written(
                Operation::Update,
                &of(list)?,
                members(&document)?,
            )])
        }
        Call::Add(list) => all(&of(list)?, &document(head, body)?, Operation::Associate),
        Call::Remove(list) => all(&of(list)?, &document(head, body)?, Operation::Dissociate),
        Call::AddAndRemove(list) => both(&of(list)?, &document(head, body)?),
        Call::Contacts(list, operation) => contacts(&of(list)?, &document(head, body)?, *operation),
        // answered above
        Call::Rename(_) => Ok(Vec::new()),
    }
}

fn written(operation: Operation, list: &str, fields: Map<String, Value>) -> Mutation {
    let mut mutation = changed(LISTS, operation, RecordKey::id(list), fields, None);
    if operation == Operation::Delete {
        mutation.undo = Undo::Partial;
    }
    mutation
}

fn renamed(list: &str, head: &Head<'_>, body: &[u8]) -> Result<Vec<Mutation>, Stop> {
    if !body.is_empty() && body != b"{}" {
        return malformed("this write takes no body; the name stands in the query");
    }
    let query = head.query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (Some((name, value)), None, false) = (pairs.next(), pairs.next(), query.contains(';'))
    else {
        return malformed("the query of this write takes one `listName` only");
    };
    if name != "listName" {
        return malformed("the query of this write takes one `listName` only");
    }
    let list = id_text(list, "the list's id in the path")?;
    let fields = Map::from_iter([("name".to_owned(), Value::from(value.into_owned()))]);
    Ok(vec![written(Operation::Update, &list, fields)])
}

fn members(document: &Value) -> Result<Map<String, Value>, Stop> {
    let Value::Object(members) = document else {
        return malformed("the body is not a JSON object");
    };
    Ok(members.clone())
}

/// Members so far; nobody twice.
struct Members<'a> {
    list: &'a str,
    seen: HashSet<RecordKey>,
    mutations: Vec<Mutation>,
}

impl<'a> Members<'a> {
    fn of(list: &'a str) -> Self {
        Self {
            list,
            seen: HashSet::new(),
            mutations: Vec::new(),
        }
    }

    fn add(&mut self, who: RecordKey, operation: Operation, row: String) -> Result<(), Stop> {
        if !self.seen.insert(who.clone()) {
            return malformed(format!("{row} names a record that stands before it"));
        }
        if self.mutations.len() == MAX_MEMBERS {
            return malformed(format!("more than {MAX_MEMBERS} records in one request"));
        }
        self.mutations.push(Mutation {
            row: Some(row),
            others: vec![who],
            ..written(operation, self.list, Map::new())
        });
        Ok(())
    }

    fn ids(&mut self, list: &[Value], operation: Operation, at: &str) -> Result<(), Stop> {
        for (place, member) in list.iter().enumerate() {
            let row = format!("{at}[{place}]");
            let who = RecordKey::id(id(member, &row)?);
            self.add(who, operation, row)?;
        }
        Ok(())
    }

    fn done(self) -> Result<Vec<Mutation>, Stop> {
        if self.mutations.is_empty() {
            return malformed("the body names no records");
        }
        Ok(self.mutations)
    }
}

/// A bare list of ids.
fn all(list: &str, document: &Value, operation: Operation) -> Result<Vec<Mutation>, Stop> {
    let Value::Array(ids) = document else {
        return malformed("the body is not a list of record ids");
    };
    let mut members = Members::of(list);
    members.ids(ids, operation, "ids")?;
    members.done()
}

fn both(list: &str, document: &Value) -> Result<Vec<Mutation>, Stop> {
    let root = Part::root(document)?;
    root.only(&["recordIdsToAdd", "recordIdsToRemove"])?;
    let mut members = Members::of(list);
    for (name, operation) in [
        ("recordIdsToAdd", Operation::Associate),
        ("recordIdsToRemove", Operation::Dissociate),
    ] {
        if root.get(name).is_some() {
            members.ids(root.array(name)?, operation, name)?;
        }
    }
    members.done()
}

fn contacts(list: &str, document: &Value, operation: Operation) -> Result<Vec<Mutation>, Stop> {
    let root = Part::root(document)?;
    root.only(&["vids", "emails"])?;
    let mut members = Members::of(list);
    if root.get("vids").is_some() {
        members.ids(root.array("vids")?, operation, "vids")?;
    }
    if root.get("emails").is_some() {
        for (place, email) in root.array("emails")?.iter().enumerate() {
            let row = format!("emails[{place}]");
            let Some(email) = email.as_str() else {
                return malformed(format!("{row} is not an address"));
            };
            let who = super::body::record::external("email", &email.to_lowercase(), &row)?;
            members.add(who, operation, row)?;
        }
    }
    members.done()
}
