//! `entries list`, `entries show` and `entries settle`: what the ledger of a running proxy knows.

mod entry;
mod show;

use clap::{Args, Subcommand};
use form_urlencoded::Serializer;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::admin_client::{AdminArguments, AdminClient};
use super::table::Table;
use super::visible::visible;
use super::{Context, Exit, Failure, settle};
use crate::clock::{Clock, SystemClock};
use entry::{read, verdict, what};

pub(super) use show::show;

/// Look at entries of the ledger
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    List(ListArguments),
    Show(ShowArguments),
    Settle(settle::Arguments),
}

/// List entries, newest first
#[derive(Args, Debug)]
pub(super) struct ListArguments {
    /// Of this service account
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT")]
    service_account: Option<String>,
    /// Since a moment (2026-11-20T14:00Z) or for so long (2h, 30m, 7d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// In this state
    #[arg(long, value_parser = [
        "refused", "open", "held", "rejected", "expired", "not_sent", "done", "partly", "failed", "accepted",
        "in_doubt", "switch", "setting",
    ])]
    state: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON: {"items": […], "next": …}
    #[arg(long)]
    json: bool,
}

/// Show one entry with the values before and after
#[derive(Args, Debug)]
pub(super) struct ShowArguments {
    /// The entry's id
    id: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// How far back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    Moment(Timestamp),
    Ago(SignedDuration),
}

impl Since {
    /// The moment that it means.
    pub(super) fn moment(self, now: Timestamp) -> Result<Timestamp, Failure> {
        let moment = match self {
            Self::Moment(moment) => Ok(moment),
            Self::Ago(ago) => now.checked_sub(ago),
        };
        moment.map_err(|error| Failure::Usage(format!("so far back is no moment: {error}")))
    }
}

/// Reads what stands behind `--since` and `--older-than`.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(moment) = text.parse() {
        return Ok(Since::Moment(moment));
    }
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok());
    let days = days.and_then(|days: i64| days.checked_mul(86_400));
    let ago = days
        .map(SignedDuration::from_secs)
        .or_else(|| text.parse().ok());
    match ago {
        Some(ago) if !ago.is_negative() => Ok(Since::Ago(ago)),
        Some(_) | None => Err("write 2026-11-20T14:00Z, or 2h, 30m, 7d".into()),
    }
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::List(arguments) => list(arguments, context),
        Verb::Show(arguments) => {
            let client = AdminClient::new(&arguments.admin, context)?;
            show(&client, &arguments.id, arguments.json, context)
        }
        Verb::Settle(arguments) => settle::run(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let mut items = Vec::new();
    let mut next = Value::Null;
    while items.len() < arguments.limit {
        let wanted = arguments.limit - items.len();
        let mut page = client.get(&page_target(arguments, wanted, &next, SystemClock.now())?)?;
        next = page.get("next").cloned().unwrap_or_default();
        match page.get_mut("items").and_then(Value::as_array_mut) {
            Some(found) if !found.is_empty() => items.append(found),
            _ => break,
        }
        if !next.is_string() {
            break;
        }
    }
    items.truncate(arguments.limit);
    if arguments.json {
        context.out.json(&json!({ "items": items, "next": next }))?;
        return Ok(Exit::Done);
    }
    if items.is_empty() {
        context.out.line("no entries")?;
        return Ok(Exit::Done);
    }
    let head = [
        "ENTRY",
        "AT",
        "SERVICE ACCOUNT",
        "ROUTE",
        "STATE",
        "VERDICT",
        "WHAT",
    ];
    let mut table = Table::new(&head);
    for item in items {
        let entry = read(item)?;
        table.row(vec![
            visible(&entry.id),
            visible(&entry.at),
            visible(entry.service_account.as_deref().unwrap_or("-")),
            visible(entry.route.as_deref().unwrap_or("-")),
            visible(&entry.state),
            verdict(&entry),
            what(&entry),
        ]);
    }
    table.print(context.out)?;
    Ok(Exit::Done)
}

fn page_target(
    arguments: &ListArguments,
    limit: usize,
    after: &Value,
    now: Timestamp,
) -> Result<String, Failure> {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", &limit.to_string());
    if let Some(service_account) = &arguments.service_account {
        query.append_pair("service_account", service_account);
    }
    if let Some(state) = &arguments.state {
        query.append_pair("state", state);
    }
    if let Some(since) = arguments.since {
        query.append_pair("since", &since.moment(now)?.to_string());
    }
    if let Some(after) = after.as_str() {
        query.append_pair("after", after);
    }
    Ok(format!("entries?{}", query.finish()))
}
