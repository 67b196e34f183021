//! What the thread that writes is asked to do.

use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::ledger::inbox::{Append, Prepared};

#[derive(Debug)]
pub(super) enum Job {
    Append(Append),
    /// Another epoch, where it is `from`.
    Raise {
        from: u64,
        done: oneshot::Sender<Result<u64, StoreError>>,
    },
}

impl Job {
    pub(super) fn rows(&self) -> &[Prepared] {
        match self {
            Self::Append(append) => &append.rows,
            Self::Raise { .. } => &[],
        }
    }

    /// Tells the caller, `Ok` with the epoch; one that hung up does not want to know.
    pub(super) fn answer(self, result: Result<u64, StoreError>) {
        match self {
            Self::Append(append) => append.answer(result.map(|_| ())),
            Self::Raise { done, .. } => drop(done.send(result)),
        }
    }
}
