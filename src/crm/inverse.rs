//! How a write is taken back: whether a field still holds what was written, whether the value from
//! before can be written at all, and the request that does it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::path::CanonicalPath;
use super::{Crm, PriorFailure, ReadCall, hubspot, json, salesforce};
use crate::mutation::{CrmKind, Mutation, Operation, Outcome, Prior, Undo, field, is_blank};

/// What one request of a revert does to records of one object: their ids, and what is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Inverse {
    /// Values from before are written back; null where a field was blank.
    Restore(Vec<(String, Map<String, Value>)>),
    /// Records that a write made are deleted.
    Remove(Vec<String>),
    /// Records that a write deleted come back from the recycle bin.
    Undelete(Vec<String>),
}

/// What a write did to a link between two records: to a revert it is a record of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Linked {
    /// The two types.
    pub object: String,
    /// The two ids.
    pub id: String,
    /// The one field.
    pub field: &'static str,
    /// Its value before; null for no link.
    pub then: Value,
    /// Its value right after.
    pub written: Value,
    /// How many mutations in a row tell it: a link has two ends.
    pub mutations: usize,
}

/// A write that we make ourselves.
#[derive(Clone, Debug)]
pub struct WriteCall {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: CanonicalPath,
    /// The query without `?`.
    pub query: Option<String>,
    /// Everything but the credential and the framing.
    pub headers: HeaderMap,
    /// A JSON body, or a message with room for the credential; empty for none.
    pub body: Bytes,
}

