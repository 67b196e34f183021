//! A person decides: what is asked of them, and the row that says so before anybody acts on it.

use std::sync::Arc;

use jiff::Timestamp;

use super::people::{Barred, may_decide};
use super::rows::{Decision, decided, expired};
use super::{Hold, State, Turn};
use crate::config::{Config, Operator};
use crate::control::ControlState;
use crate::error::{Conflict, StoreError};
use crate::ledger::Ledger;

/// A reason longer than this is not one that an agent reads.
const REASON_MOST: usize = 1_000;

/// So often somebody else may take a hold's next step before a decision about it has to be made anew.
const TRIES: usize = 8;

/// What a decision is made with.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// Where rows are written.
    pub ledger: &'a dyn Ledger,
    /// Whose gauges count open holds.
    pub control: &'a dyn ControlState,
    /// Who is who.
    pub config: &'a Config,
    /// Now.
    pub now: Timestamp,
}

/// What somebody wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Yes or no.
    pub decision: Decision,
    /// Why; a no needs it.
    pub reason: Option<String>,
    /// The digest of what they were shown; a yes needs it.
    pub shown: Option<String>,
}

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// Not theirs to decide.
    #[error("{0}")]
    Barred(#[from] Barred),
    /// It is not waiting for this any more.
    #[error("hold {0} is {1}")]
    Moved(String, &'static str),
    /// What they were shown is not what there is.
    #[error("hold {0} is not what was shown any more: look at it again")]
    Differs(String),
    /// Something is missing or too long.
    #[error("{0}")]
    Incomplete(&'static str),
    /// There is no such hold.
    #[error("no hold has this id")]
    Gone,
    /// The store could not record it: nothing was decided.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl Turn {
    /// Ends the hold if its time is over.
    ///
    /// # Errors
    /// The store's: then it has not ended.
    pub async fn expire(&self, desk: &Desk<'_>) -> Result<(), StoreError> {
        match self.hold() {
            Some(hold) if hold.is_due(desk.now) => {
                let approved = hold.state(desk.config) == State::Approved;
                let row = expired(&hold, approved, desk.now);
                match self.record(desk.ledger, desk.control, row).await {
                    // Another process was first, with this or another end.
                    Err(error) if moved(&error) => Ok(()),
                    recorded => recorded,
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Decides; durable when this returns. To be run to its end, whoever stops waiting for it.
    ///
    /// # Errors
    /// [`Undecided`]: nothing has changed.
    pub async fn decide(
        &self,
        desk: &Desk<'_>,
        operator: &Operator,
        wish: Wish,
    ) -> Result<Arc<Hold>, Undecided> {
        for _ in 0..TRIES {
            match self.try_to_decide(desk, operator, &wish).await {
                // Somebody decided through another process: what is so now counts.
                Err(Undecided::Store(error)) if moved(&error) => {}
                decided => return decided,
            }
        }
        let hold = self.hold().ok_or(Undecided::Gone)?;
        let state = hold.state(desk.config);
        Err(Undecided::Moved(hold.id.clone(), state.word()))
    }

    async fn try_to_decide(
        &self,
        desk: &Desk<'_>,
        operator: &Operator,
        wish: &Wish,
    ) -> Result<Arc<Hold>, Undecided> {
        self.expire(desk).await?;
        let hold = self.hold().ok_or(Undecided::Gone)?;
        may_decide(desk.config, &hold, operator)?;
        let reason = reason(wish)?;
        check(desk.config, &hold, wish)?;
        let again = hold.approvals.iter().any(|one| one.by == operator.name);
        if again && wish.decision == Decision::Approve {
            return Ok(hold);
        }
        let row = decided(&hold, wish.decision, operator, reason, desk.now);
        self.record(desk.ledger, desk.control, row).await?;
        if wish.decision == Decision::Approve {
            self.note(|hold| hold.retry_at = None);
        }
        self.hold().ok_or(Undecided::Gone)
    }
}

/// Whether a row came too late: another process took the next step.
fn moved(error: &StoreError) -> bool {
    error.conflict == Some(Conflict::Moved)
}

fn reason(wish: &Wish) -> Result<Option<String>, Undecided> {
    let reason = wish.reason.as_deref().map(str::trim);
    let reason = reason.filter(|reason| !reason.is_empty());
    if reason.is_some_and(|reason| reason.chars().count() > REASON_MOST) {
        return Err(Undecided::Incomplete(
            "`reason` is longer than 1000 characters: say it shorter",
        ));
    }
    if reason.is_none() && wish.decision == Decision::Reject {
        return Err(Undecided::Incomplete(
            "a no needs `reason`: the agent reads it",
        ));
    }
    Ok(reason.map(str::to_owned))
}

/// Whether what was shown is still what there is, and still to be decided.
fn check(config: &Config, hold: &Hold, wish: &Wish) -> Result<(), Undecided> {
    let state = hold.state(config);
    let fits = match wish.decision {
        Decision::Approve => state == State::Parked,
        Decision::Reject => matches!(state, State::Parked | State::Approved),
    };
    if !fits {
        return Err(Undecided::Moved(hold.id.clone(), state.word()));
    }
    match (&wish.shown, wish.decision) {
        (Some(shown), _) if *shown != hold.terms.shown => Err(Undecided::Differs(hold.id.clone())),
        (None, Decision::Approve) => Err(Undecided::Incomplete(
            "a yes needs `digest`: the one of the hold as it was shown",
        )),
        (Some(_), _) | (None, Decision::Reject) => Ok(()),
    }
}
