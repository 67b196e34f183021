//! What `certs/make --agent` makes lets an agent in, under the name it was made for.

use std::process::Command;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use writegate::tls::{self, Pem};

use crate::support::skipped;

#[tokio::test]
async fn agents_come_in_one_by_one_under_one_ca() {
    if Command::new("openssl").arg("version").output().is_err() {
        return skipped("agents of certs/make", "openssl");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("make");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/make");
    std::fs::copy(source, &script).unwrap();
    let make = |arguments: &[&str]| Command::new(&script).args(arguments).output().unwrap();
    for wrong in [
        &["--agent"][..],
        &["--agent", ""],
        &["--agent", "*.agents.acme"],
        &["--agent", "../x"],
        &["--agent", "a,DNS:b"],
        &["--agent", "agents-ca"],
        &["--agent", "one", "two"],
    ] {
        assert_eq!(make(wrong).status.code(), Some(2), "{wrong:?}");
        assert!(!folder.path().join("agents-ca.pem").exists());
    }
    let names = ["enrichment.agents.acme", "sdr.agents.acme"];
    for arguments in [&[][..], &["--agent", names[0]], &["--agent", names[1]]] {
        let made = make(arguments);
        assert!(made.status.success(), "{made:?}");
    }
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (cert, key, agents) = (read("dev.pem"), read("dev.key"), read("agents-ca.pem"));
    let pem = |text| Pem { text, of: "made" };
    let server = tls::server(pem(&cert), pem(&key), Some(pem(&agents))).unwrap();
    let acceptor = TlsAcceptor::from(server);
    tls::install_provider();
    for name in names {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&read("ca.pem")).unwrap())
            .unwrap();
        let cert = CertificateDer::from_pem_slice(&read(&format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read(&format!("{name}.key"))).unwrap();
        let client = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![cert], key)
            .unwrap();
        let (near, far) = tokio::io::duplex(16_384);
        let connector = TlsConnector::from(Arc::new(client));
        let host = "localhost".try_into().unwrap();
        let (near, far) = tokio::join!(connector.connect(host, near), acceptor.accept(far));
        near.unwrap();
        let shown = far.unwrap();
        let shown = tls::client_names(shown.get_ref().1.peer_certificates());
        assert_eq!(shown, [name]);
    }
}
