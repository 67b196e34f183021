//! Records that go with a record when it is deleted: those of standard objects (Object Reference,
//! cascade deletes). An org's own master-detail objects are not known here.

use http::{Method, StatusCode};
use serde_json::Value;

use super::soql;
use crate::crm::path::CanonicalPath;
use crate::crm::salesforce::{id, inverse, types};
use crate::crm::{PriorFailure, ReadCall, json};
use crate::mutation::field;

/// A kind of child: its object, the field that names the parent, and whether every org has it.
type Child = (&'static str, &'static str, bool);

const OF_ACCOUNT: [Child; 7] = [
    ("Contact", "AccountId", true),
    ("Opportunity", "AccountId", true),
    ("Case", "AccountId", true),
    ("Task", "WhatId", true),
    ("Event", "WhatId", false),
    ("Contract", "AccountId", false),
    ("Asset", "AccountId", false),
];
const OF_OPPORTUNITY: [Child; 4] = [
    ("Task", "WhatId", true),
    ("Event", "WhatId", false),
    ("OpportunityLineItem", "OpportunityId", false),
    ("Quote", "OpportunityId", false),
];
const OF_CASE: [Child; 3] = [
    ("Task", "WhatId", true),
    ("Event", "WhatId", false),
    ("CaseComment", "ParentId", false),
];
const OF_PERSON: [Child; 2] = [("Task", "WhoId", true), ("Event", "WhoId", false)];
const OF_OTHERS: [Child; 2] = [("Task", "WhatId", true), ("Event", "WhatId", false)];

fn of(object: &str) -> &'static [Child] {
    match object.to_ascii_lowercase().as_str() {
        "account" => &OF_ACCOUNT,
        "opportunity" => &OF_OPPORTUNITY,
        "case" => &OF_CASE,
        "contact" | "lead" => &OF_PERSON,
        "task" | "event" | "casecomment" | "opportunitylineitem" => &[],
        _ => &OF_OTHERS,
    }
}

/// Parents have the larger rank: records that are deleted in this order take none of each other along.
pub(in crate::crm) fn rank(object: &str) -> usize {
    let below = of(object).iter().map(|(child, ..)| 1 + rank(child));
    below.max().unwrap_or(0)
}

/// The reads that tell which of these records have children.
pub(in crate::crm) fn reads(like: &CanonicalPath, object: &str, ids: &[&str]) -> Vec<ReadCall> {
    if !types::is_name(object) {
        return Vec::new();
    }
    let version = inverse::api(like);
    let read = |(child, parent, _): &Child| {
        let fields = [(*parent).to_owned()];
        let query = soql::by_key(child, &fields, parent, ids.iter().copied(), soql::quoted);
        ReadCall {
            method: Method::GET,
            target: format!("/services/data/{version}/query?q={}", soql::escaped(&query)),
            body: None,
            covers: Vec::new(),
        }
    };
    of(object).iter().map(read).collect()
}

/// The parents that the answer to one of these reads names, by their ids; the flag says whether these
/// are all.
///
/// # Errors
/// [`PriorFailure`] when the answer does not tell.
pub(in crate::crm) fn found(
    call: &ReadCall,
    object: &str,
    status: StatusCode,
    body: &[u8],
) -> Result<(Vec<String>, bool), PriorFailure> {
    let failed = || PriorFailure::Failed(format!("a look for children was answered with {status}"));
    let answer = json::parse_answer(body).map_err(|_not_json| failed())?;
    if status != StatusCode::OK {
        let code = answer.get(0).and_then(|error| error.get("errorCode"));
        let unknown = code.and_then(Value::as_str) == Some("INVALID_TYPE");
        let named = |child: &str| call.target.contains(&format!("FROM%20{child}%20"));
        let optional = of(object)
            .iter()
            .any(|(child, _, always)| !always && named(child));
        return if unknown && optional {
            Ok((Vec::new(), true))
        } else {
            Err(failed())
        };
    }
    let records = answer.get("records").and_then(Value::as_array);
    let mut parents: Vec<String> = records
        .ok_or_else(failed)?
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|record| {
            let names = of(object).iter().map(|(_, parent, _)| *parent);
            names.filter_map(|name| id::canonical(field(record, name)?.as_str()?).ok())
        })
        .collect();
    parents.sort_unstable();
    parents.dedup();
    Ok((parents, answer.get("done") == Some(&Value::Bool(true))))
}
