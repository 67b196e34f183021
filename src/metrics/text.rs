//! Everything that is counted as `OpenMetrics` text.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::latency::Spread;
use super::{Class, Metrics, Tally};
use crate::upstream::{CLASSES, Way};

/// How things stand at the moment of the question.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Whether writes could be recorded.
    pub ready: bool,
    /// Whether the last reload was refused, so that older rules judge than those in the folder.
    pub rules_stale: bool,
    /// The digest that judges.
    pub rules: String,
    /// Where they come from.
    pub rules_from: String,
    /// Writes under way.
    pub writes: usize,
    /// Writes that wait for a person.
    pub holds: usize,
    /// Entries in doubt; `None`: the ledger did not say.
    pub in_doubt: Option<usize>,
    /// Rows that wait to be written; `None`: not known.
    pub queued: Option<usize>,
    /// Switches that are thrown.
    pub thrown: Vec<Thrown>,
    /// Limits that are used.
    pub limits: Vec<LimitUse>,
    /// Limits that were set at run time.
    pub live_limits: usize,
    /// How control state is: `good`, `trouble` or `lost`.
    pub control: &'static str,
}

/// A thrown switch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Thrown {
    /// The service account, or `*`.
    pub service_account: String,
    /// `all` or `writes`.
    pub scope: &'static str,
}

/// What is used of a limit: of its keys, the one with the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitUse {
    /// Its name.
    pub limit: String,
    /// What the key with the most has used.
    pub used: u64,
    /// What that key may use.
    pub max: u64,
    /// How many keys are in use.
    pub keys: u64,
}

/// A gauge's name, what it tells, and how it is taken from a thing that has several.
type Part<T> = (&'static str, &'static str, fn(&T) -> u64);

/// A label set of words and names.
type Labels<'a> = Vec<(&'static str, &'a str)>;

impl Metrics {
    /// `OpenMetrics` text.
    ///
    /// # Errors
    /// None that a string has; the library's.
    pub fn text(&self, gauges: &Gauges) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("writegate");
        self.register_counters(&mut registry);
        register_gauges(&mut registry, gauges);
        registry.register_collector(Box::new(Sums::of(self)));
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register(
            "refusals",
            "Requests that were refused, by whose doing it is and the code in the answer",
            self.refusals.clone(),
        );
        registry.register(
            "observed",
            "Writes that passed because what speaks against them only observes",
            self.would.clone(),
        );
        registry.register(
            "rules_reloads",
            "Reloads of the rules",
            self.reloads.clone(),
        );
        registry.register(
            "switch_trips",
            "Kill switches that a limit threw for what was asked of this process",
            self.trips.clone(),
        );
        registry.register(
            "ledger_append_failures",
            "Appends to the ledger that failed",
            self.append_failures.clone(),
        );
    }
}

fn register_gauges(registry: &mut Registry, gauges: &Gauges) {
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge(
        "ready",
        "Whether writes can be recorded now",
        gauges.ready.into(),
    );
    gauge(
        "rules_stale",
        "Whether the last reload was refused, so that older rules judge",
        gauges.rules_stale.into(),
    );
    gauge(
        "writes_under_way",
        "Writes that are being worked on",
        whole(gauges.writes),
    );
    gauge(
        "holds",
        "Writes that wait for a person",
        whole(gauges.holds),
    );
    gauge(
        "limits_live",
        "Limits with a value that was set at run time",
        whole(gauges.live_limits),
    );
    gauge(
        "control_ready",
        "Whether control state grants now",
        (gauges.control == "good").into(),
    );
    gauge(
        "control_lost",
        "Whether control state has to be built anew from the ledger",
        (gauges.control == "lost").into(),
    );
    if let Some(in_doubt) = gauges.in_doubt {
        let help = "Writes whose outcome is not known";
        gauge("in_doubt", help, whole(in_doubt));
    }
    if let Some(queued) = gauges.queued {
        let help = "Rows that wait to be written to the ledger";
        gauge("ledger_queued_rows", help, whole(queued));
    }
    let switches = Family::<Thrown, Gauge>::default();
    for thrown in &gauges.thrown {
        switches.get_or_create(thrown).set(1);
    }
    registry.register("switch_thrown", "Kill switches that are thrown", switches);
    let info = Info::new([
        ("digest", gauges.rules.clone()),
        ("from", gauges.rules_from.clone()),
    ]);
    registry.register("rules", "The rules that judge", info);
    let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The program", info);
    register_limits(registry, gauges);
}

