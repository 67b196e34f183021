//! From entries to records: what was done to each record, newest first, and what cannot be taken back
//! whatever the CRM holds now. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::report::{Action, Finding};
use crate::clock::EntryId;
use crate::crm::{Crm, Linked};
use crate::journal::read::EntryState;
use crate::journal::written::{Written, WrittenChange};
use crate::mutation::{Mutation, Operation, OutcomeState, Prior, RecordKey, field};

/// Why what was made cannot be deleted.
const NAMELESS: &str = "the CRM did not say which record it made";
/// Said of a write that may have happened.
const UNSETTLED: &str = "in doubt: settle the entry first";
/// Said of a row of a job that ended, where nothing is left to be settled.
const UNTOLD: &str = "the CRM does not tell what became of it: look at the record";

/// What one mutation did to its record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deed {
    /// The entry's place among the chosen ones, the mutation's place in the entry.
    pub(super) place: (usize, usize),
    pub(super) entry: EntryId,
    /// Between these moments the CRM did it, where the second one is known.
    pub(super) opened_at: Timestamp,
    pub(super) closed_at: Option<Timestamp>,
    /// The record's modification stamp before it.
    pub(super) stamp: Option<String>,
    pub(super) did: Did,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Did {
    /// New values for these fields.
    Changed(Vec<Change>),
    /// The record, with these fields and links to these records.
    Made {
        fields: Map<String, Value>,
        links: Vec<Link>,
    },
    /// It went to the recycle bin.
    Deleted,
}

/// A field that was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) field: String,
    /// The value from before; `None` where the snapshot does not have it.
    pub(super) then: Option<Value>,
    pub(super) written: Value,
}

/// A link that was made with the record.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Link {
    /// The mutation's place in the entry.
    pub(super) place: usize,
    /// The far record, as `contacts/51`.
    pub(super) to: String,
}

/// A record and what the chosen entries did to it, newest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) route: String,
    /// Whose writes these were: their broker credential may serve.
    pub(super) service_account: String,
    /// The path of the newest of these writes.
    pub(super) like: String,
    pub(super) object: String,
    pub(super) id: String,
    pub(super) deeds: Vec<Deed>,
}

impl Record {
    /// `Account/001…`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.object, self.id)
    }

    /// Whether one of the writes made it.
    pub(super) fn is_made(&self) -> bool {
        let made = |deed: &Deed| matches!(deed.did, Did::Made { .. });
        self.deeds.iter().any(made)
    }

    /// Whether the newest of the writes deleted it.
    pub(super) fn is_deleted(&self) -> bool {
        let newest = self.deeds.first();
        newest.is_some_and(|deed| deed.did == Did::Deleted)
    }

    /// The fields that were written.
    pub(super) fn fields(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for deed in &self.deeds {
            match &deed.did {
                Did::Changed(changes) => {
                    names.extend(changes.iter().map(|change| change.field.clone()));
                }
                Did::Made { fields, .. } => names.extend(fields.keys().cloned()),
                Did::Deleted => {}
            }
        }
        names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
        names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        names
    }
}

/// Entries taken apart.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// In the order in which they were met, newest write first.
    pub(super) records: Vec<Record>,
    pub(super) findings: Vec<Finding>,
    /// The records' places, by route, object in lower case and id.
    known: HashMap<(String, String, String), usize>,
}

/// Takes entries apart, which come newest first; `first` is the place of the first one among all that were
/// chosen. `crm_of` tells the CRM of a route, where it is still configured.
pub(super) fn sort(
    first: usize,
    entries: &[Written],
    crm_of: impl Fn(&str) -> Option<Crm>,
) -> Sorted {
    let mut sorted = Sorted::default();
    for (at, entry) in (first..).zip(entries) {
        let whole =
            |why: String| Finding::of_record((at, 0), &entry.entry, None, Action::Impossible, why);
        match (refusal(entry), crm_of(&entry.route), &entry.changes) {
            (Some(why), ..) => sorted.findings.push(whole(why.to_owned())),
            (None, None, _) => {
                let why = format!("route {} is not configured any more", entry.route);
                sorted.findings.push(whole(why));
            }
            (None, Some(crm), Some(changes)) => sorted.entry(at, entry, changes, crm),
            (None, Some(_), None) => {
                sorted.findings.push(whole("its values were erased".into()));
            }
        }
    }
    sorted
}

/// Why nothing of an entry can be taken back.
fn refusal(entry: &Written) -> Option<&'static str> {
    if entry.state == EntryState::Open {
        return Some("it is being sent now; try again when it is done");
    }
    if !entry.wrote() {
        return Some("nothing was written");
    }
    let opaque = entry.changes.as_ref().is_some_and(Vec::is_empty);
    opaque.then_some("it was not taken apart, so what it changed is not known")
}

