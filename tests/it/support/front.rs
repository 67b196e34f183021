//! TLS in front of the sandbox, whose handshakes wait until a test lets them: what is held there has
//! a connection under way, and not a byte of its request sent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use writegate::clock::{Clock, SystemClock};
use writegate::tls;

/// A front on a port of its own, closed at first.
pub(crate) struct Front {
    listener: Option<TcpListener>,
    acceptor: TlsAcceptor,
    address: SocketAddr,
    folder: TempDir,
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Front {
    pub(crate) async fn closed() -> Self {
        tls::install_provider();
        let certs = tls::dev_ca(SystemClock.now()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &certs.ca).unwrap();
        let chain = CertificateDer::pem_slice_iter(certs.cert.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(certs.key.as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            folder,
            arrived: watch::Sender::new(0),
            open: watch::Sender::new(false),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The CA to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Leads to this address once it is open.
    pub(crate) fn lead_to(&mut self, sandbox: SocketAddr) {
        let listener = self.listener.take().unwrap();
        let (acceptor, open) = (self.acceptor.clone(), self.open.clone());
        let arrived = self.arrived.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                arrived.send_modify(|arrived| *arrived += 1);
                tokio::spawn(pass(tcp, acceptor.clone(), open.clone(), sandbox));
            }
        });
    }

    /// Returns once so many connections have come.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut arrived = self.arrived.subscribe();
        arrived.wait_for(|&arrived| arrived >= count).await.unwrap();
    }

    /// Lets all through, from now on.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    open: watch::Sender<bool>,
    sandbox: SocketAddr,
) {
    open.subscribe().wait_for(|&open| open).await.unwrap();
    let Ok(mut tls) = acceptor.accept(tcp).await else {
        return;
    };
    let mut behind = TcpStream::connect(sandbox).await.unwrap();
    drop(tokio::io::copy_bidirectional(&mut tls, &mut behind).await);
}
