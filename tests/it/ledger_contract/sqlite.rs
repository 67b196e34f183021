//! The SQLite file: durable, one writer, versions, a full disk, and speed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use serde_json::Value;
use writegate::clock::SystemEntropy;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, NewRow, RowKind};

use super::{all, append, at, entries, faults, open, row};

fn try_open(path: &Path) -> Result<SqliteLedger, String> {
    let entropy = Arc::new(SystemEntropy::default());
    SqliteLedger::open(path, at(0), entropy).map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut heads = Vec::new();
    for run in 0..3 {
        let ledger = open(&path);
        assert_eq!(ledger.newest(), (run > 0).then(|| at(run - 1)));
        append(
            &ledger,
            vec![row(&format!("{run} a"), RowKind::Opened, run)],
        )
        .await;
        append(&ledger, vec![row(&format!("{run} b"), RowKind::Refused, 0)]).await;
        heads.extend(ledger.heads().await.unwrap());
    }
    let ledger = open(&path);
    let rows = all(&ledger).await;
    assert_eq!(entries(&rows), ["0 a", "0 b", "1 a", "1 b", "2 a", "2 b"]);
    assert_eq!(
        entries(&ledger.unclosed().await.unwrap()),
        ["0 a", "1 a", "2 a"]
    );
    assert_eq!(faults(&ledger, &heads).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_acknowledged_is_in_a_copy_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path);
    for number in 0..5 {
        append(
            &ledger,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
        // what a machine would find that lost its power now
        let copy = folder.path().join(format!("copy-{number}.db"));
        fs::copy(&path, &copy).unwrap();
        let log = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
        fs::copy(log(&path), log(&copy)).unwrap();
        assert_eq!(all(&open(&copy)).await, all(&ledger).await);
    }
}

#[test]
fn only_one_process_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let first = open(&path);
    let error = try_open(&path).unwrap_err();
    let expected = format!(
        "ledger: `{}.lock` is locked: another process writes this ledger; stop it, or give this \
         one a ledger of its own",
        path.display()
    );
    assert_eq!(error, expected);
    drop(first);
    open(&path);
}

#[tokio::test]
async fn others_read_while_one_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    assert!(SqliteLedger::read_only(&path).is_err());
    let writer = open(&path);
    let reader = SqliteLedger::read_only(&path).unwrap();
    for number in 0..3 {
        append(
            &writer,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
        assert_eq!(all(&reader).await, all(&writer).await);
    }
    let refused = reader.append(vec![row("x", RowKind::Opened, 0)]).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "ledger: opened for reading only"
    );
    drop(writer);
    let reader = SqliteLedger::read_only(&path).unwrap();
    assert_eq!(reader.verify(&[]).await.unwrap().rows, 3);
}

#[test]
fn a_file_that_is_not_a_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, sql: &str| {
        let path = folder.path().join(name);
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = fs::read(&path).unwrap();
        let reading = SqliteLedger::read_only(&path).unwrap_err().to_string();
        let writing = try_open(&path).unwrap_err();
        assert_eq!(reading, writing);
        assert!(fs::read(&path).unwrap() == before, "it was changed");
        writing.replace(&path.display().to_string(), "FILE")
    };
    let foreign = refused("foreign.db", "CREATE TABLE t (x)");
    assert_eq!(foreign, "ledger: `FILE` is not a ledger");
    let newer = refused("newer.db", "CREATE TABLE t (x); PRAGMA user_version = 99");
    assert_eq!(
        newer,
        "ledger: `FILE` was written by a newer version of writegate (file version 99)"
    );
    let text = folder.path().join("text.db");
    fs::write(&text, "This is not a database. ".repeat(100)).unwrap();
    assert!(try_open(&text).is_err());
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let _ledger = open(&path);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = PathBuf::from(format!("{}{suffix}", path.display()));
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{suffix}"
        );
    }
}

