//! The rules that a configuration names, and their cases.

use super::Failure;
use super::asked::{Asked, asked};
use super::request::Request;
use crate::config::Config;
use crate::crm::Crm;
use crate::crm::catalog::Catalog;
use crate::mutation::CrmKind;
use crate::policy::cases::{self as policy_cases, CaseResult, ParsedRequest};
use crate::policy::{self, LoadErrors, RuleSet};

/// Loads them, with the teams of the configuration's operators.
pub(super) fn rules(config: &Config) -> Result<RuleSet, Failure> {
    let rules = policy::load(&config.rules).map_err(|e| Failure::Rules(e.to_string()))?;
    let teams = config.operators.iter().flat_map(|operator| &operator.teams);
    Ok(rules.with_teams(teams.cloned()))
}

/// Runs the cases beside them.
pub(super) fn cases(config: &Config, rules: &RuleSet) -> Result<Vec<CaseResult>, Failure> {
    let wrong = |errors: LoadErrors| Failure::Rules(errors.to_string());
    let files = policy::read_cases(&config.rules).map_err(wrong)?;
    policy_cases::run(rules, &files, &parse).map_err(wrong)
}

/// `rules/salesforce.cases.yaml:3: case never overwrites: expected deny, got allow`.
pub(super) fn told(case: &CaseResult) -> String {
    let failure = case.failure.as_deref().unwrap_or("passed");
    format!("{}:{}: case {}: {failure}", case.file, case.line, case.name)
}

/// A raw request of a case, taken apart as the data path would.
fn parse(crm: CrmKind, text: &str) -> Result<ParsedRequest, String> {
    let request = Request::from_raw(text.as_bytes(), crm)?;
    match asked(crm, &request, &Catalog::builtin(crm))? {
        Asked::Changes(changes) => Ok(ParsedRequest {
            method: request.method.to_string(),
            path: request.path.as_str().to_owned(),
            acting: Crm(crm).acting(&request.headers),
            changes,
        }),
        Asked::Read => Err("it reads, and reads are not judged by rules".into()),
        Asked::Auth => Err("it logs in, and logins are not judged by rules".into()),
    }
}
