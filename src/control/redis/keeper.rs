//! The keeper: a thread of its own that makes connections, looks at the switches, tells what could not be
//! told before, and forgets what is idle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{PushInfo, PushKind, RedisError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::args::Args;
use super::connect::{Ear, connect};
use super::link::Connection;
use super::member::Member;
use super::names;
use super::reply::{natural, text};
use super::scripts::{MEMORY, RELEASE, SWEEP};
use super::store::How;
use crate::control::Lost;

/// The switches are looked at this often, at the least.
const LOOK_EACH: Duration = Duration::from_millis(300);
/// Connections are made no more often than this …
const CONNECT_EACH: Duration = Duration::from_millis(200);
/// … but for so many at once: a connection that is cut now and then is made again at once.
const CONNECT_BURST: u32 = 3;
/// Idle counters are looked for this often.
const SWEEP_EACH: Duration = Duration::from_secs(1);
/// So many of them in one step.
const SWEEP_MOST: u64 = 200;
/// Steps of one look.
const SWEEP_STEPS: usize = 20;
/// Ends that are told between two looks.
const ENDS_MOST: usize = 200;
/// What a replica does before it confirms has so long.
const ACT_FOR: Duration = Duration::from_secs(2);
/// Saying good-bye has so long.
const LEAVE_FOR: Duration = Duration::from_millis(200);

pub(super) struct Keeper {
    member: Arc<Member>,
    connections: u64,
    /// When the next connection may be made.
    next: Instant,
    swept: Instant,
    cursor: String,
}

impl Keeper {
    pub(super) fn new(member: Arc<Member>) -> Self {
        Self {
            member,
            connections: 0,
            next: Instant::now(),
            swept: Instant::now(),
            cursor: "0".into(),
        }
    }

    /// Works until told to stop.
    pub(super) async fn run(mut self, stop: &Notify) {
        tokio::select! {
            () = stop.notified() => {}
            () = self.work() => {}
        }
        drop(timeout(LEAVE_FOR, self.leave()).await);
    }

    async fn work(&mut self) {
        loop {
            if !self.member.store.link.is_up() {
                self.reconnect().await;
                continue;
            }
            self.turn().await;
            let member = &self.member;
            tokio::select! {
                () = sleep(LOOK_EACH) => {}
                () = member.nudge.notified() => {}
                () = member.store.link.given_up() => {}
            }
        }
    }

    /// One attempt, not too soon after the one before.
    async fn reconnect(&mut self) {
        sleep_until(self.next).await;
        let now = Instant::now();
        let saved = now.checked_sub(CONNECT_EACH * (CONNECT_BURST - 1));
        self.next = self.next.max(saved.unwrap_or(now)) + CONNECT_EACH;
        self.connections += 1;
        let member = &self.member;
        let options = &member.store.options;
        let made = match connect(&options.address, options.connect_within(), self.ear()).await {
            Ok(connection) => self.greet(connection).await,
            Err(error) => Err(error.to_string()),
        };
        match made {
            Ok(connection) => member.store.link.up(self.connections, connection),
            Err(why) => {
                member.store.link.still_down(&why);
                let why = format!("Redis cannot be reached: {why}");
                member.store.condition.looked(Some(why));
            }
        }
    }

    /// Hears of changes, and makes sure that the server does not throw our keys away.
    async fn greet(&self, mut connection: Connection) -> Result<Connection, String> {
        let told = |error: RedisError| error.to_string();
        let deployment = &self.member.store.options.address.deployment;
        let mut look = redis::cmd("EVAL");
        look.arg(MEMORY.text).arg(1).arg(names::state(deployment));
        let greeting = async {
            connection.subscribe(&names::news(deployment)).await?;
            connection.ask(&look).await
        };
        let said = match timeout(self.member.store.options.within, greeting).await {
            Ok(said) => said.map_err(told)?,
            Err(_elapsed) => return Err("it does not answer in time".into()),
        };
        let redis::Value::Array(said) = said else {
            return Err("an answer has an unknown form".into());
        };
        let policy = said.get(2).and_then(text).unwrap_or_default();
        if natural(said.get(1)).unwrap_or_default() > 0 && policy != "noeviction" {
            return Err(format!(
                "it throws keys away when its memory is full, which would refill budgets \
                 (maxmemory-policy {policy}): set maxmemory-policy noeviction"
            ));
        }
        Ok(connection)
    }