#[tokio::test]
async fn no_row_is_changed_or_deleted_even_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path);
    for number in 0..3 {
        append(
            &ledger,
            vec![row(&number.to_string(), RowKind::Opened, number)],
        )
        .await;
    }
    let by_hand = Connection::open(&path).unwrap();
    for refused in [
        "UPDATE rows SET meta = '{}' WHERE seq = 2",
        "UPDATE rows SET seq = 9 WHERE seq = 3",
        "UPDATE rows SET nth = 9 WHERE seq = 2",
        "UPDATE rows SET field_values = '{}' WHERE seq = 2",
        "UPDATE rows SET salt = NULL WHERE seq = 2",
        "UPDATE rows SET field_values = NULL WHERE seq = 2",
        "UPDATE rows SET field_values = NULL, salt = NULL, at = 0 WHERE seq = 2",
        "DELETE FROM rows WHERE seq = 3",
        "DELETE FROM rows",
        "INSERT OR REPLACE INTO rows SELECT * FROM rows WHERE seq = 2",
        "INSERT INTO rows SELECT 0, writer, entry, 9, 'held', at, NULL, NULL, meta, NULL, NULL, NULL, \
         hash FROM rows WHERE seq = 2",
    ] {
        let error = by_hand.execute(refused, []).unwrap_err();
        let code = error.sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::ConstraintViolation), "{refused}");
    }
    let erase = "UPDATE rows SET field_values = NULL, salt = NULL WHERE seq = 2";
    assert_eq!(by_hand.execute(erase, []).unwrap(), 1);
    let values: Vec<bool> = all(&ledger)
        .await
        .iter()
        .map(|row| row.values.is_some())
        .collect();
    assert_eq!(values, [true, false, true]);
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path);
    let small = NewRow {
        meta: Value::Null,
        values: None,
        ..row("A", RowKind::Refused, 0)
    };
    // the thread takes the first and waits for the file, or has not come to it: full either way
    let (one, two) = (vec![small.clone(); 512], vec![small.clone(); 8_192]);
    let mut by_hand = Connection::open(&path).unwrap();
    let hold = by_hand.transaction_with_behavior(TransactionBehavior::Immediate);
    let refused = async {
        let error = ledger.append(vec![small]).await.unwrap_err();
        drop(hold);
        error
    };
    let (one, two, refused) = tokio::join!(ledger.append(one), ledger.append(two), refused);
    one.unwrap();
    two.unwrap();
    assert!(refused.transient);
    assert!(
        refused.what.ends_with("bytes wait to be written already"),
        "{refused}"
    );
    assert_eq!(ledger.verify(&[]).await.unwrap().rows, 8_704);
}

