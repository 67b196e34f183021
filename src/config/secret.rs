//! Secrets by reference: `{ env: NAME }` or `{ file: PATH }`, never in the file itself.

use std::path::{Path, PathBuf};

use super::Secret;
use super::mistake::At;
use super::reader::{Reader, Text};
use super::tree::{Node, Tree};

/// Reads a reference and what it refers to. An incomplete reading does not look: the secret is empty.
pub(super) fn secret(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Secret> {
    refer(node, what, reader.complete, reader)
}

/// The same for the URL of a store. An incomplete reading looks, too: the secret is empty where it is
/// not there.
pub(super) fn url(node: &Node, what: &str, reader: &mut Reader<'_>) -> Option<Secret> {
    refer(node, what, true, reader)
}

fn refer(node: &Node, what: &str, look: bool, reader: &mut Reader<'_>) -> Option<Secret> {
    let form = "`{ env: NAME }` or `{ file: PATH }`";
    let Tree::Map(_) = node.tree else {
        // The value may be the secret itself: it is not repeated here.
        let text = format!("`{what}` must not hold the secret itself: name where it is, {form}");
        reader.wrong_at(node.at, text);
        return None;
    };
    let fields = reader.fields(node, "a secret", &["env", "file"])?;
    let env = fields.text("env", reader);
    let file = fields.text("file", reader);
    let (text, place, from) = match (env, file) {
        (Some(name), None) => from_env(&name, what, reader)?,
        (None, Some(path)) => from_file(&path, what, look, reader)?,
        (None, None) if fields.get("env").or(fields.get("file")).is_some() => return None,
        (None, None) | (Some(_), Some(_)) => {
            reader.wrong_at(fields.at, format!("`{what}` needs one of {form}"));
            return None;
        }
    };
    if !reader.complete {
        return Some(Secret::new(if look { &text } else { "" }));
    }
    // RFC 9110, 5.5: it will stand in a header field, in one line.
    let problem = if text.is_empty() {
        "is empty: put the secret there"
    } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "holds a blank, a line break or a letter outside ASCII: put the bare secret there"
    } else {
        return Some(Secret::new(text));
    };
    reader.wrong_at(place, format!("`{what}`: {from} {problem}"));
    None
}

type Found = (String, At, String);

fn from_env(name: &Text, what: &str, reader: &mut Reader<'_>) -> Option<Found> {
    let from = format!("the environment variable {}", name.text);
    match reader.env.get(&name.text) {
        Some(text) => Some((text.clone(), name.at(), from)),
        None if !reader.complete => Some((String::new(), name.at(), from)),
        None => {
            reader.wrong(&name.place, format!("`{what}`: {from} is not set: set it"));
            None
        }
    }
}

fn from_file(path: &Text, what: &str, look: bool, reader: &mut Reader<'_>) -> Option<Found> {
    let full = reader.path(path);
    let from = format!("the file {}", full.display());
    if !look {
        return Some((String::new(), path.at(), from));
    }
    match read(&full) {
        Ok(text) => Some((text, path.at(), from)),
        Err(_) if !reader.complete => Some((String::new(), path.at(), from)),
        Err(problem) => {
            reader.wrong(
                &path.place,
                format!(
                    "`{what}`: {from} cannot be read ({problem}): create it or correct the path"
                ),
            );
            None
        }
    }
}

/// The file that a reference names, if it names one.
pub(super) fn file_of(node: &Node, reader: &Reader<'_>) -> Option<PathBuf> {
    let Tree::Map(entries) = &node.tree else {
        return None;
    };
    let (_, node) = entries.iter().find(|(key, _)| key.text == "file")?;
    let Tree::Text(path) = &node.tree else {
        return None;
    };
    (!path.is_empty()).then(|| reader.folder.join(path))
}

/// The file's text without the line break that editors put at its end.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = std::fs::read_to_string(path)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
