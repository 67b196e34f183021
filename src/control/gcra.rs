//! Rate limits: the generic cell rate algorithm in whole microseconds, rounded against the caller.
//! Pure: the moment is an argument.
//!
//! One unit costs `period / count`, rounded up. The bucket's theoretical arrival time (TAT) is the
//! moment at which it will be full again; a charge fits while TAT stays within `burst` units of now.
//! Taking the charges of the current busy time one by one, `TAT = max(TAT, at) + cost`; they are
//! kept, so that a refund leaves exactly what the others make of it, and so that another rate, set while
//! it is busy, begins with what it would have made of them.

use std::borrow::Cow;

use super::history::History;
use super::moment::{MICROS_PER_MS, MOST, span};

/// Charges of one busy time that are kept apart.
const ROOM: usize = 64;

/// A rate as the limit says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// What can still be taken of a bucket that is so far from full, in microseconds.
    fn room(self, missing: u64) -> u64 {
        self.cost(self.burst).saturating_sub(missing)
    }
}

/// What is used of one rate for one key.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// The rate at which it was charged last; `None`: it never was.
    rate: Option<Rate>,
    tat: i64,
    busy: History,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            rate: None,
            tat: i64::MIN,
            busy: History::new(ROOM, i64::MIN),
        }
    }

    /// The moment at which it is full again, and the charges of its busy time.
    pub(super) fn parts(&self) -> (i64, &History) {
        (self.tat, &self.busy)
    }

    /// Units used at this moment, and the burst, at the rate at which it was charged last.
    pub(super) fn usage(&self, now: i64) -> (u64, u64) {
        let rate = self.rate.map(|rate| (self.used(rate, now), rate.burst()));
        rate.unwrap_or_default()
    }

    /// The bucket at this rate. What was charged at another one counts as so many units of this one, each
    /// at its time; past the burst they only empty the bucket. So a rate that is changed neither gives
    /// again what was had, nor keeps anybody out for longer than this rate takes to fill the bucket.
    pub(super) fn at(&self, rate: Rate, now: i64) -> Cow<'_, Self> {
        let Some(old) = self.rate.filter(|old| *old != rate && self.tat > now) else {
            return Cow::Borrowed(self);
        };
        let mut restated = Self {
            rate: Some(rate),
            tat: i64::MIN,
            busy: History::new(ROOM, self.busy.gone()),
        };
        for event in self.busy.events() {
            let units = event.amount.div_ceil(old.unit);
            let amount = rate.cost(units);
            let room = rate.room(restated.missing(event.at));
            let from = restated.tat.max(event.at);
            restated.tat = from.saturating_add(span(amount.min(room)));
            restated.busy.push(event.at, amount);
        }
        Cow::Owned(restated)
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
        rate.room(self.missing(now)) / rate.unit
    }

    /// The moment at which this many units fit; they must not be more than the burst.
    pub(super) fn fits_at(&self, rate: Rate, amount: u64) -> i64 {
        let slack = rate.cost(rate.burst).saturating_sub(rate.cost(amount));
        self.tat.saturating_sub(span(slack))
    }

    /// Takes units; past the burst only what empties the bucket. Returns the microseconds taken, and
    /// whether what was taken before was at another rate, so that it cannot be given back any more.
    pub(super) fn take(&mut self, rate: Rate, now: i64, amount: u64) -> (u64, bool) {
        let restated = match self.at(rate, now) {
            Cow::Borrowed(_) => false,
            Cow::Owned(restated) => {
                *self = restated;
                true
            }
        };
        self.rate = Some(rate);
        if self.tat <= now {
            self.busy.expire(i64::MAX);
        }
        let cost = rate.cost(amount).min(rate.room(self.missing(now)));
        self.tat = self.tat.max(now).saturating_add(span(cost));
        self.busy.push(now, cost);
        (cost, restated)
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
        let fits = bucket.at(rate, now).fits(rate, now);
        (fits >= amount).then(|| bucket.take(rate, now, amount).0)
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
        assert_eq!(bucket.take(rate, 0, 1_000), (200_000, false));
        assert_eq!(bucket.fits(rate, 200 * MS), 2);
    }

    #[test]
    fn a_slower_rate_gives_no_second_burst() {
        let (fast, slow) = (Rate::new(10, 1_000, 20), Rate::new(1, 1_000, 5));
        let mut bucket = Bucket::new();
        ask(&mut bucket, fast, 0, 20).unwrap();
        // at the old one, two seconds are missing: two units of the new one
        assert_eq!(ask(&mut bucket, slow, 1, 1), None);
        assert_eq!(bucket.at(slow, 1).fits_at(slow, 1), 1_000 * MS);
        assert_eq!(bucket.at(slow, 5_000 * MS).fits(slow, 5_000 * MS), 5);
        // nothing was taken, so the old one goes on as if nothing had been
        assert_eq!(bucket.fits_at(fast, 1), 100 * MS);
    }

    #[test]
    fn a_faster_rate_keeps_nobody_out_for_the_time_of_the_old_one() {
        let (slow, fast) = (Rate::new(1, 60_000, 5), Rate::new(10, 1_000, 20));
        let mut bucket = Bucket::new();
        ask(&mut bucket, slow, 0, 5).unwrap();
        assert_eq!(bucket.at(fast, 0).fits(fast, 0), 15);
        assert!(ask(&mut bucket, fast, 0, 15).is_some());
        assert_eq!(ask(&mut bucket, fast, 0, 1), None);
        assert_eq!(bucket.at(fast, 2_000 * MS).fits(fast, 2_000 * MS), 20);
    }

    #[test]
    fn changing_to_and_fro_gives_nothing() {
        let (one, two) = (Rate::new(10, 1_000, 20), Rate::new(1, 1_000, 3));
        let mut bucket = Bucket::new();
        ask(&mut bucket, one, 0, 20).unwrap();
        assert_eq!(bucket.take(two, 0, 0), (0, true));
        assert_eq!(bucket.take(one, 0, 0), (0, true));
        assert_eq!(bucket.fits(one, 0), 0);
        assert_eq!(bucket.fits_at(one, 1), 100 * MS);
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
        /// A rate that is changed begins with what it would have made of the charges of the busy time:
        /// grants are those of a bucket that always had it, and everything fits once it had the time
        /// to fill.
        #[test]
        fn another_rate_begins_where_it_would_be(
            old in (1_u64..50, 1_u64..5_000, 1_u64..30), new in (1_u64..50, 1_u64..5_000, 1_u64..30),
            before in prop::collection::vec((0_i64..100, 1_u64..6), 1..40),
            after in prop::collection::vec((0_i64..800, 1_u64..6), 1..60),
        ) {
            let (old, new) = (Rate::new(old.0, old.1, old.2), Rate::new(new.0, new.1, new.2));
            let (mut bucket, mut always) = (Bucket::new(), Bucket::new());
            let mut now = 0;
            for (gap_ms, amount) in before {
                now += gap_ms * MS / 7;
                if bucket.tat <= now {
                    always = Bucket::new();
                }
                if ask(&mut bucket, old, now, amount).is_some() {
                    always.take(new, now, amount);
                }
            }
            if bucket.tat <= now {
                always = Bucket::new();
            }
            let full_at = now + span(new.cost(new.burst));
            assert_eq!(bucket.at(new, full_at).fits(new, full_at), new.burst());
            for (gap_ms, amount) in after {
                now += gap_ms * MS / 7;
                // as long as nothing is taken at the new one, the old one forgets when it is full
                if bucket.rate == Some(old) && bucket.tat <= now {
                    always = Bucket::new();
                }
                let granted = ask(&mut bucket, new, now, amount).is_some();
                assert_eq!(granted, ask(&mut always, new, now, amount).is_some());
            }
        }

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
