//! Limits over the operator API: what the rules say, what stands in its place at run time, what is
//! used.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::api::{Answer, known, to_its_end, unavailable, unprocessable};
use super::operators::authorised;
use super::wish::{reason, text, wish};
use super::{answer, failure};
use crate::app::App;
use crate::config::{Operator, Role};
use crate::control::Usage;
use crate::limits::{self, Live, Value as LiveValue};
use crate::mutation::{Limit, LimitKind, Per};
use crate::policy::{self, Reserve};

/// A live value ends by itself; what should last belongs into the rules.
const LONGEST: i64 = 30 * 86_400;

const KEYS: [&str; 6] = ["max", "rate", "burst", "for", "service_account", "reason"];

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/limits", get(list))
        .route("/limits/{name}", get(show).put(set).delete(unset))
}

async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let now = app.clock.now();
    let usage = app.control.usage(now).await.map_err(unavailable)?;
    let rules = app.rules.load();
    let limits = rules.limits();
    let limits = limits.map(|limit| shown(&app, limit, rules.observes(&limit.name), &usage, now));
    let reserves = rules.reserves().map(|reserve| kept(&app, reserve));
    let items: Vec<Value> = limits.chain(reserves).collect();
    Ok(answer(
        StatusCode::OK,
        &json!({ "items": items, "next": null }),
    ))
}

async fn show(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    authorised(&app.config, &headers, Role::Viewer)?;
    let now = app.clock.now();
    let usage = app.control.usage(now).await.map_err(unavailable)?;
    if let Some(reserve) = app.rules.load().reserve(&name) {
        return Ok(answer(StatusCode::OK, &kept(&app, reserve)));
    }
    let limit = found(&app, &name)?;
    let observes = app.rules.load().observes(&limit.name);
    Ok(answer(
        StatusCode::OK,
        &shown(&app, &limit, observes, &usage, now),
    ))
}

async fn set(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.clone();
    to_its_end(put(app, name, operator, body)).await
}

/// `{max | rate, burst, for, service_account, reason}`
async fn put(app: Arc<App>, name: String, operator: Operator, body: Bytes) -> Answer {
    let limit = found(&app, &name)?;
    let wish = wish(&body, &KEYS)?;
    let now = app.clock.now();
    let live = Live {
        value: value(&limit, &wish)?,
        service_account: service_account(&app, &limit, &wish)?,
        until: until(&wish, now)?,
        limit: limit.name.clone(),
        by: operator.name.clone(),
        reason: reason(&wish)?,
        at: now,
    };
    let entry = limits::set(&app, live.clone()).await.map_err(unavailable)?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "name": limit.name,
            "file": told(limit.kind),
            "live": told_live(&live, limit.kind),
            "entry": entry,
        }),
    ))
}

async fn unset(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let operator = authorised(&app.config, &headers, Role::Admin)?.clone();
    to_its_end(take_back(app, name, operator, body)).await
}

/// `{service_account, reason}`; also for a limit that the rules do not have any more.
async fn take_back(app: Arc<App>, name: String, operator: Operator, body: Bytes) -> Answer {
    let wish = wish(&body, &["service_account", "reason"])?;
    let service_account = text(&wish, "service_account")?;
    let now = app.clock.now();
    let who = (operator.name.as_str(), &*reason(&wish)?);
    let unset = limits::unset(&app, &name, service_account, who, now).await;
    match unset.map_err(unavailable)? {
        Some(entry) => Ok(answer(
            StatusCode::OK,
            &json!({ "name": name, "service_account": service_account, "entry": entry }),
        )),
        None => {
            found(&app, &name)?;
            let whom = service_account.map_or("all", |name| name);
            let text = format!("limit {name} has no live value for {whom}");
            Err(failure(StatusCode::CONFLICT, "not_set", &text))
        }
    }
}

