//! What is done to one record: the writes of the chosen entries held against what the CRM holds now.
//! Pure. Only fields that we wrote, and that still hold what we wrote, are written back (P8).

use std::fmt::Write;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde_json::{Map, Value};

use super::deed::{Change, Deed, Did, Link, Record};
use super::report::{Action, Finding, Item};
use crate::crm::Crm;
use crate::mutation::{field, same_name};

/// Said of a field that others changed.
const CHANGED: &str = "changed since";
/// Said of a record that a write made, where no stamp proves that it is as that write left it.
const UNTOLD: &str = "not deleted: nothing tells whether it was changed since";

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Back {
    /// Nothing.
    Nothing,
    /// These values from before.
    Restore(Map<String, Value>),
    /// The record is deleted.
    Remove,
    /// The record comes back from the recycle bin.
    Undelete,
}

/// What is to be done to one record, and the lines that tell of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) back: Back,
    pub(super) findings: Vec<Finding>,
}

/// What the CRM holds now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Present<'a> {
    /// These values.
    Found {
        /// Absent ones are blank.
        fields: &'a Map<String, Value>,
        /// These cannot be read.
        hidden: &'a [String],
        /// When it was changed last.
        stamp: Option<&'a str>,
    },
    /// No such record, or none that the credential sees.
    Gone,
    /// The record went into another one, which others have their values in.
    Merged,
    /// It could not be told.
    Unknown,
}

/// Plans a record that the newest write deleted: it comes back as it was then, and what was done to it
/// before is looked at once it is there.
fn undeleted(crm: Crm, record: &Record, present: Present<'_>) -> Plan {
    let Present::Found { fields, .. } = present else {
        let why = "it is not in the recycle bin any more, or this credential cannot see it";
        return left_alone(record, Action::Impossible, why);
    };
    if !crm.is_binned(fields) {
        return left_alone(record, Action::Already, "the record is there");
    }
    if record.is_made() {
        return left_alone(record, Action::Already, "made and deleted again");
    }
    let why = "the record comes back first: revert this one once more";
    let mut plan = left_alone(record, Action::Skipped, why);
    let newest = record.deeds.first().map(|deed| deed.place);
    for finding in &mut plan.findings {
        if Some(finding.place) == newest {
            finding.pending = true;
            finding.item.action = Action::Restored;
            finding.item.why = Some("comes back from the recycle bin".into());
        }
    }
    plan.back = Back::Undelete;
    plan
}

/// Plans one record.
pub(super) fn plan(crm: Crm, record: &Record, present: Present<'_>) -> Plan {
    if record.is_deleted() {
        return undeleted(crm, record, present);
    }
    let (fields, hidden, stamp) = match present {
        Present::Found {
            fields,
            hidden,
            stamp,
        } => (fields, hidden, stamp),
        Present::Gone => {
            let why = "the record is gone, or this credential cannot see it";
            return left_alone(record, Action::Skipped, why);
        }
        Present::Merged => {
            return left_alone(
                record,
                Action::Skipped,
                "the record was merged into another one",
            );
        }
        Present::Unknown => {
            return left_alone(record, Action::Skipped, "its present values are not known");
        }
    };
    let mut planning = Planning {
        crm,
        record,
        editor: editor(crm, record, fields),
        hidden,
        now: fields.clone(),
        restore: Map::new(),
        theirs: Vec::new(),
        findings: Vec::new(),
    };
    for (at, deed) in record.deeds.iter().enumerate() {
        match &deed.did {
            Did::Changed(changes) => planning.changed(deed, changes),
            // somebody brought it back since, and the newer writes found it
            Did::Deleted => planning.back_again(deed),
            Did::Made { fields, links } => {
                let since = record.deeds.get(..=at).unwrap_or_default();
                let touched = planning.touched(fields, since, stamp);
                let removed = touched.is_none();
                planning.made(deed, links, touched.as_deref());
                if removed {
                    return Plan {
                        back: Back::Remove,
                        findings: planning.findings,
                    };
                }
            }
        }
    }
    let back = if planning.restore.is_empty() {
        Back::Nothing
    } else {
        Back::Restore(planning.restore)
    };
    Plan {
        back,
        findings: planning.findings,
    }
}

