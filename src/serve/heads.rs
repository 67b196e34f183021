//! Publishes the ledger's heads, each minute and at the end, to the log and to a file: up to the last
//! published head, a row that is cut off the end is found by `ledger verify --head FILE`. Where other
//! replicas write chains of their own, theirs are named in this one's: who cuts one off has to cut all.

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

/// The file beside another: `writegate.db.head`.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(".head");
    PathBuf::from(name)
}

/// Publishes until it is dropped.
pub(super) async fn publish(app: Arc<App>, file: PathBuf) {
    let mut minutes = tokio::time::interval(EACH);
    let mut named = Vec::new();
    loop {
        minutes.tick().await;
        let heads = publish_once(&app, &file).await;
        name_others(&app, heads, &mut named).await;
    }
}

/// Names the heads of the other chains in this one, unless it named the same ones last.
async fn name_others(app: &App, mut heads: Vec<Head>, named: &mut Vec<Head>) {
    let own = app.journal.ledger().writer();
    heads.retain(|head| Some(head.writer.as_str()) != own);
    if heads.is_empty() || heads == *named {
        return;
    }
    let now = app.clock.now();
    match app.journal.heads(&app.entry_id(now), &heads, now).await {
        Ok(()) => *named = heads,
        Err(error) => tracing::warn!(%error, "the other chains' heads are not named yet"),
    }
}

/// Publishes the heads as they are now, and returns them; a failure is told in the log, which holds
/// them too.
pub(super) async fn publish_once(app: &App, file: &Path) -> Vec<Head> {
    let heads = match app.journal.ledger().heads().await {
        Ok(heads) => heads,
        Err(error) => {
            tracing::error!(%error, "the ledger's heads cannot be read");
            return Vec::new();
        }
    };
    for head in &heads {
        tracing::info!(writer = %head.writer, seq = head.seq, hash = %head.hash, "ledger head");
    }
    if let Err(error) = write(file, &heads) {
        tracing::error!(%error, file = %file.display(), "the ledger's heads cannot be written");
    }
    heads
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
