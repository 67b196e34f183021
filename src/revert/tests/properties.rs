//! Writes, edits of others and reverts in any mixture.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::{HUBSPOT, SALESFORCE, planned, update, written};
use crate::crm::Crm;
use crate::journal::written::Written;
use crate::mutation::{Prior, field};
use crate::revert::plan::Back;

/// A value as the CRM keeps it; what an agent writes and what others write cannot be told apart by kind.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[ab]{1,2}".prop_map(Value::from),
    ]
}

fn record() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[A-D]", value(), 4).prop_map(|fields| {
        let all = ["A", "B", "C", "D"].map(|name| {
            let value = fields.get(name).cloned().unwrap_or_default();
            (name.to_owned(), value)
        });
        Map::from_iter(all)
    })
}

fn writes() -> impl Strategy<Value = Vec<Map<String, Value>>> {
    let write = prop::collection::btree_map("[A-D]", value(), 1..4);
    prop::collection::vec(write.prop_map(Map::from_iter), 1..5)
}

fn lay(record: &mut Map<String, Value>, fields: &Map<String, Value>) {
    for (name, value) in fields {
        record.insert(name.clone(), value.clone());
    }
}

/// Applies writes to a record, with an entry for each, newest first.
fn applied(record: &mut Map<String, Value>, writes: &[Map<String, Value>]) -> Vec<Written> {
    let mut entries = Vec::new();
    for (seq, write) in writes.iter().enumerate() {
        let before = Value::Object(record.clone());
        let change = update(&Value::Object(write.clone()), &before);
        entries.insert(0, written(seq as u64, 0, vec![change]));
        lay(record, write);
    }
    entries
}

fn undone(crm: Crm, entries: &[Written], now: &Map<String, Value>) -> Map<String, Value> {
    let plan = planned(crm, entries, &Value::Object(now.clone()), None);
    let mut record = now.clone();
    match plan.back {
        Back::Nothing => {}
        Back::Restore(fields) => lay(&mut record, &fields),
        Back::Remove | Back::Undelete => panic!("an update deletes nothing"),
    }
    record
}

proptest! {
    #[test]
    fn a_revert_after_writes_restores_what_was_before(
        before in record(), writes in writes(), hubspot in any::<bool>(),
    ) {
        let crm = if hubspot { HUBSPOT } else { SALESFORCE };
        let mut now = before.clone();
        let entries = applied(&mut now, &writes);
        let after = undone(crm, &entries, &now);
        prop_assert_eq!(&after, &before);
        // and reverting the revert restores the writes: it is one write like any other
        let back: Map<String, Value> = after
            .iter()
            .filter(|(name, value)| now.get(*name) != Some(*value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !back.is_empty() {
            let change = update(&Value::Object(back), &Value::Object(now.clone()));
            let again = undone(crm, &[written(9, 0, vec![change])], &after);
            prop_assert_eq!(again, now);
        }
    }

    #[test]
    fn what_others_wrote_since_stays(
        before in record(), writes in writes(), theirs in record(), which in any::<[bool; 4]>(),
    ) {
        let mut now = before.clone();
        let entries = applied(&mut now, &writes);
        let ours = now.clone();
        let mut changed = Vec::new();
        for (name, edits) in ["A", "B", "C", "D"].iter().zip(which) {
            if edits {
                now.insert((*name).to_owned(), theirs[*name].clone());
            }
            if now[*name] != ours[*name] {
                changed.push(*name);
            }
        }
        let after = undone(SALESFORCE, &entries, &now);
        for name in ["A", "B", "C", "D"] {
            if !changed.contains(&name) {
                prop_assert_eq!(&after[name], &before[name], "{}", name);
                continue;
            }
            // An edit that brings back the value from before our newest write has undone that write.
            let newest = entries.iter().find_map(|entry| {
                let change = &entry.changes.as_ref().unwrap()[0];
                field(&change.mutation.fields, name)?;
                let Prior::Found { fields, .. } = &change.prior else {
                    panic!("an update has a prior");
                };
                field(fields, name)
            });
            if newest != Some(&now[name]) {
                prop_assert_eq!(&after[name], &now[name], "{}", name);
            }
        }
        // what nobody wrote is never touched
        for (name, value) in &after {
            let written = writes.iter().any(|write| write.contains_key(name));
            prop_assert!(written || value == &now[name]);
        }
    }
}
