//! Opens the stores that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::{ServeError, heads};
use crate::app::App;
use crate::clock::Entropy;
use crate::config::{Config, ControlStore, LedgerStore};
use crate::ledger::Ledger;
use crate::ledger::postgres::{Address, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;

/// A ledger, and the file that its heads are published in.
pub(super) struct Opened {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) heads: PathBuf,
}

/// Whether this process may serve beside those that share its ledger: they have to share limits, kill
/// switches and record locks, too. To be asked when our own first row is written: of two that start at
/// once at least one sees the other.
pub(super) async fn fits(app: &App) -> Result<(), ServeError> {
    let ledger = app.journal.ledger();
    if !ledger.shared() {
        return Ok(());
    }
    for head in ledger.heads().await? {
        let other = ledger.writer() != Some(head.writer.as_str());
        if !other || !ledger.alive(&head.writer).await? {
            continue;
        }
        if app.config.control == ControlStore::Memory {
            return Err(ServeError::Start(format!(
                "replica {} serves with this ledger: replicas beside each other share limits and kill \
                 switches, too; give all of them one `control: redis://…`, or stop it first",
                head.writer
            )));
        }
    }
    Ok(())
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
