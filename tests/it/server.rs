//! The life of a server: workers, connection limit, timeouts, TLS, drain.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test, as a test itself does"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use writegate::server::{
    Drained, Endpoint, Fault, Handler, HostRule, Inflight, Peer, Settings, Timeouts, Trigger, bind,
};
use writegate::tls::{self, Pem};

/// Does what the path says.
#[derive(Clone)]
struct Deeds {
    worker: usize,
    inflight: Inflight,
    signs: Arc<Signs>,
}

/// How a test and its handler wait for each other.
#[derive(Default)]
struct Signs {
    /// Told when a request has begun to wait.
    waiting: Notify,
    /// What requests and detached tasks wait for.
    go: Notify,
}

impl Default for Deeds {
    fn default() -> Self {
        Self {
            worker: 0,
            inflight: Inflight::new(),
            signs: Arc::default(),
        }
    }
}

impl Handler for Deeds {
    type Body = Full<Bytes>;

    async fn call(&self, peer: &Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/wait" => {
                self.signs.waiting.notify_one();
                self.signs.go.notified().await;
                said("waited")
            }
            "/detach" => {
                let signs = Arc::clone(&self.signs);
                drop(
                    self.inflight
                        .spawn(async move { signs.go.notified().await }),
                );
                said("detached")
            }
            "/body" => match request.into_body().collect().await {
                Ok(body) => said(&body.to_bytes().len().to_string()),
                Err(error) => match Fault::behind(&error) {
                    Some(fault) => self.refuse(peer, fault),
                    None => answer(StatusCode::BAD_REQUEST, "lost".to_owned()),
                },
            },
            "/early" => answer(StatusCode::PAYLOAD_TOO_LARGE, "unread".to_owned()),
            "/panic" => panic!("asked to"),
            "/flood" => Response::new(Full::from(vec![b'x'; 64 * 1024 * 1024])),
            "/peer" => said(&format!(
                "{} {} {:?}",
                peer.endpoint, peer.secure, peer.names
            )),
            _ => said(&format!("worker {}", self.worker)),
        }
    }

    fn refuse(&self, _peer: &Peer, fault: Fault) -> Response<Full<Bytes>> {
        answer(fault.status(), fault.refusal().message)
    }
}

fn said(text: &str) -> Response<Full<Bytes>> {
    answer(StatusCode::OK, text.to_owned())
}

fn answer(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// A running server.
struct House {
    addresses: Vec<SocketAddr>,
    deeds: Deeds,
    trigger: Trigger,
    thread: JoinHandle<io::Result<Drained>>,
}

impl House {
    fn start(settings: Settings) -> Self {
        Self::with(vec![endpoint(None)], settings)
    }

    fn with(endpoints: Vec<Endpoint>, settings: Settings) -> Self {
        let bound = bind(endpoints, settings).unwrap();
        let addresses = bound.addresses();
        let (deeds, trigger) = (Deeds::default(), Trigger::new());
        let thread = std::thread::spawn({
            let (inflight, signs) = (deeds.inflight.clone(), Arc::clone(&deeds.signs));
            let trigger = trigger.clone();
            move || {
                let make = |worker| Deeds {
                    worker,
                    inflight: inflight.clone(),
                    signs: Arc::clone(&signs),
                };
                bound.run(make, &trigger, &inflight)
            }
        });
        Self {
            addresses,
            deeds,
            trigger,
            thread,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addresses[0]).await.unwrap()
    }

    /// A request line and fields without the empty line, for this server.
    fn head(&self, line: &str) -> String {
        format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.addresses[0])
    }

    fn get(&self, path: &str) -> String {
        format!("{}\r\n", self.head(&format!("GET {path}")))
    }

    /// Sends a text on a connection of its own and reads until the server closes.
    async fn ask(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        to_end(&mut stream).await
    }

    /// Drains and gives what had to be cut.
    fn stop(self) -> Drained {
        self.trigger.pull();
        self.thread.join().unwrap().unwrap()
    }
}

fn endpoint(tls: Option<Arc<rustls::ServerConfig>>) -> Endpoint {
    Endpoint {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: tls.map(tls::Live::from),
        hosts: HostRule::default(),
    }
}

/// All waiting is short; a test makes longer what it is not about.
fn impatient() -> Settings {
    let short = Duration::from_millis(200);
    Settings {
        workers: 1,
        grace: Duration::from_millis(200),
        timeouts: Timeouts {
            handshake: short,
            head: short,
            idle: short,
            body: short,
            body_rate: 1024,
            write: short,
            linger: short,
        },
        ..Settings::default()
    }
}

