//! Rules as one piece: all files of a folder, with their cases. This is what `rules push` sends, what the
//! ledger keeps, and what every replica compiles for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Proven, Unfit, judged, told};
use crate::config::Config;
use crate::policy::{self, RuleSet};

/// The ending of files with cases, and of all.
const CASES: &str = ".cases.yaml";
const YAML: &str = ".yaml";

/// Files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bundle(BTreeMap<String, String>);

impl Bundle {
    /// These files.
    ///
    /// # Errors
    /// Names that no file of a rules folder has.
    pub fn of(files: BTreeMap<String, String>) -> Result<Self, Unfit> {
        let strange = |name: &&String| {
            let stem = name.strip_suffix(YAML).unwrap_or_default();
            stem.is_empty() || name.contains(['/', '\\']) || name.chars().any(char::is_control)
        };
        let strange: Vec<_> = files.keys().filter(strange).collect();
        if strange.is_empty() {
            return Ok(Self(files));
        }
        let told = |name: &String| {
            format!("{name:?}: a rule file is named NAME.yaml or NAME.cases.yaml, without a folder")
        };
        Err(Unfit(strange.into_iter().map(told).collect()))
    }

    /// The files of a folder. Blocks.
    ///
    /// # Errors
    /// A folder or files that cannot be read, or that others may write.
    pub fn read(folder: &Path) -> Result<Self, Unfit> {
        let mut files = policy::read_rules(folder)?;
        files.extend(policy::read_cases(folder)?);
        Ok(Self(files.into_iter().collect()))
    }

    /// The files' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Compiles them and runs their cases. `shown` makes a file's name what mistakes call it; `teams` are
    /// those that exist, where that is known.
    ///
    /// # Errors
    /// All mistakes, else all cases that fail.
    pub fn proven(
        &self,
        shown: impl Fn(&str) -> String,
        teams: Option<Vec<String>>,
    ) -> Result<Proven, Unfit> {
        let files = |cases: bool| -> Vec<(String, String)> {
            let chosen = self.0.iter();
            let chosen = chosen.filter(|(name, _)| name.ends_with(CASES) == cases);
            let chosen = chosen.map(|(name, text)| (shown(name), text.clone()));
            chosen.collect()
        };
        let rules = files(false);
        if rules.is_empty() {
            let what = "there is no rule file: add one, such as salesforce.yaml";
            return Err(Unfit(vec![what.to_owned()]));
        }
        let mut rules = RuleSet::compile(&rules)?;
        if let Some(teams) = teams {
            rules = rules.with_teams(teams);
        }
        let results = judged(&rules, &files(true))?;
        let failed = results.iter().filter(|case| case.failure.is_some());
        let failed: Vec<String> = failed.map(told).collect();
        if failed.is_empty() {
            let cases = results.len();
            Ok(Proven { rules, cases })
        } else {
            Err(Unfit(failed))
        }
    }
}

/// What rules name and a configuration has. Where another configuration lacks one of these, the same
/// rules mean something else there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Named {
    service_accounts: BTreeSet<String>,
    teams: BTreeSet<String>,
    routes: BTreeSet<String>,
}

impl Named {
    /// What these rules name and this configuration has.
    #[must_use]
    pub fn of(rules: &RuleSet, config: &Config) -> Self {
        let has = Self::all(config);
        let mentions = rules.mentions();
        let lower = |names: &[&BTreeSet<String>]| -> BTreeSet<String> {
            let names = names.iter().copied().flatten();
            names.map(|name| name.to_lowercase()).collect()
        };
        let both = |named: BTreeSet<String>, has: BTreeSet<String>| &named & &has;
        Self {
            service_accounts: both(
                lower(&[&mentions.service_accounts, &mentions.applied_accounts]),
                has.service_accounts,
            ),
            teams: both(lower(&[&mentions.owners, &mentions.approvers]), has.teams),
            routes: both(
                lower(&[&mentions.routes, &mentions.applied_routes]),
                has.routes,
            ),
        }
    }

    /// What a configuration lacks of these.
    #[must_use]
    pub fn lacking(&self, config: &Config) -> Vec<String> {
        let has = Self::all(config);
        let lacks = |what: &str, named: &BTreeSet<String>, has: &BTreeSet<String>| {
            let missing = named - has;
            let told = missing.into_iter().map(|name| {
                format!("they name {what} {name}, which is in the configuration of who pushed them but not here")
            });
            told.collect::<Vec<_>>()
        };
        [
            lacks(
                "service account",
                &self.service_accounts,
                &has.service_accounts,
            ),
            lacks("team", &self.teams, &has.teams),
            lacks("route", &self.routes, &has.routes),
        ]
        .concat()
    }

    fn all(config: &Config) -> Self {
        let accounts = config.service_accounts.iter();
        let teams = config.operators.iter().flat_map(|operator| &operator.teams);
        let routes = config.routes.iter();
        Self {
            service_accounts: accounts.map(|one| one.name.to_lowercase()).collect(),
            teams: teams.map(|team| team.to_lowercase()).collect(),
            routes: routes.map(|route| route.name.to_lowercase()).collect(),
        }
    }
}
