//! Checking a whole chain: every row is hashed again as the bytes that are stored, and what does not
//! fit is said. The same for every store, which brings the rows in the order of their places.

mod claim;
mod open;
mod raw;
mod suspects;

use std::cmp::Ordering;
use std::collections::HashMap;

use jiff::Timestamp;

pub(super) use self::claim::{Claim, named};
pub(super) use self::open::Open;
pub(super) use self::raw::Raw;
use self::suspects::{Content, Suspects};
use super::Head;
use super::chain::{GENESIS, Hash, hash, hex};

/// Faults that are listed; more are counted.
const LISTED: usize = 1_000;

/// What a walk along one chain came to.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) rows: u64,
    /// `None`: there are no rows.
    pub(super) head: Option<Head>,
    /// One line each, by place.
    pub(super) faults: Vec<String>,
}

/// The row before.
#[derive(Clone, Copy)]
struct Last {
    seq: i64,
    hash: Hash,
    at: i64,
    place: i64,
}

pub(super) struct Walk<'p> {
    rows: u64,
    writer: Option<Vec<u8>>,
    last: Option<Last>,
    /// What the hash of the row before should be, where it is another.
    should_be: Option<Hash>,
    /// The row before is missing or unreadable, so this one's link cannot be checked.
    torn: bool,
    claims: HashMap<i64, Vec<&'p Claim>>,
    suspects: Suspects,
    /// Lines by place; `None`: what the suspects say of it.
    faults: Vec<(i64, Option<String>)>,
    unlisted: u64,
}

impl<'p> Walk<'p> {
    /// A walk along the chain that these claims are about.
    pub(super) fn new(claims: impl IntoIterator<Item = &'p Claim>) -> Self {
        let mut by_place: HashMap<i64, Vec<&Claim>> = HashMap::new();
        for claim in claims {
            let seq = i64::try_from(claim.head.seq).unwrap_or(i64::MAX);
            by_place.entry(seq).or_default().push(claim);
        }
        Self {
            rows: 0,
            writer: None,
            last: None,
            should_be: None,
            torn: false,
            claims: by_place,
            suspects: Suspects::default(),
            faults: Vec::new(),
            unlisted: 0,
        }
    }

    /// The place to read on from; `None`: there can be no more.
    pub(super) fn from(&self) -> Option<i64> {
        self.last
            .map_or(Some(i64::MIN), |last| last.seq.checked_add(1))
    }

    /// Something that is wrong with this place.
    pub(super) fn fault(&mut self, seq: i64, what: impl Into<Option<String>>) {
        if self.faults.len() < LISTED {
            self.faults.push((seq, what.into()));
        } else {
            self.unlisted += 1;
        }
    }

    /// The next row, or what is not as the ledger writes it.
    pub(super) fn row(&mut self, seq: i64, raw: Result<Raw<'_>, &'static str>, open: &mut Open) {
        self.rows += 1;
        self.missing_before(seq);
        let raw = match raw {
            Ok(raw) => raw,
            Err(what) => {
                self.fault(seq, format!("row {seq}: edited: {what}"));
                self.claimed(seq, None);
                let place = self.last.map_or(i64::MIN, |last| last.place);
                self.last = Some(Last {
                    seq,
                    hash: GENESIS,
                    at: 0,
                    place,
                });
                self.torn = true;
                return;
            }
        };
        self.writer(&raw);
        if !raw.values_fit() {
            self.fault(seq, format!("row {seq}: its values were edited"));
        }
        if self.last.is_some_and(|last| last.place >= raw.place) {
            self.fault(
                seq,
                format!("row {seq}: its place among all rows is another"),
            );
        }
        self.link(&raw);
        self.claimed(seq, Some(&raw));
        open.saw(&raw.parts);
        self.last = Some(Last {
            seq,
            hash: raw.hash,
            at: raw.parts.at,
            place: raw.place,
        });
    }

