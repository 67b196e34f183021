//! Columns and rows of a job → what each row changes. `#N/A` writes null, an empty cell nothing; a
//! column of a relationship by external id writes the lookup field.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde_json::{Map, Value};

use super::csv::{Fault, Reader, Record};
use super::spec::{Spec, Work};
use crate::crm::Malformed;
use crate::crm::salesforce::body::{self, Refused, shown};
use crate::crm::salesforce::id;
use crate::crm::salesforce::record;
use crate::crm::salesforce::types::{self, Type};
use crate::mutation::{Mutation, Operation, RecordKey, Undo, same_name, unknown_value};

/// What stands for null in a cell.
pub(super) const NULL: &str = "#N/A";
/// As many records are told apart in one job: more rows are refused.
pub const ONCE_MOST: u64 = 1_000_000;

/// What one column writes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Column {
    /// The record's id.
    Id,
    /// The external id that names the record of an upsert.
    Key,
    /// A field.
    Field(String),
    /// A lookup field, by a unique field of the record that it leads to.
    Lookup { field: String, by: String },
}

/// The columns of a job.
#[derive(Clone, Debug)]
pub struct Columns {
    spec: Spec,
    /// The object, where it is built in.
    builtin: Option<Type<'static>>,
    columns: Vec<Column>,
}

impl Columns {
    /// The columns that a header names.
    ///
    /// # Errors
    /// [`Fault`] where they have no reading, or more than one, for this job.
    pub fn of(spec: &Spec, header: Record<'_>) -> Result<Self, Fault> {
        let fault = |what: String| Fault::of(header.line, &format!("is no header: {what}"));
        let known = spec
            .known()
            .ok_or_else(|| fault("the object is not known".into()))?;
        let mut columns = Vec::with_capacity(header.len());
        let mut names: HashSet<String> = HashSet::new();
        for name in header.cells() {
            let column = column(spec, name).map_err(fault)?;
            if !names.insert(column.writes().to_ascii_lowercase()) {
                return Err(fault(format!("{} stands there twice", shown(name))));
            }
            if let Column::Field(name) = &column
                && known.file.is_some_and(|file| same_name(file, name))
            {
                return Err(fault(format!(
                    "{name} holds a file, which is not judged yet"
                )));
            }
            columns.push(column);
        }
        let has = |wanted: &Column| columns.contains(wanted);
        match spec.work {
            Work::Insert if has(&Column::Id) => return Err(fault("an insert has no Id".into())),
            Work::Update if !has(&Column::Id) => return Err(fault("an update needs Id".into())),
            Work::Delete | Work::HardDelete if columns != [Column::Id] => {
                return Err(fault("a delete has the column Id and no other".into()));
            }
            Work::Upsert if spec.by_id() && !has(&Column::Id) => {
                return Err(fault(
                    "the column Id, which names records, is missing".into(),
                ));
            }
            Work::Upsert if !spec.by_id() && has(&Column::Id) => {
                return Err(fault("Id stands beside the external id".into()));
            }
            Work::Upsert if !spec.by_id() && !has(&Column::Key) => {
                return Err(fault("the column that names records is missing".into()));
            }
            Work::Query => return Err(fault("a query has no rows".into())),
            Work::Insert | Work::Update | Work::Upsert | Work::Delete | Work::HardDelete => {}
        }
        Ok(Self {
            spec: spec.clone(),
            builtin: types::by_name(known.name).copied(),
            columns,
        })
    }

