//! Judges a change set: what rows and rules say of each mutation, and whether that can still depend
//! on prior values.

mod opaque;
mod rows;

use super::answer::Answer;
use super::finding::{Finding, verdict};
use super::matrix::RuleFile;
use super::rule::Rule;
use super::scene::{Before, Scene};
use super::{Evaluation, Question, RuleSet};
use crate::mutation::{
    Effect, Mutation, Operation, Origin, Prior, Reason, ReasonKind, RecordKey, field,
};

/// What was found of one mutation.
#[derive(Debug, Default, PartialEq)]
struct Judgement {
    /// What holds whatever the prior values are.
    findings: Vec<Finding>,
    /// Whether prior values that were not read yet could add to it.
    pending: bool,
    /// The fields to read for that, beyond those that are written.
    wanted: Vec<String>,
    /// Whether it rests on prior values that were read.
    looked: bool,
}

/// Judges a request.
pub(super) fn evaluate(set: &RuleSet, question: &Question<'_>) -> Evaluation {
    let court = Court {
        set,
        files: set.files_for(question.crm, question.route).collect(),
        question,
    };
    let mutations = question.changes.mutations();
    if mutations.is_empty() {
        return Evaluation::Decided {
            verdict: verdict(court.opaque()),
            rests_on_prior: false,
        };
    }
    let mut findings = Vec::new();
    let mut wanted = Vec::with_capacity(mutations.len());
    let (mut pending, mut looked) = (false, false);
    let created: Vec<Option<Mutation>> = mutations.iter().map(as_created).collect();
    for (index, mutation) in mutations.iter().enumerate() {
        let created = created.get(index).and_then(Option::as_ref);
        let judgement = court.mutation(index, mutation, created.unwrap_or(mutation));
        findings.extend(judgement.findings);
        pending |= judgement.pending;
        looked |= judgement.looked;
        wanted.push(judgement.wanted);
    }
    if pending && !denied(&findings) {
        return Evaluation::NeedsPrior(wanted);
    }
    Evaluation::Decided {
        verdict: verdict(findings),
        rests_on_prior: looked,
    }
}

/// An upsert that creates also writes the field it is keyed by.
fn as_created(mutation: &Mutation) -> Option<Mutation> {
    let (Operation::Upsert, Some(RecordKey::External { key, value })) =
        (mutation.operation, &mutation.record)
    else {
        return None;
    };
    let mut created = mutation.clone();
    if field(&created.fields, key).is_none() {
        created.fields.insert(key.clone(), value.clone().into());
    }
    Some(created)
}

fn denied(findings: &[Finding]) -> bool {
    findings
        .iter()
        .any(|finding| finding.reason.effect == Effect::Deny)
}

/// The rules that speak for one request.
struct Court<'q> {
    set: &'q RuleSet,
    files: Vec<&'q RuleFile>,
    question: &'q Question<'q>,
}

impl<'q> Court<'q> {
    /// Judges a mutation; an upsert as what it will come to, `created` where it makes the record.
    fn mutation(&self, index: usize, mutation: &'q Mutation, created: &'q Mutation) -> Judgement {
        let judged = |operation, before| {
            let what = if operation == Operation::Create {
                created
            } else {
                mutation
            };
            self.judged_as(index, what, operation, before)
        };
        if mutation.operation != Operation::Upsert {
            let before = Before::of(self.question, index, mutation);
            return judged(mutation.operation, before);
        }
        let prior = self.question.snapshot.map(|snapshot| snapshot.prior(index));
        let mut judgement = match prior {
            Some(Prior::Found { .. }) => judged(
                Operation::Update,
                Before::of(self.question, index, mutation),
            ),
            Some(Prior::Absent) => judged(Operation::Create, Before::Blank),
            Some(Prior::Unknown) => both(
                judged(Operation::Create, Before::Blank),
                judged(Operation::Update, Before::Unknown),
            ),
            None => {
                return either(
                    judged(Operation::Create, Before::Blank),
                    judged(Operation::Update, Before::NotRead),
                );
            }
        };
        judgement.looked = true;
        judgement
    }

