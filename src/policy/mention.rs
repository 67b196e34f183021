//! The names that rules mention, so that `check` can warn of those that do not exist.

use std::collections::BTreeSet;

use super::matrix::{Row, RuleFile, Word};
use super::pattern::Pattern;
use crate::mutation::{CrmKind, Effect, Requirement};

/// Names from outside the rules, each once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Service accounts with a word of their own in some row.
    pub service_accounts: BTreeSet<String>,
    /// Service accounts that rules apply to, in lower case.
    pub applied_accounts: BTreeSet<String>,
    /// Routes that rules apply to, in lower case.
    pub applied_routes: BTreeSet<String>,
    /// Owners of rows and rules: teams, or anything else.
    pub owners: BTreeSet<String>,
    /// Teams under `approvers`: a hold that waits for one that does not exist waits in vain.
    pub approvers: BTreeSet<String>,
    /// Owners of rows and rules that can hold and name no approvers: who decides, if it is a team.
    pub deciders: BTreeSet<String>,
    /// Those of rows, with whose writes the row holds: a service account's, or all agents'.
    pub row_deciders: BTreeSet<(String, Option<String>)>,
    /// What rules ask of approvers, by the rule's name.
    pub requirements: Vec<(String, Requirement)>,
    /// `endpoints` rows that let something through or hold it.
    pub endpoints: Vec<(CrmKind, String)>,
    /// Routes that files are narrowed to.
    pub routes: BTreeSet<String>,
    /// Salesforce objects that are spelled out, in lower case.
    pub salesforce_objects: BTreeSet<String>,
    /// HubSpot objects that are spelled out, in lower case: `contact` never matches `contacts`.
    pub hubspot_objects: BTreeSet<String>,
}

/// What files mention.
pub(super) fn of(files: &[RuleFile]) -> Mentions {
    let mut mentions = Mentions::default();
    for file in files {
        mentions.routes.extend(file.routes.iter().cloned());
        for rule in &file.rules {
            let names = |patterns: &[Pattern]| -> Vec<String> {
                let names = patterns.iter().flat_map(Pattern::names);
                names.map(str::to_owned).collect()
            };
            let applies = &rule.applies;
            mentions
                .applied_accounts
                .extend(names(&applies.service_accounts));
            mentions.applied_routes.extend(names(&applies.routes));
        }
        let of_rules = file.rules.iter().flat_map(|rule| &rule.applies.objects);
        let objects = file.object_index.names();
        let objects = objects.chain(of_rules.flat_map(Pattern::names));
        let objects = objects.map(str::to_owned);
        match file.crm {
            CrmKind::Salesforce => mentions.salesforce_objects.extend(objects),
            CrmKind::HubSpot => mentions.hubspot_objects.extend(objects),
        }
        let of_objects = file.objects.iter().flat_map(|rows| {
            let operations = rows.operations.iter().map(|(_, row)| row);
            operations.chain(&rows.fields).chain(&rows.default)
        });
        let of_endpoints = file.endpoints.iter().map(|(_, endpoint)| &endpoint.row);
        for row in of_objects.chain(of_endpoints).chain(&file.default) {
            mentions.row(row);
        }
        for rule in &file.rules {
            mentions.owners.extend(rule.owner.iter().cloned());
            match &rule.approvers {
                None if rule.then == Effect::Hold => {
                    mentions.deciders.extend(rule.owner.iter().cloned());
                }
                None => {}
                Some(requirement) => mentions.required(&rule.name, requirement),
            }
        }
        let open = file.endpoints.iter().filter(|(_, row)| !row.row.denies());
        mentions
            .endpoints
            .extend(open.map(|(name, _)| (file.crm, name.clone())));
    }
    mentions
}

impl Mentions {
    fn required(&mut self, rule: &str, requirement: &Requirement) {
        if let Requirement::Teams(teams) = requirement {
            self.approvers.extend(teams.iter().cloned());
        }
        self.requirements
            .push((rule.to_owned(), requirement.clone()));
    }

    fn row(&mut self, row: &Row) {
        self.owners.extend(row.owner.iter().cloned());
        if row.words().any(|word| word.without_prior() == Effect::Hold) {
            self.deciders.extend(row.owner.iter().cloned());
        }
        let holds = |word: &Word| word.without_prior() == Effect::Hold;
        let all = row
            .everybody
            .iter()
            .chain(&row.agents)
            .filter(|word| holds(word));
        let one = row.named.iter().filter(|(_, word)| holds(word));
        let whose = all
            .map(|_| None)
            .chain(one.map(|(name, _)| Some(name.clone())));
        if let Some(owner) = &row.owner {
            let whose = whose.map(|whose| (owner.clone(), whose));
            self.row_deciders.extend(whose);
        }
        let names = row.named.iter().map(|(name, _)| name.clone());
        self.service_accounts.extend(names);
    }
}
