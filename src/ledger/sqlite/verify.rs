//! Checking the whole chain: reads every row as bytes, hashes it again and says what does not fit.

mod raw;
mod suspects;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow};

use self::raw::{COLUMNS, Raw};
use self::suspects::{Content, Suspects};
use super::file::failed;
use crate::error::StoreError;
use crate::ledger::chain::{GENESIS, Hash, hash, hex};
use crate::ledger::{Head, Verified};

/// Rows read in one transaction: a long one would keep the log from being emptied.
const CHUNK: i64 = 4_096;

/// Faults that are listed; more are counted.
const LISTED: usize = 1_000;

/// Checks every row, and that the published heads are in the chain.
pub(super) fn verify(
    connection: &mut Connection,
    published: &[Head],
) -> Result<Verified, StoreError> {
    let mut walk = Walk::new(published);
    while walk
        .chunk(connection)
        .map_err(|error| failed("cannot read rows", error))?
    {}
    Ok(walk.finish())
}

struct Walk<'p> {
    rows: u64,
    writer: Option<Vec<u8>>,
    /// Place, hash and time of the row before.
    last: Option<(i64, Hash, i64)>,
    /// What the hash of the row before should be, where it is another.
    should_be: Option<Hash>,
    /// The row before is missing or unreadable, so this one's link cannot be checked.
    torn: bool,
    published: HashMap<i64, Vec<&'p Head>>,
    open: HashSet<Vec<u8>>,
    suspects: Suspects,
    /// Lines by place; `None`: what the suspects say of it.
    faults: Vec<(i64, Option<String>)>,
    unlisted: u64,
}

impl<'p> Walk<'p> {
    fn new(published: &'p [Head]) -> Self {
        let mut by_place: HashMap<i64, Vec<&Head>> = HashMap::new();
        for head in published {
            let seq = i64::try_from(head.seq).unwrap_or(i64::MAX);
            by_place.entry(seq).or_default().push(head);
        }
        Self {
            rows: 0,
            writer: None,
            last: None,
            should_be: None,
            torn: false,
            published: by_place,
            open: HashSet::new(),
            suspects: Suspects::default(),
            faults: Vec::new(),
            unlisted: 0,
        }
    }

    fn fault(&mut self, seq: i64, what: impl Into<Option<String>>) {
        if self.faults.len() < LISTED {
            self.faults.push((seq, what.into()));
        } else {
            self.unlisted += 1;
        }
    }

    /// The next rows; whether there may be more. After the last ones, what follows from all rows is
    /// compared in the same transaction.
    fn chunk(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let transaction = connection.transaction()?;
        let from = self
            .last
            .map_or(Some(i64::MIN), |(seq, ..)| seq.checked_add(1));
        let mut read = 0;
        {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM rows WHERE seq >= ?1 ORDER BY seq LIMIT ?2"
            ))?;
            let mut rows = statement.query([from, Some(CHUNK)])?;
            while let Some(row) = rows.next()? {
                read += 1;
                self.row(row)?;
            }
        }
        if read == CHUNK {
            return Ok(true);
        }
        let mut statement = transaction.prepare_cached("SELECT entry, seq FROM unclosed")?;
        let mut listed = statement.query([])?;
        while let Some(row) = listed.next()? {
            let entry: String = row.get(0)?;
            if !self.open.remove(entry.as_bytes()) {
                let seq = row.get(1)?;
                self.fault(
                    seq,
                    format!("entry {entry} is listed as not closed, but it is"),
                );
            }
        }
        for entry in std::mem::take(&mut self.open) {
            let entry = String::from_utf8_lossy(&entry);
            let after_all = i64::MAX;
            self.fault(
                after_all,
                format!("entry {entry} is not closed, but not listed as such"),
            );
        }
        Ok(false)
    }

    fn row(&mut self, row: &SqlRow<'_>) -> rusqlite::Result<()> {
        let seq: i64 = row.get(0)?;
        self.rows += 1;
        self.place(seq);
        let raw = match Raw::read(row, seq)? {
            Ok(raw) => raw,
            Err(what) => {
                self.fault(seq, format!("row {seq}: edited: {what}"));
                self.published_at(seq, None);
                self.last = Some((seq, GENESIS, 0));
                self.torn = true;
                return Ok(());
            }
        };
        self.writer(&raw);
        if !raw.values_fit() {
            self.fault(seq, format!("row {seq}: its values were edited"));
        }
        self.link(&raw);
        self.published_at(seq, Some(&raw));
        match raw.parts.kind {
            b"opened" => {
                self.open.insert(raw.parts.entry.to_vec());
            }
            b"closed" | b"reconciled" => {
                self.open.remove(raw.parts.entry);
            }
            _ => {}
        }
        self.last = Some((seq, raw.hash, raw.parts.at));
        Ok(())
    }

    /// Whether rows are missing before this one.
    fn place(&mut self, seq: i64) {
        let expected = self.last.map_or(1, |(last, ..)| last.saturating_add(1));
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
        let before = self.last.map_or(GENESIS, |(_, hash, _)| hash);
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

    fn published_at(&mut self, seq: i64, raw: Option<&Raw<'_>>) {
        for head in self.published.remove(&seq).unwrap_or_default() {
            let is_it = raw.is_some_and(|raw| {
                raw.parts.writer == head.writer.as_bytes() && hex(&raw.hash) == head.hash
            });
            if !is_it {
                let what = format!("row {seq}: is not the one published as head at {}", head.at);
                self.fault(seq, what);
            }
        }
    }

    /// Published heads that no row was found for.
    fn heads_without_rows(&mut self) {
        let first = self.last.map_or(1, |(seq, ..)| seq.saturating_add(1));
        let mut heads: Vec<(i64, &Head)> = std::mem::take(&mut self.published)
            .into_iter()
            .flat_map(|(seq, heads)| heads.into_iter().map(move |head| (seq, head)))
            .collect();
        heads.sort_by_key(|(seq, head)| (*seq, head.at));
        for (seq, head) in heads {
            let what = match seq.cmp(&first) {
                Ordering::Less => format!("row {seq}: removed; it"),
                Ordering::Equal => format!("row {seq}: cut off; it"),
                Ordering::Greater => format!("rows {first} to {seq}: cut off; row {seq}"),
            };
            let (writer, at) = (&head.writer, head.at);
            let what = format!("{what} was published as head of writer {writer} at {at}");
            self.fault(seq, what);
        }
    }

    fn finish(mut self) -> Verified {
        self.heads_without_rows();
        let head = self.last.map(|(seq, hash, at)| Head {
            writer: String::from_utf8_lossy(&self.writer.unwrap_or_default()).into_owned(),
            seq: u64::try_from(seq).unwrap_or(0),
            hash: hex(&hash),
            at: Timestamp::from_microsecond(at).unwrap_or(Timestamp::MIN),
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
        Verified {
            rows: self.rows,
            heads: head.into_iter().collect(),
            faults,
        }
    }
}
