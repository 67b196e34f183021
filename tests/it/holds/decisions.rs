//! The operator API for holds: lists, what is shown, and which status a decision gets.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use writegate::ledger::{Ledger, RowFilter, RowKind};
use writegate::proxy::releases;

use super::{Bench, DEAL_DESK, OWNER, RULES, SALES_OPS, builder, clock, hold_of, opportunity};
use crate::support::house::{OPERATOR, TOKEN, VIEWER};

#[tokio::test]
async fn a_hold_shows_all_that_an_approver_has_to_see() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let agent = bench
        .house
        .agent()
        .with("x-writegate-intent", "close the deal")
        .with("x-writegate-confidence", "0.9");
    let body = json!({ "StageName": "Closed Won", "NextStep": "party" });
    let id = hold_of(&agent.patch(&opportunity(&deals[1]), &body).await);
    bench.approve(SALES_OPS, &id).await;
    let shown = bench.show(&id).await;
    let expected = json!({
        "id": id,
        "state": "parked",
        "service_account": "enrichment-agent",
        "route": "salesforce",
        "method": "PATCH",
        "path": opportunity(&deals[1]),
        "query": null,
        "at": "2026-11-20T14:00:00Z",
        "until": "2026-11-23T14:00:00Z",
        "rules": ["field Opportunity.StageName", "rule enterprise-stage"],
        "waits_for": "Deal Desk",
        "approved_by": ["ann"],
        "agent_says": { "intent": "close the deal", "confidence": "0.9" },
        "requirements": [{ "asks": "Sales Ops and Deal Desk", "met": false }],
        "release": "now",
        "opaque": null,
        "moved": null,
        "note": null,
        "ended": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[name], value, "{name}");
    }
    assert_eq!(shown["approvals"][0]["by"], "ann");
    let change = &shown["changes"][0];
    assert_eq!(change["object"], "Opportunity");
    assert_eq!(change["operation"], "update");
    assert_eq!(change["undo"], "full");
    assert_eq!(
        change["fields"],
        json!({
            "Amount": { "then": 480_000.0, "now": 480_000.0 },
            "NextStep": {
                "then": "Send revised quote", "proposed": "party", "now": "Send revised quote",
            },
            "StageName": {
                "then": "Proposal/Price Quote", "proposed": "Closed Won",
                "now": "Proposal/Price Quote",
            },
        })
    );
    assert_eq!(shown["digest"].as_str().unwrap().len(), 64);
    bench.finish().await;
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let mut ids = Vec::new();
    for stage in ["Prospecting", "Closed Lost", "Closed Won"] {
        ids.push(hold_of(&bench.stage(&deals[2], stage).await));
    }
    let body = json!({ "StageName": "Prospecting" });
    let other = bench.house.other_agent();
    let theirs = hold_of(&other.patch(&opportunity(&deals[2]), &body).await);
    bench.reject(SALES_OPS, &ids[1], "no").await;
    let list = |query: &'static str| {
        let client = bench.operator(VIEWER);
        async move {
            let page = client.get(&format!("/api/v1/holds{query}")).await;
            assert_eq!(page.status, StatusCode::OK, "{}", page.text());
            page.json()
        }
    };
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
        items.iter().map(id).collect()
    };
    let all = [&ids[0], &ids[1], &ids[2], &theirs].map(Clone::clone);
    let mut listed = names(&list("").await);
    listed.sort();
    let mut sorted = all.to_vec();
    sorted.sort();
    assert_eq!(listed, sorted);
    assert_eq!(names(&list("?state=rejected").await), [ids[1].clone()]);
    assert_eq!(
        names(&list("?state=open&service_account=sdr-agent").await),
        [theirs]
    );
    assert_eq!(names(&list("?state=released").await).len(), 0);
    let first = list("?limit=3").await;
    assert_eq!(names(&first).len(), 3);
    let next = first["next"].as_str().unwrap();
    let rest = bench
        .operator(VIEWER)
        .get(&format!("/api/v1/holds?after={next}"))
        .await
        .json();
    assert_eq!((names(&rest).len(), &rest["next"]), (1, &Value::Null));
    let wrong = bench.operator(VIEWER).get("/api/v1/holds?state=x").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let status = bench.operator(VIEWER).get("/api/v1/status").await.json();
    assert_eq!(status["holds"], 3);
    assert_eq!(
        status["routes"][0]["releases"],
        "broker credentials, else the agent's next repeat"
    );
    bench.finish().await;
}

