//! Bulk jobs that the CRM works on: each is asked for on a schedule, with the credential that the
//! configuration has for it, else with that of the next request of its service account.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::Call;
use super::actor::{Caller, Credential};
use super::write::ask;
use crate::app::{App, Worker};
use crate::clock::EntryId;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::journal::job::Pending;

/// How often the clockwork looks for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// The first question comes so long after the commit; each one after that waits twice as long …
const FIRST: SignedDuration = SignedDuration::from_secs(10);
/// … up to this.
const LAST: SignedDuration = SignedDuration::from_mins(10);
/// Salesforce keeps results for so long.
const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the CRM works on.
#[derive(Debug, Default)]
pub struct Jobs {
    pending: Mutex<HashMap<EntryId, Waiting>>,
    asking: Mutex<HashSet<EntryId>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Waiting {
    pending: Pending,
    since: Timestamp,
    due: Timestamp,
    wait: SignedDuration,
}

/// Somebody's turn to ask for a commit.
#[derive(Debug)]
pub struct Claim<'a> {
    jobs: &'a Jobs,
    commit: EntryId,
}

impl Claim<'_> {
    /// It need not be asked for again.
    pub fn over(self) {
        let mut pending = self.jobs.pending.lock();
        pending.remove(&self.commit);
        self.jobs.count.store(pending.len(), Ordering::Relaxed);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.jobs.asking.lock().remove(&self.commit);
    }
}

impl Jobs {
    /// What was pending when the last process ended.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn load(journal: &Journal, now: Timestamp) -> Result<Self, StoreError> {
        let jobs = Self::default();
        let since = now.checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        for pending in journal.jobs_pending(since).await? {
            jobs.add(pending, now);
        }
        Ok(jobs)
    }

    /// The CRM has taken a commit.
    pub fn add(&self, pending: Pending, now: Timestamp) {
        let waiting = Waiting {
            since: now,
            due: now.checked_add(FIRST).unwrap_or(now),
            wait: FIRST,
            pending,
        };
        let mut all = self.pending.lock();
        all.insert(waiting.pending.commit.clone(), waiting);
        self.count.store(all.len(), Ordering::Relaxed);
    }

    /// The turn to ask for a commit; `None` where somebody has it.
    pub fn claim(&self, commit: &EntryId) -> Option<Claim<'_>> {
        let free = self.asking.lock().insert(commit.clone());
        free.then(|| Claim {
            jobs: self,
            commit: commit.clone(),
        })
    }

    /// What is to be asked for now of a service account on a route; each is due again later.
    fn due(&self, route: &str, account: &str, now: Timestamp) -> Vec<Pending> {
        let mut all = self.pending.lock();
        all.retain(|_, waiting| now.duration_since(waiting.since) < KEPT);
        let mut due = Vec::new();
        for waiting in all.values_mut() {
            let pending = &waiting.pending;
            let theirs = pending.route == route && pending.service_account == account;
            if theirs && waiting.due <= now {
                waiting.wait = LAST.min(waiting.wait + waiting.wait);
                waiting.due = now.checked_add(waiting.wait).unwrap_or(now);
                due.push(waiting.pending.clone());
            }
        }
        self.count.store(all.len(), Ordering::Relaxed);
        due.sort_by(|a, b| a.commit.as_str().cmp(b.commit.as_str()));
        due
    }
}

/// Asks for what is due, for ever.
pub async fn tick(worker: Worker) {
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        ask_due(&worker, worker.app.clock.now()).await;
    }
}

/// Asks for all that is due and for which the configuration has a credential, one after the other.
pub async fn ask_due(worker: &Worker, now: Timestamp) {
    let app = &worker.app;
    if app.jobs.count.load(Ordering::Relaxed) == 0 {
        return;
    }
    for (place, state) in app.routes.iter().enumerate() {
        let route = &state.route.name;
        let accounts = app.config.service_accounts.iter();
        for account in accounts.map(|account| account.name.as_str()) {
            let Some(credential) = configured(app, place, account) else {
                continue;
            };
            for pending in app.jobs.due(route, account, now) {
                ask(worker, place, &credential, &pending).await;
            }
        }
    }
}

/// Asks for what is due of a caller's, where nothing else could: beside its request, which does not wait.
pub(super) fn along(call: Call<'_>, caller: &Caller) {
    let app = &call.worker.app;
    let Some(account) = caller.service_account.as_deref() else {
        return;
    };
    if app.jobs.count.load(Ordering::Relaxed) == 0 || configured(app, call.place, account).is_some()
    {
        return;
    }
    let due = app.jobs.due(&call.state.route.name, account, call.now);
    if due.is_empty() {
        return;
    }
    let (worker, place) = (Arc::clone(call.worker), call.place);
    let credential = caller.credential.clone();
    let underway = app.inflight.enter();
    drop(tokio::spawn(async move {
        for pending in due {
            ask(&worker, place, &credential, &pending).await;
        }
        drop(underway);
    }));
}

/// The credential of the configuration: the route's for releases, else the broker's.
fn configured(app: &App, place: usize, account: &str) -> Option<Credential> {
    let route = &app.routes.get(place)?.route;
    let broker = || {
        let mut accounts = app.config.service_accounts.iter();
        let known = accounts.find(|known| known.name == account)?;
        let mut credentials = known.credentials.iter();
        let found = credentials.find(|(name, _)| *name == route.name);
        found.map(|(_, source)| source)
    };
    let source = route.release_credential.as_ref().or_else(broker)?;
    let handle = app.keyring.handle(&route.name, source)?;
    Some(Credential::Broker(handle))
}
