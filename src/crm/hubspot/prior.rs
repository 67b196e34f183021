//! stub
use http::StatusCode;

use crate::crm::catalog::Catalog;
use crate::crm::{Head, PriorFailure, PriorPlan, ReadCall, Wanted};
use crate::mutation::{Mutation, Prior};

pub(in crate::crm) fn plan(
    _head: &Head<'_>,
    _mutations: &[Mutation],
    _wanted: &Wanted,
    _catalog: &Catalog,
) -> PriorPlan {
    PriorPlan::Reads(Vec::new())
}

pub(in crate::crm) fn found(
    _call: &ReadCall,
    _mutations: &[Mutation],
    _status: StatusCode,
    _body: &[u8],
) -> Result<Vec<(usize, Prior)>, PriorFailure> {
    Ok(Vec::new())
}

pub(in crate::crm) fn learn(
    _call: &ReadCall,
    _status: StatusCode,
    _body: &[u8],
    _catalog: &Catalog,
) -> Result<(), PriorFailure> {
    Err(PriorFailure::Failed("stub".into()))
}
