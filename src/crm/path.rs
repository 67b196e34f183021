//! A request path in the one form that is judged and sent.

use super::Malformed;

/// A path whose segments are decoded once and that is written back in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath {
    segments: Vec<String>,
    text: String,
    trailing_slash: bool,
}

impl CanonicalPath {
    /// Reads the raw path of a request target (without query).
    ///
    /// # Errors
    /// [`Malformed`] when the path has more than one reading.
    pub fn parse(raw: &str) -> Result<Self, Malformed> {
        let _ = raw;
        Err(Malformed("stub".into()))
    }

    /// The decoded segments, without the empty ones at the ends.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The canonical text, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the request's path ended in a slash; reads are sent as they came in this.
    #[must_use]
    pub fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }
}
