//! A revert is a governed write: rules with its origin, the gate, the journal, locks; and neither the
//! matrix nor the agent's limits and switches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::config::Secret;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::sandbox::{Fault, Gate, seed};

use super::super::support::client::Client;
use super::super::support::doctored::Doctored;
use super::super::support::house::{BROKER, KEY, OPERATOR, TOKEN};
use super::{Desk, House, account, company, entry, lines, sums};

/// One write each to a row of Salesforce: its entry.
async fn written(desk: &Desk, id: &str) -> String {
    let body = json!({ "Industry": "Software", "Phone": "1" });
    entry(&desk.house.agent().patch(&account(id), &body).await)
}

async fn throw(desk: &Desk, service_account: &str) {
    let switch = Switch {
        service_account: service_account.into(),
        scope: SwitchScope::All,
        by: "dana".into(),
        reason: "test".into(),
        at: desk.house.app.clock.now(),
        limit: None,
    };
    let change = SwitchChange::Throw(switch);
    desk.house.app.control.set_switch(change).await.unwrap();
}

#[tokio::test]
async fn neither_matrix_nor_limits_nor_the_agents_switch_apply() {
    let rules = "
crm: salesforce
default: deny
objects:
  Account: { fields: { Industry|Phone: { enrichment-agent: allow } } }
rules:
  - { name: no-clearing, when: { after.Industry: { blank: true } }, then: deny }
limits:
  - { name: once, per: service_account, count: mutations, max: 1, window: 1h }
  - { name: each, per: record, count: mutations, max: 1, window: 1h }
";
    let desk = Desk::of(House::builder().rules(rules)).await;
    let one = written(&desk, seed::ACME).await;
    let now = desk.house.app.clock.now();
    let used = desk.house.app.control.usage(now).await.unwrap();
    assert_eq!(
        used.iter().map(|used| used.used).collect::<Vec<_>>(),
        [1, 1]
    );
    throw(&desk, "enrichment-agent").await;
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        json!(null)
    );
    assert_eq!(desk.house.app.control.usage(now).await.unwrap(), used);
    desk.house.finish().await;
}

#[tokio::test]
async fn the_switch_of_all_and_of_the_operator_stop_a_revert() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    for name in ["*", "operator:ann"] {
        throw(&desk, name).await;
        let report = desk.undo(std::slice::from_ref(&one)).await;
        assert_eq!(sums(&report), (0, 2, 0), "{report}");
        let why = lines(&report).remove(0).why;
        assert!(why.as_str().unwrap().contains("stopped by dana"), "{why}");
        let change = crate::support::resume_of(&*desk.house.app.control, name);
        desk.house.app.control.set_switch(change).await.unwrap();
    }
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    desk.house.finish().await;
}

#[tokio::test]
async fn rules_with_the_origin_of_reverts_judge_them_record_by_record() {
    let rule = "
crm: salesforce
rules:
  - name: frozen
    applies: { origin: revert, object: Account, field: Industry }
    when: { before.AnnualRevenue: { at_least: 500000000 } }
    then: deny
    reason: Books are closed.
  - { name: for-good, applies: { origin: revert, object: Lead }, then: deny }
";
    let desk = Desk::of(House::builder().and_rules(rule)).await;
    let record =
        |id: &str| json!({ "attributes": { "type": "Account" }, "id": id, "Industry": "Software" });
    let body = json!({ "records": [record(seed::GLOBEX), record(seed::ACME)] });
    let path = "/services/data/v60.0/composite/sobjects";
    let one = entry(&desk.house.agent().patch(path, &body).await);
    let lead = format!("/services/data/v60.0/sobjects/Lead/{}", seed::LEAD_MARIE);
    let two = entry(
        &desk
            .house
            .agent()
            .patch(&lead, &json!({ "Rating": "Hot" }))
            .await,
    );
    let dry = desk
        .revert(&json!({ "entries": [one, two], "dry_run": true }))
        .await;
    assert_eq!(sums(&dry), (1, 0, 2), "{dry}");
    assert_eq!(desk.house.count(EntryState::Refused).await, 0);
    let report = desk.undo(&[one, two]).await;
    assert_eq!(sums(&report), (1, 0, 2), "{report}");
    let why: Vec<String> = lines(&report)
        .iter()
        .map(|line| line.why.to_string())
        .collect();
    assert!(why[0].contains("rule for-good"), "{why:?}");
    assert!(
        why[1].contains("rule frozen (Books are closed.) denies it"),
        "{why:?}"
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::GLOBEX, "Industry"),
        "Software"
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        json!(null)
    );
    assert_eq!(desk.house.count(EntryState::Refused).await, 2);
    desk.house.finish().await;
}

