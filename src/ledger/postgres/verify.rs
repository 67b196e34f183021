//! Reads all chains to be checked, in one snapshot, and each chain against what the others say of it.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Transaction;
use tokio_postgres::{Error, IsolationLevel, Row as SqlRow};

use super::fault::failed;
use super::link::{READ, in_time};
use super::readers::Reading;
use crate::error::StoreError;
use crate::ledger::chain::{Hash, Parts};
use crate::ledger::verify::{Claim, Open, Raw, Walk, named};
use crate::ledger::{Head, RowKind, Verified};

/// Rows read at once.
const CHUNK: i64 = 4_096;

const ROWS: &str = "SELECT seq, writer, entry, kind, at, service_account, route, meta, field_values, \
                    salt, values_digest, hash, nth, place FROM ledger_rows \
                    WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT $3";

const CANNOT: &str = "cannot read rows";

/// Checks every row of every chain, that published heads and those that chains name are in them, and
/// that what follows from all rows is listed.
pub(super) async fn verify(
    mut reading: Reading,
    published: Vec<Head>,
) -> Result<Verified, StoreError> {
    let begin = reading
        .client()
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true);
    let transaction = in_time(READ, CANNOT, begin.start()).await?;
    let transaction = transaction.map_err(|error| failed(CANNOT, &error))?;
    let mut claims: BTreeMap<String, Vec<Claim>> = BTreeMap::new();
    let published = published.iter().map(Claim::published);
    for claim in published.chain(named_in(&transaction).await?) {
        let of_writer = claims.entry(claim.head.writer.clone()).or_default();
        of_writer.push(claim);
    }
    let mut chains: BTreeSet<String> = claims.keys().cloned().collect();
    chains.extend(writers(&transaction).await?);
    let mut verified = Verified {
        rows: 0,
        heads: Vec::new(),
        faults: Vec::new(),
    };
    let mut open = Open::default();
    for writer in &chains {
        let claims = claims.get(writer).map(Vec::as_slice).unwrap_or_default();
        let mut walk = Walk::new(claims);
        while chunk(&transaction, writer, &mut walk, &mut open).await? {}
        let walked = walk.finish();
        let faults = walked
            .faults
            .iter()
            .map(|fault| format!("{writer}: {fault}"));
        verified.rows += walked.rows;
        verified.faults.extend(faults);
        verified.heads.extend(walked.head);
    }
    verified
        .faults
        .extend(wrongly_listed(&transaction, open).await?);
    Ok(verified)
}

async fn query(
    transaction: &Transaction<'_>,
    sql: &str,
    arguments: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<Vec<SqlRow>, StoreError> {
    let read = async {
        let statement = transaction.prepare_cached(sql).await?;
        transaction.query(&statement, arguments).await
    };
    let read = in_time(READ, CANNOT, read).await?;
    read.map_err(|error| failed(CANNOT, &error))
}

/// The heads that chains name.
async fn named_in(transaction: &Transaction<'_>) -> Result<Vec<Claim>, StoreError> {
    let naming = "SELECT writer, seq, meta FROM ledger_rows WHERE kind = $1";
    let rows = query(transaction, naming, &[&RowKind::Heads.word()]).await?;
    let claims = rows.iter().map(|row| {
        let (writer, seq, meta) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        Ok(named(writer, seq, meta))
    });
    let claims: Result<Vec<Vec<Claim>>, Error> = claims.collect();
    let claims = claims.map_err(|error| failed(CANNOT, &error))?;
    Ok(claims.into_iter().flatten().collect())
}

/// Everybody who has a row: not the list of writers, which could be changed as well.
async fn writers(transaction: &Transaction<'_>) -> Result<Vec<String>, StoreError> {
    let mut writers: Vec<String> = Vec::new();
    loop {
        let next = "SELECT min(writer) FROM ledger_rows WHERE writer > $1";
        let after = writers.last().map_or("", String::as_str);
        let rows = query(transaction, next, &[&after]).await?;
        let next = rows.first().map(|row| row.try_get(0));
        match next.transpose().map_err(|error| failed(CANNOT, &error))? {
            Some(Some(writer)) => writers.push(writer),
            Some(None) | None => return Ok(writers),
        }
    }
}

/// The next rows of a chain; whether there may be more.
async fn chunk(
    transaction: &Transaction<'_>,
    writer: &str,
    walk: &mut Walk<'_>,
    open: &mut Open,
) -> Result<bool, StoreError> {
    let Some(from) = walk.from() else {
        return Ok(false);
    };
    let rows = query(transaction, ROWS, &[&writer, &from, &CHUNK]).await?;
    for row in &rows {
        let seq = row.try_get(0).map_err(|error| failed(CANNOT, &error))?;
        walk.row(seq, raw(row, seq), open);
    }
    Ok(i64::try_from(rows.len()) == Ok(CHUNK))
}

fn raw(row: &SqlRow, seq: i64) -> Result<Raw<'_>, &'static str> {
    let texts = || -> Result<_, Error> {
        let text = |place: usize| row.try_get::<_, Option<&str>>(place);
        Ok((
            text(1)?,
            text(2)?,
            text(3)?,
            text(7)?,
            text(5)?,
            text(6)?,
            text(8)?,
        ))
    };
    let bytes = || -> Result<_, Error> {
        let bytes = |place: usize| row.try_get::<_, Option<&[u8]>>(place);
        Ok((bytes(9)?, bytes(10)?, bytes(11)?))
    };
    let numbers = || -> Result<(i64, i32, i64), Error> {
        Ok((row.try_get(4)?, row.try_get(12)?, row.try_get(13)?))
    };
    let Ok((Some(writer), Some(entry), Some(kind), Some(meta), service_account, route, values)) =
        texts()
    else {
        return Err("a text is missing");
    };
    let Ok((salt, values_digest, hash)) = bytes() else {
        return Err("what should be bytes is not");
    };
    let Ok((at, nth, place)) = numbers() else {
        return Err("a number is missing");
    };
    let Some(hash) = hash.and_then(|hash| Hash::try_from(hash).ok()) else {
        return Err("its hash is not 32 bytes");
    };
    let parts = Parts {
        writer: writer.as_bytes(),
        seq,
        entry: entry.as_bytes(),
        nth: nth.into(),
        kind: kind.as_bytes(),
        at,
        service_account: service_account.map(str::as_bytes),
        route: route.map(str::as_bytes),
        meta: meta.as_bytes(),
        values_digest,
    };
    Ok(Raw {
        parts,
        values: values.map(str::as_bytes),
        salt,
        hash,
        place,
    })
}

/// Compares the list of entries that are open with what the rows say.
async fn wrongly_listed(
    transaction: &Transaction<'_>,
    mut open: Open,
) -> Result<Vec<String>, StoreError> {
    let mut faults = Vec::new();
    for row in query(transaction, "SELECT entry FROM ledger_unclosed", &[]).await? {
        let entry = row.try_get(0).map_err(|error| failed(CANNOT, &error))?;
        faults.extend(open.listed(entry));
    }
    faults.extend(open.unlisted());
    Ok(faults)
}
