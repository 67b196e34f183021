//! What is used of each limit, and who shares the switches.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::args::Args;
use super::member::Member;
use super::names::parts;
use super::reply::{integer, list, natural, text};
use super::scripts::{REPLICAS, USAGE};
use super::store::{How, trouble};
use crate::control::{Replica, Usage};
use crate::error::StoreError;

/// Counters that are looked at in one step.
const PAGE: u64 = 400;
/// A replica that was not heard of for this long has an old view of the switches, and refuses writes.
const LIVE_FOR: Duration = Duration::from_secs(3);

impl Member {
    /// What is used of each limit, by limit and key.
    pub(super) async fn usage(&self, now: Timestamp) -> Result<Vec<Usage>, StoreError> {
        let mut found: BTreeMap<[String; 3], (u64, u64)> = BTreeMap::new();
        let mut from = 0;
        loop {
            let mut args = Args::new();
            args.number(from).number(from + PAGE - 1);
            let answer = self.store.ask(&USAGE, &args, How::at(now)).await?;
            let looked = natural(answer.values.first());
            let used = list(answer.values.get(1));
            let (Some(looked), Some(used)) = (looked, used) else {
                return Err(trouble("an answer has an unknown form"));
            };
            for one in used.chunks_exact(3) {
                let counter = one.first().and_then(text).and_then(parts);
                let amounts = natural(one.get(1)).zip(natural(one.get(2)));
                if let (Some((limit, counts, key)), Some(amounts)) = (counter, amounts) {
                    found.insert([limit, counts, key].map(str::to_owned), amounts);
                }
            }
            if looked < PAGE {
                break;
            }
            from += PAGE;
        }
        let usage = found
            .into_iter()
            .map(|([limit, counts, key], (used, max))| Usage {
                limit,
                counts,
                key,
                used,
                max,
            });
        Ok(usage.collect())
    }

    /// Who shares the switches.
    pub(super) async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let answer = self
            .store
            .ask(&REPLICAS, &Args::new(), How::lenient())
            .await?;
        let clock = answer.values.first().and_then(integer);
        let all = list(answer.values.get(1));
        let (Some(clock), Some(all)) = (clock, all) else {
            return Err(trouble("an answer has an unknown form"));
        };
        let now = Timestamp::from_microsecond(clock).unwrap_or(Timestamp::MIN);
        let live_for = SignedDuration::try_from(LIVE_FOR).unwrap_or_default();
        let mut replicas: Vec<Replica> = all
            .chunks_exact(2)
            .filter_map(|one| {
                let name = one.first().and_then(text)?.to_owned();
                let (version, at) = one.get(1).and_then(text)?.split_once(' ')?;
                let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
                Some(Replica {
                    name,
                    version: version.parse().ok()?,
                    confirmed_at: Some(at),
                    live: now.duration_since(at) <= live_for,
                })
            })
            .collect();
        replicas.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(replicas)
    }
}
