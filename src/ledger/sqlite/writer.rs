//! The thread that writes. It takes everything that is queued into one transaction, commits, which
//! syncs, and only then answers each caller.
//!
//! INVARIANT (durable before acknowledged): a caller hears `Ok` after the commit of its rows returned
//! and at no other time. When a commit fails nobody hears `Ok`, and the ledger takes nothing more:
//! until the disk has room again where it was full, until a restart else, because a sync that is
//! repeated after it failed can succeed for data that is lost.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};

use super::file::{failed, passes};
use super::job::Job;
use super::query;
use crate::clock::EntryId;
use crate::error::{Conflict, StoreError};
use crate::ledger::RowKind;
use crate::ledger::chain::{GENESIS, Hash, hash};
use crate::ledger::inbox::{Prepared, Status, Trouble};

/// Rows in one transaction.
const BATCH: usize = 512;

/// How often a ledger that waits for room on the disk looks for it.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// Rows between two checkpoints, and commits: whichever comes first.
const CHECKPOINT_ROWS: usize = 2_000;
const CHECKPOINT_COMMITS: usize = 200;

/// The end of the chain, and the epoch.
#[derive(Clone, Copy, Debug)]
struct End {
    seq: i64,
    hash: Hash,
    epoch: u64,
}

/// Why a job did nothing.
enum Stop {
    /// That caller's own doing.
    Conflict(Conflict),
    /// Everybody's trouble.
    Store(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    status: Arc<Status>,
    /// Whose chain it is.
    name: String,
    end: End,
    /// Rows and commits since the last checkpoint.
    since_checkpoint: (usize, usize),
}

impl Writer {
    /// Takes up the chain where the file ends; `name` is for a file without rows.
    pub(super) fn new(connection: Connection, name: &EntryId) -> Result<Self, StoreError> {
        let cannot = |error| failed("cannot read the newest row", error);
        let newest: Option<i64> = connection
            .query_row("SELECT max(at) FROM rows", [], |row| row.get(0))
            .map_err(cannot)?;
        let epoch = query::epoch(&connection)?;
        let last = connection.query_row(
            "SELECT writer, seq, hash FROM rows ORDER BY seq DESC LIMIT 1",
            [],
            |row| {
                Ok((
                    row.get(0)?,
                    End {
                        seq: row.get(1)?,
                        hash: row.get(2)?,
                        epoch,
                    },
                ))
            },
        );
        let (name, end) = match last {
            Ok(last) => last,
            Err(rusqlite::Error::QueryReturnedNoRows) => {
                let end = End {
                    seq: 0,
                    hash: GENESIS,
                    epoch,
                };
                (name.as_str().to_owned(), end)
            }
            Err(error) => return Err(cannot(error)),
        };
        Ok(Self {
            connection,
            status: Arc::new(Status::new(newest)),
            name,
            end,
            since_checkpoint: (0, 0),
        })
    }

    /// The writer whose chain it is.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Writes until nobody can append any more.
    pub(super) fn run(mut self, inbox: &Receiver<Job>) {
        loop {
            let waits = self
                .status
                .trouble()
                .is_some_and(|trouble| trouble.transient);
            let next = if waits {
                inbox.recv_timeout(PROBE_EVERY)
            } else {
                inbox.recv().map_err(RecvTimeoutError::from)
            };
            match next {
                Ok(first) => {
                    let batch = self.batch(first, inbox);
                    if self.status.trouble().is_some() {
                        self.refuse(batch);
                    } else {
                        self.commit(batch);
                    }
                }
                // nobody appends while nothing can be written
                Err(RecvTimeoutError::Timeout) => self.probe(),
                Err(RecvTimeoutError::Disconnected) => return self.close(),
            }
        }
    }

