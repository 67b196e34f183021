//! What every control state promises, run for each backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::support::resume_of;
use jiff::{SignedDuration, Timestamp};
use writegate::clock::EntryId;
use writegate::control::memory::MemoryControl;
use writegate::control::{
    Admission, Ask, ControlState, Health, Rebuild, Switch, SwitchChange, SwitchScope, Usage,
};
use writegate::mutation::{Charge, Count, Limit, LimitKind, Per, Then};

/// Expands each case for each backend.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(&writegate::control::memory::MemoryControl::new()).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $case() {
                let name = concat!("control_contract::redis::", stringify!($case));
                let Some(redis) = super::super::support::redis::Redis::start(name) else {
                    return;
                };
                let store = super::super::support::redis::control(&redis.url()).await;
                super::$case(&store).await;
            })*
        }
    };
}

contract!(
    a_budget_passes_its_maximum_and_no_more,
    an_ask_takes_all_or_nothing,
    asking_again_takes_nothing_twice,
    asking_again_may_add_charges_and_locks,
    what_alone_exceeds_a_limit_is_told_what_fits_and_trips_nothing,
    a_stop_limit_throws_the_switch_in_the_same_step,
    the_most_telling_limit_is_reported,
    a_resume_empties_the_limit_that_tripped_for_that_account,
    a_threshold_never_refuses,
    a_refund_gives_back_what_was_taken,
    a_refund_after_a_resume_gives_nothing,
    a_settled_reservation_keeps_its_charges,
    a_window_moves_on,
    a_rate_says_when_it_fits,
    rates_follow_their_vectors,
    another_rate_begins_with_what_it_would_have_made_of_it,
    a_record_counts_once_in_a_window,
    creates_count_as_different_records,
    a_gauge_counts_until_its_reservation_ends,
    a_clock_that_goes_back_mints_nothing,
    a_changed_maximum_keeps_what_is_used,
    a_longer_window_takes_up_what_was_forgotten,
    a_longer_window_knows_the_records_that_were_forgotten,
    what_counts_something_else_has_counters_of_its_own,
    a_shorter_window_takes_nothing_from_the_longer_one,
    refusals_are_counted_and_trip,
    switches_stop_their_account_or_all,
    a_replica_confirms_the_version_it_acts_on,
    a_lock_is_had_by_one,
    a_lock_is_waited_for,
    a_kill_ends_the_waiting,
    who_hangs_up_leaves_the_line,
    who_wants_many_records_is_not_starved,
    the_ledger_rebuilds_everything,
    what_is_used_can_be_read,
    threads_never_exceed_a_budget,
    threads_never_share_a_lock,
);

const SECOND: u64 = 1_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
}

fn id(text: &str) -> EntryId {
    EntryId::from_text(text)
}

fn budget(name: &str, max: u64, window_ms: u64) -> Limit {
    Limit {
        name: name.into(),
        count: Count::Mutations,
        per: vec![Per::ServiceAccount],
        kind: LimitKind::Budget { max, window_ms },
        then: Then::Deny,
    }
}

fn rate(name: &str, count: u64, period_ms: u64, burst: u64) -> Limit {
    Limit {
        count: Count::Requests,
        kind: LimitKind::Rate {
            count,
            period_ms,
            burst,
        },
        ..budget(name, 0, 0)
    }
}

fn charge(limit: &Limit, amount: u64) -> Charge {
    Charge {
        limit: limit.clone(),
        key: "agent".into(),
        amount,
        records: Vec::new(),
    }
}

fn touch(limit: &Limit, records: &[&str]) -> Charge {
    Charge {
        amount: u64::try_from(records.len()).unwrap(),
        records: records.iter().map(|record| (*record).to_owned()).collect(),
        ..charge(limit, 0)
    }
}

fn ask(reservation: &str, now_ms: i64, charges: &[Charge]) -> Ask {
    Ask {
        reservation: id(reservation),
        service_account: "agent".into(),
        locks: Vec::new(),
        charges: charges.to_vec(),
        patience: Duration::ZERO,
        now: at(now_ms),
    }
}

fn lock(reservation: &str, locks: &[&str], patience: Duration) -> Ask {
    Ask {
        locks: locks.iter().map(|lock| (*lock).to_owned()).collect(),
        patience,
        ..ask(reservation, 0, &[])
    }
}

fn granted(admission: &Admission) -> bool {
    matches!(admission, Admission::Granted { .. })
}

async fn admit(store: &dyn ControlState, ask: Ask) -> Admission {
    store.admit(ask).await.unwrap()
}

/// How many more single charges fit at a moment; takes none.
async fn room(store: &dyn ControlState, limit: &Limit, now_ms: i64) -> u64 {
    let probes = 200;
    let mut fits = 0;
    for probe in 0..probes {
        let ask = ask(&format!("probe {probe}"), now_ms, &[charge(limit, 1)]);
        fits += u64::from(granted(&admit(store, ask).await));
    }
    for probe in 0..probes {
        store.refund(&id(&format!("probe {probe}"))).await.unwrap();
    }
    fits
}

