//! How much of what nobody we know asks for is recorded.

use jiff::Timestamp;
use parking_lot::Mutex;

/// Refusals of callers nobody knows are recorded too, but not as fast as anybody can send them: so many
/// at once, and so many more each second.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<Option<(Timestamp, i64)>>);

impl Strangers {
    const AT_ONCE: i64 = 100;
    const PER_SECOND: i64 = 10;

    /// Whether one more is recorded at `now`; else the log has to do.
    pub fn may_record(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock();
        let (since, left) = state.unwrap_or((now, Self::AT_ONCE));
        let seconds = now.duration_since(since).as_secs().max(0);
        let left = left
            .saturating_add(seconds.saturating_mul(Self::PER_SECOND))
            .min(Self::AT_ONCE);
        let since = if seconds > 0 { now } else { since };
        *state = Some((since, (left - 1).max(0)));
        left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_fill_no_ledger() {
        let strangers = Strangers::default();
        let at = |seconds: i64| Timestamp::from_second(1_700_000_000 + seconds).unwrap();
        let recorded = |seconds: i64| {
            (0..1000)
                .filter(|_| strangers.may_record(at(seconds)))
                .count()
        };
        assert_eq!(recorded(0), 100);
        assert_eq!(recorded(0), 0);
        assert_eq!(recorded(3), 30);
        assert_eq!(recorded(3600), 100);
    }
}