fn found(app: &App, name: &str) -> Result<Limit, Response> {
    let rules = app.rules.load();
    if let Some(Reserve { name, percent }) = rules.reserve(name) {
        let text = format!(
            "limit {name} keeps {percent} % of what the CRM allows: change `reserve` in the rules and \
             reload"
        );
        return Err(unprocessable(&text));
    }
    rules.limit(name).cloned().ok_or_else(|| {
        let names: Vec<&str> = rules.limits().map(|limit| limit.name.as_str()).collect();
        let text = format!("no limit is named {name}; there are: {}", names.join(", "));
        failure(StatusCode::NOT_FOUND, "not_found", &text)
    })
}

/// What is to stand in place of the rules' value.
fn value(limit: &Limit, wish: &Map<String, Value>) -> Result<LiveValue, Response> {
    let name = &limit.name;
    match (limit.kind, wish.get("max"), wish.get("rate")) {
        (LimitKind::Budget { .. }, Some(max), None) if !wish.contains_key("burst") => {
            let max = max.as_u64();
            max.map(LiveValue::Max)
                .ok_or_else(|| unprocessable("`max` has to be a whole number, such as 600"))
        }
        (LimitKind::Rate { .. }, None, Some(rate)) => {
            let text = rate.as_str().unwrap_or_default();
            let (count, period_ms) = policy::rate(text).map_err(|what| unprocessable(&what))?;
            let burst = match wish.get("burst") {
                None => Some(count),
                Some(burst) => burst.as_u64().filter(|burst| *burst > 0),
            };
            let wrong = || unprocessable("`burst` has to be a whole number of at least 1");
            Ok(LiveValue::Rate {
                count,
                period_ms,
                burst: burst.ok_or_else(wrong)?,
            })
        }
        (LimitKind::Budget { .. }, ..) => Err(unprocessable(&format!(
            "limit {name} is a budget: give `max`, how many still pass, and nothing else"
        ))),
        (LimitKind::Rate { .. }, ..) => Err(unprocessable(&format!(
            "limit {name} is a rate: give `rate`, such as 5/s, and `burst` if you like"
        ))),
    }
}

fn service_account(
    app: &App,
    limit: &Limit,
    wish: &Map<String, Value>,
) -> Result<Option<String>, Response> {
    let Some(name) = text(wish, "service_account")? else {
        return Ok(None);
    };
    known(app, name)?;
    if name == "*" || !limit.per.contains(&Per::ServiceAccount) {
        return Err(unprocessable(&format!(
            "limit {} is not kept apart by service account `{name}`: set it for all",
            limit.name
        )));
    }
    Ok(Some(name.to_owned()))
}

