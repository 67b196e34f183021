//! All counters: one for each limit and key that was charged lately. Pure but for its own state: the
//! moment is an argument.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::Usage;
use super::demand::{Demand, Taken, counted, counts_records, room};
use super::gcra::{Bucket, Rate};
use super::history::Event;
use super::moment::{MOST, millis};
use super::records::Records;
use super::window::Window;
use crate::mutation::{Limit, LimitKind, Per, Then};

/// Counters looked at for being idle with each operation: more than one operation makes on average.
const SWEEP: usize = 4;

#[derive(Clone, Debug)]
pub(super) enum Arithmetic {
    Rate(Bucket),
    Window(Window),
    Records(Records),
}

/// What is used of one limit for one key.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    /// One that was emptied and made anew has another.
    pub(super) id: u64,
    /// As it was charged last: how many and in which window can differ, not what it counts.
    pub(super) limit: Limit,
    pub(super) used: Arithmetic,
}

/// Whether a demand fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) used: u64,
    /// How many fit now.
    pub(super) fits: u64,
    /// It does not fit now.
    pub(super) over: bool,
    /// It never fits.
    pub(super) alone: bool,
    /// The moment at which it fits; `None` where no clock tells.
    pub(super) free_at: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    by_limit: HashMap<Arc<str>, HashMap<Arc<str>, Counter>>,
    /// Every counter once, in the order in which they are looked at for being idle.
    round: VecDeque<(Arc<str>, Arc<str>)>,
    made: u64,
    /// Windows, in microseconds, that a reload put in force, by limit: nothing that lies within one is
    /// forgotten, also not for an ask that began before the reload.
    floors: HashMap<Arc<str>, i64>,
}

impl Counters {
    /// Whether a demand fits at this moment; takes nothing.
    pub(super) fn fit(&mut self, now: i64, demand: &Demand) -> Fit {
        let limit = &demand.charge.limit;
        let floor = self.floor(&demand.limit);
        match &mut self.counter(demand).used {
            Arithmetic::Rate(bucket) => {
                let rate = rate(limit.kind);
                let bucket = bucket.at(rate, now);
                let alone = demand.charge.amount > rate.burst();
                Fit {
                    used: bucket.used(rate, now),
                    fits: bucket.fits(rate, now),
                    over: bucket.fits(rate, now) < demand.wanted,
                    alone,
                    free_at: (!alone).then(|| bucket.fits_at(rate, demand.wanted)),
                }
            }
            Arithmetic::Window(window) => {
                let (max, length) = budget(limit.kind);
                window.expire(now, keep(length, floor));
                let used = window.used(now, length);
                let excess = used.saturating_add(demand.wanted).saturating_sub(max);
                budget_fit(used, max, excess, demand.charge.amount, || {
                    window.freed_at(now, length, excess)
                })
            }
            Arithmetic::Records(records) => {
                let (max, length) = budget(limit.kind);
                records.expire(now, keep(length, floor));
                let used = records.used(now, length);
                let new = records.new_ones(now, length, &demand.records);
                // touching a record again costs nothing, but past a threshold it is past it still
                let excess = if new == 0 && limit.then != Then::Hold {
                    0
                } else {
                    used.saturating_add(new).saturating_sub(max)
                };
                let whole = demand.charge.amount.max(demand.wanted);
                budget_fit(used, max, excess, whole, || {
                    records.freed_at(now, length, excess, &demand.records)
                })
            }
        }
    }

    /// Takes a demand, whether it fits or not.
    pub(super) fn take(&mut self, now: i64, demand: &Demand, over: bool) -> Taken {
        let limit = &demand.charge.limit;
        let next = self.made + 1;
        let counter = self.counter(demand);
        let mut restated = false;
        let cost = match &mut counter.used {
            Arithmetic::Rate(bucket) => {
                let (cost, of_another) = bucket.take(rate(limit.kind), now, demand.wanted);
                restated = of_another;
                cost
            }
            Arithmetic::Window(window) => {
                window.take(now, demand.wanted);
                demand.wanted
            }
            Arithmetic::Records(records) => {
                let (max, _) = budget(limit.kind);
                records.touch(now, &demand.records, room(max));
                demand.wanted
            }
        };
        if restated {
            // what was taken at another rate is not this counter's to give back
            counter.id = next;
        }
        let id = counter.id;
        self.made = self.made.max(id);
        Taken {
            limit: Arc::clone(&demand.limit),
            key: Arc::clone(&demand.key),
            counter: id,
            at: now,
            units: demand.wanted,
            cost,
            records: demand.records.clone(),
            over,
            gauge: matches!(limit.kind, LimitKind::Budget { window_ms: 0, .. }),
        }
    }

