//! `status`: how a running proxy is doing.

use clap::Args;
use serde::Deserialize;

use super::admin_client::{AdminArguments, AdminClient};
use super::table::Table;
use super::visible::visible;
use super::{Context, Exit, Failure};
use crate::control::{Switch, SwitchScope};

/// Show a running proxy's routes, rules, switches and limits that are nearly used up
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
struct Status {
    routes: Vec<RouteStatus>,
    /// The digest of the rules in force.
    rules: String,
    /// Where they come from.
    #[serde(default)]
    rules_from: String,
    stopped: Vec<Switch>,
    holds: u64,
    in_doubt: u64,
    /// Why writes are refused now.
    #[serde(default)]
    not_ready: Vec<String>,
    /// What else is not as it should be.
    #[serde(default)]
    degraded: Vec<String>,
    /// Of all limits that were charged lately, the fullest keys.
    limits: Vec<LimitStatus>,
    /// Keys beside those.
    #[serde(default)]
    limits_left_out: u64,
}

#[derive(Debug, Deserialize)]
struct RouteStatus {
    name: String,
    crm: String,
    listen: String,
    upstream: String,
    mode: String,
    /// What releases are sent with.
    #[serde(default)]
    releases: String,
}

#[derive(Debug, Deserialize)]
struct LimitStatus {
    limit: String,
    key: String,
    used: u64,
    max: u64,
}

impl LimitStatus {
    /// More than four fifths used.
    fn is_nearly_used_up(&self) -> bool {
        self.used.saturating_mul(5) > self.max.saturating_mul(4)
    }
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let answer = AdminClient::new(&arguments.admin, context)?.get("status")?;
    if arguments.json {
        context.out.json(&answer)?;
        return Ok(Exit::Done);
    }
    let status = Status::deserialize(answer).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })?;
    show(&status, context)?;
    Ok(Exit::Done)
}

fn show(status: &Status, context: &mut Context<'_>) -> Result<(), Failure> {
    let mut routes = Table::new(&[
        "ROUTE",
        "CRM",
        "LISTENS ON",
        "UPSTREAM",
        "MODE",
        "RELEASES WITH",
    ]);
    for route in &status.routes {
        let cells = [
            &route.name,
            &route.crm,
            &route.listen,
            &route.upstream,
            &route.mode,
            &route.releases,
        ];
        routes.row(cells.into_iter().map(|cell| visible(cell)).collect());
    }
    routes.print(context.out)?;
    context.out.line("")?;
    let mut facts = Table::new(&[]);
    let from = match status.rules_from.as_str() {
        "" => String::new(),
        from => format!(" ({})", visible(from)),
    };
    facts.row(vec!["rules".into(), visible(&status.rules) + &from]);
    facts.row(vec!["stopped".into(), status.stopped.len().to_string()]);
    facts.row(vec!["holds".into(), status.holds.to_string()]);
    facts.row(vec!["in doubt".into(), status.in_doubt.to_string()]);
    facts.print(context.out)?;
    for reason in &status.not_ready {
        let reason = visible(reason);
        context
            .out
            .line(format_args!("writes are refused: {reason}"))?;
    }
    for what in &status.degraded {
        context.out.line(visible(what))?;
    }
    if !status.stopped.is_empty() {
        context.out.line("")?;
        let mut stopped = Table::new(&["STOPPED", "WHAT", "SINCE", "BY", "REASON"]);
        for switch in &status.stopped {
            stopped.row(vec![
                visible(&switch.service_account),
                scope(switch.scope).into(),
                switch.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
                visible(&switch.by),
                visible(&switch.reason),
            ]);
        }
        stopped.print(context.out)?;
    }
    let near: Vec<_> = status
        .limits
        .iter()
        .filter(|limit| limit.is_nearly_used_up())
        .collect();
    if !near.is_empty() {
        context.out.line("")?;
        let mut limits = Table::new(&["LIMIT OVER 80 %", "FOR", "USED", "OF"]);
        for limit in near {
            limits.row(vec![
                visible(&limit.limit),
                visible(&limit.key),
                limit.used.to_string(),
                limit.max.to_string(),
            ]);
        }
        limits.print(context.out)?;
    }
    if status.limits_left_out > 0 {
        context.out.line(format_args!(
            "and {} keys less used: writegate limits list",
            status.limits_left_out
        ))?;
    }
    Ok(())
}

fn scope(scope: SwitchScope) -> &'static str {
    match scope {
        SwitchScope::All => "everything",
        SwitchScope::Writes => "writes",
    }
}
