//! Takes back what entries wrote. A revert is a write of its own: rules with `applies: { origin: revert }`
//! judge it, it is journaled with its own snapshot, and it can be reverted. The matrix, the agent's
//! limits and the agent's switch do not apply to it.
//!
//! ```text
//! choose      entries of this ledger, newest first
//! deed        what they did to which record; what has no way back
//! jobs        the rows of bulk jobs, chunk by chunk
//! batch       records that share one request
//! children    what would be deleted along with a record
//! round       lock → read → plan → rules → gate → journal → send → close → look again
//! wait        what rules hold is parked, for other people to decide
//! report      restored, skipped, impossible, waits, field by field
//! ```

mod batch;
mod children;
mod choose;
mod deed;
mod jobs;
mod judge;
mod look;
mod plan;
mod report;
mod round;
mod send;
mod wait;

use std::sync::Arc;

pub use choose::{Choice, Reach};
pub use report::{Action, Item, Report, Summary};

use crate::app::{App, Worker};
use crate::crm::Crm;
use crate::error::StoreError;
use crate::mutation::{Actor, Claims};
use deed::Sorted;
use report::{Finding, Tally};
use round::Reverting;

/// How entries name the operator who reverts: no service account's name has a colon.
pub const OPERATOR: &str = "operator:";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which entries.
    pub choice: Choice,
    /// Only those that went through this route.
    pub route: Option<String>,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Why nothing was done at all.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// An entry that was named cannot be reverted by that name.
    #[error("{0}")]
    Entry(String),
    /// There is no credential to do it with; says what to configure.
    #[error("{0}")]
    NoCredential(String),
    /// More entries than one revert takes.
    #[error("these are more than {0} entries: choose fewer, by `last` or `since`")]
    TooMany(usize),
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reverts on behalf of an operator, request by request; what fails on the way is told in the report.
/// Do not drop the future half-way: what was sent would stay open until the next start.
///
/// # Errors
/// [`RevertError`]: nothing was written.
pub async fn revert(
    worker: &Arc<Worker>,
    operator: &str,
    wish: &Wish,
) -> Result<Report, RevertError> {
    let app = &worker.app;
    let ledger = &**app.journal.ledger();
    let chosen = choose::choose(ledger, &wish.choice, wish.route.as_deref()).await?;
    if let (
        true,
        Choice::Of {
            service_account, ..
        },
    ) = (chosen.is_empty(), &wish.choice)
    {
        known(app, service_account)?;
    }
    let service_account = format!("{OPERATOR}{operator}");
    let underway = app.inflight.enter();
    let reverting = Reverting {
        worker: Arc::clone(worker),
        operator: operator.to_owned(),
        actor: Actor {
            service_account,
            claims: Claims::default(),
        },
        rules: app.rules.load_full(),
        dry_run: wish.dry_run,
    };
    let mut tally = Tally::default();
    let mut rest = chosen.as_slice();
    while let Some(entry) = rest.first() {
        let first = chosen.len() - rest.len();
        if jobs::is_commit(entry) {
            rest = rest.get(1..).unwrap_or_default();
            reverting.job(first, entry, &mut tally).await?;
            continue;
        }
        let plain = rest.iter().position(jobs::is_commit).unwrap_or(rest.len());
        let (entries, after) = rest.split_at(plain);
        rest = after;
        let sorted = deed::sort(first, entries, |route| crm_of(app, route));
        let findings = reverting.all(sorted, tally.is_empty()).await?;
        tally.add(findings);
    }
    drop(underway);
    let report = Report::of(tally, chosen.len(), wish.dry_run);
    let Summary {
        dry_run,
        entries,
        restored,
        already,
        skipped,
        impossible,
        waits,
        ..
    } = &report.summary;
    tracing::info!(
        %operator, dry_run, entries, restored, already, skipped, impossible, waits, "reverted"
    );
    Ok(report)
}

/// The CRM of a route, where it is still configured.
fn crm_of(app: &App, route: &str) -> Option<Crm> {
    let mut routes = app.routes.iter();
    let state = routes.find(|state| state.route.name == route)?;
    Some(state.crm)
}

impl Reverting {
    /// Takes back what entries did to records, request by request. A revert that has written nothing yet
    /// fails as a whole where it has no credential.
    async fn all(&self, sorted: Sorted, nothing: bool) -> Result<Vec<Finding>, RevertError> {
        let app = &self.worker.app;
        let mut findings = sorted.findings;
        let mut queue = match batch::batches(app, &sorted.records) {
            Ok(queue) => queue,
            Err(error) if nothing => return Err(error),
            Err(error) => {
                let why = error.to_string();
                let plans = sorted.records.iter();
                let plans = plans.map(|record| plan::left_alone(record, Action::Impossible, &why));
                findings.extend(plans.flat_map(|plan| plan.findings));
                return Ok(findings);
            }
        };
        while let Some(batch) = queue.pop_front() {
            let round = self.round(&batch).await;
            findings.extend(round.findings);
            for again in round.again.into_iter().rev() {
                queue.push_front(again);
            }
        }
        Ok(findings)
    }
}

/// A misspelt name must not look like an agent that wrote nothing.
fn known(app: &App, service_account: &str) -> Result<(), RevertError> {
    let accounts = &app.config.service_accounts;
    let known = service_account.starts_with(OPERATOR)
        || accounts.iter().any(|known| known.name == service_account);
    if known {
        return Ok(());
    }
    let why = format!("no service account is named {service_account}, and none of that name wrote");
    Err(RevertError::Entry(why))
}

#[cfg(test)]
mod tests;
