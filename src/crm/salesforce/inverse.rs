//! Taking a write back on Salesforce: rows by `/sobjects`, up to 200 by `/composite/sobjects`, without
//! assignment rules, duplicate alerts and recently-viewed lists (REST API Developer Guide, Headers).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{id, record, route, soap, types};
use crate::crm::inverse::{Inverse, WriteCall};
use crate::crm::path::CanonicalPath;
use crate::mutation::{is_unknown, same_name};

/// Records of one collection.
const MOST: usize = 200;
/// `/composite/sobjects` is there from this version on.
const COLLECTIONS_SINCE: u32 = 42;
/// The version where the write's own path names none.
const VERSION: u32 = 60;

/// What no write can set, or only with a permission that nobody should count on (Object Reference,
/// System Fields).
const KEPT: [&str; 13] = [
    "Id",
    "IsDeleted",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
    "LastActivityDate",
    "LastViewedDate",
    "LastReferencedDate",
    "MasterRecordId",
    "PhotoUrl",
    "IsConverted",
];

fn version(like: &CanonicalPath) -> u32 {
    route::version_of(like).unwrap_or(VERSION)
}

pub(in crate::crm) fn api(like: &CanonicalPath) -> String {
    format!("v{}.0", version(like))
}

/// A collection tells deleted records' objects by their ids alone, so it takes no ids that two objects
/// share.
pub(in crate::crm) fn most(like: &CanonicalPath, object: &str) -> usize {
    let told_by_id = types::is_own(object)
        || types::by_name(object).is_some_and(|known| {
            types::by_id(known.prefix).is_some_and(|found| found.name == known.name)
        });
    if version(like) >= COLLECTIONS_SINCE && told_by_id {
        MOST
    } else {
        1
    }
}

pub(in crate::crm) fn call(
    like: &CanonicalPath,
    object: &str,
    inverse: &Inverse,
) -> Result<WriteCall, String> {
    let base = format!("/services/data/{}", api(like));
    let row = |id: &str| format!("{base}/sobjects/{object}/{id}");
    let collection = || format!("{base}/composite/sobjects");
    let (method, path, query, body) = match inverse {
        Inverse::Undelete(ids) => return soap::undelete(version(like), ids),
        Inverse::Restore(records) => match records.as_slice() {
            [(id, fields)] => (Method::PATCH, row(id), None, written(&fields.clone())),
            many => (
                Method::PATCH,
                collection(),
                None,
                written(&all(object, many)),
            ),
        },
        Inverse::Remove(ids) => match ids.as_slice() {
            [id] => (Method::DELETE, row(id), None, Bytes::new()),
            many => {
                let query = format!("ids={}&allOrNone=false", many.join(","));
                (Method::DELETE, collection(), Some(query), Bytes::new())
            }
        },
    };
    Ok(WriteCall {
        method,
        path: CanonicalPath::parse(&path).map_err(|malformed| malformed.0)?,
        query,
        headers: headers(!body.is_empty()),
        body,
    })
}

fn written(members: &Map<String, Value>) -> Bytes {
    Bytes::from(Value::Object(members.clone()).to_string())
}

fn all(object: &str, records: &[(String, Map<String, Value>)]) -> Map<String, Value> {
    let records: Vec<Value> = records
        .iter()
        .map(|(id, fields)| {
            let mut record = Map::new();
            record.insert("attributes".into(), json!({ "type": object }));
            record.insert("id".into(), id.as_str().into());
            record.extend(fields.clone());
            Value::Object(record)
        })
        .collect();
    let mut members = Map::new();
    members.insert("allOrNone".into(), false.into());
    members.insert("records".into(), records.into());
    members
}

fn headers(body: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("sforce-auto-assign", "FALSE"),
        ("sforce-duplicate-rule-header", "allowSave=true"),
        ("sforce-mru", "updateMru=false"),
    ] {
        let name = HeaderName::from_static(name);
        headers.insert(name, HeaderValue::from_static(value));
    }
    if body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers
}

/// Who changed a record stands beside when.
pub(in crate::crm) fn editor_field(object: &str) -> Option<&'static str> {
    types::is_stamped(object).then_some("LastModifiedById")
}

pub(in crate::crm) fn kept_by_crm(field: &str) -> Option<&'static str> {
    KEPT.iter()
        .any(|kept| same_name(kept, field))
        .then_some("Salesforce keeps this field itself")
}

pub(in crate::crm) fn chosen_by_crm(field: &str, written: &Value) -> Option<&'static str> {
    if is_unknown(written) {
        return Some("Salesforce chose the value when it was written, and it is not known");
    }
    let chosen = same_name(field, "OwnerId")
        && written
            .as_str()
            .is_some_and(|text| text.starts_with(record::ASSIGNED_BY_RULE));
    chosen.then_some("an assignment rule chose the value, which is not known")
}

/// Text as Salesforce gives it back: without white space at its ends, with its own line breaks; ids
/// with 18 characters; moments in its own form.
pub(in crate::crm) fn same_text(written: &Value, now: &Value) -> bool {
    let (Some(written), Some(now)) = (written.as_str(), now.as_str()) else {
        return false;
    };
    plain(written) == plain(now) || same_id(written, now) || same_moment(written, now)
}

fn plain(text: &str) -> String {
    text.trim().replace("\r\n", "\n")
}

fn same_id(a: &str, b: &str) -> bool {
    matches!((id::canonical(a), id::canonical(b)), (Ok(a), Ok(b)) if a == b)
}

fn same_moment(a: &str, b: &str) -> bool {
    matches!((a.parse::<Timestamp>(), b.parse::<Timestamp>()), (Ok(a), Ok(b)) if a == b)
}
