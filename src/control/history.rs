//! What was taken when, oldest first, in bounded memory. Knows neither limits nor clocks.
//!
//! Moments are microseconds since 1970 in UTC. When the list grows past its room, neighbours are
//! joined under the later moment of the two: an amount may be remembered for longer than it should
//! be, never for shorter.

use std::collections::VecDeque;

use super::moment::MOST;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The moment, or the latest one of several that were joined.
    pub(super) at: i64,
    pub(super) amount: u64,
}

#[derive(Clone, Debug)]
pub(super) struct History {
    events: VecDeque<Event>,
    total: u64,
    /// Everything up to this moment has left.
    gone: i64,
    room: usize,
}

impl History {
    /// A list of at most `room` events; those before or at `gone` count as left already.
    pub(super) fn new(room: usize, gone: i64) -> Self {
        Self {
            events: VecDeque::new(),
            total: 0,
            gone,
            room: room.max(4),
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Everything up to this moment has left.
    pub(super) fn gone(&self) -> i64 {
        self.gone
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.events.iter().copied()
    }

    pub(super) fn last(&self) -> Option<i64> {
        self.events.back().map(|event| event.at)
    }

    /// Adds at the end; `at` is never before the last event.
    pub(super) fn push(&mut self, at: i64, amount: u64) {
        let amount = amount.min(MOST - self.total);
        if amount == 0 {
            return;
        }
        self.total += amount;
        match self.events.back_mut() {
            Some(last) if last.at >= at => last.amount += amount,
            Some(_) | None => self.events.push_back(Event { at, amount }),
        }
        if self.events.len() > self.room {
            self.join_neighbours();
        }
    }

    /// Puts what was forgotten before the first event back there, oldest first.
    pub(super) fn put_back(&mut self, older: &[Event]) {
        for event in older.iter().rev() {
            let amount = event.amount.min(MOST - self.total);
            self.total += amount;
            match self.events.front_mut() {
                Some(first) if first.at <= event.at => first.amount += amount,
                Some(_) | None if amount > 0 => self.events.push_front(Event {
                    at: event.at,
                    amount,
                }),
                Some(_) | None => {}
            }
        }
        if let Some(first) = self.events.front() {
            self.gone = self.gone.min(first.at.saturating_sub(1));
        }
        if self.events.len() > self.room {
            self.join_neighbours();
        }
    }

    /// Takes out what was added at `at`; returns how much of it was still there.
    pub(super) fn give_back(&mut self, at: i64, amount: u64) -> u64 {
        if at <= self.gone {
            return 0;
        }
        // joined events stand under their latest moment, so the first one not before `at` has it
        let place = self.events.partition_point(|event| event.at < at);
        let Some(event) = self.events.get_mut(place) else {
            return 0;
        };
        let given = amount.min(event.amount);
        event.amount -= given;
        self.total -= given;
        if event.amount == 0 {
            self.events.remove(place);
        }
        given
    }

    /// Lets everything up to this moment go.
    pub(super) fn expire(&mut self, through: i64) {
        while let Some(first) = self.events.front().copied() {
            if first.at > through {
                break;
            }
            self.total -= first.amount;
            self.gone = first.at;
            self.events.pop_front();
        }
    }

    /// How much was added after this moment.
    pub(super) fn since(&self, after: i64) -> u64 {
        let first = self.events.partition_point(|event| event.at <= after);
        self.events.range(first..).map(|event| event.amount).sum()
    }

    /// Halves the list. The grid is a power of two, so that grids of later joins contain it and an
    /// event never moves by more than one step of the coarsest.
    fn join_neighbours(&mut self) {
        let (Some(first), Some(last)) = (self.events.front(), self.events.back()) else {
            return;
        };
        let span = last.at.abs_diff(first.at);
        let steps = u64::try_from(self.room / 2).unwrap_or(1).max(1);
        let step = (span / steps + 1).checked_next_power_of_two();
        let step = step.map_or(i64::MAX, |step| i64::try_from(step).unwrap_or(i64::MAX));
        let mut joined: VecDeque<Event> = VecDeque::with_capacity(self.room + 1);
        for event in self.events.drain(..) {
            match joined.back_mut() {
                Some(before) if before.at.div_euclid(step) == event.at.div_euclid(step) => {
                    before.at = event.at;
                    before.amount += event.amount;
                }
                Some(_) | None => joined.push_back(event),
            }
        }
        self.events = joined;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, proptest};

    use super::*;

    #[test]
    fn what_left_is_not_given_back() {
        let mut history = History::new(8, i64::MIN);
        history.push(1, 5);
        history.push(2, 3);
        history.expire(1);
        assert_eq!(history.give_back(1, 5), 0);
        assert_eq!(history.total(), 3);
        assert_eq!(history.give_back(2, 3), 3);
        assert_eq!(history.total(), 0);
    }

    #[test]
    fn what_is_put_back_counts_and_can_be_given_back() {
        let mut history = History::new(8, i64::MIN);
        history.push(1, 5);
        history.push(9, 2);
        history.expire(4);
        history.put_back(&[Event { at: 1, amount: 5 }, Event { at: 3, amount: 1 }]);
        assert_eq!((history.total(), history.since(1)), (8, 3));
        assert_eq!(history.give_back(1, 5), 5);
        // no event is put behind one that is there
        history.put_back(&[Event { at: 9, amount: 4 }]);
        assert_eq!(history.since(2), 7);
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, u64, bool)>> {
        prop::collection::vec((0_i64..5_000, 1_u64..4, any::<bool>()), 1..400)
    }

    proptest! {
        /// Against a list that forgets nothing: never less in any window, never more than one grid
        /// step late, and giving back leaves exactly the rest.
        #[test]
        fn joined_events_count_for_at_least_as_long(steps in steps(), room in 4_usize..40) {
            let mut history = History::new(room, i64::MIN);
            let mut all: Vec<Event> = Vec::new();
            let mut at = 0;
            for (gap, amount, back) in steps {
                at += gap;
                history.push(at, amount);
                all.push(Event { at, amount });
                assert!(history.events.len() <= room);
                if back && all.len() > 3 {
                    let event = all.remove(all.len() / 2);
                    assert_eq!(history.give_back(event.at, event.amount), event.amount);
                }
                assert_eq!(history.total(), all.iter().map(|event| event.amount).sum::<u64>());
                for after in [at - 10_000, at - 1_000, at - 1] {
                    let exact: u64 =
                        all.iter().filter(|event| event.at > after).map(|event| event.amount).sum();
                    assert!(history.since(after) >= exact);
                }
            }
        }
    }
}
