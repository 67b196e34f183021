//! The hash chain over rows: what is hashed, byte for byte. Whoever wants to check a ledger without
//! us needs this page and nothing else.
//!
//! `values digest = SHA-256(salt ‖ values)`, where values is the stored text and the salt 16 random
//! bytes of the row. Erasing takes salt and text away and leaves the digest: the chain holds, and the
//! values cannot be guessed from it.
//!
//! `hash = SHA-256(DOMAIN ‖ part ‖ part ‖ …)`, where a part that is there is the byte 1, its length as 8
//! bytes (big end first) and its bytes, and a part that is not is the byte 0. The parts, in order:
//! hash before (32 zero bytes for the first row), writer, seq (8 bytes), entry, nth (8 bytes), kind, at
//! (microseconds since 1970, 8 bytes, two's complement), service account, route, meta (the stored
//! text), values digest.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The random bytes before a row's values.
pub type Salt = [u8; 16];

/// What stands before the first row.
pub const GENESIS: Hash = [0; 32];

const DOMAIN: &[u8] = b"writegate ledger row 1\n";

/// The parts of a row that its hash covers.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'r> {
    /// The writer whose chain it is in.
    pub writer: &'r [u8],
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// The entry's id.
    pub entry: &'r [u8],
    /// How many rows the entry had before it.
    pub nth: i64,
    /// The kind's word.
    pub kind: &'r [u8],
    /// Microseconds since 1970 in UTC.
    pub at: i64,
    /// The service account.
    pub service_account: Option<&'r [u8]>,
    /// The route.
    pub route: Option<&'r [u8]>,
    /// The exact text.
    pub meta: &'r [u8],
    /// The digest of its values.
    pub values_digest: Option<&'r [u8]>,
}

/// The hash of a row that follows `before`.
#[must_use]
pub fn hash(before: &Hash, row: &Parts<'_>) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(DOMAIN);
    part(&mut context, Some(before));
    part(&mut context, Some(row.writer));
    part(&mut context, Some(&row.seq.to_be_bytes()));
    part(&mut context, Some(row.entry));
    part(&mut context, Some(&row.nth.to_be_bytes()));
    part(&mut context, Some(row.kind));
    part(&mut context, Some(&row.at.to_be_bytes()));
    part(&mut context, row.service_account);
    part(&mut context, row.route);
    part(&mut context, Some(row.meta));
    part(&mut context, row.values_digest);
    finish(context)
}

/// The digest of a row's values.
#[must_use]
pub fn values_digest(salt: &[u8], values: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(salt);
    context.update(values);
    finish(context)
}

/// Hex, as heads and rows show hashes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
            let written = write!(hex, "{byte:02x}");
            debug_assert!(written.is_ok(), "writing to a string does not fail");
            hex
        })
}

fn part(context: &mut Context, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        context.update(&[0]);
        return;
    };
    // one update for flag and length: a row has eleven parts
    let mut head = [1; 9];
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if let Some(place) = head.last_chunk_mut::<8>() {
        *place = length.to_be_bytes();
    }
    context.update(&head);
    context.update(bytes);
}

fn finish(context: Context) -> Hash {
    let mut hash = GENESIS;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Parts<'static> {
        Parts {
            writer: b"W",
            seq: 1,
            entry: b"E",
            nth: 3,
            kind: b"opened",
            at: 2,
            service_account: Some(b"a"),
            route: None,
            meta: b"{}",
            values_digest: None,
        }
    }

    #[test]
    fn the_encoding_is_the_one_on_the_page() {
        // the same digest comes from any other SHA-256 over these bytes
        let bytes = [
            b"writegate ledger row 1\n".as_slice(),
            b"\x01\0\0\0\0\0\0\0\x20",
            &[0; 32],
            b"\x01\0\0\0\0\0\0\0\x01W\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x01",
            b"\x01\0\0\0\0\0\0\0\x01E\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x03",
            b"\x01\0\0\0\0\0\0\0\x06opened",
            b"\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\0\x01a\0",
            b"\x01\0\0\0\0\0\0\0\x02{}\0",
        ];
        assert_eq!(hash(&GENESIS, &row()), values_digest(&[], &bytes.concat()));
        assert_eq!(
            hex(&hash(&GENESIS, &row())),
            "fcf208a2a2e4b1ef07cca8dde32ff7b231328e0d54093e16d73dddbf31e260b0"
        );
    }

    #[test]
    fn every_part_matters_and_none_runs_into_the_next() {
        let all = [
            row(),
            Parts {
                writer: b"V",
                ..row()
            },
            Parts { seq: 2, ..row() },
            Parts {
                entry: b"Eo",
                kind: b"pened",
                ..row()
            },
            Parts { nth: 4, ..row() },
            Parts { at: 3, ..row() },
            Parts {
                service_account: None,
                ..row()
            },
            Parts {
                service_account: None,
                route: Some(b"a"),
                ..row()
            },
            Parts {
                route: Some(b""),
                ..row()
            },
            Parts {
                meta: b"{ }",
                ..row()
            },
            Parts {
                values_digest: Some(b""),
                ..row()
            },
        ];
        let mut hashes: Vec<Hash> = all.iter().map(|row| hash(&GENESIS, row)).collect();
        hashes.push(hash(&[1; 32], &row()));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }
}
