//! What a caller is told of a write that waits for a person, and of how that ended.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{About, Clause, batch, clause, clauses, clock_time, sentence};
use crate::clock::EntryId;
use crate::error::{Refusal, RefusalKind};
use crate::hold::people::waits_for;
use crate::hold::{End, Hold, STOPPED};
use crate::mutation::{Charge, Effect, LimitKind, Mutation, Reason, ReasonKind};

/// Clauses that a message names before it only counts them.
const NAMED: usize = 10;

/// Why a write waits: what the rules said of which rows, and the thresholds that were passed.
#[must_use]
pub fn why(about: &About<'_>, over: &[Charge]) -> String {
    let reasons = about.verdict.reasons.iter();
    let holds: Vec<&Reason> = reasons
        .filter(|reason| reason.effect == Effect::Hold)
        .collect();
    let mut clauses = clauses(&holds, about, reason_to_wait);
    let all = batch(about.changes.mutations());
    for clause in clauses.iter_mut().filter(|clause| clause.rows.len() == all) {
        clause.rows.clear();
    }
    clauses.extend(over.iter().map(|charge| Clause {
        text: format!("limit {} is passed", charge.limit.name),
        rows: Vec::new(),
    }));
    let more = clauses.len().saturating_sub(NAMED);
    clauses.truncate(NAMED);
    let mut why = sentence(&clauses);
    if more > 0 {
        why = format!("{why}; and {more} more");
    }
    why
}

/// `Opportunity.StageName is decided by Sales Ops`, or what a rule says.
fn reason_to_wait(reason: &Reason, mutation: Option<&Mutation>, service_account: &str) -> String {
    let whom = reason.owner.as_deref().unwrap_or("a person");
    let what = match (mutation, &reason.field) {
        (Some(mutation), Some(field)) => format!("{}.{field}", mutation.object),
        (Some(mutation), None) => {
            format!("{} of {}", mutation.operation.word(), mutation.object)
        }
        (None, _) => "this request".to_owned(),
    };
    match reason.kind {
        ReasonKind::Filled | ReasonKind::PriorUnknown | ReasonKind::Rule => {
            clause(reason, mutation, service_account)
        }
        ReasonKind::Field | ReasonKind::Operation | ReasonKind::Default | ReasonKind::Endpoint => {
            format!("{what} is decided by {whom}")
        }
    }
}

/// It waits.
#[must_use]
pub fn held(hold: &Hold) -> Refusal {
    let opening = match rows(&hold.summary).len() {
        0 => "Not written yet".to_owned(),
        all => format!("Not written yet, 0 of {all}"),
    };
    let message = format!(
        "{opening}: waits for {} until {}. Repeat exactly this request later to get the CRM's \
         answer; do not vary it. Why: {}. [hold {}]",
        waits_for(&hold.terms.requirements),
        hold.expires_at.strftime("%F %H:%M UTC"),
        hold.terms.why.trim_end_matches('.'),
        hold.id,
    );
    about_hold(RefusalKind::Held, message, hold)
}

/// Everybody agreed, and it is not sent yet.
#[must_use]
pub fn approved(hold: &Hold) -> Refusal {
    let state = match &hold.note {
        Some(note) => format!("approved, but {}", note.trim_end_matches('.')),
        None => "approved, and being sent".to_owned(),
    };
    let message = format!(
        "Not written yet: {state}. Repeat exactly this request later to get the CRM's answer; do not \
         vary it. [hold {}]",
        hold.id,
    );
    about_hold(RefusalKind::Held, message, hold)
}

/// Why it is not sent before another entry is settled; the rest of a sentence.
#[must_use]
pub fn behind(entry: &EntryId) -> String {
    format!(
        "an earlier write to this record is in doubt (entry {entry}); this goes when that is settled"
    )
}

/// Why it is not sent where its service account is not configured any more; the rest of a sentence.
#[must_use]
pub fn removed(service_account: &str) -> String {
    format!("{service_account} is not configured any more: no kill switch would stop it")
}

/// It was sent, and the CRM did not answer.
#[must_use]
pub fn in_doubt(hold: &Hold) -> Refusal {
    let message = format!(
        "May have been written: this was approved and sent, and the CRM did not answer. Read the \
         record first; it is not sent again until settled. [entry {}] [hold {}]",
        hold.entry, hold.id,
    );
    about_hold(RefusalKind::UnknownOutcome, message, hold)
}

/// How it ended without an answer of the CRM; `None` where there is one, or no end.
#[must_use]
pub fn ended(hold: &Hold) -> Option<Refusal> {
    let id = &hold.id;
    let (kind, message) = match hold.end.as_ref()? {
        End::Rejected { by, teams, reason } => {
            let of = match teams.as_slice() {
                [] => String::new(),
                teams => format!(" ({})", teams.join(", ")),
            };
            let message = format!(
                "Not written: {by}{of} said no: \"{reason}\". Do not send it again. [hold {id}]"
            );
            (RefusalKind::Rejected, message)
        }
        End::Expired { approved } => {
            let what = match approved {
                true => "it was approved, but could not be sent within",
                false => "nobody decided within",
            };
            let span = within(hold.expires_at.duration_since(hold.at));
            let message = format!("Not written: {what} {span}. Sending it again opens a new hold.");
            (RefusalKind::Expired, message)
        }
        End::Denied { message } => (
            RefusalKind::Denied,
            format!("Not written: it was approved, but {message} [hold {id}]"),
        ),
        End::NotSent { note } => {
            let kind = match note.as_str() {
                STOPPED => RefusalKind::Stopped,
                _ => RefusalKind::Upstream,
            };
            let message = format!(
                "Not written: it was approved, but {note}. Sending it again opens a new hold. \
                 [hold {id}]"
            );
            (kind, message)
        }
        End::Released { .. } | End::InDoubt | End::Settled => return None,
    };
    Some(about_hold(kind, message, hold))
}

