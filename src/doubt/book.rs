//! The book of doubtful entries: what they block, when they are looked at again, and what was settled
//! lately. In memory; the ledger's rows are the truth, and a start fills it from them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::blocked::{Blocked, WORKS_MOST};
use super::elsewhere::Elsewhere;
use super::flight::Flights;
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::sent::{self, Sent};
use crate::mutation::{Mutation, Operation, Outcome, OutcomeState, Prior, RecordKey, Snapshot};

/// How long repeats of a write that was settled as done get its answer.
const ANSWERED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// The longest pause between two looks.
const PAUSE_MOST: i64 = 60;
/// After so many looks that failed, the caller is told not to count on the next one.
const FAILURES_MOST: u32 = 5;

/// An entry in doubt, and how far reading it back came.
#[derive(Debug)]
struct Doubt {
    sent: Arc<Sent>,
    /// `route/object/key` in lower case, as the write names its records and by their ids.
    records: Vec<String>,
    /// From then on the CRM does not work on it any more.
    quiet: Timestamp,
    /// When it is looked at next.
    due: Timestamp,
    tries: u32,
    /// Somebody reads it back or settles it now.
    claimed: bool,
    /// How often it could not be read.
    failures: u32,
    /// Why only a person can settle it.
    stuck: Option<&'static str>,
}

/// What a write does to records: keys as a doubt has them.
#[derive(Debug, Default)]
struct Touched {
    /// All that it names.
    records: Vec<String>,
    /// Those that it takes away.
    gone: Vec<String>,
}

#[derive(Debug, Default)]
struct Pages {
    doubts: BTreeMap<EntryId, Doubt>,
    /// By digest: what was settled as done, and when.
    settled: HashMap<String, (Arc<Sent>, Timestamp)>,
}

/// What is in doubt, what is under way, and what was settled lately.
#[derive(Debug, Default)]
pub struct Book {
    pages: Arc<Mutex<Pages>>,
    /// What is being sent now.
    pub flights: Flights,
    /// What other processes are sending.
    pub elsewhere: Elsewhere,
}

/// The sole right to settle one entry; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    /// The write.
    pub sent: Arc<Sent>,
    /// From then on it can be told what did not happen.
    pub quiet: Timestamp,
    pages: Arc<Mutex<Pages>>,
}

