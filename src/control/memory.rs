//! Control state in this process: one lock around everything, held for a few microseconds and never
//! across an await, so that any number of runtimes may use it at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::counters::Counters;
use super::demand::{Demand, Taken, demands};
use super::locks::{Locks, Place};
use super::moment::{micros, millis};
use super::replay::{forgotten, replay};
use super::trip::{Refused, judge, switch_for_limit};
use super::{
    Admission, Ask, ControlState, Rebuild, Replica, Switch, SwitchChange, Switches, Usage,
};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::mutation::{Charge, Limit, LimitKind, Then};

/// Limits, kill switches and record locks of one process.
#[derive(Debug)]
pub struct MemoryControl {
    state: Mutex<State>,
    /// Changed only while `state` is locked, so that an admission and a kill have an order.
    switches: ArcSwap<Switches>,
}

#[derive(Debug, Default)]
struct State {
    counters: Counters,
    locks: Locks,
    /// Asks that were granted and are not settled or refunded yet.
    reservations: HashMap<EntryId, Reservation>,
    epoch: u64,
    /// The latest moment seen: a clock that goes back mints nothing.
    latest: i64,
}

#[derive(Debug, Default)]
struct Reservation {
    taken: Vec<Taken>,
    locks: Vec<String>,
}

impl Default for MemoryControl {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryControl {
    /// Nothing used, nothing thrown, nothing locked.
    #[must_use]
    pub fn new() -> Self {
        let switches = Switches {
            version: 1,
            confirmed_at: None,
            thrown: Vec::new(),
        };
        Self {
            state: Mutex::new(State::default()),
            switches: ArcSwap::from_pointee(switches),
        }
    }

    /// One look at an ask: everything is taken, or nothing.
    fn look(&self, ask: &Ask, place: Option<Place>) -> Admission {
        let mut state = self.state.lock();
        let state = &mut *state;
        let now = state.moment(ask.now);
        state.counters.sweep(now);
        let switches = self.switches.load();
        if let Some(switch) = switches.stops(&ask.service_account, true) {
            return Admission::Stopped(switch.clone());
        }
        let held = state.reservations.get(&ask.reservation);
        let demands = demands(
            &ask.charges,
            &ask.reservation,
            held.map_or(&[], |held| &held.taken),
        );
        let over = match judge(&mut state.counters, now, &demands) {
            Ok(over) => over,
            Err(refused) => return self.limited(state, ask, *refused),
        };
        let place = place.unwrap_or_else(|| state.place(&ask.reservation));
        if let Some(key) = state.locks.busy(&ask.locks, &ask.reservation, place) {
            return Admission::Busy { key: key.clone() };
        }
        state.take(ask, now, &demands, &over);
        Admission::Granted {
            switch_version: switches.version,
            epoch: state.epoch,
            over: passed(demands, &over),
        }
    }

    /// Refuses, and throws the service account's switch where the limit says so.
    fn limited(&self, state: &State, ask: &Ask, refused: Refused) -> Admission {
        let tripped = refused.trips.then(|| {
            let switch = switch_for_limit(ask, &refused.charge, refused.fit.used, refused.wanted);
            self.throw(state, switch)
        });
        Admission::Limited {
            retry_ms: refused.retry_ms(micros(ask.now)),
            used: refused.fit.used,
            fits: refused.fit.fits,
            charge: refused.charge,
            tripped,
        }
    }

    /// Throws a switch in place of the one that stands. The limit that tripped first is kept, so that
    /// a resume empties it.
    fn throw(&self, state: &State, mut switch: Switch) -> Switch {
        self.change(state, |thrown| {
            let same = |other: &Switch| other.service_account == switch.service_account;
            if let Some(before) = thrown.iter().find(|other| same(other))
                && switch.limit.is_none()
            {
                switch.limit.clone_from(&before.limit);
            }
            thrown.retain(|other| !same(other));
            thrown.push(switch.clone());
        });
        switch
    }

    /// Publishes a new list of switches. The state is asked for as proof that it is locked.
    fn change(&self, state: &State, change: impl FnOnce(&mut Vec<Switch>)) {
        let mut switches = Switches::clone(&self.switches.load());
        change(&mut switches.thrown);
        switches.version += 1;
        self.switches.store(Arc::new(switches));
        state.locks.wake_all();
    }

    fn resume(&self, state: &mut State, service_account: &str) {
        let standing = self.switches.load_full();
        let same = |switch: &Switch| switch.service_account == service_account;
        let Some(switch) = standing.thrown.iter().find(|switch| same(switch)) else {
            return;
        };
        if let Some(limit) = &switch.limit {
            state.counters.empty(limit, service_account);
        }
        self.change(state, |thrown| thrown.retain(|switch| !same(switch)));
    }

    /// Gets in line for the locks of an ask.
    fn queue(&self, ask: &Ask) -> Queued<'_> {
        let mut state = self.state.lock();
        let place = state.place(&ask.reservation);
        let bell = state.locks.queue(place, &ask.locks, &ask.reservation);
        // what was let go since the look that found it busy rang nobody
        bell.notify_one();
        Queued {
            control: self,
            place,
            bell,
        }
    }

    async fn wait(&self, ask: &Ask) -> Admission {
        let queued = self.queue(ask);
        let patience = tokio::time::sleep(ask.patience);
        tokio::pin!(patience);
        loop {
            let last = tokio::select! {
                biased;
                () = queued.bell.notified() => false,
                () = &mut patience => true,
            };
            let admission = self.look(ask, Some(queued.place));
            if last || !matches!(admission, Admission::Busy { .. }) {
                return admission;
            }
        }
    }

