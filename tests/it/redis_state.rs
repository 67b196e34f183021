//! The state in Redis itself: a step that fails leaves nothing half done; nothing that identifies a
//! customer stands in it; what is idle goes; whatever way leads there.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::control::redis::RedisControl;
use writegate::control::{
    Admission, Ask, ControlState, Rebuild, Switch, SwitchChange, SwitchScope,
};
use writegate::mutation::{Charge, Count, Limit, LimitKind, Per, Then};
use writegate::tls;

use super::support::redis::{
    Line, Redis, Said, ask, budget, built, charge, free_port, granted, options,
};
use super::support::wire::{soon, until};

/// A limit of each arithmetic.
fn limits() -> [Limit; 4] {
    let pace = LimitKind::Rate {
        count: 10,
        period_ms: 1_000,
        burst: 50,
    };
    let window = LimitKind::Budget {
        max: 50,
        window_ms: 60_000,
    };
    let gauge = LimitKind::Budget {
        max: 50,
        window_ms: 0,
    };
    let limit = |name: &str, count, kind| Limit {
        name: name.into(),
        count,
        kind,
        ..budget(0)
    };
    [
        limit("pace", Count::Requests, pace),
        limit("hourly", Count::Mutations, window),
        limit("spread", Count::Records, window),
        limit("queue", Count::Holds, gauge),
    ]
}

fn everything(name: &str) -> Ask {
    let mut charges: Vec<Charge> = limits().iter().map(|limit| charge(limit, 2)).collect();
    charges[2].records = vec![
        "r/contact/email=canary@acme.test".into(),
        "r/Account/1".into(),
    ];
    let mut ask = ask(name, name, &charges);
    ask.locks.push("r/contact/email=canary@acme.test".into());
    ask.now = Timestamp::from_second(1_790_000_000).unwrap();
    ask
}

/// All keys but those that change by themselves, with a digest of what they hold.
fn all(redis: &Redis) -> BTreeMap<String, Said> {
    let mut keys = redis.keys("wg:*");
    keys.retain(|key| !key.ends_with(":replicas"));
    let mut words = vec!["DEBUG", "DIGEST-VALUE"];
    words.extend(keys.iter().map(String::as_str));
    let Said::List(digests) = redis.say(&words) else {
        panic!("no digests");
    };
    keys.into_iter().zip(digests).collect()
}

/// Copies all keys from one database to another, in place of what is there.
fn copy_all(redis: &Redis, from: &str, to: &str) {
    let script = "redis.call('SELECT', ARGV[2])
        redis.call('FLUSHDB')
        redis.call('SELECT', ARGV[1])
        for _, key in ipairs(redis.call('KEYS', 'wg:*')) do
            redis.call('COPY', key, key, 'DB', ARGV[2])
        end";
    assert_eq!(redis.say(&["EVAL", script, "0", from, to]), Said::Nothing);
}

fn switch(reason: &str) -> Switch {
    Switch {
        service_account: "other".into(),
        scope: SwitchScope::All,
        by: "dana".into(),
        reason: reason.into(),
        at: SystemClock.now(),
        limit: Some("hourly".into()),
    }
}

/// One step of each kind; false where it failed.
async fn step(control: &RedisControl, kind: usize, thrown_at: Timestamp) -> bool {
    let limits = limits();
    match kind {
        0 => control.admit(everything("new")).await.is_ok(),
        1 => control.charge(everything("charged")).await.is_ok(),
        2 => control.refund(&EntryId::from_text("first")).await.is_ok(),
        3 => {
            let change = SwitchChange::Throw(switch("again"));
            control.set_switch(change).await.is_ok()
        }
        4 => {
            let change = SwitchChange::Resume {
                service_account: "other".into(),
                thrown_at,
            };
            control.set_switch(change).await.is_ok()
        }
        5 => {
            let kind = LimitKind::Budget {
                max: 50,
                window_ms: 90_000,
            };
            let longer = Limit {
                kind,
                ..limits[1].clone()
            };
            let at = Timestamp::from_second(1_789_999_930).unwrap();
            let older = vec![(at, charge(&longer, 1))];
            let now = at + SignedDuration::from_secs(70);
            control
                .lengthen(&limits[1], &longer, older, now)
                .await
                .is_ok()
        }
        _ => {
            let mut waits = everything("waits");
            waits.locks = vec!["r/Account/first".into()];
            waits.patience = Duration::from_millis(1);
            control.admit(waits).await.is_ok()
        }
    }
}

