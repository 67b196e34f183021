//! The CRM's own quota: agents stop while what is left is kept for people.

use std::sync::Arc;

use serde_json::json;
use writegate::clock::Clock;
use writegate::crm::quota::Window;
use writegate::mutation::CrmKind;

use super::{BOTH, clock, expected, house_with, recorded, update};
use crate::support::client::{Client, Reply};
use crate::support::house::{Builder, House, OPERATOR};

/// What the sandbox allows in a day.
const DAILY: [u64; 2] = [100_000, 1_000_000];

fn kept(clock: Arc<dyn Clock>, more: &str) -> Builder {
    let rules = |crm: CrmKind| {
        format!(
            "crm: {crm}\ndefault: allow\nlimits: [{{ name: people-{crm}, reserve: 20%{more} }}]\n"
        )
    };
    let [salesforce, hubspot] = BOTH.map(rules);
    house_with(clock, &salesforce, &hubspot)
}

async fn write(house: &House, crm: CrmKind) -> Reply {
    let (target, body) = update(crm);
    house.agent_of(crm).patch(&target, &body).await
}

async fn read(house: &House, crm: CrmKind) -> Reply {
    house.agent_of(crm).get(&update(crm).0).await
}

#[tokio::test]
async fn agents_stop_before_people_are_starved() {
    for (crm, daily) in BOTH.into_iter().zip(DAILY) {
        let clock = clock();
        let house = kept(clock.clone(), "").build().await;
        // A fifth is kept. Nothing is known before the first answer; people used nearly all the rest.
        let free = daily * 8 / 10;
        house.sandbox.set_calls(free - 2, 1);
        assert!(read(&house, crm).await.status.is_success());
        // The snapshot's own read is heard too: it is the last call that was free, and the write goes.
        assert!(write(&house, crm).await.status.is_success());
        let (seen, used) = (house.sandbox.requests(), free + 1);
        let reply = write(&house, crm).await;
        let left = daily - used;
        let message = format!(
            "Not written: the CRM has {left} of {daily} calls left for the day, and limit people-{crm} \
             keeps {} (20 %) for people. Nothing was sent, reads neither; stop until there are more.",
            daily / 5
        );
        let says = expected(403, "WRITEGATE_BUDGET", message.clone());
        let entry = says.check(&reply, crm);
        recorded(&house, entry.as_deref(), &reply.message()).await;
        // A read is refused in the same words, and leaves no entry.
        let says = expected(403, "WRITEGATE_BUDGET", message).verdict(None);
        says.check(&read(&house, crm).await, crm);
        assert_eq!(
            house.sandbox.requests(),
            seen,
            "{crm}: nothing reached the CRM"
        );
        // Once a minute one request looks how things stand; people are as busy as before.
        clock.advance_ms(60_000);
        assert!(read(&house, crm).await.status.is_success());
        assert_eq!(read(&house, crm).await.status, 403);
        // Then the day's calls come back.
        house.sandbox.set_calls(0, 1);
        clock.advance_ms(60_000);
        assert!(read(&house, crm).await.status.is_success());
        assert!(write(&house, crm).await.status.is_success());
        house.finish().await;
    }
}

#[tokio::test]
async fn ten_seconds_of_hubspot_are_waited_for() {
    let (clock, crm) = (clock(), CrmKind::HubSpot);
    let house = kept(clock.clone(), "").build().await;
    house.sandbox.set_calls(0, 190 - 38);
    assert!(read(&house, crm).await.status.is_success());
    clock.advance_ms(2_500);
    let reply = write(&house, crm).await;
    let says = expected(
        429,
        "WRITEGATE_LIMITED",
        "Not written: the CRM has 38 of 190 calls left for now, and limit people-hubspot keeps 38 \
         (20 %) for people. Nothing was sent. Try again in 8 s.",
    );
    says.after("8").check(&reply, crm);
    clock.advance_ms(7_500);
    assert!(write(&house, crm).await.status.is_success());
    house.finish().await;
}

#[tokio::test]
async fn a_reserve_that_observes_stops_nothing_and_is_told() {
    for crm in BOTH {
        let house = kept(clock(), ", observe: true").build().await;
        house.sandbox.set_calls(10_000_000, 1);
        assert!(read(&house, crm).await.status.is_success());
        let reply = write(&house, crm).await;
        assert!(reply.status.is_success(), "{}", reply.text());
        let entries = house.entries().await;
        let told = serde_json::to_value(&entries[0]).unwrap();
        assert!(
            told.to_string().contains(&format!("people-{crm}")),
            "{told}"
        );
        let state = house.app.routes.iter().find(|state| state.route.crm == crm);
        let windows = state.unwrap().quota.windows();
        let (name, Window { remaining, .. }) = windows[0];
        assert_eq!((name, remaining), ("daily", 0));
        house.finish().await;
    }
}

#[tokio::test]
async fn a_reserve_is_listed_with_the_other_limits() {
    let house = kept(clock(), "").build().await;
    house.sandbox.set_calls(41_999, 1);
    assert!(read(&house, CrmKind::Salesforce).await.status.is_success());
    let dana = Client::new(house.operators().await, OPERATOR);
    let list = dana.get("/api/v1/limits").await.json();
    let item = &list["items"][1];
    assert_eq!(item["file"], json!({ "reserve": 20 }));
    let used = json!([{ "key": "salesforce daily", "used": 42_000, "max": 100_000 }]);
    assert_eq!(item["used"], used, "{list}");
    let one = dana.get("/api/v1/limits/PEOPLE-salesforce").await.json();
    assert_eq!(&one, item);
    let wish = json!({ "max": 90, "for": "1h" });
    let target = "/api/v1/limits/people-salesforce";
    let reply = dana.send(http::Method::PUT, target, Some(&wish)).await;
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(
        reply.text().contains("change `reserve` in the rules"),
        "{}",
        reply.text()
    );
    house.finish().await;
}
