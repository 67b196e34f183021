//! Writes that were sent, as their rows tell them: those in doubt, and those settled lately.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::read::{doubted, of_entry};
use super::rows::part;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{Ledger, Row, RowFilter, RowKind};
use crate::mutation::{Mutation, Operation, Outcome, RecordKey, Snapshot, Undo};

/// A write that was sent, or maybe sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The entry.
    pub entry: EntryId,
    /// Who asked.
    pub service_account: String,
    /// Through which route.
    pub route: String,
    /// The method on the request line.
    pub method: String,
    /// The canonical path.
    pub path: String,
    /// The raw query.
    pub query: Option<String>,
    /// What tells the same request again; `None` where it was erased, and of a revert.
    pub digest: Option<String>,
    /// The entries that it takes back.
    pub reverts: Vec<EntryId>,
    /// What would change; empty for what could not be taken apart.
    pub mutations: Vec<Mutation>,
    /// The prior values.
    pub snapshot: Snapshot,
    /// What is known of each mutation; one where there are none.
    pub outcomes: Vec<Outcome>,
    /// When it was about to be sent: nothing of it happened before.
    pub at: Timestamp,
}

/// The writes in doubt, oldest first.
///
/// # Errors
/// The store's.
pub async fn in_doubt(ledger: &dyn Ledger) -> Result<Vec<Sent>, StoreError> {
    let mut entries: Vec<EntryId> = doubted(ledger).await?.into_iter().collect();
    entries.sort_unstable();
    let mut found = Vec::new();
    for entry in entries {
        found.extend(sent(&of_entry(ledger, &entry).await?, RowKind::InDoubt));
    }
    Ok(found)
}

/// The write that an entry in doubt is; `None`: it is not in doubt, or not any more.
///
/// # Errors
/// The store's.
pub async fn doubt_of(ledger: &dyn Ledger, entry: &EntryId) -> Result<Option<Sent>, StoreError> {
    let rows = of_entry(ledger, entry).await?;
    let over = |row: &Row| matches!(row.kind, RowKind::Closed | RowKind::Reconciled);
    if rows.iter().any(over) {
        return Ok(None);
    }
    Ok(sent(&rows, RowKind::InDoubt))
}

/// The writes that were opened and not closed, each with its writer.
///
/// # Errors
/// The store's.
pub async fn under_way(ledger: &dyn Ledger) -> Result<Vec<(Sent, String)>, StoreError> {
    let open = ledger.unclosed().await?;
    let open = open
        .iter()
        .filter_map(|row| of_opened(row).map(|sent| (sent, row.writer.clone())));
    Ok(open.collect())
}

/// The write that an opened row begins.
#[must_use]
pub fn of_opened(row: &Row) -> Option<Sent> {
    sent(std::slice::from_ref(row), RowKind::Opened)
}

/// What a row says became of each mutation.
#[must_use]
pub fn outcomes(row: &Row) -> Vec<Outcome> {
    part(&row.meta, "outcomes").unwrap_or_default()
}

/// The writes that were settled at or after a moment, each with the moment.
///
/// # Errors
/// The store's.
pub async fn settled(
    ledger: &dyn Ledger,
    since: Timestamp,
) -> Result<Vec<(Sent, Timestamp)>, StoreError> {
    let filter = RowFilter {
        kinds: vec![RowKind::Reconciled],
        since: Some(since),
        ..RowFilter::default()
    };
    let mut found = Vec::new();
    for row in ledger.rows(filter).await? {
        let rows = of_entry(ledger, &row.entry).await?;
        found.extend(sent(&rows, RowKind::Reconciled).map(|sent| (sent, row.at)));
    }
    Ok(found)
}

/// The writes that were opened at or after a moment.
///
/// # Errors
/// The store's.
pub async fn opened(ledger: &dyn Ledger, since: Timestamp) -> Result<Vec<Sent>, StoreError> {
    let filter = RowFilter {
        kinds: vec![RowKind::Opened],
        since: Some(since),
        ..RowFilter::default()
    };
    let rows = ledger.rows(filter).await?;
    let rows = rows.iter().map(std::slice::from_ref);
    Ok(rows
        .filter_map(|opened| sent(opened, RowKind::Opened))
        .collect())
}

