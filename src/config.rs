//! The configuration: what `writegate.yaml` and `WRITEGATE_*` variables come to, checked.
//!
//! The file is the one named by `--config`, else by `WRITEGATE_CONFIG`, else `writegate.yaml` in the
//! working directory. Relative paths in it (rules, certificates, secret files, the ledger) start in
//! the file's folder. These variables take the place of a scalar; paths in them start in the working
//! directory:
//!
//! | variable | in the file | default |
//! |---|---|---|
//! | `WRITEGATE_ADMIN_LISTEN` | `admin: { listen: … }` | `127.0.0.1:9090` |
//! | `WRITEGATE_CONTROL` | `control` | `memory` |
//! | `WRITEGATE_LEDGER` | `ledger` | `sqlite:writegate.db` |
//! | `WRITEGATE_REPLICA` | `replica` | the host's name |
//! | `WRITEGATE_RULES` | `rules` | `rules` |
//! | `WRITEGATE_UNKNOWN_CALLERS` | `unknown_callers` | `deny` |
//!
//! Where replicas share `control`, it is the address of a Redis 7 or newer (or a Valkey), in a form that
//! [`crate::control::redis::Address`] tells. Its user needs the rights `+@read +@write +@connection
//! +@pubsub +@scripting +info +time` on keys and channels that begin with `wg:{DEPLOYMENT}:`.
//!
//! `WRITEGATE_ADMIN`, `WRITEGATE_CONFIG`, `WRITEGATE_LOG` and `WRITEGATE_TOKEN` belong to the command
//! line. A name that is one slip of the finger away from these, or that would be a list
//! (`WRITEGATE_ROUTES`), is a mistake; all other names are free for secrets.

mod address;
mod environment;
mod identity;
mod key;
mod load;
mod mistake;
mod name;
mod near;
mod reader;
mod route;
mod secret;
mod source;
mod tree;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::Uri;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mutation::CrmKind;

pub use environment::Environment;
pub use key::SigningKey;
pub use load::{load, load_without_secrets};
pub use mistake::ConfigErrors;
pub use near::nearest;

/// The whole configuration, checked: every field is valid by itself and with the others.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// One CRM org behind one base URL each; at least one, names and listen addresses unique.
    pub routes: Vec<Route>,
    /// The operators' side.
    pub admin: Admin,
    /// Where control state lives.
    pub control: ControlStore,
    /// Where the ledger lives.
    pub ledger: LedgerStore,
    /// This process among those that share stores: the same after a restart, and no other's.
    pub replica: String,
    /// The folder of rule files.
    pub rules: PathBuf,
    /// What an unknown caller may do.
    pub unknown_callers: UnknownCallers,
    /// A bulk job of more rows is decided by a person.
    pub max_rows: u64,
    /// The agents.
    pub service_accounts: Vec<ServiceAccount>,
    /// The people.
    pub operators: Vec<Operator>,
}

/// One CRM org behind one base URL.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// Which CRM.
    pub crm: CrmKind,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What rewritten links show; scheme and authority only.
    pub public_url: Uri,
    /// Where the CRM is; scheme and authority only.
    pub upstream: Uri,
    /// Where logins go (Salesforce); scheme and authority only.
    pub login: Uri,
    /// TLS for the listener; plain HTTP without it.
    pub tls: Option<Tls>,
    /// An extra CA to trust for `upstream`, PEM (for a CRM behind a company proxy).
    pub upstream_ca: Option<PathBuf>,
    /// The credential for releases and reverts.
    pub release_credential: Option<Source>,
    /// Whether verdicts are enforced.
    pub mode: Mode,
}

impl Route {
    /// It listens there by now: where any free port was asked for, links show the one that it got.
    pub fn listens_at(&mut self, address: SocketAddr) {
        let scheme = self.public_url.scheme_str().unwrap_or("http");
        let own = self.public_url.port_u16() == Some(0) && self.listen.port() == 0;
        if own && let Ok(url) = format!("{scheme}://{address}").parse() {
            self.public_url = url;
        }
        self.listen = address;
    }
}

