//! All that a request can reach: configuration, rules, stores, clock, the routes. Opened once; each
//! runtime makes a [`Worker`] of its own, with connections of its own.

mod ending;
pub(crate) mod state;
mod strangers;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;

pub use self::strangers::Strangers;
use crate::clock::{self, Clock, Entropy, EntryId};
use crate::config::{Config, Route};
use crate::control::{ControlState, Health};
use crate::credential::Keyring;
use crate::crm::Crm;
use crate::crm::catalog::Catalog;
use crate::crm::links::Origins;
use crate::crm::quota::Quota;
use crate::doubt::Book;
use crate::error::StoreError;
use crate::follow::Follow;
use crate::gate;
use crate::hold;
use crate::hold::decide::Desk;
use crate::journal::Journal;
use crate::learned;
use crate::ledger::Ledger;
use crate::limits::LiveLimits;
use crate::metrics::{Metrics, Tally};
use crate::policy::RuleSet;
use crate::proxy::actor::Callers;
use crate::proxy::jobs::Jobs;
use crate::push::{self, Standing};
use crate::quota::Told;
use crate::reload::Reloads;
use crate::server::{self, InflightGuard};
use crate::tls::Live;
use crate::upstream::{Destination, Heard, Upstream};

/// What was opened for this process.
#[derive(Debug)]
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The rules in force.
    pub rules: ArcSwap<RuleSet>,
    /// Where they come from.
    pub standing: ArcSwap<Standing>,
    /// Limits, switches, locks.
    pub control: Arc<dyn ControlState>,
    /// The journal over the ledger.
    pub journal: Journal,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Who is who.
    pub callers: Callers,
    /// The CRM credentials that the proxy holds itself.
    pub keyring: Arc<Keyring>,
    /// The routes, in the order of the configuration.
    pub routes: Vec<RouteState>,
    /// What waits for people.
    pub holds: hold::Book,
    /// Writes under way.
    pub inflight: Inflight,
    /// What is counted.
    pub metrics: Metrics,
    /// Limits set at run time.
    pub limits: LiveLimits,
    /// What logins brought.
    pub learned: learned::Book,
    /// Reloads of the rules.
    pub reloads: Reloads,
    /// Writes in doubt, and what was settled lately.
    pub doubts: Book,
    /// Bulk jobs that the CRM works on.
    pub jobs: Jobs,
    /// How far what other replicas wrote is known here.
    pub follow: Follow,
    /// What a crash left open, found at the start: in doubt.
    pub found_open: Vec<EntryId>,
    /// How much of what nobody we know asks for is recorded.
    pub strangers: Strangers,
    /// Throwing, resuming and their rows, one at a time.
    pub switching: tokio::sync::Mutex<()>,
    /// What shakes hands on each route's listener, for reloads.
    certificates: RwLock<Vec<Option<Live>>>,
    /// The runtimes that send, for [`App::confirm`].
    runtimes: RwLock<Vec<Handle>>,
    /// The workers that serve, for what no request carries. They know the app, so it must not keep
    /// them.
    workers: RwLock<Vec<(Handle, Weak<Worker>)>>,
}

/// A route and what was learned of its org.
#[derive(Debug)]
pub struct RouteState {
    /// Its configuration.
    pub route: Route,
    /// Its CRM.
    pub crm: Crm,
    /// The addresses that it stands for.
    pub origins: Origins,
    /// What was learned of its org.
    pub catalog: Catalog,
    /// What the CRM said last of its own quota.
    pub quota: Arc<Told>,
}

impl RouteState {
    /// A route of which nothing is learned yet.
    fn of(route: &Route) -> Self {
        Self {
            route: route.clone(),
            crm: Crm(route.crm),
            origins: Origins::new(route.crm, &route.upstream, &route.public_url),
            catalog: Catalog::builtin(route.crm),
            quota: Arc::default(),
        }
    }

    /// Notes what every answer of the CRM says of its quota.
    fn listener(&self, clock: &Arc<dyn Clock>) -> Heard {
        let (crm, told, clock) = (self.crm, Arc::clone(&self.quota), Arc::clone(clock));
        Heard::by(move |headers| {
            let quota = crm.quota(headers);
            if quota != Quota::default() {
                told.note(quota, clock.now());
            }
        })
    }
}

/// What an [`App`] is opened with.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The compiled rules of the folder.
    pub rules: RuleSet,
    /// Control state, empty.
    pub control: Arc<dyn ControlState>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
}

