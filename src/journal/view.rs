//! How far this process knows what other writers of the ledger did.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::error::StoreError;

/// A view of the others that is older than this refuses writes (P5, P9).
const VIEW_FOR: SignedDuration = SignedDuration::from_secs(2);

/// What is known of the others.
#[derive(Debug)]
pub struct View(Mutex<Seen>);

#[derive(Clone, Copy, Debug)]
enum Seen {
    /// There are no others.
    Alone,
    /// Nothing of what they did is known yet.
    Nothing,
    /// Everything that they had written at this moment.
    Until(Timestamp),
}

impl View {
    /// At the start.
    #[must_use]
    pub(super) fn new(shared: bool) -> Self {
        Self(Mutex::new(if shared { Seen::Nothing } else { Seen::Alone }))
    }

    /// Everything that others had written at this moment is known here.
    pub fn caught_up(&self, at: Timestamp) {
        let mut seen = self.0.lock();
        if !matches!(*seen, Seen::Alone) {
            // The later word counts, whatever the clock did meanwhile.
            *seen = Seen::Until(at);
        }
    }

    /// Whether the view is young enough to let writes pass.
    ///
    /// # Errors
    /// Why not.
    pub fn fresh(&self, now: Timestamp) -> Result<(), StoreError> {
        let what = match *self.0.lock() {
            Seen::Alone => return Ok(()),
            Seen::Until(at) if now.duration_since(at).abs() <= VIEW_FOR => return Ok(()),
            Seen::Until(at) => format!("what other replicas did since {at} is not known here"),
            Seen::Nothing => "what other replicas did is not known here yet".to_owned(),
        };
        Err(StoreError::new("ledger", what, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_view_is_good_for_two_seconds() {
        let view = View::new(true);
        assert!(view.fresh(at(0)).is_err());
        view.caught_up(at(0));
        assert!(view.fresh(at(2)).is_ok());
        assert!(view.fresh(at(3)).is_err());
        view.caught_up(at(3));
        assert!(view.fresh(at(3)).is_ok());
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_view_young() {
        let view = View::new(true);
        view.caught_up(at(10));
        assert!(view.fresh(at(0)).is_err());
        view.caught_up(at(0));
        assert!(view.fresh(at(1)).is_ok());
    }

    #[test]
    fn who_is_alone_knows_all() {
        assert!(View::new(false).fresh(at(0)).is_ok());
    }
}
