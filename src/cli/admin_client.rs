//! Asks a running proxy over its operator API. One request, one connection.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Context, Failure};

/// Where a proxy listens for operators unless the configuration says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:9090";

/// A kill waits up to 2 s for the replicas; everything else is quicker.
const PATIENCE: Duration = Duration::from_secs(15);

/// A revert reads and writes many records.
const LONG_PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The largest answer that is read.
const LARGEST_ANSWER: usize = 64 << 20;

/// Which proxy to ask.
#[derive(Args, Debug)]
pub(super) struct AdminArguments {
    #[arg(
        long,
        value_name = "URL",
        help = "The running proxy's admin address [default: WRITEGATE_ADMIN, else \
                http://127.0.0.1:9090]; WRITEGATE_TOKEN holds your operator token"
    )]
    admin: Option<String>,
}

/// A running proxy's operator API.
pub(super) struct AdminClient {
    url: Uri,
    token: HeaderValue,
}

impl AdminClient {
    /// Where the arguments or the environment say it is.
    pub(super) fn new(arguments: &AdminArguments, context: &Context<'_>) -> Result<Self, Failure> {
        let from_env = || context.env.get("WRITEGATE_ADMIN").map(String::as_str);
        let url = arguments.admin.as_deref().or_else(from_env);
        let token = context.env.get("WRITEGATE_TOKEN");
        let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
            Failure::Usage(
                "WRITEGATE_TOKEN is not set: set it to your operator token, whose fingerprint \
                 stands under `operators:`"
                    .into(),
            )
        })?;
        Ok(Self {
            url: url_of(url.unwrap_or(DEFAULT_URL))?,
            token: bearer(token)?,
        })
    }

    /// `GET`; `target` is path and query below `/api/v1/`.
    pub(super) fn get(&self, target: &str) -> Result<Value, Failure> {
        self.ask(&Method::GET, target, None, PATIENCE)
    }

    /// `POST` with a JSON body, for what may take long.
    pub(super) fn post_long(&self, target: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(&Method::POST, target, Some(body), LONG_PATIENCE)
    }

    /// `PUT` with a JSON body.
    pub(super) fn put(&self, target: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(&Method::PUT, target, Some(body), PATIENCE)
    }

    /// `POST` with a JSON body.
    pub(super) fn post(&self, target: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(&Method::POST, target, Some(body), PATIENCE)
    }

    /// `DELETE` with a JSON body.
    pub(super) fn delete(&self, target: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(&Method::DELETE, target, Some(body), PATIENCE)
    }

    fn ask(
        &self,
        method: &Method,
        target: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Value, Failure> {
        let (status, answer) = block_on(async {
            let exchange = tokio::time::timeout(patience, self.exchange(method, target, body));
            match exchange.await {
                Ok(answer) => answer,
                Err(_) => Err(self.unreachable("it did not answer in time")),
            }
        })??;
        let value = own_json(&answer);
        if status.is_success() {
            return value.ok_or_else(|| self.stranger(status));
        }
        let error = value.as_ref().and_then(|value| value.get("error"));
        let text = |key: &str| error.and_then(|error| error.get(key)?.as_str());
        let (Some(code), Some(message)) = (text("code"), text("message")) else {
            return Err(self.stranger(status));
        };
        let hint = match status {
            StatusCode::UNAUTHORIZED => " (is WRITEGATE_TOKEN an operator's token?)",
            _ => "",
        };
        Err(Failure::Refused(format!("{code}: {message}{hint}")))
    }

    async fn exchange(
        &self,
        method: &Method,
        target: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let io = self.connect().await?;
        let broken = |error: hyper::Error| self.unreachable(error);
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
        let host = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{target}"))
            .header(HOST, host)
            .header(AUTHORIZATION, &self.token)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| Failure::Usage(format!("cannot ask for this: {error}")))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST_ANSWER)
                .collect()
                .await;
            let body = body.map_err(|error| self.unreachable(error))?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(answer);
        // The connection has to be driven beside the request; when it ends first, the answer tells.
        tokio::select! {
            answer = &mut answer => answer,
            _ = connection => answer.await,
        }
    }

    async fn connect(&self) -> Result<Box<dyn Io>, Failure> {
        let tls = self.url.scheme_str() == Some("https");
        let host = host(&self.url);
        let port = self.url.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(|error| self.unreachable(error))?;
        if !tls {
            return Ok(Box::new(tcp));
        }
        let failed = |error: rustls::Error| self.unreachable(error);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(failed)?
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Failure::Usage(format!("{host} is no host name: {error}")))?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await;
        Ok(Box::new(stream.map_err(|error| self.unreachable(error))?))
    }

    /// The address without the slash that a URL of this kind gets at its end.
    fn shown(&self) -> String {
        self.url.to_string().trim_end_matches('/').to_owned()
    }

    fn unreachable(&self, error: impl std::fmt::Display) -> Failure {
        Failure::Unreachable(format!(
            "cannot reach Writegate at {} ({error}): start it with `writegate serve`, or say where \
             it is with --admin or WRITEGATE_ADMIN",
            self.shown()
        ))
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        Failure::Unreachable(format!(
            "what answers at {} ({}) is not Writegate's operator API: say where it is with --admin \
             or WRITEGATE_ADMIN",
            self.shown(),
            status.as_u16()
        ))
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Runs a verb's only asynchronous part.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    Ok(runtime.block_on(future))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the answer of our own API, not traffic"
)]
fn own_json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

/// The operator's token must not travel in clear text: http only to this machine.
fn url_of(text: &str) -> Result<Uri, Failure> {
    let wrong = || {
        Failure::Usage(
            "the admin address must be http://HOST:PORT of this machine, or https://HOST:PORT"
                .into(),
        )
    };
    let url: Uri = text.parse().ok().ok_or_else(wrong)?;
    let authority = url.authority().ok_or_else(wrong)?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none();
    if authority.as_str().contains('@') || !bare {
        return Err(wrong());
    }
    let loopback = host(&url).eq_ignore_ascii_case("localhost")
        || host(&url)
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if loopback => Ok(url),
        _ => Err(wrong()),
    }
}

fn host(url: &Uri) -> &str {
    let host = url.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let Ok(mut value) = value else {
        return Err(Failure::Usage(
            "WRITEGATE_TOKEN holds characters that no token has".into(),
        ));
    };
    value.set_sensitive(true);
    Ok(value)
}

/// A path segment with everything but RFC 3986's unreserved characters encoded.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
