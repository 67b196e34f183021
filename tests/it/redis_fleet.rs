//! Several replicas on one Redis: one budget, one set of kill switches, one owner where there is no
//! ledger to share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::control::redis::{Options, RedisControl, Time, WITHIN};
use writegate::control::{
    Admission, ControlState, Health, Lost, Rebuild, Replica, Switch, SwitchChange, SwitchScope,
};

use super::support::cable::{Plan, Wire};
use super::support::long;
use super::support::redis::{Redis, alone, ask, budget, built, charge, granted, options};
use super::support::wire::{soon, until};

const BUDGET: u64 = 1_000;
const REPLICAS: u64 = 5;

/// What the agents of a fleet came to.
#[derive(Debug, Default)]
struct Sum {
    kept: AtomicU64,
    given_back: AtomicU64,
    in_doubt: AtomicU64,
}

/// Numbers that look random, the same in each run.
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 11
    })
}

/// One agent: batches of 1 to 200, some given back, some hung up on.
async fn agent(control: Arc<RedisControl>, sum: Arc<Sum>, number: u64, turns: u64) {
    let limit = budget(BUDGET);
    let mut random = numbers(number + 1);
    for turn in 0..turns {
        let name = format!("{number}/{turn}");
        let id = EntryId::from_text(&name);
        let mut next = || random.next().unwrap();
        let amount = match next() % 10 {
            0 => 1 + next() % 200,
            _ => 1 + next() % 5,
        };
        let asked = ask(&name, &name, &[charge(&limit, amount)]);
        let (what, patience) = (next() % 8, Duration::from_micros(next() % 3_000));
        let admitted = if what == 0 {
            tokio::time::timeout(patience, control.admit(asked)).await
        } else {
            Ok(control.admit(asked).await)
        };
        match admitted {
            Ok(Ok(Admission::Granted { .. })) if what == 1 => {
                drop(control.refund(&id).await);
                sum.given_back.fetch_add(amount, Ordering::SeqCst);
            }
            Ok(Ok(Admission::Granted { .. })) => {
                sum.kept.fetch_add(amount, Ordering::SeqCst);
                drop(control.settle(&id).await);
            }
            Ok(Ok(_)) => {}
            // who is not told what became of it gives it back, or has hung up
            Ok(Err(_)) => {
                drop(control.refund(&id).await);
                while control.usage(SystemClock.now()).await.is_err() {}
            }
            Err(_hung_up) => {
                sum.in_doubt.fetch_add(amount, Ordering::SeqCst);
            }
        }
    }
}

