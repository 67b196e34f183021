//! The operator API for reverts. An approver may revert: it undoes what an agent did, under the rules
//! with `origin: revert`, and can be undone itself.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tower::limit::GlobalConcurrencyLimitLayer;

use super::api::{unavailable, unprocessable};
use super::operators::authorised;
use super::wish::object;
use super::{answer, failure};
use crate::app::{App, Worker};
use crate::clock::EntryId;
use crate::config::Role;
use crate::revert::{Choice, Reach, RevertError, Wish, revert};

/// How many reverts are worked on at once.
const AT_ONCE: usize = 4;

type Answer = Result<Response, Response>;

/// The way to the CRMs from the operators' side; the text says why there is none.
#[derive(Clone, Debug)]
struct Reverter(Result<Arc<Worker>, String>);

/// A revert of many entries takes longer than other requests, so these routes stand outside their time
/// limit.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let worker = Worker::of_operators(Arc::clone(app)).map(Arc::new);
    Router::new()
        .route("/entries/{id}/revert", post(one))
        .route("/reverts", post(many))
        .layer(GlobalConcurrencyLimitLayer::new(AT_ONCE))
        .with_state(Reverter(worker))
}

/// `POST entries/{id}/revert {dry_run}`.
async fn one(
    State(reverter): State<Reverter>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let worker = reverter.worker()?;
    let operator = authorised(&worker.app.config, &headers, Role::Approver)?;
    let operator = operator.name.clone();
    let mut wanted = Wanted::read(&body)?;
    let dry_run = wanted.flag("dry_run")?;
    wanted.finish("dry_run")?;
    let wish = Wish {
        choice: Choice::Entries(vec![EntryId::from_text(&id)]),
        route: None,
        dry_run,
    };
    reverted(worker, operator, wish).await
}

/// `POST reverts {entries | as and one of last, since, run; route; dry_run}`.
async fn many(State(reverter): State<Reverter>, headers: HeaderMap, body: Bytes) -> Answer {
    let worker = reverter.worker()?;
    let operator = authorised(&worker.app.config, &headers, Role::Approver)?;
    let operator = operator.name.clone();
    let mut wanted = Wanted::read(&body)?;
    let dry_run = wanted.flag("dry_run")?;
    let route = wanted.text("route")?;
    let choice = wanted.choice()?;
    wanted.finish("entries, as, last, since, run, route and dry_run")?;
    if let Some(name) = &route
        && !worker
            .app
            .routes
            .iter()
            .any(|state| state.route.name == *name)
    {
        return Err(unprocessable(&format!("no route is named {name}")));
    }
    let wish = Wish {
        choice,
        route,
        dry_run,
    };
    reverted(worker, operator, wish).await
}

/// On a task of its own: an operator who hangs up does not stop it half-way.
async fn reverted(worker: Arc<Worker>, operator: String, wish: Wish) -> Answer {
    let task = tokio::spawn(async move { revert(&worker, &operator, &wish).await });
    match task.await {
        Ok(Ok(report)) => Ok(answer(StatusCode::OK, &report)),
        Ok(Err(RevertError::Store(error))) => Err(unavailable(error)),
        Ok(Err(error @ RevertError::Entry(_))) => Err(failure(
            StatusCode::NOT_FOUND,
            "not_found",
            &error.to_string(),
        )),
        Ok(Err(error @ RevertError::NoCredential(_))) => Err(failure(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_credential",
            &error.to_string(),
        )),
        Ok(Err(error @ RevertError::TooMany(_))) => Err(unprocessable(&error.to_string())),
        Err(error) => {
            tracing::error!(%error, "a revert ended by a panic");
            let what = "the revert broke off: look at the newest entries before asking again";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(failure(status, "internal", what))
        }
    }
}

impl Reverter {
    fn worker(&self) -> Result<Arc<Worker>, Response> {
        self.0.as_ref().map(Arc::clone).map_err(|error| {
            tracing::error!(%error, "the operators' side has no way to the CRMs");
            let what = "the CRMs cannot be reached from here; the log says why";
            failure(StatusCode::SERVICE_UNAVAILABLE, "unavailable", what)
        })
    }
}

/// The members of a body, taken out one by one; what is left in the end is not understood.
struct Wanted(Map<String, Value>);

impl Wanted {
    fn read(body: &[u8]) -> Result<Self, Response> {
        match object(body)? {
            Value::Object(members) => Ok(Self(members)),
            Value::Null => Ok(Self(Map::new())),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(unprocessable("the body is not a JSON object"))
            }
        }
    }

    /// A member that is there and not null.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn flag(&mut self, name: &str) -> Result<bool, Response> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(unprocessable(&format!(
                "`{name}` is neither true nor false"
            ))),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Response> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(unprocessable(&format!("`{name}` is not a text"))),
        }
    }

    /// Which entries.
    fn choice(&mut self) -> Result<Choice, Response> {
        let wrong = "give `entries`, or `as` and one of `last`, `since` and `run`";
        let (entries, service_account) = (self.take("entries"), self.text("as")?);
        let last = self.take("last");
        let (since, run) = (self.text("since")?, self.text("run")?);
        let reach = match (last, since, run) {
            (None, None, None) => None,
            (Some(last), None, None) => Some(Reach::Last(count(&last)?)),
            (None, Some(since), None) => Some(Reach::Since(moment(&since)?)),
            (None, None, Some(run)) => Some(Reach::Run(run)),
            _ => return Err(unprocessable(wrong)),
        };
        match (entries, service_account, reach) {
            (Some(entries), None, None) => Ok(Choice::Entries(ids(&entries)?)),
            (None, Some(service_account), Some(reach)) => Ok(Choice::Of {
                service_account,
                reach,
            }),
            _ => Err(unprocessable(wrong)),
        }
    }

    fn finish(self, known: &str) -> Result<(), Response> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(unprocessable(&format!(
                "`{}` is not understood; this takes {known}",
                name.escape_debug()
            ))),
        }
    }
}

fn count(last: &Value) -> Result<usize, Response> {
    let number = last.as_u64().and_then(|last| usize::try_from(last).ok());
    number
        .filter(|last| *last > 0)
        .ok_or_else(|| unprocessable("`last` is not a number above 0"))
}

fn moment(since: &str) -> Result<Timestamp, Response> {
    since
        .parse()
        .map_err(|_not_one| unprocessable("`since` is not a moment such as 2026-11-20T14:00Z"))
}

fn ids(entries: &Value) -> Result<Vec<EntryId>, Response> {
    let ids: Option<Vec<EntryId>> = entries
        .as_array()
        .filter(|entries| !entries.is_empty())
        .and_then(|entries| {
            let ids = entries.iter().map(Value::as_str);
            ids.map(|id| id.map(EntryId::from_text)).collect()
        });
    ids.ok_or_else(|| unprocessable("`entries` is not a list of ids"))
}
