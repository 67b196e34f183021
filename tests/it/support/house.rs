//! A sandbox CRM, a real proxy before it, and what a test wants to know of both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use http::Uri;
use parking_lot::Mutex;
use tempfile::TempDir;
use writegate::app::{App, Parts, Worker};
use writegate::clock::{Clock, SystemClock, SystemEntropy};
use writegate::config::{
    Admin, Config, ControlStore, Fingerprint, LedgerStore, Mode, Operator, Role, Route, Secret,
    ServiceAccount, Tls, UnknownCallers,
};
use writegate::control::ControlState;
use writegate::control::memory::MemoryControl;
use writegate::journal::read::{Entry, EntryState, Which};
use writegate::ledger::Ledger;
use writegate::ledger::sqlite::SqliteLedger;
use writegate::mutation::CrmKind;
use writegate::policy::RuleSet;
use writegate::sandbox::{Options, Running, Sandbox, Token};
use writegate::server::proxied::{self, Proxied};
use writegate::server::{self, Settings, Trigger};
use writegate::tls;

use super::canaries;
use super::client::Client;
use super::faulty::FaultyLedger;

/// What the sandbox takes; also the token of `enrichment-agent`.
pub(crate) const TOKEN: &str = "00Dxx!canary-token-of-enrichment";
/// The token of `sdr-agent`.
pub(crate) const OTHER_TOKEN: &str = "00Dxx!canary-token-of-sdr";
/// The Writegate key of `scoring-agent`.
pub(crate) const KEY: &str = "wg_canary-key-of-scoring";
/// What the sandbox takes in place of that key.
pub(crate) const BROKER: &str = "00Dxx!canary-broker-credential";
/// The token of the operator dana, an admin.
pub(crate) const OPERATOR: &str = "canary-token-of-dana";
/// The token of the operator ann, an approver.
pub(crate) const APPROVER: &str = "canary-token-of-ann";
/// The token of the operator vic, a viewer.
pub(crate) const VIEWER: &str = "canary-token-of-vic";

/// The file of the CA in a house's folder.
const CA: &str = "ca.pem";

/// Rules that let the sandbox be written to in every way that is taken apart.
pub(crate) const OPEN_RULES: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow } }
";
/// The same for HubSpot.
pub(crate) const OPEN_HUBSPOT: &str = "
crm: hubspot
default: allow
objects:
  '*': { create: { agents: allow }, delete: { agents: allow }, associate: { agents: allow } }
";

/// Something to be set otherwise before the house opens.
type Change<T> = Box<dyn FnOnce(&mut T)>;

/// How a house is built.
pub(crate) struct Builder {
    rules: Vec<(String, String)>,
    clock: Arc<dyn Clock>,
    control: Arc<dyn ControlState>,
    ledger: Option<Arc<dyn Ledger>>,
    folder: Option<Arc<TempDir>>,
    unknown_callers: UnknownCallers,
    upstream: Option<Uri>,
    crm: Option<Arc<Running>>,
    settings: Settings,
    sandbox: Vec<Change<Options>>,
    changes: Vec<Change<Config>>,
    tls: bool,
}

impl Builder {
    /// These rules in place of the open ones.
    pub(crate) fn rules(mut self, salesforce: &str) -> Self {
        self.rules = vec![("test.yaml".into(), salesforce.into())];
        self
    }

    /// One more rule file.
    pub(crate) fn and_rules(mut self, text: &str) -> Self {
        self.rules
            .push((format!("test-{}.yaml", self.rules.len()), text.into()));
        self
    }

    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Control state that a test can look into and tamper with.
    pub(crate) fn control(mut self, control: Arc<dyn ControlState>) -> Self {
        self.control = control;
        self
    }

