//! What a replica left open that lives no more: in doubt, marked by one of those that are left.

use std::collections::HashMap;

use crate::app::App;
use crate::error::StoreError;

/// One whose connection breaks is back within this many looks, unless it has ended.
const LOOKS: u32 = 3;

/// Writers that were not there when they were looked for, and how often in a row.
#[derive(Debug, Default)]
pub struct Absent(HashMap<String, u32>);

/// Looks once for those who have something open and do not live any more.
///
/// # Errors
/// The ledger's; then it is looked again.
pub async fn sweep(app: &App, absent: &mut Absent) -> Result<(), StoreError> {
    let writers = app.doubts.elsewhere.writers();
    absent.0.retain(|writer, _| writers.contains(writer));
    for writer in writers {
        if app.journal.ledger().alive(&writer).await? {
            absent.0.remove(&writer);
            continue;
        }
        let looks = absent.0.entry(writer.clone()).or_default();
        *looks = looks.saturating_add(1);
        if *looks >= LOOKS {
            left_open(app, &writer).await?;
        }
    }
    Ok(())
}

async fn left_open(app: &App, writer: &str) -> Result<(), StoreError> {
    // What it closed before it ended is known first.
    app.catch_up().await?;
    for entry in app.doubts.elsewhere.of(writer) {
        let now = app.clock.now();
        if app.journal.doubt(&entry, now).await?.is_none() {
            continue;
        }
        tracing::warn!(%entry, replica = writer, "in doubt: the replica ended before the outcome was known");
        app.doubts.take_up(&app.journal, &entry, now).await?;
        let stores = (&**app.journal.ledger(), &*app.control);
        app.holds.look_again(stores, &entry).await?;
    }
    Ok(())
}
