//! The ledger: append-only rows in a hash chain, under the id of their entry. Never loses an
//! acknowledged row. Knows `mutation` and `error` only; what the rows mean is `journal`'s.

pub mod chain;
pub mod sqlite;

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::EntryId;
use crate::error::StoreError;

/// What a row says of its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// A write was refused; nothing was sent.
    Refused,
    /// A write is about to be sent: snapshot, charges, verdict.
    Opened,
    /// The write's outcome.
    Closed,
    /// The outcome of some or all of it is not known; the entry stays open until it is reconciled.
    InDoubt,
    /// A write waits for a person.
    Held,
    /// A person decided.
    Decided,
    /// The record moved since the approver looked: approvals are void, the hold waits again.
    Drifted,
    /// Nobody decided in time.
    Expired,
    /// The agent collected the answer, or was told of the end of its hold.
    Delivered,
    /// What became of a write in doubt.
    Reconciled,
    /// A kill switch was thrown or resumed.
    Switch,
    /// A limit was set or unset at run time, or rules were reloaded.
    Setting,
    /// The process started; rows after it belong to this run.
    Started,
}

impl RowKind {
    /// The word in the store and in answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::InDoubt => "in_doubt",
            Self::Held => "held",
            Self::Decided => "decided",
            Self::Drifted => "drifted",
            Self::Expired => "expired",
            Self::Delivered => "delivered",
            Self::Reconciled => "reconciled",
            Self::Switch => "switch",
            Self::Setting => "setting",
            Self::Started => "started",
        }
    }

    /// The kind a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Refused,
            Self::Opened,
            Self::Closed,
            Self::InDoubt,
            Self::Held,
            Self::Decided,
            Self::Drifted,
            Self::Expired,
            Self::Delivered,
            Self::Reconciled,
            Self::Switch,
            Self::Setting,
            Self::Started,
        ]
        .into_iter()
        .find(|kind| kind.word() == word)
    }
}

/// A row to append.
#[derive(Clone, Debug)]
pub struct NewRow {
    /// The entry it belongs to.
    pub entry: EntryId,
    /// What it says.
    pub kind: RowKind,
    /// When.
    pub at: Timestamp,
    /// The service account concerned, for look-ups.
    pub service_account: Option<String>,
    /// The route concerned, for look-ups.
    pub route: Option<String>,
    /// Everything but field values. Chained as its exact text.
    pub meta: Value,
    /// Field values and keys that identify people; chained as a salted digest, so that they can be
    /// erased without breaking the chain.
    pub values: Option<Value>,
}

/// A row as the ledger has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its place in its writer's chain, from 1.
    pub seq: u64,
    /// The writer whose chain it is in.
    pub writer: String,
    /// The entry it belongs to.
    pub entry: EntryId,
    /// What it says.
    pub kind: RowKind,
    /// When.
    pub at: Timestamp,
    /// The service account concerned.
    pub service_account: Option<String>,
    /// The route concerned.
    pub route: Option<String>,
    /// Everything but field values.
    pub meta: Value,
    /// Field values; `None` where there were none or they were erased.
    pub values: Option<Value>,
    /// SHA-256 over the row and the hash before it, hex.
    pub hash: String,
}

/// The newest row of one writer's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The writer.
    pub writer: String,
    /// The row's place.
    pub seq: u64,
    /// The row's hash, hex.
    pub hash: String,
    /// The row's time.
    pub at: Timestamp,
}

/// Which rows. Conditions are joined by and; order is by time of writing, oldest first unless
/// `newest_first`.
#[derive(Clone, Debug, Default)]
pub struct RowFilter {
    /// Rows of this entry.
    pub entry: Option<EntryId>,
    /// Rows of these kinds; empty: all.
    pub kinds: Vec<RowKind>,
    /// Rows of this service account.
    pub service_account: Option<String>,
    /// Rows at or after this moment.
    pub since: Option<Timestamp>,
    /// Only rows after this place (before it when `newest_first`), for paging.
    pub after: Option<u64>,
    /// Newest first.
    pub newest_first: bool,
    /// At most so many; 0: all.
    pub limit: usize,
}

/// What checking the chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Rows looked at.
    pub rows: u64,
    /// The chain's end for each writer.
    pub heads: Vec<Head>,
    /// What is wrong, one line each; empty: nothing.
    pub faults: Vec<String>,
}

/// Durable, append-only rows; SQLite, or PostgreSQL when replicas share it.
#[async_trait]
pub trait Ledger: Send + Sync + fmt::Debug {
    /// Appends all rows in one transaction and returns when they are durable. An error that is
    /// `transient` can pass by itself (a full disk); any other takes a restart, or says that these rows
    /// are not allowed: an entry is opened once. Whoever stops waiting may find them written all the
    /// same.
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError>;

    /// Rows that match.
    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError>;

    /// The opened rows of entries that were neither closed nor reconciled since, oldest first.
    async fn unclosed(&self) -> Result<Vec<Row>, StoreError>;

    /// The newest row of each writer's chain.
    async fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// Walks the whole chain; `published` are heads that must be in it.
    async fn verify(&self, published: &[Head]) -> Result<Verified, StoreError>;

    /// Whether rows can be written as far as is known, without waiting.
    ///
    /// # Errors
    /// Why not.
    fn available(&self) -> Result<(), StoreError>;

    /// The time of the newest row, without waiting; a clock behind it is not to be trusted.
    fn newest(&self) -> Option<Timestamp>;
}