#[tokio::test]
async fn the_row_of_a_revert_tells_who_why_and_what_was_there() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::GLOBEX).await;
    let report = desk.undo(std::slice::from_ref(&one)).await;
    let made = report["summary"]["made"][0].as_str().unwrap();
    let filter = RowFilter {
        kinds: vec![RowKind::Opened],
        newest_first: true,
        limit: 1,
        ..RowFilter::default()
    };
    let row = desk.house.ledger.rows(filter).await.unwrap().remove(0);
    assert_eq!(row.entry.as_str(), made);
    assert_eq!(row.meta["reverts"], json!([one]));
    assert_eq!(row.meta["origin"], "revert");
    assert_eq!(row.meta["actor"]["service_account"], "operator:ann");
    let values = row.values.unwrap();
    let prior = &values["snapshot"]["priors"][0];
    assert_eq!(prior["fields"]["Industry"], "Software");
    assert_eq!(
        values["mutations"][0]["fields"]["Industry"],
        "Manufacturing"
    );
    assert_eq!(values["charges"], json!([]));
    let sent = desk.house.sandbox.writes().pop().unwrap();
    assert_eq!(sent.headers["sforce-auto-assign"], "FALSE");
    assert!(sent.headers.contains_key("if-unmodified-since"));
    desk.house.finish().await;
}

#[tokio::test]
async fn without_a_credential_it_says_what_to_configure() {
    let desk = Desk::of(House::builder().configure(|config| {
        for account in &mut config.service_accounts {
            account.credentials.clear();
        }
    }))
    .await;
    let one = written(&desk, seed::ACME).await;
    let reply = desk.ask(&json!({ "entries": [one] })).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        reply.json(),
        json!({ "error": { "code": "no_credential", "message": "route salesforce has no credential \
        to look at records and write them back: give the route a `release_credential`, or the \
        service account enrichment-agent `credentials` for it" } })
    );
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    desk.house.finish().await;
}

#[tokio::test]
async fn the_routes_credential_comes_before_the_brokers() {
    const RELEASE: &str = "00Dxx!canary-release-credential";
    let bearer = |desk: &Desk| {
        let sent = desk.house.sandbox.writes().pop().unwrap();
        sent.headers[AUTHORIZATION].to_str().unwrap().to_owned()
    };
    let desk = Desk::of(House::builder().sandbox_token(RELEASE).configure(|config| {
        config.routes[0].release_credential = Some(Secret::new(RELEASE).into())
    }))
    .await;
    let one = written(&desk, seed::ACME).await;
    assert_eq!(bearer(&desk), format!("Bearer {TOKEN}"));
    desk.undo(&[one]).await;
    assert_eq!(bearer(&desk), format!("Bearer {RELEASE}"));
    // the other route has none; what scoring-agent wrote is undone by its own broker credential
    let agent = Client::new(desk.house.hubspot, KEY);
    let body = json!({ "properties": { "city": "Ulm" } });
    let two = entry(&agent.patch(&company(seed::HS_ACME), &body).await);
    let first = desk.undo(&[two]).await;
    assert_eq!(bearer(&desk), format!("Bearer {BROKER}"));
    // and a revert of that revert too
    let made = first["summary"]["made"][0].as_str().unwrap().to_owned();
    let second = desk.undo(&[made]).await;
    assert_eq!(sums(&second), (1, 0, 0), "{second}");
    desk.house.finish().await;
}

