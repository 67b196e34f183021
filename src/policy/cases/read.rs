//! A cases file's tree → cases.

use serde_json::{Map, Value};

use super::{Case, Write};
use crate::mutation::{Actor, Claims, Effect, Mutation, Operation, Origin, Prior, RecordKey, Undo};
use crate::policy::mistake::{Mistakes, choices};
use crate::policy::yaml::{Fields, Kind, Node};

/// Reads all cases.
pub(super) fn cases(tree: &Node, mistakes: &mut Mistakes) -> Vec<Case> {
    tree.list("the file", mistakes)
        .unwrap_or_default()
        .iter()
        .filter_map(|node| case(node, mistakes))
        .collect()
}

fn case(node: &Node, mistakes: &mut Mistakes) -> Option<Case> {
    let mut fields = Fields::of(node, "a case", mistakes)?;
    let name = fields.need("name", mistakes);
    let name = name.and_then(|node| node.text("name", mistakes));
    let service_account = fields.need("as", mistakes);
    let service_account = service_account.and_then(|node| node.text("as", mistakes));
    let route = fields.take("route");
    let route = route.and_then(|node| node.text("route", mistakes));
    let claims = fields.take("claims");
    let claims = claims.and_then(|node| self::claims(node, mistakes));
    let origin = fields.take("origin");
    let origin = origin.and_then(|node| self::origin(node, mistakes));
    let verdict = fields.need("verdict", mistakes);
    let verdict = verdict.and_then(|node| self::verdict(node, mistakes));
    let by = fields.take("by");
    let by = by.and_then(|node| node.text("by", mistakes));
    let write = write(&mut fields, mistakes);
    fields.finish(mistakes);
    Some(Case {
        name: name?.to_owned(),
        line: node.at.line,
        actor: Actor {
            service_account: service_account?.to_owned(),
            claims: claims.unwrap_or_default(),
        },
        origin: origin.unwrap_or(Origin::Agent),
        route: route.map(str::to_owned),
        write: write?,
        verdict: verdict?,
        by: by.map(str::to_owned),
    })
}

fn verdict(node: &Node, mistakes: &mut Mistakes) -> Option<Effect> {
    let text = node.text("verdict", mistakes)?;
    let known = [Effect::Allow, Effect::Hold, Effect::Deny];
    let effect = known.into_iter().find(|effect| effect.word() == text);
    if effect.is_none() {
        let why = format!("unknown verdict `{text}`: use allow, hold or deny");
        mistakes.add(node.at, why);
    }
    effect
}

fn origin(node: &Node, mistakes: &mut Mistakes) -> Option<Origin> {
    match node.text("origin", mistakes)? {
        "agent" => Some(Origin::Agent),
        "revert" => Some(Origin::Revert),
        other => {
            let why = format!("unknown origin `{other}`: use agent or revert");
            mistakes.add(node.at, why);
            None
        }
    }
}

fn claims(node: &Node, mistakes: &mut Mistakes) -> Option<Claims> {
    let mut fields = Fields::of(node, "claims", mistakes)?;
    let mut claim = |name: &'static str| match fields.take(name)?.json() {
        Value::Null => None,
        Value::String(text) => Some(text),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    };
    let claims = Claims {
        intent: claim("intent"),
        evidence: claim("evidence"),
        confidence: claim("confidence"),
        model: claim("model"),
        on_behalf_of: claim("on-behalf-of"),
        run: claim("run"),
    };
    fields.finish(mistakes);
    Some(claims)
}

