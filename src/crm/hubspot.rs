//! HubSpot's wire format: which request is a read, a login, a write we take apart, or none of these.

mod association;
mod body;
mod endpoint;
mod engagement;
mod families;
mod graphql;
pub(super) mod inverse;
mod legacy;
mod links;
mod list;
pub(super) mod login;
pub mod prior;
mod reads;
pub mod replay;
pub mod reply;
mod send;
#[cfg(test)]
mod tests;
pub mod types;
mod unparsed;

use http::Method;
use jiff::Timestamp;

use super::{Class, Head, Malformed, ReadCall, overrides};
use crate::crm::catalog::Catalog;
use crate::crm::family::Family;
use crate::mutation::{ChangeSet, Opaque};
pub(in crate::crm) use body::acting_in;
use endpoint::Endpoint;

/// Which parser takes the body apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The types of objects that the path names, as it spells them: their names are told when the body
    /// is taken apart, by what was learned of the account by then.
    types: Vec<String>,
    call: Call,
}

/// A call that is a write.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    /// `POST /crm/v3/objects/{type}`, `/crm/objects/{date}/{type}`; so the next ones.
    Create,
    /// The path's last segment: an id, or the value of `?idProperty=`.
    Update(String),
    /// The path's last segment.
    Archive(String),
    Batch(Batch),
    Merge,
    GdprDelete,
    /// Links between records.
    Link(association::Call),
    /// Lists and who is on them.
    List(list::Call),
    /// The record APIs before version 3.
    Legacy(legacy::Call),
    /// Engagements before version 3; the id where there is one.
    Engagement(Option<String>),
    /// Single mails and forms, which write contacts too.
    Send(send::Call),
    /// Judged as one operation.
    Whole(&'static families::Row),
}

/// What a batch call does to each of its `inputs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    Create,
    Update,
    Upsert,
    Archive,
}

/// Headers that name another credential than the one we see.
const CREDENTIAL_HEADERS: [(&str, &str); 2] = [
    ("private-app", "credential"),
    ("private-app-legacy", "credential"),
];

/// Query parameters that name another credential or method; developer keys still work in `hapikey`.
const SECOND_PARAMETERS: [(&str, &str); 5] = [
    ("hapikey", "credential"),
    ("access_token", "credential"),
    ("oauth_token", "credential"),
    ("_method", "method"),
    ("_httpmethod", "method"),
];

/// Request headers that pass on a write. All else is dropped; `accept-encoding` too, because the answer
/// is read for its outcome.
const PASSING_HEADERS: [&str; 5] = [
    "accept",
    "accept-language",
    "authorization",
    "content-type",
    "user-agent",
];

/// The one path that has no version.
const VERSIONLESS: [&str; 2] = ["collector", "graphql"];

/// Path words of the CRM objects API that are no record ids.
const RESERVED: [&str; 4] = ["batch", "search", "merge", "gdpr-delete"];

/// What is taken apart, and what to know of it.
const DECOMPOSED: [(&str, &str); 11] = [
    (
        "objects",
        "/crm/v3/objects/{type} and dated: create, update, upsert, archive, batches, links inside creates",
    ),
    (
        "merge",
        "merge of two records: the loser is a delete of its own",
    ),
    ("gdpr-delete", "a purge"),
    (
        "associations",
        "v3, v4, dated and legacy; single and in batches; associate or dissociate at both ends",
    ),
    ("lists", "create, delete, restore, name and filters"),
    (
        "memberships",
        "associate or dissociate of a list, one for each record",
    ),
    (
        "legacy contacts",
        "contacts v1: a list of `property` and `value`; also by e-mail address",
    ),
    (
        "legacy companies and deals",
        "a list of `name` and `value`; also their asynchronous batches",
    ),
    (
        "legacy objects",
        "crm-objects v1: products, line items, tickets; bare lists",
    ),
    (
        "engagements",
        "engagements v1, as the notes, tasks, calls, meetings and emails that they are",
    ),
    (
        "single-send and forms",
        "a send, and an upsert of the contact whose properties it writes",
    ),
];

/// The families of the API, as `coverage` lists them.
pub(super) fn families() -> Vec<Family> {
    families::families()
}

/// The name that rules use for a type, by any of its names.
pub(super) fn canonical(name: &str) -> Option<&'static str> {
    types::resolve(name).map(|object| object.name)
}

/// The names of all types that are built in.
pub(super) fn objects() -> Vec<&'static str> {
    types::names().collect()
}

