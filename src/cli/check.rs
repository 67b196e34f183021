//! `check`: configuration, rules and their cases, before a proxy is started with them.

mod warnings;

use clap::Args;
use serde_json::json;

use super::asked::{Asked, asked};
use super::request::Request;
use super::rules::rules;
use super::visible::visible;
use super::{ConfigArguments, Context, Exit, Failure};
use crate::config::Config;
use crate::crm::catalog::Catalog;
use crate::mutation::{ChangeSet, CrmKind};
use crate::policy::cases::{self, CaseResult};
use crate::policy::{self, LoadErrors, RuleSet};

/// Check the configuration, the rules and their cases
#[derive(Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments, context: &mut Context<'_>) -> Result<Exit, Failure> {
    let config = arguments.config.load(context.env)?;
    let wrong = |errors: LoadErrors| Failure::Rules(errors.to_string());
    let rules = rules(&config)?;
    let files = policy::read_cases(&config.rules).map_err(wrong)?;
    let results = cases::run(&rules, &files, &parse).map_err(wrong)?;
    let mut warnings = warnings::of_config(&config);
    warnings.extend(warnings::of_rules(&config, &rules.mentions()));
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

/// `rules/salesforce.cases.yaml:3: case never overwrites: expected deny, got allow`.
fn told(case: &CaseResult) -> String {
    let failure = case.failure.as_deref().unwrap_or("passed");
    format!("{}:{}: case {}: {failure}", case.file, case.line, case.name)
}

/// A raw request of a case, taken apart as the data path would.
fn parse(crm: CrmKind, text: &str) -> Result<(String, String, ChangeSet), String> {
    let request = Request::from_raw(text.as_bytes(), crm)?;
    let path = request.path.as_str().to_owned();
    match asked(crm, &request, &Catalog::builtin(crm))? {
        Asked::Changes(changes) => Ok((request.method.to_string(), path, changes)),
        Asked::Read => Err("it reads, and reads are not judged by rules".into()),
        Asked::Auth => Err("it logs in, and logins are not judged by rules".into()),
    }
}
