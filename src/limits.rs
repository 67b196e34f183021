//! Limits set at run time: a live value stands in place of the rules' own until it ends. Each change is
//! a row in the ledger first, so that a restart knows it; counters are never touched by it.

use arc_swap::ArcSwap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

use crate::app::App;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::ledger::Row;
use crate::mutation::{Charge, Limit, LimitKind};

/// A value in place of the one in the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// For budgets: how many still pass; the window stays as it is.
    Max(u64),
    /// For rates.
    Rate {
        /// How many in one period; at least 1.
        count: u64,
        /// The period in milliseconds.
        period_ms: u64,
        /// How many may come at once; at least 1.
        burst: u64,
    },
}

impl Value {
    /// The arithmetic of a limit with this value; `None` where one is of a rate and the other of a
    /// budget.
    #[must_use]
    pub fn of(self, kind: LimitKind) -> Option<LimitKind> {
        match (self, kind) {
            (Self::Max(max), LimitKind::Budget { window_ms, .. }) => {
                Some(LimitKind::Budget { max, window_ms })
            }
            (
                Self::Rate {
                    count,
                    period_ms,
                    burst,
                },
                LimitKind::Rate { .. },
            ) => Some(LimitKind::Rate {
                count,
                period_ms,
                burst,
            }),
            (Self::Max(_), LimitKind::Rate { .. })
            | (Self::Rate { .. }, LimitKind::Budget { .. }) => None,
        }
    }
}

/// One live value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The limit's name.
    pub limit: String,
    /// For this service account only; for limits that are kept apart by them.
    pub service_account: Option<String>,
    /// What stands in place of the rules' value.
    pub value: Value,
    /// When it ends.
    pub until: Timestamp,
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was set.
    pub at: Timestamp,
}

impl Live {
    fn is_for(&self, limit: &str, service_account: Option<&str>) -> bool {
        self.limit.eq_ignore_ascii_case(limit) && self.service_account.as_deref() == service_account
    }
}

/// A change, as its row has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Change {
    Set(Live),
    Unset {
        limit: String,
        service_account: Option<String>,
    },
}

/// The live values of this process.
#[derive(Debug, Default)]
pub struct LiveLimits {
    values: ArcSwap<Vec<Live>>,
    /// Rows and memory change in one order.
    turn: Mutex<()>,
}

impl LiveLimits {
    /// What the rows of settings say, oldest first.
    #[must_use]
    pub fn of_rows(rows: &[Row]) -> Self {
        Self {
            values: ArcSwap::from_pointee(folded(rows)),
            turn: Mutex::default(),
        }
    }

    /// Whether a row of settings is about live limits.
    #[must_use]
    pub fn concerns(row: &Row) -> bool {
        row.meta.get("limit").is_some()
    }

    /// Learns what all rows say, whoever wrote them: the ledger's order of two changes is the one that
    /// counts everywhere.
    ///
    /// # Errors
    /// The ledger's: nothing has changed.
    pub async fn refresh(&self, journal: &Journal) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        self.relearn(journal).await
    }

    async fn relearn(&self, journal: &Journal) -> Result<(), StoreError> {
        let rows = journal.settings().await?;
        self.values.store(folded(&rows).into());
        Ok(())
    }

    /// Puts live values in place of the rules' own. The one for this service account goes before the
    /// one for all; what does not fit the limit (a rate for a budget, after a reload) does nothing.
    pub fn apply(&self, charges: &mut [Charge], service_account: &str, now: Timestamp) {
        let values = self.values.load();
        if values.is_empty() {
            return;
        }
        for charge in charges {
            if let Some(kind) = in_force(&values, &charge.limit, Some(service_account), now) {
                charge.limit.kind = kind;
            }
        }
    }

    /// A limit's arithmetic at `now`, for a service account or for those without a value of their own.
    #[must_use]
    pub fn kind(&self, limit: &Limit, service_account: Option<&str>, now: Timestamp) -> LimitKind {
        let values = self.values.load();
        in_force(&values, limit, service_account, now).unwrap_or(limit.kind)
    }

    /// When the value that stands in place of the rules' own for this service account ends.
    #[must_use]
    pub fn ends(&self, limit: &Limit, service_account: &str, now: Timestamp) -> Option<Timestamp> {
        let values = self.values.load();
        let live = live(&values, limit, Some(service_account), now);
        live.map(|(live, _)| live.until)
    }

    /// The values that have not ended.
    #[must_use]
    pub fn all(&self, now: Timestamp) -> Vec<Live> {
        let values = self.values.load();
        let live = values.iter().filter(|live| live.until > now);
        live.cloned().collect()
    }
}

