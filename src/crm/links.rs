//! Absolute addresses in a CRM's answers, and what they become, so that no client leaves the proxy. What
//! is rewritten is told by where it stands, never by how it looks (`salesforce::links`, `hubspot::links`).

use http::Uri;

use super::json::edit::Change;
use crate::mutation::CrmKind;

/// The addresses that a route stands for.
#[derive(Clone, Debug)]
pub struct Origins {
    crm: CrmKind,
    /// Scheme and authority of the CRM.
    upstream: String,
    /// The route's own.
    public: String,
}

/// What becomes of a `Location`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// It leads to this host as it is.
    Relative,
    /// It leads to the CRM: this leads through the proxy.
    Moved(String),
    /// It leads anywhere else.
    Foreign,
}

impl Origins {
    /// Those of a route.
    #[must_use]
    pub fn new(crm: CrmKind, upstream: &Uri, public: &Uri) -> Self {
        Self {
            crm,
            upstream: origin(upstream),
            public: origin(public),
        }
    }

    /// The route's own address, without a path.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Whether an address is of the CRM that the route leads to, whatever its path.
    #[must_use]
    pub fn is_upstream(&self, address: &str) -> bool {
        parted(address).is_some_and(|(origin, _)| same(origin, &self.upstream))
    }

    /// An address at a known place: the same through the proxy. Salesforce names hosts of its own there,
    /// of which none may be met directly; HubSpot also names pages for people and signed links to files,
    /// which stay. `None`: it stays as it is.
    #[must_use]
    pub fn moved(&self, address: &str) -> Option<String> {
        let (origin, rest) = parted(address)?;
        let ours = match self.crm {
            CrmKind::Salesforce => true,
            CrmKind::HubSpot => self.is_crm(origin),
        };
        ours.then(|| format!("{}{rest}", self.public))
    }

    /// [`Origins::moved`] for an editor.
    #[must_use]
    pub fn change(&self) -> Change {
        let origins = self.clone();
        Box::new(move |address| origins.moved(address))
    }

    /// Where a `Location` leads.
    #[must_use]
    pub fn location(&self, address: &str) -> Location {
        if let Some((origin, rest)) = parted(address) {
            return match self.is_crm(origin) {
                true => Location::Moved(format!("{}{rest}", self.public)),
                false => Location::Foreign,
            };
        }
        let head = address.split(['/', '?', '#']).next().unwrap_or_default();
        // `//host`, `/\host` and `scheme:` lead away; clients differ on anything stranger
        let leads_away = address.starts_with("//")
            || head.contains(':')
            || address.contains('\\')
            || address.chars().any(|c| c.is_control() || c == ' ');
        if leads_away {
            Location::Foreign
        } else {
            Location::Relative
        }
    }

    fn is_crm(&self, origin: &str) -> bool {
        same(origin, &self.upstream) || (self.crm == CrmKind::HubSpot && is_hubspot_api(origin))
    }
}

/// HubSpot's API goes by several names, by region.
fn is_hubspot_api(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else {
        return false;
    };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    scheme.eq_ignore_ascii_case("https")
        && host.starts_with("api")
        && (host.ends_with(".hubapi.com") || host.ends_with(".hubspot.com"))
}

/// Scheme and authority of a URL of the configuration.
fn origin(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("https");
    let authority = url.authority().map_or("", |authority| authority.as_str());
    format!("{scheme}://{authority}")
}

/// An absolute http address: scheme with authority, and the rest. It may be a template, so that it is no
/// URL in every character.
fn parted(address: &str) -> Option<(&str, &str)> {
    let scheme = ["https://", "http://"].into_iter().find(|scheme| {
        address
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })?;
    let host = address.get(scheme.len()..)?;
    let end = host.find(['/', '?', '#', '\\']).unwrap_or(host.len());
    (end > 0).then(|| address.split_at(scheme.len() + end))
}

