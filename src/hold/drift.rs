//! Whether a record is still what the approver saw (P7): fields of the write, and those that rules
//! looked at, in their normal form.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::mutation::{Mutation, Operation, Prior, Snapshot, field, same_name};
use crate::policy::same_value;

/// Fields that change whenever anything does, or when somebody only looks: they say nothing of what
/// the approver saw, where a whole record was shown.
const STAMPS: [&str; 11] = [
    "id",
    "lastmodifieddate",
    "lastmodifiedbyid",
    "systemmodstamp",
    "lastvieweddate",
    "lastreferenceddate",
    "hs_lastmodifieddate",
    "hs_object_id",
    "hs_updated_by_user_id",
    "hs_merged_object_ids",
    "hs_object_source_detail_1",
];

/// What moved between what was `shown` and what is there `now`: `Opportunity.Amount`, or the object
/// alone where the record appeared, is gone, or is another one. `looked` has, for each mutation, the
/// fields that rules look at beyond those that are written.
#[must_use]
pub fn drift(
    mutations: &[Mutation],
    looked: &[Vec<String>],
    shown: &Snapshot,
    now: &Snapshot,
) -> Vec<String> {
    let mut moved = Vec::new();
    for (place, mutation) in mutations.iter().enumerate() {
        let fields = looked.get(place).map_or(&[][..], Vec::as_slice);
        let hidden = (shown.hidden(place), now.hidden(place));
        let priors = (shown.prior(place), now.prior(place));
        moved.extend(of_mutation(mutation, fields, priors, hidden));
    }
    moved.sort_unstable();
    moved.dedup();
    moved
}

/// What others did since to what a revert would change: another value in a field that it writes back, or
/// any change at all to a record that it deletes.
#[must_use]
pub fn touched(mutations: &[Mutation], shown: &Snapshot, now: &Snapshot) -> Vec<String> {
    let mut touched = drift(mutations, &[], shown, now);
    for (place, mutation) in mutations.iter().enumerate() {
        let stamp = |snapshot: &Snapshot| match snapshot.prior(place) {
            Prior::Found { stamp, .. } => stamp.clone(),
            Prior::Absent | Prior::Unknown => None,
        };
        if mutation.operation == Operation::Delete && stamp(shown) != stamp(now) {
            touched.push(mutation.object.clone());
        }
    }
    touched.sort_unstable();
    touched.dedup();
    touched
}

fn of_mutation(
    mutation: &Mutation,
    looked: &[String],
    priors: (&Prior, &Prior),
    hidden: (&[String], &[String]),
) -> Vec<String> {
    let object = &mutation.object;
    let (was, is) = match priors {
        (Prior::Absent, Prior::Absent) | (Prior::Unknown, Prior::Unknown) => return Vec::new(),
        (
            Prior::Found { id, fields, .. },
            Prior::Found {
                id: other,
                fields: now,
                ..
            },
        ) if id == other => (fields, now),
        _ => return vec![object.clone()],
    };
    compared(mutation, looked, was, is)
        .into_iter()
        .filter(|name| {
            let known = |hidden: &[String]| !hidden.iter().any(|one| same_name(one, name));
            match (known(hidden.0), known(hidden.1)) {
                (true, true) => !same_value(field(was, name), field(is, name)),
                // Unknown then and now: there is nothing to compare.
                (false, false) => false,
                (true, false) | (false, true) => true,
            }
        })
        .map(|name| format!("{object}.{name}"))
        .collect()
}

