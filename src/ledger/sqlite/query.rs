//! Rows by filter.

use jiff::Timestamp;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, Row as SqlRow, params_from_iter};
use serde_json::Value;

use super::file::failed;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::chain::hex;
use crate::ledger::{Head, Row, RowFilter, RowKind};

/// The columns of [`Row`], in the order in which `read` takes them.
const COLUMNS: &str = "rows.seq, rows.writer, rows.entry, rows.kind, rows.at, \
    rows.service_account, rows.route, rows.meta, rows.field_values, rows.hash, rows.nth";

/// Rows that match.
pub(super) fn rows(connection: &Connection, filter: &RowFilter) -> Result<Vec<Row>, StoreError> {
    let (sql, arguments) = select(filter);
    all(connection, &sql, arguments)
}

/// The opened rows of entries that are neither closed nor reconciled, oldest first.
pub(super) fn unclosed(connection: &Connection) -> Result<Vec<Row>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM unclosed JOIN rows ON rows.seq = unclosed.seq ORDER BY unclosed.seq"
    );
    all(connection, &sql, Vec::new())
}

/// The newest row.
pub(super) fn head(connection: &Connection) -> Result<Option<Head>, StoreError> {
    let filter = RowFilter {
        newest_first: true,
        limit: 1,
        ..RowFilter::default()
    };
    let newest = rows(connection, &filter)?.pop();
    Ok(newest.map(|row| Head {
        writer: row.writer,
        seq: row.seq,
        hash: row.hash,
        at: row.at,
    }))
}

/// The epoch.
pub(super) fn epoch(connection: &Connection) -> Result<u64, StoreError> {
    let epoch: i64 = connection
        .query_row("SELECT epoch FROM epoch", [], |row| row.get(0))
        .map_err(|error| failed("cannot read the epoch", error))?;
    u64::try_from(epoch)
        .ok()
        .ok_or_else(|| StoreError::new("ledger", "the epoch is negative", false))
}

fn select(filter: &RowFilter) -> (String, Vec<SqlValue>) {
    let mut conditions: Vec<String> = Vec::new();
    let mut arguments: Vec<SqlValue> = Vec::new();
    if let Some(entry) = &filter.entry {
        conditions.push("entry = ?".into());
        arguments.push(entry.as_str().to_owned().into());
    }
    if !filter.kinds.is_empty() {
        let places = vec!["?"; filter.kinds.len()].join(", ");
        // many rows are of one kind: any other condition leads to fewer
        let by_kind = filter.entry.is_none() && filter.service_account.is_none();
        let plus = if by_kind { "" } else { "+" };
        conditions.push(format!("{plus}kind IN ({places})"));
        arguments.extend(
            filter
                .kinds
                .iter()
                .map(|kind| kind.word().to_owned().into()),
        );
    }
    if let Some(service_account) = &filter.service_account {
        conditions.push("service_account = ?".into());
        arguments.push(service_account.clone().into());
    }
    if let Some(since) = filter.since {
        conditions.push("at >= ?".into());
        arguments.push(since.as_microsecond().into());
    }
    if let Some(after) = filter.after {
        let side = if filter.newest_first { "<" } else { ">" };
        conditions.push(format!("seq {side} ?"));
        arguments.push(i64::try_from(after).unwrap_or(i64::MAX).into());
    }
    let mut sql = format!("SELECT {COLUMNS} FROM rows");
    if !conditions.is_empty() {
        sql = format!("{sql} WHERE {}", conditions.join(" AND "));
    }
    sql.push_str(" ORDER BY seq");
    if filter.newest_first {
        sql.push_str(" DESC");
    }
    if filter.limit > 0 {
        sql.push_str(" LIMIT ?");
        arguments.push(i64::try_from(filter.limit).unwrap_or(i64::MAX).into());
    }
    (sql, arguments)
}

fn all(
    connection: &Connection,
    sql: &str,
    arguments: Vec<SqlValue>,
) -> Result<Vec<Row>, StoreError> {
    let cannot = |error| failed("cannot read rows", error);
    let mut statement = connection.prepare_cached(sql).map_err(cannot)?;
    let mut found = statement
        .query(params_from_iter(arguments))
        .map_err(cannot)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(cannot)? {
        rows.push(read(row)?);
    }
    Ok(rows)
}

fn read(row: &SqlRow<'_>) -> Result<Row, StoreError> {
    let cannot = |error| failed("cannot read a row", error);
    let seq: i64 = row.get(0).map_err(cannot)?;
    let nth: i64 = row.get(10).map_err(cannot)?;
    let damaged = |what: &str| {
        let what = format!("row {seq} is damaged: {what}; run `writegate ledger verify`");
        StoreError::new("ledger", what, false)
    };
    let kind: String = row.get(3).map_err(cannot)?;
    let meta: String = row.get(7).map_err(cannot)?;
    let values: Option<String> = row.get(8).map_err(cannot)?;
    let hash: Vec<u8> = row.get(9).map_err(cannot)?;
    let place = u64::try_from(seq)
        .ok()
        .ok_or_else(|| damaged("its place is negative"))?;
    Ok(Row {
        place,
        seq: place,
        writer: row.get(1).map_err(cannot)?,
        entry: EntryId::from_text(&row.get::<_, String>(2).map_err(cannot)?),
        nth: u32::try_from(nth)
            .ok()
            .ok_or_else(|| damaged("its place in its entry is out of range"))?,
        kind: RowKind::from_word(&kind).ok_or_else(|| damaged("its kind is unknown"))?,
        at: Timestamp::from_microsecond(row.get(4).map_err(cannot)?)
            .ok()
            .ok_or_else(|| damaged("its time is out of range"))?,
        service_account: row.get(5).map_err(cannot)?,
        route: row.get(6).map_err(cannot)?,
        meta: json(&meta).ok_or_else(|| damaged("its meta is not JSON"))?,
        values: match values {
            Some(text) => Some(json(&text).ok_or_else(|| damaged("its values are not JSON"))?),
            None => None,
        },
        hash: hex(&hash),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "our own text, written by the ledger and hashed; not traffic"
)]
fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}
