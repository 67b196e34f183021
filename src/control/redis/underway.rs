//! The reservations that this process holds, to keep them alive in Redis for as long as they are under
//! way, and those whose end could not be told yet.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clock::EntryId;

/// A reservation ends by itself after this: that of a replica that has died. Its charges stay taken,
/// its locks are free. It is renewed well before for as long as its replica lives, since nobody can say
/// how long a CRM takes to answer.
pub(super) const LASTS: Duration = Duration::from_secs(60);
/// It is renewed this long after the last time.
const RENEWED_AFTER: Duration = Duration::from_secs(15);
/// So many are renewed in one step.
const RENEWED_AT_ONCE: usize = 500;
/// Ends that wait to be told; more are left to end by themselves.
const UNTOLD: usize = 100_000;

/// How a reservation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its charges stay taken.
    Settle,
    /// Its charges are given back.
    Refund,
}

/// An end, and whether the reservation may not have been made yet when it is told.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) reservation: EntryId,
    pub(super) end: End,
    pub(super) in_doubt: bool,
}

#[derive(Debug)]
struct Held {
    locks: Vec<String>,
    renewed: Option<Instant>,
    in_doubt: bool,
}

#[derive(Debug, Default)]
pub(super) struct Underway {
    held: Mutex<HashMap<EntryId, Held>>,
    untold: Mutex<VecDeque<Ending>>,
}

impl Underway {
    /// A reservation was made or made larger.
    pub(super) fn made(&self, reservation: &EntryId, locks: &[String], now: Instant) {
        let mut held = self.held.lock();
        let entry = held.entry(reservation.clone()).or_insert(Held {
            locks: Vec::new(),
            renewed: None,
            in_doubt: false,
        });
        for lock in locks {
            if !entry.locks.contains(lock) {
                entry.locks.push(lock.clone());
            }
        }
        entry.renewed = Some(now);
    }

    /// Nobody knows whether a reservation was made.
    pub(super) fn doubted(&self, reservation: &EntryId, now: Instant) {
        let mut held = self.held.lock();
        let entry = held.entry(reservation.clone()).or_insert(Held {
            locks: Vec::new(),
            renewed: Some(now),
            in_doubt: true,
        });
        entry.in_doubt = true;
    }

    /// A reservation ends here and now.
    pub(super) fn ended(&self, reservation: &EntryId, end: End) -> Ending {
        let held = self.held.lock().remove(reservation);
        Ending {
            reservation: reservation.clone(),
            end,
            in_doubt: held.is_some_and(|held| held.in_doubt),
        }
    }

    /// An end that has to be told later. It is one whose ask may come after it.
    pub(super) fn tell_later(&self, mut ending: Ending) {
        let mut untold = self.untold.lock();
        if untold.len() < UNTOLD {
            ending.in_doubt = true;
            untold.push_back(ending);
        }
    }

    pub(super) fn next_untold(&self) -> Option<Ending> {
        self.untold.lock().pop_front()
    }

    /// All have to be made sure of: the state is another one.
    pub(super) fn renew_all(&self) {
        for held in self.held.lock().values_mut() {
            if !held.locks.is_empty() {
                held.renewed = None;
            }
        }
    }

    /// Those that have to be renewed now. What nobody knows of and nobody ended is gone by now.
    pub(super) fn due(&self, now: Instant) -> Vec<EntryId> {
        let due = |held: &Held| {
            let renewed = held.renewed;
            let nothing = held.in_doubt && held.locks.is_empty();
            !nothing && renewed.is_none_or(|renewed| now.duration_since(renewed) >= RENEWED_AFTER)
        };
        let mut held = self.held.lock();
        held.retain(|_, held| {
            let old = held
                .renewed
                .is_some_and(|renewed| now.duration_since(renewed) >= LASTS);
            !(held.in_doubt && held.locks.is_empty() && old)
        });
        let due = held.iter().filter(|(_, held)| due(held));
        due.map(|(id, _)| id.clone())
            .take(RENEWED_AT_ONCE)
            .collect()
    }

    /// These were renewed.
    pub(super) fn renewed(&self, reservations: &[EntryId], now: Instant) {
        let mut held = self.held.lock();
        for reservation in reservations {
            if let Some(held) = held.get_mut(reservation) {
                held.renewed = Some(now);
            }
        }
    }

    /// The locks of a reservation that is still under way here.
    pub(super) fn locks(&self, reservation: &EntryId) -> Option<Vec<String>> {
        let held = self.held.lock();
        held.get(reservation).map(|held| held.locks.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EntryId {
        EntryId::from_text(text)
    }

    #[test]
    fn what_is_under_way_is_renewed_and_what_nobody_knows_of_is_forgotten() {
        let (underway, start) = (Underway::default(), Instant::now());
        underway.made(&id("held"), &["a".to_owned()], start);
        underway.doubted(&id("doubted"), start);
        assert_eq!(underway.due(start), []);
        let later = start + RENEWED_AFTER;
        assert_eq!(underway.due(later), [id("held")]);
        underway.renewed(&[id("held")], later);
        assert_eq!(underway.due(later), []);
        underway.renew_all();
        assert_eq!(underway.due(later), [id("held")]);
        assert_eq!(underway.held.lock().len(), 2);
        assert_eq!(underway.due(start + LASTS), [id("held")]);
        assert_eq!(underway.held.lock().len(), 1);
    }

    #[test]
    fn what_ends_in_doubt_is_told_so() {
        let underway = Underway::default();
        underway.made(&id("known"), &[], Instant::now());
        underway.doubted(&id("doubted"), Instant::now());
        assert!(!underway.ended(&id("known"), End::Refund).in_doubt);
        let ending = underway.ended(&id("doubted"), End::Refund);
        assert!(ending.in_doubt);
        assert!(!underway.ended(&id("never seen"), End::Settle).in_doubt);
        underway.tell_later(ending);
        assert_eq!(underway.next_untold().unwrap().reservation, id("doubted"));
        assert!(underway.next_untold().is_none());
    }
}
