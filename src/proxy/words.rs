//! What a caller is told when a request is not carried out. Three openings only: `Not written`, `Not
//! written yet`, `May have been written`; a model reads nothing but the message. Never a prior value.

mod doubt;
pub mod holds;
mod limits;
pub mod login;
mod own;

use jiff::Timestamp;

use crate::clock::EntryId;
use crate::control::Switch;
use crate::crm::path::CanonicalPath;
use crate::error::{Refusal, RefusalKind};
use crate::gate::Cause;
use crate::limits::LiveLimits;
use crate::mutation::{ChangeSet, Mutation, Opaque, Reason, ReasonKind, Verdict};

pub use doubt::{in_doubt, was_written};
pub use limits::reserved;
pub use own::{
    certificate_alone, credential_refused, key_in_path, key_without_credential, no_answer,
    no_credential, no_login, other_certificate, two_callers,
};

/// Rows of a batch that a message names before it only counts them.
const ROWS_NAMED: usize = 10;

/// What the words are about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The service account.
    pub service_account: &'a str,
    /// The entry, for `[entry …]`.
    pub entry: &'a EntryId,
    /// The method on the request line.
    pub method: &'a str,
    /// The canonical path; only its outline is shown.
    pub path: &'a CanonicalPath,
    /// What would change.
    pub changes: &'a ChangeSet,
    /// What the rules said.
    pub verdict: &'a Verdict,
    /// What stands in place of the rules' limits.
    pub live: &'a LiveLimits,
    /// The request's time.
    pub now: Timestamp,
}

/// The gate's no.
#[must_use]
pub fn caused(cause: &Cause, about: &About<'_>) -> Refusal {
    match cause {
        Cause::Denied => denied(about),
        Cause::Limited {
            charge,
            used,
            retry_ms,
            fits,
            tripped,
        } => match tripped {
            Some(switch) => stopped(switch, about.service_account, about.now),
            None if limits::is_closed(charge) => {
                let ends = about
                    .live
                    .ends(&charge.limit, about.service_account, about.now);
                limits::closed(charge, ends, about.now)
            }
            None => limits::limited(charge, *used, *retry_ms, *fits, about.now),
        },
        Cause::Stopped(switch) => stopped(switch, about.service_account, about.now),
        Cause::Busy => busy(),
        Cause::Stale => Refusal::unavailable("the view of the kill switches is too old"),
        Cause::Store(error) => Refusal::unavailable(error.to_string()),
    }
}

/// The rules say deny.
#[must_use]
pub fn denied(about: &About<'_>) -> Refusal {
    if let ChangeSet::Opaque(why) = about.changes {
        return opaque(about, why);
    }
    let deciding: Vec<&Reason> = about.verdict.deciding().collect();
    let clauses = clauses(&deciding, about, clause);
    let rows = rows(&deciding, about.changes.mutations());
    let message = format!(
        "{}: {}. {} [entry {}]",
        opening(about.changes.mutations(), &rows),
        sentence(&clauses),
        advice(&deciding, about.changes.mutations(), &rows),
        about.entry,
    );
    let mut refusal = Refusal::new(RefusalKind::Denied, message);
    refusal.rule = deciding.first().map(|reason| reason.rule.clone());
    refusal.fields = fields(&deciding);
    refusal.rows = rows;
    refusal
}

/// What the request would change cannot be told.
fn opaque(about: &About<'_>, why: &Opaque) -> Refusal {
    let advice = if why.openable {
        "Use the record APIs, or ask for an `endpoints` row."
    } else {
        "Change that and send it again; no `endpoints` row opens it."
    };
    let mut refusal = Refusal::new(
        RefusalKind::Opaque,
        format!(
            "Not written: cannot tell what {} {} would change ({}). {advice} [entry {}]",
            about.method,
            about.path.outline(),
            why.reason,
            about.entry
        ),
    );
    refusal.rule = about
        .verdict
        .reasons
        .first()
        .map(|reason| reason.rule.clone());
    refusal
}