fn until(wish: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, Response> {
    let span = text(wish, "for")?.unwrap_or_default();
    let seconds =
        policy::duration(span).map_err(|what| unprocessable(&format!("`for`: {what}")))?;
    if seconds > LONGEST {
        let text = "`for` may be 30d at most: what should last belongs into the rules";
        return Err(unprocessable(text));
    }
    let until = now.checked_add(SignedDuration::from_secs(seconds));
    until.map_err(|error| unprocessable(&format!("`for`: {error}")))
}

/// What is used, each with the maximum that is in force for its key now: control state only knows the one
/// of the last charge. What other rules count by a limit's name is left out.
pub(super) fn in_force(app: &App, mut usage: Vec<Usage>, now: Timestamp) -> Vec<Usage> {
    let rules = app.rules.load();
    usage.retain_mut(|used| {
        let Some(limit) = rules.limit(&used.limit) else {
            return true;
        };
        used.max = most_for(app, limit, &used.key, now);
        limit.counts() == used.counts
    });
    usage
}

/// Of each limit the keys with the largest share used, and how many are left out: a limit per record has
/// as many keys as there are records.
pub(super) fn fullest(mut usage: Vec<Usage>, most: usize) -> (Vec<Usage>, usize) {
    let share = |one: &Usage, other: &Usage| u128::from(one.used) * u128::from(other.max.max(1));
    usage.sort_by(|a, b| {
        let fuller = share(b, a).cmp(&share(a, b));
        a.limit.cmp(&b.limit).then(fuller)
    });
    let all = usage.len();
    let mut of = (String::new(), 0);
    usage.retain(|used| {
        if of.0 != used.limit {
            of = (used.limit.clone(), 0);
        }
        of.1 += 1;
        of.1 <= most
    });
    let left = all - usage.len();
    (usage, left)
}

fn most_for(app: &App, limit: &Limit, key: &str, now: Timestamp) -> u64 {
    let by_account = limit.per.contains(&Per::ServiceAccount);
    let account = key.split('/').next().filter(|_| by_account);
    most(app.limits.kind(limit, account, now))
}

/// A limit with what stands in its place and what is used of it, by key.
fn shown(app: &App, limit: &Limit, observes: bool, usage: &[Usage], now: Timestamp) -> Value {
    let live = app.limits.all(now);
    let live = live
        .iter()
        .filter(|live| live.limit.eq_ignore_ascii_case(&limit.name));
    let used = usage
        .iter()
        .filter(|used| used.limit == limit.name && used.counts == limit.counts());
    let used: Vec<Value> = used
        .map(|used| {
            let max = most_for(app, limit, &used.key, now);
            json!({ "key": used.key, "used": used.used, "max": max })
        })
        .collect();
    json!({
        "name": limit.name,
        "count": limit.count.word(),
        "per": limit.per.iter().map(|per| per.word()).collect::<Vec<_>>(),
        "then": limit.then.word(),
        "observe": observes,
        "file": told(limit.kind),
        "live": live.map(|live| told_live(live, limit.kind)).collect::<Vec<_>>(),
        "used": used,
    })
}

/// A share that is kept for people, with what the CRM said last of each route.
fn kept(app: &App, reserve: &Reserve) -> Value {
    let rules = app.rules.load();
    let under = app.routes.iter().filter(|state| {
        let mut here = rules.reserves_for(state.route.crm, &state.route.name);
        here.any(|other| other == reserve)
    });
    let used: Vec<Value> = under
        .flat_map(|state| {
            let windows = state.quota.windows().into_iter();
            windows.map(|(window, told)| {
                let used = told.max.saturating_sub(told.remaining);
                json!({ "key": format!("{} {window}", state.route.name), "used": used, "max": told.max })
            })
        })
        .collect();
    json!({
        "name": reserve.name,
        "count": "crm calls",
        "per": ["route"],
        "then": "deny",
        "observe": rules.observes(&reserve.name),
        "file": { "reserve": reserve.percent },
        "live": [],
        "used": used,
    })
}

fn most(kind: LimitKind) -> u64 {
    match kind {
        LimitKind::Budget { max, .. } => max,
        LimitKind::Rate { burst, .. } => burst,
    }
}

fn told(kind: LimitKind) -> Value {
    match kind {
        LimitKind::Budget { max, window_ms } => json!({ "max": max, "window_ms": window_ms }),
        LimitKind::Rate {
            count,
            period_ms,
            burst,
        } => json!({ "rate": count, "period_ms": period_ms, "burst": burst }),
    }
}

/// `fits` is false where a reload made a rate of a budget, or the other way round: then it does
/// nothing.
fn told_live(live: &Live, kind: LimitKind) -> Value {
    let fitting = live.value.of(kind);
    let mut told = told(fitting.unwrap_or(kind));
    if let Value::Object(told) = &mut told {
        told.insert("fits".into(), fitting.is_some().into());
        told.insert("service_account".into(), json!(live.service_account));
        told.insert("until".into(), json!(live.until));
        told.insert("by".into(), json!(live.by));
        told.insert("reason".into(), json!(live.reason));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_limit_the_fullest_keys_are_told() {
        let used = |limit: &str, key: &str, used, max| Usage {
            limit: limit.into(),
            counts: String::new(),
            key: key.into(),
            used,
            max,
        };
        let all = vec![
            used("churn", "a", 1, 5),
            used("churn", "b", 5, 5),
            used("hourly", "x", 1, 9),
            used("churn", "c", 9, 10),
        ];
        let (told, left) = fullest(all, 2);
        let keys: Vec<&str> = told.iter().map(|one| one.key.as_str()).collect();
        assert_eq!((keys, left), (vec!["b", "c", "x"], 1));
    }
}
