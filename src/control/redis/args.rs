//! The arguments of a script, one behind the other in one piece of memory.

use std::fmt::Display;

use redis::Cmd;

#[derive(Debug, Default, Clone)]
pub(super) struct Args {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Args {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn push(&mut self, text: impl AsRef<[u8]>) -> &mut Self {
        self.bytes.extend_from_slice(text.as_ref());
        self.ends.push(self.bytes.len());
        self
    }

    pub(super) fn number(&mut self, number: impl Display) -> &mut Self {
        self.push(format!("{number}"))
    }

    pub(super) fn count(&mut self, items: usize) -> &mut Self {
        self.number(items)
    }

    /// Everything of another one.
    pub(super) fn append(&mut self, other: &Self) -> &mut Self {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + before));
        self
    }

    /// How many bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn give_to(&self, command: &mut Cmd) {
        let mut from = 0;
        for end in &self.ends {
            command.arg(self.bytes.get(from..*end).unwrap_or_default());
            from = *end;
        }
    }
}
