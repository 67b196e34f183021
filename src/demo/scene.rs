//! One step of the story: a request, what the agent saw of it, what the ledger says, what the CRM saw,
//! and whether all of that is what the step is there to show.

mod tell;

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
use crate::journal::read::{self, Detail, EntryState};
use crate::mutation::CrmKind;

use tell::state;

pub(super) use tell::some;

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
        self.tell_request(ask)?;
        let seen = self.quietly(ask).await?;
        self.tell_all(&seen, "")?;
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
        let found = changes.filter_map(|change| change.fields.get(field));
        let found: Vec<String> = found.map(tell::values).collect();
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
