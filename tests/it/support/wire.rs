//! Bytes on sockets: conversations in raw bytes, a client that keeps its connection, a listener that
//! nobody may come to, and an upstream whose every byte a test sends itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::client::Reply;

/// Waits for what is about to come; a test that waits for what never comes fails and does not hang.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .unwrap_or_else(|_| panic!("it did not come within half a minute"))
}

/// Returns once something holds that others bring about.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Sends pieces on a connection of their own, reads until the other end closes, and gives what came.
pub(crate) async fn talk(to: SocketAddr, pieces: &[Vec<u8>]) -> Vec<u8> {
    let stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let send = async {
        for piece in pieces {
            // A server that has refused reads no further: then there is nobody to write to.
            if writer.write_all(piece).await.is_err() {
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
    soon(async { tokio::join!(send, receive).1 }).await
}

/// The statuses of the answers in what came back.
pub(crate) fn statuses(answer: &[u8]) -> Vec<u16> {
    let text: String = answer.iter().copied().map(char::from).collect();
    text.match_indices("HTTP/1.1 ")
        .filter_map(|(at, mark)| text.get(at + mark.len()..at + mark.len() + 3)?.parse().ok())
        .collect()
}

/// A client that sends one request after the other on one connection.
pub(crate) struct Kept {
    to: SocketAddr,
    token: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Kept {
    pub(crate) fn new(to: SocketAddr, token: &str) -> Self {
        Self {
            to,
            token: token.to_owned(),
            sender: None,
        }
    }

    /// Sends with these headers and no others but `Host` and the token.
    pub(crate) async fn send(
        &mut self,
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Reply {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => connected(self.to).await,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.to.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).unwrap();
        sender.ready().await.unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.sender = Some(sender);
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

async fn connected(to: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(to).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// A listener that nobody may come to; it counts who does.
#[derive(Debug)]
pub(crate) struct Canary {
    pub(crate) address: SocketAddr,
    came: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Canary {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        let accepting = tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            address,
            came,
            accepting,
        }
    }

    pub(crate) fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An upstream whose connections a test takes and answers itself, byte by byte.
#[derive(Debug)]
pub(crate) struct Upstream {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// One connection that the proxy opened.
#[derive(Debug)]
pub(crate) struct Link(TcpStream);

impl Upstream {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn link(&self) -> Link {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Link(stream)
    }

    /// The next connection, which is about to come.
    pub(crate) async fn next(&self) -> Link {
        soon(self.link()).await
    }
}

impl Link {
    /// Reads until what came ends so, and gives all of it.
    pub(crate) async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut seen = Vec::new();
        while !seen.ends_with(end) {
            seen.push(soon(self.0.read_u8()).await.unwrap());
        }
        seen
    }

    /// Reads a request's head.
    pub(crate) async fn head(&mut self) -> String {
        String::from_utf8(self.read_until(b"\r\n\r\n").await).unwrap()
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }
}

/// An upstream that gives every request the same answer and notes the requests' bytes.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    /// `answer` is a whole message; each connection gets it once per request head and is kept.
    pub(crate) async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let upstream = Upstream::bind().await;
        let address = upstream.address;
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted): (Arc<[u8]>, _) = (answer.into().into(), Arc::clone(&heads));
        let accepting = tokio::spawn(async move {
            loop {
                let link = upstream.link().await;
                tokio::spawn(answering(link, Arc::clone(&answer), Arc::clone(&noted)));
            }
        });
        Self {
            address,
            heads,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of the requests so far, with what of their bodies came in the same piece.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

async fn answering(mut link: Link, answer: Arc<[u8]>, noted: Arc<Mutex<Vec<String>>>) {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match link.0.read_u8().await {
                Ok(octet) => head.push(octet),
                Err(_closed) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if link.0.read_exact(&mut body).await.is_err() {
            return;
        }
        noted.lock().push(head);
        if link.0.write_all(&answer).await.is_err() {
            return;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
