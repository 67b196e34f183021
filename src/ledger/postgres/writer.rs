//! The task that appends. It takes everything that is queued into one statement, which the server
//! commits, and only then answers each caller.
//!
//! INVARIANT (durable before acknowledged, appended once): a caller hears `Ok` when the server said
//! that its rows are committed, or when they were found there. Where the connection broke before the
//! server said anything, nobody hears anything until a new connection has the lock on the chain's name,
//! so that the old one can do nothing more, and has looked where the chain ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, sleep_until};

use super::draft::{Draft, End, Guesses, Known, draft};
use super::fault::Fault;
use super::link::Server;
use super::session::{Backend, Found, Session};
use crate::clock::EntryId;
use crate::error::{Conflict, StoreError};
use crate::ledger::inbox::{Append, Prepared, Status, Trouble};

/// Rows and bytes in one transaction.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How often a server that does not take writes is asked again.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// Between two attempts to connect: the first and the longest pause.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How often a batch is worked out again because others were at the same entries.
const ATTEMPTS: u32 = 10;
/// For so long it is looked for rows of which nobody knows, once the process ends.
const LAST_LOOK: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Writer {
    server: Server,
    /// Whose chain it is.
    name: String,
    status: Arc<Status>,
    /// Rows were appended: the others are to be told.
    appended: Arc<Notify>,
    end: End,
    epoch: u64,
    guesses: Guesses,
}

/// Rows of which nobody knows whether they are there.
#[derive(Debug)]
struct Limbo {
    batch: Vec<Append>,
    /// Why some of them are not there in any case.
    refused: Vec<Option<Conflict>>,
    /// Where the chain ends if the others are there.
    end: End,
}

/// What an attempt to write a batch came to.
enum Attempt {
    /// It is written, but for what was refused.
    Done(Vec<Option<Conflict>>),
    /// The epoch is another one: it is to be worked out again.
    Again,
    /// Nobody knows.
    Unknown {
        error: StoreError,
        refused: Vec<Option<Conflict>>,
        end: End,
    },
    /// Nothing was written.
    Failed(Fault),
}

/// Why the connection is of no use any more.
#[derive(Debug)]
struct Broken {
    error: StoreError,
    limbo: Option<Limbo>,
}

impl Writer {
    pub(super) fn new(
        server: Server,
        name: &str,
        status: Arc<Status>,
        appended: Arc<Notify>,
        found: &Found,
    ) -> Self {
        Self {
            server,
            name: name.to_owned(),
            status,
            appended,
            end: found.end,
            epoch: found.epoch,
            guesses: Guesses::default(),
        }
    }

    /// Writes until nobody can append any more.
    pub(super) async fn run(mut self, first: Session, mut inbox: UnboundedReceiver<Append>) {
        let mut session = first;
        while let Err(broken) = self.serve(&mut session, &mut inbox).await {
            self.fail(&broken.error, true);
            let before = session.backend.clone();
            drop(session);
            let Some(next) = self.begin_again(before, broken.limbo, &mut inbox).await else {
                return;
            };
            session = next;
        }
    }

    /// Writes over one connection until it breaks, or until nobody can append any more.
    async fn serve(
        &mut self,
        session: &mut Session,
        inbox: &mut UnboundedReceiver<Append>,
    ) -> Result<(), Broken> {
        loop {
            let troubled = self.status.trouble().is_some();
            let next = tokio::select! {
                biased;
                next = inbox.recv() => next,
                () = session.link.broken() => {
                    let error = StoreError::new("ledger", "the connection broke", true);
                    return Err(Broken { error, limbo: None });
                }
                () = sleep(PROBE_EVERY), if troubled => {
                    self.probe(session).await?;
                    continue;
                }
            };
            let Some(first) = next else { return Ok(()) };
            let batch = self.batch(first, inbox);
            if troubled {
                self.refuse(batch);
            } else {
                self.write(session, batch).await?;
            }
        }
    }

    /// What is queued, up to the size of a transaction.
    fn batch(&self, first: Append, inbox: &mut UnboundedReceiver<Append>) -> Vec<Append> {
        let size = |append: &Append| append.rows.iter().map(Prepared::bytes).sum::<usize>();
        let (mut rows, mut bytes) = (first.rows.len(), size(&first));
        let mut batch = vec![first];
        while rows < BATCH
            && bytes < BATCH_BYTES
            && let Ok(next) = inbox.try_recv()
        {
            rows += next.rows.len();
            bytes += size(&next);
            batch.push(next);
        }
        for append in &batch {
            self.status.release(&append.rows);
        }
        batch
    }

