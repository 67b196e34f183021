//! Entries over the operator API: pages of them, newest first, and one with its changes.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::api::{Answer, unavailable};
use super::operators::authorised;
use super::{answer, failure};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::Role;
use crate::error::StoreError;
use crate::journal::read::{self, Change, Detail, Entry, EntryState};

/// A page of entries.
const PAGE: usize = 50;
/// The largest page.
const PAGE_MOST: usize = 500;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    service_account: Option<String>,
    since: Option<Timestamp>,
    state: Option<EntryState>,
    /// Where the page before ended: its `next`.
    after: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let (items, next) = page(&app, wanted).await.map_err(unavailable)?;
    let next = next.map(|place| place.to_string());
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": items, "next": next }),
    ))
}

/// As many entries as are wanted, and where to go on. A state follows from all rows of an entry, so
/// entries of other states are read and left out.
async fn page(app: &App, wanted: Wanted) -> Result<(Vec<Entry>, Option<u64>), StoreError> {
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MOST);
    let ledger = &**app.journal.ledger();
    let (mut items, mut after) = (Vec::new(), wanted.after);
    loop {
        let (found, next) = read::entries(
            ledger,
            wanted.service_account.clone(),
            wanted.since,
            after,
            limit - items.len(),
        )
        .await?;
        let fits = |entry: &Entry| wanted.state.is_none_or(|state| entry.state == state);
        items.extend(found.into_iter().filter(fits));
        after = next;
        if after.is_none() || items.len() >= limit {
            return Ok((items, after));
        }
    }
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let found = read::detail(&**app.journal.ledger(), &EntryId::from_text(&id))
        .await
        .map_err(unavailable)?;
    match found {
        Some(detail) => Ok(answer(StatusCode::OK, &whole(&detail))),
        None => Err(failure(
            StatusCode::NOT_FOUND,
            "not_found",
            "no entry has this id",
        )),
    }
}

/// The entry with `changes` as one object for each mutation, its fields as name → `{before, after}`;
/// without `before` where it is not known.
fn whole(detail: &Detail) -> Value {
    let mut whole = json!(detail.entry);
    if let Value::Object(whole) = &mut whole {
        whole.insert("changes".into(), changes(detail));
        whole.insert("rows".into(), json!(detail.rows));
    }
    whole
}

fn changes(detail: &Detail) -> Value {
    let of_one = |changes: &[Change]| {
        let first = changes.first()?;
        let row = detail
            .entry
            .summary
            .get(first.mutation)
            .and_then(|outline| outline.get("row"));
        Some(json!({
            "object": first.object,
            "operation": first.operation,
            "record": first.record,
            "row": row,
            "outcome": first.outcome,
            "fields": changes.iter().filter(|change| !change.field.is_empty()).map(field)
                .collect::<Map<_, _>>(),
        }))
    };
    detail
        .changes
        .chunk_by(|one, next| one.mutation == next.mutation)
        .filter_map(of_one)
        .collect()
}

fn field(change: &Change) -> (String, Value) {
    let values = if change.known {
        json!({ "before": change.before, "after": change.after })
    } else {
        json!({ "after": change.after })
    };
    (change.field.clone(), values)
}
