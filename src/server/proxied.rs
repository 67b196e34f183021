//! The routes as endpoints of a server, and the proxy as their handler.

use std::path::Path;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ClientConfig;

use super::{Endpoint, Fault, Handler, HostRule, Peer};
use crate::app::{App, Worker};
use crate::config::Route;
use crate::proxy;
use crate::tls::{self, Pem, TlsError};
use crate::upstream::Body;

/// The proxy on one worker. Endpoints and routes have the same places.
#[derive(Clone, Debug)]
pub struct Proxied {
    worker: Arc<Worker>,
}

impl Proxied {
    /// The proxy over a worker.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        Self {
            worker: Arc::new(worker),
        }
    }
}

impl Handler for Proxied {
    type Body = Body;

    async fn call(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        proxy::handle(&self.worker, peer.endpoint, request).await
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
                tls: route.tls.as_ref().map(tls::listener).transpose()?,
                hosts: HostRule::new([route.public_url.clone()]),
            })
        })
        .collect()
}

/// The TLS towards the CRMs, made once: the system's roots, and for a route the CA it names.
#[derive(Debug)]
pub struct UpstreamTls {
    by_route: Vec<Arc<ClientConfig>>,
}

impl UpstreamTls {
    /// Reads what the routes name.
    ///
    /// # Errors
    /// When a CA file cannot be used.
    pub fn new(routes: &[Route]) -> Result<Self, TlsError> {
        let by_route = routes
            .iter()
            .map(|route| match &route.upstream_ca {
                None => tls::client(None),
                Some(path) => with_ca(path),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { by_route })
    }

    /// A worker of `app`, on the runtime that calls this.
    ///
    /// # Errors
    /// When an upstream's address cannot be used.
    pub fn worker(&self, app: &Arc<App>) -> Result<Worker, String> {
        Worker::new(Arc::clone(app), &self.by_route)
    }
}

fn with_ca(path: &Path) -> Result<Arc<ClientConfig>, TlsError> {
    let text = tls::read(path)?;
    tls::client(Some(Pem {
        text: &text,
        of: &path.display().to_string(),
    }))
}
