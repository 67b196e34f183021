//! Opens everything that a configuration names, and serves it until told to stop: the routes on a
//! worker for each core, the operators' side and the clockwork on a thread of its own.

mod control;
mod heads;
mod stores;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;

use crate::admin;
use crate::app::{App, Parts, Worker};
use crate::clock::{Clock, SystemClock, SystemEntropy};
use crate::config::Config;
use crate::doubt;
use crate::error::StoreError;
use crate::follow;
use crate::policy::RuleSet;
use crate::proxy::{jobs, releases};
use crate::push;
use crate::reload;
use crate::rules::Unfit;
use crate::server::proxied::{self, Proxied};
use crate::server::{self, Bound, Drained, Settings, Signals, Trigger};
use crate::tls;
use crate::upstream::Destination;

/// Holds are looked after this often.
const HOLDS_EACH: Duration = Duration::from_secs(1);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration, the rules or a file they name: exit code 78.
    #[error("{0}")]
    Config(String),
    /// The machine: a port, a disk, a thread.
    #[error("{0}")]
    Start(String),
}

impl From<StoreError> for ServeError {
    fn from(error: StoreError) -> Self {
        Self::Start(error.to_string())
    }
}

/// Everything is open and bound; nothing is served yet.
#[derive(Debug)]
pub struct Opened {
    app: Arc<App>,
    bound: Bound,
    admin: TcpListener,
    destinations: Vec<Destination>,
    published: PathBuf,
    /// Of the operators' side.
    runtime: runtime::Runtime,
    signals: Signals,
}

/// Opens what `config` names, with the rules of its folder already compiled.
///
/// # Errors
/// [`ServeError`].
pub fn open(mut config: Config, rules: Result<RuleSet, Unfit>) -> Result<Opened, ServeError> {
    tls::install_provider();
    let configured = |error: &dyn std::fmt::Display| ServeError::Config(error.to_string());
    let endpoints = proxied::endpoints(&config.routes).map_err(|error| configured(&error))?;
    let destinations = proxied::destinations(&config.routes).map_err(ServeError::Config)?;
    let started = |error: &dyn std::fmt::Display| ServeError::Start(error.to_string());
    let runtime = runtime()?;
    // Before anybody can see that we are there: a TERM that comes right away is not lost.
    let signals = runtime.block_on(async { Signals::caught() });
    let signals = signals.map_err(|error| started(&error))?;
    let bound = server::bind(endpoints, Settings::default()).map_err(|error| started(&error))?;
    // Port 0 asks for a free one: from here on the configuration says which.
    for (route, address) in config.routes.iter_mut().zip(bound.addresses()) {
        route.listens_at(address);
    }
    let admin = bind_admin(config.admin.listen)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy = Arc::new(SystemEntropy::default());
    let stores = stores::ledger(&config, clock.now(), entropy.clone())?;
    runtime.block_on(stores::fits(&*stores.ledger, &config.control))?;
    let rules = folder(rules, runtime.block_on(push::is_in_force(&*stores.ledger))?)?;
    let state = control::open(&config, &*stores.ledger, &clock, &*entropy)?;
    let parts = Parts {
        config,
        rules,
        control: state,
        ledger: stores.ledger,
        clock,
        entropy,
    };
    let app = runtime.block_on(App::open(parts))?;
    runtime.block_on(stores::fits(&**app.journal.ledger(), &app.config.control))?;
    for entry in &app.found_open {
        tracing::warn!(%entry, "in doubt: the process ended before the outcome was known");
    }
    let app = Arc::new(app);
    app.shows(bound.certificates());
    control::confirm(&app);
    Ok(Opened {
        app,
        bound,
        admin,
        destinations,
        published: stores.heads,
        runtime,
        signals,
    })
}

/// The folder's rules. Where others are in force it does not matter that they are unfit: nothing is
/// judged by them, and no rules allow nothing.
fn folder(rules: Result<RuleSet, Unfit>, pushed: bool) -> Result<RuleSet, ServeError> {
    match rules {
        Ok(rules) => Ok(rules),
        Err(unfit) if pushed => {
            tracing::warn!(error = %unfit, "the folder's rules are unfit; those that were pushed are in force");
            RuleSet::compile(&[]).map_err(|errors| ServeError::Config(errors.to_string()))
        }
        Err(unfit) => Err(ServeError::Config(unfit.to_string())),
    }
}

