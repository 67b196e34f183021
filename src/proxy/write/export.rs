//! Exports too large to hold: judged and recorded before, the answer streams to the agent as fast as it
//! reads, and the entry closes at its end.

use std::sync::Arc;

use http::{Response, StatusCode};
use tokio::sync::mpsc::{self, Sender};

use super::Write;
use super::through::{Sending, mark};
use crate::app::{App, Underway};
use crate::clock::EntryId;
use crate::journal::{Closing, Journaled};
use crate::mutation::{ChangeSet, Operation, Outcome, OutcomeState};
use crate::proxy::headers;
use crate::upstream::{Begun, Body, Piece};

/// Parts of the answer on their way to the agent.
const PIECES: usize = 2;

/// Whether a change set changes nothing and takes data out.
pub(super) fn exports(changes: &ChangeSet) -> bool {
    let mutations = changes.mutations();
    let export = |operation| operation == Operation::Export;
    !mutations.is_empty() && mutations.iter().all(|one| export(one.operation))
}

/// The answer, and what closes its entry when it was handed on.
pub(super) fn streamed(
    write: &Write,
    sending: &Sending,
    journaled: Journaled,
    begun: Box<Begun>,
    underway: Underway,
) -> Response<Body> {
    let (pieces, handed_on) = mpsc::channel(PIECES);
    let mut response = Response::new(Body::Piped(handed_on, begun.length()));
    *response.status_mut() = begun.status;
    response.headers_mut().clone_from(&begun.headers);
    headers::to_answer(response.headers_mut());
    mark(write, sending, &mut response);
    let stream = Stream {
        app: Arc::clone(&write.worker.app),
        reservation: write.reservation.clone(),
        count: sending.changes.mutations().len(),
        status: begun.status,
        service_account: write.actor.service_account.clone(),
        _underway: underway,
    };
    drop(tokio::spawn(async move {
        let note = stream.hand_on(*begun, &pieces).await;
        drop(pieces);
        stream.close(journaled, note).await;
    }));
    response
}

/// An answer on its way.
struct Stream {
    app: Arc<App>,
    reservation: EntryId,
    count: usize,
    status: StatusCode,
    service_account: String,
    /// Counted as being sent until it is closed.
    _underway: Underway,
}

impl Stream {
    /// Hands the parts on; why not all of them.
    async fn hand_on(&self, mut begun: Begun, pieces: &Sender<Piece>) -> Option<String> {
        let mut passed = 0;
        loop {
            let (piece, length) = match begun.next().await {
                Ok(Some(bytes)) => {
                    let length = bytes.len();
                    (Piece::Data(bytes), Some(length))
                }
                Ok(None) => (Piece::End, None),
                Err(why) => {
                    return Some(format!("the answer broke off after {passed} bytes: {why}"));
                }
            };
            if self.is_stopped() {
                return Some(format!("cut off by the kill switch after {passed} bytes"));
            }
            if pieces.send(piece).await.is_err() {
                return Some(format!("the agent hung up after {passed} bytes"));
            }
            match length {
                Some(length) => passed += length,
                None => return None,
            }
        }
    }

    /// Whether its service account may not even read any more.
    fn is_stopped(&self) -> bool {
        let switches = self.app.control.switches();
        switches.stops(&self.service_account, false).is_some()
    }

    async fn close(self, journaled: Journaled, note: Option<String>) {
        let state = match self.status.as_u16() {
            200..=299 => OutcomeState::Done,
            400..=499 => OutcomeState::Failed,
            _ => OutcomeState::Unknown,
        };
        let closing = Closing {
            status: Some(self.status.as_u16()),
            sent: true,
            outcomes: vec![Outcome::of(state); self.count],
            note,
        };
        let closing = (&closing, None);
        self.app.close(journaled, closing, &self.reservation).await;
    }
}