/// The service account that asked for a write.
///
/// # Errors
/// The store's.
pub async fn asked_by(ledger: &dyn Ledger, entry: &EntryId) -> Result<Option<String>, StoreError> {
    let rows = of_entry(ledger, entry).await?;
    Ok(rows.into_iter().find_map(|row| row.service_account))
}

/// What other writes made, or may be making.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// The ids of records that writes are known to have made, whoever asked for them.
    pub made: Vec<String>,
    /// The writes without a known outcome through one route, whoever asked for them: under way, or in
    /// doubt.
    pub open: Vec<Sent>,
}

/// What writes other than `entry` made since a moment, or may be making.
///
/// # Errors
/// The store's.
pub async fn others(
    ledger: &dyn Ledger,
    (entry, route): (&EntryId, &str),
    since: Timestamp,
) -> Result<Others, StoreError> {
    // First the open ones: what closes meanwhile is met among the rows below.
    let open = ledger.unclosed().await?;
    let open = open
        .iter()
        .filter(|row| row.entry != *entry && row.route.as_deref() == Some(route))
        .filter_map(|row| sent(std::slice::from_ref(row), RowKind::Opened))
        .collect();
    let filter = RowFilter {
        kinds: vec![RowKind::Closed, RowKind::InDoubt, RowKind::Reconciled],
        since: Some(since),
        ..RowFilter::default()
    };
    let rows = ledger.rows(filter).await?;
    let outcomes = rows
        .iter()
        .filter_map(|row| part::<Vec<Outcome>>(&row.meta, "outcomes"));
    let made = outcomes.flatten().filter_map(|outcome| outcome.new_id);
    Ok(Others {
        made: made.collect(),
        open,
    })
}

/// What the rows of an entry say, with the outcomes of its row of kind `told`.
fn sent(rows: &[Row], told: RowKind) -> Option<Sent> {
    let opened = rows.iter().find(|row| row.kind == RowKind::Opened)?;
    let told = rows.iter().rev().find(|row| row.kind == told)?;
    let values = opened.values.as_ref();
    let text = |whole: Option<&Value>, name: &str| {
        whole
            .and_then(|whole| whole.get(name))
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    Some(Sent {
        entry: opened.entry.clone(),
        service_account: opened.service_account.clone().unwrap_or_default(),
        route: opened.route.clone().unwrap_or_default(),
        method: text(Some(&opened.meta), "method").unwrap_or_default(),
        path: text(values, "path").unwrap_or_default(),
        query: text(values, "query"),
        digest: text(values, "digest"),
        reverts: opened
            .meta
            .get("reverts")
            .and_then(|_| part(&opened.meta, "reverts"))
            .unwrap_or_default(),
        mutations: match values {
            Some(values) => part(values, "mutations").unwrap_or_default(),
            None => outlines(opened),
        },
        snapshot: values
            .and_then(|values| part(values, "snapshot"))
            .unwrap_or_default(),
        outcomes: part(&told.meta, "outcomes").unwrap_or_default(),
        at: opened.at,
    })
}

/// Mutations whose values were erased: which records they are of still counts.
fn outlines(opened: &Row) -> Vec<Mutation> {
    let outlines = opened.meta.get("mutations").and_then(Value::as_array);
    let outline = |outline: &Value| {
        let text = |name: &str| outline.get(name).and_then(Value::as_str);
        let record = outline.get("record").and_then(|record| record.get("id"));
        Some(Mutation {
            object: text("object")?.to_owned(),
            operation: Operation::from_word(text("operation")?)?,
            record: record.and_then(Value::as_str).map(RecordKey::id),
            fields: Map::new(),
            row: text("row").map(ToOwned::to_owned),
            undo: Undo::None,
            others: Vec::new(),
        })
    };
    outlines.into_iter().flatten().filter_map(outline).collect()
}
