//! A request that comes from a file or a line instead of a connection. It has one reading or none.

mod asked;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Map, Value};

use crate::crm::json;
use crate::crm::path::CanonicalPath;
use crate::mutation::{Claims, CrmKind};
use crate::proxy::actor;
use crate::proxy::body::BODY_MOST;
use crate::proxy::decode::decode;

pub use asked::{Asked, asked};

/// A request in the one form that is judged.
#[derive(Debug)]
pub struct Request {
    /// The method on the request line.
    pub method: Method,
    /// The canonical path.
    pub path: CanonicalPath,
    /// The raw query without `?`.
    pub query: Option<String>,
    /// Its headers.
    pub headers: HeaderMap,
    /// Without its content coding.
    pub body: Bytes,
}

/// A request as it was written, before its path and body are read.
#[derive(Debug)]
struct Raw<'a> {
    method: &'a [u8],
    target: &'a str,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// Reads request line, headers, blank line, and the body to the end. A line ends with LF or CRLF;
    /// the version may be left out.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn from_raw(bytes: &[u8], crm: CrmKind) -> Result<Self, String> {
        let (first, mut rest) = line(bytes)?;
        let (method, target) = request_line(first)?;
        let mut headers = HeaderMap::new();
        while !rest.is_empty() {
            let (next, after) = line(rest)?;
            rest = after;
            if next.is_empty() {
                break;
            }
            header_line(next, &mut headers)?;
        }
        Self::checked(
            Raw {
                method,
                target,
                headers,
                body: Bytes::copy_from_slice(rest),
            },
            crm,
        )
    }

    /// Reads one line of `--jsonl`: `{"method","path","headers","body" or "body_b64"}`.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn from_json(line: &[u8], crm: CrmKind) -> Result<Self, String> {
        let value = json::parse(line).map_err(|malformed| {
            malformed
                .to_string()
                .replacen("the JSON body", "the line", 1)
        })?;
        let object = value
            .as_object()
            .ok_or("the line must be an object with method and path")?;
        const KEYS: [&str; 5] = ["method", "path", "headers", "body", "body_b64"];
        if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("the line has no key `{key}`: {}", KEYS.join(", ")));
        }
        let headers = match object.get("headers") {
            None | Some(Value::Null) => HeaderMap::new(),
            Some(headers) => json_headers(headers)?,
        };
        Self::checked(
            Raw {
                method: json_text(object, "method")?.as_bytes(),
                target: json_text(object, "path")?,
                headers,
                body: json_body(object)?,
            },
            crm,
        )
    }

    /// What the agent says of itself.
    ///
    /// # Errors
    /// A claim that is given twice, too long or no text.
    pub fn claims(&self) -> Result<Claims, String> {
        actor::claims(&self.headers).map_err(|refusal| {
            let what = refusal.message.trim_end_matches('.');
            what.strip_prefix("Not written: ")
                .unwrap_or(what)
                .to_owned()
        })
    }

    fn checked(raw: Raw<'_>, crm: CrmKind) -> Result<Self, String> {
        let Ok(method) = Method::from_bytes(raw.method) else {
            return Err("the method is no HTTP method".into());
        };
        if raw.target.contains('#') {
            return Err("the path holds a `#`: write it as %23, or leave the rest out".into());
        }
        let (path, query) = match raw.target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (raw.target, None),
        };
        let path = CanonicalPath::parse(path).map_err(|malformed| malformed.to_string())?;
        let path = match crm {
            CrmKind::Salesforce => path.without_login_host(),
            CrmKind::HubSpot => path,
        };
        check_framing(&raw.headers, raw.body.len())?;
        Ok(Self {
            method,
            path,
            query,
            body: decoded(&raw.headers, raw.body)?,
            headers: raw.headers,
        })
    }
}

/// The body without its content coding, as the proxy undoes it.
fn decoded(headers: &HeaderMap, body: Bytes) -> Result<Bytes, String> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let coding = codings.next();
    if codings.next().is_some() {
        return Err("Content-Encoding is given twice".into());
    }
    // A value that is no text is no coding that we know.
    let coding = coding.map(|value| value.to_str().unwrap_or("?"));
    decode(coding, body, BODY_MOST).map_err(|fault| fault.to_string())
}

