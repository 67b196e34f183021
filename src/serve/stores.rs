//! Opens the stores that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::{ServeError, heads};
use crate::clock::Entropy;
use crate::config::{Config, ControlStore, LedgerStore};
use crate::ledger::postgres::{Address, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, RowFilter, RowKind};

/// A ledger, and the file that its heads are published in.
pub(super) struct Opened {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) heads: PathBuf,
}

/// Whether this process may serve beside those that share its ledger: they have to share limits, kill
/// switches and record locks, too. To be asked before anything is granted, and again when our own first
/// row is written: of two that start at once at least one sees the other.
pub(super) async fn fits(ledger: &dyn Ledger, control: &ControlStore) -> Result<(), ServeError> {
    if !ledger.shared() {
        return Ok(());
    }
    for head in ledger.heads().await? {
        let other = ledger.writer() != Some(head.writer.as_str());
        if !other || !ledger.alive(&head.writer).await? {
            continue;
        }
        let alone = *control == ControlStore::Memory;
        if alone || grants_alone(ledger, &head.writer).await? {
            return Err(ServeError::Start(format!(
                "replica {} serves with this ledger: replicas beside each other share limits and kill \
                 switches, too; give all of them one `control: redis://…`, or stop it first",
                head.writer
            )));
        }
    }
    Ok(())
}

/// Whether a process that serves has limits and kill switches of its own, as the row of its start says.
async fn grants_alone(ledger: &dyn Ledger, writer: &str) -> Result<bool, ServeError> {
    let starts = RowFilter {
        kinds: vec![RowKind::Started],
        newest_first: true,
        ..RowFilter::default()
    };
    let starts = ledger.rows(starts).await?;
    let mut told = starts
        .iter()
        .filter(|row| row.writer == writer)
        .filter_map(|row| row.meta.get("control")?.as_str());
    Ok(told.next() == Some(ControlStore::Memory.word()))
}

/// Opens the ledger to write: the file, or this replica's chain in a database.
pub(super) fn ledger(
    config: &Config,
    now: Timestamp,
    entropy: Arc<dyn Entropy>,
) -> Result<Opened, ServeError> {
    match &config.ledger {
        LedgerStore::Sqlite(file) => Ok(Opened {
            ledger: Arc::new(SqliteLedger::open(file, now, entropy)?),
            heads: heads::beside(file),
        }),
        LedgerStore::Postgres(url) => {
            let address = Address::parse(url.expose());
            let address =
                address.map_err(|wrong| ServeError::Config(format!("`ledger` {wrong}")))?;
            let replica = &config.replica;
            let folder = config.file.with_file_name("");
            Ok(Opened {
                ledger: Arc::new(PostgresLedger::open(address, replica, entropy)?),
                heads: heads::beside(&folder.join(format!("writegate.{replica}"))),
            })
        }
    }
}
