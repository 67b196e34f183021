//! Which error goes where: [`Refusal`] on the data path (what a caller sees, and what only we see),
//! [`StoreError`] from the stores, a `thiserror` enum for each module below them, `anyhow` only in
//! `main` and `cli`. Knows nobody.

use serde::{Deserialize, Serialize};

/// Why a request was not carried out; decides status and code. The texts are in `proxy::refuse`, the
/// CRM's error shape in `crm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The rules say deny.
    Denied,
    /// The rules say hold.
    Held,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// A rate limit, or a record that another write keeps busy.
    Limited,
    /// A budget is used up.
    Budget,
    /// The kill switch.
    Stopped,
    /// What the request would change cannot be told.
    Opaque,
    /// No service account has this credential, or two have.
    UnknownCaller,
    /// What was asked for is not there, or not theirs.
    NotFound,
    /// The message has more than one reading.
    Malformed,
    /// Larger than the limit.
    TooLarge,
    /// An earlier write to the record is unsettled.
    InDoubt,
    /// A store cannot record or count.
    Unavailable,
    /// The CRM cannot be reached; nothing was sent.
    Upstream,
    /// The CRM did not answer after the write was sent.
    UnknownOutcome,
    /// The same after a deadline.
    UnknownOutcomeTimeout,
}

impl RefusalKind {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Denied
            | Self::Rejected
            | Self::Expired
            | Self::Budget
            | Self::Stopped
            | Self::Opaque
            | Self::UnknownCaller => 403,
            Self::Held | Self::InDoubt => 423,
            Self::Limited => 429,
            Self::Malformed => 400,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Unavailable => 503,
            Self::Upstream | Self::UnknownOutcome => 502,
            Self::UnknownOutcomeTimeout => 504,
        }
    }

    /// The code in the answer: Salesforce `errorCode`, HubSpot `category`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Denied => "WRITEGATE_DENIED",
            Self::Held => "WRITEGATE_HELD",
            Self::Rejected => "WRITEGATE_REJECTED",
            Self::Expired => "WRITEGATE_EXPIRED",
            Self::Limited => "WRITEGATE_LIMITED",
            Self::Budget => "WRITEGATE_BUDGET",
            Self::Stopped => "WRITEGATE_STOPPED",
            Self::Opaque => "WRITEGATE_OPAQUE",
            Self::UnknownCaller => "WRITEGATE_UNKNOWN_CALLER",
            Self::NotFound => "WRITEGATE_NOT_FOUND",
            Self::Malformed => "WRITEGATE_MALFORMED",
            Self::TooLarge => "WRITEGATE_TOO_LARGE",
            Self::InDoubt => "WRITEGATE_IN_DOUBT",
            Self::Unavailable => "WRITEGATE_UNAVAILABLE",
            Self::Upstream => "WRITEGATE_UPSTREAM",
            Self::UnknownOutcome | Self::UnknownOutcomeTimeout => "WRITEGATE_UNKNOWN_OUTCOME",
        }
    }

    /// Whose doing it is; a metric label.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::Denied
            | Self::Held
            | Self::Rejected
            | Self::Expired
            | Self::Limited
            | Self::Budget
            | Self::Stopped
            | Self::Opaque
            | Self::InDoubt => Side::Policy,
            Self::UnknownCaller | Self::NotFound | Self::Malformed | Self::TooLarge => Side::Caller,
            Self::Unavailable => Side::Us,
            Self::Upstream | Self::UnknownOutcome | Self::UnknownOutcomeTimeout => Side::Upstream,
        }
    }
}

/// Whose doing a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The agent's request.
    Caller,
    /// Rules, limits, switches, people.
    Policy,
    /// The CRM or the way to it.
    Upstream,
    /// Writegate itself.
    Us,
}

/// A request that was not carried out: what the caller reads, and what only we read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which row of the table.
    pub kind: RefusalKind,
    /// The whole public message; opens with `Not written`, `Not written yet` or `May have been
    /// written`. Never a prior value, never a secret.
    pub message: String,
    /// The rule, row or limit that decided.
    pub rule: Option<String>,
    /// Rows of a batch, as the request places them.
    pub rows: Vec<String>,
    /// Fields concerned.
    pub fields: Vec<String>,
    /// Seconds for `Retry-After`, where repeating can help.
    pub retry_after: Option<u64>,
    /// For our log only.
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal with a message and nothing else.
    #[must_use]
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            rule: None,
            rows: Vec::new(),
            fields: Vec::new(),
            retry_after: None,
            detail: None,
        }
    }

    /// The same with a note for our log.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// An ambiguous message; `what` names the part and what to do: `Content-Length is given twice`.
    #[must_use]
    pub fn malformed(what: impl std::fmt::Display) -> Self {
        Self::new(RefusalKind::Malformed, format!("Not written: {what}."))
    }

    /// A store that cannot record or count now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let mut refusal = Self::new(
            RefusalKind::Unavailable,
            "Not written: Writegate cannot record changes now. Try again in 5 s.",
        );
        refusal.retry_after = Some(5);
        refusal.detail(detail)
    }
}

/// A store that did not do what it was asked. Never means yes.
#[derive(Debug, thiserror::Error)]
#[error("{store}: {what}")]
pub struct StoreError {
    /// `ledger` or `control`.
    pub store: &'static str,
    /// What failed, for our log and for operators.
    pub what: String,
    /// Whether trying again later can help.
    pub transient: bool,
    /// The ledger works, but does not allow these rows.
    pub conflict: Option<Conflict>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// A failure without an underlying error.
    #[must_use]
    pub fn new(store: &'static str, what: impl Into<String>, transient: bool) -> Self {
        Self {
            store,
            what: what.into(),
            transient,
            conflict: None,
            source: None,
        }
    }

    /// A failure with the error underneath.
    #[must_use]
    pub fn caused(
        store: &'static str,
        what: impl Into<String>,
        transient: bool,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..Self::new(store, what, transient)
        }
    }

    /// Rows that the ledger does not allow.
    #[must_use]
    pub fn conflict(conflict: Conflict) -> Self {
        Self {
            conflict: Some(conflict),
            ..Self::new("ledger", conflict.what(), false)
        }
    }
}

/// Why the ledger does not allow rows, or the raising of its epoch. Nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The entry is opened already.
    Opened,
    /// The entry has more rows than whoever wrote this one knew, or fewer.
    Moved,
    /// The epoch is another one by now.
    Epoch,
}

impl Conflict {
    fn what(self) -> &'static str {
        match self {
            Self::Opened => "cannot append: the entry is opened already",
            Self::Moved => "cannot append: the entry has moved on",
            Self::Epoch => "the epoch is over",
        }
    }
}
