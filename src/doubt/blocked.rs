//! Why a request is not sent now: an earlier write stands in its way.

use jiff::{SignedDuration, Timestamp};

use crate::clock::EntryId;

/// Salesforce ends every request after ten minutes; HubSpot names no limit. A connection that was lost
/// on the way, by a middlebox or by our own end, does not end the CRM's work.
pub(super) const WORKS_MOST: SignedDuration = SignedDuration::from_mins(10);

/// Why a request is not sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The entry in doubt.
    pub entry: EntryId,
    /// When it was sent.
    pub at: Timestamp,
    /// Whether it is the very same request.
    pub same: bool,
    /// Rows of the batch that name its records.
    pub rows: Vec<String>,
    /// From then on it can be told what became of it.
    pub quiet: Timestamp,
    /// Why only a person can settle it.
    pub stuck: Option<&'static str>,
}

impl Blocked {
    /// The same request, opened by another process and not closed.
    #[must_use]
    pub fn open(entry: &EntryId, at: Timestamp) -> Self {
        Self {
            entry: entry.clone(),
            at,
            same: true,
            rows: Vec::new(),
            quiet: at.checked_add(WORKS_MOST).unwrap_or(Timestamp::MAX),
            stuck: None,
        }
    }
}
