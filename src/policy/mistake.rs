//! Mistakes in rule files: all of them together, each with file, line, column and what to do.

use std::fmt;

/// Where something stands in a file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl Place {
    /// The start of a file, for what has no better place.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named to the loader.
    pub file: String,
    /// Where; `None` for the file or folder as a whole.
    pub place: Option<Place>,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(
                f,
                "{}:{}:{}: {}",
                self.file, place.line, place.column, self.what
            ),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Every mistake of every file, in the order of files and lines; one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<Mistake>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

/// Collects the mistakes of one file while it is read.
#[derive(Debug)]
pub(super) struct Mistakes {
    file: String,
    list: Vec<Mistake>,
}

impl Mistakes {
    pub(super) fn of(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            list: Vec::new(),
        }
    }

    /// Notes a mistake.
    pub(super) fn add(&mut self, place: Place, what: impl Into<String>) {
        self.list.push(Mistake {
            file: self.file.clone(),
            place: Some(place),
            what: what.into(),
        });
    }

    /// Notes an error and goes on without the value.
    pub(super) fn keep<T>(&mut self, place: Place, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(what) => {
                self.add(place, what);
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mistakes in the order of the file.
    pub(super) fn into_list(mut self) -> Vec<Mistake> {
        self.list.sort_by_key(|mistake| mistake.place);
        self.list
    }
}

/// `a`, `a or b`, `a, b or c`: the choices in an error.
pub(super) fn choices(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
