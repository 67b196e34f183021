//! What the reading side of a connection and the service behind hyper tell each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use super::fault::Fault;

/// Shared by the two sides of one connection. A fault is noted when hyper is told of it, which for a
/// pipelined head can be while an earlier request is still being answered.
#[derive(Debug, Default)]
pub(in crate::server) struct Link {
    head: OnceLock<Fault>,
    body: OnceLock<Fault>,
    busy: AtomicBool,
}

impl Link {
    /// Notes the fault of a head. hyper is given a stand-in for it, or the end of the stream.
    pub(super) fn fail_head(&self, fault: Fault) {
        self.head.get_or_init(|| fault);
    }

    /// Notes the fault of the body that the request at hand is reading.
    pub(super) fn fail_body(&self, fault: Fault) {
        self.body.get_or_init(|| fault);
    }

    /// The fault of the head that the stand-in stands for.
    pub(in crate::server) fn head_fault(&self) -> Option<Fault> {
        self.head.get().copied()
    }

    /// The fault of the body of the request at hand.
    pub(in crate::server) fn body_fault(&self) -> Option<Fault> {
        self.body.get().copied()
    }

    /// Whether a request is being answered. Only then may a client be silent without being idle.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// A request is being answered from now until the token goes.
    pub(in crate::server) fn begin(self: &Arc<Self>) -> Answering {
        self.busy.store(true, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }
}

/// Says that a request is being answered, until it is dropped.
#[derive(Debug)]
pub(in crate::server) struct Answering(Arc<Link>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

/// A response body that says when the answer is through.
#[derive(Debug)]
pub(in crate::server) struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl<B> Answer<B> {
    /// Ties a body to the answer it belongs to.
    pub(in crate::server) fn new(body: B, answering: Answering) -> Self {
        Self {
            body,
            _answering: answering,
        }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
