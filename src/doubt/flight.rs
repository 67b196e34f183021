//! What is being sent now. A repeat of it is not sent again: it waits for the same answer.
//!
//! A slot for each request that is known by its digest: who comes first goes on (`Taxiing`), and once
//! it is about to be sent (`Flying`) all others wait for its landing. One that is refused before the
//! send leaves the way to the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::clock::EntryId;
use crate::error::Refusal;

/// How long a repeat waits for the first one to be judged before it goes on by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The answer to a write that was sent.
#[derive(Clone, Debug)]
pub enum Landed {
    /// The CRM's.
    Answer {
        /// Its status.
        status: StatusCode,
        /// Its headers, as the caller gets them.
        headers: HeaderMap,
        /// Its body.
        body: Bytes,
    },
    /// Ours, in place of the CRM's.
    Refused(Refusal, Option<EntryId>),
}

#[derive(Clone, Debug)]
enum State {
    /// Nobody has it.
    Ground,
    /// One is being judged.
    Taxiing,
    /// One is being sent, under this entry.
    Flying(EntryId),
    /// It was answered.
    Landed(Arc<Landed>),
    /// It was sent, and nobody will tell its answer.
    Lost(EntryId),
}

type Slot = watch::Sender<State>;

/// What is under way, by digest.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Tower>);

#[derive(Debug, Default)]
struct Tower {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    waiting: watch::Sender<usize>,
}

/// What a request finds when it comes.
#[derive(Debug)]
pub enum Arrival {
    /// Nobody sends the same; go on.
    Go(Seat),
    /// The same was sent meanwhile; this is its answer.
    Landed(Arc<Landed>),
    /// The same was sent under this entry, and its answer is lost.
    Lost(EntryId),
}

/// What a request finds when it is about to be sent.
#[derive(Debug)]
pub enum Launch {
    /// Send.
    Flight(Flight),
    /// The same was sent meanwhile; this is its answer.
    Landed(Arc<Landed>),
    /// The same was sent under this entry, and its answer is lost.
    Lost(EntryId),
}

/// One request's place among those that are the same.
#[derive(Debug)]
pub struct Seat {
    flights: Flights,
    digest: String,
    slot: Arc<Slot>,
    first: bool,
}

/// A write that is being sent. Dropped without landing, its answer is lost.
#[derive(Debug)]
pub struct Flight {
    flights: Flights,
    digest: String,
    slot: Arc<Slot>,
    over: bool,
}

impl Flights {
    /// Comes with a request; waits while the same one is being sent.
    pub async fn arrive(&self, digest: &str) -> Arrival {
        self.arrive_within(digest, PATIENCE).await
    }

    async fn arrive_within(&self, digest: &str, patience: Duration) -> Arrival {
        let until = Instant::now() + patience;
        let slot = Arc::clone(
            self.0
                .slots
                .lock()
                .entry(digest.to_owned())
                .or_insert_with(|| {
                    let (slot, _) = watch::channel(State::Ground);
                    Arc::new(slot)
                }),
        );
        let mut seat = Seat {
            flights: self.clone(),
            digest: digest.to_owned(),
            slot,
            first: false,
        };
        loop {
            let mut states = seat.slot.subscribe();
            let state = seat.slot.borrow().clone();
            match state {
                State::Ground if seat.step(&State::Taxiing) => {
                    seat.first = true;
                    return Arrival::Go(seat);
                }
                State::Ground => {}
                State::Landed(landed) => return Arrival::Landed(landed),
                State::Lost(entry) => return Arrival::Lost(entry),
                State::Flying(_) => self.changed(&mut states).await,
                State::Taxiing => {
                    if timeout_at(until, self.changed(&mut states)).await.is_err() {
                        return Arrival::Go(seat);
                    }
                }
            }
        }
    }

    /// How many requests wait for the answer to the same one.
    #[must_use]
    pub fn waiting(&self) -> watch::Receiver<usize> {
        self.0.waiting.subscribe()
    }

    /// Returns when the state is another one. The slot outlives its seats, so it cannot close.
    async fn changed(&self, states: &mut watch::Receiver<State>) {
        let counted = Counted::new(&self.0.waiting);
        if states.changed().await.is_err() {
            tracing::error!("a flight's slot closed");
        }
        drop(counted);
    }

    /// Takes a slot out, so that whoever comes later begins anew.
    fn forget(&self, digest: &str, slot: &Arc<Slot>) {
        let mut slots = self.0.slots.lock();
        if slots.get(digest).is_some_and(|own| Arc::ptr_eq(own, slot)) {
            slots.remove(digest);
        }
    }
}

