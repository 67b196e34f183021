//! `check`: configuration, rules and their cases, before a proxy is started with them.

mod rule_warnings;
mod warnings;

use clap::Args;
use serde_json::json;

use super::visible::visible;
use super::{ConfigArguments, Context, Exit, Failure};
use crate::config::Config;
use crate::policy::RuleSet;
use crate::policy::cases::CaseResult;
use crate::rules::{self, told};

/// Check the configuration, the rules and their cases
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

/// A program that asked for JSON gets JSON, also where the configuration or the rules are wrong.
pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let failure = match checked(arguments, context) {
        Err(failure) if arguments.json && failure.exit() == Exit::Config => failure,
        done => return done,
    };
    let told = failure.to_string();
    let mistakes: Vec<&str> = told.lines().collect();
    context.out.json(&json!({ "mistakes": mistakes }))?;
    Ok(failure.exit())
}

fn checked(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let config = arguments.config.load(context.env)?;
    let rules = rules::load(&config)?;
    let results = rules::cases(&config, &rules)?;
    let mut warnings = warnings::of_config(&config);
    warnings.extend(rule_warnings::of(&config, &rules));
    let failed: Vec<_> = results
        .iter()
        .filter(|case| case.failure.is_some())
        .collect();
    if arguments.json {
        let answer = json!({
            "config": config.file,
            "rules": rules.digest(),
            "cases": results.len(),
            "failed": failed.iter().map(|case| told(case)).collect::<Vec<_>>(),
            "warnings": warnings,
        });
        context.out.json(&answer)?;
    } else {
        show(&config, &rules, results.len(), &failed, &warnings, context)?;
    }
    Ok(if failed.is_empty() {
        Exit::Done
    } else {
        Exit::Found
    })
}

fn show(
    config: &Config,
    rules: &RuleSet,
    cases: usize,
    failed: &[&CaseResult],
    warnings: &[String],
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    for warning in warnings {
        context
            .out
            .line(format_args!("warning: {}", visible(warning)))?;
    }
    for case in failed {
        for line in told(case).lines() {
            context.out.line(visible(line))?;
        }
    }
    let file = config.file.display();
    let routes: Vec<&str> = config.routes.iter().map(|r| r.name.as_str()).collect();
    let routes = routes.join(", ");
    context
        .out
        .line(format_args!("configuration {file}: routes {routes}"))?;
    let folder = config.rules.display();
    context
        .out
        .line(format_args!("rules {folder}: digest {}", rules.digest()))?;
    let passed = cases - failed.len();
    context
        .out
        .line(format_args!("cases: {passed} of {cases} passed"))?;
    Ok(())
}
