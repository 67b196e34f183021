//! A budget's window becomes longer: what may have been forgotten of it is taken up again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::args::Args;
use super::member::Member;
use super::names;
use super::reply::{integer, natural};
use super::scripts::LENGTHEN;
use super::store::{How, trouble};
use crate::control::counters::in_numbers;
use crate::control::demand::{Demand, counted, room};
use crate::control::moment::millis;
use crate::control::replay::forgotten;
use crate::error::StoreError;
use crate::mutation::{Charge, Limit, LimitKind};

/// Counters that are told of in one step, and the size at which a step is large enough.
const AT_ONCE: usize = 50;
const BYTES_AT_ONCE: usize = 32 * 1024;

impl Member {
    pub(super) async fn lengthen(
        &self,
        before: &Limit,
        after: &Limit,
        charges: Vec<(Timestamp, Charge)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (LimitKind::Budget { window_ms, .. }, LimitKind::Budget { window_ms: new, .. }) =
            (before.kind, after.kind)
        else {
            return Ok(());
        };
        let name = counted(after);
        let mut args = Args::new();
        args.push("mark")
            .push(&*name)
            .number(millis(window_ms.max(new)))
            .number(millis(window_ms))
            .number(millis(new));
        let answer = self.store.ask(&LENGTHEN, &args, How::at(now)).await?;
        let number = natural(answer.values.first());
        let through = answer.values.get(1).and_then(integer);
        let (Some(number), Some(through)) = (number, through) else {
            return Err(trouble("an answer has an unknown form"));
        };
        let mut by_key: BTreeMap<Arc<str>, Vec<(i64, Demand)>> = BTreeMap::new();
        for (at, demand) in forgotten(after, charges, through) {
            by_key
                .entry(Arc::clone(&demand.key))
                .or_default()
                .push((at, demand));
        }
        let (mut counters, mut count) = (Args::new(), 0);
        let mut left = by_key.len();
        for (key, older) in &by_key {
            push_counter(&mut counters, after, key, older);
            (count, left) = (count + 1, left - 1);
            if count == AT_ONCE || counters.size() > BYTES_AT_ONCE || left == 0 {
                let mut args = Args::new();
                args.push("recall").push(&*name).number(number).count(count);
                args.append(&counters);
                self.store.ask(&LENGTHEN, &args, How::at(now)).await?;
                (counters, count) = (Args::new(), 0);
            }
        }
        Ok(())
    }
}

/// What a counter may have forgotten, as `lua/lengthen.lua` reads it.
fn push_counter(args: &mut Args, limit: &Limit, key: &str, older: &[(i64, Demand)]) {
    let numbers = in_numbers(limit);
    args.push(names::counter(&counted(limit), key))
        .push(numbers.kind)
        .number(numbers.size)
        .number(numbers.most)
        .number(room(numbers.most))
        .push(names::mark(limit, key));
    if numbers.kind == "s" {
        args.count(older.iter().map(|(_, demand)| demand.records.len()).sum());
        for (at, demand) in older {
            for record in &demand.records {
                args.number(at).push(&*names::veiled(record));
            }
        }
    } else {
        args.count(older.len() * 2);
        for (at, demand) in older {
            args.number(at).number(demand.wanted);
        }
    }
}