/// A denial at the moment of release, as the rest of a sentence.
#[must_use]
pub fn denied_now(about: &About<'_>) -> String {
    let mutations = about.changes.mutations();
    if mutations.is_empty() {
        return "the rules say no now. Repeating this will not help.".into();
    }
    let mut clauses: Vec<String> = Vec::new();
    for reason in about.verdict.deciding() {
        let mutation = reason.mutation.and_then(|place| mutations.get(place));
        let text = clause(reason, mutation, about.service_account);
        if !clauses.contains(&text) {
            clauses.push(text);
        }
    }
    clauses.truncate(NAMED);
    format!(
        "the rules say no now: {}. Repeating this will not help.",
        clauses.join("; ")
    )
}

/// Others changed what a revert would take back; the rest of a sentence.
#[must_use]
pub fn touched(fields: &[String]) -> String {
    format!(
        "{} changed since it was asked for. Ask for the revert again: it leaves that alone.",
        fields.join(", ")
    )
}

/// What was parked cannot be sent any more, and why; the rest of a sentence.
#[must_use]
pub fn lost(hold: &Hold, why: &str) -> String {
    match hold.takes_back {
        Some(_) => format!("{why}. Ask for the revert again."),
        None => format!("{why}. Sending it again opens a new hold."),
    }
}

/// Too much waits already.
#[must_use]
pub fn queue_full(charge: &Charge, used: u64) -> Refusal {
    let max = match charge.limit.kind {
        LimitKind::Budget { max, .. } => max,
        LimitKind::Rate { burst, .. } => burst,
    };
    let name = &charge.limit.name;
    let mut refusal = Refusal::new(
        RefusalKind::Budget,
        format!(
            "Not written: limit {name} is used up ({used} of {max} holds wait). There is room again \
             when people have decided some; stop until then."
        ),
    );
    refusal.rule = Some(format!("limit {name}"));
    refusal
}

/// Nobody is there who could say yes: it would wait in vain.
#[must_use]
pub fn nobody_decides(entry: &EntryId) -> Refusal {
    let message = format!(
        "Not written: a person has to decide this, and there is no approver who may. Repeating this \
         will not help. [entry {entry}]"
    );
    Refusal::new(RefusalKind::Denied, message)
}

/// What a path may hold is not written down, so that it could be sent later.
#[must_use]
pub fn not_kept(entry: &EntryId) -> Refusal {
    let message = format!(
        "Not written: the request may hold a secret, so it cannot be kept for a person to decide. \
         Repeating this will not help. [entry {entry}]"
    );
    Refusal::new(RefusalKind::Denied, message)
}

/// An `Idempotency-Key` that stands for another request.
#[must_use]
pub fn another_request(hold: &Hold, now: Timestamp) -> Refusal {
    let since = clock_time(hold.at, now);
    let message = format!(
        "Not written: this Idempotency-Key came with another request at {since}, which is hold {}. \
         Send that one again unchanged, or this one with a key of its own.",
        hold.id
    );
    Refusal::new(RefusalKind::Malformed, message)
}

/// No hold of this service account has the id.
#[must_use]
pub fn no_such_hold() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "Not written: no hold of yours is there. Read one by the id in `[hold …]`, with the \
         credential that sent the write.",
    )
}

fn about_hold(kind: RefusalKind, message: String, hold: &Hold) -> Refusal {
    let mut refusal = Refusal::new(kind, message);
    let verdict = hold.verdict.as_ref();
    let deciding: Vec<&Reason> = verdict
        .iter()
        .flat_map(|verdict| &verdict.reasons)
        .filter(|reason| reason.effect == Effect::Hold)
        .collect();
    refusal.rule = deciding.first().map(|reason| reason.rule.clone());
    refusal.fields = super::fields(&deciding);
    let mut held: Vec<usize> = deciding.iter().filter_map(|one| one.mutation).collect();
    held.sort_unstable();
    let outlines = held.iter().filter_map(|place| hold.summary.get(*place));
    let outlines: Value = outlines.cloned().collect();
    refusal.rows = rows(&outlines);
    refusal
}

/// The rows of a batch, each once, by the outlines of its mutations; none of a single record.
fn rows(outlines: &Value) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for outline in outlines.as_array().into_iter().flatten() {
        let row = outline.get("row").and_then(Value::as_str);
        rows.extend(row.map(str::to_owned));
    }
    rows.dedup();
    rows
}

/// `7 days`, `72 hours` as `3 days`, `90 minutes`.
fn within(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    let units = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let (count, unit) = units
        .into_iter()
        .find(|(unit, _)| seconds >= *unit && seconds % unit == 0)
        .map_or((seconds, "second"), |(unit, name)| (seconds / unit, name));
    match count {
        1 => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

/// The CRM answered, and its answer was erased from the ledger.
#[must_use]
pub fn answer_erased(hold: &Hold) -> Refusal {
    let message = format!(
        "May have been written: this was approved and sent, and the CRM's answer is not kept any \
         more. Read the record. [hold {}]",
        hold.id
    );
    about_hold(RefusalKind::UnknownOutcome, message, hold)
}
