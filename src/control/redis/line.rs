//! Waiting for locks. The line itself is in Redis; who waits here asks again when told that the turn has
//! come, and now and then without being told.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::asking::{Looked, Prepared};
use super::member::Member;
use super::scripts::ADMIT;
use super::store::{How, trouble};
use crate::clock::EntryId;
use crate::control::{Admission, Ask};
use crate::error::StoreError;

/// Who waits asks again after this, then after twice that …
const FIRST: Duration = Duration::from_millis(10);
/// … up to this: well within the time after which the line forgets who does not ask.
const LONGEST: Duration = Duration::from_millis(160);

/// Who waits in this process, and who has stopped waiting without having been served.
#[derive(Debug, Default)]
pub(super) struct Bells {
    hung: Mutex<HashMap<EntryId, Arc<Notify>>>,
    left: Mutex<Vec<(EntryId, Vec<String>)>>,
}

impl Bells {
    /// The turn of a reservation has come.
    pub(super) fn ring(&self, reservation: &str) {
        if let Some(bell) = self.hung.lock().get(&EntryId::from_text(reservation)) {
            bell.notify_one();
        }
    }

    /// Everybody looks again.
    pub(super) fn ring_all(&self) {
        for bell in self.hung.lock().values() {
            bell.notify_one();
        }
    }

    /// Those who left since the last call.
    pub(super) fn left(&self) -> Vec<(EntryId, Vec<String>)> {
        let mut left = self.left.lock();
        if left.is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut *left)
    }
}

/// One that waits; leaves the line when dropped, unless it was served.
struct Waiting<'m> {
    member: &'m Member,
    reservation: EntryId,
    locks: Vec<String>,
    bell: Arc<Notify>,
    place: Option<i64>,
}

impl<'m> Waiting<'m> {
    fn new(member: &'m Member, ask: &Ask, locks: &[String]) -> Self {
        let bell = Arc::new(Notify::new());
        let mut hung = member.bells.hung.lock();
        hung.insert(ask.reservation.clone(), Arc::clone(&bell));
        drop(hung);
        Self {
            member,
            reservation: ask.reservation.clone(),
            locks: locks.to_vec(),
            bell,
            place: None,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let bells = &self.member.bells;
        bells.hung.lock().remove(&self.reservation);
        if self.place.is_some() {
            let who = (self.reservation.clone(), std::mem::take(&mut self.locks));
            bells.left.lock().push(who);
            self.member.nudge.notify_one();
        }
    }
}

impl Member {
    /// Asks for charges and locks; waits for locks for as long as the ask has patience.
    pub(super) async fn admit(&self, ask: &Ask) -> Result<Admission, StoreError> {
        let prepared = Prepared::of(ask);
        if prepared.locks.is_empty() || ask.patience.is_zero() {
            return match self.try_admit(ask, &prepared, "", None).await? {
                Looked::Admission(admission) | Looked::Granted { admission, .. } => Ok(admission),
                Looked::InLine { .. } => Err(trouble("an answer has an unknown form")),
            };
        }
        let mut waiting = Waiting::new(self, ask, &prepared.locks);
        let patience = tokio::time::sleep(ask.patience);
        tokio::pin!(patience);
        let (mut turn, mut pause, mut line) = (0, FIRST, "wait");
        loop {
            match self.try_admit(ask, &prepared, line, waiting.place).await? {
                Looked::Admission(admission) | Looked::Granted { admission, .. } => {
                    waiting.place = None;
                    return Ok(admission);
                }
                Looked::InLine { place } => waiting.place = Some(place),
            }
            turn += 1;
            tokio::select! {
                biased;
                () = waiting.bell.notified() => pause = FIRST,
                () = &mut patience => line = "last",
                () = tokio::time::sleep(spread(pause, &ask.reservation, turn)) => {
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    /// One look at an ask.
    async fn try_admit(
        &self,
        ask: &Ask,
        prepared: &Prepared,
        line: &str,
        place: Option<i64>,
    ) -> Result<Looked, StoreError> {
        self.tell_left().await?;
        let args = prepared.admit(self.waits(), line, place);
        let answer = self.store.ask(&ADMIT, &args, How::strict(ask.now)).await?;
        let said = (answer.word.as_str(), answer.values.as_slice());
        let looked = prepared.read(said, answer.epoch, self.moment(ask))?;
        if let Looked::Granted { grants, .. } = &looked {
            self.store.granted(answer.epoch, *grants);
            if !prepared.has_gauge() {
                self.underway
                    .made(&ask.reservation, &ask.locks, Instant::now());
            }
        }
        Ok(looked)
    }
}

/// A pause, longer or shorter by up to a half: two that wait do not always ask at once.
fn spread(pause: Duration, reservation: &EntryId, turn: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (reservation, turn).hash(&mut hasher);
    let share = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
    pause / 2 + pause * share / 1_000
}
