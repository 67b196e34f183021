//! Where rules with the origin of reverts say hold, a revert waits: for other people than the one who
//! asked, and it is released like an agent's write.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use writegate::clock::{Clock, ManualClock, SystemClock};
use writegate::config::{Fingerprint, Operator, Role};
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::hold::{Hold, State};
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind::{HubSpot, Salesforce};
use writegate::proxy::releases;
use writegate::sandbox::{Fault, Options, Sandbox, Token, seed};

use super::super::support::client::{Client, Reply};
use super::super::support::house::{APPROVER, BROKER, Builder, House, OPEN_RULES, OPERATOR, TOKEN};
use super::super::support::program::Program;
use super::{Desk, account, company, entry, lines, sums};

/// Accounts are looked at twice unless they are cold; what is large is not taken back at all.
const RULES: &str = "
crm: salesforce
rules:
  - name: second-look
    applies: { origin: revert, object: Account }
    when: { not: { before.Rating: Cold } }
    then: hold
    approvers: [Sales Ops]
    reason: Accounts are looked at twice.
  - { name: large, applies: { origin: revert }, when: { before.AnnualRevenue: { at_least: 500000000 } }, then: deny }
";
const HUBSPOT_RULES: &str = "
crm: hubspot
rules:
  - { name: twice, applies: { origin: revert }, then: hold }
";

fn builder() -> Builder {
    House::builder().and_rules(RULES).and_rules(HUBSPOT_RULES)
}

async fn desk() -> Desk {
    Desk::of(builder()).await
}

/// The agent's write to an account: its entry.
async fn written(desk: &Desk, id: &str, fields: &Value) -> String {
    entry(&desk.house.agent().patch(&account(id), fields).await)
}

/// Software and hot.
fn hot() -> Value {
    json!({ "Industry": "Software", "Rating": "Hot" })
}

async fn show(desk: &Desk, hold: &str) -> Value {
    let dana = Client::new(desk.admin, OPERATOR);
    dana.get(&format!("/api/v1/holds/{hold}")).await.json()
}

/// Says yes to what is shown.
async fn approve(desk: &Desk, token: &str, hold: &str) -> Reply {
    let digest = show(desk, hold).await["digest"].clone();
    let target = format!("/api/v1/holds/{hold}/approve");
    let body = json!({ "digest": digest });
    Client::new(desk.admin, token).post(&target, &body).await
}

/// Returns when a hold stands so.
async fn until(desk: &Desk, hold: &str, state: State) {
    let app = &desk.house.app;
    let slot = app.holds.by_id(hold).unwrap();
    let other = |hold: &Hold| hold.state(&app.config) != state;
    app.holds.wait(&slot, super::PATIENCE, other).await;
    let now = slot.look().unwrap();
    assert_eq!(
        now.state(&app.config),
        state,
        "{:?} {:?}",
        now.note,
        now.end
    );
}

/// The one hold of a report.
fn hold_of(report: &Value) -> String {
    let mut holds: Vec<&str> = report["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["hold"].as_str())
        .collect();
    holds.dedup();
    assert_eq!(holds.len(), 1, "{report}");
    holds[0].to_owned()
}

/// A revert of these entries, all of which waits: its hold.
async fn waiting(desk: &Desk, entries: &[String]) -> String {
    let report = desk.undo(entries).await;
    let hold = hold_of(&report);
    assert_eq!(sums(&report), (0, 0, 0), "{report}");
    assert!(report["summary"]["waits"].as_u64().unwrap() > 0);
    assert_eq!(report["summary"]["made"], json!([]));
    let told = format!("waits for Sales Ops [hold {hold}]");
    assert!(lines(&report).iter().all(|line| line.action == "waits"));
    assert!(
        lines(&report).iter().all(|line| line.why == *told),
        "{report}"
    );
    hold
}

#[tokio::test]
async fn it_waits_for_another_person_and_is_then_carried_out() {
    let desk = desk().await;
    let one = written(&desk, seed::ACME, &hot()).await;
    let hold = waiting(&desk, std::slice::from_ref(&one)).await;
    let shown = show(&desk, &hold).await;
    assert_eq!(shown["state"], "parked");
    assert_eq!(shown["service_account"], "operator:ann");
    assert_eq!(shown["takes_back"], json!([one]));
    assert_eq!(
        shown["changes"][0]["fields"]["Industry"],
        json!({ "then": "Software", "proposed": null, "now": "Software" })
    );
    assert_eq!(desk.house.sandbox.writes().len(), 1);
    // ann asked for it
    let own = approve(&desk, APPROVER, &hold).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text());
    assert_eq!(
        own.json()["error"]["message"],
        "ann asked for this revert: somebody else decides"
    );
    let yes = approve(&desk, OPERATOR, &hold).await;
    assert_eq!(yes.status, StatusCode::OK, "{}", yes.text());
    until(&desk, &hold, State::Released).await;
    desk.house.idle().await;
    let field = |name: &str| desk.field(Salesforce, "Account", seed::ACME, name);
    assert_eq!(
        (field("Industry"), field("Rating")),
        (json!(null), json!(null))
    );
    let sent = desk.house.sandbox.writes().pop().unwrap();
    assert_eq!(sent.headers["sforce-auto-assign"], "FALSE");
    assert_eq!(sent.headers["authorization"], format!("Bearer {BROKER}"));
    assert!(sent.headers.contains_key("if-unmodified-since"));
    // its row is one of a revert
    let filter = RowFilter {
        kinds: vec![RowKind::Opened],
        newest_first: true,
        limit: 1,
        ..RowFilter::default()
    };
    let row = desk.house.ledger.rows(filter).await.unwrap().remove(0);
    assert_eq!(row.meta["reverts"], json!([one]));
    assert_eq!(row.meta["origin"], "revert");
    assert_eq!(row.meta["actor"]["service_account"], "operator:ann");
    assert_eq!(shown["entry"], row.entry.as_str());
    // and can be reverted: what was blank is written again
    let back = desk.undo(&[row.entry.to_string()]).await;
    let second = hold_of(&back);
    approve(&desk, OPERATOR, &second).await;
    until(&desk, &second, State::Released).await;
    assert_eq!(field("Industry"), "Software");
    desk.house.idle().await;
    desk.house.finish().await;
}

