//! The writing half of a connection: a client that takes nothing is cut, and one that was refused is
//! given time to read why.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::super::Place;
use super::{Phase, Strict};

/// How much of a pipelined or unread rest is thrown away while the client reads the last answer.
const LINGER_BYTES: usize = 1024 * 1024;

impl<T: AsyncRead + AsyncWrite + Unpin> Strict<T> {
    /// Lets the client read the last answer: a connection torn down with bytes unread is reset, and
    /// a reset takes the answer with it. Reads and forgets until the client closes or time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Phase::Lingering { since, mut bytes } = self.phase else {
            return Poll::Ready(());
        };
        loop {
            if bytes > LINGER_BYTES || self.patience.linger(since, cx) {
                return Poll::Ready(());
            }
            let mut space = [0; 4096];
            let mut piece = ReadBuf::new(&mut space);
            match Pin::new(&mut self.io).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => bytes += piece.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.phase = Phase::Lingering { since, bytes };
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes the outcome of a write; one that waited too long is an error.
    fn wrote<R>(
        &mut self,
        outcome: Poll<io::Result<R>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<R>> {
        if outcome.is_ready() {
            self.patience.wrote();
        } else if self.patience.wait_to_write(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.wrote(outcome, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.wrote(outcome, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(cx);
        self.wrote(outcome, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.phase, Phase::Lingering { .. }) {
            let outcome = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.wrote(outcome, cx))?;
            let between = self.held.is_empty() && matches!(self.scanner.place, Place::Head(_));
            if matches!(self.phase, Phase::Open) && between {
                return Poll::Ready(Ok(()));
            }
            self.phase = Phase::Lingering {
                since: Instant::now(),
                bytes: 0,
            };
        }
        self.poll_linger(cx).map(Ok)
    }
}
