//! Control state in Redis and in memory are twins: whatever is asked of them, at whatever moments, they
//! answer the same. The schedules are random; the Redis is a real one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use writegate::clock::EntryId;
use writegate::control::memory::MemoryControl;
use writegate::control::redis::RedisControl;
use writegate::control::{
    Admission, Ask, ControlState, Rebuild, Switch, SwitchChange, SwitchScope,
};
use writegate::mutation::{Charge, Count, Limit, LimitKind, Per, Then};

use super::support::redis::{Redis, built, options};
use super::support::{long, resume_of};

const ACCOUNTS: [&str; 2] = ["ann", "bob"];
const RECORDS: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "email=x@y.test", "i"];

/// One limit of each arithmetic and each consequence, small enough to be reached.
fn limits() -> Vec<Limit> {
    let limit = |name: &str, count, per: &[Per], kind, then| Limit {
        name: name.into(),
        count,
        per: per.to_vec(),
        kind,
        then,
    };
    let budget = |max, window_ms| LimitKind::Budget { max, window_ms };
    let rate = |count, period_ms, burst| LimitKind::Rate {
        count,
        period_ms,
        burst,
    };
    let each = [Per::ServiceAccount];
    vec![
        limit(
            "pace",
            Count::Requests,
            &each,
            rate(7, 1_000, 12),
            Then::Deny,
        ),
        limit(
            "slow pace",
            Count::Requests,
            &[Per::Route],
            rate(3, 7_000, 4),
            Then::Hold,
        ),
        limit(
            "fast",
            Count::Mutations,
            &each,
            rate(999_983, 1_000, 2_000_000),
            Then::Stop,
        ),
        limit(
            "wide",
            Count::Mutations,
            &each,
            budget(40, 20_000),
            Then::Deny,
        ),
        limit(
            "all",
            Count::Mutations,
            &[Per::Route],
            budget(25, 3_000),
            Then::Stop,
        ),
        limit(
            "churn",
            Count::Mutations,
            &each,
            budget(6, 9_000),
            Then::Hold,
        ),
        limit(
            "spread",
            Count::Records,
            &each,
            budget(4, 8_000),
            Then::Deny,
        ),
        limit(
            "reach",
            Count::Records,
            &[Per::Route],
            budget(3, 15_000),
            Then::Hold,
        ),
        limit("queue", Count::Holds, &each, budget(5, 0), Then::Deny),
        limit(
            "huge",
            Count::Mutations,
            &each,
            budget(u64::MAX, 1 << 60),
            Then::Deny,
        ),
    ]
}

/// What is done.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes, or goes back.
    Time(i64),
    Admit {
        reservation: u8,
        account: usize,
        charges: Vec<(usize, u64, Vec<usize>)>,
        locks: Vec<usize>,
    },
    Charge(usize, Vec<(usize, u64, Vec<usize>)>),
    Settle(u8),
    Refund(u8),
    Throw(usize),
    Resume(usize),
    /// A rate becomes another one.
    Pace(usize, u64, u64, u64),
    /// A window becomes another one; so many charges stand in the ledger, so long ago.
    Lengthen(usize, u64, Vec<(u64, i64, Vec<usize>)>),
    Rebuild(Vec<(usize, u64, i64, Vec<usize>)>, Vec<u8>),
}

fn records() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..RECORDS.len(), 0..4)
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 0_u64..6, 2 => 6_u64..30, 1 => Just(u64::MAX), 1 => Just(1 << 52)]
}

fn charges() -> impl Strategy<Value = Vec<(usize, u64, Vec<usize>)>> {
    prop::collection::vec((0..limits().len(), amount(), records()), 0..4)
}

fn step() -> impl Strategy<Value = Step> {
    let older = prop::collection::vec((0_u64..4, 0_i64..40_000, records()), 0..6);
    let all = prop::collection::vec(
        (0..limits().len(), 0_u64..5, 0_i64..20_000, records()),
        0..20,
    );
    prop_oneof![
        8 => (0_i64..2_500_000).prop_map(Step::Time),
        1 => (-3_000_000_i64..0).prop_map(Step::Time),
        1 => (0_i64..20_000_000).prop_map(Step::Time),
        20 => (0_u8..12, 0..2_usize, charges(), prop::collection::vec(0..4_usize, 0..3))
            .prop_map(|(reservation, account, charges, locks)| Step::Admit {
                reservation, account, charges, locks,
            }),
        3 => (0..2_usize, charges()).prop_map(|(account, charges)| Step::Charge(account, charges)),
        6 => (0_u8..12).prop_map(Step::Settle),
        6 => (0_u8..12).prop_map(Step::Refund),
        1 => (0..3_usize).prop_map(Step::Throw),
        4 => (0..3_usize).prop_map(Step::Resume),
        2 => (0..3_usize, 1_u64..12, 1_u64..9_000, 1_u64..16)
            .prop_map(|(limit, count, period, burst)| Step::Pace(limit, count, period, burst)),
        1 => (3..8_usize, 1_000_u64..60_000, older)
            .prop_map(|(limit, window, older)| Step::Lengthen(limit, window, older)),
        1 => (all, prop::collection::vec(any::<u8>().prop_map(|id| id % 12), 0..3))
            .prop_map(|(all, waiting)| Step::Rebuild(all, waiting)),
    ]
}

