//! The operator API, `/api/v1`: status, entries, kill switches, limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::operators::authorised;
use super::{answer, entries, failure};
use crate::app::App;
use crate::config::Role;
use crate::control::{Switch, SwitchChange, SwitchScope};
use crate::crm::json;
use crate::error::StoreError;

/// A kill is acknowledged when every runtime confirmed it, or after this (P5).
const CONFIRM_FOR: Duration = Duration::from_secs(2);

pub(super) type Answer = Result<Response, Response>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/status", get(status))
        .route("/entries", get(entries::list))
        .route("/entries/{id}", get(entries::show))
        .route("/limits", get(limits))
        .route("/switches", get(switches))
        .route(
            "/switches/{service_account}",
            get(switch).put(kill).delete(resume),
        )
}

async fn status(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let now = app.clock.now();
    let usage = app.control.usage(now).await.map_err(unavailable)?;
    let tight: Vec<_> = usage
        .into_iter()
        .filter(|usage| usage.used * 5 > usage.max * 4)
        .collect();
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
                "mode": "enforce",
            })
        })
        .collect();
    Ok(answer(
        StatusCode::OK,
        &json!({
            "version": env!("CARGO_PKG_VERSION"),
            "routes": routes,
            "rules": app.rules.load().digest(),
            "stopped": app.control.switches().thrown,
            "writes_under_way": app.inflight.of("*"),
            // Holds are not carried out yet.
            "holds": 0,
            "in_doubt": app.in_doubt().await.map_err(unavailable)?,
            "limits": tight,
            "not_ready": app.not_ready().await,
        }),
    ))
}

async fn limits(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let items = app
        .control
        .usage(app.clock.now())
        .await
        .map_err(unavailable)?;
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": items, "next": null }),
    ))
}

async fn switches(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let view = app.control.switches();
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": view.thrown, "next": null }),
    ))
}

async fn switch(
    State(app): State<Arc<App>>,
    Path(service_account): Path<String>,
    headers: HeaderMap,
) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    known(&app, &service_account)?;
    let view = app.control.switches();
    let thrown = view
        .thrown
        .iter()
        .find(|switch| switch.service_account == service_account);
    Ok(answer(
        StatusCode::OK,
        &json!({ "service_account": service_account, "switch": thrown }),
    ))
}

/// Throws a switch: first in control state, so that it acts even while the ledger cannot write.
async fn kill(
    State(app): State<Arc<App>>,
    Path(service_account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Approver)?;
    known(&app, &service_account)?;
    let wish = wish(&body)?;
    let (scope, reason) = (scope(&wish)?, reason(&wish)?);
    let now = app.clock.now();
    let switch = Switch {
        service_account: service_account.clone(),
        scope,
        by: operator.name.clone(),
        reason: reason.clone(),
        at: now,
        limit: None,
    };
    let change = SwitchChange::Throw(switch);
    app.control
        .set_switch(change.clone())
        .await
        .map_err(unavailable)?;
    let confirmed = tokio::time::timeout(CONFIRM_FOR, app.confirm())
        .await
        .is_ok();
    let id = app.entry_id(now);
    let recorded = app
        .journal
        .switch(&id, &change, &operator.name, &reason, now)
        .await;
    if let Err(error) = &recorded {
        tracing::error!(%error, %service_account, "a kill acts but is not recorded");
    }
    Ok(answer(
        StatusCode::OK,
        &json!({
            "service_account": service_account,
            "scope": scope,
            "entry": id,
            "recorded": recorded.is_ok(),
            "confirmed": u8::from(confirmed),
            "replicas": 1,
            "sent": app.inflight.of(&service_account),
            "holds": 0,
        }),
    ))
}

/// Resumes: first in the ledger, so that what was let go again is on record.
async fn resume(
    State(app): State<Arc<App>>,
    Path(service_account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?;
    known(&app, &service_account)?;
    let view = app.control.switches();
    let thrown = view
        .thrown
        .iter()
        .find(|switch| switch.service_account == service_account);
    let Some(thrown) = thrown else {
        return Err(failure(
            StatusCode::CONFLICT,
            "not_stopped",
            &format!("{service_account} is not stopped"),
        ));
    };
    let reason = match body.as_ref() {
        [] => "no reason given".to_owned(),
        body => reason(&wish(body)?)?,
    };
    let now = app.clock.now();
    let change = SwitchChange::Resume(service_account.clone());
    let id = app.entry_id(now);
    app.journal
        .switch(&id, &change, &operator.name, &reason, now)
        .await
        .map_err(unavailable)?;
    app.control.set_switch(change).await.map_err(unavailable)?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "service_account": service_account,
            "entry": id,
            "limit_emptied": thrown.limit,
            "confirmed": 1,
            "replicas": 1,
            "sent": app.inflight.of(&service_account),
            "holds": 0,
        }),
    ))
}

/// The body of a change.
fn wish(body: &[u8]) -> Result<Value, Response> {
    json::parse(body).map_err(|fault| unprocessable(&format!("the body is not JSON: {fault}")))
}

/// What a kill asks for: `{scope: "all" | "writes", reason}`.
fn scope(wish: &Value) -> Result<SwitchScope, Response> {
    match wish.get("scope").and_then(Value::as_str) {
        Some("all") => Ok(SwitchScope::All),
        Some("writes") => Ok(SwitchScope::Writes),
        Some(_) | None => Err(unprocessable("`scope` is `all` or `writes`")),
    }
}

fn reason(wish: &Value) -> Result<String, Response> {
    match wish.get("reason").and_then(Value::as_str).map(str::trim) {
        Some(reason) if !reason.is_empty() => Ok(reason.to_owned()),
        Some(_) | None => Err(unprocessable("`reason` says why; it is recorded")),
    }
}

fn unprocessable(message: &str) -> Response {
    failure(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message)
}

/// A switch for a name that nobody has would stop nobody.
fn known(app: &App, service_account: &str) -> Result<(), Response> {
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
        "the store cannot answer now",
    )
}
