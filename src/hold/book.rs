//! All holds that this process knows: one turn at a time for each, rows first and memory second. What
//! other processes write of them comes in by `follow`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::rows::{Said, fold};
use super::{End, Hold, gauge_reservation, id};
use crate::clock::{Entropy, EntryId};
use crate::control::ControlState;
use crate::error::{Conflict, StoreError};
use crate::ledger::{Ledger, NewRow, Row, RowFilter, RowKind};
use crate::mutation::Charge;

/// Held rows that are read at once when a process starts: each holds a request.
const PAGE: usize = 64;

/// All holds.
#[derive(Debug)]
pub struct Book {
    pub(super) index: RwLock<Index>,
    /// Whether other processes park too.
    shared: bool,
    draining: watch::Sender<bool>,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Every id that was ever given, with its entry.
    ids: HashMap<String, EntryId>,
    by_id: HashMap<String, Arc<Slot>>,
    pub(super) by_entry: HashMap<EntryId, Arc<Slot>>,
    /// What a repeat attaches to.
    by_key: HashMap<String, Arc<Slot>>,
}

/// The place of one hold.
#[derive(Debug)]
pub struct Slot {
    id: String,
    entry: EntryId,
    key: String,
    turn: Arc<Mutex<()>>,
    /// `None` while it is being parked, and when that came to nothing.
    pub(super) hold: watch::Sender<Option<Arc<Hold>>>,
}

/// The right to change one hold.
#[derive(Debug)]
pub struct Turn {
    slot: Arc<Slot>,
    _turn: OwnedMutexGuard<()>,
}

/// A hold that is being released, by nobody else and to no other end. Given back when dropped, however
/// the release ends: what was opened by then stays so.
#[derive(Debug)]
pub struct Releasing(Arc<Slot>);

impl Drop for Releasing {
    fn drop(&mut self) {
        self.0.note(|hold| hold.releasing = false);
    }
}

/// What asking for a new hold came to.
#[derive(Debug)]
pub enum Begun {
    /// It is yours to park.
    New(Turn),
    /// The same request has one already.
    There(Arc<Slot>),
}

impl Default for Book {
    fn default() -> Self {
        Self {
            index: RwLock::default(),
            shared: false,
            draining: watch::Sender::new(false),
        }
    }
}

impl Book {
    /// All holds that the ledger knows and that are not forgotten.
    ///
    /// # Errors
    /// The store's.
    pub async fn restore(ledger: &dyn Ledger, now: Timestamp) -> Result<Self, StoreError> {
        let book = Self {
            shared: ledger.shared(),
            ..Self::default()
        };
        let mut after = None;
        loop {
            let filter = RowFilter {
                kinds: vec![RowKind::Held],
                after,
                limit: PAGE,
                ..RowFilter::default()
            };
            let held = ledger.rows(filter).await?;
            for row in &held {
                after = Some(row.place);
                if let Some(hold) = read(ledger, &row.entry).await? {
                    book.take_up(hold, now);
                }
            }
            if held.len() < PAGE {
                return Ok(book);
            }
        }
    }

    pub(super) fn take_up(&self, hold: Hold, now: Timestamp) {
        let mut index = self.index.write();
        index.ids.insert(hold.id.clone(), hold.entry.clone());
        if hold.is_forgotten(now) {
            return;
        }
        let slot = Arc::new(Slot {
            id: hold.id.clone(),
            entry: hold.entry.clone(),
            key: hold.key.clone(),
            turn: Arc::default(),
            hold: watch::Sender::new(None),
        });
        if hold.attaches(now) {
            index.by_key.insert(hold.key.clone(), Arc::clone(&slot));
        }
        index.by_id.insert(hold.id.clone(), Arc::clone(&slot));
        index.by_entry.insert(hold.entry.clone(), Arc::clone(&slot));
        slot.hold.send_replace(Some(Arc::new(hold)));
    }

    /// What the open holds take from the gauges, for control state.
    #[must_use]
    pub fn waiting(&self) -> Vec<(EntryId, Charge)> {
        let open = self.all().into_iter().filter(|hold| hold.end.is_none());
        open.flat_map(|hold| {
            let reservation = hold.gauge_reservation();
            let charges = hold.gauge.clone();
            charges
                .into_iter()
                .map(move |charge| (reservation.clone(), charge))
        })
        .collect()
    }

