//! `rules`: push other rules to a running proxy and all that share its ledger, see what was in force, go
//! back.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin_client::{AdminArguments, AdminClient};
use super::reload;
use super::table::Table;
use super::visible::{minute, visible};
use super::{Context, Exit, Failure};
use crate::rules::bundle::Bundle;

/// Push other rules, see what was in force, go back
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Push(PushArguments),
    History(HistoryArguments),
    Rollback(RollbackArguments),
}

/// Put a folder's rules in force on all replicas, in place of their own folders, all or nothing; their
/// cases have to pass here and there
#[derive(Args, Debug)]
pub(super) struct PushArguments {
    /// The folder with the rules and their cases
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Why, for the ledger
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// List what was put in force, when, by whom and why
#[derive(Args, Debug)]
pub(super) struct HistoryArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Put rules in force that were so before
#[derive(Args, Debug)]
pub(super) struct RollbackArguments {
    /// The digest of a push, or how it begins; `folder` for each replica's own folder [default: what was
    /// in force before the push that is]
    digest: Option<String>,
    /// Why, for the ledger
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What the proxy answers to a push or a rollback.
#[derive(Debug, Deserialize)]
struct Pushed {
    before: String,
    after: String,
    changed: bool,
    cases: u64,
    #[serde(default)]
    windows: Vec<String>,
    #[serde(default)]
    empty: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct History {
    digest: String,
    from: String,
    items: Vec<Turn>,
}

#[derive(Debug, Deserialize)]
struct Turn {
    number: u64,
    at: String,
    by: String,
    reason: String,
    digest: String,
    did: String,
    to: Option<u64>,
    in_force: bool,
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Push(arguments) => push(arguments, context),
        Verb::History(arguments) => history(arguments, context),
        Verb::Rollback(arguments) => roll_back(arguments, context),
    }
}

/// Mistakes are told here, with the files' places, before anything is sent.
fn push(arguments: &PushArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let folder = &arguments.folder;
    let shown = |name: &str| folder.join(name).display().to_string();
    let fit = Bundle::read(folder).and_then(|files| files.proven(shown, None).map(|_| files));
    let files = match fit {
        Ok(files) => files,
        Err(unfit) if arguments.json => {
            context.out.json(&json!({ "mistakes": unfit.0 }))?;
            return Ok(Exit::Config);
        }
        Err(unfit) => return Err(unfit.into()),
    };
    let body = json!({ "files": files, "reason": arguments.reason });
    let client = AdminClient::new(&arguments.admin, context)?;
    let answer = client.put("rules", &body)?;
    told("pushed", arguments.json, &answer, context)
}

fn roll_back(arguments: &RollbackArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut body = Map::new();
    body.insert("reason".into(), json!(arguments.reason));
    let digest = arguments.digest.as_ref();
    body.extend(digest.map(|digest| ("digest".to_owned(), json!(digest))));
    let client = AdminClient::new(&arguments.admin, context)?;
    let answer = client.post("rules/rollback", &Value::Object(body))?;
    told("rolled back", arguments.json, &answer, context)
}

fn told(did: &str, json: bool, answer: &Value, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let pushed = Pushed::deserialize(answer).map_err(strange)?;
    if json {
        context.out.json(answer)?;
        return Ok(Exit::Done);
    }
    let (before, after) = (visible(&pushed.before), visible(&pushed.after));
    let out = &mut *context.out;
    if pushed.changed && before == after {
        out.line(format_args!(
            "rules {did}: {after}, which judged before, too"
        ))?;
    } else if pushed.changed {
        out.line(format_args!("rules {did}: {before} → {after}"))?;
    } else {
        out.line(format_args!("these files are in force already: {after}"))?;
    }
    out.line(format_args!("cases: {0} of {0} passed", pushed.cases))?;
    reload::limits(out, &pushed.windows, &pushed.empty)?;
    Ok(Exit::Done)
}

fn history(arguments: &HistoryArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let answer = AdminClient::new(&arguments.admin, context)?.get("rules")?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let history = History::deserialize(answer).map_err(strange)?;
    let (digest, from) = (visible(&history.digest), visible(&history.from));
    context
        .out
        .line(format_args!("in force: {digest} ({from})"))?;
    if history.items.is_empty() {
        context.out.line("nothing was pushed")?;
        return Ok(Exit::Done);
    }
    context.out.line("")?;
    let mut table = Table::new(&["#", "AT", "BY", "DID", "DIGEST", "", "REASON"]);
    for turn in &history.items {
        let short: String = turn.digest.chars().take(12).collect();
        let did = match (turn.did.as_str(), turn.to) {
            ("rollback", Some(number)) => format!("rollback to push {number}"),
            ("rollback", None) => "rollback to the folder".to_owned(),
            (did, _) => did.to_owned(),
        };
        table.row(vec![
            turn.number.to_string(),
            minute(&turn.at),
            visible(&turn.by),
            visible(&did),
            visible(&short),
            if turn.in_force { "in force" } else { "" }.to_owned(),
            visible(&turn.reason),
        ]);
    }
    table.print(context.out)?;
    Ok(Exit::Done)
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn strange(error: serde_json::Error) -> Failure {
    Failure::Refused(format!(
        "cannot read the proxy's answer ({error}): is it of another version?"
    ))
}