    /// What is queued, up to the size of a transaction.
    fn batch(&self, first: Job, inbox: &Receiver<Job>) -> Vec<Job> {
        let mut rows = first.rows().len();
        let mut batch = vec![first];
        while rows < BATCH
            && let Ok(next) = inbox.try_recv()
        {
            rows += next.rows().len();
            batch.push(next);
        }
        for job in &batch {
            self.status.release(job.rows());
        }
        batch
    }

    fn commit(&mut self, batch: Vec<Job>) {
        match self.write(&batch) {
            Ok((end, results)) => {
                self.end = end;
                for (job, result) in batch.into_iter().zip(results) {
                    job.answer(result);
                }
                self.checkpoint_when_due();
            }
            Err(error) => {
                self.fail("cannot write", &error);
                self.refuse(batch);
            }
        }
    }

    /// One transaction; where the chain ends then, and what each caller hears.
    fn write(&mut self, batch: &[Job]) -> rusqlite::Result<(End, Vec<Result<u64, StoreError>>)> {
        let mut end = self.end;
        let mut results = Vec::with_capacity(batch.len());
        self.execute("BEGIN IMMEDIATE")?;
        for job in batch {
            results.push(match job {
                Job::Append(append) => self.add_all(&append.rows, &mut end)?,
                Job::Raise { from, .. } => self.raise(*from, &mut end)?,
            });
        }
        self.execute("COMMIT")?;
        let written = batch
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.is_ok());
        for row in written.flat_map(|(job, _)| job.rows()) {
            self.status.wrote(row.at);
            self.since_checkpoint.0 += 1;
        }
        self.since_checkpoint.1 += 1;
        Ok((end, results))
    }

    /// Adds the rows of one caller, or none. That a row is not allowed (its entry is opened already)
    /// is that caller's error; any other is everybody's.
    fn add_all(
        &self,
        rows: &[Prepared],
        end: &mut End,
    ) -> rusqlite::Result<Result<u64, StoreError>> {
        let before = *end;
        // a single statement that is not allowed leaves nothing behind by itself
        let several = rows.len() > 1;
        if several {
            self.execute("SAVEPOINT caller")?;
        }
        let added = rows.iter().try_for_each(|row| self.add(row, end));
        let result = match added {
            Ok(()) => Ok(end.epoch),
            Err(Stop::Conflict(conflict)) => {
                *end = before;
                if several {
                    self.execute("ROLLBACK TO caller")?;
                }
                Err(StoreError::conflict(conflict))
            }
            Err(Stop::Store(error)) => return Err(error),
        };
        if several {
            self.execute("RELEASE caller")?;
        }
        Ok(result)
    }

    /// Adds one row at the end of the chain.
    fn add(&self, row: &Prepared, end: &mut End) -> Result<(), Stop> {
        if row.epoch.is_some_and(|epoch| epoch < end.epoch) {
            return Err(Stop::Conflict(Conflict::Epoch));
        }
        let nth = self.nth(row)?;
        if row.nth.is_some_and(|expected| expected != nth) {
            return Err(Stop::Conflict(Conflict::Moved));
        }
        let seq = end.seq.saturating_add(1);
        let values = row.values.as_ref();
        let hash = hash(&end.hash, &row.parts(&self.name, seq, nth));
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO rows (seq, writer, entry, nth, kind, at, service_account, route, meta, \
             field_values, salt, values_digest, hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        let inserted = insert.execute(params![
            seq,
            self.name,
            row.entry.as_str(),
            nth,
            row.kind.word(),
            row.at,
            row.service_account,
            row.route,
            row.meta,
            values.map(|values| values.text.as_str()),
            values.map(|values| values.salt.as_slice()),
            values.map(|values| values.digest.as_slice()),
            hash.as_slice(),
        ]);
        match inserted {
            Ok(_) => {}
            // the one thing that the file refuses and that was not looked at before
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(Stop::Conflict(Conflict::Opened));
            }
            Err(error) => return Err(Stop::Store(error)),
        }
        self.keep_unclosed(row, seq)?;
        *end = End { seq, hash, ..*end };
        Ok(())
    }