/// A kill switch.
#[must_use]
pub fn stopped(switch: &Switch, service_account: &str, now: Timestamp) -> Refusal {
    let mut refusal = Refusal::new(
        RefusalKind::Stopped,
        format!(
            "Not written: {service_account} was stopped at {} ({}). Only a person can resume it. \
             Stop working.",
            clock_time(switch.at, now),
            switch.by
        ),
    );
    refusal.rule = Some("kill switch".into());
    refusal
}

/// Another write keeps the record busy.
fn busy() -> Refusal {
    let mut refusal = Refusal::new(
        RefusalKind::Limited,
        "Not written: another write to this record is under way. Try again in 2 s.",
    );
    refusal.retry_after = Some(2);
    refusal
}

/// The record changed between the look at it and the write.
#[must_use]
pub fn moved() -> Refusal {
    let mut refusal = Refusal::new(
        RefusalKind::Limited,
        "Not written: the record was changed by someone else at the same moment. Read it again, then \
         try again in 1 s.",
    );
    refusal.retry_after = Some(1);
    refusal
}

/// A key of ours stands in for a CRM's credential in headers alone.
pub fn no_key_in_body() -> Refusal {
    Refusal::new(
        RefusalKind::Opaque,
        "Not written: a SOAP message carries its session itself, and a Writegate key is not turned into \
         one there. Use the REST API with the key.",
    )
}

/// No service account has this credential.
#[must_use]
pub fn unknown_caller(fingerprint: Option<&str>) -> Refusal {
    let message = match fingerprint {
        Some(fingerprint) => format!(
            "Not written: no service account has this credential ({fingerprint}). Add that line to \
             `tokens:` of one."
        ),
        None => "Not written: the request carries no credential. Send the CRM token as \
                 `Authorization: Bearer …`."
            .into(),
    };
    Refusal::new(RefusalKind::UnknownCaller, message)
}

/// A field that is about to be written cannot be read, so its prior value cannot be kept.
#[must_use]
pub fn unreadable(what: &str, entry: &EntryId) -> Refusal {
    Refusal::new(
        RefusalKind::Denied,
        format!(
            "Not written: the present value of {what} cannot be read with this credential, so the \
             write could not be undone. Leave it out, or let the credential read it. [entry {entry}]"
        ),
    )
}

/// The CRM cannot be reached.
#[must_use]
pub fn unreachable_upstream(detail: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Upstream,
        "Not written: the CRM cannot be reached. Nothing was sent; try again later.",
    )
    .detail(detail)
}

/// The CRM did not answer after the write was sent.
#[must_use]
pub fn unknown_outcome(timeout: bool, entry: &EntryId, detail: &str) -> Refusal {
    let kind = if timeout {
        RefusalKind::UnknownOutcomeTimeout
    } else {
        RefusalKind::UnknownOutcome
    };
    Refusal::new(
        kind,
        format!(
            "May have been written: the CRM did not answer. Read the record first; this request is \
             not sent again until settled. [entry {entry}]"
        ),
    )
    .detail(detail)
}

/// One kind of objection, with the rows it stands for.
struct Clause {
    text: String,
    rows: Vec<String>,
}

/// How one reason is put.
type Say = fn(&Reason, Option<&Mutation>, &str) -> String;

/// Reasons that say the same of different rows become one clause, in the order of the reasons.
fn clauses(reasons: &[&Reason], about: &About<'_>, say: Say) -> Vec<Clause> {
    let mutations = about.changes.mutations();
    let mut clauses: Vec<Clause> = Vec::new();
    for reason in reasons {
        let mutation = reason.mutation.and_then(|place| mutations.get(place));
        let text = say(reason, mutation, about.service_account);
        let row = mutation.and_then(|mutation| mutation.row.clone());
        match clauses.iter_mut().find(|clause| clause.text == text) {
            Some(clause) => clause.rows.extend(row),
            None => clauses.push(Clause {
                text,
                rows: row.into_iter().collect(),
            }),
        }
    }
    clauses
}

