//! `demo`: a sandbox CRM, the proxy before it, and a tour that shows what it does.

use clap::Args;

use super::{Context, Exit, Failure};
use crate::config::Environment;
use crate::demo::{self, DemoError, Ended, Paper, Said};
use crate::telemetry::{self, LogFormat};

/// Show what Writegate does, on a built-in CRM, and stay up to be tried
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// End after the tour; the exit code is 0 only if every step did what it says
    #[arg(long)]
    exit: bool,
    /// Two replicas on a Redis and a PostgreSQL that are started for it, in place of the tour
    #[arg(long)]
    fleet: bool,
    /// No colour, also on a terminal
    #[arg(long)]
    plain: bool,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    telemetry::init_quietly(LogFormat::Text)
        .map_err(|error| Failure::Refused(error.to_string()))?;
    let colour = context.out.colour() && !arguments.plain;
    let columns = context.out.columns();
    let mut paper = Paper::new(context.out, colour, columns);
    let run = match arguments.fleet {
        true => demo::fleet::run,
        false => demo::run,
    };
    match run(&mut paper, !arguments.exit, verb)? {
        Ended::AsTold => Ok(Exit::Done),
        Ended::Otherwise => Ok(Exit::Found),
        Ended::Interrupted => Err(Failure::Refused("stopped before the tour was over".into())),
    }
}

/// A verb, as the demo's operators run it.
fn verb(arguments: &[String], env: &Environment) -> Said {
    let (exit, text) = super::kept(arguments, env);
    Said {
        exit: exit.code(),
        text,
    }
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Start(what) => Self::Refused(what),
            DemoError::Serve(error) => error.into(),
            DemoError::Output(error) => Self::Output(error),
        }
    }
}
