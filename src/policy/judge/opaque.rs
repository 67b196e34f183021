//! A request that could not be taken apart: denied unless it is openable and an `endpoints` row names it.

use serde_json::Map;

use super::Court;
use super::rows::message;
use crate::mutation::{
    ChangeSet, Effect, Mutation, Operation, Origin, Reason, ReasonKind, Requirement, Undo,
};
use crate::policy::answer::Answer;
use crate::policy::finding::Finding;
use crate::policy::scene::{Before, Scene};

impl Court<'_> {
    /// What rows and rules say. Rules that look at no mutation speak as ever; the others have nothing
    /// to look at. Only the rows' own texts are named: the path can hold a value or a secret.
    pub(super) fn opaque(&self) -> Vec<Finding> {
        let mut findings = if self.openable() {
            self.endpoints()
        } else {
            vec![denied(
                "no `endpoints` row opens what can be taken apart when it is sent another way",
            )]
        };
        findings.extend(self.opaque_rules());
        findings
    }

    fn openable(&self) -> bool {
        match self.question.changes {
            ChangeSet::Opaque(opaque) => opaque.openable,
            ChangeSet::Mutations(_) => false,
        }
    }

    fn endpoints(&self) -> Vec<Finding> {
        let (method, path) = (self.question.method, self.question.path);
        let mut findings = Vec::new();
        let mut named = false;
        for (name, endpoint) in self.files.iter().flat_map(|file| &file.endpoints) {
            let service_account = &self.question.actor.service_account;
            let Some(effect) = endpoint.effect(method, path, service_account) else {
                continue;
            };
            named = true;
            if effect != Effect::Allow {
                let row = &endpoint.row;
                let why = message(ReasonKind::Endpoint, effect, row);
                let reason = reason(effect, format!("endpoint {name}"), why, row.owner.clone());
                let need = self.set.decided_by(row.owner.as_deref());
                findings.push(Finding::of_row(reason, need));
            }
        }
        if !named || self.question.origin != Origin::Agent {
            findings.push(denied("no `endpoints` row names it"));
        }
        findings
    }

    fn opaque_rules(&self) -> Vec<Finding> {
        let nothing = nothing();
        let scene = Scene::new(self.question, &nothing, Before::Blank);
        let rules = self.files.iter().flat_map(|file| &file.rules);
        rules
            .filter(|rule| !rule.applies.needs_mutation() && !rule.when.needs_mutation())
            .filter(|rule| rule.applies.to_request(self.question))
            .filter(|rule| rule.when.range(&scene).most > Answer::No)
            .map(|rule| self.rule_finding(rule, None, None))
            .collect()
    }
}

/// Denied because no row speaks.
fn denied(why: &str) -> Finding {
    let reason = reason(Effect::Deny, "endpoints".to_owned(), why.to_owned(), None);
    Finding::of_row(reason, Requirement::Approvers(1))
}

fn reason(effect: Effect, rule: String, message: String, owner: Option<String>) -> Reason {
    Reason {
        effect,
        kind: ReasonKind::Endpoint,
        rule,
        mutation: None,
        field: None,
        message,
        owner,
    }
}

/// Stands where a mutation would; no condition that speaks of an opaque request looks at it.
fn nothing() -> Mutation {
    Mutation {
        object: String::new(),
        operation: Operation::Invoke,
        record: None,
        fields: Map::new(),
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    }
}
