//! The HTTP/1.1 server side, independent of what it serves: listeners, TLS, strict framing, time and
//! size limits, drain. Knows a [`Handler`]; `proxied` makes the proxy one.
//!
//! One current-thread runtime for each worker, each with its own listener on every address and its
//! own handler, so that a request never changes threads and upstream pools are not shared.
//!
//! ```text
//! bind      every address, once without SO_REUSEPORT: a second server on the port is an error
//! run       workers: accept → TLS → strict message layer → hyper → handler
//! drain     stop accepting, finish what is under way, wait for detached tasks, at most the grace
//! ```

mod accept;
mod bind;
mod drain;
pub mod proxied;
mod run;
mod strict;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use hyper::body::Incoming;

pub use bind::{BindError, Bound, Endpoint, bind};
pub use drain::{Inflight, InflightGuard, Shutdown, Signals, Trigger};
pub use run::Drained;
pub use strict::fault::{Fault, Part};
pub use strict::host::{HostNames, HostRule};
pub use strict::limits::{Limits, Timeouts};
pub use strict::{Rules as MessageRules, Scanner, Step};

/// Answers requests. Made once on each worker thread and cloned for each connection.
pub trait Handler: Clone + Send + 'static {
    /// The body of an answer.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Unpin
        + Send
        + 'static;

    /// Answers a request whose head is right. Its body can still end in an error:
    /// [`Fault::behind`] tells whether the message layer refused it, and [`Handler::refuse`] is
    /// then the answer; the connection closes behind it. The future is dropped when the client goes
    /// away, so what must be finished is detached with [`Inflight::spawn`].
    fn call(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// Answers a message that was not let in; [`Fault::status`] and [`Fault::refusal`] say how. The
    /// connection closes behind the answer.
    fn refuse(&self, peer: &Peer, fault: Fault) -> Response<Self::Body>;
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where it connects from.
    pub address: SocketAddr,
    /// The place of the endpoint in the list given to [`bind()`].
    pub endpoint: usize,
    /// Whether it came by TLS.
    pub secure: bool,
    /// The DNS and URI names of its client certificate (RFC 5280 4.2.1.6); only of one that was
    /// verified, so empty without mTLS.
    pub names: Vec<String>,
}

/// What all listeners of a server have in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// Open connections, over all workers; one more is closed at once.
    pub connections: usize,
    /// Sizes of messages.
    pub limits: Limits,
    /// Waiting for clients.
    pub timeouts: Timeouts,
    /// Methods that reach the handler; others get 405. Case counts.
    pub methods: Vec<Method>,
    /// How long a drain may take.
    pub grace: Duration,
    /// Whether the spelling of header names is kept for the handler and for answers.
    pub preserve_header_case: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            connections: 20_000,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            // OPTIONS changes nothing, and what a route makes of it is the CRM's to say. TRACE would
            // echo credentials, CONNECT would open a tunnel.
            methods: vec![
                Method::GET,
                Method::POST,
                Method::PATCH,
                Method::PUT,
                Method::DELETE,
                Method::HEAD,
                Method::OPTIONS,
            ],
            grace: Duration::from_secs(30),
            preserve_header_case: false,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