impl Crm {
    /// The request that takes back what was done to records of one object, in the API version of the
    /// write at `like`. The parser reads one mutation for each record out of it, in their order.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn inverse(
        self,
        like: &CanonicalPath,
        object: &str,
        inverse: &Inverse,
    ) -> Result<WriteCall, String> {
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::call(like, object, inverse),
            CrmKind::HubSpot => hubspot::inverse::call(like, object, inverse),
        }
    }

    /// Whether a record, by what is read of it, is in the recycle bin.
    #[must_use]
    pub fn is_binned(self, fields: &Map<String, Value>) -> bool {
        match self.0 {
            CrmKind::Salesforce => field(fields, "IsDeleted") == Some(&Value::Bool(true)),
            CrmKind::HubSpot => false,
        }
    }

    /// How many mutations the parser reads for one record out of such a request: a link has two ends.
    #[must_use]
    pub fn inverse_mutations(self, object: &str) -> usize {
        match self.0 {
            CrmKind::HubSpot => hubspot::inverse::mutations(object),
            CrmKind::Salesforce => 1,
        }
    }

    /// What was done to the link whose ends a mutation and the next one are, or to the member of a list
    /// that a mutation names. `None`: it is neither.
    ///
    /// # Errors
    /// Inside: why it cannot be taken back.
    #[must_use]
    pub fn linked(
        self,
        mutation: &Mutation,
        next: Option<&Mutation>,
        prior: &Prior,
        outcome: &Outcome,
    ) -> Option<Result<Linked, &'static str>> {
        match self.0 {
            CrmKind::Salesforce => None,
            CrmKind::HubSpot => next
                .and_then(|far| hubspot::inverse::link::linked(mutation, far, prior))
                .or_else(|| hubspot::inverse::member::moved(mutation, prior, outcome)),
        }
    }

    /// How many records one such request holds, in the API version of the write at `like`.
    #[must_use]
    pub fn inverse_most(self, like: &CanonicalPath, object: &str) -> usize {
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::most(like, object),
            CrmKind::HubSpot if hubspot::inverse::link::is_link(object) => 1,
            CrmKind::HubSpot => hubspot::inverse::MOST,
        }
    }

    /// The reads that tell which of these records have others that would be deleted with them.
    #[must_use]
    pub fn children(self, like: &CanonicalPath, object: &str, ids: &[&str]) -> Vec<ReadCall> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::children::reads(like, object, ids),
            // HubSpot archives a record alone
            CrmKind::HubSpot => Vec::new(),
        }
    }

    /// The ids of those that the answer to one such read names; the flag says whether these are all.
    ///
    /// # Errors
    /// [`PriorFailure`] when the answer does not tell.
    pub fn children_found(
        self,
        call: &ReadCall,
        object: &str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<(Vec<String>, bool), PriorFailure> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::children::found(call, object, status, body),
            CrmKind::HubSpot => Err(PriorFailure::Failed("HubSpot is not asked so".into())),
        }
    }

    /// Where an object stands when several are deleted: what hangs on another one comes before it.
    #[must_use]
    pub fn removal_rank(self, object: &str) -> usize {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::children::rank(object),
            CrmKind::HubSpot => 0,
        }
    }

    /// The API version of the write at `like`; writes of different versions share no request.
    #[must_use]
    pub fn api(self, like: &CanonicalPath) -> String {
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::api(like),
            CrmKind::HubSpot => hubspot::inverse::api(like),
        }
    }

    /// Whether a field holds what was written, in the normal form of values: blank is null, absent or
    /// empty; numbers are compared exactly and with their text, truth values with theirs, moments as
    /// moments. What cannot be told apart from an edit counts as one.
    #[must_use]
    pub fn holds(self, field: &str, written: &Value, now: Option<&Value>) -> bool {
        let Some(now) = now.filter(|now| !is_blank(Some(now))) else {
            return is_blank(Some(written));
        };
        if is_blank(Some(written)) {
            return false;
        }
        written == now
            || same_truth(written, now)
            || same_number(written, now)
            || match self.0 {
                CrmKind::Salesforce => salesforce::inverse::same_text(written, now),
                CrmKind::HubSpot => hubspot::inverse::same_text(field, written, now),
            }
    }

    /// Why the value of a field cannot be written back; `None`: it can.
    #[must_use]
    pub fn cannot_write_back(self, field: &str, value: &Value) -> Option<&'static str> {
        if value.is_array() || value.is_object() {
            return Some("its value from before has parts, which are fields of their own");
        }
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::kept_by_crm(field),
            CrmKind::HubSpot => hubspot::inverse::cannot_write_back(field, value),
        }
    }

    /// Why it is not known what a write put into a field; `None`: it is known.
    #[must_use]
    pub fn chosen_by_crm(self, field: &str, written: &Value) -> Option<&'static str> {
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::chosen_by_crm(field, written),
            CrmKind::HubSpot => None,
        }
    }

    /// Whether a prior value that is missing from a snapshot is a blank one. Salesforce answers every
    /// field that was asked for.
    #[must_use]
    pub fn leaves_blanks_out(self) -> bool {
        self.0 == CrmKind::HubSpot
    }

    /// When a record was made, by its fields.
    #[must_use]
    pub fn made_at(self, fields: &Map<String, Value>) -> Option<Timestamp> {
        self.birth_fields()
            .iter()
            .find_map(|name| fields.get(*name)?.as_str()?.parse().ok())
    }

    /// The fields that tell when a record was made.
    #[must_use]
    pub fn birth_fields(self) -> &'static [&'static str] {
        match self.0 {
            CrmKind::Salesforce => &["CreatedDate"],
            CrmKind::HubSpot => &["hs_createdate", "createdate"],
        }
    }

    /// The field that tells who changed a record last, as far as its object is known to have one.
    #[must_use]
    pub fn editor_field(self, object: &str) -> Option<&'static str> {
        match self.0 {
            CrmKind::Salesforce => salesforce::inverse::editor_field(object),
            CrmKind::HubSpot => Some("hs_updated_by_user_id"),
        }
    }

    /// Why what an operation did cannot be taken back; `None`: it can.
    #[must_use]
    pub fn no_way_back(self, operation: Operation, undo: Undo) -> Option<&'static str> {
        Some(match (operation, self.0) {
            // The one delete that nothing brings back is that of the loser of a merge.
            (Operation::Delete, _) if undo == Undo::None => {
                "it went into another record by a merge, which cannot be taken apart again"
            }
            (Operation::Create | Operation::Update | Operation::Upsert, _)
            | (Operation::Delete, CrmKind::Salesforce) => return None,
            (Operation::Delete, CrmKind::HubSpot) => {
                "HubSpot's API cannot restore what was archived: restore it in HubSpot within 90 days"
            }
            (Operation::Purge, _) => "it was deleted past any recycle bin",
            (Operation::Merge, _) => "merged records cannot be taken apart again",
            (Operation::Convert, _) => "a conversion cannot be taken back",
            (Operation::Send, _) => "what was sent cannot be called back",
            (Operation::Export, _) => "what was handed out cannot be called back",
            (Operation::Associate | Operation::Dissociate, _) => {
                "who came or went is not told well enough to take it back"
            }
            (Operation::Restore, _) => "a restore is not taken back yet: delete the record",
            (Operation::Import | Operation::Invoke, _) => "what it changed is not known",
            (Operation::Schema | Operation::Settings | Operation::Credential, _) => {
                "it did not change records"
            }
        })
    }
}

fn same_truth(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(truth), Value::String(text)) | (Value::String(text), Value::Bool(truth)) => {
            text == if *truth { "true" } else { "false" }
        }
        _ => false,
    }
}

/// The same number; two texts are not numbers to each other (`5` and `5.0` may be two codes).
fn same_number(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => json::same_number(&a.to_string(), &b.to_string()),
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => {
            json::same_number(&number.to_string(), text)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
