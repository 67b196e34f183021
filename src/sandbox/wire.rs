//! The sandbox's end of a connection: counts what arrives, cuts answers off, resets.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What came in, over all connections.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bytes: AtomicU64,
    connections: AtomicU64,
}

impl Traffic {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

/// How a connection is to end, where a script says so. Clones speak of the same connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending(Arc<Plan>);

#[derive(Debug)]
struct Plan {
    /// Bytes that may still be written.
    left: AtomicUsize,
    /// Close by a reset.
    reset: AtomicBool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            left: AtomicUsize::new(usize::MAX),
            reset: AtomicBool::new(false),
        }
    }
}

impl Ending {
    /// Writes `keep` bytes more, then closes.
    pub(super) fn cut(&self, keep: usize, reset: bool) {
        self.0.left.store(keep, Ordering::SeqCst);
        self.0.reset.store(reset, Ordering::SeqCst);
    }
}

/// A TCP connection that counts and can be cut off.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    traffic: Arc<Traffic>,
    ending: Ending,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>, ending: Ending) -> Self {
        traffic.connections.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "sandbox: no TCP_NODELAY");
        }
        Self {
            stream,
            traffic,
            ending,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ending.0.reset.load(Ordering::SeqCst) {
            let socket = SockRef::from(&self.stream);
            if let Err(error) = socket.set_linger(Some(Duration::ZERO)) {
                tracing::debug!(%error, "sandbox: cannot reset");
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.traffic.bytes.fetch_add(read as u64, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.ending.0.left.load(Ordering::SeqCst);
        if left == usize::MAX {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        let Some(part) = buf
            .get(..left.min(buf.len()))
            .filter(|part| !part.is_empty())
        else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, part))?;
        self.ending.0.left.fetch_sub(written, Ordering::SeqCst);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection that a script ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
pub(super) struct Dropped;
