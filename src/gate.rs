//! Switches + verdict + charges → permit, hold or a cause to refuse. The only maker of [`Permit`].
//! Knows policy's verdicts and control; words and shapes of refusals are the proxy's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::EntryId;
use crate::control::{Admission, Ask, ControlState, Switch, Switches};
use crate::error::StoreError;
use crate::mutation::{Charge, Effect, Verdict};

/// A permit lives this long; after that the switches are read again before sending.
const PERMIT_FOR: SignedDuration = SignedDuration::from_secs(2);
/// A view of the switches older than this refuses writes (P5).
const VIEW_FOR: SignedDuration = SignedDuration::from_secs(2);
/// How long a write waits for another one to the same record.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Leave to send one write. Only [`decide`] makes one.
#[derive(Debug)]
pub struct Permit {
    entry: EntryId,
    service_account: String,
    switch_version: u64,
    epoch: u64,
    granted_at: Timestamp,
    noticed: Vec<Charge>,
}

impl Permit {
    /// Limits that only observe and were passed.
    #[must_use]
    pub fn noticed(&self) -> &[Charge] {
        &self.noticed
    }

    /// The entry it is for.
    #[must_use]
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }

    /// The epoch of control state it was granted under.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it was granted, or its entry was looked at again, within the last two seconds.
    #[must_use]
    pub fn is_young(&self, looked_at: Option<Timestamp>, now: Timestamp) -> bool {
        let young = |at: Timestamp| now.duration_since(at).abs() <= PERMIT_FOR;
        young(self.granted_at) || looked_at.is_some_and(young)
    }

    /// The version of the switches that were looked at.
    #[must_use]
    pub fn switch_version(&self) -> u64 {
        self.switch_version
    }

    /// The last look before the first byte: whether the write may still go. The switches are read
    /// again when they changed or the permit is older than two seconds.
    #[must_use]
    pub fn still_good(&self, switches: &Switches, now: Timestamp) -> bool {
        if self.is_young(None, now) && switches.version == self.switch_version {
            return true;
        }
        fresh(switches, now) && switches.stops(&self.service_account, true).is_none()
    }
}

/// Whether a view of the switches is young enough to let writes pass.
#[must_use]
pub fn fresh(switches: &Switches, now: Timestamp) -> bool {
    switches
        .confirmed_at
        .is_none_or(|at| now.duration_since(at) <= VIEW_FOR)
}

/// What a judged request asks of the gate.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The entry it will be.
    pub entry: &'a EntryId,
    /// Under which its locks and charges are held.
    pub reservation: &'a EntryId,
    /// Who.
    pub service_account: &'a str,
    /// What the rules said.
    pub verdict: &'a Verdict,
    /// Whether people approved what the verdict asks them: then a hold goes.
    pub approved: bool,
    /// What it takes from limits.
    pub charges: Vec<Charge>,
    /// The limits among them that only observe: charged as thresholds, and passing one holds nothing.
    pub observing: &'a [String],
    /// The records it locks.
    pub locks: Vec<String>,
    /// The request's time.
    pub now: Timestamp,
}

/// What the gate says.
#[derive(Debug)]
pub enum Decision {
    /// Go.
    Permit(Permit),
    /// A person decides: the rules say so, or thresholds were passed. Charged already.
    Hold {
        /// The thresholds that were passed.
        over: Vec<Charge>,
        /// Limits that only observe and were passed.
        noticed: Vec<Charge>,
        /// The epoch of control state in which all charges were taken.
        epoch: u64,
    },
    /// No.
    Refuse(Box<Cause>),
}

/// Why the gate says no.
#[derive(Debug)]
pub enum Cause {
    /// The rules.
    Denied,
    /// A limit; see [`Admission::Limited`].
    Limited {
        /// The charge that did not fit.
        charge: Charge,
        /// What is used now.
        used: u64,
        /// Milliseconds until it fits; `None`: never.
        retry_ms: Option<u64>,
        /// What still fits now.
        fits: u64,
        /// The switch that was thrown for it.
        tripped: Option<Switch>,
    },
    /// A kill switch.
    Stopped(Switch),
    /// Another write keeps a record busy.
    Busy,
    /// The view of the switches is too old.
    Stale,
    /// Control state cannot answer.
    Store(StoreError),
}

