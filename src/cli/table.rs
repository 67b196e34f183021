//! Columns for people.

use std::io;

use super::output::Out;

/// Rows under a head, columns as wide as they need to be, three blanks between them.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// The column that holds `allow`, `hold` or `deny`.
    effects: Option<usize>,
}

impl Table {
    /// A table with a head; an empty head is not printed.
    pub(super) fn new(head: &[&str]) -> Self {
        let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
        Self {
            rows: if head.is_empty() { vec![] } else { vec![head] },
            effects: None,
        }
    }

    /// The same with a column of verdicts, coloured where a person looks.
    pub(super) fn with_effects(head: &[&str], column: usize) -> Self {
        Self {
            effects: Some(column),
            ..Self::new(head)
        }
    }

    /// Adds a row. Cells hold no control characters (`visible`).
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a line of its own between rows; no column is as wide as it.
    pub(super) fn title(&mut self, text: String) {
        self.rows.push(vec![text]);
    }

    /// Adds lines of their own, as wide as a terminal, if there is one: what does not fit goes on in the next line, by
    /// words.
    pub(super) fn wrapped(&mut self, text: &str, columns: Option<usize>) {
        let words = text.trim_start_matches(' ');
        let indent = " ".repeat(text.len() - words.len());
        let mut line = String::new();
        for word in words.split(' ') {
            let long = line.chars().count() + 1 + word.chars().count();
            if line.is_empty() {
                line = format!("{indent}{word}");
            } else if columns.is_some_and(|columns| long > columns) {
                self.title(std::mem::replace(&mut line, format!("{indent}  {word}")));
            } else {
                line.push(' ');
                line.push_str(word);
            }
        }
        self.title(line);
    }

    /// Prints all rows.
    pub(super) fn print(&self, out: &mut Out) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let rows = self.rows.iter().filter(|row| row.len() > 1);
                let cells = rows.filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let padding = width.saturating_sub(cell.chars().count());
                if self.effects == Some(column) {
                    line.push_str(&out.effect(cell));
                } else {
                    line.push_str(cell);
                }
                line.push_str(&" ".repeat(padding + 3));
            }
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(columns: Option<usize>) -> String {
        let mut table = Table::new(&["HOLD"]);
        table.wrapped("  one two three four", columns);
        let (mut out, kept) = Out::kept();
        table.print(&mut out).unwrap();
        kept.text()
    }

    #[test]
    fn what_is_wider_than_the_terminal_goes_on_below() {
        assert_eq!(printed(None), "HOLD\n  one two three four\n");
        assert_eq!(printed(Some(12)), "HOLD\n  one two\n    three\n    four\n");
    }
}
