//! What the program says: results to standard output, failures to standard error, one exit code.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::config::{ConfigErrors, Environment};
use crate::policy::LoadErrors;
use crate::rules::Unfit;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Refused, or found something.
    Found,
    /// Wrong arguments.
    Usage,
    /// A running proxy could not be reached.
    Unreachable,
    /// The configuration is wrong.
    Config,
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Found => 1,
            Self::Usage => 2,
            // sysexits.h: EX_UNAVAILABLE, EX_CONFIG
            Self::Unreachable => 69,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a verb did not do what it was asked. The text says what and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Refused, or it did not work.
    #[error("{0}")]
    Refused(String),
    /// Wrong arguments.
    #[error("{0}")]
    Usage(String),
    /// A running proxy could not be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// The rules are wrong.
    #[error("{0}")]
    Rules(String),
    /// Standard output could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

impl From<LoadErrors> for Failure {
    fn from(errors: LoadErrors) -> Self {
        Self::Rules(errors.to_string())
    }
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        Self::Rules(unfit.to_string())
    }
}

impl Failure {
    /// How the program ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Refused(_) => Exit::Found,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable(_) => Exit::Unreachable,
            Self::Config(_) | Self::Rules(_) => Exit::Config,
            // Whoever read us has what he wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Found,
        }
    }

    /// Says it on standard error. A configuration's mistakes stand as they are, one per line.
    pub(super) fn tell(&self) {
        match self {
            Self::Config(_) | Self::Rules(_) => tell(self),
            Self::Output(_) if self.exit() == Exit::Done => {}
            Self::Refused(_) | Self::Usage(_) | Self::Unreachable(_) | Self::Output(_) => {
                tell(format_args!("writegate: {self}"));
            }
        }
    }
}

/// One line to standard error. That nobody can read it changes nothing.
pub(super) fn tell(line: impl fmt::Display) {
    if writeln!(io::stderr(), "{line}").is_err() {
        tracing::debug!("standard error is closed");
    }
}

/// How the program ends after it wrote something to standard output.
pub(super) fn written(result: io::Result<()>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(error) => Failure::Output(error).exit(),
    }
}

/// Standard output. Colour only where a person looks (a terminal, `NO_COLOR` not set).
pub struct Out {
    to: Box<dyn Write>,
    colour: bool,
    columns: Option<usize>,
}

impl Out {
    /// The process's standard output.
    #[must_use]
    pub fn standard(env: &Environment) -> Self {
        let stdout = io::stdout();
        let plain = env.get("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env.get("TERM").is_some_and(|value| value == "dumb");
        let size = terminal_size::terminal_size_of(&stdout);
        Self {
            colour: stdout.is_terminal() && !plain,
            columns: size.map(|(width, _)| usize::from(width.0)),
            to: Box::new(stdout.lock()),
        }
    }

    /// One that keeps what is written, without colour.
    pub(super) fn kept() -> (Self, Kept) {
        let kept = Kept::default();
        let out = Self {
            to: Box::new(kept.clone()),
            colour: false,
            columns: None,
        };
        (out, kept)
    }

    /// Whether a person looks, so that colour helps.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.colour
    }

    /// How wide the terminal is that a person looks at.
    #[must_use]
    pub fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Writes one line.
    ///
    /// # Errors
    /// The system's; a closed pipe ends the program quietly.
    pub fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        writeln!(self.to, "{line}")
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// The system's.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.to, value)?;
        self.to.write_all(b"\n")
    }

    /// A verdict's word, coloured where a person looks.
    #[must_use]
    pub fn effect(&self, word: &str) -> String {
        let colour = match word {
            "allow" => "32",
            "hold" => "33",
            "deny" => "31",
            _ => return word.to_owned(),
        };
        if self.colour {
            format!("\u{1b}[{colour}m{word}\u{1b}[0m")
        } else {
            word.to_owned()
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// As text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out")
            .field("colour", &self.colour)
            .finish_non_exhaustive()
    }
}
