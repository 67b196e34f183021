//! `schema`: what editors check files by while they are written.

use clap::{Args, ValueEnum};

use super::{Context, Exit, Failure};
use crate::schema;

/// Print the JSON Schema of a kind of file, for editors
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Of which kind of file
    #[arg(value_enum)]
    of: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// writegate.yaml
    Config,
    /// rules/NAME.yaml
    Rules,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let schema = match arguments.of {
        Kind::Config => schema::config(),
        Kind::Rules => schema::rules(),
    };
    context.out.line(format_args!("{schema:#}"))?;
    Ok(Exit::Done)
}
