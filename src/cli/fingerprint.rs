//! `fingerprint`: what stands in the configuration in place of a token.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;

use super::output::tell;
use super::{Context, Exit, Failure};
use crate::config::Fingerprint;

/// Print the fingerprint of a token or key, read from standard input
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// `-` for standard input, which is the default. The token itself is better not passed here:
    /// other users of the machine and the shell's history would see it
    token: Option<String>,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let token = match arguments.token.as_deref() {
        None | Some("-") => read()?,
        Some(token) => {
            tell(
                "writegate: warning: a token among the arguments is seen by other users of this \
                 machine and kept in the shell's history; pass it on standard input",
            );
            token.to_owned()
        }
    };
    check(&token)?;
    context.out.line(Fingerprint::of(token.as_bytes()))?;
    Ok(Exit::Done)
}

/// One line, without its end.
fn read() -> Result<String, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        tell("Paste the token and press Enter.");
    }
    let mut lines = stdin.lock().lines();
    let unreadable =
        |error: io::Error| Failure::Usage(format!("cannot read standard input: {error}"));
    let token = lines.next().transpose().map_err(unreadable)?;
    if !io::stdin().is_terminal() && lines.next().is_some() {
        return Err(Failure::Usage(
            "standard input has more than one line: give one token".into(),
        ));
    }
    Ok(token.unwrap_or_default())
}

/// A token as it stands after `Bearer`: anything else would give a fingerprint that never matches.
fn check(token: &str) -> Result<(), Failure> {
    let problem = if token.is_empty() {
        "there is no token: pass it on standard input"
    } else if token.to_ascii_lowercase().starts_with("bearer ") {
        "give the token without the word Bearer"
    } else if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        "a token has no blanks and no letters outside ASCII: give the bare token"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(problem.into()))
}