/// Each key in turn is something else than it should be. A step that meets it fails before it has
/// written anything.
#[tokio::test]
async fn a_step_that_fails_half_way_has_done_nothing() {
    let name = "redis_state::a_step_that_fails_half_way_has_done_nothing";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let control = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&control, 1).await;
    assert!(granted(&control.admit(everything("first")).await));
    control
        .set_switch(SwitchChange::Throw(switch("first")))
        .await
        .unwrap();
    let thrown_at = control.switches().thrown[0].at;
    let resume = SwitchChange::Resume {
        service_account: "other".into(),
        thrown_at,
    };
    control.set_switch(resume).await.unwrap();
    let again = control
        .set_switch(SwitchChange::Throw(switch("again")))
        .await
        .unwrap();
    let thrown_at = again.thrown[0].at;
    drop(control);
    copy_all(&redis, "0", "1");
    let keys: Vec<String> = all(&redis).into_keys().collect();
    assert!(keys.len() > 12, "{keys:#?}");
    let (mut failures, mut done) = (0, 0);
    for key in &keys {
        for kind in 0..7 {
            copy_all(&redis, "1", "0");
            let control = RedisControl::open(options(&redis.url(), "one")).unwrap();
            let mut line = Line::to(redis.port);
            let text = line.say(&["TYPE", key]) == Said::Text("string".into());
            line.say(&["DEL", key]);
            line.say(&[if text { "LPUSH" } else { "SET" }, key, "x"]);
            let before = all(&redis);
            if step(&control, kind, thrown_at).await {
                done += 1;
            } else {
                failures += 1;
                let mut after = all(&redis);
                if kind == 5 {
                    // that a window becomes longer is said in a step of its own, which forgets nothing
                    for key in keys
                        .iter()
                        .filter(|key| key.ends_with(":marks") || key.ends_with(":state"))
                    {
                        after.insert(key.clone(), before[key].clone());
                    }
                }
                assert_eq!(
                    before, after,
                    "step {kind} left something behind: {key} is wrong"
                );
            }
        }
    }
    println!(
        "{} keys: {failures} steps failed and left nothing behind, {done} did not need the key",
        keys.len()
    );
    assert!(failures > keys.len());
}

#[tokio::test]
async fn no_value_of_a_customer_stands_in_redis() {
    let name = "redis_state::no_value_of_a_customer_stands_in_redis";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let control = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&control, 1).await;
    let mut asked = everything("first");
    for charge in &mut asked.charges {
        charge.key = "agent/contact/email=canary@acme.test".into();
    }
    assert!(granted(&control.admit(asked.clone()).await));
    // it is one record all the same, for limits and for locks
    asked.reservation = EntryId::from_text("second");
    let busy = control.admit(asked.clone()).await.unwrap();
    assert!(matches!(busy, Admission::Busy { .. }), "{busy:?}");
    let used = control.usage(asked.now).await.unwrap();
    assert_eq!(used.len(), 4);
    assert!(
        used.iter()
            .all(|used| used.key.starts_with("agent/contact/email=~"))
    );
    assert!(redis.keys("*canary*").is_empty());
    let mut line = Line::to(redis.port);
    for key in redis.keys("*") {
        let held = match line.say(&["TYPE", &key]).text().as_str() {
            "hash" => line.say(&["HGETALL", &key]),
            "zset" => line.say(&["ZRANGE", &key, "0", "-1"]),
            "list" => line.say(&["LRANGE", &key, "0", "-1"]),
            _ => line.say(&["GET", &key]),
        };
        let text = format!("{held:?}");
        assert!(
            !text.contains("canary") && !text.contains("acme"),
            "{key}: {text}"
        );
    }
}

#[tokio::test]
async fn what_is_idle_goes() {
    let Some(redis) = Redis::start("redis_state::what_is_idle_goes") else {
        return;
    };
    let control = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&control, 1).await;
    let each = Limit {
        kind: LimitKind::Budget {
            max: 5,
            window_ms: 1_000,
        },
        ..budget(0)
    };
    let mut now = SystemClock.now();
    for number in 0..1_000 {
        now += SignedDuration::from_millis(1);
        let mut asked = ask(
            &number.to_string(),
            &number.to_string(),
            &[charge(&each, 1)],
        );
        asked.charges[0].key = format!("agent/{number}");
        asked.now = now;
        assert!(granted(&control.admit(asked.clone()).await));
        control.settle(&asked.reservation).await.unwrap();
    }
    let mut last = ask("last", "last", &[]);
    last.now = now + SignedDuration::from_secs(2);
    assert!(granted(&control.admit(last).await));
    control.settle(&EntryId::from_text("last")).await.unwrap();
    // a lock whose holder is gone, and a generation that came to nothing
    let generation = redis
        .say(&["HGET", "wg:{writegate}:state", "generation"])
        .text();
    let locks = format!("wg:{{writegate}}:{generation}:locks");
    redis.say(&["HSET", &locks, "r/Account/gone", "nobody"]);
    redis.say(&["ZADD", "wg:{writegate}:generations", "1", "0-1"]);
    redis.say(&["ZADD", "wg:{writegate}:0-1:index", "1", "c:1:a:b"]);
    redis.say(&["HSET", "wg:{writegate}:0-1:c:1:a:b", "id", "1"]);
    redis.say(&["HSET", "wg:{writegate}:0-1:switches", "*", "x"]);
    let left = async {
        loop {
            let mut left = redis.keys("wg:*");
            left.sort();
            if left.len() == 3 {
                break left;
            }
            tokio::task::yield_now().await;
        }
    };
    let left = soon(left).await;
    let known = ["generations", "replicas", "state"];
    assert_eq!(left, known.map(|name| format!("wg:{{writegate}}:{name}")));
}

