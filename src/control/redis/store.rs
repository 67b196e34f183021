//! The state in Redis as this replica knows it: which one it is, how it is asked, and what the answers
//! say about it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use redis::Value;
use tokio::time::Instant;

use super::args::Args;
use super::condition::Condition;
use super::link::{Failure, Link};
use super::names;
use super::reply::{integer, text};
use super::scripts::Script;
use super::{Options, Time};
use crate::control::Lost;
use crate::control::moment::micros;
use crate::error::StoreError;

/// The server's clock is known for this long.
const CLOCK_KNOWN: Duration = Duration::from_secs(5);
/// A question is repeated so often when the state was rebuilt meanwhile.
const FOLLOWS: u8 = 2;

/// Which state this replica means.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Empty: none yet.
    pub(super) generation: Arc<str>,
    pub(super) epoch: u64,
    /// The most grants that it saw.
    grants: u64,
}

/// How a question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// The moment to compute with, where the server's clock is not asked.
    now: Option<Timestamp>,
    /// Nothing is to be done when nobody waits any more, or by a clock that is wrong.
    strict: bool,
    /// Whether it does no harm to ask again when the answer was lost.
    again: bool,
}

impl How {
    /// About what is yet to be granted.
    pub(super) fn strict(now: Timestamp) -> Self {
        Self {
            now: Some(now),
            strict: true,
            again: true,
        }
    }

    /// About what is so already, whatever the clocks say.
    pub(super) fn lenient() -> Self {
        Self {
            now: None,
            strict: false,
            again: true,
        }
    }

    /// About how things stood at a moment.
    pub(super) fn at(now: Timestamp) -> Self {
        Self {
            now: Some(now),
            ..Self::lenient()
        }
    }

    /// About how things stand.
    pub(super) fn watchful() -> Self {
        Self {
            now: None,
            strict: true,
            again: true,
        }
    }

    /// What happens twice when it is asked twice.
    pub(super) fn once(mut self) -> Self {
        self.again = false;
        self
    }
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) options: Options,
    pub(super) link: Link,
    pub(super) condition: Condition,
    key: String,
    known: Mutex<Known>,
    /// What the server's clock showed, and when.
    clock: Mutex<Option<(Instant, i64)>>,
}

/// An answer: its word, and what follows.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) word: String,
    pub(super) values: Vec<Value>,
    /// The epoch of the state that was asked.
    pub(super) epoch: u64,
}

/// What a question came to.
#[derive(Debug)]
pub(super) enum Asked {
    Answer(Answer),
    /// The state was rebuilt since; this replica knows the new one now.
    Newer,
    /// Somebody else has the deployment for itself, for so many milliseconds unless it is renewed.
    Taken {
        owner: String,
        lasts_ms: i64,
    },
}

impl Store {
    pub(super) fn new(options: Options) -> Self {
        Self {
            key: names::state(&options.address.deployment),
            link: Link::new(options.connect_within()),
            condition: Condition::new(options.alone.is_some()),
            known: Mutex::new(Known {
                generation: Arc::from(""),
                epoch: 0,
                grants: 0,
            }),
            clock: Mutex::new(None),
            options,
        }
    }

    pub(super) fn known(&self) -> Known {
        self.known.lock().clone()
    }

    /// Whether the state has to be built by this replica before anything else.
    pub(super) fn unbuilt(&self) -> bool {
        self.options.alone.is_some() && self.known.lock().generation.is_empty()
    }

    /// This is the state from now on.
    pub(super) fn follow(&self, generation: &str, epoch: u64, grants: u64) {
        *self.known.lock() = Known {
            generation: Arc::from(generation),
            epoch,
            grants,
        };
        self.condition.found();
    }

    /// Asks, and follows where the state was rebuilt.
    pub(super) async fn ask(
        &self,
        script: &Script,
        args: &Args,
        how: How,
    ) -> Result<Answer, StoreError> {
        if self.unbuilt() {
            return Err(lost("it was not built yet"));
        }
        let deadline = Instant::now() + self.options.within;
        for _ in 0..=FOLLOWS {
            match self.ask_once(script, args, how, deadline).await? {
                Asked::Answer(answer) => return Ok(answer),
                Asked::Newer => {}
                Asked::Taken { owner, .. } => {
                    return Err(taken(&self.options.address.deployment, &owner));
                }
            }
        }
        Err(trouble("it is rebuilt all the time"))
    }

    /// Asks the state that is known now.
    pub(super) async fn ask_once(
        &self,
        script: &Script,
        args: &Args,
        how: How,
        deadline: Instant,
    ) -> Result<Asked, StoreError> {
        let mut again = how.again;
        loop {
            let known = self.known();
            let head = self.head(&known, how, deadline);
            let answer = self.link.ask(script, &self.key, (&head, args), deadline);
            match answer.await {
                Err(Failure::Broken(_)) if again => again = false,
                Err(failure) => return Err(failed(script, failure)),
                Ok(answer) => return self.read(&known, answer),
            }
        }
    }

