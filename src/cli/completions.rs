//! `completions`: a script that completes verbs and options in a shell.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Context, Exit, Failure};

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    // Into memory first: the generator does not survive a closed pipe.
    let mut script = Vec::new();
    let mut command = super::Arguments::command();
    generate(arguments.shell, &mut command, "writegate", &mut script);
    context.out.write_all(&script)?;
    Ok(Exit::Done)
}
