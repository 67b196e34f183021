//! `kill` and `resume`: the kill switch of one service account, or of all.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::admin_client::{AdminArguments, AdminClient, segment};
use super::visible::{minute, visible};
use super::{Context, Exit, Failure};

/// Stop a service account, or all of them with '*'
#[derive(Args, Debug)]
pub(super) struct KillArguments {
    /// The service account, or '*'
    service_account: String,
    /// Stop its writes only; reads go on
    #[arg(long)]
    writes: bool,
    /// Why; the agent and the other operators read it
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// Let a stopped service account go on, and empty the limit that stopped it
#[derive(Args, Debug)]
pub(super) struct ResumeArguments {
    /// The service account, or '*'
    service_account: String,
    /// Why, for the ledger
    #[arg(long, default_value = "no reason given")]
    reason: String,
    #[command(flatten)]
    admin: AdminArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What the proxy answers to either.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Switched {
    /// Replicas that have confirmed it.
    confirmed: u64,
    /// Live replicas.
    replicas: u64,
    /// Each replica that is known.
    by_replica: Vec<Confirmation>,
    /// Why it is not known who has confirmed.
    trouble: Option<String>,
    /// Writes that were sent before it took hold.
    sent: u64,
    /// Holds that stay as they are.
    holds: u64,
    /// Whether it is in the ledger; only then it outlives a restart.
    recorded: Option<bool>,
}

/// One replica.
#[derive(Debug, Deserialize)]
struct Confirmation {
    replica: String,
    state: String,
    after_ms: Option<u64>,
    heard_at: Option<String>,
}

/// What a change means to those who have not heard of it.
#[derive(Clone, Copy)]
struct Unheard {
    /// To one that is heard of.
    live: &'static str,
    /// To one that is not.
    silent: &'static str,
}

const KILLED: Unheard = Unheard {
    live: "not confirmed in 2 s; it refuses every write until it is",
    silent: "its view of the switches is too old, so it refuses every write by itself",
};

const RESUMED: Unheard = Unheard {
    live: "not confirmed in 2 s; it refuses until it is",
    silent: "its view of the switches is too old, so it refuses every write by itself",
};

impl Switched {
    /// P5: unconfirmed replicas refuse writes once their view is 2 s old, and what is not recorded is
    /// lifted by a restart: a script has to see either.
    fn exit(&self) -> Exit {
        if self.recorded == Some(false) || self.confirmed < self.replicas {
            Exit::Found
        } else {
            Exit::Done
        }
    }
}

pub(super) fn kill(arguments: &KillArguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let scope = if arguments.writes { "writes" } else { "all" };
    let body = json!({ "scope": scope, "reason": arguments.reason });
    let answer = client.put(&target(&arguments.service_account), &body)?;
    let what = if arguments.writes {
        "may not write"
    } else {
        "is stopped"
    };
    told(
        (&arguments.service_account, what, KILLED),
        arguments.json,
        &answer,
        context,
    )
}

pub(super) fn resume(
    arguments: &ResumeArguments,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let client = AdminClient::new(&arguments.admin, context)?;
    let body = json!({ "reason": arguments.reason });
    let answer = client.delete(&target(&arguments.service_account), &body)?;
    told(
        (&arguments.service_account, "goes on", RESUMED),
        arguments.json,
        &answer,
        context,
    )
}

fn target(service_account: &str) -> String {
    format!("switches/{}", segment(service_account))
}

fn told(
    (service_account, what, unheard): (&str, &str, Unheard),
    json: bool,
    answer: &Value,
    context: &mut Context<'_>,
) -> Result<Exit, Failure> {
    let who = match service_account {
        "*" => "every service account",
        name => name,
    };
    let switched = Switched::deserialize(answer).map_err(|error| {
        Failure::Refused(format!(
            "cannot read the proxy's answer ({error}): is it of another version?"
        ))
    })?;
    if json {
        context.out.json(answer)?;
        return Ok(switched.exit());
    }
    context.out.line(format_args!("{who} {what}"))?;
    context.out.line(format_args!(
        "confirmed by {} of {} replicas · {} writes already sent · {} holds kept",
        switched.confirmed, switched.replicas, switched.sent, switched.holds
    ))?;
    // one replica that has confirmed is no news
    if switched.by_replica.len() > 1 || switched.confirmed < switched.replicas {
        for one in &switched.by_replica {
            context.out.line(line(one, unheard))?;
        }
    }
    if let Some(trouble) = &switched.trouble {
        let trouble = visible(trouble);
        context
            .out
            .line(format_args!("who has confirmed is not known: {trouble}"))?;
    }
    if switched.recorded == Some(false) {
        context.out.line(
            "not recorded: the ledger cannot write, so a restart would lift it; kill again later",
        )?;
    }
    Ok(switched.exit())
}

/// `  one   confirmed in 4 ms`
fn line(one: &Confirmation, unheard: Unheard) -> String {
    let name = visible(&one.replica);
    match (one.state.as_str(), one.after_ms, &one.heard_at) {
        ("confirmed", Some(ms), _) => format!("  {name}: confirmed in {ms} ms"),
        ("silent", _, Some(at)) => {
            format!(
                "  {name}: not heard of since {}; {}",
                minute(at),
                unheard.silent
            )
        }
        ("silent", ..) => format!("  {name}: not heard of; {}", unheard.silent),
        _ => format!("  {name}: {}", unheard.live),
    }
}
