//! What a change set takes from the limits.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::judge::parts;
use super::{JobRows, Question, RuleSet};
use crate::mutation::{Charge, Count, CrmKind, Limit, Mutation, Operation, Per, Prior, RecordKey};

/// Charges for a request that is let through or held.
pub(super) fn of_request(set: &RuleSet, question: &Question<'_>) -> Vec<Charge> {
    let touched = Touched::by(question);
    set.limits_for(question.crm, question.route)
        .flat_map(|limit| of_limit(limit, question, &touched))
        .collect()
}

/// Charges for a bulk job: one request, and what its rows count as. Limits for each record do not apply:
/// a job names each of its records once.
pub(super) fn of_job(set: &RuleSet, question: &Question<'_>, job: &JobRows<'_>) -> Vec<Charge> {
    let object = job.object.to_ascii_lowercase();
    set.limits_for(question.crm, question.route)
        .filter(|limit| !limit.per.contains(&Per::Record))
        .filter_map(|limit| {
            let amount = match limit.count {
                Count::Requests => 1,
                Count::Mutations | Count::Records => job.rows,
                Count::Operation(operation) => {
                    let same = job
                        .operations
                        .iter()
                        .filter(|(known, _)| *known == operation);
                    same.map(|(_, rows)| rows).sum()
                }
                Count::Refusals | Count::Holds => 0,
            };
            let account = &question.actor.service_account;
            (amount > 0).then(|| Charge {
                limit: limit.clone(),
                key: key(&limit.per, account, question.route, &object, ""),
                amount,
                records: Vec::new(),
            })
        })
        .collect()
}

/// Counts what a mutation is judged as.
pub(super) fn count(mutation: &Mutation, prior: &Prior, into: &mut Vec<(Operation, u64)>) {
    for (operation, times) in operations(mutation, Some(prior)) {
        match into.iter_mut().find(|(known, _)| *known == operation) {
            Some((_, sum)) => *sum = sum.saturating_add(times),
            None => into.push((operation, times)),
        }
    }
}

/// Charges for a request that was refused.
pub(super) fn of_refusal(
    set: &RuleSet,
    crm: CrmKind,
    route: &str,
    service_account: &str,
) -> Vec<Charge> {
    of_count(set, Count::Refusals, crm, route, service_account)
}

/// What one more waiting hold takes from the gauges (`count: holds`).
pub(super) fn of_hold(
    set: &RuleSet,
    crm: CrmKind,
    route: &str,
    service_account: &str,
) -> Vec<Charge> {
    of_count(set, Count::Holds, crm, route, service_account)
}

fn of_count(
    set: &RuleSet,
    count: Count,
    crm: CrmKind,
    route: &str,
    service_account: &str,
) -> Vec<Charge> {
    set.limits_for(crm, route)
        .filter(|limit| limit.count == count)
        .map(|limit| Charge {
            limit: limit.clone(),
            key: key(&limit.per, service_account, route, "", ""),
            amount: 1,
            records: Vec::new(),
        })
        .collect()
}

/// What one mutation, or an opaque request, counts as.
struct Unit {
    /// In lower case; empty for an opaque request.
    object: String,
    /// The record it is about first, then the others it touches.
    records: Vec<String>,
    /// Whether the first one exists already, so that it can have been changed before.
    exists: bool,
    /// How often it counts as each operation.
    operations: Vec<(Operation, u64)>,
}

struct Touched(Vec<Unit>);

impl Touched {
    fn by(question: &Question<'_>) -> Self {
        let mutations = question.changes.mutations();
        if mutations.is_empty() {
            // Nobody can say how much it changes: at least one record.
            let unit = Unit {
                object: String::new(),
                records: vec![fresh(question, 0, None)],
                exists: false,
                operations: Vec::new(),
            };
            return Self(vec![unit]);
        }
        let units = mutations.iter().enumerate();
        Self(
            units
                .map(|(index, mutation)| Unit::of(question, index, mutation))
                .collect(),
        )
    }
}

impl Unit {
    fn of(question: &Question<'_>, index: usize, mutation: &Mutation) -> Self {
        let object = mutation.object.to_ascii_lowercase();
        let prior = question.snapshot.map(|snapshot| snapshot.prior(index));
        let first = match (prior, &mutation.record) {
            (Some(Prior::Found { id, .. }), _) => Some(named(&object, id)),
            (_, Some(record)) => Some(named(&object, &key_text(record))),
            (_, None) => None,
        };
        let exists = first.is_some();
        let mut records = vec![first.unwrap_or_else(|| fresh(question, index, Some(mutation)))];
        // The losers of a merge are mutations of their own; the far end of an association has an object
        // of its own, which is not known here.
        if mutation.operation != Operation::Merge {
            let others = mutation.others.iter().map(key_text);
            records.extend(others.map(|text| named("", &text)));
        }
        Self {
            operations: operations(mutation, prior),
            object,
            records,
            exists,
        }
    }
}

