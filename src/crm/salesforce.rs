//! Salesforce: everything that knows its REST API. `families` says what each path can do: records are
//! taken apart, other operations are judged by their names, known reads pass, all else is opaque.

mod body;
pub mod bulk;
mod collections;
mod families;
mod graphql;
mod headers;
mod id;
pub(super) mod inverse;
pub(super) mod login;
mod markup;
mod multipart;
mod nest;
mod org;
pub mod prior;
mod query;
mod reads;
mod record;
mod relation;
pub mod replay;
pub mod reply;
mod rest;
mod route;
mod search;
pub mod soap;
mod tree;
mod types;
mod ui;
mod whole;

use http::{HeaderName, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::{Class, Head, Malformed, ReadCall};
use crate::crm::catalog::Catalog;
use crate::mutation::{Acting, ChangeSet, Opaque, Operation, Prior, RecordKey, Snapshot};

use body::Content;
pub use families::Nest;
pub(super) use families::families;
pub(super) use headers::{acts, passes_on_write};
use org::Org;
pub(super) use org::learn;
pub use ui::Ui;
pub use whole::Whole;

/// What a request is, told from its head.
pub(super) fn classify(head: &Head<'_>) -> Class {
    bulk::classify(head).unwrap_or_else(|| route::classify(head))
}

/// The names of all types that are built in.
pub(super) fn objects() -> Vec<&'static str> {
    types::names().collect()
}

/// What a body says beside its records' fields and acts on how they are written.
pub(super) fn acting_in(shape: &Shape, body: &[u8]) -> Acting {
    match shape {
        Shape::Row(_)
        | Shape::Bulk(_)
        | Shape::Tree(_)
        | Shape::Search
        | Shape::Whole(_)
        | Shape::GraphQl => Acting::new(),
        Shape::Soap(_) => soap::acting_in(body),
        Shape::Collection(_) => collections::acting_in(body).into_iter().collect(),
        Shape::Nest(nest) => nest::acting_in(*nest, body),
        Shape::Ui(_) => ui::acting_in(body),
    }
}

/// Which parser takes the body apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One row through `/sobjects`.
    Row(Row),
    /// Up to 200 rows through `/composite/sobjects`.
    Collection(Collection),
    /// One step of a bulk job: what it changes is told by the job's upload.
    Bulk(bulk::Step),
    /// Requests in a request.
    Nest(Nest),
    /// Records with their children; the roots' object.
    Tree(String),
    /// Records through the UI API.
    Ui(Ui),
    /// A GraphQL document.
    GraphQl,
    /// A search whose body can write usage data.
    Search,
    /// One operation with a name.
    Whole(Whole),
    /// A SOAP message of this API: only the body says what it is.
    Soap(soap::Api),
}

/// A write of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object that the path names; of an org's own as the path spells it.
    pub object: String,
    /// Create, update, upsert or delete. `updateOnly=true` makes an upsert an update.
    pub operation: Operation,
    /// The record as the path spells it, not yet checked, with its steps to another one; `None` for
    /// creates.
    pub key: Option<RecordKey>,
}

/// A write of up to 200 rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `POST /composite/sobjects`.
    Create,
    /// `PATCH /composite/sobjects`.
    Update,
    /// `PATCH /composite/sobjects/{object}/{field}`.
    Upsert {
        /// The object; of an org's own as the path spells it.
        object: String,
        /// The external-id field, as the path spells it.
        field: String,
    },
    /// `DELETE /composite/sobjects?ids=…`.
    Delete,
}

pub(super) fn parse(
    shape: &Shape,
    head: &Head<'_>,
    body: &[u8],
    catalog: &Catalog,
) -> Result<ChangeSet, Malformed> {
    let org = Org::of(catalog, head);
    parse_content(shape, head, &Content::Bytes(body), &org)
}

/// The read without which something that a write names is not known, where its sender did not make it
/// lately.
pub(super) fn missing(
    shape: &Shape,
    head: &Head<'_>,
    body: &[u8],
    catalog: &Catalog,
    now: Timestamp,
) -> Option<ReadCall> {
    let org = Org::of(catalog, head);
    // only what it looks up on the way counts
    let _reading = parse_content(shape, head, &Content::Bytes(body), &org);
    org.lacks(now).map(|what| org::read(head, &what))
}

/// The same for an object that a job names.
pub(super) fn missing_object(
    object: &str,
    head: &Head<'_>,
    catalog: &Catalog,
    now: Timestamp,
) -> Option<ReadCall> {
    let org = Org::of(catalog, head);
    if org.by_name(object).is_some() {
        return None;
    }
    org.lacks(now).map(|what| org::read(head, &what))
}

/// The object that a path names and that may be one of the org's own.
fn named(shape: &Shape) -> Option<&str> {
    let name = match shape {
        Shape::Row(row) => &row.object,
        Shape::Collection(Collection::Upsert { object, .. }) | Shape::Tree(object) => object,
        Shape::Collection(_)
        | Shape::Bulk(_)
        | Shape::Nest(_)
        | Shape::Ui(_)
        | Shape::GraphQl
        | Shape::Search
        | Shape::Soap(_)
        | Shape::Whole(_) => return None,
    };
    types::is_own(name).then_some(name)
}

fn parse_content(
    shape: &Shape,
    head: &Head<'_>,
    content: &Content<'_>,
    org: &Org<'_>,
) -> Result<ChangeSet, Malformed> {
    if let Some(name) = named(shape).filter(|name| org.by_name(name).is_none()) {
        return Ok(ChangeSet::Opaque(Opaque::unknown(types::unknown(name))));
    }
    match shape {
        Shape::Bulk(_) => Ok(ChangeSet::Opaque(Opaque::unclear(
            "what a bulk job changes is told by the rows that were uploaded for it",
        ))),
        Shape::Row(row) => rest::parse(row, head, content, org),
        Shape::Collection(collection) => collections::parse(collection, head, content, org),
        Shape::Nest(nest) => nest::parse(*nest, head, content, org),
        Shape::Tree(object) => tree::parse(object, head, content, org),
        Shape::Ui(ui) => ui::parse(ui, head, content, org),
        Shape::GraphQl => graphql::parse(head, content, org),
        Shape::Search => search::parse(head, content),
        Shape::Whole(whole) => whole::parse(whole, head, content),
        Shape::Soap(api) => soap::parse(*api, head, content, org),
    }
}

/// `If-Unmodified-Since` on an update of one row by its id (REST API Developer Guide, Conditional
/// Requests). HTTP dates have whole seconds: the stamp is rounded up, so that a record that did not
/// change passes; a change within that second is not noticed.
pub(super) fn precondition(
    shape: &Shape,
    snapshot: &Snapshot,
) -> Option<(HeaderName, HeaderValue)> {
    let Shape::Row(Row {
        operation: Operation::Update,
        key: Some(RecordKey::Id { .. }),
        ..
    }) = shape
    else {
        return None;
    };
    let Prior::Found {
        stamp: Some(stamp), ..
    } = snapshot.prior(0)
    else {
        return None;
    };
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    let stamp: Timestamp = stamp.parse().ok()?;
    let date = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&stamp.round(whole).ok()?)
        .ok()?;
    Some((
        header::IF_UNMODIFIED_SINCE,
        HeaderValue::try_from(date).ok()?,
    ))
}

#[cfg(test)]
mod tests;
