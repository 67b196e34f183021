//! A step in words: the request, the answer, the ledger's entry, the requests that reached the CRM.

use std::io;

use serde_json::{Value, json};

use super::{Ask, Scene, Seen, Traffic};
use crate::journal::read::{Change, EntryState, Values};

/// Changes that are shown before they are only counted.
const CHANGES_SHOWN: usize = 5;

impl Scene<'_, '_> {
    /// What the agent sends; of a batch each record on a line of its own.
    pub(in crate::demo) fn tell_request(&mut self, ask: &Ask) -> io::Result<()> {
        self.say("agent sends", &format!("{} {}", ask.method, ask.target))?;
        for line in ask.body.as_ref().map(lines).unwrap_or_default() {
            self.say("", &line)?;
        }
        Ok(())
    }

    /// What came of it. `which` tells requests apart where there are several.
    pub(in crate::demo) fn tell_all(&mut self, seen: &Seen, which: &str) -> io::Result<()> {
        self.tell_reply(seen, which)?;
        self.tell_ledger(seen)?;
        self.tell_crm(seen.crm)
    }

    fn tell_reply(&mut self, seen: &Seen, which: &str) -> io::Result<()> {
        let reply = &seen.reply;
        match (reply.code(), reply.message()) {
            (Some(code), Some(message)) => {
                let status = format!("{which}{} {code}", reply.status);
                self.say("agent saw", &status)?;
                self.say("", &format!("\"{message}\""))
            }
            _ => {
                let replayed = match reply.replayed {
                    true => ", x-writegate-replayed: true",
                    false => "",
                };
                let status = format!("{which}{}{replayed}", reply.status);
                self.say("agent saw", &status)
            }
        }
    }

    /// Verdict and rules, and each field with its value before and after.
    fn tell_ledger(&mut self, seen: &Seen) -> io::Result<()> {
        let Some(detail) = &seen.detail else {
            return self.say("ledger says", "nothing: reads leave no entry");
        };
        let entry = &detail.entry;
        let rules: Vec<String> = seen.rules().into_iter().collect();
        let verdict = match (entry.verdict.as_deref(), entry.state) {
            (None, _) => "not judged".to_owned(),
            (Some("allow"), EntryState::Refused) => "allow by the rules, but not now".to_owned(),
            (Some(effect), _) if rules.is_empty() => effect.to_owned(),
            (Some(effect), _) => format!("{effect} by {}", rules.join(", ")),
        };
        let text = format!("{verdict}; {}", state(entry.state));
        self.say("ledger says", &text)?;
        self.tell_changes(&detail.changes, entry.state == EntryState::Refused)?;
        self.say("", &format!("entry {}", entry.id))
    }

    fn tell_changes(&mut self, changes: &[Change], refused: bool) -> io::Result<()> {
        let told = if refused { asked_for } else { values };
        let named: Vec<(String, String)> = changes
            .iter()
            .flat_map(|change| {
                let row = change.row.as_ref().map(|row| format!("{row} "));
                let row = row.unwrap_or_default();
                let fields = change.fields.iter();
                fields.map(move |(name, of)| (format!("{row}{}.{name}", change.object), told(of)))
            })
            .collect();
        let shown = named.iter().take(CHANGES_SHOWN);
        let width = shown.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, values) in shown {
            self.say("", &format!("{name:width$}   {values}"))?;
        }
        match named.len().saturating_sub(CHANGES_SHOWN) {
            0 => Ok(()),
            more => self.say("", &format!("and {more} more")),
        }
    }

    /// What reached the CRM.
    pub(in crate::demo) fn tell_crm(&mut self, seen: Traffic) -> io::Result<()> {
        let text = match (seen.writes, seen.reads) {
            (0, 0) => "nothing".to_owned(),
            (0, reads) => format!("no write, {}", some(reads, "read")),
            (writes, 0) => some(writes, "write"),
            (writes, reads) => format!("{}, {}", some(writes, "write"), some(reads, "read")),
        };
        self.say("CRM saw", &text)
    }
}

/// `asked for 5`: of a refusal the ledger keeps what was asked for, not what was there.
fn asked_for(of: &Values) -> String {
    format!("asked for {}", of.after.as_ref().unwrap_or(&Value::Null))
}

/// `null → "Software"`; what is not known is `?`.
pub(super) fn values(of: &Values) -> String {
    let shown = |value: &Option<Value>| value.as_ref().map_or("?".to_owned(), Value::to_string);
    format!("{} → {}", shown(&of.before), shown(&of.after))
}

/// `1 write`, `2 writes`.
pub(in crate::demo) fn some(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

pub(super) fn state(state: EntryState) -> &'static str {
    match state {
        EntryState::Refused => "refused, nothing sent",
        EntryState::Open => "being sent",
        EntryState::Held => "waits for a person",
        EntryState::Rejected => "a person said no",
        EntryState::Expired => "nobody decided in time",
        EntryState::NotSent => "not sent",
        EntryState::Done => "done",
        EntryState::Partly => "partly done",
        EntryState::Failed => "failed",
        EntryState::Accepted => "accepted, results pending",
        EntryState::InDoubt => "in doubt",
        EntryState::Switch => "a switch",
        EntryState::Setting => "a setting was changed",
    }
}

/// A body on one line; a batch with a line for each record.
fn lines(body: &Value) -> Vec<String> {
    let Some(records) = body.get("records").and_then(Value::as_array) else {
        return vec![body.to_string()];
    };
    let mut frame = body.clone();
    if let Some(place) = frame.get_mut("records") {
        *place = json!([]);
    }
    let frame = frame.to_string();
    let (head, tail) = frame.split_once("[]").unwrap_or((&frame, ""));
    let last = records.len().saturating_sub(1);
    let row = |(place, record): (usize, &Value)| {
        let comma = if place == last { "" } else { "," };
        format!("  {record}{comma}")
    };
    let mut lines = vec![format!("{head}[")];
    lines.extend(records.iter().enumerate().map(row));
    lines.push(format!("]{tail}"));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_a_line_for_each_record() {
        let body = json!({ "allOrNone": false, "records": [{ "id": "1" }, { "id": "2" }] });
        let expected = [
            r#"{"allOrNone":false,"records":["#,
            r#"  {"id":"1"},"#,
            r#"  {"id":"2"}"#,
            "]}",
        ];
        assert_eq!(lines(&body), expected);
        assert_eq!(lines(&json!({ "a": 1 })), [r#"{"a":1}"#]);
    }

    #[test]
    fn what_is_not_known_is_told_from_null() {
        let after = Some(json!("x"));
        let unknown = Values {
            before: None,
            after,
        };
        assert_eq!(values(&unknown), r#"? → "x""#);
        let blank = Values {
            before: Some(Value::Null),
            after: Some(json!(5)),
        };
        assert_eq!(values(&blank), "null → 5");
    }
}
