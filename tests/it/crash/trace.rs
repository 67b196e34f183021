//! kill -9 at the N-th call of a kind, N rising until nothing is hit any more: strace kills the program
//! on the way into the call.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::judge::{self, Found};
use super::scene::{Life, Release, World};
use crate::support::{long, skipped};

/// Kinds of calls: what is made durable and written to disk, what is sent and read.
const CALLS: [&str; 5] = [
    "fsync,fdatasync",
    "pwrite64",
    "sendto,writev,sendmsg",
    "recvfrom,readv,recvmsg",
    "connect,accept4",
];

/// The calls of each thread are counted apart, and the first one that comes to the number is hit. For
/// the calls of a thread not to be hidden by those of another one, it gets so many more before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ahead {
    Nobody,
    /// The operators' side.
    Desk,
    /// The routes.
    Agents,
}

const AHEAD: usize = 40;

/// Where a plain run strikes.
const SOME: [usize; 2] = [11, 14];

/// A point in the life of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    calls: &'static str,
    at: usize,
    ahead: Ahead,
}

/// What agents and people do.
pub(super) trait Script {
    /// What has happened before.
    async fn prepare(&self, _world: &Arc<World>) {}

    /// In order, until the program is gone.
    async fn run(&self, life: &Life) -> Option<()>;
}

/// Sums over many points.
#[derive(Debug, Default)]
pub(super) struct Figures {
    points: usize,
    kills: usize,
    found: Found,
    faults: Vec<String>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, at, ahead } = self;
        match ahead {
            Ahead::Nobody => write!(f, "at {at} of {calls}"),
            Ahead::Desk | Ahead::Agents => write!(f, "at {at} of {calls}, {ahead:?} ahead"),
        }
    }
}

impl Point {
    fn under(&self) -> Vec<String> {
        let (calls, at) = (self.calls, self.at);
        let trace = format!("trace={calls}");
        let inject = format!("inject={calls}:signal=SIGKILL:when={at}");
        // on one processor there is one worker
        let processors = processors();
        let on = &processors[at % processors.len()];
        let quiet = ["-f", "-qq", "-o", "/dev/null"];
        let under = ["taskset", "-c", on, "strace"].into_iter();
        let words = under.chain(quiet).chain(["-e", &trace, "-e", &inject]);
        words.map(str::to_owned).collect()
    }
}

/// The processors that this process may use: `0-1,4` and the like.
fn processors() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.unwrap().trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let [first, last] = [first, last].map(|number| number.parse::<usize>().unwrap());
        first..=last
    });
    ranges.map(|number| number.to_string()).collect()
}

impl Figures {
    pub(super) fn add(&mut self, point: &str, world: &World, killed: bool, found: Found) {
        self.points += 1;
        self.kills += usize::from(killed);
        self.found.open += found.open;
        self.found.doubts += found.doubts;
        let faults = world.notes.lock().faults.clone();
        for fault in &faults {
            println!("{point}: {fault}");
        }
        self.faults
            .extend(faults.iter().map(|fault| format!("{point}: {fault}")));
    }

    /// Says what was seen; fails where anything was that must not be.
    pub(super) fn tell(&self, what: &str, began: Instant) {
        let count = |word: &str| {
            self.faults
                .iter()
                .filter(|fault| fault.contains(word))
                .count()
        };
        println!(
            "{what}: {} points, {} kills, in doubt found {} of {}, sent twice {}, lost {}, violations {}, {:.1} s",
            self.points,
            self.kills,
            self.found.doubts,
            self.found.open,
            count("sent twice"),
            count("lost"),
            self.faults.len(),
            began.elapsed().as_secs_f64(),
        );
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }
}

/// Runs a script until it is over, or the program is gone; whether it was over.
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
    if over {
        life.kill().await;
    } else {
        // a call that broke off without a crash would be a fault of its own
        life.is_over().await;
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

/// Numbers that look random and are the same each time (splitmix64).
pub(super) fn mixed(seed: usize) -> usize {
    let mut mixed = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
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
    script.prepare(&world).await;
    let over = lived(&world, point, script).await;
    let mut name = format!("{release:?}, {point}");
    if seed > 0 && !over {
        let number = mixed(point.at * 31 + seed);
        let second = Point {
            calls: CALLS[number % CALLS.len()],
            at: 1 + number / CALLS.len() % 40,
            ahead: Ahead::Nobody,
        };
        lived(&world, &second, &Again).await;
        name = format!("{name}, seed {seed}: then {second}");
    }
    let found = judge::judge(&world).await;
    figures.add(&name, &world, !over, found);
    over
}

/// kill -9 at each call of each kind: all of them where the full figures are asked for, else a few.
pub(super) async fn at_each_call<S: Script>(what: &str, script: &S, releases: &[Release]) {
    for program in ["strace", "taskset"] {
        let there = std::process::Command::new(program).arg("-V").output();
        if !there.is_ok_and(|ran| ran.status.success()) {
            return skipped(what, program);
        }
    }
    let began = Instant::now();
    let mut figures = Figures::default();
    for (number, release) in releases.iter().enumerate() {
        for calls in CALLS {
            if long() {
                every_point((script, *release), calls, &mut figures).await;
                continue;
            }
            let point = Point {
                calls,
                at: SOME[number],
                ahead: Ahead::Nobody,
            };
            one((script, *release), &point, 0, &mut figures).await;
        }
    }
    figures.tell(what, began);
}

/// All points of a kind, and some of them with a second crash.
async fn every_point<S: Script>(script: (&S, Release), calls: &'static str, figures: &mut Figures) {
    let everybody = [Ahead::Nobody, Ahead::Desk, Ahead::Agents];
    let disk = ["fsync,fdatasync", "pwrite64"].contains(&calls);
    for ahead in everybody.into_iter().take(if disk { 1 } else { 3 }) {
        for (seed, step) in [(0, 1), (1, 5), (2, 5)] {
            let first = if ahead == Ahead::Nobody { 1 } else { AHEAD };
            let mut point = Point {
                calls,
                at: first + seed,
                ahead,
            };
            while !one(script, &point, seed, figures).await {
                point.at += step;
            }
            println!("{:?}, seed {seed}: over {point}", script.1);
        }
    }
}