#[tokio::test]
async fn nobody_approves_a_revert_of_their_own_under_any_name() {
    let desk = Desk::of(builder().configure(|config| {
        for (name, token) in [("Ann ", "ann-1"), ("ANN@acme.example", "ann-2")] {
            config.operators.push(Operator {
                name: name.into(),
                roles: vec![Role::Admin],
                teams: vec!["Sales Ops".into()],
                token: Fingerprint::of(token.as_bytes()),
            });
        }
    }))
    .await;
    let one = written(&desk, seed::ACME, &hot()).await;
    let hold = waiting(&desk, &[one]).await;
    for token in [APPROVER, "ann-1", "ann-2"] {
        let reply = approve(&desk, token, &hold).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{}", reply.text());
    }
    assert_eq!(show(&desk, &hold).await["state"], "parked");
    desk.house.finish().await;
}

#[tokio::test]
async fn what_others_changed_meanwhile_is_left_alone_whoever_agrees() {
    let desk = desk().await;
    let one = written(&desk, seed::ACME, &hot()).await;
    let hold = waiting(&desk, std::slice::from_ref(&one)).await;
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(
        Salesforce,
        "Account",
        seed::ACME,
        "Industry",
        json!("Media"),
    );
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::Denied).await;
    let shown = show(&desk, &hold).await;
    assert_eq!(
        shown["ended"]["reason"],
        "Account.Industry changed since it was asked for. Ask for the revert again: it leaves that \
         alone."
    );
    assert_eq!(sandbox.writes().len(), 1);
    assert_eq!(desk.house.count(EntryState::Refused).await, 1);
    // what is left is asked for anew
    let report = desk.undo(&[one]).await;
    assert_eq!(sums(&report), (0, 1, 0), "{report}");
    let again = hold_of(&report);
    assert_ne!(again, hold);
    approve(&desk, OPERATOR, &again).await;
    until(&desk, &again, State::Released).await;
    let field = |name: &str| desk.field(Salesforce, "Account", seed::ACME, name);
    assert_eq!(
        (field("Industry"), field("Rating")),
        (json!("Media"), json!(null))
    );
    desk.house.idle().await;
    desk.house.finish().await;
}

#[tokio::test]
async fn what_a_rule_looks_at_is_shown_again_when_it_moved() {
    let desk = desk().await;
    let one = written(&desk, seed::ACME, &json!({ "Industry": "Software" })).await;
    let hold = waiting(&desk, &[one]).await;
    let sandbox = &desk.house.sandbox;
    sandbox.set_field(Salesforce, "Account", seed::ACME, "Rating", json!("Hot"));
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::Parked).await;
    let moved = show(&desk, &hold).await["moved"].clone();
    assert_eq!(moved, json!(["Account.Rating"]));
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::Released).await;
    let industry = desk.field(Salesforce, "Account", seed::ACME, "Industry");
    assert_eq!(industry, json!(null));
    desk.house.idle().await;
    desk.house.finish().await;
}

