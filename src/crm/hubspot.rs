//! HubSpot's wire format: which request is a read, a login, a write we take apart, or none of these.

mod body;
mod endpoint;
pub(super) mod inverse;
mod links;
pub mod prior;
mod reads;
pub mod replay;
pub mod reply;
#[cfg(test)]
mod tests;
pub mod types;
mod unparsed;

use http::Method;

use super::{Class, Head, Malformed, overrides};
use crate::crm::catalog::Catalog;
use crate::mutation::{ChangeSet, Opaque};
pub(in crate::crm) use body::acting_in;
use endpoint::Endpoint;
use types::ObjectType;

/// Which parser takes the body apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    object: &'static ObjectType,
    call: Call,
}

/// A call of the CRM objects API (`/crm/v3/objects/{type}…`, `/crm/objects/{date}/{type}…`).
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Create,
    /// The path's last segment: an id, or the value of `?idProperty=`.
    Update(String),
    /// The path's last segment.
    Archive(String),
    Batch(Batch),
    Merge,
    GdprDelete,
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

/// Path words of the CRM objects API that are no record ids.
const RESERVED: [&str; 4] = ["batch", "search", "merge", "gdpr-delete"];

/// The name that rules use for a type, by any of its names.
pub(super) fn canonical(name: &str) -> Option<&'static str> {
    types::resolve(name).map(|object| object.name)
}

/// The families, for `coverage`.
pub(super) fn families() -> Vec<super::family::Family> {
    Vec::new()
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
    let endpoint = match Endpoint::of(head.path) {
        Ok(endpoint) => endpoint,
        Err(reason) => {
            let words = Endpoint::words_of(head.path);
            return Class::Opaque(opaque(head.method, &words, reason));
        }
    };
    let words = endpoint.words.as_slice();
    let read = match *head.method {
        Method::GET | Method::HEAD => reads::by_get(words),
        Method::POST => reads::by_post(words),
        _ => false,
    };
    if read {
        return Class::Read;
    }
    if *head.method == Method::POST && words == ["oauth", "token"] {
        return Class::Auth;
    }
    match write(head.method, &endpoint) {
        Ok(shape) => Class::Write(super::Shape::HubSpot(shape)),
        Err(reason) => Class::Opaque(opaque(head.method, words, reason)),
    }
}

/// Why it is not taken apart, and whether rows may open it: not where it would be a write that we take
/// apart but for its version or the case of fixed words, since HubSpot may take it for that.
fn opaque(method: &Method, words: &[&str], reason: String) -> Opaque {
    let folded: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
    match folded.as_slice() {
        ["crm", "objects", object, rest @ ..]
            if types::resolve(object).is_some() && call(method, rest).is_some() =>
        {
            Opaque::unclear(reason)
        }
        _ => Opaque::unknown(reason),
    }
}

/// The write that a request is, or why it is not taken apart.
fn write(method: &Method, endpoint: &Endpoint<'_>) -> Result<Shape, String> {
    let unknown = || unparsed::reason(method, &endpoint.words);
    let ["crm", "objects", object, rest @ ..] = endpoint.words.as_slice() else {
        return Err(unknown());
    };
    let call = call(method, rest).ok_or_else(unknown)?;
    // only these versions of the objects API are described; the version stands before the type
    if !(endpoint.version == "v3" || endpoint.is_dated()) || !(1..=2).contains(&endpoint.version_at)
    {
        return Err(
            "only v3 and dated versions of the objects API are known; use /crm/v3/objects".into(),
        );
    }
    let object = types::resolve(object).ok_or(
        "its object type is not one that HubSpot builds in; custom objects are not taken apart yet",
    )?;
    Ok(Shape { object, call })
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

pub(super) fn parse(
    shape: &Shape,
    head: &Head<'_>,
    body: &[u8],
    _catalog: &Catalog,
) -> Result<ChangeSet, Malformed> {
    body::parse(shape, head, body)
}

pub(super) fn passes_on_write(header: &str) -> bool {
    PASSING_HEADERS.contains(&header)
}