    /// Gives back what was taken; nothing where the counter was emptied since.
    pub(super) fn give_back(&mut self, taken: &Taken) {
        let counter = self
            .by_limit
            .get_mut(&taken.limit)
            .and_then(|keys| keys.get_mut(&taken.key))
            .filter(|counter| counter.id == taken.counter);
        match counter.map(|counter| &mut counter.used) {
            Some(Arithmetic::Rate(bucket)) => bucket.give_back(taken.at, taken.cost),
            Some(Arithmetic::Window(window)) => window.give_back(taken.at, taken.cost),
            Some(Arithmetic::Records(records)) => records.give_back(taken.at, &taken.records),
            None => {}
        }
    }

    /// Empties a limit for one service account; all of it where it is not kept apart by them.
    pub(super) fn empty(&mut self, limit: &str, service_account: &str) {
        for keys in self.by_limit.values_mut() {
            keys.retain(|key, counter| {
                counter.limit.name != limit
                    || counter.limit.per.contains(&Per::ServiceAccount)
                        && key.split('/').next() != Some(service_account)
            });
        }
    }

    /// Forgets counters that are idle, a few with each call, so that none takes long.
    pub(super) fn sweep(&mut self, now: i64) {
        for _ in 0..SWEEP.min(self.round.len()) {
            let Some((limit, key)) = self.round.pop_front() else {
                return;
            };
            let Some(keys) = self.by_limit.get_mut(&limit) else {
                continue;
            };
            let floor = self.floors.get(&limit).copied().unwrap_or(0);
            match keys.get(&key).map(|counter| counter.idle(now, floor)) {
                Some(true) => {
                    keys.remove(&key);
                    if keys.is_empty() {
                        self.by_limit.remove(&limit);
                    }
                }
                Some(false) => self.round.push_back((limit, key)),
                None => {}
            }
        }
    }

    fn floor(&self, limit: &str) -> i64 {
        self.floors.get(limit).copied().unwrap_or(0)
    }

    /// Gives a budget another window. What was charged through a moment, as the demands of the ledger
    /// say it, oldest first, takes the place of what is known of that time; later charges stay. Nothing
    /// is forgotten that lies within `floor`.
    pub(super) fn lengthen(
        &mut self,
        limit: &Limit,
        floor: i64,
        through: i64,
        older: &[(i64, Demand)],
    ) {
        let name = counted(limit);
        self.floors.insert(Arc::clone(&name), floor);
        let known = self.by_limit.get(&name).into_iter().flat_map(HashMap::keys);
        let mut keys: BTreeSet<Arc<str>> = known.cloned().collect();
        keys.extend(older.iter().map(|(_, demand)| Arc::clone(&demand.key)));
        for key in keys {
            let of_key: Vec<_> = older
                .iter()
                .filter(|(_, demand)| demand.key == key)
                .collect();
            self.recall(limit, &key, through, &of_key);
        }
    }

    fn recall(&mut self, limit: &Limit, key: &Arc<str>, through: i64, older: &[&(i64, Demand)]) {
        match &mut self.counter_of(limit, key).used {
            Arithmetic::Rate(_) => {}
            Arithmetic::Window(window) => {
                let events = older.iter().map(|(at, demand)| Event {
                    at: *at,
                    amount: demand.wanted,
                });
                window.recall(through, &events.collect::<Vec<_>>());
            }
            Arithmetic::Records(records) => {
                let touches = older.iter().flat_map(|(at, demand)| {
                    let names = demand.records.iter();
                    names.map(|record| (*at, Arc::clone(record)))
                });
                let room = room(budget(limit.kind).0);
                records.recall(through, &touches.collect::<Vec<_>>(), room);
            }
        }
    }

    /// Every counter that is not idle at this moment, with its key.
    pub(super) fn busy(&self, now: i64) -> impl Iterator<Item = (&str, &Counter)> {
        let limits = self.by_limit.iter();
        let keys = limits.flat_map(|(limit, keys)| keys.iter().map(move |one| (limit, one)));
        keys.filter(move |(limit, (_, counter))| !counter.idle(now, self.floor(limit)))
            .map(|(_, (key, counter))| (&**key, counter))
    }

    /// How many counters were ever made.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// What is used of every limit at this moment, by limit and key.
    pub(super) fn usage(&self, now: i64) -> Vec<Usage> {
        let keys = self.by_limit.values().flatten();
        let mut usage: Vec<Usage> = keys
            .filter_map(|(key, counter)| counter.usage(key, now))
            .collect();
        let named = |one: &Usage| (one.limit.clone(), one.counts.clone(), one.key.clone());
        usage.sort_by_cached_key(named);
        usage
    }

    /// The counter of a limit and key, made where there is none.
    fn counter(&mut self, demand: &Demand) -> &mut Counter {
        self.counter_of(&demand.charge.limit, &demand.key)
    }