/// Both stores, and what the steps have come to.
struct Twins {
    memory: MemoryControl,
    redis: RedisControl,
    limits: Vec<Limit>,
    now: i64,
    /// The latest that time was.
    latest: i64,
    epoch: u64,
    /// The versions at which both stood the same.
    versions: (u64, u64),
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_000_000 + micros).unwrap()
}

fn id(reservation: u8) -> EntryId {
    EntryId::from_text(&format!("R{reservation}"))
}

fn account(place: usize) -> &'static str {
    ACCOUNTS.get(place).copied().unwrap_or("*")
}

impl Twins {
    async fn new(url: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let url = format!("{url}?deployment=twin-{number}");
        let redis = RedisControl::open(options(&url, "one")).unwrap();
        let memory = MemoryControl::new();
        for store in [&redis as &dyn ControlState, &memory] {
            built(store, 1).await;
        }
        let versions = (memory.switches().version, redis.switches().version);
        Self {
            memory,
            redis,
            limits: limits(),
            now: 0,
            latest: 0,
            epoch: 1,
            versions,
        }
    }

    fn charge(&self, limit: usize, amount: u64, who: &str, records: &[usize]) -> Charge {
        let limit = self.limits[limit].clone();
        let of_records = limit.count == Count::Records;
        let mut records: Vec<String> = records.iter().map(|at| RECORDS[*at].to_owned()).collect();
        records.retain(|_| of_records);
        Charge {
            key: match limit.per.first() {
                Some(Per::ServiceAccount) => format!("{who}/contact/email=a@b.test"),
                _ => "salesforce".into(),
            },
            // a budget of records counts those, and some without a key
            amount: if of_records {
                records.len() as u64 + amount % 3
            } else {
                amount
            },
            limit,
            records,
        }
    }

