//! What the rules say of a revert's request. Records that they object to are taken out and recorded as
//! refused; the rest goes on.

use super::batch::{Batch, Kind};
use super::look::{self, Way};
use super::plan::Back;
use super::report::{Action, Finding};
use super::round::{MOVED, Reverting, Turn};
use crate::clock::EntryId;
use crate::config::Mode;
use crate::crm::{Class, Head, Inverse, Shape, WriteCall};
use crate::error::RefusalKind;
use crate::journal::{Refusing, Subject};
use crate::mutation::{Acting, ChangeSet, Effect, Origin, Prior, Snapshot, Verdict, field};
use crate::policy::{Evaluation, Question};

/// A request that the rules let through.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) turns: Vec<Turn>,
    pub(super) request: Parsed,
    pub(super) verdict: Verdict,
    /// The values that the request is about to change, by the places of `turns`.
    pub(super) snapshot: Snapshot,
}

/// A request of ours as the parser reads it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) call: WriteCall,
    pub(super) shape: Shape,
    pub(super) changes: ChangeSet,
    /// The headers that act on it beside its body.
    pub(super) acting: Acting,
}

/// What the rules said of a request.
enum Heard {
    Verdict(Verdict, Snapshot),
    /// These records, by their places, moved meanwhile.
    Moved(Vec<usize>),
    /// They could not be asked.
    Failed(String),
}

impl Reverting {
    /// The request that does what `turns` plan, or nothing where the rules leave none; lines about what
    /// is left out, or left to people, go into `findings`.
    pub(super) async fn judge(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        turns: Vec<Turn>,
        findings: &mut Vec<Finding>,
    ) -> Option<Ready> {
        let mut ready: Option<Ready> = None;
        let mut requests = vec![turns];
        while let Some(turns) = requests.pop() {
            match self
                .passed(way, batch, turns, &mut requests, findings)
                .await
            {
                Some(passed) if ready.is_none() => ready = Some(passed),
                Some(more) => findings.extend(fail(more.turns, Action::Skipped, MOVED)),
                None => {}
            }
        }
        ready
    }

    /// What the rules let pass of one request. Records that they hold become a request of their own,
    /// which waits once it has no other ones.
    async fn passed(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        mut turns: Vec<Turn>,
        held: &mut Vec<Vec<Turn>>,
        findings: &mut Vec<Finding>,
    ) -> Option<Ready> {
        while !turns.is_empty() {
            let request = match parsed(way, batch, &turns).await {
                Ok(request) => request,
                Err(why) => {
                    findings.extend(fail(turns, Action::Impossible, &why));
                    return None;
                }
            };
            let (verdict, snapshot) = match self.heard(way, batch, &turns, &request).await {
                Heard::Verdict(verdict, snapshot) => (verdict, snapshot),
                Heard::Moved(places) => {
                    let (moved, rest) = parted(turns, |place| places.contains(&place));
                    findings.extend(fail(moved, Action::Skipped, MOVED));
                    turns = rest;
                    continue;
                }
                Heard::Failed(why) => {
                    findings.extend(fail(turns, Action::Skipped, &why));
                    return None;
                }
            };
            let ready = Ready {
                turns,
                request,
                verdict,
                snapshot,
            };
            let effect = ready.verdict.effect;
            if effect == Effect::Allow {
                return Some(ready);
            }
            let places = objected(&ready.verdict, ready.turns.len());
            if effect == Effect::Hold && places.len() == ready.turns.len() {
                findings.extend(self.wait(way, batch, ready).await);
                return None;
            }
            let (named, rest) = parted(ready.turns, |place| places.contains(&place));
            if effect == Effect::Hold {
                held.push(named);
            } else {
                findings.extend(self.refuse(way, batch, named, &ready.verdict).await);
            }
            turns = rest;
        }
        None
    }

    async fn heard(&self, way: &Way<'_>, batch: &Batch, turns: &[Turn], request: &Parsed) -> Heard {
        let known = Snapshot::of(turns.iter().map(|turn| turn.prior.clone()).collect());
        let wanted = match self.rules.evaluate(&self.question(way, request, None)) {
            Evaluation::Decided { verdict, .. } => return Heard::Verdict(verdict, known),
            Evaluation::NeedsPrior(wanted) => wanted,
        };
        let fresh = look::take(way, request.changes.mutations(), &wanted).await;
        let fresh = match fresh {
            Ok(fresh) => fresh,
            Err(failure) => return Heard::Failed(look::told(failure)),
        };
        let moved: Vec<usize> = turns
            .iter()
            .enumerate()
            .filter(|(place, turn)| moved(turn, batch.kind, fresh.prior(*place)))
            .map(|(place, _)| place)
            .collect();
        if !moved.is_empty() {
            return Heard::Moved(moved);
        }
        match self
            .rules
            .evaluate(&self.question(way, request, Some(&fresh)))
        {
            Evaluation::Decided { verdict, .. } => Heard::Verdict(verdict, fresh),
            Evaluation::NeedsPrior(_) => {
                Heard::Failed("the rules asked for present values twice".into())
            }
        }
    }

