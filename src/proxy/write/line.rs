//! The line to the caller. A write runs on a task of its own, so a caller that has hung up has to be
//! told from one that waits: only who gets an answer was told.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::app::App;
use crate::hold::Turn;
use crate::hold::rows::delivered;

/// A write's end of the line. By default there is nobody at the other one.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// What is to be recorded once the caller has its answer.
    telling: Mutex<Option<Turn>>,
    /// Closed when the caller is gone.
    caller: Option<watch::Receiver<()>>,
}

/// The caller's end; dropped with the connection.
#[derive(Debug)]
pub(super) struct CallerEnd {
    line: Line,
    _here: watch::Sender<()>,
}

/// Opens a line, of which `near` is the write's end.
pub(super) fn open(near: &mut Line) -> CallerEnd {
    let (here, caller) = watch::channel(());
    *near = Line(Arc::new(Inner {
        telling: Mutex::default(),
        caller: Some(caller),
    }));
    CallerEnd {
        line: near.clone(),
        _here: here,
    }
}

impl Line {
    /// The answer on its way tells how a hold ended. Its turn is kept until that is on record, so that
    /// what is said once is not said to the next one too.
    pub(super) fn tells(&self, turn: Turn) {
        *self.0.telling.lock() = Some(turn);
    }

    /// Returns when the caller has hung up.
    pub(super) async fn hung_up(&self) {
        if let Some(caller) = &self.0.caller {
            let mut caller = caller.clone();
            while caller.changed().await.is_ok() {}
        }
    }
}

impl CallerEnd {
    /// The answer is handed over to the connection: what it tells is told from now on.
    pub(super) fn answered(self, app: &Arc<App>) {
        let Some(turn) = self.line.0.telling.lock().take() else {
            return;
        };
        let app = Arc::clone(app);
        let underway = app.inflight.enter();
        drop(tokio::spawn(async move {
            record(&app, &turn).await;
            drop(underway);
        }));
    }
}

/// That it is not on record makes it be told once more, no more than that.
async fn record(app: &App, turn: &Turn) {
    let Some(hold) = turn.hold().filter(|hold| hold.told.is_none()) else {
        return;
    };
    let now = app.clock.now();
    let row = delivered(&hold, now);
    let (ledger, control) = (&**app.journal.ledger(), &*app.control);
    if let Err(error) = turn.record(ledger, control, row).await {
        if error.conflict.is_some() {
            // Another replica told it, too.
            return;
        }
        tracing::error!(%error, hold = %hold.id, "a delivery is not recorded");
        return;
    }
    if turn.hold().is_some_and(|hold| !hold.attaches(now)) {
        app.holds.set_free(turn.slot());
    }
}
