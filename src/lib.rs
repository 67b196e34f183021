//! Writegate: a transparent reverse proxy between AI agents and the CRM.
//!
//! (the map comes with the modules)

pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod crm;
pub mod error;
pub mod ledger;
pub mod mutation;
pub mod policy;
pub mod proxy;
