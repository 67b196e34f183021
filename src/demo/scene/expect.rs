//! What a step is there to show: each expectation is one of the things that it checks.

use serde_json::Value;

use super::tell::{self, state};
use super::{Ask, Place, Scene, Seen, Trouble};
use crate::journal::read::EntryState;

impl Scene<'_, '_> {
    /// The write went through as it was: one write at the CRM, the ledger says done.
    pub(in crate::demo) fn expect_done(&mut self, seen: &Seen, status: u16) {
        self.check("status", status, seen.reply.status);
        self.check("writes at the CRM", 1, seen.crm.writes);
        self.expect_entry(seen, EntryState::Done);
    }

    /// The write was refused: our code, nothing at the CRM, and the ledger says so.
    pub(in crate::demo) fn expect_refused(&mut self, seen: &Seen, code: &str) {
        self.check("status", 403, seen.reply.status);
        self.check("code", code, seen.reply.code().unwrap_or("none"));
        self.expect_told(seen, "Not written", EntryState::Refused);
    }

    /// The write waits for people: our code, nothing at the CRM, and the ledger says so. Its hold's id.
    pub(in crate::demo) fn expect_held(&mut self, seen: &Seen) -> Result<String, Trouble> {
        self.check("status", 423, seen.reply.status);
        let code = seen.reply.code().unwrap_or("none");
        self.check("code", "WRITEGATE_HELD", code);
        self.expect_told(seen, "Not written yet", EntryState::Held);
        let message = seen.reply.message().unwrap_or_default();
        let id = message.rsplit_once("[hold ");
        let id = id.and_then(|(_, id)| id.strip_suffix(']'));
        let id = id.ok_or_else(|| "the answer names no hold".to_owned())?;
        Ok(id.to_owned())
    }

    /// A person said no: the agent reads why, nothing reaches the CRM, and the ledger says so.
    pub(in crate::demo) fn expect_said_no(&mut self, seen: &Seen, reason: &str) {
        self.check("status", 403, seen.reply.status);
        let code = seen.reply.code().unwrap_or("none");
        self.check("code", "WRITEGATE_REJECTED", code);
        let message = seen.reply.message().unwrap_or_default();
        self.check("reason told", true, message.contains(reason));
        self.expect_told(seen, "Not written", EntryState::Rejected);
    }

    fn expect_told(&mut self, seen: &Seen, opening: &str, entry: EntryState) {
        let message = seen.reply.message().unwrap_or_default();
        let begins = message.split([':', ',']).next().unwrap_or_default();
        self.check("message begins with", opening, begins);
        self.check("writes at the CRM", 0, seen.crm.writes);
        self.expect_entry(seen, entry);
    }

    /// Where the entry that the answer names stands.
    pub(in crate::demo) fn expect_entry(&mut self, seen: &Seen, entry: EntryState) {
        let seen = seen.state().map_or("no entry", state);
        self.check("ledger", state(entry), seen);
    }

    /// The newest write at the CRM is the agent's, byte for byte.
    pub(in crate::demo) fn expect_sent(&mut self, ask: &Ask) {
        let sent = self.house.sandbox.writes().pop();
        let target = sent.as_ref().map(|sent| sent.target.clone());
        self.check(
            "path at the CRM",
            ask.target.clone(),
            target.unwrap_or_default(),
        );
        let body = sent.map(|sent| String::from_utf8_lossy(&sent.body).into_owned());
        let asked = ask.body.as_ref().map(Value::to_string);
        self.check(
            "body at the CRM",
            asked.unwrap_or_default(),
            body.unwrap_or_default(),
        );
    }

    /// These rules, and no others, decided.
    pub(in crate::demo) fn expect_rules(&mut self, seen: &Seen, rules: &[&str]) {
        let decided: Vec<String> = seen.rules().into_iter().collect();
        self.check("rules", rules.join(", "), decided.join(", "));
    }

    /// A field in the ledger's entry.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "steps name what they expect in place"
    )]
    pub(in crate::demo) fn expect_change(
        &mut self,
        seen: &Seen,
        field: &str,
        before: Value,
        after: Value,
    ) {
        let changes = seen.detail.iter().flat_map(|detail| &detail.changes);
        let found = changes.filter_map(|change| change.fields.get(field));
        let found: Vec<String> = found.map(tell::values).collect();
        let expected = format!("{before} → {after}");
        self.check(field, expected, found.join(", "));
    }

    /// A field in the CRM itself.
    pub(in crate::demo) fn expect_record(&mut self, place: Place<'_>, expected: Value) {
        let (_, object, _, field) = place;
        let what = format!("{object}.{field} in the CRM");
        let seen = self.field(place);
        self.check(&what, expected, seen);
    }
}
