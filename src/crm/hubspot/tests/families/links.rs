//! Links and lists as somebody means and writes them.

use serde_json::json;

use super::{Dice, Meant, mutation, placed, spelling};
use crate::mutation::{Mutation, Operation, RecordKey, Undo};

/// Two types, and a HubSpot-defined type that links them.
const ENDS: [(&str, &str, u64); 4] = [
    ("contacts", "companies", 279),
    ("contacts", "deals", 4),
    ("companies", "contacts", 280),
    ("deals", "contacts", 3),
];

/// The two mutations of a link.
fn link(
    (near, far): (&str, &str),
    (from, to): (&str, &str),
    operation: Operation,
    types: Option<&str>,
    row: Option<&str>,
) -> [Mutation; 2] {
    let end = |object: &str, own: &str, other: &str| {
        let mut end = mutation(object, operation, Some(RecordKey::id(own)));
        end.others = vec![RecordKey::id(other)];
        end.row = row.map(str::to_owned);
        if let Some(types) = types {
            end.fields.insert("association_types".into(), json!(types));
        }
        end
    };
    [end(near, from, to), end(far, to, from)]
}

pub(super) fn one_link(dice: &mut Dice) -> Meant {
    let (near, far, number) = dice.one(&ENDS);
    let (from, to) = (dice.id(), dice.id());
    let (left, right) = (spelling(dice, near), spelling(dice, far));
    let base = format!("/crm/objects/={left}/={from}/associations");
    let types = format!("HUBSPOT_DEFINED {number}");
    let set = json!([{"associationTypeId": number, "associationCategory": "HUBSPOT_DEFINED"}]);
    let (method, path, body, operation, told) = match dice.below(5) {
        0 => (
            "PUT",
            format!("{base}/={right}/={to}"),
            Some(set),
            Operation::Associate,
            Some(types),
        ),
        1 => (
            "PUT",
            format!("{base}/default/={right}/={to}"),
            None,
            Operation::Associate,
            None,
        ),
        2 => (
            "PUT",
            format!("{base}/={right}/={to}/=a_to_b"),
            None,
            Operation::Associate,
            Some("a_to_b".to_owned()),
        ),
        3 => (
            "DELETE",
            format!("{base}/={right}/={to}"),
            None,
            Operation::Dissociate,
            None,
        ),
        _ => (
            "DELETE",
            format!("{base}/={right}/={to}/=a_to_b"),
            None,
            Operation::Dissociate,
            Some("a_to_b".to_owned()),
        ),
    };
    let mutations = link((near, far), (&from, &to), operation, told.as_deref(), None);
    Meant {
        method,
        target: placed(dice, &path),
        body,
        mutations: mutations.to_vec(),
    }
}

pub(super) fn links(dice: &mut Dice) -> Meant {
    let (near, far, number) = dice.one(&ENDS);
    let path = format!(
        "/crm/associations/={}/={}/batch",
        spelling(dice, near),
        spelling(dice, far)
    );
    let types = format!("HUBSPOT_DEFINED {number}");
    let set = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}]);
    let how = dice.below(5);
    let (end, operation) = match how {
        0 | 1 => ("create", Operation::Associate),
        2 => ("associate/default", Operation::Associate),
        3 => ("archive", Operation::Dissociate),
        _ => ("labels/archive", Operation::Dissociate),
    };
    let to = dice.id();
    let (mut inputs, mut mutations) = (Vec::new(), Vec::new());
    for (place, from) in dice.ids(5).into_iter().enumerate() {
        let ends = (dice.spelled(&from), dice.spelled(&to));
        let mut input = json!({"from": {"id": ends.0}, "to": {"id": ends.1}});
        let told = match how {
            0 | 4 => {
                input["types"] = set.clone();
                Some(types.as_str())
            }
            1 => {
                input["type"] = json!("a_to_b");
                Some("a_to_b")
            }
            3 => {
                input["to"] = json!([input["to"]]);
                None
            }
            _ => None,
        };
        inputs.push(input);
        let row = format!("inputs[{place}]");
        mutations.extend(link((near, far), (&from, &to), operation, told, Some(&row)));
    }
    Meant {
        method: "POST",
        target: placed(dice, &format!("{path}/={end}")),
        body: Some(json!({ "inputs": inputs })),
        mutations,
    }
}

