//! What Redis loses costs nobody anything: a budget is granted once, whatever was flushed, restarted
//! or failed over. Until control state is built anew from the ledger nothing is granted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use writegate::clock::{Clock, EntryId, SystemClock};
use writegate::control::redis::RedisControl;
use writegate::control::{Admission, ControlState, Lost, Rebuild};
use writegate::mutation::Charge;

use super::support::cable::Wire;
use super::support::redis::{Redis, SERVICE, Said, ask, budget, built, charge, granted, options};
use super::support::wire::{soon, until};

const BUDGET: u64 = 1_000;

/// What a ledger does for control state: it keeps what was written under an epoch, and refuses what was
/// granted under an older one.
#[derive(Debug, Default)]
struct Paper {
    inner: tokio::sync::Mutex<(u64, Vec<(Timestamp, Charge)>)>,
}

impl Paper {
    /// Writes a grant down; false where it was fenced out.
    async fn record(&self, epoch: u64, charge: &Charge) -> bool {
        let mut inner = self.inner.lock().await;
        if epoch < inner.0 {
            return false;
        }
        inner.1.push((SystemClock.now(), charge.clone()));
        true
    }

    async fn sum(&self) -> u64 {
        let inner = self.inner.lock().await;
        inner.1.iter().map(|(_, charge)| charge.amount).sum()
    }

    /// Builds the state anew, if it is not there again meanwhile.
    async fn rebuild(&self, control: &RedisControl) {
        let mut inner = self.inner.lock().await;
        let lost = async {
            tokio::select! {
                biased;
                () = control.lost() => true,
                () = std::future::ready(()) => false,
            }
        };
        if !lost.await {
            return;
        }
        inner.0 += 1;
        let from = Rebuild {
            charges: inner.1.clone(),
            epoch: inner.0,
            ..Rebuild::default()
        };
        // what was lost once more meanwhile is built once more
        drop(control.rebuild(from).await);
    }
}

/// Asks once and writes it down; true where it was granted.
async fn grant(control: &RedisControl, paper: &Paper, name: &str, amount: u64) -> Option<bool> {
    let charge = charge(&budget(BUDGET), amount);
    let id = EntryId::from_text(name);
    match control
        .admit(ask(name, name, std::slice::from_ref(&charge)))
        .await
    {
        Ok(Admission::Granted { epoch, .. }) => {
            let recorded = paper.record(epoch, &charge).await;
            if recorded {
                drop(control.settle(&id).await);
            } else {
                drop(control.refund(&id).await);
            }
            Some(recorded)
        }
        Ok(Admission::Limited { .. }) => Some(false),
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            drop(control.refund(&id).await);
            if Lost::is_why(&error) {
                paper.rebuild(control).await;
            }
            None
        }
    }
}

/// What is left of the budget is there, to the last one, and not one more.
async fn is_spent_exactly(control: &RedisControl, paper: &Paper) {
    let mut turn = 0;
    let spent = async {
        loop {
            turn += 1;
            let sum = paper.sum().await;
            assert!(sum <= BUDGET, "{sum} granted of {BUDGET}");
            let one = grant(control, paper, &format!("last {turn}"), 1).await;
            if one == Some(false) && sum == BUDGET {
                break;
            }
        }
    };
    soon(spent).await;
}

