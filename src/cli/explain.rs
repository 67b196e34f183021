//! `explain`: what would this request change, and what do the rules say. Needs no running proxy, and
//! asks neither limits nor switches. With an entry's id: what the ledger of a running proxy says.

mod before;
mod judge;
mod show;

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::admin_client::{AdminArguments, AdminClient};
use super::output::tell;
use super::visible::visible;
use super::{ConfigArguments, Context, Exit, Failure, entries};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Route};
use crate::crm::catalog::Catalog;
use crate::request::Request;
use crate::rules;
use before::Before;
use judge::{Judge, Judged};

/// Say what a request would change and what the rules say of it
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The route the request would take; needed where there are several
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// The service account that would send it
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT")]
    service_account: Option<String>,
    /// Prior values: {"OBJECT/ID": {FIELD: VALUE}}, null for a record that is not there; what is not
    /// named is unknown
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    #[arg(
        long,
        conflicts_with_all = ["request", "json"],
        help = "Read {\"method\",\"path\",\"headers\",\"body\" or \"body_b64\"} lines from standard \
                input and print one line of JSON for each"
    )]
    jsonl: bool,
    /// A file with the raw request (request line, headers, blank line, body), `-` for standard input,
    /// or the id of an entry in a running proxy's ledger
    #[arg(value_name = "REQUEST.http|-|ENTRY", required_unless_present = "jsonl")]
    request: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let request = arguments.request.as_deref().unwrap_or("-");
    if !arguments.jsonl && is_entry(request) {
        let client = AdminClient::new(&arguments.admin, context)?;
        return entries::show(&client, request, arguments.json, context);
    }
    let config = arguments.config.load_without_secrets(context.env)?;
    let route = route(&config, arguments.route.as_deref())?;
    let service_account = service_account(&config, arguments.service_account.as_deref())?;
    let rules = rules::load(&config)?;
    let before = match &arguments.before {
        Some(file) => Before::read(file).map_err(Failure::Usage)?,
        None => Before::default(),
    };
    let catalog = Catalog::builtin(route.crm);
    let judge = Judge {
        route,
        service_account,
        rules: &rules,
        before: &before,
        catalog: &catalog,
        now: SystemClock.now(),
    };
    if arguments.jsonl {
        return lines(&judge, context);
    }
    let bytes = read(request).map_err(Failure::Usage)?;
    let judged = Request::from_raw(&bytes, route.crm).and_then(|request| judge.judge(&request));
    one(&judge, judged, arguments.json, context)
}

/// One request for people or for a program.
fn one(
    judge: &Judge<'_>,
    judged: Result<Judged, String>,
    json: bool,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    match judged {
        Ok(judged) if json => context.out.json(&show::json(judge, &judged))?,
        Ok(judged) => {
            show::plain(judge, &judged, context.out)?;
            for record in judge.before.unused(judged.changes.mutations()) {
                tell(format_args!(
                    "writegate: warning: --before names {}, which this request does not touch",
                    visible(&record)
                ));
            }
        }
        Err(error) if json => {
            context.out.json(&json!({ "error": error }))?;
            return Ok(Exit::Found);
        }
        Err(error) => return Err(Failure::Refused(format!("not one request: {error}"))),
    }
    Ok(Exit::Done)
}

/// One request for each line of standard input; a bad line is answered, not fatal.
fn lines(judge: &Judge<'_>, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        let read = read.map_err(|error| Failure::Usage(cannot_read("standard input", &error)))?;
        if read == 0 {
            return Ok(Exit::Done);
        }
        let judged = Request::from_json(line.trim_ascii(), judge.route.crm)
            .and_then(|request| judge.judge(&request));
        match judged {
            Ok(judged) => context.out.json(&show::json(judge, &judged))?,
            Err(error) => context.out.json(&json!({ "error": error }))?,
        }
    }
}

/// Whether the argument is an entry's id (26 letters and digits) and not a file of that name.
fn is_entry(request: &str) -> bool {
    request.len() == 26
        && request.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !Path::new(request).exists()
}

fn read(request: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    if request == "-" {
        let read = std::io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| cannot_read("standard input", &error))?;
        return Ok(bytes);
    }
    std::fs::read(request).map_err(|error| cannot_read(request, &error))
}

fn cannot_read(what: &str, error: &std::io::Error) -> String {
    format!("cannot read {what}: {error}")
}

fn route<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Route, Failure> {
    let names = || {
        let names: Vec<_> = config.routes.iter().map(|r| r.name.as_str()).collect();
        names.join(", ")
    };
    match (name, config.routes.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::Usage(format!(
            "say which route with --route: {}",
            names()
        ))),
        (Some(name), routes) => routes
            .iter()
            .find(|r| r.name == name)
            .ok_or_else(|| Failure::Usage(format!("there is no route `{name}`, only {}", names()))),
    }
}

fn service_account<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a str, Failure> {
    let accounts = &config.service_accounts;
    let names: Vec<_> = accounts
        .iter()
        .map(|account| account.name.as_str())
        .collect();
    let known = match names.as_slice() {
        [] => "none, add one to the configuration".to_owned(),
        names => names.join(", "),
    };
    let Some(name) = name else {
        return Err(Failure::Usage(format!(
            "say which service account with --as: {known}"
        )));
    };
    let account = accounts.iter().find(|account| account.name == name);
    let account = account.ok_or_else(|| {
        Failure::Usage(format!(
            "there is no service account `{name}`, only {known}"
        ))
    })?;
    Ok(&account.name)
}
