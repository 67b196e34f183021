//! The operator API for holds: what waits, what exactly would be done, and a person's yes or no.

mod rows;
mod tell;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Answer, Asked, asked, known, unavailable, unprocessable};
use super::operators::authorised;
use super::wish::{text, wish};
use super::{answer, failure};
use crate::app::App;
use crate::config::{Config, Role, Route};
use crate::hold::decide::{Undecided, Wish};
use crate::hold::rows::Decision;
use crate::hold::{Hold, State};
use crate::proxy::releases;

/// A page of holds.
const PAGE: usize = 100;
/// The largest page.
const PAGE_MOST: usize = 1_000;

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/holds", get(list))
        .route("/holds/{id}", get(show))
        .route("/holds/{id}/approve", post(approve))
        .route("/holds/{id}/reject", post(reject))
}

/// What a route's releases are sent with: its own credential, the brokers' of some service accounts,
/// or nothing but the agents' next repeats.
pub(super) fn released_with(config: &Config, route: &Route) -> &'static str {
    let brokers = || {
        let mut credentials = config.service_accounts.iter().flat_map(|a| &a.credentials);
        credentials.any(|(name, _)| *name == route.name)
    };
    if route.release_credential.is_some() {
        "release_credential"
    } else if brokers() {
        "broker credentials, else the agent's next repeat"
    } else {
        "the agent's next repeat"
    }
}

/// `after` is the `next` of the page before; `state` a state's word, or `open`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    state: Option<String>,
    service_account: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

impl Wanted {
    fn fits(&self, hold: &Hold, state: State) -> bool {
        let account = &hold.actor.service_account;
        let in_state = match self.state.as_deref() {
            None => true,
            Some("open") => state.is_open(),
            Some(word) => word == state.word(),
        };
        let later = |after: &String| hold.entry.as_str() > after.as_str();
        in_state
            && self
                .service_account
                .as_ref()
                .is_none_or(|name| name == account)
            && self.after.as_ref().is_none_or(later)
    }
}

/// The words that `state` may be.
const STATES: [&str; 11] = [
    "open",
    "parked",
    "approved",
    "releasing",
    "released",
    "rejected",
    "expired",
    "denied",
    "not_sent",
    "in_doubt",
    "settled",
];

async fn list(Shared(app): Shared<Arc<App>>, wanted: Asked<Wanted>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let wanted = asked(wanted)?;
    if let Some(state) = &wanted.state
        && !STATES.contains(&state.as_str())
    {
        return Err(unprocessable(&format!(
            "`state` is one of {}",
            STATES.join(", ")
        )));
    }
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MOST);
    hear(&app).await;
    let now = app.clock.now();
    for slot in app.holds.slots() {
        if slot.look().is_some_and(|hold| hold.is_due(now)) {
            releases::end_if_due(&app, &slot).await;
        }
    }
    let mut found: Vec<Arc<Hold>> = app.holds.all();
    found.retain(|hold| wanted.fits(hold, hold.state(&app.config)));
    // Holds of a service account that is gone are listed; a name that nobody ever had is a mistake.
    if let Some(name) = wanted.service_account.as_ref().filter(|_| found.is_empty()) {
        known(&app, name)?;
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found
        .last()
        .filter(|_| more)
        .map(|hold| hold.entry.to_string());
    let items: Vec<Value> = found
        .iter()
        .map(|hold| tell::summary(&app.config, hold))
        .collect();
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": items, "next": next }),
    ))
}

/// `rows` is a page of a bulk job's rows, as `0..20`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    rows: Option<String>,
}

async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    shown: Asked<Shown>,
    headers: HeaderMap,
) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let Some(page) = rows::page(asked(shown)?.rows.as_deref()) else {
        return Err(unprocessable(
            "`rows` is A..B, at most 1000 rows from row A on, counted from 0",
        ));
    };
    hear(&app).await;
    if let Some(slot) = app.holds.by_id(&id) {
        releases::end_if_due(&app, &slot).await;
    }
    let ledger = &**app.journal.ledger();
    let found = app.holds.find(ledger, &id).await.map_err(unavailable)?;
    let Some(hold) = found else {
        return Err(gone());
    };
    let contents = crate::hold::Contents::load(ledger, &hold.entry).await;
    let contents = contents.map_err(unavailable)?;
    let mut detail = tell::detail(&app.config, &hold, contents.as_ref());
    let rows = rows::rows(&app.journal, &hold, page).await;
    if let (Some(rows), Value::Object(detail)) = (rows.map_err(unavailable)?, &mut detail) {
        detail.insert("rows".into(), rows);
    }
    Ok(answer(StatusCode::OK, &detail))
}

async fn approve(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    decide(app, &id, &headers, &body, Decision::Approve).await
}

async fn reject(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    decide(app, &id, &headers, &body, Decision::Reject).await
}

async fn decide(
    app: Arc<App>,
    id: &str,
    headers: &HeaderMap,
    body: &[u8],
    decision: Decision,
) -> Answer {
    let operator = authorised(&app.config, headers, Role::Approver)?.clone();
    let wish = wanted(decision, body)?;
    if app.holds.by_id(id).is_none() {
        hear(&app).await;
    }
    let Some(slot) = app.holds.by_id(id) else {
        return Err(undecided(forgotten(&app, id).await));
    };
    // On a task of its own: a client that leaves must not leave the row and us apart.
    let task = tokio::spawn(async move {
        let turn = slot.turn().await;
        let hold = turn.decide(&app.desk(), &operator, wish).await?;
        // Told before the release changes it.
        let told = tell::summary(&app.config, &hold);
        releases::soon(&app, &slot);
        Ok(told)
    });
    match task.await {
        Ok(told) => Ok(answer(StatusCode::OK, &told.map_err(undecided)?)),
        Err(error) => {
            tracing::error!(%error, hold = id, "a decision broke off");
            Err(failure(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the decision broke off: look at the hold again",
            ))
        }
    }
}

/// What another replica was told a moment ago is known here, too, if that can be.
async fn hear(app: &App) {
    if let Err(error) = app.catch_up().await {
        tracing::debug!(%error, "holds are told as they were known last");
    }
}

/// Why a hold that is in no book cannot be decided: it ended long ago, or there never was one.
async fn forgotten(app: &App, id: &str) -> Undecided {
    match app.holds.find(&**app.journal.ledger(), id).await {
        Ok(Some(hold)) => Undecided::Moved(hold.id.clone(), hold.state(&app.config).word()),
        Ok(None) => Undecided::Gone,
        Err(error) => Undecided::Store(error),
    }
}

/// `{reason, digest}`.
fn wanted(decision: Decision, body: &[u8]) -> Result<Wish, Response> {
    let wish = wish(body, &["reason", "digest"])?;
    Ok(Wish {
        decision,
        reason: text(&wish, "reason")?.map(str::to_owned),
        shown: text(&wish, "digest")?.map(str::to_owned),
    })
}

fn undecided(why: Undecided) -> Response {
    let (status, code) = match why {
        Undecided::Store(error) => return unavailable(error),
        Undecided::Incomplete(what) => return unprocessable(what),
        Undecided::Gone => return gone(),
        Undecided::Barred(_) => (StatusCode::FORBIDDEN, "forbidden"),
        Undecided::Moved(..) => (StatusCode::CONFLICT, "state_moved"),
        Undecided::Differs(_) => (StatusCode::CONFLICT, "digest_differs"),
    };
    failure(status, code, &why.to_string())
}

fn gone() -> Response {
    failure(StatusCode::NOT_FOUND, "not_found", "no hold has this id")
}
