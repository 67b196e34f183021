//! Names of routes, service accounts, operators and of this replica: one form, each once.

use super::environment::scalar;
use super::mistake::At;
use super::reader::{Fields, Reader};

/// Longer names help nobody and make keys of limits and locks long.
const LONGEST: usize = 64;

/// Names of one kind that were seen, and where.
#[derive(Debug)]
pub(super) struct Names {
    what: &'static str,
    seen: Vec<(String, At)>,
}

impl Names {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            seen: Vec::new(),
        }
    }

    /// The names, as they are written.
    pub(super) fn into_list(self) -> Vec<String> {
        self.seen.into_iter().map(|(name, _)| name).collect()
    }
}

/// The name of this process among those that share stores; the host's where none is given.
pub(super) fn replica(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let Some(text) = scalar("replica", Some(fields), reader) else {
        return Some(host());
    };
    if !is_name(&text.text) {
        reader.wrong(&text.place, no_name(&text.text));
        return None;
    }
    Some(text.text)
}

/// The host's name, in the form of a name.
fn host() -> String {
    let host = whoami::hostname().unwrap_or_default();
    let allowed = |c: char| if is_letter(c) { c } else { '-' };
    let host = host.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name: String = host.chars().map(allowed).take(LONGEST).collect();
    if name.is_empty() {
        "writegate".to_owned()
    } else {
        name
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.@".contains(c)
}

fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts_well && text.chars().all(is_letter) && text.len() <= LONGEST
}

fn no_name(text: &str) -> String {
    format!(
        "`{}` is no name: use up to {LONGEST} letters, digits and -_.@, a letter or digit first",
        text.escape_debug()
    )
}

/// Reads `name`: letters, digits, `-`, `_`, `.`, `@`, so that names can stand in keys, patterns,
/// paths and headers; not yet used by another of its kind.
pub(super) fn name(
    fields: &Fields<'_>,
    names: &mut Names,
    reader: &mut Reader<'_>,
) -> Option<String> {
    let node = fields.get("name");
    let hint = "a word of your own that rules and entries will use";
    let name = fields.required("name", hint, reader)?.text;
    let at = node.map_or(fields.at, |node| node.at);
    if !is_name(&name) {
        reader.wrong_at(at, no_name(&name));
        return None;
    }
    let same = |(seen, _): &&(String, At)| seen.eq_ignore_ascii_case(&name);
    if let Some((_, first)) = names.seen.iter().find(same) {
        let text = format!(
            "the {} `{name}` is there already, in line {}: give each a name of its own",
            names.what, first.line
        );
        reader.wrong_at(at, text);
        return None;
    }
    names.seen.push((name.clone(), at));
    Some(name)
}
