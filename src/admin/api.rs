//! The operator API, `/api/v1`: its paths, status, entries.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::operators::authorised;
use super::{answer, failure, holds, limits, reload, rules, switches};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::Role;
use crate::error::StoreError;
use crate::journal::read::{self, EntryState, Which};

/// A page of entries.
const PAGE: usize = 50;
/// The largest page.
const PAGE_MOST: usize = 500;
/// Keys of one limit that the status tells; `GET limits` has all.
const KEYS_TOLD: usize = 20;

pub(super) type Answer = Result<Response, Response>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/status", get(status))
        .route("/entries", get(entries))
        .route("/entries/{id}", get(entry))
        .merge(switches::router())
        .merge(super::settle::router())
        .merge(holds::router())
        .merge(limits::router())
        .merge(reload::router())
        .merge(rules::router())
}

async fn status(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let now = app.clock.now();
    // why control state does not tell stands under `not_ready`
    let usage = app.control.usage(now).await.unwrap_or_default();
    let usage = limits::in_force(&app, usage, now);
    let (usage, left_out) = limits::fullest(usage, KEYS_TOLD);
    let routes: Vec<Value> = app
        .config
        .routes
        .iter()
        .map(|route| {
            json!({
                "name": route.name,
                "crm": route.crm.name(),
                "listen": route.listen.to_string(),
                "upstream": route.upstream.to_string(),
                "mode": route.mode.word(),
                "releases": holds::released_with(&app.config, route),
            })
        })
        .collect();
    Ok(answer(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "routes": routes,
            "rules": app.rules.load().digest(),
            "rules_from": app.standing.load().told().unwrap_or_else(|| "folder".into()),
            "stopped": app.control.switches().thrown,
            "writes_under_way": app.inflight.of("*"),
            "holds": app.holds.open(None),
            "in_doubt": app.in_doubt().await.map_err(unavailable)?,
            "limits": usage,
            "limits_left_out": left_out,
            "not_ready": app.not_ready().await,
            "degraded": app.degraded(),
        }),
    ))
}

/// What a query asks for, not looked at before it is known who asks.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// The query's parameters; what is not understood is said, not left out.
pub(super) fn asked<T>(query: Asked<T>) -> Result<T, Response> {
    match query {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(unprocessable(&rejection.body_text())),
    }
}

/// `after` is the `next` of the page before.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    service_account: Option<String>,
    since: Option<Timestamp>,
    state: Option<EntryState>,
    after: Option<u64>,
    limit: Option<usize>,
}

async fn entries(
    State(app): State<Arc<App>>,
    query: Asked<EntriesQuery>,
    headers: HeaderMap,
) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let query = asked(query)?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MOST);
    let which = Which {
        service_account: query.service_account,
        since: query.since,
        state: query.state,
        before: query.after,
    };
    let found = read::entries(&**app.journal.ledger(), &which, limit).await;
    let (items, next) = found.map_err(unavailable)?;
    let next = next.map(|place| place.to_string());
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": items, "next": next }),
    ))
}

async fn entry(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let found = read::detail(&**app.journal.ledger(), &EntryId::from_text(&id))
        .await
        .map_err(unavailable)?;
    match found {
        Some(detail) => Ok(answer(StatusCode::OK, &detail)),
        None => Err(failure(
            StatusCode::NOT_FOUND,
            "not_found",
            "no entry has this id",
        )),
    }
}

/// Does what changes something on a task of its own: an operator who hangs up, or waits too long, does
/// not leave the ledger and us apart.
pub(super) async fn to_its_end(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "an operator request broke off");
        Err(failure(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request broke off: look how it stands before asking again",
        ))
    })
}

pub(super) fn unprocessable(message: &str) -> Response {
    failure(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message)
}

/// A switch for a name that nobody has would stop nobody.
pub(super) fn known(app: &App, service_account: &str) -> Result<(), Response> {
    let known = service_account == "*"
        || app
            .config
            .service_accounts
            .iter()
            .any(|account| account.name == service_account);
    if known {
        return Ok(());
    }
    Err(failure(
        StatusCode::NOT_FOUND,
        "not_found",
        &format!("no service account is named {service_account}"),
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
pub(super) fn unavailable(error: StoreError) -> Response {
    tracing::error!(%error, "an operator request failed");
    failure(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        &format!("the {} cannot answer now: {}", error.store, error.what),
    )
}
