//! A kill is acknowledged when every live replica has confirmed it, or two seconds have passed; who has
//! not is named, and refuses by itself.

use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Notify;
use writegate::clock::{Clock, SystemClock};
use writegate::control::confirm::{Took, Waits, confirmed};
use writegate::control::redis::{Options, RedisControl, Time};
use writegate::control::{ControlState, Replica};

use super::{AGENT, create, kill};
use crate::support::client::Client;
use crate::support::doctored::Doctored;
use crate::support::house::{House, OPERATOR};
use crate::support::redis::{Redis, options};
use crate::support::wire::{soon, until};

/// What happens between two looks, one thing after the other; then time is up.
struct Script<'s>(Vec<Box<dyn FnOnce() + Send + 's>>);

#[async_trait]
impl Waits for Script<'_> {
    fn passed(&self) -> Duration {
        Duration::from_millis(self.0.len() as u64)
    }

    async fn again(&mut self) -> bool {
        // what is beside it goes first
        tokio::task::yield_now().await;
        let next = self.0.pop();
        let more = next.is_some();
        next.into_iter().for_each(|next| next());
        more
    }
}

fn replica(name: &str, version: u64, live: bool) -> Replica {
    Replica {
        name: name.into(),
        version,
        confirmed_at: Some(SystemClock.now()),
        live,
    }
}

#[tokio::test]
async fn who_has_confirmed_and_who_has_not_is_told_when_time_is_up() {
    let control = Doctored::new();
    let start = vec![
        replica("one", 7, true),
        replica("slow", 6, true),
        replica("stuck", 6, true),
        replica("gone", 5, false),
    ];
    control.shared_by(start.clone());
    let later = {
        let mut later = start.clone();
        later[1].version = 8;
        later
    };
    let script: Vec<Box<dyn FnOnce() + Send + '_>> =
        vec![Box::new(|| {}), Box::new(|| control.shared_by(later))];
    let told = confirmed(&*control, 7, ready(()), &mut Script(script)).await;
    let seen: Vec<_> = told
        .replicas
        .iter()
        .map(|one| (one.replica.as_str(), one.state, one.after_ms))
        .collect();
    assert_eq!(
        seen,
        [
            ("one", Took::Confirmed, Some(2)),
            ("slow", Took::Confirmed, Some(1)),
            ("stuck", Took::Unconfirmed, None),
            ("gone", Took::Silent, None),
        ]
    );
    assert_eq!((told.confirmed(), told.live()), (2, 3));
}

/// It ends with the last one that is heard of; who is silent is not waited for.
#[tokio::test]
async fn nobody_waits_longer_than_for_the_last_live_replica() {
    let control = Doctored::new();
    let fleet = |version| vec![replica("one", 7, true), replica("two", version, true)];
    let silent = replica("gone", 0, false);
    control.shared_by([fleet(6), vec![silent.clone()]].concat());
    let confirms = [fleet(7), vec![silent]].concat();
    let script: Vec<Box<dyn FnOnce() + Send + '_>> = vec![
        Box::new(|| panic!("all have confirmed")),
        Box::new(|| control.shared_by(confirms)),
    ];
    let told = confirmed(&*control, 7, ready(()), &mut Script(script)).await;
    assert_eq!((told.confirmed(), told.live()), (2, 2));
    // the second one was waited for
    let after: Vec<_> = told.replicas.iter().map(|one| one.after_ms).collect();
    assert_eq!(after, [Some(2), Some(1), None]);
}

/// What is the store has confirmed when this process acts on it, not before.
#[tokio::test]
async fn a_process_that_does_not_act_yet_has_not_confirmed() {
    let control = Doctored::new();
    let told = confirmed(&*control, 0, pending(), &mut Script(Vec::new())).await;
    assert_eq!((told.confirmed(), told.live()), (0, 1));
    let told = confirmed(&*control, 0, ready(()), &mut Script(Vec::new())).await;
    assert_eq!((told.confirmed(), told.live()), (1, 1));
}

fn shared(redis: &Redis, name: &str) -> Arc<RedisControl> {
    let options = Options {
        time: Time::Server,
        ..options(&redis.url(), name)
    };
    Arc::new(RedisControl::open(options).unwrap())
}