impl Book {
    /// The book as the ledger has it.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(journal: &Journal, now: Timestamp) -> Result<Self, StoreError> {
        let ledger = &**journal.ledger();
        let book = Self::default();
        for doubt in sent::in_doubt(ledger).await? {
            book.doubted(doubt, now);
        }
        for (open, writer) in sent::under_way(ledger).await? {
            if !book.has(&open.entry) && ledger.writer() != Some(writer.as_str()) {
                book.elsewhere.opened(open, &writer);
            }
        }
        let since = now.checked_sub(ANSWERED_FOR).unwrap_or(Timestamp::MIN);
        let settled = sent::settled(ledger, since).await?;
        let Some(oldest) = settled.iter().map(|(_, at)| *at).min() else {
            return Ok(book);
        };
        for (settled, at) in settled {
            book.pages.lock().keep(Arc::new(settled), at);
        }
        for later in sent::opened(ledger, oldest).await? {
            let wanted = wanted(&later.route, &later.mutations, Some(&later.snapshot));
            let touched = Touched::by(&later.mutations, &wanted);
            book.pages.lock().supersede(&touched, Some(later.at));
        }
        Ok(book)
    }

    /// An entry is in doubt from now on. Call it before the write's locks are let go of.
    pub fn doubted(&self, sent: Sent, now: Timestamp) {
        let doubt = Doubt {
            records: all_records(&sent),
            quiet: sent.at.checked_add(WORKS_MOST).unwrap_or(Timestamp::MAX),
            due: now,
            tries: 0,
            claimed: false,
            failures: 0,
            stuck: None,
            sent: Arc::new(sent),
        };
        let entry = doubt.sent.entry.clone();
        self.pages.lock().doubts.insert(entry, doubt);
    }

    /// What stands in the way of a request: an entry of its service account that is in doubt, of the
    /// same records or the very same request. `snapshot` tells the records' ids.
    #[must_use]
    pub fn blocks(
        &self,
        (service_account, route): (&str, &str),
        digest: &str,
        mutations: &[Mutation],
        snapshot: Option<&Snapshot>,
    ) -> Option<Blocked> {
        let pages = self.pages.lock();
        if pages.doubts.is_empty() {
            return None;
        }
        let wanted = wanted(route, mutations, snapshot);
        let of_theirs = |doubt: &&Doubt| doubt.is_of(service_account, route);
        let touched = |doubt: &Doubt| {
            let same = doubt.sent.digest.as_deref() == Some(digest);
            let places = doubt.places(&wanted);
            (same || !places.is_empty()).then(|| Blocked {
                entry: doubt.sent.entry.clone(),
                at: doubt.sent.at,
                same,
                rows: rows(mutations, &places),
                quiet: doubt.quiet,
                stuck: doubt.stuck.or_else(|| {
                    let hopeless = doubt.failures >= FAILURES_MOST;
                    hopeless.then_some("the CRM could not be asked so far")
                }),
            })
        };
        pages
            .doubts
            .values()
            .filter(of_theirs)
            .filter_map(touched)
            .max_by_key(|blocked| (blocked.same, blocked.stuck.is_some()))
    }

    /// The entry that left a record in doubt, or that another process has not closed, whoever asked for
    /// it.
    #[must_use]
    pub fn of_record(&self, route: &str, object: &str, id: &str) -> Option<EntryId> {
        let pages = self.pages.lock();
        let key = key(route, object, id);
        let mut doubts = pages.doubts.values();
        let doubt = doubts.find(|doubt| doubt.records.contains(&key));
        let doubt = doubt.map(|doubt| doubt.sent.entry.clone());
        doubt.or_else(|| self.elsewhere.of_record(&key))
    }

    /// Entries of a route that are to be looked at now.
    #[must_use]
    pub fn due(&self, route: &str, now: Timestamp) -> Vec<EntryId> {
        let pages = self.pages.lock();
        let doubts = pages.doubts.values();
        let due = doubts.filter(|doubt| doubt.sent.route == route && doubt.is_due(now));
        due.map(|doubt| doubt.sent.entry.clone()).collect()
    }

    /// The same of one service account, in two parts: what stands in the way of this request, as far
    /// as it names its records, and what does not.
    #[must_use]
    pub fn due_of(
        &self,
        (service_account, route): (&str, &str),
        digest: &str,
        mutations: &[Mutation],
        now: Timestamp,
    ) -> (Vec<EntryId>, Vec<EntryId>) {
        let pages = self.pages.lock();
        if pages.doubts.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let wanted = wanted(route, mutations, None);
        let due = pages
            .doubts
            .values()
            .filter(|doubt| doubt.is_of(service_account, route) && doubt.is_due(now));
        let (met, others): (Vec<&Doubt>, Vec<&Doubt>) = due.partition(|doubt| {
            doubt.sent.digest.as_deref() == Some(digest) || !doubt.places(&wanted).is_empty()
        });
        let entries = |doubts: Vec<&Doubt>| {
            let entries = doubts.into_iter().map(|doubt| doubt.sent.entry.clone());
            entries.collect()
        };
        (entries(met), entries(others))
    }

    /// Takes an entry to settle it; `None` when it is not in doubt, or somebody else has it.
    #[must_use]
    pub fn claim(&self, entry: &EntryId) -> Option<Claim> {
        let mut pages = self.pages.lock();
        let doubt = pages.doubts.get_mut(entry)?;
        if doubt.claimed {
            return None;
        }
        doubt.claimed = true;
        Some(Claim {
            sent: Arc::clone(&doubt.sent),
            quiet: doubt.quiet,
            pages: Arc::clone(&self.pages),
        })
    }

    /// Whether an entry is in doubt.
    #[must_use]
    pub fn has(&self, entry: &EntryId) -> bool {
        self.pages.lock().doubts.contains_key(entry)
    }

    /// What became of an entry was written down by another process, or by this one after another had
    /// given it up: it is not in doubt any more. Repeats of what was in doubt get its answer.
    pub fn ended(&self, entry: &EntryId, outcomes: &[Outcome], at: Timestamp) {
        let mut pages = self.pages.lock();
        if let Some(doubt) = pages.doubts.remove(entry) {
            let settled = Sent {
                outcomes: outcomes.to_vec(),
                ..(*doubt.sent).clone()
            };
            pages.keep(Arc::new(settled), at);
        }
    }

    /// An entry is not in doubt any more, and that is all there is to know.
    pub(super) fn forget(&self, entry: &EntryId) {
        self.pages.lock().doubts.remove(entry);
    }

    /// What stands in the way of a write that has its records' locks: one of the same service account
    /// that another process opened and did not close.
    #[must_use]
    pub fn open_elsewhere(
        &self,
        whose: (&str, &str),
        mutations: &[Mutation],
        snapshot: Option<&Snapshot>,
    ) -> Option<Blocked> {
        let (sent, rows) = self.elsewhere.meets(whose, mutations, snapshot)?;
        Some(Blocked {
            same: false,
            rows,
            ..Blocked::open(&sent.entry, sent.at)
        })
    }

    /// A write is about to be sent. What was settled of its records before is no answer any more: a
    /// request that is made again after it is no repeat.
    pub fn sends(&self, route: &str, mutations: &[Mutation], snapshot: &Snapshot) {
        let mut pages = self.pages.lock();
        if pages.settled.is_empty() {
            return;
        }
        let wanted = wanted(route, mutations, Some(snapshot));
        pages.supersede(&Touched::by(mutations, &wanted), None);
    }

    /// The write of this digest that was settled as done within the last day.
    #[must_use]
    pub fn settled(&self, digest: &str, now: Timestamp) -> Option<Arc<Sent>> {
        let mut pages = self.pages.lock();
        pages
            .settled
            .retain(|_, (_, at)| now.duration_since(*at) < ANSWERED_FOR);
        pages
            .settled
            .get(digest)
            .map(|(settled, _)| Arc::clone(settled))
    }
}