#[tokio::test]
async fn a_credential_that_the_crm_refuses_writes_nothing() {
    let desk = Desk::of(House::builder().configure(|config| {
        config.routes[0].release_credential = Some(Secret::new("expired").into());
    }))
    .await;
    let one = written(&desk, seed::ACME).await;
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    let why = lines(&report).remove(0).why;
    assert!(why.as_str().unwrap().contains("401"), "{why}");
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    desk.house.finish().await;
}

#[tokio::test]
async fn an_agents_write_does_not_slip_between_the_look_and_the_write() {
    let control = Doctored::new();
    let desk = Desk::of(House::builder().control(control.clone())).await;
    let one = written(&desk, seed::ACME).await;
    let gate = Gate::new();
    desk.next(Fault::WaitBeforeEffect(gate.clone()));
    let agent = desk.house.agent();
    let body = json!({ "entries": [one] });
    let undo = desk.revert(&body);
    let meanwhile = async {
        gate.arrived(1).await;
        let mut write = tokio::spawn(async move {
            let body = json!({ "Industry": "Agent", "Phone": "2" });
            agent.patch(&account(seed::ACME), &body).await
        });
        // the agent's write waits for the record
        tokio::select! {
            () = control.waiting(1) => {}
            reply = &mut write => panic!("it went through: {}", reply.unwrap().status),
        }
        gate.open();
        write.await.unwrap()
    };
    let (report, reply) = tokio::join!(undo, meanwhile);
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    entry(&reply);
    // it came after the revert, so it stands
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        "Agent"
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn a_row_that_moves_between_the_look_and_the_write_is_left_alone() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    let gate = Gate::new();
    desk.next(Fault::WaitBeforeEffect(gate.clone()));
    let body = json!({ "entries": [one] });
    let meanwhile = async {
        gate.arrived(1).await;
        let sandbox = &desk.house.sandbox;
        let stamp = || desk.field(Salesforce, "Account", seed::ACME, "LastModifiedDate");
        let before = stamp();
        // its stamps have whole seconds
        while stamp() == before {
            sandbox.set_field(Salesforce, "Account", seed::ACME, "Phone", json!("+49"));
            tokio::task::yield_now().await;
        }
        gate.open();
    };
    let (report, ()) = tokio::join!(desk.revert(&body), meanwhile);
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Phone"),
        "+49"
    );
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        "Software"
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn nothing_is_sent_that_cannot_be_recorded() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    desk.house.ledger.break_down();
    let report = desk.undo(std::slice::from_ref(&one)).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    desk.house.ledger.repair();
    // and the record is free again
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    desk.house.finish().await;
}

#[tokio::test]
async fn a_lost_answer_is_in_doubt_and_said_so() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let builder = House::builder().clock(clock.clone()).configure(|config| {
        config.routes[0].release_credential = Some(Secret::new(BROKER).into());
    });
    let desk = Desk::of(builder).await;
    let one = written(&desk, seed::ACME).await;
    desk.next(Fault::CloseAfterEffect);
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (0, 2, 0), "{report}");
    let why = lines(&report).remove(0).why;
    assert!(why.as_str().unwrap().contains("in doubt"), "{why}");
    assert_eq!(desk.house.count(EntryState::InDoubt).await, 1);
    // and read back like any other, without a restart
    clock.advance_ms(31_000);
    let settled = writegate::doubt::settle_due(&desk.house.worker(), clock.now()).await;
    assert_eq!(settled.len(), 1);
    assert_eq!(desk.house.count(EntryState::Done).await, 2);
    desk.house.finish().await;
}

