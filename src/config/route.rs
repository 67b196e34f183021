//! The `routes:` part: one CRM org behind one base URL each.

use std::net::SocketAddr;
use std::path::PathBuf;

use http::Uri;

use super::address::{collide, leads_to, listen, public_url, upstream, url};
use super::mistake::{At, Place};
use super::name::{Names, name};
use super::reader::{Fields, Reader, Text};
use super::source::source;
use super::tree::Node;
use super::{Mode, Route, Tls};
use crate::mutation::CrmKind;

const KEYS: [&str; 10] = [
    "name",
    "crm",
    "listen",
    "public_url",
    "upstream",
    "login",
    "tls",
    "upstream_ca",
    "release_credential",
    "mode",
];

/// A listener, whether the rest of its route is right or not.
struct Listener {
    at: At,
    route: String,
    address: SocketAddr,
}

/// Reads all routes, and returns the names of all that are written down beside those that are right.
/// The address of the admin listener must not be one of theirs.
pub(super) fn routes(
    node: Option<&Node>,
    admin: Option<SocketAddr>,
    reader: &mut Reader<'_>,
) -> (Vec<Route>, Vec<String>) {
    let nodes = node.map_or(&[][..], |node| reader.list(node, "routes"));
    if nodes.is_empty() {
        let place = node.map_or(Place::File, |node| Place::At(node.at));
        reader.wrong(
            &place,
            "there is no route: add one under `routes:` with name, crm, listen and upstream",
        );
    }
    let mut names = Names::new("route");
    let mut listeners = Vec::new();
    let mut routes = Vec::new();
    for node in nodes {
        let Some(fields) = reader.fields(node, "a route", &KEYS) else {
            continue;
        };
        let name = name(&fields, &mut names, reader);
        if let Some(route) = route(&fields, name, &mut listeners, reader) {
            routes.push((node.at, route));
        }
    }
    check_listeners(&listeners, admin, reader);
    check_loops(&routes, &listeners, admin, reader);
    let routes = routes.into_iter().map(|(_, route)| route).collect();
    (routes, names.into_list())
}

fn route(
    fields: &Fields<'_>,
    name: Option<String>,
    listeners: &mut Vec<Listener>,
    reader: &mut Reader<'_>,
) -> Option<Route> {
    let crm = crm(fields, reader);
    let address = fields.required("listen", "IP:PORT, such as 127.0.0.1:8443", reader);
    let listen = address.as_ref().and_then(|text| listen(text, reader));
    if let (Some(text), Some(listen)) = (&address, listen) {
        listeners.push(Listener {
            at: text.at(),
            route: name.clone().unwrap_or_default(),
            address: listen,
        });
    }
    let tls = tls(fields, reader);
    let public_url = own_url(fields, listen, reader);
    let hint = "where the CRM is, such as https://acme.my.salesforce.com";
    let upstream = fields
        .required("upstream", hint, reader)
        .and_then(|text| upstream(&text, "upstream", reader));
    let login = login(fields, crm, upstream.as_ref(), reader);
    let upstream_ca = fields
        .text("upstream_ca", reader)
        .and_then(|text| file(&text, "upstream_ca", reader));
    let release_credential = fields
        .get("release_credential")
        .and_then(|node| source(node, "release_credential", crm, reader));
    let mode = mode(fields, reader);
    Some(Route {
        name: name?,
        crm: crm?,
        listen: listen?,
        public_url: public_url?,
        upstream: upstream?,
        login: login?,
        tls: tls.ok()?,
        upstream_ca,
        release_credential,
        mode: mode?,
    })
}

fn own_url(
    fields: &Fields<'_>,
    listen: Option<SocketAddr>,
    reader: &mut Reader<'_>,
) -> Option<Uri> {
    match fields.get("public_url") {
        Some(node) => {
            let text = reader.text(node, "public_url")?;
            url(&text, "public_url", reader)
        }
        None => public_url(listen?, fields, reader),
    }
}

