//! Limits and charges: what may be done how often, and what one change set takes from it.

use serde::{Deserialize, Serialize};

use super::Operation;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Count {
    /// Governed requests.
    Requests,
    /// Mutations.
    Mutations,
    /// Different records.
    Records,
    /// Refused requests.
    Refusals,
    /// Holds that wait now.
    Holds,
    /// Mutations with one operation.
    Operation(Operation),
}

impl Count {
    /// The word in rules.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Mutations => "mutations",
            Self::Records => "records",
            Self::Refusals => "refusals",
            Self::Holds => "holds",
            Self::Operation(operation) => operation.word(),
        }
    }
}

/// What a limit is kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One count for each service account.
    ServiceAccount,
    /// One for each record.
    Record,
    /// One for each object.
    Object,
    /// One for each route.
    Route,
}

impl Per {
    /// The word in rules.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ServiceAccount => "service_account",
            Self::Record => "record",
            Self::Object => "object",
            Self::Route => "route",
        }
    }
}

/// What happens past the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// Refused.
    Deny,
    /// Held for a person: a threshold, not a budget.
    Hold,
    /// Refused, and the service account's kill switch is thrown.
    Stop,
}

impl Then {
    /// The word in rules.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Hold => "hold",
            Self::Stop => "stop",
        }
    }
}

/// The arithmetic of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LimitKind {
    /// So many per period, evenly, with a burst (GCRA).
    Rate {
        /// How many in one period; at least 1.
        count: u64,
        /// The period in milliseconds (`10/s` is 10 and 1000).
        period_ms: u64,
        /// How many may come at once; at least 1.
        burst: u64,
    },
    /// At most so many in any window of this length.
    Budget {
        /// How many; `max` still passes, one more does not.
        max: u64,
        /// The window in milliseconds; 0 for gauges (`holds`).
        window_ms: u64,
    },
}

/// A limit as the rules say it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Its name, unique in a rule set.
    pub name: String,
    /// What it counts.
    pub count: Count,
    /// What it is kept apart by, sorted.
    pub per: Vec<Per>,
    /// Its arithmetic.
    pub kind: LimitKind,
    /// What happens past it.
    pub then: Then,
}

impl Limit {
    /// Whether what was taken from this limit can count for the other one: the same things, kept apart
    /// by the same, as both a rate or both a budget. How many, in which window, and what happens past it
    /// may differ.
    #[must_use]
    pub fn counts_like(&self, other: &Self) -> bool {
        self.counts() == other.counts()
    }

    /// What it counts: `mutations/service_account+record/budget`. Under one name, what was taken from
    /// limits that count the same stands in the same counters, whoever charges them by which rules.
    #[must_use]
    pub fn counts(&self) -> String {
        let per: Vec<&str> = self.per.iter().map(|per| per.word()).collect();
        let kind = match self.kind {
            LimitKind::Rate { .. } => "rate",
            LimitKind::Budget { .. } => "budget",
        };
        format!("{}/{}/{kind}", self.count.word(), per.join("+"))
    }
}

/// What a change set takes from one limit for one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The limit.
    pub limit: Limit,
    /// What `per` came to: `enrichment-agent`, `enrichment-agent/Account/001…`.
    pub key: String,
    /// How many; for `records` the number of different records named.
    pub amount: u64,
    /// The different records, for `count: records`; else empty.
    pub records: Vec<String>,
}
