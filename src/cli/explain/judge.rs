//! The steps of the data path that need neither a store nor the CRM.

use jiff::Timestamp;

use super::before::Before;
use crate::config::Route;
use crate::crm::Crm;
use crate::crm::catalog::Catalog;
use crate::mutation::{Actor, ChangeSet, Origin, Snapshot, Verdict};
use crate::policy::{Evaluation, Question, RuleSet};
use crate::request::{Asked, Request, asked};

/// What requests are judged by.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    pub(super) route: &'a Route,
    pub(super) service_account: &'a str,
    pub(super) rules: &'a RuleSet,
    pub(super) before: &'a Before,
    pub(super) catalog: &'a Catalog,
    pub(super) now: Timestamp,
}

/// What became of one request.
#[derive(Debug)]
pub(super) struct Judged {
    /// `read`, `auth`, `write` or `opaque`.
    pub(super) effect: &'static str,
    /// Empty for reads and logins.
    pub(super) changes: ChangeSet,
    pub(super) snapshot: Snapshot,
    pub(super) verdict: Verdict,
}

impl Judge<'_> {
    /// Judges a request as the proxy would, with limits and switches left out.
    ///
    /// # Errors
    /// Why the request has more than one reading.
    pub(super) fn judge(&self, request: &Request) -> Result<Judged, String> {
        let changes = match asked(self.route.crm, request, self.catalog)? {
            Asked::Read => return Ok(passed("read")),
            Asked::Auth => return Ok(passed("auth")),
            Asked::Changes(changes) => changes,
        };
        let snapshot = self.before.snapshot(changes.mutations());
        let verdict = self.evaluate(request, &changes, &snapshot)?;
        let effect = match changes {
            ChangeSet::Mutations(_) => "write",
            ChangeSet::Opaque(_) => "opaque",
        };
        Ok(Judged {
            effect,
            changes,
            snapshot,
            verdict,
        })
    }

    fn evaluate(
        &self,
        request: &Request,
        changes: &ChangeSet,
        snapshot: &Snapshot,
    ) -> Result<Verdict, String> {
        let actor = Actor {
            service_account: self.service_account.to_owned(),
            claims: request.claims()?,
        };
        let evaluation = self.rules.evaluate(&Question {
            total: None,
            crm: self.route.crm,
            route: &self.route.name,
            actor: &actor,
            origin: Origin::Agent,
            method: request.method.as_str(),
            path: request.path.as_str(),
            acting: &Crm(self.route.crm).acting(&request.headers),
            changes,
            snapshot: Some(snapshot),
            now: self.now,
        });
        match evaluation {
            Evaluation::Decided { verdict, .. } => Ok(verdict),
            // All that can be known was given; a rule that still asks cannot be answered.
            Evaluation::NeedsPrior(_) => Err("the rules ask for prior values again".into()),
        }
    }
}

/// Reads and logins are not judged by rules.
fn passed(effect: &'static str) -> Judged {
    Judged {
        effect,
        changes: ChangeSet::Mutations(Vec::new()),
        snapshot: Snapshot::default(),
        verdict: Verdict::allow(),
    }
}
