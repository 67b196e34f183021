//! A raw HTTP/1.1 client: one connection per request, nothing done behind the test's back.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone, Debug)]
pub(super) struct Client {
    addr: SocketAddr,
    token: String,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Reply {
    #[expect(clippy::disallowed_methods, reason = "answers of our own sandbox")]
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header's value; names as the sandbox writes them, in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// `errorCode` of a Salesforce error, `category` of a HubSpot error.
    pub(super) fn code(&self) -> String {
        let body = self.json();
        let code = if let Some(errors) = body.as_array() {
            assert_eq!(errors.len(), 1, "one object in the array: {body}");
            &errors[0]["errorCode"]
        } else {
            &body["category"]
        };
        code.as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    pub(super) fn new(addr: SocketAddr, token: &str) -> Self {
        Self {
            addr,
            token: token.to_owned(),
        }
    }

    pub(super) async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, "", b"").await
    }

    pub(super) async fn json(&self, method: &str, target: &str, body: Value) -> Reply {
        let body = body.to_string();
        let headers = "Content-Type: application/json\r\n";
        self.send(method, target, headers, body.as_bytes()).await
    }

    pub(super) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> Reply {
        let raw = self.exchange(method, target, headers, body).await.unwrap();
        parsed(&raw).unwrap_or_else(|| panic!("no whole answer: {raw:?}"))
    }

    /// Sends a request and reads until the connection ends; the bytes that came.
    pub(super) async fn exchange(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{headers}\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.addr,
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).await?;
        Ok(raw)
    }
}

/// An answer, if it is whole by its own length.
pub(super) fn parsed(raw: &[u8]) -> Option<Reply> {
    let end = raw.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8(raw[..end].to_vec()).unwrap();
    let reply = Reply {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head,
        body: raw[end + 4..].to_vec(),
    };
    let length = reply
        .header("content-length")
        .map_or(Some(0), |length| length.parse().ok())?;
    (reply.body.len() == length).then_some(reply)
}