#[tokio::test]
async fn what_the_crm_changes_at_once_is_not_called_restored() {
    let desk = Desk::open().await;
    let body = json!({ "properties": { "city": "Ulm" } });
    let agent = desk.house.hubspot_agent();
    let one = entry(&agent.patch(&company(seed::HS_ACME), &body).await);
    // the CRM's own automation, between the write's effect and its answer
    let gate = Gate::new();
    desk.house.sandbox.script(
        |head| head.method == Method::PATCH,
        1,
        Fault::WaitAfterEffect(gate.clone()),
    );
    let body = json!({ "entries": [one] });
    let meanwhile = async {
        gate.arrived(1).await;
        let sandbox = &desk.house.sandbox;
        sandbox.set_field(HubSpot, "companies", seed::HS_ACME, "city", json!("ULM"));
        gate.open();
    };
    let (report, ()) = tokio::join!(desk.revert(&body), meanwhile);
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let why = lines(&report).remove(0).why;
    assert_eq!(
        why,
        json!("written back, but the CRM holds another value now")
    );
    desk.house.finish().await;
}

#[tokio::test]
async fn an_operator_who_hangs_up_does_not_stop_it_half_way() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    let gate = Gate::new();
    desk.next(Fault::WaitBeforeEffect(gate.clone()));
    let client = Client::new(desk.admin, OPERATOR);
    let asking = tokio::spawn(async move {
        let body: Value = json!({ "entries": [one] });
        client.post("/api/v1/reverts", &body).await
    });
    gate.arrived(1).await;
    asking.abort();
    gate.open();
    desk.house.idle().await;
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        json!(null)
    );
    assert_eq!(desk.house.count(EntryState::Done).await, 2);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_restart_in_between_changes_nothing() {
    let first = House::builder().build().await;
    let body = json!({ "Industry": "Software", "Phone": "1" });
    let one = entry(&first.agent().patch(&account(seed::ACME), &body).await);
    let folder = Arc::clone(&first.folder);
    first.finish().await;
    let desk = Desk::of(House::builder().folder(&folder)).await;
    // the CRM holds what was written, as it did before the restart
    for (field, value) in body.as_object().unwrap() {
        let sandbox = &desk.house.sandbox;
        sandbox.set_field(Salesforce, "Account", seed::ACME, field, value.clone());
    }
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Phone"),
        "+1 520 555 0101"
    );
}

#[tokio::test]
async fn what_could_not_be_looked_at_again_is_not_called_seen() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    let looks = AtomicUsize::new(0);
    let second = move |head: &writegate::sandbox::Head<'_>| {
        head.method == Method::GET && looks.fetch_add(1, Ordering::SeqCst) == 1
    };
    let fault = Fault::Answer {
        status: 500,
        headers: Vec::new(),
        body: "[]".into(),
    };
    desk.house.sandbox.script(second, 1, fault);
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (2, 0, 0), "{report}");
    for line in lines(&report) {
        assert_eq!(line.why, "written back, not looked at again");
    }
    desk.house.finish().await;
}

#[tokio::test]
async fn a_revert_that_is_being_sent_counts_among_the_writes_under_way() {
    let desk = Desk::open().await;
    let one = written(&desk, seed::ACME).await;
    let gate = Gate::new();
    desk.house.sandbox.script(
        |head| head.headers.contains_key("sforce-auto-assign"),
        1,
        Fault::WaitBeforeEffect(gate.clone()),
    );
    let dana = Client::new(desk.admin, OPERATOR);
    let client = dana.clone();
    let asking = tokio::spawn(async move {
        let body: Value = json!({ "entries": [one] });
        client.post("/api/v1/reverts", &body).await
    });
    gate.arrived(1).await;
    let status = dana.get("/api/v1/status").await.json();
    assert_eq!(status["writes_under_way"], 1, "{status}");
    let wish = json!({ "scope": "writes", "reason": "all of it" });
    let told = dana
        .send(Method::PUT, "/api/v1/switches/*", Some(&wish))
        .await;
    assert_eq!(told.json()["sent"], 1, "{}", told.text());
    gate.open();
    assert_eq!(asking.await.unwrap().status, StatusCode::OK);
    desk.house.finish().await;
}
