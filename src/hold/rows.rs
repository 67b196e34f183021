//! The rows of a hold's life, and what each makes of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::contents::Moved;
use super::people::teams_asked;
use super::{Approval, Drifted, End, Hold, TakesBack, Terms};
use crate::clock::EntryId;
use crate::config::{Fingerprint, Operator};
use crate::error::RefusalKind;
use crate::ledger::{NewRow, Row, RowKind};
use crate::mutation::{Actor, Charge, Snapshot, Verdict};

/// What a held row says beside what every governed request does; `hold` in its meta.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parked {
    /// The hold's id.
    pub id: String,
    /// What a repeat has to come to.
    pub key: String,
    /// The digest of the request.
    pub content: String,
    /// The person who owns the service account.
    pub owner: Option<String>,
    /// The tokens of the operators who stand behind it: they decide nothing of it.
    pub barred: Vec<Fingerprint>,
    /// The CRM that it is meant for.
    pub upstream: String,
    /// What it takes back, where it is a revert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_back: Option<TakesBack>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Seconds that a call is kept open for a decision.
    pub wait_seconds: i64,
    /// For each mutation the fields that rules look at beyond those that are written.
    pub looked: Vec<Vec<String>>,
    /// What people are asked.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

/// A decided row's meta.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Decided {
    decision: Decision,
    by: String,
    token: Fingerprint,
    teams: Vec<String>,
    reason: Option<String>,
    /// What was shown to them.
    shown: String,
}

/// A drifted row's meta.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct DriftedRow {
    fields: Vec<String>,
    /// Whether approvals are void.
    void: bool,
    rules: String,
    verdict: Option<Verdict>,
    looked: Vec<Vec<String>>,
    #[serde(flatten)]
    terms: Terms,
}

/// Somebody decided.
#[must_use]
pub fn decided(
    hold: &Hold,
    decision: Decision,
    operator: &Operator,
    reason: Option<String>,
    now: Timestamp,
) -> NewRow {
    let meta = Decided {
        decision,
        by: operator.name.clone(),
        token: operator.token,
        teams: teams_asked(&hold.terms.requirements, operator),
        reason,
        shown: hold.terms.shown.clone(),
    };
    row(hold, RowKind::Decided, json!(meta), None, now)
}

/// What a release found to be otherwise than it was shown.
#[derive(Clone, Debug)]
pub struct Change {
    /// The fields that moved; none where only the rules changed, and then approvals stand.
    pub fields: Vec<String>,
    /// The prior values now.
    pub snapshot: Snapshot,
    /// What the rules say now.
    pub verdict: Verdict,
    /// The rule set that said so.
    pub rules: String,
    /// The fields that rules look at now.
    pub looked: Vec<Vec<String>>,
    /// What people are asked now.
    pub terms: Terms,
}

/// The hold waits again.
#[must_use]
pub fn drifted(hold: &Hold, change: Change, now: Timestamp) -> NewRow {
    let meta = DriftedRow {
        void: !change.fields.is_empty(),
        fields: change.fields,
        rules: change.rules,
        verdict: Some(change.verdict),
        looked: change.looked,
        terms: change.terms,
    };
    let values = Moved {
        snapshot: change.snapshot,
    };
    row(
        hold,
        RowKind::Drifted,
        json!(meta),
        Some(json!(values)),
        now,
    )
}

/// Its time is over.
#[must_use]
pub fn expired(hold: &Hold, approved: bool, now: Timestamp) -> NewRow {
    let meta = json!({ "approved": approved });
    row(hold, RowKind::Expired, meta, None, now)
}

/// The rules, or we ourselves, said no when it was to be released.
#[must_use]
pub fn refused(hold: &Hold, verdict: Option<&Verdict>, message: &str, now: Timestamp) -> NewRow {
    let meta = json!({ "refusal": RefusalKind::Denied.code(), "verdict": verdict });
    let values = json!({ "message": message });
    row(hold, RowKind::Refused, meta, Some(values), now)
}

/// The agent heard of the end.
#[must_use]
pub fn delivered(hold: &Hold, now: Timestamp) -> NewRow {
    row(hold, RowKind::Delivered, json!({}), None, now)
}

fn row(
    hold: &Hold,
    kind: RowKind,
    mut meta: Value,
    values: Option<Value>,
    now: Timestamp,
) -> NewRow {
    if let Value::Object(meta) = &mut meta {
        meta.insert("id".into(), hold.id.as_str().into());
    }
    NewRow {
        entry: hold.entry.clone(),
        kind,
        at: now,
        service_account: Some(hold.actor.service_account.clone()),
        route: Some(hold.route.clone()),
        meta,
        values,
        // Of two replicas that decide, expire or release at once, one does.
        nth: Some(hold.rows),
        epoch: None,
    }
}

/// A row that is read, or was just written.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    entry: &'a EntryId,
    kind: RowKind,
    at: Timestamp,
    route: Option<&'a str>,
    meta: &'a Value,
    values: Option<&'a Value>,
}

impl<'a> From<&'a Row> for Said<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            entry: &row.entry,
            kind: row.kind,
            at: row.at,
            route: row.route.as_deref(),
            meta: &row.meta,
            values: row.values.as_ref(),
        }
    }
}

impl<'a> From<&'a NewRow> for Said<'a> {
    fn from(row: &'a NewRow) -> Self {
        Self {
            entry: &row.entry,
            kind: row.kind,
            at: row.at,
            route: row.route.as_deref(),
            meta: &row.meta,
            values: row.values.as_ref(),
        }
    }
}

