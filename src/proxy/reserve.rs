//! Whether the CRM has calls left beyond those that are kept for people (`reserve` in `limits`). Asked
//! before anything is sent for a request: reads and prior reads take calls too.

use jiff::Timestamp;

use super::words;
use crate::app::RouteState;
use crate::config::Mode;
use crate::error::Refusal;
use crate::policy::RuleSet;

/// The limits that would have stopped the request and only observe.
///
/// # Errors
/// The refusal, where one stops it.
pub(super) fn spared(
    state: &RouteState,
    rules: &RuleSet,
    now: Timestamp,
) -> Result<Vec<String>, Refusal> {
    let mut observing = Vec::new();
    for reserve in rules.reserves_for(state.route.crm, &state.route.name) {
        let Some(short) = state.quota.short(reserve.percent, now) else {
            continue;
        };
        if state.route.mode == Mode::Observe || rules.observes(&reserve.name) {
            observing.push(reserve.name.clone());
        } else {
            return Err(words::reserved(reserve, &short));
        }
    }
    Ok(observing)
}