    /// How many rows its entry has.
    fn nth(&self, row: &Prepared) -> rusqlite::Result<u32> {
        self.connection
            .prepare_cached("SELECT coalesce(max(nth) + 1, 0) FROM rows WHERE entry = ?1")?
            .query_row([row.entry.as_str()], |row| row.get(0))
    }

    fn raise(&self, from: u64, end: &mut End) -> rusqlite::Result<Result<u64, StoreError>> {
        if from != end.epoch {
            return Ok(Err(StoreError::conflict(Conflict::Epoch)));
        }
        end.epoch = end.epoch.saturating_add(1);
        self.connection
            .prepare_cached("UPDATE epoch SET epoch = ?1")?
            .execute([i64::try_from(end.epoch).unwrap_or(i64::MAX)])?;
        Ok(Ok(end.epoch))
    }

    fn keep_unclosed(&self, row: &Prepared, seq: i64) -> rusqlite::Result<()> {
        let entry = row.entry.as_str();
        match row.kind {
            RowKind::Opened => self
                .connection
                .prepare_cached("INSERT OR REPLACE INTO unclosed (entry, seq) VALUES (?1, ?2)")?
                .execute(params![entry, seq])
                .map(|_| ()),
            RowKind::Closed | RowKind::Reconciled => self
                .connection
                .prepare_cached("DELETE FROM unclosed WHERE entry = ?1")?
                .execute(params![entry])
                .map(|_| ()),
            RowKind::Refused
            | RowKind::InDoubt
            | RowKind::Held
            | RowKind::Decided
            | RowKind::Drifted
            | RowKind::Expired
            | RowKind::Delivered
            | RowKind::Setting
            | RowKind::Switch
            | RowKind::Started
            | RowKind::Heads
            | RowKind::Rules
            | RowKind::Job
            | RowKind::Learned => Ok(()),
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// Brings what is in the write-ahead log into the file. Its errors count as a commit's: a sync
    /// is a sync.
    fn checkpoint_when_due(&mut self) {
        let (rows, commits) = self.since_checkpoint;
        if rows < CHECKPOINT_ROWS && commits < CHECKPOINT_COMMITS {
            return;
        }
        self.since_checkpoint = (0, 0);
        if let Err(error) = self.checkpoint("PASSIVE") {
            self.fail("cannot checkpoint", &error);
        }
    }

    fn checkpoint(&self, mode: &str) -> rusqlite::Result<()> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        self.connection.query_row(&sql, [], |_| Ok(()))
    }

    /// Takes nothing more, and says why.
    fn fail(&self, what: &str, error: &rusqlite::Error) {
        let passes = passes(error);
        tracing::error!(%error, passes, "the ledger {what}; writes are refused");
        let what = format!("{what}: {error}");
        self.status.fail(Trouble { what, passes });
        if !self.connection.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(%error, "the ledger cannot roll back");
        }
    }

    fn refuse(&self, batch: Vec<Job>) {
        for job in batch {
            let error = self
                .status
                .trouble()
                .unwrap_or_else(|| StoreError::new("ledger", "could not write a moment ago", true));
            job.answer(Err(error));
        }
    }

    /// Looks whether the disk takes writes again.
    fn probe(&self) {
        let probed = self
            .execute("BEGIN IMMEDIATE")
            .and_then(|()| self.execute("UPDATE probe SET writes = writes + 1"))
            .and_then(|()| self.execute("COMMIT"));
        match probed {
            Ok(()) => {
                self.status.recover();
                tracing::info!("the ledger can write again");
            }
            Err(error) => self.fail("cannot write", &error),
        }
    }

    fn close(self) {
        if self.status.trouble().is_none()
            && let Err(error) = self.checkpoint("TRUNCATE")
        {
            tracing::warn!(%error, "the ledger's log stays: cannot checkpoint");
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::error!(%error, "cannot close the ledger");
        }
    }
}