/// A record to which nothing is done, with the same reason for all that was written to it.
pub(super) fn left_alone(record: &Record, action: Action, why: &str) -> Plan {
    let mut findings = Vec::new();
    for deed in &record.deeds {
        match &deed.did {
            Did::Changed(changes) => findings.extend(changes.iter().map(|change| {
                let item = item(record, deed, change, action, None, Some(why));
                Finding {
                    place: deed.place,
                    item,
                    pending: false,
                }
            })),
            Did::Made { .. } | Did::Deleted => {
                let name = Some(record.name());
                let finding = Finding::of_record(deed.place, &deed.entry, name, action, why);
                findings.push(finding);
            }
        }
    }
    Plan {
        back: Back::Nothing,
        findings,
    }
}

fn item(
    record: &Record,
    deed: &Deed,
    change: &Change,
    action: Action,
    now: Option<Value>,
    why: Option<&str>,
) -> Item {
    Item {
        entry: deed.entry.clone(),
        record: Some(record.name()),
        field: Some(change.field.clone()),
        action,
        then: change.then.clone(),
        written: Some(change.written.clone()),
        now,
        why: why.map(str::to_owned),
        editor: None,
        by: None,
        hold: None,
    }
}

struct Planning<'a> {
    crm: Crm,
    record: &'a Record,
    /// Who changed it last.
    editor: Option<String>,
    hidden: &'a [String],
    /// What the record holds once the newer writes are undone.
    now: Map<String, Value>,
    restore: Map<String, Value>,
    /// Fields that others changed after the newest of our writes: older writes do not count for them,
    /// even where the value is one of theirs.
    theirs: Vec<String>,
    findings: Vec<Finding>,
}

