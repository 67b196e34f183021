//! `holds list|show|approve|reject`: for a person with forty of them on a Monday. Filters choose; what
//! is decided are ids with the digests that were shown.

mod decide;
mod hold;
mod show;

use clap::{Args, Subcommand};
use form_urlencoded::Serializer;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin_client::{AdminArguments, AdminClient};
use super::entries::{Since, since};
use super::table::Table;
use super::visible::{minute, visible};
use super::{Context, Exit, Failure};
use crate::clock::{Clock, SystemClock};
use hold::{Hold, brief, by_rule};

/// Holds that a list shows with values: each is asked for by itself.
const VALUED: usize = 50;

/// Look at writes that wait for a person, and decide them
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    List(ListArguments),
    Show(ShowArguments),
    Approve(decide::ApproveArguments),
    Reject(decide::RejectArguments),
}

/// Which holds.
#[derive(Args, Debug)]
pub(super) struct Filters {
    /// Of this service account
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT")]
    service_account: Option<String>,
    /// Held by this rule or row, or by one whose name holds this
    #[arg(long, value_name = "RULE")]
    rule: Option<String>,
    /// On this route
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
}

/// How long they have waited. Nobody says yes to what is old: it is listed, and rejected.
#[derive(Args, Debug)]
pub(super) struct Age {
    /// Waiting since before this moment, or for longer than this (72h, 3d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    older_than: Option<Since>,
}

impl Age {
    /// The moment before which they began.
    fn before(&self) -> Result<Option<Timestamp>, Failure> {
        let moment = self.older_than.map(|since| since.moment(SystemClock.now()));
        moment.transpose()
    }
}

impl Filters {
    fn are_given(&self) -> bool {
        self.service_account.is_some() || self.rule.is_some() || self.route.is_some()
    }

    fn fit(&self, hold: &Hold) -> bool {
        let rule = |wanted: &String| {
            let wanted = wanted.to_lowercase();
            let mut rules = hold.rules.iter();
            rules.any(|rule| rule.to_lowercase().contains(&wanted))
        };
        self.rule.as_ref().is_none_or(rule)
            && self.route.as_ref().is_none_or(|route| *route == hold.route)
            && self
                .service_account
                .as_ref()
                .is_none_or(|name| *name == hold.service_account)
    }
}

/// List holds by the rule that holds them, oldest first
#[derive(Args, Debug)]
pub(super) struct ListArguments {
    /// In this state
    #[arg(long, default_value = "open", value_parser = [
        "open", "parked", "approved", "releasing", "released", "rejected", "expired", "denied",
        "not_sent", "in_doubt", "settled",
    ])]
    state: String,
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    age: Age,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON: {"items": […], "next": null}
    #[arg(long)]
    json: bool,
}

