//! Tests of `tls`.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn now() -> Timestamp {
    "2026-11-20T05:00:00Z".parse().unwrap()
}

fn pem<'a>(text: &'a str, of: &'a str) -> Pem<'a> {
    Pem {
        text: text.as_bytes(),
        of,
    }
}

/// A client that trusts one CA, without the system's store, so that the test stands alone.
fn trusting(ca: &str, identity: Option<(&str, &str)>) -> Arc<ClientConfig> {
    let roots = pem(ca, "ca").roots().unwrap();
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((cert, key)) => builder
            .with_client_auth_cert(
                pem(cert, "cert").certificates().unwrap(),
                pem(key, "key").key().unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Shakes hands and sends a byte each way; gives the protocol and the client's names.
async fn talk(
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    name: &'static str,
) -> Option<(Vec<u8>, Vec<String>)> {
    let (near, far) = duplex(64 * 1024);
    let served = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(server).accept(far).await.ok()?;
        stream.write_u8(1).await.ok()?;
        stream.flush().await.ok()?;
        let session = stream.get_ref().1;
        let alpn = session.alpn_protocol().unwrap_or_default().to_vec();
        let names = client_names(session.peer_certificates());
        stream.read_u8().await.ok()?;
        Some((alpn, names))
    });
    let asked = async {
        let name = name.try_into().ok()?;
        let mut stream = TlsConnector::from(client).connect(name, near).await.ok()?;
        stream.read_u8().await.ok()?;
        stream.write_u8(2).await.ok()?;
        stream.flush().await.ok()
    };
    let asked = asked.await;
    let served = served.await.unwrap();
    asked.and(served)
}

#[tokio::test]
async fn the_development_certificate_is_good_for_the_local_names_only() {
    let certs = dev_ca(now()).unwrap();
    let server = server(pem(&certs.cert, "cert"), pem(&certs.key, "key"), None).unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let spoken = talk(Arc::clone(&server), trusting(&certs.ca, None), name).await;
        assert_eq!(spoken, Some((b"http/1.1".to_vec(), Vec::new())), "{name}");
    }
    let other = dev_ca(now()).unwrap();
    assert_eq!(
        talk(Arc::clone(&server), trusting(&certs.ca, None), "evil.test").await,
        None
    );
    assert_eq!(
        talk(server, trusting(&other.ca, None), "localhost").await,
        None
    );
}

#[tokio::test]
async fn a_client_ca_requires_a_certificate_and_its_names_are_told() {
    let certs = dev_ca(now()).unwrap();
    let key = KeyPair::generate().unwrap();
    let agents_key = KeyPair::generate().unwrap();
    let agents = CertifiedIssuer::self_signed(ca_params(now()), agents_key).unwrap();
    let mut params = dated(now());
    params.distinguished_name.push(DnType::CommonName, "agent");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![SanType::DnsName(
        "enrichment.agents.acme".try_into().unwrap(),
    )];
    let agent = params.signed_by(&key, &agents).unwrap().pem();
    let agents_ca = agents.pem();
    let server = server(
        pem(&certs.cert, "cert"),
        pem(&certs.key, "key"),
        Some(pem(&agents_ca, "agents")),
    )
    .unwrap();

    let identity = (agent.as_str(), key.serialize_pem());
    let with = trusting(&certs.ca, Some((identity.0, &identity.1)));
    let (_, names) = talk(Arc::clone(&server), with, "localhost").await.unwrap();
    assert_eq!(names, ["enrichment.agents.acme"]);

    assert_eq!(
        talk(Arc::clone(&server), trusting(&certs.ca, None), "localhost").await,
        None
    );
    let stranger = trusting(&certs.ca, Some((&certs.cert, &certs.key)));
    assert_eq!(talk(server, stranger, "localhost").await, None);
}

#[tokio::test]
async fn an_upstream_is_trusted_through_an_extra_ca_and_not_without() {
    let certs = dev_ca(now()).unwrap();
    let server = server(pem(&certs.cert, "cert"), pem(&certs.key, "key"), None).unwrap();
    let with = client(Some(pem(&certs.ca, "ca"))).unwrap();
    assert!(
        talk(Arc::clone(&server), Arc::clone(&with), "localhost")
            .await
            .is_some()
    );
    assert_eq!(talk(Arc::clone(&server), with, "evil.test").await, None);
    if let Ok(without) = client(None) {
        assert_eq!(talk(server, without, "localhost").await, None);
    }
}

#[test]
fn mistakes_name_the_file() {
    let certs = dev_ca(now()).unwrap();
    let other = dev_ca(now()).unwrap();
    let swapped = server(pem(&certs.key, "a.pem"), pem(&certs.key, "a.key"), None).unwrap_err();
    assert_eq!(swapped.to_string(), "no certificate in PEM form in a.pem");
    let keyless = server(pem(&certs.cert, "a.pem"), pem(&certs.cert, "a.key"), None).unwrap_err();
    assert_eq!(keyless.to_string(), "no private key in PEM form in a.key");
    let strange = server(pem(&certs.cert, "a.pem"), pem(&other.key, "b.key"), None).unwrap_err();
    assert_eq!(strange.to_string(), "cannot use the certificates in a.pem");
    let absent = config::Tls {
        cert: PathBuf::from("/nowhere/a.pem"),
        key: PathBuf::from("/nowhere/a.key"),
        client_ca: None,
    };
    assert_eq!(
        listener(&absent).unwrap_err().to_string(),
        "cannot read /nowhere/a.pem"
    );
}
