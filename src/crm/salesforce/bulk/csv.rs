//! CSV as Bulk API takes it, with one reading only: the declared delimiter and line ending, quotes
//! around whole cells alone, every row as long as the header. Streams: holds one record.

use std::fmt;

/// The longest cell, in bytes: Salesforce's longest field.
const CELL_MOST: usize = 131_072;
/// The longest record.
const RECORD_MOST: usize = 400_000;
/// The longest header.
const HEADER_MOST: usize = 32_000;
/// The most columns.
const COLUMNS_MOST: usize = 5_000;

/// What a job declares of its CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What stands between cells.
    pub delimiter: u8,
    /// Whether lines end in CRLF; else in LF.
    pub crlf: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            crlf: false,
        }
    }
}

/// Why a file has no reading, or more than one; where, and for people. Never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Fault {
    what: String,
}

impl Fault {
    /// What is wrong with a line, from 1.
    #[must_use]
    pub fn of(line: u64, what: &str) -> Self {
        Self {
            what: format!("line {line} of the CSV {what}"),
        }
    }

    /// What is wrong with a row that was read: `rows[17]: …`.
    #[must_use]
    pub fn row(what: String) -> Self {
        Self { what }
    }
}

/// One record: the cells' texts, and the bytes that it was read from.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    text: &'a str,
    ends: &'a [usize],
    /// The bytes, with their line ending if they have one.
    pub raw: &'a [u8],
    /// The line it begins on, from 1.
    pub line: u64,
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.cells()).finish()
    }
}

impl<'a> Record<'a> {
    /// How many cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none; there never is such a record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cells' texts.
    pub fn cells(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (text, mut from) = (self.text, 0);
        self.ends.iter().map(move |end| {
            let cell = text.get(from..*end).unwrap_or_default();
            from = *end;
            cell
        })
    }
}

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first byte of a record.
    Record,
    /// Before the first byte of a cell that is not the first one.
    Cell,
    /// In a cell without quotes.
    Bare,
    /// In a cell with quotes.
    Quoted,
    /// Behind a quote in such a cell: its end, or half of a doubled one.
    Quote,
    /// Behind the CR that has to be followed by LF.
    Cr,
}

/// Reads records as their bytes come in.
#[derive(Clone, Debug)]
pub struct Reader {
    dialect: Dialect,
    state: State,
    text: Vec<u8>,
    ends: Vec<usize>,
    raw: Vec<u8>,
    /// Of the header; 0 before it was read.
    columns: usize,
    /// The line that the present record begins on, and the present one.
    lines: (u64, u64),
}

