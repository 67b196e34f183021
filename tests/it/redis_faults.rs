//! Redis stopped, slow, busy, full, read-only, locked up, cut off: nothing is granted without a charge,
//! nobody waits for long, and everything goes on by itself. What was charged is what was granted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::control::redis::{Options, RedisControl, Time, WITHIN};
use writegate::control::{
    Admission, Ask, ControlState, Health, Lost, Rebuild, Switch, SwitchChange, SwitchScope,
};
use writegate::error::StoreError;
use writegate::mutation::Charge;

use super::support;
use super::support::cable::{Plan, Wire};
use super::support::long;
use super::support::redis::{Line, Redis, Said, budget, built, charge, options};
use super::support::wire::soon;

/// Far more than any answer may take, on a machine that is busy with other tests too.
const NO_HANGING: Duration = Duration::from_secs(10);

fn now() -> Timestamp {
    SystemClock.now()
}

fn one() -> Charge {
    charge(&budget(1_000_000), 1)
}

fn ask(reservation: &str) -> Ask {
    support::redis::ask(reservation, reservation, &[one()])
}

/// As a running proxy has it: the server's clock, and a deadline.
fn as_served(url: &str) -> Options {
    Options {
        time: Time::Server,
        within: WITHIN,
        ..options(url, "one")
    }
}

/// A server, control state in it, and what was granted.
struct Scene {
    redis: Redis,
    wire: Wire,
    control: RedisControl,
    granted: Vec<(Timestamp, Charge)>,
    asked: usize,
    slowest: Duration,
    epoch: u64,
}

impl Scene {
    async fn new(test: &str) -> Option<Self> {
        Self::with(test, &[]).await
    }

    async fn with(test: &str, server: &[&str]) -> Option<Self> {
        let redis = Redis::with(&format!("redis_faults::{test}"), server)?;
        let wire = Wire::to(redis.port);
        let control = RedisControl::open(as_served(&wire.url())).unwrap();
        let mut scene = Self {
            redis,
            wire,
            control,
            granted: Vec::new(),
            asked: 0,
            slowest: Duration::ZERO,
            epoch: 0,
        };
        scene.rebuild().await;
        scene.grant_in_the_end().await;
        Some(scene)
    }

    /// One ask. What it comes to is what was granted, to the last one.
    async fn ask(&mut self) -> Result<Admission, StoreError> {
        self.asked += 1;
        let ask = ask(&format!("E{}", self.asked));
        let (id, began) = (ask.reservation.clone(), Instant::now());
        let admitted = self.control.admit(ask).await;
        let took = began.elapsed();
        assert!(took < NO_HANGING, "it took {took:?}");
        self.slowest = self.slowest.max(took);
        match &admitted {
            Ok(Admission::Granted { .. }) => {
                self.granted.push((now(), one()));
                drop(self.control.settle(&id).await);
            }
            Ok(other) => panic!("{other:?}"),
            // as the proxy does with what it was not told
            Err(_) => drop(self.control.refund(&id).await),
        }
        admitted
    }

    /// Nothing is granted, however often it is asked for.
    async fn refuses(&mut self) -> Vec<StoreError> {
        let mut errors = Vec::new();
        for _ in 0..5 {
            match self.ask().await {
                Err(error) => errors.push(error),
                Ok(granted) => panic!("{granted:?}"),
            }
        }
        errors
    }

    async fn rebuild(&mut self) {
        self.epoch += 1;
        loop {
            let from = Rebuild {
                charges: self.granted.clone(),
                epoch: self.epoch,
                ..Rebuild::default()
            };
            if self.control.rebuild(from).await.is_ok() {
                return;
            }
        }
    }

    /// It comes back by itself; what was lost is built anew, as the process does.
    async fn grant_in_the_end(&mut self) {
        let began = Instant::now();
        loop {
            match self.ask().await {
                Ok(_) => break,
                Err(error) if Lost::is_why(&error) => self.rebuild().await,
                Err(_) => assert!(began.elapsed() < NO_HANGING * 3, "it does not come back"),
            }
        }
        println!("granted again after {:?}", began.elapsed());
    }

    /// What is used comes to what was granted, once what could not be told has been.
    async fn adds_up(self) {
        let granted = self.granted.len() as u64;
        let used = async {
            loop {
                let Ok(usage) = self.control.usage(now()).await else {
                    continue;
                };
                let used = usage.first().map_or(0, |usage| usage.used);
                assert!(used >= granted, "{used} used, {granted} granted");
                if used == granted {
                    break;
                }
            }
        };
        soon(used).await;
        println!("slowest answer {:?}, {granted} granted", self.slowest);
    }
}