/// The fields to compare. What is deleted or merged was shown whole.
fn compared(
    mutation: &Mutation,
    looked: &[String],
    was: &Map<String, Value>,
    is: &Map<String, Value>,
) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = mutation.fields.keys().chain(looked).cloned().collect();
    let whole = matches!(
        mutation.operation,
        Operation::Delete | Operation::Purge | Operation::Merge
    );
    if whole {
        let stamp = |name: &&String| !STAMPS.contains(&name.to_ascii_lowercase().as_str());
        names.extend(was.keys().chain(is.keys()).filter(stamp).cloned());
    }
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mutation::{RecordKey, Undo};

    fn mutation(operation: Operation, fields: &Value) -> Mutation {
        Mutation {
            object: "Opportunity".into(),
            operation,
            record: Some(RecordKey::id("006")),
            fields: fields.as_object().unwrap().clone(),
            row: None,
            undo: Undo::Full,
            others: Vec::new(),
        }
    }

    fn found(fields: &Value) -> Snapshot {
        Snapshot::of(vec![Prior::Found {
            id: "006".into(),
            fields: fields.as_object().unwrap().clone(),
            stamp: None,
        }])
    }

    fn between(was: &Value, is: &Value) -> Vec<String> {
        let update = mutation(Operation::Update, &json!({ "Amount": 5 }));
        drift(
            &[update],
            &[vec!["StageName".into()]],
            &found(was),
            &found(is),
        )
    }

    #[test]
    fn the_same_value_in_another_form_has_not_moved() {
        for (was, is) in [
            (json!({ "Amount": 5 }), json!({ "Amount": "5.00" })),
            (json!({ "Amount": 5 }), json!({ "amount": 5.0 })),
            (json!({ "Amount": null }), json!({})),
            (json!({ "Amount": "" }), json!({ "Amount": null })),
            (
                json!({ "StageName": "x", "Name": 1 }),
                json!({ "StageName": "x", "Name": 2 }),
            ),
            (
                json!({ "LastModifiedDate": 1 }),
                json!({ "LastModifiedDate": 2 }),
            ),
        ] {
            assert!(between(&was, &is).is_empty(), "{was} {is}");
        }
    }

    #[test]
    fn another_value_has() {
        for (was, is, what) in [
            (
                json!({ "Amount": 5 }),
                json!({ "Amount": 6 }),
                "Opportunity.Amount",
            ),
            (
                json!({ "Amount": null }),
                json!({ "Amount": 0 }),
                "Opportunity.Amount",
            ),
            (json!({ "Amount": 5 }), json!({}), "Opportunity.Amount"),
            (
                json!({ "StageName": "x" }),
                json!({ "StageName": "X" }),
                "Opportunity.StageName",
            ),
        ] {
            assert_eq!(between(&was, &is), [what], "{was} {is}");
        }
    }

    #[test]
    fn a_record_that_is_gone_or_another_has() {
        let update = [mutation(Operation::Update, &json!({ "Amount": 5 }))];
        let was = found(&json!({ "Amount": 1 }));
        let gone = Snapshot::of(vec![Prior::Absent]);
        let unknown = Snapshot::of(vec![Prior::Unknown]);
        let mut other = was.clone();
        if let Some(Prior::Found { id, .. }) = other.priors.first_mut() {
            *id = "007".into();
        }
        for now in [&gone, &unknown, &other] {
            assert_eq!(drift(&update, &[], &was, now), ["Opportunity"]);
            assert_eq!(drift(&update, &[], now, &was), ["Opportunity"]);
        }
    }

    #[test]
    fn a_delete_was_shown_whole_but_for_its_stamps() {
        let delete = [mutation(Operation::Delete, &json!({}))];
        let was = found(&json!({ "Name": "a", "SystemModstamp": 1, "LastViewedDate": 1 }));
        let seen = found(&json!({ "Name": "a", "SystemModstamp": 2, "LastViewedDate": 2 }));
        let moved = found(&json!({ "Name": "b", "SystemModstamp": 2 }));
        assert!(drift(&delete, &[], &was, &seen).is_empty());
        assert_eq!(drift(&delete, &[], &was, &moved), ["Opportunity.Name"]);
    }

    #[test]
    fn what_could_be_read_once_only_may_have_moved() {
        let update = [mutation(Operation::Update, &json!({ "Amount": 5 }))];
        let looked = [vec!["StageName".to_owned()]];
        let was = found(&json!({ "Amount": 1, "StageName": "x" }));
        let mut hidden = found(&json!({ "Amount": 1 }));
        hidden.hidden = vec![vec!["StageName".into()]];
        assert_eq!(
            drift(&update, &looked, &was, &hidden),
            ["Opportunity.StageName"]
        );
        assert!(drift(&update, &looked, &hidden, &hidden).is_empty());
    }
}