async fn a_budget_passes_its_maximum_and_no_more(store: &dyn ControlState) {
    let hourly = budget("hourly", 5, 3_600 * SECOND);
    assert!(granted(
        &admit(store, ask("1", 0, &[charge(&hourly, 4)])).await
    ));
    assert!(granted(
        &admit(store, ask("2", 1, &[charge(&hourly, 1)])).await
    ));
    let refused = admit(store, ask("3", 10, &[charge(&hourly, 1)])).await;
    let Admission::Limited {
        charge: refused,
        used,
        retry_ms,
        fits,
        tripped,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((refused.limit.name.as_str(), used, fits), ("hourly", 5, 0));
    assert_eq!((retry_ms, tripped), (Some(3_600_000 - 10), None));
}

async fn an_ask_takes_all_or_nothing(store: &dyn ControlState) {
    let (wide, narrow) = (
        budget("wide", 100, 60 * SECOND),
        budget("narrow", 2, 60 * SECOND),
    );
    let mut both = ask("1", 0, &[charge(&wide, 3), charge(&narrow, 2)]);
    both.locks = vec!["r/Account/1".into()];
    assert!(granted(&admit(store, both.clone()).await));
    both.reservation = id("2");
    both.locks = vec!["r/Account/2".into()];
    assert!(matches!(
        admit(store, both).await,
        Admission::Limited { .. }
    ));
    assert_eq!(room(store, &wide, 0).await, 97);
    // the refused ask holds no lock, the granted one does
    assert!(granted(
        &admit(store, lock("3", &["r/Account/2"], Duration::ZERO)).await
    ));
    // a busy lock takes no charge
    let mut busy = ask("4", 0, &[charge(&wide, 1)]);
    busy.locks = vec!["r/Account/1".into()];
    let busy = admit(store, busy).await;
    assert_eq!(
        busy,
        Admission::Busy {
            key: "r/Account/1".into()
        }
    );
    assert_eq!(room(store, &wide, 0).await, 97);
}

async fn asking_again_takes_nothing_twice(store: &dyn ControlState) {
    let limits = [
        budget("budget", 10, 60 * SECOND),
        rate("rate", 1, SECOND, 10),
    ];
    let threshold = Limit {
        then: Then::Hold,
        ..budget("threshold", 3, 60 * SECOND)
    };
    let charges = [
        charge(&limits[0], 4),
        charge(&limits[1], 4),
        charge(&threshold, 4),
    ];
    let first = admit(store, ask("1", 0, &charges)).await;
    assert!(matches!(&first, Admission::Granted { over, .. } if *over == [charge(&threshold, 4)]));
    for _ in 0..3 {
        assert_eq!(admit(store, ask("1", 0, &charges)).await, first);
    }
    assert_eq!(room(store, &limits[0], 0).await, 6);
    assert_eq!(room(store, &limits[1], 0).await, 6);
    store.refund(&id("1")).await.unwrap();
    assert_eq!(room(store, &limits[0], 0).await, 10);
    assert_eq!(room(store, &limits[1], 0).await, 10);
}

async fn asking_again_may_add_charges_and_locks(store: &dyn ControlState) {
    let (one, two) = (
        budget("one", 10, 60 * SECOND),
        budget("two", 10, 60 * SECOND),
    );
    let mut grows = ask("1", 0, &[charge(&one, 4)]);
    grows.locks = vec!["a".into()];
    assert!(granted(&admit(store, grows.clone()).await));
    grows.charges = vec![charge(&one, 6), charge(&two, 1)];
    grows.locks = vec!["a".into(), "b".into()];
    assert!(granted(&admit(store, grows).await));
    assert_eq!(room(store, &one, 0).await, 4);
    assert_eq!(room(store, &two, 0).await, 9);
    for key in ["a", "b"] {
        let other = admit(store, lock("2", &[key], Duration::ZERO)).await;
        assert_eq!(other, Admission::Busy { key: key.into() });
    }
    store.refund(&id("1")).await.unwrap();
    assert_eq!(room(store, &one, 0).await, 10);
    assert!(granted(
        &admit(store, lock("2", &["a", "b"], Duration::ZERO)).await
    ));
}

async fn what_alone_exceeds_a_limit_is_told_what_fits_and_trips_nothing(store: &dyn ControlState) {
    let budget = Limit {
        then: Then::Stop,
        ..budget("budget", 5, 60 * SECOND)
    };
    let rate = Limit {
        then: Then::Stop,
        ..rate("rate", 1, SECOND, 5)
    };
    for limit in [&budget, &rate] {
        let name = &limit.name;
        assert!(granted(
            &admit(store, ask(name, 0, &[charge(limit, 2)])).await
        ));
        let alone = admit(store, ask("x", 0, &[charge(limit, 6)])).await;
        let expected = Admission::Limited {
            charge: charge(limit, 6),
            used: 2,
            retry_ms: None,
            fits: 3,
            tripped: None,
        };
        assert_eq!(alone, expected);
    }
    assert_eq!(store.switches().thrown, []);
}

async fn a_stop_limit_throws_the_switch_in_the_same_step(store: &dyn ControlState) {
    let runaway = Limit {
        then: Then::Stop,
        count: Count::Records,
        ..budget("runaway", 3, 120 * SECOND)
    };
    let before = store.switches().version;
    assert!(granted(
        &admit(store, ask("1", 0, &[touch(&runaway, &["a", "b", "c"])])).await
    ));
    let refused = admit(store, ask("2", 5, &[touch(&runaway, &["c", "d"])])).await;
    let Admission::Limited {
        tripped: Some(switch),
        used: 3,
        ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(switch.service_account, "agent");
    assert_eq!(switch.by, "limit runaway");
    assert_eq!(switch.limit.as_deref(), Some("runaway"));
    assert_eq!((switch.scope, switch.at), (SwitchScope::All, at(5)));
    assert_eq!(switch.reason, "3 of 3 records used in 2m, 2 more asked for");
    let switches = store.switches();
    assert_eq!(
        (switches.version, &switches.thrown),
        (before + 1, &vec![switch.clone()])
    );
    assert_eq!(
        admit(store, ask("3", 6, &[])).await,
        Admission::Stopped(switch)
    );
    let mut other = ask("4", 6, &[]);
    other.service_account = "other".into();
    assert!(granted(&admit(store, other).await));
}

async fn the_most_telling_limit_is_reported(store: &dyn ControlState) {
    let (short, long) = (budget("short", 1, SECOND), budget("long", 1, 60 * SECOND));
    let full = [charge(&short, 1), charge(&long, 1)];
    assert!(granted(&admit(store, ask("1", 0, &full)).await));
    let refused = admit(store, ask("2", 0, &full)).await;
    assert!(
        matches!(&refused, Admission::Limited { charge, retry_ms: Some(60_000), .. }
            if charge.limit == long)
    );
    let too_many = [charge(&long, 1), charge(&short, 2)];
    let refused = admit(store, ask("3", 0, &too_many)).await;
    assert!(
        matches!(&refused, Admission::Limited { charge, retry_ms: None, .. }
            if charge.limit == short)
    );
}

async fn a_resume_empties_the_limit_that_tripped_for_that_account(store: &dyn ControlState) {
    let stop = Limit {
        then: Then::Stop,
        per: vec![Per::ServiceAccount, Per::Record],
        ..budget("stop", 1, 60 * SECOND)
    };
    let other_limit = budget("other", 5, 60 * SECOND);
    let key = |account: &str, record: &str| Charge {
        key: format!("{account}/{record}"),
        ..charge(&stop, 1)
    };
    let taken = [
        key("agent", "1"),
        key("agent", "2"),
        charge(&other_limit, 5),
    ];
    assert!(granted(&admit(store, ask("1", 0, &taken)).await));
    let mut neighbour = ask("2", 0, &[key("agent-2", "1")]);
    neighbour.service_account = "agent-2".into();
    assert!(granted(&admit(store, neighbour.clone()).await));
    let tripped = admit(store, ask("3", 0, &[key("agent", "1")])).await;
    assert!(matches!(
        tripped,
        Admission::Limited {
            tripped: Some(_),
            ..
        }
    ));

    // an operator's switch in its place keeps the limit to be emptied
    let by_hand = SwitchChange::Throw(switch("agent", SwitchScope::All));
    let view = store.set_switch(by_hand).await.unwrap();
    assert_eq!(view.thrown.len(), 1);
    assert_eq!(view.thrown[0].by, "dana");
    let view = store.set_switch(resume_of(store, "agent")).await.unwrap();
    assert_eq!(view.thrown, []);
    let again = ask("4", 0, &[key("agent", "1"), key("agent", "2")]);
    assert!(granted(&admit(store, again).await));
    assert_eq!(room(store, &other_limit, 0).await, 0);
    neighbour.reservation = id("5");
    assert!(matches!(
        admit(store, neighbour).await,
        Admission::Limited { .. }
    ));
}

async fn a_threshold_never_refuses(store: &dyn ControlState) {
    let hold = |limit: Limit| Limit {
        then: Then::Hold,
        ..limit
    };
    let limits = [
        hold(budget("churn", 2, 60 * SECOND)),
        hold(rate("pace", 1, SECOND, 2)),
        hold(Limit {
            count: Count::Records,
            ..budget("spread", 2, 60 * SECOND)
        }),
    ];
    for limit in &limits {
        for number in 0..2 {
            let fits = admit(store, ask(&format!("{number}"), 0, &[charge(limit, 1)])).await;
            assert!(matches!(fits, Admission::Granted { over, .. } if over.is_empty()));
            store.settle(&id(&format!("{number}"))).await.unwrap();
        }
        for amount in [1, 50] {
            let over = admit(store, ask("over", 0, &[charge(limit, amount)])).await;
            assert!(
                matches!(over, Admission::Granted { over, .. } if over == [charge(limit, amount)])
            );
            store.settle(&id("over")).await.unwrap();
        }
        let used = store.usage(at(0)).await.unwrap();
        let used = used.iter().find(|used| used.limit == limit.name).unwrap();
        assert!(used.used >= 2);
    }
}

async fn a_refund_gives_back_what_was_taken(store: &dyn ControlState) {
    let records = Limit {
        count: Count::Records,
        ..budget("records", 3, 60 * SECOND)
    };
    let limits = [
        budget("budget", 6, 60 * SECOND),
        rate("rate", 1, 10 * SECOND, 6),
    ];
    for number in 0..3 {
        let name = number.to_string();
        let charges = [
            charge(&limits[0], 2),
            charge(&limits[1], 2),
            touch(&records, &[name.as_str()]),
        ];
        assert!(granted(
            &admit(store, ask(&name, i64::from(number), &charges)).await
        ));
    }
    // out of order, twice, unknown
    for name in ["1", "1", "never seen"] {
        store.refund(&id(name)).await.unwrap();
    }
    assert_eq!(room(store, &limits[0], 3).await, 2);
    assert_eq!(room(store, &limits[1], 3).await, 2);
    assert!(granted(
        &admit(store, ask("r", 3, &[touch(&records, &["9"])])).await
    ));
    store.refund(&id("r")).await.unwrap();
    for name in ["0", "2"] {
        store.refund(&id(name)).await.unwrap();
    }
    assert_eq!(store.usage(at(3)).await.unwrap(), []);

    // what left the window by itself is not given back a second time
    assert!(granted(
        &admit(store, ask("old", 10, &[charge(&limits[0], 6)])).await
    ));
    assert!(granted(
        &admit(store, ask("new", 60_010, &[charge(&limits[0], 6)])).await
    ));
    store.refund(&id("old")).await.unwrap();
    assert_eq!(room(store, &limits[0], 60_010).await, 0);
}

async fn a_refund_after_a_resume_gives_nothing(store: &dyn ControlState) {
    let stop = Limit {
        then: Then::Stop,
        ..budget("stop", 2, 60 * SECOND)
    };
    assert!(granted(
        &admit(store, ask("old", 0, &[charge(&stop, 2)])).await
    ));
    admit(store, ask("trips", 0, &[charge(&stop, 1)])).await;
    store.set_switch(resume_of(store, "agent")).await.unwrap();
    assert!(granted(
        &admit(store, ask("new", 0, &[charge(&stop, 2)])).await
    ));
    store.refund(&id("old")).await.unwrap();
    let used = store.usage(at(0)).await.unwrap();
    assert_eq!(used[0].used, 2);
}

async fn a_settled_reservation_keeps_its_charges(store: &dyn ControlState) {
    let hourly = budget("hourly", 3, 3_600 * SECOND);
    let mut first = ask("1", 0, &[charge(&hourly, 2)]);
    first.locks = vec!["a".into()];
    assert!(granted(&admit(store, first).await));
    for _ in 0..2 {
        store.settle(&id("1")).await.unwrap();
    }
    store.refund(&id("1")).await.unwrap();
    assert_eq!(room(store, &hourly, 0).await, 1);
    assert!(granted(
        &admit(store, lock("2", &["a"], Duration::ZERO)).await
    ));
}

async fn a_window_moves_on(store: &dyn ControlState) {
    let minute = budget("minute", 3, 60 * SECOND);
    for (name, now) in [("1", 0), ("2", 20_000), ("3", 40_000)] {
        assert!(granted(
            &admit(store, ask(name, now, &[charge(&minute, 1)])).await
        ));
    }
    assert_eq!(room(store, &minute, 59_999).await, 0);
    assert_eq!(room(store, &minute, 60_000).await, 1);
    assert_eq!(room(store, &minute, 99_999).await, 2);
    assert_eq!(room(store, &minute, 100_000).await, 3);
}

async fn a_rate_says_when_it_fits(store: &dyn ControlState) {
    let burst = rate("burst", 10, SECOND, 20);
    assert!(granted(
        &admit(store, ask("1", 0, &[charge(&burst, 20)])).await
    ));
    let refused = admit(store, ask("2", 30, &[charge(&burst, 3)])).await;
    let Admission::Limited {
        retry_ms: Some(wait),
        used: 20,
        fits: 0,
        ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(wait, 270);
    let early = admit(store, ask("2", 299, &[charge(&burst, 3)])).await;
    assert!(matches!(
        early,
        Admission::Limited {
            fits: 2,
            retry_ms: Some(1),
            ..
        }
    ));
    assert!(granted(
        &admit(store, ask("2", 300, &[charge(&burst, 3)])).await
    ));
}

/// Count, milliseconds of the period, burst; then at which microsecond how many are asked for, and how many
/// fit where that is too many. One unit costs `period / count`, rounded up to a whole microsecond.
type Vector = ((u64, u64, u64), &'static [(i64, u64, Option<u64>)]);

const VECTORS: [Vector; 4] = [
    // a third of a second is 333 334 microseconds
    (
        (3, 1_000, 20),
        &[
            (0, 20, None),
            (333_333, 1, Some(0)),
            (333_334, 1, None),
            (666_667, 1, Some(0)),
            (666_668, 1, None),
            (6_666_680, 20, Some(18)),
        ],
    ),
    // more than one each microsecond is one each microsecond
    (
        (5_000_000, 1_000, 3),
        &[(0, 3, None), (1, 2, Some(1)), (2, 2, None), (100, 3, None)],
    ),
    // one a day, and what flows in while nothing is asked for is lost past the burst
    (
        (1, 86_400_000, 1),
        &[
            (0, 1, None),
            (86_399_999_999, 1, Some(0)),
            (86_400_000_000, 1, None),
            (259_200_000_000, 1, None),
        ],
    ),
    // seven in a second, a burst below that
    (
        (7, 1_000, 2),
        &[
            (10, 1, None),
            (11, 1, None),
            (12, 1, Some(0)),
            (142_868, 1, None),
        ],
    ),
];

async fn rates_follow_their_vectors(store: &dyn ControlState) {
    for (number, ((count, period_ms, burst), asks)) in VECTORS.into_iter().enumerate() {
        let limit = rate(&format!("rate {number}"), count, period_ms, burst);
        // time never goes back from one vector to the next
        let start = i64::try_from(number).unwrap() * 1_000_000_000_000;
        for (turn, (moment, amount, fits_only)) in asks.iter().enumerate() {
            let mut ask = ask(&format!("{number}/{turn}"), 0, &[charge(&limit, *amount)]);
            ask.now += SignedDuration::from_micros(start + moment);
            let admission = admit(store, ask).await;
            let fits = match &admission {
                Admission::Limited { fits, .. } => Some(*fits),
                Admission::Granted { .. } | Admission::Stopped(_) | Admission::Busy { .. } => None,
            };
            assert_eq!(fits, *fits_only, "{limit:?} at {moment}: {admission:?}");
        }
    }
}

/// A rate set at run time: count, period and burst; then as above. Each line stands on the ones before.
type Changed = ((u64, u64, u64), i64, u64, Option<u64>);

const CHANGES: [&[Changed]; 3] = [
    // slower: no second burst, and none when the first one is in force again
    &[
        ((10, 1_000, 20), 0, 20, None),
        ((1, 1_000, 5), 1, 1, Some(0)),
        ((1, 1_000, 5), 999_999, 1, Some(0)),
        ((10, 1_000, 20), 1_000_000, 11, Some(10)),
        ((1, 1_000, 5), 1_000_000, 1, None),
        ((10, 1_000, 20), 1_000_000, 10, Some(9)),
    ],
    // faster: nobody is kept out for the time of the old one
    &[
        ((1, 60_000, 5), 0, 5, None),
        ((10, 1_000, 20), 1, 16, Some(15)),
        ((10, 1_000, 20), 1, 15, None),
        ((10, 1_000, 20), 1_999_999, 20, Some(19)),
        ((10, 1_000, 20), 2_000_001, 20, None),
    ],
    // a bucket that was full has forgotten
    &[
        ((10, 1_000, 2), 0, 2, None),
        ((1, 60_000, 5), 200_000, 5, None),
        ((1, 60_000, 5), 200_000, 1, Some(0)),
    ],
];

async fn another_rate_begins_with_what_it_would_have_made_of_it(store: &dyn ControlState) {
    for (number, steps) in CHANGES.into_iter().enumerate() {
        let start = i64::try_from(number).unwrap() * 1_000_000_000;
        for (turn, ((count, period_ms, burst), moment, amount, fits_only)) in
            steps.iter().enumerate()
        {
            let limit = rate(&format!("rate {number}"), *count, *period_ms, *burst);
            let mut ask = ask(&format!("{number}/{turn}"), 0, &[charge(&limit, *amount)]);
            ask.now += SignedDuration::from_micros(start + moment);
            let admission = admit(store, ask).await;
            let fits = match &admission {
                Admission::Limited { fits, .. } => Some(*fits),
                Admission::Granted { .. } | Admission::Stopped(_) | Admission::Busy { .. } => None,
            };
            assert_eq!(fits, *fits_only, "{number}, {turn}: {admission:?}");
        }
    }
    // what was taken at another rate is not given back at this one
    let (old, new) = (
        rate("pace", 1, 60 * SECOND, 5),
        rate("pace", 10, SECOND, 20),
    );
    let now = 10_000_000;
    assert!(granted(
        &admit(store, ask("old", now, &[charge(&old, 5)])).await
    ));
    assert!(granted(
        &admit(store, ask("new", now, &[charge(&new, 15)])).await
    ));
    store.refund(&id("old")).await.unwrap();
    assert_eq!(room(store, &new, now).await, 0);
    store.refund(&id("new")).await.unwrap();
    assert_eq!(room(store, &new, now).await, 15);
}

async fn a_record_counts_once_in_a_window(store: &dyn ControlState) {
    let spread = Limit {
        count: Count::Records,
        ..budget("spread", 2, 60 * SECOND)
    };
    let attempts = [
        ("1", 0, &["a"][..], true),
        ("2", 10_000, &["b"], true),
        ("3", 20_000, &["c"], false),
        // both count already; touching them keeps them counting
        ("4", 50_000, &["a", "b", "a"], true),
        ("5", 100_000, &["c"], false),
        ("6", 109_999, &["a", "c"], false),
        ("7", 110_000, &["c"], true),
    ];
    for (name, now, records, fits) in attempts {
        let mut charge = touch(&spread, records);
        charge.amount = charge.amount.min(2);
        assert_eq!(
            granted(&admit(store, ask(name, now, &[charge])).await),
            fits,
            "{name}"
        );
    }
}

async fn creates_count_as_different_records(store: &dyn ControlState) {
    let spread = Limit {
        count: Count::Records,
        ..budget("spread", 4, 60 * SECOND)
    };
    let mut creates = touch(&spread, &["a"]);
    creates.amount = 3;
    for _ in 0..2 {
        assert!(granted(
            &admit(store, ask("1", 0, &[creates.clone()])).await
        ));
    }
    creates.amount = 2;
    assert!(granted(
        &admit(store, ask("2", 0, &[creates.clone()])).await
    ));
    assert!(!granted(&admit(store, ask("3", 0, &[creates])).await));
}

async fn a_gauge_counts_until_its_reservation_ends(store: &dyn ControlState) {
    let queue = Limit {
        count: Count::Holds,
        ..budget("queue", 2, 0)
    };
    for name in ["1", "2"] {
        assert!(granted(
            &admit(store, ask(name, 0, &[charge(&queue, 1)])).await
        ));
    }
    let year = 365 * 86_400_000;
    let full = admit(store, ask("3", year, &[charge(&queue, 1)])).await;
    assert!(matches!(
        full,
        Admission::Limited {
            retry_ms: Some(_),
            used: 2,
            ..
        }
    ));
    store.settle(&id("1")).await.unwrap();
    store.refund(&id("2")).await.unwrap();
    assert_eq!(room(store, &queue, year).await, 2);
}

async fn a_clock_that_goes_back_mints_nothing(store: &dyn ControlState) {
    let limits = [
        budget("budget", 3, 60 * SECOND),
        rate("rate", 3, 60 * SECOND, 3),
    ];
    for limit in &limits {
        assert!(granted(
            &admit(store, ask("1", 100_000, &[charge(limit, 3)])).await
        ));
        for now in [99_999, 0, -3_600_000, 100_000, 119_999] {
            let refused = admit(store, ask("2", now, &[charge(limit, 3)])).await;
            assert!(matches!(refused, Admission::Limited { .. }), "{now}");
        }
        store.settle(&id("1")).await.unwrap();
    }
    // nor does going forward and back: time stands at the latest moment seen
    assert!(granted(&admit(store, ask("seen", 300_000, &[])).await));
    assert!(granted(
        &admit(store, ask("3", 250_000, &[charge(&limits[0], 3)])).await
    ));
    for (now, fits) in [
        (250_000, false),
        (320_000, false),
        (359_999, false),
        (360_000, true),
    ] {
        let again = admit(store, ask("4", now, &[charge(&limits[0], 1)])).await;
        assert_eq!(granted(&again), fits, "{now}");
    }
}

async fn a_changed_maximum_keeps_what_is_used(store: &dyn ControlState) {
    assert!(granted(
        &admit(
            store,
            ask("1", 0, &[charge(&budget("b", 5, 60 * SECOND), 5)])
        )
        .await
    ));
    assert_eq!(room(store, &budget("b", 8, 60 * SECOND), 0).await, 3);
    let lowered = admit(
        store,
        ask("2", 0, &[charge(&budget("b", 2, 60 * SECOND), 1)]),
    )
    .await;
    assert!(matches!(
        lowered,
        Admission::Limited {
            used: 5,
            fits: 0,
            ..
        }
    ));
}

/// A reload makes a window of 10 s one of 60 s. What was charged 30 s ago was forgotten long since;
/// what lies within the old window is charged once, not twice; an ask that began before the reload
/// makes nothing be forgotten again.
async fn a_longer_window_takes_up_what_was_forgotten(store: &dyn ControlState) {
    let (short, long) = (budget("b", 10, 10 * SECOND), budget("b", 10, 60 * SECOND));
    let mut ledger = Vec::new();
    for (moment, amount) in [(0, 1), (30_000, 4), (55_000, 2)] {
        let charges = [charge(&short, amount)];
        let name = format!("{moment}");
        assert!(granted(&admit(store, ask(&name, moment, &charges)).await));
        store.settle(&id(&name)).await.unwrap();
        ledger.push((at(moment), charges[0].clone()));
    }
    assert_eq!(room(store, &short, 61_000).await, 8);
    store
        .lengthen(&short, &long, ledger, at(61_000))
        .await
        .unwrap();
    // the first one has left the long window too
    assert_eq!(room(store, &long, 61_000).await, 4);
    assert_eq!(room(store, &short, 61_500).await, 8);
    assert_eq!(room(store, &long, 62_000).await, 4);
    assert_eq!(room(store, &long, 89_999).await, 4);
    assert_eq!(room(store, &long, 90_000).await, 8);
    assert_eq!(room(store, &long, 115_000).await, 10);
}

async fn a_longer_window_knows_the_records_that_were_forgotten(store: &dyn ControlState) {
    let of = |window| Limit {
        count: Count::Records,
        ..budget("r", 3, window)
    };
    let (short, long) = (of(10 * SECOND), of(60 * SECOND));
    let mut ledger = Vec::new();
    for (moment, records) in [(0, ["x", "y"]), (20_000, ["y", "z"])] {
        let charges = [touch(&short, &records)];
        let name = format!("{moment}");
        assert!(granted(&admit(store, ask(&name, moment, &charges)).await));
        ledger.push((at(moment), charges[0].clone()));
    }
    store
        .lengthen(&short, &long, ledger, at(35_000))
        .await
        .unwrap();
    let again = ask("again", 35_000, &[touch(&long, &["x", "y", "z"])]);
    assert!(granted(&admit(store, again).await));
    let one_more = admit(store, ask("one more", 35_001, &[touch(&long, &["w"])])).await;
    assert!(
        matches!(one_more, Admission::Limited { used: 3, .. }),
        "{one_more:?}"
    );
}

async fn what_counts_something_else_has_counters_of_its_own(store: &dyn ControlState) {
    let old = budget("one", 3, 60 * SECOND);
    let new = Limit {
        count: Count::Requests,
        ..old.clone()
    };
    assert!(granted(
        &admit(store, ask("1", 0, &[charge(&old, 3)])).await
    ));
    assert_eq!(room(store, &new, 0).await, 3);
    assert!(granted(
        &admit(store, ask("2", 0, &[charge(&new, 2)])).await
    ));
    // by turns, as replicas of old and new rules ask
    assert_eq!(room(store, &old, 0).await, 0);
    assert_eq!(room(store, &new, 0).await, 1);
    store.refund(&id("1")).await.unwrap();
    assert_eq!(room(store, &old, 0).await, 3);
    assert_eq!(room(store, &new, 0).await, 1);
    let usage = store.usage(at(0)).await.unwrap();
    let told: Vec<_> = usage
        .iter()
        .map(|used| (used.limit.as_str(), used.counts == new.counts(), used.used))
        .collect();
    assert_eq!(told, [("one", true, 2)]);
}

/// Replicas whose rules still have the longer one judge by all of it.
async fn a_shorter_window_takes_nothing_from_the_longer_one(store: &dyn ControlState) {
    let (long, short) = (budget("one", 5, 60 * SECOND), budget("one", 5, 10 * SECOND));
    assert!(granted(
        &admit(store, ask("1", 0, &[charge(&long, 3)])).await
    ));
    let none = Vec::new();
    store
        .lengthen(&long, &short, none, at(20_000))
        .await
        .unwrap();
    assert_eq!(room(store, &short, 20_000).await, 5);
    assert!(granted(
        &admit(store, ask("2", 20_000, &[charge(&short, 1)])).await
    ));
    assert_eq!(room(store, &long, 30_000).await, 1);
    assert_eq!(room(store, &short, 30_001).await, 5);
}

async fn refusals_are_counted_and_trip(store: &dyn ControlState) {
    let probing = Limit {
        count: Count::Refusals,
        then: Then::Stop,
        ..budget("probing", 2, 60 * SECOND)
    };
    for number in 0..2 {
        let refusal = ask(&format!("{number}"), 0, &[charge(&probing, 1)]);
        assert_eq!(store.charge(refusal).await.unwrap(), None);
    }
    let switch = store
        .charge(ask("3", 1, &[charge(&probing, 1)]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(switch.by, "limit probing");
    assert_eq!(store.switches().thrown, std::slice::from_ref(&switch));
    assert_eq!(
        admit(store, ask("4", 2, &[])).await,
        Admission::Stopped(switch)
    );
    // it is thrown once
    assert_eq!(
        store
            .charge(ask("5", 3, &[charge(&probing, 1)]))
            .await
            .unwrap(),
        None
    );
    store.set_switch(resume_of(store, "agent")).await.unwrap();
    assert_eq!(
        store
            .charge(ask("6", 4, &[charge(&probing, 2)]))
            .await
            .unwrap(),
        None
    );
}

fn switch(service_account: &str, scope: SwitchScope) -> Switch {
    Switch {
        service_account: service_account.into(),
        scope,
        by: "dana".into(),
        reason: "looks wrong".into(),
        at: at(0),
        limit: None,
    }
}

async fn switches_stop_their_account_or_all(store: &dyn ControlState) {
    let start = store.switches().version;
    let writes = switch("agent", SwitchScope::Writes);
    let view = store
        .set_switch(SwitchChange::Throw(writes.clone()))
        .await
        .unwrap();
    assert_eq!(view.version, start + 1);
    assert_eq!(view.thrown, store.switches().thrown);
    assert!(view.stops("agent", true).is_some() && view.stops("agent", false).is_none());
    assert_eq!(
        admit(store, ask("1", 0, &[])).await,
        Admission::Stopped(writes)
    );
    let all = switch("*", SwitchScope::All);
    store
        .set_switch(SwitchChange::Throw(all.clone()))
        .await
        .unwrap();
    store.set_switch(resume_of(store, "agent")).await.unwrap();
    assert_eq!(
        admit(store, ask("2", 0, &[])).await,
        Admission::Stopped(all)
    );
    let view = store.set_switch(resume_of(store, "*")).await.unwrap();
    assert_eq!(view.version, start + 4);
    // nothing to resume changes nothing
    let same = store.set_switch(resume_of(store, "agent")).await.unwrap();
    assert_eq!(same.version, start + 4);
    let admission = admit(store, ask("3", 0, &[])).await;
    assert!(
        matches!(admission, Admission::Granted { switch_version, .. } if switch_version == start + 4)
    );
}

async fn a_replica_confirms_the_version_it_acts_on(store: &dyn ControlState) {
    let all = switch("agent", SwitchScope::All);
    let view = store.set_switch(SwitchChange::Throw(all)).await.unwrap();
    loop {
        let replicas = store.replicas().await.unwrap();
        let [only] = replicas.as_slice() else {
            panic!("{replicas:?}");
        };
        assert!(only.live && only.version <= view.version);
        if only.version == view.version {
            break;
        }
    }
    assert_eq!(store.health(), Health::Good);
}

async fn a_lock_is_had_by_one(store: &dyn ControlState) {
    assert!(granted(
        &admit(store, lock("1", &["a", "b"], Duration::ZERO)).await
    ));
    assert!(granted(
        &admit(store, lock("1", &["a", "b"], Duration::ZERO)).await
    ));
    for patience in [Duration::ZERO, Duration::from_millis(5)] {
        let busy = admit(store, lock("2", &["b", "c"], patience)).await;
        assert_eq!(busy, Admission::Busy { key: "b".into() });
    }
    assert!(granted(
        &admit(store, lock("3", &["c"], Duration::ZERO)).await
    ));
    store.refund(&id("1")).await.unwrap();
    store.settle(&id("3")).await.unwrap();
    assert!(granted(
        &admit(store, lock("2", &["b", "c"], Duration::ZERO)).await
    ));
}

const LONG: Duration = Duration::from_secs(60);

async fn a_lock_is_waited_for(store: &dyn ControlState) {
    assert!(granted(&admit(store, lock("1", &["a"], LONG)).await));
    let second = admit(store, lock("2", &["a"], LONG));
    let third = admit(store, lock("3", &["a"], LONG));
    let release = async {
        tokio::task::yield_now().await;
        store.settle(&id("1")).await.unwrap();
    };
    let next = async {
        let admission = second.await;
        store.settle(&id("2")).await.unwrap();
        admission
    };
    let (second, third, ()) = tokio::join!(next, third, release);
    assert!(granted(&second) && granted(&third));
}

async fn a_kill_ends_the_waiting(store: &dyn ControlState) {
    assert!(granted(&admit(store, lock("1", &["a"], LONG)).await));
    let kill = async {
        tokio::task::yield_now().await;
        let all = switch("agent", SwitchScope::All);
        store.set_switch(SwitchChange::Throw(all)).await.unwrap();
    };
    let (waited, ()) = tokio::join!(admit(store, lock("2", &["a"], LONG)), kill);
    assert!(matches!(waited, Admission::Stopped(_)));
}

async fn who_hangs_up_leaves_the_line(store: &dyn ControlState) {
    assert!(granted(&admit(store, lock("1", &["a"], LONG)).await));
    let gone = tokio::time::timeout(
        Duration::from_millis(5),
        store.admit(lock("gone", &["a", "b"], LONG)),
    );
    assert!(gone.await.is_err());
    // a store elsewhere is told of it a moment later
    assert!(granted(&admit(store, lock("2", &["b"], LONG)).await));
    store.settle(&id("1")).await.unwrap();
    assert!(granted(&admit(store, lock("3", &["a"], LONG)).await));
}

async fn who_wants_many_records_is_not_starved(store: &dyn ControlState) {
    let keys = ["a", "b", "c", "d"];
    for key in keys {
        assert!(granted(
            &admit(store, lock(&format!("{key} 0"), &[key], LONG)).await
        ));
    }
    let greedy = AtomicU64::new(0);
    let one = |key: &'static str| {
        let greedy = &greedy;
        async move {
            // always somebody there for each single record
            for turn in 0..200 {
                let next = store.admit(lock(&format!("{key} {}", turn + 1), &[key], LONG));
                let let_go = async {
                    tokio::task::yield_now().await;
                    store.settle(&id(&format!("{key} {turn}"))).await.unwrap();
                };
                let (next, ()) = tokio::join!(next, let_go);
                assert!(granted(&next.unwrap()));
                greedy.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let many = async {
        tokio::task::yield_now().await;
        assert!(granted(&admit(store, lock("many", &keys, LONG)).await));
        let before = greedy.load(Ordering::Relaxed);
        store.settle(&id("many")).await.unwrap();
        before
    };
    let (before, ..) = tokio::join!(many, one("a"), one("b"), one("c"), one("d"));
    assert!(before < 40, "{before} were served first");
}

async fn the_ledger_rebuilds_everything(store: &dyn ControlState) {
    let minute = budget("minute", 5, 60 * SECOND);
    let queue = Limit {
        count: Count::Holds,
        ..budget("queue", 1, 0)
    };
    let mut before = ask("before", 0, &[charge(&minute, 5)]);
    before.locks = vec!["a".into()];
    assert!(granted(&admit(store, before).await));
    let from = Rebuild {
        thrown: vec![switch("other", SwitchScope::All)],
        charges: vec![
            (at(10_000), charge(&minute, 1)),
            (at(0), charge(&minute, 3)),
        ],
        waiting: vec![(id("held"), charge(&queue, 1))],
        epoch: 7,
    };
    let version = store.switches().version;
    store.rebuild(from).await.unwrap();
    assert!(store.switches().version > version);
    assert!(store.switches().stops("other", false).is_some());
    assert_eq!(room(store, &minute, 10_000).await, 1);
    assert_eq!(room(store, &queue, 10_000).await, 0);
    store.settle(&id("held")).await.unwrap();
    assert_eq!(room(store, &queue, 10_000).await, 1);
    let admission = admit(store, lock("1", &["b"], Duration::ZERO)).await;
    assert!(matches!(admission, Admission::Granted { epoch: 7, .. }));
    // a grant from before gives nothing back
    store.refund(&id("before")).await.unwrap();
    assert_eq!(room(store, &minute, 10_000).await, 1);
    assert_eq!(room(store, &minute, 60_000).await, 4);
}

async fn what_is_used_can_be_read(store: &dyn ControlState) {
    let (minute, burst) = (
        budget("minute", 5, 60 * SECOND),
        rate("burst", 1, SECOND, 4),
    );
    let charges = [charge(&minute, 2), charge(&burst, 3)];
    assert!(granted(&admit(store, ask("1", 0, &charges)).await));
    let used = |limit: &str, used: u64, max: u64| Usage {
        limit: limit.into(),
        counts: match limit {
            "burst" => burst.counts(),
            _ => minute.counts(),
        },
        key: "agent".into(),
        used,
        max,
    };
    let usage = store.usage(at(0)).await.unwrap();
    assert_eq!(usage, [used("burst", 3, 4), used("minute", 2, 5)]);
    let usage = store.usage(at(2_500)).await.unwrap();
    assert_eq!(usage, [used("burst", 1, 4), used("minute", 2, 5)]);
    assert_eq!(store.usage(at(60_000)).await.unwrap(), []);
}

/// One runtime for each thread, as the server has one for each core.
fn on_threads(count: u64, work: impl Fn(u64, &tokio::runtime::Runtime) + Sync) {
    thread::scope(|scope| {
        for number in 0..count {
            let work = &work;
            scope.spawn(move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                work(number, &runtime.enable_time().build().unwrap());
            });
        }
    });
}

async fn threads_never_exceed_a_budget(store: &dyn ControlState) {
    let (shared, wide) = (
        budget("shared", 1_000, 3_600 * SECOND),
        budget("wide", 50_000, SECOND),
    );
    let (kept, refunded) = (AtomicU64::new(0), AtomicU64::new(0));
    on_threads(4, |thread, runtime| {
        // demand of about 4 times the budget, in batches of 1 to 7, every fifth refunded
        for number in 0..300_u64 {
            let amount = 1 + (number * 7 + thread) % 7;
            let name = format!("{thread}/{number}");
            let ms = i64::try_from(number).unwrap();
            let ask = ask(&name, ms, &[charge(&shared, amount), charge(&wide, 1)]);
            let admission = runtime.block_on(store.admit(ask)).unwrap();
            if !granted(&admission) {
                continue;
            }
            if number % 5 == 0 {
                runtime.block_on(store.refund(&id(&name))).unwrap();
                refunded.fetch_add(amount, Ordering::Relaxed);
            } else {
                runtime.block_on(store.settle(&id(&name))).unwrap();
                kept.fetch_add(amount, Ordering::Relaxed);
            }
        }
    });
    let mut kept = kept.into_inner();
    assert!(kept <= 1_000, "{kept} granted of 1000");
    assert!(refunded.into_inner() > 0);
    // the rest is there to the last one, and not one more
    while granted(
        &admit(
            store,
            ask(&format!("last {kept}"), 400, &[charge(&shared, 1)]),
        )
        .await,
    ) {
        kept += 1;
    }
    assert_eq!(kept, 1_000);
}

async fn threads_never_share_a_lock(store: &dyn ControlState) {
    let holders: Arc<[AtomicU64; 3]> = Arc::default();
    let keys = ["a", "b", "c"];
    let turns = AtomicU64::new(0);
    on_threads(4, |thread, runtime| {
        for number in 0..100_u64 {
            let name = format!("{thread}/{number}");
            let first = usize::try_from((thread + number) % 3).unwrap();
            let both = [first, (first + 1) % 3];
            let wanted = &both[..1 + usize::try_from(number % 2).unwrap()];
            let names: Vec<&str> = wanted.iter().map(|place| keys[*place]).collect();
            let admission = runtime
                .block_on(store.admit(lock(&name, &names, LONG)))
                .unwrap();
            assert!(granted(&admission));
            for place in wanted {
                assert_eq!(holders[*place].fetch_add(1, Ordering::SeqCst), 0);
            }
            thread::yield_now();
            for place in wanted {
                holders[*place].fetch_sub(1, Ordering::SeqCst);
            }
            runtime.block_on(store.settle(&id(&name))).unwrap();
            turns.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(turns.into_inner(), 400);
}

/// Idle counters are forgotten: keys come and go by the million in a budget for each record.
#[tokio::test]
async fn memory_does_not_grow_with_keys_that_are_idle() {
    let store = MemoryControl::new();
    let each = budget("each", 5, SECOND);
    let mut now = at(0);
    for number in 0..20_000 {
        now += SignedDuration::from_millis(1);
        let mut ask = ask("1", 0, &[charge(&each, 1)]);
        ask.now = now;
        ask.charges[0].key = format!("agent/{number}");
        assert!(granted(&admit(&store, ask).await));
        store.settle(&id("1")).await.unwrap();
    }
    assert_eq!(store.usage(now).await.unwrap().len(), 1_000);
    let debug = format!("{store:?}");
    assert!(debug.matches("Counter {").count() < 1_500);
}
