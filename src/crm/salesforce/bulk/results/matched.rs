//! Rows of a job found again in the lists of its results: by id, by external id, or, of new records, by
//! all that they write. Holds some thirty bytes for each row.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::super::csv::{Fault, Record};
use super::super::row::NULL;
use super::super::spec::{Spec, Work};
use super::{List, code};
use crate::crm::salesforce::id;
use crate::mutation::{Outcome, OutcomeState};

/// No row has this place.
const NONE: u32 = u32::MAX;
/// As many different codes of errors are kept.
const CODES_MOST: usize = 250;

/// What became of one row.
#[derive(Clone, Copy, Debug)]
struct Fate {
    state: OutcomeState,
    /// The place of its code, from 1.
    code: u8,
}

/// The rows of a job, and what is known to have become of each.
#[derive(Debug)]
pub struct Matched {
    spec: Spec,
    keyed: RandomState,
    /// The last row with a key that was not found again yet …
    last: HashMap<u64, u32>,
    /// … and for each row the one before it with the same key.
    before: Vec<u32>,
    fates: Vec<Option<Fate>>,
    made: HashMap<u32, String>,
    codes: Vec<String>,
    /// The columns that name a row, in lower case, and where the rows have them.
    naming: Vec<(String, usize)>,
    told: u64,
}

/// Where a list has what names its rows.
#[derive(Clone, Debug)]
pub struct Columns {
    list: List,
    id: Option<usize>,
    second: Option<usize>,
    named: Vec<Option<usize>>,
}

impl Matched {
    /// Of a job with these columns.
    #[must_use]
    pub fn of(spec: &Spec, header: Record<'_>) -> Self {
        let key = match (spec.work, &spec.external) {
            (Work::Insert | Work::Query, _) => None,
            (Work::Upsert, Some(key)) => Some(key.to_lowercase()),
            (Work::Update | Work::Upsert | Work::Delete | Work::HardDelete, _) => Some("id".into()),
        };
        let names = header.cells().map(str::to_lowercase);
        let naming = names.zip(0..);
        Self {
            spec: spec.clone(),
            keyed: RandomState::new(),
            last: HashMap::new(),
            before: Vec::new(),
            fates: Vec::new(),
            made: HashMap::new(),
            codes: Vec::new(),
            naming: naming
                .filter(|(name, _)| key.as_ref().is_none_or(|key| key == name))
                .collect(),
            told: 0,
        }
    }

    /// One hash of what names a row; cells that write null or nothing are alike.
    fn key<'a>(&self, cells: impl Iterator<Item = &'a str>) -> u64 {
        let folded = cells.map(|cell| match self.spec.work {
            _ if cell == NULL => String::new(),
            Work::Insert | Work::Query => cell.to_owned(),
            Work::Update | Work::Upsert | Work::Delete | Work::HardDelete => {
                id::canonical(cell).unwrap_or_else(|_no_id| cell.to_lowercase())
            }
        });
        self.keyed.hash_one(folded.collect::<Vec<_>>())
    }

    /// The next row of the job.
    pub fn row(&mut self, cells: Record<'_>) {
        let all: Vec<&str> = cells.cells().collect();
        let named = self
            .naming
            .iter()
            .map(|(_, at)| all.get(*at).copied().unwrap_or(""));
        let key = self.key(named);
        let place = u32::try_from(self.before.len()).unwrap_or(NONE);
        self.before
            .push(self.last.insert(key, place).unwrap_or(NONE));
        self.fates.push(None);
    }

    /// The columns of a list, by its header.
    #[must_use]
    pub fn columns(&self, list: List, header: Record<'_>) -> Columns {
        let names: Vec<String> = header.cells().map(str::to_lowercase).collect();
        let at = |name: &str| names.iter().position(|known| known == name);
        Columns {
            list,
            id: at("sf__id"),
            second: match list {
                List::Done => at("sf__created"),
                List::Failed => at("sf__error"),
            },
            named: self.naming.iter().map(|(name, _)| at(name)).collect(),
        }
    }

    /// One record of a list.
    ///
    /// # Errors
    /// [`Fault`] where it names no row of the job.
    pub fn told(&mut self, columns: &Columns, record: Record<'_>) -> Result<(), Fault> {
        let all: Vec<&str> = record.cells().collect();
        let cell = |at: Option<usize>| at.and_then(|at| all.get(at)).copied().unwrap_or("");
        let key = self.key(columns.named.iter().map(|at| cell(*at)));
        let Some(place) = self.last.get(&key).copied().filter(|place| *place != NONE) else {
            return Err(Fault::of(record.line, "is not one of the job's rows"));
        };
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        self.last
            .insert(key, self.before.get(at).copied().unwrap_or(NONE));
        let (state, code) = match columns.list {
            List::Done => (OutcomeState::Done, 0),
            List::Failed => (OutcomeState::Failed, self.code(code(cell(columns.second)))),
        };
        if let Some(fate) = self.fates.get_mut(at) {
            *fate = Some(Fate { state, code });
            self.told += 1;
        }
        if columns.list == List::Done && cell(columns.second) == "true" {
            let made = id::canonical(cell(columns.id)).ok();
            self.made.extend(made.map(|id| (place, id)));
        }
        Ok(())
    }

    fn code(&mut self, code: Option<&str>) -> u8 {
        let Some(code) = code else { return 0 };
        let known = self.codes.iter().position(|known| known == code);
        let at = known.or_else(|| {
            (self.codes.len() < CODES_MOST).then(|| {
                self.codes.push(code.to_owned());
                self.codes.len() - 1
            })
        });
        at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(0)
    }

    /// How many rows the lists told of.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.told
    }

    /// What became of these rows; of one that no list tells, `left`.
    #[must_use]
    pub fn outcomes(&self, first: u64, rows: u64, left: OutcomeState) -> Vec<Outcome> {
        let places = first..first.saturating_add(rows);
        let one = |place: u64| {
            let at = usize::try_from(place).unwrap_or(usize::MAX);
            let Some(fate) = self.fates.get(at).copied().flatten() else {
                return Outcome::of(left);
            };
            let code = usize::from(fate.code).checked_sub(1);
            let key = u32::try_from(place).unwrap_or(NONE);
            Outcome {
                new_id: self.made.get(&key).cloned(),
                code: code.and_then(|at| self.codes.get(at).cloned()),
                ..Outcome::of(fate.state)
            }
        };
        places.map(one).collect()
    }
}
