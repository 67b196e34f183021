//! Rows of the matrix and of `endpoints`.

use crate::mutation::Operation;
use crate::policy::matrix::{Endpoint, ObjectRows, Row, RuleFile, Segment, Word};
use crate::policy::mistake::{Mistakes, choices};
use crate::policy::pattern::Pattern;
use crate::policy::yaml::{Key, Kind, Node};

/// Which words a row may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Words {
    /// All.
    Field,
    /// Those that need no prior value.
    Operation,
}

/// The `objects` of a file.
pub(super) fn objects(node: &Node, file: &mut RuleFile, mistakes: &mut Mistakes) {
    for (key, value) in node.map("objects", mistakes).unwrap_or_default() {
        let pattern = mistakes.keep(key.at, Pattern::parse(&key.name));
        let rows = object(key, value, mistakes);
        if let (Some(pattern), Some(rows)) = (pattern, rows) {
            file.object_index.add(&pattern, file.objects.len());
            file.objects.push(rows);
        }
    }
}

fn object(key: &Key, node: &Node, mistakes: &mut Mistakes) -> Option<ObjectRows> {
    let mut rows = ObjectRows::default();
    for (key, value) in node.map(&key.name, mistakes)? {
        match key.name.as_str() {
            "fields" => fields(value, &mut rows, mistakes),
            "default" => rows.default = row(value, "default", Words::Field, mistakes),
            word => match Operation::from_word(word) {
                Some(operation) => {
                    let row = row(value, word, Words::Operation, mistakes);
                    rows.operations.extend(row.map(|row| (operation, row)));
                }
                None => mistakes.add(key.at, unknown_operation(word)),
            },
        }
    }
    Some(rows)
}

fn unknown_operation(word: &str) -> String {
    let words = Operation::ALL.map(Operation::word);
    format!(
        "unknown operation `{word}`: use {}; fields stand below `fields`",
        choices(&words)
    )
}

fn fields(node: &Node, rows: &mut ObjectRows, mistakes: &mut Mistakes) {
    for (key, value) in node.map("fields", mistakes).unwrap_or_default() {
        let pattern = mistakes.keep(key.at, Pattern::parse(&key.name));
        let row = row(value, &key.name, Words::Field, mistakes);
        if let (Some(pattern), Some(row)) = (pattern, row) {
            rows.field_index.add(&pattern, rows.fields.len());
            rows.fields.push(row);
        }
    }
}

/// A row: a word, or words for service accounts with `owner`, `source` and `note`.
pub(super) fn row(node: &Node, what: &str, words: Words, mistakes: &mut Mistakes) -> Option<Row> {
    let entries = match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Text(_) => {
            let everybody = Some(word(node, words, mistakes)?);
            return Some(Row {
                everybody,
                ..Row::default()
            });
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) => {
            mistakes.add(
                node.at,
                format!(
                    "`{what}` is {}: write a word, or a map of service accounts to words",
                    node.name()
                ),
            );
            return None;
        }
    };
    let mut row = Row::default();
    for (key, value) in entries {
        match key.name.as_str() {
            "agents" => row.agents = word(value, words, mistakes),
            "owner" => row.owner = value.text("owner", mistakes).map(str::to_owned),
            "note" => row.note = value.text("note", mistakes).map(str::to_owned),
            // For readers of the matrix; nothing is decided by it.
            "source" => {
                value.text("source", mistakes);
            }
            service_account => {
                let word = word(value, words, mistakes);
                row.named
                    .extend(word.map(|word| (service_account.to_owned(), word)));
            }
        }
    }
    Some(row)
}

fn word(node: &Node, words: Words, mistakes: &mut Mistakes) -> Option<Word> {
    let usable: Vec<_> = Word::ALL
        .iter()
        .filter(|(_, word)| words == Words::Field || matches!(word, Word::Is(_)))
        .collect();
    let text = match &node.kind {
        Kind::Text(text) => text.as_str(),
        Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => node.name(),
    };
    let found = usable.iter().find(|(known, _)| *known == text);
    if found.is_none() {
        let names: Vec<_> = usable.iter().map(|(name, _)| *name).collect();
        let only = if Word::ALL.iter().any(|(known, _)| *known == text) {
            format!("`{text}` is for fields")
        } else {
            format!("unknown word `{text}`")
        };
        mistakes.add(node.at, format!("{only}: use {}", choices(&names)));
    }
    found.map(|(_, word)| *word)
}

/// The `endpoints` of a file, with their names.
pub(super) fn endpoints(node: &Node, mistakes: &mut Mistakes) -> Vec<(String, Endpoint)> {
    let mut endpoints = Vec::new();
    for (key, value) in node.map("endpoints", mistakes).unwrap_or_default() {
        let address = mistakes.keep(key.at, address(&key.name));
        let row = row(value, &key.name, Words::Operation, mistakes);
        if let (Some((method, segments)), Some(row)) = (address, row) {
            let endpoint = Endpoint {
                method,
                segments,
                row,
            };
            endpoints.push((key.name.clone(), endpoint));
        }
    }
    endpoints
}

fn address(text: &str) -> Result<(String, Vec<Segment>), String> {
    let usage = || {
        format!("`{text}` is not an endpoint: write it like `POST /services/apexrest/scoring/*`")
    };
    let (method, path) = text.split_once(' ').ok_or_else(usage)?;
    let path = path.strip_prefix('/').ok_or_else(usage)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(usage());
    }
    let segments: Vec<_> = path
        .split('/')
        .map(|part| match part {
            "*" => Segment::One,
            "**" => Segment::Rest,
            text => Segment::Text(text.to_owned()),
        })
        .collect();
    let inner_rest = segments
        .iter()
        .rev()
        .skip(1)
        .any(|segment| *segment == Segment::Rest);
    let strange = segments.iter().any(|segment| match segment {
        Segment::Text(text) => {
            text.is_empty() && segments.len() > 1 || text.contains(['*', ' ', '?', '#'])
        }
        Segment::One | Segment::Rest => false,
    });
    if inner_rest || strange {
        return Err(format!(
            "`{text}`: `*` stands for one whole segment and `**`, at the end, for the rest; query and fragment are left out"
        ));
    }
    Ok((method.to_owned(), segments))
}