/// Whether two origins are one; each may name its scheme's own port.
fn same(a: &str, b: &str) -> bool {
    let plain = |origin: &str| {
        let origin = origin.to_ascii_lowercase();
        let port = match origin.starts_with("https://") {
            true => ":443",
            false => ":80",
        };
        origin
            .strip_suffix(port)
            .map_or(origin.clone(), str::to_owned)
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(crm: CrmKind) -> Origins {
        let upstream = match crm {
            CrmKind::Salesforce => "https://acme.my.salesforce.com",
            CrmKind::HubSpot => "https://api.hubapi.com",
        };
        Origins::new(
            crm,
            &upstream.parse().unwrap(),
            &"https://proxy.acme.test:8443".parse().unwrap(),
        )
    }

    #[test]
    fn every_host_of_salesforce_and_the_api_of_hubspot_move() {
        let salesforce = origins(CrmKind::Salesforce);
        for (address, moved) in [
            (
                "https://login.salesforce.com/id/00D/005",
                "https://proxy.acme.test:8443/id/00D/005",
            ),
            (
                "HTTPS://ACME.my.salesforce.com:443/services/data/v{version}/",
                "https://proxy.acme.test:8443/services/data/v{version}/",
            ),
            (
                "https://acme.my.salesforce.com",
                "https://proxy.acme.test:8443",
            ),
            ("http://x?y", "https://proxy.acme.test:8443?y"),
        ] {
            assert_eq!(salesforce.moved(address).as_deref(), Some(moved));
        }
        for address in [
            "/services/data",
            "00D000000000001",
            "ftp://x",
            "https://",
            "",
        ] {
            assert_eq!(salesforce.moved(address), None, "{address}");
        }
        let hubspot = origins(CrmKind::HubSpot);
        for host in [
            "api.hubapi.com",
            "api-eu1.hubapi.com",
            "API.hubspot.com:443",
        ] {
            let moved = hubspot.moved(&format!("https://{host}/crm/v3/objects?after=1"));
            assert_eq!(
                moved.as_deref(),
                Some("https://proxy.acme.test:8443/crm/v3/objects?after=1"),
                "{host}"
            );
        }
        for host in [
            "app.hubspot.com",
            "api.hubapi.com.evil.test",
            "s3.amazonaws.com",
        ] {
            assert_eq!(hubspot.moved(&format!("https://{host}/x")), None, "{host}");
        }
    }

    #[test]
    fn a_location_leads_nowhere_else() {
        let salesforce = origins(CrmKind::Salesforce);
        for address in [
            "/services/data/v60.0/sobjects/Account/001",
            "x/y",
            "?a=b:c",
            "",
        ] {
            assert_eq!(
                salesforce.location(address),
                Location::Relative,
                "{address}"
            );
        }
        assert_eq!(
            salesforce.location("https://acme.my.salesforce.com/x?y#z"),
            Location::Moved("https://proxy.acme.test:8443/x?y#z".into())
        );
        for address in [
            "https://evil.test/x",
            "https://acme.my.salesforce.com@evil.test/",
            "https://acme.my.salesforce.com.evil.test/",
            "https://acme.my.salesforce.com:8080/",
            "http://acme.my.salesforce.com/",
            "//evil.test/x",
            "/\\evil.test",
            "javascript:alert(1)",
            "sf:oauth#access_token=x",
            " https://evil.test",
            "https:evil.test",
        ] {
            assert_eq!(salesforce.location(address), Location::Foreign, "{address}");
        }
    }

    #[test]
    fn the_upstream_is_one_host() {
        let salesforce = origins(CrmKind::Salesforce);
        assert!(salesforce.is_upstream("https://ACME.my.salesforce.com:443/"));
        for address in [
            "https://other.my.salesforce.com",
            "http://acme.my.salesforce.com",
            "acme.my.salesforce.com",
        ] {
            assert!(!salesforce.is_upstream(address), "{address}");
        }
    }
}