impl Claim {
    /// It could not be read or recorded: again later.
    pub fn failed(self, now: Timestamp) {
        if let Some(doubt) = self.pages.lock().doubts.get_mut(&self.sent.entry) {
            doubt.failures = doubt.failures.saturating_add(1);
        }
        self.later(now);
    }

    /// It was looked at in vain: again after a pause that doubles, and once the CRM had its time.
    pub fn later(self, now: Timestamp) {
        if let Some(doubt) = self.pages.lock().doubts.get_mut(&self.sent.entry) {
            let pause = 1_i64.checked_shl(doubt.tries).unwrap_or(PAUSE_MOST);
            let pause = SignedDuration::from_secs(pause.clamp(1, PAUSE_MOST));
            let next = now.checked_add(pause).unwrap_or(Timestamp::MAX);
            let waits = doubt.quiet > now;
            doubt.due = if waits { next.min(doubt.quiet) } else { next };
            doubt.tries = doubt.tries.saturating_add(1);
        }
    }

    /// The CRM cannot tell: a person settles it.
    pub fn stuck(self, why: &'static str) {
        if let Some(doubt) = self.pages.lock().doubts.get_mut(&self.sent.entry) {
            doubt.stuck = Some(why);
        }
    }

    /// It is settled, durably: it blocks nothing any more, and what was done answers repeats.
    pub fn settled(self, outcomes: Vec<Outcome>, now: Timestamp) {
        let mut pages = self.pages.lock();
        pages.doubts.remove(&self.sent.entry);
        let settled = Sent {
            outcomes,
            ..(*self.sent).clone()
        };
        pages.keep(Arc::new(settled), now);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(doubt) = self.pages.lock().doubts.get_mut(&self.sent.entry) {
            doubt.claimed = false;
        }
    }
}

impl Pages {
    /// Forgets what was settled of these records, before `later` where that is given.
    fn supersede(&mut self, by: &Touched, later: Option<Timestamp>) {
        self.settled.retain(|_, (settled, at)| {
            let before = later.is_none_or(|later| *at < later);
            let any =
                |records: &[String], of: &[String]| of.iter().any(|key| records.contains(key));
            let touched = any(&by.records, &all_records(settled)) || any(&by.gone, &made(settled));
            !(before && touched)
        });
    }

