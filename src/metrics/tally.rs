//! The counters of one route on one runtime: nobody else adds to them, so adding is cheap.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::Latency;
use crate::upstream::Traffic;

/// Statuses from 100 on.
const STATUSES: usize = 500;
/// The words of a verdict's label.
pub(super) const VERDICTS: [&str; 4] = ["none", "allow", "hold", "deny"];

/// What a request turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Refused before that was known.
    #[default]
    Unknown,
    /// Changes nothing.
    Read,
    /// A login.
    Auth,
    /// A write that can be taken apart.
    Write,
    /// Cannot be taken apart.
    Opaque,
}

impl Class {
    pub(super) const ALL: [Self; 5] = [
        Self::Unknown,
        Self::Read,
        Self::Auth,
        Self::Write,
        Self::Opaque,
    ];

    /// The word of a metric's label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Read => "read",
            Self::Auth => "auth",
            Self::Write => "write",
            Self::Opaque => "opaque",
        }
    }

    fn place(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Read => 1,
            Self::Auth => 2,
            Self::Write => 3,
            Self::Opaque => 4,
        }
    }
}

/// What was found out of one request on its way.
#[derive(Debug, Default)]
pub struct Seen(AtomicU8);

impl Seen {
    /// It is of this class.
    pub fn class(&self, class: Class) {
        self.0.store(class.place(), Ordering::Relaxed);
    }

    /// The class that was found.
    #[must_use]
    pub fn found(&self) -> Class {
        let place = usize::from(self.0.load(Ordering::Relaxed));
        Class::ALL.get(place).copied().unwrap_or_default()
    }
}

/// How long a write took, and how much of it was spent waiting for others: the client's body, the CRM,
/// another write to its record, a person.
#[derive(Debug)]
pub struct Stopwatch {
    began: Instant,
    away_micros: AtomicU64,
}

impl Stopwatch {
    /// Starts.
    #[must_use]
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
            away_micros: AtomicU64::new(0),
        }
    }

    /// This long somebody else was waited for.
    pub fn away(&self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.away_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Waits for somebody else. What is there at once was not waited for.
    pub async fn wait_for<T>(&self, mut other: Pin<&mut impl Future<Output = T>>) -> T {
        let began = Instant::now();
        let first = poll_fn(|context| Poll::Ready(other.as_mut().poll(context))).await;
        match first {
            Poll::Ready(came) => came,
            Poll::Pending => {
                let came = other.await;
                self.away(began.elapsed());
                came
            }
        }
    }

    /// The time spent here so far.
    #[must_use]
    pub fn own(&self) -> Duration {
        let away = Duration::from_micros(self.away_micros.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(away)
    }
}

type ByStatus = Box<[AtomicU64]>;

/// The counters of one route on one runtime.
#[derive(Debug)]
pub struct Tally {
    pub(super) route: String,
    /// Requests by class and verdict, then by status; made when the first one comes.
    requests: [OnceLock<ByStatus>; 20],
    /// From the head of a request to the head of its answer.
    pub(super) whole: [Latency; 5],
    /// Time of our own in judged writes.
    pub(super) own: Latency,
    /// Reading prior values.
    pub(super) snapshots: Latency,
    pub(super) traffic: Arc<Traffic>,
}

impl Tally {
    pub(super) fn new(route: String, traffic: Arc<Traffic>) -> Self {
        Self {
            route,
            requests: Default::default(),
            whole: Default::default(),
            own: Latency::default(),
            snapshots: Latency::default(),
            traffic,
        }
    }

    /// A request was answered. `verdict` is the word on a governed reply, `None` on others.
    pub fn answered(
        &self,
        class: Class,
        verdict: Option<&str>,
        status: StatusCode,
        took: Duration,
    ) {
        let verdict = match verdict {
            None => 0,
            Some("allow") => 1,
            Some("hold") => 2,
            Some(_) => 3,
        };
        let class = usize::from(class.place());
        let slot = self.requests.get(class * VERDICTS.len() + verdict);
        let by_status = slot
            .map(|slot| slot.get_or_init(|| (0..STATUSES).map(|_| AtomicU64::new(0)).collect()));
        let status = usize::from(status.as_u16()).saturating_sub(100);
        if let Some(counter) = by_status.and_then(|counters| counters.get(status)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(latency) = self.whole.get(class) {
            latency.observe(took);
        }
    }

    /// A judged write was done with.
    pub fn judged(&self, watch: &Stopwatch) {
        self.own.observe(watch.own());
    }

    /// Prior values were read, or tried to be.
    pub fn snapshot(&self, took: Duration) {
        self.snapshots.observe(took);
    }

    /// Each class, verdict and status that was answered, and how often.
    pub(super) fn requests(&self) -> impl Iterator<Item = (Class, &'static str, usize, u64)> + '_ {
        let places = Class::ALL
            .into_iter()
            .flat_map(|class| VERDICTS.into_iter().map(move |verdict| (class, verdict)));
        places
            .zip(&self.requests)
            .flat_map(|((class, verdict), slot)| {
                let counters = slot.get().into_iter().flat_map(|counters| counters.iter());
                let counts = counters.enumerate().map(move |(status, counter)| {
                    let count = counter.load(Ordering::Relaxed);
                    (class, verdict, status + 100, count)
                });
                counts.filter(|(.., count)| *count > 0)
            })
    }
}
