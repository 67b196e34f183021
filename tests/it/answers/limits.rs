//! Limits, budgets and the kill switch.

use std::sync::Arc;

use serde_json::{Value, json};
use writegate::clock::Clock;
use writegate::control::{Switch, SwitchChange, SwitchScope};
use writegate::journal::read::EntryState;
use writegate::mutation::CrmKind;

use super::{BOTH, clock, expected, house_with, recorded, update};
use crate::support::client::Reply;
use crate::support::house::{Builder, House};

/// Everything is allowed but for these limits, which stand in the CRM's own rules.
fn limited(clock: Arc<dyn Clock>, crm: CrmKind, limits: &[&str]) -> Builder {
    let rules = |of: CrmKind| {
        let mut text = format!(
            "crm: {of}\ndefault: allow\nobjects: {{ '*': {{ create: {{ agents: allow }} }} }}\n"
        );
        if of == crm {
            text.push_str("limits:\n");
            text.extend(limits.iter().map(|limit| format!("  - {limit}\n")));
        }
        text
    };
    let [salesforce, hubspot] = BOTH.map(rules);
    house_with(clock, &salesforce, &hubspot)
}

async fn write(house: &House, crm: CrmKind) -> Reply {
    let (target, body) = update(crm);
    house.agent_of(crm).patch(&target, &body).await
}

async fn three_creates(house: &House, crm: CrmKind) -> Reply {
    let rows: Value = (0..3)
        .map(|row| match crm {
            CrmKind::Salesforce => {
                json!({ "attributes": { "type": "Account" }, "Name": format!("New {row}") })
            }
            CrmKind::HubSpot => json!({ "properties": { "name": format!("New {row}") } }),
        })
        .collect();
    let agent = house.agent_of(crm);
    match crm {
        CrmKind::Salesforce => {
            let target = "/services/data/v60.0/composite/sobjects";
            agent.post(target, &json!({ "records": rows })).await
        }
        CrmKind::HubSpot => {
            let target = "/crm/v3/objects/companies/batch/create";
            agent.post(target, &json!({ "inputs": rows })).await
        }
    }
}

#[tokio::test]
async fn a_rate() {
    for crm in BOTH {
        let clock = clock();
        let limits = [
            "{ name: burst, per: service_account, rate: 10/s, burst: 2 }",
            "{ name: slow, per: object, rate: 20/m, burst: 3 }",
        ];
        let house = limited(clock.clone(), crm, &limits).build().await;
        for _ in 0..2 {
            assert!(write(&house, crm).await.status.is_success());
        }
        let reply = write(&house, crm).await;
        let says = expected(
            429,
            "WRITEGATE_LIMITED",
            "Not written: limit burst allows 10 per second. Try again in 1 s.",
        );
        let entry = says.after("1").check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        // After that second there is room again, and then the other limit is reached.
        clock.advance_ms(1000);
        assert!(write(&house, crm).await.status.is_success());
        let reply = write(&house, crm).await;
        let says = expected(
            429,
            "WRITEGATE_LIMITED",
            "Not written: limit slow allows 20 per minute. Try again in 2 s.",
        );
        says.after("2").check(&reply, crm);
        house.finish().await;
    }
}

#[tokio::test]
async fn a_budget() {
    for crm in BOTH {
        let limit = "{ name: hourly, per: service_account, count: mutations, max: 2, window: 1h }";
        let house = limited(clock(), crm, &[limit]).build().await;
        // More at once than there ever is: told before anything is used, and nothing is.
        let reply = three_creates(&house, crm).await;
        let says = expected(
            403,
            "WRITEGATE_BUDGET",
            "Not written: this request alone has 3 mutations, and limit hourly allows 2 in 1 h; 2 \
             fit now. Send fewer at a time.",
        );
        let entry = says.check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        for _ in 0..2 {
            assert!(write(&house, crm).await.status.is_success());
        }
        let reply = write(&house, crm).await;
        let says = expected(
            403,
            "WRITEGATE_BUDGET",
            "Not written: limit hourly is used up (2 of 2 mutations in 1 h). Room again at 15:02 \
             UTC; stop until then.",
        );
        let entry = says.check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        assert_eq!(house.sandbox.writes().len(), 2);
        house.finish().await;
    }
}

