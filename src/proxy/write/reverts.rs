//! Requests of reverts that rules hold: parked as an agent's are, for other people to decide.

use std::sync::Arc;

use http::HeaderValue;
use http::header::ACCEPT;

use super::Write;
use super::park::{Parking, requirements};
use crate::app::{App, Worker};
use crate::clock::EntryId;
use crate::crm::WriteCall;
use crate::hold::people::waits_for;
use crate::hold::{Begun, Hold, Slot, State, TakesBack};
use crate::mutation::{Actor, ChangeSet, Origin, Snapshot, Verdict};
use crate::proxy::actor::Credential;

/// A request of a revert, judged.
#[derive(Debug)]
pub struct Held {
    /// The route's place.
    pub place: usize,
    /// The operator, as entries name them.
    pub actor: Actor,
    /// What it takes back.
    pub takes_back: TakesBack,
    /// The request.
    pub call: WriteCall,
    /// What it would change.
    pub changes: ChangeSet,
    /// What the rules said.
    pub verdict: Verdict,
    /// The values that it is about to change.
    pub snapshot: Snapshot,
}

/// A revert's request that is left to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The hold's id.
    pub hold: String,
    /// How it stands: `waits for RevOps [hold 7KQ2]`.
    pub told: String,
}

/// Who is asked where rules hold a revert.
#[must_use]
pub fn asks(verdict: &Verdict) -> String {
    waits_for(&requirements(verdict))
}

/// Parks a revert's request, under an entry of its own; durable when this returns. The same one that
/// waits already is not parked twice.
///
/// # Errors
/// Why it does not wait; for people.
pub async fn park(worker: &Arc<Worker>, held: Held) -> Result<Waiting, String> {
    let app = &worker.app;
    let entry = app.entry_id(app.clock.now());
    let snapshot = held.snapshot.clone();
    let (write, mut parking) = parts(worker, &entry, held).ok_or("it makes no request")?;
    let same = write
        .same(false, &parking.bytes, &parking.changes)
        .map_err(|refusal| refusal.message)?;
    let verdict = parking.verdict.clone();
    let about = write.about(&parking.changes, &verdict);
    let alone = write.parks_alone(&same.key, &about).await;
    let epoch = match alone {
        Ok(epoch) => epoch,
        Err(refusal) => {
            write.refund().await;
            return Err(refusal.message);
        }
    };
    let turn = loop {
        match app.holds.begin(&same.key, &entry, &*app.entropy) {
            Some(Begun::New(turn)) => break turn,
            Some(Begun::There(slot)) => match standing(app, &slot).await {
                Some(hold) => {
                    write.refund().await;
                    return Ok(waiting(app, &hold));
                }
                None => app.holds.set_free(&slot),
            },
            None => {
                write.refund().await;
                return Err("no id for a hold is free".into());
            }
        }
    };
    parking.epoch = epoch;
    let row = write.held_row(&turn, &parking, &same, snapshot, Vec::new());
    let parked = write.record_park(&turn, row).await;
    match (parked, turn.hold()) {
        (Ok(()), Some(hold)) => Ok(waiting(app, &hold)),
        (Ok(()) | Err(_), _) => {
            Err("it cannot be recorded now, so it does not wait; try again".into())
        }
    }
}

/// The hold of the same request, unless something became of it.
async fn standing(app: &App, slot: &Arc<Slot>) -> Option<Arc<Hold>> {
    let turn = slot.turn().await;
    if let Err(error) = turn.expire(&app.desk()).await {
        tracing::error!(%error, hold = slot.id(), "an end is not recorded");
    }
    turn.hold().filter(|hold| hold.attaches(app.clock.now()))
}

fn waiting(app: &App, hold: &Hold) -> Waiting {
    let state = hold.state(&app.config);
    let stands = if state == State::Parked {
        format!("waits for {}", waits_for(&hold.terms.requirements))
    } else {
        format!("is {}", state.word().replace('_', " "))
    };
    Waiting {
        hold: hold.id.clone(),
        told: format!("{stands} [hold {}]", hold.id),
    }
}

fn parts(worker: &Arc<Worker>, entry: &EntryId, held: Held) -> Option<(Write, Parking)> {
    let WriteCall {
        method,
        path,
        query,
        mut headers,
        body,
    } = held.call;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let write = Write::kept(
        worker,
        held.place,
        (entry, &held.actor, Origin::Revert),
        (method.as_str(), path, query.as_deref()),
        // It is sent with the one of its release.
        (headers, Credential::None),
    )?;
    let parking = Parking {
        opaque: false,
        bytes: body,
        changes: held.changes,
        verdict: held.verdict,
        snapshot: None,
        charges: Vec::new(),
        over: Vec::new(),
        takes_back: Some(held.takes_back),
        epoch: None,
    };
    Some((write, parking))
}