/// The hold that the rows of one entry, oldest first, come to.
#[must_use]
pub fn fold<'a>(rows: impl IntoIterator<Item = Said<'a>>) -> Option<Hold> {
    let mut before: u32 = 0;
    let mut rows = rows.into_iter();
    let mut hold = rows.by_ref().find_map(|said| {
        let begun = begun(said);
        before = before.saturating_add(u32::from(begun.is_none()));
        begun
    })?;
    hold.rows = hold.rows.saturating_add(before);
    for said in rows {
        hold.apply(said);
    }
    Some(hold)
}

/// The hold that a held row begins.
fn begun(said: Said<'_>) -> Option<Hold> {
    if said.kind != RowKind::Held {
        return None;
    }
    let parked: Parked = part(said.meta, "hold")?;
    let text = |name: &str| {
        let text = said.meta.get(name).and_then(Value::as_str);
        text.map(str::to_owned)
    };
    let gauge: Option<Vec<Charge>> = said.values.and_then(|values| part(values, "gauge"));
    Some(Hold {
        id: parked.id,
        entry: said.entry.clone(),
        rows: 1,
        actor: part::<Actor>(said.meta, "actor")?,
        owner: parked.owner,
        barred: parked.barred,
        upstream: parked.upstream,
        takes_back: parked.takes_back,
        route: said.route.unwrap_or_default().to_owned(),
        method: text("method").unwrap_or_default(),
        key: parked.key,
        content: parked.content,
        at: said.at,
        expires_at: parked.expires_at,
        wait_seconds: parked.wait_seconds,
        summary: said.meta.get("mutations").cloned().unwrap_or_default(),
        acting: part(said.meta, "acting").unwrap_or_default(),
        opaque: text("opaque"),
        verdict: part(said.meta, "verdict"),
        rules: text("rules").unwrap_or_default(),
        looked: parked.looked,
        gauge: gauge.unwrap_or_default(),
        terms: parked.terms,
        approvals: Vec::new(),
        drifted: None,
        opened: false,
        end: None,
        ended_at: None,
        told: None,
        releasing: false,
        note: None,
        behind: None,
        retry_at: None,
        answer: None,
    })
}

impl Hold {
    /// What one more row makes of it.
    pub fn apply(&mut self, said: Said<'_>) {
        self.rows = self.rows.saturating_add(1);
        let before = self.end.is_some();
        match said.kind {
            RowKind::Decided => self.decided(said),
            RowKind::Drifted => self.moved(said),
            RowKind::Expired => {
                let approved = said.meta.get("approved") == Some(&Value::Bool(true));
                self.end = Some(End::Expired { approved });
            }
            RowKind::Refused => {
                let message: Option<String> = said.values.and_then(|all| part(all, "message"));
                self.end = Some(End::Denied {
                    message: message.unwrap_or_else(|| "the rules say no".into()),
                });
            }
            RowKind::Opened => self.opened = true,
            RowKind::Closed => self.end = Some(closed(said.meta)),
            RowKind::InDoubt => self.end = Some(End::InDoubt),
            RowKind::Reconciled => self.end = Some(End::Settled),
            RowKind::Delivered => self.told = self.told.or(Some(said.at)),
            RowKind::Held
            | RowKind::Switch
            | RowKind::Setting
            | RowKind::Started
            | RowKind::Heads
            | RowKind::Rules
            | RowKind::Job
            | RowKind::Learned => {}
        }
        if self.end.is_some() && !before {
            self.ended_at = Some(said.at);
        }
    }

    fn decided(&mut self, said: Said<'_>) {
        let decided = Decided::deserialize(said.meta);
        let Ok(decided) = decided.inspect_err(strange) else {
            return;
        };
        match decided.decision {
            // Whoever agreed to something else did not agree to this.
            Decision::Approve if decided.shown != self.terms.shown => {}
            Decision::Approve => self.approvals.push(Approval {
                by: decided.by,
                at: said.at,
                reason: decided.reason,
                token: decided.token,
            }),
            Decision::Reject => {
                self.end = Some(End::Rejected {
                    by: decided.by,
                    teams: decided.teams,
                    reason: decided.reason.unwrap_or_default(),
                });
            }
        }
    }

    fn moved(&mut self, said: Said<'_>) {
        let moved = DriftedRow::deserialize(said.meta);
        let Ok(moved) = moved.inspect_err(strange) else {
            // What people are asked is not known any more: nobody has agreed to it.
            self.approvals.clear();
            return;
        };
        if moved.void {
            self.approvals.clear();
        }
        self.verdict = moved.verdict;
        self.rules = moved.rules;
        self.looked = moved.looked;
        self.terms = moved.terms;
        self.drifted = Some(Drifted {
            at: said.at,
            fields: moved.fields,
        });
    }
}

/// How a closed row ends a hold. A note says that nothing was written.
fn closed(meta: &Value) -> End {
    let note = meta.get("note").and_then(Value::as_str);
    let status = meta.get("status").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    match (note, status) {
        (None, Some(status)) => End::Released { status },
        (note, _) => End::NotSent {
            note: note.unwrap_or("nothing was sent").to_owned(),
        },
    }
}

fn part<T: serde::de::DeserializeOwned>(whole: &Value, name: &str) -> Option<T> {
    let part = T::deserialize(whole.get(name)?);
    part.inspect_err(strange).ok()
}

fn strange(error: &serde_json::Error) {
    tracing::error!(%error, "a ledger row of a hold has an unknown form");
}

/// The meta that a held row has beside what every governed request has.
#[must_use]
pub fn meta(parked: &Parked) -> Map<String, Value> {
    Map::from_iter([("hold".to_owned(), json!(parked))])
}
