//! `/metrics`: `OpenMetrics` text for Prometheus. Without authentication, as `/healthz` is: it holds
//! names and numbers, never a record, a token or a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::limits::in_force;
use super::text;
use crate::app::App;
use crate::control::{Health, SwitchScope, Usage};
use crate::metrics::{Gauges, LimitUse, Thrown};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let told = match app.metrics.text(&gauges(&app).await) {
        Ok(told) => told,
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            return text(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n");
        }
    };
    let mut response = Response::new(Body::from(told));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, OPEN_METRICS);
    response
}

/// How things stand; what a store does not say now is left out.
async fn gauges(app: &App) -> Gauges {
    let now = app.clock.now();
    let usage = app.control.usage(now).await.unwrap_or_default();
    let thrown = app.control.switches().thrown.clone();
    let thrown = thrown.into_iter().map(|switch| Thrown {
        service_account: switch.service_account,
        scope: match switch.scope {
            SwitchScope::All => "all",
            SwitchScope::Writes => "writes",
        },
    });
    Gauges {
        ready: app.not_ready().await.is_empty(),
        rules_stale: app.reloads.degraded().is_some(),
        rules: app.rules.load().digest().to_owned(),
        rules_from: app.standing.load().notice(),
        writes: app.inflight.of("*"),
        holds: app.holds.open(None),
        in_doubt: app.in_doubt().await.ok(),
        queued: app.journal.ledger().queued(),
        thrown: thrown.collect(),
        limits: used(in_force(app, usage, now)),
        live_limits: app.limits.all(now).len(),
        control: match app.control.health() {
            Health::Good => "good",
            Health::Trouble(_) => "trouble",
            Health::Lost(_) => "lost",
        },
    }
}

/// By limit, the key with the largest share used: keys can be records, and records are no labels.
fn used(usage: Vec<Usage>) -> Vec<LimitUse> {
    let mut limits: BTreeMap<String, LimitUse> = BTreeMap::new();
    for usage in usage {
        let limit = limits.entry(usage.limit.clone()).or_insert(LimitUse {
            limit: usage.limit,
            used: 0,
            max: usage.max,
            keys: 0,
        });
        limit.keys += 1;
        let share = |used: u64, max: u64| u128::from(used) * u128::from(max.max(1));
        if share(usage.used, limit.max) > share(limit.used, usage.max) {
            limit.used = usage.used;
            limit.max = usage.max;
        }
    }
    limits.into_values().collect()
}
