//! A listener's certificate, agents' certificates, and a client that shows one.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Builder;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use writegate::clock::{Clock, SystemClock};
use writegate::tls::{self, DevCerts};

use crate::support::client::Reply;

/// What a listener shows, under a CA of its own.
pub(super) struct Listener(DevCerts);

impl Listener {
    pub(super) fn new() -> Self {
        Self(tls::dev_ca(SystemClock.now()).unwrap())
    }

    /// Writes certificate and key.
    pub(super) fn write(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let (cert, key) = (folder.join("listener.pem"), folder.join("listener.key"));
        std::fs::write(&cert, &self.0.cert).unwrap();
        std::fs::write(&key, &self.0.key).unwrap();
        (cert, key)
    }
}

/// The CA of agents.
pub(super) struct Agents(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(super) struct Identity {
    cert: String,
    key: String,
}

impl Agents {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn write(&self, folder: &Path) -> PathBuf {
        let file = folder.join("agents-ca.pem");
        std::fs::write(&file, self.0.pem()).unwrap();
        file
    }

    /// A certificate with these names; the subject names another service account, which says nothing.
    pub(super) fn names(&self, dns: &[&str], uris: &[&str]) -> Identity {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "scoring.agents.acme");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let dns = dns
            .iter()
            .map(|&name| SanType::DnsName(name.try_into().unwrap()));
        let uris = uris
            .iter()
            .map(|&name| SanType::URI(name.try_into().unwrap()));
        params.subject_alt_names = dns.chain(uris).collect();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Identity {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A client that trusts a listener's CA alone.
pub(super) fn trusting(listener: &Listener, identity: Option<&Identity>) -> Arc<ClientConfig> {
    tls::install_provider();
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(listener.0.ca.as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { cert, key }) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    })
}

/// One connection, kept open.
pub(super) struct Secure {
    to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Secure {
    pub(super) async fn to(
        to: SocketAddr,
        listener: &Listener,
        identity: Option<&Identity>,
    ) -> Self {
        Self::try_to(to, &trusting(listener, identity))
            .await
            .unwrap()
    }

    /// `None` where hands are not shaken. A server that does not like a certificate may say so later.
    pub(super) async fn try_to(to: SocketAddr, config: &Arc<ClientConfig>) -> Option<Self> {
        let stream = TcpStream::connect(to).await.unwrap();
        let connector = TlsConnector::from(Arc::clone(config));
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, stream).await.ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        drop(tokio::spawn(connection));
        Some(Self { to, sender })
    }

    pub(super) async fn get(&mut self, target: &str, credential: Option<&str>) -> Reply {
        let reply = self.send(Method::GET, target, credential, Bytes::new());
        reply.await.unwrap()
    }

    pub(super) async fn try_get(&mut self, target: &str, secret: Option<&str>) -> Option<Reply> {
        self.send(Method::GET, target, secret, Bytes::new()).await
    }

    pub(super) async fn patch(
        &mut self,
        target: &str,
        credential: Option<&str>,
        body: &Value,
    ) -> Reply {
        let body = Bytes::from(body.to_string());
        let reply = self.send(Method::PATCH, target, credential, body);
        reply.await.unwrap()
    }

    /// Posts what is no JSON, with no credential but what stands in it.
    pub(super) async fn post(&mut self, target: &str, kind: &str, body: String) -> Reply {
        let request = Request::builder()
            .method(Method::POST)
            .uri(target)
            .header(CONTENT_TYPE, kind);
        self.request(request, Bytes::from(body)).await.unwrap()
    }

    async fn send(
        &mut self,
        method: Method,
        target: &str,
        credential: Option<&str>,
        body: Bytes,
    ) -> Option<Reply> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(CONTENT_TYPE, "application/json");
        if let Some(credential) = credential {
            request = request.header(AUTHORIZATION, credential);
        }
        self.request(request, body).await
    }

    async fn request(&mut self, request: Builder, body: Bytes) -> Option<Reply> {
        let request = request.header(HOST, self.to.to_string());
        let request = request.body(Full::new(body)).unwrap();
        self.sender.ready().await.ok()?;
        let answer = self.sender.send_request(request).await.ok()?;
        let (parts, body) = answer.into_parts();
        Some(Reply {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.ok()?.to_bytes(),
        })
    }
}
