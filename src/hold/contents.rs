//! What a hold keeps of its request and of the CRM's answer: exact bytes, the headers that matter,
//! prior values. Never a credential.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowFilter, RowKind};
use crate::mutation::{Charge, Mutation, Snapshot};

/// Salesforce's other header for a session.
const SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");

/// A header as it is kept: the name, and the value's bytes as the letters U+0000 to U+00FF.
type Field = (String, String);

/// What was parked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Contents {
    /// The canonical path.
    pub path: String,
    /// The raw query.
    pub query: Option<String>,
    /// What would change.
    pub mutations: Vec<Mutation>,
    /// The inspected bytes, base 64.
    bytes: String,
    /// The headers that pass on, without credentials.
    headers: Vec<Field>,
    /// The prior values that were shown first.
    pub snapshot: Snapshot,
    /// What it took from limits.
    #[serde(default)]
    pub charges: Vec<Charge>,
    /// What it takes from the gauges while it waits.
    #[serde(default)]
    pub gauge: Vec<Charge>,
    /// The prior values that were shown last, where the record moved since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Snapshot>,
    /// Where the request goes, of one that was not taken apart: its entry tells only the outline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<Exact>,
}

/// Path and query as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exact {
    /// The canonical path.
    pub path: String,
    /// The raw query.
    pub query: Option<String>,
}

impl Contents {
    /// What is kept of a request.
    #[must_use]
    pub fn of(bytes: &[u8], headers: &HeaderMap, snapshot: Snapshot) -> Self {
        Self {
            path: String::new(),
            query: None,
            mutations: Vec::new(),
            bytes: STANDARD.encode(bytes),
            headers: kept(headers, &[AUTHORIZATION, SESSION, COOKIE]),
            snapshot,
            charges: Vec::new(),
            gauge: Vec::new(),
            seen: None,
            exact: None,
        }
    }

    /// The inspected bytes; `None` where they cannot be what was parked.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        STANDARD.decode(&self.bytes).ok().map(Bytes::from)
    }

    /// The headers that pass on.
    #[must_use]
    pub fn headers(&self) -> Option<HeaderMap> {
        restored(&self.headers)
    }

    /// The prior values that the approvers saw.
    #[must_use]
    pub fn shown(&self) -> &Snapshot {
        self.seen.as_ref().unwrap_or(&self.snapshot)
    }

    /// Reads what was parked under an entry; `None` where its values were erased.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(ledger: &dyn Ledger, entry: &EntryId) -> Result<Option<Self>, StoreError> {
        let filter = RowFilter {
            entry: Some(entry.clone()),
            kinds: vec![RowKind::Held, RowKind::Drifted],
            ..RowFilter::default()
        };
        let rows = ledger.rows(filter).await?;
        let held = rows.iter().find(|row| row.kind == RowKind::Held);
        let Some(mut contents) = held.and_then(values::<Self>) else {
            return Ok(None);
        };
        if let Some(exact) = &contents.exact {
            contents.path.clone_from(&exact.path);
            contents.query.clone_from(&exact.query);
        }
        let moved = rows.iter().rev().find(|row| row.kind == RowKind::Drifted);
        if let Some(moved) = moved.and_then(values::<Moved>) {
            contents.seen = Some(moved.snapshot);
        }
        Ok(Some(contents))
    }
}

/// The values of a drifted row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moved {
    /// The prior values as they are now.
    pub snapshot: Snapshot,
}

/// The CRM's answer to a released write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    status: u16,
    headers: Vec<Field>,
    body: String,
}

impl Answer {
    /// What is kept of an answer: all of it, but for cookies, which are the session of whoever
    /// released it.
    #[must_use]
    pub fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        Self {
            status: status.as_u16(),
            headers: kept(headers, &[SET_COOKIE]),
            body: STANDARD.encode(body),
        }
    }

    /// Status, headers and body, byte for byte.
    #[must_use]
    pub fn restored(&self) -> Option<(StatusCode, HeaderMap, Bytes)> {
        Some((
            StatusCode::from_u16(self.status).ok()?,
            restored(&self.headers)?,
            Bytes::from(STANDARD.decode(&self.body).ok()?),
        ))
    }

    /// Reads the answer to a released write; `None` where its values were erased.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(ledger: &dyn Ledger, entry: &EntryId) -> Result<Option<Self>, StoreError> {
        let filter = RowFilter {
            entry: Some(entry.clone()),
            kinds: vec![RowKind::Closed],
            ..RowFilter::default()
        };
        let rows = ledger.rows(filter).await?;
        let answered = rows.iter().rev().find_map(values::<Answered>);
        Ok(answered.map(|answered| answered.answer))
    }
}

/// The values of a closed row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The CRM's answer.
    pub answer: Answer,
}

/// The values of a row, where they are there and have this form.
fn values<T: serde::de::DeserializeOwned>(row: &Row) -> Option<T> {
    serde_json::from_value(row.values.clone()?).ok()
}

fn kept(headers: &HeaderMap, without: &[HeaderName]) -> Vec<Field> {
    headers
        .iter()
        .filter(|(name, _)| !without.contains(name))
        .map(|(name, value)| {
            let letters = value.as_bytes().iter().map(|byte| char::from(*byte));
            (name.as_str().to_owned(), letters.collect())
        })
        .collect()
}

fn restored(fields: &[Field]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, letters) in fields {
        let bytes: Option<Vec<u8>> = letters
            .chars()
            .map(|letter| u8::try_from(u32::from(letter)).ok())
            .collect();
        headers.append(
            HeaderName::try_from(name.as_str()).ok()?,
            HeaderValue::from_bytes(&bytes?).ok()?,
        );
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_back_byte_for_byte() {
        let mut headers = HeaderMap::new();
        headers.append("x-odd", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("vary", HeaderValue::from_static("a"));
        headers.append("vary", HeaderValue::from_static("b"));
        headers.append("set-cookie", HeaderValue::from_static("sid=secret"));
        let body: Vec<u8> = (0..=255).collect();
        let answer = Answer::of(StatusCode::CREATED, &headers, &body);
        let (status, restored, bytes) = answer.restored().unwrap();
        headers.remove("set-cookie");
        assert_eq!((status, &restored), (StatusCode::CREATED, &headers));
        assert_eq!(bytes, body);
    }

    #[test]
    fn credentials_are_not_kept() {
        let mut headers = HeaderMap::new();
        for name in ["authorization", "x-sfdc-session", "cookie"] {
            headers.insert(name, HeaderValue::from_static("canary"));
        }
        headers.insert("if-match", HeaderValue::from_static("\"1\""));
        let contents = Contents::of(b"{}", &headers, Snapshot::default());
        assert!(!serde_json::json!(contents).to_string().contains("canary"));
        assert_eq!(contents.headers().unwrap().len(), 1);
        assert_eq!(contents.bytes().unwrap(), Bytes::from_static(b"{}"));
    }
}
