//! `ledger verify`: whether any row of the ledger was edited, removed or reordered.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::admin_client::block_on;
use super::visible::visible;
use super::{ConfigArguments, Context, Exit, Failure};
use crate::config::LedgerStore;
use crate::ledger::postgres::{Address, PostgresLedger};
use crate::ledger::sqlite::SqliteLedger;
use crate::ledger::{Head, Ledger, Verified};

/// Check the ledger
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Verify(Arguments),
}

/// Walk the whole hash chain of a ledger (in PostgreSQL, that of each replica), also while proxies write
/// to it
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The ledger's file; without it, the ledger of the configuration, or of `WRITEGATE_LEDGER`
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    ledger: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
    /// Heads that were published and must be in the chain: a file with one line of JSON each, as the
    /// proxy writes it
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let Verb::Verify(arguments) = verb;
    let published = match &arguments.head {
        Some(file) => heads(file)?,
        None => Vec::new(),
    };
    let (name, ledger) = open(arguments, context)?;
    let verified = block_on(ledger.verify(&published))?
        .map_err(|error| Failure::Refused(cannot_read(&name, &error)))?;
    if arguments.json {
        context.out.json(&verified)?;
    } else {
        show(&name, &verified, published.len(), context)?;
    }
    Ok(if verified.faults.is_empty() {
        Exit::Done
    } else {
        Exit::Found
    })
}

/// The ledger, and what it is called.
fn open(
    arguments: &Arguments,
    context: &Context<'_>,
) -> Result<(String, Box<dyn Ledger>), Failure> {
    let store = match &arguments.ledger {
        Some(file) => LedgerStore::Sqlite(file.clone()),
        None => arguments.config.load_without_secrets(context.env)?.ledger,
    };
    match store {
        LedgerStore::Sqlite(file) => {
            let name = file.display().to_string();
            match SqliteLedger::read_only(&file) {
                Ok(ledger) => Ok((name, Box::new(ledger))),
                Err(error) => Err(Failure::Usage(cannot_read(&name, &error))),
            }
        }
        LedgerStore::Postgres(url) => {
            // what is there was looked at when it was loaded
            let Ok(address) = Address::parse(url.expose()) else {
                let what = "the URL of the ledger is not there: set it, as `serve` needs it";
                return Err(Failure::Usage(what.into()));
            };
            let name = address.to_string();
            match PostgresLedger::read_only(address) {
                Ok(ledger) => Ok((name, Box::new(ledger))),
                Err(error) if error.transient => {
                    Err(Failure::Unreachable(cannot_read(&name, &error)))
                }
                Err(error) => Err(Failure::Usage(cannot_read(&name, &error))),
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "heads that we published ourselves, not traffic"
)]
fn heads(file: &Path) -> Result<Vec<Head>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::Usage(cannot_read(&file.display(), &error)))?;
    let mut heads = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let head = serde_json::from_str(line).map_err(|error| {
            let line = place + 1;
            Failure::Usage(format!(
                "{}:{line}: is no published head ({error})",
                file.display()
            ))
        })?;
        heads.push(head);
    }
    if heads.is_empty() {
        let file = file.display();
        return Err(Failure::Usage(format!("{file} holds no published head")));
    }
    Ok(heads)
}

fn show(
    name: &str,
    verified: &Verified,
    published: usize,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    for fault in &verified.faults {
        context.out.line(visible(fault))?;
    }
    let heads = match published {
        0 => "no published head to compare with".to_owned(),
        count => format!("{count} published heads compared"),
    };
    let rows = verified.rows;
    let found = match verified.faults.len() {
        0 if verified.heads.len() > 1 => "all chains are whole".to_owned(),
        0 => "the chain is whole".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    context
        .out
        .line(format_args!("{name}: {rows} rows, {found}, {heads}"))?;
    for head in &verified.heads {
        let (writer, seq, hash) = (visible(&head.writer), head.seq, visible(&head.hash));
        context
            .out
            .line(format_args!("head {writer} {seq} {hash}"))?;
    }
    Ok(())
}

fn cannot_read(what: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> String {
    format!("cannot read {what}: {error}")
}
