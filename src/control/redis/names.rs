//! The names under which things stand in Redis. The layout of all keys is told in `lua/fence.lua`; the
//! scripts put generation and name together.
//!
//! Where a record is named by an external key, its value is the customer's: a digest stands for it.

use std::borrow::Cow;
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use crate::mutation::{Limit, Per};

/// What all keys of a deployment begin with. The braces keep them on one node of a cluster.
pub(super) fn prefix(deployment: &str) -> String {
    format!("wg:{{{deployment}}}:")
}

/// The key that every script gets: the others begin as it does.
pub(super) fn state(deployment: &str) -> String {
    format!("{}state", prefix(deployment))
}

/// The channel on which changes are told.
pub(super) fn news(deployment: &str) -> String {
    format!("{}news", prefix(deployment))
}

/// A counter's name, by the limit as its counters name it.
pub(super) fn counter(counted: &str, key: &str) -> String {
    format!("c:{}:{counted}:{}", counted.len(), veiled(key))
}

/// The limit's name, what it counts, and the key, of a counter's name.
pub(super) fn parts(counter: &str) -> Option<(&str, &str, &str)> {
    let (length, rest) = counter.strip_prefix("c:")?.split_once(':')?;
    let length: usize = length.parse().ok()?;
    let (limit, counts) = rest.get(..length)?.rsplit_once(':')?;
    Some((limit, counts, rest.get(length..)?.strip_prefix(':')?))
}

/// The mark by which a resume empties a counter: all counters of its limit, or only those of its service
/// account where they are kept apart.
pub(super) fn mark(limit: &Limit, key: &str) -> String {
    if limit.per.contains(&Per::ServiceAccount) {
        let service_account = key.split('/').next().unwrap_or_default();
        format!("e:{service_account}:{}", limit.name)
    } else {
        format!("E:{}", limit.name)
    }
}

/// Each part `name=value` of a key with a digest in place of the value.
pub(super) fn veiled(key: &str) -> Cow<'_, str> {
    if !key.contains('=') {
        return Cow::Borrowed(key);
    }
    let parts = key.split('/').map(|part| match part.split_once('=') {
        Some((name, value)) => {
            let mut veiled = format!("{name}=~");
            let digest = digest(&SHA256, value.as_bytes());
            for byte in digest.as_ref().iter().take(16) {
                let written = write!(veiled, "{byte:02x}");
                debug_assert!(written.is_ok(), "writing to a string does not fail");
            }
            veiled
        }
        None => part.to_owned(),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_tells_its_limit_and_key() {
        for (limit, key) in [("hourly", "agent"), ("a:b", "c:d/e"), ("", "")] {
            let name = counter(&format!("{limit}:sends/route/rate"), key);
            assert_eq!(parts(&name), Some((limit, "sends/route/rate", key)));
        }
        assert_ne!(counter("a", "b:c"), counter("a:b", "c"));
    }

    #[test]
    fn external_keys_are_veiled_and_stay_different() {
        let ann = veiled("agent/contact/email=ann@acme.test");
        assert!(ann.starts_with("agent/contact/email=~") && !ann.contains("acme"));
        assert_ne!(ann, veiled("agent/contact/email=bob@acme.test"));
        assert_eq!(veiled("r/Account/001xx"), "r/Account/001xx");
    }
}