/// One that waits; counted until dropped.
struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0
            .send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Seat {
    /// From judged to sent: one of all that are the same gets through.
    pub async fn launch(&self, entry: &EntryId) -> Launch {
        let flying = State::Flying(entry.clone());
        loop {
            let mut states = self.slot.subscribe();
            if self.step(&flying) {
                return Launch::Flight(Flight {
                    flights: self.flights.clone(),
                    digest: self.digest.clone(),
                    slot: Arc::clone(&self.slot),
                    over: false,
                });
            }
            let state = self.slot.borrow().clone();
            match state {
                State::Landed(landed) => return Launch::Landed(landed),
                State::Lost(entry) => return Launch::Lost(entry),
                State::Flying(_) => self.flights.changed(&mut states).await,
                State::Ground | State::Taxiing => {}
            }
        }
    }

    /// Takes the slot from where it stands on the ground to `next`.
    fn step(&self, next: &State) -> bool {
        self.slot.send_if_modified(|state| {
            let free = matches!(
                (&*state, next),
                (State::Ground, _) | (State::Taxiing, State::Flying(_))
            );
            if free {
                *state = next.clone();
            }
            free
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.first {
            self.slot.send_if_modified(|state| {
                let mine = matches!(state, State::Taxiing);
                if mine {
                    *state = State::Ground;
                }
                mine
            });
        }
        let mut slots = self.flights.0.slots.lock();
        let idle = matches!(*self.slot.borrow(), State::Ground);
        // this seat and the map: nobody else knows it
        if idle
            && Arc::strong_count(&self.slot) == 2
            && slots
                .get(&self.digest)
                .is_some_and(|own| Arc::ptr_eq(own, &self.slot))
        {
            slots.remove(&self.digest);
        }
    }
}

impl Flight {
    /// Tells its answer to all who wait.
    pub fn land(mut self, landed: Landed) {
        self.over = true;
        self.flights.forget(&self.digest, &self.slot);
        self.slot.send_replace(State::Landed(Arc::new(landed)));
    }

    /// Nothing was sent: the next one may try.
    pub fn abort(mut self) {
        self.over = true;
        self.slot.send_replace(State::Ground);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Who comes later begins anew, and finds it in the book of doubts.
        self.flights.forget(&self.digest, &self.slot);
        self.slot.send_modify(|state| {
            if let State::Flying(entry) = state {
                *state = State::Lost(entry.clone());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> EntryId {
        EntryId::from_text(text)
    }

    fn answer() -> Landed {
        Landed::Answer {
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    async fn go(flights: &Flights) -> Seat {
        match flights.arrive("d").await {
            Arrival::Go(seat) => seat,
            Arrival::Landed(_) | Arrival::Lost(_) => panic!("the same is under way"),
        }
    }

    async fn fly(seat: &Seat, entry: &str) -> Flight {
        match seat.launch(&id(entry)).await {
            Launch::Flight(flight) => flight,
            Launch::Landed(_) | Launch::Lost(_) => panic!("the same was sent"),
        }
    }

    #[tokio::test]
    async fn a_repeat_waits_for_the_landing_and_a_later_one_begins_anew() {
        let flights = Flights::default();
        let seat = go(&flights).await;
        let flight = fly(&seat, "one").await;
        let (repeat, ()) =
            tokio::join!(biased; flights.arrive("d"), async { flight.land(answer()) });
        assert!(matches!(repeat, Arrival::Landed(_)), "{repeat:?}");
        drop(seat);
        let later = go(&flights).await;
        drop(later);
        assert!(flights.0.slots.lock().is_empty());
    }

    #[tokio::test]
    async fn one_that_is_refused_leaves_the_way_to_the_next() {
        let flights = Flights::default();
        let seat = go(&flights).await;
        let (next, ()) = tokio::join!(biased; flights.arrive("d"), async { drop(seat) });
        assert!(matches!(next, Arrival::Go(_)), "{next:?}");
        drop(next);
        assert!(flights.0.slots.lock().is_empty());
    }

    #[tokio::test]
    async fn who_waited_long_enough_is_judged_too_and_only_one_is_sent() {
        let flights = Flights::default();
        let first = go(&flights).await;
        let Arrival::Go(second) = flights.arrive_within("d", Duration::ZERO).await else {
            panic!("the second does not go on");
        };
        let flight = fly(&second, "two").await;
        let one = id("one");
        let (late, ()) = tokio::join!(biased; first.launch(&one), async { flight.land(answer()) });
        assert!(matches!(late, Launch::Landed(_)), "{late:?}");
    }

    #[tokio::test]
    async fn a_flight_that_never_lands_is_lost_to_all_who_wait_and_then_forgotten() {
        let flights = Flights::default();
        let seat = go(&flights).await;
        let flight = fly(&seat, "one").await;
        let (found, ()) = tokio::join!(biased; flights.arrive("d"), async { drop(flight) });
        assert!(matches!(&found, Arrival::Lost(entry) if *entry == id("one")));
        drop(seat);
        drop(go(&flights).await);
        assert!(flights.0.slots.lock().is_empty());
    }

    #[tokio::test]
    async fn what_was_not_sent_can_be_tried_again() {
        let flights = Flights::default();
        let seat = go(&flights).await;
        fly(&seat, "one").await.abort();
        fly(&seat, "two").await.land(answer());
    }
}
