//! The reads that we make ourselves around a write, and what their answers mean.

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::mutation::RecordKey;

/// A read we make ourselves before a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCall {
    /// GET, or POST for reads by POST.
    pub method: Method,
    /// Path and query, as sent.
    pub target: String,
    /// A JSON body.
    pub body: Option<Bytes>,
    /// The mutations whose prior values it brings, by place in the change set.
    pub covers: Vec<usize>,
}

/// What has to be read to know the prior values of a change set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriorPlan {
    /// These reads, in any order; empty when nothing needs to be read (creates).
    Reads(Vec<ReadCall>),
    /// First this, to extend the catalog (for example a property list), then ask again.
    Catalog(ReadCall),
}

/// Why a read brought no prior values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriorFailure {
    /// The CRM's own answer (401, 404, 429 or 400) is the caller's answer: nothing was written.
    PassOn,
    /// The credential cannot read a field that the write names.
    Unreadable(String),
    /// The credential cannot read a field that only rules look at: to be asked again without it.
    Hidden(String),
    /// Anything else; for our log.
    Failed(String),
}

/// Field names beyond those a mutation writes that rules look at; by mutation, as the rules spell
/// them. Shorter than the change set: nothing for the rest.
pub type Wanted = Vec<Vec<String>>;

/// How a record that a create may have made is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// By a key that no two records share.
    Key(RecordKey),
    /// Among all records made since the send.
    Query(ReadCall),
}

/// What a repeat of a write gets that is known to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// This answer: nothing in it is made up.
    Answer(StatusCode, Bytes),
    /// The same in XML.
    Xml(StatusCode, Bytes),
    /// The record as this read brings it, under this status.
    Read(ReadCall, StatusCode),
}
