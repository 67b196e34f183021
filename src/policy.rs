//! Rules → verdict: pure, synchronous, no I/O, time is an argument. JSONPath lives only here.
//! Knows `mutation` and `error` only.

use jiff::Timestamp;

use crate::mutation::{Actor, ChangeSet, Charge, CrmKind, Origin, Snapshot, Verdict};

/// What the rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The CRM of the route.
    pub crm: CrmKind,
    /// The route's name.
    pub route: &'a str,
    /// Who asks.
    pub actor: &'a Actor,
    /// Where the write comes from.
    pub origin: Origin,
    /// The method on the request line.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// What would change.
    pub changes: &'a ChangeSet,
    /// The prior values, once they were read.
    pub snapshot: Option<&'a Snapshot>,
    /// The request's time.
    pub now: Timestamp,
}

/// What the rules answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    /// A verdict.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// Whether prior values were looked at, so that they must still hold when the write arrives.
        rests_on_prior: bool,
    },
    /// A row or rule that could decide looks at prior values: read them and ask again. For each
    /// mutation the fields that rules look at beyond those it writes.
    NeedsPrior(Vec<Vec<String>>),
}

/// A compiled rule set. Immutable; a reload makes a new one.
#[derive(Debug)]
pub struct RuleSet {}

impl RuleSet {
    /// SHA-256 of the files it was compiled from, hex; each entry names it.
    #[must_use]
    pub fn digest(&self) -> &str {
        ""
    }

    /// Judges a request.
    #[must_use]
    pub fn evaluate(&self, question: &Question<'_>) -> Evaluation {
        let _ = question;
        Evaluation::NeedsPrior(Vec::new())
    }

    /// What the request takes from which limits. Uses the ids of the snapshot where there is one.
    #[must_use]
    pub fn charges(&self, question: &Question<'_>) -> Vec<Charge> {
        let _ = question;
        Vec::new()
    }

    /// The longest window of any limit in milliseconds; charges older than that count nowhere.
    #[must_use]
    pub fn longest_window_ms(&self) -> u64 {
        0
    }

    /// What a refused request of this service account takes (`count: refusals`).
    #[must_use]
    pub fn refusal_charges(&self, crm: CrmKind, route: &str, service_account: &str) -> Vec<Charge> {
        let _ = (crm, route, service_account);
        Vec::new()
    }
}
