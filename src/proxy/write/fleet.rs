//! What a write minds because other replicas serve the same agents: the same request may be under way
//! there, and what they did last may not be known here yet.

use std::pin::pin;
use std::time::Duration;

use http::Response;
use tokio::time::timeout;

use super::Write;
use crate::crm::Shape;
use crate::doubt::{Blocked, Ended, Twin};
use crate::error::{Refusal, StoreError};
use crate::gate;
use crate::journal::sent::Sent;
use crate::mutation::{ChangeSet, OutcomeState, Snapshot, Verdict};
use crate::proxy::words;
use crate::proxy::{Refused, words::About};
use crate::upstream::Body;

/// A repeat waits as long as it takes the CRM to answer at most, as it does for one that this process
/// sends.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

impl Write {
    /// Whether other processes serve from the same ledger.
    pub(super) fn is_shared(&self) -> bool {
        self.worker.app.journal.ledger().shared()
    }

    /// The lock that keeps two replicas from sending, or parking, one request at once.
    pub(super) fn lock_of(&self, same: &str) -> Option<String> {
        (self.is_shared() && !same.is_empty()).then(|| format!("same/{same}"))
    }

    /// Whether what other replicas did, and what they put in force, is known well enough to write.
    pub(super) fn knows_others(&self) -> Result<(), Refusal> {
        let app = &self.worker.app;
        let known = app.journal.barred();
        let known = known.and_then(|()| app.journal.view().fresh(app.clock.now()));
        known.map_err(|error| Refusal::unavailable(error.to_string()))
    }

    async fn catch_up(&self) -> Result<(), Refusal> {
        let catching_up = self.worker.app.catch_up();
        let told = |error: StoreError| Refusal::unavailable(error.to_string());
        self.watch.wait_for(pin!(catching_up)).await.map_err(told)
    }

    /// The same request, as another replica sends it: its answer is waited for, and is this one's, too.
    /// `None`: nobody sends the same, or nothing came of it.
    pub(super) async fn twin(
        &self,
        shape: Option<&Shape>,
        changes: &ChangeSet,
    ) -> Result<Option<Response<Body>>, Box<Refused>> {
        let elsewhere = &self.worker.app.doubts.elsewhere;
        while let Some(mut twin) = elsewhere.twin(&self.digest) {
            if let Err(refusal) = self.catch_up().await {
                return Err(self.refuse(refusal, Some(changes), None).await);
            }
            let ended = {
                let ending = timeout(ENDS_WITHIN, twin.ended());
                self.watch.wait_for(pin!(ending)).await
            };
            match ended {
                Ok(Some(Ended::Closed(sent))) if was_done(&sent) => {
                    return self.settled(shape, &sent).await.map(Some);
                }
                // It is sent anew, or refused for what is in doubt.
                Ok(Some(Ended::Closed(_) | Ended::InDoubt)) => {}
                Ok(None) | Err(_) => {
                    let refusal = words::in_doubt(&open(&twin), self.now);
                    return Err(self.refuse(refusal, Some(changes), None).await);
                }
            }
        }
        Ok(None)
    }

    /// What other replicas did while this write was on its way to its locks: it has them now, so that
    /// nobody else takes a step. An answer is that of the same request, sent by another one meanwhile.
    pub(super) async fn meanwhile(
        &self,
        shape: Option<&Shape>,
        changes: &ChangeSet,
        snapshot: &Snapshot,
        verdict: &Verdict,
    ) -> Result<Option<Response<Body>>, Box<Refused>> {
        if let Err(refusal) = self.knows_others() {
            return Err(self.give_back(refusal, changes, verdict).await);
        }
        let mut blocked = self.open_elsewhere(changes, snapshot);
        if blocked.is_some() {
            // It may have been closed just now.
            if let Err(refusal) = self.catch_up().await {
                return Err(self.give_back(refusal, changes, verdict).await);
            }
            blocked = self.open_elsewhere(changes, snapshot);
        }
        if let Some(blocked) = blocked.or_else(|| self.blocked(changes, Some(snapshot))) {
            let refusal = words::in_doubt(&blocked, self.now);
            return Err(self.give_back(refusal, changes, verdict).await);
        }
        let elsewhere = &self.worker.app.doubts.elsewhere;
        match elsewhere.landed_since(&self.digest, self.mark, self.now) {
            None => Ok(None),
            Some(sent) => {
                self.refund().await;
                self.settled(shape, &sent).await.map(Some)
            }
        }
    }

    /// A write that another replica opened and did not close, though it has lost its locks: to the same
    /// records, or the same request.
    pub(super) fn open_elsewhere(
        &self,
        changes: &ChangeSet,
        snapshot: &Snapshot,
    ) -> Option<Blocked> {
        let doubts = &self.worker.app.doubts;
        if let Some(twin) = doubts.elsewhere.twin(&self.digest) {
            return Some(open(&twin));
        }
        let whose = (self.actor.service_account.as_str(), self.route());
        doubts.open_elsewhere(whose, changes.mutations(), Some(snapshot))
    }

    /// Makes sure that no other replica parks the same request, and that what they parked before is
    /// known. Returns the epoch of the lock that says so; `None`: there are no others.
    pub(super) async fn parks_alone(
        &self,
        key: &str,
        about: &About<'_>,
    ) -> Result<Option<u64>, Refusal> {
        let Some(lock) = self.lock_of(key) else {
            return Ok(None);
        };
        let control = &*self.worker.app.control;
        let account = &self.actor.service_account;
        self.asks();
        let locking = gate::lock(control, &self.reservation, account, vec![lock], self.now);
        let epoch = self.watch.wait_for(pin!(locking)).await;
        let epoch = epoch.map_err(|cause| words::caused(&cause, about))?;
        self.catch_up().await?;
        Ok(Some(epoch))
    }
}

fn was_done(sent: &Sent) -> bool {
    let mut outcomes = sent.outcomes.iter();
    outcomes.any(|outcome| outcome.state == OutcomeState::Done)
}

/// A write under way stands in the way as one in doubt does.
fn open(twin: &Twin) -> Blocked {
    Blocked::open(&twin.entry, twin.at)
}
