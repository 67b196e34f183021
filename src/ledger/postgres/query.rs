//! Rows by filter, and what else is read.

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row as SqlRow};

use super::readers::Reading;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::chain::hex;
use crate::ledger::{Cursor, Head, Row, RowFilter, RowKind};

/// The columns of [`Row`], in the order in which `read` takes them.
macro_rules! columns {
    () => {
        "r.seq, r.writer, r.entry, r.kind, r.at, r.service_account, r.route, r.meta, \
         r.field_values, r.hash, r.nth, r.place"
    };
}

/// Everybody who has a row: a step through the index for each, however long their chains.
macro_rules! writers {
    () => {
        "WITH RECURSIVE writers AS ( \
            (SELECT min(writer) AS name FROM ledger_rows) \
            UNION ALL \
            SELECT (SELECT min(writer) FROM ledger_rows WHERE writer > name) FROM writers \
            WHERE name IS NOT NULL \
        ) "
    };
}

/// The newest row of each chain.
const HEADS: &str = concat!(
    writers!(),
    "SELECT r.writer, r.seq, r.hash, r.at FROM writers CROSS JOIN LATERAL ( \
        SELECT * FROM ledger_rows WHERE writer = name ORDER BY seq DESC LIMIT 1) r \
     ORDER BY r.writer"
);

/// What stands behind the rows that were read of each chain but one's own. One statement, so that all
/// chains are seen at the same moment.
const OTHERS: &str = concat!(
    writers!(),
    "SELECT ",
    columns!(),
    " FROM writers LEFT JOIN unnest($2::text[], $3::bigint[]) AS cursor(writer, seq) \
        ON cursor.writer = name \
      CROSS JOIN LATERAL ( \
        SELECT * FROM ledger_rows WHERE writer = name AND seq > coalesce(cursor.seq, 0) \
        ORDER BY seq LIMIT $4) r \
      WHERE name <> coalesce($1, '') ORDER BY r.place LIMIT $4"
);

/// Rows of others that are handed over at once.
const PAGE: i64 = 1_000;

/// Rows that match.
pub(super) async fn rows(reading: &Reading, filter: &RowFilter) -> Result<Vec<Row>, StoreError> {
    let (sql, arguments) = select(filter);
    let arguments: Vec<&(dyn ToSql + Sync)> = arguments
        .iter()
        .map(|argument| &**argument as &(dyn ToSql + Sync))
        .collect();
    read_all(&reading.query("cannot read rows", &sql, &arguments).await?)
}

/// The opened rows of entries that are neither closed nor reconciled, oldest first.
pub(super) async fn unclosed(reading: &Reading) -> Result<Vec<Row>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM ledger_unclosed u JOIN ledger_rows r ON r.writer = u.writer AND r.seq = u.seq \
         ORDER BY r.place"
    );
    read_all(&reading.query("cannot read rows", sql, &[]).await?)
}

/// The newest row of each chain.
pub(super) async fn heads(reading: &Reading) -> Result<Vec<Head>, StoreError> {
    const WHAT: &str = "cannot read the heads";
    let rows = reading.query(WHAT, HEADS, &[]).await?;
    rows.iter().map(head).collect()
}

/// Rows of others behind the cursor. Each chain grows at its end only, and one transaction after the
/// other, so that what is behind the last row that was read of it is all that can be new.
pub(super) async fn others(
    reading: &Reading,
    own: Option<&str>,
    after: &Cursor,
) -> Result<(Vec<Row>, Cursor), StoreError> {
    const WHAT: &str = "cannot read the rows of others";
    let (writers, read): (Vec<&str>, Vec<i64>) = after
        .iter()
        .map(|(writer, seq)| (writer, signed(seq)))
        .unzip();
    let arguments: [&(dyn ToSql + Sync); 4] = [&own, &writers, &read, &PAGE];
    let rows = read_all(&reading.query(WHAT, OTHERS, &arguments).await?)?;
    let mut cursor = after.clone();
    for row in &rows {
        cursor.pass(&row.writer, row.seq);
    }
    Ok((rows, cursor))
}

/// The epoch.
pub(super) async fn epoch(reading: &Reading) -> Result<u64, StoreError> {
    const WHAT: &str = "cannot read the epoch";
    let row = reading
        .one(WHAT, "SELECT epoch FROM ledger_epoch", &[])
        .await?;
    let epoch: i64 = row.try_get(0).map_err(|error| damaged(&error))?;
    Ok(u64::try_from(epoch).unwrap_or(0))
}

/// Raises the epoch; `None`: it is another one.
pub(super) async fn raise_epoch(reading: &Reading, from: u64) -> Result<Option<u64>, StoreError> {
    const WHAT: &str = "cannot raise the epoch";
    let raise = "SELECT ledger_raise_epoch($1)";
    let row = reading.one(WHAT, raise, &[&signed(from)]).await?;
    let raised: Option<i64> = row.try_get(0).map_err(|error| damaged(&error))?;
    Ok(raised.and_then(|epoch| u64::try_from(epoch).ok()))
}

