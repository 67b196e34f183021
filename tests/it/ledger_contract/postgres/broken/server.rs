//! The server ends in the midst of it, its disk is full, or its syncs fail.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use writegate::ledger::postgres::PostgresLedger;
use writegate::ledger::{Head, Ledger};

use super::super::super::super::support::postgres::{Postgres, own_postgres};
use super::super::super::super::support::{long, skipped};
use super::super::open;
use super::{Heard, recovered, refusal, until};

/// Appends until told to stop, each task its own rows; whoever is refused tries again with another.
async fn under_load(
    ledger: &Arc<PostgresLedger>,
    label: &str,
    harm: impl Future<Output = ()>,
) -> Heard {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (ledger, stop, label) = (Arc::clone(ledger), Arc::clone(&stop), label.to_owned());
            tokio::spawn(async move {
                let mut heard = Heard::default();
                let mut number = 0;
                let mut pause = tokio::time::interval(Duration::from_millis(5));
                while !stop.load(Ordering::SeqCst) {
                    let name = format!("{label}/{task}/{number}");
                    number += 1;
                    let done = heard.of(&name, ledger.append(vec![refusal(&name)]).await);
                    if !done {
                        pause.tick().await;
                    }
                }
                heard
            })
        })
        .collect();
    harm.await;
    stop.store(true, Ordering::SeqCst);
    let mut all = Heard::default();
    for task in tasks {
        let heard = task.await.unwrap();
        all.acknowledged.extend(heard.acknowledged);
        all.refused.extend(heard.refused);
    }
    all
}

/// Returns when so many more rows are there.
async fn written(ledger: &PostgresLedger, more: u64) {
    let seq = |heads: Vec<Head>| heads.first().map_or(0, |head| head.seq);
    let before = loop {
        if let Ok(heads) = ledger.heads().await {
            break seq(heads);
        }
    };
    while ledger.heads().await.map_or(0, seq) < before + more {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn kill_9_of_the_server_under_load_loses_and_doubles_nothing() {
    const TEST: &str = "kill_9_of_the_server";
    let Some(mut server) = own_postgres(TEST, &[]) else {
        return;
    };
    let database = server.database(TEST);
    let ledger = Arc::new(open(&database.url(), "one"));
    let mut heard = Heard::default();
    let kills = if long() { 20 } else { 4 };
    for kill in 0..kills {
        let harm = async {
            written(&ledger, 50).await;
            server.kill();
            until(|| ledger.available().is_err()).await;
            server.start_again();
            recovered(&ledger).await;
            written(&ledger, 20).await;
        };
        let of_run = under_load(&ledger, &format!("{kill}"), harm).await;
        heard.acknowledged.extend(of_run.acknowledged);
        heard.refused.extend(of_run.refused);
    }
    // the server starts anew by itself when one of its processes is killed
    for crash in 1..=kills {
        let harm = async {
            written(&ledger, 50).await;
            let writer = "SELECT ledger_holder('one')";
            let writer = database.by_hand().texts(writer).remove(0);
            server.kill_process(&writer);
            server.ready_times(1 + crash).await;
            recovered(&ledger).await;
            written(&ledger, 20).await;
        };
        let of_run = under_load(&ledger, &format!("crash {crash}"), harm).await;
        heard.acknowledged.extend(of_run.acknowledged);
        heard.refused.extend(of_run.refused);
    }
    println!(
        "kill -9 of PostgreSQL under load, {} times: {} rows acknowledged, 0 lost, 0 doubled; {} \
         refused, 0 there",
        2 * kills,
        heard.acknowledged.len(),
        heard.refused.len()
    );
    heard.holds_in(&*ledger).await;
}

/// A small file system of its own.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::TempDir::with_prefix_in("wg-small-", "/tmp").unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=96m", "tmpfs"])
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

/// Fills a file system but for so many bytes.
fn fill(folder: &Path, but: u64) {
    let df = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(folder)
        .output()
        .unwrap();
    let text = String::from_utf8(df.stdout).unwrap();
    let free: u64 = text.lines().last().unwrap().trim().parse().unwrap();
    let size = usize::try_from(free.saturating_sub(but)).unwrap();
    // the server may take some of it first
    drop(std::fs::write(folder.join("ballast"), vec![0; size]));
}

fn free(folder: &Path) {
    // it may be free already
    drop(std::fs::remove_file(folder.join("ballast")));
}

/// Does something for which the server has to be up, and starts it again where it ended by itself.
async fn kept_up<T>(server: &mut Postgres, ended: &mut usize, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            () = until(|| server.has_ended()) => {
                *ended += 1;
                server.start_again();
            }
        }
    }
}

