//! What a caller is told when a limit is reached: when to try again, or how many fit.

use jiff::Timestamp;

use super::clock_time;
use crate::crm::quota::Window;
use crate::error::{Refusal, RefusalKind};
use crate::mutation::{Charge, Limit, LimitKind};
use crate::policy::Reserve;
use crate::quota::Short;

/// A limit.
pub(super) fn limited(
    charge: &Charge,
    used: u64,
    retry_ms: Option<u64>,
    fits: u64,
    now: Timestamp,
) -> Refusal {
    let Limit { name, kind, .. } = &charge.limit;
    let what = charge.limit.count.word();
    let (kind_of, message) = match (kind, retry_ms) {
        (LimitKind::Rate { burst, .. }, None) => (
            RefusalKind::Budget,
            format!(
                "Not written: this request alone has {} {what}, and limit {name} allows {burst} at \
                 once. Send at most {burst} at a time.",
                charge.amount
            ),
        ),
        (
            LimitKind::Rate {
                count, period_ms, ..
            },
            Some(wait),
        ) => (
            RefusalKind::Limited,
            format!(
                "Not written: limit {name} allows {count} per {}. Try again in {} s.",
                one_of(*period_ms),
                seconds(wait)
            ),
        ),
        (LimitKind::Budget { max, window_ms }, None) => (
            RefusalKind::Budget,
            format!(
                "Not written: this request alone has {} {what}, and limit {name} allows {max} in {}; \
                 {fits} fit now. Send fewer at a time.",
                charge.amount,
                span(*window_ms)
            ),
        ),
        // The minute is rounded up: at the minute that is named there is room.
        (LimitKind::Budget { max, window_ms }, Some(wait)) => (
            RefusalKind::Budget,
            format!(
                "Not written: limit {name} is used up ({used} of {max} {what} in {}). Room again at \
                 {}; stop until then.",
                span(*window_ms),
                clock_time(after(now, wait.saturating_add(59_999)), now)
            ),
        ),
    };
    let mut refusal = Refusal::new(kind_of, message);
    refusal.rule = Some(format!("limit {name}"));
    if kind_of == RefusalKind::Limited {
        refusal.retry_after = retry_ms.map(seconds);
    }
    refusal
}

/// Whether a limit lets nothing pass at all: then no wait for its window makes room.
pub(super) fn is_closed(charge: &Charge) -> bool {
    matches!(charge.limit.kind, LimitKind::Budget { max: 0, .. })
}

/// A limit that allows none, until the value that says so ends.
pub(super) fn closed(charge: &Charge, ends: Option<Timestamp>, now: Timestamp) -> Refusal {
    let Limit { name, count, .. } = &charge.limit;
    let what = count.word();
    let until = match ends {
        // Rounded up, as above.
        Some(ends) => {
            let minute = clock_time(after(ends, 59_999), now);
            format!(" until {minute}; stop until then.")
        }
        None => "; stop.".to_owned(),
    };
    let message = format!("Not written: limit {name} allows no {what}{until}");
    let mut refusal = Refusal::new(RefusalKind::Budget, message);
    refusal.rule = Some(format!("limit {name}"));
    refusal
}

/// No more of the CRM's calls is left than is kept for people.
#[must_use]
pub fn reserved(reserve: &Reserve, short: &Short) -> Refusal {
    let Reserve { name, percent } = reserve;
    let Window { max, remaining } = short.window;
    let kept = short.kept;
    let mut refusal = match short.ends_in {
        Some(left) => {
            let wait = seconds(u64::try_from(left.as_millis()).unwrap_or_default());
            let mut refusal = Refusal::new(
                RefusalKind::Limited,
                format!(
                    "Not written: the CRM has {remaining} of {max} calls left for now, and limit {name} \
                     keeps {kept} ({percent} %) for people. Nothing was sent. Try again in {wait} s."
                ),
            );
            refusal.retry_after = Some(wait);
            refusal
        }
        None => Refusal::new(
            RefusalKind::Budget,
            format!(
                "Not written: the CRM has {remaining} of {max} calls left for the day, and limit {name} \
                 keeps {kept} ({percent} %) for people. Nothing was sent, reads neither; stop until \
                 there are more."
            ),
        ),
    };
    refusal.rule = Some(format!("limit {name}"));
    refusal
}

/// `second`, `minute`, `10 s`: the period of a rate.
fn one_of(period_ms: u64) -> String {
    match period_ms {
        1000 => "second".into(),
        60_000 => "minute".into(),
        3_600_000 => "hour".into(),
        86_400_000 => "day".into(),
        other => span(other),
    }
}

/// `1 h`, `7 d`, `90 s`.
pub(super) fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1000, "s"),
    ];
    units
        .into_iter()
        .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit))
        .map_or_else(
            || format!("{ms} ms"),
            |(unit, name)| format!("{} {name}", ms / unit),
        )
}

/// Whole seconds, rounded up, at least one.
fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1000).max(1)
}

fn after(now: Timestamp, ms: u64) -> Timestamp {
    let later = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX / 1000));
    now.checked_add(later).unwrap_or(Timestamp::MAX)
}