    /// Who hears what the server tells on this connection.
    fn ear(&self) -> Ear {
        let (member, number) = (Arc::downgrade(&self.member), self.connections);
        Arc::new(move |told: PushInfo| {
            let Some(member) = member.upgrade() else {
                return;
            };
            if told.kind == PushKind::Disconnection {
                let link = &member.store.link;
                link.give_up(number, "the connection was closed");
            } else if told.kind == PushKind::Message {
                match told.data.get(1).and_then(text) {
                    Some("s") => member.nudge.notify_one(),
                    Some(other) => {
                        if let Some(reservation) = other.strip_prefix("w ") {
                            member.bells.ring(reservation);
                        }
                    }
                    None => {}
                }
            }
        })
    }

    /// A look, and all that waits for one.
    async fn turn(&mut self) {
        let member = Arc::clone(&self.member);
        if member.store.unbuilt() {
            member.store.condition.looked(None);
            return;
        }
        let looked = member.look().await;
        match &looked {
            Err(error) if !Lost::is_why(error) => {
                member.store.condition.looked(Some(error.to_string()));
            }
            Ok(()) | Err(_) => member.store.condition.looked(None),
        }
        if looked.is_err() {
            return;
        }
        if self.act().await {
            // who waits for the confirmation has it at once
            member.nudge.notify_one();
        }
        if let Err(error) = member.tell_left().await {
            tracing::debug!(%error, "a place in line is left to run out");
        }
        self.tell_ends().await;
        if self.swept.elapsed() >= SWEEP_EACH {
            self.swept = Instant::now();
            self.sweep().await;
        }
    }

    /// Makes this process act on the view it has; true where it had not.
    async fn act(&self) -> bool {
        let member = &self.member;
        let version = member.view.load().version;
        if member.acted.load(Ordering::Acquire) == version {
            return false;
        }
        let acting = member.acting.lock().clone();
        if let Some(acting) = acting
            && timeout(ACT_FOR, acting()).await.is_err()
        {
            tracing::error!(
                version,
                "this process does not get to act on the kill switches"
            );
            return false;
        }
        member.acted.store(version, Ordering::Release);
        true
    }

    async fn tell_ends(&self) {
        for _ in 0..ENDS_MOST {
            let Some(ending) = self.member.underway.next_untold() else {
                return;
            };
            if let Err(error) = self.member.tell_end(&ending).await {
                tracing::debug!(%error, "the end of a reservation is told later");
                self.member.underway.tell_later(ending);
                return;
            }
        }
        self.member.nudge.notify_one();
    }

    async fn sweep(&mut self) {
        for _ in 0..SWEEP_STEPS {
            let mut args = Args::new();
            args.number(SWEEP_MOST).push(&self.cursor);
            let swept = self.member.store.ask(&SWEEP, &args, How::lenient()).await;
            let answer = match swept {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::debug!(%error, "idle counters are forgotten later");
                    return;
                }
            };
            if let Some(cursor) = answer.values.get(1).and_then(text) {
                cursor.clone_into(&mut self.cursor);
            }
            if natural(answer.values.first()) < Some(SWEEP_MOST) {
                return;
            }
        }
    }

    /// The deployment is free for the next one.
    async fn leave(&self) {
        let mut args = Args::new();
        args.push(&self.member.store.options.replica);
        let how = How::lenient().once();
        if let Err(error) = self.member.store.ask(&RELEASE, &args, how).await {
            tracing::debug!(%error, "the end of this replica is not told");
        }
    }
}