/// Waits until the ledger takes rows again.
async fn recovered(ledger: &SqliteLedger) {
    let wait = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while ledger.trouble().is_some() {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_that_another_holds_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = open(&path);
    append(&ledger, vec![row("A", RowKind::Opened, 0)]).await;
    let mut by_hand = Connection::open(&path).unwrap();
    let hold = by_hand.transaction_with_behavior(TransactionBehavior::Immediate);
    for name in ["B", "C"] {
        let error = ledger
            .append(vec![row(name, RowKind::Opened, 0)])
            .await
            .unwrap_err();
        assert!(error.transient);
    }
    assert_eq!(all(&ledger).await.len(), 1);
    drop(hold);
    recovered(&ledger).await;
    append(&ledger, vec![row("D", RowKind::Opened, 0)]).await;
    assert_eq!(entries(&all(&ledger).await), ["A", "D"]);
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
}

/// A small file system of its own; `None` where the system does not let us.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(kib: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kib}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        mount
            .is_ok_and(|mount| mount.status.success())
            .then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_full_disk_is_survived() {
    let Some(disk) = SmallDisk::mount(32_768) else {
        println!("not run: a_full_disk_is_survived needs the right to mount a tmpfs");
        return;
    };
    let (path, ballast) = (
        disk.0.path().join("ledger.db"),
        disk.0.path().join("ballast"),
    );
    let ledger = open(&path);
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for cycle in 0..20 {
        // sometimes no room for one commit, sometimes for a few hundred and a checkpoint
        let free = 30_000 + 300_000 * (cycle % 5);
        let size = free_bytes(disk.0.path()).saturating_sub(free);
        fs::write(&ballast, vec![0; usize::try_from(size).unwrap()]).unwrap();
        for number in 0.. {
            let name = format!("{cycle}/{number}");
            let mut row = row(&name, RowKind::Opened, 0);
            row.values = Some(Value::from("x".repeat(5_000)));
            match ledger.append(vec![row]).await {
                Ok(()) => acknowledged.push(name),
                Err(error) => {
                    assert!(error.transient, "{error}");
                    break;
                }
            }
        }
        // while it is full, nothing is taken, everything can be read
        match ledger.append(vec![row("again", RowKind::Refused, 0)]).await {
            Ok(()) => acknowledged.push("again".into()),
            Err(error) => refused += u32::from(error.transient),
        }
        assert_eq!(entries(&all(&ledger).await), acknowledged);
        fs::remove_file(&ballast).unwrap();
        recovered(&ledger).await;
        let name = format!("{cycle}/recovered");
        append(&ledger, vec![row(&name, RowKind::Opened, 0)]).await;
        acknowledged.push(name);
    }
    println!(
        "full disk: 20 cycles, {} rows kept, {refused} times refused at once",
        acknowledged.len()
    );
    assert!(refused > 0);
    assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
    drop(ledger);
    assert_eq!(entries(&all(&open(&path)).await), acknowledged);
}

/// Free bytes of a file system.
fn free_bytes(path: &Path) -> u64 {
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    text.lines().last().unwrap().trim().parse().unwrap()
}

/// Where the child of the test below works; without it there is nothing to do.
const FAILING_DISK: &str = "WRITEGATE_TEST_FAILING_DISK";

#[tokio::test]
async fn child_that_writes_until_a_sync_fails() {
    let Some(path) = std::env::var_os(FAILING_DISK) else {
        return;
    };
    let entropy = Arc::new(SystemEntropy::default());
    let Ok(ledger) = SqliteLedger::open(Path::new(&path), at(0), entropy) else {
        return;
    };
    for number in 0..100 {
        let name = format!("{number}");
        match ledger.append(vec![row(&name, RowKind::Opened, 0)]).await {
            Ok(()) => println!("kept {name}"),
            Err(error) if error.transient => println!("passes: {error}"),
            Err(_) => return refuses_from_now_on(&ledger).await,
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the test that started this one reads it"
)]
async fn refuses_from_now_on(ledger: &SqliteLedger) {
    for _ in 0..10 {
        let again = ledger.append(vec![row("after", RowKind::Opened, 0)]).await;
        println!(
            "{}",
            if again.is_err() {
                "refused"
            } else {
                "kept after"
            }
        );
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged() {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("not run: after_a_failed_sync_nothing_is_acknowledged needs strace");
        return;
    }
    let (mut kept, mut refused) = (0, 0);
    for place in 1..=20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let child = Command::new("strace")
            .args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                "trace=fsync,fdatasync",
                "-e",
            ])
            .arg(format!("inject=fsync,fdatasync:error=EIO:when={place}"))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("ledger_contract::sqlite::child_that_writes_until_a_sync_fails")
            .env(FAILING_DISK, &path)
            .output();
        let child = child.unwrap();
        assert!(child.status.success(), "{child:?}");
        let said = String::from_utf8(child.stdout).unwrap();
        assert!(
            !said.contains("kept after") && !said.contains("passes"),
            "{said}"
        );
        let acknowledged: Vec<&str> = said
            .lines()
            .filter_map(|line| line.strip_prefix("kept "))
            .collect();
        refused += said.matches("refused").count();
        let Ok(ledger) = try_open(&path) else {
            assert_eq!(acknowledged, Vec::<&str>::new());
            continue;
        };
        let rows = all(&ledger).await;
        assert_eq!(entries(&rows)[..acknowledged.len()], acknowledged);
        assert_eq!(faults(&ledger, &[]).await, Vec::<String>::new());
        kept += acknowledged.len();
    }
    println!("failed sync: 20 runs, {kept} rows kept, {refused} refused after, 0 lost");
    assert!(kept > 0 && refused >= 100);
}

#[tokio::test]
async fn checking_is_fast_enough_to_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(&folder.path().join("ledger.db"));
    let count = 20_000;
    for start in (0..count).step_by(500) {
        let rows = (start..start + 500).map(|number| row(&number.to_string(), RowKind::Opened, 0));
        append(&ledger, rows.collect()).await;
    }
    let start = Instant::now();
    let verified = ledger.verify(&[]).await.unwrap();
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    assert_eq!((verified.rows, verified.faults), (20_000, vec![]));
    println!(
        "verify: {rate:.0} rows/s (20000 rows, debug build: {})",
        cfg!(debug_assertions)
    );
}
