//! A plain HTTP/1.1 client, as the scripted agent and operator use it: a base URL, a token, and a CA
//! to trust. One connection for each request; nothing is retried, nothing is followed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::crm::json;

/// Nothing in the demo takes longer: the proxy's own waits are at most 2 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// A caller.
#[derive(Clone)]
pub(super) struct Client {
    to: SocketAddr,
    token: String,
    /// TLS with nothing but the demo's CA to trust; plain HTTP without it.
    tls: Option<TlsConnector>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `x-writegate-entry`.
    pub(super) entry: Option<String>,
    /// Whether it is marked as given before (`x-writegate-replayed`).
    pub(super) replayed: bool,
    /// JSON; null where there was none.
    pub(super) body: Value,
}

impl Reply {
    /// The code of a refusal, in either CRM's shape.
    pub(super) fn code(&self) -> Option<&str> {
        self.text("errorCode").or_else(|| self.text("category"))
    }

    /// The message of a refusal, in either CRM's shape.
    pub(super) fn message(&self) -> Option<&str> {
        self.text("message")
    }

    fn text(&self, name: &str) -> Option<&str> {
        let first = self.body.get(0).unwrap_or(&self.body);
        first.get(name).and_then(Value::as_str)
    }
}

/// The TLS of a client that trusts one CA.
pub(super) fn trusting(ca: &str) -> Result<TlsConnector, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("cannot trust the demo's CA: {error}");
    let certificate =
        CertificateDer::from_pem_slice(ca.as_bytes()).map_err(|error| wrong(&error))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(|error| wrong(&error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Client {
    pub(super) fn new(to: SocketAddr, token: String, tls: Option<TlsConnector>) -> Self {
        Self { to, token, tls }
    }

    /// Sends a request, JSON where it has a body, and reads the whole answer.
    ///
    /// # Errors
    /// What went wrong on the way, for people.
    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        match tokio::time::timeout(PATIENCE, self.exchange(method, target, body)).await {
            Ok(reply) => reply,
            Err(_) => Err(format!("{} did not answer in time", self.to)),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let failed = |error: &dyn std::fmt::Display| format!("talking to {}: {error}", self.to);
        let io = TokioIo::new(self.connect().await?);
        let (mut sender, connection) =
            http1::handshake(io).await.map_err(|error| failed(&error))?;
        let driving = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.to.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let (parts, body) = sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?
            .into_parts();
        let bytes = body.collect().await.map_err(|error| failed(&error))?;
        driving.abort();
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        Ok(Reply {
            status: parts.status.as_u16(),
            entry: header("x-writegate-entry").map(str::to_owned),
            replayed: header("x-writegate-replayed") == Some("true"),
            body: json::parse(&bytes.to_bytes()).unwrap_or_default(),
        })
    }

    async fn connect(&self) -> Result<Box<dyn Io>, String> {
        let failed = |error: std::io::Error| format!("cannot connect to {}: {error}", self.to);
        let tcp = TcpStream::connect(self.to).await.map_err(failed)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::IpAddress(self.to.ip().into());
        Ok(Box::new(tls.connect(name, tcp).await.map_err(failed)?))
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}
