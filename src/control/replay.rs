//! What the ledger says was taken, taken again: after a restart, after a loss, and where a window becomes
//! longer. Pure.

use std::collections::HashMap;

use jiff::Timestamp;

use super::counters::Counters;
use super::demand::{Demand, Taken, demands};
use super::moment::micros;
use crate::clock::EntryId;
use crate::mutation::{Charge, Limit};

/// Takes charges in the order in which they were taken, then those of gauges that still wait; returns
/// what their reservations hold. `latest` is the latest moment seen.
pub(super) fn replay(
    counters: &mut Counters,
    latest: &mut i64,
    mut charges: Vec<(Timestamp, Charge)>,
    waiting: Vec<(EntryId, Charge)>,
) -> HashMap<EntryId, Vec<Taken>> {
    charges.sort_by_key(|(at, _)| *at);
    for (number, (at, charge)) in charges.into_iter().enumerate() {
        *latest = (*latest).max(micros(at));
        let nobody = EntryId::from_text(&format!("rebuilt {number}"));
        for demand in demands(&[charge], &nobody, &[]) {
            counters.take(*latest, &demand, false);
        }
    }
    let mut held: HashMap<EntryId, Vec<Taken>> = HashMap::new();
    for (reservation, charge) in waiting {
        let taken = held.entry(reservation).or_default();
        let nobody = EntryId::from_text("");
        for demand in demands(&[charge], &nobody, &[]) {
            taken.push(counters.take(*latest, &demand, false));
        }
    }
    held
}

/// The charges of a limit through a moment as demands, oldest first.
pub(super) fn forgotten(
    limit: &Limit,
    charges: Vec<(Timestamp, Charge)>,
    through: i64,
) -> Vec<(i64, Demand)> {
    let mut older: Vec<(i64, Charge)> = charges
        .into_iter()
        .map(|(at, charge)| (micros(at), charge))
        .filter(|(at, charge)| {
            *at <= through && charge.limit.name == limit.name && charge.limit.counts_like(limit)
        })
        .collect();
    older.sort_by_key(|(at, _)| *at);
    let numbered = older.into_iter().enumerate();
    numbered
        .flat_map(|(number, (at, mut charge))| {
            charge.limit.clone_from(limit);
            let nobody = EntryId::from_text(&format!("recalled {number}"));
            let demands = demands(&[charge], &nobody, &[]);
            demands.into_iter().map(move |demand| (at, demand))
        })
        .collect()
}
