//! The only code that talks to a CRM: `stream` and `read` have no effects there, `send` needs a
//! [`Journaled`]. One of these for each route and runtime.

mod body;
mod heard;
mod pool;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use rustls::ClientConfig;

pub use body::{Body, BodyError, Edit, Piece};
pub use heard::Heard;
pub use pool::Lease;
pub use traffic::{CLASSES, Traffic, Way};

use crate::journal::Journaled;
use pool::{Place, Pool, PoolError, Sent};

/// How long the CRM may take to begin its answer to a read; its own limit is ten minutes.
const READ_FOR: Duration = Duration::from_secs(600);
/// How long the CRM may take to answer a write. Clients give up at 60 s; the outcome is still waited
/// for, so that the entry can tell it.
const WRITE_FOR: Duration = Duration::from_secs(120);
/// How long our own reads may take: the agent waits behind them.
const OWN_READ_FOR: Duration = Duration::from_secs(20);
/// How long the CRM may take to answer a login.
const LOGIN_FOR: Duration = Duration::from_secs(60);
/// The largest answer that is read whole. A batch of 200 records with every field is below 10 MB.
const ANSWER_MOST: usize = 64 * 1024 * 1024;

/// Why a read brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The CRM could not be reached, or the connection broke.
    #[error("{0}")]
    Lost(String),
    /// The CRM did not answer in time.
    #[error("no answer in time")]
    Timeout,
}

/// Why a write brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No byte was sent.
    #[error("nothing was sent: {0}")]
    NotSent(String),
    /// The last look before the first byte said no.
    #[error("stopped before the first byte")]
    Stopped,
    /// Some or all of it was, or may have been, sent.
    #[error("sent, no answer: {0}")]
    Lost(String),
    /// Sent; no answer in time.
    #[error("sent, no answer in time")]
    Timeout,
}

/// The last look before a write's first byte.
#[async_trait]
pub trait LastLook: Sync {
    /// Whether the write may still go. When it returns, nothing is waited for until its first byte.
    async fn passes(&self, journaled: &Journaled) -> bool;
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as they came.
    pub headers: HeaderMap,
    /// Its body, as it came.
    pub body: Bytes,
}

/// Where a route leads: checked once, used by every runtime.
#[derive(Clone, Debug)]
pub struct Destination {
    api: Address,
    /// Where logins go, if somewhere else.
    login: Option<Address>,
}

/// A host, and its name as it stands in a request.
#[derive(Clone, Debug)]
struct Address {
    place: Place,
    host: HeaderValue,
}

impl Destination {
    /// The way to `upstream` (scheme and authority). No header, path or answer ever changes where it
    /// leads (P14).
    ///
    /// # Errors
    /// When the address cannot be used; says why.
    pub fn new(upstream: &Uri, tls: Arc<ClientConfig>) -> Result<Self, String> {
        Ok(Self {
            api: Address::new(upstream, tls)?,
            login: None,
        })
    }

    /// The same, with logins going to another host.
    ///
    /// # Errors
    /// When its address cannot be used; says why.
    pub fn with_login(mut self, login: &Uri, tls: Arc<ClientConfig>) -> Result<Self, String> {
        self.login = Some(Address::new(login, tls)?);
        Ok(self)
    }
}

impl Address {
    fn new(url: &Uri, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let authority = url.authority().ok_or("the upstream has no host")?.as_str();
        let host = HeaderValue::from_str(authority)
            .map_err(|error| format!("`{authority}` cannot stand in a Host header: {error}"))?;
        let place = Place::new(url, tls)?;
        Ok(Self { place, host })
    }
}

/// One route's way to its CRM, on one runtime.
#[derive(Clone, Debug)]
pub struct Upstream {
    api: Host,
    login: Host,
    traffic: Arc<Traffic>,
    heard: Heard,
}

/// A host that is talked to, and the connections to it.
#[derive(Clone, Debug)]
struct Host {
    pool: Arc<Pool>,
    name: HeaderValue,
}

impl Host {
    fn at(address: &Address) -> Self {
        Self {
            pool: Arc::new(Pool::new(address.place.clone())),
            name: address.host.clone(),
        }
    }
}

impl Upstream {
    /// A way of its own for the runtime that calls this; `heard` is told the headers of every answer.
    #[must_use]
    pub fn to(destination: &Destination, heard: Heard) -> Self {
        let api = Host::at(&destination.api);
        let login = destination.login.as_ref().map(Host::at);
        Self {
            login: login.unwrap_or_else(|| api.clone()),
            api,
            traffic: Arc::default(),
            heard,
        }
    }

