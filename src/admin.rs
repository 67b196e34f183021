//! The operators' side: health, the operator API, who may call it. On its own listener, never on a
//! route: every path there belongs to the CRM.

mod api;
mod holds;
mod limits;
mod metrics;
mod operators;
mod reload;
mod revert;
mod rules;
mod settle;
mod switches;
mod wish;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use tower::ServiceBuilder;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::timeout::TimeoutLayer;

use crate::app::App;

/// How many operator requests are worked on at once.
const AT_ONCE: usize = 64;
/// How long one may take; a whole ledger page is far below this.
const WITHIN: Duration = Duration::from_secs(30);

/// All routes of the admin listener.
pub fn router(app: Arc<App>) -> Router {
    let rim = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_elapsed| async {
            failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "timeout",
                "the request took too long",
            )
        }))
        .layer(GlobalConcurrencyLimitLayer::new(AT_ONCE))
        .layer(TimeoutLayer::new(WITHIN));
    Router::new()
        .route("/healthz", get(async || text(StatusCode::OK, "ok\n")))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::metrics))
        .nest("/api/v1", api::router())
        .fallback(async || failure(StatusCode::NOT_FOUND, "not_found", "no such path"))
        .layer(rim)
        .nest("/api/v1", revert::router(&app))
        .with_state(app)
}

/// 200 when writes can be recorded, else 503 with the reasons. A reload that was refused does not take
/// the proxy out of service, since the last good rules judge: it stands under `degraded`, in full in
/// `status`, which asks who calls.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let reasons = app.not_ready().await;
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(
        status,
        &json!({
            "ready": reasons.is_empty(),
            "rules": { "digest": app.rules.load().digest(), "from": app.standing.load().notice() },
            "reasons": reasons,
            "degraded": app.notices(),
        }),
    )
}

fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// A JSON answer.
fn answer<T: Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                header::HeaderValue::from_static("application/json"),
            );
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    }
}

/// `{error: {code, message}}`.
fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    answer(
        status,
        &json!({ "error": { "code": code, "message": message } }),
    )
}
