//! What agents and people do, with a crash at the N-th call of a kind, N rising until nothing is hit any
//! more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout};

use super::figures::{Figures, mixed};
use super::judge;
use super::point::{AHEAD, Ahead, CALLS, Point, SYNCS, WRITES, What};
use super::scene::{Life, PATIENCE, Release, World};
use crate::support::{long, skipped};

/// Where a plain run strikes: the first kind of release and the second.
const SOME_CALLS: [usize; 2] = [11, 14];
/// Where its disk breaks: in one of the first commits each.
const SOME_WRITES: [usize; 6] = [20, 32, 44, 56, 68, 80];

/// What agents and people do.
pub(super) trait Script {
    /// What has happened before.
    async fn prepare(&self, _world: &Arc<World>) {}

    /// In order, until the program is gone.
    async fn run(&self, life: &Life) -> Option<()>;
}

/// Runs a script until it is over, the program is gone or its disk is broken; whether it was over.
async fn lived<S: Script>(world: &Arc<World>, point: &Point, script: &S) -> bool {
    let under = point.under();
    let under: Vec<&str> = under.iter().map(String::as_str).collect();
    let Ok(program) = world.starting().under(&under).try_start() else {
        world.line.quiet().await;
        return false;
    };
    let life = Life::new(world, program);
    let over = match ahead(&life, point.ahead).await {
        Some(()) => script.run(&life).await.is_some(),
        None => false,
    };
    let refuses = |line: &String| line.contains("writes are refused");
    match point.what {
        // a call that broke off without a crash would be a fault of its own
        What::Kill if !over => life.ended().await,
        What::Kill => life.kill().await,
        What::Error => {
            let broken = life.program.log().iter().any(refuses);
            world.broken.fetch_or(broken, Ordering::SeqCst);
            life.kill().await;
            return !broken;
        }
    }
    over
}

async fn ahead(life: &Life, ahead: Ahead) -> Option<()> {
    for _ in 0..AHEAD {
        match ahead {
            Ahead::Nobody => return Some(()),
            Ahead::Desk => drop(life.read("switches").await?),
            Ahead::Agents => life.look().await?,
        }
    }
    Some(())
}

/// Agents make again what they have no answer to; for a second crash, while the first is got over.
struct Again;

impl Script for Again {
    async fn run(&self, life: &Life) -> Option<()> {
        judge::ask_again(life).await?;
        judge::settle(life).await?;
        judge::ask_again(life).await
    }
}

/// One world, killed at a point; with a seed above 0 again while it recovers. True when the script was
/// over before the point came.
async fn one<S: Script>(
    (script, release): (&S, Release),
    point: &Point,
    seed: usize,
    figures: &mut Figures,
) -> bool {
    let world = World::new(release).await;
    timeout(PATIENCE, script.prepare(&world)).await.unwrap();
    let over = lived(&world, point, script).await;
    let mut name = format!("{release:?}, {point}");
    if seed > 0 && !over {
        let number = mixed(point.at * 31 + seed);
        let calls = CALLS[number % CALLS.len()];
        let second = Point::kill(calls, 1 + number / CALLS.len() % 40);
        lived(&world, &second, &Again).await;
        name = format!("{name}, seed {seed}: then {second}");
    }
    let found = judge::judge(&world).await;
    figures.add(&name, &world, !over, found);
    over
}

/// Whether the tools are there.
fn can_trace(what: &str) -> bool {
    for program in ["strace", "taskset"] {
        let there = std::process::Command::new(program).arg("-V").output();
        if !there.is_ok_and(|ran| ran.status.success()) {
            skipped(what, program);
            return false;
        }
    }
    true
}

/// kill -9 at each call of each kind: all of them where the full figures are asked for, else a few.
pub(super) async fn at_each_call<S: Script>(what: &str, script: &S, releases: &[Release]) {
    if !can_trace(what) {
        return;
    }
    let began = Instant::now();
    let mut figures = Figures::default();
    for (number, release) in releases.iter().enumerate() {
        for calls in CALLS {
            if long() {
                every_point((script, *release), calls, &mut figures).await;
            } else {
                let point = Point::kill(calls, SOME_CALLS[number]);
                one((script, *release), &point, 0, &mut figures).await;
            }
        }
    }
    figures.tell(what, began);
}

/// All points of a kind, and some of them with a second crash.
async fn every_point<S: Script>(script: (&S, Release), calls: &'static str, figures: &mut Figures) {
    let everybody = [Ahead::Nobody, Ahead::Desk, Ahead::Agents];
    let disk = [SYNCS, WRITES].contains(&calls);
    for ahead in everybody.into_iter().take(if disk { 1 } else { 3 }) {
        for (seed, step) in [(0, step(calls)), (1, 5), (2, 7)] {
            let mut point = Point {
                ahead,
                ..Point::kill(calls, ahead.first(calls) + seed)
            };
            while !one(script, &point, seed, figures).await {
                point.at += step;
            }
            println!("{:?}, seed {seed}: over {point}", script.1);
        }
    }
}

/// A commit writes a dozen pages.
fn step(calls: &str) -> usize {
    if calls == WRITES { 3 } else { 1 }
}

/// The disk breaks at each write and each sync of the ledger, then kill -9: all of them where the full
/// figures are asked for, else a few.
pub(super) async fn at_each_failure<S: Script>(what: &str, script: &S, releases: &[Release]) {
    if !can_trace(what) {
        return;
    }
    let began = Instant::now();
    let mut figures = Figures::default();
    for release in releases {
        let script = (script, *release);
        if !long() {
            for at in SOME_WRITES {
                one(script, &Point::error(WRITES, at), 0, &mut figures).await;
            }
            break;
        }
        for calls in [SYNCS, WRITES] {
            let mut point = Point::error(calls, 1);
            let mut missed = 0;
            // not every call is one of the ledger's
            while missed < 10 {
                let over = one(script, &point, 0, &mut figures).await;
                missed = if over { missed + 1 } else { 0 };
                point.at += step(calls);
            }
            println!("{release:?}: over {point}");
        }
    }
    figures.tell(what, began);
}
