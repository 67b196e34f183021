//! The CRM's own quota: what its answers said last, and whether what is left is kept for people.
//!
//! A limit with `reserve: 20%` stops agents while no more than that share is left. The numbers come from
//! the CRM alone, which counts everybody's calls: people's, other programs', our own prior reads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::crm::quota::{Quota, Window};

/// What was told of a day is looked at again after this: one request passes then, to hear how things
/// stand.
const LOOK_AGAIN_MS: i64 = 60_000;
/// The interval that HubSpot counts in, where an answer does not say how long it is.
const INTERVAL_MS: u64 = 10_000;
/// Nothing was told yet.
const NEVER: u64 = u64::MAX;

/// What one route's CRM said last.
#[derive(Debug, Default)]
pub struct Told {
    daily: Last,
    interval: Last,
    interval_ms: AtomicU64,
}

#[derive(Debug)]
struct Last {
    max: AtomicU64,
    remaining: AtomicU64,
    /// When it was told, or looked at again; milliseconds since 1970.
    at: AtomicI64,
}

/// No more is left than is kept for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// What is left of what.
    pub window: Window,
    /// How much of it is kept.
    pub kept: u64,
    /// When the interval ends; `None`: it is the day's quota.
    pub ends_in: Option<SignedDuration>,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            max: AtomicU64::new(NEVER),
            remaining: AtomicU64::new(NEVER),
            at: AtomicI64::new(i64::MIN),
        }
    }
}

impl Last {
    fn note(&self, window: Window, now: Timestamp) {
        self.max.store(window.max, Ordering::Relaxed);
        self.remaining.store(window.remaining, Ordering::Relaxed);
        self.at.store(now.as_millisecond(), Ordering::Relaxed);
    }

    fn told(&self) -> Option<Window> {
        let window = Window {
            max: self.max.load(Ordering::Relaxed),
            remaining: self.remaining.load(Ordering::Relaxed),
        };
        (window.max != NEVER && window.remaining != NEVER).then_some(window)
    }

    /// What is left and kept, where no more is left than that.
    fn short(&self, percent: u64) -> Option<(Window, u64)> {
        let window = self.told()?;
        let kept = u128::from(window.max) * u128::from(percent);
        let kept = u64::try_from(kept.div_ceil(100)).unwrap_or(u64::MAX);
        (window.remaining <= kept).then_some((window, kept))
    }

    /// Milliseconds since it was told.
    fn age(&self, now: Timestamp) -> i64 {
        let at = self.at.load(Ordering::Relaxed);
        now.as_millisecond().saturating_sub(at)
    }

    /// Whether the caller is the one that looks again: one a minute is.
    fn looks_again(&self, now: Timestamp) -> bool {
        let (at, now) = (self.at.load(Ordering::Relaxed), now.as_millisecond());
        let due = now.saturating_sub(at) >= LOOK_AGAIN_MS;
        let order = Ordering::Relaxed;
        due && self.at.compare_exchange(at, now, order, order).is_ok()
    }
}

impl Told {
    /// Notes what an answer said.
    pub fn note(&self, quota: Quota, now: Timestamp) {
        if let Some(window) = quota.daily {
            self.daily.note(window, now);
        }
        if let Some(window) = quota.interval {
            self.interval.note(window, now);
            let length = quota.interval_ms.unwrap_or(INTERVAL_MS);
            self.interval_ms.store(length, Ordering::Relaxed);
        }
    }

    /// The windows that were told of, by name.
    #[must_use]
    pub fn windows(&self) -> Vec<(&'static str, Window)> {
        [("daily", &self.daily), ("interval", &self.interval)]
            .into_iter()
            .filter_map(|(name, last)| Some((name, last.told()?)))
            .collect()
    }

    /// Whether no more than `percent` of some window is left. What was told of an interval holds until
    /// it ends. The day's quota grows again without a word: once a minute one caller hears `None` and
    /// goes on, so that its answer tells.
    #[must_use]
    pub fn short(&self, percent: u64, now: Timestamp) -> Option<Short> {
        if let Some((window, kept)) = self.daily.short(percent)
            && !self.daily.looks_again(now)
        {
            return Some(Short {
                window,
                kept,
                ends_in: None,
            });
        }
        let (window, kept) = self.interval.short(percent)?;
        let length = i64::try_from(self.interval_ms.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let left = length.saturating_sub(self.interval.age(now));
        (left > 0).then(|| Short {
            window,
            kept,
            ends_in: Some(SignedDuration::from_millis(left)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + ms).unwrap()
    }

    fn window(max: u64, remaining: u64) -> Option<Window> {
        Some(Window { max, remaining })
    }

    fn daily(max: u64, remaining: u64) -> Quota {
        Quota {
            daily: window(max, remaining),
            ..Quota::default()
        }
    }

    #[test]
    fn nothing_told_stops_nobody() {
        assert_eq!(Told::default().short(99, at(0)), None);
    }

    #[test]
    fn the_share_that_is_kept_is_rounded_up_and_not_touched() {
        let told = Told::default();
        told.note(daily(5001, 1002), at(0));
        assert_eq!(told.short(20, at(1)), None);
        told.note(daily(5001, 1001), at(2));
        let short = told.short(20, at(3)).unwrap();
        assert_eq!((short.kept, short.ends_in), (1001, None));
    }

    #[test]
    fn once_a_minute_one_caller_looks_again_whether_it_is_told_or_not() {
        let told = Told::default();
        told.note(daily(100, 0), at(0));
        assert!(told.short(20, at(59_999)).is_some());
        assert_eq!(told.short(20, at(60_000)), None);
        assert!(told.short(20, at(60_000)).is_some());
        assert!(told.short(20, at(119_999)).is_some());
        assert_eq!(told.short(20, at(120_000)), None);
        told.note(daily(100, 90), at(120_001));
        assert_eq!(told.short(20, at(120_002)), None);
    }

    #[test]
    fn an_interval_holds_until_it_ends() {
        let told = Told::default();
        let quota = Quota {
            interval: window(190, 38),
            interval_ms: Some(10_000),
            ..Quota::default()
        };
        told.note(quota, at(0));
        let short = told.short(20, at(4_000)).unwrap();
        assert_eq!(short.ends_in, Some(SignedDuration::from_secs(6)));
        assert_eq!(told.short(20, at(10_000)), None);
        // without a length it is ten seconds
        told.note(
            Quota {
                interval_ms: None,
                ..quota
            },
            at(20_000),
        );
        assert!(told.short(20, at(29_999)).is_some());
        assert_eq!(told.short(20, at(30_000)), None);
    }
}