/// Decides: a denial is a denial; everything else is charged, all or nothing, with the switches looked
/// at in the same step.
pub async fn decide(control: &dyn ControlState, judged: Judged<'_>) -> Decision {
    if judged.verdict.effect == Effect::Deny {
        return refuse(Cause::Denied);
    }
    if !fresh(&control.switches(), judged.now) {
        return refuse(Cause::Stale);
    }
    let ask = Ask {
        reservation: judged.reservation.clone(),
        service_account: judged.service_account.to_owned(),
        locks: judged.locks,
        charges: judged.charges,
        patience: PATIENCE,
        now: judged.now,
    };
    match control.admit(ask).await {
        Err(error) => refuse(Cause::Store(error)),
        Ok(Admission::Stopped(switch)) => refuse(Cause::Stopped(switch)),
        Ok(Admission::Busy { .. }) => refuse(Cause::Busy),
        Ok(Admission::Limited {
            charge,
            used,
            retry_ms,
            fits,
            tripped,
        }) => refuse(Cause::Limited {
            charge,
            used,
            retry_ms,
            fits,
            tripped,
        }),
        Ok(Admission::Granted {
            switch_version,
            epoch,
            over,
        }) => {
            let (noticed, over): (Vec<Charge>, Vec<Charge>) = over
                .into_iter()
                .partition(|charge| judged.observing.contains(&charge.limit.name));
            if !judged.approved && (judged.verdict.effect == Effect::Hold || !over.is_empty()) {
                return Decision::Hold {
                    over,
                    noticed,
                    epoch,
                };
            }
            Decision::Permit(Permit {
                entry: judged.entry.clone(),
                service_account: judged.service_account.to_owned(),
                switch_version,
                epoch,
                granted_at: judged.now,
                noticed,
            })
        }
    }
}

fn refuse(cause: Cause) -> Decision {
    Decision::Refuse(Box::new(cause))
}

/// Locks records before their prior values are read. They are held under `reservation` then; returns the
/// epoch in which they are.
///
/// # Errors
/// [`Cause`] when a switch, another write or the store says no.
pub async fn lock(
    control: &dyn ControlState,
    reservation: &EntryId,
    service_account: &str,
    locks: Vec<String>,
    now: Timestamp,
) -> Result<u64, Box<Cause>> {
    let ask = Ask {
        reservation: reservation.clone(),
        service_account: service_account.to_owned(),
        locks,
        charges: Vec::new(),
        patience: PATIENCE,
        now,
    };
    match control.admit(ask).await {
        Ok(Admission::Granted { epoch, .. }) => Ok(epoch),
        Ok(Admission::Stopped(switch)) => Err(Box::new(Cause::Stopped(switch))),
        Ok(Admission::Busy { .. }) => Err(Box::new(Cause::Busy)),
        // Nothing was charged, so no limit can speak; if one does, the safe reading is no.
        Ok(Admission::Limited {
            charge,
            used,
            retry_ms,
            fits,
            tripped,
        }) => Err(Box::new(Cause::Limited {
            charge,
            used,
            retry_ms,
            fits,
            tripped,
        })),
        Err(error) => Err(Box::new(Cause::Store(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SwitchScope;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn permit() -> Permit {
        Permit {
            entry: EntryId::from_text("E"),
            service_account: "sdr-agent".into(),
            switch_version: 4,
            epoch: 1,
            granted_at: at(0),
            noticed: Vec::new(),
        }
    }

    fn switches(version: u64, stopped: Option<&str>) -> Switches {
        let thrown = stopped.map(|name| Switch {
            service_account: name.into(),
            scope: SwitchScope::Writes,
            by: "dana".into(),
            reason: String::new(),
            at: at(0),
            limit: None,
        });
        Switches {
            version,
            confirmed_at: None,
            thrown: thrown.into_iter().collect(),
        }
    }

    #[test]
    fn a_young_permit_with_the_same_version_is_good() {
        assert!(permit().still_good(&switches(4, None), at(2)));
    }

    #[test]
    fn a_changed_version_makes_it_look_again() {
        assert!(!permit().still_good(&switches(5, Some("sdr-agent")), at(0)));
        assert!(permit().still_good(&switches(5, Some("other-agent")), at(0)));
        assert!(!permit().still_good(&switches(5, Some("*")), at(0)));
    }

    #[test]
    fn an_old_permit_looks_again_whatever_the_version() {
        assert!(!permit().still_good(&switches(4, Some("sdr-agent")), at(3)));
        assert!(permit().still_good(&switches(4, None), at(3)));
    }

    #[test]
    fn a_view_older_than_two_seconds_refuses() {
        let mut stale = switches(5, None);
        stale.confirmed_at = Some(at(0));
        assert!(permit().still_good(&stale, at(2)));
        assert!(!permit().still_good(&stale, at(3)));
        assert!(!fresh(&stale, at(3)));
    }
}
