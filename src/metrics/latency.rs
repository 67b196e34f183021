//! A histogram of durations that costs two atomic additions to write to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds; what takes longer than the last is above all of them.
const BOUNDS: [u64; 18] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Durations by size.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [AtomicU64; 18],
    above: AtomicU64,
    /// Their sum in microseconds.
    sum: AtomicU64,
}

/// What a [`Latency`] held at one moment, or several of them together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    /// How many in each bucket, the last one above all bounds.
    counts: [u64; 19],
    sum: u64,
}

impl Latency {
    /// One more.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < micros);
        let bucket = self.buckets.get(place).unwrap_or(&self.above);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds what it holds now.
    pub(super) fn add_to(&self, spread: &mut Spread) {
        let buckets = self.buckets.iter().chain([&self.above]);
        for (to, from) in spread.counts.iter_mut().zip(buckets) {
            *to += from.load(Ordering::Relaxed);
        }
        spread.sum += self.sum.load(Ordering::Relaxed);
    }
}

impl Spread {
    /// Nothing was observed.
    pub(super) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Adds another one.
    pub(super) fn join(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(other.counts) {
            *to += from;
        }
        self.sum += other.sum;
    }

    /// Sum in seconds, how many, and how many in each bucket by its upper bound in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a metric; exact below 2^53 microseconds"
    )]
    pub(super) fn told(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound));
        let buckets = bounds.chain([f64::INFINITY]).zip(self.counts);
        (
            seconds(self.sum),
            self.counts.iter().sum(),
            buckets.collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_the_rest_is_above_all() {
        let latency = Latency::default();
        for micros in [0, 100, 101, 60_000_000, 60_000_001] {
            latency.observe(Duration::from_micros(micros));
        }
        let mut spread = Spread::default();
        latency.add_to(&mut spread);
        let (sum, count, buckets) = spread.told();
        assert_eq!((sum, count), (120.000_202, 5));
        assert_eq!(buckets[0], (0.0001, 2));
        assert_eq!(buckets[1], (0.000_25, 1));
        assert_eq!(buckets[17], (60.0, 1));
        assert_eq!(buckets[18], (f64::INFINITY, 1));
    }
}
