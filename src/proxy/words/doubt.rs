//! What a caller is told of writes in doubt: that an earlier one stands in the way, and of a repeat
//! whose first sending is known to be done.

use jiff::Timestamp;

use super::{clock_time, named};
use crate::clock::EntryId;
use crate::doubt::Blocked;
use crate::error::{Refusal, RefusalKind};
use crate::mutation::{Mutation, Outcome, OutcomeState};

/// An earlier write to a record is unsettled; says which, and what ends it.
#[must_use]
pub fn in_doubt(blocked: &Blocked, now: Timestamp) -> Refusal {
    let which = if blocked.same {
        "May have been written: this very request was sent before, and that is unsettled".to_owned()
    } else {
        match blocked.rows.as_slice() {
            [] => "Not written: an earlier write to this record is unsettled".to_owned(),
            rows => format!(
                "Not written: {}: an earlier write to this record is unsettled",
                named(rows)
            ),
        }
    };
    let seconds = blocked.quiet.duration_since(now).as_secs().max(0);
    let how = match blocked.stuck {
        Some(why) => format!("A person has to settle it ({why}). Do not repeat it until then."),
        None if seconds == 0 => {
            "It is being read back from the CRM. Read the record; try again in 5 s.".to_owned()
        }
        None => format!(
            "It is being read back from the CRM. Read the record; try again in {} s.",
            seconds + 1
        ),
    };
    let message = format!(
        "{which} (sent at {}). {how} [entry {}]",
        clock_time(blocked.at, now),
        blocked.entry
    );
    let mut refusal = Refusal::new(RefusalKind::InDoubt, message);
    refusal.rows.clone_from(&blocked.rows);
    refusal
}

/// A repeat of what was settled as done, wholly or partly, where the CRM's own answer cannot be given
/// again. It is told like the first one: what was sent once is not sent again.
#[must_use]
pub fn was_written(entry: &EntryId, mutations: &[Mutation], outcomes: &[Outcome]) -> Refusal {
    let row = |(mutation, outcome): (&Mutation, &Outcome)| {
        let failed = outcome.state != OutcomeState::Done;
        mutation.row.clone().filter(|_| failed)
    };
    let missing: Vec<String> = mutations.iter().zip(outcomes).filter_map(row).collect();
    let what = if missing.is_empty() {
        "the same request was sent before and, as was found out since, carried out; the CRM's answer \
         is lost. Read the records; do not send it again"
            .to_owned()
    } else {
        format!(
            "the same request was sent before and, as was found out since, carried out but for {}. \
             Send these alone",
            named(&missing)
        )
    };
    let mut refusal = Refusal::new(
        RefusalKind::UnknownOutcome,
        format!("May have been written: {what}. [entry {entry}]"),
    );
    refusal.rows = missing;
    refusal
}
