//! The scene about the ledger itself: it is whole, and a copy in which one row was edited is not.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::demo::cast::DANA;
use crate::demo::scene::{Scene, Trouble, some};
use crate::demo::verbs::Said;
use crate::ledger::{RowFilter, RowKind};

pub(super) async fn verify(scene: &mut Scene<'_, '_>) -> Result<(), Trouble> {
    scene.shell(DANA, &["WRITEGATE_CONFIG"])?;
    let said = verified(scene, &[], 0).await?;
    let whole = said.text.contains("the chain is whole");
    scene.check("said to be whole", true, whole);

    let writes = scene.house.sandbox.writes().len();
    let opened = opened(scene).await?;
    let text = format!(
        "{} in all; the ledger has {opened} entries of writes that were sent",
        some(writes, "write")
    );
    scene.say("CRM saw", &text)?;
    scene.check("entries of writes that were sent", writes, opened);

    scene.paper.gap()?;
    let folder = &scene.house.folder;
    let copy = folder.path().join("edited.db");
    edited_copy(&folder.ledger(), &copy).map_err(|error| format!("the edited copy: {error}"))?;
    scene.say(
        "meanwhile",
        "somebody edits one refusal in a copy into a consent",
    )?;
    let name = copy.display().to_string();
    let said = verified(scene, &["--ledger", &name], 1).await?;
    std::fs::remove_file(&copy).map_err(|error| format!("the edited copy: {error}"))?;
    let whole = said.text.contains("the chain is whole");
    scene.check("said to be whole", false, whole);
    Ok(())
}

/// Dana has a ledger checked; the newest hashes, which also end up in the log, are not told.
async fn verified(scene: &mut Scene<'_, '_>, which: &[&str], exit: u8) -> Result<Said, Trouble> {
    let verify = [&["ledger", "verify"], which].concat();
    let said = scene.runs(DANA, &verify, exit).await?;
    scene.quote(&said.those(|line| !line.starts_with("head ")))?;
    Ok(said)
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
