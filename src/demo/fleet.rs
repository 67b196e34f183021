//! `writegate demo --fleet`: two replicas in processes of their own before one sandbox CRM, on a Redis and
//! a PostgreSQL of their own. What is stopped, pushed or approved at one holds at the other.

mod process;
mod replica;
mod stores;
mod tour;

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::runtime;

use self::replica::Replica;
use self::stores::Stores;
use super::cast::{AGENTS, Secrets};
use super::client::trusting;
use super::folder::Folder;
use super::paper::Paper;
use super::verbs::Verbs;
use super::{DemoError, Ended};
use crate::clock::{Clock, SystemClock, SystemEntropy, entry_id};
use crate::sandbox::{Options, Running, Sandbox, Token};
use crate::server::{Signals, Trigger};
use crate::tls::{self, DevCerts};

/// The replicas.
const NAMES: [&str; 2] = ["one", "two"];

/// Everything that runs.
struct Fleet {
    // in the order in which they end
    replicas: Vec<Replica>,
    _stores: Stores,
    folder: Folder,
}

/// What it is made of.
struct Kit {
    name: String,
    certs: DevCerts,
    secrets: Secrets,
    sandbox: String,
}

/// Starts two replicas, shows that they are one, and, with `stay`, leaves them running until TERM or INT.
/// Blocks.
///
/// # Errors
/// [`DemoError`]; that a step does something else is no error but [`Ended::Otherwise`].
pub fn run(paper: &mut Paper<'_>, stay: bool, verbs: Verbs) -> Result<Ended, DemoError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| DemoError::Start(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(serve(paper, stay, verbs))
}

async fn serve(paper: &mut Paper<'_>, stay: bool, verbs: Verbs) -> Result<Ended, DemoError> {
    tls::install_provider();
    let signals = Signals::caught().map_err(|error| DemoError::Start(error.to_string()))?;
    let trigger = Trigger::new();
    let mut shutdown = trigger.shutdown();
    drop(tokio::spawn(signals.pull(trigger)));
    let (now, entropy) = (SystemClock.now(), SystemEntropy::default());
    let secrets = Secrets::new(&entropy);
    let sandbox = sandbox(&secrets)
        .await
        .map_err(|error| DemoError::Start(format!("the sandbox cannot listen: {error}")))?;
    let kit = Arc::new(Kit {
        name: entry_id(now, &entropy).as_str().to_owned(),
        certs: tls::dev_ca(now).map_err(|error| DemoError::Start(error.to_string()))?,
        secrets,
        sandbox: sandbox.base_url(),
    });
    paper.gap()?;
    paper.text("Starting Redis, PostgreSQL and two replicas …")?;
    paper.flush()?;
    let making = Arc::clone(&kit);
    let starting = tokio::task::spawn_blocking(move || Fleet::start(&making)).await;
    let fleet = starting.map_err(|error| DemoError::Start(error.to_string()))?;
    let fleet = fleet.map_err(DemoError::Start)?;
    let tls = trusting(&kit.certs.ca).map_err(DemoError::Start)?;
    let mut tour = tour::Tour::new(&fleet, &kit.secrets, (tls, verbs), paper);
    let ended = tokio::select! {
        ended = tour.run() => ended?,
        () = shutdown.started() => Ended::Interrupted,
    };
    if stay && ended != Ended::Interrupted {
        tour.pointers()?;
        shutdown.started().await;
    }
    // the replicas finish what is under way, for which the sandbox has to answer
    let ending = tokio::task::spawn_blocking(move || drop(fleet)).await;
    ending.map_err(|error| DemoError::Start(error.to_string()))?;
    drop(sandbox);
    Ok(ended)
}

impl Fleet {
    fn start(kit: &Kit) -> Result<Self, String> {
        let files = |error: std::io::Error| format!("the demo's files: {error}");
        let folder = Folder::make(&kit.name).map_err(files)?;
        folder.certify(&kit.certs).map_err(files)?;
        let password = kit.secrets.release();
        let stores = Stores::start(folder.path(), &kit.name, &password)?;
        let replicas = NAMES.iter().map(|name| {
            let crm = (kit.sandbox.as_str(), &kit.secrets);
            Replica::start(name, &folder, &stores.lines, crm)
        });
        Ok(Self {
            replicas: replicas.collect::<Result<_, _>>()?,
            _stores: stores,
            folder,
        })
    }
}

async fn sandbox(secrets: &Secrets) -> std::io::Result<Running> {
    let mut options = Options::with_token(secrets.release());
    let agents = AGENTS.iter().flat_map(|agent| agent.tokens());
    options.tokens.extend(agents.map(Token::new));
    Sandbox::start((Ipv4Addr::LOCALHOST, 0).into(), options).await
}
