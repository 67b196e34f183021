//! The scene about the ledger itself: it is whole, and a copy in which one row was edited is not.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::demo::scene::{Scene, Trouble, some};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Ledger, RowFilter, RowKind, Verified};

pub(super) async fn verify(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    let file = scene.house.folder.ledger();
    let verified = verified(&file).await?;
    scene.say("operator", "writegate ledger verify")?;
    let rows = usize::try_from(verified.rows).unwrap_or(usize::MAX);
    scene.say(
        "operator saw",
        &format!("{}, the chain is whole", some(rows, "row")),
    )?;
    scene.check("faults", String::new(), verified.faults.join("; "));

    let writes = scene.house.sandbox.writes().len();
    let opened = opened(scene).await?;
    scene.say(
        "CRM saw",
        &format!(
            "{} in all; the ledger has {opened} entries of writes that were sent",
            some(writes, "write")
        ),
    )?;
    scene.check("entries of writes that were sent", writes, opened);

    scene.paper.gap()?;
    let copy = scene.house.folder.path().join("edited.db");
    edited_copy(&file, &copy).map_err(|error| format!("the edited copy: {error}"))?;
    let verified = self::verified(&copy).await?;
    std::fs::remove_file(&copy).map_err(|error| format!("the edited copy: {error}"))?;
    scene.say(
        "operator",
        "the same for a copy in which one refusal was edited into a consent",
    )?;
    let found = verified.faults.first().map_or("nothing", String::as_str);
    scene.say("operator saw", found)?;
    scene.check("fault found", true, !verified.faults.is_empty());
    Ok(())
}

async fn verified(file: &Path) -> Result<Verified, Trouble> {
    let wrong = |error: crate::error::StoreError| format!("the ledger: {error}");
    let ledger = SqliteLedger::read_only(file).map_err(wrong)?;
    Ok(ledger.verify(&[]).await.map_err(wrong)?)
}

/// How many writes were recorded before they were sent.
async fn opened(scene: &Scene<'_, '_>) -> Result<usize, Trouble> {
    let filter = RowFilter {
        kinds: vec![RowKind::Opened],
        ..RowFilter::default()
    };
    let rows = scene.house.app.journal.ledger().rows(filter).await;
    Ok(rows.map_err(|error| format!("the ledger: {error}"))?.len())
}

/// Copies the ledger as it is now, and does to the copy what somebody with the file in hand could do:
/// takes away the guard and edits a row.
fn edited_copy(file: &Path, copy: &Path) -> rusqlite::Result<()> {
    let original = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    original.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    let edited = Connection::open(copy)?;
    edited.execute_batch(
        "DROP TRIGGER rows_stay_as_they_are;
         UPDATE rows SET meta = replace(meta, '\"deny\"', '\"allow\"')
         WHERE seq = (SELECT min(seq) FROM rows WHERE meta LIKE '%\"deny\"%');",
    )
}