    fn known(&self) -> Option<Type<'_>> {
        self.builtin.or_else(|| self.spec.known())
    }

    /// Reads rows below a header that was read before; `first` is the place of the first one.
    ///
    /// # Errors
    /// [`Fault`], also one of `each`.
    pub fn read(
        spec: &Spec,
        header: &str,
        (first, csv): (u64, &str),
        mut each: impl FnMut(&Self, u64, Record<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut columns = None;
        let mut reader = Reader::new(spec.dialect());
        reader.push(header.as_bytes(), |record| {
            columns = Some(Self::of(spec, record)?);
            Ok(())
        })?;
        let Some(columns) = columns else {
            return Err(Fault::of(1, "is no header"));
        };
        let mut reader = Reader::below(spec.dialect(), columns.count());
        let mut place = first;
        let mut row = |record: Record<'_>| {
            let told = each(&columns, place, record);
            place += 1;
            told
        };
        reader.push(csv.as_bytes(), &mut row)?;
        reader.finish(&mut row)
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.columns.len()
    }

    /// The fields that rows can write, in the order of the header.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match column {
            Column::Field(name) | Column::Lookup { field: name, .. } => Some(name.as_str()),
            Column::Id | Column::Key => None,
        })
    }

    /// For each column its place among the fields; `None`: it names the record.
    pub fn places(&self) -> impl Iterator<Item = Option<usize>> {
        let mut next = 0;
        self.columns.iter().map(move |column| match column {
            Column::Id | Column::Key => None,
            Column::Field(_) | Column::Lookup { .. } => {
                next += 1;
                Some(next - 1)
            }
        })
    }

    /// What a row changes; `place` counts rows from 0.
    ///
    /// # Errors
    /// [`Fault`] where it has no reading.
    pub fn mutation(&self, place: u64, cells: Record<'_>) -> Result<Mutation, Fault> {
        let row = format!("rows[{place}]");
        let fault = |what: String| {
            Fault::row(match what.starts_with(&row) {
                true => what,
                false => format!("{row}: {what}"),
            })
        };
        let known = self
            .known()
            .ok_or_else(|| fault("the object is not known".into()))?;
        let mut key = None;
        let mut fields = Map::new();
        for (column, cell) in self.columns.iter().zip(cells.cells()) {
            match column {
                Column::Id if cell.is_empty() && self.spec.work == Work::Upsert => {}
                Column::Id => {
                    let id = id::canonical(cell).map_err(|Malformed(what)| fault(what))?;
                    body::belongs(&id, &known, &row).map_err(|why| fault(said(why)))?;
                    key = Some(RecordKey::Id { id });
                }
                Column::Key => {
                    body::key_value(cell, &row).map_err(|why| fault(said(why)))?;
                    key = self
                        .spec
                        .external
                        .as_ref()
                        .map(|field| RecordKey::External {
                            key: field.clone(),
                            value: cell.to_owned(),
                        });
                }
                Column::Field(_) | Column::Lookup { .. } if cell.is_empty() => {}
                Column::Field(name) => {
                    fields.insert(name.clone(), value(cell));
                }
                Column::Lookup { field, .. } if cell == NULL => {
                    fields.insert(field.clone(), Value::Null);
                }
                Column::Lookup { field, by } => {
                    let leads = format!("the record whose {by} is {cell}");
                    fields.insert(field.clone(), unknown_value(&leads));
                }
            }
        }
        let mut written = record::Record::of(fields);
        written
            .assign(&self.spec.acting(), &known)
            .map_err(|why| fault(said(why)))?;
        let operation = match (self.spec.work, &key) {
            (Work::Upsert, None) => Operation::Create,
            (Work::Upsert, Some(RecordKey::Id { .. })) => Operation::Update,
            (work, _) => work.operation(),
        };
        let mut mutation = written.mutation(&known, operation, key, Some(row));
        if operation == Operation::Purge {
            mutation.undo = Undo::None;
        }
        Ok(mutation)
    }
}

impl Column {
    /// What it writes, to find two columns that write the same.
    fn writes(&self) -> &str {
        match self {
            Self::Id => "Id",
            Self::Key => " key",
            Self::Field(name) | Self::Lookup { field: name, .. } => name,
        }
    }
}

/// `Industry`, `Owner.Employee__c`, `Parent__r.Ext__c`, `Contact:Who.Email`.
fn column(spec: &Spec, name: &str) -> Result<Column, String> {
    let unclear = || format!("{} is not the name of a field", shown(name));
    let Some((leads, by)) = name.split_once('.') else {
        return match types::is_name(name) {
            false => Err(unclear()),
            true if same_name(name, "Id") => Ok(Column::Id),
            true if spec
                .external
                .as_deref()
                .is_some_and(|key| same_name(key, name)) =>
            {
                Ok(Column::Key)
            }
            true => Ok(Column::Field(name.to_owned())),
        };
    };
    let (object, relation) = match leads.split_once(':') {
        Some((object, relation)) => (Some(object), relation),
        None => (None, leads),
    };
    let names = [Some(relation), Some(by), object];
    if !names.into_iter().flatten().all(types::is_name) {
        return Err(unclear());
    }
    let custom = relation
        .len()
        .checked_sub(3)
        .and_then(|at| relation.split_at_checked(at))
        .filter(|(_, end)| end.eq_ignore_ascii_case("__r"));
    let field = match custom {
        Some((start, _)) => format!("{start}__c"),
        None => format!("{relation}Id"),
    };
    Ok(Column::Lookup {
        field,
        by: by.to_owned(),
    })
}

fn value(cell: &str) -> Value {
    if cell == NULL {
        Value::Null
    } else {
        Value::from(cell)
    }
}

fn said(why: Refused) -> String {
    match why {
        Refused::Malformed(what) | Refused::Opaque(what) => what,
    }
}

/// Sees to it that a job names each record once: of two rows for one record nobody can say which is
/// written last. Holds eight bytes for each.
#[derive(Debug, Default)]
pub struct Once {
    seen: HashSet<u64>,
    keyed: RandomState,
}

impl Once {
    /// Whether a mutation's record was not named before.
    pub fn is_new(&mut self, mutation: &Mutation) -> bool {
        mutation.record.as_ref().is_none_or(|key| {
            let folded = match key {
                RecordKey::Id { id } => id.clone(),
                RecordKey::External { value, .. } => format!("={}", value.to_lowercase()),
            };
            self.seen.insert(self.keyed.hash_one(folded))
        })
    }
}