/// Show one hold: then, proposed and now, why it waits, who agreed
#[derive(Args, Debug)]
pub(super) struct ShowArguments {
    /// The hold's id
    id: String,
    /// Of a bulk job, these rows, counted from 0; at most 1000
    #[arg(long, value_name = "A..B")]
    rows: Option<String>,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::List(arguments) => list(arguments, context),
        Verb::Show(arguments) => {
            let client = AdminClient::new(&arguments.admin, context)?;
            let how = (arguments.rows.as_deref(), arguments.json);
            show::show(&client, &arguments.id, how, context)
        }
        Verb::Approve(arguments) => decide::approve(arguments, context),
        Verb::Reject(arguments) => decide::reject(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let before = arguments.age.before()?;
    let items = all(&client, &arguments.state, &arguments.filters, before)?;
    if arguments.json {
        let raw: Vec<Value> = items.into_iter().map(|(_, raw)| raw).collect();
        context.out.json(&json!({ "items": raw, "next": null }))?;
        return Ok(Exit::Done);
    }
    if items.is_empty() {
        context.out.line("no holds")?;
        return Ok(Exit::Done);
    }
    let mut holds: Vec<Hold> = items.into_iter().map(|(hold, _)| hold).collect();
    for hold in holds.iter_mut().take(VALUED) {
        match decide::look(&client, &hold.id) {
            Ok(found) => hold.changes = found.changes,
            // gone since it was listed
            Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    let columns = context.out.columns();
    for (rule, holds) in by_rule(&holds) {
        title(&rule, holds.len(), context)?;
        let mut table = Table::new(&["HOLD", "AS", "STATE", "WAITS FOR", "AGREED", "UNTIL"]);
        for hold in holds {
            table.row(vec![
                visible(&hold.id),
                visible(&hold.service_account),
                visible(&hold.state),
                visible(waits_for(hold)),
                agreed(hold),
                minute(&hold.until),
            ]);
            table.wrapped(&format!("  {}", brief(hold)), columns);
        }
        table.print(context.out)?;
        context.out.line("")?;
    }
    let count = holds.len();
    context.out.line(format_args!(
        "{count} holds · look: writegate holds show ID · decide: writegate holds approve ID… | reject \
         ID… --reason …"
    ))?;
    Ok(Exit::Done)
}

/// Who is asked; once all agree, what keeps it from being sent.
fn waits_for(hold: &Hold) -> &str {
    let told = hold.waits_for.as_ref().or(hold.note.as_ref());
    told.map_or("-", String::as_str)
}

fn agreed(hold: &Hold) -> String {
    if hold.approved_by.is_empty() {
        return "-".into();
    }
    visible(&hold.approved_by.join(", "))
}

/// `rule enterprise-stage · 12`
fn title(rule: &str, count: usize, context: &mut Context<'_>) -> Result<(), Failure> {
    context
        .out
        .line(format_args!("{} · {count}", visible(rule)))?;
    Ok(())
}

/// All holds in a state that the filters choose, of those that began before a moment where one is given;
/// with the API's own words.
fn all(
    client: &AdminClient,
    state: &str,
    filters: &Filters,
    before: Option<Timestamp>,
) -> Result<Vec<(Hold, Value)>, Failure> {
    let mut found = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let mut query = Serializer::new(String::new());
        query
            .append_pair("state", state)
            .append_pair("limit", "500");
        if let Some(service_account) = &filters.service_account {
            query.append_pair("service_account", service_account);
        }
        if let Some(after) = &next {
            query.append_pair("after", after);
        }
        let mut page = client.get(&format!("holds?{}", query.finish()))?;
        let items = page.get_mut("items").and_then(Value::as_array_mut);
        for item in items.into_iter().flat_map(std::mem::take) {
            let hold = hold::read(item.clone())?;
            if filters.fit(&hold) && before.is_none_or(|moment| hold.began_before(moment)) {
                found.push((hold, item));
            }
        }
        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() {
            break;
        }
    }
    if let Some(route) = filters.route.as_ref().filter(|_| found.is_empty()) {
        is_a_route(client, route)?;
    }
    Ok(found)
}

/// That a proxy has no holds on a route that it does not have says nothing.
fn is_a_route(client: &AdminClient, wanted: &str) -> Result<(), Failure> {
    let status = client.get("status")?;
    let routes = status.get("routes").and_then(Value::as_array);
    let names = routes.into_iter().flatten();
    let names = names.filter_map(|route| route.get("name").and_then(Value::as_str));
    let names: Vec<&str> = names.collect();
    if names.contains(&wanted) {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "no route is named {}; there are: {}",
        visible(wanted),
        visible(&names.join(", "))
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_an_approved_hold_back_stands_in_the_list() {
        let parked = Hold {
            waits_for: Some("Sales Ops".into()),
            ..Hold::default()
        };
        let kept_back = Hold {
            note: Some("an earlier write is in doubt".into()),
            ..Hold::default()
        };
        assert_eq!(waits_for(&parked), "Sales Ops");
        assert_eq!(waits_for(&kept_back), "an earlier write is in doubt");
        assert_eq!(waits_for(&Hold::default()), "-");
    }
}
