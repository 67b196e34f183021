//! Scripted faults: what goes wrong with the next requests that match, and the gates at which requests
//! wait until a test lets them on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What a fault's predicate sees.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method on the request line.
    pub method: &'a Method,
    /// The raw path, without the query.
    pub path: &'a str,
    /// The raw query; empty without one.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection closes once the head was read; nothing changes.
    CloseBeforeBody,
    /// The connection closes once the body was read; nothing changes.
    CloseBeforeEffect,
    /// The request does what it says, then the connection closes without an answer.
    CloseAfterEffect,
    /// The request waits before it has an effect.
    WaitBeforeEffect(Gate),
    /// The request waits between its effect and the answer.
    WaitAfterEffect(Gate),
    /// This answer in place of the right one; nothing changes.
    Answer {
        /// The status.
        status: u16,
        /// Headers, besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: Bytes,
    },
    /// The request does what it says; the answer is cut off by an orderly close.
    Cut {
        /// Bytes that are sent, counted from the status line.
        keep: usize,
    },
    /// The request does what it says; the answer is cut off by a reset.
    Reset {
        /// Bytes that are sent, counted from the status line.
        keep: usize,
    },
}

/// A place where requests wait until the test opens it. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Sides>);

#[derive(Debug)]
struct Sides {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Sides {
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        }))
    }

    /// Returns once `count` requests have come to the gate, whether or not it is open.
    pub async fn arrived(&self, count: usize) {
        reached(&self.0.arrived, |&arrived| arrived >= count).await;
    }

    /// Lets everyone through, from now on.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    pub(super) async fn pass(&self) {
        self.0.arrived.send_modify(|arrived| *arrived += 1);
        reached(&self.0.open, |&open| open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

async fn reached<T>(side: &watch::Sender<T>, until: impl FnMut(&T) -> bool) {
    // The sender lives in the gate that is borrowed here, so the channel cannot close meanwhile.
    if side.subscribe().wait_for(until).await.is_err() {
        tracing::error!("a gate was closed for good");
    }
}

type Matches = Box<dyn Fn(&Head<'_>) -> bool + Send + Sync>;

struct Script {
    matches: Matches,
    left: usize,
    fault: Fault,
}

/// The faults still to come.
#[derive(Default)]
pub(super) struct Faults(Mutex<Vec<Script>>);

impl Faults {
    pub(super) fn add(&self, matches: Matches, times: usize, fault: Fault) {
        self.0.lock().push(Script {
            matches,
            left: times,
            fault,
        });
    }

    /// The faults of this request; each is used up by one.
    pub(super) fn take(&self, head: &Head<'_>) -> Vec<Fault> {
        let mut scripts = self.0.lock();
        let mut faults = Vec::new();
        for script in scripts.iter_mut() {
            if script.left > 0 && (script.matches)(head) {
                script.left -= 1;
                faults.push(script.fault.clone());
            }
        }
        scripts.retain(|script| script.left > 0);
        faults
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({} scripts)", self.0.lock().len())
    }
}