    /// What every script is told (see `lua/fence.lua`).
    fn head(&self, known: &Known, how: How, deadline: Instant) -> Args {
        let mut head = Args::new();
        head.push(&*known.generation)
            .number(known.epoch)
            .number(known.grants)
            .push(self.options.owner());
        if how.strict {
            head.number(micros(self.options.clock.now()));
            match self.by_server_clock(deadline) {
                Some(until) => head.number(until),
                None => head.push(""),
            };
        } else {
            head.push("").push("");
        }
        match (self.options.time, how.now) {
            (Time::Server, _) => head.push(""),
            (Time::Asks, Some(now)) => head.number(micros(now)),
            // the latest moment it has seen
            (Time::Asks, None) => head.push("0"),
        };
        head
    }

    /// A moment by the server's clock, if that is known.
    fn by_server_clock(&self, at: Instant) -> Option<i64> {
        let (seen, clock) = (*self.clock.lock())?;
        if seen.elapsed() > CLOCK_KNOWN {
            return None;
        }
        let after = at.saturating_duration_since(seen).as_micros();
        clock.checked_add(i64::try_from(after).ok()?)
    }

    /// The server's clock shows this now.
    pub(super) fn clock_shows(&self, micros: i64) {
        *self.clock.lock() = Some((Instant::now(), micros));
    }

    fn read(&self, known: &Known, answer: Value) -> Result<Asked, StoreError> {
        let Value::Array(mut values) = answer else {
            return Err(trouble("an answer has an unknown form"));
        };
        let word = values.first().and_then(text).map(ToOwned::to_owned);
        let word = word.ok_or_else(|| trouble("an answer has an unknown form"))?;
        match word.as_str() {
            "late" => Err(trouble("it did not answer in time")),
            "clock" => Err(trouble(clock_is_off(values.get(1).and_then(integer)))),
            "taken" => {
                let owner = values.get(1).and_then(text).unwrap_or_default().to_owned();
                let lasts_ms = values.get(2).and_then(integer).unwrap_or_default();
                Ok(Asked::Taken { owner, lasts_ms })
            }
            "lost" => {
                let why = values.get(1).and_then(text).unwrap_or_default();
                Err(self.lose(known, why))
            }
            "newer" => {
                let number = |place: usize| {
                    let number = values.get(place).and_then(integer);
                    number.and_then(|number| u64::try_from(number).ok())
                };
                let generation = values.get(1).and_then(text);
                let (Some(generation), Some(epoch), Some(grants)) =
                    (generation, number(2), number(3))
                else {
                    return Err(trouble("an answer has an unknown form"));
                };
                tracing::info!(epoch, "control state was rebuilt");
                self.follow(generation, epoch, grants);
                Ok(Asked::Newer)
            }
            _ => {
                values.remove(0);
                let epoch = known.epoch;
                Ok(Asked::Answer(Answer {
                    word,
                    values,
                    epoch,
                }))
            }
        }
    }

    fn lose(&self, known: &Known, why: &str) -> StoreError {
        let now = self.known.lock();
        if now.generation == known.generation {
            self.condition.lost(why);
        }
        lost(why)
    }

    /// So much was granted of the state that was asked.
    pub(super) fn granted(&self, epoch: u64, grants: u64) {
        let mut known = self.known.lock();
        if known.epoch == epoch {
            known.grants = known.grants.max(grants);
        }
    }
}

pub(super) fn lost(why: &str) -> StoreError {
    let mut error = trouble(format!("it does not know any more what was granted: {why}"));
    error.source = Some(Box::new(Lost));
    error
}

pub(super) fn trouble(what: impl Into<String>) -> StoreError {
    StoreError::new("control", format!("Redis: {}", what.into()), true)
}

/// Somebody else has the deployment for itself.
pub(super) fn taken(deployment: &str, owner: &str) -> StoreError {
    let what = format!(
        "the deployment `{deployment}` in Redis is used by another replica ({owner}): Redis with a SQLite \
         ledger serves one replica; give this one a name of its own with `?deployment=NAME`, or let \
         both share a PostgreSQL ledger"
    );
    StoreError::new("control", what, false)
}

fn failed(script: &Script, failure: Failure) -> StoreError {
    let (what, source) = match failure {
        Failure::Down(why) => (format!("it cannot be reached: {why}"), None),
        Failure::Slow => (format!("{} was not answered in time", script.name), None),
        Failure::Broken(error) => (format!("the connection is of no use: {error}"), Some(error)),
        Failure::Refused(error) => (format!("{} was refused: {error}", script.name), Some(error)),
    };
    let mut error = trouble(what);
    error.source = source.map(|source| Box::new(source) as Box<_>);
    error
}

fn clock_is_off(ahead: Option<i64>) -> String {
    let ahead = ahead.unwrap_or_default();
    let seconds = ahead.unsigned_abs() / 1_000_000;
    let which = if ahead < 0 { "behind" } else { "ahead of" };
    format!("the clock of this machine is {seconds} s {which} its clock: set both by NTP")
}
