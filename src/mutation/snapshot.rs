//! Prior values of what a write is about to change, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Operation;

/// What is known of one record before the write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Prior {
    /// The record exists.
    Found {
        /// The id that the read returned: limits, locks and blocks use it.
        id: String,
        /// The values of the fields that were asked for; absent means blank.
        fields: Map<String, Value>,
        /// The CRM's modification stamp, for conditional writes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stamp: Option<String>,
    },
    /// There is no such record: the write creates it.
    Absent,
    /// Could not be known; `fill-else-*` takes its else.
    Unknown,
}

impl Prior {
    /// What is known of a record that a read did not return. Only what may create it takes it for
    /// absent, and so for blank: to an update or delete it can be hidden from the credential, or not
    /// readable yet, and would be overwritten unseen.
    #[must_use]
    pub fn not_returned(operation: Operation) -> Self {
        match operation {
            Operation::Create | Operation::Upsert => Self::Absent,
            Operation::Update
            | Operation::Delete
            | Operation::Purge
            | Operation::Restore
            | Operation::Merge
            | Operation::Convert
            | Operation::Associate
            | Operation::Dissociate
            | Operation::Send
            | Operation::Export
            | Operation::Import
            | Operation::Invoke
            | Operation::Schema
            | Operation::Settings
            | Operation::Credential => Self::Unknown,
        }
    }
}

/// The prior values of a change set, one for each mutation in its order. Creates have
/// [`Prior::Absent`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By the mutation's place in the change set.
    pub priors: Vec<Prior>,
    /// By the mutation's place: fields that only a rule looks at and that could not be read. Shorter
    /// than the change set: none for the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<Vec<String>>,
}

impl Snapshot {
    /// These priors, with nothing hidden.
    #[must_use]
    pub fn of(priors: Vec<Prior>) -> Self {
        Self {
            priors,
            hidden: Vec::new(),
        }
    }

    /// The fields of one mutation's record that could not be read.
    #[must_use]
    pub fn hidden(&self, mutation: usize) -> &[String] {
        self.hidden.get(mutation).map_or(&[], Vec::as_slice)
    }

    /// The prior of one mutation; unknown where none was taken.
    #[must_use]
    pub fn prior(&self, mutation: usize) -> &Prior {
        self.priors.get(mutation).unwrap_or(&Prior::Unknown)
    }
}

/// What became of one mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeState {
    /// The CRM says it is done.
    Done,
    /// The CRM says it is not.
    Failed,
    /// The CRM has taken it and works on it; its results are pending.
    Accepted,
    /// Nobody knows: in doubt.
    Unknown,
}

/// What became of one mutation, by its place in the change set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the CRM said.
    pub state: OutcomeState,
    /// The id of a record that the CRM just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_id: Option<String>,
    /// The CRM's error code, where it gave one. Never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl Outcome {
    /// An outcome without id or code.
    #[must_use]
    pub fn of(state: OutcomeState) -> Self {
        Self {
            state,
            new_id: None,
            code: None,
        }
    }
}
