//! Where the server is, and how it is spoken to: the URL of the configuration. It holds a password, so
//! no error repeats any of its values.
//!
//! | `sslmode` | on the wire | the server's certificate |
//! |---|---|---|
//! | `disable` | clear text | – |
//! | `prefer` | TLS where the server has it | not checked |
//! | `require` | TLS | not checked |
//! | `verify-full` | TLS | by `sslrootcert` (a PEM file), else by the system's roots; for the host's name |
//!
//! Without `sslmode`: `prefer` for a server on this machine, `verify-full` for any other. All else that
//! stands behind `?` is tokio-postgres': `connect_timeout`, `target_session_attrs`, `options` …

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A server takes this long to be reached, if the URL says nothing.
const CONNECT: Duration = Duration::from_secs(5);
/// A server that is gone without a word is noticed after about three times this.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Where the server is.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    pub(super) trust: Trust,
}

/// Which certificate of a server is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Any.
    Any,
    /// One for its name, by the system's roots.
    System,
    /// One for its name, by the roots in this file.
    File(PathBuf),
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // tokio-postgres hides the password
        self.config.fmt(f)
    }
}

/// The host and the database, for messages.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        for (place, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(folder) => write!(f, "{comma}{}", folder.display())?,
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`.
    ///
    /// # Errors
    /// What is wrong, for people, to stand behind "`ledger` ".
    pub fn parse(url: &str) -> Result<Self, String> {
        let known = ["postgres://", "postgresql://"];
        if !known.iter().any(|scheme| url.starts_with(scheme)) {
            return Err("must begin with postgres://".into());
        }
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let decoded = form_urlencoded::parse(pair.as_bytes()).next();
            match decoded {
                Some((name, value)) if name == "sslmode" => mode = Some(value.into_owned()),
                Some((name, value)) if name == "sslrootcert" => {
                    roots = Some(PathBuf::from(value.into_owned()));
                }
                Some(_) | None => rest.push(pair),
            }
        }
        let mut url = place.to_owned();
        if !rest.is_empty() {
            url = format!("{place}?{}", rest.join("&"));
        }
        let mut config: Config = url.parse().map_err(|error| no_url(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("names no host: write postgres://USER@HOST/DATABASE".into());
        }
        if config.get_dbname().is_none() {
            return Err("names no database: write postgres://USER@HOST/DATABASE".into());
        }
        let mode = match mode.as_deref() {
            None if is_here(&config) => "prefer",
            None => "verify-full",
            Some(mode) => mode,
        };
        let (mode, trust) = match (mode, roots) {
            ("disable", None) => (SslMode::Disable, Trust::Any),
            ("prefer", None) => (SslMode::Prefer, Trust::Any),
            ("require", None) => (SslMode::Require, Trust::Any),
            ("verify-full", None) => (SslMode::Require, Trust::System),
            ("verify-full", Some(file)) => (SslMode::Require, Trust::File(file)),
            ("disable" | "prefer" | "require", Some(_)) => {
                return Err("has `sslrootcert`, which only sslmode=verify-full looks at".into());
            }
            _ => {
                return Err(
                    "has an unknown `sslmode`: write disable, prefer, require or \
                            verify-full"
                        .into(),
                );
            }
        };
        config.ssl_mode(mode);
        with_deadlines(&mut config);
        Ok(Self { config, trust })
    }

    /// Whether what is sent can be read, or answered, by somebody in between.
    #[must_use]
    pub fn is_unverified(&self) -> bool {
        self.trust == Trust::Any && !is_here(&self.config)
    }
}

fn with_deadlines(config: &mut Config) {
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(KEEPALIVE * 3);
    }
    config
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .keepalives_retries(2);
}

/// Whether all servers are on this machine.
fn is_here(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(std::net::IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            let address = bare.parse::<std::net::IpAddr>();
            name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
        }
    })
}

/// The errors of the parser name keys, never values.
fn no_url(error: &tokio_postgres::Error) -> String {
    let cause = error.source().map(|cause| format!(" ({cause})"));
    format!(
        "is no URL of PostgreSQL{}: write postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        cause.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (SslMode, Trust) {
        let address = Address::parse(url).unwrap();
        (address.config.get_ssl_mode(), address.trust)
    }

    #[test]
    fn a_server_elsewhere_is_verified_unless_the_url_says_otherwise() {
        for here in [
            "localhost",
            "127.0.0.1:5433",
            "[::1]:5433",
            "%2Frun%2Fpostgresql",
        ] {
            let url = format!("postgres://wg:pw@{here}/ledger");
            assert_eq!(read(&url), (SslMode::Prefer, Trust::Any), "{here}");
        }
        for there in ["db.acme.example", "localhost,db.acme.example", "10.0.0.7"] {
            let url = format!("postgresql://wg@{there}/ledger");
            assert_eq!(read(&url), (SslMode::Require, Trust::System), "{there}");
        }
        let of = |query: &str| read(&format!("postgres://wg@db.acme.example/ledger?{query}"));
        assert_eq!(of("sslmode=disable").0, SslMode::Disable);
        assert_eq!(of("sslmode=prefer"), (SslMode::Prefer, Trust::Any));
        assert_eq!(of("sslmode=require"), (SslMode::Require, Trust::Any));
        assert_eq!(of("connect_timeout=2").1, Trust::System);
        assert_eq!(
            of("sslrootcert=%2Fetc%2Fdb%20ca.pem&sslmode=verify-full").1,
            Trust::File("/etc/db ca.pem".into())
        );
        assert_eq!(of("sslrootcert=ca.pem").1, Trust::File("ca.pem".into()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, wrong) in [
            ("postgres://wg:hunter2@/ledger", "names no host"),
            ("postgres://wg:hunter2@db", "names no database"),
            ("postgres://wg:hunter2@db/", "names no database"),
            ("postgres://wg:hunter2@db:x/l", "`port`"),
            ("postgres://wg:hunter2@db/l?sslmode=hunter2", "verify-full"),
            (
                "postgres://wg:hunter2@db/l?sslmode=verify-ca",
                "verify-full",
            ),
            (
                "postgres://wg:hunter2@db/l?sslmode=prefer&sslrootcert=x",
                "sslrootcert",
            ),
            ("postgres://wg:hunter2@db/l?sslcert=hunter2", "`sslcert`"),
            (
                "postgres://wg:hunter2@db/l?connect_timeout=hunter2",
                "connect_timeout",
            ),
            ("mysql://wg:hunter2@db/l", "postgres://"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(wrong), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn it_shows_without_the_password() {
        let address = Address::parse("postgres://wg:hunter2@a,b:7/ledger").unwrap();
        assert_eq!(address.to_string(), "postgres://a,b/ledger");
        assert!(!format!("{address:?}").contains("hunter2"));
    }
}
