//! Measures named scenarios: `cargo bench --bench NAME [-- PART-OF-A-SCENARIO]`. For each the time of one
//! operation, the median of twenty samples with the lowest and the highest.

use std::time::{Duration, Instant};

/// A sample lasts at least this long.
const SAMPLE: Duration = Duration::from_millis(20);
const SAMPLES: u32 = 20;

/// The scenarios of one binary.
pub(crate) struct Stopwatch {
    only: Option<String>,
}

impl Stopwatch {
    /// Nothing unless `cargo bench` asks: as a test, a benchmark has nothing to say.
    pub(crate) fn from_arguments() -> Option<Self> {
        let (options, names): (Vec<String>, Vec<String>) = std::env::args()
            .skip(1)
            .partition(|argument| argument.starts_with("--"));
        let asked = options.iter().any(|option| option == "--bench");
        asked.then(|| Self {
            only: names.into_iter().next(),
        })
    }

    /// Measures `run`, which does `operations` of what the name says.
    pub(crate) fn scenario(&self, name: &str, operations: u32, mut run: impl FnMut()) {
        if self.only.as_ref().is_some_and(|part| !name.contains(part)) {
            return;
        }
        let mut rounds = 1;
        while time(rounds, &mut run) < SAMPLE {
            rounds *= 2;
        }
        let mut samples: Vec<Duration> = (0..SAMPLES)
            .map(|_| time(rounds, &mut run) / rounds / operations)
            .collect();
        samples.sort_unstable();
        if let [lowest, .., highest] = samples.as_slice() {
            let median = samples.get(samples.len() / 2).unwrap_or(lowest);
            println!("{name:<60} {median:>10.2?}   ({lowest:.2?} to {highest:.2?})");
        }
    }
}

fn time(rounds: u32, run: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        run();
    }
    start.elapsed()
}