pub(super) fn legacy_links(dice: &mut Dice) -> Meant {
    let many = dice.below(2) == 0;
    let gone = dice.below(2) == 0;
    let operation = if gone {
        Operation::Dissociate
    } else {
        Operation::Associate
    };
    let (near, far, number) = dice.one(&ENDS);
    let to = dice.id();
    let (mut rows, mut mutations) = (Vec::new(), Vec::new());
    for (place, from) in dice.ids(if many { 5 } else { 1 }).into_iter().enumerate() {
        rows.push(
            json!({"fromObjectId": dice.spelled(&from), "toObjectId": dice.spelled(&to),
            "category": "HUBSPOT_DEFINED", "definitionId": number}),
        );
        let types = format!("HUBSPOT_DEFINED {number}");
        let row = Some(format!("associations[{place}]"));
        let ends = (from.as_str(), to.as_str());
        mutations.extend(link(
            (near, far),
            ends,
            operation,
            Some(&types),
            row.as_deref(),
        ));
    }
    let path = match (many, gone) {
        (true, true) => "/crm-associations/associations/delete-batch",
        (true, false) => "/crm-associations/associations/create-batch",
        (false, true) => "/crm-associations/associations/delete",
        (false, false) => "/crm-associations/associations",
    };
    Meant {
        method: "PUT",
        target: placed(dice, path),
        body: Some(if many { json!(rows) } else { rows[0].clone() }),
        mutations,
    }
}

pub(super) fn members(dice: &mut Dice) -> Meant {
    let list = dice.id();
    let (add, remove) = match dice.below(3) {
        0 => (dice.ids(6), Vec::new()),
        1 => (Vec::new(), dice.ids(6)),
        _ => {
            let (add, mut remove) = (dice.ids(4), dice.ids(4));
            remove.retain(|id| !add.contains(id));
            (add, remove)
        }
    };
    let member = |operation, id: &String, row: String| Mutation {
        row: Some(row),
        others: vec![RecordKey::id(id.clone())],
        ..mutation("lists", operation, Some(RecordKey::id(list.clone())))
    };
    let (method, path, body, at) = match (add.is_empty(), remove.is_empty()) {
        (false, true) if dice.below(2) == 0 => {
            let body = json!({"vids": add, "emails": []});
            (
                "POST",
                format!("/contacts/lists/={list}/add"),
                body,
                ["vids", ""],
            )
        }
        (false, true) => {
            let path = format!("/crm/lists/={list}/memberships/add");
            ("PUT", path, json!(add), ["ids", ""])
        }
        (true, false) => {
            let path = format!("/crm/lists/={list}/memberships/remove");
            ("PUT", path, json!(remove), ["", "ids"])
        }
        _ => {
            let body = json!({"recordIdsToAdd": add, "recordIdsToRemove": remove});
            let path = format!("/crm/lists/={list}/memberships/add-and-remove");
            ("PUT", path, body, ["recordIdsToAdd", "recordIdsToRemove"])
        }
    };
    let mut mutations = Vec::new();
    for (ids, operation, at) in [
        (&add, Operation::Associate, at[0]),
        (&remove, Operation::Dissociate, at[1]),
    ] {
        for (place, id) in ids.iter().enumerate() {
            let mut one = member(operation, id, format!("{at}[{place}]"));
            // who comes or goes can be put back
            one.undo = Undo::Full;
            mutations.push(one);
        }
    }
    Meant {
        method,
        target: placed(dice, &path),
        body: Some(body),
        mutations,
    }
}