impl Reader {
    /// Reads a file from its header.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self::below(dialect, 0)
    }

    /// Reads records below a header of so many columns.
    #[must_use]
    pub fn below(dialect: Dialect, columns: usize) -> Self {
        Self {
            dialect,
            state: State::Record,
            text: Vec::new(),
            ends: Vec::new(),
            raw: Vec::new(),
            columns,
            lines: (1, 1),
        }
    }

    /// Takes more bytes; `each` gets every record that is complete by now, the header first.
    ///
    /// # Errors
    /// [`Fault`], also one of `each`; nothing more may be read then.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Record<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            let plain = match self.state {
                State::Bare | State::Quoted => self.plain(rest),
                State::Record | State::Cell | State::Quote | State::Cr => 0,
            };
            if plain > 0 {
                let (run, after) = rest.split_at(plain);
                self.text.extend_from_slice(run);
                self.raw.extend_from_slice(run);
                self.bounded()?;
                rest = after;
                continue;
            }
            self.raw.push(*byte);
            if self.step(*byte)? {
                self.record(&mut each)?;
            }
            self.bounded()?;
            rest = after;
        }
        Ok(())
    }

    /// The end of the file.
    ///
    /// # Errors
    /// [`Fault`], as for [`Reader::push`].
    pub fn finish(
        mut self,
        mut each: impl FnMut(Record<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self.state {
            State::Record => {}
            State::Cell | State::Bare | State::Quote => {
                self.ends.push(self.text.len());
                self.record(&mut each)?;
            }
            State::Quoted => return Err(self.fault("has a quote that is never closed")),
            State::Cr => return Err(self.fault("ends in CR alone")),
        }
        if self.columns == 0 {
            return Err(self.fault("is missing: there is no header"));
        }
        Ok(())
    }

    /// How many bytes from here are text and nothing else.
    fn plain(&self, rest: &[u8]) -> usize {
        let delimiter = self.dialect.delimiter;
        let quoted = self.state == State::Quoted;
        let special = |byte: &u8| match *byte {
            b'"' | b'\n' | 0 => true,
            b'\r' => !quoted,
            other => !quoted && other == delimiter,
        };
        rest.iter().position(special).unwrap_or(rest.len())
    }

    /// One byte; true where it ends the record.
    fn step(&mut self, byte: u8) -> Result<bool, Fault> {
        if byte == 0 {
            return Err(self.fault("holds the character NUL"));
        }
        let ends_line = matches!(byte, b'\n' | b'\r');
        self.state = match (self.state, byte) {
            (State::Cr, b'\n') => {
                self.lines.1 += 1;
                return Ok(true);
            }
            (State::Cr, _) => return Err(self.fault("ends in CR alone")),
            (State::Quoted, b'"') => State::Quote,
            (State::Quoted, _) => {
                self.lines.1 += u64::from(byte == b'\n');
                self.text.push(byte);
                State::Quoted
            }
            (State::Quote, b'"') => {
                self.text.push(b'"');
                State::Quoted
            }
            (State::Record | State::Cell, b'"') => State::Quoted,
            (State::Bare, b'"') => {
                return Err(self.fault("has a quote inside a cell without quotes"));
            }
            (State::Record, _) if ends_line => return Err(self.fault("is blank")),
            (State::Record | State::Cell | State::Bare | State::Quote, _) if ends_line => {
                self.ends.push(self.text.len());
                return self.line_end(byte);
            }
            (State::Record | State::Cell | State::Bare | State::Quote, other)
                if other == self.dialect.delimiter =>
            {
                self.ends.push(self.text.len());
                State::Cell
            }
            (State::Quote, _) => return Err(self.fault("goes on behind a closing quote")),
            (State::Record | State::Cell | State::Bare, _) => {
                self.text.push(byte);
                State::Bare
            }
        };
        Ok(false)
    }

    /// The first byte of a line ending, which must be the declared one.
    fn line_end(&mut self, byte: u8) -> Result<bool, Fault> {
        match (byte, self.dialect.crlf) {
            (b'\n', false) => {
                self.lines.1 += 1;
                Ok(true)
            }
            (b'\r', true) => {
                self.state = State::Cr;
                Ok(false)
            }
            (_, true) => Err(self.fault("ends in LF, and the job declares CRLF")),
            (_, false) => Err(self.fault("ends in CR, and the job declares LF")),
        }
    }

    fn record(
        &mut self,
        each: &mut impl FnMut(Record<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let Ok(text) = std::str::from_utf8(&self.text) else {
            return Err(self.fault("is not UTF-8"));
        };
        if !self.ends.iter().all(|end| text.is_char_boundary(*end)) {
            return Err(self.fault("is not UTF-8"));
        }
        if self.columns == 0 {
            self.columns = self.ends.len();
        } else if self.ends.len() != self.columns {
            let (cells, columns) = (self.ends.len(), self.columns);
            return Err(self.fault(&format!("has {cells} cells, and the header {columns}")));
        }
        each(Record {
            text,
            ends: &self.ends,
            raw: &self.raw,
            line: self.lines.0,
        })?;
        self.text.clear();
        self.ends.clear();
        self.raw.clear();
        self.state = State::Record;
        self.lines.0 = self.lines.1;
        Ok(())
    }

    fn bounded(&self) -> Result<(), Fault> {
        let cell = self.text.len() - self.ends.last().copied().unwrap_or(0);
        let most = match self.columns {
            0 => HEADER_MOST,
            _ => RECORD_MOST,
        };
        if cell > CELL_MOST {
            Err(self.fault(&format!("has a cell of more than {CELL_MOST} bytes")))
        } else if self.raw.len() > most {
            Err(self.fault(&format!("is longer than {most} bytes")))
        } else if self.ends.len() > COLUMNS_MOST {
            Err(self.fault(&format!("has more than {COLUMNS_MOST} cells")))
        } else {
            Ok(())
        }
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::of(self.lines.0, what)
    }
}

#[cfg(test)]
mod tests;
