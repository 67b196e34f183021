//! Control state in Redis, shared by replicas. Each step is one script and one round trip; scripts look
//! at everything before they write anything. Who grants what is told in `lua/`, beginning with `fence.lua`.
//!
//! | file | what |
//! |---|---|
//! | `address` | where Redis is, as the configuration says it |
//! | `connect`, `link` | making a connection; asking on it, with a deadline |
//! | `store` | which state is meant, and what its answers say about it |
//! | `member` | this replica: its view of the switches, what it holds |
//! | `asking`, `line` | an ask and its answer; waiting for locks |
//! | `underway` | reservations to be kept alive, ends to be told |
//! | `keeper` | the thread that connects, looks and tidies up |
//! | `rebuild`, `lengthen`, `reading` | the state from the ledger; longer windows; what is used and by whom |
//!
//! Redis may lose what it was told: after a restart, a failover, a `FLUSHALL`. Each state has an epoch, the
//! name of its server's time as primary and a number of grants that only grows; where any of them is not
//! what it was, nothing is granted until [`ControlState::rebuild`] has put a new state in place.

mod address;
mod args;
mod asking;
mod condition;
mod connect;
mod keeper;
mod lengthen;
mod line;
mod link;
mod member;
mod names;
mod reading;
mod rebuild;
mod reply;
mod scripts;
mod store;
mod switches;
mod underway;

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::runtime;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::address::Address;
use self::args::Args;
use self::asking::Prepared;
use self::keeper::Keeper;
use self::member::Member;
use self::reply::{integer, list, natural, text};
use self::scripts::{CHARGE, SWITCH};
use self::store::{How, trouble};
use self::underway::End;
use super::{
    Acting, Admission, Ask, ControlState, Health, Lost, Rebuild, Replica, Switch, SwitchChange,
    Switches, Usage,
};
use crate::clock::{Clock, EntryId};
use crate::error::StoreError;
use crate::mutation::{Charge, Limit};

/// Which clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The server's, so that all replicas have one.
    Server,
    /// The one that each ask brings along: for tests.
    Asks,
}

/// Who uses a deployment alone, because no other replica has its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alone {
    /// The ledger and its machine: of two with the same name, the older one has ended.
    pub kin: String,
    /// This process.
    pub process: String,
}

/// What control state in Redis is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// The name of this replica.
    pub replica: String,
    /// Who uses the deployment alone; `None` where replicas share it.
    pub alone: Option<Alone>,
    /// This machine's clock: one that is more than 5 s from the server's grants nothing.
    pub clock: Arc<dyn Clock>,
    /// Which clock counts.
    pub time: Time,
    /// A question is answered within this, or not at all: [`WITHIN`].
    pub within: Duration,
}

/// How long a write waits for an answer of Redis at most.
pub const WITHIN: Duration = Duration::from_millis(250);

impl Options {
    /// For making a connection, and for waiting for one that was lost.
    fn connect_within(&self) -> Duration {
        self.within * 4 / 5
    }

    fn owner(&self) -> String {
        match &self.alone {
            Some(alone) => format!("{}/{}", alone.kin, alone.process),
            None => String::new(),
        }
    }
}

/// Limits, kill switches and record locks in Redis.
pub struct RedisControl {
    member: Arc<Member>,
    stop: Arc<Notify>,
    keeper: Option<JoinHandle<()>>,
}

impl fmt::Debug for RedisControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisControl")
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

impl RedisControl {
    /// Starts to connect, and returns at once.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let no_thread = |error: std::io::Error| {
            StoreError::caused("control", "cannot start a thread", false, error)
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_thread)?;
        let member = Arc::new(Member::new(options));
        let stop = Arc::new(Notify::new());
        let keeper = Keeper::new(Arc::clone(&member));
        let stopped = Arc::clone(&stop);
        let keeper = thread::Builder::new()
            .name("control".into())
            .spawn(move || runtime.block_on(keeper.run(&stopped)))
            .map_err(no_thread)?;
        Ok(Self {
            member,
            stop,
            keeper: Some(keeper),
        })
    }

    /// What a limit threw is in the view when its ask is answered.
    async fn see(&self, thrown: Option<&Switch>) {
        if thrown.is_some()
            && let Err(error) = self.member.look().await
        {
            tracing::warn!(%error, "a switch that was thrown is seen later");
        }
    }
}

