//! The sandbox's own, lenient reading of a request. Nothing here is shared with the proxy.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use memchr::memmem;
use serde_json::Value;

use super::Token;
use super::salesforce::{bulk, soap};

/// Decoded bodies are cut off here.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A request, read.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The method in force: a documented `_HttpMethod` override on a POST is applied.
    pub(super) method: Method,
    /// Non-empty path segments, percent-decoded.
    pub(super) segments: Vec<String>,
    /// Query parameters, decoded, in order.
    pub(super) query: Vec<(String, String)>,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body as it arrived.
    pub(super) raw: Bytes,
}

impl Request {
    /// Reads method, target and headers; the body is decoded when it is asked for.
    pub(super) fn new(method: Method, target: &str, headers: HeaderMap, raw: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method,
            segments: segments(path),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers,
            raw,
        };
        if request.method == Method::POST {
            match request.parameter("_HttpMethod") {
                Some("PATCH") => request.method = Method::PATCH,
                Some("DELETE") => request.method = Method::DELETE,
                Some(_) | None => {}
            }
        }
        request
    }

    /// The last value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter says `true`, in any case.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A query parameter that lists names, by commas or by repetition.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let mut given = self.query.iter().filter(|(key, _)| key == name).peekable();
        given.peek()?;
        let names = given.flat_map(|(_, value)| value.split(','));
        Some(
            names
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    }

    /// A header's value, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of `Authorization: Bearer` (Salesforce also takes `OAuth`), of the header of its own that
    /// Bulk API 1.0 takes, or of a SOAP message.
    pub(super) fn bearer(&self) -> Option<String> {
        let names: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        if let ["services", "async", ..] = names.as_slice() {
            return self.header("x-sfdc-session").map(str::to_owned);
        }
        if let ["services", "Soap", ..] = names.as_slice() {
            let secret = soap::secret(&self.raw);
            if secret.is_some() || memmem::find(&self.raw, b"SessionHeader").is_some() {
                return secret;
            }
        }
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
        known.then(|| token.trim().to_owned())
    }

    /// Whether the body is said to be something else than JSON.
    pub(super) fn not_json(&self) -> bool {
        self.header("content-type")
            .is_some_and(|kind| !kind.to_ascii_lowercase().starts_with("application/json"))
    }

    /// The body without its content encoding.
    pub(super) fn body(&self) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let raw = self.raw.as_ref();
        let coding = self.header("content-encoding").unwrap_or("identity").trim();
        let read = match coding.to_ascii_lowercase().as_str() {
            "identity" | "" => return Ok(raw.to_vec()),
            "gzip" | "x-gzip" => MultiGzDecoder::new(raw).take(LARGEST).read_to_end(&mut out),
            "deflate" => ZlibDecoder::new(raw)
                .take(LARGEST)
                .read_to_end(&mut out)
                .or_else(|_| {
                    out.clear();
                    DeflateDecoder::new(raw).take(LARGEST).read_to_end(&mut out)
                }),
            other => return Err(format!("Content-Encoding {other} is not supported")),
        };
        read.map_err(|error| format!("the body is not {coding}: {error}"))?;
        Ok(out)
    }

    /// The body as JSON; of a name that stands twice, the last one counts.
    pub(super) fn json(&self) -> Result<Value, String> {
        lenient(&self.body()?)
    }

    /// Whether the request means to change something, as far as can be told without its effect: every
    /// method that is not a read, but for the POSTs that read.
    pub(super) fn is_write(&self) -> bool {
        if self.method == Method::GET || self.method == Method::HEAD {
            return false;
        }
        let names: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        match (self.method.as_str(), names.as_slice()) {
            (
                "POST",
                ["services", "oauth2", "token"]
                | ["oauth", _, "token"]
                | ["oauth", _, "token", "introspect"]
                | ["oauth", _, "private-apps", "get", "access-token-info"],
            ) => false,
            ("POST", ["services", "data", _, "composite", "sobjects", _]) => false,
            ("POST", ["services", "data", _, "composite"]) => {
                self.parts_write("compositeRequest", "")
            }
            ("POST", ["services", "data", _, "composite", "batch"]) => {
                self.parts_write("batchRequests", "/services/data/")
            }
            ("POST", ["services", "data", _, "graphql"]) => self.graphql_writes(),
            ("POST", ["services", "Soap", ..]) => soap::is_write(&self.raw),
            (method, ["services", "data", _, "jobs", rest @ ..]) => {
                bulk::is_write(method, rest, &self.raw)
            }
            ("POST", ["services", "async", _, "job", rest @ ..]) => {
                matches!(rest, [_, "batch"])
            }
            ("POST", ["crm", .., "search"] | ["crm", .., "batch", "read"]) => false,
            _ => true,
        }
    }

    fn graphql_writes(&self) -> bool {
        let body = self.json().unwrap_or_default();
        let query = body.get("query").and_then(Value::as_str);
        query.is_none_or(|query| query.contains("mutation"))
    }

    /// Whether one of the sub-requests does; their urls begin where `before` ends.
    fn parts_write(&self, list: &str, before: &str) -> bool {
        let Ok(body) = self.json() else { return true };
        let Some(parts) = body.get(list).and_then(Value::as_array) else {
            return true;
        };
        parts.iter().any(|part| {
            let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or("");
            let method = text("method").parse().unwrap_or(Method::POST);
            let url = format!("{before}{}", text("url"));
            Self::new(method, &url, HeaderMap::new(), Bytes::new()).is_write()
        })
    }
}

