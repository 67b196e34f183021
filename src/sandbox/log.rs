//! What the sandbox saw: every request in order of arrival, and what it changed.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;

use crate::mutation::CrmKind;

/// How many requests are kept; older ones go.
const KEPT: usize = 100_000;

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectKind {
    /// It is new.
    Created,
    /// Some of its fields were written.
    Updated,
    /// It went to the recycle bin, or was archived.
    Deleted,
    /// It came back from there.
    Restored,
    /// It is gone for good.
    Purged,
    /// It went into the record that the request created before.
    MergedAway,
    /// It got a link to another record, or somebody came on it (lists).
    Linked,
    /// It lost one.
    Unlinked,
    /// It left the CRM, or would have.
    Sent,
}

/// A change that a request made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which face.
    pub crm: CrmKind,
    /// Canonical object name: `Account`, `contacts`.
    pub object: String,
    /// The record's own id.
    pub id: String,
    /// What happened.
    pub kind: EffectKind,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method on the request line.
    pub method: Method,
    /// Path and query, byte for byte.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it arrived, still encoded; empty until it was read whole.
    pub body: Bytes,
    /// Whether the body was read whole.
    pub complete: bool,
    /// Whether it meant to change something.
    pub write: bool,
    /// The status of the answer; `None` when none was begun.
    pub status: Option<u16>,
    /// What it changed, in order; empty when it failed or was rolled back.
    pub effects: Vec<Effect>,
}

#[derive(Debug, Default)]
struct Rows {
    first: u64,
    rows: VecDeque<Seen>,
}

/// The requests seen so far.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Rows>);

impl Log {
    /// Notes an arrival; the answer names it in [`Log::update`].
    pub(super) fn arrive(&self, seen: Seen) -> u64 {
        let mut log = self.0.lock();
        if log.rows.len() == KEPT {
            log.rows.pop_front();
            log.first += 1;
        }
        log.rows.push_back(seen);
        log.first + log.rows.len() as u64 - 1
    }

    /// Completes what is known of a request.
    pub(super) fn update(&self, place: u64, change: impl FnOnce(&mut Seen)) {
        let mut log = self.0.lock();
        let offset = place.checked_sub(log.first);
        if let Some(seen) = offset
            .and_then(|offset| usize::try_from(offset).ok())
            .and_then(|offset| log.rows.get_mut(offset))
        {
            change(seen);
        }
    }

    pub(super) fn seen(&self, keep: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let log = self.0.lock();
        log.rows.iter().filter(|seen| keep(seen)).cloned().collect()
    }

    pub(super) fn count(&self) -> u64 {
        let log = self.0.lock();
        log.first + log.rows.len() as u64
    }
}
