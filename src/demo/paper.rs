//! What the story is written on: wrapped and aligned text, colour only where a person looks.

use std::io::{self, Write};

/// No line is longer, but for what cannot be broken; a narrower terminal has shorter ones.
const WIDTH: usize = 100;
/// Below this columns do not stay together.
const NARROWEST: usize = 80;
/// Where the text of a labelled line begins.
const LABELLED: usize = 17;
/// Everything below a heading.
const INDENT: &str = "   ";
/// Before what a program said.
const GUTTER: &str = "│ ";

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Bold,
    Good,
    Bad,
}

/// A place to write to.
pub struct Paper<'a> {
    to: &'a mut dyn Write,
    colour: bool,
    width: usize,
}

impl<'a> Paper<'a> {
    /// Writes to `to`; colours where `colour` says that a person looks, on a terminal of `columns`.
    pub fn new(to: &'a mut dyn Write, colour: bool, columns: Option<usize>) -> Self {
        let width = columns.unwrap_or(WIDTH).clamp(NARROWEST, WIDTH);
        Self { to, colour, width }
    }

    /// An empty line.
    pub(super) fn gap(&mut self) -> io::Result<()> {
        writeln!(self.to)
    }

    /// A line at the margin.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.inked(text, Ink::Bold);
        writeln!(self.to, "{text}")
    }

    /// A paragraph at the margin.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        for line in wrapped(text, self.width) {
            writeln!(self.to, "{line}")?;
        }
        Ok(())
    }

    /// A paragraph below a heading.
    pub(super) fn below(&mut self, text: &str) -> io::Result<()> {
        for line in wrapped(text, self.width - INDENT.len()) {
            writeln!(self.to, "{INDENT}{line}")?;
        }
        Ok(())
    }

    /// A line as it stands, to be copied.
    pub(super) fn verbatim(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{INDENT}{text}")
    }

    /// `label  text`, the text in a column of its own; an empty label goes on with the one before.
    pub(super) fn labelled(&mut self, label: &str, text: &str, ink: Ink) -> io::Result<()> {
        let mut label = label;
        for line in wrapped(text, self.width - LABELLED) {
            let line = self.inked(&line, ink);
            let width = LABELLED - INDENT.len();
            writeln!(self.to, "{INDENT}{label:width$}{line}")?;
            label = "";
        }
        Ok(())
    }

    /// `label  command`, in one piece however long it is: it is there to be copied.
    pub(super) fn typed(&mut self, label: &str, command: &str) -> io::Result<()> {
        let width = LABELLED - INDENT.len();
        writeln!(self.to, "{INDENT}{label:width$}{command}")
    }

    /// A line that a program said, as it stands; what is too long goes on below its last column.
    pub(super) fn quoted(&mut self, text: &str) -> io::Result<()> {
        for line in hung(text, self.width - INDENT.len() - GUTTER.chars().count()) {
            writeln!(self.to, "{INDENT}{GUTTER}{line}")?;
        }
        Ok(())
    }

    /// Sends on what was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    fn inked(&self, text: &str, ink: Ink) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Plain => return text.to_owned(),
        };
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

impl std::fmt::Debug for Paper<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Paper")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}

/// Lines of at most `width` characters, broken between words; a longer word has a line of its own.
/// Blanks at the beginning stay, for columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let lead: String = text.chars().take_while(|letter| *letter == ' ').collect();
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.trim_start().split(' ') {
        let length = line.chars().count();
        if length > 0 && length + 1 + word.chars().count() + lead.len() > width {
            lines.push(format!("{lead}{line}"));
            line.clear();
        } else if length > 0 {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(format!("{lead}{line}").trim_end().to_owned());
    lines
}

/// The same, where what does not fit into the last column goes on below it; columns stand three blanks
/// apart.
fn hung(text: &str, width: usize) -> Vec<String> {
    let Some((before, last)) = text.rsplit_once("   ") else {
        return wrapped(text, width);
    };
    let column = before.chars().count() + 3;
    if column > width / 2 {
        return wrapped(text, width);
    }
    let lines = wrapped(last, width - column);
    let mut before = format!("{before}   ");
    let line = |line: String| {
        let whole = format!("{before}{line}");
        before = " ".repeat(column);
        whole
    };
    lines.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Paper<'_>) -> io::Result<()>, colour: bool) -> String {
        let mut bytes = Vec::new();
        write(&mut Paper::new(&mut bytes, colour, None)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn labelled_text_stays_in_its_column() {
        let text = "word ".repeat(30);
        let out = written(
            |paper| paper.labelled("agent saw", text.trim(), Ink::Plain),
            false,
        );
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("   agent saw     word"), "{out}");
        assert!(lines[1].starts_with("                 word"), "{out}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{out}"
        );
    }

    #[test]
    fn what_a_program_said_keeps_its_columns() {
        let text = format!("because   {}", "word ".repeat(30).trim());
        let out = written(|paper| paper.quoted(&text), false);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("   │ because   word"), "{out}");
        assert!(lines[1].starts_with("   │           word"), "{out}");
        let short = "  A   1   -   2";
        assert_eq!(hung(short, 40), [short]);
        assert_eq!(hung("no columns at all", 12), ["no columns", "at all"]);
    }

    #[test]
    fn a_narrow_terminal_has_shorter_lines() {
        let text = "word ".repeat(60);
        for (columns, longest) in [
            (None, 100),
            (Some(90), 90),
            (Some(40), 80),
            (Some(200), 100),
        ] {
            let mut bytes = Vec::new();
            Paper::new(&mut bytes, false, columns)
                .text(text.trim())
                .unwrap();
            let out = String::from_utf8(bytes).unwrap();
            let width = out.lines().map(str::len).max().unwrap();
            assert!(
                (longest - 4..=longest).contains(&width),
                "{columns:?} {width}"
            );
        }
    }

    #[test]
    fn what_cannot_be_broken_is_whole() {
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), 100), ["a", &long, "b"]);
        assert_eq!(wrapped("a   b", 100), ["a   b"]);
    }

    #[test]
    fn colour_is_only_for_people() {
        let heading = |paper: &mut Paper<'_>| paper.heading("1. x");
        assert_eq!(written(heading, false), "1. x\n");
        assert_eq!(written(heading, true), "\u{1b}[1m1. x\u{1b}[0m\n");
    }
}
