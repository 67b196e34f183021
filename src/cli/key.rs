//! `key new`: a Writegate key for an agent in broker mode.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
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
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(verb: &Verb, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let Verb::New(arguments) = verb;
    // Not through `clock::Entropy`, which cannot say that it failed.
    let mut random = [0_u8; 32];
    if SystemRandom::new().fill(&mut random).is_err() {
        return Err(Failure::Refused(
            "the system's random generator failed: no key was made".into(),
        ));
    }
    let key = format!("wg_{}", URL_SAFE_NO_PAD.encode(random));
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