    /// The holds that are known, oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Hold>> {
        let index = self.index.read();
        let mut all: Vec<Arc<Hold>> = index
            .by_id
            .values()
            .filter_map(|slot| slot.look())
            .collect();
        all.sort_by(|a, b| a.entry.cmp(&b.entry));
        all
    }

    /// The places of all holds that are known.
    #[must_use]
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.index.read().by_id.values().cloned().collect()
    }

    /// How many are open; of one service account where one is named.
    #[must_use]
    pub fn open(&self, service_account: Option<&str>) -> usize {
        let index = self.index.read();
        let mine = |hold: &Arc<Hold>| {
            hold.end.is_none()
                && service_account.is_none_or(|name| hold.actor.service_account == name)
        };
        let holds = index.by_id.values().filter_map(|slot| slot.look());
        holds.filter(mine).count()
    }

    /// Whether nothing attaches to anything.
    #[must_use]
    pub fn attaches_nothing(&self) -> bool {
        self.index.read().by_key.is_empty()
    }

    /// The place of the hold that a request with this key attaches to.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Option<Arc<Slot>> {
        self.index.read().by_key.get(key).cloned()
    }

    /// The place of a hold, by the id as a person types it.
    #[must_use]
    pub fn by_id(&self, text: &str) -> Option<Arc<Slot>> {
        self.index.read().by_id.get(&id::read(text)).cloned()
    }

    /// The place of the hold that an entry is.
    #[must_use]
    pub fn by_entry(&self, entry: &EntryId) -> Option<Arc<Slot>> {
        self.index.read().by_entry.get(entry).cloned()
    }

    /// A hold by its id; one that is forgotten is read from the ledger.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(
        &self,
        ledger: &dyn Ledger,
        text: &str,
    ) -> Result<Option<Arc<Hold>>, StoreError> {
        if let Some(hold) = self.by_id(text).and_then(|slot| slot.look()) {
            return Ok(Some(hold));
        }
        let entry = self.index.read().ids.get(&id::read(text)).cloned();
        match entry {
            Some(entry) => Ok(read(ledger, &entry).await?.map(Arc::new)),
            None => Ok(None),
        }
    }

    /// Begins a hold under a key that has none; the first of two equal requests gets the turn.
    #[must_use]
    pub fn begin(&self, key: &str, entry: &EntryId, entropy: &dyn Entropy) -> Option<Begun> {
        let mut index = self.index.write();
        if let Some(slot) = index.by_key.get(key) {
            return Some(Begun::There(Arc::clone(slot)));
        }
        let id = id::make(entropy, self.shared, |id| index.ids.contains_key(id))?;
        let slot = Arc::new(Slot {
            id: id.clone(),
            entry: entry.clone(),
            key: key.to_owned(),
            turn: Arc::default(),
            hold: watch::Sender::new(None),
        });
        let turn = Arc::clone(&slot.turn).try_lock_owned().ok()?;
        index.ids.insert(id.clone(), entry.clone());
        index.by_key.insert(key.to_owned(), Arc::clone(&slot));
        index.by_entry.insert(entry.clone(), Arc::clone(&slot));
        index.by_id.insert(id, Arc::clone(&slot));
        Some(Begun::New(Turn { slot, _turn: turn }))
    }

    /// A hold that was begun and could not be recorded.
    pub fn give_up(&self, slot: &Slot) {
        let mut index = self.index.write();
        index.ids.remove(&slot.id);
        index.by_id.remove(&slot.id);
        index.by_entry.remove(&slot.entry);
        drop_key(&mut index, slot);
    }

    /// The request is free again: the next one like it is a new one.
    pub fn set_free(&self, slot: &Slot) {
        drop_key(&mut self.index.write(), slot);
    }

    /// Lets go of what nobody needs to know any more.
    pub fn forget(&self, now: Timestamp) {
        let over = |slot: &Slot| slot.look().is_some_and(|hold| hold.is_forgotten(now));
        let stale = |slot: &Slot| slot.look().is_some_and(|hold| !hold.attaches(now));
        let mut index = self.index.write();
        index.by_key.retain(|_, slot| !stale(slot));
        index.by_id.retain(|_, slot| !over(slot));
        index.by_entry.retain(|_, slot| !over(slot));
    }

    /// Lets every call that is kept open for a decision go: the process ends.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits for as long as `waits` says so of a hold: true when it does not any more, false after
    /// `patience`, and when the process ends.
    pub async fn wait(
        &self,
        slot: &Slot,
        patience: Duration,
        waits: impl Fn(&Hold) -> bool,
    ) -> bool {
        let mut hold = slot.hold.subscribe();
        let mut draining = self.draining.subscribe();
        tokio::select! {
            _ = hold.wait_for(|hold| hold.as_ref().is_none_or(|hold| !waits(hold))) => true,
            _ = draining.wait_for(|draining| *draining) => false,
            () = tokio::time::sleep(patience) => false,
        }
    }
}

