//! Bulk API 2.0 ingest (Bulk API 2.0 and Bulk API Developer Guide): a job is made, fed with CSV and
//! then committed. Only the commit changes records; what it changes was told by the upload before.

pub mod csv;
pub(super) mod parts;
mod row;
mod spec;

pub use row::{Columns, ONCE_MOST, Once};
pub use spec::{Spec, Work};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use super::body::Content;
use super::headers::{self, Acting};
use super::{Shape, body, id, route};
use crate::crm::{Class, Head, Malformed, ReadCall, Shape as AnyShape, json, overrides};
use crate::mutation::Opaque;

/// One step in the life of a job; `job` is its id in 18 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `POST /jobs/ingest`: a job without rows. Changes nothing.
    Make,
    /// `POST /jobs/ingest` with two parts: a job, its rows, and its commit at once.
    Start,
    /// `PUT /jobs/ingest/{id}/batches`: its rows. Changes nothing.
    Feed {
        /// The job.
        job: String,
    },
    /// `PATCH /jobs/ingest/{id}`: the commit, or the abort.
    Turn {
        /// The job.
        job: String,
    },
    /// `DELETE /jobs/ingest/{id}`: it is forgotten. Changes nothing.
    Drop {
        /// The job.
        job: String,
    },
}

/// What `PATCH /jobs/ingest/{id}` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// `UploadComplete`: the rows are written.
    Commit,
    /// `Aborted`: they are not.
    Abort,
}

/// A job as the CRM tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its id in 18 characters.
    pub id: String,
    /// Its state, as the CRM words it.
    pub state: String,
    /// What it is to do.
    pub spec: Spec,
}

/// What a request to `/jobs/ingest` is, where it is one of the documented steps.
pub(super) fn classify(head: &Head<'_>) -> Option<Class> {
    let segments: Vec<&str> = head.path.segments().iter().map(String::as_str).collect();
    let ["services", "data", version, "jobs", "ingest", rest @ ..] = segments.as_slice() else {
        return None;
    };
    route::version(version)?;
    let job = |text: &str| id::canonical(text).ok();
    let step = match (head.method.clone(), rest) {
        (Method::POST, []) if parts::announced(head.headers) => Step::Start,
        (Method::POST, []) => Step::Make,
        (Method::PUT, [text, "batches"]) => Step::Feed { job: job(text)? },
        (Method::PATCH, [text]) => Step::Turn { job: job(text)? },
        (Method::DELETE, [text]) => Step::Drop { job: job(text)? },
        _ => return None,
    };
    if head.query.is_some_and(|query| !query.is_empty()) {
        let what = "a job takes no query parameters: leave them out".to_owned();
        return Some(Class::Write(AnyShape::TwoReadings(what)));
    }
    if let Some(reason) = overrides::by_header(head.headers, &[]) {
        return Some(Class::Write(AnyShape::TwoReadings(reason)));
    }
    Some(match unclear(&step, head.headers) {
        Some(reason) => Class::Opaque(Opaque::unclear(reason)),
        None => Class::Write(AnyShape::Salesforce(Shape::Bulk(step))),
    })
}

/// Why the headers make it impossible to tell what a step does.
fn unclear(step: &Step, headers: &HeaderMap) -> Option<String> {
    let mut checked = headers.clone();
    if *step == Step::Start {
        checked.remove(header::CONTENT_TYPE);
    }
    if let Some(reason) = headers::opaque(&checked, &Shape::Bulk(step.clone())) {
        return Some(reason);
    }
    if !matches!(headers::acting(headers), Ok(Acting::Nothing)) {
        return Some(
            "a job names its assignment rule when it is made: leave the header out".into(),
        );
    }
    match step {
        Step::Feed { .. } if !is_csv(headers) => {
            Some("rows of a job are sent as Content-Type: text/csv in UTF-8".into())
        }
        Step::Feed { .. } if headers.contains_key(header::CONTENT_ENCODING) => {
            Some("rows of a job are sent without Content-Encoding".into())
        }
        Step::Make | Step::Start | Step::Feed { .. } | Step::Turn { .. } | Step::Drop { .. } => {
            None
        }
    }
}

fn is_csv(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (values.next().map(|value| value.to_str()), values.next()) else {
        return false;
    };
    let value = value.to_ascii_lowercase().replace([' ', '\t', '"'], "");
    matches!(value.as_str(), "text/csv" | "text/csv;charset=utf-8")
}

