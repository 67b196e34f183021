//! Errors of the server, as the store's: what is certain, what may pass.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::error::StoreError;

/// What an error says of the statement that it ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server did not do it, and says why.
    Refused(StoreError),
    /// Another replica was at the same entry at the same moment. The server did nothing.
    Raced(StoreError),
    /// Nobody knows whether it was done: the connection is of no use any more.
    Lost(StoreError),
}

/// Sorts an error. Only an ERROR of the server is certain; a FATAL one can come after the commit.
pub(super) fn fault(what: &str, error: &Error) -> Fault {
    let store = failed(what, error);
    let Some(db) = error.as_db_error() else {
        return Fault::Lost(store);
    };
    if db.parsed_severity() != Some(Severity::Error) {
        return Fault::Lost(store);
    }
    let code = db.code();
    let same_step =
        *code == SqlState::UNIQUE_VIOLATION && db.constraint() == Some("ledger_rows_by_entry");
    let in_each_others_way = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    if same_step || in_each_others_way.contains(code) {
        return Fault::Raced(store);
    }
    // A standby by now: another server may be found. The other one is our own: the chain ends elsewhere
    // than it should, which is looked into when a session begins.
    if [
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::RAISE_EXCEPTION,
    ]
    .contains(code)
    {
        return Fault::Lost(store);
    }
    Fault::Refused(store)
}

/// An error as the store's. The server's details can hold values of a row: they are left out.
pub(super) fn failed(what: &str, error: &Error) -> StoreError {
    let Some(db) = error.as_db_error() else {
        let cause = error.source().map(|cause| format!(": {cause}"));
        let what = format!("{what}: {error}{}", cause.unwrap_or_default());
        return StoreError::new("ledger", what, true);
    };
    let what = format!("{what}: {} ({})", db.message(), db.code().code());
    StoreError::new("ledger", what, passes(db))
}

/// Whether the cause may pass by itself: the server is full, busy, starting, stopping, or another one
/// is about to take its place.
fn passes(error: &DbError) -> bool {
    let code = error.code();
    let class = code.code().get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "55" | "57" | "58")
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

/// A statement that took too long.
pub(super) fn too_slow(what: &str) -> StoreError {
    let what = format!("{what}: the server did not answer in time");
    StoreError::new("ledger", what, true)
}