/// The operations that a mutation counts as, as it is judged.
fn operations(mutation: &Mutation, prior: Option<&Prior>) -> Vec<(Operation, u64)> {
    if mutation.operation == Operation::Upsert {
        let (creates, updates) = match prior {
            Some(Prior::Found { .. }) => (0, 1),
            Some(Prior::Absent) => (1, 0),
            Some(Prior::Unknown) | None => (1, 1),
        };
        return vec![
            (Operation::Upsert, 1),
            (Operation::Create, creates),
            (Operation::Update, updates),
        ];
    }
    parts(mutation.operation)
        .iter()
        .map(|part| (*part, 1))
        .collect()
}

fn named(object: &str, id: &str) -> String {
    format!("{object}/{}", escaped(id))
}

/// A `/` inside a part must not look like the one between parts.
fn escaped(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn key_text(record: &RecordKey) -> String {
    match record {
        RecordKey::Id { id } => id.clone(),
        RecordKey::External { key, value } => format!("{}={value}", key.to_ascii_lowercase()),
    }
}

/// A record that has no name yet: different from every other one, in this request and in others. Told
/// apart by the request's time, its place and what is written.
fn fresh(question: &Question<'_>, index: usize, mutation: Option<&Mutation>) -> String {
    let mut hasher = DefaultHasher::new();
    question.actor.service_account.hash(&mut hasher);
    question.method.hash(&mut hasher);
    question.path.hash(&mut hasher);
    for (name, value) in mutation.iter().flat_map(|mutation| &mutation.fields) {
        name.hash(&mut hasher);
        value.to_string().hash(&mut hasher);
    }
    let object = mutation.map_or(String::new(), |mutation| {
        mutation.object.to_ascii_lowercase()
    });
    let time = question.now.as_nanosecond();
    format!("{object}/new-{time:x}-{index}-{:x}", hasher.finish())
}

/// The charges of one limit, one for each key.
fn of_limit(limit: &Limit, question: &Question<'_>, touched: &Touched) -> Vec<Charge> {
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    for unit in &touched.0 {
        let amount = unit.amount(limit.count);
        if amount == 0 {
            continue;
        }
        for record in unit.keyed_by(limit) {
            let key = key(
                &limit.per,
                &question.actor.service_account,
                question.route,
                &unit.object,
                record,
            );
            let share = shares.entry(key).or_default();
            share.amount = share.amount.saturating_add(amount);
            if record.is_empty() {
                share.records.extend(unit.records.iter().cloned());
            } else {
                share.records.insert(record.to_owned());
            }
        }
    }
    shares
        .into_iter()
        .map(|(key, share)| share.charge(limit, key))
        .collect()
}

/// What several mutations take together.
#[derive(Default)]
struct Share {
    amount: u64,
    records: BTreeSet<String>,
}

impl Share {
    fn charge(self, limit: &Limit, key: String) -> Charge {
        let (amount, records) = match limit.count {
            Count::Requests => (1, Vec::new()),
            Count::Records => {
                let records: Vec<_> = self.records.into_iter().collect();
                (u64::try_from(records.len()).unwrap_or(u64::MAX), records)
            }
            Count::Mutations | Count::Operation(_) | Count::Refusals | Count::Holds => {
                (self.amount, Vec::new())
            }
        };
        Charge {
            limit: limit.clone(),
            key,
            amount,
            records,
        }
    }
}

impl Unit {
    /// How much it is, by what is counted.
    fn amount(&self, count: Count) -> u64 {
        match count {
            Count::Requests | Count::Mutations | Count::Records => 1,
            Count::Operation(operation) => self
                .operations
                .iter()
                .filter(|(counted, _)| *counted == operation)
                .map(|(_, times)| times)
                .sum(),
            // Charged when the thing happens, not when it is asked for.
            Count::Refusals | Count::Holds => 0,
        }
    }

    /// The records that a limit keeps apart; one without a name where it does not. A record that does
    /// not exist yet has no past that such a limit could count.
    fn keyed_by(&self, limit: &Limit) -> Vec<&str> {
        if !limit.per.contains(&Per::Record) {
            return vec![""];
        }
        let skipped = usize::from(!self.exists);
        self.records
            .iter()
            .skip(skipped)
            .map(String::as_str)
            .collect()
    }
}

/// What `per` came to: the parts in the order service account, record, object, route.
fn key(per: &[Per], service_account: &str, route: &str, object: &str, record: &str) -> String {
    let part = |per: &Per| match per {
        Per::ServiceAccount => escaped(service_account),
        // `object/id`, so that equal ids of two objects are two records.
        Per::Record => record.to_owned(),
        Per::Object => escaped(object),
        Per::Route => escaped(route),
    };
    per.iter().map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
