//! An ask as the arguments of a script, and the script's answer as what became of it.

use std::time::Duration;

use redis::Value;

use super::args::Args;
use super::names;
use super::reply::{integer, list, natural, text};
use super::store::trouble;
use super::switches;
use super::underway::LASTS;
use crate::control::counters::{Numbers, in_numbers};
use crate::control::demand::{Demand, demands, room};
use crate::control::trip::{between, retry_ms};
use crate::control::{Admission, Ask, Switch};
use crate::error::StoreError;
use crate::mutation::{Charge, Then};

/// An ask, ready to be sent as often as it takes.
#[derive(Debug)]
pub(super) struct Prepared {
    demands: Vec<Demand>,
    pub(super) locks: Vec<String>,
    /// Reservation, service account, time.
    head: Args,
    tail: Args,
}

/// What the script said of an admission.
#[derive(Debug)]
pub(super) enum Looked {
    Admission(Admission),
    /// Granted; so much of the state was granted now.
    Granted {
        admission: Admission,
        grants: u64,
    },
    /// In line for locks, at this place.
    InLine {
        place: i64,
    },
}

impl Prepared {
    pub(super) fn of(ask: &Ask) -> Self {
        let demands = demands(&ask.charges, &ask.reservation, &[]);
        let locks = ask
            .locks
            .iter()
            .map(|lock| names::veiled(lock).into_owned());
        let mut head = Args::new();
        head.push(ask.reservation.as_str())
            .push(&ask.service_account)
            .push(ask.now.to_string());
        let mut tail = Args::new();
        tail.count(demands.len());
        for demand in &demands {
            push(&mut tail, demand);
        }
        Self {
            locks: locks.collect(),
            demands,
            head,
            tail,
        }
    }

    /// The arguments of `admit`: for how long who waits counts as there without asking again, whether to
    /// get in line, and the place there.
    pub(super) fn admit(&self, waits: Duration, line: &str, place: Option<i64>) -> Args {
        let mut args = self.head.clone();
        args.number(LASTS.as_millis())
            .number(waits.as_micros())
            .push(line);
        match place {
            Some(place) => args.number(place),
            None => args.push(""),
        };
        args.count(self.locks.len());
        for lock in &self.locks {
            args.push(lock);
        }
        args.append(&self.tail);
        args
    }

    /// The arguments of `charge`.
    pub(super) fn charge(ask: &Ask) -> Args {
        let prepared = Self::of(ask);
        let mut args = Args::new();
        args.push(&ask.service_account).push(ask.now.to_string());
        args.append(&prepared.tail);
        args
    }

    /// Whether it takes from a gauge: such a reservation outlives the request.
    pub(super) fn has_gauge(&self) -> bool {
        let mut all = self
            .demands
            .iter()
            .map(|demand| in_numbers(&demand.charge.limit));
        all.any(|numbers| numbers.kind != "r" && numbers.size == 0)
    }

    /// Reads the answer of `admit` to this, asked at `now`.
    pub(super) fn read(
        &self,
        (word, values): (&str, &[Value]),
        epoch: u64,
        now: Option<i64>,
    ) -> Result<Looked, StoreError> {
        let read = match word {
            "granted" => self.granted(values, epoch),
            "limited" => self.limited(values, now).map(Looked::Admission),
            "stopped" => {
                let switch = values.first().and_then(text).and_then(switches::parsed);
                switch.map(|switch| Looked::Admission(Admission::Stopped(switch)))
            }
            "busy" => self.busy(values),
            "ended" => return Err(trouble("the reservation was given up before it was made")),
            _ => None,
        };
        read.ok_or_else(|| trouble("an answer has an unknown form"))
    }

    fn granted(&self, values: &[Value], epoch: u64) -> Option<Looked> {
        let over = list(values.get(2))?
            .iter()
            .map(|place| self.charge_at(Some(place)));
        Some(Looked::Granted {
            grants: natural(values.first())?,
            admission: Admission::Granted {
                switch_version: natural(values.get(1))?,
                epoch,
                over: over.collect::<Option<_>>()?,
            },
        })
    }

    fn limited(&self, values: &[Value], now: Option<i64>) -> Option<Admission> {
        let free_at = values.get(6).and_then(integer)?;
        let now = now.or_else(|| values.first().and_then(integer))?;
        let alone = natural(values.get(5))? == 1;
        let tripped: Option<Switch> = match text(values.get(7)?)? {
            "" => None,
            json => Some(switches::parsed(json)?),
        };
        Some(Admission::Limited {
            charge: self.charge_at(values.get(1))?,
            used: natural(values.get(2))?,
            fits: natural(values.get(3))?,
            retry_ms: retry_ms(now, alone, (free_at >= 0).then_some(free_at)),
            tripped,
        })
    }

    fn busy(&self, values: &[Value]) -> Option<Looked> {
        let at = usize::try_from(natural(values.first())?.checked_sub(1)?).ok()?;
        let key = self.locks.get(at)?.clone();
        let place = integer(values.get(1)?)?;
        Some(if place >= 0 {
            Looked::InLine { place }
        } else {
            Looked::Admission(Admission::Busy { key })
        })
    }

    /// The charge of a demand, by its number in the script.
    fn charge_at(&self, place: Option<&Value>) -> Option<Charge> {
        let at = usize::try_from(natural(place)?.checked_sub(1)?).ok()?;
        self.demands.get(at).map(|demand| demand.charge.clone())
    }
}

/// A demand as `lua/counter.lua` reads it.
fn push(args: &mut Args, demand: &Demand) {
    let charge = &demand.charge;
    let limit = &charge.limit;
    let Numbers { kind, size, most } = in_numbers(limit);
    args.push(names::counter(&demand.limit, &charge.key))
        .push(kind)
        .number(size)
        .number(most)
        .number(if kind == "s" { room(most) } else { 0 })
        .push(match limit.then {
            Then::Deny => "deny",
            Then::Hold => "hold",
            Then::Stop => "stop",
        })
        .number(charge.amount)
        .push(names::mark(limit, &charge.key))
        .push(&limit.name)
        .push(between(limit))
        .count(demand.records.len());
    for record in &demand.records {
        args.push(&*names::veiled(record));
    }
}
