//! What single rows and rules say, and how they add up to a verdict.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::mutation::{Effect, Reason, Requirement, Verdict};

/// One row or rule that spoke, with what its hold would need.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) reason: Reason,
    pub(super) need: Requirement,
    pub(super) expires_seconds: Option<i64>,
    pub(super) wait_seconds: i64,
}

impl Finding {
    /// A row's: whoever owns it decides, for the usual time.
    pub(super) fn of_row(reason: Reason, need: Requirement) -> Self {
        Self {
            reason,
            need,
            expires_seconds: None,
            wait_seconds: 0,
        }
    }

    fn order(&self) -> impl Ord + '_ {
        let reason = &self.reason;
        (
            Reverse(reason.effect),
            reason.mutation,
            &reason.rule,
            &reason.field,
            &reason.message,
            &reason.owner,
        )
    }
}

/// Adds findings up: the most restrictive decides, all have to be satisfied. The result does not
/// depend on their order. Those of rules that only observe are told beside it.
pub(super) fn verdict(mut findings: Vec<Finding>, observed: Vec<Finding>) -> Verdict {
    let mut verdict = Verdict::allow();
    verdict.observe(reasons(observed));
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    if let Some(first) = findings.first() {
        verdict.effect = first.reason.effect;
    }
    if verdict.effect == Effect::Hold {
        verdict.requirements = requirements(findings.iter().map(|finding| &finding.need));
        if let Some(seconds) = findings.iter().filter_map(|f| f.expires_seconds).min() {
            verdict.expires_seconds = seconds;
        }
        verdict.wait_seconds = findings.iter().map(|f| f.wait_seconds).max().unwrap_or(0);
    }
    verdict.reasons = reasons(findings);
    verdict
}

/// Each reason once, the most restrictive first.
fn reasons(mut findings: Vec<Finding>) -> Vec<Reason> {
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut reasons: Vec<Reason> = findings.into_iter().map(|finding| finding.reason).collect();
    reasons.dedup();
    reasons
}

/// Every requirement once, without those that another one includes: who meets it meets them too. The
/// teams of each stand as the rule names them.
fn requirements<'f>(needs: impl Iterator<Item = &'f Requirement>) -> Vec<Requirement> {
    let mut all: BTreeMap<Need<'_>, &Requirement> = BTreeMap::new();
    for need in needs {
        all.entry(Need::of(need)).or_insert(need);
    }
    let others = |need: &Need<'_>| {
        all.keys()
            .any(|other| other != need && other.includes(need))
    };
    let left = all.iter().filter(|(need, _)| !others(need));
    left.map(|(_, requirement)| Requirement::clone(requirement))
        .collect()
}

/// A requirement by what it asks, in an order of its own.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need<'f> {
    Teams(BTreeSet<&'f str>),
    Approvers(u32),
}

impl<'f> Need<'f> {
    fn of(requirement: &'f Requirement) -> Self {
        match requirement {
            Requirement::Teams(teams) => Self::Teams(teams.iter().map(String::as_str).collect()),
            Requirement::Approvers(count) => Self::Approvers(*count),
        }
    }

    /// Whether whoever meets this one meets the other.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Teams(teams), Self::Teams(fewer)) => fewer.is_subset(teams),
            (Self::Teams(teams), Self::Approvers(count)) => {
                u32::try_from(teams.len()).unwrap_or(u32::MAX) >= *count
            }
            (Self::Approvers(count), Self::Approvers(fewer)) => count >= fewer,
            (Self::Approvers(_), Self::Teams(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teams(names: &[&str]) -> Requirement {
        Requirement::Teams(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_requirement_that_another_includes_is_not_asked_twice() {
        let needs = [
            Requirement::Approvers(1),
            teams(&["Sales Ops"]),
            teams(&["Sales Ops", "Deal Desk"]),
            teams(&["RevOps"]),
            Requirement::Approvers(2),
            teams(&["Deal Desk", "Sales Ops"]),
        ];
        // as the first of two rules that ask the same names them
        assert_eq!(
            requirements(needs.iter()),
            [teams(&["Sales Ops", "Deal Desk"]), teams(&["RevOps"])]
        );
        let needs = [Requirement::Approvers(3), teams(&["RevOps"])];
        assert_eq!(
            requirements(needs.iter()),
            [teams(&["RevOps"]), Requirement::Approvers(3)]
        );
        assert_eq!(requirements([].iter()), []);
    }
}