fn register_limits(registry: &mut Registry, gauges: &Gauges) {
    let parts: [Part<LimitUse>; 3] = [
        (
            "limit_used",
            "What is used of a limit by the key that has used the most",
            |limit| limit.used,
        ),
        ("limit_max", "What that key may use", |limit| limit.max),
        (
            "limit_keys",
            "Keys of a limit (service accounts, records, objects, routes) in use",
            |limit| limit.keys,
        ),
    ];
    for (name, help, value) in parts {
        let family = Family::<Vec<(&'static str, String)>, Gauge<u64, AtomicU64>>::default();
        for limit in &gauges.limits {
            let labels = vec![("limit", limit.limit.clone())];
            family.get_or_create(&labels).set(value(limit));
        }
        registry.register(name, help, family);
    }
}

/// The tallies of all runtimes, added up by route.
#[derive(Debug, Default)]
struct Sums {
    requests: BTreeMap<(String, &'static str, &'static str, usize), u64>,
    answers: BTreeMap<(String, &'static str, &'static str), u64>,
    whole: BTreeMap<(String, &'static str), Spread>,
    own: BTreeMap<String, Spread>,
    snapshots: BTreeMap<String, Spread>,
    appends: Spread,
    quota: BTreeMap<(String, &'static str), (u64, u64)>,
}

impl Sums {
    fn of(metrics: &Metrics) -> Self {
        let mut sums = Self::default();
        let tallies: Vec<Arc<Tally>> = metrics.tallies.read().clone();
        for tally in tallies {
            sums.add(&tally);
        }
        metrics.appends.add_to(&mut sums.appends);
        for (route, seen) in &metrics.quotas {
            for (window, told) in seen.windows() {
                let key = (route.clone(), window);
                sums.quota.insert(key, (told.max, told.remaining));
            }
        }
        sums
    }

    fn add(&mut self, tally: &Tally) {
        let route = || tally.route.clone();
        for (class, verdict, status, count) in tally.requests() {
            let key = (route(), class.word(), verdict, status);
            *self.requests.entry(key).or_default() += count;
        }
        for way in Way::ALL {
            for (class, count) in CLASSES.into_iter().zip(tally.traffic.counts(way)) {
                *self
                    .answers
                    .entry((route(), way.word(), class))
                    .or_default() += count;
            }
        }
        for (class, latency) in Class::ALL.into_iter().zip(&tally.whole) {
            let mut spread = Spread::default();
            latency.add_to(&mut spread);
            if !spread.is_empty() {
                let key = (route(), class.word());
                self.whole.entry(key).or_default().join(&spread);
            }
        }
        tally.own.add_to(self.own.entry(route()).or_default());
        tally
            .snapshots
            .add_to(self.snapshots.entry(route()).or_default());
    }

    fn encode_counts(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests, by what they are, the verdict and the status of the answer";
        let mut metric = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for ((route, class, verdict, status), count) in &self.requests {
            let status = status.to_string();
            let labels: Labels<'_> = vec![
                ("route", route),
                ("class", class),
                ("verdict", verdict),
                ("code", &status),
            ];
            counter(&mut metric, &labels, *count)?;
        }
        let help = "Answers of the CRM, by why it was asked and the class of the status";
        let mut metric =
            encoder.encode_descriptor("crm_answers", help, None, MetricType::Counter)?;
        for ((route, way, class), count) in &self.answers {
            let labels: Labels<'_> = vec![("route", route), ("way", way), ("status", class)];
            counter(&mut metric, &labels, *count)?;
        }
        Ok(())
    }

    fn encode_latencies(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "From the head of a request to the head of its answer";
        let mut metric =
            encoder.encode_descriptor("request_seconds", help, None, MetricType::Histogram)?;
        for ((route, class), spread) in &self.whole {
            let labels: Labels<'_> = vec![("route", route), ("class", class)];
            histogram(&mut metric, &labels, spread)?;
        }
        let help = "Time in Writegate of writes that were judged, without waiting for the client's body, the CRM, another write to the record and people";
        let mut metric =
            encoder.encode_descriptor("own_seconds", help, None, MetricType::Histogram)?;
        for (route, spread) in &self.own {
            histogram(&mut metric, &vec![("route", route.as_str())], spread)?;
        }
        let help = "Reading prior values from the CRM";
        let mut metric =
            encoder.encode_descriptor("snapshot_seconds", help, None, MetricType::Histogram)?;
        for (route, spread) in &self.snapshots {
            histogram(&mut metric, &vec![("route", route.as_str())], spread)?;
        }
        let help = "Appending to the ledger, until it is durable";
        let mut metric = encoder.encode_descriptor(
            "ledger_append_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        let (sum, count, buckets) = self.appends.told();
        metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn encode_quota(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let parts: [Part<(u64, u64)>; 2] = [
            ("crm_quota_max", "Calls that the CRM allows", |told| told.0),
            (
                "crm_quota_remaining",
                "Calls that the CRM said last are left",
                |told| told.1,
            ),
        ];
        for (name, help, value) in parts {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for ((route, window), told) in &self.quota {
                let labels: Labels<'_> = vec![("route", route), ("window", window)];
                metric.encode_family(&labels)?.encode_gauge(&value(told))?;
            }
        }
        Ok(())
    }
}

fn counter(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, count: u64) -> fmt::Result {
    metric
        .encode_family(labels)?
        .encode_counter::<NoLabelSet, _, u64>(&count, None)
}

fn histogram(metric: &mut MetricEncoder<'_>, labels: &Labels<'_>, spread: &Spread) -> fmt::Result {
    let (sum, count, buckets) = spread.told();
    metric
        .encode_family(labels)?
        .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

impl Collector for Sums {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_counts(&mut encoder)?;
        self.encode_latencies(&mut encoder)?;
        self.encode_quota(&mut encoder)
    }
}