async fn to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut text));
    // A reset ends the reading too.
    drop(read.await.unwrap());
    String::from_utf8(text).unwrap()
}

/// Sends a request on an open connection and reads one answer with a length.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut octet = [0];
        stream.read_exact(&mut octet).await.unwrap();
        answer.push(octet[0]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                return text.into_owned();
            }
        }
    }
}

#[tokio::test]
async fn every_worker_answers_with_a_handler_of_its_own() {
    let house = House::start(Settings {
        workers: 3,
        ..impatient()
    });
    let mut workers = std::collections::BTreeSet::new();
    // The kernel spreads connections; a worker that gets none of 200 is not listening.
    for _ in 0..200 {
        let mut stream = house.connect().await;
        let answer = exchange(&mut stream, &house.get("/")).await;
        workers.insert(answer.rsplit(' ').next().unwrap().to_owned());
    }
    assert_eq!(workers.into_iter().collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(house.stop(), Drained::default());
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_closed_at_once_and_room_comes_back() {
    let house = House::start(Settings {
        connections: 2,
        timeouts: Timeouts::default(),
        ..impatient()
    });
    let (mut one, mut two) = (house.connect().await, house.connect().await);
    exchange(&mut one, &house.get("/")).await;
    exchange(&mut two, &house.get("/")).await;
    assert_eq!(to_end(&mut house.connect().await).await, "");
    exchange(&mut two, &house.get("/")).await;
    drop(one);
    // The place is free once the server has seen the close.
    let freed = async {
        loop {
            let close = format!("{}Connection: close\r\n\r\n", house.head("GET /"));
            if house.ask(&close).await.contains("200 OK") {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), freed).await.unwrap();
    house.stop();
}

#[tokio::test]
async fn a_silent_client_is_closed_and_a_slow_head_is_answered_first() {
    let house = House::start(impatient());
    assert_eq!(house.ask("").await, "");
    let answer = house.ask("GET / HTTP/1.1\r\nHost: ").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    // A head that drips is no better than one that stops.
    let mut stream = house.connect().await;
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while writer.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    };
    let answer = tokio::select! {
        answer = to_end(&mut reader) => answer,
        () = drip => panic!("the server closed before it answered"),
    };
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    house.stop();
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let house = House::start(impatient());
    let started = Instant::now();
    let mut idle = house.connect().await;
    exchange(&mut idle, &house.get("/")).await;
    assert_eq!(to_end(&mut idle).await, "");
    assert!(started.elapsed() >= Duration::from_millis(200));

    let mut busy = house.connect().await;
    busy.write_all(house.get("/wait").as_bytes()).await.unwrap();
    house.deeds.signs.waiting.notified().await;
    let early = timeout(Duration::from_millis(600), busy.read_u8()).await;
    assert!(
        early.is_err(),
        "nothing comes and nothing is closed: {early:?}"
    );
    house.deeds.signs.go.notify_one();
    assert!(to_end(&mut busy).await.ends_with("waited"));
    house.stop();
}

#[tokio::test]
async fn a_body_that_stops_or_drips_is_cut_and_one_that_flows_is_not() {
    let house = House::start(impatient());
    let head = house.head("POST /body");
    let stopped = house
        .ask(&format!("{head}Content-Length: 10\r\n\r\nabc"))
        .await;
    assert!(stopped.starts_with("HTTP/1.1 408 "), "{stopped}");
    assert!(stopped.contains("connection: close"), "{stopped}");
    assert!(
        stopped.ends_with("Not written: the request body did not arrive in time."),
        "{stopped}"
    );

    // The pauses are short, but too many for so few octets.
    let mut stream = house.connect().await;
    stream
        .write_all(format!("{head}Content-Length: 100\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        let mut tick = tokio::time::interval(Duration::from_millis(25));
        loop {
            tick.tick().await;
            if writer.write_all(b"x").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let answer = tokio::select! {
        answer = to_end(&mut reader) => answer,
        () = drip => panic!("a drip has no end"),
    };
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let mut stream = house.connect().await;
    stream
        .write_all(format!("{head}Content-Length: 40960\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..9 {
        tick.tick().await;
        stream.write_all(&[b'x'; 4096]).await.unwrap();
    }
    let last = "x".repeat(4096);
    assert!(exchange(&mut stream, &last).await.ends_with("40960"));
    house.stop();
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_cut() {
    let house = House::start(impatient());
    let mut stream = house.connect().await;
    stream
        .write_all(house.get("/flood").as_bytes())
        .await
        .unwrap();
    // Nothing is read, so the server's side fills up, until it gives the connection up; draining
    // without grace left over then finds nothing to cut.
    let gone = async {
        loop {
            if stream.write_all(b"\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.unwrap();
    assert_eq!(house.stop(), Drained::default());
}

#[tokio::test]
async fn an_answer_that_leaves_the_body_unread_is_read_and_then_closed() {
    let house = House::start(impatient());
    let body = "GET /smuggled HTTP/1.1\r\n\r\n".repeat(20_000);
    let head = house.head("POST /early");
    let answer = house
        .ask(&format!(
            "{head}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("unread"),
        "{answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1").count(), 1);
    house.stop();
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let house = House::start(impatient());
    let mut other = house.connect().await;
    exchange(&mut other, &house.get("/")).await;
    assert_eq!(house.ask(&house.get("/panic")).await, "");
    assert!(
        exchange(&mut other, &house.get("/"))
            .await
            .ends_with("worker 0")
    );
    assert_eq!(house.stop(), Drained::default());
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_closes_what_is_idle() {
    let house = House::start(Settings {
        grace: Duration::from_secs(20),
        timeouts: Timeouts::default(),
        ..impatient()
    });
    let mut idle = house.connect().await;
    exchange(&mut idle, &house.get("/")).await;
    exchange(&mut idle, &house.get("/detach")).await;
    let mut under_way = house.connect().await;
    under_way
        .write_all(house.get("/wait").as_bytes())
        .await
        .unwrap();
    house.deeds.signs.waiting.notified().await;

    let (address, signs) = (house.addresses[0], Arc::clone(&house.deeds.signs));
    house.trigger.pull();
    assert_eq!(to_end(&mut idle).await, "");
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), refused).await.unwrap();
    assert!(!house.thread.is_finished());
    signs.go.notify_waiters();
    let answer = to_end(&mut under_way).await;
    assert!(
        answer.ends_with("waited") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(house.stop(), Drained::default());
}

#[tokio::test]
async fn a_drain_cuts_after_its_grace_and_says_what() {
    let house = House::start(Settings {
        timeouts: Timeouts::default(),
        ..impatient()
    });
    let mut one = house.connect().await;
    exchange(&mut one, &house.get("/detach")).await;
    one.write_all(house.get("/wait").as_bytes()).await.unwrap();
    house.deeds.signs.waiting.notified().await;
    let cut = Drained {
        connections: 1,
        tasks: 1,
    };
    assert_eq!(house.stop(), cut);
    assert_eq!(to_end(&mut one).await, "");
}

fn trusting(ca: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn plain_and_tls_endpoints_stand_side_by_side_and_a_mix_up_is_closed() {
    tls::install_provider();
    let certs = tls::dev_ca("2026-11-20T05:00:00Z".parse().unwrap()).unwrap();
    let pem = |text| Pem { text, of: "dev" };
    let (cert, key) = (pem(certs.cert.as_bytes()), pem(certs.key.as_bytes()));
    let config = tls::server(cert, key, None).unwrap();
    let house = House::with(vec![endpoint(None), endpoint(Some(config))], impatient());

    let mut plain = house.connect().await;
    let answer = exchange(&mut plain, &house.get("/peer")).await;
    assert!(answer.ends_with("0 false []"), "{answer}");

    let stream = TcpStream::connect(house.addresses[1]).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut secure = trusting(&certs.ca).connect(name, stream).await.unwrap();
    let host = format!("localhost:{}", house.addresses[1].port());
    let request = format!("GET /peer HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let answer = exchange(&mut secure, &request).await;
    assert!(answer.ends_with("1 true []"), "{answer}");
    // The other endpoint's name is not this one's.
    secure
        .write_all(house.get("/peer").as_bytes())
        .await
        .unwrap();
    let answer = to_end(&mut secure).await;
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");

    let name = "localhost".try_into().unwrap();
    assert!(
        trusting(&certs.ca)
            .connect(name, house.connect().await)
            .await
            .is_err()
    );
    let mut mistaken = TcpStream::connect(house.addresses[1]).await.unwrap();
    mistaken.write_all(request.as_bytes()).await.unwrap();
    let mut octets = Vec::new();
    drop(mistaken.read_to_end(&mut octets).await);
    assert!(!octets.starts_with(b"HTTP"), "{octets:?}");
    house.stop();
}