    /// A ledger that others write, too; what they do is followed.
    pub(crate) fn ledger(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// The stores of an earlier house: a restart.
    pub(crate) fn folder(mut self, folder: &Arc<TempDir>) -> Self {
        self.folder = Some(Arc::clone(folder));
        self
    }

    pub(crate) fn unknown_callers(mut self, may: UnknownCallers) -> Self {
        self.unknown_callers = may;
        self
    }

    /// The CRM of an earlier house, as it is by now.
    pub(crate) fn crm(mut self, crm: &Arc<Running>) -> Self {
        self.crm = Some(Arc::clone(crm));
        self
    }

    /// Another upstream than the sandbox.
    pub(crate) fn upstream(mut self, upstream: &str) -> Self {
        self.upstream = Some(upstream.parse().unwrap());
        self
    }

    /// Timeouts and limits of the proxy's server.
    pub(crate) fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the sandbox up otherwise; its clock is the house's.
    pub(crate) fn sandbox(mut self, change: impl FnOnce(&mut Options) + 'static) -> Self {
        self.sandbox.push(Box::new(change));
        self
    }

    /// One more token that the sandbox takes.
    pub(crate) fn sandbox_token(self, token: &str) -> Self {
        let theirs = Token::new(token);
        self.sandbox(|options| options.tokens.push(theirs))
    }

    /// So many rows per page of a Salesforce query.
    pub(crate) fn query_page(self, rows: usize) -> Self {
        self.sandbox(move |options| options.query_page = rows)
    }

    /// Routes with TLS, under a CA of their own ([`House::ca`]).
    pub(crate) fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// One more token of `enrichment-agent`, which the sandbox takes too.
    pub(crate) fn token(self, token: &str) -> Self {
        let print = Fingerprint::of(token.as_bytes());
        self.sandbox_token(token)
            .configure(move |config| config.service_accounts[0].tokens.push(print))
    }

    /// Changes the configuration before the proxy opens.
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Config) + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    pub(crate) async fn build(self) -> House {
        canaries::watch_the_log();
        let sandbox = match self.crm {
            Some(crm) => crm,
            None => {
                let mut options = options(&self.clock);
                for change in self.sandbox {
                    change(&mut options);
                }
                let listen = "127.0.0.1:0".parse().unwrap();
                Arc::new(Sandbox::start(listen, options).await.unwrap())
            }
        };
        let folder = self
            .folder
            .unwrap_or_else(|| Arc::new(tempfile::tempdir().unwrap()));
        let upstream = self
            .upstream
            .unwrap_or_else(|| sandbox.base_url().parse().unwrap());
        let mut config = config(&upstream, self.unknown_callers);
        for change in self.changes {
            change(&mut config);
        }
        if self.tls {
            let tls = certificates(folder.path());
            for route in &mut config.routes {
                route.tls = Some(tls.clone());
            }
        }
        let rules = RuleSet::compile(&self.rules).unwrap_or_else(|errors| panic!("{errors}"));
        let entropy = Arc::new(SystemEntropy::default());
        let inner = self.ledger.unwrap_or_else(|| {
            let file = folder.path().join("ledger.db");
            unlocked(&folder);
            Arc::new(SqliteLedger::open(&file, self.clock.now(), entropy.clone()).unwrap())
        });
        let ledger = Arc::new(FaultyLedger::new(inner));
        let parts = Parts {
            config,
            rules,
            control: self.control,
            ledger: ledger.clone(),
            clock: self.clock,
            entropy,
        };
        let app = Arc::new(App::open(parts).await.unwrap());
        let (addresses, trigger, server) = serve(&app, self.settings);
        let following = tokio::spawn(writegate::follow::run(Arc::clone(&app)));
        House {
            sandbox,
            app,
            ledger,
            salesforce: addresses[0],
            hubspot: addresses[1],
            folder,
            trigger,
            server: Some(server),
            serving: Mutex::new(vec![following]),
        }
    }
}

/// Returns when nobody has the ledger's lock. Between fork and exec, a program that another test starts
/// has all that this process had open, the lock of a house that has just ended among it.
fn unlocked(folder: &TempDir) {
    if let Ok(lock) = std::fs::File::open(folder.path().join("ledger.db.lock")) {
        lock.lock().unwrap();
    }
}

/// A sandbox that takes the tokens of all service accounts.
pub(crate) fn options(clock: &Arc<dyn Clock>) -> Options {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(OTHER_TOKEN));
    options.tokens.push(Token::new(BROKER));
    options.clock = Arc::clone(clock);
    options
}

