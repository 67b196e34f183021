//! One sub-request: the head that it would have if it came by itself, and its body.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use super::super::body::{self, Refused, malformed};
use super::super::families::Nest;
use super::super::{headers, types};
use super::outer::only;
use crate::crm::catalog::Sender;
use crate::crm::path::CanonicalPath;
use crate::crm::{Head, Malformed};

/// What a sub-request takes over from the whole one and cannot name itself.
const INHERITED: [&str; 5] = [
    "accept",
    "authorization",
    "content-type",
    "user-agent",
    "x-sfdc-session",
];

/// A sub-request.
pub(super) struct Part<'v> {
    /// `compositeRequest[2]:reference`.
    pub(super) place: String,
    /// Its name, where it has one.
    pub(super) reference: Option<&'v str>,
    method: Method,
    path: CanonicalPath,
    query: Option<&'v str>,
    headers: HeaderMap,
    sender: Sender<'v>,
    pub(super) body: Option<&'v Value>,
}

impl Part<'_> {
    pub(super) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query,
            headers: &self.headers,
            sender: self.sender,
        }
    }
}

/// Reads a sub-request; the whole request's own session stands for it.
pub(super) fn read<'v>(
    nest: Nest,
    list: &str,
    at: usize,
    value: &'v Value,
    outer: &Head<'v>,
) -> Result<Part<'v>, Refused> {
    let mut place = format!("{list}[{at}]");
    let Value::Object(members) = value else {
        return Err(malformed(format!("{place} is not an object")));
    };
    let (body, reference) = match nest {
        Nest::Batch => {
            for name in ["binaryPartName", "binaryPartNameAlias"] {
                if members.contains_key(name) {
                    return Err(Refused::Opaque(format!(
                        "{place}: it names a file part, which is not taken apart"
                    )));
                }
            }
            only(members, &["method", "url", "richInput"])?;
            (members.get("richInput"), None)
        }
        Nest::Composite | Nest::Graph => {
            only(
                members,
                &["method", "url", "referenceId", "body", "httpHeaders"],
            )?;
            (
                members.get("body"),
                Some(text(members, "referenceId", &place)?),
            )
        }
    };
    if let Some(reference) = reference {
        if !is_reference(reference) {
            return Err(malformed(format!(
                "{place}: referenceId is not made of letters, digits and _"
            )));
        }
        place = format!("{place}:{reference}");
    }
    let method = method(text(members, "method", &place)?, &place)?;
    let url = text(members, "url", &place)?;
    let (path, query) = target(nest, url, &place)?;
    Ok(Part {
        sender: outer.sender,
        headers: sub_headers(members.get("httpHeaders"), outer, &place)?,
        place,
        reference,
        method,
        path,
        query,
        body,
    })
}

fn text<'v>(members: &'v Map<String, Value>, name: &str, place: &str) -> Result<&'v str, Refused> {
    members
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| malformed(format!("{place}: {name} is missing or no text")))
}

fn is_reference(text: &str) -> bool {
    types::is_name(text) && text.len() <= 80
}

fn method(text: &str, place: &str) -> Result<Method, Refused> {
    match text {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err(malformed(format!(
            "{place}: method is not one of GET, HEAD, POST, PUT, PATCH, DELETE"
        ))),
    }
}

/// Path and query. A composite's urls begin with `/services/data/`, a batch's with the version.
fn target<'v>(
    nest: Nest,
    url: &'v str,
    place: &str,
) -> Result<(CanonicalPath, Option<&'v str>), Refused> {
    let decides = || {
        Refused::Opaque(format!(
            "{place}: a reference in the url decides which record or object it is about: write it out, \
             or send it in a request of its own"
        ))
    };
    if url.contains("@{") {
        return Err(decides());
    }
    if url.contains('#') {
        return Err(malformed(format!("{place}: the url holds a `#`")));
    }
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let whole = match (nest, path.starts_with("/services/data/v")) {
        (_, true) => path.to_owned(),
        (Nest::Batch, false) if path.starts_with('v') => format!("/services/data/{path}"),
        _ => {
            return Err(malformed(format!(
                "{place}: the url does not begin with /services/data/vNN.N/"
            )));
        }
    };
    let path = CanonicalPath::parse(&whole)
        .map_err(|Malformed(what)| malformed(format!("{place}: {what}")))?;
    // it is sent as it stands, inside the body, where a plus can be read as a blank
    if whole.contains('+') {
        return Err(malformed(format!(
            "{place}: the url holds a `+`, which has two readings: write %2B or %20"
        )));
    }
    // nobody knows whether a reference is looked for before or after the url is decoded
    let decoded = |text: &str| {
        text.replace("%40", "@")
            .replace("%7B", "{")
            .replace("%7b", "{")
    };
    let in_path = path.segments().iter().any(|segment| segment.contains("@{"));
    if in_path || query.is_some_and(|query| decoded(query).contains("@{")) {
        return Err(decides());
    }
    Ok((path, query))
}

/// The headers of a sub-request, with the type that its body has by where it stands.
fn sub_headers(given: Option<&Value>, outer: &Head<'_>, place: &str) -> Result<HeaderMap, Refused> {
    let mut map = HeaderMap::new();
    if let Some(accept) = outer.headers.get(http::header::ACCEPT) {
        map.insert(http::header::ACCEPT, accept.clone());
    }
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let given = match given {
        None => return Ok(map),
        Some(Value::Object(given)) => given,
        Some(_) => return Err(malformed(format!("{place}: httpHeaders is not an object"))),
    };
    for (name, value) in given {
        let folded = name.to_ascii_lowercase();
        if INHERITED.contains(&folded.as_str()) || !headers::passes_on_write(&folded) {
            return Err(Refused::Opaque(format!(
                "{place}: the header {} is not understood there: leave it out",
                body::shown(name)
            )));
        }
        let header = HeaderName::from_bytes(folded.as_bytes()).ok();
        let value = value
            .as_str()
            .and_then(|value| HeaderValue::from_str(value).ok());
        let (Some(header), Some(value)) = (header, value) else {
            return Err(malformed(format!(
                "{place}: the header {} has no value that is one",
                body::shown(name)
            )));
        };
        map.insert(header, value);
    }
    Ok(map)
}