/// What the rows of settings come to, oldest first.
fn folded(rows: &[Row]) -> Vec<Live> {
    let mut values = Vec::new();
    for row in rows {
        let Some(change) = row.meta.get("limit") else {
            continue;
        };
        match Change::deserialize(change) {
            Ok(change) => change.act(&mut values),
            Err(error) => {
                tracing::error!(%error, entry = %row.entry, "a setting has an unknown form");
            }
        }
    }
    values
}

fn in_force(
    values: &[Live],
    limit: &Limit,
    service_account: Option<&str>,
    now: Timestamp,
) -> Option<LimitKind> {
    live(values, limit, service_account, now).map(|(_, kind)| kind)
}

/// The value that stands in place of the rules' own, with what it makes of the limit.
fn live<'v>(
    values: &'v [Live],
    limit: &Limit,
    service_account: Option<&str>,
    now: Timestamp,
) -> Option<(&'v Live, LimitKind)> {
    let find = |who: Option<&str>| {
        values
            .iter()
            .filter(|live| live.until > now && live.is_for(&limit.name, who))
            .find_map(|live| Some((live, live.value.of(limit.kind)?)))
    };
    let own = service_account.and_then(|name| find(Some(name)));
    own.or_else(|| find(None))
}

impl Change {
    fn act(self, values: &mut Vec<Live>) {
        match self {
            Self::Set(live) => {
                values.retain(|old| !old.is_for(&live.limit, live.service_account.as_deref()));
                values.push(live);
            }
            Self::Unset {
                limit,
                service_account,
            } => values.retain(|old| !old.is_for(&limit, service_account.as_deref())),
        }
    }

    fn service_account(&self) -> Option<&str> {
        match self {
            Self::Set(live) => live.service_account.as_deref(),
            Self::Unset {
                service_account, ..
            } => service_account.as_deref(),
        }
    }
}

/// Sets a live value; returns the entry that tells of it.
///
/// # Errors
/// The ledger's: then nothing has changed.
pub async fn set(app: &App, live: Live) -> Result<EntryId, StoreError> {
    let who = whom(live.service_account.as_deref());
    let what = format!(
        "limit {}{who} set to {} until {} by {}: {}",
        live.limit,
        shown(live.value),
        live.until.strftime("%F %H:%M:%S UTC"),
        live.by,
        live.reason,
    );
    let (by, at) = (live.by.clone(), live.at);
    change(app, Change::Set(live), (&what, &by), at).await
}

/// Ends a live value; returns the entry that tells of it, or `None` where none is live.
///
/// # Errors
/// The ledger's: then nothing has changed.
pub async fn unset(
    app: &App,
    limit: &str,
    service_account: Option<&str>,
    (by, reason): (&str, &str),
    now: Timestamp,
) -> Result<Option<EntryId>, StoreError> {
    let live = app.limits.all(now);
    if !live.iter().any(|live| live.is_for(limit, service_account)) {
        return Ok(None);
    }
    let who = whom(service_account);
    let what = format!("limit {limit}{who} unset by {by}: {reason}");
    let unset = Change::Unset {
        limit: limit.to_owned(),
        service_account: service_account.map(ToOwned::to_owned),
    };
    change(app, unset, (&what, by), now).await.map(Some)
}

async fn change(
    app: &App,
    change: Change,
    (what, by): (&str, &str),
    now: Timestamp,
) -> Result<EntryId, StoreError> {
    let _turn = app.limits.turn.lock().await;
    let entry = app.entry_id(now);
    let meta = json!({ "what": what, "limit": change, "by": by });
    let service_account = change.service_account();
    app.journal
        .setting(&entry, service_account, meta, now)
        .await?;
    let mut values = app.limits.all(now);
    change.act(&mut values);
    app.limits.values.store(values.into());
    if app.journal.ledger().shared()
        && let Err(error) = app.limits.relearn(&app.journal).await
    {
        tracing::warn!(%error, "what other replicas set is known later");
    }
    tracing::info!(what, "limits");
    Ok(entry)
}

