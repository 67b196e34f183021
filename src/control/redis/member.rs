//! This replica as a member of its deployment: what it knows of the state, what it holds, who waits in
//! it, and the switches as it sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::args::Args;
use super::asking::Prepared;
use super::line::Bells;
use super::reply::{integer, list, natural, text};
use super::scripts::{ADMIT, END, LEAVE, POLL};
use super::store::{How, Store, trouble};
use super::switches;
use super::underway::{End, Ending, LASTS, Underway};
use super::{Options, Time};
use crate::clock::EntryId;
use crate::control::{Acting, Ask, Lost, Switch, Switches};
use crate::error::StoreError;

/// A deployment stays its owner's for so long after the last look.
pub(super) const ALONE_MS: u32 = 5_000;
/// An ask that may still be on its way comes within this, or not at all.
const STRAY_MS: u32 = 2_000;

pub(super) struct Member {
    pub(super) store: Store,
    pub(super) underway: Underway,
    pub(super) bells: Bells,
    /// The switches as this replica sees them.
    pub(super) view: ArcSwap<Switches>,
    /// The version that nothing of this process is behind.
    pub(super) acted: AtomicU64,
    pub(super) acting: Mutex<Option<Acting>>,
    /// Rung when the keeper is to look at once.
    pub(super) nudge: Notify,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Member {
    pub(super) fn new(options: Options) -> Self {
        Self {
            store: Store::new(options),
            underway: Underway::default(),
            bells: Bells::default(),
            view: ArcSwap::from_pointee(Switches {
                version: 0,
                // nobody has confirmed anything: writes are refused
                confirmed_at: Some(Timestamp::UNIX_EPOCH),
                thrown: Vec::new(),
            }),
            acted: AtomicU64::new(0),
            acting: Mutex::new(None),
            nudge: Notify::new(),
        }
    }

    /// The switches as the store had them at `at`; `None`: as they are known.
    pub(super) fn show(&self, version: u64, thrown: Option<&[Switch]>, at: Timestamp) {
        let mut changed = false;
        self.view.rcu(|view| {
            changed = version > view.version;
            if version < view.version {
                return Arc::clone(view);
            }
            Arc::new(Switches {
                version,
                confirmed_at: view.confirmed_at.max(Some(at)),
                thrown: thrown.unwrap_or(&view.thrown).to_vec(),
            })
        });
        if changed {
            self.bells.ring_all();
        }
    }

    /// Looks at the switches, says which version this replica acts on, and renews what it holds.
    pub(super) async fn look(&self) -> Result<(), StoreError> {
        let at = self.store.options.clock.now();
        let generation = self.store.known().generation;
        let due = self.underway.due(Instant::now());
        let mut args = Args::new();
        args.number(self.view.load().version)
            .push(&self.store.options.replica)
            .number(self.acted.load(Ordering::Acquire))
            .number(ALONE_MS)
            .number(LASTS.as_millis());
        for reservation in &due {
            args.push(reservation.as_str());
        }
        let answer = self.store.ask(&POLL, &args, How::watchful()).await?;
        let values = &answer.values;
        let read = || {
            let thrown = match list(values.get(3)) {
                Some(thrown) => Some(switches::all(thrown)?),
                None => None,
            };
            Some((
                natural(values.first())?,
                natural(values.get(1))?,
                integer(values.get(2)?)?,
                thrown,
                list(values.get(4))?,
            ))
        };
        let Some((grants, version, clock, thrown, gone)) = read() else {
            return Err(trouble("an answer has an unknown form"));
        };
        self.store.clock_shows(clock);
        self.store.granted(answer.epoch, grants);
        self.show(version, thrown.as_deref(), at);
        self.underway.renewed(&due, Instant::now());
        if self.store.known().generation != generation {
            self.underway.renew_all();
            self.nudge.notify_one();
        }
        self.take_up_again(gone).await;
        Ok(())
    }

    /// Takes up again the locks of reservations that are gone though they are under way: the state was
    /// rebuilt, or this process stood still.
    async fn take_up_again(&self, gone: &[Value]) {
        for reservation in gone.iter().filter_map(text).map(EntryId::from_text) {
            let locks = self.underway.locks(&reservation).unwrap_or_default();
            if locks.is_empty() {
                continue;
            }
            let ask = Ask {
                reservation,
                service_account: String::new(),
                locks,
                charges: Vec::new(),
                patience: Duration::ZERO,
                now: self.store.options.clock.now(),
            };
            let args = Prepared::of(&ask).admit(self.waits(), "", None);
            let how = How::lenient();
            match self.store.ask(&ADMIT, &args, how).await {
                Ok(answer) if answer.word == "granted" => {}
                Ok(answer) => {
                    let (entry, said) = (&ask.reservation, &answer.word);
                    tracing::warn!(%entry, said, "a record's lock is lost while it is written");
                }
                Err(error) => {
                    tracing::warn!(%error, entry = %ask.reservation, "a lock is not taken again");
                }
            }
        }
    }

    /// Ends a reservation; what cannot be told now is told later.
    pub(super) async fn end(&self, reservation: &EntryId, end: End) -> Result<(), StoreError> {
        let ending = self.underway.ended(reservation, end);
        let told = self.tell_end(&ending).await;
        if told.is_err() {
            self.underway.tell_later(ending);
        }
        told
    }

    pub(super) async fn tell_end(&self, ending: &Ending) -> Result<(), StoreError> {
        let mut args = Args::new();
        args.push(ending.reservation.as_str())
            .push(match ending.end {
                End::Settle => "gauges",
                End::Refund => "all",
            })
            .number(if ending.in_doubt { STRAY_MS } else { 0 });
        match self.store.ask(&END, &args, How::lenient()).await {
            Ok(_ended) => Ok(()),
            // what is not known any more holds nothing
            Err(error) if Lost::is_why(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tells of those who left the line for locks.
    pub(super) async fn tell_left(&self) -> Result<(), StoreError> {
        for (reservation, locks) in self.bells.left() {
            let mut args = Args::new();
            args.push(reservation.as_str());
            for lock in &locks {
                args.push(lock);
            }
            self.store.ask(&LEAVE, &args, How::lenient()).await?;
        }
        Ok(())
    }

    /// Who waits for locks counts as there for so long without asking again.
    pub(super) fn waits(&self) -> Duration {
        self.store.options.within * 4
    }

    /// The moment that answers are about, where the asks bring their own.
    pub(super) fn moment(&self, ask: &Ask) -> Option<i64> {
        match self.store.options.time {
            Time::Server => None,
            Time::Asks => Some(crate::control::moment::micros(ask.now)),
        }
    }
}
