//! A plain HTTP/1.1 client: one connection per request, nothing retried, nothing followed.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use writegate::tls::{self, Pem};

/// A caller with a token.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) to: SocketAddr,
    pub(crate) token: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The CA of a listener that speaks TLS.
    pub(crate) ca: Option<PathBuf>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    #[expect(
        clippy::disallowed_methods,
        reason = "an answer that is looked at by a test"
    )]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The message of a refusal, in either CRM's shape.
    pub(crate) fn message(&self) -> String {
        let element = self
            .element("exceptionMessage")
            .or_else(|| self.element("message"));
        if let Some(message) = element {
            return message;
        }
        let json = self.json();
        let first = first(&json);
        let message = first
            .get("message")
            .or_else(|| first.get("exceptionMessage"))
            .or_else(|| first.get("error_description"));
        message
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no message in {json}"))
            .to_owned()
    }

    /// The code of a refusal, in either CRM's shape.
    pub(crate) fn code(&self) -> String {
        let element = self
            .element("exceptionCode")
            .or_else(|| self.element("errorCode"));
        if let Some(code) = element {
            return code;
        }
        let json = self.json();
        let first = first(&json);
        let code = first.get("errorCode").or_else(|| first.get("category"));
        let code = code.or_else(|| first.get("extensions")?.get("ErrorType"));
        let code = code
            .or_else(|| first.get("exceptionCode"))
            .or_else(|| first.get("error"));
        code.and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no code in {json}"))
            .to_owned()
    }

    /// The text of an element of an error in XML.
    fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("{name}>"))?;
        Some(rest.split_once('<')?.0.to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The error of an answer: of a list of them the first, GraphQL's and the user interface's too.
fn first(json: &Value) -> &Value {
    let of_records = || json.get("output")?.get("errors");
    let list = json.get("errors").or_else(of_records).unwrap_or(json);
    list.get(0).unwrap_or(json)
}

/// Starts HTTP/1.1 on a stream.
async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> hyper::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

impl Client {
    pub(crate) fn new(to: SocketAddr, token: &str) -> Self {
        Self {
            to,
            token: token.to_owned(),
            headers: Vec::new(),
            ca: None,
        }
    }

    /// The same to a listener that speaks TLS, with a certificate of this CA.
    pub(crate) fn trusting(&self, ca: &Path) -> Self {
        let mut other = self.clone();
        other.ca = Some(ca.to_owned());
        other
    }

    /// The same with one more header on each request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.send(Method::GET, target, None).await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> Reply {
        self.send(Method::POST, target, Some(body)).await
    }

    pub(crate) async fn patch(&self, target: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, target, Some(body)).await
    }

    pub(crate) async fn delete(&self, target: &str) -> Reply {
        self.send(Method::DELETE, target, None).await
    }

    pub(crate) async fn send(&self, method: Method, target: &str, body: Option<&Value>) -> Reply {
        let body = body.map(|value| Bytes::from(value.to_string()));
        self.raw(method, target, body).await
    }

    /// Sends these bytes as JSON.
    pub(crate) async fn raw(&self, method: Method, target: &str, body: Option<Bytes>) -> Reply {
        self.try_raw(method, target, body).await.unwrap()
    }

    /// The same, with what went wrong on the way.
    pub(crate) async fn try_raw(
        &self,
        method: Method,
        target: &str,
        body: Option<Bytes>,
    ) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(self.to).await?;
        let mut sender = match &self.ca {
            None => over(stream).await?,
            Some(ca) => {
                let text = std::fs::read(ca)?;
                let pem = Pem {
                    text: &text,
                    of: "the CA",
                };
                let connector = TlsConnector::from(tls::client(Some(pem))?);
                let name = ServerName::from(self.to.ip());
                over(connector.connect(name, stream).await?).await?
            }
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.to.to_string());
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if body.is_some() && !self.headers.iter().any(|(name, _)| name == "content-type") {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.unwrap_or_default())).unwrap();
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}
