//! Names of routes, service accounts and operators: one form, each once.

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
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_well || !name.chars().all(allowed) || name.len() > LONGEST {
        let text = format!(
            "`{}` is no name: use up to {LONGEST} letters, digits and -_.@, a letter or digit first",
            name.escape_debug()
        );
        reader.wrong_at(at, text);
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