impl Drop for RedisControl {
    fn drop(&mut self) {
        self.stop.notify_one();
        // what is done before a confirmation can be the last to let go of it
        let elsewhere = |keeper: &JoinHandle<()>| keeper.thread().id() != thread::current().id();
        if let Some(keeper) = self.keeper.take().filter(elsewhere)
            && keeper.join().is_err()
        {
            tracing::error!("the thread of control state ended in a panic");
        }
    }
}

#[async_trait]
impl ControlState for RedisControl {
    async fn admit(&self, ask: Ask) -> Result<Admission, StoreError> {
        let member = &self.member;
        let admitted = member.admit(&ask).await;
        match &admitted {
            Ok(Admission::Granted { switch_version, .. }) => {
                member.store.condition.granted(None);
                if *switch_version > member.view.load().version {
                    member.nudge.notify_one();
                }
            }
            Ok(Admission::Limited { tripped, .. }) => self.see(tripped.as_ref()).await,
            Ok(Admission::Stopped(_)) => member.nudge.notify_one(),
            Ok(Admission::Busy { .. }) => {}
            Err(error) => {
                if !Lost::is_why(error) {
                    member.underway.doubted(&ask.reservation, Instant::now());
                }
                member.store.condition.granted(Some(error.to_string()));
            }
        }
        admitted
    }

    async fn charge(&self, ask: Ask) -> Result<Option<Switch>, StoreError> {
        let args = Prepared::charge(&ask);
        let how = How::strict(ask.now).once();
        let answer = self.member.store.ask(&CHARGE, &args, how).await?;
        let grants = natural(answer.values.first());
        let switch = match answer.values.get(1).and_then(text) {
            Some("") => Some(None),
            Some(json) => switches::parsed(json).map(Some),
            None => None,
        };
        let (Some(grants), Some(switch)) = (grants, switch) else {
            return Err(trouble("an answer has an unknown form"));
        };
        self.member.store.granted(answer.epoch, grants);
        self.see(switch.as_ref()).await;
        Ok(switch)
    }

    async fn settle(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.member.end(reservation, End::Settle).await
    }

    async fn refund(&self, reservation: &EntryId) -> Result<(), StoreError> {
        self.member.end(reservation, End::Refund).await
    }

    fn switches(&self) -> Arc<Switches> {
        self.member.view.load_full()
    }

    async fn set_switch(&self, change: SwitchChange) -> Result<Arc<Switches>, StoreError> {
        let member = &self.member;
        let at = member.store.options.clock.now();
        let mut args = Args::new();
        match &change {
            SwitchChange::Throw(switch) => {
                let json = switches::json(switch).ok_or_else(|| trouble("a switch has no text"))?;
                args.push("throw").push(&switch.service_account).push(json);
            }
            SwitchChange::Resume {
                service_account,
                thrown_at,
            } => {
                let thrown_at = thrown_at.to_string();
                args.push("resume").push(service_account).push(thrown_at);
            }
        }
        let answer = member.store.ask(&SWITCH, &args, How::lenient()).await?;
        let values = &answer.values;
        let version = natural(values.get(1));
        let thrown = list(values.get(3)).and_then(switches::all);
        let clock = values.get(2).and_then(integer);
        let (Some(version), Some(thrown), Some(_clock)) = (version, thrown, clock) else {
            return Err(trouble("an answer has an unknown form"));
        };
        member.show(version, Some(&thrown), at);
        member.nudge.notify_one();
        Ok(self.switches())
    }

    async fn usage(&self, now: Timestamp) -> Result<Vec<Usage>, StoreError> {
        self.member.usage(now).await
    }

    async fn lengthen(
        &self,
        before: &Limit,
        after: &Limit,
        charges: Vec<(Timestamp, Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.member.lengthen(before, after, charges, now).await
    }

    async fn rebuild(&self, from: Rebuild) -> Result<(), StoreError> {
        self.member.rebuild(from).await
    }

    async fn join(&self, epoch: u64) -> Result<bool, StoreError> {
        self.member.join(epoch).await
    }

    fn epoch(&self) -> u64 {
        self.member.store.known().epoch
    }

    fn health(&self) -> Health {
        self.member.store.condition.health()
    }

    async fn lost(&self) {
        self.member.store.condition.is_lost().await;
    }

    async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        self.member.replicas().await
    }

    fn before_confirming(&self, act: Acting) {
        *self.member.acting.lock() = Some(act);
    }
}
