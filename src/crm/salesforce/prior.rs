//! Reading what a write is about to change: which calls bring it, and what their answers say.
//!
//! One record is read as a row; several of one object with one collections read; records named by an
//! external id with one query; different objects in one composite of reads (REST API Developer Guide,
//! sObject Rows, sObject Collections, Query, Composite).

pub(in crate::crm) mod children;
mod deleted;
mod found;
mod made;
mod pack;
mod plan;
mod soql;

pub(in crate::crm) use deleted::{deleted, deleted_found};
pub(in crate::crm) use found::found;
pub(in crate::crm) use made::{made, made_found};
pub(in crate::crm) use plan::{plan, probe};

/// The modification stamp that most objects carry.
const STAMP: &str = "LastModifiedDate";

#[cfg(test)]
mod tests;
