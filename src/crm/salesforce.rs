//! Salesforce: everything that knows its REST API. Rows (`/sobjects`) and collections
//! (`/composite/sobjects`) are taken apart; known reads pass; all else is opaque.

mod body;
pub mod bulk;
mod collections;
mod headers;
mod id;
pub(super) mod inverse;
pub mod prior;
mod query;
mod reads;
mod record;
pub mod replay;
pub mod reply;
mod rest;
mod route;
mod types;

use http::{HeaderName, HeaderValue, header};
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use super::{Class, Head, Malformed};
use crate::crm::catalog::Catalog;
use crate::mutation::{Acting, ChangeSet, Opaque, Operation, Prior, RecordKey, Snapshot};

pub(super) use headers::{acts, passes_on_write};

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
        Shape::Row(_) | Shape::Bulk(_) => Acting::new(),
        Shape::Collection(_) => collections::acting_in(body).into_iter().collect(),
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
}

/// A write of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The object's canonical name.
    pub object: String,
    /// Create, update, upsert or delete. `updateOnly=true` makes an upsert an update.
    pub operation: Operation,
    /// The record as the path spells it, not yet checked; `None` for creates.
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
        /// The object's canonical name.
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
    _catalog: &Catalog,
) -> Result<ChangeSet, Malformed> {
    match shape {
        Shape::Row(row) => rest::parse(row, head, body),
        Shape::Collection(collection) => collections::parse(collection, head, body),
        Shape::Bulk(_) => Ok(ChangeSet::Opaque(Opaque::unclear(
            "what a bulk job changes is told by the rows that were uploaded for it",
        ))),
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
