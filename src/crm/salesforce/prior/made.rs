//! The records that a create may have made: all of its object since it was sent. Which of them holds
//! what was written is compared outside the query, since long text cannot be filtered by and the type
//! of a custom field is not known (SOQL and SOSL Reference, WHERE, Date Formats).

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::found::{Kind, Missing, one, records};
use super::pack::MAX_TARGET;
use super::soql;
use crate::crm::salesforce::{route, types};
use crate::crm::{Head, PriorFailure, ReadCall};
use crate::mutation::{Mutation, Prior};

/// Read at most so many; with more, it cannot be told which one it is.
const MOST: usize = 200;
/// Salesforce ends every request after ten minutes; its clock may be ahead of ours.
const WITHIN: SignedDuration = SignedDuration::from_mins(12);

/// The query, where all that was written can be read back.
pub(in crate::crm) fn made(
    head: &Head<'_>,
    mutation: &Mutation,
    sent: Timestamp,
) -> Option<ReadCall> {
    let version = route::version_of(head.path)?;
    let comparable = |(name, value): (&String, &Value)| {
        types::is_name(name) && !value.is_object() && !value.is_array()
    };
    if mutation.fields.is_empty() || !mutation.fields.iter().all(comparable) {
        return None;
    }
    let mut fields = vec!["Id".to_owned(), "CreatedDate".to_owned()];
    fields.extend(mutation.fields.keys().cloned());
    let whole = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let until = sent.checked_add(WITHIN).ok()?;
    let query = format!(
        "SELECT {} FROM {} WHERE CreatedDate >= {} AND CreatedDate <= {} LIMIT {MOST}",
        fields.join(","),
        mutation.object,
        whole(sent),
        whole(until),
    );
    let target = format!(
        "/services/data/v{version}.0/query?q={}",
        soql::escaped(&query)
    );
    (target.len() < MAX_TARGET).then_some(ReadCall {
        method: Method::GET,
        target,
        body: None,
        covers: Vec::new(),
    })
}

/// The records in its answer; `None` when there may be more.
///
/// # Errors
/// [`PriorFailure`] when the answer does not bring them.
pub(in crate::crm) fn made_found(
    mutation: &Mutation,
    status: StatusCode,
    body: &[u8],
) -> Result<Option<Vec<Prior>>, PriorFailure> {
    let records = match records(&Kind::Query, &[(0, mutation)], status, body) {
        Ok(records) => records,
        Err(Missing::Absent) => return Ok(Some(Vec::new())),
        Err(Missing::Failure(failure)) => return Err(failure),
    };
    if records.len() >= MOST {
        return Ok(None);
    }
    records.iter().map(one).collect::<Result<_, _>>().map(Some)
}
