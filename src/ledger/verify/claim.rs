//! Rows that must be in a chain because somebody said so: heads that were published, and heads that
//! the chain of another writer names.

use serde_json::Value;

use super::Raw;
use crate::ledger::Head;
use crate::ledger::chain::hex;

/// A head, and who says that it was one.
#[derive(Debug)]
pub(in crate::ledger) struct Claim {
    pub(in crate::ledger) head: Head,
    by: By,
}

#[derive(Debug)]
enum By {
    Published,
    /// A row of a chain.
    Row {
        writer: String,
        seq: i64,
    },
}

impl Claim {
    pub(in crate::ledger) fn published(head: &Head) -> Self {
        Self {
            head: head.clone(),
            by: By::Published,
        }
    }

    /// Whether this row is the head.
    pub(super) fn is_about(&self, raw: &Raw<'_>) -> bool {
        raw.parts.writer == self.head.writer.as_bytes() && hex(&raw.hash) == self.head.hash
    }

    /// … `is not the one`.
    pub(super) fn who(&self) -> String {
        match &self.by {
            By::Published => format!("published as head at {}", self.head.at),
            By::Row { writer, seq } => format!("that row {seq} of {writer} names as head"),
        }
    }

    /// … `row 3: removed; it`.
    pub(super) fn what_it_was(&self) -> String {
        let Head { writer, at, .. } = &self.head;
        match &self.by {
            By::Published => format!("was published as head of writer {writer} at {at}"),
            By::Row { writer: by, seq } => {
                format!("is named as head of writer {writer} by row {seq} of {by}")
            }
        }
    }
}

/// The heads that a row names, by the exact text of its meta. One that cannot be read names none: its
/// own hash tells that it was edited.
#[expect(
    clippy::disallowed_methods,
    reason = "our own text, written by the ledger and hashed; not traffic"
)]
pub(in crate::ledger) fn named(writer: &str, seq: i64, meta: &str) -> Vec<Claim> {
    let meta: Option<Value> = serde_json::from_str(meta).ok();
    let heads = meta.as_ref().and_then(|meta| meta.get("heads"));
    let heads: Vec<Head> = heads
        .and_then(|heads| serde_json::from_value(heads.clone()).ok())
        .unwrap_or_default();
    let claims = heads.into_iter().map(|head| Claim {
        head,
        by: By::Row {
            writer: writer.to_owned(),
            seq,
        },
    });
    claims.collect()
}
