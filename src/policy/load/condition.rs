//! `when:`

use regex::Regex;
use serde_json::Value;

use crate::policy::condition::{Check, Comparison, Condition, Operand};
use crate::policy::decimal::Decimal;
use crate::policy::mistake::{Mistakes, choices};
use crate::policy::path::{Path, Source};
use crate::policy::yaml::{Key, Kind, Node};

/// The digits that a factor may have: enough for any price, and cheap.
const LONGEST_FACTOR: usize = 30;

/// What a path can be tested for.
pub const OPERATORS: [&str; 8] = [
    "matches",
    "contains",
    "more_than",
    "at_least",
    "less_than",
    "at_most",
    "blank",
    "changed",
];

/// Reads a map of conditions, all of which have to hold.
pub(super) fn read(node: &Node, what: &str, mistakes: &mut Mistakes) -> Condition {
    let entries = node.map(what, mistakes).unwrap_or_default();
    if entries.is_empty() && matches!(node.kind, Kind::Map(_)) {
        mistakes.add(
            node.at,
            format!("`{what}` is empty: write a condition, or leave it out"),
        );
    }
    let mut parts = Vec::new();
    for (key, value) in entries {
        match key.name.as_str() {
            "any" => parts.push(any(value, mistakes)),
            "not" => parts.push(Condition::Not(Box::new(read(value, "not", mistakes)))),
            _ => tests(key, value, &mut parts, mistakes),
        }
    }
    Condition::All(parts)
}

fn any(node: &Node, mistakes: &mut Mistakes) -> Condition {
    let items = node.list("any", mistakes).unwrap_or_default();
    if items.is_empty() && matches!(node.kind, Kind::List(_)) {
        mistakes.add(node.at, "`any` is empty: write a list of conditions");
    }
    Condition::Any(
        items
            .iter()
            .map(|item| read(item, "any", mistakes))
            .collect(),
    )
}

/// A path and what it has to pass.
fn tests(key: &Key, node: &Node, parts: &mut Vec<Condition>, mistakes: &mut Mistakes) {
    let path = mistakes.keep(key.at, Path::parse(&key.name));
    let entries = match &node.kind {
        Kind::Map(entries) if !is_operand(entries) => entries,
        Kind::Map(_)
        | Kind::Null
        | Kind::Bool(_)
        | Kind::Number(_)
        | Kind::Text(_)
        | Kind::List(_) => {
            let operands = operands(node, mistakes);
            parts.extend(path.map(|path| Condition::Test(Box::new(path), Check::OneOf(operands))));
            return;
        }
    };
    if entries.is_empty() {
        mistakes.add(
            node.at,
            format!(
                "`{}` has no operator: use {}",
                key.name,
                choices(&OPERATORS)
            ),
        );
    }
    for (operator, value) in entries {
        let check = check(operator, value, path.as_ref(), mistakes);
        if let (Some(path), Some(check)) = (&path, check) {
            parts.push(Condition::Test(Box::new(path.clone()), check));
        }
    }
}

fn is_operand(entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(key, _)| key.name == "path")
}

fn operands(node: &Node, mistakes: &mut Mistakes) -> Vec<Operand> {
    let items = node.items();
    if items.is_empty() {
        mistakes.add(
            node.at,
            "an empty list equals nothing: name at least one value",
        );
    }
    items
        .iter()
        .filter_map(|item| operand(item, mistakes))
        .collect()
}

/// A scalar, or what a path selects times a number.
fn operand(node: &Node, mistakes: &mut Mistakes) -> Option<Operand> {
    let entries = match &node.kind {
        Kind::Map(entries) => entries,
        Kind::List(_) => {
            mistakes.add(
                node.at,
                "a list does not stand inside a list: write one value",
            );
            return None;
        }
        Kind::Number(_) => return number(node, mistakes).map(Operand::Value),
        Kind::Null | Kind::Bool(_) | Kind::Text(_) => return Some(Operand::Value(node.json())),
    };
    let (mut path, mut times) = (None, None);
    for (key, value) in entries {
        match key.name.as_str() {
            "path" => {
                let text = value.text("path", mistakes);
                path = text.and_then(|text| mistakes.keep(value.at, Path::parse(text)));
            }
            "times" => times = factor(value, mistakes),
            other => mistakes.add(key.at, format!("unknown key `{other}`: use path or times")),
        }
    }
    if !is_operand(entries) {
        mistakes.add(node.at, "`path` is missing: add it");
    }
    path.map(|path| Operand::Path(Box::new(path), times))
}

/// A number as it is written, so that no digit is lost.
fn number(node: &Node, mistakes: &mut Mistakes) -> Option<Value> {
    let text = match &node.kind {
        Kind::Number(text) | Kind::Text(text) => text.as_str(),
        Kind::Null | Kind::Bool(_) | Kind::List(_) | Kind::Map(_) => "",
    };
    if Decimal::parse(text).is_none() {
        let what = if text.is_empty() { node.name() } else { text };
        mistakes.add(
            node.at,
            format!("`{what}` is not a number: write it like 100000, -2.5 or 1e6"),
        );
        return None;
    }
    Some(Value::String(text.to_owned()))
}

fn factor(node: &Node, mistakes: &mut Mistakes) -> Option<Decimal> {
    let value = number(node, mistakes)?;
    let factor = Decimal::of(&value)?;
    if factor.len() > LONGEST_FACTOR {
        mistakes.add(node.at, "`times` has more than 30 digits: use fewer");
        return None;
    }
    Some(factor)
}

fn check(key: &Key, node: &Node, path: Option<&Path>, mistakes: &mut Mistakes) -> Option<Check> {
    let compare = |comparison, mistakes: &mut Mistakes| {
        let operand = match &node.kind {
            Kind::Map(_) => operand(node, mistakes)?,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                Operand::Value(number(node, mistakes)?)
            }
        };
        Some(Check::Compare(comparison, operand))
    };
    match key.name.as_str() {
        "matches" => {
            let text = node.text("matches", mistakes)?;
            let expression = Regex::new(text).map_err(|error| bad_expression(text, &error));
            mistakes.keep(node.at, expression).map(Check::Matches)
        }
        "contains" => operand(node, mistakes).map(Check::Contains),
        "more_than" => compare(Comparison::MoreThan, mistakes),
        "at_least" => compare(Comparison::AtLeast, mistakes),
        "less_than" => compare(Comparison::LessThan, mistakes),
        "at_most" => compare(Comparison::AtMost, mistakes),
        "blank" => node.truth("blank", mistakes).map(Check::Blank),
        "changed" => {
            let of_field = path
                .is_none_or(|path| matches!(path.source(), Source::Before(_) | Source::After(_)));
            if !of_field {
                let why =
                    "`changed` compares before and after: use it on a path such as `after.Amount`";
                mistakes.add(key.at, why);
                return None;
            }
            node.truth("changed", mistakes).map(Check::Changed)
        }
        other => {
            let why = format!("unknown operator `{other}`: use {}", choices(&OPERATORS));
            mistakes.add(key.at, why);
            None
        }
    }
}

fn bad_expression(text: &str, error: &regex::Error) -> String {
    let why = error.to_string();
    let last = why.lines().last().unwrap_or_default();
    let last = last.trim_start_matches("error: ");
    format!("`{text}` is not a regular expression: {last}")
}
