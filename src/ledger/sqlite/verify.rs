//! Reads the whole file to be checked, with no more trust in it than that it can be read.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row as SqlRow};

use super::file::failed;
use crate::error::StoreError;
use crate::ledger::chain::{Hash, Parts};
use crate::ledger::verify::{Claim, Open, Raw, Walk, named};
use crate::ledger::{Head, RowKind, Verified};

/// Rows read in one transaction: a long one would keep the log from being emptied.
const CHUNK: i64 = 4_096;

/// The columns that [`raw`] takes, in its order.
const COLUMNS: &str = "seq, writer, entry, kind, at, service_account, route, meta, field_values, \
    salt, values_digest, hash, nth";

/// Checks every row, that the published heads are in the chain, and that what follows from all rows is
/// listed.
pub(super) fn verify(
    connection: &mut Connection,
    published: &[Head],
) -> Result<Verified, StoreError> {
    check(connection, published).map_err(|error| failed("cannot read rows", error))
}

fn check(connection: &mut Connection, published: &[Head]) -> rusqlite::Result<Verified> {
    let mut claims: Vec<Claim> = published.iter().map(Claim::published).collect();
    claims.extend(named_in(connection)?);
    let mut walk = Walk::new(&claims);
    let mut open = Open::default();
    while chunk(connection, &mut walk, &mut open)? {}
    let walked = walk.finish();
    Ok(Verified {
        rows: walked.rows,
        heads: walked.head.into_iter().collect(),
        faults: walked.faults,
    })
}

/// The heads that rows of the file name.
fn named_in(connection: &Connection) -> rusqlite::Result<Vec<Claim>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, CAST(writer AS BLOB), CAST(meta AS BLOB) FROM rows WHERE kind = ?1",
    )?;
    let mut rows = statement.query([RowKind::Heads.word()])?;
    let mut claims = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |place: usize| -> rusqlite::Result<String> {
            let bytes: Option<Vec<u8>> = row.get(place)?;
            Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
        };
        claims.extend(named(&text(1)?, row.get(0)?, &text(2)?));
    }
    Ok(claims)
}

/// The next rows; whether there may be more. After the last ones, what follows from all rows is
/// compared in the same transaction.
fn chunk(
    connection: &mut Connection,
    walk: &mut Walk<'_>,
    open: &mut Open,
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction()?;
    let mut read = 0;
    {
        let mut statement = transaction.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM rows WHERE seq >= ?1 ORDER BY seq LIMIT ?2"
        ))?;
        let mut rows = statement.query([walk.from(), Some(CHUNK)])?;
        while let Some(row) = rows.next()? {
            read += 1;
            let seq = row.get(0)?;
            walk.row(seq, raw(row, seq)?, open);
        }
    }
    if read == CHUNK {
        return Ok(true);
    }
    let mut statement = transaction.prepare_cached("SELECT entry, seq FROM unclosed")?;
    let mut listed = statement.query([])?;
    while let Some(row) = listed.next()? {
        let entry: String = row.get(0)?;
        if let Some(wrong) = open.listed(&entry) {
            walk.fault(row.get(1)?, wrong);
        }
    }
    for wrong in std::mem::take(open).unlisted() {
        let after_all = i64::MAX;
        walk.fault(after_all, wrong);
    }
    Ok(false)
}

/// Reads [`COLUMNS`]; an inner `Err` says what is not as the ledger writes it.
fn raw<'r>(row: &'r SqlRow<'_>, seq: i64) -> rusqlite::Result<Result<Raw<'r>, &'static str>> {
    let column = |place: usize| row.get_ref(place);
    let (at, hash, nth) = (column(4)?, column(11)?, column(12)?);
    let texts = (
        text(column(1)?),
        text(column(2)?),
        text(column(3)?),
        text(column(7)?),
    );
    let (Some(Some(writer)), Some(Some(entry)), Some(Some(kind)), Some(Some(meta))) = texts else {
        return Ok(Err("a text is missing"));
    };
    let others = (text(column(5)?), text(column(6)?), text(column(8)?));
    let (Some(service_account), Some(route), Some(values)) = others else {
        return Ok(Err("what should be text is not"));
    };
    let (Some(salt), Some(values_digest)) = (blob(column(9)?), blob(column(10)?)) else {
        return Ok(Err("what should be bytes is not"));
    };
    let (ValueRef::Integer(at), ValueRef::Integer(nth)) = (at, nth) else {
        return Ok(Err("what should be a number is not"));
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
        nth,
        kind,
        at,
        service_account,
        route,
        meta,
        values_digest,
    };
    Ok(Ok(Raw {
        parts,
        values,
        salt,
        hash,
        place: seq,
    }))
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