pub(super) fn classify(head: &Head<'_>) -> Class {
    let second = overrides::by_header(head.headers, &CREDENTIAL_HEADERS)
        .or_else(|| overrides::by_parameter(head.query, &SECOND_PARAMETERS));
    if let Some(reason) = second {
        return Class::Write(super::Shape::TwoReadings(reason));
    }
    let endpoint = Endpoint::of(head.path);
    let words = match &endpoint {
        Ok(endpoint) => endpoint.words.as_slice(),
        Err(_) if Endpoint::words_of(head.path) == VERSIONLESS => &VERSIONLESS[..],
        Err(reason) => {
            let words = Endpoint::words_of(head.path);
            return Class::Opaque(opaque(head.method, &words, reason.clone()));
        }
    };
    let read = match *head.method {
        Method::GET | Method::HEAD => reads::by_get(words),
        Method::POST => reads::by_post(words),
        _ => false,
    };
    if read {
        return Class::Read;
    }
    if endpoint.is_ok() && login::is_auth(head.method, words) {
        return Class::Auth;
    }
    let shape = match route(head.method, words) {
        Some(shape)
            if shape.call.is_of_objects()
                && !endpoint.as_ref().is_ok_and(Endpoint::has_objects) =>
        {
            Err(
                "only v3 and dated versions of the objects API are known; use /crm/v3/objects"
                    .into(),
            )
        }
        Some(shape) => Ok(shape),
        None => Err(unparsed::reason(head.method, words)),
    };
    match shape {
        Ok(shape) => Class::Write(super::Shape::HubSpot(shape)),
        Err(reason) => Class::Opaque(opaque(head.method, words, reason)),
    }
}

/// Why it is not taken apart, and whether rows may open it: not where it would be a write that we take
/// apart but for its version or the case of fixed words, since HubSpot may take it for that.
fn opaque(method: &Method, words: &[&str], reason: String) -> Opaque {
    let folded: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
    match route(method, &folded) {
        Some(_) => Opaque::unclear(reason),
        None => Opaque::unknown(reason),
    }
}

/// The write that a request to these words (a path without its version) is.
fn route(method: &Method, words: &[&str]) -> Option<Shape> {
    let whole = || families::of(method, words).map(|row| (Vec::new(), Call::Whole(row)));
    let found = match words {
        ["crm", "objects", object, rest @ ..] if call(method, rest).is_some() => {
            call(method, rest).map(|call| (vec![(*object).to_owned()], call))
        }
        _ => association::route(method, words)
            .map(|(types, call)| (types, Call::Link(call)))
            .or_else(|| list::route(method, words).map(|call| (Vec::new(), Call::List(call))))
            .or_else(|| {
                legacy::route(method, words)
                    .map(|(object, call)| (vec![object.to_owned()], Call::Legacy(call)))
            })
            .or_else(|| {
                engagement::route(method, words).map(|id| (Vec::new(), Call::Engagement(id)))
            })
            .or_else(|| send::route(method, words).map(|call| (Vec::new(), Call::Send(call))))
            .or_else(whole),
    };
    found.map(|(types, call)| Shape { types, call })
}

impl Call {
    /// Whether it is a call of the objects API, whose versions are described.
    fn is_of_objects(&self) -> bool {
        match self {
            Self::Create
            | Self::Update(_)
            | Self::Archive(_)
            | Self::Batch(_)
            | Self::Merge
            | Self::GdprDelete => true,
            Self::Link(_)
            | Self::List(_)
            | Self::Legacy(_)
            | Self::Engagement(_)
            | Self::Send(_)
            | Self::Whole(_) => false,
        }
    }
}

fn call(method: &Method, rest: &[&str]) -> Option<Call> {
    let call = match (method, rest) {
        (&Method::POST, []) => Call::Create,
        (&Method::POST, ["merge"]) => Call::Merge,
        (&Method::POST, ["gdpr-delete"]) => Call::GdprDelete,
        (&Method::POST, ["batch", "create"]) => Call::Batch(Batch::Create),
        (&Method::POST, ["batch", "update"]) => Call::Batch(Batch::Update),
        (&Method::POST, ["batch", "upsert"]) => Call::Batch(Batch::Upsert),
        (&Method::POST, ["batch", "archive"]) => Call::Batch(Batch::Archive),
        (&Method::PATCH, [id]) if !RESERVED.contains(id) => Call::Update((*id).to_owned()),
        (&Method::DELETE, [id]) if !RESERVED.contains(id) => Call::Archive((*id).to_owned()),
        _ => return None,
    };
    Some(call)
}

/// The read that tells which types the account has, where a write names one that is not built in and
/// that was not looked for lately.
pub(super) fn missing(shape: &Shape, catalog: &Catalog, now: Timestamp) -> Option<ReadCall> {
    let unknown = |spelled: &String| types::resolve(spelled).is_none();
    let ask = shape.types.iter().any(unknown) && !catalog.knows_types(now);
    ask.then(|| ReadCall {
        method: Method::GET,
        target: types::SCHEMAS.to_owned(),
        body: None,
        covers: Vec::new(),
    })
}

pub(super) fn parse(
    shape: &Shape,
    head: &Head<'_>,
    body: &[u8],
    catalog: &Catalog,
) -> Result<ChangeSet, Malformed> {
    if let Call::Whole(row) = &shape.call {
        return families::parse(row, head, body);
    }
    let names = shape.types.iter().map(|name| types::name_of(name, catalog));
    match names.collect::<Option<Vec<String>>>() {
        Some(names) => body::parse(shape, &names, head, body),
        None => Ok(ChangeSet::Opaque(Opaque::unknown(
            "its object type is neither built in nor one of the account's schemas",
        ))),
    }
}

pub(super) fn passes_on_write(header: &str) -> bool {
    PASSING_HEADERS.contains(&header)
}
