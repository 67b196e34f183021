//! Durations (`72h`, `1h30m`), rates (`10/s`) and shares (`20%`).

/// Ten years: longer ones are mistakes.
const LONGEST: i64 = 3_650 * 86_400;

const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Seconds of a duration: numbers with units, the larger ones first, each at most once.
///
/// # Errors
/// What to write instead.
pub fn duration(text: &str) -> Result<i64, String> {
    parse(text)
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .ok_or_else(|| {
            format!("`{text}` is not a duration: write it like 30s, 10m, 1h30m, 72h or 7d")
        })
}

fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds = 0_i64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at_checked(digits)?;
        let mut letters = after.chars();
        let unit = letters.next()?;
        let (_, size) = units.find(|(letter, _)| *letter == unit)?;
        let part = number.parse::<i64>().ok()?.checked_mul(*size)?;
        seconds = seconds.checked_add(part)?;
        rest = letters.as_str();
    }
    Some(seconds)
}

/// How many, and in how many milliseconds.
///
/// # Errors
/// What to write instead.
pub fn rate(text: &str) -> Result<(u64, u64), String> {
    let parsed = || {
        let (count, unit) = text.split_once('/')?;
        let count = count.parse::<u64>().ok().filter(|count| *count > 0)?;
        let mut letters = unit.chars();
        let letter = letters.next()?;
        let (_, seconds) = UNITS.iter().find(|(known, _)| *known == letter)?;
        let period = u64::try_from(*seconds).ok()?.checked_mul(1000)?;
        letters.as_str().is_empty().then_some((count, period))
    };
    parsed().ok_or_else(|| format!("`{text}` is not a rate: write it like 10/s, 100/m or 1000/h"))
}

/// A share of 1 to 99 of a hundred.
///
/// # Errors
/// What to write instead.
pub(super) fn percent(text: &str) -> Result<u64, String> {
    let digits = text.strip_suffix('%').unwrap_or_default();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let share = digits.parse().ok().filter(|share| (1..100).contains(share));
    share
        .filter(|_| plain)
        .ok_or_else(|| format!("`{text}` is not a share: write it like 20%, from 1% to 99%"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_and_rates_are_read() {
        assert_eq!(duration("72h"), Ok(259_200));
        assert_eq!(duration("1h30m"), Ok(5_400));
        assert_eq!(duration("1d"), Ok(86_400));
        assert_eq!(duration("45s"), Ok(45));
        assert_eq!(rate("10/s"), Ok((10, 1_000)));
        assert_eq!(rate("100/m"), Ok((100, 60_000)));
        assert_eq!(rate("1/d"), Ok((1, 86_400_000)));
        assert_eq!((percent("1%"), percent("99%")), (Ok(1), Ok(99)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "h",
            "0s",
            "-1h",
            "1w",
            "30m1h",
            "1h1h",
            "1.5h",
            "1 h",
            "99999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in [
            "", "10", "10/", "/s", "0/s", "10/w", "10/ss", "-1/s", "1.5/s",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
        for text in [
            "", "%", "20", "0%", "100%", "-1%", "+5%", "1.5%", "20 %", "20%%",
        ] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_duration_reads_what_it_writes(d in 0_i64..100, h in 0_i64..24, m in 0_i64..60, s in 1_i64..60) {
            let text = format!("{d}d{h}h{m}m{s}s");
            prop_assert_eq!(duration(&text), Ok(((d * 24 + h) * 60 + m) * 60 + s));
        }
    }
}
