//! The demo's files: a folder of its own with configuration, rules, certificates and ledger, which goes
//! when the demo ends. It is what a user's own folder looks like, so that the other verbs work on it.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::cast::{AGENTS, OPERATORS, Secrets};
use crate::config::Fingerprint;
use crate::mutation::CrmKind;
use crate::tls::DevCerts;

/// The shipped packs with their cases, and the demo's own rules.
const RULES: [(&str, &str); 5] = [
    (
        "salesforce.yaml",
        include_str!("../../rules/salesforce.yaml"),
    ),
    (
        "salesforce.cases.yaml",
        include_str!("../../rules/salesforce.cases.yaml"),
    ),
    ("hubspot.yaml", include_str!("../../rules/hubspot.yaml")),
    (
        "hubspot.cases.yaml",
        include_str!("../../rules/hubspot.cases.yaml"),
    ),
    ("demo.yaml", include_str!("demo.yaml")),
];

/// The file of the release credential.
const RELEASE: &str = "release.token";

/// Where the routes and the operators' side listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listens {
    pub(super) salesforce: SocketAddr,
    pub(super) hubspot: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Listens {
    /// The route of a CRM.
    pub(super) fn of(self, crm: CrmKind) -> SocketAddr {
        match crm {
            CrmKind::Salesforce => self.salesforce,
            CrmKind::HubSpot => self.hubspot,
        }
    }
}

/// A folder that only its owner can read; removed when dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A new folder below the system's one for temporary files; `name` is nobody else's.
    pub(super) fn make(name: &str) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("writegate-demo-{name}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let folder = Self(path);
        let rules = folder.rules();
        DirBuilder::new().mode(0o700).create(&rules)?;
        for (name, text) in RULES {
            write(&rules.join(name), text)?;
        }
        Ok(folder)
    }

    /// Writes the certificates.
    pub(super) fn certify(&self, certs: &DevCerts) -> io::Result<()> {
        write(&self.ca(), &certs.ca)?;
        write(&self.0.join("cert.pem"), &certs.cert)?;
        write(&self.0.join("key.pem"), &certs.key)
    }

    /// Writes the configuration, and the credential that it names.
    pub(super) fn configure(
        &self,
        listens: Listens,
        sandbox: &str,
        secrets: &Secrets,
    ) -> io::Result<()> {
        let stores = "control: memory\nledger: sqlite:ledger.db\n";
        self.configure_as(&self.config(), (listens, stores), sandbox, secrets)
    }

    /// The same in a file, with the lines that name the stores.
    pub(super) fn configure_as(
        &self,
        file: &Path,
        (listens, stores): (Listens, &str),
        sandbox: &str,
        secrets: &Secrets,
    ) -> io::Result<()> {
        write(&self.0.join(RELEASE), &secrets.release())?;
        write(file, &yaml((listens, stores), sandbox, secrets))
    }

    pub(super) fn config(&self) -> PathBuf {
        self.config_of("writegate")
    }

    /// The configuration of one of several replicas.
    pub(super) fn config_of(&self, replica: &str) -> PathBuf {
        self.0.join(format!("{replica}.yaml"))
    }

    pub(super) fn rules(&self) -> PathBuf {
        self.0.join("rules")
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.db")
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "the demo's folder stays behind");
        }
    }
}

/// A file that only its owner can read: keys and field values are among them.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    io::Write::write_all(&mut options.open(path)?, text.as_bytes())
}

/// The configuration, as a user would write it.
fn yaml((listens, stores): (Listens, &str), sandbox: &str, secrets: &Secrets) -> String {
    let route = |name: &str, listen: SocketAddr| {
        format!(
            "  - name: {name}\n    crm: {name}\n    listen: {listen}\n    upstream: {sandbox}\n    \
             tls: {{ cert: cert.pem, key: key.pem }}\n    release_credential: {{ file: {RELEASE} }}\n"
        )
    };
    let agents: String = AGENTS
        .iter()
        .map(|agent| {
            let [salesforce, hubspot] =
                agent.tokens().map(|token| Fingerprint::of(token.as_bytes()));
            format!(
                "  - name: {}\n    owner: kim\n    tokens:\n      - {salesforce}\n      - {hubspot}\n",
                agent.name
            )
        })
        .collect();
    let operators: String = OPERATORS
        .iter()
        .map(|operator| {
            format!(
                "  - name: {}\n    roles: [{}]\n    teams: [{}]\n    token: {}\n",
                operator.name,
                operator.role,
                operator.teams,
                Fingerprint::of(secrets.of(*operator).as_bytes())
            )
        })
        .collect();
    format!(
        "routes:\n{}{}admin: {{ listen: {} }}\n{stores}rules: rules\nservice_accounts:\n{agents}\
         operators:\n{operators}",
        route("salesforce", listens.salesforce),
        route("hubspot", listens.hubspot),
        listens.admin,
    )
}
