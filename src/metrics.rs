//! What is counted and timed while serving, and how it is told: `/metrics`, `OpenMetrics` text.
//!
//! The read path pays a few atomic additions on counters of its own runtime; everything is added up
//! when somebody looks. Labels are names out of the configuration and the rules and words of our own:
//! never a record's id, a token, a path or a value (P12).

mod appends;
mod latency;
mod tally;
mod text;

use std::sync::Arc;

use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::app::RouteState;
use crate::error::{RefusalKind, Side};
use crate::ledger::Ledger;
use crate::mutation::Would;
use crate::quota::Told;
use crate::upstream::Traffic;

pub use appends::Measured;
pub use latency::Latency;
pub use tally::{Class, Seen, Stopwatch, Tally};
pub use text::{Gauges, LimitUse, Thrown};

/// Everything that is counted in this process.
#[derive(Debug)]
pub struct Metrics {
    /// One for each route and runtime.
    tallies: RwLock<Vec<Arc<Tally>>>,
    /// By the place of the route.
    quotas: Vec<(String, Arc<Told>)>,
    refusals: Family<RefusalLabels, Counter>,
    would: Family<WouldLabels, Counter>,
    reloads: Family<ReloadLabels, Counter>,
    trips: Family<TripLabels, Counter>,
    appends: Arc<Latency>,
    append_failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    route: String,
    side: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WouldLabels {
    route: String,
    would: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TripLabels {
    service_account: String,
    by: String,
}

impl Metrics {
    /// Nothing counted yet, for these routes and what is told of their CRMs' quotas.
    #[must_use]
    pub fn of(routes: &[RouteState]) -> Self {
        let quotas = routes
            .iter()
            .map(|state| (state.route.name.clone(), Arc::clone(&state.quota)));
        Self {
            tallies: RwLock::default(),
            quotas: quotas.collect(),
            refusals: Family::default(),
            would: Family::default(),
            reloads: Family::default(),
            trips: Family::default(),
            appends: Arc::default(),
            append_failures: Counter::default(),
        }
    }

    /// Counters of its own for one route on the runtime that calls this.
    #[must_use]
    pub fn tally(&self, place: usize, traffic: &Arc<Traffic>) -> Arc<Tally> {
        let (route, _) = self.quotas.get(place).cloned().unwrap_or_default();
        let tally = Arc::new(Tally::new(route, Arc::clone(traffic)));
        self.tallies.write().push(Arc::clone(&tally));
        tally
    }

    /// The same ledger, with its appends timed.
    #[must_use]
    pub fn measured(&self, ledger: Arc<dyn Ledger>) -> Measured {
        Measured::new(
            ledger,
            Arc::clone(&self.appends),
            self.append_failures.clone(),
        )
    }

    /// A request was refused.
    pub fn refused(&self, route: &str, kind: RefusalKind) {
        let labels = RefusalLabels {
            route: route.to_owned(),
            side: match kind.side() {
                Side::Caller => "caller",
                Side::Policy => "policy",
                Side::Upstream => "upstream",
                Side::Us => "us",
            },
            code: kind.code(),
        };
        self.refusals.get_or_create(&labels).inc();
    }

    /// Something was observed and not enforced.
    pub fn observed(&self, route: &str, would: Would) {
        let labels = WouldLabels {
            route: route.to_owned(),
            would: would.word(),
        };
        self.would.get_or_create(&labels).inc();
    }

    /// A reload ended.
    pub fn reloaded(&self, done: bool) {
        let result = if done { "done" } else { "refused" };
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
    }

    /// A limit threw the kill switch of a service account, for what was asked of this process.
    pub fn tripped(&self, service_account: &str, by: &str) {
        let labels = TripLabels {
            service_account: service_account.to_owned(),
            by: by.to_owned(),
        };
        self.trips.get_or_create(&labels).inc();
    }
}
