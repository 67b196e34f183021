//! Writes in doubt (DESIGN 2, "In doubt"; P6, P11): they block their records, are read back and
//! classified right or not at all, and are settled by a person where nothing else can tell.

mod blocked;
mod classified;
mod hanging;
mod held;
mod people;
mod repeats;
mod restarts;
mod theirs;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use writegate::app::Worker;
use writegate::clock::{Clock, EntryId, ManualClock, SystemClock};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Fault, Gate, seed};

use super::support::client::Reply;
use super::support::house::{Builder, House};

const ACCOUNTS: &str = "/services/data/v60.0/sobjects/Account";

/// A house whose clock stands still, and what its clockwork uses.
struct Scene {
    house: House,
    clock: Arc<ManualClock>,
    worker: Worker,
}

impl Scene {
    /// Every service account has a broker credential, so doubts are read back by the clockwork.
    async fn new() -> Self {
        Self::of(House::builder()).await
    }

    /// Nobody has a credential in the configuration: the next request's token reads back.
    async fn without_credentials() -> Self {
        Self::of(House::builder().configure(|config| {
            for account in &mut config.service_accounts {
                account.credentials.clear();
            }
        }))
        .await
    }

    async fn of(builder: Builder) -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let house = builder.clock(clock.clone()).build().await;
        let worker = house.worker();
        Self {
            house,
            clock,
            worker,
        }
    }

    /// The next write that begins with this path goes wrong so.
    fn fail(&self, method: &Method, path: &str, fault: Fault) {
        let (method, path) = (method.clone(), path.to_owned());
        let meant = move |head: &writegate::sandbox::Head<'_>| {
            head.method == method && head.path.starts_with(&path) && !head.path.ends_with("/read")
        };
        self.house.sandbox.script(meant, 1, fault);
    }

    /// The agent's write of an industry to Acme goes wrong so; its entry, which is in doubt.
    async fn doubt(&self, fault: Fault) -> String {
        let acme = account(seed::ACME);
        self.fail(&Method::PATCH, &acme, fault);
        doubtful(&self.house.agent().patch(&acme, &industry("Software")).await)
    }

    /// The agent makes an account, the same each time.
    fn create(&self) -> JoinHandle<Reply> {
        let agent = self.house.agent();
        let body = json!({ "Name": "Nakatomi" });
        tokio::spawn(async move { agent.post(ACCOUNTS, &body).await })
    }

    /// A field of an account, as the CRM holds it.
    fn field(&self, id: &str, field: &str) -> Value {
        let record = self
            .house
            .sandbox
            .record(CrmKind::Salesforce, "Account", id);
        record.unwrap()[field].clone()
    }

    /// The clockwork looks, now.
    async fn look(&self) -> Vec<EntryId> {
        writegate::doubt::settle_due(&self.worker, self.clock.now()).await
    }

    /// The CRM has had its time.
    fn wait_out(&self) {
        self.clock.advance_ms(10 * 60_000 + 1_000);
    }

    async fn state(&self, entry: &str) -> EntryState {
        let entries = self.house.entries().await;
        let mut entries = entries.iter();
        entries
            .find(|known| known.id.as_str() == entry)
            .unwrap()
            .state
    }

    /// Returns once so many repeats wait for the answer to what is being sent.
    async fn repeats_wait(&self, count: usize) {
        let mut waiting = self.house.app.doubts.flights.waiting();
        let all = waiting.wait_for(|&waiting| waiting == count);
        let patience = Duration::from_secs(20);
        drop(timeout(patience, all).await.unwrap().unwrap());
    }

    fn writes(&self) -> usize {
        self.house.sandbox.writes().len()
    }
}

fn account(id: &str) -> String {
    format!("/services/data/v60.0/sobjects/Account/{id}")
}

fn entry(reply: &Reply) -> String {
    reply.header("x-writegate-entry").unwrap().to_owned()
}

fn industry(value: &str) -> Value {
    json!({ "Industry": value })
}

/// A reply that tells of an unknown outcome; its entry.
fn doubtful(reply: &Reply) -> String {
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert_eq!(reply.code(), "WRITEGATE_UNKNOWN_OUTCOME");
    assert!(reply.message().starts_with("May have been written: "));
    entry(reply)
}

/// A reply that tells of an earlier write in doubt; whether it names that entry.
fn is_blocked_by(reply: &Reply, entry: &str) {
    assert_eq!(reply.status, 423, "{}", reply.text());
    assert_eq!(reply.code(), "WRITEGATE_IN_DOUBT");
    let message = reply.message();
    let opening = match message.contains("this very request") {
        true => "May have been written: ",
        false => "Not written: ",
    };
    assert!(message.starts_with(opening), "{message}");
    assert!(message.ends_with(&format!("[entry {entry}]")), "{message}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(reply.header("retry-after"), None);
}

/// Waits at a gate before or after its effect.
fn gated(after: bool) -> (Gate, Fault) {
    let gate = Gate::new();
    let fault = if after {
        Fault::WaitAfterEffect(gate.clone())
    } else {
        Fault::WaitBeforeEffect(gate.clone())
    };
    (gate, fault)
}
