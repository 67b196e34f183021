//! `POST /api/v1/reload`: puts the rules of the folder in force.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use serde_json::json;

use super::api::{Answer, unavailable};
use super::operators::authorised;
use super::{answer, failure};
use crate::app::App;
use crate::config::Role;
use crate::error::StoreError;
use crate::reload::{self, RESTART_ONLY, ReloadError, Reloaded};
use crate::rules::Unfit;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/reload", post(reload))
}

/// 200 with the digests before and after; 422 with all mistakes when nothing has changed.
async fn reload(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.name.clone();
    // On a task of its own: whoever hangs up does not leave it half done.
    let task = tokio::spawn(async move { reload::reload(&app, &operator).await });
    match task.await {
        Ok(Ok(reloaded)) => Ok(done(&reloaded)),
        Ok(Err(ReloadError::Unfit(unfit))) => Err(refused(&unfit)),
        Ok(Err(error @ ReloadError::Pushed { .. })) => {
            Err(failure(StatusCode::CONFLICT, "pushed", &error.to_string()))
        }
        Ok(Err(ReloadError::Store(error))) => Err(unavailable(error)),
        Err(error) => Err(unavailable(StoreError::new(
            "rules",
            error.to_string(),
            true,
        ))),
    }
}

fn done(reloaded: &Reloaded) -> Response {
    answer(
        StatusCode::OK,
        &json!({
            "before": reloaded.before,
            "after": reloaded.after,
            "changed": reloaded.before != reloaded.after,
            "cases": reloaded.cases,
            "windows": reloaded.windows,
            "empty": reloaded.empty,
            "certificates": reloaded.certificates,
            "entry": reloaded.entry,
            "note": RESTART_ONLY,
        }),
    )
}

fn refused(unfit: &Unfit) -> Response {
    let message = format!("nothing has changed, the rules before still judge:\n{unfit}");
    failure(StatusCode::UNPROCESSABLE_ENTITY, "unfit", &message)
}
