//! What is wrong with a configuration, where, and what to do: collected, then told together.

use std::fmt;
use std::path::{Path, PathBuf};

/// A position in the file, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// Where a mistake stands. In the order in which mistakes are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// The file as a whole.
    File,
    /// A place in the file.
    At(At),
    /// An environment variable.
    Variable(String),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    place: Place,
    text: String,
}

/// Mistakes while they are being collected.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(super) fn add(&mut self, place: Place, text: impl Into<String>) {
        self.0.push(Mistake {
            place,
            text: text.into(),
        });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value if there was nothing wrong, else all that is, by place.
    pub(super) fn finish<T>(mut self, file: &Path, value: Option<T>) -> Result<T, ConfigErrors> {
        match value {
            Some(value) if self.0.is_empty() => return Ok(value),
            // Every part that is left out has said why; were one silent, this would still be no success.
            None if self.0.is_empty() => self.add(Place::File, "cannot be understood"),
            Some(_) | None => {}
        }
        self.0.sort();
        self.0.dedup();
        Err(ConfigErrors {
            file: file.to_owned(),
            mistakes: self.0,
        })
    }
}

/// Everything that is wrong with a configuration; never empty. Displays as one
/// `file:line:column: what is wrong: what to do` per line, in the order of the file, without a line
/// break at the end. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: PathBuf,
    mistakes: Vec<Mistake>,
}

impl ConfigErrors {
    /// The file, whether it could be read or not.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many mistakes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.mistakes.len()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (place, mistake) in self.mistakes.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            match &mistake.place {
                Place::File => write!(f, "{file}: {}", mistake.text)?,
                Place::At(at) => {
                    write!(f, "{file}:{}:{}: {}", at.line, at.column, mistake.text)?;
                }
                Place::Variable(name) => write!(f, "{name}: {}", mistake.text)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
