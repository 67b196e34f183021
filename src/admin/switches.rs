//! Kill switches over the operator API: who is stopped, stopping, letting go on. Each change waits until
//! the live replicas have confirmed it (P5), and says which have.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::api::{Answer, known, to_its_end, unavailable, unprocessable};
use super::operators::authorised;
use super::wish::{reason, text, wish};
use super::{answer, failure};
use crate::app::App;
use crate::clock::EntryId;
use crate::config::{Operator, Role};
use crate::control::confirm::{Confirmations, Took, TwoSeconds, confirmed};
use crate::control::{Switch, SwitchChange, SwitchScope};
use crate::journal::read;

/// A replica that was not heard of for so long is not told of any more.
const GONE: SignedDuration = SignedDuration::from_hours(24);
/// A kill waits so long for another change of the switches to be over …
const PATIENCE: Duration = Duration::from_millis(250);
/// … and so long for its own row.
const RECORDED_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/switches", get(list)).route(
        "/switches/{service_account}",
        get(show).put(kill).delete(resume),
    )
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let view = app.control.switches();
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": view.thrown, "next": null }),
    ))
}

async fn show(
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
    // what is recorded or rebuilt meanwhile may take long: a kill does not wait for it
    let one_at_a_time = timeout(PATIENCE, app.switching.lock()).await.ok();
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
    let view = app.control.set_switch(change.clone()).await;
    let version = view.map_err(unavailable)?.version;
    let mut waits = TwoSeconds::begin();
    let id = app.entry_id(now);
    let recording = async {
        let recorded = record(&app, (&id, &change), (&operator.name, &reason), now).await;
        // the next change does not wait until this one is confirmed
        drop(one_at_a_time);
        recorded
    };
    let confirming = confirmed(&*app.control, version, app.confirm(), &mut waits);
    let (recorded, mut confirmations) = tokio::join!(recording, confirming);
    let stands = |switch: &Switch| switch.service_account == service_account;
    if !app.control.switches().thrown.iter().any(stands) {
        // the state was rebuilt by one that had not read of it yet
        let view = app.control.set_switch(change).await;
        let version = view.map_err(unavailable)?.version;
        let mut waits = TwoSeconds::begin();
        confirmations = confirmed(&*app.control, version, app.confirm(), &mut waits).await;
    }
    let more = json!({ "scope": scope, "entry": id, "recorded": recorded });
    Ok(told(&app, &service_account, confirmations, more).await)
}

/// Writes it down, and says whether that is done within two seconds: else it goes on beside the answer.
async fn record(
    app: &App,
    (id, change): (&EntryId, &SwitchChange),
    (by, reason): (&str, &str),
    now: Timestamp,
) -> bool {
    let (journal, id, change) = (app.journal.clone(), id.clone(), change.clone());
    let (by, reason) = (by.to_owned(), reason.to_owned());
    let recording = tokio::spawn(async move {
        let by = (by.as_str(), reason.as_str());
        journal.switch_in_the_end(&id, &change, by, now).await
    });
    matches!(timeout(RECORDED_WITHIN, recording).await, Ok(Ok(true)))
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
    let one_at_a_time = app.switching.lock().await;
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
    let mut waits = TwoSeconds::begin();
    let after = app.control.set_switch(change).await.map_err(unavailable)?;
    drop(one_at_a_time);
    let confirmations = confirmed(&*app.control, after.version, app.confirm(), &mut waits).await;
    let more = json!({ "entry": id, "limit_emptied": thrown.limit });
    Ok(told(&app, &service_account, confirmations, more).await)
}

/// What became of a change: each replica, the writes that were sent before, the holds that stay.
async fn told(
    app: &App,
    service_account: &str,
    mut confirmations: Confirmations,
    more: Value,
) -> Response {
    let now = app.clock.now();
    confirmations.replicas.retain(|one| {
        let long_gone = |at| now.duration_since(at) > GONE;
        one.state != Took::Silent || !one.heard_at.is_some_and(long_gone)
    });
    let whose = (service_account != "*").then_some(service_account);
    let ledger = app.journal.ledger();
    let elsewhere = read::under_way_elsewhere(&**ledger, whose).await;
    let elsewhere = elsewhere.inspect_err(|error| {
        tracing::warn!(%error, "what other replicas are sending is not known");
    });
    let elsewhere = elsewhere.ok();
    let mut told = json!({
        "service_account": service_account,
        "replicas": confirmations.live(),
        "confirmed": confirmations.confirmed(),
        "by_replica": confirmations.replicas,
        "sent": app.inflight.of(service_account) + elsewhere.unwrap_or_default(),
        "sent_elsewhere": elsewhere,
        "holds": app.holds.open(whose),
        "trouble": confirmations.trouble,
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
        told.extend(more);
    }
    answer(StatusCode::OK, &told)
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
