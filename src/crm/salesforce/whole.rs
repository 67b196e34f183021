//! Requests that are judged as one operation with a name: sends, exports, imports, code, settings,
//! secrets. Their parts are shown, and rules may look at them; a list of inputs is one operation each.

use http::header;
use serde_json::{Map, Value};

use super::body::{self, Content, Refused, malformed};
use super::families::{self, Naming};
use super::query::Query;
use crate::crm::multipart::sha256;
use crate::crm::{Head, Malformed};
use crate::mutation::{ChangeSet, Mutation, Operation, Undo, field};

/// The lists of which each element is run by itself (Actions Developer Guide; REST API Developer Guide,
/// Process Approvals).
const LISTS: [&str; 2] = ["inputs", "requests"];
/// More inputs than Salesforce takes.
const MOST: usize = 2_000;

/// An operation with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// What is done.
    pub operation: Operation,
    /// The name of the thing.
    pub object: String,
}

/// Names the thing by its path below `/services/data/vNN.N/`, or by all of it.
pub(super) fn named(naming: Naming, path: &[&str]) -> String {
    let first = path.first().copied().unwrap_or_default();
    let at = |place: usize| path.get(place).copied().unwrap_or(first);
    match naming {
        Naming::Fixed(name) => name.to_owned(),
        Naming::At(place) => at(place).to_owned(),
        Naming::Dotted(left, right) => format!("{}.{}", at(left), at(right)),
        Naming::Below(family) => format!("{family}/{}", at(1)),
    }
}

/// What an invocable action does, by its name and its type: one that is called for what it reaches
/// people with is a send, one that gives rights a credential, and all others run something.
pub(super) fn action(path: &[&str]) -> Option<Whole> {
    let (kind, name) = match path {
        ["actions", "standard", name] => (*name, *name),
        ["actions", "custom", kind, .., name] => (*kind, *name),
        _ => return None,
    };
    let folded = kind.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    let operation = if has(&["permset", "permissionset", "password", "credential"]) {
        Operation::Credential
    } else if has(&[
        "email", "mail", "send", "notif", "messag", "post", "sms", "slack", "invit",
    ]) {
        Operation::Send
    } else {
        Operation::Invoke
    };
    Some(Whole {
        operation,
        object: name.to_owned(),
    })
}

/// Takes the request apart as far as it goes.
///
/// # Errors
/// [`Malformed`] when it has more than one reading.
pub(super) fn parse(
    whole: &Whole,
    head: &Head<'_>,
    content: &Content<'_>,
) -> Result<ChangeSet, Malformed> {
    body::change_set(read(whole, head, content))
}

fn read(whole: &Whole, head: &Head<'_>, content: &Content<'_>) -> Result<Vec<Mutation>, Refused> {
    let one = |row: Option<String>, fields| Mutation {
        object: whole.object.clone(),
        operation: whole.operation,
        record: None,
        fields,
        row,
        undo: Undo::None,
        others: Vec::new(),
    };
    let query = parameters(head)?;
    // secrets are nobody's to see, not even an approver's
    if whole.operation == Operation::Credential {
        return Ok(vec![one(None, Map::new())]);
    }
    let mut members = members(whole, head, content)?;
    not_twice(&query, &members, "the body")?;
    let of_the_org = [Operation::Schema, Operation::Settings].contains(&whole.operation);
    if of_the_org && families::holds_secrets(&members) {
        return Ok(vec![Mutation {
            operation: Operation::Credential,
            ..one(None, Map::new())
        }]);
    }
    let list = LISTS
        .iter()
        .find(|list| members.get(**list).is_some_and(Value::is_array));
    let Some((list, Some(Value::Array(inputs)))) =
        list.map(|list| (list, members.shift_remove(*list)))
    else {
        members.extend(query);
        return Ok(vec![one(None, members)]);
    };
    if inputs.is_empty() || inputs.len() > MOST {
        return Err(malformed(format!(
            "{list} has {} elements: send 1 to {MOST}",
            inputs.len()
        )));
    }
    let shared: Map<String, Value> = members.into_iter().chain(query).collect();
    inputs
        .into_iter()
        .enumerate()
        .map(|(place, input)| {
            let row = format!("{list}[{place}]");
            let Value::Object(input) = input else {
                return Err(malformed(format!("{row} is not an object")));
            };
            not_twice(&shared, &input, &row)?;
            let mut fields = shared.clone();
            fields.extend(input);
            Ok(one(Some(row), fields))
        })
        .collect()
}

