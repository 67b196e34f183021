//! HubSpot's wire format: which request is a read, a login, a write we take apart, or none of these.

mod body;
mod endpoint;
pub(super) mod inverse;
mod links;
pub mod prior;
mod reads;
pub mod reply;
#[cfg(test)]
mod tests;
pub mod types;
mod unparsed;

use http::{HeaderMap, Method};

use super::{Class, Head, Malformed};
use crate::crm::catalog::Catalog;
use crate::mutation::ChangeSet;
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

/// Headers that make a server take another method or another credential than the one we see.
const ACTING_HEADERS: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "private-app",
    "private-app-legacy",
];

/// The same in the query: developer keys still work in `hapikey`.
const ACTING_PARAMETERS: [&str; 5] = [
    "hapikey",
    "access_token",
    "oauth_token",
    "_method",
    "x-http-method-override",
];

/// Request headers that pass on a write. All else is dropped.
const PASSING_HEADERS: [&str; 6] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "content-type",
    "user-agent",
];

/// Path words of the CRM objects API that are no record ids.
const RESERVED: [&str; 4] = ["batch", "search", "merge", "gdpr-delete"];

pub(super) fn classify(head: &Head<'_>) -> Class {
    if let Some(reason) = acts_unseen(head.headers, head.query) {
        return Class::Opaque(reason);
    }
    let endpoint = match Endpoint::of(head.path) {
        Ok(endpoint) => endpoint,
        Err(reason) => return Class::Opaque(reason),
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
    write(head.method, &endpoint).map_or_else(Class::Opaque, |shape| {
        Class::Write(super::Shape::HubSpot(shape))
    })
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

/// Whether the request carries something that makes it another request than it looks.
fn acts_unseen(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    if let Some(name) = ACTING_HEADERS
        .iter()
        .find(|name| headers.contains_key(**name))
    {
        return Some(format!("the header {name} would make it another request"));
    }
    // some servers part parameters at `;` too
    let query = query.unwrap_or_default().replace(';', "&");
    let named = form_urlencoded::parse(query.as_bytes()).find_map(|(name, _)| {
        let name = name.trim().to_ascii_lowercase();
        ACTING_PARAMETERS.iter().find(|acting| **acting == name)
    })?;
    Some(format!(
        "the query parameter {named} would make it another request"
    ))
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