fn states(answer: &Value) -> Vec<(&str, &str)> {
    let each = answer["by_replica"].as_array().unwrap();
    each.iter()
        .map(|one| {
            (
                one["replica"].as_str().unwrap(),
                one["state"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn kill_and_resume_are_answered_when_the_other_replica_acts_on_them() {
    let name =
        "kill_switch::fleet::kill_and_resume_are_answered_when_the_other_replica_acts_on_them";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let house = House::builder()
        .control(shared(&redis, "one"))
        .build()
        .await;
    let two = shared(&redis, "two");
    let gate = Arc::new((Notify::new(), Notify::new()));
    let held = Arc::clone(&gate);
    until(|| two.switches().version == house.app.control.switches().version).await;
    soon(async {
        loop {
            let all = house.app.control.replicas().await.unwrap();
            let version = two.switches().version;
            if all.len() == 2 && all.iter().all(|replica| replica.version == version) {
                break;
            }
        }
    })
    .await;
    two.before_confirming(Arc::new(move || {
        let gate = Arc::clone(&held);
        Box::pin(async move {
            gate.0.notify_one();
            gate.1.notified().await;
        })
    }));
    let operators = house.operators().await;
    let answered = tokio::spawn(kill(operators, AGENT, "writes"));
    soon(gate.0.notified()).await;
    // it acts there already, and is not acknowledged yet
    assert!(two.switches().stops("enrichment-agent", true).is_some());
    // long enough for an answer that does not wait
    for _ in 0..3 {
        let dana = Client::new(operators, OPERATOR);
        assert_eq!(dana.get("/api/v1/status").await.status, 200);
    }
    assert!(!answered.is_finished());
    gate.1.notify_one();
    let answer = soon(answered).await.unwrap().json();
    let after = |place: usize| answer["by_replica"][place]["after_ms"].as_u64();
    assert!(after(0) <= after(1) && after(0).is_some(), "{answer}");
    assert_eq!(
        states(&answer),
        [("one", "confirmed"), ("two", "confirmed")]
    );
    assert_eq!(
        (&answer["replicas"], &answer["confirmed"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");

    let dana = Client::new(operators, OPERATOR);
    let resumed = tokio::spawn(async move { dana.delete(AGENT).await });
    soon(gate.0.notified()).await;
    assert!(!resumed.is_finished());
    gate.1.notify_one();
    let answer = soon(resumed).await.unwrap().json();
    assert_eq!(
        (&answer["replicas"], &answer["confirmed"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(create(&house.agent()).await.status, 201);
    drop(two);
    house.finish().await;
}

/// By the machine's clock: it takes two seconds, and the one that has not confirmed is named.
#[tokio::test]
async fn after_two_seconds_a_kill_is_answered_without_those_that_say_nothing() {
    let control = Doctored::new();
    let house = House::builder().control(control.clone()).build().await;
    let long_ago: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    let forgotten = Replica {
        confirmed_at: Some(long_ago),
        ..replica("forgotten", 0, false)
    };
    control.shared_by(vec![
        replica("one", u64::MAX, true),
        replica("stuck", 0, true),
        replica("gone", 0, false),
        forgotten,
    ]);
    let answer = kill(house.operators().await, AGENT, "all").await.json();
    assert_eq!(
        states(&answer),
        [
            ("one", "confirmed"),
            ("stuck", "unconfirmed"),
            ("gone", "silent")
        ]
    );
    assert_eq!(
        (&answer["replicas"], &answer["confirmed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(answer["recorded"], true);
    house.finish().await;
}

/// What a limit throws stops everywhere, and operators are told of it.
#[tokio::test]
async fn a_switch_that_a_limit_throws_is_everywhere_and_told() {
    let name = "kill_switch::fleet::a_switch_that_a_limit_throws_is_everywhere_and_told";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let rules = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow } }
limits:
  - { name: runaway, per: service_account, count: mutations, max: 1, window: 1h, then: stop }
";
    let house = House::builder()
        .rules(rules)
        .control(shared(&redis, "one"))
        .build()
        .await;
    let two = shared(&redis, "two");
    assert_eq!(create(&house.agent()).await.status, 201);
    assert_eq!(create(&house.agent()).await.code(), "WRITEGATE_STOPPED");
    until(|| two.switches().stops("enrichment-agent", false).is_some()).await;
    let dana = Client::new(house.operators().await, OPERATOR);
    let metrics = dana.get("/metrics").await.text();
    let line =
        "writegate_switch_trips_total{service_account=\"enrichment-agent\",by=\"limit runaway\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let status = dana.get("/api/v1/status").await.json();
    assert_eq!(status["stopped"][0]["by"], "limit runaway");
    let wish = json!({ "reason": "mended" });
    let resumed = dana.send(Method::DELETE, AGENT, Some(&wish)).await.json();
    assert_eq!(resumed["limit_emptied"], "runaway");
    assert_eq!(create(&house.agent()).await.status, 201);
    drop(two);
    house.finish().await;
}
