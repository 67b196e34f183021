//! Where Redis is, as the configuration says it:
//!
//! | form | what |
//! |---|---|
//! | `redis://HOST:PORT/DB` | one server; port 6379 and database 0 where they are left out |
//! | `redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB` | the primary that sentinels name for a service; port 26379 |
//! | `redis+cluster://HOST:PORT,HOST:PORT` | a cluster, by some of its nodes |
//!
//! `rediss` in place of `redis`: with TLS. A user and a password stand before the hosts, as in
//! `USER:PASSWORD@`, percent-encoded; with sentinels they are those of the primary. Behind a `?` may
//! follow `deployment=NAME` (proxies with the same name share their limits; default `writegate`) and
//! `ca=/FILE.pem` (trust this CA and no other).

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

const FORMS: &str = "write redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE or \
                     redis+cluster://HOST:PORT,HOST:PORT, with rediss in place of redis for TLS";
/// A deployment's name is part of every key.
const LONGEST_NAME: usize = 64;

/// Where Redis is and how it is entered.
#[derive(Clone)]
pub struct Address {
    pub(super) form: Form,
    pub(super) tls: bool,
    /// Host and port, at least one.
    pub(super) nodes: Vec<(String, u16)>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) db: i64,
    pub(super) deployment: String,
    pub(super) ca: Option<PathBuf>,
}

/// What stands at the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    One,
    Sentinel { service: String },
    Cluster,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.form {
            Form::One => "",
            Form::Sentinel { .. } => "+sentinel",
            Form::Cluster => "+cluster",
        };
        let tls = if self.tls { "s" } else { "" };
        let nodes = self.nodes.iter().map(|(host, port)| {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        });
        let nodes = nodes.collect::<Vec<_>>().join(",");
        write!(f, "redis{tls}{what}://{nodes}")?;
        match &self.form {
            Form::Sentinel { service } => write!(f, "/{service}"),
            Form::One | Form::Cluster => Ok(()),
        }
    }
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, to stand behind the name of the setting; never the URL, which can hold a
    /// password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("is no address of Redis: {FORMS}");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (tls, what) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", what) => (false, what),
            ("rediss", what) => (true, what),
            _ => return Err(wrong()),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let port = if what == "sentinel" { 26_379 } else { 6_379 };
        let nodes: Option<Vec<_>> = hosts.split(',').map(|host| node(host, port)).collect();
        let nodes = nodes.ok_or_else(|| format!("names no host that can be read: {FORMS}"))?;
        let (form, db) = form(what, path, nodes.len())?;
        let mut address = Self {
            form,
            tls,
            nodes,
            user: some(user)?,
            password: some(password)?,
            db,
            deployment: "writegate".into(),
            ca: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            address.option(&name, &value)?;
        }
        Ok(address)
    }

    fn option(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "deployment" => {
                let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if value.is_empty() || value.len() > LONGEST_NAME || !value.chars().all(fine) {
                    return Err(format!(
                        "has a `deployment` that is no name: use up to {LONGEST_NAME} letters, digits and -_."
                    ));
                }
                value.clone_into(&mut self.deployment);
            }
            "ca" if !self.tls => return Err("has a `ca`, but no TLS: write rediss".into()),
            "ca" if !value.starts_with('/') => {
                return Err("has a `ca` that is no absolute path: begin it with `/`".into());
            }
            "ca" => self.ca = Some(PathBuf::from(value)),
            other => {
                return Err(format!(
                    "has an option `{}` that is not known: use `deployment` or `ca`",
                    other.escape_debug()
                ));
            }
        }
        Ok(())
    }

    /// Whether passwords and all that is limited would travel in clear text to another machine.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let here = |host: &String| {
            let ip = host.parse::<std::net::IpAddr>();
            host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
        };
        !self.tls && !self.nodes.iter().all(|(host, _)| here(host))
    }
}