fn clause(reason: &Reason, mutation: Option<&Mutation>, service_account: &str) -> String {
    let object = mutation.map_or("", |mutation| mutation.object.as_str());
    let what = match &reason.field {
        Some(field) => format!("{object}.{field}"),
        None => format!(
            "{} of {object}",
            mutation.map_or("change", |mutation| mutation.operation.word())
        ),
    };
    let owner = reason
        .owner
        .as_ref()
        .map(|owner| format!(" (owner: {owner})"))
        .unwrap_or_default();
    match reason.kind {
        ReasonKind::Filled => format!("{what} already has a value"),
        ReasonKind::PriorUnknown => format!("the present value of {what} cannot be known"),
        ReasonKind::Rule => {
            format!("{} ({})", reason.message.trim_end_matches('.'), reason.rule)
        }
        ReasonKind::Field | ReasonKind::Operation | ReasonKind::Default | ReasonKind::Endpoint => {
            format!("{what} is not for {service_account}{owner}")
        }
    }
}

/// `records[3], records[17]: Account.Industry already has a value; …`
fn sentence(clauses: &[Clause]) -> String {
    clauses
        .iter()
        .map(|clause| match named(&clause.rows) {
            rows if rows.is_empty() => clause.text.clone(),
            rows => format!("{rows}: {}", clause.text),
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// At most ten rows, then how many more.
fn named(rows: &[String]) -> String {
    let mut named = rows
        .iter()
        .take(ROWS_NAMED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more) = rows.len().checked_sub(ROWS_NAMED).filter(|more| *more > 0) {
        named = format!("{named} and {more} more");
    }
    named
}

/// The rows that object, each once, in the order of the request.
fn rows(reasons: &[&Reason], mutations: &[Mutation]) -> Vec<String> {
    let mut places: Vec<usize> = reasons
        .iter()
        .filter_map(|reason| reason.mutation)
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut rows: Vec<String> = places
        .into_iter()
        .filter_map(|place| {
            mutations
                .get(place)
                .and_then(|mutation| mutation.row.clone())
        })
        .collect();
    rows.dedup();
    rows
}

fn fields(reasons: &[&Reason]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for field in reasons.iter().filter_map(|reason| reason.field.as_ref()) {
        if !fields.contains(field) {
            fields.push(field.clone());
        }
    }
    fields
}

/// How many rows a batch has; a single record has none.
fn batch(mutations: &[Mutation]) -> usize {
    let mut rows: Vec<&String> = mutations
        .iter()
        .filter_map(|mutation| mutation.row.as_ref())
        .collect();
    rows.dedup();
    rows.len()
}

fn opening(mutations: &[Mutation], rows: &[String]) -> String {
    match batch(mutations) {
        0 => "Not written".into(),
        _ if rows.is_empty() => "Not written".into(),
        all => format!("Not written, 0 of {all}"),
    }
}

fn advice(reasons: &[&Reason], mutations: &[Mutation], rows: &[String]) -> String {
    let all = batch(mutations);
    if all > 0 {
        return match all.saturating_sub(rows.len()) {
            0 => "Repeating this will not help.".into(),
            1 => "Send the other one without them.".into(),
            rest => format!("Send the other {rest} without them."),
        };
    }
    let named = fields(reasons);
    let of_fields = !reasons.is_empty() && reasons.iter().all(|reason| reason.field.is_some());
    let written = mutations
        .iter()
        .map(|mutation| mutation.fields.len())
        .sum::<usize>();
    if of_fields && written > named.len() {
        let them = if named.len() == 1 { "it" } else { "them" };
        return format!("Leave {them} out and send the rest; repeating this will not help.");
    }
    "Repeating this will not help.".into()
}

/// `14:02 UTC`; with the date where it is not the same day as `now`.
fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let day = |moment: Timestamp| moment.strftime("%F").to_string();
    let form = if day(at) == day(now) {
        "%H:%M UTC"
    } else {
        "%F %H:%M UTC"
    };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests;