/// What the body of a [`Step::Make`] asks for.
///
/// # Errors
/// [`Malformed`]; the inner error says why it is not taken apart.
pub fn make(head: &Head<'_>, body: &[u8]) -> Result<Result<Spec, String>, Malformed> {
    apart(body::object(head, &Content::Bytes(body)).and_then(|members| Spec::asked(&members)))
}

/// What the body of a [`Step::Start`] asks for: the job, and its rows.
///
/// # Errors
/// [`Malformed`]; the inner error says why it is not taken apart.
pub fn start<'a>(
    head: &Head<'_>,
    body: &'a [u8],
) -> Result<Result<(Spec, &'a [u8]), String>, Malformed> {
    let parts = parts::of(head.headers, body).map_err(Malformed)?;
    let Value::Object(members) = json::parse(parts.job)? else {
        return Err(Malformed("the part job is not an object".into()));
    };
    apart(Spec::asked(&members).map(|spec| (spec, parts.content)))
}

/// What the body of a [`Step::Turn`] asks for.
///
/// # Errors
/// [`Malformed`] when it is neither of both.
pub fn turn(head: &Head<'_>, body: &[u8]) -> Result<Turn, Malformed> {
    let members = apart(body::object(head, &Content::Bytes(body)))?.map_err(Malformed)?;
    match (members.len(), members.get("state").and_then(Value::as_str)) {
        (1, Some("UploadComplete")) => Ok(Turn::Commit),
        (1, Some("Aborted")) => Ok(Turn::Abort),
        _ => Err(Malformed(
            "the body is neither {\"state\":\"UploadComplete\"} nor {\"state\":\"Aborted\"}".into(),
        )),
    }
}

fn apart<T>(read: Result<T, body::Refused>) -> Result<Result<T, String>, Malformed> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(body::Refused::Opaque(reason)) => Ok(Err(reason)),
        Err(body::Refused::Malformed(what)) => Err(Malformed(what)),
    }
}

/// A job in an answer of the CRM.
///
/// # Errors
/// Why it cannot be told; for people.
pub fn info(body: &[u8]) -> Result<Info, String> {
    let answer = json::parse_answer(body).map_err(|fault| fault.to_string())?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let (Some(job), Some(state)) = (text("id"), text("state")) else {
        return Err("the CRM's answer tells no job".into());
    };
    let members = answer.as_object().ok_or("the CRM's answer tells no job")?;
    let spec = match Spec::told(members) {
        Ok(spec) => spec,
        Err(body::Refused::Opaque(why) | body::Refused::Malformed(why)) => return Err(why),
    };
    Ok(Info {
        id: id::canonical(job).map_err(|Malformed(what)| what)?,
        state: state.to_owned(),
        spec,
    })
}

/// The read that tells of a job.
#[must_use]
pub fn look(head: &Head<'_>, job: &str) -> ReadCall {
    let version = head.path.segments().get(2).map_or("", String::as_str);
    ReadCall {
        method: Method::GET,
        target: format!("/services/data/{version}/jobs/ingest/{job}"),
        body: None::<Bytes>,
        covers: Vec::new(),
    }
}

/// The job that a GET of `/jobs/ingest/{id}` or of its results asks for.
#[must_use]
pub fn asked_for(head: &Head<'_>) -> Option<String> {
    let segments = head.path.segments();
    let is = |place: usize, word: &str| segments.get(place).is_some_and(|known| known == word);
    let ingest = is(0, "services") && is(1, "data") && is(3, "jobs") && is(4, "ingest");
    let job = segments
        .get(5)
        .filter(|_| ingest && head.method == Method::GET)?;
    id::canonical(job).ok()
}

/// How a job ended, in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The CRM's word for it.
    pub state: String,
    /// Rows that it came to.
    pub processed: u64,
    /// Those of them that it refused.
    pub failed: u64,
}

/// How a job ended, by the CRM's answer; `None`: it has not.
///
/// # Errors
/// Why it cannot be told; for our log.
pub fn ended(body: &[u8]) -> Result<Option<Ended>, String> {
    let state = info(body)?.state;
    if !matches!(state.as_str(), "JobComplete" | "Failed" | "Aborted") {
        return Ok(None);
    }
    let answer = json::parse_answer(body).map_err(|fault| fault.to_string())?;
    let count = |name: &str| answer.get(name).and_then(Value::as_u64);
    match (
        count("numberRecordsProcessed"),
        count("numberRecordsFailed"),
    ) {
        (Some(processed), Some(failed)) => Ok(Some(Ended {
            state,
            processed,
            failed,
        })),
        _ => Err("the CRM's answer does not count the rows".into()),
    }
}

#[cfg(test)]
mod tests;
