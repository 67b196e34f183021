//! What the demo runs: the sandbox CRM, two routes with TLS before it, the operators' side, all in this
//! process and on this machine alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::DemoError;
use super::cast::{AGENTS, Agent, DANA, Operator, Secrets};
use super::client::{Client, trusting};
use super::folder::{Folder, Listens};
use super::verbs::Verbs;
use crate::app::App;
use crate::clock::{Clock, SystemClock, SystemEntropy, entry_id};
use crate::config::{Environment, load};
use crate::mutation::CrmKind;
use crate::policy;
use crate::sandbox::{Options, Running, Sandbox, Token};
use crate::serve::{self, Opened, ServeError};
use crate::tls;

/// The ports that the demo likes to have: Salesforce, HubSpot, operators.
const USUAL: [u16; 3] = [8443, 8444, 9090];

/// Everything but the thread that serves.
#[derive(Debug)]
pub(super) struct House {
    pub(super) app: Arc<App>,
    pub(super) sandbox: Running,
    pub(super) listens: Listens,
    /// The usual ports that somebody else has.
    pub(super) taken: Vec<u16>,
    pub(super) secrets: Secrets,
    /// The command line that its operators have.
    pub(super) verbs: Verbs,
    tls: Tls,
    /// Last, so that it goes when nobody writes to it any more.
    pub(super) folder: Folder,
}

struct Tls(TlsConnector);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl House {
    /// Builds it; nothing is served yet. The sandbox answers while `runtime` runs.
    pub(super) fn build(runtime: &Runtime, verbs: Verbs) -> Result<(Self, Opened), DemoError> {
        tls::install_provider();
        let now = SystemClock.now();
        let entropy = SystemEntropy::default();
        let secrets = Secrets::new(&entropy);
        let files = |error: std::io::Error| DemoError::Start(format!("the demo's files: {error}"));
        let folder = Folder::make(entry_id(now, &entropy).as_str()).map_err(files)?;
        let certs = tls::dev_ca(now).map_err(|error| DemoError::Start(error.to_string()))?;
        folder.certify(&certs).map_err(files)?;
        let sandbox = runtime
            .block_on(sandbox(&secrets))
            .map_err(|error| DemoError::Start(format!("the sandbox cannot listen: {error}")))?;
        let (opened, listens) = open(&folder, &sandbox, &secrets)?;
        let usual = [listens.salesforce, listens.hubspot, listens.admin];
        let moved = USUAL.iter().zip(usual);
        let taken = moved.filter(|(port, got)| **port != got.port());
        let house = Self {
            app: Arc::clone(opened.app()),
            sandbox,
            listens,
            taken: taken.map(|(port, _)| *port).collect(),
            secrets,
            verbs,
            tls: Tls(trusting(&certs.ca).map_err(DemoError::Start)?),
            folder,
        };
        Ok((house, opened))
    }

    /// An agent before a route: it knows the base URL, its token and the CA.
    pub(super) fn agent(&self, agent: Agent, crm: CrmKind) -> Client {
        Client::new(
            self.listens.of(crm),
            agent.token(crm),
            Some(self.tls.0.clone()),
        )
    }

    /// An operator before the admin listener.
    pub(super) fn operator(&self) -> Client {
        Client::new(self.listens.admin, self.secrets.of(DANA), None)
    }

    /// The variables that lead an operator's verbs to this house.
    pub(super) fn variables(&self, operator: Operator) -> [(&'static str, String); 3] {
        [
            ("WRITEGATE_ADMIN", format!("http://{}", self.listens.admin)),
            ("WRITEGATE_TOKEN", self.secrets.of(operator)),
            (
                "WRITEGATE_CONFIG",
                self.folder.config().display().to_string(),
            ),
        ]
    }
}

async fn sandbox(secrets: &Secrets) -> std::io::Result<Running> {
    let mut options = Options::with_token(secrets.release());
    let agents = AGENTS.iter().flat_map(|agent| agent.tokens());
    options.tokens.extend(agents.map(Token::new));
    Sandbox::start((Ipv4Addr::LOCALHOST, 0).into(), options).await
}

/// Opens the proxy on the usual ports, those that are taken replaced by free ones. Between the look at
/// a port and its use somebody can take it: then all are free ones.
fn open(
    folder: &Folder,
    sandbox: &Running,
    secrets: &Secrets,
) -> Result<(Opened, Listens), DemoError> {
    let mut refused = None;
    for wanted in [USUAL, [0; 3], [0; 3]] {
        let listens = free(wanted).map_err(|error| DemoError::Start(error.to_string()))?;
        match open_at(folder, listens, sandbox, secrets) {
            Err(DemoError::Serve(ServeError::Start(what))) => refused = Some(what),
            Err(error) => return Err(error),
            Ok(opened) => return Ok((opened, listens)),
        }
    }
    Err(ServeError::Start(refused.unwrap_or_default()).into())
}

fn open_at(
    folder: &Folder,
    listens: Listens,
    sandbox: &Running,
    secrets: &Secrets,
) -> Result<Opened, DemoError> {
    folder
        .configure(listens, &sandbox.base_url(), secrets)
        .map_err(|error| DemoError::Start(format!("the demo's files: {error}")))?;
    let config = load(Some(&folder.config()), &Environment::new())
        .map_err(|errors| DemoError::Start(errors.to_string()))?;
    let rules =
        policy::load(&config.rules).map_err(|errors| DemoError::Start(errors.to_string()))?;
    let teams = config.operators.iter().flat_map(|operator| &operator.teams);
    let rules = rules.with_teams(teams.cloned());
    Ok(serve::open(config, Ok(rules))?)
}

/// For each port itself if it is free, else one that is; 0 takes a free one.
fn free(wanted: [u16; 3]) -> std::io::Result<Listens> {
    let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let had = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).or_else(|_| any());
    // All three are held until all are found, so that they differ.
    let [salesforce, hubspot, admin] = wanted.map(had);
    let at =
        |listener: std::io::Result<TcpListener>| -> std::io::Result<(TcpListener, SocketAddr)> {
            let listener = listener?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
    let (salesforce, hubspot, admin) = (at(salesforce)?, at(hubspot)?, at(admin)?);
    Ok(Listens {
        salesforce: salesforce.1,
        hubspot: hubspot.1,
        admin: admin.1,
    })
}
