//! Moments and spans as the counters compute with them: whole nanoseconds.

use jiff::Timestamp;

pub(super) const NANOS_PER_MS: u64 = 1_000_000;

/// Nanoseconds since 1970 in UTC; moments after 2262 count as 2262.
pub(super) fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// A span as a difference of moments.
pub(super) fn span(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// Milliseconds as a difference of moments.
pub(super) fn millis(ms: u64) -> i64 {
    span(ms.saturating_mul(NANOS_PER_MS))
}

/// Milliseconds from one moment to another, rounded up; 0 when it has passed.
pub(super) fn millis_until(now: i64, then: i64) -> u64 {
    if then > now {
        then.abs_diff(now).div_ceil(NANOS_PER_MS)
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
        assert_eq!(millis_until(0, 1_000_000), 1);
        assert_eq!(millis_until(5, 5), 0);
        assert_eq!(
            millis_until(i64::MIN, i64::MAX),
            u64::MAX.div_ceil(1_000_000)
        );
    }
}
