//! The routes as endpoints of a server, and the proxy as their handler.

use std::path::Path;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ClientConfig;

use super::{Endpoint, Fault, Handler, HostRule, Peer};
use crate::app::{App, Worker};
use crate::config::Route;
use crate::credential::LoginHost;
use crate::mutation::CrmKind;
use crate::proxy;
use crate::proxy::releases;
use crate::tls::{self, Live, Pem, TlsError};
use crate::upstream::{Body, Destination, Login};

/// The proxy on one worker. Endpoints and routes have the same places.
#[derive(Clone, Debug)]
pub struct Proxied {
    worker: Arc<Worker>,
}

impl Proxied {
    /// The proxy on the worker that calls this.
    #[must_use]
    pub fn new(app: &Arc<App>, destinations: &[Destination]) -> Self {
        let worker = Arc::new(Worker::new(Arc::clone(app), destinations));
        if app.enlist(&worker) {
            // What was approved when the process ended.
            releases::all(app);
        }
        Self { worker }
    }
}

impl Handler for Proxied {
    type Body = Body;

    async fn call(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        proxy::handle(&self.worker, peer.endpoint, &peer.names, request).await
    }

    fn refuse(&self, peer: &Peer, fault: Fault) -> Response<Body> {
        let mut answer = proxy::refuse_message(&self.worker, peer.endpoint, &fault.refusal());
        *answer.status_mut() = fault.status();
        answer
    }
}

/// One endpoint for each route, in their order.
///
/// # Errors
/// When a route's TLS files cannot be used.
pub fn endpoints(routes: &[Route]) -> Result<Vec<Endpoint>, TlsError> {
    routes
        .iter()
        .map(|route| {
            Ok(Endpoint {
                listen: route.listen,
                tls: route.tls.as_ref().map(Live::of).transpose()?,
                hosts: HostRule::new([route.public_url.clone()]),
            })
        })
        .collect()
}

/// Where each route leads, in their order: TLS trusts the system's roots, and the CA a route names.
///
/// # Errors
/// When a CA file or an address cannot be used.
pub fn destinations(routes: &[Route]) -> Result<Vec<Destination>, String> {
    routes
        .iter()
        .map(|route| {
            let tls = towards(route).map_err(|error| error.to_string())?;
            let destination = Destination::new(&route.upstream, Arc::clone(&tls))?;
            Ok(match route.login == route.upstream {
                true => destination,
                false => destination.with_login(Destination::new(&route.login, tls)?),
            })
        })
        .collect()
}

/// The way to a route's login host: HubSpot's is where everything is.
pub(crate) fn login(route: &Route) -> Arc<dyn LoginHost> {
    let route = route.clone();
    Arc::new(Login::by(move || {
        let login = match route.crm {
            CrmKind::Salesforce => &route.login,
            CrmKind::HubSpot => &route.upstream,
        };
        let tls = towards(&route).map_err(|error| error.to_string())?;
        Destination::new(login, tls)
    }))
}

/// The TLS towards a route's CRM.
fn towards(route: &Route) -> Result<Arc<ClientConfig>, TlsError> {
    match &route.upstream_ca {
        None => tls::client(None),
        Some(path) => with_ca(path),
    }
}

fn with_ca(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let text = tls::read(path)?;
    tls::client(Some(Pem {
        text: &text,
        of: &path.display().to_string(),
    }))
}
