//! The vocabulary: what a request would change, who asks, what was decided. Plain data that every
//! other module speaks; knows nobody.

mod limit;
mod observed;
mod snapshot;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use limit::{Charge, Count, Limit, LimitKind, Per, Then};
pub use observed::{Observed, Would};
pub use snapshot::{Outcome, OutcomeState, Prior, Snapshot};
pub use verdict::{Effect, Reason, ReasonKind, Requirement, Verdict};

/// The two CRMs Writegate stands in front of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CrmKind {
    /// Salesforce core platform REST.
    Salesforce,
    /// HubSpot public API.
    HubSpot,
}

impl CrmKind {
    /// The name as it stands in configuration and rules: `salesforce`, `hubspot`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Salesforce => "salesforce",
            Self::HubSpot => "hubspot",
        }
    }
}

impl fmt::Display for CrmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a mutation does to its record. The names are the words of rules, entries and `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// A new record.
    Create,
    /// New field values for an existing record.
    Update,
    /// Update where the record exists, create where not.
    Upsert,
    /// Into the recycle bin.
    Delete,
    /// Past any recycle bin.
    Purge,
    /// Out of the recycle bin.
    Restore,
    /// Several records into one.
    Merge,
    /// A lead into account, contact, opportunity.
    Convert,
    /// A link between two records.
    Associate,
    /// The removal of such a link.
    Dissociate,
    /// A message that leaves the CRM.
    Send,
    /// A bulk read that leaves the CRM.
    Export,
    /// A bulk load of a file.
    Import,
    /// Code or automation that is run.
    Invoke,
    /// A change to what records look like.
    Schema,
    /// A change to the org's settings.
    Settings,
    /// Mints or changes secrets.
    Credential,
}

impl Operation {
    /// All operations, in the order of DESIGN.
    pub const ALL: [Self; 17] = [
        Self::Create,
        Self::Update,
        Self::Upsert,
        Self::Delete,
        Self::Purge,
        Self::Restore,
        Self::Merge,
        Self::Convert,
        Self::Associate,
        Self::Dissociate,
        Self::Send,
        Self::Export,
        Self::Import,
        Self::Invoke,
        Self::Schema,
        Self::Settings,
        Self::Credential,
    ];

    /// The word used in rules, entries and `explain`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
            Self::Purge => "purge",
            Self::Restore => "restore",
            Self::Merge => "merge",
            Self::Convert => "convert",
            Self::Associate => "associate",
            Self::Dissociate => "dissociate",
            Self::Send => "send",
            Self::Export => "export",
            Self::Import => "import",
            Self::Invoke => "invoke",
            Self::Schema => "schema",
            Self::Settings => "settings",
            Self::Credential => "credential",
        }
    }

    /// The operation a word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.word() == word)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How a request names a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordKey {
    /// The CRM's own id (Salesforce: 18 characters; HubSpot: decimal digits).
    Id {
        /// The id in its canonical form.
        id: String,
    },
    /// A unique field and its value: Salesforce external id, HubSpot `idProperty`.
    External {
        /// The field's name.
        key: String,
        /// The value that identifies the record.
        value: String,
    },
}

impl RecordKey {
    /// A key by the CRM's own id.
    #[must_use]
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id { id: id.into() }
    }

    /// The object and id at which a relationship path starts (`Contact.Account=003…`); `None`: it is no
    /// such path.
    #[must_use]
    pub fn start(&self) -> Option<(&str, &str)> {
        match self {
            Self::Id { .. } => None,
            Self::External { key, value } => Some((key.split_once('.')?.0, value)),
        }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id { id } => f.write_str(id),
            Self::External { key, value } => write!(f, "{key}={value}"),
        }
    }
}

/// Whether a change can be taken back through the CRM's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Undo {
    /// Restoring the snapshot brings the record back.
    Full,
    /// Something stays behind or the record gets a new id.
    Partial,
    /// Nothing brings it back.
    None,
}

/// One change to one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mutation {
    /// Canonical object name: `Account`, `contacts`. Compared without case.
    pub object: String,
    /// What happens to the record.
    pub operation: Operation,
    /// Which record; `None` for creates and sends.
    pub record: Option<RecordKey>,
    /// Field name → new value, in the order of the request. Names as the request spells them, in the
    /// catalog's spelling where it knows the field. Compared without case.
    pub fields: Map<String, Value>,
    /// Where it stands in a batch (`records[3]`, `inputs[0]`, `ids[2]`); `None` for a single record.
    pub row: Option<String>,
    /// Whether it can be taken back.
    pub undo: Undo,
    /// The other records this mutation touches: the losers of a merge (each is a delete of its own in
    /// the change set), the far end of an association.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<RecordKey>,
}

/// All mutations of one HTTP request, or the reason why it could not be decomposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeSet {
    /// Decomposed. Empty where the body shows that the request only reads.
    Mutations(Vec<Mutation>),
    /// Not decomposed.
    Opaque(Opaque),
}

/// A request that could not be decomposed: denied unless it is openable and an `endpoints` row names
/// its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// Why, for people. Never a value.
    pub reason: String,
    /// Whether `endpoints` rows may speak. They never loosen what can be parsed, so not where method,
    /// path and object are ones that we take apart and only headers, query or body stand against it:
    /// otherwise a caller could make any write opaque and have a row open it.
    pub openable: bool,
}

impl Opaque {
    /// Method and path fit no shape that is taken apart.
    #[must_use]
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            openable: true,
        }
    }

    /// Method and path fit a shape that is taken apart, and what else the request holds cannot be told.
    #[must_use]
    pub fn unclear(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            openable: false,
        }
    }
}

impl ChangeSet {
    /// Whether the body shows that the request only reads.
    #[must_use]
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Mutations(mutations) if mutations.is_empty())
    }

    /// The mutations; empty when opaque.
    #[must_use]
    pub fn mutations(&self) -> &[Mutation] {
        match self {
            Self::Mutations(mutations) => mutations,
            Self::Opaque(_) => &[],
        }
    }
}

/// The request headers that act on a write beside its body, by name in lower case: duplicate rules,
/// conditions, idempotency. They belong to the change set.
pub type Acting = BTreeMap<String, String>;

/// Where a write comes from; rules can name it (`applies: { origin: revert }`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// An agent's request.
    Agent,
    /// An operator's revert.
    Revert,
}

impl Origin {
    /// The word in rules.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Revert => "revert",
        }
    }
}

/// What the agent says of itself (`x-writegate-*` request headers). Claims may add strictness, never
/// prove anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// `x-writegate-intent`: what the agent wants to achieve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// `x-writegate-evidence`: what it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// `x-writegate-confidence`: a number between 0 and 1, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// `x-writegate-model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `x-writegate-on-behalf-of`: the person it says it acts for.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "on-behalf-of"
    )]
    pub on_behalf_of: Option<String>,
    /// `x-writegate-run`: its run or session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Who asks: the service account, and what it claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The service account's name in the configuration.
    pub service_account: String,
    /// What it says of itself.
    pub claims: Claims,
}