/// Appends large rows until one is refused.
async fn until_refused(ledger: &PostgresLedger, cycle: u64) -> Heard {
    let mut heard = Heard::default();
    for number in 0.. {
        let name = format!("{cycle}/{number}");
        let mut row = refusal(&name);
        row.values = Some(Value::from("x".repeat(20_000)));
        if !heard.of(&name, ledger.append(vec![row]).await) {
            break;
        }
    }
    heard
}

#[tokio::test]
async fn a_full_disk_of_the_server_is_survived() {
    const TEST: &str = "a_full_disk_of_the_server";
    let Some(disk) = SmallDisk::mount() else {
        println!("not run: {TEST} needs the right to mount a tmpfs");
        return;
    };
    let place = disk.0.path().join("server");
    std::fs::create_dir(&place).unwrap();
    let Some(mut server) = Postgres::start_in(place, &["max_wal_size=4MB"]) else {
        return skipped(TEST, "PostgreSQL");
    };
    let database = server.database(TEST);
    let ledger = open(&database.url(), "one");
    let mut heard = Heard::default();
    let mut stopped = 0;
    for cycle in 0_u64..5 {
        fill(disk.0.path(), 400_000 * cycle);
        let mut filling = Box::pin(until_refused(&ledger, cycle));
        let of_cycle = tokio::select! {
            of_cycle = &mut filling => of_cycle,
            // a log that cannot be written ends the server: nobody can answer until it is back
            () = until(|| ledger.available().is_err()) => {
                free(disk.0.path());
                kept_up(&mut server, &mut stopped, filling).await
            }
        };
        heard.acknowledged.extend(of_cycle.acknowledged);
        heard.refused.extend(of_cycle.refused);
        free(disk.0.path());
        kept_up(&mut server, &mut stopped, recovered(&ledger)).await;
        let name = format!("{cycle} recovered");
        while !heard.of(&name, ledger.append(vec![refusal(&name)]).await) {
            heard.refused.pop();
            recovered(&ledger).await;
        }
        heard.holds_in(&ledger).await;
    }
    println!(
        "full disk of PostgreSQL: 5 cycles, {} rows kept, {} refused, the server ended {stopped} times",
        heard.acknowledged.len(),
        heard.refused.len()
    );
    drop(ledger);
    heard.holds_in(&open(&database.url(), "one")).await;
    drop(server);
}

#[tokio::test]
async fn after_a_failed_sync_of_the_server_nothing_is_lost() {
    const TEST: &str = "after_a_failed_sync_of_the_server";
    if Command::new("strace").arg("-V").output().is_err() {
        return skipped(TEST, "strace");
    }
    // the 40th sync of a process fails: PostgreSQL then ends all its processes, and recovers
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=40+25",
    ];
    let Some(mut server) = Postgres::start_under(&strace) else {
        return skipped(TEST, "PostgreSQL");
    };
    let database = server.database(TEST);
    let ledger = open(&database.url(), "one");
    let mut heard = Heard::default();
    let mut ended = 0;
    for number in 0..150 {
        let name = format!("{number}");
        let appending = ledger.append(vec![refusal(&name)]);
        let appended = kept_up(&mut server, &mut ended, appending).await;
        heard.of(&name, appended);
        kept_up(&mut server, &mut ended, recovered(&ledger)).await;
    }
    let broke = server.said("PANIC:  could not fdatasync");
    println!(
        "failed syncs of PostgreSQL: {broke}, {} rows acknowledged, 0 lost, 0 doubled; {} refused, 0 \
         there",
        heard.acknowledged.len(),
        heard.refused.len()
    );
    assert!(broke >= 2, "{broke}");
    heard.holds_in(&ledger).await;
}
