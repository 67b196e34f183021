//! `GET /_writegate/holds/{id}` on a route: how a hold stands, for the service account that it is of.
//! Nothing below `/_writegate` ever reaches the CRM.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Response};
use serde_json::json;

use super::actor::Caller;
use super::words::holds;
use super::{Call, Refused, may_read, releases, unknown};
use crate::crm::path::CanonicalPath;
use crate::error::Refusal;
use crate::hold::people::waits_for;
use crate::hold::{Hold, State};
use crate::upstream::Body;

/// The first segment of paths that are ours.
const OURS: &str = "_writegate";

/// Whether a path is ours to answer; in any case, so that none slips through.
pub(super) fn is_ours(path: &CanonicalPath) -> bool {
    let first = path.segments().first();
    first.is_some_and(|first| first.eq_ignore_ascii_case(OURS))
}

/// Answers.
pub(super) async fn answer(
    call: Call<'_>,
    method: &Method,
    path: &CanonicalPath,
    caller: &Caller,
) -> Result<Response<Body>, Box<Refused>> {
    let Some(service_account) = caller.service_account.as_deref() else {
        return Err(unknown(caller).into());
    };
    may_read(call, caller)?;
    let segments: Vec<&str> = path.segments().iter().map(String::as_str).collect();
    let (&Method::GET, [_, "holds", id]) = (method, segments.as_slice()) else {
        return Err(holds::no_such_hold().into());
    };
    let app = &call.worker.app;
    if app.holds.by_id(id).is_none()
        && let Err(error) = app.catch_up().await
    {
        tracing::debug!(%error, "a hold is told as it was known last");
    }
    if let Some(slot) = app.holds.by_id(id) {
        releases::end_if_due(app, &slot).await;
    }
    let found = app.holds.find(&**app.journal.ledger(), id).await;
    let found = found.map_err(|error| Refusal::unavailable(error.to_string()))?;
    let theirs = |hold: &Arc<Hold>| {
        hold.actor.service_account == service_account && hold.route == call.state.route.name
    };
    let Some(hold) = found.filter(theirs) else {
        return Err(holds::no_such_hold().into());
    };
    let state = hold.state(&app.config);
    let told = json!({
        "hold": hold.id,
        "state": state.word(),
        "until": hold.expires_at,
        "waits_for": (state == State::Parked).then(|| waits_for(&hold.terms.requirements)),
        "reason": reason(&hold, state),
    });
    let mut response = Response::new(Body::full(told.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Why it stands there: why it waits, what a person said, what came in between.
fn reason(hold: &Hold, state: State) -> String {
    let refusal = match state {
        State::Parked => return hold.terms.why.clone(),
        State::Approved | State::Releasing => holds::approved(hold),
        State::InDoubt | State::Settled => holds::in_doubt(hold),
        State::Released => return "the CRM has answered: repeat the request to get it".into(),
        State::Rejected | State::Expired | State::Denied | State::NotSent => {
            match holds::ended(hold) {
                Some(refusal) => refusal,
                None => return String::new(),
            }
        }
    };
    refusal.message
}