fn crm(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<CrmKind> {
    let text = fields.required("crm", "salesforce or hubspot", reader)?;
    match text.text.as_str() {
        "salesforce" => Some(CrmKind::Salesforce),
        "hubspot" => Some(CrmKind::HubSpot),
        other => {
            let problem = format!("`{other}` is no CRM known here: write salesforce or hubspot");
            reader.wrong(&text.place, problem);
            None
        }
    }
}

fn mode(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Mode> {
    if fields.get("mode").is_none() {
        return Some(Mode::Enforce);
    }
    let text = fields.text("mode", reader)?;
    match text.text.as_str() {
        "enforce" => Some(Mode::Enforce),
        "observe" => Some(Mode::Observe),
        other => {
            let problem = format!("`{other}` is no mode: write enforce or observe");
            reader.wrong(&text.place, problem);
            None
        }
    }
}

/// Salesforce only; where the file says nothing, logins go where everything goes.
fn login(
    fields: &Fields<'_>,
    crm: Option<CrmKind>,
    upstream_url: Option<&Uri>,
    reader: &mut Reader<'_>,
) -> Option<Uri> {
    let Some(node) = fields.get("login") else {
        return upstream_url.cloned();
    };
    if crm == Some(CrmKind::HubSpot) {
        reader.wrong_at(node.at, "`login` is for Salesforce routes: take it out");
        return None;
    }
    let text = reader.text(node, "login")?;
    upstream(&text, "login", reader)
}

/// A part with a mistake, which is among the collected ones.
struct Wrong;

fn tls(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Result<Option<Tls>, Wrong> {
    let Some(node) = fields.get("tls") else {
        return Ok(None);
    };
    let fields = reader
        .fields(node, "`tls`", &["cert", "key", "client_ca"])
        .ok_or(Wrong)?;
    let cert = fields
        .required("cert", "the certificate chain, a PEM file", reader)
        .and_then(|text| file(&text, "cert", reader));
    let key = fields
        .required("key", "the certificate's key, a PEM file", reader)
        .and_then(|text| file(&text, "key", reader));
    let client_ca = fields
        .text("client_ca", reader)
        .and_then(|text| file(&text, "client_ca", reader));
    Ok(Some(Tls {
        cert: cert.ok_or(Wrong)?,
        key: key.ok_or(Wrong)?,
        client_ca,
    }))
}

/// A file that has to be there and readable.
fn file(text: &Text, what: &str, reader: &mut Reader<'_>) -> Option<PathBuf> {
    let path = reader.path(text);
    if !reader.complete {
        return Some(path);
    }
    let problem = match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_dir() => "it is a folder".to_owned(),
        Ok(_) => return Some(path),
        Err(error) => error.to_string(),
    };
    let shown = path.display();
    reader.wrong(
        &text.place,
        format!(
            "`{what}`: the file {shown} cannot be read ({problem}): create it or correct the path"
        ),
    );
    None
}

fn check_listeners(listeners: &[Listener], admin: Option<SocketAddr>, reader: &mut Reader<'_>) {
    for (place, listener) in listeners.iter().enumerate() {
        let mut before = listeners.iter().take(place);
        let other = match before.find(|other| collide(listener.address, other.address)) {
            Some(other) => format!("route {} in line {}", other.route, other.at.line),
            None if admin.is_some_and(|admin| collide(admin, listener.address)) => "`admin`".into(),
            None => continue,
        };
        let text = format!(
            "{} is taken by {other}: give each listener a port of its own",
            listener.address
        );
        reader.wrong_at(listener.at, text);
    }
}

/// An upstream that is one of our own listeners would send every request round and round.
fn check_loops(
    routes: &[(At, Route)],
    listeners: &[Listener],
    admin: Option<SocketAddr>,
    reader: &mut Reader<'_>,
) {
    let ours: Vec<SocketAddr> = listeners.iter().map(|l| l.address).chain(admin).collect();
    for (at, route) in routes {
        let urls = [("upstream", &route.upstream), ("login", &route.login)];
        let looping = urls
            .into_iter()
            .find(|(_, url)| ours.iter().any(|address| leads_to(url, *address)));
        if let Some((key, _)) = looping {
            let text = format!(
                "`{key}` of route {} leads back to Writegate itself: name the CRM's own address",
                route.name
            );
            reader.wrong_at(*at, text);
        }
    }
}