impl Sorted {
    fn entry(&mut self, at: usize, entry: &Written, changes: &[WrittenChange], crm: Crm) {
        // The record that the latest create of this entry made: links follow their create.
        let mut made: Option<usize> = None;
        // The far end of a link that its near end told.
        let mut told = false;
        for (number, change) in changes.iter().enumerate() {
            if std::mem::take(&mut told) {
                continue;
            }
            let place = (at, number);
            let mutation = &change.mutation;
            if change.outcome.state == OutcomeState::Failed {
                continue;
            }
            // an update is looked at again: what does not hold what was written is skipped
            let again = mutation.operation == Operation::Update;
            if change.outcome.state == OutcomeState::Accepted && !again {
                let why = "the CRM works on it: its results are pending";
                self.impossible(place, entry, mutation, why);
                continue;
            }
            if change.outcome.state == OutcomeState::Unknown {
                let settles = entry.state == EntryState::InDoubt;
                let why = if settles { UNSETTLED } else { UNTOLD };
                self.impossible(place, entry, mutation, why);
                continue;
            }
            match (mutation.operation, made) {
                (Operation::Associate, Some(record)) => {
                    self.link(record, number, mutation);
                    continue;
                }
                (Operation::Associate, None) => {}
                _ => made = None,
            }
            let next = changes.get(number + 1).map(|next| &next.mutation);
            let linked = crm.linked(mutation, next, &change.prior, &change.outcome);
            told = linked.as_ref().is_some_and(|linked| {
                let mutations = linked.as_ref().map(|linked| linked.mutations);
                mutations.unwrap_or(1) > 1
            });
            let did = match linked {
                Some(linked) => linked.map(of_link),
                None => did(change, crm).map(|(id, stamp, did)| {
                    let object = mutation.object.clone();
                    (object, id, stamp, did)
                }),
            };
            match did {
                Err(why) => self.impossible(place, entry, mutation, why),
                Ok((object, id, stamp, did)) => {
                    let is_made = matches!(did, Did::Made { .. });
                    let deed = Deed {
                        place,
                        entry: entry.entry.clone(),
                        opened_at: entry.opened_at,
                        closed_at: entry.closed_at,
                        stamp,
                        did,
                    };
                    let record = self.add(entry, &object, id, deed);
                    made = is_made.then_some(record);
                }
            }
        }
    }

    fn add(&mut self, entry: &Written, object: &str, id: String, deed: Deed) -> usize {
        let key = (entry.route.clone(), object.to_ascii_lowercase(), id.clone());
        let next = self.records.len();
        let known = *self.known.entry(key).or_insert(next);
        if let Some(record) = self.records.get_mut(known) {
            record.deeds.push(deed);
            return known;
        }
        self.records.push(Record {
            route: entry.route.clone(),
            service_account: entry.service_account.clone(),
            like: entry.path.clone(),
            object: object.to_owned(),
            id,
            deeds: vec![deed],
        });
        next
    }

    /// Each link is two mutations, one for each end; the far one names its record.
    fn link(&mut self, record: usize, place: usize, mutation: &Mutation) {
        let Some(RecordKey::Id { id }) = &mutation.record else {
            return;
        };
        let deed = self
            .records
            .get_mut(record)
            .and_then(|r| r.deeds.last_mut());
        if let Some(Deed {
            did: Did::Made { links, .. },
            ..
        }) = deed
        {
            let to = format!("{}/{id}", mutation.object);
            links.push(Link { place, to });
        }
    }

    fn impossible(
        &mut self,
        place: (usize, usize),
        entry: &Written,
        mutation: &Mutation,
        why: &str,
    ) {
        let record = match &mutation.record {
            Some(key) => format!("{}/{key}", mutation.object),
            None => mutation.object.clone(),
        };
        let (record, action) = (Some(record), Action::Impossible);
        let finding = Finding::of_record(place, &entry.entry, record, action, why);
        self.findings.push(finding);
    }
}

/// The same of a link.
fn of_link(linked: Linked) -> (String, String, Option<String>, Did) {
    let change = Change {
        field: linked.field.to_owned(),
        then: Some(linked.then),
        written: linked.written,
    };
    (linked.object, linked.id, None, Did::Changed(vec![change]))
}

/// The record's id, its stamp before the mutation, and what the mutation did.
///
/// # Errors
/// Why it cannot be taken back.
fn did(change: &WrittenChange, crm: Crm) -> Result<(String, Option<String>, Did), &'static str> {
    let WrittenChange {
        mutation,
        prior,
        outcome,
    } = change;
    if let Some(why) = crm.no_way_back(mutation.operation, mutation.undo) {
        return Err(why);
    }
    if mutation.operation == Operation::Delete {
        return match (prior, &mutation.record) {
            (Prior::Found { id, stamp, .. }, _) => Ok((id.clone(), stamp.clone(), Did::Deleted)),
            (Prior::Absent | Prior::Unknown, Some(RecordKey::Id { id })) => {
                Ok((id.clone(), None, Did::Deleted))
            }
            (Prior::Absent | Prior::Unknown, _) => Err("which record it deleted is not known"),
        };
    }
    let fields = mutation.fields.clone();
    let links = Vec::new();
    if let Some(id) = &outcome.new_id {
        return Ok((id.clone(), None, Did::Made { fields, links }));
    }
    match prior {
        _ if mutation.operation == Operation::Create => Err(NAMELESS),
        Prior::Absent if mutation.operation == Operation::Upsert => Err(NAMELESS),
        Prior::Found {
            id,
            fields: before,
            stamp,
        } => {
            let changes = fields.into_iter().map(|(name, written)| Change {
                then: then(before, &name, crm),
                field: name,
                written,
            });
            let did = Did::Changed(changes.collect());
            Ok((id.clone(), stamp.clone(), did))
        }
        Prior::Absent | Prior::Unknown => Err("its values from before are not known"),
    }
}

/// The value from before. A field that the snapshot lacks must not be taken for a blank one.
fn then(before: &Map<String, Value>, name: &str, crm: Crm) -> Option<Value> {
    match field(before, name) {
        Some(value) => Some(value.clone()),
        None if crm.leaves_blanks_out() => Some(Value::Null),
        None => None,
    }
}
