//! Connections to one CRM, kept open for one runtime. Knows HTTP/1.1 and TLS, nothing of writes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::body::Body;

/// How many idle connections one runtime keeps to one CRM.
const IDLE_MOST: usize = 256;
/// Idle for longer than this, a connection is not used again: the far end may be about to close it.
const IDLE_FOR: Duration = Duration::from_secs(50);
/// How long reaching the CRM may take, TLS included.
const CONNECT_FOR: Duration = Duration::from_secs(10);

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(super) enum PoolError {
    /// No connection could be made; nothing was sent.
    #[error("cannot connect: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke after the request was, or may have been, on its way.
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
}

/// Where a CRM is.
#[derive(Clone)]
pub(super) struct Place {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Place {
    /// The place of `upstream` (scheme and authority).
    pub(super) fn new(upstream: &Uri, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let host = upstream.host().ok_or("the upstream has no host")?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let secure = upstream.scheme_str() == Some("https");
        let tls = if secure {
            let server = ServerName::try_from(host.clone())
                .map_err(|error| format!("`{host}` cannot stand in a certificate: {error}"))?;
            Some((TlsConnector::from(tls), server))
        } else {
            None
        };
        let port = upstream.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { host, port, tls })
    }
}

/// The connections of one runtime to one CRM.
pub(super) struct Pool {
    place: Place,
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection in use; goes back when the answer was read to its end, and closes when it is dropped.
pub struct Lease {
    sender: SendRequest<Body>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.place).finish()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lease")
    }
}

impl Lease {
    /// Back into the pool.
    pub(super) fn give_back(self) {
        let Self { sender, pool } = self;
        if sender.is_closed() {
            return;
        }
        let mut idle = pool.idle.lock();
        if idle.len() < IDLE_MOST {
            idle.push_back(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(place: Place) -> Self {
        Self {
            place,
            idle: Mutex::default(),
        }
    }

    /// A connection that can take a request: an idle one, else a new one. The flag says whether it was
    /// used before.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<(Lease, bool), PoolError> {
        if let Some(sender) = self.take_idle() {
            return Ok((
                Lease {
                    sender,
                    pool: Arc::clone(self),
                },
                true,
            ));
        }
        let sender = tokio::time::timeout(CONNECT_FOR, self.connect())
            .await
            .map_err(|_elapsed| PoolError::Connect(std::io::ErrorKind::TimedOut.into()))??;
        Ok((
            Lease {
                sender,
                pool: Arc::clone(self),
            },
            false,
        ))
    }

    /// The idle connection used last: it is the least likely to be closed by the far end.
    fn take_idle(&self) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock();
        let mut not_ready = Vec::new();
        let mut found = None;
        while let Some(entry) = idle.pop_back() {
            if entry.sender.is_closed() || entry.since.elapsed() > IDLE_FOR {
                continue;
            }
            if entry.sender.is_ready() {
                found = Some(entry.sender);
                break;
            }
            not_ready.push(entry);
        }
        idle.extend(not_ready.into_iter().rev());
        found
    }

    async fn connect(&self) -> Result<SendRequest<Body>, PoolError> {
        let Place { host, port, tls } = &self.place;
        let tcp = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(PoolError::Connect)?;
        tcp.set_nodelay(true).map_err(PoolError::Connect)?;
        match tls {
            None => open(TokioIo::new(tcp)).await,
            Some((connector, name)) => {
                let stream = connector
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(PoolError::Connect)?;
                open(TokioIo::new(stream)).await
            }
        }
    }
}

/// Speaks HTTP/1.1 over a connection; its driver runs on this runtime until it closes.
async fn open<T>(io: T) -> Result<SendRequest<Body>, PoolError>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .handshake(io)
        .await
        .map_err(PoolError::Broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the CRM ended");
        }
    });
    Ok(sender)
}

/// What came of handing a request to a connection.
pub(super) enum Sent {
    /// An answer.
    Answer(Response<Incoming>, Lease),
    /// The connection gave the request back before any of it was written.
    Unsent(Box<Request<Body>>),
    /// It broke on the way.
    Broken(hyper::Error),
}

/// Hands a request to a connection. It is serialised at most once.
pub(super) async fn hand_over(mut lease: Lease, request: Request<Body>) -> Sent {
    match lease.sender.try_send_request(request).await {
        Ok(answer) => Sent::Answer(answer, lease),
        Err(mut error) => match error.take_message() {
            Some(request) => Sent::Unsent(Box::new(request)),
            None => Sent::Broken(error.into_error()),
        },
    }
}
