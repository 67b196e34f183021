//! Reads maps, lists and text out of the tree and collects what is wrong with them. What a key means
//! is said by the files that call it.

use std::path::{Path, PathBuf};

use super::Environment;
use super::mistake::{At, Mistakes, Place};
use super::near::nearest;
use super::tree::{Key, Node, Tree};

/// What the reading of one configuration needs everywhere.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) env: &'a Environment,
    /// The folder of the file: relative paths in the file start here.
    pub(super) folder: &'a Path,
    /// Whether secrets and certificates must be there; what judges requests without a running
    /// proxy does without them.
    pub(super) complete: bool,
    pub(super) mistakes: Mistakes,
}

/// A text and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) place: Place,
    pub(super) text: String,
}

impl Text {
    /// Where it stands in the file; nowhere when a variable holds it.
    pub(super) fn at(&self) -> At {
        match self.place {
            Place::At(at) => at,
            Place::File | Place::Variable(_) => At::default(),
        }
    }
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, place: &Place, text: impl Into<String>) {
        self.mistakes.add(place.clone(), text);
    }

    pub(super) fn wrong_at(&mut self, at: At, text: impl Into<String>) {
        self.mistakes.add(Place::At(at), text);
    }

    /// A value that must be text. `what` names it: `name`.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<Text> {
        let problem = match &node.tree {
            Tree::Text(text) if !text.is_empty() => {
                return Some(Text {
                    place: Place::At(node.at),
                    text: text.clone(),
                });
            }
            Tree::Text(_) | Tree::Nothing => {
                format!("`{what}` has no value: give one, or leave the key out")
            }
            Tree::NotText | Tree::Whole(_) => {
                format!("`{what}` must be text: put the value in quotes")
            }
            Tree::List(_) => format!("`{what}` must be one value, not a list"),
            Tree::Map(_) => format!("`{what}` must be one value, not a map"),
        };
        self.wrong_at(node.at, problem);
        None
    }

    /// A value that must be a list; one that is empty or has no value is an empty list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.tree {
            Tree::List(items) => items,
            Tree::Nothing => &[],
            Tree::NotText | Tree::Whole(_) | Tree::Text(_) | Tree::Map(_) => {
                self.wrong_at(
                    node.at,
                    format!("`{what}` must be a list: write `- ` before each item, or `[…]`"),
                );
                &[]
            }
        }
    }

    /// A value that must be a list of texts.
    pub(super) fn texts(&mut self, node: Option<&Node>, what: &str) -> Vec<Text> {
        let Some(node) = node else {
            return Vec::new();
        };
        self.list(node, what)
            .iter()
            .filter_map(|item| self.text(item, what))
            .collect()
    }

    /// A value that must be a map with known keys. `what` names the thing: `a route`.
    pub(super) fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
        let Tree::Map(entries) = &node.tree else {
            let keys = known.join(", ");
            self.wrong_at(
                node.at,
                format!("{what} must be a map with the keys {keys}"),
            );
            return None;
        };
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                let hint = nearest(&key.text, known).map_or_else(
                    || format!("it may have {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                self.wrong_at(key.at, format!("{what} has no key `{}`: {hint}", key.text));
            }
        }
        Some(Fields {
            at: node.at,
            what,
            entries,
        })
    }

    /// A path in the file, from the file's folder on.
    pub(super) fn path(&self, text: &Text) -> PathBuf {
        match text.place {
            // What somebody typed into a shell is meant from where he stood.
            Place::Variable(_) => PathBuf::from(&text.text),
            Place::File | Place::At(_) => self.folder.join(&text.text),
        }
    }
}

/// The entries of a map whose keys are known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'n> {
    pub(super) at: At,
    what: &'static str,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, value)| value)
    }

    /// A text that may be left out.
    pub(super) fn text(&self, key: &'static str, reader: &mut Reader<'_>) -> Option<Text> {
        reader.text(self.get(key)?, key)
    }

    /// A text that has to be there; `hint` says what to write.
    pub(super) fn required(
        &self,
        key: &'static str,
        hint: &str,
        reader: &mut Reader<'_>,
    ) -> Option<Text> {
        if self.get(key).is_none() {
            reader.wrong_at(self.at, format!("{} needs `{key}`: {hint}", self.what));
        }
        self.text(key, reader)
    }
}
