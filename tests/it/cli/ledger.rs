//! `ledger verify` over files that were left alone and files that were not (P13).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use writegate::clock::{EntryId, SystemEntropy};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Head, Ledger, NewRow, RowKind};

use super::{Ran, run};

/// A ledger of three refused writes, and its published head.
fn ledger(folder: &Path) -> (PathBuf, Head) {
    let path = folder.join("writegate.db");
    let at: Timestamp = "2026-11-20T14:00:00Z".parse().unwrap();
    let ledger = SqliteLedger::open(&path, at, Arc::new(SystemEntropy::default())).unwrap();
    let rows = (1..=3).map(|number| NewRow {
        entry: EntryId::from_text(&format!("01JD{number:022}")),
        kind: RowKind::Refused,
        at,
        service_account: Some("sdr-agent".into()),
        route: Some("salesforce".into()),
        meta: json!({ "verdict": "deny" }),
        values: Some(json!({ "Amount": number })),
        nth: None,
        epoch: None,
    });
    let rows: Vec<NewRow> = rows.collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let head = runtime.block_on(async {
        ledger.append(rows).await.unwrap();
        ledger.heads().await.unwrap().remove(0)
    });
    (path, head)
}

fn verify(path: &Path, arguments: &[&str]) -> Ran {
    let ledger = ["ledger", "verify", "--ledger", path.to_str().unwrap()];
    let ran = run(&[&ledger, arguments].concat()).done();
    let folder = format!("{}/", path.parent().unwrap().display());
    Ran {
        out: ran.out.replace(&folder, ""),
        err: ran.err.replace(&folder, ""),
        ..ran
    }
}

#[test]
fn a_ledger_that_was_left_alone_is_whole() {
    let folder = TempDir::new().unwrap();
    let (path, head) = ledger(folder.path());
    let Head {
        writer, seq, hash, ..
    } = &head;
    let ran = verify(&path, &[]);
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: format!(
                "writegate.db: 3 rows, the chain is whole, no published head to compare with\n\
                 head {writer} {seq} {hash}\n"
            ),
            err: String::new(),
        }
    );
    let file = folder.path().join("heads");
    std::fs::write(&file, serde_json::to_string(&head).unwrap()).unwrap();
    let ran = verify(&path, &["--head", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("1 published heads compared"),
        "{}",
        ran.out
    );

    let config = folder.path().join("writegate.yaml");
    let text = "\
routes:
  - { name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }
";
    std::fs::write(&config, text).unwrap();
    let ran = run(&[
        "ledger",
        "verify",
        "--json",
        "--config",
        config.to_str().unwrap(),
    ])
    .done();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.starts_with("{\"rows\":3,"), "{}", ran.out);
}

#[test]
fn an_edited_row_and_a_strange_head_end_with_1() {
    let folder = TempDir::new().unwrap();
    let (path, mut head) = ledger(folder.path());
    head.hash = "00".repeat(32);
    let file = folder.path().join("heads");
    std::fs::write(&file, serde_json::to_string(&head).unwrap()).unwrap();
    let ran = verify(&path, &["--head", file.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.contains("row 3: is not the one published as head"),
        "{}",
        ran.out
    );

    // As somebody with the file in his hands would.
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(
            "DROP TRIGGER rows_stay_as_they_are;
             UPDATE rows SET meta = '{\"verdict\":\"allow\"}' WHERE seq = 2;",
        )
        .unwrap();
    let ran = verify(&path, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.starts_with("row 2: edited"), "{}", ran.out);
    assert!(ran.out.contains("3 rows, 1 fault,"), "{}", ran.out);
}

#[test]
fn a_file_that_is_no_ledger_or_no_head_is_said_so() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing.db");
    let ran = verify(&missing, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert!(ran.err.contains("cannot read missing.db"), "{}", ran.err);
    assert!(!missing.exists(), "looking makes no file");
    let (path, _) = ledger(folder.path());
    let heads = folder.path().join("heads");
    for text in ["", "nonsense\n"] {
        std::fs::write(&heads, text).unwrap();
        let ran = verify(&path, &["--head", heads.to_str().unwrap()]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains("published head"), "{}", ran.err);
    }
}
