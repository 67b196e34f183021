//! TERM while writes are under way: they finish and are recorded, nobody new is let in, exit code 0.

use std::net::SocketAddr;

use http::Method;
use serde_json::json;
use tokio::net::TcpStream;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, Options, Sandbox, seed};

use super::support::client::Client;
use super::support::house::TOKEN;
use super::support::program::Program;

/// Returns once nothing listens there.
async fn closed(address: SocketAddr) {
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn writes_under_way_finish_and_are_recorded() {
    let options = Options::with_token(TOKEN);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url()).start();
    let gate = Gate::new();
    let held = Fault::WaitBeforeEffect(gate.clone());
    sandbox.script(|head| head.method == Method::POST, 5, held);
    let mut writes = Vec::new();
    for number in 0..5 {
        let agent = program.agent();
        writes.push(tokio::spawn(async move {
            let body = json!({ "Name": format!("under way {number}") });
            agent
                .post("/services/data/v60.0/sobjects/Account", &body)
                .await
        }));
    }
    gate.arrived(5).await;
    program.terminate();
    program.logged("stopping: no new connections").await;
    closed(program.salesforce).await;
    closed(program.hubspot).await;
    gate.open();
    for write in writes {
        let reply = write.await.unwrap();
        assert_eq!(reply.status, 201, "{}", reply.text());
    }
    let ended = tokio::task::spawn_blocking(move || (program.ended().code(), program));
    let (code, program) = ended.await.unwrap();
    assert_eq!(code, Some(0), "{:?}", program.log());
    let ledger = SqliteLedger::read_only(&program.ledger).unwrap();
    let of_kind = async |kind| {
        let filter = RowFilter {
            kinds: vec![kind],
            ..RowFilter::default()
        };
        ledger.rows(filter).await.unwrap().len()
    };
    assert_eq!(
        (
            of_kind(RowKind::Opened).await,
            of_kind(RowKind::Closed).await
        ),
        (5, 5)
    );
    assert!(ledger.unclosed().await.unwrap().is_empty());
    assert_eq!(sandbox.ids(CrmKind::Salesforce, "Account").len(), 17);
}

#[tokio::test]
async fn an_idle_program_ends_at_once_and_starts_again() {
    let options = Options::with_token(TOKEN);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url()).start();
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    assert_eq!(program.agent().get(&target).await.status, 200);
    assert_eq!(program.stop(), Some(0));
    let again = Program::before(&sandbox.base_url())
        .folder(&program.folder)
        .start();
    let ready = Client::new(again.admin, "").get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    assert_eq!(again.agent().get(&target).await.status, 200);
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_nothing() {
    let options = Options::with_token(TOKEN);
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let mut program = Program::before(&sandbox.base_url()).start();
    program.read_no_more();
    let target = "/services/data/v60.0/sobjects/Account";
    for _ in 0..3 {
        let refused = program
            .agent()
            .post("/services/apexrest/x", &json!({}))
            .await;
        assert_eq!(refused.code(), "WRITEGATE_OPAQUE");
        let written = program.agent().post(target, &json!({ "Name": "x" })).await;
        assert_eq!(written.status, 201);
    }
    assert_eq!(program.stop(), Some(0));
}
