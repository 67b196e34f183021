//! The wrapper around a connection that hyper reads through. Bytes go straight into hyper's buffer
//! and are judged there; only what is not yet decided (a head or a line in pieces) is kept back.

mod write;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;

use super::fault::Fault;
use super::limits::Timeouts;
use super::link::Link;
use super::patience::Patience;
use super::{Awaited, Place, Rules, Scanner, Step};

/// The method of the request that hyper is given in place of a head that was refused. It is in no
/// list of methods, so no client can send it.
pub(in crate::server) const REFUSED_METHOD: &str = "REFUSED";
const REFUSED: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// A connection that lets through only what has one reading.
#[derive(Debug)]
pub(in crate::server) struct Strict<T> {
    io: T,
    rules: Arc<Rules>,
    link: Arc<Link>,
    scanner: Scanner,
    patience: Patience,
    /// Read and not handed on: the first `passed` bytes may go, the next `dropped` go nowhere, the
    /// rest is undecided.
    held: BytesMut,
    passed: usize,
    dropped: usize,
    phase: Phase,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Messages are read.
    Open,
    /// What was read before the fault is handed on, then the fault is.
    Failing(Fault),
    /// The fault is handed on; nothing is read any more.
    Failed,
    /// Shut down at this time; the client may still read.
    Lingering { since: Instant, bytes: usize },
}

impl<T> Strict<T> {
    pub(in crate::server) fn new(
        io: T,
        rules: Arc<Rules>,
        link: Arc<Link>,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            io,
            rules,
            link,
            scanner: Scanner::new(),
            patience: Patience::new(timeouts),
            held: BytesMut::new(),
            passed: 0,
            dropped: 0,
            phase: Phase::Open,
        }
    }

    /// Judges what is held, up to the first undecided byte, or to one that goes nowhere while others
    /// before it still have to go on.
    fn judge_held(&mut self) {
        while matches!(self.phase, Phase::Open) {
            if self.dropped > 0 {
                if self.passed > 0 {
                    return;
                }
                self.held.advance(self.dropped.min(self.held.len()));
                self.dropped = 0;
            }
            let undecided = self.held.get(self.passed..).unwrap_or_default();
            if undecided.is_empty() {
                return;
            }
            let step = self.scanner.step(undecided, &self.rules);
            match self.note(step) {
                Step::Pass(bytes) => self.passed += bytes,
                Step::Drop(bytes) => self.dropped = bytes,
                Step::More => return,
            }
        }
    }

    /// Judges bytes where they were read to. What may not go on at once is taken over into `held`.
    fn judge_fresh(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let mut end = start;
        loop {
            let undecided = buf.filled().get(end..).unwrap_or_default();
            if undecided.is_empty() {
                return;
            }
            let step = self.scanner.step(undecided, &self.rules);
            match self.note(step) {
                Step::Pass(bytes) => end += bytes,
                Step::Drop(bytes) => {
                    self.dropped = bytes;
                    break;
                }
                Step::More => break,
            }
        }
        self.held
            .extend_from_slice(buf.filled().get(end..).unwrap_or_default());
        buf.set_filled(end);
        self.judge_held();
    }

    /// Keeps the clock and the phase up with a step; a fault needs no more bytes.
    fn note(&mut self, step: Result<Step, Fault>) -> Step {
        match step {
            Ok(step) => {
                self.patience.passed(self.scanner.messages());
                step
            }
            Err(fault) => {
                self.phase = Phase::Failing(fault);
                Step::More
            }
        }
    }

    /// Hands on bytes that may go; tells whether there were any.
    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let count = self.passed.min(buf.remaining());
        if count == 0 {
            return false;
        }
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.advance(count);
        self.passed -= count;
        if self.dropped > 0 {
            self.judge_held();
        }
        if self.held.is_empty() {
            // An idle connection keeps no buffer.
            self.held = BytesMut::new();
        }
        true
    }

    /// Hands on a fault: as a request that stands for the refused one, as the end of the stream, or
    /// as an error of the body it happened in.
    fn hand_on_fault(&mut self, fault: Fault) -> io::Result<bool> {
        self.phase = Phase::Failed;
        self.held = BytesMut::new();
        if matches!(self.scanner.place, Place::Head(_)) {
            self.link.fail_head(fault);
            if fault == Fault::TlsOnPlain {
                return Ok(true);
            }
            self.held.extend_from_slice(REFUSED);
            self.passed = REFUSED.len();
            return Ok(false);
        }
        self.link.fail_body(fault);
        let kind = if fault == Fault::BodyTimeout {
            io::ErrorKind::TimedOut
        } else {
            io::ErrorKind::InvalidData
        };
        Err(io::Error::new(kind, fault))
    }

    /// Nothing to read now: waits, unless the wait has been too long. True is the end of the stream.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let awaited = self.scanner.awaits(self.held.len());
        if !self.patience.wait(awaited, self.link.is_busy(), cx) {
            return Poll::Pending;
        }
        match awaited {
            Awaited::Request => return Poll::Ready(true),
            Awaited::Head => self.phase = Phase::Failing(Fault::HeadTimeout),
            Awaited::Body => self.phase = Phase::Failing(Fault::BodyTimeout),
        }
        Poll::Ready(false)
    }
}

impl<T: AsyncRead + Unpin> Strict<T> {
    /// Reads behind what is held.
    fn read_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; 4096];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut piece))?;
        let bytes = piece.filled().len();
        self.patience.read(bytes);
        self.held.extend_from_slice(piece.filled());
        self.judge_held();
        Poll::Ready(Ok(bytes))
    }

    /// Reads into hyper's buffer.
    fn read_fresh(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let bytes = buf.filled().len() - start;
        self.patience.read(bytes);
        self.judge_fresh(buf, start);
        Poll::Ready(Ok(bytes))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Strict<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let start = buf.filled().len();
        loop {
            if this.hand_on(buf) || buf.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
            match this.phase {
                Phase::Open => {}
                Phase::Failing(fault) => {
                    if this.hand_on_fault(fault)? {
                        return Poll::Ready(Ok(()));
                    }
                    continue;
                }
                Phase::Failed | Phase::Lingering { .. } => return Poll::Pending,
            }
            let read = if this.held.is_empty() {
                this.read_fresh(cx, buf)
            } else {
                this.read_held(cx)
            };
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if ready!(this.wait(cx)) {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}
