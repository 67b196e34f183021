//! PostgreSQL: replicas that share a ledger, and what becomes of it when the server or the way to it
//! breaks.

use std::sync::Arc;

use writegate::clock::SystemEntropy;
use writegate::error::StoreError;
use writegate::ledger::postgres::{Address, PostgresLedger};

pub(super) fn try_open(url: &str, replica: &str) -> Result<PostgresLedger, StoreError> {
    let address = Address::parse(url).unwrap();
    PostgresLedger::open(address, replica, Arc::new(SystemEntropy::default()))
}

pub(super) fn open(url: &str, replica: &str) -> PostgresLedger {
    try_open(url, replica).unwrap()
}
