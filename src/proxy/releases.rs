//! Releases that no request carries, and the clockwork of holds: what is approved goes, what nobody
//! decided ends.

use std::sync::Arc;

use crate::app::App;
use crate::hold::{self, Hold, Slot, State};

use super::write::release::release;

/// Releases one hold soon, on a runtime that sends. Nothing happens where the configuration has no
/// credential for it: then the agent's next repeat carries it.
pub fn soon(app: &Arc<App>, slot: &Arc<Slot>) {
    if !slot.look().is_some_and(|hold| goes(app, &hold)) {
        return;
    }
    let Some((runtime, worker)) = app.worker() else {
        tracing::warn!(
            hold = slot.id(),
            "approved; nothing is served that could send it"
        );
        return;
    };
    // Counted from now on, so that a drain waits for it.
    let underway = app.inflight.enter();
    let slot = Arc::clone(slot);
    drop(runtime.spawn(async move {
        drop(release(&worker, &slot, None).await);
        drop(underway);
    }));
}

/// Releases everything that is approved and can go.
pub fn all(app: &Arc<App>) {
    for slot in app.holds.slots() {
        soon(app, &slot);
    }
}

/// Ends a hold whose time is over. On a task of its own: a caller that leaves must not leave the row and
/// us apart. That it could not be recorded is told by whoever decides.
pub async fn end_if_due(app: &Arc<App>, slot: &Arc<Slot>) {
    let (app, slot) = (Arc::clone(app), Arc::clone(slot));
    let task = tokio::spawn(async move {
        if let Err(error) = slot.turn().await.expire(&app.desk()).await {
            tracing::error!(%error, hold = slot.id(), "an end is not recorded");
        }
    });
    if let Err(error) = task.await {
        tracing::error!(%error, "the end of a hold broke off");
    }
}

/// Ends what nobody decided in time, tries releases again that did not come to be, and forgets what
/// nobody needs to know. To be called every now and then.
pub async fn tick(app: &Arc<App>) {
    let now = app.clock.now();
    for slot in app.holds.slots() {
        if slot.look().is_some_and(|hold| hold.is_due(now))
            && let Err(error) = slot.turn().await.expire(&app.desk()).await
        {
            tracing::error!(%error, hold = slot.id(), "an end is not recorded");
        }
        soon(app, &slot);
    }
    app.holds.forget(now);
}

/// Whether a hold can be released now, without the agent.
fn goes(app: &App, hold: &Hold) -> bool {
    let now = app.clock.now();
    hold.state(&app.config) == State::Approved
        && !hold.is_due(now)
        && hold.retry_at.is_none_or(|at| at <= now)
        && !hold
            .behind
            .as_ref()
            .is_some_and(|entry| app.doubts.has(entry))
        && hold::credential(&app.config, hold).is_some()
}
