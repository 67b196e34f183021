//! YAML → a tree in which every key and value knows its line and column, so that all mistakes of a
//! file can be told together. Knows nothing of what the keys mean.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Location, Spanned};

use super::mistake::{At, Mistakes, Place};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) tree: Tree,
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) text: String,
}

/// What YAML can say, as far as a configuration needs it.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// Nothing, `~` or `null`.
    Nothing,
    /// An unquoted number or boolean; its spelling is not kept.
    NotText,
    /// An unquoted whole number that is not negative.
    Whole(u64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// Reads one YAML document. A key that stands twice is a mistake, and reading goes on; `None` where
/// the text is no YAML at all.
pub(super) fn parse(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let node: Node = match read(text, DuplicateKeyPolicy::LastWins) {
        Ok(node) => node,
        Err(error) => {
            mistakes.add(place(&error), message(&error));
            return None;
        }
    };
    let before = mistakes.len();
    repeated(&node, mistakes);
    // Integer keys are compared by value, which only the reader itself does.
    if mistakes.len() == before
        && let Err(error) = read(text, DuplicateKeyPolicy::Error)
    {
        mistakes.add(place(&error), message(&error));
    }
    Some(node)
}

fn read(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Node, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        // An excerpt could show a password that stands in a URL.
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

fn place(error: &serde_saphyr::Error) -> Place {
    error
        .location()
        .and_then(At::new)
        .map_or(Place::File, Place::At)
}

/// The reader's own text without its place, which we put in front.
fn message(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::MultipleDocuments { .. } = error.without_snippet() {
        return "a second document begins here: keep one, without `---`".to_owned();
    }
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    let what = text.get(..end).unwrap_or(&text).replace('\n', " ");
    format!("not readable as YAML: {what}")
}

fn repeated(node: &Node, mistakes: &mut Mistakes) {
    match &node.tree {
        Tree::Nothing | Tree::NotText | Tree::Whole(_) | Tree::Text(_) => {}
        Tree::List(items) => items.iter().for_each(|item| repeated(item, mistakes)),
        Tree::Map(entries) => {
            for (place, (key, value)) in entries.iter().enumerate() {
                let first = entries.iter().take(place).find(|(k, _)| k.text == key.text);
                if let Some((first, _)) = first {
                    let text = format!(
                        "key `{}` stands twice, first in line {}: keep one",
                        key.text, first.at.line
                    );
                    mistakes.add(Place::At(key.at), text);
                }
                repeated(value, mistakes);
            }
        }
    }
}

impl At {
    fn new(location: Location) -> Option<Self> {
        (location != Location::UNKNOWN).then(|| Self {
            line: location.line(),
            column: location.column(),
        })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self {
            at: At::new(spanned.referenced).unwrap_or_default(),
            tree: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            at: At::new(spanned.referenced).unwrap_or_default(),
            text: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        Tree::deserialize(deserializer)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::NotText)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(u64::try_from(number).map_or(Tree::NotText, Tree::Whole))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::NotText)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Whole(number))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::NotText)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::NotText)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}
