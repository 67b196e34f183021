//! Takes what is expected out of a tree, and notes what is not.

use serde_json::{Number, Value};

use super::{Key, Kind, Node};
use crate::policy::mistake::{Mistakes, Place, choices};

impl Node {
    /// What a reader would call it.
    pub(in crate::policy) fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// The text.
    pub(in crate::policy) fn text(&self, what: &str, mistakes: &mut Mistakes) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) if !text.is_empty() => Some(text),
            Kind::Text(_) => {
                mistakes.add(self.at, format!("`{what}` is empty: write text"));
                None
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => {
                mistakes.add(self.at, format!("`{what}` is {}: write text", self.name()));
                None
            }
        }
    }

    /// The number, whole and not negative.
    pub(in crate::policy) fn whole(&self, what: &str, mistakes: &mut Mistakes) -> Option<u64> {
        let parsed = match &self.kind {
            Kind::Number(text) => text.parse().ok(),
            Kind::Null | Kind::Bool(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => None,
        };
        if parsed.is_none() {
            mistakes.add(
                self.at,
                format!("`{what}` has to be a whole number, such as 5"),
            );
        }
        parsed
    }

    /// Yes or no.
    pub(in crate::policy) fn truth(&self, what: &str, mistakes: &mut Mistakes) -> Option<bool> {
        match self.kind {
            Kind::Bool(truth) => Some(truth),
            Kind::Null | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                mistakes.add(self.at, format!("`{what}` has to be true or false"));
                None
            }
        }
    }

    /// The items of a list; anything else counts as a list of one.
    pub(in crate::policy) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                std::slice::from_ref(self)
            }
        }
    }

    /// The entries of a map.
    pub(in crate::policy) fn map(
        &self,
        what: &str,
        mistakes: &mut Mistakes,
    ) -> Option<&[(Key, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                mistakes.add(
                    self.at,
                    format!("`{what}` is {}: write a map of `key: value`", self.name()),
                );
                None
            }
        }
    }

    /// The items of what has to be a list.
    pub(in crate::policy) fn list(&self, what: &str, mistakes: &mut Mistakes) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                mistakes.add(
                    self.at,
                    format!("`{what}` is {}: write a list", self.name()),
                );
                None
            }
        }
    }

    /// The same as JSON. A number that is not written in the JSON way becomes its text.
    pub(in crate::policy) fn json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(text) => json_number(text),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.name.clone(), value.json()))
                    .collect(),
            ),
        }
    }
}

/// A number that JSON can carry without loss; else its text, which our operators read as exactly.
fn json_number(text: &str) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return Value::from(number);
    }
    if let Ok(number) = text.parse::<u64>() {
        return Value::from(number);
    }
    match text.parse::<f64>().ok().and_then(Number::from_f64) {
        Some(number) if number.to_string() == text => Value::Number(number),
        Some(_) | None => Value::String(text.to_owned()),
    }
}

/// A map read key by key; what was not asked for is a mistake.
#[derive(Debug)]
pub(in crate::policy) struct Fields<'n> {
    at: Place,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Starts on a node that has to be a map.
    pub(in crate::policy) fn of(
        node: &'n Node,
        what: &str,
        mistakes: &mut Mistakes,
    ) -> Option<Self> {
        let entries = node.map(what, mistakes)?;
        Some(Self {
            at: node.at,
            entries,
            known: Vec::new(),
        })
    }

    /// The value of a key, if it is there.
    pub(in crate::policy) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    /// The value of a key that has to be there.
    pub(in crate::policy) fn need(
        &mut self,
        name: &'static str,
        mistakes: &mut Mistakes,
    ) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            mistakes.add(self.at, format!("`{name}` is missing: add it"));
        }
        found
    }

    /// Where the map starts.
    pub(in crate::policy) fn at(&self) -> Place {
        self.at
    }

    /// Complains about every key that was not asked for.
    pub(in crate::policy) fn finish(self, mistakes: &mut Mistakes) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.name.as_str()) {
                mistakes.add(
                    key.at,
                    format!("unknown key `{}`: use {}", key.name, choices(&self.known)),
                );
            }
        }
    }
}
