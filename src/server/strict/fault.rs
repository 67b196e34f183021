//! What is wrong with a message: one variant for each rule, with the answer it gets.

use std::error::Error;

use http::StatusCode;

use crate::error::{Refusal, RefusalKind};

/// Why a message was not let in. The text names the part and what to do; never a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The first record of a TLS handshake. Not answered: nobody there reads HTTP.
    #[error(
        "TLS arrived on a port that speaks plain HTTP; give the client an http:// URL or the route a certificate"
    )]
    TlsOnPlain,
    /// Empty lines before the request line.
    #[error("there are empty lines before the request line")]
    LeadingLines,
    /// LF without CR.
    #[error("{0} ends in a line feed without a carriage return")]
    LineEnd(Part),
    /// A control character.
    #[error("{0} holds a control character")]
    Control(Part),
    /// Not `METHOD target HTTP/x.y` with single spaces.
    #[error("the request line is not a method, a target and a version with one space between them")]
    RequestLine,
    /// A method that no route takes.
    #[error("the method is not one that is taken here")]
    Method,
    /// Not origin-form (RFC 9112 3.2.1).
    #[error(
        "the request target does not begin with a slash; send the path only, without scheme and host"
    )]
    TargetForm,
    /// An octet that may not stand in a target.
    #[error("the request target holds a character that must be percent-encoded")]
    TargetOctet,
    /// Longer than the limit.
    #[error("the request target is too long; send the query in a body")]
    TargetTooLong,
    /// Not HTTP/1 at all.
    #[error("the protocol version is not HTTP/1.1")]
    Version,
    /// A later HTTP/1 than there is.
    #[error("the protocol version is not HTTP/1.1 but another HTTP/1")]
    MinorVersion,
    /// Longer than the limit.
    #[error("the request head is too large")]
    HeadTooLarge,
    /// More than the limit.
    #[error("there are too many header fields")]
    TooManyFields,
    /// Longer than the limit.
    #[error("the name of a header field is too long")]
    NameTooLong,
    /// Longer than the limit.
    #[error("the value of a header field is too long")]
    ValueTooLong,
    /// A line that begins with white space.
    #[error("a header field is folded over two lines")]
    Fold,
    /// White space between name and colon, or in a name.
    #[error("there is white space in the name of a header field")]
    SpaceInName,
    /// No colon, no name, or an octet that may not stand in a name.
    #[error("a header line has no valid name")]
    Name,
    /// Reads as a framing or identity field to software that takes `_` for `-`.
    #[error("a header field looks like {0}, written with an underscore")]
    LookAlike(&'static str),
    /// A field that may stand once.
    #[error("{0} is given twice")]
    Twice(&'static str),
    /// No `Host`.
    #[error("there is no Host")]
    HostMissing,
    /// Not `name` or `name:port`.
    #[error("Host is not a name with an optional port")]
    HostForm,
    /// A host that this route does not go by.
    #[error("Host names another server; use the public URL of the route")]
    HostUnknown,
    /// Anything but `chunked`, once.
    #[error("Transfer-Encoding is not exactly chunked")]
    TransferEncoding,
    /// Both framings.
    #[error("both Content-Length and Transfer-Encoding are given")]
    BothFramings,
    /// `Transfer-Encoding` on HTTP/1.0.
    #[error("Transfer-Encoding is given on HTTP/1.0")]
    OldTransferEncoding,
    /// Not a plain decimal number.
    #[error("Content-Length is not a decimal number")]
    ContentLength,
    /// Longer than the limit.
    #[error("the body is too large")]
    BodyTooLarge,
    /// Anything but `100-continue`, or without a body.
    #[error("Expect is not 100-continue before a body")]
    Expect,
    /// Not a hexadecimal number.
    #[error("the size of a chunk is not a hexadecimal number")]
    ChunkSize,
    /// Not `;name` or `;name=value`.
    #[error("a chunk extension is malformed")]
    ChunkExtension,
    /// Longer than the limit.
    #[error("a chunk has too many extensions")]
    ChunkLineTooLong,
    /// No CRLF after the data.
    #[error("a chunk is longer than its size says")]
    ChunkEnd,
    /// Not a field line.
    #[error("a trailer field is malformed")]
    Trailer,
    /// Longer than the limit.
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// The head did not arrive in time.
    #[error("the request head did not arrive in time")]
    HeadTimeout,
    /// The body stopped or dripped.
    #[error("the request body did not arrive in time")]
    BodyTimeout,
}

/// Where in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The request line.
    RequestLine,
    /// A header field.
    Field,
    /// A chunk's size line.
    Chunk,
    /// A trailer field.
    Trailer,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RequestLine => "the request line",
            Self::Field => "a header field",
            Self::Chunk => "the size of a chunk",
            Self::Trailer => "a trailer field",
        })
    }
}

impl Fault {
    /// The status of the answer. Client errors but for one: SDKs send a request again after a server
    /// error, and none of these gets better by that.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::HeadTimeout | Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expect => StatusCode::EXPECTATION_FAILED,
            Self::HostUnknown => StatusCode::MISDIRECTED_REQUEST,
            Self::HeadTooLarge | Self::TooManyFields | Self::NameTooLong | Self::ValueTooLong => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::MinorVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TlsOnPlain
            | Self::LeadingLines
            | Self::LineEnd(_)
            | Self::Control(_)
            | Self::RequestLine
            | Self::Version
            | Self::TargetForm
            | Self::TargetOctet
            | Self::Fold
            | Self::SpaceInName
            | Self::Name
            | Self::LookAlike(_)
            | Self::Twice(_)
            | Self::HostMissing
            | Self::HostForm
            | Self::TransferEncoding
            | Self::BothFramings
            | Self::OldTransferEncoding
            | Self::ContentLength
            | Self::ChunkSize
            | Self::ChunkExtension
            | Self::ChunkLineTooLong
            | Self::ChunkEnd
            | Self::Trailer
            | Self::TrailersTooLarge => StatusCode::BAD_REQUEST,
        }
    }

    /// The same as the refusal that a caller reads; [`Fault::status`] is the more exact status.
    #[must_use]
    pub fn refusal(self) -> Refusal {
        let kind = match self.status() {
            StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => RefusalKind::TooLarge,
            _ => RefusalKind::Malformed,
        };
        Refusal::new(kind, format!("Not written: {self}."))
    }

    /// The fault behind an error that a request body ended in, if the message layer raised it.
    #[must_use]
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(*fault);
            }
            // An io::Error shows the error it wraps to `get_ref` only.
            next = match error
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::get_ref)
            {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_found_behind_the_errors_around_it() {
        let io = std::io::Error::new(std::io::ErrorKind::InvalidData, Fault::ChunkSize);
        assert_eq!(Fault::behind(&io), Some(Fault::ChunkSize));
        assert_eq!(Fault::behind(&std::io::Error::other("reset")), None);
    }

    #[test]
    fn a_refusal_says_not_written_and_which_part() {
        let refusal = Fault::Twice("Authorization").refusal();
        assert_eq!(
            refusal.message,
            "Not written: Authorization is given twice."
        );
        assert_eq!(refusal.kind, RefusalKind::Malformed);
        assert_eq!(Fault::TargetTooLong.refusal().kind, RefusalKind::TooLarge);
    }
}
