//! Bulk jobs: a commit's rows, what their records held before and what became of each are on record in
//! chunks. They are taken back one chunk at a time, each as if it were an entry of its own.

use super::deed::{self, Sorted};
use super::report::{Action, Finding, Tally};
use super::round::Reverting;
use super::{RevertError, crm_of};
use crate::journal::read::EntryState;
use crate::journal::written::{Written, WrittenChange};
use crate::mutation::{Operation, Outcome, OutcomeState};
use crate::proxy::rows::{Part, Rows};

/// Whether an entry is the commit of a bulk job.
pub(super) fn is_commit(entry: &Written) -> bool {
    let changes = entry.changes.as_deref().unwrap_or_default();
    matches!(changes, [change] if change.mutation.operation == Operation::Import
        && entry.path.contains("/job"))
}

impl Reverting {
    /// Takes back the rows of a bulk job.
    ///
    /// # Errors
    /// [`RevertError`]: before anything was written, or the ledger's.
    pub(super) async fn job(
        &self,
        place: usize,
        entry: &Written,
        tally: &mut Tally,
    ) -> Result<(), RevertError> {
        let app = &self.worker.app;
        let whole = |why: &str| {
            let impossible = Action::Impossible;
            vec![Finding::of_record(
                (place, 0),
                &entry.entry,
                None,
                impossible,
                why,
            )]
        };
        if entry.state == EntryState::Accepted {
            tally.add(whole("the CRM works on it: its results are pending"));
            return Ok(());
        }
        let rows = match entry.wrote() {
            true => Rows::of(&app.journal, &entry.route, &entry.entry).await?,
            false => None,
        };
        let Some(mut rows) = rows else {
            // in doubt, refused, or an import of another kind
            let sorted = deed::sort(place, std::slice::from_ref(entry), |route| {
                crm_of(app, route)
            });
            tally.add(sorted.findings);
            return Ok(());
        };
        let mut listed = 0;
        loop {
            let part = match rows.next().await {
                Ok(Some(part)) => written(entry, part),
                Ok(None) => return Ok(()),
                // what was taken back until now is taken back
                Err(error) => {
                    tracing::error!(%error, entry = %entry.entry, "the rows of a job are not there");
                    tally.add(whole("the ledger does not give the rest of its rows"));
                    return Ok(());
                }
            };
            let findings = match part {
                Err(why) => whole(&why),
                Ok((first, part)) => {
                    let entries = std::slice::from_ref(&part);
                    let sorted = deed::sort(place, entries, |route| crm_of(app, route));
                    self.all(from(sorted, first), tally.is_empty()).await?
                }
            };
            listed = tally.of_job(findings, listed);
        }
    }
}

/// Some rows of a commit, as an entry, and the place of the first one.
fn written(entry: &Written, part: Part) -> Result<(u64, Written), String> {
    let Part {
        first,
        mutations,
        priors,
        fates,
    } = part;
    // where nobody could be told, a job that is done did all of them
    let state = if entry.state == EntryState::Done {
        OutcomeState::Done
    } else {
        OutcomeState::Unknown
    };
    let mutations = mutations?;
    let fates = fates.unwrap_or_else(|| vec![Outcome::of(state); mutations.len()]);
    let changes = mutations.into_iter().zip(priors).zip(fates);
    let changes = changes.map(|((mutation, prior), outcome)| WrittenChange {
        mutation,
        prior,
        outcome,
    });
    let part = Written {
        changes: Some(changes.collect()),
        ..entry.clone()
    };
    Ok((first, part))
}

/// The same with the places that rows have in the whole job.
fn from(mut sorted: Sorted, first: u64) -> Sorted {
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let deeds = sorted
        .records
        .iter_mut()
        .flat_map(|record| &mut record.deeds);
    for place in deeds
        .map(|deed| &mut deed.place)
        .chain(sorted.findings.iter_mut().map(|finding| &mut finding.place))
    {
        place.1 = place.1.saturating_add(first);
    }
    sorted
}
