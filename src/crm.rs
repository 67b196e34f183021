//! The two CRMs and the questions every one must answer: classify, parse, prior, outcome,
//! inverse, refuse. No I/O. Each question is a two-arm match; everything that knows a wire format is below
//! `salesforce/` and `hubspot/`.

mod asking;
pub mod catalog;
pub mod dialect;
pub mod family;
pub mod form;
pub mod hubspot;
mod inverse;
pub mod json;
pub mod links;
pub mod login;
mod multipart;
mod overrides;
pub mod path;
pub mod quota;
pub mod salesforce;
pub mod signed;
pub mod xml;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::Refusal;
use crate::mutation::{
    Acting, ChangeSet, CrmKind, Mutation, Opaque, Outcome, OutcomeState, Prior, Snapshot,
};
use catalog::{Catalog, Sender};
use path::CanonicalPath;
use quota::Quota;

pub use asking::{Made, PriorFailure, PriorPlan, ReadCall, Replay, Wanted};
pub use inverse::{Inverse, Linked, WriteCall};

/// The head of a request in the one form that is judged and sent.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method as it stands on the request line.
    pub method: &'a Method,
    /// The path in its canonical form.
    pub path: &'a CanonicalPath,
    /// The raw query without `?`.
    pub query: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// Who sends it.
    pub sender: Sender<'a>,
}

/// What a request is, told from its head alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Changes nothing: streamed.
    Read,
    /// A login.
    Auth,
    /// A write of a shape whose body we can take apart.
    Write(Shape),
    /// Cannot be told, or cannot be taken apart.
    Opaque(Opaque),
}

/// Which parser takes the body apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A Salesforce shape.
    Salesforce(salesforce::Shape),
    /// A HubSpot shape.
    HubSpot(hubspot::Shape),
    /// The head already has two readings; `parse` refuses it with this text.
    TwoReadings(String),
}

/// A body that has more than one reading, or none; what and where, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// A refusal in a CRM's error shape.
#[derive(Clone, Debug)]
pub struct RefusalAnswer {
    /// The status.
    pub status: StatusCode,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// A CRM. Closed at compile time: a third one is a variant, and the compiler lists what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crm(pub CrmKind);

impl Crm {
    /// What a request is, told from its head.
    #[must_use]
    pub fn classify(self, head: &Head<'_>) -> Class {
        match self.0 {
            CrmKind::Salesforce => salesforce::classify(head),
            CrmKind::HubSpot => hubspot::classify(head),
        }
    }

    /// The name that rules use for an object, by any of its names; `None` where it has no others.
    #[must_use]
    pub fn canonical(self, name: &str) -> Option<&'static str> {
        match self.0 {
            CrmKind::Salesforce => None,
            CrmKind::HubSpot => hubspot::canonical(name),
        }
    }

