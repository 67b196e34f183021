//! What became of a write, by what the CRM holds now. Pure; what has two readings is left to a person.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, Prior, Undo, field};
use crate::policy::same_value;

/// What became of one mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It happened; with the id of the record it made.
    Applied(Option<String>),
    /// It did not happen.
    NotApplied,
    /// The CRM may still be at work on it.
    TooEarly,
    /// Cannot be told from the CRM: a person settles it. Why, for people.
    Undecided(&'static str),
}

/// What the CRM holds of one mutation's record now.
#[derive(Clone, Debug, PartialEq)]
pub enum Present {
    /// The record that the mutation names.
    Record(Prior),
    /// The ids of all records made since the send that hold what a create wrote.
    Made(Vec<String>),
    /// A record that another write made, or may have made.
    Theirs,
    /// Nothing that tells was read.
    Unread,
}

/// What became of each mutation. `known` is what the CRM's answer told, where there was one; `quiet`
/// says that the CRM had its time: before that only what happened can be told, never that something
/// did not.
#[must_use]
pub fn decide(
    mutations: &[Mutation],
    priors: &[Prior],
    known: &[Outcome],
    present: &[Present],
    (sent, quiet): (Timestamp, bool),
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (place, mutation) in mutations.iter().enumerate() {
        let finding = match known.get(place).map(|outcome| outcome.state) {
            // taken by the CRM: nothing of it is in doubt
            Some(OutcomeState::Done | OutcomeState::Accepted) => Finding::Applied(None),
            Some(OutcomeState::Failed) => Finding::NotApplied,
            Some(OutcomeState::Unknown) | None => {
                let prior = priors.get(place).unwrap_or(&Prior::Unknown);
                let present = present.get(place).unwrap_or(&Present::Unread);
                // a link that was made with its record came to be with it, or not at all
                let maker = findings
                    .iter()
                    .zip(mutations)
                    .rev()
                    .find(|(_, other)| made_with(mutation, other));
                match maker {
                    Some((Finding::Applied(_), _)) => Finding::Applied(None),
                    Some((finding, _)) => finding.clone(),
                    None => of_one(mutation, prior, present, sent),
                }
            }
        };
        let told = quiet || !unknown(known, place) || matches!(finding, Finding::Applied(_));
        findings.push(if told { finding } else { Finding::TooEarly });
    }
    claimed_twice(&mut findings);
    findings
}

fn unknown(known: &[Outcome], place: usize) -> bool {
    known
        .get(place)
        .is_none_or(|outcome| outcome.state == OutcomeState::Unknown)
}

/// Whether a link stands in the row that makes a record.
fn made_with(link: &Mutation, other: &Mutation) -> bool {
    link.operation == Operation::Associate
        && other.operation == Operation::Create
        && link.row == other.row
}

/// Two rows that point at one new record: which of them made it cannot be told.
fn claimed_twice(findings: &mut [Finding]) {
    let ids: Vec<String> = findings
        .iter()
        .filter_map(|finding| match finding {
            Finding::Applied(id) => id.clone(),
            Finding::NotApplied | Finding::TooEarly | Finding::Undecided(_) => None,
        })
        .collect();
    for finding in findings {
        if let Finding::Applied(Some(id)) = finding
            && ids.iter().filter(|other| *other == id).count() > 1
        {
            *finding = Finding::Undecided("two rows of the batch would have made the same record");
        }
    }
}

