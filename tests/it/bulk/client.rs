//! An unmodified simple-salesforce program that loads records by the first bulk API.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;

use crate::support::house::{House, TOKEN};
use crate::support::skipped;

const RULES: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow } }
  Account: { fields: { ParentId: { agents: deny, owner: RevOps } } }
";

#[expect(
    clippy::disallowed_methods,
    reason = "what a program printed is looked at by a test"
)]
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn simple_salesforce_loads_records_in_batches() {
    let Some(python) = std::env::var_os("WRITEGATE_PYTHON").map(PathBuf::from) else {
        return skipped("simple-salesforce in bulk", "the SDK (WRITEGATE_PYTHON)");
    };
    let house = House::builder().rules(RULES).tls().build().await;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients/salesforce_bulk.py");
    let (base, ca) = (format!("https://{}", house.salesforce), house.ca());
    let running = tokio::task::spawn_blocking(move || {
        let mut program = Command::new(python);
        program.arg("-B").arg(script).args([base.as_str(), TOKEN]);
        program
            .env("REQUESTS_CA_BUNDLE", &ca)
            .env("SSL_CERT_FILE", &ca);
        program.env("NO_PROXY", "127.0.0.1").output().unwrap()
    });
    let output = running.await.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{err}");
    let told = read(&out);
    let first = told["insert"][0]["id"].as_str().unwrap().to_owned();
    let done = |name: &str, place: usize| told[name][place]["success"].clone();
    assert_eq!(
        [done("insert", 0), done("insert", 1)],
        [json!(true), json!(true)],
        "{told}"
    );
    assert_eq!(
        [done("update", 0), done("update", 1)],
        [json!(true), json!(false)],
        "{told}"
    );
    assert_eq!(
        (done("upsert", 0), done("delete", 0)),
        (json!(true), json!(true)),
        "{told}"
    );
    let denied = told["denied"][1].as_str().unwrap();
    assert!(
        denied.contains("Account.ParentId is not for enrichment-agent"),
        "{told}"
    );
    assert_eq!(
        super::field(&house, "Account", &first, "Industry"),
        "Retail"
    );
    let second = told["insert"][1]["id"].as_str().unwrap();
    assert_eq!(
        house.sandbox.record(CrmKind::Salesforce, "Account", second),
        None
    );
    assert_eq!(
        house.sandbox.writes().len(),
        5,
        "two inserts, and one of each other"
    );
    for (state, count) in [
        (EntryState::Partly, 1),
        (EntryState::Refused, 1),
        (EntryState::Accepted, 0),
    ] {
        assert_eq!(house.count(state).await, count, "{state:?}");
    }
}