    /// The objects that are known without asking the CRM, by the names that rules use.
    #[must_use]
    pub fn objects(self) -> Vec<&'static str> {
        match self.0 {
            CrmKind::Salesforce => salesforce::objects(),
            CrmKind::HubSpot => hubspot::objects(),
        }
    }

    /// The families of its API, and what is done with each.
    #[must_use]
    pub fn families(self) -> Vec<family::Family> {
        match self.0 {
            CrmKind::Salesforce => salesforce::families(),
            CrmKind::HubSpot => hubspot::families(),
        }
    }

    /// The read without which a write that is not understood names something that is not known, where it
    /// was not made lately.
    #[must_use]
    pub fn missing(
        self,
        shape: &Shape,
        head: &Head<'_>,
        body: &[u8],
        catalog: &Catalog,
        now: Timestamp,
    ) -> Option<ReadCall> {
        match shape {
            Shape::HubSpot(shape) => hubspot::missing(shape, catalog, now),
            Shape::Salesforce(shape) => salesforce::missing(shape, head, body, catalog, now),
            Shape::TwoReadings(_) => None,
        }
    }

    /// The read without which an object that a bulk job names is not known, where it was not made lately.
    #[must_use]
    pub fn missing_object(
        self,
        object: &str,
        head: &Head<'_>,
        catalog: &Catalog,
        now: Timestamp,
    ) -> Option<ReadCall> {
        match self.0 {
            CrmKind::Salesforce => salesforce::missing_object(object, head, catalog, now),
            CrmKind::HubSpot => None,
        }
    }

    /// What an answer says of the CRM's own quota.
    #[must_use]
    pub fn quota(self, headers: &HeaderMap) -> Quota {
        quota::of(self.0, headers)
    }

    /// Takes a write's body apart. A shape that needs no body refuses one that is there.
    ///
    /// # Errors
    /// [`Malformed`] when the message has more than one reading.
    pub fn parse(
        self,
        shape: &Shape,
        head: &Head<'_>,
        body: &[u8],
        catalog: &Catalog,
    ) -> Result<ChangeSet, Malformed> {
        match shape {
            Shape::Salesforce(shape) => salesforce::parse(shape, head, body, catalog),
            Shape::HubSpot(shape) => hubspot::parse(shape, head, body, catalog),
            Shape::TwoReadings(what) => Err(Malformed(what.clone())),
        }
    }

    /// The reads that bring the prior values of `mutations`, as few as the CRM allows.
    #[must_use]
    pub fn prior(
        self,
        head: &Head<'_>,
        mutations: &[Mutation],
        wanted: &Wanted,
        catalog: &Catalog,
        now: Timestamp,
    ) -> PriorPlan {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::plan(head, mutations, wanted, catalog),
            CrmKind::HubSpot => hubspot::prior::plan(head, mutations, wanted, catalog, now),
        }
    }

    /// Reads the answer to a catalog read into the catalog, as the sender of `head` was shown it.
    ///
    /// # Errors
    /// [`PriorFailure`] when the answer does not bring it.
    pub fn learn(
        self,
        call: &ReadCall,
        head: &Head<'_>,
        (status, body): (StatusCode, &[u8]),
        catalog: &Catalog,
        now: Timestamp,
    ) -> Result<(), PriorFailure> {
        match self.0 {
            CrmKind::Salesforce => salesforce::learn(call, head, (status, body), catalog, now),
            CrmKind::HubSpot => hubspot::prior::learn(call, status, body, catalog, now),
        }
    }

    /// Reads the answer to a prior read: the prior of each mutation it covers.
    ///
    /// # Errors
    /// [`PriorFailure`] when the answer does not bring them.
    pub fn found(
        self,
        call: &ReadCall,
        mutations: &[Mutation],
        status: StatusCode,
        body: &[u8],
    ) -> Result<Vec<(usize, Prior)>, PriorFailure> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::found(call, mutations, status, body),
            CrmKind::HubSpot => hubspot::prior::found(call, mutations, status, body),
        }
    }

    /// The conditional header that closes the gap between prior read and write, where there is one.
    #[must_use]
    pub fn precondition(
        self,
        shape: &Shape,
        snapshot: &Snapshot,
    ) -> Option<(HeaderName, HeaderValue)> {
        match shape {
            Shape::Salesforce(shape) => salesforce::precondition(shape, snapshot),
            Shape::HubSpot(_) | Shape::TwoReadings(_) => None,
        }
    }

    /// What became of each mutation, by the CRM's answer. One for each mutation, in their order. The
    /// snapshot tells by which id the CRM knows a record.
    #[must_use]
    pub fn outcome(
        self,
        shape: &Shape,
        mutations: &[Mutation],
        snapshot: &Snapshot,
        status: StatusCode,
        body: &[u8],
    ) -> Vec<Outcome> {
        match shape {
            Shape::Salesforce(shape) => salesforce::reply::outcome(shape, mutations, status, body),
            Shape::HubSpot(shape) => {
                hubspot::reply::outcome(shape, mutations, snapshot, status, body)
            }
            // never sent
            Shape::TwoReadings(_) => vec![Outcome::of(OutcomeState::Unknown); mutations.len()],
        }
    }

    /// How to find the record that a create may have made since it was sent. `None`: it cannot be
    /// told from the CRM.
    #[must_use]
    pub fn made(self, head: &Head<'_>, mutation: &Mutation, sent: Timestamp) -> Option<Made> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::made(head, mutation, sent).map(Made::Query),
            CrmKind::HubSpot => hubspot::prior::unique_key(mutation).map(Made::Key),
        }
    }

    /// The records in the answer to [`Made::Query`]; `None` when there may be more.
    ///
    /// # Errors
    /// [`PriorFailure`] when the answer does not bring them.
    pub fn made_found(
        self,
        mutation: &Mutation,
        status: StatusCode,
        body: &[u8],
    ) -> Result<Option<Vec<Prior>>, PriorFailure> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::made_found(mutation, status, body),
            CrmKind::HubSpot => Err(PriorFailure::Failed("HubSpot is not asked so".into())),
        }
    }

    /// A read of next to nothing that a credential has to be good for: whether the CRM can be reached
    /// and takes it, where a write has nothing else to read first.
    #[must_use]
    pub fn probe(self, head: &Head<'_>) -> ReadCall {
        let target = match self.0 {
            CrmKind::Salesforce => salesforce::prior::probe(head),
            CrmKind::HubSpot => "/account-info/v3/details".to_owned(),
        };
        ReadCall {
            method: Method::GET,
            target,
            body: None,
            covers: Vec::new(),
        }
    }

    /// The read that tells which of these records were deleted: from the recycle bin or the archive.
    /// `None`: there is none.
    #[must_use]
    pub fn deleted(self, head: &Head<'_>, object: &str, ids: &[&str]) -> Option<ReadCall> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::deleted(head, object, ids),
            CrmKind::HubSpot => hubspot::prior::deleted(head, object, ids),
        }
    }

    /// The ids of the deleted records in its answer.
    ///
    /// # Errors
    /// [`PriorFailure`] when the answer does not bring them.
    pub fn deleted_found(
        self,
        status: StatusCode,
        body: &[u8],
    ) -> Result<Vec<String>, PriorFailure> {
        match self.0 {
            CrmKind::Salesforce => salesforce::prior::deleted_found(status, body),
            CrmKind::HubSpot => hubspot::prior::deleted_found(status, body),
        }
    }

    /// The field that tells when a record was made.
    #[must_use]
    pub fn made_stamp(self) -> &'static str {
        match self.0 {
            CrmKind::Salesforce => "CreatedDate",
            CrmKind::HubSpot => "createdate",
        }
    }

    /// What a repeat gets of a write whose mutations are all done. `None`: the CRM's answer cannot be
    /// told without making something up.
    #[must_use]
    pub fn replay(
        self,
        shape: &Shape,
        head: &Head<'_>,
        mutations: &[Mutation],
        snapshot: &Snapshot,
        outcomes: &[Outcome],
    ) -> Option<Replay> {
        match shape {
            Shape::Salesforce(shape) => {
                salesforce::replay::replay(shape, head, mutations, snapshot, outcomes)
            }
            Shape::HubSpot(shape) => hubspot::replay::replay(shape, head, mutations, outcomes),
            Shape::TwoReadings(_) => None,
        }
    }

    /// Whether this request header passes on a write (lower case). Everything else is dropped;
    /// headers that act and are not understood are refused by `classify`.
    #[must_use]
    pub fn passes_on_write(self, header: &str) -> bool {
        match self.0 {
            CrmKind::Salesforce => salesforce::passes_on_write(header),
            CrmKind::HubSpot => hubspot::passes_on_write(header),
        }
    }

    /// Whether this request header (lower case) acts on a write beside its body, of those that pass.
    #[must_use]
    pub fn acts(self, header: &str) -> bool {
        match self.0 {
            CrmKind::Salesforce => salesforce::acts(header),
            // none of HubSpot's headers that pass does
            CrmKind::HubSpot => false,
        }
    }

    /// The headers of a request that act. A value that stands twice is joined by commas, as servers do.
    #[must_use]
    pub fn acting(self, headers: &HeaderMap) -> Acting {
        let mut acting = Acting::new();
        for (name, value) in headers.iter().filter(|(name, _)| self.acts(name.as_str())) {
            let value = String::from_utf8_lossy(value.as_bytes());
            acting
                .entry(name.as_str().to_owned())
                .and_modify(|all: &mut String| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.clone().into_owned());
        }
        acting
    }

    /// What a body that was taken apart says beside its records' fields and acts on how they are
    /// written, by its place in the body: it belongs to the change set like [`Crm::acting`].
    #[must_use]
    pub fn acting_in(self, shape: &Shape, body: &[u8]) -> Acting {
        match shape {
            Shape::Salesforce(shape) => salesforce::acting_in(shape, body),
            Shape::HubSpot(shape) => hubspot::acting_in(shape, body),
            Shape::TwoReadings(_) => Acting::new(),
        }
    }

    /// A refusal in the CRM's own error shape, so that SDKs raise their usual exception.
    /// `entry` is the ledger entry, `correlation` a version 4 UUID.
    #[must_use]
    pub fn refuse(
        self,
        refusal: &Refusal,
        entry: Option<&str>,
        correlation: &str,
    ) -> RefusalAnswer {
        match self.0 {
            CrmKind::Salesforce => salesforce::reply::refuse(refusal),
            CrmKind::HubSpot => hubspot::reply::refuse(refusal, entry, correlation),
        }
    }
}

/// An error code of a CRM: `INVALID_FIELD`, `VALIDATION_ERROR`. Anything that is not written like one is
/// left out: it could be a value.
fn error_code(text: &str) -> Option<&str> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    ((1..=80).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

/// The fields of a JSON object; `None` for any other value.
#[must_use]
pub fn object(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object()
}
