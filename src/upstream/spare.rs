//! What it takes to send a request again: only where it did not act, and with bytes that we still hold.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};

use super::body::Body;

/// A copy of a request.
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Option<Bytes>,
}

impl Spare {
    /// A read without a body: it can be asked again whatever became of it.
    pub(super) fn of_bodyless_read(request: &Request<Body>) -> Option<Self> {
        let read = request.method() == Method::GET || request.method() == Method::HEAD;
        match request.body() {
            Body::Empty if read => Self::of(request),
            Body::Empty
            | Body::Full(_)
            | Body::Streamed(_)
            | Body::Leased(..)
            | Body::Piped(..)
            | Body::Edited(..) => None,
        }
    }

    /// Any request whose bytes we hold.
    pub(super) fn of(request: &Request<Body>) -> Option<Self> {
        let bytes = match request.body() {
            Body::Empty => None,
            Body::Full(bytes) => Some(bytes.clone()),
            Body::Streamed(_) | Body::Leased(..) | Body::Piped(..) | Body::Edited(..) => {
                return None;
            }
        };
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            bytes,
        })
    }

    /// The request.
    pub(super) fn request(&self) -> Request<Body> {
        let body = self.bytes.clone().map_or(Body::Empty, Body::Full);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}