    fn end(&self, reservation: &EntryId, give_back: impl Fn(&Taken) -> bool) {
        let mut state = self.state.lock();
        let Some(ended) = state.reservations.remove(reservation) else {
            return;
        };
        for taken in ended.taken.iter().filter(|taken| give_back(taken)) {
            state.counters.give_back(taken);
        }
        state.locks.release(&ended.locks);
    }
}

impl State {
    /// The moment to compute with.
    fn moment(&mut self, now: Timestamp) -> i64 {
        self.latest = self.latest.max(micros(now));
        self.latest
    }

    /// The place in line that a reservation would get now.
    fn place(&self, reservation: &EntryId) -> Place {
        let held = self.reservations.get(reservation);
        self.locks
            .newest_place(held.is_some_and(|held| !held.locks.is_empty()))
    }

    /// Takes everything for an ask that fits.
    fn take(&mut self, ask: &Ask, now: i64, demands: &[Demand], over: &[bool]) {
        let locks = self.locks.take(&ask.locks, &ask.reservation);
        let reservation = self
            .reservations
            .entry(ask.reservation.clone())
            .or_default();
        reservation.locks.extend(locks);
        for (demand, over) in demands.iter().zip(over) {
            if demand.wanted > 0 {
                let taken = self.counters.take(now, demand, *over);
                reservation.taken.push(taken);
            }
        }
    }
}

/// The charges that passed a threshold.
fn passed(demands: Vec<Demand>, over: &[bool]) -> Vec<Charge> {
    demands
        .into_iter()
        .zip(over)
        .filter_map(|(demand, over)| over.then_some(demand.charge))
        .collect()
}

/// A place in line, left when it is dropped: served, out of patience, or hung up.
struct Queued<'c> {
    control: &'c MemoryControl,
    place: Place,
    bell: Arc<Notify>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.control.state.lock().locks.leave(self.place);
    }
}

#[async_trait]
impl ControlState for MemoryControl {
    async fn admit(&self, ask: Ask) -> Result<Admission, StoreError> {
        let admission = self.look(&ask, None);
        if matches!(admission, Admission::Busy { .. }) && ask.patience > Duration::ZERO {
            return Ok(self.wait(&ask).await);
        }
        Ok(admission)
    }

    async fn charge(&self, ask: Ask) -> Result<Option<Switch>, StoreError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let now = state.moment(ask.now);
        state.counters.sweep(now);
        let mut tripped = None;
        for demand in demands(&ask.charges, &ask.reservation, &[]) {
            let fit = state.counters.fit(now, &demand);
            state.counters.take(now, &demand, fit.over);
            if fit.over && demand.charge.limit.then == Then::Stop && tripped.is_none() {
                tripped = Some(switch_for_limit(
                    &ask,
                    &demand.charge,
                    fit.used,
                    demand.wanted,
                ));
            }
        }
        let switches = self.switches.load();
        let stands = switches
            .thrown
            .iter()
            .any(|switch| switch.service_account == ask.service_account);
        // a switch that stands already was not thrown for this
        Ok(tripped
            .filter(|_| !stands)
            .map(|switch| self.throw(state, switch)))
    }

    async fn settle(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.end(reservation, |taken| taken.gauge);
        Ok(())
    }

    async fn refund(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.end(reservation, |_| true);
        Ok(())
    }

    fn switches(&self) -> Arc<Switches> {
        self.switches.load_full()
    }

    async fn set_switch(&self, change: SwitchChange) -> Result<Arc<Switches>, StoreError> {
        let mut state = self.state.lock();
        match change {
            SwitchChange::Throw(switch) => {
                self.throw(&state, switch);
            }
            SwitchChange::Resume {
                service_account,
                thrown_at,
            } => {
                let stands = self.switches.load().thrown.iter().any(|switch| {
                    switch.service_account == service_account && switch.at == thrown_at
                });
                if stands {
                    self.resume(&mut state, &service_account);
                }
            }
        }
        Ok(self.switches.load_full())
    }

    async fn usage(&self, now: Timestamp) -> Result<Vec<Usage>, StoreError> {
        let state = self.state.lock();
        Ok(state.counters.usage(state.latest.max(micros(now))))
    }

    async fn lengthen(
        &self,
        before: &Limit,
        after: &Limit,
        charges: Vec<(Timestamp, Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (LimitKind::Budget { window_ms, .. }, LimitKind::Budget { window_ms: new, .. }) =
            (before.kind, after.kind)
        else {
            return Ok(());
        };
        let mut state = self.state.lock();
        let through = state.moment(now).saturating_sub(millis(window_ms));
        let older = forgotten(after, charges, through);
        let floor = millis(window_ms.max(new));
        state.counters.lengthen(after, floor, through, &older);
        Ok(())
    }

    async fn rebuild(&self, from: Rebuild) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.counters = Counters::default();
        state.reservations.clear();
        state.epoch = from.epoch;
        let held = replay(
            &mut state.counters,
            &mut state.latest,
            from.charges,
            from.waiting,
        );
        for (reservation, taken) in held {
            let locks = Vec::new();
            state
                .reservations
                .insert(reservation, Reservation { taken, locks });
        }
        state.locks.clear();
        self.change(state, |thrown| *thrown = from.thrown);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        Ok(vec![Replica {
            name: "this process".into(),
            version: self.switches.load().version,
            confirmed_at: None,
            live: true,
        }])
    }
}
