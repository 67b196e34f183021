//! The only code that talks to a CRM: `stream` and `read` have no effects there, `send` needs a
//! [`Journaled`]. One of these for each route and runtime.

mod begun;
mod body;
mod heard;
mod login;
mod pool;
mod spare;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use rustls::ClientConfig;

pub use begun::{Begun, Exported};
pub use body::{Body, BodyError, Edit, Piece};
pub use heard::Heard;
pub use login::Login;
pub use pool::Lease;
pub use traffic::{CLASSES, Traffic, Way};

use crate::credential::{self, Keyring, Source, Token, Unavailable};
use crate::journal::Journaled;
use pool::{Place, Pool, PoolError, Sent};
use spare::Spare;

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
    /// There is no credential of our own to ask with; nothing was sent, or the CRM did not take it.
    #[error("{0}")]
    NoCredential(#[from] Unavailable),
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
    /// There is no credential of our own to send it with. Nothing was written: no byte was sent, or the
    /// CRM answered 401.
    #[error("{0}")]
    NoCredential(#[from] Unavailable),
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
    place: Place,
    host: HeaderValue,
    /// Where logins go, if somewhere else.
    login: Option<Box<Destination>>,
}

impl Destination {
    /// The way to `upstream` (scheme and authority). No header, path or answer ever changes where it
    /// leads (P14).
    ///
    /// # Errors
    /// When the address cannot be used; says why.
    pub fn new(upstream: &Uri, tls: Arc<ClientConfig>) -> Result<Self, String> {
        let authority = upstream
            .authority()
            .ok_or("the upstream has no host")?
            .as_str();
        let host = HeaderValue::from_str(authority)
            .map_err(|error| format!("`{authority}` cannot stand in a Host header: {error}"))?;
        let place = Place::new(upstream, tls)?;
        Ok(Self {
            place,
            host,
            login: None,
        })
    }

    /// The same, with logins going to another host.
    #[must_use]
    pub fn with_login(mut self, login: Self) -> Self {
        self.login = Some(Box::new(login));
        self
    }
}

/// One route's way to its CRM, on one runtime.
#[derive(Clone, Debug)]
pub struct Upstream {
    pool: Arc<Pool>,
    host: HeaderValue,
    traffic: Arc<Traffic>,
    heard: Heard,
    keyring: Arc<Keyring>,
    /// The way to the login host, where that is another one.
    login: Option<Arc<Self>>,
}

impl Upstream {
    /// A way of its own for the runtime that calls this; `heard` is told the headers of every answer,
    /// `keyring` has the tokens that handles stand for.
    #[must_use]
    pub fn to(destination: &Destination, heard: Heard, keyring: &Arc<Keyring>) -> Self {
        let login = destination.login.as_deref();
        let login = login.map(|login| Arc::new(Self::to(login, heard.clone(), keyring)));
        Self {
            login,
            pool: Arc::new(Pool::new(destination.place.clone())),
            host: destination.host.clone(),
            traffic: Arc::default(),
            heard,
            keyring: Arc::clone(keyring),
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
        let answer = self.ask(request, READ_FOR).await;
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
        let answer = match self.ask(request, READ_FOR).await {
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
    pub async fn read(&self, mut request: Request<Body>) -> Result<Answer, ReadError> {
        let path = request.uri().path().to_owned();
        // the credential came for another API, perhaps
        credential::suit(request.headers_mut(), &path);
        let all = async {
            let (answer, lease) = self.ask(request, OWN_READ_FOR).await?;
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

    /// Passes a login on, to the route's login host, and collects the answer.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or it is too large.
    pub async fn log_in(&self, request: Request<Body>) -> Result<Answer, ReadError> {
        let way = self.login.as_deref().unwrap_or(self);
        let all = async {
            let (answer, lease) = way.ask(request, LOGIN_FOR).await?;
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

    /// Sends a write: one dispatch at most. `last_look` is asked right before the request is handed to
    /// a connection; after a no, nothing is sent.
    ///
    /// One answer tells that the CRM did not carry it out and what to do about it: 401 to a credential of
    /// our own that can be renewed (RFC 9110 15.5.2: "the request has not been applied"). Then it is sent
    /// once more with another token, under the same entry and after another last look.
    ///
    /// # Errors
    /// [`SendError`] tells what was sent from what was not.
    pub async fn send(
        &self,
        journaled: &Journaled,
        request: Request<Body>,
        last_look: &dyn LastLook,
    ) -> Result<Answer, SendError> {
        let all = async {
            let (answer, lease) = self.send_renewed(journaled, request, last_look).await?;
            collect(answer, lease).await.map_err(SendError::Lost)
        };
        let answer = in_time(all).await;
        self.count_sent(answer.as_ref().map(|answer| answer.status));
        answer
    }

    /// The same for an export: of a large answer only the beginning is waited for.
    ///
    /// # Errors
    /// [`SendError`] tells what was sent from what was not.
    pub async fn export(
        &self,
        journaled: &Journaled,
        request: Request<Body>,
        last_look: &dyn LastLook,
    ) -> Result<Exported, SendError> {
        let beginning = async {
            let (answer, lease) = self.send_renewed(journaled, request, last_look).await?;
            Exported::begin(answer, lease)
                .await
                .map_err(SendError::Lost)
        };
        let answer = in_time(beginning).await;
        self.count_sent(answer.as_ref().map(Exported::status));
        answer
    }

    async fn send_renewed(
        &self,
        journaled: &Journaled,
        mut request: Request<Body>,
        last_look: &dyn LastLook,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        let worn = self.dress(&mut request).await?;
        let spare = worn.as_ref().and_then(|_| Spare::of(&request));
        let (answer, lease) = self.dispatch(journaled, request, last_look).await?;
        let (Some(worn), Some(spare)) = (worn, spare) else {
            return Ok((answer, lease));
        };
        if answer.status() != StatusCode::UNAUTHORIZED || !worn.source.refused(&worn.token) {
            return Ok((answer, lease));
        }
        // The first answer is of no use; its connection closes.
        drop((answer, lease));
        tracing::info!(entry = %journaled.entry(), "not taken by the CRM (401): sent once more with another token");
        let mut request = spare.request();
        wear(&worn.source.token().await?, &mut request);
        journaled.sent_again();
        self.dispatch(journaled, request, last_look).await
    }

    /// Hands a write to one connection.
    async fn dispatch(
        &self,
        journaled: &Journaled,
        mut request: Request<Body>,
        last_look: &dyn LastLook,
    ) -> Result<(Response<Incoming>, Lease), SendError> {
        request.headers_mut().insert(HOST, self.host.clone());
        loop {
            let (lease, _) = self
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
                    return Ok((answer, lease));
                }
                // Handed back before a byte was written: the only case in which another
                // connection is tried.
                Sent::Unsent(unsent) => request = *unsent,
                Sent::Broken(error) => return Err(SendError::Lost(error.to_string())),
            }
        }
    }

    fn count_sent(&self, answer: Result<StatusCode, &SendError>) {
        match answer {
            Ok(status) => self.traffic.count(Way::Write, Some(status)),
            // Nobody was asked.
            Err(SendError::Stopped) => {}
            Err(
                SendError::NotSent(_)
                | SendError::Lost(_)
                | SendError::Timeout
                | SendError::NoCredential(_),
            ) => {
                self.traffic.count(Way::Write, None);
            }
        }
    }

    /// Puts a token in place of a handle. One in a body is renewed ahead of its end alone: what is
    /// answered there is no 401 (SOAP faults are 500).
    async fn dress(&self, request: &mut Request<Body>) -> Result<Option<Worn>, Unavailable> {
        let Some((source, place)) = self.keyring.take(request.headers_mut()) else {
            return Ok(None);
        };
        let token = source.token().await?;
        let Some(place) = place else {
            wear(&token, request);
            let source = Arc::clone(source);
            return Ok(Some(Worn { source, token }));
        };
        if let Body::Full(bytes) = request.body() {
            let whole = token.put_in(bytes, &place)?;
            *request.body_mut() = Body::Full(whole);
        }
        Ok(None)
    }

    /// Asks, and where a token of our own is refused, once more with another one.
    async fn ask(
        &self,
        mut request: Request<Body>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Lease), ReadError> {
        let Some(worn) = self.dress(&mut request).await? else {
            return self.ask_once(request, within).await;
        };
        let spare = Spare::of(&request);
        let (answer, lease) = self.ask_once(request, within).await?;
        if answer.status() != StatusCode::UNAUTHORIZED || !worn.source.refused(&worn.token) {
            return Ok((answer, lease));
        }
        // The first answer is of no use; its connection closes.
        drop((answer, lease));
        let token = worn.source.token().await?;
        let Some(spare) = spare else {
            return Err(ReadError::NoCredential(Unavailable {
                why: "the CRM ended the session while a body was streamed".into(),
                retry_after: 1,
            }));
        };
        let mut request = spare.request();
        wear(&token, &mut request);
        self.ask_once(request, within).await
    }

    async fn ask_once(
        &self,
        mut request: Request<Body>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Lease), ReadError> {
        request.headers_mut().insert(HOST, self.host.clone());
        let again = Spare::of_bodyless_read(&request);
        let exchange = async {
            loop {
                let (lease, reused) = self.pool.lease().await?;
                match pool::hand_over(lease, request).await {
                    Sent::Answer(answer, lease) => {
                        self.heard.tell(answer.headers());
                        return Ok((answer, lease));
                    }
                    Sent::Unsent(unsent) => request = *unsent,
                    Sent::Broken(error) => match &again {
                        // An idle connection that the CRM closed just now: a read without a body can
                        // be asked again.
                        Some(same) if reused => request = same.request(),
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

/// A token on a request, and where it is from.
struct Worn {
    source: Arc<Source>,
    token: Token,
}

/// Puts a token of our own where the API of the path looks for it, and nowhere else.
fn wear(token: &Token, request: &mut Request<Body>) {
    let path = request.uri().path().to_owned();
    let headers = request.headers_mut();
    credential::clear(headers);
    token.put(headers);
    credential::suit(headers, &path);
}

/// Waits for what was sent as long as a write may take.
async fn in_time<T>(sent: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
    match tokio::time::timeout(WRITE_FOR, sent).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(SendError::Timeout),
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
