//! What a revert came to, field by field.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::clock::EntryId;

/// What became of one field, or of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is as it was before.
    Restored,
    /// It was as before already: nothing was written.
    Already,
    /// It was left alone, because others changed it since or the doubt is too large.
    Skipped,
    /// It cannot be taken back.
    Impossible,
    /// It is left to people: rules hold it.
    Waits,
}

/// One line of the result. Without `field` it speaks of the whole record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// The entry that is taken back.
    pub entry: EntryId,
    /// The record, as `Account/001…`.
    pub record: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// What became of it; in a dry run what would.
    pub action: Action,
    /// The value from before.
    pub then: Option<Value>,
    /// What the entry wrote.
    pub written: Option<Value>,
    /// What the CRM held when it was looked at; newer entries of the same revert are undone already.
    pub now: Option<Value>,
    /// Why, where there is something to say.
    pub why: Option<String>,
    /// Who changed the record last, as the CRM tells, where somebody did since.
    pub editor: Option<String>,
    /// The entry that took it back.
    pub by: Option<EntryId>,
    /// The hold that waits for people.
    pub hold: Option<String>,
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// Entries that were looked at.
    pub entries: usize,
    /// Lines that say restored.
    pub restored: usize,
    /// Lines that say that nothing was to be done.
    pub already: usize,
    /// Lines that say skipped.
    pub skipped: usize,
    /// Lines that say impossible.
    pub impossible: usize,
    /// Lines that say waits.
    pub waits: usize,
    /// Lines of bulk jobs that are counted and not listed.
    pub unlisted: usize,
    /// The entries that this revert made: each can be reverted itself.
    pub made: Vec<EntryId>,
}

/// The whole result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Line by line: newest entry first, then in the order of the write.
    pub items: Vec<Item>,
    /// The sums.
    pub summary: Summary,
}

/// A line with the place that it takes in the result.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    /// The entry's place among the chosen ones, the mutation's place in the entry.
    pub(super) place: (usize, usize),
    pub(super) item: Item,
    /// It says restored, and a write has to make it true.
    pub(super) pending: bool,
}

impl Finding {
    /// A line about a whole record.
    pub(super) fn of_record(
        place: (usize, usize),
        entry: &EntryId,
        record: Option<String>,
        action: Action,
        why: impl Into<String>,
    ) -> Self {
        let item = Item {
            entry: entry.clone(),
            record,
            field: None,
            action,
            then: None,
            written: None,
            now: None,
            why: Some(why.into()),
            editor: None,
            by: None,
            hold: None,
        };
        Self {
            place,
            item,
            pending: false,
        }
    }

    /// It does not come true after all.
    pub(super) fn fail(&mut self, action: Action, why: &str) {
        if self.pending {
            self.pending = false;
            self.item.action = action;
            self.item.why = Some(why.to_owned());
        }
    }

    /// It is left to people, who have this hold to decide.
    pub(super) fn wait(&mut self, told: &str, hold: Option<&str>) {
        if self.pending {
            self.fail(Action::Waits, told);
            self.item.hold = hold.map(str::to_owned);
        }
    }

    /// It came true by this entry.
    pub(super) fn done(&mut self, by: &EntryId) {
        if self.pending {
            self.pending = false;
            self.item.by = Some(by.clone());
        }
    }
}

/// As many lines of one bulk job are listed; the rest is counted.
const LISTED: usize = 1_000;

/// What a revert came to so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    findings: Vec<Finding>,
    counts: [usize; 5],
    made: BTreeSet<EntryId>,
    unlisted: usize,
}

impl Tally {
    /// Takes lines in.
    pub(super) fn add(&mut self, findings: Vec<Finding>) {
        self.take(findings, usize::MAX);
    }

    /// Takes lines of a bulk job in, of which `listed` are listed already; returns how many are now.
    pub(super) fn of_job(&mut self, findings: Vec<Finding>, listed: usize) -> usize {
        let (before, room) = (findings.len(), LISTED.saturating_sub(listed));
        self.take(findings, room);
        listed.saturating_add(before.min(room))
    }

    fn take(&mut self, mut findings: Vec<Finding>, most: usize) {
        for finding in &findings {
            let action = finding.item.action;
            let place = ACTIONS.iter().position(|known| *known == action);
            if let Some(count) = place.and_then(|place| self.counts.get_mut(place)) {
                *count += 1;
            }
            self.made.extend(finding.item.by.clone());
        }
        findings.sort_by_key(|finding| finding.place);
        self.unlisted += findings.len().saturating_sub(most);
        findings.truncate(most);
        self.findings.extend(findings);
    }

    /// Whether nothing was found yet.
    pub(super) fn is_empty(&self) -> bool {
        self.counts == [0; 5]
    }
}

const ACTIONS: [Action; 5] = [
    Action::Restored,
    Action::Already,
    Action::Skipped,
    Action::Impossible,
    Action::Waits,
];

impl Report {
    /// Puts the lines in order.
    pub(super) fn of(tally: Tally, entries: usize, dry_run: bool) -> Self {
        let Tally {
            mut findings,
            counts: [restored, already, skipped, impossible, waits],
            made,
            unlisted,
        } = tally;
        findings.sort_by_key(|finding| finding.place);
        let summary = Summary {
            dry_run,
            entries,
            restored,
            already,
            skipped,
            impossible,
            waits,
            unlisted,
            made: made.into_iter().collect(),
        };
        let items = findings.into_iter().map(|finding| finding.item).collect();
        Self { items, summary }
    }
}
