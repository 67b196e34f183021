//! Control state: limits, budgets, kill switches, record locks. May be lost: it is rebuilt from the
//! ledger. Knows `mutation` and `error` only; the order of steps lives in `gate`.

pub mod confirm;
mod counters;
mod demand;
mod gcra;
mod history;
mod locks;
pub mod memory;
mod moment;
mod records;
pub mod redis;
mod replay;
mod trip;
mod window;

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::EntryId;
use crate::error::StoreError;
use crate::mutation::{Charge, Limit};

/// What a kill switch stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchScope {
    /// Reads and writes.
    All,
    /// Writes only.
    Writes,
}

/// A thrown kill switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The service account; `*` stops all.
    pub service_account: String,
    /// What is stopped.
    pub scope: SwitchScope,
    /// Who threw it: an operator's name, or `limit NAME`.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The limit that tripped, which `resume` empties.
    pub limit: Option<String>,
}

/// All thrown switches, as this replica saw them last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switches {
    /// Goes up by one with every change.
    pub version: u64,
    /// When this view was confirmed by the store; `None`: it is the store (memory).
    pub confirmed_at: Option<Timestamp>,
    /// The thrown ones.
    pub thrown: Vec<Switch>,
}

impl Switches {
    /// The switch that stops this service account, if any. `write` tells a write from a read.
    #[must_use]
    pub fn stops(&self, service_account: &str, write: bool) -> Option<&Switch> {
        self.thrown.iter().find(|switch| {
            (switch.service_account == "*" || switch.service_account == service_account)
                && (write || switch.scope == SwitchScope::All)
        })
    }
}

/// A change to the switches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchChange {
    /// Stop. A switch that is thrown already is replaced.
    Throw(Switch),
    /// Resume, and empty the limit that tripped.
    Resume {
        /// The service account, or `*`.
        service_account: String,
        /// When the switch that is resumed was thrown; one thrown since stays.
        thrown_at: Timestamp,
    },
}

/// What a write asks for. All of it is granted, or none.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Makes a repeated ask harmless: what this reservation holds already is not taken again.
    pub reservation: EntryId,
    /// Who.
    pub service_account: String,
    /// Records to lock, as `route/object/id`, sorted; held until `settle` or `refund`.
    pub locks: Vec<String>,
    /// What to take from limits.
    pub charges: Vec<Charge>,
    /// How long to wait for a lock that another reservation holds.
    pub patience: Duration,
    /// The request's time.
    pub now: Timestamp,
}

/// What became of an ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// All charges taken, all locks held.
    Granted {
        /// The switches' version that was looked at.
        switch_version: u64,
        /// Fences out grants from before a rebuild.
        epoch: u64,
        /// Thresholds (`then: hold`) that this ask passed: a person decides. Charged all the same.
        over: Vec<Charge>,
    },
    /// One charge did not fit; nothing was taken.
    Limited {
        /// The charge that did not fit.
        charge: Charge,
        /// What is used of the limit now.
        used: u64,
        /// Milliseconds until this charge would fit, if nothing else is charged; `None` when it never
        /// fits because it alone exceeds the limit. For a gauge a guess: no clock empties it.
        retry_ms: Option<u64>,
        /// How much would still fit now.
        fits: u64,
        /// The kill switch was thrown for it (`then: stop`).
        tripped: Option<Switch>,
    },
    /// A kill switch stands.
    Stopped(Switch),
    /// A record stayed locked for longer than the patience.
    Busy {
        /// The lock.
        key: String,
    },
}

/// What is used of one limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The limit's name.
    pub limit: String,
    /// What it counts, as [`Limit::counts`] says: other rules can count something else by this name.
    pub counts: String,
    /// What `per` came to.
    pub key: String,
    /// How much is used.
    pub used: u64,
    /// How much there is.
    pub max: u64,
}

/// What the ledger knows that the control state has to know again after a restart.
#[derive(Clone, Debug, Default)]
pub struct Rebuild {
    /// Thrown switches.
    pub thrown: Vec<Switch>,
    /// Charges that still count, with the moment at which each was taken.
    pub charges: Vec<(Timestamp, Charge)>,
    /// Charges of gauges (`count: holds`) that still wait, with the reservation whose `settle` or
    /// `refund` ends them.
    pub waiting: Vec<(EntryId, Charge)>,
    /// The epoch to grant under.
    pub epoch: u64,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It grants.
    Good,
    /// It cannot be asked, or does not grant: writes are refused until it does. The text is for people.
    Trouble(String),
    /// It answers, but does not know any more what was granted: nothing is granted until it is rebuilt.
    Lost(String),
}

