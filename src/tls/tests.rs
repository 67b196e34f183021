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

/// A CA of agents, and one of them with its key.
fn agent() -> (String, String, String) {
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
    (agents.pem(), agent, key.serialize_pem())
}

#[tokio::test]
async fn a_client_ca_requires_a_certificate_and_its_names_are_told() {
    let certs = dev_ca(now()).unwrap();
    let (agents_ca, agent, key) = agent();
    let server = server(
        pem(&certs.cert, "cert"),
        pem(&certs.key, "key"),
        Some(pem(&agents_ca, "agents")),
    )
    .unwrap();

    let with = trusting(&certs.ca, Some((&agent, &key)));
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

/// How hands are shaken the second time, with what the client keeps of the first.
async fn second_time(
    first: Arc<ServerConfig>,
    second: Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> rustls::HandshakeKind {
    let mut kind = None;
    for server in [first, second] {
        let (near, far) = duplex(64 * 1024);
        let connector = TlsConnector::from(Arc::clone(client));
        let name = "localhost".try_into().unwrap();
        let served = async {
            let mut stream = TlsAcceptor::from(server).accept(far).await.unwrap();
            stream.write_u8(1).await.unwrap();
            stream.flush().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.get_ref().1.handshake_kind()
        };
        let asked = async {
            let mut stream = connector.connect(name, near).await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_u8(2).await.unwrap();
            stream.flush().await.unwrap();
            stream
        };
        let (found, _open) = tokio::join!(served, asked);
        kind = found;
    }
    kind.unwrap()
}

#[tokio::test]
async fn no_session_outlives_other_certificates_or_stands_for_a_client_certificate() {
    use rustls::HandshakeKind::{Full, FullWithHelloRetryRequest, Resumed};
    let certs = dev_ca(now()).unwrap();
    let (cert, key) = (pem(&certs.cert, "cert"), pem(&certs.key, "key"));
    let open = || server(cert, key, None).unwrap();
    let (one, other) = (open(), open());
    let client = trusting(&certs.ca, None);
    let kind = second_time(one.clone(), one.clone(), &client).await;
    assert_eq!(kind, Resumed, "the client keeps sessions");
    let live = Live::from(one);
    let first = live.now();
    live.put(other);
    let kind = second_time(first, live.now(), &client).await;
    assert!(matches!(kind, Full | FullWithHelloRetryRequest), "{kind:?}");
    let (agents_ca, agent, agent_key) = agent();
    let mutual = server(cert, key, Some(pem(&agents_ca, "agents"))).unwrap();
    let client = trusting(&certs.ca, Some((&agent, &agent_key)));
    let kind = second_time(mutual.clone(), mutual, &client).await;
    assert!(matches!(kind, Full | FullWithHelloRetryRequest), "{kind:?}");
}