/// Whether a process holds the lock on a writer's name.
pub(super) async fn alive(reading: &Reading, writer: &str) -> Result<bool, StoreError> {
    const WHAT: &str = "cannot look who lives";
    let holder = "SELECT ledger_holder($1) IS NOT NULL";
    let row = reading.one(WHAT, holder, &[&writer]).await?;
    row.try_get(0).map_err(|error| damaged(&error))
}

type Argument = Box<dyn ToSql + Sync + Send>;

fn select(filter: &RowFilter) -> (String, Vec<Argument>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut arguments: Vec<Argument> = Vec::new();
    let mut condition = |left: &str, argument: Argument| {
        arguments.push(argument);
        conditions.push(left.replace('?', &format!("${}", arguments.len())));
    };
    if let Some(entry) = &filter.entry {
        condition("r.entry = ?", Box::new(entry.as_str().to_owned()));
    }
    match filter.kinds.as_slice() {
        [] => {}
        // with one kind the index has the rows in their order
        [kind] => condition("r.kind = ?", Box::new(kind.word())),
        kinds => {
            let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
            condition("r.kind = ANY(?)", Box::new(words));
        }
    }
    if let Some(service_account) = &filter.service_account {
        condition("r.service_account = ?", Box::new(service_account.clone()));
    }
    if let Some(since) = filter.since {
        condition("r.at >= ?", Box::new(since.as_microsecond()));
    }
    if let Some(after) = filter.after {
        let side = if filter.newest_first {
            "r.place < ?"
        } else {
            "r.place > ?"
        };
        condition(side, Box::new(signed(after)));
    }
    let mut sql = concat!("SELECT ", columns!(), " FROM ledger_rows r").to_owned();
    if !conditions.is_empty() {
        sql = format!("{sql} WHERE {}", conditions.join(" AND "));
    }
    sql.push_str(" ORDER BY r.place");
    if filter.newest_first {
        sql.push_str(" DESC");
    }
    if filter.limit > 0 {
        arguments.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        sql = format!("{sql} LIMIT ${}", arguments.len());
    }
    (sql, arguments)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn head(row: &SqlRow) -> Result<Head, StoreError> {
    let read = || -> Result<(String, i64, &[u8], i64), Error> {
        Ok((
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
        ))
    };
    let (writer, seq, hash, at) = read().map_err(|error| damaged(&error))?;
    Ok(Head {
        seq: u64::try_from(seq).unwrap_or(0),
        hash: hex(hash),
        at: Timestamp::from_microsecond(at).unwrap_or(Timestamp::MIN),
        writer,
    })
}

fn damaged(error: &Error) -> StoreError {
    let what = format!("a row is damaged ({error}); run `writegate ledger verify`");
    StoreError::new("ledger", what, false)
}

fn read_all(rows: &[SqlRow]) -> Result<Vec<Row>, StoreError> {
    rows.iter().map(read).collect()
}

fn read(row: &SqlRow) -> Result<Row, StoreError> {
    let (seq, writer): (i64, String) = row
        .try_get(0)
        .and_then(|seq| Ok((seq, row.try_get(1)?)))
        .map_err(|error| damaged(&error))?;
    let wrong = |what: &str| {
        let what =
            format!("row {seq} of {writer} is damaged: {what}; run `writegate ledger verify`");
        StoreError::new("ledger", what, false)
    };
    let text = |place: usize| {
        row.try_get::<_, &str>(place)
            .map_err(|error| damaged(&error))
    };
    let (entry, kind, meta) = (text(2)?, text(3)?, text(7)?);
    let values: Option<&str> = row.try_get(8).map_err(|error| damaged(&error))?;
    let hash: &[u8] = row.try_get(9).map_err(|error| damaged(&error))?;
    let numbers = || -> Result<(i64, i32, i64), Error> {
        Ok((row.try_get(4)?, row.try_get(10)?, row.try_get(11)?))
    };
    let (at, nth, place) = numbers().map_err(|error| damaged(&error))?;
    Ok(Row {
        place: u64::try_from(place)
            .ok()
            .ok_or_else(|| wrong("its place among all rows is negative"))?,
        seq: u64::try_from(seq)
            .ok()
            .ok_or_else(|| wrong("its place is negative"))?,
        entry: EntryId::from_text(entry),
        nth: u32::try_from(nth)
            .ok()
            .ok_or_else(|| wrong("its place in its entry is out of range"))?,
        kind: RowKind::from_word(kind).ok_or_else(|| wrong("its kind is unknown"))?,
        at: Timestamp::from_microsecond(at)
            .ok()
            .ok_or_else(|| wrong("its time is out of range"))?,
        service_account: row.try_get(5).map_err(|error| damaged(&error))?,
        route: row.try_get(6).map_err(|error| damaged(&error))?,
        meta: json(meta).ok_or_else(|| wrong("its meta is not JSON"))?,
        values: match values {
            Some(text) => Some(json(text).ok_or_else(|| wrong("its values are not JSON"))?),
            None => None,
        },
        hash: hex(hash),
        writer,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "our own text, written by the ledger and hashed; not traffic"
)]
fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