#[tokio::test]
async fn a_flush_under_load_refills_no_budget() {
    let Some(redis) = Redis::start("redis_lost::a_flush_under_load_refills_no_budget") else {
        return;
    };
    let paper = Arc::new(Paper::default());
    let mut replicas = Vec::new();
    for number in 0..3 {
        let name = format!("replica {number}");
        let control = RedisControl::open(options(&redis.url(), &name)).unwrap();
        replicas.push(Arc::new(control));
    }
    built(&*replicas[0], 1).await;
    paper.inner.lock().await.0 = 1;
    let (flushed, grants) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for task in 0..24_usize {
        let (control, paper) = (Arc::clone(&replicas[task % 3]), Arc::clone(&paper));
        let (flushed, grants) = (Arc::clone(&flushed), Arc::clone(&grants));
        tasks.spawn(async move {
            let mut turn = 0;
            while flushed.load(Ordering::SeqCst) < 5 {
                turn += 1;
                let name = format!("{task}/{turn}");
                let amount = 1 + (task as u64 + turn) % 3;
                let got = grant(&control, &paper, &name, amount).await;
                grants.fetch_add(usize::from(got == Some(true)), Ordering::SeqCst);
            }
        });
    }
    for flush in 1..=5 {
        soon(async {
            while grants.load(Ordering::SeqCst) < flush * 40 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(redis.say(&["FLUSHALL"]), Said::Text("OK".into()));
        flushed.store(flush, Ordering::SeqCst);
    }
    while tasks.join_next().await.is_some() {}
    is_spent_exactly(&replicas[0], &paper).await;
    let epochs = paper.inner.lock().await.0;
    let sum = paper.sum().await;
    println!("{epochs} epochs, {sum} granted");
}

#[tokio::test]
async fn a_stale_replica_that_takes_over_refills_no_budget() {
    let name = "redis_lost::a_stale_replica_that_takes_over_refills_no_budget";
    let Some(mut primary) = Redis::start(name) else {
        return;
    };
    let port = primary.port.to_string();
    let Some(second) = Redis::with(name, &["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    let (wire, paper) = (Wire::to(primary.port), Paper::default());
    let one = RedisControl::open(options(&wire.url(), "one")).unwrap();
    let two = RedisControl::open(options(&wire.url(), "two")).unwrap();
    built(&one, 1).await;
    for number in 0..40 {
        assert_eq!(
            grant(&one, &paper, &format!("a{number}"), 10).await,
            Some(true)
        );
    }
    // the other one has it, to the last grant; from here on it hears nothing any more
    until(|| primary.say(&["WAIT", "1", "1000"]) == Said::Number(1)).await;
    second.signal("STOP");
    for number in 0..40 {
        assert_eq!(
            grant(&two, &paper, &format!("b{number}"), 10).await,
            Some(true)
        );
    }
    assert_eq!(paper.sum().await, 800);
    primary.kill();
    second.signal("CONT");
    until(|| second.say(&["REPLICAOF", "NO", "ONE"]) == Said::Text("OK".into())).await;
    let began = Instant::now();
    wire.lead_to(second.port);
    // it knows of 400; who saw no more than those is refused all the same
    for control in [&one, &two] {
        soon(control.lost()).await;
        let refused = control.admit(ask("x", "x", &[])).await.unwrap_err();
        assert!(Lost::is_why(&refused), "{refused}");
    }
    is_spent_exactly(&one, &paper).await;
    is_spent_exactly(&two, &paper).await;
    println!("spent exactly {:?} after the failover", began.elapsed());
}

/// The same server, at an earlier time: only its number of grants tells.
#[tokio::test]
async fn a_state_that_has_forgotten_grants_is_not_used() {
    let Some(redis) = Redis::start("redis_lost::a_state_that_has_forgotten_grants_is_not_used")
    else {
        return;
    };
    let control = RedisControl::open(options(&redis.url(), "one")).unwrap();
    built(&control, 1).await;
    let limit = budget(3);
    let ask_one = |name: &str| ask(name, name, &[charge(&limit, 1)]);
    assert!(granted(&control.admit(ask_one("1")).await));
    let state = "wg:{writegate}:state";
    let grants = redis.say(&["HGET", state, "grants"]).text();
    assert!(granted(&control.admit(ask_one("2")).await));
    redis.say(&["HSET", state, "grants", &grants]);
    let refused = control.admit(ask_one("3")).await.unwrap_err();
    assert!(
        refused.to_string().contains("forgotten grants"),
        "{refused}"
    );
    assert!(Lost::is_why(&refused));
    // and an earlier epoch
    built(&control, 7).await;
    redis.say(&["HSET", state, "epoch", "6", "generation", "6-1"]);
    let refused = control.admit(ask_one("4")).await.unwrap_err();
    assert!(refused.to_string().contains("an earlier one"), "{refused}");
}

#[tokio::test]
async fn who_was_not_there_follows_a_rebuild() {
    let Some(redis) = Redis::start("redis_lost::who_was_not_there_follows_a_rebuild") else {
        return;
    };
    let one = RedisControl::open(options(&redis.url(), "one")).unwrap();
    let two = RedisControl::open(options(&redis.url(), "two")).unwrap();
    built(&one, 1).await;
    let limit = budget(10);
    let held = ask("held", "held", &[charge(&limit, 1)]);
    assert!(granted(&two.admit(held).await));
    let from = Rebuild {
        charges: vec![(SystemClock.now(), charge(&limit, 8))],
        epoch: 2,
        ..Rebuild::default()
    };
    one.rebuild(from).await.unwrap();
    let admitted = two
        .admit(ask("2", "2", &[charge(&limit, 1)]))
        .await
        .unwrap();
    assert!(matches!(admitted, Admission::Granted { epoch: 2, .. }));
    // what it holds is locked in the new state too, and what it took under the old epoch is not given back
    until(|| !redis.keys("wg:*:2-*:r:held").is_empty()).await;
    let busy = one.admit(ask("3", "held", &[])).await.unwrap();
    assert!(matches!(busy, Admission::Busy { .. }), "{busy:?}");
    two.refund(&EntryId::from_text("held")).await.unwrap();
    assert!(granted(&one.admit(ask("3", "held", &[])).await));
    assert_eq!(one.usage(SystemClock.now()).await.unwrap()[0].used, 9);
}

#[tokio::test]
async fn a_sentinel_leads_to_the_new_primary() {
    let name = "redis_lost::a_sentinel_leads_to_the_new_primary";
    let Some(mut primary) = Redis::start(name) else {
        return;
    };
    let port = primary.port.to_string();
    let Some(second) = Redis::with(name, &["--replicaof", "127.0.0.1", &port]) else {
        return;
    };
    until(|| primary.say(&["WAIT", "1", "1000"]) == Said::Number(1)).await;
    let sentinel = Redis::sentinel(name, primary.port).unwrap();
    let knows_both = async {
        loop {
            let known = sentinel.say(&["SENTINEL", "REPLICAS", SERVICE]);
            if matches!(known, Said::List(known) if !known.is_empty()) {
                break;
            }
        }
    };
    soon(knows_both).await;
    let url = format!("redis+sentinel://127.0.0.1:{}/{SERVICE}", sentinel.port);
    let (control, paper) = (
        RedisControl::open(options(&url, "one")).unwrap(),
        Paper::default(),
    );
    built(&control, 1).await;
    assert_eq!(grant(&control, &paper, "1", 900).await, Some(true));
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    primary.kill();
    let back = async {
        let mut turn = 0;
        while !stop.load(Ordering::SeqCst) {
            turn += 1;
            let got = grant(&control, &paper, &format!("again {turn}"), 1).await;
            stop.store(got == Some(true), Ordering::SeqCst);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), back)
        .await
        .unwrap();
    println!(
        "granted again {:?} after the primary was killed",
        began.elapsed()
    );
    is_spent_exactly(&control, &paper).await;
    assert!(!second.keys("wg:*").is_empty());
}
