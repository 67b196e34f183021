//! A row as the bytes that are hashed, with no more trust in the file than that it can be read.

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::ledger::chain::{Hash, Parts, Salt, values_digest};

/// The columns that [`Raw::read`] takes, in its order.
pub(super) const COLUMNS: &str = "seq, writer, entry, kind, at, service_account, route, meta, \
    field_values, salt, values_digest, hash";

/// A row as bytes.
pub(super) struct Raw<'r> {
    pub(super) parts: Parts<'r>,
    values: Option<&'r [u8]>,
    salt: Option<&'r [u8]>,
    pub(super) hash: Hash,
}

impl<'r> Raw<'r> {
    /// Reads [`COLUMNS`]; an inner `Err` says what is not as the ledger writes it.
    pub(super) fn read(
        row: &'r SqlRow<'_>,
        seq: i64,
    ) -> rusqlite::Result<Result<Self, &'static str>> {
        let column = |place: usize| row.get_ref(place);
        let (at, hash) = (column(4)?, column(11)?);
        let texts = (
            text(column(1)?),
            text(column(2)?),
            text(column(3)?),
            text(column(7)?),
        );
        let (Some(Some(writer)), Some(Some(entry)), Some(Some(kind)), Some(Some(meta))) = texts
        else {
            return Ok(Err("a text is missing"));
        };
        let others = (text(column(5)?), text(column(6)?), text(column(8)?));
        let (Some(service_account), Some(route), Some(values)) = others else {
            return Ok(Err("what should be text is not"));
        };
        let (Some(salt), Some(values_digest)) = (blob(column(9)?), blob(column(10)?)) else {
            return Ok(Err("what should be bytes is not"));
        };
        let ValueRef::Integer(at) = at else {
            return Ok(Err("its time is not a number"));
        };
        let Some(hash) = blob(hash)
            .flatten()
            .and_then(|hash| Hash::try_from(hash).ok())
        else {
            return Ok(Err("its hash is not 32 bytes"));
        };
        let parts = Parts {
            writer,
            seq,
            entry,
            kind,
            at,
            service_account,
            route,
            meta,
            values_digest,
        };
        Ok(Ok(Self {
            parts,
            values,
            salt,
            hash,
        }))
    }

    /// Whether its values are those that were digested, or were erased, or never were.
    pub(super) fn values_fit(&self) -> bool {
        match (self.values, self.salt, self.parts.values_digest) {
            (None, None, _) => true,
            // a longer salt could swallow the beginning of the values
            (Some(values), Some(salt), Some(digest)) if salt.len() == size_of::<Salt>() => {
                values_digest(salt, values) == digest
            }
            (Some(_) | None, Some(_) | None, Some(_) | None) => false,
        }
    }
}

/// `None` where it is neither text nor null.
fn text(value: ValueRef<'_>) -> Option<Option<&[u8]>> {
    match value {
        ValueRef::Text(text) => Some(Some(text)),
        ValueRef::Null => Some(None),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

/// `None` where it is neither bytes nor null.
fn blob(value: ValueRef<'_>) -> Option<Option<&[u8]>> {
    match value {
        ValueRef::Blob(blob) => Some(Some(blob)),
        ValueRef::Null => Some(None),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
    }
}