    async fn write(&mut self, session: &Session, batch: Vec<Append>) -> Result<(), Broken> {
        let mut known = None;
        if !self.guesses.suffice(&batch) {
            match session.look(&batch).await {
                Ok(looked) => known = Some(looked),
                Err(fault) => return self.give_up(batch, fault),
            }
        }
        for _ in 0..ATTEMPTS {
            match self.attempt(session, known.as_ref(), &batch).await {
                Attempt::Done(refused) => {
                    answer(batch, refused);
                    return Ok(());
                }
                Attempt::Again => {}
                Attempt::Unknown {
                    error,
                    refused,
                    end,
                } => {
                    let limbo = Some(Limbo {
                        batch,
                        refused,
                        end,
                    });
                    return Err(Broken { error, limbo });
                }
                Attempt::Failed(Fault::Raced(error)) => {
                    tracing::debug!(%error, "another replica was at the same entry");
                    match session.look(&batch).await {
                        Ok(looked) => known = Some(looked),
                        Err(fault) => return self.give_up(batch, fault),
                    }
                }
                Attempt::Failed(fault) => return self.give_up(batch, fault),
            }
        }
        let what = "others were at the same entries each time";
        let error = Fault::Refused(StoreError::new("ledger", what, true));
        self.give_up(batch, error)
    }

    /// Works a batch out by what is known of its entries, and writes it.
    async fn attempt(
        &mut self,
        session: &Session,
        known: Option<&HashMap<EntryId, Known>>,
        batch: &[Append],
    ) -> Attempt {
        let known = known.unwrap_or_else(|| self.guesses.known());
        let drafted = draft(&self.name, self.end, self.epoch, known, batch);
        if drafted.rows.is_empty() {
            return Attempt::Done(drafted.refused);
        }
        match session
            .append(self.end.seq.saturating_add(1), &drafted)
            .await
        {
            Ok(None) => {
                self.wrote(&drafted);
                Attempt::Done(drafted.refused)
            }
            Ok(Some(epoch)) => {
                self.epoch = epoch;
                Attempt::Again
            }
            Err(Fault::Lost(error)) => Attempt::Unknown {
                error,
                refused: drafted.refused,
                end: drafted.end,
            },
            Err(fault) => Attempt::Failed(fault),
        }
    }

    fn wrote(&mut self, drafted: &Draft<'_>) {
        self.end = drafted.end;
        for placed in &drafted.rows {
            self.status.wrote(placed.row.at);
        }
        self.guesses.wrote(&drafted.rows);
        self.appended.notify_one();
    }

    /// A batch of which nothing was written.
    fn give_up(&self, batch: Vec<Append>, fault: Fault) -> Result<(), Broken> {
        let (error, lost) = match fault {
            Fault::Refused(error) | Fault::Raced(error) => (error, false),
            Fault::Lost(error) => (error, true),
        };
        if error.transient {
            self.fail(&error, true);
        } else {
            tracing::error!(%error, "rows are not written");
        }
        for append in batch {
            append.answer(Err(StoreError::new(
                "ledger",
                error.what.clone(),
                error.transient,
            )));
        }
        if lost {
            return Err(Broken { error, limbo: None });
        }
        Ok(())
    }

    /// Takes nothing more for now, and says why.
    fn fail(&self, error: &StoreError, passes: bool) {
        tracing::error!(%error, passes, "the ledger cannot write; writes are refused");
        let what = error.what.clone();
        self.status.fail(Trouble { what, passes });
    }

    fn refuse(&self, batch: Vec<Append>) {
        for append in batch {
            let error = self
                .status
                .trouble()
                .unwrap_or_else(|| StoreError::new("ledger", "could not write a moment ago", true));
            append.answer(Err(error));
        }
    }

    /// Looks whether the server takes writes again.
    async fn probe(&self, session: &Session) -> Result<(), Broken> {
        match session.probe().await {
            Ok(()) => self.recovered(),
            Err(Fault::Refused(error) | Fault::Raced(error)) => {
                tracing::debug!(%error, "the ledger cannot write yet");
            }
            Err(Fault::Lost(error)) => return Err(Broken { error, limbo: None }),
        }
        Ok(())
    }

