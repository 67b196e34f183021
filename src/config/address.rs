//! Addresses: where something listens, where a CRM is, where a store is.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

use super::environment::scalar;
use super::mistake::Place;
use super::reader::{Fields, Reader, Text};
use super::tree::Tree;
use super::{ControlStore, LedgerStore, Secret, secret};
use crate::ledger::postgres::Address;

/// `IP:PORT`.
pub(super) fn listen(text: &Text, reader: &mut Reader<'_>) -> Option<SocketAddr> {
    let address = text.text.parse().ok();
    if address.is_none() {
        let hint = format!(
            "`{}` is no address to listen on: write IP:PORT, such as 127.0.0.1:8443 or [::1]:8443",
            text.text
        );
        reader.wrong(&text.place, hint);
    }
    address
}

/// Whether two listeners would be in each other's way. Port 0 means any free port.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_host = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_host
}

/// An http or https URL of scheme and authority only. The value is not repeated in messages: it may
/// hold a password.
pub(super) fn url(text: &Text, what: &str, reader: &mut Reader<'_>) -> Option<Uri> {
    match read_url(&text.text) {
        Ok(url) => Some(url),
        Err(problem) => {
            reader.wrong(&text.place, format!("`{what}` {problem}"));
            None
        }
    }
}

/// The same for an address to which credentials go: plain http only to this machine.
pub(super) fn upstream(text: &Text, what: &str, reader: &mut Reader<'_>) -> Option<Uri> {
    let url = url(text, what, reader)?;
    if url.scheme_str() == Some("http") && !is_loopback(&url) {
        reader.wrong(
            &text.place,
            format!("`{what}` would carry credentials in clear text: use https"),
        );
        return None;
    }
    Some(url)
}

fn read_url(text: &str) -> Result<Uri, &'static str> {
    const FORM: &str = "is no URL: write scheme and host, such as https://api.hubapi.com";
    let Ok(uri) = text.parse::<Uri>() else {
        return Err(FORM);
    };
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(FORM);
    };
    if scheme.as_str() != "https" && scheme.as_str() != "http" {
        return Err("must begin with https:// or http://");
    }
    if authority.as_str().contains('@') {
        return Err("must not hold a user name or password: take them out");
    }
    if authority.host().is_empty() || authority.as_str().ends_with(':') {
        return Err(FORM);
    }
    if uri.path() != "/" || uri.query().is_some() || text.contains(['?', '#']) {
        return Err("must end after the host and port: take path and query out");
    }
    Ok(uri)
}

/// `localhost`, 127.0.0.0/8 or `[::1]`.
pub(super) fn is_loopback(url: &Uri) -> bool {
    let host = url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a URL leads back to one of our own listeners.
pub(super) fn leads_to(url: &Uri, listener: SocketAddr) -> bool {
    let port = url.port_u16().unwrap_or(match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    let host = url.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let same_host = match bare.parse::<IpAddr>() {
        Ok(ip) => ip == listener.ip() || (ip.is_loopback() && listener.ip().is_unspecified()),
        Err(_) => {
            host.eq_ignore_ascii_case("localhost")
                && (listener.ip().is_loopback() || listener.ip().is_unspecified())
        }
    };
    listener.port() == port && same_host
}

/// `memory`, `redis://…`, `rediss://…`.
pub(super) fn control(text: &Text, reader: &mut Reader<'_>) -> Option<ControlStore> {
    if text.text == "memory" {
        return Some(ControlStore::Memory);
    }
    if is_store_url(&text.text, &["redis://", "rediss://"]) {
        return Some(ControlStore::Redis(Secret::new(&text.text)));
    }
    reader.wrong(
        &text.place,
        "`control` must be memory, redis://HOST:PORT or rediss://HOST:PORT",
    );
    None
}

/// `sqlite:PATH`, `postgres://…`, or where such a URL is; beside the file where nothing is said.
pub(super) fn ledger(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<LedgerStore> {
    let referred = fields
        .get("ledger")
        .filter(|node| matches!(node.tree, Tree::Map(_)));
    let written = referred.is_none().then_some(fields);
    match (scalar("ledger", written, reader), referred) {
        (Some(text), _) => ledger_at(&text, reader),
        (None, Some(node)) => {
            let url = secret::url(node, "ledger", reader)?;
            postgres(url.expose(), &Place::At(node.at), reader)
        }
        (None, None) if fields.get("ledger").is_none() => {
            Some(LedgerStore::Sqlite(reader.folder.join("writegate.db")))
        }
        (None, None) => None,
    }
}

fn ledger_at(text: &Text, reader: &mut Reader<'_>) -> Option<LedgerStore> {
    let schemes = ["postgres://", "postgresql://"];
    if schemes.iter().any(|scheme| text.text.starts_with(scheme)) {
        return postgres(&text.text, &text.place, reader);
    }
    let problem = match text.text.strip_prefix("sqlite:") {
        None => "`ledger` must be sqlite:PATH or postgres://HOST/DATABASE",
        Some("") => "`ledger` names no file: write sqlite:PATH",
        Some(path) if path.starts_with("//") => {
            "`ledger` is sqlite: and a path, without `//`: write sqlite:writegate.db or sqlite:/var/lib/writegate.db"
        }
        // SQLite's own words for databases that are gone when the process ends, or that have options.
        Some(path) if path.starts_with(":memory:") || path.starts_with("file:") => {
            "`ledger` must be a plain file that outlives the process: write sqlite:PATH"
        }
        Some(path) => {
            let path = Text {
                place: text.place.clone(),
                text: path.to_owned(),
            };
            return Some(LedgerStore::Sqlite(reader.path(&path)));
        }
    };
    reader.wrong(&text.place, problem);
    None
}

/// The URL of a database. An incomplete reading may have none.
fn postgres(url: &str, place: &Place, reader: &mut Reader<'_>) -> Option<LedgerStore> {
    if let Err(problem) = Address::parse(url)
        && (reader.complete || !url.is_empty())
    {
        reader.wrong(place, format!("`ledger` {problem}"));
        return None;
    }
    Some(LedgerStore::Postgres(Secret::new(url)))
}

fn is_store_url(text: &str, schemes: &[&str]) -> bool {
    let known = schemes.iter().any(|scheme| text.starts_with(scheme));
    known
        && text.parse::<Uri>().is_ok_and(|uri| {
            uri.authority()
                .is_some_and(|authority| !authority.host().is_empty())
        })
}

/// The address that rewritten links show when the route says nothing.
pub(super) fn public_url(
    listen: SocketAddr,
    route: &Fields<'_>,
    reader: &mut Reader<'_>,
) -> Option<Uri> {
    if listen.ip().is_unspecified() {
        reader.wrong_at(
            route.at,
            "the route listens on every address, so that its own is not known: add `public_url`",
        );
        return None;
    }
    let scheme = route.get("tls").map_or("http", |_| "https");
    format!("{scheme}://{listen}").parse().ok()
}
