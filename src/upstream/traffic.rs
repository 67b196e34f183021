//! What passed between a route and its CRM on one runtime, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

/// Why we talked to the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An agent's read, streamed.
    Read,
    /// A read of our own: prior values, catalogs, what became of a write.
    OwnRead,
    /// A write.
    Write,
    /// A login.
    Login,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Read, Self::OwnRead, Self::Write, Self::Login];

    /// The word of a metric's label.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::OwnRead => "own_read",
            Self::Write => "write",
            Self::Login => "login",
        }
    }
}

/// Classes of status: `1xx` to `5xx`, and no answer at all.
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// Answers by way and class of status.
#[derive(Debug, Default)]
pub struct Traffic {
    read: [AtomicU64; 6],
    own_read: [AtomicU64; 6],
    write: [AtomicU64; 6],
    login: [AtomicU64; 6],
}

impl Traffic {
    /// Counts an answer; `None`: there was none.
    pub(super) fn count(&self, way: Way, status: Option<StatusCode>) {
        let class = match status.map_or(600, |status| status.as_u16()) {
            0..=199 => 0,
            200..=299 => 1,
            300..=399 => 2,
            400..=499 => 3,
            500..=599 => 4,
            600.. => 5,
        };
        if let Some(counter) = self.of(way).get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many answers there were, in the order of [`CLASSES`].
    #[must_use]
    pub fn counts(&self, way: Way) -> [u64; 6] {
        let mut counts = [0; 6];
        for (to, from) in counts.iter_mut().zip(self.of(way)) {
            *to = from.load(Ordering::Relaxed);
        }
        counts
    }

    fn of(&self, way: Way) -> &[AtomicU64; 6] {
        match way {
            Way::Read => &self.read,
            Way::OwnRead => &self.own_read,
            Way::Write => &self.write,
            Way::Login => &self.login,
        }
    }
}
