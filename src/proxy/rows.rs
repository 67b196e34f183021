//! The rows of a bulk job's commit, read back from its record: what each would change, what its record
//! held before, and what became of it. Holds one chunk at a time.

use crate::clock::EntryId;
use crate::crm::salesforce::bulk::{Columns, Spec};
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::job::{Chunk, Fed, Name, Step};
use crate::mutation::{Mutation, Outcome, Prior};

/// The rows of a commit, as far as they were looked through.
#[derive(Debug)]
pub struct Rows<'a> {
    journal: &'a Journal,
    route: String,
    commit: EntryId,
    job: String,
    spec: Spec,
    fed: Fed,
    /// Places in the ledger: of chunks, of what was there before, of what became of each row.
    after: [Option<u64>; 3],
}

/// Some rows.
#[derive(Debug)]
pub struct Part {
    /// The place of the first one, from 0.
    pub first: u64,
    /// What each changes; or why it cannot be read.
    pub mutations: Result<Vec<Mutation>, String>,
    /// What its record held when it was judged.
    pub priors: Vec<Prior>,
    /// What became of it, where that is known.
    pub fates: Option<Vec<Outcome>>,
}

impl<'a> Rows<'a> {
    /// The rows of a commit; `None`: it commits no job whose rows are on record.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn of(
        journal: &'a Journal,
        route: &str,
        commit: &EntryId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(job) = journal.job_rows_of(commit).await? else {
            return Ok(None);
        };
        let uploaded = uploaded(journal, &name(route, &job)).await?;
        Ok(uploaded.map(|(spec, fed)| Self {
            journal,
            route: route.to_owned(),
            commit: commit.clone(),
            job,
            spec,
            fed,
            after: [None; 3],
        }))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.fed.rows
    }

    /// The next ones.
    ///
    /// # Errors
    /// The ledger's, or values that were erased.
    pub async fn next(&mut self) -> Result<Option<Part>, StoreError> {
        let [chunks, mut before, mut became] = self.after;
        let name = name(&self.route, &self.job);
        let Some((chunk, place)) = self.journal.next_chunk(&name, chunks).await? else {
            return Ok(None);
        };
        let mutations = self.mutations(&chunk);
        let some = mutations.as_deref().unwrap_or_default();
        let priors = self.priors(chunk.first, some, &mut before).await?;
        let fates = self.fates(&chunk, &mut became).await?;
        self.after = [Some(place), before, became];
        Ok(Some(Part {
            first: chunk.first,
            mutations,
            priors,
            fates,
        }))
    }

    fn mutations(&self, chunk: &Chunk) -> Result<Vec<Mutation>, String> {
        let mut mutations = Vec::new();
        let rows = (chunk.first, chunk.csv.as_str());
        let read = Columns::read(
            &self.spec,
            &self.fed.header,
            rows,
            |columns, place, record| {
                mutations.push(columns.mutation(place, record)?);
                Ok(())
            },
        );
        read.map_err(|fault| fault.to_string())?;
        Ok(mutations)
    }

    /// What the records held before; chunks of new records alone have nothing on record.
    async fn priors(
        &self,
        first: u64,
        mutations: &[Mutation],
        after: &mut Option<u64>,
    ) -> Result<Vec<Prior>, StoreError> {
        if mutations.iter().all(|mutation| mutation.record.is_none()) {
            return Ok(vec![Prior::Absent; mutations.len()]);
        }
        // those of a chunk that cannot be read are passed over
        while let Some((held, place)) = self.journal.next_priors(&self.commit, *after).await? {
            if held.first > first {
                break;
            }
            *after = Some(place);
            if held.first == first {
                let rows = 0..mutations.len();
                return Ok(rows
                    .map(|place| held.snapshot.prior(place).clone())
                    .collect());
            }
        }
        Ok(vec![Prior::Unknown; mutations.len()])
    }

    /// What became of each row. What was asked for twice is on record twice.
    async fn fates(
        &self,
        chunk: &Chunk,
        after: &mut Option<u64>,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let rows = usize::try_from(chunk.rows).unwrap_or(0);
        while let Some((fates, place)) = self.journal.next_fates(&self.commit, *after).await? {
            if fates.first > chunk.first {
                break;
            }
            *after = Some(place);
            if fates.first == chunk.first && fates.rows.len() == rows {
                return Ok(Some(fates.rows));
            }
        }
        Ok(None)
    }
}

/// What a job was to do, and what was uploaded for it; `None`: its upload did not come to its end.
pub(super) async fn uploaded(
    journal: &Journal,
    name: &Name<'_>,
) -> Result<Option<(Spec, Fed)>, StoreError> {
    let (mut spec, mut fed) = (None, None);
    for (step, _) in journal.job_steps(name).await? {
        match step {
            Step::Known { spec: known, .. } => spec = serde_json::from_value(known).ok(),
            Step::Fed(told) => fed = Some(told),
            Step::Feeding
            | Step::Committing { .. }
            | Step::Aborted
            | Step::Closed
            | Step::Dropped
            | Step::Told(_) => {}
        }
    }
    Ok(spec.zip(fed))
}

/// The name of a job's record, for reading.
fn name<'n>(route: &'n str, job: &'n str) -> Name<'n> {
    Name {
        route,
        job,
        service_account: "",
    }
}
