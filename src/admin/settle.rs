//! `POST entries/{id}/settle`: a person says what became of a write in doubt.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::api::{Answer, to_its_end, unavailable, unprocessable};
use super::operators::authorised;
use super::wish::{text, wish};
use super::{answer, failure};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::{Operator, Role};
use crate::doubt;
use crate::journal::read;
use crate::mutation::OutcomeState;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/entries/{id}/settle", post(settle))
}

async fn settle(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Approver)?.clone();
    to_its_end(said(app, id, operator, body)).await
}

/// `{outcome: "applied" | "not_applied", reason, id}`. What the CRM's answer told of single rows stays;
/// `id` is the record that a create made.
async fn said(app: Arc<App>, id: String, operator: Operator, body: Bytes) -> Answer {
    let wish = wish(&body, &["outcome", "reason", "id"])?;
    let outcome = match text(&wish, "outcome")? {
        Some("applied") => OutcomeState::Done,
        Some("not_applied") => OutcomeState::Failed,
        Some(_) | None => {
            return Err(unprocessable(
                "`outcome` is `applied` or `not_applied`: read the record in the CRM first",
            ));
        }
    };
    let reason = text(&wish, "reason")?.map(str::trim);
    let Some(reason) = reason.filter(|reason| !reason.is_empty()) else {
        return Err(unprocessable(
            "`reason` is missing: say how you know, for the ledger",
        ));
    };
    let made = made(wish.get("id"))?;
    let entry = EntryId::from_text(&id);
    app.catch_up().await.map_err(unavailable)?;
    let Some(claim) = app.doubts.claim(&entry) else {
        return Err(not_in_doubt(&app, &entry).await);
    };
    let now = app.clock.now();
    let mut outcomes = doubt::settled_as(&claim.sent, outcome);
    if let Some(id) = made {
        doubt::name_made(&claim.sent, &mut outcomes, id).map_err(unprocessable)?;
    }
    if !doubt::settle(&app, claim, outcomes.clone(), (&operator.name, reason), now).await {
        if !app.doubts.has(&entry) {
            return Err(not_in_doubt(&app, &entry).await);
        }
        return Err(failure(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the settlement cannot be recorded now; it is still in doubt",
        ));
    }
    Ok(answer(
        StatusCode::OK,
        &json!({ "entry": entry, "outcomes": outcomes, "by": operator.name, "reason": reason }),
    ))
}

/// The id of a record, as both CRMs write them: letters and digits.
fn made(id: Option<&Value>) -> Result<Option<&str>, Response> {
    let plain = |id: &str| {
        (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match id {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) if plain(id) => Ok(Some(id)),
        Some(_) => Err(unprocessable("`id` is not a record's id")),
    }
}

async fn not_in_doubt(app: &App, entry: &EntryId) -> Response {
    if app.doubts.has(entry) {
        return failure(
            StatusCode::CONFLICT,
            "busy",
            "the entry is being read back or settled right now; look at it again in a moment",
        );
    }
    match read::detail(&**app.journal.ledger(), entry).await {
        Ok(Some(_)) => failure(
            StatusCode::CONFLICT,
            "not_in_doubt",
            "the entry is not in doubt; `writegate entries show` tells how it stands",
        ),
        Ok(None) => failure(StatusCode::NOT_FOUND, "not_found", "no entry has this id"),
        Err(error) => unavailable(error),
    }
}
