//! `revert`: takes back what entries wrote, over the operator API of a running proxy.

use clap::{ArgGroup, Args};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin_client::{AdminArguments, AdminClient};
use super::entries::{Since, since};
use super::table::Table;
use super::visible::{value, visible};
use super::{Context, Exit, Failure};
use crate::clock::{Clock, SystemClock};

/// Take back what entries wrote: fields that still hold it, and nothing else
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").args(["entries", "service_account"]).required(true)))]
#[command(group(ArgGroup::new("reach").args(["last", "since", "run"]).requires("service_account")))]
pub(super) struct Arguments {
    /// These entries
    #[arg(value_name = "ENTRY")]
    entries: Vec<String>,
    /// The entries of this service account, with one of --last, --since and --run
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT", requires = "reach")]
    service_account: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    last: Option<u64>,
    /// Since a moment (2026-11-20T14:00Z) or for so long (2h, 30m, 7d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Of this run, as the agent named it (x-writegate-run)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only what went through this route
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Write nothing: show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON: {"items": […], "summary": …}
    #[arg(long)]
    json: bool,
}

/// One line of the proxy's answer.
#[derive(Debug, Deserialize)]
struct Item {
    entry: String,
    record: Option<String>,
    field: Option<String>,
    action: String,
    then: Value,
    written: Value,
    now: Value,
    why: Option<String>,
    #[serde(default)]
    editor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    entries: u64,
    restored: u64,
    already: u64,
    skipped: u64,
    impossible: u64,
    #[serde(default)]
    waits: u64,
    /// Of bulk jobs.
    #[serde(default)]
    unlisted: u64,
    made: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Report {
    items: Vec<Item>,
    summary: Summary,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let answer = client.post_long("reverts", &wish(arguments)?)?;
    let report = Report::deserialize(&answer).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })?;
    if arguments.json {
        context.out.json(&answer)?;
    } else {
        show(&report, arguments.dry_run, context)?;
    }
    let Summary {
        skipped,
        impossible,
        waits,
        ..
    } = report.summary;
    if skipped + impossible + waits > 0 {
        return Ok(Exit::Found);
    }
    Ok(Exit::Done)
}

fn wish(arguments: &Arguments) -> Result<Value, Failure> {
    let mut wish = Map::new();
    if !arguments.entries.is_empty() {
        wish.insert("entries".into(), json!(arguments.entries));
    }
    let since = arguments.since.map(|since| since.moment(SystemClock.now()));
    let since = since.transpose()?.map(|since| since.to_string());
    let texts = [
        ("as", arguments.service_account.clone()),
        ("since", since),
        ("run", arguments.run.clone()),
        ("route", arguments.route.clone()),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            wish.insert(name.into(), text.into());
        }
    }
    if let Some(last) = arguments.last {
        wish.insert("last".into(), last.into());
    }
    wish.insert("dry_run".into(), arguments.dry_run.into());
    Ok(Value::Object(wish))
}

fn show(report: &Report, dry_run: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    if report.items.is_empty() {
        context.out.line("nothing to take back")?;
    } else {
        table(&report.items).print(context.out)?;
    }
    let Summary {
        entries,
        restored,
        already,
        skipped,
        impossible,
        waits,
        unlisted,
        made,
    } = &report.summary;
    if *unlisted > 0 {
        context.out.line(format_args!(
            "and {unlisted} more of bulk jobs, counted below"
        ))?;
    }
    let waits = match waits {
        0 => String::new(),
        count => format!(" · {count} waiting for people"),
    };
    let already = match already {
        0 => String::new(),
        count => format!(" · {count} as before already"),
    };
    let would = if dry_run {
        "dry run, nothing written: "
    } else {
        ""
    };
    context.out.line(format_args!(
        "{would}{restored} restored{already} · {skipped} skipped · {impossible} impossible{waits}, of \
         {entries} entries"
    ))?;
    if !made.is_empty() {
        let made: Vec<String> = made.iter().map(|entry| visible(entry)).collect();
        context.out.line(format_args!(
            "to take this back: writegate revert {}",
            made.join(" ")
        ))?;
    }
    Ok(())
}

/// Entry by entry and record by record, so that a line is no wider than a terminal: ids have lines of
/// their own.
fn table(items: &[Item]) -> Table {
    let values = items.iter().any(Item::has_values);
    let mut table = Table::new(match values {
        true => &["RECORD, FIELD", "RESULT", "THEN", "WRITTEN", "NOW", "WHY"],
        false => &["RECORD", "RESULT", "WHY"],
    });
    let mut under: (Option<&str>, Option<&str>) = (None, None);
    for item in items {
        if under.0 != Some(&item.entry) {
            under = (Some(&item.entry), None);
            table.title(format!("entry {}", visible(&item.entry)));
        }
        let record = item.record.as_deref();
        if item.field.is_some() && under.1 != record {
            under.1 = record;
            let name = record.map_or_else(|| "-".to_owned(), visible);
            let same = |one: &&Item| one.entry == item.entry && one.record == item.record;
            let editor = items.iter().filter(same).find_map(Item::edited);
            table.title(editor.map_or(name.clone(), |editor| format!("{name} · {editor}")));
        }
        table.row(item.cells(values));
    }
    table
}

impl Item {
    /// Who changed the record last, where somebody did since.
    fn edited(&self) -> Option<String> {
        let editor = self.editor.as_deref()?;
        Some(format!("last changed by {}", visible(editor)))
    }

    /// A record as a whole and its links have no values.
    fn has_values(&self) -> bool {
        let field = self.field.as_deref();
        field.is_some_and(|field| !field.starts_with("link to "))
    }

    fn cells(&self, values: bool) -> Vec<String> {
        let what = match (&self.field, &self.record) {
            (Some(field), _) => format!("  {}", visible(field)),
            (None, Some(record)) => visible(record),
            (None, None) => "all of it".to_owned(),
        };
        let mut cells = vec![what, visible(&self.action)];
        if values {
            let known = [&self.then, &self.written, &self.now];
            cells.extend(known.map(|known| match self.has_values() {
                true => value(known),
                false => "-".to_owned(),
            }));
        }
        let why = self.why.as_deref().map_or(String::new(), visible);
        cells.push(match self.edited().filter(|_| self.field.is_none()) {
            Some(editor) => format!("{why}; {editor}"),
            None => why,
        });
        cells
    }
}