    fn counter_of(&mut self, limit: &Limit, key: &Arc<str>) -> &mut Counter {
        let Self {
            by_limit,
            round,
            made,
            ..
        } = self;
        let name = counted(limit);
        let keys = by_limit.entry(Arc::clone(&name)).or_default();
        match keys.entry(Arc::clone(key)) {
            Entry::Vacant(place) => {
                round.push_back((name, Arc::clone(key)));
                *made += 1;
                place.insert(Counter::new(*made, limit))
            }
            Entry::Occupied(place) => {
                let counter = place.into_mut();
                if counter.limit != *limit {
                    counter.limit = limit.clone();
                }
                counter
            }
        }
    }
}

impl Counter {
    fn new(id: u64, limit: &Limit) -> Self {
        let used = match Arithmetic::kind(limit) {
            ArithmeticKind::Rate => Arithmetic::Rate(Bucket::new()),
            ArithmeticKind::Window => Arithmetic::Window(Window::new()),
            ArithmeticKind::Records => Arithmetic::Records(Records::new()),
        };
        Self {
            id,
            limit: limit.clone(),
            used,
        }
    }

    fn idle(&self, now: i64, floor: i64) -> bool {
        let window = keep(budget(self.limit.kind).1, floor);
        match &self.used {
            Arithmetic::Rate(bucket) => bucket.idle(now),
            Arithmetic::Window(taken) => taken.idle(now, window),
            Arithmetic::Records(records) => records.idle(now, window),
        }
    }

    fn usage(&self, key: &str, now: i64) -> Option<Usage> {
        let (max, length) = budget(self.limit.kind);
        let (used, max) = match &self.used {
            Arithmetic::Rate(bucket) => bucket.usage(now),
            Arithmetic::Window(window) => (window.used(now, length), max),
            Arithmetic::Records(records) => (records.used(now, length), max),
        };
        (used > 0).then(|| Usage {
            limit: self.limit.name.clone(),
            counts: self.limit.counts(),
            key: key.to_owned(),
            used,
            max,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ArithmeticKind {
    Rate,
    Window,
    Records,
}

impl Arithmetic {
    fn kind(limit: &Limit) -> ArithmeticKind {
        match limit.kind {
            LimitKind::Rate { .. } => ArithmeticKind::Rate,
            LimitKind::Budget { .. } if counts_records(limit) => ArithmeticKind::Records,
            LimitKind::Budget { .. } => ArithmeticKind::Window,
        }
    }
}

/// A limit's arithmetic in numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    /// `r` rate, `w` window or gauge, `s` set of records.
    pub(super) kind: &'static str,
    /// The microseconds of a rate's unit, or of the window; 0 for a gauge.
    pub(super) size: u64,
    /// The burst, or the maximum.
    pub(super) most: u64,
}

/// A limit's arithmetic in numbers.
pub(super) fn in_numbers(limit: &Limit) -> Numbers {
    let (kind, size, most) = match Arithmetic::kind(limit) {
        ArithmeticKind::Rate => {
            let rate = rate(limit.kind);
            ("r", rate.unit(), rate.burst())
        }
        kind @ (ArithmeticKind::Window | ArithmeticKind::Records) => {
            let (max, window) = budget(limit.kind);
            let records = kind == ArithmeticKind::Records;
            (if records { "s" } else { "w" }, window.unsigned_abs(), max)
        }
    };
    Numbers { kind, size, most }
}

/// A rate's arithmetic; the counter's kind says that it is one.
fn rate(kind: LimitKind) -> Rate {
    match kind {
        LimitKind::Rate {
            count,
            period_ms,
            burst,
        } => Rate::new(count, period_ms, burst),
        LimitKind::Budget { max, window_ms } => Rate::new(max, window_ms, max),
    }
}

/// A budget's maximum and window in microseconds; the counter's kind says that it is one.
fn budget(kind: LimitKind) -> (u64, i64) {
    match kind {
        LimitKind::Budget { max, window_ms } => (max.min(MOST), millis(window_ms)),
        LimitKind::Rate {
            period_ms, burst, ..
        } => (burst, millis(period_ms)),
    }
}

/// How long a budget of this window is remembered.
fn keep(window: i64, floor: i64) -> i64 {
    if window > 0 {
        window.max(floor)
    } else {
        window
    }
}

fn budget_fit(
    used: u64,
    max: u64,
    excess: u64,
    whole: u64,
    free_at: impl FnOnce() -> Option<i64>,
) -> Fit {
    let alone = whole > max;
    Fit {
        used,
        fits: max.saturating_sub(used),
        over: excess > 0,
        alone,
        free_at: if alone || excess == 0 {
            None
        } else {
            free_at()
        },
    }
}
