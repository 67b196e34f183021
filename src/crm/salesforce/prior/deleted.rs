//! Which records are in the recycle bin: `queryAll` shows them there, each with `IsDeleted` (REST API
//! Developer Guide, `QueryAll`).

use http::{Method, StatusCode};
use serde_json::Value;

use super::found::{Kind, Missing, records};
use super::pack::MAX_TARGET;
use super::soql;
use crate::crm::salesforce::{id, route, types};
use crate::crm::{Head, PriorFailure, ReadCall};
use crate::mutation::field;

/// The query for these records.
pub(in crate::crm) fn deleted(head: &Head<'_>, object: &str, ids: &[&str]) -> Option<ReadCall> {
    let version = route::version_of(head.path)?;
    if !types::is_name(object) {
        return None;
    }
    let fields = ["Id".to_owned(), "IsDeleted".to_owned()];
    let query = soql::by_key(object, &fields, "Id", ids.iter().copied(), soql::quoted);
    let target = format!(
        "/services/data/v{version}.0/queryAll?q={}",
        soql::escaped(&query)
    );
    (target.len() < MAX_TARGET).then_some(ReadCall {
        method: Method::GET,
        target,
        body: None,
        covers: Vec::new(),
    })
}

/// The ids of those that are in the bin.
///
/// # Errors
/// [`PriorFailure`] when the answer does not bring them.
pub(in crate::crm) fn deleted_found(
    status: StatusCode,
    body: &[u8],
) -> Result<Vec<String>, PriorFailure> {
    let records = match records(&Kind::Query, &[], status, body) {
        Ok(records) => records,
        Err(Missing::Absent) => return Ok(Vec::new()),
        Err(Missing::Failure(failure)) => return Err(failure),
    };
    let binned = records
        .iter()
        .filter(|record| field(record, "IsDeleted") == Some(&Value::Bool(true)));
    let ids = binned.filter_map(|record| id::canonical(field(record, "Id")?.as_str()?).ok());
    Ok(ids.collect())
}