fn whom(service_account: Option<&str>) -> String {
    service_account.map_or_else(String::new, |name| format!(" for {name}"))
}

/// `600`, `5 per 1000 ms, 10 at once`.
fn shown(value: Value) -> String {
    match value {
        Value::Max(max) => max.to_string(),
        Value::Rate {
            count,
            period_ms,
            burst,
        } => format!("{count} per {period_ms} ms, {burst} at once"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::{Count, Per, Then};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minutes * 60).unwrap()
    }

    fn live(service_account: Option<&str>, max: u64, until: i64) -> Live {
        Live {
            limit: "hourly".into(),
            service_account: service_account.map(Into::into),
            value: Value::Max(max),
            until: at(until),
            by: "dana".into(),
            reason: "launch".into(),
            at: at(0),
        }
    }

    fn limit(kind: LimitKind) -> Limit {
        Limit {
            name: "hourly".into(),
            count: Count::Mutations,
            per: vec![Per::ServiceAccount],
            kind,
            then: Then::Deny,
        }
    }

    const HOURLY: LimitKind = LimitKind::Budget {
        max: 5,
        window_ms: 3_600_000,
    };

    fn max(limits: &LiveLimits, service_account: &str, minutes: i64) -> u64 {
        let mut charges = [Charge {
            limit: limit(HOURLY),
            key: service_account.into(),
            amount: 1,
            records: Vec::new(),
        }];
        limits.apply(&mut charges, service_account, at(minutes));
        let [charge] = charges;
        match charge.limit.kind {
            LimitKind::Budget {
                max,
                window_ms: 3_600_000,
            } => max,
            other @ (LimitKind::Budget { .. } | LimitKind::Rate { .. }) => panic!("{other:?}"),
        }
    }

    fn limits(changes: Vec<Change>) -> LiveLimits {
        let mut values = Vec::new();
        for change in changes {
            change.act(&mut values);
        }
        LiveLimits {
            values: ArcSwap::from_pointee(values),
            turn: Mutex::default(),
        }
    }

    #[test]
    fn the_own_value_goes_before_the_one_for_all_and_each_ends_by_itself() {
        let limits = limits(vec![
            Change::Set(live(None, 10, 60)),
            Change::Set(live(Some("sdr-agent"), 2, 30)),
        ]);
        assert_eq!(max(&limits, "enrichment-agent", 0), 10);
        assert_eq!(max(&limits, "sdr-agent", 0), 2);
        assert_eq!(max(&limits, "sdr-agent", 29), 2);
        assert_eq!(max(&limits, "sdr-agent", 30), 10);
        assert_eq!(max(&limits, "sdr-agent", 60), 5);
        assert_eq!(limits.all(at(30)).len(), 1);
    }

    #[test]
    fn a_value_is_replaced_and_unset_for_whom_it_was_set() {
        let limits = limits(vec![
            Change::Set(live(None, 10, 60)),
            Change::Set(live(None, 20, 60)),
            Change::Set(live(Some("sdr-agent"), 2, 30)),
            Change::Unset {
                limit: "HOURLY".into(),
                service_account: Some("sdr-agent".into()),
            },
        ]);
        assert_eq!(max(&limits, "sdr-agent", 0), 20);
    }

    #[test]
    fn a_value_that_does_not_fit_does_nothing() {
        let rate = Value::Rate {
            count: 1,
            period_ms: 1000,
            burst: 1,
        };
        assert_eq!(rate.of(HOURLY), None);
        assert_eq!(
            Value::Max(1).of(LimitKind::Rate {
                count: 9,
                period_ms: 1000,
                burst: 9
            }),
            None
        );
        let limits = limits(vec![Change::Set(Live {
            value: rate,
            ..live(None, 0, 60)
        })]);
        assert_eq!(max(&limits, "sdr-agent", 0), 5);
    }
}
