//! Which `Host` a listener answers to. A host never chooses anything: it only has to be one of ours,
//! so that a page in a browser cannot reach a local port under a name of its own (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::fault::Fault;

/// Which names a listener goes by, as configured; [`HostRule::names`] makes the list once the
/// listener has its port.
#[derive(Clone, Debug, Default)]
pub struct HostRule {
    public: Vec<Uri>,
}

impl HostRule {
    /// The authority of each public URL; the listener's own address is always taken too.
    #[must_use]
    pub fn new(public: impl IntoIterator<Item = Uri>) -> Self {
        Self {
            public: public.into_iter().collect(),
        }
    }

    /// The exact list for a listener: the public authorities and its own address, and where it can
    /// be reached from this machine `localhost`, `127.0.0.1` and `[::1]` with its port. The port may
    /// be left out where it is the scheme's own.
    #[must_use]
    pub fn names(&self, bound: SocketAddr, secure: bool) -> HostNames {
        let mut names = HostNames::default();
        for url in &self.public {
            let Some(host) = url.host() else { continue };
            let secure = url.scheme_str().map_or(secure, |scheme| scheme == "https");
            let port = url.port_u16().unwrap_or_else(|| own_port(secure));
            names.add(host, port, secure);
        }
        let ip = bound.ip();
        if !ip.is_unspecified() {
            let host = match ip {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            names.add(&host, bound.port(), secure);
        }
        if ip.is_loopback() || ip.is_unspecified() {
            for host in ["localhost", "127.0.0.1", "[::1]"] {
                names.add(host, bound.port(), secure);
            }
        }
        names
    }
}

/// The port that a URL of the scheme means when it names none.
fn own_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// The values of `Host` that a listener answers to; compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostNames(Vec<String>);

impl HostNames {
    fn add(&mut self, host: &str, port: u16, secure: bool) {
        let mut add = |name: String| {
            if !self.0.contains(&name) {
                self.0.push(name);
            }
        };
        let host = host.to_ascii_lowercase();
        add(format!("{host}:{port}"));
        if port == own_port(secure) {
            add(host);
        }
    }

    /// Whether a `Host` value is one of ours.
    pub(super) fn check(&self, value: &[u8]) -> Result<(), Fault> {
        let ours = |name: &String| name.as_bytes().eq_ignore_ascii_case(value);
        if self.0.iter().any(ours) {
            Ok(())
        } else if is_authority(value) {
            Err(Fault::HostUnknown)
        } else {
            Err(Fault::HostForm)
        }
    }
}

/// Whether this is a name or address with an optional port (RFC 3986 3.2.2, without user
/// information and percent-encoding). Decides only which refusal is given.
fn is_authority(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", rest),
        Some(_) => return false,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_');
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|octet| octet.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    };
    !host.is_empty() && host.bytes().all(is_name) && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(public: &[&'static str], bound: &str, secure: bool) -> HostNames {
        let rule = HostRule::new(public.iter().map(|url| Uri::from_static(url)));
        rule.names(bound.parse().unwrap(), secure)
    }

    #[test]
    fn a_public_url_brings_its_authority_and_the_port_it_implies() {
        let names = names(&["https://CRM.test"], "10.0.0.5:8443", true);
        for host in ["crm.test", "CRM.Test", "crm.test:443", "10.0.0.5:8443"] {
            assert_eq!(names.check(host.as_bytes()), Ok(()), "{host}");
        }
        for host in [
            "crm.test:80",
            "crm.test.",
            "10.0.0.5",
            "localhost:8443",
            "evil.test",
        ] {
            assert_eq!(
                names.check(host.as_bytes()),
                Err(Fault::HostUnknown),
                "{host}"
            );
        }
    }

    #[test]
    fn a_local_listener_goes_by_the_local_names_with_its_port() {
        for bound in ["127.0.0.1:8443", "[::1]:8443", "0.0.0.0:8443"] {
            let names = names(&[], bound, true);
            for host in ["localhost:8443", "127.0.0.1:8443", "[::1]:8443"] {
                assert_eq!(names.check(host.as_bytes()), Ok(()), "{bound} {host}");
            }
            assert_eq!(
                names.check(b"localhost"),
                Err(Fault::HostUnknown),
                "{bound}"
            );
            assert_eq!(
                names.check(b"localhost:6379"),
                Err(Fault::HostUnknown),
                "{bound}"
            );
        }
    }

    #[test]
    fn what_is_no_authority_is_told_from_what_is_another_one() {
        let names = names(&["http://crm.test"], "127.0.0.1:1", false);
        let forms: [&[u8]; 10] = [
            b"",
            b"a@crm.test",
            b"crm.test/x",
            b"crm.test, evil.test",
            b"crm.test evil.test",
            b"crm.test:99999",
            b"crm.test:+80",
            b"crm%2etest",
            b"\"crm.test\"",
            b"crm\xEF\xBC\x8Etest",
        ];
        for host in forms {
            assert_eq!(names.check(host), Err(Fault::HostForm), "{host:?}");
        }
        assert_eq!(names.check(b"[fe80::1]:80"), Err(Fault::HostUnknown));
        assert_eq!(names.check(b"2852039166"), Err(Fault::HostUnknown));
    }
}
