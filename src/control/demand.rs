//! What an ask still wants of each limit: charges for one limit and key joined, less what its
//! reservation holds already.

use std::collections::HashSet;
use std::sync::Arc;

use super::moment::MOST;
use crate::clock::EntryId;
use crate::mutation::{Charge, Count, Limit, LimitKind};

/// What a reservation took from one limit for one key; enough to give exactly that back.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The limit as its counters name it.
    pub(super) limit: Arc<str>,
    pub(super) key: Arc<str>,
    /// The counter it was taken from; one that was emptied and made anew is another.
    pub(super) counter: u64,
    /// When, in microseconds.
    pub(super) at: i64,
    /// How many the charge said.
    pub(super) units: u64,
    /// What the counter's arithmetic took for it.
    pub(super) cost: u64,
    /// For budgets of records: which.
    pub(super) records: Vec<Arc<str>>,
    /// It passed a threshold.
    pub(super) over: bool,
    /// It counts only until the reservation ends.
    pub(super) gauge: bool,
}

/// What is wanted of one limit for one key.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// All charges of the ask for this limit and key, as one.
    pub(super) charge: Charge,
    /// The limit as its counters name it.
    pub(super) limit: Arc<str>,
    /// The charge's key.
    pub(super) key: Arc<str>,
    /// How many of them the reservation does not hold yet.
    pub(super) wanted: u64,
    /// For budgets of records: those it does not hold yet.
    pub(super) records: Vec<Arc<str>>,
    /// What it holds already passed a threshold.
    pub(super) over: bool,
}

/// Whether the limit's budget is one of different records.
pub(super) fn counts_records(limit: &Limit) -> bool {
    limit.count == Count::Records && matches!(limit.kind, LimitKind::Budget { .. })
}

/// How many records a budget of `max` records keeps apart: enough to know what is used for as long
/// as a threshold is not passed by more than its own size.
pub(super) fn room(max: u64) -> usize {
    let room = max.saturating_mul(2).max(max.saturating_add(1024));
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// A limit as its counters name it: by its name and by what it counts, so that other rules, which count
/// something else by that name, have other counters, and rules that count the same have the same.
pub(super) fn counted(limit: &Limit) -> Arc<str> {
    Arc::from(format!("{}:{}", limit.name, limit.counts()))
}

/// Joins the charges of an ask and leaves out what `held` says is taken.
pub(super) fn demands(charges: &[Charge], reservation: &EntryId, held: &[Taken]) -> Vec<Demand> {
    let mut demands: Vec<Demand> = Vec::with_capacity(charges.len());
    for charge in charges {
        let same = demands.iter_mut().find(|demand| {
            demand.charge.limit.name == charge.limit.name && demand.charge.key == charge.key
        });
        if let Some(demand) = same {
            let sum = demand.charge.amount.saturating_add(charge.amount);
            demand.charge.amount = sum.min(MOST);
            demand.charge.records.extend(charge.records.iter().cloned());
        } else {
            let mut charge = charge.clone();
            charge.amount = charge.amount.min(MOST);
            demands.push(Demand {
                limit: counted(&charge.limit),
                key: Arc::from(charge.key.as_str()),
                charge,
                wanted: 0,
                records: Vec::new(),
                over: false,
            });
        }
    }
    for demand in &mut demands {
        demand.leave_out_held(reservation, held);
    }
    demands
}

impl Demand {
    fn leave_out_held(&mut self, reservation: &EntryId, held: &[Taken]) {
        let charge = &self.charge;
        let held = held
            .iter()
            .filter(|taken| taken.limit == self.limit && taken.key == self.key);
        let (mut units, mut records) = (0_u64, HashSet::new());
        for taken in held {
            units = units.saturating_add(taken.units);
            records.extend(taken.records.iter().map(|record| &**record));
            self.over |= taken.over;
        }
        if counts_records(&charge.limit) {
            let names = record_names(charge, reservation);
            let names = names.into_iter().filter(|name| !records.contains(&**name));
            self.records = names.collect();
            self.wanted = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        } else {
            self.wanted = charge.amount.saturating_sub(units);
        }
    }
}

/// The different records of a charge. Records without a key (creates) get names of their own, the
/// same each time the reservation asks.
fn record_names(charge: &Charge, reservation: &EntryId) -> Vec<Arc<str>> {
    let mut seen = HashSet::with_capacity(charge.records.len());
    let mut names: Vec<Arc<str>> = Vec::with_capacity(charge.records.len());
    for record in &charge.records {
        if seen.insert(record.as_str()) {
            names.push(Arc::from(record.as_str()));
        }
    }
    let LimitKind::Budget { max, .. } = charge.limit.kind else {
        return names;
    };
    let known = u64::try_from(names.len()).unwrap_or(u64::MAX);
    let most = u64::try_from(room(max))
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let unnamed = charge.amount.saturating_sub(known).min(most);
    names.extend((0..unnamed).map(|number| Arc::from(format!("\0{reservation} {number}"))));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::{Per, Then};

    fn charge(count: Count, amount: u64, records: &[&str]) -> Charge {
        Charge {
            limit: Limit {
                name: "l".into(),
                count,
                per: vec![Per::ServiceAccount],
                kind: LimitKind::Budget {
                    max: 10,
                    window_ms: 1_000,
                },
                then: Then::Deny,
            },
            key: "a".into(),
            amount,
            records: records.iter().map(|record| (*record).to_owned()).collect(),
        }
    }

    fn taken(from: &Charge, units: u64, records: &[&str]) -> Taken {
        Taken {
            limit: counted(&from.limit),
            key: "a".into(),
            counter: 1,
            at: 0,
            units,
            cost: units,
            records: records.iter().map(|record| Arc::from(*record)).collect(),
            over: false,
            gauge: false,
        }
    }

    #[test]
    fn charges_for_one_limit_and_key_are_joined() {
        let id = EntryId::from_text("E");
        let charges = [
            charge(Count::Mutations, 2, &[]),
            charge(Count::Mutations, 3, &[]),
        ];
        let demands = demands(&charges, &id, &[taken(&charges[0], 1, &[])]);
        assert_eq!(demands.len(), 1);
        assert_eq!((demands[0].charge.amount, demands[0].wanted), (5, 4));
    }

    #[test]
    fn records_are_taken_once_and_those_without_a_key_are_different_ones() {
        let id = EntryId::from_text("E");
        let charges = [charge(Count::Records, 4, &["x", "y", "y"])];
        let first = demands(&charges, &id, &[]);
        assert_eq!(first[0].wanted, 4);
        let names: Vec<&str> = first[0].records.iter().map(|name| &**name).collect();
        assert_eq!(names, ["x", "y", "\0E 0", "\0E 1"]);
        let held = [taken(&charges[0], 4, &names)];
        assert_eq!(demands(&charges, &id, &held)[0].wanted, 0);
    }
}
