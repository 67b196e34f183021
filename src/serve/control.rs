//! Control state as the configuration names it, and what a running process does for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::ServeError;
use crate::app::{App, state};
use crate::clock::{Clock, Entropy, entry_id};
use crate::config::{Config, ControlStore};
use crate::control::memory::MemoryControl;
use crate::control::redis::{Address, Alone, Options, RedisControl, Time, WITHIN};
use crate::control::{ControlState, Health, Switch};
use crate::ledger::Ledger;

/// What could not be rebuilt is tried again after this, doubling …
const AGAIN: Duration = Duration::from_millis(250);
/// … up to this.
const AT_MOST: Duration = Duration::from_secs(5);

/// Opens it. With a ledger of its own, a replica has its deployment in Redis for itself; with one that
/// others share, it is one of them by its name.
pub(super) fn open(
    config: &Config,
    ledger: &dyn Ledger,
    clock: &Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Arc<dyn ControlState>, ServeError> {
    let url = match &config.control {
        ControlStore::Memory => return Ok(Arc::new(MemoryControl::new())),
        ControlStore::Redis(url) => url,
    };
    let address = Address::parse(url.expose());
    let address = address.map_err(|problem| ServeError::Config(format!("`control` {problem}")))?;
    let alone = || {
        let machine = machine();
        Alone {
            kin: format!("{}@{machine}", ledger.writer().unwrap_or_default()),
            process: entry_id(clock.now(), entropy).as_str().to_owned(),
        }
    };
    let options = Options {
        address,
        alone: (!ledger.shared()).then(alone),
        replica: match ledger.shared() {
            true => config.replica.clone(),
            false => machine(),
        },
        clock: Arc::clone(clock),
        time: Time::Server,
        within: WITHIN,
    };
    Ok(Arc::new(RedisControl::open(options)?))
}

/// The name of this machine.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.map(|name| name.trim().to_owned()).unwrap_or_default();
    if name.is_empty() {
        return "replica".into();
    }
    name
}

/// A view of the kill switches is confirmed when every runtime that sends acts on it. What was thrown
/// since the view before is told in the log of each replica.
pub(super) fn confirm(app: &Arc<App>) {
    let app_of_all = Arc::downgrade(app);
    let told = Arc::new(Mutex::new(Vec::new()));
    app.control.before_confirming(Arc::new(move || {
        let (app, told) = (app_of_all.upgrade(), Arc::clone(&told));
        let confirmed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            if let Some(app) = app {
                app.confirm().await;
                let new = tell(&app.control.switches().thrown, &mut told.lock());
                // the replica whose write threw it may have ended before it wrote that down
                for switch in new.into_iter().filter(|switch| switch.limit.is_some()) {
                    let (journal, now) = (app.journal.clone(), app.clock.now());
                    tokio::spawn(async move { journal.trip(&switch, now).await });
                }
            }
        });
        confirmed
    }));
}

/// Tells of those that were not told of before; returns them.
fn tell(thrown: &[Switch], told: &mut Vec<Switch>) -> Vec<Switch> {
    let new: Vec<Switch> = thrown
        .iter()
        .filter(|switch| !told.contains(switch))
        .cloned()
        .collect();
    for switch in &new {
        let Switch {
            service_account,
            by,
            reason,
            ..
        } = switch;
        tracing::warn!(%service_account, %by, %reason, "a kill switch stands");
    }
    *told = thrown.to_vec();
    new
}

/// Builds it anew whenever it is lost, until it is dropped.
pub(super) async fn rebuild(app: Arc<App>) {
    let (mut raised, mut pause) = (None, AGAIN);
    loop {
        app.control.lost().await;
        // Only one that answers can be built.
        if let Health::Lost(why) = app.control.health() {
            match state::build(&app, Some(&why), &mut raised).await {
                Ok(()) => pause = AGAIN,
                Err(error) => {
                    tracing::error!(%error, "control state is not rebuilt yet");
                    pause = (pause * 2).min(AT_MOST);
                }
            }
        }
        tokio::time::sleep(pause).await;
    }
}
