//! Requests that carry their credential in the body: who sends them, only the body tells.

use std::ops::Range;

use http::HeaderMap;

use super::path::CanonicalPath;
use super::salesforce::soap;
use super::{Crm, Malformed, Shape, salesforce};
use crate::mutation::CrmKind;

pub use soap::{Introduction, Session};

impl Crm {
    /// Whether requests to this path may carry their credential in the body.
    #[must_use]
    pub fn signs_in_body(self, path: &CanonicalPath) -> bool {
        let is = |at: usize, word: &str| {
            let segment = path.segments().get(at);
            segment.is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        match self.0 {
            CrmKind::Salesforce => is(0, "services") && is(1, "Soap"),
            CrmKind::HubSpot => false,
        }
    }

    /// The session that a message seems to carry, by a look at its beginning: before anybody is known
    /// no more of it is worth reading. What it does carry, [`Crm::introduce`] tells.
    #[must_use]
    pub fn glimpse(self, opening: &[u8]) -> Option<&str> {
        soap::glimpse(opening)
    }

    /// Whether its headers say that it is read as it is written: XML in UTF-8.
    #[must_use]
    pub fn is_message(self, headers: &HeaderMap) -> bool {
        soap::is_message(headers)
    }

    /// What the body of such a request says of itself: what it wants, and by whose right.
    ///
    /// # Errors
    /// [`Malformed`] when it has more than one reading.
    pub fn introduce(self, body: &[u8]) -> Result<Introduction, Malformed> {
        soap::introduce(body)
    }

    /// Where the credential stands in the body of a request to this path; `None`: in none.
    ///
    /// # Errors
    /// [`Malformed`] when that has more than one reading.
    pub fn session_place(
        self,
        path: &CanonicalPath,
        body: &[u8],
    ) -> Result<Option<Range<usize>>, Malformed> {
        if !self.signs_in_body(path) {
            return Ok(None);
        }
        let session = self.introduce(body)?.session;
        Ok(session.map(|session| session.place))
    }

    /// Whether a request that only its body tells is a login.
    ///
    /// # Errors
    /// [`Malformed`] when that has more than one reading.
    pub fn logs_in(self, shape: &Shape, body: &[u8]) -> Result<bool, Malformed> {
        match shape {
            Shape::Salesforce(salesforce::Shape::Soap(api)) => soap::is_login(*api, body),
            Shape::Salesforce(_) | Shape::HubSpot(_) | Shape::TwoReadings(_) => Ok(false),
        }
    }
}