/// The key of a slot, unless another one has it by now.
fn drop_key(index: &mut Index, slot: &Slot) {
    if index
        .by_key
        .get(&slot.key)
        .is_some_and(|other| other.id == slot.id)
    {
        index.by_key.remove(&slot.key);
    }
}

/// The hold of an entry, from its rows.
pub(super) async fn read(ledger: &dyn Ledger, entry: &EntryId) -> Result<Option<Hold>, StoreError> {
    let rows: Vec<Row> = ledger
        .rows(RowFilter {
            entry: Some(entry.clone()),
            ..RowFilter::default()
        })
        .await?;
    Ok(fold(rows.iter().map(Said::from)))
}

impl Slot {
    /// The hold's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its entry.
    #[must_use]
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }

    /// The hold as it is now; `None` while it is being parked, and when that came to nothing.
    #[must_use]
    pub fn look(&self) -> Option<Arc<Hold>> {
        self.hold.borrow().clone()
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Hold)) {
        self.hold.send_modify(|hold| {
            if let Some(hold) = hold {
                change(Arc::make_mut(hold));
            }
        });
    }

    /// Waits for the right to change it.
    pub async fn turn(self: &Arc<Self>) -> Turn {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        Turn {
            slot: Arc::clone(self),
            _turn: turn,
        }
    }
}

impl Turn {
    /// Whose turn it is.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The hold.
    #[must_use]
    pub fn hold(&self) -> Option<Arc<Hold>> {
        self.slot.look()
    }

    /// A hold whose row is durable. Others may have gone on with it already.
    pub fn parked(&self, row: &NewRow) {
        if let Some(hold) = fold([Said::from(row)]) {
            self.slot.learn(hold);
        }
    }

    /// Changes what is known in memory alone.
    pub fn note(&self, change: impl FnOnce(&mut Hold)) {
        self.slot.note(change);
    }

    /// Makes the hold one that is being released, until that is given back.
    #[must_use]
    pub fn releasing(&self) -> Releasing {
        self.note(|hold| hold.releasing = true);
        Releasing(Arc::clone(&self.slot))
    }

    /// Takes over what a row says that is durable, or on its way to be.
    pub fn said(&self, row: &NewRow) {
        self.note(|hold| hold.apply(Said::from(row)));
    }

    /// Writes a row, and only then takes over what it says. A hold that ends takes nothing from the
    /// gauges any more. To be run to its end, whoever stops waiting for it: the row may be written.
    ///
    /// # Errors
    /// The store's: nothing has changed. With a conflict, another process took the next step; it is
    /// known here then.
    pub async fn record(
        &self,
        ledger: &dyn Ledger,
        control: &dyn ControlState,
        row: NewRow,
    ) -> Result<(), StoreError> {
        if let Err(error) = ledger.append(vec![row.clone()]).await {
            if error.conflict == Some(Conflict::Moved) {
                self.slot.refresh(ledger).await?;
            }
            return Err(error);
        }
        self.said(&row);
        self.settle(control).await;
        Ok(())
    }

    /// Gives the gauges back when the hold has ended.
    pub async fn settle(&self, control: &dyn ControlState) {
        let ended = self.hold().is_some_and(|hold| hold.end.is_some());
        if ended && let Err(error) = control.settle(&gauge_reservation(&self.slot.entry)).await {
            tracing::error!(%error, hold = %self.slot.id, "a gauge is not given back");
        }
    }

    /// Its entry is opened for sending, durably.
    pub fn opened(&self) {
        self.note(|hold| {
            hold.opened = true;
            hold.rows = hold.rows.saturating_add(1);
        });
    }

    /// The entry is not in doubt any more, durably.
    pub fn settled(&self) {
        self.note(|hold| {
            if hold.end == Some(End::InDoubt) {
                hold.end = Some(End::Settled);
                hold.rows = hold.rows.saturating_add(1);
            }
        });
    }
}