impl App {
    /// Opens: what a crash left open is marked as in doubt, control state is rebuilt from the ledger,
    /// so that a restart never lifts a kill switch nor refills a budget. Where other replicas grant by
    /// it, it is theirs and good as it is.
    ///
    /// # Errors
    /// The stores'.
    pub async fn open(parts: Parts) -> Result<Self, StoreError> {
        let Parts {
            config,
            rules,
            control,
            ledger,
            clock,
            entropy,
        } = parts;
        let routes: Vec<RouteState> = config.routes.iter().map(RouteState::of).collect();
        let metrics = Metrics::of(&routes);
        let journal = Journal::new(Arc::new(metrics.measured(ledger)));
        let now = clock.now();
        // Before anything is read: what others write meanwhile is met again behind it.
        let follow = Follow::from_here(&journal).await?;
        let start = push::start(&**journal.ledger(), &config, rules).await?;
        let (rules, standing) = (start.rules, start.standing);
        if let Some(why) = &start.barred {
            tracing::error!(%why, "writes are refused");
        }
        journal.bar(start.barred);
        let found_open = journal.sweep(now).await?;
        let doubts = Book::load(&journal, now).await?;
        let jobs = Jobs::load(&journal, now).await?;
        let holds = hold::Book::restore(&**journal.ledger(), now).await?;
        let limits = LiveLimits::of_rows(&journal.settings().await?);
        let learned = learned::Book::load(&journal, &config, now).await?;
        let host = |route: &Route| server::proxied::login(route);
        let keyring = Arc::new(Keyring::new(&config, host, &clock));
        let app = Self {
            callers: Callers::new(&config, &keyring),
            keyring,
            rules: ArcSwap::from_pointee(rules),
            standing: ArcSwap::from_pointee(standing),
            control,
            journal,
            clock,
            entropy,
            routes,
            holds,
            inflight: Inflight::default(),
            metrics,
            limits,
            learned,
            reloads: Reloads::default(),
            doubts,
            jobs,
            follow,
            found_open,
            strangers: Strangers::default(),
            switching: tokio::sync::Mutex::default(),
            certificates: RwLock::default(),
            runtimes: RwLock::default(),
            workers: RwLock::default(),
            config,
        };
        app.catch_up().await?;
        match state::begin(&app).await {
            Ok(()) => {}
            // Reads need no control state, and it may be there again soon.
            Err(error) if error.transient => tracing::error!(%error, "writes are refused"),
            Err(error) => return Err(error),
        }
        // A clock behind the ledger stops writes (P9), not the start.
        let now = app.clock.now();
        match app.journal.writable(now) {
            Ok(()) => {
                let control = app.config.control.word();
                app.journal
                    .started(&app.entry_id(now), control, now)
                    .await?
            }
            Err(error) => tracing::error!(%error, "writes are refused"),
        }
        Ok(app)
    }

    /// A new entry's id.
    #[must_use]
    pub fn entry_id(&self, now: Timestamp) -> EntryId {
        clock::entry_id(now, &*self.entropy)
    }

