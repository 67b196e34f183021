//! What becomes of a batch: which appends are allowed, and the place and hash of each of their rows.
//! Computed beforehand; the server refuses what rests on a wrong guess.

use std::collections::HashMap;

use crate::clock::EntryId;
use crate::error::Conflict;
use crate::ledger::RowKind;
use crate::ledger::chain::{Hash, hash};
use crate::ledger::inbox::{Append, Prepared};

/// The end of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) seq: i64,
    pub(super) hash: Hash,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// How many rows it has.
    pub(super) rows: u32,
    /// Whether one of them opened it.
    pub(super) opened: bool,
}

impl Known {
    /// What is known once this row is there, too.
    fn with(self, row: &Prepared) -> Self {
        Self {
            rows: self.rows.saturating_add(1),
            opened: self.opened || row.kind == RowKind::Opened,
        }
    }
}

/// A batch, worked out.
#[derive(Debug)]
pub(super) struct Draft<'b> {
    /// The rows to write, in their order.
    pub(super) rows: Vec<Placed<'b>>,
    /// Where the chain ends with them.
    pub(super) end: End,
    /// For each append, why it is not among them.
    pub(super) refused: Vec<Option<Conflict>>,
    /// The oldest epoch of a grant among them.
    pub(super) oldest_grant: Option<u64>,
}

/// A row with its place.
#[derive(Debug)]
pub(super) struct Placed<'b> {
    pub(super) row: &'b Prepared,
    pub(super) nth: u32,
    pub(super) hash: Hash,
}

/// Works out a batch that follows `end`.
pub(super) fn draft<'b>(
    writer: &str,
    end: End,
    epoch: u64,
    known: &HashMap<EntryId, Known>,
    batch: &'b [Append],
) -> Draft<'b> {
    let mut draft = Draft {
        rows: Vec::new(),
        end,
        refused: Vec::with_capacity(batch.len()),
        oldest_grant: None,
    };
    // what the rows of this batch add
    let mut so_far: HashMap<&EntryId, Known> = HashMap::new();
    for append in batch {
        match steps(&append.rows, epoch, known, &so_far) {
            Ok(steps) => {
                for (row, before) in append.rows.iter().zip(steps) {
                    so_far.insert(&row.entry, before.with(row));
                    draft.add(writer, row, before.rows);
                }
                draft.refused.push(None);
            }
            Err(conflict) => draft.refused.push(Some(conflict)),
        }
    }
    draft
}

/// What is known of the entry of each row right before it, if all are allowed.
fn steps(
    rows: &[Prepared],
    epoch: u64,
    known: &HashMap<EntryId, Known>,
    so_far: &HashMap<&EntryId, Known>,
) -> Result<Vec<Known>, Conflict> {
    let mut mine: HashMap<&EntryId, Known> = HashMap::new();
    let mut steps = Vec::with_capacity(rows.len());
    for row in rows {
        let look = mine.get(&row.entry).or_else(|| so_far.get(&row.entry));
        let before = look
            .or_else(|| known.get(&row.entry))
            .copied()
            .unwrap_or_default();
        if row.epoch.is_some_and(|granted| granted < epoch) {
            return Err(Conflict::Epoch);
        }
        if row.nth.is_some_and(|expected| expected != before.rows) {
            return Err(Conflict::Moved);
        }
        if row.kind == RowKind::Opened && before.opened {
            return Err(Conflict::Opened);
        }
        steps.push(before);
        mine.insert(&row.entry, before.with(row));
    }
    Ok(steps)
}

impl<'b> Draft<'b> {
    fn add(&mut self, writer: &str, row: &'b Prepared, nth: u32) {
        let seq = self.end.seq.saturating_add(1);
        let hash = hash(&self.end.hash, &row.parts(writer, seq, nth));
        self.end = End { seq, hash };
        let grants = [self.oldest_grant, row.epoch];
        self.oldest_grant = grants.into_iter().flatten().min();
        self.rows.push(Placed { row, nth, hash });
    }
}

/// How many rows the entries have that this process opened and did not close: what spares a look at
/// the server for most batches. Too low a guess is refused by the server; too high it cannot be, since
/// no row ever goes.
#[derive(Debug, Default)]
pub(super) struct Guesses(HashMap<EntryId, Known>);

impl Guesses {
    /// More are forgotten: those that are in doubt for long, or were opened by others.
    const MOST: usize = 65_536;

    pub(super) fn known(&self) -> &HashMap<EntryId, Known> {
        &self.0
    }

    /// Whether the batch can be worked out without asking the server: a step of an entry, and the
    /// opening of one that had rows before, cannot.
    pub(super) fn suffice(&self, batch: &[Append]) -> bool {
        let known = |row: &Prepared| self.0.contains_key(&row.entry);
        batch
            .iter()
            .flat_map(|append| &append.rows)
            .all(|row| row.nth.is_none() && (row.kind != RowKind::Opened || !known(row)))
    }