/// Everything once.
async fn works(control: &RedisControl) {
    built(control, 1).await;
    let limits = limits();
    assert!(granted(&control.admit(everything("1")).await));
    let mut busy = everything("2");
    busy.locks = vec!["r/Account/1".into()];
    busy.patience = Duration::from_millis(20);
    let busy = control.admit(busy).await.unwrap();
    assert!(matches!(busy, Admission::Busy { .. }), "{busy:?}");
    assert_eq!(control.charge(everything("3")).await.unwrap(), None);
    assert!(!control.usage(everything("1").now).await.unwrap().is_empty());
    control.settle(&EntryId::from_text("1")).await.unwrap();
    control.refund(&EntryId::from_text("2")).await.unwrap();
    let view = control
        .set_switch(SwitchChange::Throw(switch("now")))
        .await
        .unwrap();
    assert_eq!(view.thrown.len(), 1);
    let confirmed = async { while control.replicas().await.unwrap()[0].version != view.version {} };
    soon(confirmed).await;
    let now = everything("1").now;
    control
        .lengthen(&limits[1], &limits[1], Vec::new(), now)
        .await
        .unwrap();
    let from = Rebuild {
        charges: vec![(now, charge(&limits[1], 1))],
        waiting: vec![(EntryId::from_text("w"), charge(&limits[3], 1))],
        epoch: 2,
        ..Rebuild::default()
    };
    control.rebuild(from).await.unwrap();
    assert_eq!(control.usage(now).await.unwrap().len(), 2);
}

#[tokio::test]
async fn tls_and_a_user_of_few_rights_are_enough() {
    let name = "redis_state::tls_and_a_user_of_few_rights_are_enough";
    tls::install_provider();
    let folder = tempfile::tempdir().unwrap();
    let made = tls::dev_ca(SystemClock.now()).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ca = file("ca.pem", &made.ca);
    let (cert, key) = (file("cert.pem", &made.cert), file("key.pem", &made.key));
    let port = free_port().to_string();
    let server = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
    ];
    let Some(redis) = Redis::with(name, &server) else {
        return;
    };
    let mut line = Line::to(redis.port);
    let rights = "+@read +@write +@connection +@pubsub +@scripting +info +time";
    let mut user = vec![
        "ACL",
        "SETUSER",
        "gate",
        "on",
        ">p@ss",
        "~wg:{writegate}:*",
        "&wg:{writegate}:*",
    ];
    user.extend(rights.split(' '));
    assert_eq!(line.say(&user), Said::Text("OK".into()));
    line.say(&["ACL", "SETUSER", "default", "off"]);
    let url = format!("rediss://gate:p%40ss@127.0.0.1:{port}?ca={ca}");
    let control = RedisControl::open(options(&url, "one")).unwrap();
    works(&control).await;
    // with a CA of somebody else there is no connection at all
    let other = tls::dev_ca(SystemClock.now()).unwrap();
    let other = file("other.pem", &other.ca);
    let url = format!("rediss://gate:p%40ss@127.0.0.1:{port}?ca={other}");
    let mut wrong = options(&url, "two");
    wrong.within = Duration::from_millis(250);
    let wrong = RedisControl::open(wrong).unwrap();
    let error = wrong
        .rebuild(Rebuild::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot be reached") && !error.contains("p@ss"),
        "{error}"
    );
}

#[tokio::test]
async fn a_cluster_is_as_good_as_one() {
    let server = ["--cluster-enabled", "yes"];
    let Some(redis) = Redis::with("redis_state::a_cluster_is_as_good_as_one", &server) else {
        return;
    };
    let mut line = Line::to(redis.port);
    line.say(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let ready = |said| matches!(said, Said::Text(text) if text.contains("cluster_state:ok"));
    until(|| ready(line.say(&["CLUSTER", "INFO"]))).await;
    let url = format!("redis+cluster://127.0.0.1:{}", redis.port);
    let control = RedisControl::open(options(&url, "one")).unwrap();
    works(&control).await;
}

#[tokio::test]
async fn a_prefix_of_its_own_keeps_deployments_apart() {
    let name = "redis_state::a_prefix_of_its_own_keeps_deployments_apart";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let url = |name: &str| format!("{}?deployment={name}", redis.url());
    let one = RedisControl::open(options(&url("one"), "r")).unwrap();
    let two = RedisControl::open(options(&url("two"), "r")).unwrap();
    built(&one, 1).await;
    built(&two, 1).await;
    let limit = Limit {
        then: Then::Deny,
        per: vec![Per::Route],
        ..budget(1)
    };
    for control in [&one, &two] {
        let asked = ask("1", "1", &[charge(&limit, 1)]);
        assert!(granted(&control.admit(asked).await));
        assert_eq!(control.replicas().await.unwrap().len(), 1);
    }
}
