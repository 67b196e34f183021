//! Moments and spans as the counters compute with them: whole microseconds, the finest that every
//! store's clock shows.
//!
//! Moments, spans and amounts are at most 2^52 each, so that the sum of any two is exact in a double,
//! which is all that a script in Redis computes with. 2^52 microseconds after 1970 is the year 2112.

use jiff::Timestamp;

pub(super) const MICROS_PER_MS: u64 = 1_000;

/// The largest moment, span and amount.
pub(super) const MOST: u64 = 1 << 52;

/// Microseconds since 1970 in UTC; moments before count as 1970, moments after 2112 as 2112.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond().clamp(0, span(MOST))
}

/// A span as a difference of moments.
pub(super) fn span(micros: u64) -> i64 {
    i64::try_from(micros.min(MOST)).unwrap_or(i64::MAX)
}

/// Milliseconds as a difference of moments.
pub(super) fn millis(ms: u64) -> i64 {
    span(ms.saturating_mul(MICROS_PER_MS))
}

/// Milliseconds from one moment to another, rounded up; 0 when it has passed.
pub(super) fn millis_until(now: i64, then: i64) -> u64 {
    if then > now {
        then.abs_diff(now).div_ceil(MICROS_PER_MS)
    } else {
        0
    }
}

/// A span as rules write it: `500ms`, `90s`, `2m`, `1h`, `7d`.
pub(super) fn in_words(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    UNITS
        .into_iter()
        .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit))
        .map_or_else(
            || format!("{ms}ms"),
            |(unit, word)| format!("{}{word}", ms / unit),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_in_rules() {
        assert_eq!(in_words(120_000), "2m");
        assert_eq!(in_words(90_000), "90s");
        assert_eq!(in_words(86_400_000), "1d");
        assert_eq!(in_words(1_500), "1500ms");
    }

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!(millis_until(0, 1), 1);
        assert_eq!(millis_until(0, 1_000), 1);
        assert_eq!(millis_until(0, 1_001), 2);
        assert_eq!(millis_until(5, 5), 0);
        assert_eq!(millis_until(i64::MIN, i64::MAX), u64::MAX.div_ceil(1_000));
    }

    #[test]
    fn sums_of_moments_and_spans_are_exact_in_a_double() {
        let far = Timestamp::MAX;
        assert_eq!(micros(far), 1 << 52);
        assert_eq!(micros(Timestamp::MIN), 0);
        let largest = micros(far) + millis(u64::MAX);
        assert_eq!(largest, 1 << 53);
    }
}
