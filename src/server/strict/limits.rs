//! Every limit of the message layer, in one place: sizes, which are exact (this much passes, one more
//! does not), and times.

use std::time::Duration;

/// Sizes of what a client may send. A message beyond one of them is refused, never cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head: request line, fields and the empty line that ends them.
    pub head: usize,
    /// Bytes of a request target. Salesforce takes 16,384 for URL and headers together
    /// (help article 000386264), so a query in the URL needs this much.
    pub target: usize,
    /// Number of header fields.
    pub fields: usize,
    /// Bytes of a field name.
    pub name: usize,
    /// Bytes of one field value, without the white space around it.
    pub value: usize,
    /// Empty lines before a request line (RFC 9112 2.2 asks for one).
    pub leading_lines: usize,
    /// Bytes of a body, declared or counted. The proxy's own limit on governed bodies is lower.
    pub body: u64,
    /// Bytes of one chunk's size line, with its extensions and its line end.
    pub chunk_line: usize,
    /// Bytes of chunk extensions in one body.
    pub extensions: usize,
    /// Bytes of a trailer section.
    pub trailers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 * 1024,
            target: 16 * 1024,
            fields: 100,
            name: 256,
            value: 16 * 1024,
            leading_lines: 1,
            body: 512 * 1024 * 1024,
            chunk_line: 1024,
            extensions: 4 * 1024,
            trailers: 8 * 1024,
        }
    }
}

/// How long a client may keep a connection waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the first request to begin, and for a whole head from its first byte.
    pub head: Duration,
    /// For the next request on a connection that was answered.
    pub idle: Duration,
    /// For more of a body, and the credit that a slow body starts with.
    pub body: Duration,
    /// The bytes of body that earn one more second of waiting.
    pub body_rate: u32,
    /// For the client to take more of an answer.
    pub write: Duration,
    /// For the client to read a refusal before the connection is torn down.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            body_rate: 1024,
            write: Duration::from_secs(60),
            linger: Duration::from_secs(1),
        }
    }
}