/// At the minute that a message names there is room.
#[tokio::test]
async fn there_is_room_when_the_message_says_so() {
    let clock = clock();
    let limit = "{ name: hourly, per: service_account, count: mutations, max: 1, window: 1h }";
    let house = limited(clock.clone(), CrmKind::Salesforce, &[limit]);
    let house = house.build().await;
    clock.advance_ms(61_500);
    assert_eq!(write(&house, CrmKind::Salesforce).await.status, 204);
    let reply = write(&house, CrmKind::Salesforce).await;
    assert!(
        reply.message().contains("Room again at 15:04 UTC"),
        "{}",
        reply.message()
    );
    clock.set("2026-11-20T15:03:00Z".parse().unwrap());
    assert_eq!(write(&house, CrmKind::Salesforce).await.status, 403);
    clock.set("2026-11-20T15:04:00Z".parse().unwrap());
    assert_eq!(write(&house, CrmKind::Salesforce).await.status, 204);
    house.finish().await;
}

#[tokio::test]
async fn a_limit_that_holds() {
    for crm in BOTH {
        let limit =
            "{ name: churn, per: record, count: mutations, max: 1, window: 1d, then: hold }";
        let house = limited(clock(), crm, &[limit]).build().await;
        assert!(write(&house, crm).await.status.is_success());
        let reply = write(&house, crm).await;
        let says = expected(
            423,
            "WRITEGATE_HELD",
            "Not written yet: waits for an approver until 2026-11-27 14:02 UTC. Repeat exactly this \
             request later to get the CRM's answer; do not vary it. Why: limit churn is passed. [hold \
             {hold}]",
        );
        says.verdict(Some("hold")).check(&reply, crm);
        assert_eq!(house.entries().await[0].state, EntryState::Held);
        house.finish().await;
    }
}

fn switch(scope: SwitchScope) -> SwitchChange {
    SwitchChange::Throw(Switch {
        service_account: "enrichment-agent".into(),
        scope,
        by: "dana".into(),
        reason: "looks wrong".into(),
        at: "2026-11-20T14:02:00Z".parse().unwrap(),
        limit: None,
    })
}

#[tokio::test]
async fn the_kill_switch() {
    let words = "Not written: enrichment-agent was stopped at 14:02 UTC (dana). Only a person can \
                 resume it. Stop working.";
    let allow = |crm: CrmKind| {
        format!(
            "crm: {crm}
default: allow
"
        )
    };
    let [salesforce, hubspot] = BOTH.map(allow);
    let house = house_with(clock(), &salesforce, &hubspot).build().await;
    let stopped = expected(403, "WRITEGATE_STOPPED", words);
    for crm in BOTH {
        let (target, _) = update(crm);
        let control = &house.app.control;
        control
            .set_switch(switch(SwitchScope::Writes))
            .await
            .unwrap();
        let reply = write(&house, crm).await;
        let entry = stopped.check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        // Writes only: reads go on.
        assert_eq!(house.agent_of(crm).get(&target).await.status, 200);
        control.set_switch(switch(SwitchScope::All)).await.unwrap();
        let reply = house.agent_of(crm).get(&target).await;
        stopped.clone().verdict(None).check(&reply, crm);
        stopped.check(&write(&house, crm).await, crm);
        let resume = crate::support::resume_of(&**control, "enrichment-agent");
        control.set_switch(resume).await.unwrap();
        assert!(write(&house, crm).await.status.is_success());
    }
    assert_eq!(house.sandbox.writes().len(), 2);
    house.finish().await;
}

#[tokio::test]
async fn a_limit_that_stops() {
    for crm in BOTH {
        let limit = "{ name: runaway, per: service_account, count: mutations, max: 2, window: 2m, then: stop }";
        let house = limited(clock(), crm, &[limit]).build().await;
        for _ in 0..2 {
            assert!(write(&house, crm).await.status.is_success());
        }
        let says = expected(
            403,
            "WRITEGATE_STOPPED",
            "Not written: enrichment-agent was stopped at 14:02 UTC (limit runaway). Only a person \
             can resume it. Stop working.",
        );
        // The one that trips it, and those after it.
        for _ in 0..2 {
            says.check(&write(&house, crm).await, crm);
        }
        assert_eq!(house.count(EntryState::Switch).await, 1);
        assert_eq!(house.sandbox.writes().len(), 2);
        house.finish().await;
    }
}
