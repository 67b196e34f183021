//! Budgets: so many in any window of a length, and gauges (a window of 0), which count until they
//! are given back. Pure: the moment is an argument.
//!
//! A window reaches from its start up to, not including, its end: what was taken at `t` counts until
//! `t` plus the window.

use super::history::{Event, History};

/// Moments of one window that are kept apart; beyond them, moments are joined under the later one.
const ROOM: usize = 256;

/// What is used of one budget for one key.
#[derive(Clone, Debug)]
pub(super) struct Window {
    taken: History,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            taken: History::new(ROOM, i64::MIN),
        }
    }

    /// What is known of it.
    pub(super) fn taken(&self) -> &History {
        &self.taken
    }

    /// Lets go of what no window that ends now or later holds.
    pub(super) fn expire(&mut self, now: i64, window: i64) {
        if window > 0 {
            self.taken.expire(now.saturating_sub(window));
        }
    }

    /// How much is used at this moment.
    pub(super) fn used(&self, now: i64, window: i64) -> u64 {
        if window > 0 {
            self.taken.since(now.saturating_sub(window))
        } else {
            self.taken.total()
        }
    }

    /// The moment at which this much less is used than at `now`; `None` for a gauge, which no clock
    /// empties.
    pub(super) fn freed_at(&self, now: i64, window: i64, amount: u64) -> Option<i64> {
        let mut freed = 0_u64;
        let after = now.saturating_sub(window);
        let mut events = self.taken.events().filter(|event| event.at > after);
        let event = events.find(|event| {
            freed = freed.saturating_add(event.amount);
            freed >= amount
        })?;
        (window > 0).then(|| event.at.saturating_add(window))
    }

    pub(super) fn take(&mut self, now: i64, amount: u64) {
        self.taken.push(now, amount);
    }

    /// Forgets what was taken through a moment, and takes this up in its place, oldest first.
    pub(super) fn recall(&mut self, through: i64, older: &[Event]) {
        self.taken.expire(through);
        self.taken.put_back(older);
    }

    pub(super) fn give_back(&mut self, at: i64, amount: u64) {
        self.taken.give_back(at, amount);
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn idle(&self, now: i64, window: i64) -> bool {
        self.used(now, window) == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    #[test]
    fn a_charge_counts_until_its_window_is_over() {
        let mut window = Window::new();
        window.take(10, 4);
        window.take(20, 1);
        assert_eq!(window.used(109, 100), 5);
        assert_eq!(window.used(110, 100), 1);
        assert_eq!(window.freed_at(0, 100, 4), Some(110));
        assert_eq!(window.freed_at(0, 100, 5), Some(120));
        assert_eq!(window.freed_at(0, 100, 6), None);
    }

    #[test]
    fn a_gauge_counts_until_it_is_given_back() {
        let mut gauge = Window::new();
        gauge.take(1, 2);
        gauge.expire(i64::MAX, 0);
        assert_eq!(gauge.used(i64::MAX, 0), 2);
        assert_eq!(gauge.freed_at(1, 0, 1), None);
        gauge.give_back(1, 2);
        assert!(gauge.idle(1, 0));
    }

    proptest! {
        /// Against a naive log: no window of any alignment ever holds more than the budget; with few
        /// charges nothing that fits is refused; what was refunded is free again.
        #[test]
        fn no_window_holds_more_than_the_budget(
            max in 1_u64..40, length in 1_i64..3_000,
            asks in prop::collection::vec((0_i64..60, 1_u64..5, any::<bool>(), 0_usize..50), 1..600),
        ) {
            let mut window = Window::new();
            let mut log: Vec<(i64, u64)> = Vec::new();
            let mut now = 0;
            for (number, (gap, amount, refund, which)) in asks.into_iter().enumerate() {
                now += gap;
                window.expire(now, length);
                let exact: u64 =
                    log.iter().filter(|(at, _)| *at > now - length).map(|(_, amount)| amount).sum();
                let fits = window.used(now, length) + amount <= max;
                if number < ROOM {
                    assert_eq!(fits, exact + amount <= max);
                } else {
                    assert!(!fits || exact + amount <= max);
                }
                if fits {
                    window.take(now, amount);
                    log.push((now, amount));
                } else if amount <= max {
                    let over = window.used(now, length) + amount - max;
                    let free = window.freed_at(now, length, over).unwrap();
                    assert!(free > now);
                    assert!(window.used(free, length) + amount <= max);
                    assert!(window.used(free - 1, length) + amount > max);
                }
                if refund && !log.is_empty() {
                    let (at, amount) = log.remove(log.len() - 1 - which % log.len());
                    window.give_back(at, amount);
                }
                for (start, _) in &log {
                    let held: u64 = log
                        .iter()
                        .filter(|(at, _)| at >= start && *at < start + length)
                        .map(|(_, amount)| amount)
                        .sum();
                    assert!(held <= max);
                }
            }
        }
    }
}
