//! A large job, and one whose proxy dies: the real binary.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use serde_json::json;
use writegate::clock::{Clock, SystemClock, SystemEntropy};
use writegate::journal::Journal;
use writegate::journal::job::{Name, Step};
use writegate::ledger::sqlite::SqliteLedger;
use writegate::sandbox::{Options, Running, Sandbox, seed};

use super::{JOBS, committed, fed, made, updates};
use crate::support::house::{TOKEN, options};
use crate::support::long;
use crate::support::program::Program;

const MIB: u64 = 1024 * 1024;
/// What the proxy may hold more while it takes an upload in, however large: 16 MiB of it are pages of the
/// ledger.
const FEEDING_MOST: u64 = 40 * MIB;
/// The same while it is judged, 2,000 rows at a time: as mutations all rows would take ten times their
/// bytes.
const JUDGING_MOST: u64 = 128 * MIB;

async fn sandbox() -> Running {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options: Options = options(&clock);
    Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap()
}

/// Rows of about 110 bytes, as many as fit.
fn rows(bytes: usize) -> (String, u64) {
    let mut csv = String::with_capacity(bytes + 200);
    csv.push_str("Name,Industry,Website,Description\n");
    let mut rows = 0;
    while csv.len() < bytes {
        let text = "made by a job of very many rows, to see what is held of it";
        writeln!(
            csv,
            "Account {rows},Software,https://{rows}.example,\"{text}, \"\"{rows}\"\"\""
        )
        .unwrap();
        rows += 1;
    }
    (csv, rows)
}

/// Does something, and looks all the time at how much memory the program holds; the most it saw.
async fn peak<T>(program: &Program, doing: impl Future<Output = T>) -> (T, u64) {
    let mut doing = std::pin::pin!(doing);
    let mut most = program.memory();
    loop {
        let pause = tokio::time::sleep(std::time::Duration::from_millis(5));
        tokio::select! {
            biased;
            done = &mut doing => return (done, most.max(program.memory())),
            () = pause => most = most.max(program.memory()),
        }
    }
}

async fn uploaded(program: &Program, csv: &str) -> String {
    let agent = program.agent();
    let job = made(
        &agent,
        &json!({ "object": "Account", "operation": "insert" }),
    )
    .await;
    let taken = fed(&agent, &job, csv.to_owned()).await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    job
}

#[tokio::test]
async fn a_large_job_is_never_held_whole() {
    let size = if long() { 100 * MIB } else { 64 * MIB };
    let sandbox = sandbox().await;
    let starting = Program::before(&sandbox.base_url());
    let folder = starting.place();
    let mut program = tokio::task::spawn_blocking(|| starting.start())
        .await
        .unwrap();
    let (small, _) = rows(64 * 1024);
    let job = uploaded(&program, &small).await;
    assert_eq!(
        committed(&program.agent(), &job).await.status,
        StatusCode::OK
    );
    let (csv, count) = rows(usize::try_from(size).unwrap());
    let before = program.memory();
    let began = Instant::now();
    let (job, fed_peak) = peak(&program, uploaded(&program, &csv)).await;
    let took = began.elapsed();
    let fed_growth = fed_peak.saturating_sub(before);
    let began = Instant::now();
    let agent = program.agent();
    let (held, judged_peak) = peak(&program, committed(&agent, &job)).await;
    let judged = began.elapsed();
    assert_eq!(held.code(), "WRITEGATE_HELD", "{}", held.text());
    let growth = judged_peak.saturating_sub(before);
    let target = format!("{JOBS}/{job}/batches");
    let seen = sandbox.seen();
    let forwarded = seen.iter().find(|seen| seen.target == target).unwrap();
    assert!(forwarded.body == csv, "the CRM has other bytes");
    program.kill();
    let file = folder.path().join("writegate.db");
    let ledger = SqliteLedger::open(&file, SystemClock.now(), Arc::new(SystemEntropy::default()));
    let name = Name {
        route: "salesforce",
        job: &job,
        service_account: "enrichment-agent",
    };
    let steps = Journal::new(Arc::new(ledger.unwrap()))
        .job_steps(&name)
        .await
        .unwrap();
    let counted = steps.iter().find_map(|(step, _)| {
        let Step::Fed(fed) = step else { return None };
        Some((fed.rows, fed.bytes))
    });
    assert_eq!(
        counted,
        Some((count, csv.len() as u64)),
        "rows counted = rows forwarded"
    );
    let speed = |time: std::time::Duration| csv.len() as f64 / MIB as f64 / time.as_secs_f64();
    println!(
        "{} MiB, {count} rows: upload {:.0} MiB/s (memory +{} MiB), judged {:.0} MiB/s (memory +{} MiB)",
        size / MIB,
        speed(took),
        fed_growth / MIB,
        speed(judged),
        growth / MIB,
    );
    assert!(fed_growth <= FEEDING_MOST, "{} MiB more", fed_growth / MIB);
    assert!(growth <= JUDGING_MOST, "{} MiB more", growth / MIB);
}

#[tokio::test]
async fn a_job_outlives_its_proxy_and_a_broken_upload_does_not() {
    let sandbox = sandbox().await;
    let starting = Program::before(&sandbox.base_url());
    let folder = starting.place();
    let mut program = tokio::task::spawn_blocking(|| starting.start())
        .await
        .unwrap();
    let agent = program.agent();
    let whole = made(&agent, &updates("Account")).await;
    let csv = format!("Id,Industry\n{},Software\n", seed::ACME);
    fed(&agent, &whole, csv.clone()).await;
    let broken = made(&agent, &updates("Account")).await;
    let half = {
        let head = format!(
            "PUT {JOBS}/{broken}/batches HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: text/csv\r\nContent-Length: 1000\r\n\r\n{csv}",
            program.salesforce
        );
        let mut stream = tokio::net::TcpStream::connect(program.salesforce)
            .await
            .unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
            .await
            .unwrap();
        stream
    };
    // the connection is served: what came before it on the same runtime is done
    let other = fed(&agent, &broken, csv.clone()).await;
    let first = other.status == StatusCode::BAD_REQUEST;
    program.kill();
    drop(half);
    let again = Program::before(&sandbox.base_url()).folder(&folder);
    let program = tokio::task::spawn_blocking(|| again.start()).await.unwrap();
    let agent = program.agent();
    if first {
        let refused = committed(&agent, &broken).await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE", "{}", refused.text());
    }
    let answer = committed(&agent, &whole).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let crm = writegate::mutation::CrmKind::Salesforce;
    let acme = sandbox.record(crm, "Account", seed::ACME).unwrap();
    assert_eq!(acme["Industry"], "Software");
    assert!(sandbox.writes().len() <= 2);
}