/// A CA and a listener's certificate of it, valid by the machine's clock: clients look at that one.
fn certificates(folder: &Path) -> Tls {
    let made = tls::dev_ca(SystemClock.now()).unwrap();
    std::fs::write(folder.join(CA), made.ca).unwrap();
    let (cert, key) = (folder.join("listener.pem"), folder.join("listener.key"));
    std::fs::write(&cert, made.cert).unwrap();
    std::fs::write(&key, made.key).unwrap();
    Tls {
        cert,
        key,
        client_ca: None,
    }
}

fn serve(app: &Arc<App>, settings: Settings) -> (Vec<SocketAddr>, Trigger, JoinHandle<()>) {
    let endpoints = proxied::endpoints(&app.config.routes).unwrap();
    let bound = server::bind(endpoints, settings).unwrap();
    let addresses = bound.addresses();
    let trigger = Trigger::new();
    let (app, pulled) = (Arc::clone(app), trigger.clone());
    let thread = std::thread::spawn(move || {
        let destinations = proxied::destinations(&app.config.routes).unwrap();
        let make = |_| Proxied::new(&app, &destinations);
        bound.run(make, &pulled, app.inflight.counter()).unwrap();
    });
    (addresses, trigger, thread)
}

fn route(name: &str, crm: CrmKind, upstream: &Uri) -> Route {
    Route {
        name: name.into(),
        crm,
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: "http://127.0.0.1".parse().unwrap(),
        upstream: upstream.clone(),
        login: upstream.clone(),
        tls: None,
        upstream_ca: None,
        release_credential: None,
        mode: Mode::Enforce,
    }
}

fn account(name: &str, tokens: &[&str], keys: &[&str]) -> ServiceAccount {
    let prints = |secrets: &[&str]| -> Vec<Fingerprint> {
        secrets
            .iter()
            .map(|secret| Fingerprint::of(secret.as_bytes()))
            .collect()
    };
    ServiceAccount {
        name: name.into(),
        owner: Some("kim".into()),
        tokens: prints(tokens),
        clients: Vec::new(),
        keys: prints(keys),
        credentials: vec![
            ("salesforce".into(), Secret::new(BROKER).into()),
            ("hubspot".into(), Secret::new(BROKER).into()),
        ],
        certs: Vec::new(),
    }
}

fn config(upstream: &Uri, unknown_callers: UnknownCallers) -> Config {
    Config {
        file: PathBuf::from("writegate.yaml"),
        routes: vec![
            route("salesforce", CrmKind::Salesforce, upstream),
            route("hubspot", CrmKind::HubSpot, upstream),
        ],
        admin: Admin {
            listen: "127.0.0.1:0".parse().unwrap(),
        },
        control: ControlStore::Memory,
        ledger: LedgerStore::Sqlite(PathBuf::from("ledger.db")),
        replica: "one".into(),
        rules: PathBuf::from("rules"),
        max_rows: 10_000,
        unknown_callers,
        service_accounts: vec![
            account("enrichment-agent", &[TOKEN], &[]),
            account("sdr-agent", &[OTHER_TOKEN], &[]),
            account("scoring-agent", &[], &[KEY]),
        ],
        operators: vec![
            operator("dana", Role::Admin, OPERATOR),
            operator("ann", Role::Approver, APPROVER),
            operator("vic", Role::Viewer, VIEWER),
        ],
    }
}

fn operator(name: &str, role: Role, token: &str) -> Operator {
    Operator {
        name: name.into(),
        roles: vec![role],
        teams: vec!["Sales Ops".into()],
        token: Fingerprint::of(token.as_bytes()),
    }
}