    /// These rows are written.
    pub(super) fn wrote(&mut self, rows: &[Placed<'_>]) {
        if self.0.len() > Self::MOST {
            self.0.clear();
        }
        for Placed { row, nth, .. } in rows {
            if matches!(row.kind, RowKind::Opened | RowKind::InDoubt) {
                let known = Known {
                    rows: nth.saturating_add(1),
                    opened: true,
                };
                self.0.insert(row.entry.clone(), known);
            } else {
                self.0.remove(&row.entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemEntropy;
    use crate::ledger::NewRow;
    use crate::ledger::chain::GENESIS;
    use jiff::Timestamp;
    use serde_json::Value;
    use tokio::sync::oneshot;

    fn row(entry: &str, kind: RowKind, nth: Option<u32>, epoch: Option<u64>) -> NewRow {
        NewRow {
            entry: EntryId::from_text(entry),
            kind,
            at: Timestamp::UNIX_EPOCH,
            service_account: None,
            route: None,
            meta: Value::Null,
            values: None,
            nth,
            epoch,
        }
    }

    fn append(rows: Vec<NewRow>) -> Append {
        let entropy = SystemEntropy::default();
        let prepare = |row| Prepared::new(row, &entropy);
        Append {
            rows: rows.into_iter().map(prepare).collect(),
            done: oneshot::channel().0,
        }
    }

    const START: End = End {
        seq: 4,
        hash: GENESIS,
    };

    #[test]
    fn what_one_append_may_not_changes_nothing_for_the_next() {
        use RowKind::{Closed, Decided, Held, Opened};
        let batch = [
            append(vec![row("A", Held, Some(0), None)]),
            append(vec![
                row("B", Held, None, None),
                row("A", Decided, Some(0), None),
            ]),
            append(vec![
                row("A", Decided, Some(1), None),
                row("A", Opened, Some(2), None),
            ]),
            append(vec![row("A", Closed, Some(2), None)]),
            append(vec![row("A", Opened, None, None)]),
            append(vec![
                row("B", Held, Some(0), Some(7)),
                row("C", Held, None, Some(3)),
            ]),
            append(vec![row("B", Held, Some(0), Some(5))]),
            append(vec![row("K", Closed, Some(3), None)]),
            append(vec![row("K", Opened, None, None)]),
        ];
        let known = Known {
            rows: 3,
            opened: true,
        };
        let known = HashMap::from([(EntryId::from_text("K"), known)]);
        let draft = draft("W", START, 5, &known, &batch);
        let moved = Some(Conflict::Moved);
        let opened = Some(Conflict::Opened);
        let epoch = Some(Conflict::Epoch);
        let refused = [None, moved, None, moved, opened, epoch, None, None, opened];
        assert_eq!(draft.refused, refused);
        let written: Vec<String> = draft
            .rows
            .iter()
            .map(|placed| format!("{}{}", placed.row.entry, placed.nth))
            .collect();
        assert_eq!(written, ["A0", "A1", "A2", "B0", "K3"]);
        assert_eq!(draft.end.seq, START.seq + 5);
        assert_eq!(draft.oldest_grant, Some(5));
        let mut before = START;
        for placed in &draft.rows {
            let seq = before.seq + 1;
            let hash = hash(&before.hash, &placed.row.parts("W", seq, placed.nth));
            before = End { seq, hash };
            assert_eq!(placed.hash, hash);
        }
        assert_eq!(before, draft.end);
    }

    #[test]
    fn a_guess_is_enough_for_what_no_other_replica_touches() {
        use RowKind::{Closed, InDoubt, Opened, Refused};
        let mut guesses = Guesses::default();
        let open = [append(vec![
            row("A", Opened, None, Some(1)),
            row("B", Refused, None, None),
        ])];
        assert!(guesses.suffice(&open));
        let drafted = draft("W", START, 1, guesses.known(), &open);
        guesses.wrote(&drafted.rows);
        let doubt = [append(vec![row("A", InDoubt, None, None)])];
        let drafted = draft("W", START, 1, guesses.known(), &doubt);
        assert_eq!(drafted.rows[0].nth, 1);
        guesses.wrote(&drafted.rows);
        let close = [append(vec![row("A", Closed, None, None)])];
        assert!(guesses.suffice(&close));
        let drafted = draft("W", START, 1, guesses.known(), &close);
        assert_eq!(drafted.rows[0].nth, 2);
        assert!(!guesses.suffice(&open));
        guesses.wrote(&drafted.rows);
        assert_eq!(guesses.known().len(), 0);
        assert!(!guesses.suffice(&[append(vec![row("A", Refused, Some(0), None)])]));
    }
}
