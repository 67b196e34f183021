//! HTTP/1 framing: the verdict does not depend on how bytes were split, and hyper behind it sees the same
//! messages with the same bodies, never one more.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use writegate::server::{Fault, HostRule, MessageRules, Scanner, Settings, Step};

pub(crate) fn target(data: &[u8]) {
    let rules = rules();
    let whole = screened(&[data], &rules);
    let middle = data.len() / 2;
    assert_eq!(screened(&[&data[..middle], &data[middle..]], &rules), whole);
    let single: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(screened(&single, &rules), whole);
    let seen = behind(&whole.passed);
    assert!(
        seen.len() <= whole.bodies.len(),
        "a request that nobody let through"
    );
    for (body, raw) in seen.iter().zip(&whole.bodies) {
        match raw {
            Some(raw) => assert_eq!(body, raw),
            None => assert!(body.len() < whole.passed.len()),
        }
    }
}

fn rules() -> MessageRules {
    let hosts = HostRule::new(["http://crm.test".parse().unwrap()]);
    MessageRules {
        limits: writegate::server::Limits::default(),
        hosts: hosts.names("127.0.0.1:1".parse().unwrap(), false),
        methods: Settings::default().methods,
        plain: true,
    }
}

#[derive(Debug, Default, PartialEq)]
struct Screened {
    passed: Vec<u8>,
    /// Of each message; none for a chunked one.
    bodies: Vec<Option<Vec<u8>>>,
    fault: Option<Fault>,
}

fn screened(pieces: &[&[u8]], rules: &MessageRules) -> Screened {
    let (mut scanner, mut held) = (Scanner::new(), Vec::new());
    let mut all = Screened::default();
    for piece in pieces {
        held.extend_from_slice(piece);
        while !held.is_empty() {
            let before = scanner.messages();
            match scanner.step(&held, rules) {
                Ok(Step::Pass(count)) => {
                    let bytes: Vec<u8> = held.drain(..count).collect();
                    all.pass(&bytes, scanner.messages() > before);
                }
                Ok(Step::Drop(count)) => drop(held.drain(..count)),
                Ok(Step::More) => break,
                Err(fault) => {
                    all.fault = Some(fault);
                    return all;
                }
            }
        }
    }
    all
}

impl Screened {
    fn pass(&mut self, bytes: &[u8], head: bool) {
        self.passed.extend_from_slice(bytes);
        if head {
            let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
            let sized = !text.contains("\r\ntransfer-encoding:");
            self.bodies.push(sized.then(Vec::new));
        } else if let Some(Some(body)) = self.bodies.last_mut() {
            body.extend_from_slice(bytes);
        }
    }
}

/// A connection that gives these bytes and takes all that is written.
struct Given(Vec<u8>, usize);

impl hyper::rt::Read for Given {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let count = buf.remaining().min(self.0.len() - self.1);
        buf.put_slice(&self.0[self.1..self.1 + count]);
        self.1 += count;
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Given {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The bodies of the requests that arrive whole behind the screen.
fn behind(bytes: &[u8]) -> Vec<Vec<u8>> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            if let Ok(body) = request.into_body().collect().await {
                seen.borrow_mut().push(body.to_bytes().to_vec());
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let connection = http1::Builder::new().serve_connection(Given(bytes.to_vec(), 0), service);
    // how it ends tells nothing: the input stops anywhere
    drop(runtime.block_on(connection));
    seen.take()
}