    /// What passed here so far.
    #[must_use]
    pub fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// Passes a read on and streams the answer back.
    ///
    /// # Errors
    /// [`ReadError`] when no answer began.
    pub async fn stream(&self, request: Request<Body>) -> Result<Response<Body>, ReadError> {
        let answer = self.ask(&self.api, request, READ_FOR).await;
        let status = answer.as_ref().ok().map(|(answer, _)| answer.status());
        self.traffic.count(Way::Read, status);
        let (answer, lease) = answer?;
        let (parts, incoming) = answer.into_parts();
        let body = if http_body::Body::is_end_stream(&incoming) {
            lease.give_back();
            Body::Empty
        } else {
            Body::Leased(incoming, Some(lease))
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Passes on a step of a bulk job that changes no record by itself, as making and feeding one do, and
    /// collects the answer. The step that does is a write ([`Upstream::send`]).
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or it is too large.
    pub async fn feed(&self, request: Request<Body>) -> Result<Answer, ReadError> {
        let answer = match self.ask(&self.api, request, READ_FOR).await {
            Ok((answer, lease)) => collect(answer, lease).await.map_err(ReadError::Lost),
            Err(error) => Err(error),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        self.traffic.count(Way::Write, status);
        answer
    }

    /// Makes a read of our own and collects the answer.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or it is too large.
    pub async fn read(&self, request: Request<Body>) -> Result<Answer, ReadError> {
        let all = async {
            let (answer, lease) = self.ask(&self.api, request, OWN_READ_FOR).await?;
            collect(answer, lease).await.map_err(ReadError::Lost)
        };
        let answer = match tokio::time::timeout(OWN_READ_FOR, all).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(ReadError::Timeout),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        self.traffic.count(Way::OwnRead, status);
        answer
    }

    /// Sends a write: one dispatch at most. `last_look` is asked right before the request is handed to
    /// a connection; after a no, nothing is sent.
    ///
    /// # Errors
    /// [`SendError`] tells what was sent from what was not.
    pub async fn send(
        &self,
        journaled: &Journaled,
        mut request: Request<Body>,
        last_look: &dyn LastLook,
    ) -> Result<Answer, SendError> {
        request.headers_mut().insert(HOST, self.api.name.clone());
        let dispatch = async {
            loop {
                let (lease, _) = self
                    .api
                    .pool
                    .lease()
                    .await
                    .map_err(|error| SendError::NotSent(error.to_string()))?;
                if !last_look.passes(journaled).await {
                    return Err(SendError::Stopped);
                }
                match pool::hand_over(lease, request).await {
                    Sent::Answer(answer, lease) => {
                        self.heard.tell(answer.headers());
                        return collect(answer, lease).await.map_err(SendError::Lost);
                    }
                    // Handed back before a byte was written: the only case in which another
                    // connection is tried.
                    Sent::Unsent(unsent) => request = *unsent,
                    Sent::Broken(error) => return Err(SendError::Lost(error.to_string())),
                }
            }
        };
        let answer = match tokio::time::timeout(WRITE_FOR, dispatch).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(SendError::Timeout),
        };
        match &answer {
            Ok(answer) => self.traffic.count(Way::Write, Some(answer.status)),
            // Nobody was asked.
            Err(SendError::Stopped) => {}
            Err(SendError::NotSent(_) | SendError::Lost(_) | SendError::Timeout) => {
                self.traffic.count(Way::Write, None);
            }
        }
        answer
    }

    /// Passes a login on, to the route's login host, and collects the answer.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or it is too large.
    pub async fn login(&self, request: Request<Body>) -> Result<Answer, ReadError> {
        let all = async {
            let (answer, lease) = self.ask(&self.login, request, LOGIN_FOR).await?;
            collect(answer, lease).await.map_err(ReadError::Lost)
        };
        let answer = match tokio::time::timeout(LOGIN_FOR, all).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(ReadError::Timeout),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        self.traffic.count(Way::Login, status);
        answer
    }

    async fn ask(
        &self,
        host: &Host,
        mut request: Request<Body>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Lease), ReadError> {
        request.headers_mut().insert(HOST, host.name.clone());
        let again = Again::of(&request);
        let exchange = async {
            loop {
                let (lease, reused) = host.pool.lease().await?;
                match pool::hand_over(lease, request).await {
                    Sent::Answer(answer, lease) => {
                        self.heard.tell(answer.headers());
                        return Ok((answer, lease));
                    }
                    Sent::Unsent(unsent) => request = *unsent,
                    Sent::Broken(error) => match again.request() {
                        // An idle connection that the CRM closed just now: a read without a body can
                        // be asked again.
                        Some(same) if reused => request = same,
                        _ => return Err(PoolError::Broken(error)),
                    },
                }
            }
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer.map_err(|error| ReadError::Lost(error.to_string())),
            Err(_elapsed) => Err(ReadError::Timeout),
        }
    }
}

/// What it takes to ask a read without a body again.
struct Again(Option<(Method, Uri, HeaderMap)>);

impl Again {
    fn of(request: &Request<Body>) -> Self {
        let repeatable = matches!(request.body(), Body::Empty)
            && (request.method() == Method::GET || request.method() == Method::HEAD);
        Self(repeatable.then(|| {
            (
                request.method().clone(),
                request.uri().clone(),
                request.headers().clone(),
            )
        }))
    }

    fn request(&self) -> Option<Request<Body>> {
        let (method, uri, headers) = self.0.as_ref()?;
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        Some(request)
    }
}

/// Reads an answer whole; the connection goes back to the pool.
async fn collect(answer: Response<Incoming>, lease: Lease) -> Result<Answer, String> {
    let (parts, incoming) = answer.into_parts();
    let body = match Limited::new(incoming, ANSWER_MOST).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(format!("the answer is larger than {ANSWER_MOST} bytes"));
        }
        Err(error) => return Err(error.to_string()),
    };
    lease.give_back();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}
