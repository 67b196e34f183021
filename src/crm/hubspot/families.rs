//! HubSpot's families beyond records: what is judged as one operation with a name. A row speaks for
//! every path of its shape, whatever stands in for the version.

mod deletes;
mod rest;
mod table;

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::reads::fits;
use super::{DECOMPOSED, form, graphql, unparsed};
use crate::crm::family::{Family, Treatment};
use crate::crm::{Head, Malformed, json, multipart};
use crate::mutation::{ChangeSet, Mutation, Operation, Undo};

/// Which methods a row speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Every method: what leaves or mints by GET does no less.
    Any,
    /// What changes something.
    Write,
    /// POST and PUT.
    Put,
    Post,
    Delete,
    /// POST and PUT whose last word says that something takes effect.
    Act,
    /// DELETE, and what changes something and ends on a word for it.
    Deletes,
    /// What changes something and ends on a word for a delete past any recycle bin.
    Purges,
}

/// Families whose bodies may be forms with files.
const FORMS: [&str; 7] = [
    "files",
    "file-changes",
    "source-code",
    "imports",
    "hubdb-import",
    "source-code-import",
    "data-studio",
];

/// Words that make something take effect.
const ACTS: [&str; 15] = [
    "publish",
    "unpublish",
    "publish-action",
    "push-live",
    "push-buffer-live",
    "schedule",
    "cancel",
    "complete",
    "accept",
    "terminate",
    "activate",
    "deactivate",
    "end",
    "rerun",
    "resume",
];

/// Words that delete.
const DELETES: [&str; 2] = ["archive", "delete"];

/// Words that delete past any recycle bin.
const PURGES: [&str; 3] = ["gdpr-delete", "full-delete", "purge"];

/// One family that is judged as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The object that rules name.
    pub(super) name: &'static str,
    pub(super) operation: Operation,
    by: By,
    /// As in [`super::reads`]: `*` one segment, `**` the rest.
    shapes: &'static str,
    note: &'static str,
}

impl By {
    fn is(self, method: &Method, words: &[&str]) -> bool {
        let read = method == Method::GET || method == Method::HEAD;
        let post = method == Method::POST;
        let put = post || method == Method::PUT;
        let delete = method == Method::DELETE;
        let write = put || delete || method == Method::PATCH;
        let ends_on = |known: &[&str]| words.last().is_some_and(|word| known.contains(word));
        match self {
            Self::Any => read || write,
            Self::Write => write,
            Self::Put => put,
            Self::Post => post,
            Self::Delete => delete,
            Self::Act => put && ends_on(&ACTS),
            Self::Deletes => delete || (write && ends_on(&DELETES)),
            Self::Purges => write && ends_on(&PURGES),
        }
    }
}

/// The family that speaks for a request to these words (a path without its version).
pub(super) fn of(method: &Method, words: &[&str]) -> Option<&'static Row> {
    let speaks = |row: &&Row| {
        let mut shapes = row.shapes.split_whitespace();
        row.by.is(method, words) && shapes.any(|shape| fits(shape, words))
    };
    rows().find(speaks)
}

fn rows() -> impl Iterator<Item = &'static Row> {
    table::ROWS.iter().chain(deletes::ROWS).chain(rest::ROWS)
}

/// The one mutation that a request to a family is. What its body says, JSON or a form, stands in its
/// fields, so that people see it and rules can look at it; of what makes credentials nothing is kept.
pub(super) fn parse(row: &Row, head: &Head<'_>, body: &[u8]) -> Result<ChangeSet, Malformed> {
    let fields = match () {
        () if row.operation == Operation::Credential || body.is_empty() => Map::new(),
        () if is_json(head) => shown(json::parse(body)?),
        () if FORMS.contains(&row.name) && multipart::announced(head.headers) => {
            form::fields(head.headers, body).map_err(Malformed)?
        }
        () => {
            let what = "the Content-Type is not application/json; send the body as JSON";
            return Err(Malformed(what.to_owned()));
        }
    };
    if row.name == "graphql"
        && let Err(opaque) = graphql::queries_only(&fields)
    {
        return Ok(ChangeSet::Opaque(opaque));
    }
    Ok(ChangeSet::Mutations(vec![Mutation {
        object: row.name.to_owned(),
        operation: row.operation,
        record: None,
        fields,
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    }]))
}

fn is_json(head: &Head<'_>) -> bool {
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (kind, _) = kind.split_once(';').unwrap_or((kind, ""));
    kind.trim().eq_ignore_ascii_case("application/json")
}

fn shown(document: Value) -> Map<String, Value> {
    if let Value::Object(members) = document {
        return members;
    }
    Map::from_iter([("body".to_owned(), document)])
}

/// All families: the ones that are taken apart, the ones above, and what is refused and why.
pub(super) fn families() -> Vec<Family> {
    let decomposed = DECOMPOSED.iter().map(|(name, note)| Family {
        name,
        treatment: Treatment::Decomposed,
        operation: None,
        note,
    });
    let whole = rows().map(|row| Family {
        name: row.name,
        treatment: Treatment::Whole,
        operation: Some(row.operation),
        note: row.note,
    });
    let refused = unparsed::FAMILIES.iter().map(|(name, note)| Family {
        name,
        treatment: Treatment::Refused,
        operation: None,
        note,
    });
    decomposed.chain(whole).chain(refused).collect()
}
