//! One step of the story: a request, what the agent saw of it, what the ledger says, what the CRM saw,
//! and whether all of that is what the step is there to show.

mod expect;
pub(super) mod operate;
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

/// A field in a CRM: object, record and name.
pub(super) type Place<'a> = (CrmKind, &'a str, &'a str, &'a str);

/// Requests that reached the CRM in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) writes: usize,
    /// The proxy's own among them.
    pub(super) reads: usize,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) reply: Reply,
    /// The entry that the answer names.
    pub(super) detail: Option<Detail>,
    /// What reached the CRM meanwhile.
    pub(super) crm: Traffic,
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

    /// Sends the same request once more and tells what came of it.
    pub(super) async fn again(&mut self, ask: &Ask) -> Result<Seen, Trouble> {
        self.say("agent sends", "exactly the same again")?;
        let seen = self.quietly(ask).await?;
        self.tell_all(&seen, "")?;
        Ok(seen)
    }

    /// Sends a request and tells nothing of it.
    pub(super) async fn quietly(&mut self, ask: &Ask) -> Result<Seen, Trouble> {
        let before = self.at_the_crm();
        let client = self.house.agent(ask.agent, ask.crm);
        let sent = client.send(ask.method.clone(), &ask.target, ask.body.as_ref());
        let reply = sent.await?;
        let crm = self.since(before);
        let detail = match &reply.entry {
            Some(id) => self.entry(id).await?,
            None => None,
        };
        Ok(Seen { reply, detail, crm })
    }

    async fn entry(&self, id: &str) -> Result<Option<Detail>, Trouble> {
        let ledger = self.house.app.journal.ledger();
        let found = read::detail(&**ledger, &EntryId::from_text(id)).await;
        Ok(found.map_err(|error| format!("the ledger: {error}"))?)
    }

    /// What the CRM has seen so far.
    pub(super) fn at_the_crm(&self) -> Traffic {
        let sandbox = &self.house.sandbox;
        let writes = sandbox.writes().len();
        Traffic {
            writes,
            reads: sandbox.seen().len() - writes,
        }
    }

    /// What the CRM has seen since.
    pub(super) fn since(&self, before: Traffic) -> Traffic {
        let now = self.at_the_crm();
        Traffic {
            writes: now.writes - before.writes,
            reads: now.reads - before.reads,
        }
    }

    /// A field as the CRM holds it.
    fn field(&self, (crm, object, id, field): Place<'_>) -> Value {
        let record = self.house.sandbox.record(crm, object, id);
        let seen = record.and_then(|record| record.get(field).cloned());
        seen.unwrap_or_default()
    }
}
