//! `rules:`

use super::file::texts;
use super::{condition, unit};
use crate::mutation::{Effect, Operation, Origin, Requirement};
use crate::policy::condition::Condition;
use crate::policy::mistake::{Mistakes, Place, choices};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{Applies, Rule};
use crate::policy::yaml::{Fields, Kind, Node};

/// Clients time out at 60 s and send again.
const LONGEST_WAIT: i64 = 45;

/// Reads a rule, with the place of its name.
pub(super) fn read(node: &Node, mistakes: &mut Mistakes) -> Option<(Place, Rule)> {
    let mut fields = Fields::of(node, "rules", mistakes)?;
    let name = fields.need("name", mistakes);
    let at = name.map_or(fields.at(), |node| node.at);
    let name = name.and_then(|node| node.text("name", mistakes));
    let applies = fields.take("applies");
    let applies = applies.map(|node| applies_to(node, mistakes));
    let when = fields.take("when");
    let when = when.map(|node| condition::read(node, "when", mistakes));
    let then = fields.need("then", mistakes);
    let then = then.and_then(|node| then_word(node, mistakes));
    let approvers = fields.take("approvers");
    let approvers = approvers.map(|node| required(node, mistakes));
    let expires = fields.take("expires");
    let expires = expires.and_then(|node| seconds(node, "expires", mistakes));
    let wait = fields.take("wait");
    let wait = wait.and_then(|node| short_wait(node, mistakes));
    let reason = fields.take("reason");
    let reason = reason.and_then(|node| node.text("reason", mistakes));
    let owner = fields.take("owner");
    let owner = owner.and_then(|node| node.text("owner", mistakes));
    let observe = fields.take("observe");
    let observe = observe.and_then(|node| node.truth("observe", mistakes));
    fields.finish(mistakes);
    let rule = Rule {
        name: name?.to_owned(),
        applies: applies.unwrap_or_default(),
        when: when.unwrap_or(Condition::All(Vec::new())),
        then: then?,
        approvers: approvers.flatten(),
        expires_seconds: expires,
        wait_seconds: wait.unwrap_or(0),
        reason: reason.map(str::to_owned),
        owner: owner.map(str::to_owned),
        observe: observe.unwrap_or(false),
    };
    Some((at, rule))
}

fn then_word(node: &Node, mistakes: &mut Mistakes) -> Option<Effect> {
    match node.text("then", mistakes)? {
        "hold" => Some(Effect::Hold),
        "deny" => Some(Effect::Deny),
        word => {
            let why = format!(
                "unknown `then` `{word}`: use hold or deny; a rule only makes a verdict stricter"
            );
            mistakes.add(node.at, why);
            None
        }
    }
}

fn applies_to(node: &Node, mistakes: &mut Mistakes) -> Applies {
    let Some(mut fields) = Fields::of(node, "applies", mistakes) else {
        return Applies::default();
    };
    let mut patterns = |name: &'static str, mistakes: &mut Mistakes| {
        let node = fields.take(name);
        node.map(|node| patterns(node, name, mistakes))
            .unwrap_or_default()
    };
    let objects = patterns("object", mistakes);
    let of_fields = patterns("field", mistakes);
    let service_accounts = patterns("service_account", mistakes);
    let routes = patterns("route", mistakes);
    let operations = fields.take("operation");
    let origins = fields.take("origin");
    let applies = Applies {
        objects,
        fields: of_fields,
        service_accounts,
        routes,
        operations: operations
            .map(|node| operations_of(node, mistakes))
            .unwrap_or_default(),
        origins: origins
            .map(|node| origins_of(node, mistakes))
            .unwrap_or_default(),
    };
    fields.finish(mistakes);
    applies
}

fn patterns(node: &Node, what: &str, mistakes: &mut Mistakes) -> Vec<Pattern> {
    texts(node, what, mistakes)
        .iter()
        .filter_map(|text| mistakes.keep(node.at, Pattern::parse(text)))
        .collect()
}

fn operations_of(node: &Node, mistakes: &mut Mistakes) -> Vec<Operation> {
    let mut operations = Vec::new();
    for text in texts(node, "operation", mistakes) {
        for word in text.split('|').map(str::trim) {
            match Operation::from_word(word) {
                Some(operation) => operations.push(operation),
                None => {
                    let words = Operation::ALL.map(Operation::word);
                    let why = format!("unknown operation `{word}`: use {}", choices(&words));
                    mistakes.add(node.at, why);
                }
            }
        }
    }
    operations
}

fn origins_of(node: &Node, mistakes: &mut Mistakes) -> Vec<Origin> {
    let mut origins = Vec::new();
    for text in texts(node, "origin", mistakes) {
        match text.as_str() {
            "agent" => origins.push(Origin::Agent),
            "revert" => origins.push(Origin::Revert),
            other => {
                let why = format!("unknown origin `{other}`: use agent or revert");
                mistakes.add(node.at, why);
            }
        }
    }
    origins
}

/// A number of any approvers, or one from each of these teams.
fn required(node: &Node, mistakes: &mut Mistakes) -> Option<Requirement> {
    if let Kind::Number(_) = node.kind {
        let count = node.whole("approvers", mistakes)?;
        return match u32::try_from(count) {
            Ok(count @ 1..=20) => Some(Requirement::Approvers(count)),
            Ok(_) | Err(_) => {
                mistakes.add(
                    node.at,
                    "`approvers` has to be from 1 to 20, or a list of teams",
                );
                None
            }
        };
    }
    let mut teams: Vec<String> = Vec::new();
    for team in texts(node, "approvers", mistakes) {
        if !teams.contains(&team) {
            teams.push(team);
        }
    }
    (!teams.is_empty()).then_some(Requirement::Teams(teams))
}

fn seconds(node: &Node, what: &str, mistakes: &mut Mistakes) -> Option<i64> {
    let text = node.text(what, mistakes)?;
    mistakes.keep(node.at, unit::duration(text))
}

fn short_wait(node: &Node, mistakes: &mut Mistakes) -> Option<i64> {
    let wait = seconds(node, "wait", mistakes)?;
    if wait > LONGEST_WAIT {
        let why = "`wait` may be 45s at most: clients give up at 60 and send again";
        mistakes.add(node.at, why);
        return None;
    }
    Some(wait)
}
