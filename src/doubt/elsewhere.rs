//! Writes that other processes have opened and not closed yet: they count as under way here, too. A
//! repeat of one waits for it; a write to its records does not pass before its end is known.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::book::records;
use crate::clock::EntryId;
use crate::journal::sent::Sent;
use crate::mutation::{Mutation, Outcome, OutcomeState, Snapshot};

/// What was closed is of use to those who came before that, and nobody waits longer.
const LANDED_FOR: SignedDuration = SignedDuration::from_mins(10);
/// More are forgotten sooner.
const LANDED_MOST: usize = 10_000;

/// How a write of another process ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The CRM answered, or nothing was sent.
    Closed(Arc<Sent>),
    /// Nobody knows: it is in the book of doubts.
    InDoubt,
}

/// The same request, under way at another process.
#[derive(Clone, Debug)]
pub struct Twin {
    /// Its entry.
    pub entry: EntryId,
    /// When it was opened.
    pub at: Timestamp,
    ended: watch::Receiver<Option<Ended>>,
}

impl Twin {
    /// Waits for its end; `None` where it is not known here any more.
    pub async fn ended(&mut self) -> Option<Ended> {
        let ended = self.ended.wait_for(Option::is_some).await.ok()?;
        ended.clone()
    }
}

#[derive(Debug)]
struct Open {
    sent: Arc<Sent>,
    /// `route/object/key` in lower case.
    records: Vec<String>,
    writer: String,
    ended: watch::Sender<Option<Ended>>,
}

/// One that was closed.
#[derive(Debug)]
struct Landed {
    sent: Arc<Sent>,
    /// How many were opened before it.
    number: u64,
    closed: Timestamp,
}

#[derive(Debug, Default)]
struct All {
    open: HashMap<EntryId, (u64, Open)>,
    /// By digest, the last one.
    landed: HashMap<String, Landed>,
    opened: u64,
}

/// What other processes are sending.
#[derive(Debug, Default)]
pub struct Elsewhere(Mutex<All>);

impl Elsewhere {
    /// Another process is about to send this.
    pub fn opened(&self, sent: Sent, writer: &str) {
        let mut all = self.0.lock();
        if all.open.contains_key(&sent.entry) {
            return;
        }
        all.opened = all.opened.saturating_add(1);
        let keys = |(place, mutation): (usize, &Mutation)| {
            records(&sent.route, mutation, Some(sent.snapshot.prior(place)))
        };
        let mutations = sent.mutations.iter().enumerate();
        let open = Open {
            records: mutations
                .flat_map(keys)
                .map(|key| key.to_lowercase())
                .collect(),
            writer: writer.to_owned(),
            ended: watch::Sender::new(None),
            sent: Arc::new(sent),
        };
        let number = all.opened;
        all.open.insert(open.sent.entry.clone(), (number, open));
    }

    /// It was closed, or settled.
    pub fn closed(&self, entry: &EntryId, outcomes: &[Outcome], at: Timestamp) {
        let mut all = self.0.lock();
        let Some((number, open)) = all.open.remove(entry) else {
            return;
        };
        let sent = Arc::new(Sent {
            outcomes: outcomes.to_vec(),
            ..(*open.sent).clone()
        });
        let done = |outcome: &Outcome| outcome.state == OutcomeState::Done;
        if let Some(digest) = sent.digest.clone().filter(|_| outcomes.iter().any(done)) {
            all.forget(at);
            let landed = Landed {
                sent: Arc::clone(&sent),
                number,
                closed: at,
            };
            all.landed.insert(digest, landed);
        }
        open.ended.send_replace(Some(Ended::Closed(sent)));
    }

    /// It is in doubt, and in the book.
    pub fn doubted(&self, entry: &EntryId) {
        if let Some((_, open)) = self.0.lock().open.remove(entry) {
            open.ended.send_replace(Some(Ended::InDoubt));
        }
    }

    /// The same request, if another process is sending it.
    #[must_use]
    pub fn twin(&self, digest: &str) -> Option<Twin> {
        let all = self.0.lock();
        let mut open = all.open.values();
        let (_, open) = open.find(|(_, open)| open.sent.digest.as_deref() == Some(digest))?;
        Some(Twin {
            entry: open.sent.entry.clone(),
            at: open.sent.at,
            ended: open.ended.subscribe(),
        })
    }

    /// How many requests wait for the end of the same one.
    #[must_use]
    pub fn awaited(&self) -> usize {
        let all = self.0.lock();
        let open = all.open.values();
        open.map(|(_, open)| open.ended.receiver_count()).sum()
    }

    /// Now, as far as other processes go: for [`Elsewhere::landed_since`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.0.lock().opened
    }

    /// The same request, if another process sent it while this one was on its way: it was not known
    /// here when this one came, and was closed after that.
    #[must_use]
    pub fn landed_since(&self, digest: &str, mark: u64, came: Timestamp) -> Option<Arc<Sent>> {
        let all = self.0.lock();
        let landed = all.landed.get(digest)?;
        (landed.number > mark && landed.closed >= came).then(|| Arc::clone(&landed.sent))
    }

    /// An open write of a service account to one of these records, and the rows that name them.
    #[must_use]
    pub fn meets(
        &self,
        (service_account, route): (&str, &str),
        mutations: &[Mutation],
        snapshot: Option<&Snapshot>,
    ) -> Option<(Arc<Sent>, Vec<String>)> {
        let all = self.0.lock();
        if all.open.is_empty() {
            return None;
        }
        let names = |open: &Open, (place, mutation): (usize, &Mutation)| {
            let prior = snapshot.map(|snapshot| snapshot.prior(place));
            let keys = records(route, mutation, prior);
            keys.iter()
                .any(|key| open.records.contains(&key.to_lowercase()))
        };
        let theirs =
            |open: &Open| open.sent.service_account == service_account && open.sent.route == route;
        let open = all.open.values().map(|(_, open)| open);
        open.filter(|open| theirs(open)).find_map(|open| {
            let met = mutations.iter().enumerate();
            let met: Vec<_> = met.filter(|row| names(open, *row)).collect();
            let rows = met.iter().filter_map(|(_, mutation)| mutation.row.clone());
            (!met.is_empty()).then(|| (Arc::clone(&open.sent), rows.collect()))
        })
    }

    /// The open write that names a record, by its key in lower case.
    pub(super) fn of_record(&self, key: &String) -> Option<EntryId> {
        let all = self.0.lock();
        let mut open = all.open.values();
        let (_, open) = open.find(|(_, open)| open.records.contains(key))?;
        Some(open.sent.entry.clone())
    }

    /// The writers that have something open.
    #[must_use]
    pub fn writers(&self) -> Vec<String> {
        let all = self.0.lock();
        let writers = all.open.values().map(|(_, open)| open.writer.clone());
        let mut writers: Vec<String> = writers.collect();
        writers.sort_unstable();
        writers.dedup();
        writers
    }

    /// What a writer has open.
    #[must_use]
    pub fn of(&self, writer: &str) -> Vec<EntryId> {
        let all = self.0.lock();
        let open = all
            .open
            .iter()
            .filter(|(_, (_, open))| open.writer == writer);
        open.map(|(entry, _)| entry.clone()).collect()
    }
}

impl All {
    fn forget(&mut self, now: Timestamp) {
        self.landed
            .retain(|_, landed| now.duration_since(landed.closed) < LANDED_FOR);
        if self.landed.len() >= LANDED_MOST {
            self.landed.clear();
        }
    }
}