fn write(fields: &mut Fields<'_>, mistakes: &mut Mistakes) -> Option<Write> {
    let before = fields.take("before");
    if let Some(request) = fields.take("request") {
        let records = before.map(|node| records(node, mistakes));
        let text = request.text("request", mistakes)?.to_owned();
        return Some(Write::Request(text, records.unwrap_or_default()));
    }
    let mut found = Vec::new();
    for operation in Operation::ALL {
        found.extend(fields.take(operation.word()).map(|node| (operation, node)));
    }
    let set = fields.take("set");
    let id = fields.take("id");
    let undo = fields.take("undo");
    let [(operation, object)] = found.as_slice() else {
        let words = Operation::ALL.map(Operation::word);
        let why = format!(
            "a case does one thing: use one of {}, with the object's name, or request",
            choices(&words)
        );
        mistakes.add(fields.at(), why);
        return None;
    };
    let undo = match undo {
        Some(node) => self::undo(node, mistakes)?,
        None => usual_undo(*operation),
    };
    let id = id.and_then(|node| node.text("id", mistakes));
    let mutation = Mutation {
        object: object.text(operation.word(), mistakes)?.to_owned(),
        operation: *operation,
        record: has_record(*operation).then(|| RecordKey::id(id.unwrap_or("1"))),
        fields: set
            .map(|node| map(node, "set", mistakes))
            .unwrap_or_default(),
        row: None,
        undo,
        others: if *operation == Operation::Merge {
            vec![RecordKey::id("2")]
        } else {
            Vec::new()
        },
    };
    let prior = match before {
        Some(node) => prior(node, mistakes)?,
        None if has_record(*operation) => Prior::Unknown,
        None => Prior::Absent,
    };
    Some(Write::Mutation(Box::new(mutation), prior))
}

/// `absent`, `unknown`, or the fields of the record that exists.
fn prior(node: &Node, mistakes: &mut Mistakes) -> Option<Prior> {
    match &node.kind {
        Kind::Text(text) if text == "absent" => Some(Prior::Absent),
        Kind::Text(text) if text == "unknown" => Some(Prior::Unknown),
        Kind::Map(_) => Some(Prior::Found {
            id: "1".into(),
            fields: map(node, "before", mistakes),
            stamp: None,
        }),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
            let why = "`before` has to be a map of fields, absent or unknown";
            mistakes.add(node.at, why);
            None
        }
    }
}

fn records(node: &Node, mistakes: &mut Mistakes) -> Vec<(String, Map<String, Value>)> {
    let entries = node.map("before", mistakes).unwrap_or_default();
    entries
        .iter()
        .map(|(key, value)| (key.name.clone(), map(value, &key.name, mistakes)))
        .collect()
}

fn map(node: &Node, what: &str, mistakes: &mut Mistakes) -> Map<String, Value> {
    let entries = node.map(what, mistakes).unwrap_or_default();
    entries
        .iter()
        .map(|(key, value)| (key.name.clone(), value.json()))
        .collect()
}

fn undo(node: &Node, mistakes: &mut Mistakes) -> Option<Undo> {
    match node.text("undo", mistakes)? {
        "full" => Some(Undo::Full),
        "partial" => Some(Undo::Partial),
        "none" => Some(Undo::None),
        other => {
            let why = format!("unknown undo `{other}`: use full, partial or none");
            mistakes.add(node.at, why);
            None
        }
    }
}

fn has_record(operation: Operation) -> bool {
    match operation {
        Operation::Update
        | Operation::Upsert
        | Operation::Delete
        | Operation::Purge
        | Operation::Restore
        | Operation::Merge
        | Operation::Convert
        | Operation::Associate
        | Operation::Dissociate => true,
        Operation::Create
        | Operation::Send
        | Operation::Export
        | Operation::Import
        | Operation::Invoke
        | Operation::Schema
        | Operation::Settings
        | Operation::Credential => false,
    }
}

fn usual_undo(operation: Operation) -> Undo {
    match operation {
        Operation::Update
        | Operation::Upsert
        | Operation::Restore
        | Operation::Associate
        | Operation::Dissociate => Undo::Full,
        Operation::Create | Operation::Delete => Undo::Partial,
        Operation::Purge
        | Operation::Merge
        | Operation::Convert
        | Operation::Send
        | Operation::Export
        | Operation::Import
        | Operation::Invoke
        | Operation::Schema
        | Operation::Settings
        | Operation::Credential => Undo::None,
    }
}
