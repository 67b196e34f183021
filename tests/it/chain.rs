//! P13 through the real binary: `ledger verify` finds any row that was edited, removed, reordered or
//! cut off, up to the last head that `serve` published, and nothing where nothing was done.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;
use writegate::sandbox::{Options, Sandbox, seed};

use super::support::house::TOKEN;
use super::support::program::{Program, Ran, verb};

/// A ledger with rows of every kind, and the heads that were published at its end.
async fn written() -> (Program, PathBuf, PathBuf) {
    let options = Options::with_token(TOKEN);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url()).start();
    let agent = program.agent();
    let accounts = "/services/data/v60.0/sobjects/Account";
    let acme = format!("{accounts}/{}", seed::ACME);
    for number in 0..4 {
        let body = json!({ "NumberOfEmployees": number });
        assert_eq!(agent.patch(&acme, &body).await.status, 204);
        let body = json!({ "Name": format!("of a test {number}") });
        assert_eq!(agent.post(accounts, &body).await.status, 201);
        assert_eq!(
            agent.post("/services/apexrest/x", &json!({})).await.status,
            403
        );
    }
    program.verb(&["kill", "sdr-agent"]);
    let beside = verify(&program.ledger, None);
    assert_eq!(beside.code, Some(0), "while it is written to: {beside:?}");
    assert_eq!(program.stop(), Some(0));
    let mut head = program.ledger.clone().into_os_string();
    head.push(".head");
    let ledger = program.ledger.clone();
    (program, ledger, head.into())
}

fn verify(ledger: &Path, head: Option<&Path>) -> Ran {
    let mut arguments = vec!["ledger", "verify", "--ledger", ledger.to_str().unwrap()];
    arguments.extend(
        head.map(|head| ["--head", head.to_str().unwrap()])
            .into_iter()
            .flatten(),
    );
    verb(&arguments, &[])
}

/// A copy of a ledger that somebody with the file and without scruples changed.
fn changed(ledger: &Path, sql: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("ledger.db");
    std::fs::copy(ledger, &copy).unwrap();
    let connection = Connection::open(&copy).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER rows_stay_as_they_are; DROP TRIGGER rows_stay; DROP TRIGGER rows_come_last;
             DROP TRIGGER rows_open_once; DROP INDEX rows_by_entry;",
        )
        .unwrap();
    connection.execute_batch(sql).unwrap();
    assert!(connection.total_changes() > 0, "{sql}");
    (folder, copy)
}