    fn missing_before(&mut self, seq: i64) {
        let expected = self.last.map_or(1, |last| last.seq.saturating_add(1));
        if seq < 1 {
            self.fault(seq, format!("row {seq}: stands before the first"));
        } else if seq > expected.max(1) {
            let expected = expected.max(1);
            let what = match seq - expected {
                1 => format!("row {expected}: removed"),
                count => format!("rows {expected} to {}: {count} removed", seq - 1),
            };
            self.fault(expected, what);
            self.torn = true;
        }
    }

    /// Whether it is a row of the same chain as the one before.
    fn writer(&mut self, raw: &Raw<'_>) {
        let writer = self.writer.get_or_insert_with(|| raw.parts.writer.to_vec());
        if writer.as_slice() != raw.parts.writer {
            let before = std::mem::replace(writer, raw.parts.writer.to_vec());
            let seq = raw.parts.seq;
            let what = format!(
                "row {seq}: the chain of writer {} is broken: it is of writer {}",
                String::from_utf8_lossy(&before),
                String::from_utf8_lossy(raw.parts.writer)
            );
            self.fault(seq, what);
        }
    }

    /// Whether its hash follows from it and from the row before.
    fn link(&mut self, raw: &Raw<'_>) {
        let before = self.last.map_or(GENESIS, |last| last.hash);
        let expected = hash(&before, &raw.parts);
        // the hash of the row before may be all that was edited there
        let follows = expected == raw.hash
            || self
                .should_be
                .is_some_and(|before| hash(&before, &raw.parts) == raw.hash);
        self.should_be = None;
        if std::mem::take(&mut self.torn) || follows {
            return;
        }
        self.should_be = Some(expected);
        self.suspects
            .add(Content::new(&raw.parts, raw.hash), before);
        self.fault(raw.parts.seq, None);
    }

    /// Whether it is the row that was said to stand here.
    fn claimed(&mut self, seq: i64, raw: Option<&Raw<'_>>) {
        for claim in self.claims.remove(&seq).unwrap_or_default() {
            if !raw.is_some_and(|raw| claim.is_about(raw)) {
                self.fault(seq, format!("row {seq}: is not the one {}", claim.who()));
            }
        }
    }

    /// Claims that no row was found for.
    fn claims_without_rows(&mut self) {
        let first = self.last.map_or(1, |last| last.seq.saturating_add(1));
        let mut claims: Vec<(i64, &Claim)> = std::mem::take(&mut self.claims)
            .into_iter()
            .flat_map(|(seq, claims)| claims.into_iter().map(move |claim| (seq, claim)))
            .collect();
        claims.sort_by_key(|(seq, claim)| (*seq, claim.head.at));
        for (seq, claim) in claims {
            let what = match seq.cmp(&first) {
                Ordering::Less => format!("row {seq}: removed; it"),
                Ordering::Equal => format!("row {seq}: cut off; it"),
                Ordering::Greater => format!("rows {first} to {seq}: cut off; row {seq}"),
            };
            self.fault(seq, format!("{what} {}", claim.what_it_was()));
        }
    }

    /// There are no more rows.
    pub(super) fn finish(mut self) -> Walked {
        self.claims_without_rows();
        let writer = self.writer.unwrap_or_default();
        let head = self.last.map(|last| Head {
            writer: String::from_utf8_lossy(&writer).into_owned(),
            seq: u64::try_from(last.seq).unwrap_or(0),
            hash: hex(&last.hash),
            at: Timestamp::from_microsecond(last.at).unwrap_or(Timestamp::MIN),
        });
        self.faults.sort_by_key(|(seq, _)| *seq);
        let suspects = self.suspects;
        let lines = self
            .faults
            .into_iter()
            .map(|(seq, what)| what.unwrap_or_else(|| suspects.what_happened(seq)));
        let mut faults: Vec<String> = lines.collect();
        if self.unlisted > 0 {
            faults.push(format!("and {} more", self.unlisted));
        }
        Walked {
            rows: self.rows,
            head,
            faults,
        }
    }
}
