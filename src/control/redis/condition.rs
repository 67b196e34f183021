//! How the state is, as seen last: whether it can be asked, whether it grants, whether it was lost.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::control::Health;

/// A grant that failed speaks for this long, if nothing was granted since.
const GRANTS_FAIL_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Condition {
    now: Mutex<Now>,
    lost: watch::Sender<bool>,
}

#[derive(Debug)]
struct Now {
    lost: Option<String>,
    /// Why it could not be asked when it was last looked at.
    trouble: Option<String>,
    /// Why the last grant failed, and when.
    no_grant: Option<(Instant, String)>,
}

impl Condition {
    /// Nothing is known yet; where `unbuilt`, it has to be rebuilt before anything else.
    pub(super) fn new(unbuilt: bool) -> Self {
        let now = Now {
            lost: unbuilt.then(|| "control state was not built yet".into()),
            trouble: Some("Redis was not asked yet".into()),
            no_grant: None,
        };
        Self {
            now: Mutex::new(now),
            lost: watch::Sender::new(unbuilt),
        }
    }

    pub(super) fn lost(&self, why: &str) {
        let mut now = self.now.lock();
        if now.lost.is_none() {
            tracing::error!(
                why,
                "control state is lost: nothing is granted until it is rebuilt"
            );
        }
        now.lost = Some(format!("Redis lost what was granted: {why}"));
        self.lost.send_replace(true);
    }

    /// There is a state that can be used.
    pub(super) fn found(&self) {
        self.now.lock().lost = None;
        self.lost.send_replace(false);
    }

    /// It was looked at.
    pub(super) fn looked(&self, trouble: Option<String>) {
        let before = {
            let mut now = self.now.lock();
            std::mem::replace(&mut now.trouble, trouble.clone())
        };
        match (before, trouble) {
            (None, Some(why)) => {
                tracing::error!(why, "control state cannot be used: writes are refused")
            }
            (Some(_), None) => tracing::info!("Redis answers"),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Whether something was granted, and why not.
    pub(super) fn granted(&self, failed: Option<String>) {
        let mut now = self.now.lock();
        if failed.is_some() || now.no_grant.is_some() {
            now.no_grant = failed.map(|why| (Instant::now(), why));
        }
    }

    pub(super) fn health(&self) -> Health {
        let now = self.now.lock();
        if let Some(why) = &now.trouble {
            return Health::Trouble(why.clone());
        }
        if let Some(why) = &now.lost {
            return Health::Lost(why.clone());
        }
        match &now.no_grant {
            Some((at, why)) if at.elapsed() < GRANTS_FAIL_FOR => Health::Trouble(why.clone()),
            Some(_) | None => Health::Good,
        }
    }

    /// Returns when the state is lost.
    pub(super) async fn is_lost(&self) {
        let mut lost = self.lost.subscribe();
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