#[tokio::test]
async fn of_one_request_each_record_goes_its_own_way() {
    let desk = desk().await;
    let record = |id: &str, rating: &str| json!({ "attributes": { "type": "Account" }, "id": id, "Rating": rating });
    let body = json!({ "records": [
        record(seed::GLOBEX, "Hot"), record(seed::ACME, "Hot"), record(seed::WAYNE, "Cold"),
    ]});
    let path = "/services/data/v60.0/composite/sobjects";
    let one = entry(&desk.house.agent().patch(path, &body).await);
    let wish = |dry_run: bool| json!({ "entries": [one], "dry_run": dry_run });
    let dry = desk.revert(&wish(true)).await;
    assert_eq!(sums(&dry), (1, 0, 1), "{dry}");
    assert_eq!(lines(&dry)[1].why, "would wait for Sales Ops");
    assert!(desk.house.app.holds.all().is_empty());
    let report = desk.revert(&wish(false)).await;
    assert_eq!(sums(&report), (1, 0, 1), "{report}");
    let actions: Vec<String> = lines(&report).into_iter().map(|line| line.action).collect();
    assert_eq!(actions, ["impossible", "waits", "restored"]);
    let rating = |id: &str| desk.field(Salesforce, "Account", id, "Rating");
    assert_eq!(
        (rating(seed::GLOBEX), rating(seed::ACME)),
        (json!("Hot"), json!("Hot"))
    );
    assert_ne!(rating(seed::WAYNE), "Cold");
    // the hold is about its record alone
    let hold = hold_of(&report);
    let changes = show(&desk, &hold).await["changes"].clone();
    assert_eq!(changes.as_array().unwrap().len(), 1);
    assert_eq!(changes[0]["record"]["id"], seed::ACME);
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::Released).await;
    assert_eq!(
        (rating(seed::GLOBEX), rating(seed::ACME)),
        (json!("Hot"), json!(null))
    );
    desk.house.idle().await;
    desk.house.finish().await;
}

#[tokio::test]
async fn the_same_revert_waits_once_until_something_became_of_it() {
    let desk = desk().await;
    let one = written(&desk, seed::ACME, &hot()).await;
    let hold = waiting(&desk, std::slice::from_ref(&one)).await;
    assert_eq!(waiting(&desk, std::slice::from_ref(&one)).await, hold);
    let no = Client::new(desk.admin, OPERATOR)
        .post(
            &format!("/api/v1/holds/{hold}/reject"),
            &json!({ "reason": "keep it" }),
        )
        .await;
    assert_eq!(no.status, StatusCode::OK, "{}", no.text());
    assert_eq!(desk.house.count(EntryState::Rejected).await, 1);
    let again = waiting(&desk, std::slice::from_ref(&one)).await;
    assert_ne!(again, hold);
    approve(&desk, OPERATOR, &again).await;
    until(&desk, &again, State::Released).await;
    desk.house.idle().await;
    // and once more the agent, and once more a revert
    let two = written(&desk, seed::ACME, &hot()).await;
    assert_ne!(waiting(&desk, &[two]).await, again);
    desk.house.finish().await;
}

#[tokio::test]
async fn a_restart_in_between_changes_nothing() {
    let first = desk().await;
    let one = written(&first, seed::ACME, &hot()).await;
    let hold = waiting(&first, &[one]).await;
    let crm = Arc::clone(&first.house.sandbox);
    let folder = first.house.close().await;
    let desk = Desk::of(builder().folder(&folder).crm(&crm)).await;
    let own = approve(&desk, APPROVER, &hold).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN, "{}", own.text());
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::Released).await;
    assert_eq!(
        desk.field(Salesforce, "Account", seed::ACME, "Industry"),
        json!(null)
    );
    desk.house.idle().await;
    // after one more, nobody sends it again
    let folder = desk.house.close().await;
    let desk = Desk::of(builder().folder(&folder).crm(&crm)).await;
    releases::tick(&desk.house.app).await;
    desk.house.idle().await;
    assert_eq!(show(&desk, &hold).await["state"], "released");
    assert_eq!(crm.writes().len(), 2);
}

/// A record that the agent made is deleted only as it was shown.
#[tokio::test]
async fn a_record_that_was_made_is_deleted_if_nobody_touched_it() {
    for touched in [false, true] {
        let desk = desk().await;
        let agent = desk.house.hubspot_agent();
        let body = json!({ "properties": { "name": "Nakatomi" } });
        let made = agent.post("/crm/v3/objects/companies", &body).await;
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let report = desk.undo(&[entry(&made)]).await;
        let hold = hold_of(&report);
        if touched {
            desk.touch("companies", &id, "name", "Nakatomi Plaza");
            desk.touch("companies", &id, "name", "Nakatomi");
        }
        approve(&desk, OPERATOR, &hold).await;
        let end = if touched {
            State::Denied
        } else {
            State::Released
        };
        until(&desk, &hold, end).await;
        let left = desk.house.sandbox.record(HubSpot, "companies", &id);
        assert_eq!(left.is_some(), touched);
        desk.house.idle().await;
        desk.house.finish().await;
    }
}

