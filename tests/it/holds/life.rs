//! The life of a hold: parked, decided, released, collected; and how else it can end.

use http::StatusCode;
use serde_json::json;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::hold::State;
use writegate::journal::read::EntryState;
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::mutation::CrmKind;
use writegate::proxy::releases;
use writegate::sandbox::{Fault, Gate};

use super::{
    Bench, DEAL_DESK, RULES, SALES_OPS, builder, clock, held, hold_of, opportunity,
    without_credentials,
};
use crate::support::client::Client;
use crate::support::house::{OPERATOR, TOKEN};

#[tokio::test]
async fn held_approved_released_and_collected() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let held = bench.stage(&deals[0], "Closed Won").await;
    let id = hold_of(&held);
    assert_eq!(
        held.message(),
        format!(
            "Not written yet: waits for Sales Ops and Deal Desk until 2026-11-23 14:00 UTC. Repeat \
             exactly this request later to get the CRM's answer; do not vary it. Why: \
             Opportunity.StageName is decided by Sales Ops; Stage changes on enterprise deals need \
             two people (rule enterprise-stage). [hold {id}]"
        )
    );
    assert_eq!(held.code(), "WRITEGATE_HELD");
    assert_eq!(held.header("x-should-retry"), Some("false"));
    assert_eq!(held.header("retry-after"), None);
    assert_eq!(held.header("x-writegate-verdict"), Some("hold"));
    let entry = held.header("x-writegate-entry").unwrap().to_owned();
    assert_eq!(id.len(), 4);

    // A repeat attaches: nothing new waits.
    let again = bench.stage(&deals[0], "Closed Won").await;
    assert_eq!(again.message(), held.message());
    assert_eq!(again.header("x-writegate-entry"), Some(entry.as_str()));

    // One of two is not enough, and saying it twice makes no two.
    for _ in 0..2 {
        let approved = bench.approve(SALES_OPS, &id).await;
        assert_eq!(approved.status, StatusCode::OK, "{}", approved.text());
        assert_eq!(approved.json()["state"], "parked");
    }
    assert!(bench.writes().is_empty());
    bench.release(DEAL_DESK, &id).await;
    let writes = bench.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(
        writes[0].body,
        json!({ "StageName": "Closed Won" }).to_string()
    );

    // The CRM's own answer, for ten minutes after it was first delivered.
    for _ in 0..2 {
        let answer = bench.stage(&deals[0], "Closed Won").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
        assert_eq!(answer.header("x-writegate-entry"), Some(entry.as_str()));
        clock.advance_ms(9 * 60_000);
    }
    clock.advance_ms(60_000);
    let new = hold_of(&bench.stage(&deals[0], "Closed Won").await);
    assert_ne!(new, id);
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn the_answer_is_the_crms_byte_for_byte() {
    let (bench, deal, id) = held(builder(RULES), "Prospecting").await;
    bench.house.sandbox.script(
        |head| head.method == http::Method::PATCH,
        1,
        Fault::Answer {
            status: 400,
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("sforce-limit-info".into(), "api-usage=1/10".into()),
                ("set-cookie".into(), "sid=of-the-release".into()),
            ],
            body: "[ {\"message\":\"caf\u{e9}\",\"errorCode\":\"X\"} ]\n".into(),
        },
    );
    bench.release(SALES_OPS, &id).await;
    let answer = bench.stage(&deal, "Prospecting").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.text(),
        "[ {\"message\":\"caf\u{e9}\",\"errorCode\":\"X\"} ]\n"
    );
    assert_eq!(answer.header("sforce-limit-info"), Some("api-usage=1/10"));
    assert_eq!(answer.header("set-cookie"), None);
    bench.finish().await;
}

