//! What became of a request, for programs and for people.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::judge::{Judge, Judged};
use crate::cli::output::Out;
use crate::cli::table::Table;
use crate::cli::visible::{value, visible};
use crate::mutation::{
    ChangeSet, Effect, Mutation, Operation, Prior, Reason, ReasonKind, RecordKey, field, same_name,
};
use crate::policy::explain::deciders;

/// One line of JSON: the fields and their order are a promise (DESIGN.md section 7).
#[derive(Debug, Serialize)]
pub(super) struct Json<'a> {
    route: &'a str,
    effect: &'static str,
    opaque: Option<&'a str>,
    mutations: Vec<JsonMutation<'a>>,
    verdict: Effect,
    reasons: Vec<JsonReason<'a>>,
}

#[derive(Debug, Serialize)]
struct JsonMutation<'a> {
    object: &'a str,
    operation: Operation,
    record: Option<&'a RecordKey>,
    fields: &'a Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct JsonReason<'a> {
    rule: &'a str,
    message: &'a str,
}

pub(super) fn json<'a>(judge: &'a Judge<'_>, judged: &'a Judged) -> Json<'a> {
    let mutation = |mutation: &'a Mutation| JsonMutation {
        object: &mutation.object,
        operation: mutation.operation,
        record: mutation.record.as_ref(),
        fields: &mutation.fields,
    };
    let reason = |reason: &'a Reason| JsonReason {
        rule: &reason.rule,
        message: &reason.message,
    };
    Json {
        route: &judge.route.name,
        effect: judged.effect,
        opaque: opaque(&judged.changes),
        mutations: judged.changes.mutations().iter().map(mutation).collect(),
        verdict: judged.verdict.effect,
        reasons: judged.verdict.reasons.iter().map(reason).collect(),
    }
}

fn opaque(changes: &ChangeSet) -> Option<&str> {
    match changes {
        ChangeSet::Opaque(opaque) => Some(&opaque.reason),
        ChangeSet::Mutations(_) => None,
    }
}

/// A head line with the verdict, then for each mutation one line and one line per field.
pub(super) fn plain(judge: &Judge<'_>, judged: &Judged, out: &mut Out) -> io::Result<()> {
    out.line(format_args!(
        "{} as {} on {}: {}",
        judged.effect,
        judge.service_account,
        judge.route.name,
        out.effect(judged.verdict.effect.word())
    ))?;
    if judged.verdict.effect == Effect::Hold {
        let deciders = deciders(&judged.verdict.requirements);
        out.line(format_args!("waits for {}", visible(&deciders)))?;
    }
    if let Some(reason) = opaque(&judged.changes) {
        out.line(format_args!(
            "cannot tell what it would change: {}",
            visible(reason)
        ))?;
    }
    let mut whole = Table::with_effects(&[], 0);
    for reason in judged
        .verdict
        .reasons
        .iter()
        .filter(|r| r.mutation.is_none())
    {
        whole.row(vec![reason.effect.word().to_owned(), because(reason)]);
    }
    whole.print(out)?;
    for (place, mutation) in judged.changes.mutations().iter().enumerate() {
        out.line("")?;
        show_mutation(place, mutation, judged, out)?;
    }
    Ok(())
}

fn show_mutation(
    place: usize,
    mutation: &Mutation,
    judged: &Judged,
    out: &mut Out,
) -> io::Result<()> {
    let reasons = |field: Option<&str>| -> Vec<&Reason> {
        let of_this = judged.verdict.reasons.iter();
        let of_this = of_this.filter(|reason| reason.mutation == Some(place));
        of_this
            .filter(|reason| match (field, reason.field.as_deref()) {
                (None, None) => true,
                (Some(a), Some(b)) => same_name(a, b),
                (None, Some(_)) | (Some(_), None) => false,
            })
            .collect()
    };
    let mut title = Table::with_effects(&[], 1);
    let mut cells = vec![heading(mutation)];
    let of_all = reasons(None);
    if !of_all.is_empty() {
        cells.extend(judgement(&of_all));
    }
    title.row(cells);
    title.print(out)?;
    let mut fields = Table::with_effects(&[], 1);
    for (name, after) in &mutation.fields {
        let prior = judged.snapshot.prior(place);
        let mut cells = vec![change(name, prior, after)];
        cells.extend(judgement(&reasons(Some(name))));
        fields.row(cells);
    }
    fields.print(out)
}

/// `update Opportunity 006… (records[3])`.
fn heading(mutation: &Mutation) -> String {
    let mut text = format!("{} {}", mutation.operation, mutation.object);
    if let Some(record) = &mutation.record {
        text = format!("{text} {record}");
    }
    for other in &mutation.others {
        text = format!("{text}, {other}");
    }
    if let Some(row) = &mutation.row {
        text = format!("{text} ({row})");
    }
    visible(&text)
}

/// `Amount 100 → 5`; `?` where the prior value is not known, nothing where there is no record yet.
fn change(name: &str, prior: &Prior, after: &Value) -> String {
    let before = match prior {
        Prior::Found { fields, .. } => field(fields, name),
        Prior::Absent | Prior::Unknown => None,
    };
    let (name, after) = (visible(name), value(after));
    match prior {
        Prior::Found { .. } => {
            let before = value(before.unwrap_or(&Value::Null));
            format!("{name} {before} → {after}")
        }
        Prior::Absent => format!("{name} → {after}"),
        Prior::Unknown => format!("{name} ? → {after}"),
    }
}

/// The most restrictive word, and every row and rule that spoke.
fn judgement(reasons: &[&Reason]) -> [String; 2] {
    let effect = reasons.iter().map(|reason| reason.effect).max();
    let texts: Vec<String> = reasons.iter().map(|reason| because(reason)).collect();
    [
        effect.unwrap_or(Effect::Allow).word().to_owned(),
        texts.join("; "),
    ]
}

/// `field Opportunity.Amount (owner VP Sales)`.
fn because(reason: &Reason) -> String {
    let note = match (&reason.owner, reason.kind) {
        (Some(owner), ReasonKind::Field | ReasonKind::Operation | ReasonKind::Default) => {
            format!("owner {owner}")
        }
        _ => reason.message.clone(),
    };
    visible(&format!("{} ({note})", reason.rule))
}
