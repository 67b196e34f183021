//! `reload`: a running proxy reads its rules again.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::admin_client::{AdminArguments, AdminClient};
use super::visible::visible;
use super::{Context, Exit, Failure, Out};

/// Let a running proxy read its rules and certificates again, all or nothing; the rules' cases have to pass
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What the proxy answers.
#[derive(Debug, Deserialize)]
struct Reloaded {
    before: String,
    after: String,
    changed: bool,
    cases: u64,
    #[serde(default)]
    windows: Vec<String>,
    #[serde(default)]
    empty: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
    note: String,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let answer = AdminClient::new(&arguments.admin, context)?.post("reload", &json!({}))?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let reloaded = Reloaded::deserialize(answer).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })?;
    let (before, after) = (visible(&reloaded.before), visible(&reloaded.after));
    let out = &mut *context.out;
    if reloaded.changed {
        out.line(format_args!("rules reloaded: {before} → {after}"))?;
    } else {
        out.line(format_args!("the rules are the same as before: {after}"))?;
    }
    out.line(format_args!("cases: {0} of {0} passed", reloaded.cases))?;
    limits(out, &reloaded.windows, &reloaded.empty)?;
    for route in &reloaded.certificates {
        let route = visible(route);
        out.line(format_args!("certificates of route {route} read again"))?;
    }
    out.line(visible(&reloaded.note))?;
    Ok(Exit::Done)
}

/// What other rules do to limits.
pub(super) fn limits(out: &mut Out, windows: &[String], empty: &[String]) -> Result<(), Failure> {
    for name in windows {
        let name = visible(name);
        out.line(format_args!(
            "limit {name} has another window; what was charged within it counts"
        ))?;
    }
    for name in empty {
        let name = visible(name);
        out.line(format_args!(
            "limit {name} begins empty; what was done before does not count"
        ))?;
    }
    Ok(())
}