/// TLS files of a listener, PEM.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The CA of client certificates, for mTLS.
    pub client_ca: Option<PathBuf>,
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Enforce,
    /// They are recorded only; everything else refuses as ever.
    Observe,
}

impl Mode {
    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// The operators' side.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Console, operator API, `/healthz`, `/readyz`, `/metrics`.
    pub listen: SocketAddr,
}

/// Where control state lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlStore {
    /// In this process.
    Memory,
    /// In Redis; the URL can hold a password.
    Redis(Secret),
}

impl ControlStore {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
        }
    }
}

/// Where the ledger lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerStore {
    /// A file.
    Sqlite(PathBuf),
    /// PostgreSQL; the URL can hold a password.
    Postgres(Secret),
}

/// What an unknown caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownCallers {
    /// Nothing.
    Deny,
    /// Read.
    Reads,
}

/// An agent's identity.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Its name.
    pub name: String,
    /// The person who owns it; never approves its holds.
    pub owner: Option<String>,
    /// Fingerprints of CRM bearer tokens (pass-through).
    pub tokens: Vec<Fingerprint>,
    /// OAuth client ids and usernames whose issued tokens are learned.
    pub clients: Vec<String>,
    /// Fingerprints of Writegate keys (broker mode).
    pub keys: Vec<Fingerprint>,
    /// What goes upstream in place of a Writegate key, by route name.
    pub credentials: Vec<(String, Source)>,
    /// Names in client certificates.
    pub certs: Vec<String>,
}

/// A person.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Their name.
    pub name: String,
    /// What they may do.
    pub roles: Vec<Role>,
    /// The teams they decide for.
    pub teams: Vec<String>,
    /// The fingerprint of their token.
    pub token: Fingerprint,
}

/// What an operator may do; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Decides holds and may kill.
    Approver,
    /// Changes limits and resumes.
    Admin,
}

/// SHA-256 of a secret: `sha256:` and 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret);
        let mut bytes = [0_u8; 32];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Reads `sha256:` and 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?.as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let mut bytes = [0_u8; 32];
        for (to, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let digit = |place: usize| {
                pair.get(place)
                    .and_then(|byte| char::from(*byte).to_digit(16))
            };
            *to = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(Self(bytes))
    }

    /// The first eight hex digits, for messages.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take("sha256:".len() + 8).collect()
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a fingerprint"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a CRM credential comes from that the proxy holds itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A token that stands somewhere.
    Static(Secret),
    /// OAuth client credentials (Salesforce).
    ClientCredentials {
        /// The app's id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// What to ask for; the app's own scopes without it.
        scope: Option<String>,
    },
    /// OAuth JWT bearer (Salesforce): the proxy signs that it acts for a user.
    Jwt {
        /// The app's id.
        client_id: String,
        /// The user.
        user: String,
        /// The key whose certificate the app has.
        key: SigningKey,
        /// Whom the assertion is for; the login host without it.
        audience: Option<String>,
    },
    /// An OAuth refresh token.
    Refresh {
        /// The app's id.
        client_id: String,
        /// Its secret, where it has one.
        client_secret: Option<Secret>,
        /// The refresh token.
        refresh_token: Secret,
        /// The file it stands in: a token that takes its place is written there.
        file: Option<PathBuf>,
    },
}

impl From<Secret> for Source {
    fn from(secret: Secret) -> Self {
        Self::Static(secret)
    }
}

/// A secret that cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself; only where it is sent or fingerprinted.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_what_it_writes() {
        let fingerprint = Fingerprint::of(b"agent-token");
        assert_eq!(
            Fingerprint::parse(&fingerprint.to_string()),
            Some(fingerprint)
        );
        assert_eq!(Fingerprint::parse("sha256:12"), None);
        assert_eq!(fingerprint.short().len(), 15);
    }

    #[test]
    fn a_secret_prints_as_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "<secret>");
    }
}
