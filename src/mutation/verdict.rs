//! What the rules said of a request, with the rules and fields that caused it.

use serde::{Deserialize, Serialize};

use super::{Observed, Would};

/// Allow, hold or deny, from the least to the most restrictive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Goes through.
    Allow,
    /// Waits for a person.
    Hold,
    /// Does not happen.
    Deny,
}

impl Effect {
    /// The word used in rules and headers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// What kind of row or rule spoke; decides the wording of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// A field's row: `field Account.Industry`.
    Field,
    /// A `fill-else-*` row whose prior value is not blank.
    Filled,
    /// A `fill-else-*` row whose prior value could not be known.
    PriorUnknown,
    /// An operation's row: `operation Account.delete`.
    Operation,
    /// An object's or file's `default`.
    Default,
    /// A named rule under `rules:`.
    Rule,
    /// An `endpoints` row, or its absence for an opaque request.
    Endpoint,
}

/// One row or rule that spoke for one mutation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What it asks for.
    pub effect: Effect,
    /// What kind of row or rule it is.
    pub kind: ReasonKind,
    /// Its name: `field Opportunity.Amount`, `operation Account.delete`, `rule enterprise-stage`,
    /// `endpoint POST /x`, `default`.
    pub rule: String,
    /// Which mutation, by its place in the change set; `None` for an opaque request.
    pub mutation: Option<usize>,
    /// Which field, as the request spells it.
    pub field: Option<String>,
    /// Why, for people and models: `owned by VP Sales`, a rule's `reason`. Never a prior value.
    pub message: String,
    /// The row's `owner`.
    pub owner: Option<String>,
}

/// What a hold needs before it is released. Requirements of several rows all have to be met; one
/// person's approval counts for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// One person from each of these teams, all different.
    Teams(Vec<String>),
    /// This many different approvers of any team.
    Approvers(u32),
}

/// What the rules say of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The most restrictive of all that spoke.
    pub effect: Effect,
    /// Every row and rule that spoke with an effect other than allow, the deciding ones first.
    pub reasons: Vec<Reason>,
    /// For a hold: all of these have to be met.
    pub requirements: Vec<Requirement>,
    /// For a hold: seconds until it expires (the shortest of the rules that hold; default 7 days).
    pub expires_seconds: i64,
    /// For a hold: seconds the call is kept open first (the longest `wait`, at most 45).
    pub wait_seconds: i64,
    /// What would have spoken, had it been enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<Observed>>,
}

/// A hold expires after seven days unless a rule says otherwise.
pub(super) const HOLD_SECONDS: i64 = 7 * 24 * 3600;

impl Verdict {
    /// A verdict without objections.
    #[must_use]
    pub fn allow() -> Self {
        Self {
            effect: Effect::Allow,
            reasons: Vec::new(),
            requirements: Vec::new(),
            expires_seconds: HOLD_SECONDS,
            wait_seconds: 0,
            observed: None,
        }
    }

    /// The verdict where none is enforced: allow, with what it would have been.
    #[must_use]
    pub fn only_observed(self) -> Self {
        let mut allowed = Self {
            observed: self.observed,
            ..Self::allow()
        };
        allowed.observe(self.reasons);
        allowed
    }

    /// Adds rows and rules that would have spoken.
    pub fn observe(&mut self, reasons: Vec<Reason>) {
        if !reasons.is_empty() {
            self.observed.get_or_insert_default().spoken(reasons);
        }
    }

    /// Adds a limit that would have been reached.
    pub fn observe_limit(&mut self, limit: &str, would: Would) {
        let observed = self.observed.get_or_insert_default();
        observed.reached(limit, would);
    }

    /// What would have happened, the strictest of all.
    #[must_use]
    pub fn would(&self) -> Option<Would> {
        self.observed.as_ref()?.strictest()
    }

    /// The reasons with the verdict's own effect.
    pub fn deciding(&self) -> impl Iterator<Item = &Reason> {
        self.reasons
            .iter()
            .filter(|reason| reason.effect == self.effect)
    }
}
