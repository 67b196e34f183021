//! `limits`: what the rules allow how often, what is used, and other values for a while.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::admin_client::{AdminArguments, AdminClient, segment};
use super::table::Table;
use super::visible::{minute, visible};
use super::{Context, Exit, Failure};

/// Look at limits, or set other values for a while
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    List(ListArguments),
    Set(SetArguments),
    Unset(UnsetArguments),
}

/// List limits with what is used of them
#[derive(Args, Debug)]
pub(super) struct ListArguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Set another value for a while; what is used stays as it is
#[derive(Args, Debug)]
#[group(id = "value", required = true, multiple = true, args = ["max", "rate"])]
pub(super) struct SetArguments {
    /// The limit's name in the rules
    name: String,
    /// For this service account only
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT")]
    service_account: Option<String>,
    /// For a budget: how many still pass
    #[arg(long, value_name = "N", conflicts_with_all = ["rate", "burst"])]
    max: Option<u64>,
    /// For a rate: such as 5/s
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// For a rate: how many may come at once [default: the number in the rate]
    #[arg(long, value_name = "N", requires = "rate")]
    burst: Option<u64>,
    /// For how long: such as 30m, 2h or 7d, at most 30d
    #[arg(long = "for", value_name = "DURATION")]
    duration: String,
    /// Why, for the ledger
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Let the value in the rules hold again
#[derive(Args, Debug)]
pub(super) struct UnsetArguments {
    /// The limit's name
    name: String,
    /// The service account it was set for
    #[arg(long = "as", value_name = "SERVICE-ACCOUNT")]
    service_account: Option<String>,
    /// Why, for the ledger
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// A limit as the operator API tells it.
#[derive(Debug, Deserialize)]
struct Limit {
    name: String,
    count: String,
    per: Vec<String>,
    then: String,
    #[serde(default)]
    observe: bool,
    file: Value,
    #[serde(default)]
    live: Vec<Value>,
    #[serde(default)]
    used: Vec<Used>,
}

#[derive(Debug, Deserialize)]
struct Used {
    key: String,
    used: u64,
    max: u64,
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::List(arguments) => list(arguments, context),
        Verb::Set(arguments) => set(arguments, context),
        Verb::Unset(arguments) => unset(arguments, context),
    }
}

fn list(arguments: &ListArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut answer = AdminClient::new(&arguments.admin, context)?.get("limits")?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let items = answer.get_mut("items").map(Value::take).unwrap_or_default();
    let limits = Vec::<Limit>::deserialize(items).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })?;
    if limits.is_empty() {
        context.out.line("the rules have no limits")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["LIMIT", "COUNTS", "PER", "ALLOWS", "THEN", "MOST USED"]);
    for limit in &limits {
        for row in rows(limit) {
            table.row(row);
        }
    }
    table.print(context.out)?;
    Ok(Exit::Done)
}

/// One row for what the rules say, one for each value that stands in its place.
fn rows(limit: &Limit) -> Vec<Vec<String>> {
    let then = match limit.observe {
        true => format!("{} (observes)", limit.then),
        false => limit.then.clone(),
    };
    let most = limit.used.iter().max_by_key(|used| used.used);
    let most = most.map_or_else(String::new, |used| {
        format!("{} of {} by {}", used.used, used.max, used.key)
    });
    let first = [
        limit.name.clone(),
        limit.count.clone(),
        limit.per.join(", "),
        allows(&limit.file),
        then,
        most,
    ];
    let mut rows = vec![first.iter().map(|cell| visible(cell)).collect()];
    for live in &limit.live {
        let text = |key: &str| live.get(key).and_then(Value::as_str).unwrap_or_default();
        let whom = match text("service_account") {
            "" => "  live, for all".to_owned(),
            name => format!("  live, for {name}"),
        };
        let value = match live.get("fits") {
            Some(Value::Bool(false)) => "nothing: it does not fit the limit".to_owned(),
            _ => allows(live),
        };
        let told = format!(
            "until {} by {}: {}",
            minute(text("until")),
            text("by"),
            text("reason")
        );
        rows.push(vec![
            visible(&whom),
            String::new(),
            String::new(),
            visible(&value),
            String::new(),
            visible(&told),
        ]);
    }
    rows
}

/// `500 in 1h`, `10/s, 20 at once`, `100 at once`, `all but 20 %`.
fn allows(value: &Value) -> String {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    if let Some(percent) = number("reserve") {
        return format!("all but {percent} %");
    }
    match (number("max"), number("window_ms"), number("rate")) {
        (Some(max), None | Some(0), _) => format!("{max} at once"),
        (Some(max), Some(window), _) => format!("{max} in {}", span(window)),
        (None, _, Some(rate)) => {
            let period = span(number("period_ms").unwrap_or(1000));
            let period = period.strip_prefix('1').unwrap_or(&period);
            format!(
                "{rate}/{period}, {} at once",
                number("burst").unwrap_or(rate)
            )
        }
        (None, _, None) => "?".into(),
    }
}

/// As rules write it: `90s`, `2m`, `1h`, `7d`.
fn span(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let fitting = units
        .into_iter()
        .find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    fitting.map_or_else(
        || format!("{ms}ms"),
        |(unit, name)| format!("{}{name}", ms / unit),
    )
}

fn set(arguments: &SetArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let mut wish = Map::new();
    wish.insert("for".into(), json!(arguments.duration));
    wish.insert("reason".into(), json!(arguments.reason));
    let optional = [
        ("max", arguments.max.map(Value::from)),
        ("rate", arguments.rate.clone().map(Value::from)),
        ("burst", arguments.burst.map(Value::from)),
        (
            "service_account",
            arguments.service_account.clone().map(Value::from),
        ),
    ];
    for (key, value) in optional {
        wish.extend(value.map(|value| (key.to_owned(), value)));
    }
    let target = format!("limits/{}", segment(&arguments.name));
    let client = AdminClient::new(&arguments.admin, context)?;
    let answer = client.put(&target, &Value::Object(wish))?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let part = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let (live, file) = (part("live"), part("file"));
    let until = live.get("until").and_then(Value::as_str).unwrap_or("?");
    context.out.line(format_args!(
        "limit {} for {}: {} until {}, then {} again; what is used stays as it is",
        visible(&arguments.name),
        visible(arguments.service_account.as_deref().unwrap_or("all")),
        allows(&live),
        minute(until),
        allows(&file),
    ))?;
    Ok(Exit::Done)
}

fn unset(arguments: &UnsetArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let wish = json!({
        "service_account": arguments.service_account,
        "reason": arguments.reason,
    });
    let target = format!("limits/{}", segment(&arguments.name));
    let client = AdminClient::new(&arguments.admin, context)?;
    let answer = client.delete(&target, &wish)?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    context.out.line(format_args!(
        "limit {} for {}: as the rules say; what is used stays as it is",
        visible(&arguments.name),
        visible(arguments.service_account.as_deref().unwrap_or("all")),
    ))?;
    Ok(Exit::Done)
}
