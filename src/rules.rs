//! The rules that a configuration names, with their cases run: what `serve` starts with, `check`
//! checks and a reload puts in force.

pub mod bundle;
pub mod history;

use self::bundle::Bundle;
use crate::config::Config;
use crate::crm::Crm;
use crate::crm::catalog::Catalog;
use crate::mutation::CrmKind;
use crate::policy::cases::{self as policy_cases, CaseResult, ParsedRequest};
use crate::policy::{self, LoadErrors, RuleSet};
use crate::request::{Asked, Request, asked};

/// Rules whose cases all pass.
#[derive(Debug)]
pub struct Proven {
    /// The rules.
    pub rules: RuleSet,
    /// How many cases they passed.
    pub cases: usize,
}

/// Why rules cannot be put in force: mistakes or failed cases, each with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Unfit(pub Vec<String>);

impl From<LoadErrors> for Unfit {
    fn from(errors: LoadErrors) -> Self {
        Self(errors.0.iter().map(ToString::to_string).collect())
    }
}

/// Loads the rules and runs their cases. Blocks: reads files.
///
/// # Errors
/// All mistakes, else all cases that fail.
pub fn proven(config: &Config) -> Result<Proven, Unfit> {
    let shown = |name: &str| config.rules.join(name).display().to_string();
    Bundle::read(&config.rules)?.proven(shown, Some(teams(config)))
}

/// The teams of the configuration's operators.
#[must_use]
pub fn teams(config: &Config) -> Vec<String> {
    let teams = config.operators.iter().flat_map(|operator| &operator.teams);
    teams.cloned().collect()
}

/// Loads the rules, with the teams of the configuration's operators.
///
/// # Errors
/// All mistakes of all files.
pub fn load(config: &Config) -> Result<RuleSet, LoadErrors> {
    Ok(policy::load(&config.rules)?.with_teams(teams(config)))
}

/// Runs the cases beside the rules.
///
/// # Errors
/// All mistakes in files of cases.
pub fn cases(config: &Config, rules: &RuleSet) -> Result<Vec<CaseResult>, LoadErrors> {
    let files = policy::read_cases(&config.rules)?;
    let shown =
        |(name, text): (String, String)| (config.rules.join(name).display().to_string(), text);
    judged(rules, &files.into_iter().map(shown).collect::<Vec<_>>())
}

/// Runs cases, given as names and texts.
fn judged(rules: &RuleSet, files: &[(String, String)]) -> Result<Vec<CaseResult>, LoadErrors> {
    policy_cases::run(rules, files, &parse)
}

/// `rules/salesforce.cases.yaml:3: case never overwrites: expected deny, got allow`.
#[must_use]
pub fn told(case: &CaseResult) -> String {
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