    fn question<'a>(
        &'a self,
        way: &Way<'a>,
        request: &'a Parsed,
        snapshot: Option<&'a Snapshot>,
    ) -> Question<'a> {
        Question {
            total: None,
            crm: way.state.route.crm,
            route: &way.state.route.name,
            actor: &self.actor,
            origin: Origin::Revert,
            method: request.call.method.as_str(),
            path: request.call.path.as_str(),
            acting: &request.acting,
            changes: &request.changes,
            snapshot,
            now: self.worker.app.clock.now(),
        }
    }

    /// Rows about a request.
    pub(super) fn subject<'a>(
        &'a self,
        way: &Way<'a>,
        entry: &'a EntryId,
        request: &'a Parsed,
        verdict: &'a Verdict,
    ) -> Subject<'a> {
        Subject {
            entry,
            nth: None,
            actor: &self.actor,
            origin: Origin::Revert,
            route: &way.state.route.name,
            // What rules say of reverts is enforced on every route.
            mode: Mode::Enforce.word(),
            method: request.call.method.as_str(),
            path: request.call.path.as_str().into(),
            query: request.call.query.as_deref().map(Into::into),
            acting: &request.acting,
            digest: None,
            changes: Some(&request.changes),
            verdict: Some(verdict),
            rules: self.rules.digest(),
            now: self.worker.app.clock.now(),
        }
    }

    /// Records the refusal of these records.
    async fn refuse(
        &self,
        way: &Way<'_>,
        batch: &Batch,
        denied: Vec<Turn>,
        verdict: &Verdict,
    ) -> Vec<Finding> {
        let why = objection(verdict);
        if let (false, Ok(request)) = (self.dry_run, parsed(way, batch, &denied).await) {
            let app = &self.worker.app;
            let entry = app.entry_id(app.clock.now());
            let subject = self.subject(way, &entry, &request, verdict);
            let message = format!("Not reverted: {why}.");
            let refusing = Refusing {
                kind: RefusalKind::Denied,
                message: &message,
                charges: &[],
                observed: None,
            };
            if let Err(error) = app.journal.refused(&subject, &refusing).await {
                tracing::error!(%error, "the refusal of a revert is not recorded");
            }
        }
        fail(denied, Action::Impossible, &why)
    }
}

/// The request for these records, read back by the parser: what is judged is what is sent (P2).
async fn parsed(way: &Way<'_>, batch: &Batch, turns: &[Turn]) -> Result<Parsed, String> {
    let crm = way.state.crm;
    let inverse = match batch.kind {
        Kind::Remove => Inverse::Remove(turns.iter().map(|turn| turn.record.id.clone()).collect()),
        Kind::Undelete => {
            Inverse::Undelete(turns.iter().map(|turn| turn.record.id.clone()).collect())
        }
        Kind::Restore => Inverse::Restore(
            turns
                .iter()
                .filter_map(|turn| match &turn.plan.back {
                    Back::Restore(fields) => Some((turn.record.id.clone(), fields.clone())),
                    Back::Nothing | Back::Remove | Back::Undelete => None,
                })
                .collect(),
        ),
    };
    let call = crm.inverse(&batch.like, &batch.object, &inverse)?;
    let head = Head {
        method: &call.method,
        path: &call.path,
        query: call.query.as_deref(),
        headers: &call.headers,
        sender: way.credential.sender(&batch.service_account),
    };
    let shape = match crm.classify(&head) {
        Class::Write(shape) => shape,
        Class::Opaque(opaque) => return Err(opaque.reason),
        Class::Read | Class::Auth => return Err("its request is no write".into()),
    };
    let changes = look::understand(way, (&head, &shape), &call.body).await?;
    match &changes {
        ChangeSet::Opaque(opaque) => Err(opaque.reason.clone()),
        ChangeSet::Mutations(mutations)
            if mutations.len() == turns.len() * crm.inverse_mutations(&batch.object) =>
        {
            Ok(Parsed {
                acting: crm.acting(&call.headers),
                call,
                shape,
                changes,
            })
        }
        ChangeSet::Mutations(_) => Err("its request has another reading".into()),
    }
}

/// Whether what is about to be overwritten is another value than the plan was made for.
fn moved(turn: &Turn, kind: Kind, fresh: &Prior) -> bool {
    let (
        Prior::Found {
            fields: before,
            stamp: old,
            ..
        },
        Prior::Found {
            fields: now,
            stamp: new,
            ..
        },
    ) = (&turn.prior, fresh)
    else {
        return true;
    };
    match (kind, &turn.plan.back) {
        (Kind::Restore, Back::Restore(written)) => written
            .keys()
            .any(|name| field(before, name) != field(now, name)),
        _ => old != new,
    }
}

fn parted(turns: Vec<Turn>, takes: impl Fn(usize) -> bool) -> (Vec<Turn>, Vec<Turn>) {
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for (place, turn) in turns.into_iter().enumerate() {
        if takes(place) {
            taken.push(turn);
        } else {
            rest.push(turn);
        }
    }
    (taken, rest)
}

pub(super) fn fail(turns: Vec<Turn>, action: Action, why: &str) -> Vec<Finding> {
    turns
        .into_iter()
        .flat_map(|turn| turn.fail(action, why))
        .collect()
}

/// The records, by their places, that a verdict's own effect is about; all where it names none.
fn objected(verdict: &Verdict, count: usize) -> Vec<usize> {
    let about = |place: &usize| {
        let named = |named: Option<usize>| named.is_none_or(|named| named == *place);
        verdict.deciding().any(|reason| named(reason.mutation))
    };
    let named: Vec<usize> = (0..count).filter(about).collect();
    match named.is_empty() {
        true => (0..count).collect(),
        false => named,
    }
}

fn objection(verdict: &Verdict) -> String {
    let mut rules: Vec<String> = Vec::new();
    for reason in verdict.deciding() {
        let rule = format!("{} ({})", reason.rule, reason.message);
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    format!("{} denies it", rules.join("; "))
}
