//! What the engine says, word by word of the design, and what must hold for every rule set.

mod properties;
mod rows;
mod rules;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;
use crate::mutation::{Acting, Actor};
use crate::mutation::{
    ChangeSet, Claims, CrmKind, Opaque, RecordKey, Requirement, Snapshot, Undo, Verdict,
};

fn compile(text: &str) -> RuleSet {
    RuleSet::compile(&[("a.yaml".into(), text.into())]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("{value} is no map");
    };
    map
}

fn mutation(operation: Operation, object: &str, fields: Value) -> Mutation {
    Mutation {
        object: object.into(),
        operation,
        record: (operation != Operation::Create).then(|| RecordKey::id("1")),
        fields: map(fields),
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn update(object: &str, fields: Value) -> Mutation {
    mutation(Operation::Update, object, fields)
}

fn found(fields: Value) -> Prior {
    Prior::Found {
        id: "1".into(),
        fields: map(fields),
        stamp: None,
    }
}

/// A question with the usual answers; change what a test is about.
struct Ask {
    changes: ChangeSet,
    priors: Option<Vec<Prior>>,
    service_account: &'static str,
    claims: Claims,
    acting: Acting,
    origin: Origin,
    crm: CrmKind,
    route: &'static str,
    method: &'static str,
    path: &'static str,
}

impl Ask {
    fn of(mutations: Vec<Mutation>) -> Self {
        Self {
            changes: ChangeSet::Mutations(mutations),
            priors: None,
            service_account: "agent",
            claims: Claims::default(),
            acting: Acting::new(),
            origin: Origin::Agent,
            crm: CrmKind::Salesforce,
            route: "salesforce",
            method: "PATCH",
            path: "/services/data/v65.0/sobjects/Account/1",
        }
    }

    fn opaque(method: &'static str, path: &'static str) -> Self {
        let mut ask = Self::of(Vec::new());
        ask.changes = ChangeSet::Opaque(Opaque::unknown("unknown path"));
        ask.method = method;
        ask.path = path;
        ask
    }

    fn prior(mut self, prior: Prior) -> Self {
        self.priors = Some(vec![prior]);
        self
    }

    fn by(mut self, service_account: &'static str) -> Self {
        self.service_account = service_account;
        self
    }

    fn evaluate(&self, set: &RuleSet) -> Evaluation {
        let actor = Actor {
            service_account: self.service_account.into(),
            claims: self.claims.clone(),
        };
        let snapshot = self.priors.clone().map(Snapshot::of);
        set.evaluate(&Question {
            total: None,
            crm: self.crm,
            route: self.route,
            actor: &actor,
            origin: self.origin,
            method: self.method,
            path: self.path,
            acting: &self.acting,
            changes: &self.changes,
            snapshot: snapshot.as_ref(),
            now: Timestamp::UNIX_EPOCH,
        })
    }

    fn verdict(&self, set: &RuleSet) -> Verdict {
        match self.evaluate(set) {
            Evaluation::Decided { verdict, .. } => verdict,
            Evaluation::NeedsPrior(fields) => panic!("needs {fields:?}"),
        }
    }

    /// The effect and the rules that decided.
    fn says(&self, set: &RuleSet) -> (Effect, Vec<String>) {
        let verdict = self.verdict(set);
        let rules = verdict.deciding().map(|reason| reason.rule.clone());
        (verdict.effect, rules.collect())
    }
}

fn deny(rules: &[&str]) -> (Effect, Vec<String>) {
    (
        Effect::Deny,
        rules.iter().map(|&rule| rule.into()).collect(),
    )
}

fn hold(rules: &[&str]) -> (Effect, Vec<String>) {
    (
        Effect::Hold,
        rules.iter().map(|&rule| rule.into()).collect(),
    )
}

fn allow() -> (Effect, Vec<String>) {
    (Effect::Allow, Vec::new())
}
