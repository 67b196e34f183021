//! A new state from what the ledger knows: computed here, put into Redis part by part under a generation
//! of its own, and put in force in one step.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep};

use super::args::Args;
use super::member::{ALONE_MS, Member};
use super::names;
use super::reply::{natural, text};
use super::scripts::INSTALL;
use super::store::{Answer, Asked, How, taken, trouble};
use super::switches;
use crate::clock::EntryId;
use crate::control::counters::{Arithmetic, Counter, Counters, in_numbers};
use crate::control::demand::{Taken, counted};
use crate::control::history::History;
use crate::control::replay::replay;
use crate::control::{Lost, Rebuild, Switch};
use crate::error::StoreError;

/// At the start it is worth waiting for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// A deployment that another one has is looked at again after this.
const ALONE_AGAIN: Duration = Duration::from_millis(500);
/// A part is about so large.
const PART_BYTES: usize = 32 * 1024;

impl Member {
    /// Whether the state that is there is of this epoch and can be used. It is followed then.
    pub(super) async fn join(&self, epoch: u64) -> Result<bool, StoreError> {
        if self.store.options.alone.is_some() {
            return Ok(false);
        }
        self.connected().await?;
        match self.look().await {
            Ok(()) => Ok(self.store.known().epoch == epoch),
            // What somebody else has alone is told when it is to be built.
            Err(error) if Lost::is_why(&error) || !error.transient => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn connected(&self) -> Result<(), StoreError> {
        let deadline = Instant::now() + CONNECT_WITHIN.max(self.store.options.within);
        let connected = self.store.link.connected(deadline).await;
        connected.map_err(|why| trouble(format!("it cannot be reached: {why}")))
    }

    /// Replaces everything by what the ledger knows.
    pub(super) async fn rebuild(&self, from: Rebuild) -> Result<(), StoreError> {
        // Kill switches act here in any case; nobody has confirmed them, so that writes wait.
        self.view.rcu(|view| {
            let mut view = (**view).clone();
            view.thrown.clone_from(&from.thrown);
            Arc::new(view)
        });
        let (epoch, thrown) = (from.epoch, from.thrown.clone());
        let (parts, latest, made) = parts(from);
        self.connected().await?;
        let Some(generation) = self.begin(epoch).await? else {
            return Ok(());
        };
        for (number, part) in parts.iter().enumerate() {
            let mut args = Args::new();
            args.push("fill")
                .push(&generation)
                .count(number + 1)
                .append(part);
            self.step(&args).await?;
        }
        let at = self.store.options.clock.now();
        let args = self.opening(&generation, (epoch, parts.len()), (latest, made), &thrown)?;
        let opened = self.step(&args).await?;
        let Some(version) = natural(opened.values.first()) else {
            return match opened.word.as_str() {
                // somebody with a later epoch was first
                "newer" => Ok(()),
                _ => Err(trouble("an answer has an unknown form")),
            };
        };
        self.store.follow(&generation, epoch, 0);
        self.show(version, Some(&thrown), at);
        self.underway.renew_all();
        self.nudge.notify_one();
        tracing::info!(epoch, "control state is rebuilt");
        Ok(())
    }

    /// Names the generation; `None` where a state of a later epoch is there.
    async fn begin(&self, epoch: u64) -> Result<Option<String>, StoreError> {
        let kin = self.store.options.alone.as_ref();
        let kin = kin.map_or_else(String::new, |alone| format!("{}/", alone.kin));
        let mut args = Args::new();
        args.push("begin").number(epoch).push(kin).number(ALONE_MS);
        let mut before: Option<(Instant, i64)> = None;
        loop {
            match self.try_step(&args).await? {
                Asked::Answer(answer) => {
                    let generation = answer.values.first().and_then(text);
                    let generation = generation.map(ToOwned::to_owned);
                    return generation
                        .map(Some)
                        .ok_or_else(|| trouble("it names no generation"));
                }
                Asked::Newer => return Ok(None),
                Asked::Taken { owner, lasts_ms } => {
                    // One that has died without a word does not renew what it had.
                    let now = Instant::now();
                    let renewed = before.is_some_and(|(seen, lasted)| {
                        let passed = i64::try_from(now.duration_since(seen).as_millis());
                        lasts_ms > lasted - passed.unwrap_or(i64::MAX) + 100
                    });
                    if renewed || self.store.options.alone.is_none() {
                        return Err(taken(&self.store.options.address.deployment, &owner));
                    }
                    before = Some((now, lasts_ms));
                    sleep(ALONE_AGAIN).await;
                }
            }
        }
    }

    fn opening(
        &self,
        generation: &str,
        (epoch, parts): (u64, usize),
        (latest, made): (i64, u64),
        thrown: &[Switch],
    ) -> Result<Args, StoreError> {
        let mut args = Args::new();
        args.push("open")
            .push(generation)
            .number(epoch)
            .count(parts)
            .number(self.view.load().version)
            .number(latest)
            .number(made);
        for switch in thrown {
            let json = switches::json(switch).ok_or_else(|| trouble("a switch has no text"))?;
            args.push(&switch.service_account).push(json);
        }
        Ok(args)
    }

    async fn step(&self, args: &Args) -> Result<Answer, StoreError> {
        match self.try_step(args).await? {
            Asked::Answer(answer) => Ok(answer),
            Asked::Newer => Ok(Answer {
                word: "newer".into(),
                values: Vec::<Value>::new(),
                epoch: 0,
            }),
            Asked::Taken { owner, .. } => {
                Err(taken(&self.store.options.address.deployment, &owner))
            }
        }
    }

    async fn try_step(&self, args: &Args) -> Result<Asked, StoreError> {
        let how = How::watchful();
        let deadline = Instant::now() + self.store.options.within;
        self.store.ask_once(&INSTALL, args, how, deadline).await
    }
}

/// What the ledger knows as parts of a state, each with the number of its items before it; the latest
/// moment; how many counters were made.
fn parts(from: Rebuild) -> (Vec<Args>, i64, u64) {
    let (mut counters, mut latest) = (Counters::default(), 0);
    let held = replay(&mut counters, &mut latest, from.charges, from.waiting);
    let mut parts = Parts::default();
    let mut marks: HashMap<String, String> = HashMap::new();
    for (key, counter) in counters.busy(latest) {
        let name = names::counter(&counted(&counter.limit), key);
        let mark = names::mark(&counter.limit, key);
        parts.add(|args| push_counter(args, (&name, &mark), counter));
        marks.insert(name, mark);
    }
    for (reservation, taken) in &held {
        for taken in taken.iter().filter(|taken| taken.gauge) {
            let name = names::counter(&taken.limit, &taken.key);
            if let Some(mark) = marks.get(&name) {
                parts.add(|args| push_reservation(args, reservation, (&name, mark), taken));
            }
        }
    }
    (parts.done(), latest, counters.made())
}

#[derive(Default)]
struct Parts {
    done: Vec<Args>,
    items: usize,
    open: Args,
}

impl Parts {
    fn add(&mut self, push: impl FnOnce(&mut Args)) {
        push(&mut self.open);
        self.items += 1;
        if self.open.size() > PART_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.items > 0 {
            let mut part = Args::new();
            part.count(self.items).append(&self.open);
            self.done.push(part);
        }
        self.items = 0;
        self.open = Args::new();
    }

    fn done(mut self) -> Vec<Args> {
        self.close();
        self.done
    }
}

/// A counter as `lua/install.lua` reads it.
fn push_counter(args: &mut Args, (name, mark): (&str, &str), counter: &Counter) {
    let numbers = in_numbers(&counter.limit);
    let (gone, total, tat) = match &counter.used {
        Arithmetic::Rate(bucket) => {
            let (tat, busy) = bucket.parts();
            (busy.gone(), busy.total(), tat.max(0))
        }
        Arithmetic::Window(window) => (window.taken().gone(), window.taken().total(), 0),
        Arithmetic::Records(records) => (records.parts().0, 0, 0),
    };
    args.push("c")
        .push(name)
        .push(numbers.kind)
        .number(counter.id)
        .number(total)
        .number(gone.max(-1))
        .number(tat)
        .number(numbers.size)
        .number(numbers.most)
        .push(mark);
    let window = i64::try_from(numbers.size).unwrap_or(i64::MAX);
    match &counter.used {
        Arithmetic::Rate(bucket) => {
            let (_, busy) = bucket.parts();
            args.number(tat);
            push_events(args, busy);
        }
        Arithmetic::Window(taken) => {
            match taken.taken().last() {
                Some(last) if window > 0 => args.number(last.saturating_add(window)),
                Some(_) | None => args.push("+inf"),
            };
            push_events(args, taken.taken());
        }
        Arithmetic::Records(records) => {
            let (_, touches) = records.parts();
            let touches: Vec<_> = touches.collect();
            let last = touches.last().and_then(|(_, touches)| touches.last());
            args.number(last.unwrap_or_default().saturating_add(window));
            args.count(touches.len());
            for (record, touches) in touches {
                args.push(&*names::veiled(record))
                    .number(touches.gone().max(-1))
                    .number(touches.total());
                push_events(args, touches);
            }
        }
    }
}

fn push_events(args: &mut Args, history: &History) {
    args.count(history.events().count() * 2);
    for event in history.events() {
        args.number(event.at).number(event.amount);
    }
}

/// What a gauge's reservation holds, as `lua/install.lua` reads it.
fn push_reservation(
    args: &mut Args,
    reservation: &EntryId,
    (name, mark): (&str, &str),
    taken: &Taken,
) {
    args.push("r")
        .push(reservation.as_str())
        .push(name)
        .push("w")
        .push(mark)
        .number(taken.at)
        .number(taken.units)
        .number(taken.cost)
        .number(taken.counter);
}
