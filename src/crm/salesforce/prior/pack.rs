//! Reads packed into calls: one alone as it is, several in composites.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use crate::crm::ReadCall;

/// Targets stay shorter than this: Salesforce takes 16,384 bytes of target and headers together.
pub(super) const MAX_TARGET: usize = 12_000;

/// Sub-requests in one composite, and how many of them may be queries or collections.
const MAX_PARTS: usize = 25;
const MAX_LARGE_PARTS: usize = 5;

/// One read, alone or as a part of a composite.
pub(super) struct Part {
    /// Alternative targets: one of them brings the records.
    pub(super) targets: Vec<String>,
    /// The same as a POST, where that holds more.
    pub(super) post: Option<(String, Value)>,
    pub(super) covers: Vec<usize>,
    /// Whether it counts as a query or collection.
    pub(super) large: bool,
}

/// One part is one call; several are packed into composites.
pub(super) fn calls(parts: Vec<Part>, version: u32) -> Vec<ReadCall> {
    let alone = parts.len() == 1;
    let mut calls = Vec::new();
    let mut pack = Pack::default();
    for part in parts {
        let long = part.targets.iter().any(|target| target.len() >= MAX_TARGET);
        if (alone || long) && part.targets.len() == 1 {
            calls.extend(single(part));
            continue;
        }
        if !pack.takes(&part) {
            calls.push(std::mem::take(&mut pack).call(version));
        }
        pack.add(part);
    }
    if !pack.covers.is_empty() {
        calls.push(pack.call(version));
    }
    calls
}

fn single(part: Part) -> Option<ReadCall> {
    let covers = part.covers;
    match part.post {
        Some((target, body)) => Some(ReadCall {
            method: Method::POST,
            target,
            body: Some(Bytes::from(body.to_string())),
            covers,
        }),
        None => part.targets.into_iter().next().map(|target| ReadCall {
            method: Method::GET,
            target,
            body: None,
            covers,
        }),
    }
}

/// A composite that is being filled.
#[derive(Default)]
struct Pack {
    requests: Vec<Value>,
    covers: Vec<usize>,
    parts: usize,
    large: usize,
}

impl Pack {
    fn takes(&self, part: &Part) -> bool {
        let large = if part.large { part.targets.len() } else { 0 };
        self.requests.len() + part.targets.len() <= MAX_PARTS
            && self.large + large <= MAX_LARGE_PARTS
    }

    /// Alternatives get the reference of their part, so that `found` needs only one of them.
    fn add(&mut self, part: Part) {
        if part.large {
            self.large += part.targets.len();
        }
        for (alternative, url) in part.targets.into_iter().enumerate() {
            self.requests.push(json!({
                "method": "GET",
                "url": url,
                "referenceId": format!("p{}_{alternative}", self.parts),
            }));
        }
        self.parts += 1;
        self.covers.extend(part.covers);
    }

    fn call(self, version: u32) -> ReadCall {
        let body = json!({ "allOrNone": false, "compositeRequest": self.requests });
        ReadCall {
            method: Method::POST,
            target: format!("/services/data/v{version}.0/composite"),
            body: Some(Bytes::from(body.to_string())),
            covers: self.covers,
        }
    }
}