/// The body reaches to the end: a header that says otherwise gives the request a second reading.
fn check_framing(headers: &HeaderMap, body: usize) -> Result<(), String> {
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err("the body is taken as it stands: leave Transfer-Encoding out".into());
    }
    for length in headers.get_all(CONTENT_LENGTH) {
        if length.as_bytes() != body.to_string().as_bytes() {
            return Err(format!(
                "Content-Length differs from the body, which has {body} bytes: correct it or leave it out"
            ));
        }
    }
    Ok(())
}

/// The first line without its end, and what follows.
fn line(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (line, rest) = match end {
        Some(end) => (
            bytes.get(..end).unwrap_or_default(),
            bytes.get(end + 1..).unwrap_or_default(),
        ),
        None => (bytes, &[][..]),
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&b'\r') {
        return Err("a carriage return stands inside a line: end lines with LF or CRLF".into());
    }
    Ok((line, rest))
}

fn request_line(line: &[u8]) -> Result<(&[u8], &str), String> {
    const FORM: &str = "the first line must be METHOD PATH, such as PATCH /services/data/v66.0/sobjects/Account/001… HTTP/1.1";
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(FORM.into());
    };
    match (parts.next(), parts.next()) {
        (None | Some(b"HTTP/1.1"), None) => {}
        _ => return Err(FORM.into()),
    }
    let Ok(target) = std::str::from_utf8(target) else {
        return Err("the path is not UTF-8: percent-encode it".into());
    };
    Ok((method, target))
}

/// RFC 9112, 5: no folded lines, no blank before the colon.
fn header_line(line: &[u8], headers: &mut HeaderMap) -> Result<(), String> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, value) = match colon {
        Some(colon) => (
            line.get(..colon).unwrap_or_default(),
            line.get(colon + 1..).unwrap_or_default(),
        ),
        None => return Err("a header line has no colon: headers end with a blank line".into()),
    };
    add_header(name, value.trim_ascii(), headers)
}

fn add_header(name: &[u8], value: &[u8], headers: &mut HeaderMap) -> Result<(), String> {
    let Ok(name) = HeaderName::from_bytes(name) else {
        return Err("a header's name has characters that names do not have".into());
    };
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return Err(format!(
            "the value of header {name} holds control characters"
        ));
    };
    headers.append(name, value);
    Ok(())
}

fn json_text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    let text = object.get(key).and_then(Value::as_str);
    text.ok_or_else(|| format!("`{key}` must be there and be text"))
}

/// `{name: value}` or `[[name, value]]`.
fn json_headers(value: &Value) -> Result<HeaderMap, String> {
    const FORM: &str = "`headers` must be {name: value} or [[name, value]], all text";
    let pairs: Vec<(&str, &str)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect(),
        Value::Array(list) => list
            .iter()
            .map(|pair| match pair.as_array()?.as_slice() {
                [name, value] => Some((name.as_str()?, value.as_str()?)),
                _ => None,
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
    .ok_or(FORM)?;
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        add_header(name.as_bytes(), value.as_bytes(), &mut headers)?;
    }
    Ok(headers)
}

fn json_body(object: &Map<String, Value>) -> Result<Bytes, String> {
    match (object.get("body"), object.get("body_b64")) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(Bytes::new()),
        (Some(Value::String(text)), None | Some(Value::Null)) => Ok(text.clone().into()),
        (None | Some(Value::Null), Some(Value::String(coded))) => {
            let body = STANDARD.decode(coded).map(Bytes::from);
            body.map_err(|error| format!("`body_b64` is not base64: {error}"))
        }
        (Some(Value::String(_)), Some(Value::String(_))) => {
            Err("give `body` or `body_b64`, not both".into())
        }
        _ => Err("`body` and `body_b64` must be text".into()),
    }
}

#[cfg(test)]
mod tests;
