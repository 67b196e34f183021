//! `entries settle`: say what became of a write in doubt.

use clap::Args;
use serde_json::json;

use super::admin_client::{AdminArguments, AdminClient, segment};
use super::visible::visible;
use super::{Context, Exit, Failure};

/// Say what became of a write in doubt, after a look into the CRM; its records are free again
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The entry's id
    #[arg(value_name = "ENTRY")]
    id: String,
    /// It was carried out: repeats are not sent again
    #[arg(
        long,
        conflicts_with = "not_applied",
        required_unless_present = "not_applied"
    )]
    applied: bool,
    /// It was not carried out: a repeat is a new write
    #[arg(long)]
    not_applied: bool,
    /// The record that it made: then a repeat gets the CRM's answer
    #[arg(long = "id", value_name = "ID", conflicts_with = "not_applied")]
    made: Option<String>,
    /// How you know, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let outcome = if arguments.applied {
        "applied"
    } else {
        "not_applied"
    };
    let target = format!("entries/{}/settle", segment(&arguments.id));
    let body = json!({ "outcome": outcome, "reason": arguments.reason, "id": arguments.made });
    let answer = client.post(&target, &body)?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let what = if arguments.applied {
        "was carried out; its repeats are not sent again"
    } else {
        "was not carried out; a repeat is a new write"
    };
    context
        .out
        .line(format_args!("{} {what}", visible(&arguments.id)))?;
    Ok(Exit::Done)
}
