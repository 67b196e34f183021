//! Opens the stores that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::{ServeError, heads};
use crate::clock::Entropy;
use crate::config::{Config, LedgerStore};
use crate::ledger::Ledger;
use crate::ledger::postgres::{Address, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;

/// A ledger, and the file that its heads are published in.
pub(super) struct Opened {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) heads: PathBuf,
}

/// Whether nobody else serves with this ledger. To be asked when our own first row is written: of two
/// that start at once at least one sees the other. Replicas beside each other would have to tell each
/// other of holds and doubts, which this version does not.
pub(super) async fn alone(ledger: &dyn Ledger) -> Result<(), ServeError> {
    for head in ledger.heads().await? {
        let other = ledger.writer() != Some(head.writer.as_str());
        if other && ledger.alive(&head.writer).await? {
            return Err(ServeError::Start(format!(
                "replica {} serves with this ledger, and this version serves one at a time: stop it \
                 first, or wait until it has ended",
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
