//! Several replicas on one ledger: what the others write is taken over here, row by row, so that holds,
//! doubts and live limits are the same everywhere. A process that does not know what the others did in
//! the last two seconds lets no write pass ([`View`](crate::journal::View)).
//!
//! Everything is safe to be done by all replicas at once: a step of an entry is taken by the one whose row
//! comes first. What only one that lives can do ends with it: its open writes are in doubt then (`sweep`).

mod sweep;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::app::App;
use crate::error::StoreError;
use crate::journal::Journal;
use crate::ledger::{Cursor, Row, RowKind};
use crate::limits::LiveLimits;
use crate::push;

pub use sweep::{Absent, sweep};

/// The others are looked at this often at the least, whether they are heard or not.
const LOOK_EACH: Duration = Duration::from_millis(400);
/// After a look that failed.
const AGAIN: Duration = Duration::from_millis(200);
/// Those who have ended are looked for this often.
const SWEEP_EACH: Duration = Duration::from_secs(1);

/// How far the rows of others are taken over.
#[derive(Debug, Default)]
pub struct Follow {
    place: Mutex<Place>,
    /// Looks that were begun.
    begun: AtomicU64,
}

#[derive(Debug, Default)]
struct Place {
    cursor: Cursor,
    /// The last look that came to its end.
    done: u64,
}

impl Follow {
    /// From what is written now on. To be asked before anything of it is read.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn from_here(journal: &Journal) -> Result<Self, StoreError> {
        let ledger = journal.ledger();
        let heads = match ledger.shared() {
            true => ledger.heads().await?,
            false => Vec::new(),
        };
        let place = Place {
            cursor: Cursor::behind(&heads),
            done: 0,
        };
        Ok(Self {
            place: Mutex::new(place),
            begun: AtomicU64::new(0),
        })
    }
}

impl App {
    /// Returns when everything is taken over that others had written when it was called.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let ledger = self.journal.ledger();
        if !ledger.shared() {
            return Ok(());
        }
        let before = self.follow.begun.load(Ordering::SeqCst);
        let mut place = self.follow.place.lock().await;
        if place.done > before {
            // Somebody else's look began after the call.
            return Ok(());
        }
        let number = self.follow.begun.fetch_add(1, Ordering::SeqCst) + 1;
        loop {
            let at = self.clock.now();
            let (rows, cursor) = ledger.others(&place.cursor).await?;
            if rows.is_empty() {
                self.journal.view().caught_up(at);
                place.done = number;
                return Ok(());
            }
            for row in &rows {
                apply(self, row).await?;
            }
            place.cursor = cursor;
        }
    }
}

/// Takes over one row of another writer: the one place where it is said what each kind means here. A
/// row may come twice: the second time it changes nothing.
async fn apply(app: &App, row: &Row) -> Result<(), StoreError> {
    let now = app.clock.now();
    app.doubts.follow(&app.journal, row, now).await?;
    let stores = (&**app.journal.ledger(), &*app.control);
    app.holds.follow(stores, row, now).await?;
    app.learned.follow(&app.config, row, now);
    if row.kind == RowKind::Setting && LiveLimits::concerns(row) {
        app.limits.refresh(&app.journal).await?;
    }
    push::follow(app, row).await
}

/// Follows the others until it is dropped.
pub async fn run(app: Arc<App>) {
    let ledger = Arc::clone(app.journal.ledger());
    if !ledger.shared() {
        return;
    }
    let sweeping = async {
        let mut absent = Absent::default();
        loop {
            sleep(SWEEP_EACH).await;
            if let Err(error) = sweep(&app, &mut absent).await {
                tracing::warn!(%error, "what ended replicas left open is not looked at");
            }
        }
    };
    let following = async {
        loop {
            match app.catch_up().await {
                Ok(()) => tokio::select! {
                    () = ledger.changed() => {}
                    () = sleep(LOOK_EACH) => {}
                },
                Err(error) => {
                    tracing::debug!(%error, "what the others do is not known for now");
                    sleep(AGAIN).await;
                }
            }
        }
    };
    tokio::join!(sweeping, following);
}