/// Reads JSON as a lenient server does.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox plays a lenient server and must not share the proxy's strict parser"
)]
pub(super) fn lenient(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// A request with who sent it and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// What was sent.
    pub(super) request: &'a Request,
    /// By whom.
    pub(super) token: &'a Token,
    /// When.
    pub(super) now: Timestamp,
}

/// Splits a path on raw slashes and decodes each segment once; empty segments go.
fn segments(path: &str) -> Vec<String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(percent_decoded)
        .collect()
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        match rest {
            [] => return String::from_utf8_lossy(&out).into_owned(),
            [b'%', high, low, tail @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                out.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = tail;
            }
            [byte, tail @ ..] => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(target: &str) -> Request {
        Request::new(Method::GET, target, HeaderMap::new(), Bytes::new())
    }

    #[test]
    fn segments_are_split_before_they_are_decoded() {
        let request = get("//a/b%2Fc/d%20e/?x=1&x=2%2C3&y=a+b");
        assert_eq!(request.segments, ["a", "b/c", "d e"]);
        assert_eq!(request.parameter("x"), Some("2,3"));
        assert_eq!(request.list("x").unwrap(), ["1", "2", "3"]);
        assert_eq!(request.parameter("y"), Some("a b"));
    }

    #[test]
    fn the_documented_override_changes_the_method_of_a_post_only() {
        let post = |target: &str| {
            Request::new(Method::POST, target, HeaderMap::new(), Bytes::new()).method
        };
        assert_eq!(post("/x?_HttpMethod=PATCH"), Method::PATCH);
        assert_eq!(post("/x?_HttpMethod=PUT"), Method::POST);
        assert_eq!(get("/x?_HttpMethod=PATCH").method, Method::GET);
    }

    #[test]
    fn posts_that_read_are_not_writes() {
        let post = |target: &str, body: &'static str| {
            Request::new(Method::POST, target, HeaderMap::new(), body.into()).is_write()
        };
        assert!(!post("/services/data/v60.0/composite/sobjects/Account", ""));
        assert!(post("/services/data/v60.0/composite/sobjects", ""));
        assert!(!post("/crm/v3/objects/contacts/search", ""));
        assert!(post("/crm/v3/objects/contacts/batch/update", ""));
        let reads = r#"{"compositeRequest":[{"method":"GET","url":"/services/data/v60.0/query"}]}"#;
        assert!(!post("/services/data/v60.0/composite", reads));
        let mixed = r#"{"compositeRequest":[{"method":"DELETE","url":"/services/data/v60.0/x"}]}"#;
        assert!(post("/services/data/v60.0/composite", mixed));
    }
}
