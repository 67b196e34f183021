//! The rules that a configuration names.

use super::Failure;
use crate::config::Config;
use crate::policy::{self, RuleSet};

/// Loads them, with the teams of the configuration's operators.
pub(super) fn rules(config: &Config) -> Result<RuleSet, Failure> {
    let rules = policy::load(&config.rules).map_err(|e| Failure::Rules(e.to_string()))?;
    let teams = config.operators.iter().flat_map(|operator| &operator.teams);
    Ok(rules.with_teams(teams.cloned()))
}
