//! Rate limits: the generic cell rate algorithm in whole microseconds, rounded against the caller.
//! Pure: the moment is an argument.
//!
//! One unit costs `period / count`, rounded up. The bucket's theoretical arrival time (TAT) is the
//! moment at which it will be full again; a charge fits while TAT stays within `burst` units of now.
//! Taking the charges of the current busy time one by one, `TAT = max(TAT, at) + cost`; they are
//! kept, so that a refund leaves exactly what the others make of it.

use super::history::History;
use super::moment::{MICROS_PER_MS, MOST, span};

/// Charges of one busy time that are kept apart.
const ROOM: usize = 64;

/// A rate as the limit says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Microseconds for one unit.
    unit: u64,
    burst: u64,
}

impl Rate {
    pub(super) fn new(count: u64, period_ms: u64, burst: u64) -> Self {
        let period = period_ms.max(1).saturating_mul(MICROS_PER_MS);
        Self {
            unit: period.div_ceil(count.max(1)).clamp(1, MOST),
            burst: burst.clamp(1, MOST),
        }
    }

    pub(super) fn burst(self) -> u64 {
        self.burst
    }

    pub(super) fn unit(self) -> u64 {
        self.unit
    }

    fn cost(self, amount: u64) -> u64 {
        amount.saturating_mul(self.unit).min(MOST)
    }
}

