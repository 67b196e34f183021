//! The command line: arguments → one file for each verb.
//!
//! Exit codes: 0 done, 1 refused or found something, 2 usage, 69 cannot reach, 78 configuration.
//! Results go to standard output (tables for people, `--json` for programs), everything else to
//! standard error. A reader that leaves early (`| head`) is no failure.

mod admin_client;
mod check;
mod completions;
mod coverage;
mod demo;
mod entries;
mod explain;
mod fingerprint;
mod holds;
mod key;
mod ledger;
mod limits;
mod output;
mod reload;
mod revert;
mod rules;
mod schema;
mod serve;
mod settle;
mod status;
mod switch;
mod table;
mod visible;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use output::{Exit, Failure, Out};

use crate::config::{Config, Environment, load, load_without_secrets};

/// A transparent reverse proxy between AI agents and the CRM: every write is judged, limited,
/// recorded and can be undone.
#[derive(Debug, Parser)]
#[command(name = "writegate", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Arguments),
    Serve(serve::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    #[command(subcommand)]
    Holds(holds::Verb),
    #[command(subcommand)]
    Entries(entries::Verb),
    #[command(subcommand)]
    Ledger(ledger::Verb),
    #[command(subcommand)]
    Limits(limits::Verb),
    Reload(reload::Arguments),
    #[command(subcommand)]
    Rules(rules::Verb),
    Revert(revert::Arguments),
    Status(status::Arguments),
    Kill(switch::KillArguments),
    Resume(switch::ResumeArguments),
    #[command(subcommand)]
    Key(key::Verb),
    Schema(schema::Arguments),
    Fingerprint(fingerprint::Arguments),
    Coverage(coverage::Arguments),
    Completions(completions::Arguments),
}

/// Where the configuration is.
#[derive(Args, Debug)]
struct ConfigArguments {
    #[arg(
        long,
        short,
        value_name = "FILE",
        help = "The configuration file [default: WRITEGATE_CONFIG, else writegate.yaml]"
    )]
    config: Option<PathBuf>,
}

impl ConfigArguments {
    /// The configuration with everything it refers to.
    fn load(&self, env: &Environment) -> Result<Config, Failure> {
        Ok(load(self.config.as_deref(), env)?)
    }

    /// The same for a verb that talks to no CRM.
    fn load_without_secrets(&self, env: &Environment) -> Result<Config, Failure> {
        Ok(load_without_secrets(self.config.as_deref(), env)?)
    }
}

/// What every verb gets.
struct Context<'a> {
    env: &'a Environment,
    out: &'a mut Out,
}

/// Runs the program with `arguments`, the first of which is its own name.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>, env: &Environment) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let shown = error.print();
            let usage = error.use_stderr();
            return if usage {
                Exit::Usage
            } else {
                output::written(shown)
            };
        }
    };
    let mut out = Out::standard(env);
    let mut context = Context { env, out: &mut out };
    let done = verb(arguments.verb, &mut context);
    let done = done.and_then(|exit| Ok(out.flush().map(|()| exit)?));
    match done {
        Ok(exit) => exit,
        Err(failure) => {
            failure.tell();
            failure.exit()
        }
    }
}

/// Runs a verb with these arguments and keeps what it says, the text of a failure included.
fn kept(arguments: &[String], env: &Environment) -> (Exit, String) {
    let program = std::iter::once("writegate".to_owned());
    let arguments = match Arguments::try_parse_from(program.chain(arguments.iter().cloned())) {
        Ok(arguments) => arguments,
        Err(error) => return (Exit::Usage, error.to_string()),
    };
    let (mut out, kept) = Out::kept();
    let mut context = Context { env, out: &mut out };
    match verb(arguments.verb, &mut context) {
        Ok(exit) => (exit, kept.text()),
        Err(failure) => (failure.exit(), format!("{}{failure}\n", kept.text())),
    }
}

fn verb(verb: Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Demo(arguments) => demo::run(&arguments, context),
        Verb::Serve(arguments) => serve::run(&arguments, context),
        Verb::Check(arguments) => check::run(&arguments, context),
        Verb::Explain(arguments) => explain::run(&arguments, context),
        Verb::Holds(verb) => holds::run(&verb, context),
        Verb::Entries(verb) => entries::run(&verb, context),
        Verb::Ledger(verb) => ledger::run(&verb, context),
        Verb::Limits(verb) => limits::run(&verb, context),
        Verb::Reload(arguments) => reload::run(&arguments, context),
        Verb::Rules(verb) => rules::run(&verb, context),
        Verb::Revert(arguments) => revert::run(&arguments, context),
        Verb::Status(arguments) => status::run(&arguments, context),
        Verb::Kill(arguments) => switch::kill(&arguments, context),
        Verb::Resume(arguments) => switch::resume(&arguments, context),
        Verb::Key(verb) => key::run(&verb, context),
        Verb::Schema(arguments) => schema::run(&arguments, context),
        Verb::Fingerprint(arguments) => fingerprint::run(&arguments, context),
        Verb::Coverage(arguments) => coverage::run(&arguments, context),
        Verb::Completions(arguments) => completions::run(&arguments, context),
    }
}
