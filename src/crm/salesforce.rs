//! stub

pub mod prior;
pub mod reply;
pub mod types;

use super::{Class, Head, Malformed};
use crate::crm::catalog::Catalog;
use crate::mutation::ChangeSet;

/// Which parser takes the body apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {}

pub(super) fn classify(_head: &Head<'_>) -> Class {
    Class::Opaque("stub".into())
}

pub(super) fn parse(
    shape: &Shape,
    _head: &Head<'_>,
    _body: &[u8],
    _catalog: &Catalog,
) -> Result<ChangeSet, Malformed> {
    match *shape {}
}

pub(super) fn passes_on_write(_header: &str) -> bool {
    false
}

pub(super) fn precondition(
    shape: &Shape,
    _snapshot: &crate::mutation::Snapshot,
) -> Option<(http::HeaderName, http::HeaderValue)> {
    match *shape {}
}