fn of_one(mutation: &Mutation, prior: &Prior, present: &Present, sent: Timestamp) -> Finding {
    match (mutation.operation, prior, present) {
        (Operation::Create, _, Present::Made(ids)) => match ids.as_slice() {
            [id] => Finding::Applied(Some(id.clone())),
            [] => Finding::Undecided("no record that holds these values was found"),
            _ => Finding::Undecided("more than one record holds these values"),
        },
        (_, _, Present::Theirs) => {
            Finding::Undecided("another write made such a record, or may have made it")
        }
        (Operation::Update | Operation::Upsert, Prior::Found { .. }, Present::Record(now)) => {
            updated(&mutation.fields, prior, now)
        }
        (Operation::Upsert, Prior::Absent, Present::Record(now)) => {
            inserted(&mutation.fields, now, sent)
        }
        // the loser of a merge answers under the survivor's new id
        (Operation::Delete, ..) if mutation.undo == Undo::None => unread(),
        (Operation::Delete, Prior::Found { .. }, Present::Record(now)) => match now {
            Prior::Absent => Finding::Applied(None),
            Prior::Found { .. } => Finding::NotApplied,
            Prior::Unknown => unread(),
        },
        (Operation::Purge, Prior::Found { stamp, .. }, Present::Record(now)) => match now {
            Prior::Found { stamp: moved, .. } if stamp == moved => Finding::NotApplied,
            Prior::Found { .. } | Prior::Absent | Prior::Unknown => {
                Finding::Undecided("whether the record can be brought back cannot be read")
            }
        },
        // there was nothing to change, and there is nothing
        (
            Operation::Update | Operation::Delete | Operation::Purge,
            Prior::Absent,
            Present::Record(Prior::Absent),
        ) => Finding::NotApplied,
        _ => unread(),
    }
}

fn unread() -> Finding {
    Finding::Undecided("what became of it cannot be read from the CRM")
}

/// An update of a record that was there.
fn updated(written: &Map<String, Value>, prior: &Prior, now: &Prior) -> Finding {
    let (
        Prior::Found {
            fields: before,
            stamp: earlier,
            ..
        },
        Prior::Found {
            fields: after,
            stamp: later,
            ..
        },
    ) = (prior, now)
    else {
        return Finding::Undecided("the record cannot be found any more");
    };
    let all = |holds: &dyn Fn(&str, &Value) -> bool| {
        written.iter().all(|(name, value)| holds(name, value))
    };
    let changes = !all(&|name, value| same(field(before, name), Some(value)));
    let as_written = all(&|name, value| same(field(after, name), Some(value)));
    let as_before = all(&|name, _| same(field(after, name), field(before, name)));
    match (changes, as_written, as_before) {
        (false, ..) => Finding::Undecided("it would have changed nothing that can be seen"),
        (true, true, false) => Finding::Applied(None),
        (true, false, true) if earlier == later => Finding::NotApplied,
        (true, false, true) => {
            Finding::Undecided("the record was changed since, and holds what it held before")
        }
        _ => Finding::Undecided("somebody else changed these fields meanwhile"),
    }
}

/// An upsert of a key that no record had.
fn inserted(written: &Map<String, Value>, now: &Prior, sent: Timestamp) -> Finding {
    match now {
        Prior::Absent => Finding::NotApplied,
        Prior::Found { id, fields, .. } if made_since(fields, sent) && holds(fields, written) => {
            Finding::Applied(Some(id.clone()))
        }
        Prior::Found { .. } => {
            Finding::Undecided("the record with this key holds something else, or is older")
        }
        Prior::Unknown => unread(),
    }
}

/// Whether a record holds all that was written.
pub(super) fn holds(fields: &Map<String, Value>, written: &Map<String, Value>) -> bool {
    !written.is_empty()
        && written
            .iter()
            .all(|(name, value)| same(field(fields, name), Some(value)))
}

/// Whether a record was made at or after a moment; the CRM's stamps can have whole seconds only.
pub(super) fn made_since(fields: &Map<String, Value>, sent: Timestamp) -> bool {
    let made = ["CreatedDate", "createdate"]
        .iter()
        .find_map(|name| field(fields, name))
        .and_then(Value::as_str)
        .and_then(moment);
    made.is_some_and(|made| made.as_second() >= sent.as_second())
}

/// The same value in the normal form of its type.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    if same_value(a, b) {
        return true;
    }
    let read = |value: Option<&Value>| value.and_then(Value::as_str).and_then(moment);
    matches!((read(a), read(b)), (Some(a), Some(b)) if a == b)
}

/// A moment as either CRM writes it: `2026-11-20T14:00:00.000+0000`, `…Z`.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse()
        .ok()
        .or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok())
}

#[cfg(test)]
mod tests;