fn some(text: &str) -> Result<Option<String>, String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_utf8| "has a user or password that is not UTF-8".to_owned())?;
    Ok((!decoded.is_empty()).then(|| decoded.into_owned()))
}

fn node(text: &str, port: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        match after.strip_prefix(':') {
            Some(port) => (host, port.parse().ok()?),
            None if after.is_empty() => (host, port),
            None => return None,
        }
    } else if let Some((host, port)) = text.split_once(':') {
        (host, port.parse().ok()?)
    } else {
        (text, port)
    };
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    (!host.is_empty() && host.chars().all(fine) && port > 0).then(|| (host.to_owned(), port))
}

/// What the address is of, and the database.
fn form(what: &str, path: &str, nodes: usize) -> Result<(Form, i64), String> {
    let number = |text: &str| match text {
        "" => Ok(0),
        digits => digits
            .parse::<u16>()
            .map(i64::from)
            .map_err(|_digits| "has a database that is no number: write …/0".to_owned()),
    };
    match what {
        "" if nodes > 1 => Err(format!("names several hosts: {FORMS}")),
        "" => Ok((Form::One, number(path)?)),
        "cluster" if path.is_empty() => Ok((Form::Cluster, 0)),
        "cluster" => Err("has a path, but a cluster has one database: take it out".into()),
        "sentinel" => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            if service.is_empty() {
                return Err(format!("names no service for the sentinels: {FORMS}"));
            }
            let service = service.to_owned();
            Ok((Form::Sentinel { service }, number(db)?))
        }
        _ => Err(format!("is no address of Redis: {FORMS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let one = Address::parse("redis://localhost").unwrap();
        assert_eq!(one.nodes, [("localhost".to_owned(), 6379)]);
        assert_eq!((one.db, one.tls, one.is_open()), (0, false, false));
        assert_eq!(one.deployment, "writegate");
        let text = "rediss://gate:p%40ss@[::1]:7000/3?deployment=eu-1&ca=/etc/ca.pem";
        let tls = Address::parse(text).unwrap();
        assert_eq!(tls.nodes, [("::1".to_owned(), 7000)]);
        assert_eq!(tls.user.as_deref(), Some("gate"));
        assert_eq!(tls.password.as_deref(), Some("p@ss"));
        assert_eq!((tls.db, tls.deployment.as_str()), (3, "eu-1"));
        assert_eq!(tls.ca, Some(PathBuf::from("/etc/ca.pem")));
        let sentinel = Address::parse("redis+sentinel://a,b:5000/mymaster/1").unwrap();
        let service = "mymaster".to_owned();
        assert_eq!(sentinel.form, Form::Sentinel { service });
        assert_eq!(
            sentinel.nodes,
            [("a".to_owned(), 26_379), ("b".to_owned(), 5000)]
        );
        assert_eq!(sentinel.db, 1);
        assert!(sentinel.is_open());
        let cluster = Address::parse("rediss+cluster://a:1,b:2").unwrap();
        assert_eq!((cluster.form, cluster.nodes.len()), (Form::Cluster, 2));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_password() {
        for url in [
            "redis:",
            "redis://",
            "redis://:hunter2@",
            "redis://a,b",
            "redis://u:hunter2@h:0",
            "redis://u:hunter2@h:x",
            "redis://h/x",
            "redis+sentinel://h",
            "redis+cluster://h/1",
            "redis+other://h",
            "http://h",
            "redis://h?deployment=a/b",
            "redis://h?ca=/x",
            "rediss://h?ca=x",
            "redis://u:hunter2@h?x=1",
            "redis://[::1",
            "redis://[::1]x",
        ] {
            let problem = Address::parse(url).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn no_password_is_shown() {
        let address = Address::parse("rediss+sentinel://u:hunter2@a:1,b:2/s").unwrap();
        assert_eq!(
            format!("{address:?}"),
            "Address(rediss+sentinel://a:1,b:2/s)"
        );
    }
}
