//! The kill switches as they stand in Redis: the version at which one was thrown, a blank, its JSON.

use redis::Value;

use super::reply::text;
use crate::control::Switch;

/// A switch of its JSON.
#[expect(clippy::disallowed_methods, reason = "our own writing")]
pub(super) fn parsed(json: &str) -> Option<Switch> {
    match serde_json::from_str(json) {
        Ok(switch) => Some(switch),
        Err(error) => {
            tracing::error!(%error, "a kill switch in Redis has an unknown form");
            None
        }
    }
}

/// A switch as JSON.
pub(super) fn json(switch: &Switch) -> Option<String> {
    serde_json::to_string(switch).ok()
}

/// All that are thrown, in the order in which they were; `None` where one cannot be read, which may be
/// the one that counts.
pub(super) fn all(values: &[Value]) -> Option<Vec<Switch>> {
    let mut all = values
        .iter()
        .map(|value| {
            let (version, json) = text(value)?.split_once(' ')?;
            Some((version.parse::<u64>().ok()?, parsed(json)?))
        })
        .collect::<Option<Vec<_>>>()?;
    all.sort_by_key(|(version, _)| *version);
    Some(all.into_iter().map(|(_, switch)| switch).collect())
}