/// Compares names of objects, fields and properties as both CRMs do: without case (ASCII; names with
/// other letters are refused by the parsers).
#[must_use]
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Blank is null, absent or the empty string; `0` and `false` are values.
#[must_use]
pub fn is_blank(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => false,
    }
}

/// The one member of a value that only the CRM knows when it writes it. No field has such a name.
const UNKNOWN: &str = "@{}";

/// A value that only the CRM knows when it writes it: a record that another part of the request makes, or
/// that is named by another key than its id. The text tells people what it is.
#[must_use]
pub fn unknown_value(text: &str) -> Value {
    let mut members = Map::new();
    members.insert(UNKNOWN.to_owned(), text.into());
    Value::Object(members)
}

/// Whether nobody can know this value before it is written.
#[must_use]
pub fn is_unknown(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.len() == 1 && members.contains_key(UNKNOWN))
}

/// Looks a field up by its name, without case.
#[must_use]
pub fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| {
        fields
            .iter()
            .find(|(key, _)| same_name(key, name))
            .map(|(_, value)| value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_false_are_values() {
        assert!(!is_blank(Some(&Value::from(0))));
        assert!(!is_blank(Some(&Value::from(false))));
        assert!(is_blank(Some(&Value::from(""))));
        assert!(is_blank(Some(&Value::Null)));
        assert!(is_blank(None));
    }

    #[test]
    fn operations_are_named_by_their_words() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_word(operation.word()), Some(operation));
        }
        assert_eq!(Operation::from_word("Create"), None);
    }

    #[test]
    fn a_field_is_found_without_case() {
        let mut fields = Map::new();
        fields.insert("Industry".into(), Value::from("x"));
        assert_eq!(field(&fields, "INDUSTRY"), Some(&Value::from("x")));
        assert_eq!(field(&fields, "Name"), None);
    }
}
