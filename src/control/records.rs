//! Budgets of different records: a record counts once for as long as any touch of it lies within the
//! window. Touching it again costs nothing and makes it count for longer. Pure: the moment is an
//! argument.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::history::{Event, History};

/// Touches of one record that are kept apart.
const TOUCHES: usize = 8;

/// The records of one budget for one key.
#[derive(Clone, Debug)]
pub(super) struct Records {
    touches: HashMap<Arc<str>, History>,
    /// Each record under its latest touch.
    order: BTreeSet<(i64, Arc<str>)>,
    /// Touches up to this moment have left.
    gone: i64,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            touches: HashMap::new(),
            order: BTreeSet::new(),
            gone: i64::MIN,
        }
    }

    /// The moment up to which touches have left, and the touches of each record, least lately touched
    /// first.
    pub(super) fn parts(&self) -> (i64, impl Iterator<Item = (&Arc<str>, &History)>) {
        let touches = self.order.iter();
        let touches = touches.filter_map(|(_, name)| self.touches.get_key_value(name));
        (self.gone, touches)
    }

    /// Lets go of records that no window that ends now or later holds.
    pub(super) fn expire(&mut self, now: i64, window: i64) {
        if window > 0 {
            let through = now.saturating_sub(window);
            while self.order.first().is_some_and(|(at, _)| *at <= through) {
                self.drop_oldest();
            }
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((at, record)) = self.order.pop_first() {
            self.touches.remove(&record);
            self.gone = self.gone.max(at);
        }
    }

    /// How many records count at this moment.
    pub(super) fn used(&self, now: i64, window: i64) -> u64 {
        let after = start(now, window);
        let left = self.order.iter().take_while(|(at, _)| *at <= after);
        count(self.order.len() - left.count())
    }

    /// How many of these do not count at this moment.
    pub(super) fn new_ones(&self, now: i64, window: i64, records: &[Arc<str>]) -> u64 {
        let after = start(now, window);
        let counts = |record: &Arc<str>| {
            let touches = self.touches.get(record);
            touches.and_then(History::last).is_some_and(|at| at > after)
        };
        count(records.iter().filter(|record| !counts(record)).count())
    }

    /// The moment at which so many records fewer count than at `now`, not looking at those of the
    /// asker; `None` for a gauge.
    pub(super) fn freed_at(
        &self,
        now: i64,
        window: i64,
        amount: u64,
        asker: &[Arc<str>],
    ) -> Option<i64> {
        let after = start(now, window);
        let asker: HashSet<&Arc<str>> = asker.iter().collect();
        let nth = usize::try_from(amount.checked_sub(1)?).ok()?;
        let mut others = self
            .order
            .iter()
            .filter(|(at, record)| *at > after && !asker.contains(record));
        let (at, _) = others.nth(nth)?;
        (window > 0).then(|| at.saturating_add(window))
    }

    /// Touches records. Keeps at most `room`: a threshold may be passed by any number, and who asks
    /// only whether more than its maximum count needs to know no more than that many.
    pub(super) fn touch(&mut self, now: i64, records: &[Arc<str>], room: usize) {
        for record in records {
            let gone = self.gone;
            let touches = self
                .touches
                .entry(Arc::clone(record))
                .or_insert_with(|| History::new(TOUCHES, gone));
            if let Some(before) = touches.last() {
                self.order.remove(&(before, Arc::clone(record)));
            }
            touches.push(now, 1);
            let latest = touches.last().unwrap_or(now);
            self.order.insert((latest, Arc::clone(record)));
        }
        while self.order.len() > room {
            self.drop_oldest();
        }
    }

    /// Forgets records that were touched last through a moment, and takes these touches up in their
    /// place, oldest first.
    pub(super) fn recall(&mut self, through: i64, older: &[(i64, Arc<str>)], room: usize) {
        while self.order.first().is_some_and(|(at, _)| *at <= through) {
            self.drop_oldest();
        }
        self.gone = i64::MIN;
        for (at, record) in older.iter().rev() {
            let touches = self
                .touches
                .entry(Arc::clone(record))
                .or_insert_with(|| History::new(TOUCHES, i64::MIN));
            touches.put_back(&[Event { at: *at, amount: 1 }]);
            if touches.last() == Some(*at) {
                self.order.insert((*at, Arc::clone(record)));
            }
        }
        while self.order.len() > room {
            self.drop_oldest();
        }
    }

    /// Takes touches back that were made at `at`.
    pub(super) fn give_back(&mut self, at: i64, records: &[Arc<str>]) {
        for record in records {
            let Some(touches) = self.touches.get_mut(record) else {
                continue;
            };
            let Some(before) = touches.last() else {
                continue;
            };
            touches.give_back(at, 1);
            let after = touches.last();
            if after == Some(before) {
                continue;
            }
            self.order.remove(&(before, Arc::clone(record)));
            if let Some(after) = after {
                self.order.insert((after, Arc::clone(record)));
            } else {
                self.touches.remove(record);
            }
        }
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn idle(&self, now: i64, window: i64) -> bool {
        self.used(now, window) == 0
    }
}

/// The moment after which touches count; a gauge never forgets.
fn start(now: i64, window: i64) -> i64 {
    if window > 0 {
        now.saturating_sub(window)
    } else {
        i64::MIN
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    fn names(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn a_record_counts_once_and_for_as_long_as_it_is_touched() {
        let mut records = Records::new();
        records.touch(0, &names(&["a", "b"]), 100);
        records.touch(60, &names(&["a"]), 100);
        assert_eq!(records.new_ones(60, 100, &names(&["a", "c"])), 1);
        assert_eq!(records.used(60, 100), 2);
        records.expire(100, 100);
        assert_eq!(records.used(100, 100), 1);
        assert_eq!(records.freed_at(100, 100, 1, &[]), Some(160));
        assert_eq!(records.freed_at(100, 100, 1, &names(&["a"])), None);
    }

    #[test]
    fn a_refund_brings_the_touch_before_back() {
        let mut records = Records::new();
        records.touch(0, &names(&["a"]), 100);
        records.touch(50, &names(&["a"]), 100);
        records.give_back(50, &names(&["a"]));
        records.expire(100, 100);
        assert_eq!(records.used(100, 100), 0);
        // what was touched again after it left keeps the new touch
        records.touch(120, &names(&["a"]), 100);
        records.give_back(0, &names(&["a"]));
        assert_eq!(records.used(120, 100), 1);
    }

    #[test]
    fn past_a_threshold_the_latest_are_kept() {
        let mut records = Records::new();
        for at in 0..50 {
            records.touch(at, &[Arc::from(at.to_string())], 10);
        }
        assert_eq!(records.used(49, 1_000), 10);
        assert_eq!(records.touches.len(), 10);
        assert_eq!(records.freed_at(49, 1_000, 1, &[]), Some(1_040));
    }

    #[test]
    fn what_is_recalled_counts_under_its_latest_touch() {
        let mut records = Records::new();
        records.touch(90, &names(&["a"]), 100);
        let older = [(10, Arc::from("a")), (20, Arc::from("b"))];
        records.recall(50, &older, 100);
        assert_eq!(records.used(100, 95), 2);
        assert_eq!(records.used(100, 50), 1);
        assert_eq!(records.new_ones(100, 50, &names(&["a", "b"])), 1);
        // the touch before is back when the latest is given back
        records.give_back(90, &names(&["a"]));
        assert_eq!(records.used(100, 95), 2);
        assert_eq!(records.used(100, 50), 0);
    }

    proptest! {
        /// Against a naive log: never more different records in any window than the budget.
        #[test]
        fn no_window_holds_more_records_than_the_budget(
            max in 1_u64..8, length in 1_i64..500,
            asks in prop::collection::vec(
                (0_i64..60, prop::collection::btree_set(0_u8..12, 1..4), any::<bool>(), 0_usize..9),
                1..200,
            ),
        ) {
            let mut records = Records::new();
            let mut log: Vec<(i64, Vec<Arc<str>>)> = Vec::new();
            let mut now = 0;
            for (gap, asked, refund, which) in asks {
                now += gap;
                let asked: Vec<Arc<str>> =
                    asked.iter().map(|name| Arc::from(name.to_string())).collect();
                records.expire(now, length);
                let fits = records.used(now, length) + records.new_ones(now, length, &asked) <= max;
                let mut exact: HashSet<Arc<str>> = log
                    .iter()
                    .filter(|(at, _)| *at > now - length)
                    .flat_map(|(_, records)| records.iter().cloned())
                    .collect();
                let before = count(exact.len());
                assert!(records.used(now, length) >= before);
                exact.extend(asked.iter().cloned());
                assert!(!fits || count(exact.len()) <= max);
                if fits {
                    records.touch(now, &asked, 1_000);
                    log.push((now, asked));
                }
                if refund && !log.is_empty() {
                    let (at, records_back) = log.remove(log.len() - 1 - which % log.len());
                    records.give_back(at, &records_back);
                }
                if log.len() < TOUCHES {
                    let exact: HashSet<&Arc<str>> = log
                        .iter()
                        .filter(|(at, _)| *at > now - length)
                        .flat_map(|(_, records)| records.iter())
                        .collect();
                    assert_eq!(records.used(now, length), count(exact.len()));
                }
            }
        }
    }
}
