//! Rules over the operator API: what was put in force, when and by whom; pushing others; going back.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::api::{Answer, to_its_end, unavailable, unprocessable};
use super::operators::authorised;
use super::wish::{reason, text, wish};
use super::{answer, failure};
use crate::app::App;
use crate::config::Role;
use crate::ledger::Row;
use crate::push::{self, Back, PushError, Pushed};
use crate::rules::bundle::Bundle;
use crate::rules::history::{Deed, Turn};

/// All files of a push, as JSON.
const LARGEST: usize = 8 << 20;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/rules", get(list).put(push))
        .route("/rules/rollback", post(roll_back))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// What is in force, and all that was put in force, newest first.
async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let history = push::history(&**app.journal.ledger()).await;
    let history = history.map_err(unavailable)?;
    let standing = app.standing.load();
    let items = history.iter();
    let items: Vec<Value> = items
        .map(|(row, turn)| shown(row, turn, turn.number == standing.number))
        .collect();
    Ok(answer(
        StatusCode::OK,
        &json!({
            "digest": app.rules.load().digest(),
            "from": standing.notice(),
            "items": items,
            "next": null,
        }),
    ))
}

fn shown(row: &Row, turn: &Turn, in_force: bool) -> Value {
    let more = match &turn.deed {
        Deed::Push { files, cases, .. } => {
            json!({ "did": "push", "files": files.names().collect::<Vec<_>>(), "cases": cases })
        }
        Deed::Rollback { .. } => json!({ "did": "rollback" }),
    };
    let mut item = json!({
        "number": turn.number,
        "entry": row.entry,
        "at": turn.at,
        "by": turn.by,
        "reason": turn.reason,
        "digest": turn.digest(),
        "to": turn.push(),
        "in_force": in_force,
    });
    if let (Value::Object(item), Value::Object(more)) = (&mut item, more) {
        item.extend(more);
    }
    item
}

async fn push(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.name.clone();
    let wish = wish(&body, &["files", "reason"])?;
    let files = files(&wish)?;
    let reason = reason(&wish)?;
    to_its_end(async move {
        let pushed = push::push(&app, files, (&operator, &reason)).await;
        pushed.map(|pushed| done(&pushed)).map_err(refused)
    })
    .await
}

async fn roll_back(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.name.clone();
    let wish = wish(&body, &["digest", "reason"])?;
    let back = match text(&wish, "digest")? {
        None => Back::Before,
        Some("folder") => Back::Folder,
        Some(digest) => Back::Digest(digest.to_owned()),
    };
    let reason = reason(&wish)?;
    to_its_end(async move {
        let pushed = push::roll_back(&app, &back, (&operator, &reason)).await;
        pushed.map(|pushed| done(&pushed)).map_err(refused)
    })
    .await
}

/// `files: {"NAME.yaml": "TEXT"}`.
fn files(wish: &Map<String, Value>) -> Result<Bundle, Response> {
    let wrong = || unprocessable("`files` must be an object: file names, each with its text");
    let Some(Value::Object(files)) = wish.get("files") else {
        return Err(wrong());
    };
    let files: Option<BTreeMap<String, String>> = files
        .iter()
        .map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect();
    Bundle::of(files.ok_or_else(wrong)?).map_err(|unfit| refused(unfit.into()))
}

fn done(pushed: &Pushed) -> Response {
    answer(
        StatusCode::OK,
        &json!({
            "before": pushed.before,
            "after": pushed.after,
            "changed": pushed.entry.is_some(),
            "cases": pushed.cases,
            "windows": pushed.windows,
            "empty": pushed.empty,
            "entry": pushed.entry,
        }),
    )
}

fn refused(error: PushError) -> Response {
    let (status, code) = match error {
        PushError::Store(error) => return unavailable(error),
        PushError::Unfit(_) => (StatusCode::UNPROCESSABLE_ENTITY, "unfit"),
        PushError::Nothing(_) => (StatusCode::CONFLICT, "nothing"),
        PushError::Moved => (StatusCode::CONFLICT, "moved"),
    };
    failure(
        status,
        code,
        &format!("nothing has changed, the rules before still judge:\n{error}"),
    )
}