/// A running house.
pub(crate) struct House {
    pub(crate) sandbox: Arc<Running>,
    pub(crate) app: Arc<App>,
    pub(crate) ledger: Arc<FaultyLedger>,
    pub(crate) salesforce: SocketAddr,
    pub(crate) hubspot: SocketAddr,
    pub(crate) folder: Arc<TempDir>,
    trigger: Trigger,
    server: Option<JoinHandle<()>>,
    serving: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl House {
    /// A house with open rules.
    pub(crate) fn builder() -> Builder {
        Builder {
            rules: vec![
                ("salesforce.yaml".into(), OPEN_RULES.into()),
                ("hubspot.yaml".into(), OPEN_HUBSPOT.into()),
            ],
            clock: Arc::new(SystemClock),
            control: Arc::new(MemoryControl::new()),
            ledger: None,
            folder: None,
            unknown_callers: UnknownCallers::Deny,
            upstream: None,
            crm: None,
            settings: Settings::default(),
            sandbox: Vec::new(),
            changes: Vec::new(),
            tls: false,
        }
    }

    /// `enrichment-agent` on the Salesforce route.
    pub(crate) fn agent(&self) -> Client {
        Client::new(self.salesforce, TOKEN)
    }

    /// `enrichment-agent` on the HubSpot route.
    pub(crate) fn hubspot_agent(&self) -> Client {
        Client::new(self.hubspot, TOKEN)
    }

    /// The same agent on a CRM's route.
    pub(crate) fn agent_of(&self, crm: CrmKind) -> Client {
        match crm {
            CrmKind::Salesforce => self.agent(),
            CrmKind::HubSpot => self.hubspot_agent(),
        }
    }

    /// `sdr-agent` on the Salesforce route.
    pub(crate) fn other_agent(&self) -> Client {
        Client::new(self.salesforce, OTHER_TOKEN)
    }

    /// Serves the operators' side, until this runtime ends.
    pub(crate) async fn operators(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = writegate::admin::router(Arc::clone(&self.app));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        self.serving.lock().push(serving);
        address
    }

    /// A worker on the test's own runtime: what the clockwork uses.
    pub(crate) fn worker(&self) -> Worker {
        let destinations = proxied::destinations(&self.app.config.routes).unwrap();
        Worker::new(Arc::clone(&self.app), &destinations)
    }

    /// Returns when no write is under way.
    pub(crate) async fn idle(&self) {
        self.app.inflight.counter().none().await;
    }

    /// What clients of a house with TLS have to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join(CA)
    }

    /// The newest entries, newest first.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        writegate::journal::read::entries(&*self.ledger, &Which::default(), 100_000)
            .await
            .unwrap()
            .0
    }

    /// How many entries stand so.
    pub(crate) async fn count(&self, state: EntryState) -> usize {
        self.entries()
            .await
            .iter()
            .filter(|entry| entry.state == state)
            .count()
    }

    /// Ends the proxy the orderly way, and checks what no test asks for: each write that the CRM saw
    /// has exactly one opened entry, and the chain holds.
    pub(crate) async fn finish(mut self) {
        self.stop().await;
        let opened = self
            .entries()
            .await
            .iter()
            .filter(|entry| was_sent(entry.state))
            .count();
        assert_eq!(
            self.sandbox.writes().len(),
            opened,
            "writes at the CRM, entries opened"
        );
        let verified = self.ledger.verify(&[]).await.unwrap();
        assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    }

    /// Ends the proxy the orderly way and lets go of its stores, which the next house may open.
    pub(crate) async fn close(mut self) -> Arc<TempDir> {
        self.stop().await;
        for serving in self.serving.lock().drain(..) {
            serving.abort();
        }
        let (folder, ledger) = (Arc::clone(&self.folder), Arc::downgrade(&self.ledger));
        drop(self);
        // Connections of operators end on this runtime.
        while ledger.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        folder
    }

    /// Ends the proxy the orderly way. Nothing that it has kept or logged is a secret (P12).
    pub(crate) async fn stop(&mut self) {
        self.trigger.pull();
        if let Some(server) = self.server.take() {
            // The sandbox answers on this runtime meanwhile.
            tokio::task::spawn_blocking(|| server.join().unwrap())
                .await
                .unwrap();
        }
        canaries::none_in_ledger(self.folder.path());
        canaries::none_logged();
    }
}

fn was_sent(state: EntryState) -> bool {
    !matches!(
        state,
        EntryState::Refused
            | EntryState::Switch
            | EntryState::Setting
            | EntryState::NotSent
            | EntryState::Held
            | EntryState::Rejected
            | EntryState::Expired
    )
}

impl Drop for House {
    fn drop(&mut self) {
        self.trigger.pull();
        for serving in self.serving.lock().drain(..) {
            serving.abort();
        }
    }
}
