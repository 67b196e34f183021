//! YAML as a tree in which every key and value knows its place, so that all mistakes of a file can be
//! told at once. The only place that knows the YAML library.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::options::MergeKeyPolicy;
use serde_saphyr::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::mistake::{Mistakes, Place, choices};

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) kind: Kind,
}

/// What a value is. Numbers keep their text, so that no digit is lost.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) at: Place,
    pub(super) name: String,
}

/// Reads one document. `None` after a mistake was noted: broken YAML, a duplicate key, a second
/// document.
pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        merge_keys: MergeKeyPolicy::Error,
    };
    match serde_saphyr::from_str_with_options::<Raw>(text, options) {
        Ok(raw) => Some(raw.into_node(text)),
        Err(error) => {
            let plain = error.without_snippet();
            let at = plain.location().map_or(Place::START, place);
            mistakes.add(at, message(plain));
            None
        }
    }
}

fn message(error: &Error) -> String {
    let text = UserMessageFormatter.format_message(error).into_owned();
    let mut letters = text.trim_end_matches('.').chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

fn place(location: Location) -> Place {
    Place {
        line: location.line(),
        column: location.column(),
    }
}

/// What the library hands over: places still in its own type, numbers without their text.
struct Raw(Spanned<RawKind>);

enum RawKind {
    Null,
    Bool(bool),
    Number,
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn into_node(self, source: &str) -> Node {
        let Spanned {
            value,
            referenced,
            defined,
        } = self.0;
        let kind = match value {
            RawKind::Null => Kind::Null,
            RawKind::Bool(value) => Kind::Bool(value),
            RawKind::Number => Kind::Number(source_text(source, defined)),
            RawKind::Text(text) => Kind::Text(text),
            RawKind::List(items) => Kind::List(
                items
                    .into_iter()
                    .map(|item| item.into_node(source))
                    .collect(),
            ),
            RawKind::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let at = place(key.referenced);
                        let name = key.value;
                        (Key { at, name }, value.into_node(source))
                    })
                    .collect(),
            ),
        };
        let at = place(referenced);
        Node { at, kind }
    }
}

/// The text of a scalar as it stands in the file.
fn source_text(source: &str, location: Location) -> String {
    let span = location.span();
    let from = span.byte_offset().and_then(|at| usize::try_from(at).ok());
    let length = span.byte_len().and_then(|len| usize::try_from(len).ok());
    from.zip(length)
        .and_then(|(from, length)| source.get(from..from.checked_add(length)?))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::<RawKind>::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<RawKind, E> {
        Ok(RawKind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawKind, E> {
        Ok(RawKind::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<RawKind, E> {
        Ok(RawKind::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<RawKind, E> {
        Ok(RawKind::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<RawKind, E> {
        Ok(RawKind::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<RawKind, E> {
        Ok(RawKind::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<RawKind, E> {
        Ok(RawKind::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawKind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawKind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawKind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(RawKind::Map(entries))
    }
}

impl Node {
    /// What a reader would call it.
    pub(super) fn name(&self) -> &'static str {
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
    pub(super) fn text(&self, what: &str, mistakes: &mut Mistakes) -> Option<&str> {
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
    pub(super) fn whole(&self, what: &str, mistakes: &mut Mistakes) -> Option<u64> {
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

    /// The items of a list; anything else counts as a list of one.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => {
                std::slice::from_ref(self)
            }
        }
    }

    /// The entries of a map.
    pub(super) fn map(&self, what: &str, mistakes: &mut Mistakes) -> Option<&[(Key, Node)]> {
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
    pub(super) fn list(&self, what: &str, mistakes: &mut Mistakes) -> Option<&[Node]> {
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
    pub(super) fn json(&self) -> Value {
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
pub(super) struct Fields<'n> {
    at: Place,
    entries: &'n [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Starts on a node that has to be a map.
    pub(super) fn of(node: &'n Node, what: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let entries = node.map(what, mistakes)?;
        Some(Self {
            at: node.at,
            entries,
            known: Vec::new(),
        })
    }

    /// The value of a key, if it is there.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    /// The value of a key that has to be there.
    pub(super) fn need(&mut self, name: &'static str, mistakes: &mut Mistakes) -> Option<&'n Node> {
        let found = self.take(name);
        if found.is_none() {
            mistakes.add(self.at, format!("`{name}` is missing: add it"));
        }
        found
    }

    /// Where the map starts.
    pub(super) fn at(&self) -> Place {
        self.at
    }

    /// Complains about every key that was not asked for.
    pub(super) fn finish(self, mistakes: &mut Mistakes) {
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