    fn ask(&self, reservation: u8, who: &str, charges: &[(usize, u64, Vec<usize>)]) -> Ask {
        let charges = charges.iter();
        Ask {
            reservation: id(reservation),
            service_account: who.into(),
            locks: Vec::new(),
            charges: charges
                .map(|(limit, amount, records)| self.charge(*limit, *amount, who, records))
                .collect(),
            patience: Duration::ZERO,
            now: at(self.now),
        }
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Time(passed) => {
                self.now += passed;
                self.latest = self.latest.max(self.now);
            }
            Step::Admit {
                reservation,
                account: who,
                charges,
                locks,
            } => {
                let mut ask = self.ask(*reservation, account(*who), charges);
                ask.locks = locks.iter().map(|at| format!("r/Account/{at}")).collect();
                ask.locks.sort();
                ask.locks.dedup();
                let mut one = self.memory.admit(ask.clone()).await.unwrap();
                let mut two = self.redis.admit(ask).await.unwrap();
                normal(&mut one, self.versions.0);
                normal(&mut two, self.versions.1);
                assert_eq!(one, two);
            }
            Step::Charge(who, charges) => {
                let ask = self.ask(99, account(*who), charges);
                let one = self.memory.charge(ask.clone()).await.unwrap();
                assert_eq!(one, self.redis.charge(ask).await.unwrap());
            }
            Step::Settle(reservation) => {
                self.memory.settle(&id(*reservation)).await.unwrap();
                self.redis.settle(&id(*reservation)).await.unwrap();
            }
            Step::Refund(reservation) => {
                self.memory.refund(&id(*reservation)).await.unwrap();
                self.redis.refund(&id(*reservation)).await.unwrap();
            }
            Step::Throw(who) => {
                let change = SwitchChange::Throw(Switch {
                    service_account: account(*who).into(),
                    scope: SwitchScope::Writes,
                    by: "dana".into(),
                    reason: "\"why\" \\ – 原因\n".into(),
                    at: at(self.now),
                    limit: None,
                });
                self.memory.set_switch(change.clone()).await.unwrap();
                self.redis.set_switch(change).await.unwrap();
            }
            Step::Resume(who) => {
                let change = resume_of(&self.memory, account(*who));
                self.memory.set_switch(change.clone()).await.unwrap();
                self.redis.set_switch(change).await.unwrap();
            }
            Step::Pace(limit, count, period_ms, burst) => {
                self.limits[*limit].kind = LimitKind::Rate {
                    count: *count,
                    period_ms: *period_ms,
                    burst: *burst,
                };
            }
            Step::Lengthen(limit, window_ms, older) => {
                Box::pin(self.lengthen(*limit, *window_ms, older)).await
            }
            Step::Rebuild(all, waiting) => self.rebuild(all, waiting).await,
        }
    }

    async fn lengthen(&mut self, place: usize, window: u64, older: &[(u64, i64, Vec<usize>)]) {
        let before = self.limits[place].clone();
        let LimitKind::Budget { max, .. } = before.kind else {
            return;
        };
        self.limits[place].kind = LimitKind::Budget {
            max,
            window_ms: window,
        };
        let after = self.limits[place].clone();
        let charges: Vec<_> = older
            .iter()
            .map(|(amount, ago_ms, records)| {
                let charge = self.charge(place, *amount, "ann", records);
                (at((self.now - ago_ms * 1_000).max(0)), charge)
            })
            .collect();
        let now = at(self.now);
        // whether what is told anew can be given back depends on when idle counters were forgotten
        for reservation in 0..12 {
            self.take(&Step::Settle(reservation)).await;
        }
        for store in [&self.redis as &dyn ControlState, &self.memory] {
            let told = store.lengthen(&before, &after, charges.clone(), now).await;
            told.unwrap();
        }
    }

    async fn rebuild(&mut self, all: &[(usize, u64, i64, Vec<usize>)], waiting: &[u8]) {
        self.epoch += 1;
        // Redis has seen it, and time never goes back
        self.now = self.latest;
        let gauge = self
            .limits
            .iter()
            .position(|limit| limit.count == Count::Holds);
        let charges = all.iter().filter(|(limit, ..)| Some(*limit) != gauge);
        let from = Rebuild {
            thrown: self.memory.switches().thrown.clone(),
            charges: charges
                .map(|(limit, amount, ago_ms, records)| {
                    let charge = self.charge(*limit, *amount, "bob", records);
                    (at(self.now - ago_ms * 1_000), charge)
                })
                .collect(),
            waiting: waiting
                .iter()
                .map(|reservation| {
                    let charge = self.charge(gauge.unwrap(), 1, "ann", &[]);
                    (id(*reservation), charge)
                })
                .collect(),
            epoch: self.epoch,
        };
        // in memory, time goes on where it was, and so do locks in Redis: both begin anew here
        let redis = &self.redis;
        for reservation in 0..12 {
            redis.refund(&id(reservation)).await.unwrap();
        }
        let later = from.charges.iter().map(|(at, _)| *at).max();
        self.memory = MemoryControl::new();
        if let Some(later) = later {
            self.now = self
                .now
                .max((later.as_microsecond()) - at(0).as_microsecond());
        }
        self.memory.rebuild(from.clone()).await.unwrap();
        self.redis.rebuild(from).await.unwrap();
        // both have seen this moment
        let ask = self.ask(98, "nobody", &[]);
        self.memory.admit(ask.clone()).await.unwrap();
        self.redis.admit(ask).await.unwrap();
        for store in [&self.redis as &dyn ControlState, &self.memory] {
            store.settle(&id(98)).await.unwrap();
        }
        self.versions = (
            self.memory.switches().version,
            self.redis.switches().version,
        );
    }

    async fn compare(&self) {
        let now = at(self.now);
        let (one, two) = (self.memory.usage(now).await, self.redis.usage(now).await);
        let mut one = one.unwrap();
        for usage in &mut one {
            // in Redis a digest stands for the customer's value
            usage.key = usage.key.replace("a@b.test", "");
        }
        let mut two = two.unwrap();
        for usage in &mut two {
            if let Some((before, _digest)) = usage.key.split_once('~') {
                usage.key = before.to_owned();
            }
        }
        assert_eq!(one, two);
        assert_eq!(self.memory.switches().thrown, self.redis.switches().thrown);
    }
}

/// Versions count from where both stood the same; epochs are not compared.
fn normal(admission: &mut Admission, from: u64) {
    if let Admission::Granted {
        switch_version,
        epoch,
        ..
    } = admission
    {
        *switch_version -= from;
        *epoch = 0;
    }
}

#[test]
fn redis_and_memory_answer_the_same() {
    let Some(redis) = Redis::start("control_twin") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: if long() { 5_000 } else { 150 },
        failure_persistence: None,
        ..Config::default()
    };
    let steps = prop::collection::vec(step(), 1..80);
    let run = TestRunner::new(config).run(&steps, |steps| {
        runtime.block_on(async {
            let mut twins = Twins::new(&redis.url()).await;
            for step in &steps {
                twins.take(step).await;
                twins.compare().await;
            }
        });
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}
