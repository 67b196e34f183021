//! The record of a bulk job: the steps of its life under one entry, its rows in chunks under another,
//! and, for each commit, what its records held before and what became of each row. Chunks are read one
//! at a time. Which commits the CRM still works on: `pending`.

mod pending;

pub use pending::Pending;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Journal, rows};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::ledger::{NewRow, Row, RowFilter, RowKind};
use crate::mutation::{Outcome, OutcomeState, Snapshot};

/// Which job, and whose step it is.
#[derive(Clone, Copy, Debug)]
pub struct Name<'a> {
    /// The route.
    pub route: &'a str,
    /// The job's id at the CRM.
    pub job: &'a str,
    /// Who asks.
    pub service_account: &'a str,
}

impl Name<'_> {
    /// The entry of its steps.
    #[must_use]
    pub fn entry(&self) -> EntryId {
        EntryId::from_text(&format!("job-{}-{}", self.route, self.job))
    }

    fn rows(&self) -> EntryId {
        EntryId::from_text(&format!("{}-rows", self.entry()))
    }
}

/// The entry of what a commit's records held before.
fn priors(commit: &EntryId) -> EntryId {
    EntryId::from_text(&format!("{commit}-priors"))
}

/// The entry of what became of a commit's rows.
fn fates(commit: &EntryId) -> EntryId {
    EntryId::from_text(&format!("{commit}-fates"))
}

/// A step in a job's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum Step {
    /// It was made through here, or looked up before it was fed.
    Known {
        /// What it is to do, as `crm` has it.
        spec: Value,
        /// Whether it was made through here.
        made: bool,
    },
    /// Its only upload began; of a job of batches that was made elsewhere: the CRM took one from here.
    Feeding,
    /// The upload ended, and the CRM took all of it.
    Fed(Fed),
    /// Its commit was judged, and is sent or held; the last one counts.
    Committing {
        /// The commit's entry.
        commit: EntryId,
    },
    /// The CRM took its abort.
    Aborted,
    /// No more batches of rows come.
    Closed,
    /// The CRM forgot it.
    Dropped,
    /// What became of its rows is known.
    Told(Told),
}

/// What was uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fed {
    /// SHA-256 of the bytes, hex.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
    /// How many rows.
    pub rows: u64,
    /// The header, as it stands.
    pub header: String,
    /// Field → how many rows write it.
    pub fields: Vec<(String, u64)>,
}

/// What became of the rows of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The CRM's last word on the job.
    pub state: String,
    /// Rows that it wrote.
    pub done: u64,
    /// Rows that it refused.
    pub failed: u64,
    /// Rows that it did not come to.
    pub unprocessed: u64,
}

/// What became of some rows, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fates {
    /// The place of the first one, from 0.
    pub first: u64,
    /// One for each row.
    pub rows: Vec<Outcome>,
}

/// What the records of a chunk held before a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Priors {
    /// The place of the chunk's first row, from 0.
    pub first: u64,
    /// What was there, in the order of the rows.
    pub snapshot: Snapshot,
}

/// Some rows of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The place of the first one, from 0.
    pub first: u64,
    /// How many.
    pub rows: u64,
    /// Their bytes, without the header.
    pub csv: String,
}

impl Journal {
    /// Writes down a step: durable when this returns. With `nth` only where the job has so many before.
    ///
    /// # Errors
    /// The store's; [`Conflict::Moved`](crate::error::Conflict) where another one was first.
    pub async fn job_step(
        &self,
        name: &Name<'_>,
        step: &Step,
        nth: Option<u32>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut row = row(name, name.entry(), json!({ "job": step }), None, now);
        row.nth = nth;
        self.ledger().append(vec![row]).await
    }

