//! The bodies that travel through: nothing, bytes we hold, or a stream from one side to the other.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc::Receiver;

use super::pool::Lease;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its connection broke, or it was framed wrongly.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    /// Whoever hands it on stopped: the far end must not take it for whole.
    #[error("cut off")]
    Cut,
    /// What changes it on its way cannot read it.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// What changes a body on its way.
pub trait Edit: Send + Sync {
    /// The next piece; what can be handed on is put behind `out`.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), String>;

    /// The end.
    ///
    /// # Errors
    /// Why what came is not whole.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), String>;
}

/// A part of a body that is handed on while it is looked at.
#[derive(Debug)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// All was handed on.
    End,
}

/// A body on its way, in either direction.
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes we hold.
    Full(Bytes),
    /// A request as it comes in from the agent.
    Streamed(Incoming),
    /// An answer as it comes in from the CRM; its connection goes back to the pool at the end.
    Leased(Incoming, Option<Lease>),
    /// A request that is looked at on its way, and its length where that is known. It is cut off where
    /// the pieces stop without an end.
    Piped(Receiver<Piece>, Option<u64>),
    /// An answer that is changed on its way.
    Edited(Box<Body>, Box<dyn Edit>),
}

impl Body {
    /// A body of these bytes.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(bytes)
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full(_) => "Full",
            Self::Streamed(_) => "Streamed",
            Self::Leased(..) => "Leased",
            Self::Piped(..) => "Piped",
            Self::Edited(..) => "Edited",
        })
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed(incoming) => data_only(Pin::new(incoming), cx),
            Self::Leased(incoming, lease) => {
                let frame = data_only(Pin::new(incoming), cx);
                let ended = matches!(frame, Poll::Ready(None))
                    || (frame.is_ready() && incoming.is_end_stream());
                if ended && let Some(lease) = lease.take() {
                    lease.give_back();
                }
                frame
            }
            Self::Piped(pieces, _) => match std::task::ready!(pieces.poll_recv(cx)) {
                Some(Piece::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Piece::End) => {
                    *self = Self::Empty;
                    Poll::Ready(None)
                }
                None => Poll::Ready(Some(Err(BodyError::Cut))),
            },
            Self::Edited(inner, edit) => {
                let (frame, over) = std::task::ready!(edited(inner, &mut **edit, cx));
                if over {
                    *self = Self::Empty;
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Streamed(incoming) | Self::Leased(incoming, _) => incoming.is_end_stream(),
            Self::Piped(..) | Self::Edited(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(incoming) | Self::Leased(incoming, _) => incoming.size_hint(),
            Self::Piped(_, length) => length.map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Edited(..) => SizeHint::default(),
        }
    }
}

type Polled = Option<Result<Frame<Bytes>, BodyError>>;

/// The next frame of a body that is changed on its way, and whether it was the last one.
fn edited(inner: &mut Body, edit: &mut dyn Edit, cx: &mut Context<'_>) -> Poll<(Polled, bool)> {
    loop {
        let mut out = Vec::new();
        let (read, over) = match std::task::ready!(Pin::new(&mut *inner).poll_frame(cx)) {
            None => (edit.finish(&mut out), true),
            Some(Err(error)) => return Poll::Ready((Some(Err(error)), true)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => (edit.feed(&piece, &mut out), false),
                Err(_trailers) => (Ok(()), false),
            },
        };
        match read {
            Err(what) => return Poll::Ready((Some(Err(BodyError::Unreadable(what))), true)),
            Ok(()) if !out.is_empty() => {
                return Poll::Ready((Some(Ok(Frame::data(out.into()))), over));
            }
            Ok(()) if over => return Poll::Ready((None, true)),
            Ok(()) => {}
        }
    }
}

/// Frames of data; trailers end here, they must never become headers (RFC 9110 6.5.1).
fn data_only(
    incoming: Pin<&mut Incoming>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    incoming.poll_frame(cx).map(|frame| match frame {
        Some(Ok(frame)) if frame.is_trailers() => None,
        Some(Ok(frame)) => Some(Ok(frame)),
        Some(Err(error)) => Some(Err(error.into())),
        None => None,
    })
}
