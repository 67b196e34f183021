//! Accepts connections and serves them: TLS, the strict message layer, hyper, the handler.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{ALLOW, CONNECTION, HeaderValue};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::drain::{Inflight, InflightGuard, Shutdown};
use super::strict::Rules;
use super::strict::io::{REFUSED_METHOD, Strict};
use super::strict::limits::Timeouts;
use super::strict::link::{Answer, Link};
use super::{Fault, Handler, Peer, Settings};
use crate::tls::{self, Live};

/// One of this many connections beyond the limit is logged.
const LOG_EVERY: u64 = 1000;

/// What the connections of an endpoint have in common, on all workers.
#[derive(Debug)]
pub(super) struct Lobby {
    endpoint: usize,
    tls: Option<Live>,
    rules: Arc<Rules>,
    /// The methods that are taken, for the answer to others.
    allow: HeaderValue,
    /// Room for connections.
    open: Arc<Semaphore>,
    turned_away: AtomicU64,
}

impl Lobby {
    pub(super) fn new(
        endpoint: usize,
        tls: Option<Live>,
        rules: Arc<Rules>,
        open: Arc<Semaphore>,
    ) -> Self {
        let allow: Vec<&str> = rules.methods.iter().map(Method::as_str).collect();
        Self {
            endpoint,
            tls,
            allow: HeaderValue::try_from(allow.join(", ")).unwrap_or(HeaderValue::from_static("")),
            rules,
            open,
            turned_away: AtomicU64::new(0),
        }
    }

    /// A place for one more connection.
    fn admit(&self, address: SocketAddr) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.open).try_acquire_owned().ok();
        if place.is_none() {
            let before = self.turned_away.fetch_add(1, Ordering::Relaxed);
            if before.is_multiple_of(LOG_EVERY) {
                tracing::warn!(
                    peer = %address,
                    turned_away = before + 1,
                    "too many connections: closing new ones at once"
                );
            }
        }
        place
    }
}

/// hyper's half of the settings. Its own header timeout stays off: [`Strict`] keeps all deadlines,
/// and hyper sees no byte of a head before it is whole. Its gathering of pipelined answers stays off
/// too: hyper 1.12 closes without writing what it gathered when an answer says `Connection: close`
/// and another request is already read.
pub(super) fn builder(settings: &Settings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .keep_alive(true)
        .half_close(false)
        .preserve_header_case(settings.preserve_header_case);
    if settings.limits.fields > 100 {
        // hyper's own limit, 100, is the cheaper one.
        builder.max_headers(settings.limits.fields);
    }
    builder
}

/// A connection's share of the drain: when it starts, and that it is waited for.
type Draining = (Shutdown, Inflight);

/// Accepts until the drain starts.
pub(super) async fn accept<H: Handler>(
    listener: TcpListener,
    lobby: Arc<Lobby>,
    builder: http1::Builder,
    timeouts: Timeouts,
    handler: H,
    (mut shutdown, connections): Draining,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.started() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let Some(place) = lobby.admit(address) else {
            continue;
        };
        let connection = Connection {
            lobby: Arc::clone(&lobby),
            builder: builder.clone(),
            timeouts: timeouts.clone(),
            handler: handler.clone(),
            shutdown: shutdown.clone(),
            _place: place,
            _counted: connections.guard(),
        };
        drop(tokio::spawn(connection.start(stream, address)));
    }
}

/// A failed accept is the client's (it is gone already) or ours (no descriptors left); the second
/// kind would spin without a pause.
async fn pause(error: &io::Error) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !gone {
        tracing::error!(%error, "cannot accept connections");
        sleep(Duration::from_millis(100)).await;
    }
}

/// One connection being served.
struct Connection<H> {
    lobby: Arc<Lobby>,
    builder: http1::Builder,
    timeouts: Timeouts,
    handler: H,
    shutdown: Shutdown,
    _place: OwnedSemaphorePermit,
    _counted: InflightGuard,
}

impl<H: Handler> Connection<H> {
    async fn start(self, stream: TcpStream, address: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(peer = %address, %error, "connection lost before it began");
            return;
        }
        let mut peer = Peer {
            address,
            endpoint: self.lobby.endpoint,
            secure: self.lobby.tls.is_some(),
            names: Vec::new(),
        };
        let Some(config) = self.lobby.tls.as_ref().map(Live::now) else {
            return self.serve(stream, peer).await;
        };
        let shaking = TlsAcceptor::from(config).accept(stream);
        match timeout(self.timeouts.handshake, shaking).await {
            Ok(Ok(stream)) => {
                peer.names = tls::client_names(stream.get_ref().1.peer_certificates());
                self.serve(stream, peer).await;
            }
            Ok(Err(error)) => tracing::info!(peer = %address, %error, "TLS handshake failed"),
            Err(_elapsed) => tracing::info!(peer = %address, "TLS handshake took too long"),
        }
    }

    async fn serve<T>(self, stream: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            lobby,
            builder,
            timeouts,
            handler,
            mut shutdown,
            _place,
            _counted,
        } = self;
        let session = Arc::new(Session {
            peer,
            link: Arc::default(),
            lobby,
        });
        let (link, rules) = (Arc::clone(&session.link), Arc::clone(&session.lobby.rules));
        let io = Strict::new(stream, rules, link, timeouts);
        let service = service_fn({
            let session = Arc::clone(&session);
            move |request| answer(handler.clone(), Arc::clone(&session), request)
        });
        let connection = builder.serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let mut draining = pin!(shutdown.started());
        let mut drained = false;
        let served = poll_fn(|cx| {
            // First, so that an answer made from now on says that the connection closes behind it.
            if !drained && draining.as_mut().poll(cx).is_ready() {
                drained = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(cx)
        });
        if let Err(error) = served.await {
            tracing::debug!(peer = %session.peer, %error, "connection ended early");
        }
        if session.link.head_fault() == Some(Fault::TlsOnPlain) {
            tracing::warn!(peer = %session.peer, "{}", Fault::TlsOnPlain);
        }
    }
}

/// What the requests of a connection have in common.
struct Session {
    peer: Peer,
    link: Arc<Link>,
    lobby: Arc<Lobby>,
}

/// Answers one request. The message layer hands hyper a stand-in for a head that it refused.
fn answer<H: Handler>(
    handler: H,
    session: Arc<Session>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answer<H::Body>>, Infallible>> + Send {
    let answering = session.link.begin();
    async move {
        let refused = match request.method().as_str() {
            REFUSED_METHOD => session.link.head_fault(),
            _ => None,
        };
        let mut response = match refused {
            Some(fault) => handler.refuse(&session.peer, fault),
            None => handler.call(&session.peer, request).await,
        };
        if refused.is_some() || session.link.body_fault().is_some() {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
        if refused == Some(Fault::Method) {
            // RFC 9110 15.5.6: a 405 lists what is taken.
            let allow = session.lobby.allow.clone();
            response.headers_mut().insert(ALLOW, allow);
        }
        Ok(response.map(|body| Answer::new(body, answering)))
    }
}