    /// The steps of a job, oldest first; empty: it is not known.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_steps(&self, name: &Name<'_>) -> Result<Vec<(Step, String)>, StoreError> {
        let rows = self.ledger().rows(of(name.entry())).await?;
        let steps = rows.into_iter().filter_map(|row| {
            let owner = row.service_account.clone().unwrap_or_default();
            rows::part(&row.meta, "job").map(|step| (step, owner))
        });
        Ok(steps.collect())
    }

    /// Writes down some rows of a job.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_chunk(
        &self,
        name: &Name<'_>,
        chunk: &Chunk,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.ledger().append(vec![of_chunk(name, chunk, now)]).await
    }

    /// Writes down all of a job that is fed at once: its first steps and its rows, all or nothing.
    ///
    /// # Errors
    /// The store's; [`Conflict::Moved`](crate::error::Conflict) where it has a record.
    pub async fn job_whole(
        &self,
        name: &Name<'_>,
        steps: &[Step],
        chunks: &[Chunk],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let steps = steps.iter().zip(0_u32..).map(|(step, nth)| {
            let mut row = row(name, name.entry(), json!({ "job": step }), None, now);
            row.nth = Some(nth);
            row
        });
        let chunks = chunks.iter().map(|chunk| of_chunk(name, chunk, now));
        self.ledger().append(steps.chain(chunks).collect()).await
    }

    /// The first chunk of rows behind a place in the ledger, and its own place; `None`: there is none.
    ///
    /// # Errors
    /// The store's, or values that were erased.
    pub async fn next_chunk(
        &self,
        name: &Name<'_>,
        after: Option<u64>,
    ) -> Result<Option<(Chunk, u64)>, StoreError> {
        self.next(name.rows(), after).await
    }

    /// Writes down what the records of a chunk held before a commit.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_priors(
        &self,
        (name, commit): (&Name<'_>, &EntryId),
        held: &Priors,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let meta = json!({ "first": held.first, "rows": held.snapshot.priors.len() });
        let row = row(name, priors(commit), meta, Some(json!(held)), now);
        self.ledger().append(vec![row]).await
    }

    /// The first of those behind a place in the ledger.
    ///
    /// # Errors
    /// The store's, or values that were erased.
    pub async fn next_priors(
        &self,
        commit: &EntryId,
        after: Option<u64>,
    ) -> Result<Option<(Priors, u64)>, StoreError> {
        self.next(priors(commit), after).await
    }

    /// Writes down what became of some rows of a commit.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_fates(
        &self,
        (name, commit): (&Name<'_>, &EntryId),
        told: &Fates,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let meta = json!({ "first": told.first, "rows": told.rows.len() });
        let row = row(name, fates(commit), meta, Some(json!(told)), now);
        self.ledger().append(vec![row]).await
    }

    /// The first of those behind a place in the ledger.
    ///
    /// # Errors
    /// The store's, or values that were erased.
    pub async fn next_fates(
        &self,
        commit: &EntryId,
        after: Option<u64>,
    ) -> Result<Option<(Fates, u64)>, StoreError> {
        self.next(fates(commit), after).await
    }

    async fn next<T: serde::de::DeserializeOwned>(
        &self,
        entry: EntryId,
        after: Option<u64>,
    ) -> Result<Option<(T, u64)>, StoreError> {
        let filter = RowFilter {
            after,
            limit: 1,
            ..of(entry)
        };
        let rows = self.ledger().rows(filter).await?;
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let place = row.place;
        match values(row) {
            Some(values) => Ok(Some((values, place))),
            None => Err(StoreError::new(
                "ledger",
                "rows of a bulk job were erased, or have an unknown form",
                false,
            )),
        }
    }

    /// Writes down what became of a commit that the CRM had only accepted: durable when this returns.
    ///
    /// # Errors
    /// The store's.
    pub async fn job_told(
        &self,
        (name, commit): (&Name<'_>, &EntryId),
        told: &Told,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let states = [
            (told.done, OutcomeState::Done),
            (
                told.failed.saturating_add(told.unprocessed),
                OutcomeState::Failed,
            ),
        ];
        let outcomes: Vec<Value> = states
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, state)| json!({ "state": state }))
            .collect();
        let note = format!(
            "the CRM says {}: {} rows written, {} refused, {} not processed",
            told.state, told.done, told.failed, told.unprocessed
        );
        let settled = json!({
            "sent": true, "outcomes": outcomes, "by": "results", "reason": note, "note": note,
        });
        let mut row = row(name, commit.clone(), settled, None, now);
        row.kind = RowKind::Reconciled;
        let [asked, known] = pending::over(name, commit, now);
        self.ledger().append(vec![row, asked, known]).await?;
        self.job_step(name, &Step::Told(told.clone()), None, now)
            .await
    }
}

fn of(entry: EntryId) -> RowFilter {
    RowFilter {
        entry: Some(entry),
        kinds: vec![RowKind::Job],
        ..RowFilter::default()
    }
}

fn of_chunk(name: &Name<'_>, chunk: &Chunk, now: Timestamp) -> NewRow {
    let meta = json!({ "first": chunk.first, "rows": chunk.rows });
    row(name, name.rows(), meta, Some(json!(chunk)), now)
}

fn values<T: serde::de::DeserializeOwned>(row: Row) -> Option<T> {
    serde_json::from_value(row.values?).ok()
}

fn row(
    name: &Name<'_>,
    entry: EntryId,
    told: Value,
    values: Option<Value>,
    now: Timestamp,
) -> NewRow {
    NewRow {
        entry,
        kind: RowKind::Job,
        at: now,
        service_account: Some(name.service_account.to_owned()),
        route: Some(name.route.to_owned()),
        meta: told,
        values,
        nth: None,
        epoch: None,
    }
}
