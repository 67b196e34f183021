//! `key new`: a Writegate key for an agent in broker mode, in a form that its client takes.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::output::tell;
use super::{Context, Exit, Failure};
use crate::config::Fingerprint;

/// Make keys for agents (broker mode)
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    New(Arguments),
}

/// Print a new key, once, and the fingerprint that stands for it under `keys:`
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// For a client that looks at a token's form: the sf CLI takes only what looks like a session of
    /// Salesforce
    #[arg(long, value_enum)]
    like: Option<Like>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// What a key looks like.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Like {
    /// `00D…!…`
    Salesforce,
}

/// No org has this id.
const NO_ORG: &str = "00D000000000000";

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let Verb::New(arguments) = verb;
    // Not through `clock::Entropy`, which cannot say that it failed.
    let mut random = [0_u8; 32];
    if SystemRandom::new().fill(&mut random).is_err() {
        return Err(Failure::Refused(
            "the system's random generator failed: no key was made".into(),
        ));
    }
    let key = match arguments.like {
        None => format!("wg_{}", URL_SAFE_NO_PAD.encode(random)),
        // letters, digits, `_` and `.` may follow the `!`
        Some(Like::Salesforce) => {
            let digits = URL_SAFE_NO_PAD.encode(random).replace('-', ".");
            format!("{NO_ORG}!wg_{digits}")
        }
    };
    let fingerprint = Fingerprint::of(key.as_bytes()).to_string();
    if arguments.json {
        let answer = json!({ "key": key, "fingerprint": fingerprint });
        context.out.json(&answer)?;
    } else {
        context.out.line(format_args!("key           {key}"))?;
        context
            .out
            .line(format_args!("fingerprint   {fingerprint}"))?;
        tell(
            "The key is shown this once and kept nowhere: give it to the agent in place of the \
             CRM's token. The fingerprint goes under `keys:` of its service account.",
        );
    }
    Ok(Exit::Done)
}