    fn recovered(&self) {
        self.status.recover();
        tracing::info!("the ledger can write again");
    }

    /// Connects again, finds out what became of rows in limbo, and answers for them. `None`: nobody can
    /// append any more.
    async fn begin_again(
        &mut self,
        before: Backend,
        mut limbo: Option<Limbo>,
        inbox: &mut UnboundedReceiver<Append>,
    ) -> Option<Session> {
        let mut pause = PAUSE.0;
        let mut until = None;
        loop {
            let begun = {
                let begin = Session::begin(&self.server, &self.name, Some(&before));
                self.refusing(begin, inbox, &mut until, limbo.is_some())
                    .await
            };
            match begun {
                Some(Ok((session, found))) => {
                    if let Err(error) = self.take_up(&found, limbo.take()) {
                        self.fail(&error, false);
                        while let Some(append) = inbox.recv().await {
                            self.status.release(&append.rows);
                            self.refuse(vec![append]);
                        }
                        return None;
                    }
                    self.recovered();
                    return Some(session);
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the ledger cannot be reached");
                    let what = error.what;
                    self.status.fail(Trouble { what, passes: true });
                }
                None => {}
            }
            let waited = self
                .refusing(sleep(pause), inbox, &mut until, limbo.is_some())
                .await;
            if waited.is_none() {
                if let Some(limbo) = limbo {
                    unknown(limbo);
                }
                return None;
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Does something that takes its time, and refuses what is appended meanwhile. `None`: nobody can
    /// append any more, and nothing is left to be found out, or there was no time for it.
    async fn refusing<T>(
        &self,
        work: impl Future<Output = T>,
        inbox: &mut UnboundedReceiver<Append>,
        until: &mut Option<Instant>,
        limbo: bool,
    ) -> Option<T> {
        let mut work = Box::pin(work);
        loop {
            if let Some(until) = *until {
                if !limbo {
                    return None;
                }
                return tokio::select! {
                    done = &mut work => Some(done),
                    () = sleep_until(until) => None,
                };
            }
            tokio::select! {
                done = &mut work => return Some(done),
                next = inbox.recv() => match next {
                    Some(append) => {
                        self.status.release(&append.rows);
                        self.refuse(vec![append]);
                    }
                    None => *until = Some(Instant::now() + LAST_LOOK),
                },
            }
        }
    }

    /// Compares where the chain ends with where it should, and answers for rows in limbo.
    fn take_up(&mut self, found: &Found, limbo: Option<Limbo>) -> Result<(), StoreError> {
        self.epoch = found.epoch;
        // others may have been at entries of ours meanwhile
        self.guesses = Guesses::default();
        let Some(limbo) = limbo else {
            return self.still_ends_at(found.end);
        };
        if found.end == limbo.end {
            self.end = limbo.end;
            let written = limbo.batch.iter().zip(&limbo.refused);
            let written = written.filter(|(_, refused)| refused.is_none());
            for row in written.flat_map(|(append, _)| &append.rows) {
                self.status.wrote(row.at);
            }
            self.appended.notify_one();
            answer(limbo.batch, limbo.refused);
            return Ok(());
        }
        let ends = self.still_ends_at(found.end);
        for append in limbo.batch {
            let what = "the connection broke before the rows were written";
            append.answer(Err(StoreError::new("ledger", what, true)));
        }
        ends
    }

    fn still_ends_at(&self, found: End) -> Result<(), StoreError> {
        if found == self.end {
            return Ok(());
        }
        let (name, was, is) = (&self.name, self.end.seq, found.seq);
        let what = format!(
            "the chain of {name} ended at row {was} and ends at another row {is} now: the server lost \
             what it had acknowledged, or somebody else wrote as {name}; look, then restart"
        );
        Err(StoreError::new("ledger", what, false))
    }
}

/// Answers for a batch that is written, but for what was refused.
fn answer(batch: Vec<Append>, refused: Vec<Option<Conflict>>) {
    for (append, refused) in batch.into_iter().zip(refused) {
        append.answer(refused.map_or(Ok(()), |conflict| Err(StoreError::conflict(conflict))));
    }
}

/// The process ends before anybody knows.
fn unknown(limbo: Limbo) {
    for append in limbo.batch {
        let what = "the connection broke, and it is not known whether the rows were written";
        append.answer(Err(StoreError::new("ledger", what, false)));
    }
}