fn last_row(ledger: &Path) -> i64 {
    let connection = Connection::open(ledger).unwrap();
    connection
        .query_row("SELECT max(seq) FROM rows", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn what_was_not_touched_is_whole() {
    let (program, ledger, head) = written().await;
    let rows = last_row(&ledger);
    for head in [None, Some(head.as_path())] {
        let ran = verify(&ledger, head);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        assert!(
            ran.out
                .contains(&format!("{rows} rows, the chain is whole")),
            "{}",
            ran.out
        );
    }
    // the log tells the same head as the file
    let published = std::fs::read_to_string(&head).unwrap();
    let told = program
        .log()
        .into_iter()
        .rfind(|line| line.contains("ledger head"));
    let hash = &published[published.find("\"hash\":\"").unwrap() + 8..][..64];
    assert!(told.unwrap().contains(hash));
    let by_config = program.folder.path().join("writegate.yaml");
    let ran = verb(
        &["ledger", "verify", "--config", by_config.to_str().unwrap()],
        &[("BROKER", "x")],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn an_edit_of_any_column_of_any_row_is_found() {
    let (_program, ledger, _) = written().await;
    let rows = last_row(&ledger);
    let edits = [
        "writer = 'W'",
        "entry = entry || '0'",
        "nth = nth + 7",
        "kind = CASE kind WHEN 'refused' THEN 'held' ELSE 'refused' END",
        "at = at + 1",
        "service_account = coalesce(service_account, '') || 'x'",
        "route = coalesce(route, '') || 'x'",
        "meta = replace(meta, '{', '{ ')",
        "field_values = coalesce(field_values, '') || ' '",
        "salt = zeroblob(16)",
        "values_digest = zeroblob(32)",
        "hash = zeroblob(32)",
    ];
    for edit in edits {
        for seq in [1, 2, rows / 2, rows] {
            let sql = format!("UPDATE rows SET {edit} WHERE seq = {seq}");
            let (_folder, copy) = changed(&ledger, &sql);
            let ran = verify(&copy, None);
            assert_eq!(ran.code, Some(1), "{sql}: {ran:?}");
            // what was done to the hash itself shows at the row behind it, too
            assert!(ran.out.contains("row"), "{sql}: {}", ran.out);
        }
    }
}

#[tokio::test]
async fn removed_reordered_and_added_rows_are_found() {
    let (_program, ledger, head) = written().await;
    let rows = last_row(&ledger);
    let renumbered = "UPDATE rows SET seq = -seq; UPDATE rows SET seq = -seq - (seq < -4);";
    for sql in [
        "DELETE FROM rows WHERE seq = 1".to_owned(),
        "DELETE FROM rows WHERE seq = 4".to_owned(),
        format!("DELETE FROM rows WHERE seq = 4; {renumbered}"),
        "UPDATE rows SET seq = -5 WHERE seq = 5; UPDATE rows SET seq = 5 WHERE seq = 6;
         UPDATE rows SET seq = 6 WHERE seq = -5"
            .to_owned(),
        format!(
            "INSERT INTO rows SELECT {}, writer, entry || '0', nth, kind, at, service_account, route, meta,
             field_values, salt, values_digest, hash FROM rows WHERE seq = {rows}",
            rows + 1
        ),
        "INSERT INTO rows SELECT 0, writer, entry || '0', nth, kind, at, service_account, route, meta,
             field_values, salt, values_digest, hash FROM rows WHERE seq = 3"
            .to_owned(),
    ] {
        for head in [None, Some(head.as_path())] {
            let (_folder, copy) = changed(&ledger, &sql);
            let ran = verify(&copy, head);
            assert_eq!(ran.code, Some(1), "{sql}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn rows_cut_off_the_end_are_found_by_the_published_head() {
    let (_program, ledger, head) = written().await;
    let rows = last_row(&ledger);
    for cut in [1, 2, 5, rows] {
        let sql = format!(
            "DELETE FROM rows WHERE seq > {}; DELETE FROM unclosed;
             INSERT INTO unclosed SELECT entry, max(seq) FROM rows WHERE kind = 'opened' AND entry NOT IN
             (SELECT entry FROM rows WHERE kind = 'closed') GROUP BY entry",
            rows - cut
        );
        let (_folder, copy) = changed(&ledger, &sql);
        let ran = verify(&copy, Some(&head));
        assert_eq!(ran.code, Some(1), "{cut}: {ran:?}");
        assert!(ran.out.contains("published"), "{}", ran.out);
        // the rest is a whole chain: only the head tells
        let alone = verify(&copy, None);
        assert_eq!(alone.code, Some(0), "{cut}: {alone:?}");
    }
}

#[tokio::test]
async fn erased_values_leave_the_chain_whole() {
    let (_program, ledger, head) = written().await;
    // with all triggers in place: this is how values are erased
    let connection = Connection::open(&ledger).unwrap();
    let sql = "UPDATE rows SET field_values = NULL, salt = NULL";
    assert!(connection.execute(sql, []).unwrap() > 10);
    drop(connection);
    let ran = verify(&ledger, Some(&head));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // half an erasure is an edit
    let (_program, ledger, _) = written().await;
    let (_folder, copy) = changed(&ledger, "UPDATE rows SET salt = NULL WHERE seq = 2");
    assert_eq!(verify(&copy, None).code, Some(1));
}

#[test]
fn what_is_no_ledger_and_no_head_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    assert_eq!(verify(&file, None).code, Some(2));
    std::fs::write(&file, "not a ledger").unwrap();
    let ran = verify(&file, None);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
}