/// What is said twice has two readings: which of both counts is the CRM's to know.
fn not_twice(
    one: &Map<String, Value>,
    other: &Map<String, Value>,
    place: &str,
) -> Result<(), Refused> {
    match one.keys().find(|name| field(other, name).is_some()) {
        None => Ok(()),
        Some(name) => Err(malformed(format!(
            "{place}: {name} stands in another place of the request, too"
        ))),
    }
}

/// The query's parameters: Connect takes texts and people from it as from a body.
fn parameters(head: &Head<'_>) -> Result<Map<String, Value>, Refused> {
    let query = Query::parse(head.query).map_err(Refused::Malformed)?;
    let mut fields = Map::new();
    for (name, value) in query.iter() {
        if fields.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(malformed(format!(
                "the query parameter {} is given twice",
                body::shown(name)
            )));
        }
        fields.insert(name.to_owned(), value.into());
    }
    Ok(fields)
}

/// The members of a JSON body. A file or a form is shown by its size and digest where the operation is
/// about files; elsewhere it is refused, since an approver could not see what is sent.
fn members(
    whole: &Whole,
    head: &Head<'_>,
    content: &Content<'_>,
) -> Result<Map<String, Value>, Refused> {
    let bytes = match content {
        Content::Nothing | Content::Bytes(b"") => return Ok(Map::new()),
        Content::Value(_) => return body::object(head, content),
        Content::Bytes(bytes) => *bytes,
    };
    if body::is_json(head.headers) {
        return body::object(head, content);
    }
    let about_files = [
        Operation::Import,
        Operation::Schema,
        Operation::Export,
        Operation::Settings,
    ];
    if about_files.contains(&whole.operation) {
        return Ok(file(head, bytes));
    }
    Err(Refused::Opaque(
        "its body is no JSON (UTF-8), so nobody can see what it says: send JSON".into(),
    ))
}

fn file(head: &Head<'_>, bytes: &[u8]) -> Map<String, Value> {
    let kind = head.headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("no type");
    let kind = kind.split(';').next().unwrap_or(kind);
    let mut fields = Map::new();
    fields.insert("content".into(), described(kind, bytes).into());
    fields
}

/// `image/png, 120 bytes, sha256 3f1c…`.
pub(super) fn described(kind: &str, bytes: &[u8]) -> String {
    format!("{kind}, {} bytes, sha256 {}", bytes.len(), sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_what_its_name_says() {
        for (path, operation, object) in [
            (
                &["actions", "standard", "emailSimple"][..],
                Operation::Send,
                "emailSimple",
            ),
            (
                &["actions", "standard", "chatterPost"],
                Operation::Send,
                "chatterPost",
            ),
            (
                &["actions", "standard", "generateWorkPlans"],
                Operation::Invoke,
                "generateWorkPlans",
            ),
            (
                &["actions", "standard", "activateSessionPermSet"],
                Operation::Credential,
                "activateSessionPermSet",
            ),
            (
                &["actions", "custom", "emailAlert", "Case", "Hello"],
                Operation::Send,
                "Hello",
            ),
            (
                &["actions", "custom", "flow", "Send_Mail"],
                Operation::Invoke,
                "Send_Mail",
            ),
            (
                &["actions", "custom", "apex", "Renew"],
                Operation::Invoke,
                "Renew",
            ),
        ] {
            let found = action(path).unwrap();
            assert_eq!(
                (found.operation, found.object.as_str()),
                (operation, object)
            );
        }
        assert_eq!(action(&["actions", "standard"]), None);
    }
}