fn bind_admin(listen: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(listen)
        .map_err(|error| ServeError::Start(format!("cannot listen on {listen}: {error}")))?;
    listener
        .set_nonblocking(true)
        .map_err(|error| ServeError::Start(format!("cannot listen on {listen}: {error}")))?;
    Ok(listener)
}

fn runtime() -> Result<runtime::Runtime, ServeError> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ServeError::Start(format!("cannot start a runtime: {error}")))
}

impl Opened {
    /// What was opened.
    #[must_use]
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The routes' addresses, in their order, with the ports that were free.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.addresses()
    }

    /// The operators' address.
    ///
    /// # Errors
    /// The system's.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until the trigger is pulled and the drain is over; blocks the calling thread.
    ///
    /// # Errors
    /// When a thread cannot be started or a worker ends by itself.
    pub fn run(self, trigger: &Trigger) -> Result<Drained, ServeError> {
        let Self {
            app,
            bound,
            admin,
            destinations,
            published,
            runtime,
            signals,
        } = self;
        let aside = {
            let (app, trigger) = (Arc::clone(&app), trigger.clone());
            let ways = destinations.clone();
            let work = move || {
                runtime.block_on(async {
                    let pulling = tokio::spawn(signals.pull(trigger.clone()));
                    let settling = doubt::tick(Worker::new(Arc::clone(&app), &ways));
                    let settling = tokio::spawn(settling);
                    let asking = jobs::tick(Worker::new(Arc::clone(&app), &ways));
                    let asking = tokio::spawn(asking);
                    operate(app, admin, published, &trigger).await;
                    settling.abort();
                    asking.abort();
                    pulling.abort();
                });
            };
            std::thread::Builder::new()
                .name("admin".into())
                .spawn(work)
                .map_err(|error| ServeError::Start(format!("cannot start a thread: {error}")))?
        };
        let make = |_| Proxied::new(&app, &destinations);
        let drained = bound
            .run(make, trigger, app.inflight.counter())
            .map_err(|error| ServeError::Start(error.to_string()));
        trigger.pull();
        if aside.join().is_err() {
            tracing::error!("the admin thread ended by a panic");
        }
        drained
    }
}

/// The operators' side and what has to be done each minute, until the shutdown begins.
async fn operate(app: Arc<App>, admin: TcpListener, published: PathBuf, trigger: &Trigger) {
    let mut shutdown = trigger.shutdown();
    let reloading = match reload::on_hangup(Arc::clone(&app)) {
        Ok(reloading) => Some(tokio::spawn(reloading)),
        Err(error) => {
            tracing::error!(%error, "SIGHUP reloads nothing");
            None
        }
    };
    let publishing = tokio::spawn(heads::publish(Arc::clone(&app), published.clone()));
    let holding = tokio::spawn(tick_holds(Arc::clone(&app)));
    let rebuilding = tokio::spawn(control::rebuild(Arc::clone(&app)));
    let following = tokio::spawn(follow::run(Arc::clone(&app)));
    let (mut ending, waited) = (shutdown.clone(), Arc::clone(&app));
    drop(tokio::spawn(async move {
        // Calls that are kept open for a decision must not keep the process.
        ending.started().await;
        waited.holds.drain();
    }));
    match tokio::net::TcpListener::from_std(admin) {
        Err(error) => tracing::error!(%error, "the operators' side cannot be served"),
        Ok(listener) => {
            let stop = async move { shutdown.started().await };
            let serving = axum::serve(listener, admin::router(Arc::clone(&app)));
            if let Err(error) = serving.with_graceful_shutdown(stop).await {
                tracing::error!(%error, "the operators' side ended");
            }
        }
    }
    app.inflight.counter().none().await;
    publishing.abort();
    holding.abort();
    rebuilding.abort();
    following.abort();
    if let Some(reloading) = reloading {
        reloading.abort();
    }
    heads::publish_once(&app, &published).await;
}

/// What time does to holds, until it is dropped.
async fn tick_holds(app: Arc<App>) {
    let mut ticks = tokio::time::interval(HOLDS_EACH);
    loop {
        ticks.tick().await;
        releases::tick(&app).await;
    }
}
