//! A live server whose handler notes every request that reaches it, and a client that sends raw
//! bytes and reads what comes back until the server closes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use writegate::server::{
    Drained, Endpoint, Fault, Handler, HostRule, Inflight, Peer, Settings, Timeouts, Trigger, bind,
};

/// Room for connections, over all tests: few enough for the usual limit of 1,024 descriptors.
static ROOM: Semaphore = Semaphore::const_new(240);

/// What reached the handler by a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Method and target.
    pub(super) line: String,
    /// The body; none if it ended in an error.
    pub(super) body: Option<Bytes>,
    /// Whether a trailer came through.
    pub(super) trailers: bool,
}

type Log = Arc<Mutex<HashMap<SocketAddr, Vec<Seen>>>>;

#[derive(Clone)]
struct Echo(Log);

impl Handler for Echo {
    type Body = Full<Bytes>;

    async fn call(&self, peer: &Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let line = format!("{} {}", request.method(), request.uri());
        let collected = request.into_body().collect().await;
        let trailers = collected
            .as_ref()
            .is_ok_and(|body| body.trailers().is_some());
        let (body, response) = match collected {
            Ok(body) => (Some(body.to_bytes()), answer(200, "none")),
            Err(error) => match Fault::behind(&error) {
                Some(fault) => (None, self.refuse(peer, fault)),
                None => (None, answer(400, "lost")),
            },
        };
        let seen = Seen {
            line,
            body,
            trailers,
        };
        self.0.lock().entry(peer.address).or_default().push(seen);
        response
    }

    fn refuse(&self, _peer: &Peer, fault: Fault) -> Response<Full<Bytes>> {
        answer(fault.status().as_u16(), &format!("{fault:?}"))
    }
}

fn answer(status: u16, fault: &str) -> Response<Full<Bytes>> {
    let builder = Response::builder().status(status).header("x-fault", fault);
    builder.body(Full::default()).unwrap()
}

/// A running server; stopped when dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    log: Log,
    trigger: Trigger,
    thread: Option<JoinHandle<io::Result<Drained>>>,
}

impl Server {
    /// Starts on a free port, going by these hosts, and closes idle connections soon: that is how a
    /// client here knows that nothing more will come.
    pub(super) fn start(hosts: &[String]) -> Self {
        let timeouts = Timeouts {
            idle: Duration::from_millis(200),
            head: Duration::from_millis(1500),
            body: Duration::from_millis(1500),
            linger: Duration::from_millis(500),
            ..Timeouts::default()
        };
        let settings = Settings {
            workers: 1,
            timeouts,
            grace: Duration::ZERO,
            ..Settings::default()
        };
        let endpoint = Endpoint {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            hosts: HostRule::new(
                hosts
                    .iter()
                    .map(|host| format!("http://{host}").parse().unwrap()),
            ),
        };
        let bound = bind(vec![endpoint], settings).unwrap();
        let (log, trigger) = (Log::default(), Trigger::new());
        let echo = Echo(Arc::clone(&log));
        let address = bound.addresses()[0];
        let thread = std::thread::spawn({
            let (trigger, echo) = (trigger.clone(), Mutex::new(echo));
            move || bound.run(|_worker| echo.lock().clone(), &trigger, &Inflight::new())
        });
        Self {
            address,
            log,
            trigger,
            thread: Some(thread),
        }
    }

    /// Sends pieces on a connection of their own and reads until the server closes.
    pub(super) async fn talk(&self, pieces: Vec<Vec<u8>>) -> Outcome {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let local = stream.local_addr().unwrap();
        self.log.lock().remove(&local);
        let (mut reader, mut writer) = stream.into_split();
        let send = async {
            for piece in pieces {
                // A server that has refused reads no further: then there is nobody to write to.
                if writer.write_all(&piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        let receive = async {
            let mut answer = Vec::new();
            // A reset ends the reading too; what came before it stays.
            drop(reader.read_to_end(&mut answer).await);
            answer
        };
        let both = async { tokio::join!(send, receive).1 };
        let answer = tokio::time::timeout(Duration::from_secs(30), both).await;
        let answer = answer.expect("the server closes in the end");
        let seen = self.log.lock().remove(&local).unwrap_or_default();
        Outcome::read(&answer, seen)
    }

    /// Sends bytes and gives the answer as it came.
    pub(super) async fn raw(&self, message: Vec<u8>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(&message).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Talks many conversations side by side; outcomes in the order of the conversations.
    pub(super) fn talk_all(self: &Arc<Self>, conversations: Vec<Vec<Vec<u8>>>) -> Vec<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for (place, pieces) in conversations.into_iter().enumerate() {
                let server = Arc::clone(self);
                tasks.spawn(async move {
                    let _room = ROOM.acquire().await.unwrap();
                    (place, server.talk(pieces).await)
                });
            }
            let mut outcomes = tasks.join_all().await;
            outcomes.sort_by_key(|(place, _)| *place);
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.trigger.pull();
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(matches!(ended, Some(Ok(Ok(_)))), "{ended:?}");
        }
    }
}

/// What became of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The requests that reached the handler.
    pub(super) seen: Vec<Seen>,
    /// Final statuses, in order.
    pub(super) statuses: Vec<u16>,
    /// The refusal that ended it, by name.
    pub(super) fault: Option<String>,
    /// Answers that are not the handler's: hyper's own, which our layer must make impossible.
    pub(super) strange: usize,
    /// Whether the refusal announced the close.
    pub(super) announced: bool,
}

impl Outcome {
    fn read(mut answer: &[u8], seen: Vec<Seen>) -> Self {
        let mut outcome = Self {
            seen,
            ..Self::default()
        };
        while !answer.is_empty() {
            let end = answer
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
            let head = std::str::from_utf8(&answer[..end]).unwrap();
            answer = &answer[end + 4..];
            let mut lines = head.split("\r\n");
            let status: u16 = lines
                .next()
                .unwrap()
                .split(' ')
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            if status < 200 {
                continue;
            }
            outcome.statuses.push(status);
            let fields: HashMap<_, _> = lines.filter_map(|line| line.split_once(": ")).collect();
            match fields.get("x-fault") {
                Some(&"none") => {}
                Some(fault) => {
                    outcome.fault = Some((*fault).to_owned());
                    outcome.announced = fields.get("connection") == Some(&"close");
                }
                None => outcome.strange += 1,
            }
        }
        outcome
    }

    /// The requests that came through whole.
    pub(super) fn handled(&self) -> usize {
        self.seen.iter().filter(|seen| seen.body.is_some()).count()
    }

    /// Nothing came through whole, and the client was told so or cut off.
    pub(super) fn is_refused(&self) -> bool {
        self.handled() == 0 && self.statuses.iter().all(|status| *status >= 400)
    }
}
