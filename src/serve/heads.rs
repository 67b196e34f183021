//! Publishes the ledger's heads, each minute and at the end, to the log and to a file: up to the last
//! published head, a row that is cut off the end is found by `ledger verify --head FILE`.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::ledger::Head;

/// Heads are published this often (P13).
const EACH: Duration = Duration::from_secs(60);

/// The file beside the ledger: `writegate.db.head`.
pub(super) fn file(ledger: &Path) -> PathBuf {
    let mut name = OsString::from(ledger);
    name.push(".head");
    PathBuf::from(name)
}

/// Publishes until it is dropped.
pub(super) async fn publish(app: Arc<App>, file: PathBuf) {
    let mut minutes = tokio::time::interval(EACH);
    loop {
        minutes.tick().await;
        publish_once(&app, &file).await;
    }
}

/// Publishes the heads as they are now; a failure is told in the log, which holds them too.
pub(super) async fn publish_once(app: &App, file: &Path) {
    let heads = match app.journal.ledger().heads().await {
        Ok(heads) => heads,
        Err(error) => {
            tracing::error!(%error, "the ledger's heads cannot be read");
            return;
        }
    };
    for head in &heads {
        tracing::info!(writer = %head.writer, seq = head.seq, hash = %head.hash, "ledger head");
    }
    if let Err(error) = write(file, &heads) {
        tracing::error!(%error, file = %file.display(), "the ledger's heads cannot be written");
    }
}

/// One head a line, whole or not at all: a reader never sees half a file.
fn write(file: &Path, heads: &[Head]) -> std::io::Result<()> {
    let mut beside = OsString::from(file);
    beside.push(".new");
    let mut new = fs::File::create(&beside)?;
    for head in heads {
        new.write_all(&serde_json::to_vec(head)?)?;
        new.write_all(b"\n")?;
    }
    new.sync_all()?;
    fs::rename(&beside, file)
}
