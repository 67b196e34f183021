//! The operator API, `/api/v1`: status, entries, kill switches, limits.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::operators::authorised;
use super::wish::{reason, text, wish};
use super::{answer, failure, holds, limits, reload};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::{Operator, Role};
use crate::control::{Switch, SwitchChange, SwitchScope};
use crate::error::StoreError;
use crate::journal::read::{self, EntryState, Which};

/// A page of entries.
const PAGE: usize = 50;
/// The largest page.
const PAGE_MOST: usize = 500;
/// Keys of one limit that the status tells; `GET limits` has all.
const KEYS_TOLD: usize = 20;
/// A kill is acknowledged when every runtime confirmed it, or after this (P5).
const CONFIRM_FOR: Duration = Duration::from_secs(2);

pub(super) type Answer = Result<Response, Response>;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/status", get(status))
        .route("/entries", get(entries))
        .route("/entries/{id}", get(entry))
        .route("/switches", get(switches))
        .route(
            "/switches/{service_account}",
            get(switch).put(kill).delete(resume),
        )
        .merge(super::settle::router())
        .merge(holds::router())
        .merge(limits::router())
        .merge(reload::router())
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

async fn kill(
    State(app): State<Arc<App>>,
    Path(service_account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Approver)?.clone();
    to_its_end(throw(app, service_account, operator, body)).await
}

/// Throws a switch: first in control state, so that it acts even while the ledger cannot write.
async fn throw(app: Arc<App>, service_account: String, operator: Operator, body: Bytes) -> Answer {
    known(&app, &service_account)?;
    let (scope, reason) = thrown(&body)?;
    let _one_at_a_time = app.switching.lock().await;
    let now = app.clock.now();
    let switches = app.control.switches();
    let stands = |switch: &&Switch| switch.service_account == service_account;
    let before = switches.thrown.iter().find(stands);
    let reason = over(before, scope, &operator, reason)?;
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
    let by = (operator.name.as_str(), reason.as_str());
    let recorded = app.journal.switch_in_the_end(&id, &change, by, now).await;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "service_account": service_account,
            "scope": scope,
            "entry": id,
            "recorded": recorded,
            "replicas": 1,
            "confirmed": u8::from(confirmed),
            "sent": app.inflight.of(&service_account),
            "holds": app.holds.open((service_account != "*").then_some(&service_account)),
        }),
    ))
}

async fn resume(
    State(app): State<Arc<App>>,
    Path(service_account): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.clone();
    to_its_end(lift(app, service_account, operator, body)).await
}

/// Resumes: first in the ledger, so that what was let go again is on record.
async fn lift(app: Arc<App>, service_account: String, operator: Operator, body: Bytes) -> Answer {
    known(&app, &service_account)?;
    let _one_at_a_time = app.switching.lock().await;
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
    let reason = reason(&wish(&body, &["reason"])?)?;
    let now = app.clock.now();
    let change = SwitchChange::Resume {
        service_account: service_account.clone(),
        thrown_at: thrown.at,
    };
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
            "replicas": 1,
            "confirmed": 1,
            "sent": app.inflight.of(&service_account),
            "holds": app.holds.open((service_account != "*").then_some(&service_account)),
        }),
    ))
}

/// The reason of a throw in place of the switch that stands: who stopped first, and why, stays to be
/// read. Only an admin narrows a full stop, since only an admin resumes.
fn over(
    before: Option<&Switch>,
    scope: SwitchScope,
    operator: &Operator,
    reason: String,
) -> Result<String, Response> {
    const FIRST: &str = "; first stopped by ";
    let Some(before) = before else {
        return Ok(reason);
    };
    let narrows = before.scope == SwitchScope::All && scope == SwitchScope::Writes;
    if narrows && !operator.roles.contains(&Role::Admin) {
        return Err(failure(
            StatusCode::CONFLICT,
            "stopped_wider",
            &format!(
                "{} is stopped wholly by {} ({}): only an admin lets its reads go on",
                before.service_account, before.by, before.reason
            ),
        ));
    }
    let first = match before.reason.split_once(FIRST) {
        Some((_, first)) => first.to_owned(),
        None => format!("{}: {}", before.by, before.reason),
    };
    Ok(format!("{reason}{FIRST}{first}"))
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

/// What a kill asks for: `{scope: "all" | "writes", reason}`; the reason may be left out.
fn thrown(body: &[u8]) -> Result<(SwitchScope, String), Response> {
    let wish = wish(body, &["scope", "reason"])?;
    let scope = match text(&wish, "scope")? {
        Some("all") => SwitchScope::All,
        Some("writes") => SwitchScope::Writes,
        Some(_) | None => return Err(unprocessable("`scope` is `all` or `writes`")),
    };
    Ok((scope, reason(&wish)?))
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
