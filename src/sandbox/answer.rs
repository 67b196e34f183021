//! An answer of the sandbox, before it is put on the wire.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;

/// Smaller bodies are never compressed.
const WORTH_COMPRESSING: usize = 1024;

/// Status, headers and a JSON body.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    /// A text in place of a JSON body, and its type.
    text: Option<(&'static str, String)>,
}

impl Answer {
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Some(body),
            text: None,
        }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: None,
            text: None,
        }
    }

    /// 200 with CSV.
    pub(super) fn csv(text: String) -> Self {
        Self {
            text: Some(("text/csv", text)),
            ..Self::empty(200)
        }
    }

    /// XML.
    pub(super) fn xml(status: u16, text: String) -> Self {
        Self::empty(status).in_xml(text)
    }

    /// The same with XML in place of its body.
    pub(super) fn in_xml(self, text: String) -> Self {
        Self {
            body: None,
            text: Some(("application/xml;charset=UTF-8", text)),
            ..self
        }
    }

    /// A text of a type.
    pub(super) fn text(status: u16, kind: &'static str, text: String) -> Self {
        Self {
            text: Some((kind, text)),
            ..Self::empty(status)
        }
    }

    /// The same with a header more (lower-case name).
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer for the wire, compressed where `gzip` allows and it is worth it.
    pub(super) fn into_response(self, gzip: bool) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .append(HeaderName::from_static(name), value);
            }
        }
        if let Some((kind, text)) = self.text {
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(CONTENT_TYPE, kind);
            *response.body_mut() = Full::new(Bytes::from(text));
        }
        if let Some(body) = self.body {
            let json = HeaderValue::from_static("application/json;charset=UTF-8");
            response.headers_mut().insert(CONTENT_TYPE, json);
            let mut bytes = body.to_string().into_bytes();
            if bytes.len() > WORTH_COMPRESSING {
                let vary = HeaderValue::from_static("Accept-Encoding");
                response.headers_mut().insert(VARY, vary);
                if let Some(small) = gzip.then(|| gzipped(&bytes)).flatten() {
                    let coding = HeaderValue::from_static("gzip");
                    response.headers_mut().insert(CONTENT_ENCODING, coding);
                    bytes = small;
                }
            }
            *response.body_mut() = Full::new(Bytes::from(bytes));
        }
        response
    }
}

fn gzipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}