#[tokio::test]
async fn while_redis_stands_still_nothing_is_granted() {
    let Some(mut scene) = Scene::new("while_redis_stands_still_nothing_is_granted").await else {
        return;
    };
    scene.redis.signal("STOP");
    scene.refuses().await;
    scene.redis.signal("CONT");
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

#[tokio::test]
async fn what_a_slow_redis_hears_too_late_takes_nothing() {
    let Some(mut scene) = Scene::new("what_a_slow_redis_hears_too_late_takes_nothing").await else {
        return;
    };
    for words in [
        &["DEBUG", "SLEEP", "2"][..],
        &["CLIENT", "PAUSE", "2000", "ALL"],
        &["CLIENT", "PAUSE", "2000", "WRITE"],
    ] {
        let mut line = Line::to(scene.redis.port);
        line.send(words);
        let mut refused = false;
        while !refused {
            refused = scene.ask().await.is_err();
        }
        scene.grant_in_the_end().await;
    }
    scene.adds_up().await;
}

/// Who has hung up gives nothing back; what they asked for comes too late, and takes nothing.
#[tokio::test]
async fn what_nobody_waits_for_any_more_takes_nothing() {
    let Some(mut scene) = Scene::new("what_nobody_waits_for_any_more_takes_nothing").await else {
        return;
    };
    let paused = scene.redis.say(&["CLIENT", "PAUSE", "1000", "WRITE"]);
    assert_eq!(paused, Said::Text("OK".into()));
    for number in 0..20 {
        let asked = scene.control.admit(ask(&format!("gone {number}")));
        let hung_up = tokio::time::timeout(Duration::from_millis(5), asked).await;
        assert!(hung_up.is_err(), "{hung_up:?}");
    }
    scene.grant_in_the_end().await;
    assert_eq!(scene.redis.keys("*:r:gone *"), Vec::<String>::new());
    scene.adds_up().await;
}

#[tokio::test]
async fn a_redis_that_was_killed_and_comes_back_empty_grants_nothing_until_it_is_rebuilt() {
    let test = "a_redis_that_was_killed_and_comes_back_empty_grants_nothing_until_it_is_rebuilt";
    let Some(mut scene) = Scene::new(test).await else {
        return;
    };
    scene.redis.kill();
    scene.refuses().await;
    assert!(matches!(scene.control.health(), Health::Trouble(_)));
    scene.redis.run();
    soon(scene.control.lost()).await;
    let errors = scene.refuses().await;
    assert!(errors.iter().all(Lost::is_why), "{errors:?}");
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

#[tokio::test]
async fn reconnecting_is_no_storm() {
    let Some(mut scene) = Scene::new("reconnecting_is_no_storm").await else {
        return;
    };
    scene.redis.kill();
    let (before, began) = (scene.wire.made(), Instant::now());
    for _ in 0..2_000 {
        assert!(scene.ask().await.is_err());
    }
    // a second at least, so that there is something to count
    while began.elapsed() < Duration::from_secs(1) {
        assert!(scene.ask().await.is_err());
    }
    let (made, seconds) = (scene.wire.made() - before, began.elapsed().as_secs_f64());
    println!(
        "{made} connections in {seconds:.1} s, slowest answer {:?}",
        scene.slowest
    );
    assert!((made as f64) < 2.0 + seconds * 6.0, "{made} in {seconds} s");
}

#[tokio::test]
async fn a_forgotten_script_is_told_again() {
    let Some(mut scene) = Scene::new("a_forgotten_script_is_told_again").await else {
        return;
    };
    for _ in 0..3 {
        scene.redis.say(&["SCRIPT", "FLUSH"]);
        scene.grant_in_the_end().await;
    }
    scene.adds_up().await;
}

#[tokio::test]
async fn a_full_redis_grants_nothing_and_lets_go_and_kills_all_the_same() {
    let test = "a_full_redis_grants_nothing_and_lets_go_and_kills_all_the_same";
    let Some(mut scene) = Scene::new(test).await else {
        return;
    };
    let held = EntryId::from_text("held");
    while scene.control.admit(ask("held")).await.is_err() {}
    scene.granted.push((now(), one()));
    assert_eq!(
        scene.redis.say(&["CONFIG", "SET", "maxmemory", "1"]),
        Said::Text("OK".into())
    );
    let errors = scene.refuses().await;
    assert!(
        errors.iter().any(|error| error.to_string().contains("OOM")),
        "{errors:?}"
    );
    let Health::Trouble(why) = scene.control.health() else {
        panic!("{:?}", scene.control.health());
    };
    assert!(!why.is_empty());
    let switch = Switch {
        service_account: "other".into(),
        scope: SwitchScope::All,
        by: "dana".into(),
        reason: "now".into(),
        at: now(),
        limit: None,
    };
    while scene
        .control
        .set_switch(SwitchChange::Throw(switch.clone()))
        .await
        .is_err()
    {}
    assert!(scene.control.switches().stops("other", false).is_some());
    while scene.control.settle(&held).await.is_err() {}
    scene.redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
    scene.grant_in_the_end().await;
    let mut again = ask("again");
    again.locks = vec!["r/Account/held".into()];
    again.charges = Vec::new();
    let mut admitted = scene.control.admit(again.clone()).await;
    while admitted.is_err() {
        admitted = scene.control.admit(again.clone()).await;
    }
    assert!(
        matches!(admitted, Ok(Admission::Granted { .. })),
        "{admitted:?}"
    );
    scene.adds_up().await;
}

#[tokio::test]
async fn a_redis_that_throws_keys_away_is_not_used() {
    let options = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"];
    let name = "redis_faults::a_redis_that_throws_keys_away_is_not_used";
    let Some(redis) = Redis::with(name, &options) else {
        return;
    };
    let control = RedisControl::open(as_served(&redis.url())).unwrap();
    let error = control.rebuild(Rebuild::default()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("set maxmemory-policy noeviction"),
        "{error}"
    );
    redis.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    soon(async { while control.rebuild(Rebuild::default()).await.is_err() {} }).await;
}

#[tokio::test]
async fn a_redis_that_may_only_be_read_grants_nothing() {
    let Some(mut scene) = Scene::new("a_redis_that_may_only_be_read_grants_nothing").await else {
        return;
    };
    scene.redis.say(&["REPLICAOF", "127.0.0.1", "1"]);
    scene.refuses().await;
    scene.redis.say(&["REPLICAOF", "NO", "ONE"]);
    // it was somebody's replica: what it knows may be anybody's
    soon(scene.control.lost()).await;
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

#[tokio::test]
async fn with_a_wrong_password_nothing_is_granted() {
    let Some(mut scene) = Scene::new("with_a_wrong_password_nothing_is_granted").await else {
        return;
    };
    scene
        .redis
        .say(&["CONFIG", "SET", "requirepass", "another"]);
    scene.wire.cut();
    let errors = scene.refuses().await;
    assert!(
        errors
            .iter()
            .all(|error| !error.to_string().contains("another"))
    );
    let mut line = Line::to(scene.redis.port);
    line.say(&["AUTH", "another"]);
    line.say(&["CONFIG", "SET", "requirepass", ""]);
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

#[tokio::test]
async fn a_wire_that_swallows_everything_is_given_up() {
    let Some(mut scene) = Scene::new("a_wire_that_swallows_everything_is_given_up").await else {
        return;
    };
    scene.wire.plan(Plan::Swallow);
    scene.refuses().await;
    scene.wire.plan(Plan::Pass);
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

#[tokio::test]
async fn while_a_foreign_script_keeps_redis_busy_nothing_is_granted() {
    let server = ["--busy-reply-threshold", "20"];
    let test = "while_a_foreign_script_keeps_redis_busy_nothing_is_granted";
    let Some(mut scene) = Scene::with(test, &server).await else {
        return;
    };
    let mut line = Line::to(scene.redis.port);
    line.send(&["EVAL", "while true do end", "0"]);
    let mut refused = false;
    while !refused {
        refused = scene.ask().await.is_err();
    }
    scene.refuses().await;
    assert_eq!(
        scene.redis.say(&["SCRIPT", "KILL"]),
        Said::Text("OK".into())
    );
    scene.grant_in_the_end().await;
    scene.adds_up().await;
}

/// P9: what another clock grants would count by another time.
#[derive(Debug)]
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        now() + jiff::SignedDuration::from_secs(self.0)
    }
}

#[tokio::test]
async fn a_clock_that_is_off_grants_nothing_and_says_so() {
    let name = "redis_faults::a_clock_that_is_off_grants_nothing_and_says_so";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let right = RedisControl::open(options(&redis.url(), "right")).unwrap();
    built(&right, 1).await;
    for (seconds, said) in [(-60, "60 s behind its clock"), (61, "s ahead of its clock")] {
        let off = Options {
            clock: Arc::new(Off(seconds)),
            ..options(&redis.url(), "off")
        };
        let off = RedisControl::open(off).unwrap();
        let error = off.admit(ask("1")).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.transient);
    }
    let admitted = right.admit(ask("1")).await.unwrap();
    assert!(matches!(admitted, Admission::Granted { .. }));
}

/// Whatever was cut, and wherever: asked again, nothing is taken twice; given up, nothing stays taken.
#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_nothing_is_taken_twice() {
    let name = "redis_faults::a_lost_answer_is_asked_for_again_and_nothing_is_taken_twice";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let (replicas, times) = (8, if long() { 1_250 } else { 20 });
    let state = RedisControl::open(options(&redis.url(), "state")).unwrap();
    built(&state, 1).await;
    let cutting = (0..replicas).map(|replica| {
        let wire = Wire::to(redis.port);
        let own = Options {
            replica: format!("replica {replica}"),
            time: Time::Asks,
            ..as_served(&wire.url())
        };
        tokio::spawn(cut_often(
            RedisControl::open(own).unwrap(),
            wire,
            replica,
            times,
        ))
    });
    let (mut granted, mut cuts, mut controls) = (0, 0, Vec::new());
    for cutting in cutting.collect::<Vec<_>>() {
        let (control, some_granted, some_cuts) = cutting.await.unwrap();
        granted += some_granted;
        cuts += some_cuts;
        controls.push(control);
    }
    println!(
        "{} asks, {cuts} cut, {granted} granted all the same",
        replicas * times
    );
    assert_eq!(cuts, replicas * times);
    assert!(granted > 0);
    let used = async {
        loop {
            let usage = state.usage(now()).await.unwrap();
            let used = usage.first().map_or(0, |usage| usage.used);
            assert!(used >= granted as u64, "{used} used, {granted} granted");
            if used == granted as u64 {
                break;
            }
        }
    };
    soon(used).await;
}

/// Asks that are each cut once; says how many were granted, and how many cut.
async fn cut_often(
    control: RedisControl,
    wire: Wire,
    replica: usize,
    times: usize,
) -> (RedisControl, usize, usize) {
    let mut granted = 0;
    for turn in 0..times {
        while control.usage(now()).await.is_err() {}
        let name = format!("replica-{replica}-{turn}-");
        let cuts = wire.cuts();
        wire.plan(match turn % 3 {
            0 => Plan::Before(name.clone()),
            // answers are some fifty bytes
            _ => Plan::After(name.clone(), turn * 7 % 55),
        });
        let mut attempt = 0;
        while wire.cuts() == cuts {
            let ask = ask(&format!("{name}{attempt}"));
            let id = ask.reservation.clone();
            attempt += 1;
            if control.admit(ask).await.is_ok() {
                granted += 1;
                drop(control.settle(&id).await);
            } else {
                drop(control.refund(&id).await);
            }
        }
    }
    wire.plan(Plan::Pass);
    (control, granted, wire.cuts())
}

#[tokio::test]
async fn a_reservation_that_was_given_up_is_not_made_after_all() {
    let name = "redis_faults::a_reservation_that_was_given_up_is_not_made_after_all";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let wire = Wire::to(redis.port);
    let one = RedisControl::open(as_served(&wire.url())).unwrap();
    while one.rebuild(Rebuild::default()).await.is_err() {}
    // it is asked for, nobody hears, and it is given up by way of another connection
    wire.plan(Plan::Swallow);
    assert!(one.admit(ask("doubted")).await.is_err());
    assert!(one.refund(&EntryId::from_text("doubted")).await.is_err());
    wire.plan(Plan::Pass);
    let mut said = Said::Nothing;
    soon(async {
        while said == Said::Nothing {
            let keys = redis.keys("*:r:doubted");
            said = keys
                .first()
                .map_or(Said::Nothing, |key| redis.say(&["TYPE", key]));
        }
    })
    .await;
    // what comes now is refused, and takes nothing
    let two = RedisControl::open(options(&redis.url(), "two")).unwrap();
    let late = two.admit(ask("doubted")).await.unwrap_err();
    assert!(late.to_string().contains("given up"), "{late}");
    assert_eq!(two.usage(now()).await.unwrap(), []);
}
