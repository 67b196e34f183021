//! A row as the bytes that are hashed.

use crate::ledger::chain::{Hash, Parts, Salt, values_digest};

/// A row as bytes.
pub(in crate::ledger) struct Raw<'r> {
    pub(in crate::ledger) parts: Parts<'r>,
    pub(in crate::ledger) values: Option<&'r [u8]>,
    pub(in crate::ledger) salt: Option<&'r [u8]>,
    pub(in crate::ledger) hash: Hash,
    /// Its place among the rows of all chains.
    pub(in crate::ledger) place: i64,
}

impl Raw<'_> {
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