    /// Judges a mutation as if it were this operation, against these prior values.
    fn judged_as(
        &self,
        index: usize,
        mutation: &'q Mutation,
        operation: Operation,
        before: Before<'q>,
    ) -> Judgement {
        let scene = Scene::new(self.question, mutation, before);
        let mut judgement = Judgement::default();
        // The matrix is about agents; a revert restores what people or rules let stand before.
        if self.question.origin == Origin::Agent {
            rows::judge(self, index, operation, &scene, &mut judgement);
        }
        self.rules(index, operation, &scene, &mut judgement);
        judgement.looked = scene.looked();
        if judgement.pending {
            judgement.wanted = scene.into_wanted();
        }
        judgement
    }

    fn rules(
        &self,
        index: usize,
        operation: Operation,
        scene: &Scene<'_>,
        judgement: &mut Judgement,
    ) {
        let mutation = scene.mutation;
        let object = mutation.object.to_ascii_lowercase();
        for rule in self.files.iter().flat_map(|file| &file.rules) {
            if !rule.applies.to_request(self.question)
                || !rule
                    .applies
                    .to_mutation(&object, mutation, parts(operation))
            {
                continue;
            }
            let range = rule.when.range(scene);
            if range.least > Answer::No {
                let field = rule.applies.field(mutation).map(str::to_owned);
                let finding = self.rule_finding(rule, Some(index), field);
                judgement.findings.push(finding);
            } else if range.most > Answer::No {
                judgement.pending = true;
            }
        }
    }

    fn rule_finding(&self, rule: &Rule, mutation: Option<usize>, field: Option<String>) -> Finding {
        let message = match (&rule.reason, rule.then) {
            (Some(reason), _) => reason.clone(),
            (None, Effect::Deny) => "a rule denies it".to_owned(),
            (None, Effect::Allow | Effect::Hold) => "a rule asks a person".to_owned(),
        };
        let approvers = rule.approvers.clone();
        Finding {
            reason: Reason {
                effect: rule.then,
                kind: ReasonKind::Rule,
                rule: format!("rule {}", rule.name),
                mutation,
                field,
                message,
                owner: rule.owner.clone(),
            },
            need: approvers.unwrap_or_else(|| self.set.decided_by(rule.owner.as_deref())),
            expires_seconds: rule.expires_seconds,
            wait_seconds: rule.wait_seconds,
        }
    }
}

/// The operations whose rows judge an operation: a merge also updates the survivor (what it deletes is
/// a mutation of its own), a conversion also updates the lead.
pub(super) fn parts(operation: Operation) -> &'static [Operation] {
    match operation {
        Operation::Create => &[Operation::Create],
        Operation::Update => &[Operation::Update],
        Operation::Upsert => &[Operation::Upsert],
        Operation::Delete => &[Operation::Delete],
        Operation::Purge => &[Operation::Purge],
        Operation::Restore => &[Operation::Restore],
        Operation::Merge => &[Operation::Merge, Operation::Update],
        Operation::Convert => &[Operation::Convert, Operation::Update],
        Operation::Associate => &[Operation::Associate],
        Operation::Dissociate => &[Operation::Dissociate],
        Operation::Send => &[Operation::Send],
        Operation::Export => &[Operation::Export],
        Operation::Import => &[Operation::Import],
        Operation::Invoke => &[Operation::Invoke],
        Operation::Schema => &[Operation::Schema],
        Operation::Settings => &[Operation::Settings],
        Operation::Credential => &[Operation::Credential],
    }
}

/// Both apply.
fn both(mut create: Judgement, update: Judgement) -> Judgement {
    create.findings.extend(update.findings);
    create.pending |= update.pending;
    create.looked |= update.looked;
    create.wanted.extend(update.wanted);
    create
}

/// One of them applies, and a read will tell which; not needed where they agree, or where both deny.
fn either(mut create: Judgement, update: Judgement) -> Judgement {
    // Nothing was read yet.
    create.looked = false;
    if denied(&create.findings) && denied(&update.findings) {
        let mut judgement = both(create, update);
        judgement.pending = false;
        return judgement;
    }
    if create == update && !create.pending {
        return create;
    }
    let mut judgement = both(create, update);
    judgement.findings.clear();
    judgement.pending = true;
    judgement
}

#[cfg(test)]
mod tests;