#[tokio::test]
async fn each_mistake_has_its_status() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let digest = bench.digest(&id).await;
    let yes = json!({ "digest": digest });
    let cases = [
        ("", "approve", yes.clone(), 401),
        ("nobody", "approve", yes.clone(), 401),
        (TOKEN, "approve", yes.clone(), 401),
        (VIEWER, "approve", yes.clone(), 403),
        (VIEWER, "reject", json!({ "reason": "x" }), 403),
        (OWNER, "approve", yes.clone(), 403),
        (OWNER, "reject", json!({ "reason": "x" }), 403),
        (DEAL_DESK, "approve", yes.clone(), 403),
        (SALES_OPS, "approve", json!({}), 422),
        (SALES_OPS, "approve", json!({ "digest": 5 }), 422),
        (SALES_OPS, "approve", json!({ "digest": [digest] }), 422),
        (
            SALES_OPS,
            "approve",
            json!({ "digest": "0".repeat(64) }),
            409,
        ),
        (SALES_OPS, "approve", json!({ "digest": "" }), 409),
        (SALES_OPS, "reject", json!({}), 422),
        (SALES_OPS, "reject", json!({ "reason": " \n " }), 422),
        (
            SALES_OPS,
            "reject",
            json!({ "reason": "x".repeat(1001) }),
            422,
        ),
        (
            SALES_OPS,
            "reject",
            json!({ "reason": "x", "digest": "y" }),
            409,
        ),
    ];
    for (token, what, body, status) in cases {
        let reply = bench.decide(token, &id, what, &body).await;
        assert_eq!(
            reply.status.as_u16(),
            status,
            "{token} {what} {body}: {}",
            reply.text()
        );
        assert!(reply.json()["error"]["message"].is_string());
    }
    let gone = bench.decide(SALES_OPS, "0000", "approve", &yes).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let client = bench.operator(SALES_OPS);
    let target = format!("/api/v1/holds/{id}/approve");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let reply = client.send(method, &target, Some(&yes)).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let twice = format!("{{\"digest\":\"{digest}\",\"digest\":\"x\"}}");
    let reply = client.raw(Method::POST, &target, Some(twice.into())).await;
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.state(&id).await, "parked");
    let decided = RowFilter {
        kinds: vec![RowKind::Decided],
        ..RowFilter::default()
    };
    assert!(bench.house.ledger.rows(decided).await.unwrap().is_empty());
    bench.finish().await;
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_to_who_may_ask() {
    let bench = Bench::new().await;
    for target in [
        "holds?limit=x",
        "holds?limit=1&limit=2",
        "holds?service-account=sdr-agent",
        "entries?state=nowhere",
        "entries?since=yesterday",
        "entries?before=1",
    ] {
        let target = format!("/api/v1/{target}");
        let stranger = bench.operator("").get(&target).await;
        assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{target}");
        assert!(stranger.json()["error"]["message"].is_string());
        let viewer = bench.operator(VIEWER).get(&target).await;
        assert_eq!(viewer.status, StatusCode::UNPROCESSABLE_ENTITY, "{target}");
        assert!(viewer.json()["error"]["message"].is_string(), "{target}");
    }
    bench.finish().await;
}

#[tokio::test]
async fn what_ended_long_ago_is_known_by_its_entry_alone() {
    let clock = clock();
    let bench = Bench::of(builder(RULES).clock(clock.clone())).await;
    let deals = bench.deals();
    let no = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let late = hold_of(&bench.stage(&deals[2], "Closed Won").await);
    bench.reject(SALES_OPS, &no, "no contract").await;
    for days in [8, 31] {
        clock.advance_ms(days * 24 * 3_600_000);
        releases::tick(&bench.house.app).await;
    }
    assert_eq!(bench.state(&no).await, "rejected");
    let yes = json!({ "digest": bench.digest(&no).await });
    let decided = bench.decide(SALES_OPS, &no, "approve", &yes).await;
    assert_eq!(decided.status, StatusCode::CONFLICT, "{}", decided.text());
    assert_eq!(decided.json()["error"]["code"], "state_moved");
    // As after a restart, which would not know of it either.
    assert_ne!(hold_of(&bench.stage(&deals[2], "Closed Won").await), late);
    bench.finish().await;
}

#[tokio::test]
async fn a_decision_that_cannot_be_recorded_is_none() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let digest = bench.digest(&id).await;
    bench.house.ledger.break_down();
    let yes = json!({ "digest": digest });
    let reply = bench.decide(SALES_OPS, &id, "approve", &yes).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    bench.house.ledger.repair();
    assert_eq!(bench.state(&id).await, "parked");
    assert!(bench.writes().is_empty());
    bench.release(OPERATOR, &id).await;
    bench.finish().await;
}

#[tokio::test]
async fn who_leaves_before_the_answer_has_decided_all_the_same() {
    let bench = Bench::new().await;
    let deals = bench.deals();
    let id = hold_of(&bench.stage(&deals[2], "Prospecting").await);
    let digest = bench.digest(&id).await;
    let dam = bench.house.ledger.hold_all(RowKind::Decided);
    let client = bench.operator(SALES_OPS);
    let target = format!("/api/v1/holds/{id}/approve");
    let asking =
        tokio::spawn(async move { client.post(&target, &json!({ "digest": digest })).await });
    dam.arrived(1).await;
    asking.abort();
    assert!(asking.await.is_err());
    dam.open();
    bench.until(&id, writegate::hold::State::Released).await;
    assert_eq!(bench.writes().len(), 1);
    bench.finish().await;
}
