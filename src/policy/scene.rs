//! One mutation as its rows and rules see it: who asks, what is written, what stands there now.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use serde_json::{Map, Value};

use super::Question;
use super::path::{Claim, Source};
use crate::mutation::{Mutation, Operation, Prior, RecordKey, Undo, field, is_unknown, same_name};

/// What is known of the record before the write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Before<'a> {
    /// Nothing was read yet.
    NotRead,
    /// It was read and could not be known.
    Unknown,
    /// There is no record: every field is blank.
    Blank,
    /// These fields; absent ones are blank.
    Found {
        /// What was read.
        fields: &'a Map<String, Value>,
        /// What was asked for and could not be read.
        hidden: &'a [String],
    },
}

impl<'a> Before<'a> {
    /// What a mutation is judged against.
    pub(super) fn of(question: &Question<'a>, index: usize, mutation: &Mutation) -> Self {
        if makes_or_has_no_record(mutation) {
            return Self::Blank;
        }
        let Some(snapshot) = question.snapshot else {
            return Self::NotRead;
        };
        match snapshot.prior(index) {
            // What may create its record is judged as that before anybody looks here.
            Prior::Unknown | Prior::Absent => Self::Unknown,
            Prior::Found { fields, .. } => Self::Found {
                fields,
                hidden: snapshot.hidden(index),
            },
        }
    }
}

fn makes_or_has_no_record(mutation: &Mutation) -> bool {
    match mutation.operation {
        Operation::Create => true,
        Operation::Send
        | Operation::Export
        | Operation::Import
        | Operation::Invoke
        | Operation::Schema
        | Operation::Settings
        | Operation::Credential => mutation.record.is_none(),
        Operation::Update
        | Operation::Upsert
        | Operation::Delete
        | Operation::Purge
        | Operation::Restore
        | Operation::Merge
        | Operation::Convert
        | Operation::Associate
        | Operation::Dissociate => false,
    }
}

/// What a path starts from, seen in a scene.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen<'a> {
    /// The value, or nothing.
    Value(Option<Cow<'a, Value>>),
    /// It cannot be known.
    CannotTell,
    /// It was not read yet.
    NotRead,
}

/// The scene of one mutation.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) mutation: &'a Mutation,
    pub(super) before: Before<'a>,
    /// Prior values were looked at.
    looked: Cell<bool>,
    /// Fields that were looked for and not read yet, beyond those that are written.
    wanted: RefCell<Vec<String>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        question: &'a Question<'a>,
        mutation: &'a Mutation,
        before: Before<'a>,
    ) -> Self {
        Self {
            question,
            mutation,
            before,
            looked: Cell::new(false),
            wanted: RefCell::default(),
        }
    }

    /// Whether the answer rests on prior values.
    pub(super) fn looked(&self) -> bool {
        self.looked.get()
    }

    /// The fields to read, as the rules spell them, each once.
    pub(super) fn into_wanted(self) -> Vec<String> {
        self.wanted.into_inner()
    }

    /// A field before the write.
    pub(super) fn field_before(&self, name: &str) -> Seen<'a> {
        match self.before {
            Before::NotRead => {
                self.want(name);
                Seen::NotRead
            }
            Before::Unknown => Seen::CannotTell,
            Before::Blank => {
                self.look();
                Seen::Value(None)
            }
            Before::Found { hidden, .. } if hidden.iter().any(|own| same_name(own, name)) => {
                Seen::CannotTell
            }
            Before::Found { fields, .. } => {
                self.look();
                Seen::Value(field(fields, name).map(Cow::Borrowed))
            }
        }
    }

    /// A field after the write: what is written, else what stood there.
    pub(super) fn field_after(&self, name: &str) -> Seen<'a> {
        match field(&self.mutation.fields, name) {
            Some(_) => self.written(name),
            None => self.field_before(name),
        }
    }

    /// A field as it is written.
    fn written(&self, name: &str) -> Seen<'a> {
        match field(&self.mutation.fields, name) {
            Some(value) if is_unknown(value) => Seen::CannotTell,
            value => Seen::Value(value.map(Cow::Borrowed)),
        }
    }

    /// All fields as they are written.
    fn all_written(&self) -> Seen<'a> {
        if self.mutation.fields.values().any(is_unknown) {
            return Seen::CannotTell;
        }
        Seen::Value(Some(Cow::Owned(Value::Object(
            self.mutation.fields.clone(),
        ))))
    }

    /// What a path starts from.
    pub(super) fn see(&self, source: &Source) -> Seen<'a> {
        let text = |text: &str| Seen::Value(Some(Cow::Owned(Value::from(text))));
        let maybe = |value: Option<&str>| Seen::Value(value.map(|text| Cow::Owned(text.into())));
        let (question, mutation) = (self.question, self.mutation);
        match source {
            Source::ServiceAccount => text(&question.actor.service_account),
            Source::Method => text(question.method),
            Source::RequestPath => text(question.path),
            Source::Route => text(question.route),
            Source::Crm => text(question.crm.name()),
            Source::Mutations => {
                let count = question.changes.mutations().len() as u64;
                let count = question.total.unwrap_or(count);
                Seen::Value(Some(Cow::Owned(Value::from(count))))
            }
            Source::Headers => Seen::Value(Some(Cow::Owned(headers(question)))),
            Source::Header(name) => maybe(question.acting.get(name).map(String::as_str)),
            Source::Object => text(&mutation.object),
            Source::Operation => text(mutation.operation.word()),
            Source::Record => Seen::Value(mutation.record.as_ref().map(record)),
            Source::Fields => self.all_written(),
            Source::Field(name) => self.written(name),
            Source::Undo => text(match mutation.undo {
                Undo::Full => "full",
                Undo::Partial => "partial",
                Undo::None => "none",
            }),
            Source::Row => maybe(mutation.row.as_deref()),
            Source::Before(name) => self.field_before(name),
            Source::After(name) => self.field_after(name),
            Source::Claim(claim) => maybe(self.claim(*claim)),
        }
    }

    fn claim(&self, claim: Claim) -> Option<&'a str> {
        let claims = &self.question.actor.claims;
        match claim {
            Claim::Intent => &claims.intent,
            Claim::Evidence => &claims.evidence,
            Claim::Confidence => &claims.confidence,
            Claim::Model => &claims.model,
            Claim::OnBehalfOf => &claims.on_behalf_of,
            Claim::Run => &claims.run,
        }
        .as_deref()
    }

    fn look(&self) {
        // A create has no prior values that could move.
        if !makes_or_has_no_record(self.mutation) {
            self.looked.set(true);
        }
    }

    fn want(&self, name: &str) {
        let mut wanted = self.wanted.borrow_mut();
        if field(&self.mutation.fields, name).is_none()
            && !wanted.iter().any(|known| same_name(known, name))
        {
            wanted.push(name.to_owned());
        }
    }
}

/// The acting headers, by name.
fn headers(question: &Question<'_>) -> Value {
    let acting = question.acting.iter();
    Value::Object(
        acting
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect(),
    )
}

fn record<'a>(key: &RecordKey) -> Cow<'a, Value> {
    let mut map = Map::new();
    match key {
        RecordKey::Id { id } => {
            map.insert("id".into(), id.as_str().into());
        }
        RecordKey::External { key, value } => {
            map.insert("key".into(), key.as_str().into());
            map.insert("value".into(), value.as_str().into());
        }
    }
    Cow::Owned(Value::Object(map))
}
