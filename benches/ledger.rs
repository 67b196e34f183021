//! Rows to the disk: one after the other, and many at once, which share a sync; in a SQLite file and,
//! where `WRITEGATE_BENCH_POSTGRES` holds the URL of an empty database, in PostgreSQL.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reports to a terminal and may fail loudly"
)]

mod stopwatch;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use stopwatch::Stopwatch;
use tokio::task::JoinSet;
use writegate::clock::{Clock, SystemClock, SystemEntropy, entry_id};
use writegate::ledger::postgres::{Address, PostgresLedger};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, NewRow, RowKind};

fn main() {
    let Some(stopwatch) = Stopwatch::from_arguments() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let now = SystemClock.now();
    let file = folder.path().join("ledger.db");
    let entropy = || Arc::new(SystemEntropy::default());
    let mut ledgers: Vec<(&str, Arc<dyn Ledger>)> = Vec::new();
    let sqlite = SqliteLedger::open(&file, now, entropy()).unwrap();
    ledgers.push(("SQLite", Arc::new(sqlite)));
    match std::env::var("WRITEGATE_BENCH_POSTGRES") {
        Ok(url) => {
            let address = Address::parse(&url).unwrap();
            let postgres = PostgresLedger::open(address, "bench", entropy()).unwrap();
            ledgers.push(("PostgreSQL", Arc::new(postgres)));
        }
        Err(_) => println!("PostgreSQL: not measured, WRITEGATE_BENCH_POSTGRES is not set"),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for tasks in [1_u32, 16, 64, 256] {
        for (store, ledger) in &ledgers {
            let name = format!("append a row, {tasks} at once, {store}");
            stopwatch.scenario(&name, tasks, || {
                runtime.block_on(append(ledger, tasks, now));
            });
        }
    }
}
async fn append(ledger: &Arc<dyn Ledger>, tasks: u32, now: Timestamp) {
    let mut appending = JoinSet::new();
    for _ in 0..tasks {
        let ledger = Arc::clone(ledger);
        appending.spawn(async move { ledger.append(vec![row(now)]).await.unwrap() });
    }
    appending.join_all().await;
}

/// An opened row as a write of one record leaves it.
fn row(now: Timestamp) -> NewRow {
    NewRow {
        entry: entry_id(now, &SystemEntropy::default()),
        kind: RowKind::Opened,
        at: now,
        service_account: Some("enrichment-agent".into()),
        route: Some("salesforce".into()),
        meta: json!({
            "method": "PATCH",
            "path": "/services/data/v60.0/sobjects/Account/001Wg0000000001IAA",
            "verdict": "allow",
            "rules": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "mutations": [{ "object": "Account", "operation": "update", "fields": ["Industry"] }],
        }),
        values: Some(
            json!([{ "before": { "Industry": null }, "after": { "Industry": "Software" } }]),
        ),
        nth: None,
        epoch: None,
    }
}