impl Planning<'_> {
    fn back_again(&mut self, deed: &Deed) {
        let (name, why) = (Some(self.record.name()), "the record is there");
        let finding = Finding::of_record(deed.place, &deed.entry, name, Action::Already, why);
        self.findings.push(finding);
    }

    fn changed(&mut self, deed: &Deed, changes: &[Change]) {
        for change in changes {
            let now = field(&self.now, &change.field).cloned();
            let (action, why) = self.judged(change, now.as_ref());
            if why == Some(CHANGED) {
                self.theirs.push(change.field.clone());
            }
            let pending = action == Action::Restored && why.is_none();
            if let (true, Some(then)) = (pending, &change.then) {
                put(&mut self.restore, &change.field, then);
                put(&mut self.now, &change.field, then);
            }
            let now = Some(now.unwrap_or_default());
            let mut item = item(self.record, deed, change, action, now, why);
            if why == Some(CHANGED) {
                item.editor.clone_from(&self.editor);
            }
            self.findings.push(Finding {
                place: deed.place,
                item,
                pending,
            });
        }
    }

    /// What becomes of one field; restored without a reason is yet to be written.
    fn judged(&self, change: &Change, now: Option<&Value>) -> (Action, Option<&'static str>) {
        let Change {
            field,
            then,
            written,
        } = change;
        if let Some(why) = self.crm.chosen_by_crm(field, written) {
            return (Action::Skipped, Some(why));
        }
        if self.is_hidden(field) {
            let why = "its present value cannot be read with this credential";
            return (Action::Skipped, Some(why));
        }
        let Some(then) = then else {
            let why = "its value from before is not in the snapshot";
            return (Action::Skipped, Some(why));
        };
        if self.theirs.iter().any(|name| same_name(name, field)) {
            return (Action::Skipped, Some(CHANGED));
        }
        if self.crm.holds(field, then, now) {
            return (Action::Already, Some("holds the value from before already"));
        }
        if !self.crm.holds(field, written, now) {
            return (Action::Skipped, Some(CHANGED));
        }
        match self.crm.cannot_write_back(field, then) {
            Some(why) => (Action::Impossible, Some(why)),
            None => (Action::Restored, None),
        }
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| same_name(hidden, name))
    }

    /// Why a record that was made must not be deleted: somebody else touched it, or that cannot be
    /// told.
    fn touched(
        &self,
        made: &Map<String, Value>,
        deeds: &[Deed],
        stamp: Option<&str>,
    ) -> Option<String> {
        let as_we_left = [Action::Restored, Action::Already];
        let skipped = |finding: &&Finding| !as_we_left.contains(&finding.item.action);
        if let Some(finding) = self.findings.iter().find(skipped) {
            let field = finding.item.field.as_deref().unwrap_or_default();
            return Some(format!("not deleted: {field} is not as we left it"));
        }
        let mut changed = String::new();
        for (name, written) in made {
            let known = self.crm.chosen_by_crm(name, written).is_none();
            let holds = self.crm.holds(name, written, field(&self.now, name));
            if self.is_hidden(name) || (known && !holds) {
                let comma = if changed.is_empty() { "" } else { ", " };
                if write!(changed, "{comma}{name}").is_err() {
                    break;
                }
            }
        }
        if !changed.is_empty() {
            return Some(format!("not deleted: changed since: {changed}"));
        }
        touched_by_stamp(deeds, stamp, self.crm.made_at(&self.now))
    }

    /// The record that a write made: deleted, unless it was touched.
    fn made(&mut self, deed: &Deed, links: &[Link], touched: Option<&str>) {
        let removed = touched.is_none();
        if removed {
            for finding in &mut self.findings {
                finding.pending = true;
                finding.item.action = Action::Restored;
                finding.item.why = Some("goes with the record".into());
            }
        }
        let action = if removed {
            Action::Restored
        } else {
            Action::Skipped
        };
        let mut line = |place: usize, field: Option<String>, why: &str| {
            let name = Some(self.record.name());
            let place = (deed.place.0, place);
            let mut finding = Finding::of_record(place, &deed.entry, name, action, why);
            finding.item.field = field;
            finding.pending = removed;
            if !removed {
                finding.item.editor.clone_from(&self.editor);
            }
            self.findings.push(finding);
        };
        let why = touched.unwrap_or("deleted: the entry made it");
        line(deed.place.1, None, why);
        let why = if removed {
            "goes with the record"
        } else {
            "stays with the record"
        };
        for link in links {
            line(link.place, Some(format!("link to {}", link.to)), why);
        }
    }
}

/// Who changed a record last: an id, which some CRMs write as a number.
fn editor(crm: Crm, record: &Record, now: &Map<String, Value>) -> Option<String> {
    match field(now, crm.editor_field(&record.object)?)? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn put(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    let known = fields.keys().find(|known| same_name(known, name)).cloned();
    let name = known.unwrap_or_else(|| name.to_owned());
    fields.insert(name, value.clone());
}

/// Whether each state of the record between the chosen writes, and the present one, was left by the
/// write before it. `deeds` come newest first, the create last.
fn touched_by_stamp(
    deeds: &[Deed],
    present: Option<&str>,
    made_at: Option<Timestamp>,
) -> Option<String> {
    let mut stamp = present;
    for deed in deeds {
        let Some(at) = stamp.and_then(|stamp| stamp.parse::<Timestamp>().ok()) else {
            return Some(UNTOLD.into());
        };
        let made = matches!(deed.did, Did::Made { .. });
        if !(made && made_at == Some(at)) {
            match deed.closed_at {
                Some(closed) if left_between(deed.opened_at, closed, at) => {}
                Some(_) => return Some(format!("not deleted: somebody else changed it at {at}")),
                None => return Some(UNTOLD.into()),
            }
        }
        stamp = deed.stamp.as_deref();
    }
    None
}

/// Whether a stamp falls between the opening and the closing of a write; stamps may have whole seconds
/// only. Clocks that disagree by more than that make it a no.
fn left_between(opened: Timestamp, closed: Timestamp, stamp: Timestamp) -> bool {
    let whole = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Floor);
    let opened = opened.round(whole).unwrap_or(opened);
    opened <= stamp && stamp <= closed
}
