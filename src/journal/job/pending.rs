//! Commits of bulk jobs that the CRM has taken and works on: asked for until it tells the end. They stand
//! under one entry of their own, so that a start finds them without looking through the ledger.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Name, Step, of, row};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::journal::{Journal, rows};
use crate::ledger::{NewRow, Row, RowFilter};

/// A commit that the CRM has taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The route.
    pub route: String,
    /// Whose it is.
    pub service_account: String,
    /// The job's or the batch's id at the CRM.
    pub job: String,
    /// The name under which its rows are on record.
    pub rows: String,
    /// The path that tells of it.
    pub place: String,
    /// The commit's entry.
    pub commit: EntryId,
}

impl Pending {
    /// The name of its steps.
    #[must_use]
    pub fn name(&self) -> Name<'_> {
        Name {
            route: &self.route,
            job: &self.job,
            service_account: &self.service_account,
        }
    }

    /// The name of its rows.
    #[must_use]
    pub fn rows(&self) -> Name<'_> {
        Name {
            job: &self.rows,
            ..self.name()
        }
    }
}

fn all() -> EntryId {
    EntryId::from_text("jobs-pending")
}

/// The entry that tells which job a commit's rows are of.
fn one(commit: &EntryId) -> EntryId {
    EntryId::from_text(&format!("{commit}-job"))
}

/// The rows that say that nobody need ask for a commit any more: for a start, and for who asks for its job.
pub(super) fn over(name: &Name<'_>, commit: &EntryId, now: Timestamp) -> [NewRow; 2] {
    [all(), one(commit)].map(|entry| row(name, entry, json!({ "over": commit }), None, now))
}

impl Journal {
    /// Writes down that the CRM has taken a commit; with the steps of a job that has no record under its
    /// own id yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_taken(
        &self,
        pending: &Pending,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (name, told) = (pending.name(), json!({ "pending": pending }));
        let told =
            [all(), one(&pending.commit)].map(|entry| row(&name, entry, told.clone(), None, now));
        let steps = steps
            .iter()
            .map(|step| row(&name, name.entry(), json!({ "job": step }), None, now));
        let rows = steps.chain(told).collect();
        self.ledger().append(rows).await
    }

    /// Writes down that nobody need ask for a commit any more, whatever became of it.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_over(&self, pending: &Pending, now: Timestamp) -> Result<(), StoreError> {
        let rows = over(&pending.name(), &pending.commit, now);
        self.ledger().append(rows.into()).await
    }

    /// The commits taken since a moment of which nothing was told yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn jobs_pending(&self, since: Timestamp) -> Result<Vec<Pending>, StoreError> {
        let filter = RowFilter {
            since: Some(since),
            ..of(all())
        };
        let mut pending: HashMap<EntryId, Pending> = HashMap::new();
        for row in self.ledger().rows(filter).await? {
            if let Some(one) = rows::part::<Pending>(&row.meta, "pending") {
                pending.insert(one.commit.clone(), one);
            } else if let Some(over) = rows::part::<EntryId>(&row.meta, "over") {
                pending.remove(&over);
            }
        }
        let mut pending: Vec<Pending> = pending.into_values().collect();
        pending.sort_by(|a, b| a.commit.as_str().cmp(b.commit.as_str()));
        Ok(pending)
    }

    /// Writes down that a commit was judged by the rows of a job.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_judged(
        &self,
        (name, commit): (&Name<'_>, &EntryId),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let step = Step::Committing {
            commit: commit.clone(),
        };
        let rows = vec![
            row(name, name.entry(), json!({ "job": step }), None, now),
            row(name, one(commit), json!({ "rows": name.job }), None, now),
        ];
        self.ledger().append(rows).await
    }

    /// The name under which the rows of a commit are on record; `None`: it commits no job.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_rows_of(&self, commit: &EntryId) -> Result<Option<String>, StoreError> {
        let rows = self.ledger().rows(of(one(commit))).await?;
        Ok(rows.iter().find_map(|row| rows::part(&row.meta, "rows")))
    }

    /// The job that a commit was of, where the CRM has taken it and somebody has yet to ask for it.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_of(&self, commit: &EntryId) -> Result<Option<Pending>, StoreError> {
        let rows = self.ledger().rows(of(one(commit))).await?;
        let over = |row: &Row| rows::part::<EntryId>(&row.meta, "over").is_some();
        if rows.iter().any(over) {
            return Ok(None);
        }
        Ok(rows.iter().find_map(|row| rows::part(&row.meta, "pending")))
    }
}
