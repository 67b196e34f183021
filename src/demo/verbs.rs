//! The verbs of the command line, as the tour's operators run them, and what they say.

use crate::config::Environment;

/// Runs a verb with these arguments and this environment, and keeps what it says. Blocks.
pub type Verbs = fn(&[String], &Environment) -> Said;

/// Stands for lines that are not shown.
const LEFT_OUT: &str = "…";

/// What a verb said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code.
    pub exit: u8,
    /// Everything on standard output and standard error.
    pub text: String,
}

impl Said {
    /// All lines.
    pub(super) fn all(&self) -> Vec<&str> {
        self.those(|_| true)
    }

    /// The lines from the first one on that begins with `start`.
    pub(super) fn from(&self, start: &str) -> Vec<&str> {
        let mut begun = false;
        self.those(|line| {
            begun |= line.starts_with(start);
            begun
        })
    }

    /// The lines to keep; `…` stands where others were between them. Empty lines are never kept.
    pub(super) fn those(&self, mut keep: impl FnMut(&str) -> bool) -> Vec<&str> {
        let mut lines = Vec::new();
        for line in self.text.lines().filter(|line| !line.is_empty()) {
            if keep(line) {
                lines.push(line);
            } else if lines.last().is_some_and(|last| *last != LEFT_OUT) {
                lines.push(LEFT_OUT);
            }
        }
        if lines.last() == Some(&LEFT_OUT) {
            lines.pop();
        }
        lines
    }

    /// The cells of the first row of a table that begins with `first`; three blanks stand between them.
    pub(super) fn cells(&self, first: &str) -> Vec<&str> {
        let mut rows = self.text.lines().map(cells);
        rows.find(|cells| cells.first() == Some(&first))
            .unwrap_or_default()
    }

    /// The word right after the first occurrence of `before`.
    pub(super) fn word_after(&self, before: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(before)?;
        rest.split_whitespace().next()
    }
}

/// The cells of a row.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.split("   ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_marked() {
        let said = Said {
            exit: 0,
            text: "head\none\ntwo\n\nyes: verb ID@1 · no\n".into(),
        };
        assert_eq!(said.all(), ["head", "one", "two", "yes: verb ID@1 · no"]);
        assert_eq!(said.from("two"), ["two", "yes: verb ID@1 · no"]);
        assert_eq!(said.those(|line| line == "one"), ["one"]);
        let ends = |line: &str| line == "head" || line == "two";
        assert_eq!(said.those(ends), ["head", "…", "two"]);
        let table = Said {
            text: "  FIELD   THEN\n  Amount      1 2   -\n".into(),
            ..said
        };
        assert_eq!(table.cells("Amount"), ["Amount", "1 2", "-"]);
        assert!(table.cells("Name").is_empty());
        assert_eq!(said.word_after("verb "), Some("ID@1"));
        assert_eq!(said.word_after("verbs "), None);
    }
}