#[tokio::test]
async fn a_rejected_write_gets_the_reason_until_it_would_have_expired() {
    let clock = clock();
    let (bench, deal, id) = held(builder(RULES).clock(clock.clone()), "Closed Won").await;
    let rejected = bench.reject(SALES_OPS, &id, "  no contract yet ").await;
    assert_eq!(rejected.status, StatusCode::OK, "{}", rejected.text());
    for _ in 0..3 {
        let answer = bench.stage(&deal, "Closed Won").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.code(), "WRITEGATE_REJECTED");
        assert_eq!(
            answer.message(),
            format!(
                "Not written: ann (Sales Ops) said no: \"no contract yet\". Do not send it again. \
                 [hold {id}]"
            )
        );
        clock.advance_ms(2 * 24 * 3_600_000);
    }
    clock.advance_ms(2 * 24 * 3_600_000);
    assert_ne!(hold_of(&bench.stage(&deal, "Closed Won").await), id);
    assert_eq!(bench.house.count(EntryState::Rejected).await, 1);
    bench.finish().await;
}

#[tokio::test]
async fn an_expired_write_is_told_once() {
    let clock = clock();
    let (bench, deal, id) = held(builder(RULES).clock(clock.clone()), "Closed Won").await;
    clock.advance_ms(7 * 24 * 3_600_000);
    let late = bench.approve(SALES_OPS, &id).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.text());
    let answer = bench.stage(&deal, "Closed Won").await;
    assert_eq!(answer.code(), "WRITEGATE_EXPIRED");
    assert_eq!(
        answer.message(),
        "Not written: nobody decided within 7 days. Sending it again opens a new hold."
    );
    assert_ne!(hold_of(&bench.stage(&deal, "Closed Won").await), id);
    assert!(bench.writes().is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn without_a_credential_the_agents_repeat_carries_the_release() {
    let bench = Bench::of(without_credentials(builder(RULES))).await;
    let deals = bench.deals();
    let agent = bench.house.agent().with("x-writegate-intent", "close it");
    let body = json!({ "StageName": "Prospecting" });
    let id = hold_of(&agent.patch(&opportunity(&deals[2]), &body).await);
    let shown = bench.show(&id).await;
    assert_eq!(shown["release"], "with the agent's next repeat");
    assert_eq!(shown["agent_says"]["intent"], "close it");
    let approved = bench.approve(SALES_OPS, &id).await;
    assert_eq!(approved.json()["state"], "approved");
    releases::tick(&bench.house.app).await;
    assert!(bench.writes().is_empty());
    // In another key order it is the same request; what was parked is what is sent.
    let answer = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    let writes = bench.writes();
    assert_eq!(writes.len(), 1);
    let authorization = writes[0].headers.get("authorization").unwrap();
    assert_eq!(authorization.to_str().unwrap(), format!("Bearer {TOKEN}"));
    bench.finish().await;
}

#[tokio::test]
async fn drift_voids_approvals_and_shows_what_moved() {
    let (bench, deal, id) = held(without_credentials(builder(RULES)), "Closed Won").await;
    let first = bench.digest(&id).await;
    bench.approve(SALES_OPS, &id).await;
    bench.moves(&deal, "StageName", json!("Closed Lost"));
    let answer = bench.stage(&deal, "Closed Won").await;
    assert_eq!(hold_of(&answer), id);
    let shown = bench.show(&id).await;
    assert_eq!(shown["state"], "parked");
    assert_eq!(shown["moved"], json!(["Opportunity.StageName"]));
    assert_eq!(shown["approved_by"], json!([]));
    assert_eq!(
        shown["changes"][0]["fields"]["StageName"],
        json!({ "then": "Qualification", "proposed": "Closed Won", "now": "Closed Lost" })
    );
    assert_ne!(shown["digest"], first);
    let stale = bench
        .decide(SALES_OPS, &id, "approve", &json!({ "digest": first }))
        .await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert_eq!(stale.json()["error"]["code"], "digest_differs");
    bench.approve(SALES_OPS, &id).await;
    let answer = bench.stage(&deal, "Closed Won").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(bench.opportunity(&deal, "StageName"), "Closed Won");
    bench.finish().await;
}

#[tokio::test]
async fn a_field_that_nobody_looked_at_is_no_drift_and_one_in_another_form_is_none() {
    let (bench, deal, id) = held(without_credentials(builder(RULES)), "Prospecting").await;
    bench.approve(SALES_OPS, &id).await;
    bench.moves(&deal, "NextStep", json!("call them"));
    bench.moves(&deal, "Amount", json!(18000));
    let answer = bench.stage(&deal, "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    bench.finish().await;
}

#[tokio::test]
async fn a_switch_keeps_an_approved_hold_where_it_is() {
    let (bench, deal, id) = held(builder(RULES), "Prospecting").await;
    let app = &bench.house.app;
    let switch = Switch {
        service_account: "enrichment-agent".into(),
        scope: SwitchScope::Writes,
        by: "dana".into(),
        reason: "look".into(),
        at: app.clock.now(),
        limit: None,
    };
    app.control
        .set_switch(SwitchChange::Throw(switch))
        .await
        .unwrap();
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::Approved).await;
    let slot = bench.slot(&id);
    app.holds
        .wait(&slot, super::PATIENCE, |hold| hold.note.is_none())
        .await;
    let shown = bench.show(&id).await;
    assert_eq!(shown["state"], "approved");
    assert!(
        shown["note"]
            .as_str()
            .unwrap()
            .starts_with("enrichment-agent was stopped at"),
        "{shown}"
    );
    assert_eq!(
        bench.stage(&deal, "Prospecting").await.code(),
        "WRITEGATE_STOPPED"
    );
    app.control
        .set_switch(crate::support::resume_of(&*app.control, "enrichment-agent"))
        .await
        .unwrap();
    assert!(bench.writes().is_empty());
    let answer = bench.stage(&deal, "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    bench.finish().await;
}

#[tokio::test]
async fn while_it_is_being_released_nothing_else_becomes_of_it() {
    let clock = clock();
    let (bench, deal, id) = held(builder(RULES).clock(clock.clone()), "Prospecting").await;
    let gate = Gate::new();
    let look = |head: &writegate::sandbox::Head<'_>| head.method == http::Method::GET;
    bench
        .house
        .sandbox
        .script(look, 1, Fault::WaitBeforeEffect(gate.clone()));
    bench.approve(SALES_OPS, &id).await;
    gate.arrived(1).await;
    assert_eq!(bench.state(&id).await, "releasing");
    let late = bench.reject(OPERATOR, &id, "too late").await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert_eq!(
        bench.approve(OPERATOR, &id).await.status,
        StatusCode::CONFLICT
    );
    clock.advance_ms(7 * 24 * 3_600_000);
    releases::tick(&bench.house.app).await;
    let repeat = bench.stage(&deal, "Prospecting").await;
    assert_eq!(
        repeat.message(),
        format!(
            "Not written yet: approved, and being sent. Repeat exactly this request later to get the \
             CRM's answer; do not vary it. [hold {id}]"
        )
    );
    assert!(bench.writes().is_empty());
    gate.open();
    bench.until(&id, State::Released).await;
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_kill_counts_a_release_that_is_at_the_crm() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let gate = Gate::new();
    let patch = |head: &writegate::sandbox::Head<'_>| head.method == http::Method::PATCH;
    let sandbox = &bench.house.sandbox;
    sandbox.script(patch, 1, Fault::WaitBeforeEffect(gate.clone()));
    bench.approve(SALES_OPS, &id).await;
    gate.arrived(1).await;
    let target = "/api/v1/switches/enrichment-agent";
    let wish = json!({ "scope": "writes", "reason": "look" });
    let put = Some(&wish);
    let killed = bench.operator(OPERATOR);
    let killed = killed.send(http::Method::PUT, target, put).await;
    assert_eq!(killed.json()["sent"], 1, "{}", killed.text());
    gate.open();
    bench.until(&id, State::Released).await;
    bench.finish().await;
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_in_doubt_and_never_sent_again() {
    let (bench, deal, id) = held(builder(RULES), "Prospecting").await;
    let patch = |head: &writegate::sandbox::Head<'_>| head.method == http::Method::PATCH;
    bench
        .house
        .sandbox
        .script(patch, 1, Fault::CloseBeforeEffect);
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::InDoubt).await;
    for _ in 0..2 {
        let answer = bench.stage(&deal, "Prospecting").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.code(), "WRITEGATE_UNKNOWN_OUTCOME");
        assert!(answer.message().starts_with("May have been written: "));
    }
    releases::tick(&bench.house.app).await;
    assert_eq!(
        bench.approve(SALES_OPS, &id).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn the_credential_of_a_release_that_is_refused_sends_nobody_to_log_in() {
    let bench = Bench::new().await;
    let body = json!({ "LastName": "Hopper", "Company": "Navy" });
    let leads = "/services/data/v61.0/sobjects/Lead";
    let held = bench.house.agent().post(leads, &body).await;
    let id = hold_of(&held);
    let post = |head: &writegate::sandbox::Head<'_>| head.method == http::Method::POST;
    let fault = Fault::Answer {
        status: 401,
        headers: Vec::new(),
        body: "[{\"errorCode\":\"INVALID_SESSION_ID\",\"message\":\"x\"}]".into(),
    };
    bench.house.sandbox.script(post, 1, fault);
    bench.approve(SALES_OPS, &id).await;
    bench.until(&id, State::NotSent).await;
    let answer = bench.house.agent().post(leads, &body).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.code(), "WRITEGATE_UPSTREAM");
    assert_eq!(
        answer.message(),
        format!(
            "Not written: it was approved, but the CRM refused the credential of the release. \
             Sending it again opens a new hold. [hold {id}]"
        )
    );
    assert_ne!(hold_of(&bench.house.agent().post(leads, &body).await), id);
    bench.finish().await;
}

#[tokio::test]
async fn what_cannot_be_taken_apart_can_be_held_too() {
    let bench = Bench::new().await;
    let target = "/services/apexrest/scoring";
    let body = json!({ "score": 1 });
    let id = hold_of(&bench.house.agent().post(target, &body).await);
    let other = hold_of(
        &bench
            .house
            .agent()
            .post(target, &json!({ "score": 2 }))
            .await,
    );
    assert_ne!(id, other);
    let shown = bench.show(&id).await;
    assert_eq!(shown["body"], body.to_string());
    assert!(shown["opaque"].is_string());
    bench.approve(OPERATOR, &id).await;
    let slot = bench.slot(&id);
    let holds = &bench.house.app.holds;
    holds
        .wait(&slot, super::PATIENCE, |hold| hold.end.is_none())
        .await;
    let writes = bench.writes();
    assert_eq!(writes.len(), 1);
    assert_eq!(writes[0].body, body.to_string());
    bench.finish().await;
}

/// What was not taken apart goes with its whole query; what may hold a secret in its path is not kept.
#[tokio::test]
async fn what_cannot_be_taken_apart_is_kept_whole_or_not_at_all() {
    let rules = format!("{RULES}  POST /services/apexrest/oauth/**: {{ agents: hold }}\n");
    let bench = Bench::of(builder(&rules)).await;
    let agent = bench.house.agent();
    let target = "/services/apexrest/scoring?dry=false&who=a%20b";
    let body = json!({ "score": 1 });
    let id = hold_of(&agent.post(target, &body).await);
    assert_eq!(bench.show(&id).await["query"], "dry=false&who=a%20b");
    bench.release(OPERATOR, &id).await;
    assert_eq!(bench.writes()[0].target, target);
    let refused = agent
        .post("/services/apexrest/oauth/check/s3cret", &body)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let entry = refused.header("x-writegate-entry").unwrap();
    assert_eq!(
        refused.message(),
        format!(
            "Not written: the request may hold a secret, so it cannot be kept for a person to decide. \
             Repeating this will not help. [entry {entry}]"
        )
    );
    let rows = bench.house.ledger.rows(RowFilter::default()).await.unwrap();
    let all = serde_json::to_string(&rows).unwrap();
    assert!(!all.contains("s3cret"), "{all}");
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn what_cannot_be_taken_apart_is_shown_and_sent_with_its_path_and_query() {
    let bench = Bench::of(builder(RULES)).await;
    let body = json!({ "score": 1 });
    for (target, path, query) in [
        (
            "/services/apexrest/scoring?mode=full",
            "/services/apexrest/scoring",
            json!("mode=full"),
        ),
        (
            "/services/apexrest/scoring",
            "/services/apexrest/scoring",
            json!(null),
        ),
    ] {
        let id = hold_of(&bench.house.agent().post(target, &body).await);
        let shown = bench.show(&id).await;
        assert_eq!((&shown["path"], &shown["query"]), (&json!(path), &query));
        let sent = bench.writes().len();
        bench.approve(OPERATOR, &id).await;
        let ended = |hold: &writegate::hold::Hold| hold.end.is_none();
        let slot = bench.slot(&id);
        let holds = &bench.house.app.holds;
        holds.wait(&slot, super::PATIENCE, ended).await;
        let writes = bench.writes();
        assert_eq!(writes.len(), sent + 1, "{:?}", slot.look().unwrap().end);
        assert_eq!(writes[sent].target, target);
    }
    bench.finish().await;
}

#[tokio::test]
async fn hubspot_holds_speak_hubspots_language() {
    let rules = "
crm: hubspot
default: allow
objects:
  deals: { fields: { dealstage: { agents: hold, owner: Sales Ops } } }
";
    let bench = Bench::of(builder(rules)).await;
    let deal = bench.house.sandbox.ids(CrmKind::HubSpot, "deals").remove(0);
    let agent = bench.house.hubspot_agent();
    let target = format!("/crm/v3/objects/deals/{deal}");
    let body = json!({ "properties": { "dealstage": "closedwon" } });
    let held = agent.patch(&target, &body).await;
    assert_eq!(held.code(), "WRITEGATE_HELD");
    let id = hold_of(&held);
    bench.release(SALES_OPS, &id).await;
    let answer = agent.patch(&target, &body).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["properties"]["dealstage"], "closedwon");
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn a_call_is_kept_open_for_a_decision() {
    let bench = Bench::new().await;
    let target = bench.first("Case");
    let agent = bench.house.agent();
    let dam = bench.house.ledger.hold_all(RowKind::Held);
    let call =
        tokio::spawn(async move { agent.patch(&target, &json!({ "Priority": "Low" })).await });
    dam.arrived(1).await;
    dam.open();
    let app = &bench.house.app;
    let id = loop {
        match app.holds.all().first() {
            Some(hold) => break hold.id.clone(),
            None => tokio::task::yield_now().await,
        }
    };
    bench.approve(OPERATOR, &id).await;
    let answer = call.await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(answer.header("x-writegate-replayed"), Some("true"));
    bench.finish().await;
}

#[tokio::test]
async fn a_call_that_nobody_decides_ends_when_its_wait_is_over() {
    let bench = Bench::new().await;
    let target = bench.first("Contact");
    let began = std::time::Instant::now();
    let held = bench
        .house
        .agent()
        .patch(&target, &json!({ "Title": "COO" }))
        .await;
    hold_of(&held);
    let waited = std::time::Duration::from_secs(1);
    let beside = began.elapsed().checked_sub(waited).unwrap();
    // Waiting for people is not our own time.
    bench.house.idle().await;
    let own = crate::metrics::own_seconds(&bench.house).await;
    assert!(own <= beside.as_secs_f64(), "{own} of {beside:?}");
    bench.finish().await;
}

#[tokio::test]
async fn a_call_that_is_kept_open_ends_with_the_process() {
    let bench = Bench::new().await;
    let target = bench.first("Case");
    bench.house.app.holds.drain();
    let held = bench
        .house
        .agent()
        .patch(&target, &json!({ "Priority": "Low" }))
        .await;
    hold_of(&held);
    bench.finish().await;
}

#[tokio::test]
async fn the_route_tells_its_owner_how_a_hold_stands_and_nobody_else() {
    let (bench, _, id) = held(builder(RULES), "Prospecting").await;
    let before = bench.house.sandbox.requests();
    let target = format!("/_writegate/holds/{}", id.to_lowercase());
    let told = bench.house.agent().get(&target).await;
    assert_eq!(told.status, StatusCode::OK);
    let told = told.json();
    assert_eq!(told["hold"], id.as_str());
    assert_eq!(told["state"], "parked");
    assert_eq!(told["waits_for"], "Sales Ops");
    assert!(told["until"].is_string() && told["reason"].is_string());
    let others = [
        (bench.house.other_agent(), target.clone()),
        (bench.house.hubspot_agent(), target.clone()),
        (bench.house.agent(), "/_writegate/holds/0000".into()),
        (bench.house.agent(), "/_writegate/holds".into()),
        (bench.house.agent(), "/_WRITEGATE/x".into()),
    ];
    for (client, target) in others {
        let reply = client.get(&target).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{target}");
        assert_eq!(reply.code(), "WRITEGATE_NOT_FOUND", "{target}");
    }
    let posted = bench.house.agent().post(&target, &json!({})).await;
    assert_eq!(posted.status, StatusCode::NOT_FOUND);
    let stranger = Client::new(bench.house.salesforce, "nobody")
        .get(&target)
        .await;
    assert_eq!(stranger.code(), "WRITEGATE_UNKNOWN_CALLER");
    assert_eq!(bench.house.sandbox.requests(), before);
    bench.finish().await;
}

/// The rules with three writes an hour and room for two holds.
fn limited() -> String {
    format!(
        "{RULES}
limits:
  - {{ name: hourly, per: service_account, count: mutations, max: 3, window: 1h }}
  - {{ name: queue, per: service_account, count: holds, max: 2 }}
"
    )
}

#[tokio::test]
async fn a_hold_is_charged_once_and_the_queue_has_an_end() {
    let bench = Bench::of(builder(&limited())).await;
    let deals = bench.deals();
    let first = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    hold_of(&bench.stage(&deals[3], "Qualification").await);
    for _ in 0..3 {
        hold_of(&bench.stage(&deals[2], "Prospecting").await);
    }
    let full = bench.stage(&deals[4], "Prospecting").await;
    assert_eq!(full.code(), "WRITEGATE_BUDGET");
    assert_eq!(
        full.message(),
        "Not written: limit queue is used up (2 of 2 holds wait). There is room again when people \
         have decided some; stop until then."
    );
    let usage = |name: &'static str| {
        let app = std::sync::Arc::clone(&bench.house.app);
        async move {
            let usage = app.control.usage(app.clock.now()).await.unwrap();
            usage
                .iter()
                .find(|one| one.limit == name)
                .map_or(0, |one| one.used)
        }
    };
    assert_eq!((usage("hourly").await, usage("queue").await), (2, 2));
    bench.release(SALES_OPS, &first).await;
    // Its row is written before the gauge is given back: a repeat comes after both.
    let answer = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!((usage("hourly").await, usage("queue").await), (2, 1));
    hold_of(&bench.stage(&deals[4], "Prospecting").await);
    assert_eq!(
        bench.stage(&deals[0], "Prospecting").await.code(),
        "WRITEGATE_BUDGET"
    );
    bench.finish().await;
}

#[tokio::test]
async fn a_park_that_cannot_be_recorded_takes_nothing() {
    let bench = Bench::of(builder(&limited())).await;
    let deals = bench.deals();
    bench.house.ledger.break_down();
    let reply = bench.stage(&deals[2], "Prospecting").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    bench.house.ledger.repair();
    let app = &bench.house.app;
    assert!(app.control.usage(app.clock.now()).await.unwrap().is_empty());
    hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let held = RowFilter {
        kinds: vec![RowKind::Held],
        ..RowFilter::default()
    };
    assert_eq!(bench.house.ledger.rows(held).await.unwrap().len(), 1);
    bench.finish().await;
}

#[tokio::test]
async fn no_credential_is_kept_with_a_hold() {
    let (bench, deal, id) = held(builder(RULES), "Prospecting").await;
    bench.release(SALES_OPS, &id).await;
    bench.stage(&deal, "Prospecting").await;
    let rows = bench.house.ledger.rows(RowFilter::default()).await.unwrap();
    let all = serde_json::to_string(&rows).unwrap();
    assert!(!all.contains("canary"), "a token is in the ledger");
    bench.finish().await;
}