/// Cuts answers at random until told that it is done.
fn cut_at_random(wires: &[Wire], cuts: &AtomicU64, done: &AtomicBool) {
    for turn in numbers(7) {
        if done.load(Ordering::SeqCst) {
            return;
        }
        let wire = &wires[usize::try_from(turn % REPLICAS).unwrap()];
        let mark = format!("{}/", turn % 5);
        let (before, began) = (wire.cuts(), Instant::now());
        wire.plan(Plan::After(mark, usize::try_from(turn % 40).unwrap()));
        // an agent that is done asks for nothing any more
        while wire.cuts() == before && began.elapsed() < Duration::from_millis(5) {
            std::thread::yield_now();
        }
        wire.plan(Plan::Pass);
        cuts.fetch_add((wire.cuts() - before) as u64, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_fleet_never_exceeds_a_budget() {
    let Some(redis) = Redis::start("redis_fleet::a_fleet_never_exceeds_a_budget") else {
        return;
    };
    let state = RedisControl::open(options(&redis.url(), "state")).unwrap();
    built(&state, 1).await;
    let (agents, turns) = if long() { (64, 400) } else { (8, 25) };
    let (sum, over) = (Arc::new(Sum::default()), Arc::new(AtomicBool::new(false)));
    let (mut wires, mut tasks) = (Vec::new(), JoinSet::new());
    for replica in 0..REPLICAS {
        let wire = Wire::to(redis.port);
        let own = Options {
            within: WITHIN,
            ..options(&wire.url(), &format!("replica {replica}"))
        };
        let control = Arc::new(RedisControl::open(own).unwrap());
        for number in 0..agents {
            let (control, sum) = (Arc::clone(&control), Arc::clone(&sum));
            tasks.spawn(agent(control, sum, replica * 1_000 + number, turns));
        }
        wires.push(wire);
    }
    let (cutting, done) = (Arc::new(AtomicU64::new(0)), Arc::clone(&over));
    let cuts = Arc::clone(&cutting);
    let chaos = tokio::task::spawn_blocking(move || cut_at_random(&wires, &cuts, &done));
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    chaos.await.unwrap();
    let load = |count: &AtomicU64| count.load(Ordering::SeqCst);
    let (kept, in_doubt) = (load(&sum.kept), load(&sum.in_doubt));
    assert!(kept <= BUDGET, "{kept} granted of {BUDGET}");
    let now = SystemClock.now();
    let used = state
        .usage(now)
        .await
        .unwrap()
        .first()
        .map_or(0, |used| used.used);
    assert!(
        used >= kept && used <= BUDGET,
        "{used} used, {kept} granted"
    );
    // what is left can be had, but for what is in doubt
    let mut left = 0;
    while granted(
        &state
            .admit(ask(
                &format!("left {left}"),
                "l",
                &[charge(&budget(BUDGET), 1)],
            ))
            .await,
    ) {
        state
            .settle(&EntryId::from_text(&format!("left {left}")))
            .await
            .unwrap();
        left += 1;
    }
    println!(
        "{} asks by {REPLICAS} replicas of {agents}, {} cut: granted {kept} of {BUDGET}, given back {}, \
         left {left}, in doubt {in_doubt} at most",
        REPLICAS * agents * turns,
        load(&cutting),
        load(&sum.given_back),
    );
    assert!(
        kept + left + in_doubt >= BUDGET,
        "{kept} + {left} + {in_doubt}"
    );
    assert!(kept + left <= BUDGET);
}

fn switch(service_account: &str, reason: &str) -> Switch {
    Switch {
        service_account: service_account.into(),
        scope: SwitchScope::All,
        by: "dana".into(),
        reason: reason.into(),
        at: SystemClock.now(),
        limit: None,
    }
}

async fn replica(control: &RedisControl, name: &str) -> Replica {
    let all = control.replicas().await.unwrap();
    let found = all.iter().find(|replica| replica.name == name);
    found.unwrap_or_else(|| panic!("{all:?}")).clone()
}

#[tokio::test]
async fn a_kill_is_everywhere_at_once_and_confirmed_when_it_is_acted_on() {
    let name = "redis_fleet::a_kill_is_everywhere_at_once_and_confirmed_when_it_is_acted_on";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let one = RedisControl::open(options(&redis.url(), "one")).unwrap();
    let two = RedisControl::open(options(&redis.url(), "two")).unwrap();
    built(&one, 1).await;
    let version = one.switches().version;
    let there = async {
        loop {
            let all = one.replicas().await.unwrap();
            if all.len() == 2 && all.iter().all(|replica| replica.version == version) {
                break;
            }
        }
    };
    soon(there).await;
    let gate = Arc::new((Notify::new(), Notify::new()));
    let held = Arc::clone(&gate);
    two.before_confirming(Arc::new(move || {
        let gate = Arc::clone(&held);
        Box::pin(async move {
            gate.0.notify_one();
            gate.1.notified().await;
        })
    }));
    let began = Instant::now();
    let killed = one
        .set_switch(SwitchChange::Throw(switch("agent", "runs wild")))
        .await;
    let version = killed.unwrap().version;
    // it acts there before it is confirmed
    soon(gate.0.notified()).await;
    println!("seen by the other one after {:?}", began.elapsed());
    assert_eq!(two.switches().version, version);
    assert!(two.switches().stops("agent", false).is_some());
    soon(async { while replica(&one, "one").await.version != version {} }).await;
    assert!(replica(&one, "two").await.version < version);
    gate.1.notify_one();
    soon(async { while replica(&one, "two").await.version != version {} }).await;
    println!("confirmed by all after {:?}", began.elapsed());
    assert!(replica(&one, "two").await.live);
}

/// What is told is only told sooner: a replica that hears of nothing looks by itself.
#[tokio::test]
async fn a_kill_that_nobody_was_told_of_is_seen_all_the_same() {
    let name = "redis_fleet::a_kill_that_nobody_was_told_of_is_seen_all_the_same";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let one = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&one, 1).await;
    let version = one.switches().version + 1;
    let keys = redis.keys("wg:*:index");
    let base = redis.keys("wg:*:generations");
    assert!(keys.is_empty() && base.len() == 1);
    let generation = redis
        .say(&["HGET", "wg:{writegate}:state", "generation"])
        .text();
    let thrown = serde_json::to_string(&switch("agent", "quietly")).unwrap();
    let key = format!("wg:{{writegate}}:{generation}:switches");
    redis.say(&["HSET", &key, "agent", &format!("{version} {thrown}")]);
    let text = version.to_string();
    redis.say(&["HSET", "wg:{writegate}:state", "version", &text]);
    until(|| one.switches().stops("agent", true).is_some()).await;
}

#[tokio::test]
async fn a_replica_that_is_cut_off_knows_that_its_view_is_old() {
    let name = "redis_fleet::a_replica_that_is_cut_off_knows_that_its_view_is_old";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let wire = Wire::to(redis.port);
    let one = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&one, 1).await;
    let cut_off = Options {
        within: WITHIN,
        ..options(&wire.url(), "two")
    };
    let two = RedisControl::open(cut_off).unwrap();
    until(|| two.switches().version == one.switches().version).await;
    assert!(replica(&one, "two").await.live);
    wire.plan(Plan::Swallow);
    let killed = one
        .set_switch(SwitchChange::Throw(switch("agent", "now")))
        .await
        .unwrap();
    soon(async { while replica(&one, "two").await.live {} }).await;
    let (view, now) = (two.switches(), SystemClock.now());
    assert!(view.version < killed.version);
    let age = now.duration_since(view.confirmed_at.unwrap());
    assert!(age > jiff::SignedDuration::from_secs(2), "{age:?}");
    assert!(matches!(two.health(), Health::Trouble(_)));
    wire.plan(Plan::Pass);
    soon(async { while replica(&one, "two").await.version != killed.version {} }).await;
    assert!(two.switches().stops("agent", true).is_some());
}

#[tokio::test]
async fn a_deployment_without_a_shared_ledger_has_one_owner() {
    let name = "redis_fleet::a_deployment_without_a_shared_ledger_has_one_owner";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let first = RedisControl::open(alone(&redis.url(), "ledger-1@here", "first")).unwrap();
    assert!(matches!(first.admit(ask("0", "0", &[])).await, Err(error) if Lost::is_why(&error)));
    built(&first, 3).await;
    assert!(granted(&first.admit(ask("1", "1", &[])).await));
    // another ledger, the same one on another machine, and one that shares
    for other in [
        alone(&redis.url(), "ledger-2@here", "second"),
        alone(&redis.url(), "ledger-1@there", "second"),
        options(&redis.url(), "second"),
    ] {
        let other = RedisControl::open(other).unwrap();
        let refused = other.rebuild(Rebuild::default()).await.unwrap_err();
        let said = refused.to_string();
        assert!(!refused.transient, "{said}");
        assert!(
            said.contains("used by another replica (ledger-1@here/first)"),
            "{said}"
        );
    }
    assert!(granted(&first.admit(ask("2", "2", &[])).await));
    // another deployment of the same Redis
    let url = format!("{}?deployment=other", redis.url());
    let other = RedisControl::open(alone(&url, "ledger-2@here", "second")).unwrap();
    built(&other, 1).await;
    // the next process with the same ledger knows that the one before has ended
    let next = RedisControl::open(alone(&redis.url(), "ledger-1@here", "next")).unwrap();
    built(&next, 4).await;
    let refused = first.admit(ask("3", "3", &[])).await.unwrap_err();
    assert!(
        refused.to_string().contains("used by another replica"),
        "{refused}"
    );
    assert!(granted(&next.admit(ask("3", "3", &[])).await));
    // one that says good-bye leaves it to anybody
    drop(next);
    let another = RedisControl::open(alone(&redis.url(), "ledger-2@here", "another")).unwrap();
    built(&another, 1).await;
}

#[tokio::test]
async fn an_owner_that_is_not_heard_of_any_more_is_replaced() {
    let name = "redis_fleet::an_owner_that_is_not_heard_of_any_more_is_replaced";
    let Some(redis) = Redis::start(name) else {
        return;
    };
    let wire = Wire::to(redis.port);
    let gone = Options {
        within: WITHIN,
        time: Time::Server,
        ..alone(&wire.url(), "ledger-1@here", "gone")
    };
    let gone = RedisControl::open(gone).unwrap();
    while gone.rebuild(Rebuild::default()).await.is_err() {}
    wire.plan(Plan::Swallow);
    let began = Instant::now();
    let next = RedisControl::open(alone(&redis.url(), "ledger-2@there", "next")).unwrap();
    soon(async { while next.rebuild(Rebuild::default()).await.is_err() {} }).await;
    println!("had after {:?}", began.elapsed());
    wire.plan(Plan::Pass);
    let refused = async {
        loop {
            let said = gone
                .admit(ask("1", "1", &[]))
                .await
                .unwrap_err()
                .to_string();
            if said.contains("used by another replica") {
                break;
            }
        }
    };
    soon(refused).await;
}