#[tokio::test]
async fn a_switch_keeps_it_where_it_is_and_a_denial_ends_it() {
    let desk = desk().await;
    let one = written(&desk, seed::ACME, &hot()).await;
    let hold = waiting(&desk, &[one]).await;
    let app = &desk.house.app;
    let switch = Switch {
        service_account: "*".into(),
        scope: SwitchScope::Writes,
        by: "dana".into(),
        reason: "look".into(),
        at: app.clock.now(),
        limit: None,
    };
    let change = SwitchChange::Throw(switch);
    app.control.set_switch(change).await.unwrap();
    approve(&desk, OPERATOR, &hold).await;
    desk.house.idle().await;
    assert_eq!(show(&desk, &hold).await["state"], "approved");
    let resume = crate::support::resume_of(&*app.control, "*");
    app.control.set_switch(resume).await.unwrap();
    let sandbox = &desk.house.sandbox;
    let much = json!(600_000_000);
    sandbox.set_field(Salesforce, "Account", seed::ACME, "AnnualRevenue", much);
    // as the clockwork would, half a minute later
    app.holds
        .by_id(&hold)
        .unwrap()
        .turn()
        .await
        .note(|hold| hold.retry_at = None);
    releases::all(app);
    until(&desk, &hold, State::Denied).await;
    assert_eq!(sandbox.writes().len(), 1);
    desk.house.idle().await;
    desk.house.finish().await;
}

#[tokio::test]
async fn one_that_is_in_doubt_is_settled_like_any_other() {
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let desk = Desk::of(builder().clock(clock.clone()).configure(|config| {
        config.routes[1].release_credential = Some(writegate::config::Secret::new(BROKER).into());
    }))
    .await;
    let body = json!({ "properties": { "city": "Ulm" } });
    let agent = desk.house.hubspot_agent();
    let one = entry(&agent.patch(&company(seed::HS_ACME), &body).await);
    let hold = hold_of(&desk.undo(&[one]).await);
    let patch = |head: &writegate::sandbox::Head<'_>| head.method == http::Method::PATCH;
    desk.house.sandbox.script(patch, 1, Fault::CloseAfterEffect);
    approve(&desk, OPERATOR, &hold).await;
    until(&desk, &hold, State::InDoubt).await;
    desk.house.idle().await;
    clock.advance_ms(31_000);
    let settled = writegate::doubt::settle_due(&desk.house.worker(), clock.now()).await;
    assert_eq!(settled.len(), 1);
    releases::tick(&desk.house.app).await;
    assert_eq!(show(&desk, &hold).await["state"], "settled");
    assert_eq!(desk.house.count(EntryState::Done).await, 2);
    desk.house.finish().await;
}

#[tokio::test]
async fn the_command_line_tells_what_waits() {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(BROKER));
    let listen = "127.0.0.1:0".parse().unwrap();
    let crm = Sandbox::start(listen, options).await.unwrap();
    let starting = Program::before(&crm.base_url())
        .rules(&[("open.yaml", OPEN_RULES), ("rules.yaml", RULES)])
        .route(", release_credential: { env: BROKER }");
    let program = tokio::task::spawn_blocking(|| starting.start());
    let program = program.await.unwrap();
    let one = entry(&program.agent().patch(&account(seed::ACME), &hot()).await);
    let (undo, list, show) = tokio::task::spawn_blocking(move || {
        let undo = program.verb_as(APPROVER, &["revert", &one]);
        let list = program.verb(&["holds", "list", "--as", "operator:ann"]);
        let (_, hold) = undo.out.split_once("[hold ").unwrap();
        let hold = hold.split(']').next().unwrap().to_owned();
        let show = program.verb(&["holds", "show", &hold]);
        assert!(show.out.contains(&one), "{}", show.out);
        (undo, list, show)
    })
    .await
    .unwrap();
    assert_eq!(undo.code, Some(1), "{}", undo.err);
    assert!(
        undo.out.contains("waits for Sales Ops [hold "),
        "{}",
        undo.out
    );
    let sum = "0 restored · 0 skipped · 0 impossible · 2 waiting for people, of 1 entries\n";
    assert!(undo.out.ends_with(sum), "{}", undo.out);
    assert!(list.out.contains("operator:ann"), "{}", list.out);
    assert!(show.out.contains("takes back"), "{}", show.out);
}
