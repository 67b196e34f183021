//! What was observed and not enforced: on a route with `mode: observe`, by a rule or a limit with
//! `observe: true`.

use serde::{Deserialize, Serialize};

use super::{Effect, Reason};

/// What would have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Would {
    /// It would wait for a person.
    WouldHold,
    /// A limit would refuse it.
    WouldLimit,
    /// A row or rule would refuse it.
    WouldDeny,
}

impl Would {
    /// The word in a header: `deny`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::WouldHold => "hold",
            Self::WouldLimit => "limit",
            Self::WouldDeny => "deny",
        }
    }
}

/// Everything that would have spoken against a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// What would have happened, each once, the strictest first.
    pub would: Vec<Would>,
    /// Rows and rules that would have spoken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// Limits that would have been reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<String>,
}

impl Observed {
    /// Rows and rules would have spoken.
    pub(super) fn spoken(&mut self, reasons: impl IntoIterator<Item = Reason>) {
        for reason in reasons {
            match reason.effect {
                Effect::Allow => continue,
                Effect::Hold => self.add(Would::WouldHold),
                Effect::Deny => self.add(Would::WouldDeny),
            }
            self.reasons.push(reason);
        }
    }

    /// A limit would have been reached.
    pub(super) fn reached(&mut self, limit: &str, would: Would) {
        self.add(would);
        self.limits.push(limit.to_owned());
    }

    /// The strictest.
    #[must_use]
    pub fn strictest(&self) -> Option<Would> {
        self.would.first().copied()
    }

    fn add(&mut self, would: Would) {
        if !self.would.contains(&would) {
            self.would.push(would);
            self.would.sort_by(|a, b| b.cmp(a));
        }
    }
}