/// What is used of one rate for one key.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    tat: i64,
    busy: History,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            tat: i64::MIN,
            busy: History::new(ROOM, i64::MIN),
        }
    }

    /// The moment at which it is full again, and the charges of its busy time.
    pub(super) fn parts(&self) -> (i64, &History) {
        (self.tat, &self.busy)
    }

    /// How far the bucket is from full, in microseconds.
    fn missing(&self, now: i64) -> u64 {
        if self.tat > now {
            self.tat.abs_diff(now)
        } else {
            0
        }
    }

    /// Units used at this moment.
    pub(super) fn used(&self, rate: Rate, now: i64) -> u64 {
        self.missing(now).div_ceil(rate.unit)
    }

    /// Units that would fit at this moment.
    pub(super) fn fits(&self, rate: Rate, now: i64) -> u64 {
        rate.cost(rate.burst).saturating_sub(self.missing(now)) / rate.unit
    }

    /// The moment at which this many units fit; they must not be more than the burst.
    pub(super) fn fits_at(&self, rate: Rate, amount: u64) -> i64 {
        let slack = rate.cost(rate.burst).saturating_sub(rate.cost(amount));
        self.tat.saturating_sub(span(slack))
    }

    /// Takes units; past the burst only what empties the bucket. Returns the microseconds taken.
    pub(super) fn take(&mut self, rate: Rate, now: i64, amount: u64) -> u64 {
        if self.tat <= now {
            self.busy.expire(i64::MAX);
        }
        let room = rate.cost(rate.burst).saturating_sub(self.missing(now));
        let cost = rate.cost(amount).min(room);
        self.tat = self.tat.max(now).saturating_add(span(cost));
        self.busy.push(now, cost);
        cost
    }

    /// Gives back microseconds that were taken at `at`.
    pub(super) fn give_back(&mut self, at: i64, cost: u64) {
        if self.busy.give_back(at, cost) > 0 {
            let without = self.busy.events().fold(i64::MIN, |tat, event| {
                tat.max(event.at).saturating_add(span(event.amount))
            });
            self.tat = self.tat.min(without);
        }
    }

    /// Whether forgetting it changes nothing.
    pub(super) fn idle(&self, now: i64) -> bool {
        self.tat <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    const MS: i64 = 1_000;

    /// Asks for units as the store does.
    fn ask(bucket: &mut Bucket, rate: Rate, now: i64, amount: u64) -> Option<u64> {
        (bucket.fits(rate, now) >= amount).then(|| bucket.take(rate, now, amount))
    }

    #[test]
    fn the_burst_passes_and_one_more_does_not() {
        let rate = Rate::new(3, 1_000, 20);
        let mut bucket = Bucket::new();
        for left in (0..20).rev() {
            assert!(ask(&mut bucket, rate, 0, 1).is_some());
            assert_eq!(bucket.fits(rate, 0), left);
        }
        assert_eq!(ask(&mut bucket, rate, 0, 1), None);
        assert_eq!(bucket.used(rate, 0), 20);
        let at = bucket.fits_at(rate, 2);
        assert_eq!(at, 666_668);
        assert_eq!(bucket.fits(rate, at - 1), 1);
        assert_eq!(bucket.fits(rate, at), 2);
    }

    #[test]
    fn a_refund_after_the_bucket_was_full_again_mints_nothing() {
        let rate = Rate::new(1, 1_000, 1);
        let mut bucket = Bucket::new();
        let first = ask(&mut bucket, rate, 0, 1).unwrap();
        ask(&mut bucket, rate, 5_000 * MS, 1).unwrap();
        bucket.give_back(0, first);
        assert_eq!(bucket.fits(rate, 5_000 * MS), 0);
    }

    #[test]
    fn a_refund_in_the_middle_leaves_what_the_others_took() {
        let rate = Rate::new(10, 1_000, 20);
        let mut bucket = Bucket::new();
        let first = ask(&mut bucket, rate, 0, 1).unwrap();
        for _ in 0..19 {
            ask(&mut bucket, rate, 0, 1).unwrap();
        }
        ask(&mut bucket, rate, 100 * MS, 1).unwrap();
        assert_eq!(bucket.fits(rate, 100 * MS), 0);
        bucket.give_back(0, first);
        assert_eq!(bucket.fits(rate, 100 * MS), 1);
    }

    #[test]
    fn past_the_burst_a_charge_only_empties_the_bucket() {
        let rate = Rate::new(10, 1_000, 2);
        let mut bucket = Bucket::new();
        assert_eq!(bucket.take(rate, 0, 1_000), 200_000);
        assert_eq!(bucket.fits(rate, 200 * MS), 2);
    }

    /// Whether any stretch of granted events holds more than the burst and what flowed in since.
    fn over_granted(rate: Rate, granted: &[(i64, u64)]) -> bool {
        (0..granted.len()).any(|from| {
            let start = granted[from].0;
            let mut sum = 0_u128;
            granted[from..].iter().any(|(at, amount)| {
                sum += u128::from(*amount) * u128::from(rate.unit);
                sum > u128::from(rate.burst) * u128::from(rate.unit)
                    + u128::from(at.abs_diff(start))
            })
        })
    }

    proptest! {
        /// Whatever is asked, refunded and when: what stays granted never exceeds the burst plus
        /// what flowed in, in any window; and without refunds nothing that fits is refused.
        #[test]
        fn no_window_holds_more_than_the_rate_allows(
            count in 1_u64..50, period_ms in 1_u64..5_000, burst in 1_u64..30,
            asks in prop::collection::vec((0_i64..800, 1_u64..6, any::<bool>(), 0_usize..40), 1..200),
        ) {
            let rate = Rate::new(count, period_ms, burst);
            let mut bucket = Bucket::new();
            let mut granted: Vec<(i64, u64)> = Vec::new();
            let mut now = 0;
            let mut refunded = false;
            for (gap_ms, amount, refund, which) in asks {
                now += gap_ms * MS / 7;
                if let Some(_cost) = ask(&mut bucket, rate, now, amount) {
                    granted.push((now, amount));
                } else if !refunded && amount <= burst {
                    let mut with = granted.clone();
                    with.push((now, amount));
                    assert!(over_granted(rate, &with), "refused what fits");
                }
                if refund && !granted.is_empty() {
                    refunded = true;
                    let place = granted.len() - 1 - which % granted.len();
                    let (at, amount) = granted.remove(place);
                    bucket.give_back(at, rate.cost(amount));
                }
                assert!(!over_granted(rate, &granted));
            }
        }
    }
}