    /// What a decision about a hold is made with.
    #[must_use]
    pub fn desk(&self) -> Desk<'_> {
        Desk {
            ledger: &**self.journal.ledger(),
            control: &*self.control,
            config: &self.config,
            now: self.clock.now(),
        }
    }

    /// Why writes would be refused now; empty: they would not.
    pub async fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Err(error) = self.journal.ledger().heads().await {
            reasons.push(format!("the ledger does not answer: {error}"));
        }
        if let Err(error) = self.journal.writable(self.clock.now()) {
            reasons.push(error.to_string());
        }
        if !gate::fresh(&self.control.switches(), self.clock.now()) {
            reasons.push("the view of the kill switches is too old".into());
        }
        match self.control.health() {
            Health::Good => {}
            Health::Trouble(why) | Health::Lost(why) => reasons.push(why),
        }
        reasons
    }

    /// What does not keep writes from passing, but is not as it should be.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        let reloads = self.reloads.degraded().into_iter();
        reloads.chain(self.keyring.trouble()).collect()
    }

    /// The same for whoever asks, without a token.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let reloads = self.reloads.notice().into_iter();
        reloads.chain(self.keyring.trouble()).collect()
    }

    /// How many entries are in doubt.
    ///
    /// # Errors
    /// The ledger's.
    pub async fn in_doubt(&self) -> Result<usize, StoreError> {
        let doubted = crate::journal::read::doubted(&**self.journal.ledger()).await?;
        Ok(doubted.len())
    }

    /// Makes known what shakes hands on each route's listener, in their order.
    pub fn shows(&self, certificates: Vec<Option<Live>>) {
        *self.certificates.write() = certificates;
    }

    /// The same, for those that are put in their place.
    pub(crate) fn certificates(&self) -> Vec<Option<Live>> {
        self.certificates.read().clone()
    }

    /// Makes a worker known, on its own runtime; true for the first one.
    pub fn enlist(&self, worker: &Arc<Worker>) -> bool {
        let mut workers = self.workers.write();
        if let Ok(handle) = Handle::try_current() {
            workers.push((handle, Arc::downgrade(worker)));
        }
        workers.len() == 1
    }

    /// A worker that still serves, and its runtime.
    #[must_use]
    pub fn worker(&self) -> Option<(Handle, Arc<Worker>)> {
        let workers = self.workers.read();
        workers
            .iter()
            .find_map(|(handle, worker)| Some((handle.clone(), worker.upgrade()?)))
    }

    /// Returns when no runtime of this process can still send a first byte on an older view of the
    /// switches: between the last look and the socket there is no await, only this runtime's queue,
    /// which has been worked off when a task behind it runs.
    pub async fn confirm(&self) {
        let handles = self.runtimes.read().clone();
        for handle in handles {
            let queued = handle.spawn(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
            if queued.await.is_err() {
                tracing::debug!("a runtime that has ended sends nothing");
            }
        }
    }
}

/// One runtime's share: the app, and its own connections.
#[derive(Debug)]
pub struct Worker {
    /// What all share.
    pub app: Arc<App>,
    /// The ways to the CRMs, by the place of the route.
    pub upstreams: Vec<Upstream>,
    /// Counters of its own, by the place of the route.
    pub tallies: Vec<Arc<Tally>>,
}

impl Worker {
    /// A worker on the runtime that calls this; `destinations` has one for each route, in their
    /// order.
    #[must_use]
    pub fn new(app: Arc<App>, destinations: &[Destination]) -> Self {
        if let Ok(handle) = Handle::try_current() {
            app.runtimes.write().push(handle);
        }
        let ways = app.routes.iter().zip(destinations);
        let upstreams: Vec<Upstream> = ways
            .map(|(state, way)| Upstream::to(way, state.listener(&app.clock), &app.keyring))
            .collect();
        let places = upstreams.iter().enumerate();
        let tallies = places
            .map(|(place, upstream)| app.metrics.tally(place, upstream.traffic()))
            .collect();
        Self {
            app,
            upstreams,
            tallies,
        }
    }

    /// The same for the operators' side, which sends what people ask for.
    ///
    /// # Errors
    /// When a route's CA file or address cannot be used.
    pub fn of_operators(app: Arc<App>) -> Result<Self, String> {
        let destinations = server::proxied::destinations(&app.config.routes)?;
        Ok(Self::new(app, &destinations))
    }
}

/// Counts writes under way, so that a drain waits for their outcomes and a kill can tell them.
#[derive(Debug, Default)]
pub struct Inflight {
    all: server::Inflight,
    by_account: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// One write that is being sent; counted until dropped.
#[derive(Debug)]
pub struct Underway {
    service_account: String,
    by_account: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Inflight {
    /// Counts one more write under way, from its first lock to its closing row.
    #[must_use]
    pub fn enter(&self) -> InflightGuard {
        self.all.guard()
    }

    /// Counts one more that is being sent, or was and waits for its answer.
    #[must_use]
    pub fn sending(&self, service_account: &str) -> Underway {
        *self
            .by_account
            .lock()
            .entry(service_account.to_owned())
            .or_default() += 1;
        Underway {
            service_account: service_account.to_owned(),
            by_account: Arc::clone(&self.by_account),
        }
    }

    /// How many of a service account are being sent; `*`: of all.
    #[must_use]
    pub fn of(&self, service_account: &str) -> usize {
        let counts = self.by_account.lock();
        match service_account {
            "*" => counts.values().sum(),
            name => counts.get(name).copied().unwrap_or(0),
        }
    }

    /// The counter that a drain waits for.
    #[must_use]
    pub fn counter(&self) -> &server::Inflight {
        &self.all
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let mut counts = self.by_account.lock();
        if let Some(mine) = counts.get_mut(&self.service_account) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                counts.remove(&self.service_account);
            }
        }
    }
}
