//! Rules with conditions: they only make a verdict stricter.

use super::Question;
use super::condition::Condition;
use super::pattern::Pattern;
use crate::mutation::{Effect, Mutation, Operation, Origin, Requirement};

/// A compiled rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) applies: Applies,
    pub(super) when: Condition,
    pub(super) then: Effect,
    pub(super) approvers: Option<Requirement>,
    pub(super) expires_seconds: Option<i64>,
    pub(super) wait_seconds: i64,
    pub(super) reason: Option<String>,
    pub(super) owner: Option<String>,
    /// What it would say is recorded, and nothing else.
    pub(super) observe: bool,
}

/// What a rule is about. An empty list is about everything; `origin` is about agents unless it says
/// otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Applies {
    pub(super) objects: Vec<Pattern>,
    pub(super) fields: Vec<Pattern>,
    pub(super) service_accounts: Vec<Pattern>,
    pub(super) operations: Vec<Operation>,
    pub(super) routes: Vec<Pattern>,
    pub(super) origins: Vec<Origin>,
}

impl Applies {
    /// Whether it is about a request, leaving mutations aside.
    pub(super) fn to_request(&self, question: &Question<'_>) -> bool {
        let origin = if self.origins.is_empty() {
            question.origin == Origin::Agent
        } else {
            self.origins.contains(&question.origin)
        };
        origin
            && named(&self.routes, question.route)
            && named(&self.service_accounts, &question.actor.service_account)
    }

    /// Whether it is about a mutation that is judged as these operations. `object` is in lower case.
    pub(super) fn to_mutation(
        &self,
        object: &str,
        mutation: &Mutation,
        judged_as: &[Operation],
    ) -> bool {
        let operation = self.operations.is_empty()
            || self
                .operations
                .iter()
                .any(|wanted| *wanted == mutation.operation || judged_as.contains(wanted));
        operation
            && (self.objects.is_empty() || self.objects.iter().any(|name| name.matches(object)))
            && (self.fields.is_empty() || self.field(mutation).is_some())
    }

    /// The first written field that it names.
    pub(super) fn field<'m>(&self, mutation: &'m Mutation) -> Option<&'m str> {
        mutation.fields.keys().map(String::as_str).find(|field| {
            let folded = field.to_ascii_lowercase();
            self.fields.iter().any(|pattern| pattern.matches(&folded))
        })
    }

    /// Whether it can be about a request that could not be taken apart.
    pub(super) fn needs_mutation(&self) -> bool {
        !(self.objects.is_empty() && self.fields.is_empty() && self.operations.is_empty())
    }
}

fn named(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || {
        let folded = name.to_ascii_lowercase();
        patterns.iter().any(|pattern| pattern.matches(&folded))
    }
}
