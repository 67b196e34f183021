//! A strict HTTP/1 message layer in front of hyper. What has two readings is refused here, before
//! hyper is given a byte of it: a head is checked whole, then the body's framing is followed, so that
//! it is always known where the next head begins.
//!
//! The verdict depends on the bytes alone, never on how they were split over reads: everything but
//! counted body data is judged by whole lines.

mod body;
pub(super) mod fault;
mod field;
mod head;
pub(super) mod host;
pub(super) mod io;
pub(super) mod limits;
pub(super) mod link;
mod octets;
mod patience;

use http::Method;

use fault::{Fault, Part};
use head::{Framing, HeadScan};
use host::HostNames;
use limits::Limits;

/// What every connection of a listener is judged by.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Sizes of messages.
    pub limits: Limits,
    /// The values of `Host` that are taken.
    pub hosts: HostNames,
    /// The methods that are taken.
    pub methods: Vec<Method>,
    /// Whether TLS was not expected here, so that a handshake can be named as what it is.
    pub plain: bool,
}

/// What to do with the bytes at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many are right: hand them on.
    Pass(usize),
    /// So many are right and go no further.
    Drop(usize),
    /// More is needed to tell.
    More,
}

/// Where in a message the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Head(HeadScan),
    Counted(u64),
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The first byte of a head.
    Request,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Scanner {
    place: Place,
    /// Heads let through.
    messages: u64,
    /// Empty lines before the head at hand.
    leading: usize,
    /// Of the chunked body at hand: its data, extensions and trailers so far.
    data: u64,
    extensions: usize,
    trailers: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the start of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self {
            place: Place::Head(HeadScan::default()),
            messages: 0,
            leading: 0,
            data: 0,
            extensions: 0,
            trailers: 0,
        }
    }

    /// Judges the front of `input`, which is not empty and begins where the last step ended.
    ///
    /// # Errors
    /// [`Fault`]; the connection reads nothing more then.
    pub fn step(&mut self, input: &[u8], rules: &Rules) -> Result<Step, Fault> {
        match self.place {
            Place::Head(_) => self.head(input, rules),
            Place::Counted(left) => Ok(self.data(input, left, Place::Counted, Self::next_message)),
            Place::ChunkData(left) => Ok(self.data(input, left, Place::ChunkData, |scanner| {
                scanner.place = Place::ChunkEnd;
            })),
            Place::ChunkLine => self.chunk_line(input, rules),
            Place::ChunkEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.place = Place::ChunkLine;
                    Ok(Step::Pass(2))
                }
                [b'\r'] => Ok(Step::More),
                _ => Err(Fault::ChunkEnd),
            },
            Place::Trailers => self.trailer(input, rules),
        }
    }

    /// How many heads were let through.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// What the connection waits for when the input is used up; `held` bytes of it were kept back.
    fn awaits(&self, held: usize) -> Awaited {
        match self.place {
            Place::Head(_) if held == 0 => Awaited::Request,
            Place::Head(_) => Awaited::Head,
            Place::Counted(_)
            | Place::ChunkLine
            | Place::ChunkData(_)
            | Place::ChunkEnd
            | Place::Trailers => Awaited::Body,
        }
    }

    fn head(&mut self, input: &[u8], rules: &Rules) -> Result<Step, Fault> {
        match input {
            [b'\r', b'\n', ..] if self.leading < rules.limits.leading_lines => {
                self.leading += 1;
                return Ok(Step::Drop(2));
            }
            [b'\r', b'\n', ..] => return Err(Fault::LeadingLines),
            [b'\r'] => return Ok(Step::More),
            [b'\n', ..] => return Err(Fault::LineEnd(Part::RequestLine)),
            // The record type of a TLS handshake.
            [0x16, ..] if rules.plain && self.messages == 0 => return Err(Fault::TlsOnPlain),
            _ => {}
        }
        let Place::Head(scan) = &mut self.place else {
            return Ok(Step::More);
        };
        let Some(head) = scan.read(input, rules)? else {
            return Ok(Step::More);
        };
        self.messages += 1;
        match head.framing {
            Framing::Sized(0) => self.next_message(),
            Framing::Sized(length) => self.place = Place::Counted(length),
            Framing::Chunked => self.place = Place::ChunkLine,
        }
        Ok(Step::Pass(head.length))
    }

    /// Hands on counted bytes; `then` follows the last one.
    fn data(
        &mut self,
        input: &[u8],
        left: u64,
        place: fn(u64) -> Place,
        then: fn(&mut Self),
    ) -> Step {
        let available = u64::try_from(input.len()).unwrap_or(u64::MAX);
        if available < left {
            self.place = place(left - available);
            return Step::Pass(input.len());
        }
        then(self);
        Step::Pass(usize::try_from(left).unwrap_or(input.len()))
    }

    fn chunk_line(&mut self, input: &[u8], rules: &Rules) -> Result<Step, Fault> {
        let limit = rules.limits.chunk_line;
        let Some((line, length)) = body::line(input, limit, Part::Chunk, Fault::ChunkLineTooLong)?
        else {
            return Ok(Step::More);
        };
        let chunk = body::chunk_line(line)?;
        self.extensions += chunk.extensions;
        if self.extensions > rules.limits.extensions {
            return Err(Fault::ChunkLineTooLong);
        }
        self.data = self.data.saturating_add(chunk.size);
        if self.data > rules.limits.body {
            return Err(Fault::BodyTooLarge);
        }
        self.place = match chunk.size {
            0 => Place::Trailers,
            size => Place::ChunkData(size),
        };
        Ok(Step::Pass(length))
    }

    /// Trailers are checked and dropped: nobody behind can take one for a header field.
    fn trailer(&mut self, input: &[u8], rules: &Rules) -> Result<Step, Fault> {
        let left = rules.limits.trailers.saturating_sub(self.trailers);
        // The empty line at the end does not count.
        let Some((line, length)) =
            body::line(input, left.max(2), Part::Trailer, Fault::TrailersTooLarge)?
        else {
            return Ok(Step::More);
        };
        if line.is_empty() {
            self.next_message();
            return Ok(Step::Pass(length));
        }
        self.trailers += length;
        if self.trailers > rules.limits.trailers {
            return Err(Fault::TrailersTooLarge);
        }
        body::trailer_line(line, &rules.limits)?;
        Ok(Step::Drop(length))
    }

    fn next_message(&mut self) {
        self.place = Place::Head(HeadScan::default());
        self.leading = 0;
        self.data = 0;
        self.extensions = 0;
        self.trailers = 0;
    }
}

#[cfg(test)]
mod tests;
