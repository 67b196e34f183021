//! Bulk jobs (Bulk API 2.0 and Bulk API Developer Guide). Of 2.0: a job is made, fed with CSV and then
//! committed; only the commit changes records, and what it changes was told by the upload before. Of
//! 1.0 (`batch`): a job is made, and each batch of rows runs when it is posted.

pub mod batch;
pub mod csv;
pub(super) mod parts;
pub mod results;
mod row;
mod spec;

pub use row::{Columns, ONCE_MOST, Once};
pub use spec::{Form, Spec, Work};

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use super::body::Content;
use super::headers::{self, Acting};
use super::{Shape, body, id, route};
use crate::crm::{Class, Head, Malformed, ReadCall, Shape as AnyShape, json, multipart, overrides};
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
    /// `PATCH /jobs/ingest/{id}`: the commit, or the abort. `POST /services/async/{version}/job/{id}`:
    /// the end of a job of batches, or the abort.
    Turn {
        /// The job.
        job: String,
    },
    /// `POST /services/async/{version}/job/{id}/batch`: rows that are written at once.
    Batch {
        /// The job.
        job: String,
    },
    /// `DELETE /jobs/ingest/{id}`: it is forgotten. Changes nothing.
    Drop {
        /// The job.
        job: String,
    },
}

impl Step {
    /// The job that a batch is of.
    #[must_use]
    pub fn batch_of(&self) -> Option<&str> {
        match self {
            Self::Batch { job } => Some(job),
            Self::Make
            | Self::Start
            | Self::Feed { .. }
            | Self::Turn { .. }
            | Self::Drop { .. } => None,
        }
    }
}

/// What a [`Step::Turn`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// `UploadComplete`: the rows are written.
    Commit,
    /// `Aborted`: they are not.
    Abort,
    /// `Closed`: no more batches come.
    Close,
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
    let job = |text: &str| id::canonical(text).ok();
    let step = match (segments.as_slice(), head.method.clone()) {
        (["services", "data", version, "jobs", "ingest", rest @ ..], method) => {
            route::version(version)?;
            match (method, rest) {
                (Method::POST, []) if multipart::announced(head.headers) => Step::Start,
                (Method::POST, []) => Step::Make,
                (Method::PUT, [text, "batches"]) => Step::Feed { job: job(text)? },
                (Method::PATCH, [text]) => Step::Turn { job: job(text)? },
                (Method::DELETE, [text]) => Step::Drop { job: job(text)? },
                _ => return None,
            }
        }
        (["services", "async", version, "job", rest @ ..], Method::POST) => {
            route::bare(version)?;
            match rest {
                [] => Step::Make,
                [text] => Step::Turn { job: job(text)? },
                [text, "batch"] => Step::Batch { job: job(text)? },
                _ => return None,
            }
        }
        _ => return None,
    };
    if head.query.is_some_and(|query| !query.is_empty()) {
        let what = "a job takes no query parameters: leave them out".to_owned();
        return Some(Class::Write(AnyShape::TwoReadings(what)));
    }
    if let Some(reason) = overrides::by_header(head.headers, &[]) {
        return Some(Class::Write(AnyShape::TwoReadings(reason)));
    }
    Some(match unclear(&step, head) {
        Some(reason) => Class::Opaque(Opaque::unclear(reason)),
        None => Class::Write(AnyShape::Salesforce(Shape::Bulk(step))),
    })
}

/// Whether a request is one to Bulk API 1.0.
#[must_use]
pub fn of_batches(head: &Head<'_>) -> bool {
    let segments = head.path.segments();
    segments.get(1).is_some_and(|word| word == "async")
}

/// Why the headers make it impossible to tell what a step does.
fn unclear(step: &Step, head: &Head<'_>) -> Option<String> {
    let headers = head.headers;
    let mut checked = headers.clone();
    let batches = of_batches(head);
    if *step == Step::Start || batches {
        checked.remove(header::CONTENT_TYPE);
    }
    if batches {
        // its answers are read in XML, too
        checked.remove(header::ACCEPT);
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
        _ if batches => batch::form(headers).err(),
        Step::Make
        | Step::Start
        | Step::Feed { .. }
        | Step::Turn { .. }
        | Step::Batch { .. }
        | Step::Drop { .. } => None,
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
    if of_batches(head) {
        return apart(
            batch::members(head, body).and_then(|members| Spec::asked_of_batches(&members)),
        );
    }
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
    if of_batches(head) {
        return batch::turn(head, body);
    }
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

/// A job in the answer to a request.
///
/// # Errors
/// Why it cannot be told; for people.
pub fn told(head: &Head<'_>, body: &[u8]) -> Result<Info, String> {
    if of_batches(head) {
        batch::info(body)
    } else {
        info(body)
    }
}

/// A job in an answer of Bulk API 2.0.
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
    let jobs = if of_batches(head) {
        format!("/services/async/{version}/job")
    } else {
        format!("/services/data/{version}/jobs/ingest")
    };
    read(format!("{jobs}/{job}"))
}

/// A read of our own about jobs.
fn read(target: String) -> ReadCall {
    ReadCall {
        method: Method::GET,
        target,
        body: None::<Bytes>,
        covers: Vec::new(),
    }
}

/// The job that a GET of `/jobs/ingest/{id}` or of its results asks for; of Bulk API 1.0 the batch.
#[must_use]
pub fn asked_for(head: &Head<'_>) -> Option<String> {
    let segments: Vec<&str> = head.path.segments().iter().map(String::as_str).collect();
    let asked = match segments.as_slice() {
        ["services", "data", _, "jobs", "ingest", job, ..] => job,
        ["services", "async", _, "job", _, "batch", batch, ..] => batch,
        _ => return None,
    };
    let gets = head.method == Method::GET;
    gets.then(|| id::canonical(asked).ok()).flatten()
}

#[cfg(test)]
mod tests;
