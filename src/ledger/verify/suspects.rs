//! Rows whose hash does not follow: edited, or moved here from another place. A row that was moved
//! still has the hash of the place where it was.

use crate::ledger::chain::{Hash, Parts, hash};

/// Rows that are told apart; with more faults than that, how each came about matters little.
const MOST: usize = 16;

/// What a row says, without its place.
#[derive(Debug)]
pub(super) struct Content {
    seq: i64,
    writer: Vec<u8>,
    entry: Vec<u8>,
    nth: i64,
    kind: Vec<u8>,
    at: i64,
    service_account: Option<Vec<u8>>,
    route: Option<Vec<u8>>,
    meta: Vec<u8>,
    values_digest: Option<Vec<u8>>,
    hash: Hash,
}

impl Content {
    pub(super) fn new(parts: &Parts<'_>, hash: Hash) -> Self {
        Self {
            seq: parts.seq,
            writer: parts.writer.to_vec(),
            entry: parts.entry.to_vec(),
            nth: parts.nth,
            kind: parts.kind.to_vec(),
            at: parts.at,
            service_account: parts.service_account.map(<[u8]>::to_vec),
            route: parts.route.map(<[u8]>::to_vec),
            meta: parts.meta.to_vec(),
            values_digest: parts.values_digest.map(<[u8]>::to_vec),
            hash,
        }
    }

    /// Whether this is the row that stood at `seq`, after a row with the hash `before`.
    fn stood_at(&self, seq: i64, before: &Hash) -> bool {
        let parts = Parts {
            writer: &self.writer,
            seq,
            entry: &self.entry,
            nth: self.nth,
            kind: &self.kind,
            at: self.at,
            service_account: self.service_account.as_deref(),
            route: self.route.as_deref(),
            meta: &self.meta,
            values_digest: self.values_digest.as_deref(),
        };
        hash(before, &parts) == self.hash
    }
}

#[derive(Debug, Default)]
pub(super) struct Suspects {
    rows: Vec<Content>,
    /// Hashes that may stand before a place: those of the suspects and of the rows before them.
    hashes: Vec<Hash>,
}

impl Suspects {
    pub(super) fn add(&mut self, row: Content, before: Hash) {
        if self.rows.len() < MOST {
            self.hashes.extend([before, row.hash]);
            self.rows.push(row);
        }
    }

    /// One line on the suspect at this place.
    pub(super) fn what_happened(&self, seq: i64) -> String {
        let from = self
            .rows
            .iter()
            .find(|row| row.seq == seq)
            .and_then(|row| self.moved_from(row));
        from.map_or_else(
            || format!("row {seq}: edited, or put in another's place, or the row before it was"),
            |from| format!("row {seq}: reordered: this row stood at {from}"),
        )
    }

    fn moved_from(&self, row: &Content) -> Option<i64> {
        self.rows
            .iter()
            .map(|other| other.seq)
            .filter(|place| *place != row.seq)
            .find(|place| {
                self.hashes
                    .iter()
                    .any(|before| row.stood_at(*place, before))
            })
    }
}
