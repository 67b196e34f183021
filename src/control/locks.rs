//! Locks on records, and who waits for them, first come first served.
//!
//! An ask gets all its locks at once or none. It gets none that another reservation holds, nor one
//! that somebody wants who came before: a request for many records is not overtaken for ever by
//! requests for one. A reservation that holds locks already goes before all that hold none, because
//! they may be waiting for it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::EntryId;

/// A place in the queue; the smaller one is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    /// Holds no lock yet.
    empty_handed: bool,
    number: u64,
}

#[derive(Debug)]
struct Waiter {
    reservation: EntryId,
    keys: Vec<String>,
    bell: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(super) struct Locks {
    held: HashMap<String, EntryId>,
    waiting: HashMap<Place, Waiter>,
    /// Who wants a lock, by lock.
    wanted: HashMap<String, BTreeSet<Place>>,
    next: u64,
}

impl Locks {
    /// The place that an ask would get now.
    pub(super) fn newest_place(&self, holds_locks: bool) -> Place {
        Place {
            empty_handed: !holds_locks,
            number: self.next,
        }
    }

    /// The first of these locks that whoever stands at `place` may not have now.
    pub(super) fn busy<'k>(
        &self,
        keys: &'k [String],
        reservation: &EntryId,
        place: Place,
    ) -> Option<&'k String> {
        keys.iter().find(|key| match self.held.get(*key) {
            Some(holder) => holder != reservation,
            None => self.first(key).is_some_and(|first| first < place),
        })
    }

    fn first(&self, key: &str) -> Option<Place> {
        self.wanted.get(key)?.first().copied()
    }

    /// Takes locks that are not busy; returns those that the reservation did not hold before.
    pub(super) fn take(&mut self, keys: &[String], reservation: &EntryId) -> Vec<String> {
        let mut taken = Vec::with_capacity(keys.len());
        for key in keys {
            if !self.held.contains_key(key) {
                self.held.insert(key.clone(), reservation.clone());
                taken.push(key.clone());
            }
        }
        taken
    }

    /// Lets go of locks and wakes who can have them now.
    pub(super) fn release(&mut self, keys: &[String]) {
        for key in keys {
            self.held.remove(key);
        }
        self.wake_first(keys);
    }

    /// Queues; the bell rings when it is worth asking again.
    pub(super) fn queue(
        &mut self,
        place: Place,
        keys: &[String],
        reservation: &EntryId,
    ) -> Arc<Notify> {
        self.next += 1;
        for key in keys {
            self.wanted.entry(key.clone()).or_default().insert(place);
        }
        let bell = Arc::new(Notify::new());
        self.waiting.insert(
            place,
            Waiter {
                reservation: reservation.clone(),
                keys: keys.to_vec(),
                bell: Arc::clone(&bell),
            },
        );
        bell
    }

    /// Leaves the queue, served or not, and wakes who stood behind.
    pub(super) fn leave(&mut self, place: Place) {
        let Some(waiter) = self.waiting.remove(&place) else {
            return;
        };
        for key in &waiter.keys {
            if let Some(places) = self.wanted.get_mut(key) {
                places.remove(&place);
                if places.is_empty() {
                    self.wanted.remove(key);
                }
            }
        }
        self.wake_first(&waiter.keys);
    }

    /// Lets everybody look again: a switch was thrown, or everything was replaced.
    pub(super) fn wake_all(&self) {
        for waiter in self.waiting.values() {
            waiter.bell.notify_one();
        }
    }

    /// Drops every lock; who waits keeps waiting its turn.
    pub(super) fn clear(&mut self) {
        self.held.clear();
        self.wake_all();
    }

    fn wake_first(&self, keys: &[String]) {
        for key in keys {
            let Some(place) = self.first(key) else {
                continue;
            };
            if let Some(waiter) = self.waiting.get(&place)
                && self
                    .busy(&waiter.keys, &waiter.reservation, place)
                    .is_none()
            {
                waiter.bell.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EntryId {
        EntryId::from_text(text)
    }

    fn keys(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    /// Asks once, and queues where it is busy.
    fn ask(locks: &mut Locks, who: &str, holds: bool, wanted: &[&str]) -> Option<Place> {
        let (who, wanted) = (id(who), keys(wanted));
        let place = locks.newest_place(holds);
        if locks.busy(&wanted, &who, place).is_some() {
            locks.queue(place, &wanted, &who);
            return Some(place);
        }
        locks.take(&wanted, &who);
        None
    }

    fn can(locks: &Locks, who: &str, place: Place, wanted: &[&str]) -> bool {
        locks.busy(&keys(wanted), &id(who), place).is_none()
    }

    #[test]
    fn who_wants_two_records_is_not_overtaken_by_who_wants_one() {
        let mut locks = Locks::default();
        assert_eq!(ask(&mut locks, "one", false, &["a"]), None);
        let both = ask(&mut locks, "both", false, &["a", "b"]).unwrap();
        // b is free, but somebody waits for it
        let late = ask(&mut locks, "late", false, &["b"]).unwrap();
        locks.release(&keys(&["a"]));
        assert!(can(&locks, "both", both, &["a", "b"]));
        assert!(!can(&locks, "late", late, &["b"]));
        locks.leave(both);
        assert!(can(&locks, "late", late, &["b"]));
    }

    #[test]
    fn who_holds_a_lock_goes_first() {
        let mut locks = Locks::default();
        ask(&mut locks, "holder", false, &["a"]);
        ask(&mut locks, "both", false, &["a", "b"]).unwrap();
        assert_eq!(ask(&mut locks, "holder", true, &["a", "b"]), None);
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut locks = Locks::default();
        ask(&mut locks, "one", false, &["a"]);
        let two = ask(&mut locks, "two", false, &["a", "b"]).unwrap();
        locks.leave(two);
        locks.release(&keys(&["a"]));
        assert!(locks.held.is_empty() && locks.waiting.is_empty() && locks.wanted.is_empty());
    }
}
