//! Records that another write made, or may have made: a doubtful write must not be taken for their
//! maker. The ledger knows them, whichever service account asked. Pure.

use serde_json::Value;

use super::decide::{Present, same};
use crate::clock::EntryId;
use crate::journal::sent::{Others, Sent};
use crate::mutation::{Mutation, Operation, Prior, RecordKey, field, same_name};

/// Whether a write makes records, or may.
pub(super) fn makes(sent: &Sent) -> bool {
    makers(sent).next().is_some()
}

/// The mutations of a write that make a record, or may.
fn makers(sent: &Sent) -> impl Iterator<Item = &Mutation> {
    let mutations = sent.mutations.iter().enumerate();
    mutations
        .filter(|(place, mutation)| made(mutation, sent.snapshot.prior(*place)))
        .map(|(_, mutation)| mutation)
}

/// Takes out of what the CRM holds what is known to be of others, and marks what may be. Returns
/// whether one of these others is being sent right now: it can be told once that is over.
pub(super) fn part(
    sent: &Sent,
    others: &Others,
    present: &mut [Present],
    in_doubt: impl Fn(&EntryId) -> bool,
) -> bool {
    let mut under_way = false;
    let mutations = sent.mutations.iter().enumerate();
    for ((place, mutation), present) in mutations.zip(present) {
        let found = match present {
            Present::Made(ids) => {
                ids.retain(|id| !others.made.contains(id));
                !ids.is_empty()
            }
            Present::Record(Prior::Found { id, .. })
                if made(mutation, sent.snapshot.prior(place)) =>
            {
                if others.made.contains(id) {
                    *present = Present::Theirs;
                    continue;
                }
                true
            }
            Present::Record(_) | Present::Theirs | Present::Unread => false,
        };
        for rival in others.open.iter().filter(|_| found) {
            if makers(rival).any(|other| alike(mutation, other)) {
                under_way |= !in_doubt(&rival.entry);
                *present = Present::Theirs;
            }
        }
    }
    under_way
}

fn made(mutation: &Mutation, prior: &Prior) -> bool {
    let inserts = mutation.operation == Operation::Upsert && *prior == Prior::Absent;
    mutation.operation == Operation::Create || inserts
}

/// Whether another mutation that makes a record could have made the one that this one would have made:
/// it gives it the same key, and the same values to all fields that both write.
fn alike(mutation: &Mutation, other: &Mutation) -> bool {
    let keyed = match &mutation.record {
        Some(RecordKey::External { key, value }) => {
            let named = match &other.record {
                Some(RecordKey::External {
                    key: their_key,
                    value,
                }) if same_name(their_key, key) => Some(value.as_str()),
                _ => field(&other.fields, key).and_then(Value::as_str),
            };
            named.is_some_and(|named| named.eq_ignore_ascii_case(value))
        }
        Some(RecordKey::Id { .. }) | None => false,
    };
    let theirs = |name: &String| field(&other.fields, name);
    let both = mutation.fields.iter();
    let mut both = both.filter_map(|(name, value)| Some((value, theirs(name)?)));
    let shares = both.clone().next().is_some();
    other.object.eq_ignore_ascii_case(&mutation.object)
        && (keyed || (shares && mutation.record.is_none()))
        && both.all(|(ours, theirs)| same(Some(ours), Some(theirs)))
}
