//! Taking a write back on HubSpot: one record by its path, up to 100 by `batch/update` and
//! `batch/archive`. A blank is written as empty text (HubSpot's page "Using object APIs").

pub(in crate::crm) mod link;
pub(in crate::crm) mod member;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use super::types;
use crate::crm::inverse::{Inverse, WriteCall};
use crate::crm::path::CanonicalPath;

/// Inputs of one batch.
pub(in crate::crm) const MOST: usize = 100;

/// What HubSpot sets itself on every type.
const KEPT: [&str; 10] = [
    "hs_object_id",
    "createdate",
    "hs_createdate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "hs_is_archived",
    "hs_merged_object_ids",
    "hs_all_owner_ids",
    "hs_created_by_user_id",
    "hs_updated_by_user_id",
];

pub(in crate::crm) fn api(like: &CanonicalPath) -> String {
    dated(like).unwrap_or_else(|| "v3".to_owned())
}

fn dated(like: &CanonicalPath) -> Option<String> {
    let endpoint = Endpoint::of(like).ok()?;
    endpoint.is_dated().then(|| endpoint.version.to_owned())
}

pub(in crate::crm) fn call(
    like: &CanonicalPath,
    object: &str,
    inverse: &Inverse,
) -> Result<WriteCall, String> {
    if let (true, Inverse::Restore(links)) = (link::is_link(object), inverse) {
        return match links.as_slice() {
            [(id, fields)] if member::is_member(object) => member::call(object, id, fields),
            [(id, fields)] => link::call(like, object, id, fields),
            _ => Err("links are taken back one by one".to_owned()),
        };
    }
    let object = types::on_paths(object).ok_or("its object is no type of records")?;
    let base = match dated(like) {
        Some(date) => format!("/crm/objects/{date}/{object}"),
        None => format!("/crm/v3/objects/{object}"),
    };
    let (method, path, body) = match inverse {
        Inverse::Undelete(_) => {
            return Err("HubSpot's API cannot restore what was archived".into());
        }
        Inverse::Restore(records) => match records.as_slice() {
            [(id, fields)] => {
                let body = json!({ "properties": cleared(fields) });
                (Method::PATCH, format!("{base}/{id}"), Some(body))
            }
            many => {
                let body = json!({ "inputs": inputs(many) });
                (Method::POST, format!("{base}/batch/update"), Some(body))
            }
        },
        Inverse::Remove(ids) => match ids.as_slice() {
            [id] => (Method::DELETE, format!("{base}/{id}"), None),
            many => {
                let inputs: Vec<Value> = many.iter().map(|id| json!({ "id": id })).collect();
                let body = json!({ "inputs": inputs });
                (Method::POST, format!("{base}/batch/archive"), Some(body))
            }
        },
    };
    let headers = body
        .as_ref()
        .map_or_else(HeaderMap::new, |_| json_headers());
    Ok(WriteCall {
        method,
        path: CanonicalPath::parse(&path).map_err(|malformed| malformed.0)?,
        query: None,
        headers,
        body: body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string())),
    })
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(CONTENT_TYPE, json)])
}

/// How many mutations one record of such a request is.
pub(in crate::crm) fn mutations(object: &str) -> usize {
    let link = link::is_link(object) && !member::is_member(object);
    1 + usize::from(link)
}

/// With a trace id of its own each input stands or falls by itself; the record's id serves, so that an
/// error names the record.
fn inputs(records: &[(String, Map<String, Value>)]) -> Vec<Value> {
    records
        .iter()
        .map(|(id, fields)| {
            json!({ "id": id, "properties": cleared(fields), "objectWriteTraceId": id })
        })
        .collect()
}

fn cleared(fields: &Map<String, Value>) -> Map<String, Value> {
    let value = |value: &Value| {
        if value.is_null() {
            Value::from("")
        } else {
            value.clone()
        }
    };
    fields
        .iter()
        .map(|(name, own)| (name.clone(), value(own)))
        .collect()
}

pub(in crate::crm) fn cannot_write_back(field: &str, value: &Value) -> Option<&'static str> {
    if KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(field)) {
        return Some("HubSpot keeps this property itself");
    }
    let adds = value
        .as_str()
        .is_some_and(|text| text.trim_start().starts_with(';'));
    adds.then_some(
        "its value from before begins with `;`, which HubSpot would add to what is there",
    )
}

/// Values as HubSpot gives them back: addresses and truth values in lower case, moments in ISO 8601.
pub(in crate::crm) fn same_text(field: &str, written: &Value, now: &Value) -> bool {
    let (Some(written), Some(now)) = (text(written), text(now)) else {
        return false;
    };
    let folds = field.eq_ignore_ascii_case("email")
        || now.eq_ignore_ascii_case("true")
        || now.eq_ignore_ascii_case("false");
    if folds && written.eq_ignore_ascii_case(&now) {
        return true;
    }
    // only a moment is given back with a time in it
    let (Ok(now), Some(written)) = (now.parse::<Timestamp>(), moment(&written)) else {
        return false;
    };
    written == now
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A moment in any of the forms that HubSpot takes: ISO 8601, a date, milliseconds since 1970.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(millis) = text.parse() {
        return Timestamp::from_millisecond(millis).ok();
    }
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let date: Date = text.parse().ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}
