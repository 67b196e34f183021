//! The ledger: append-only rows in a hash chain, under the id of their entry. Never loses an
//! acknowledged row. Knows `mutation` and `error` only; what the rows mean is `journal`'s.

pub mod chain;
mod inbox;
pub mod postgres;
pub mod sqlite;
mod verify;

use std::collections::BTreeMap;
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
    /// The heads of the other writers' chains, as this one saw them.
    Heads,
    /// Rules were put in force: files that somebody pushed, or those from before.
    Rules,
    /// A step in the life of a bulk job, or some of its rows.
    Job,
    /// Whose the tokens are that a login brought, by their fingerprints.
    Learned,
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
            Self::Heads => "heads",
            Self::Rules => "rules",
            Self::Job => "job",
            Self::Learned => "learned",
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
            Self::Heads,
            Self::Rules,
            Self::Job,
            Self::Learned,
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
    /// Appended only where its entry has exactly so many rows before it; else the whole append does
    /// nothing and fails with [`Conflict::Moved`](crate::error::Conflict). This is how two replicas
    /// never both take the next step of an entry. `None`: however many there are.
    pub nth: Option<u32>,
    /// The epoch of the grant it rests on. Under a later one the whole append does nothing and fails
    /// with [`Conflict::Epoch`](crate::error::Conflict). `None`: it rests on none.
    pub epoch: Option<u64>,
}

/// A row as the ledger has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its place among all rows: behind every row that could be seen when it was written. Paging goes
    /// by it.
    pub place: u64,
    /// Its place in its writer's chain, from 1 without gaps.
    pub seq: u64,
    /// The writer whose chain it is in.
    pub writer: String,
    /// The entry it belongs to.
    pub entry: EntryId,
    /// How many rows its entry had before it.
    pub nth: u32,
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

/// How far the rows of the other writers were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(BTreeMap<String, u64>);

impl Cursor {
    /// Behind these rows.
    #[must_use]
    pub fn behind(heads: &[Head]) -> Self {
        let mut cursor = Self::default();
        for head in heads {
            cursor.pass(&head.writer, head.seq);
        }
        cursor
    }

    /// The writers of whom rows were read, each with the last one.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(writer, seq)| (writer.as_str(), *seq))
    }

    /// This row was read.
    pub fn pass(&mut self, writer: &str, seq: u64) {
        let read = self.0.entry(writer.to_owned()).or_default();
        *read = seq.max(*read);
    }
}

/// Which rows. Conditions are joined by and; order is by place, oldest first unless `newest_first`.
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
    /// `transient` can pass by itself (a full disk); one with a `conflict` says that these rows are
    /// not allowed; any other takes a restart. Whoever stops waiting may find them written all the
    /// same.
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), StoreError>;

    /// Rows that match.
    async fn rows(&self, filter: RowFilter) -> Result<Vec<Row>, StoreError>;

    /// The opened rows of entries that were neither closed nor reconciled since, oldest first.
    async fn unclosed(&self) -> Result<Vec<Row>, StoreError>;

    /// The newest row of each writer's chain, by the writers' names.
    async fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// Walks all chains; `published` are heads that must be in them, and so must those that the chains
    /// name of each other.
    async fn verify(&self, published: &[Head]) -> Result<Verified, StoreError>;

    /// The writer of this process's own chain; `None`: opened for reading only.
    fn writer(&self) -> Option<&str>;

    /// Whether other processes may write chains of their own beside this one's.
    fn shared(&self) -> bool {
        false
    }

    /// Whether the process that writes this chain lives and can reach the ledger. That it does not is
    /// no proof that it sends nothing any more.
    async fn alive(&self, writer: &str) -> Result<bool, StoreError>;

    /// Rows of other writers behind the cursor, and the cursor behind them; at most as many as are
    /// good to hold at once, so it is to be asked until there are none. Rows of one writer come in
    /// their order, and each behind those that could be seen when it was written; none is ever left
    /// out, however late it was committed.
    async fn others(&self, after: &Cursor) -> Result<(Vec<Row>, Cursor), StoreError>;

    /// Returns when there may be more from others: at once where something came since it returned
    /// last. For one caller at a time.
    async fn changed(&self);

    /// The epoch, from 1.
    async fn epoch(&self) -> Result<u64, StoreError>;

    /// Raises the epoch by one where it is `from`, and returns the new one; else fails with
    /// [`Conflict::Epoch`](crate::error::Conflict). When it returns, no row of an older epoch will be
    /// appended any more, and those that were can be read.
    async fn raise_epoch(&self, from: u64) -> Result<u64, StoreError>;

    /// Whether rows can be written as far as is known, without waiting.
    ///
    /// # Errors
    /// Why not.
    fn available(&self) -> Result<(), StoreError>;

    /// How many rows wait to be written, without waiting; `None`: not known.
    fn queued(&self) -> Option<usize> {
        None
    }

    /// The time of the newest row, without waiting; a clock behind it is not to be trusted.
    fn newest(&self) -> Option<Timestamp>;

    /// What the store's own clock shows, without waiting; `None`: it has none, or it is not known.
    fn clock(&self) -> Option<Timestamp> {
        None
    }
}
