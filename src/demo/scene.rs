//! One step of the story: a request, what the agent saw of it, what the ledger says, what the CRM saw,
//! and whether all of that is what the step is there to show.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;

use http::Method;
use serde_json::Value;

use super::cast::Agent;
use super::client::Reply;
use super::house::House;
use super::paper::{Ink, Paper};
use crate::clock::EntryId;
use crate::journal::read::{self, Change, Detail, EntryState};
use crate::mutation::CrmKind;

/// Changes that are shown before they are only counted.
const CHANGES_SHOWN: usize = 5;

/// Why a step could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Step(String),
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self::Step(what)
    }
}

/// A request of an agent.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) agent: Agent,
    pub(super) crm: CrmKind,
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: Option<Value>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) reply: Reply,
    /// The entry that the answer names.
    pub(super) detail: Option<Detail>,
    /// Writes that reached the CRM meanwhile.
    pub(super) writes: usize,
    /// Reads that reached the CRM meanwhile, the proxy's own among them.
    pub(super) reads: usize,
}

impl Seen {
    pub(super) fn state(&self) -> Option<EntryState> {
        self.detail.as_ref().map(|detail| detail.entry.state)
    }

    fn rules(&self) -> BTreeSet<String> {
        let reasons = self.detail.iter().map(|detail| &detail.entry.reasons);
        reasons
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(|reason| Some(reason.get("rule")?.as_str()?.to_owned()))
            .collect()
    }
}

/// A step that is being played.
pub(super) struct Scene<'s, 'p> {
    pub(super) house: &'s House,
    pub(super) paper: &'s mut Paper<'p>,
    checks: usize,
    faults: Vec<String>,
}

impl<'s, 'p> Scene<'s, 'p> {
    /// Begins a step: a heading, and a sentence that says what it is about.
    pub(super) fn begin(
        house: &'s House,
        paper: &'s mut Paper<'p>,
        title: &str,
        about: &str,
    ) -> io::Result<Self> {
        paper.gap()?;
        paper.heading(title)?;
        paper.below(about)?;
        paper.gap()?;
        Ok(Self {
            house,
            paper,
            checks: 0,
            faults: Vec::new(),
        })
    }

    /// Ends it, and says whether it did what it is there to show.
    pub(super) fn end(self, played: Result<(), Trouble>) -> io::Result<bool> {
        let Self {
            paper,
            checks,
            mut faults,
            ..
        } = self;
        match played {
            Ok(()) => {}
            Err(Trouble::Step(what)) => faults.push(format!("could not go on: {what}")),
            Err(Trouble::Output(error)) => return Err(error),
        }
        if faults.is_empty() {
            let text = format!("{checks} things, all as they should be");
            paper.labelled("checked", &text, Ink::Good)?;
        }
        for fault in &faults {
            paper.labelled("FAILED", fault, Ink::Bad)?;
        }
        Ok(faults.is_empty())
    }

