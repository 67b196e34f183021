//! What follows when a demand does not fit: which one is reported, and the switch that a
//! `then: stop` limit throws.

use super::counters::{Counters, Fit};
use super::demand::Demand;
use super::moment::{in_words, millis_until};
use super::{Ask, Switch, SwitchScope};
use crate::mutation::{Charge, Count, Limit, LimitKind, Then};

/// No clock empties a gauge: say a minute.
const GAUGE_RETRY_MS: u64 = 60_000;

/// The demand that is reported.
pub(super) struct Refused {
    pub(super) charge: Charge,
    pub(super) wanted: u64,
    pub(super) fit: Fit,
    /// The limit throws the kill switch.
    pub(super) trips: bool,
}

impl Refused {
    /// Milliseconds until it fits; `None` when it never does.
    pub(super) fn retry_ms(&self, now: i64) -> Option<u64> {
        retry_ms(now, self.fit.alone, self.fit.free_at)
    }
}

/// The same of a demand's fit.
pub(super) fn retry_ms(now: i64, alone: bool, free_at: Option<i64>) -> Option<u64> {
    let wait = free_at.map(|at| millis_until(now, at).max(1));
    (!alone).then(|| wait.unwrap_or(GAUGE_RETRY_MS))
}

/// Whether all demands fit; for each, whether it passes a threshold. When several do not fit, the one
/// that is reported is one that never fits, else one that trips, else the one with the longest wait:
/// what it says of trying again is then true.
pub(super) fn judge(
    counters: &mut Counters,
    now: i64,
    demands: &[Demand],
) -> Result<Vec<bool>, Box<Refused>> {
    let mut over = Vec::with_capacity(demands.len());
    let mut worst: Option<(&Demand, Fit)> = None;
    for demand in demands {
        if demand.wanted == 0 {
            over.push(demand.over);
            continue;
        }
        let fit = counters.fit(now, demand);
        let threshold = demand.charge.limit.then == Then::Hold;
        over.push(threshold && (fit.over || demand.over));
        if fit.over && !threshold {
            let before = worst.as_ref().map(|(demand, fit)| weight(demand, fit));
            if before < Some(weight(demand, &fit)) {
                worst = Some((demand, fit));
            }
        }
    }
    match worst {
        None => Ok(over),
        Some((demand, fit)) => Err(Box::new(Refused {
            charge: demand.charge.clone(),
            wanted: demand.wanted,
            fit,
            trips: !fit.alone && demand.charge.limit.then == Then::Stop,
        })),
    }
}

fn weight(demand: &Demand, fit: &Fit) -> (bool, bool, i64) {
    (
        fit.alone,
        demand.charge.limit.then == Then::Stop,
        fit.free_at.unwrap_or(i64::MAX),
    )
}

/// The switch that a limit throws: everything of the service account that asked, until a person
/// resumes it.
pub(super) fn switch_for_limit(ask: &Ask, charge: &Charge, used: u64, wanted: u64) -> Switch {
    let limit = &charge.limit;
    Switch {
        service_account: ask.service_account.clone(),
        scope: SwitchScope::All,
        by: format!("limit {}", limit.name),
        reason: format!("{used}{}{wanted} more asked for", between(limit)),
        at: ask.now,
        limit: Some(limit.name.clone()),
    }
}

/// What the reason says between what is used and what was wanted.
pub(super) fn between(limit: &Limit) -> String {
    let counted = match limit.count {
        Count::Requests => "requests".to_owned(),
        Count::Mutations => "mutations".to_owned(),
        Count::Records => "records".to_owned(),
        Count::Refusals => "refusals".to_owned(),
        Count::Holds => "holds".to_owned(),
        Count::Operation(operation) => format!("{operation} operations"),
    };
    let (max, window) = match limit.kind {
        LimitKind::Budget { max, window_ms: 0 } => (max, "at once".to_owned()),
        LimitKind::Budget { max, window_ms } => (max, format!("in {}", in_words(window_ms))),
        LimitKind::Rate {
            count,
            period_ms,
            burst,
        } => (burst, format!("at {count} per {}", in_words(period_ms))),
    };
    format!(" of {max} {counted} used {window}, ")
}