    /// Keeps what was done for its repeats. Of what was not done, a repeat is a new write.
    fn keep(&mut self, settled: Arc<Sent>, at: Timestamp) {
        let mut outcomes = settled.outcomes.iter();
        let done = outcomes.any(|outcome| outcome.state == OutcomeState::Done);
        if let Some(digest) = settled.digest.clone().filter(|_| done) {
            self.settled.insert(digest, (settled, at));
        }
    }
}

impl Touched {
    fn by(mutations: &[Mutation], wanted: &[Vec<String>]) -> Self {
        let takes = [Operation::Delete, Operation::Purge, Operation::Merge];
        let mut gone = Vec::new();
        for (mutation, keys) in mutations.iter().zip(wanted) {
            if takes.contains(&mutation.operation) {
                gone.extend_from_slice(keys);
            }
        }
        Self {
            records: wanted.concat(),
            gone,
        }
    }
}

impl Doubt {
    fn is_of(&self, service_account: &str, route: &str) -> bool {
        self.sent.service_account == service_account && self.sent.route == route
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.stuck.is_none() && self.due <= now
    }

    /// The places of a request's mutations that name a record of this one.
    fn places(&self, wanted: &[Vec<String>]) -> Vec<usize> {
        let names = |keys: &&Vec<String>| keys.iter().any(|key| self.records.contains(key));
        let places = wanted.iter().enumerate();
        places
            .filter(|(_, keys)| names(keys))
            .map(|(place, _)| place)
            .collect()
    }
}

fn wanted(route: &str, mutations: &[Mutation], snapshot: Option<&Snapshot>) -> Vec<Vec<String>> {
    let keys = |(place, mutation): (usize, &Mutation)| {
        let prior = snapshot.map(|snapshot| snapshot.prior(place));
        records(route, mutation, prior)
            .into_iter()
            .map(|key| key.to_lowercase())
            .collect()
    };
    mutations.iter().enumerate().map(keys).collect()
}

/// All records of a write, in lower case.
fn all_records(sent: &Sent) -> Vec<String> {
    wanted(&sent.route, &sent.mutations, Some(&sent.snapshot)).concat()
}

/// The records that a write is known to have made. A change of one leaves the answer to its create as
/// it is; once it is gone, a repeat of the create is a new one.
fn made(sent: &Sent) -> Vec<String> {
    let made = sent.mutations.iter().zip(&sent.outcomes);
    made.filter_map(|(mutation, outcome)| {
        let id = outcome.new_id.as_ref()?;
        Some(key(&sent.route, &mutation.object, id))
    })
    .collect()
}

/// A record's key by its id.
fn key(route: &str, object: &str, id: &str) -> String {
    format!("{route}/{object}/{id}").to_lowercase()
}

fn rows(mutations: &[Mutation], places: &[usize]) -> Vec<String> {
    let rows = places.iter().filter_map(|place| mutations.get(*place));
    rows.filter_map(|mutation| mutation.row.clone()).collect()
}

/// The records of a mutation, as `route/object/key`: as it names them, by the id that was read, and where
/// it reaches one through another, that one, too: it says which record is reached.
#[must_use]
pub fn records(route: &str, mutation: &Mutation, prior: Option<&Prior>) -> Vec<String> {
    let object = mutation.object.to_ascii_lowercase();
    let named = mutation.record.iter().chain(&mutation.others);
    let mut records: Vec<String> = named
        .map(|key| format!("{route}/{object}/{}", folded(key)))
        .collect();
    let starts = mutation.record.iter().filter_map(RecordKey::start);
    records.extend(starts.map(|(object, id)| {
        let object = object.to_ascii_lowercase();
        format!("{route}/{object}/{id}")
    }));
    if let Some(Prior::Found { id, .. }) = prior {
        records.push(format!("{route}/{object}/{id}"));
    }
    records
}

/// A key as a lock names it: both CRMs compare external ids without case.
fn folded(key: &RecordKey) -> String {
    match key {
        RecordKey::Id { id } => id.clone(),
        RecordKey::External { key, value } => {
            format!("{}={}", key.to_lowercase(), value.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests;