    /// Notes whether something is as it should be.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "steps name what they expect in place"
    )]
    pub(super) fn check<T: PartialEq + Display>(&mut self, what: &str, expected: T, seen: T) {
        self.checks += 1;
        if expected != seen {
            let fault = format!("{what}: expected {expected}, seen {seen}");
            self.faults.push(fault);
        }
    }

    /// A line of the story.
    pub(super) fn say(&mut self, label: &str, text: &str) -> io::Result<()> {
        self.paper.labelled(label, text, Ink::Plain)
    }

    /// Sends a request and tells all of it.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Seen, Trouble> {
        self.say("agent sends", &format!("{} {}", ask.method, ask.target))?;
        if let Some(body) = &ask.body {
            self.say("", &body.to_string())?;
        }
        let seen = self.quietly(ask).await?;
        self.tell_reply(&seen)?;
        self.tell_ledger(&seen)?;
        self.tell_crm(&seen)?;
        Ok(seen)
    }

    /// Sends a request and tells nothing of it.
    pub(super) async fn quietly(&mut self, ask: &Ask) -> Result<Seen, Trouble> {
        let (writes, all) = self.at_the_crm();
        let client = self.house.agent(ask.agent, ask.crm);
        let sent = client.send(ask.method.clone(), &ask.target, ask.body.as_ref());
        let reply = sent.await?;
        let (writes_after, all_after) = self.at_the_crm();
        let detail = match &reply.entry {
            Some(id) => self.entry(id).await?,
            None => None,
        };
        let writes = writes_after - writes;
        Ok(Seen {
            reply,
            detail,
            writes,
            reads: all_after - all - writes,
        })
    }

    async fn entry(&self, id: &str) -> Result<Option<Detail>, Trouble> {
        let ledger = self.house.app.journal.ledger();
        let found = read::detail(&**ledger, &EntryId::from_text(id)).await;
        Ok(found.map_err(|error| format!("the ledger: {error}"))?)
    }

    /// Writes and all requests that the CRM has seen so far.
    fn at_the_crm(&self) -> (usize, usize) {
        let sandbox = &self.house.sandbox;
        (sandbox.writes().len(), sandbox.seen().len())
    }

    /// What the agent saw.
    pub(super) fn tell_reply(&mut self, seen: &Seen) -> io::Result<()> {
        let reply = &seen.reply;
        match (reply.code(), reply.message()) {
            (Some(code), Some(message)) => {
                let status = format!("{} {code}", reply.status);
                self.say("agent saw", &status)?;
                self.say("", &format!("\"{message}\""))
            }
            _ => self.say("agent saw", &reply.status.to_string()),
        }
    }

    /// What the ledger says: verdict and rules, and each field with its value before and after.
    pub(super) fn tell_ledger(&mut self, seen: &Seen) -> io::Result<()> {
        let Some(detail) = &seen.detail else {
            return self.say("ledger says", "nothing: reads leave no entry");
        };
        let entry = &detail.entry;
        let rules: Vec<String> = seen.rules().into_iter().collect();
        let verdict = match (entry.verdict.as_deref(), entry.state) {
            (None, _) => "not judged".to_owned(),
            (Some("allow"), EntryState::Refused) => "the rules allow it".to_owned(),
            (Some(effect), _) if rules.is_empty() => effect.to_owned(),
            (Some(effect), _) => format!("{effect} by {}", rules.join(", ")),
        };
        let state = format!("{verdict}; {}; entry {}", state(entry.state), entry.id);
        self.say("ledger says", &state)?;
        self.tell_changes(&detail.changes)
    }

    fn tell_changes(&mut self, changes: &[Change]) -> io::Result<()> {
        let records: BTreeSet<_> = changes.iter().map(|change| &change.record).collect();
        let shown = |change: &Change| match (&change.record, records.len()) {
            (Some(record), 2..) => format!("{} {record} {}", change.object, change.field),
            _ => format!("{}.{}", change.object, change.field),
        };
        let names: Vec<String> = changes.iter().take(CHANGES_SHOWN).map(shown).collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        for (name, change) in names.iter().zip(changes) {
            let before = match change.known {
                true => change.before.to_string(),
                false => "?".to_owned(),
            };
            let text = format!("{name:width$}   {before} → {}", change.after);
            self.say("", &text)?;
        }
        match changes.len().saturating_sub(CHANGES_SHOWN) {
            0 => Ok(()),
            more => self.say("", &format!("and {more} more")),
        }
    }

    /// What reached the CRM.
    pub(super) fn tell_crm(&mut self, seen: &Seen) -> io::Result<()> {
        let text = match (seen.writes, seen.reads) {
            (0, 0) => "nothing".to_owned(),
            (0, reads) => format!("no write, {}", some(reads, "read")),
            (writes, 0) => some(writes, "write"),
            (writes, reads) => format!("{}, {}", some(writes, "write"), some(reads, "read")),
        };
        self.say("CRM saw", &text)
    }

    /// The write went through as it was: one write at the CRM, the ledger says done.
    pub(super) fn expect_done(&mut self, seen: &Seen, status: u16) {
        self.check("status", status, seen.reply.status);
        self.check("writes at the CRM", 1, seen.writes);
        self.check("ledger", "done", seen.state().map_or("no entry", state));
    }

    /// The write was refused: our code, nothing at the CRM, and the ledger says so.
    pub(super) fn expect_refused(&mut self, seen: &Seen, code: &str) {
        self.check("status", 403, seen.reply.status);
        self.check("code", code, seen.reply.code().unwrap_or("none"));
        let message = seen.reply.message().unwrap_or_default();
        let opening = message.split(':').next().unwrap_or_default();
        let opening = opening.split(',').next().unwrap_or_default();
        self.check("message begins with", "Not written", opening);
        self.check("writes at the CRM", 0, seen.writes);
        let entry = seen.state().map_or("no entry", state);
        self.check("ledger", state(EntryState::Refused), entry);
    }

    /// These rules, and no others, decided.
    pub(super) fn expect_rules(&mut self, seen: &Seen, rules: &[&str]) {
        let decided: Vec<String> = seen.rules().into_iter().collect();
        self.check("rules", rules.join(", "), decided.join(", "));
    }

    /// A field in the ledger's entry.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "steps name what they expect in place"
    )]
    pub(super) fn expect_change(&mut self, seen: &Seen, field: &str, before: Value, after: Value) {
        let changes = seen.detail.iter().flat_map(|detail| &detail.changes);
        let found: Vec<String> = changes
            .filter(|change| change.field == field && change.known)
            .map(|change| format!("{} → {}", change.before, change.after))
            .collect();
        let expected = format!("{before} → {after}");
        self.check(field, expected, found.join(", "));
    }

    /// A field in the CRM itself.
    pub(super) fn expect_record(&mut self, place: (CrmKind, &str, &str, &str), expected: Value) {
        let (crm, object, id, field) = place;
        let record = self.house.sandbox.record(crm, object, id);
        let seen = record.and_then(|record| record.get(field).cloned());
        let what = format!("{object}.{field} in the CRM");
        self.check(&what, expected, seen.unwrap_or_default());
    }
}

/// `1 write`, `2 writes`.
pub(super) fn some(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn state(state: EntryState) -> &'static str {
    match state {
        EntryState::Refused => "refused, nothing sent",
        EntryState::Open => "being sent",
        EntryState::NotSent => "not sent",
        EntryState::Done => "done",
        EntryState::Partly => "partly done",
        EntryState::Failed => "failed",
        EntryState::InDoubt => "in doubt",
        EntryState::Switch => "a switch",
    }
}