/// One replica, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: String,
    /// The version of the switches that it acts on: nothing of it acts on an older one.
    pub version: u64,
    /// When it confirmed that last, by the store's clock; `None`: it is the store (memory).
    pub confirmed_at: Option<Timestamp>,
    /// Whether it was heard of lately. One that was not has an old view, and refuses writes for it.
    pub live: bool,
}

/// The cause of a [`StoreError`] where the store does not know any more what was granted, or was
/// never told: it has to be rebuilt before it grants again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was granted is not known any more")]
pub struct Lost;

impl Lost {
    /// Whether this is why the store failed.
    #[must_use]
    pub fn is_why(error: &StoreError) -> bool {
        error
            .source
            .as_ref()
            .is_some_and(|source| source.is::<Self>())
    }
}

/// What a replica does before it confirms a view of the switches.
pub type Acting = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Limits, kill switches and record locks; in memory, or shared by replicas.
#[async_trait]
pub trait ControlState: Send + Sync + fmt::Debug {
    /// Takes all charges and locks in one step, or none; switches are looked at in the same step.
    async fn admit(&self, ask: Ask) -> Result<Admission, StoreError>;

    /// Takes charges that cannot be refused because the thing happened already (`count: refusals`).
    /// They belong to no reservation and are never given back; locks and patience do not matter.
    /// Returns the switch that a `then: stop` limit threw for it.
    async fn charge(&self, ask: Ask) -> Result<Option<Switch>, StoreError>;

    /// Lets go of a reservation's locks; its charges stay taken, but for those of gauges (a window of
    /// 0), which count only until their reservation ends. One that is unknown or ended is fine.
    async fn settle(&self, reservation: &EntryId) -> Result<(), StoreError>;

    /// Lets go of a reservation's locks and gives its charges back: it was never sent. One that is
    /// unknown or ended is fine.
    async fn refund(&self, reservation: &EntryId) -> Result<(), StoreError>;

    /// The switches as this replica sees them; never waits.
    fn switches(&self) -> Arc<Switches>;

    /// Throws or resumes; returns the new view.
    async fn set_switch(&self, change: SwitchChange) -> Result<Arc<Switches>, StoreError>;

    /// What is used of each limit that was charged lately, at `now`.
    async fn usage(&self, now: Timestamp) -> Result<Vec<Usage>, StoreError>;

    /// A budget has another window from now on, `after` in place of `before`. Where it is longer, what
    /// may have been forgotten is taken up again from `charges`: what the ledger knows was charged
    /// within the new window. What lies within the old window stays as it is, and so does an ask that
    /// is under way. Where it is shorter nothing is forgotten either: others may judge by the old one.
    async fn lengthen(
        &self,
        before: &Limit,
        after: &Limit,
        charges: Vec<(Timestamp, Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Replaces everything by what the ledger knows, in one step. Grants from before are fenced out by
    /// the epoch, which must be a higher one wherever anything was granted under the one before.
    async fn rebuild(&self, from: Rebuild) -> Result<(), StoreError>;

    /// Whether the state in force is of this epoch and can be used: it belongs to the server's present
    /// life, and this replica asks it from now on. A replica that joins what others have built must not
    /// build it anew. `false` also where a store is nobody else's.
    async fn join(&self, _epoch: u64) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// The epoch of the state that this replica asked last; 0: none.
    fn epoch(&self) -> u64 {
        0
    }

    /// How the store is, as this replica saw it last; never waits.
    fn health(&self) -> Health {
        Health::Good
    }

    /// Returns when the store has to be rebuilt ([`Health::Lost`]); never for one that cannot lose.
    async fn lost(&self) {
        pending().await
    }

    /// Who shares the switches, and which version each has confirmed.
    async fn replicas(&self) -> Result<Vec<Replica>, StoreError>;

    /// Sets what is done between a new view of the switches and its confirmation to the others: it
    /// returns when nothing of this process acts on an older one.
    fn before_confirming(&self, _act: Acting) {}
}
