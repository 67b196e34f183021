//! What is allowed in rules but probably not meant, seen together with the configuration.

mod floor;

use std::collections::BTreeSet;

use crate::config::{Config, Operator, Role, nearest};
use crate::crm::Crm;
use crate::hold::people::could_meet;
use crate::hold::people::same::same;
use crate::mutation::{Count, CrmKind, Limit, LimitKind, Requirement};
use crate::policy::{Mentions, RuleSet};

/// Records that one request of the batch APIs can hold (Salesforce collections 200, HubSpot 100).
const BATCH: u64 = 200;

/// One line each.
pub(super) fn of(config: &Config, rules: &RuleSet) -> Vec<String> {
    let mentions = rules.mentions();
    let mut warnings = names(config, &mentions);
    warnings.extend(applied(config, &mentions));
    warnings.extend(without_rules(config, rules));
    warnings.extend(floor::missing(config, rules));
    warnings.extend(deciders(config, &mentions));
    warnings.extend(owners_of_their_own(config, &mentions));
    warnings.extend(unmeetable(config, &mentions));
    warnings.extend(one_person(config));
    warnings.extend(aliases(&mentions));
    warnings.extend(misspelt(CrmKind::Salesforce, &mentions.salesforce_objects));
    warnings.extend(misspelt(CrmKind::HubSpot, &mentions.hubspot_objects));
    warnings.extend(endpoints(&mentions));
    warnings.extend(rules.limits().filter_map(limit));
    warnings
}

/// Service accounts, teams and routes that the configuration does not know.
fn names(config: &Config, mentions: &Mentions) -> Vec<String> {
    let account = |name: &&String| !config.service_accounts.iter().any(|a| a.name == **name);
    let accounts = mentions.service_accounts.iter().filter(account);
    let accounts = accounts.map(|name| {
        format!("the rules name service account {name}, which the configuration does not have")
    });
    let team = |team: &&String| !approvers(config).any(|person| is_of(person, team));
    let teams = mentions.approvers.iter().filter(team).map(|team| {
        format!("the rules ask {team} to decide, but no operator of that team is an approver")
    });
    let route = |name: &&String| !config.routes.iter().any(|r| r.name == **name);
    let routes = mentions.routes.iter().filter(route).map(|name| {
        format!("the rules are narrowed to route {name}, which the configuration does not have")
    });
    accounts.chain(teams).chain(routes).collect()
}

/// Rules that apply to nobody and nowhere that there is.
fn applied(config: &Config, mentions: &Mentions) -> Vec<String> {
    let same = |known: &str, name: &str| known.eq_ignore_ascii_case(name);
    let account = |name: &&String| !config.service_accounts.iter().any(|a| same(&a.name, name));
    let accounts = mentions.applied_accounts.iter().filter(account);
    let accounts = accounts.map(|name| {
        format!("a rule applies to service account {name}, which the configuration does not have")
    });
    let route = |name: &&String| !config.routes.iter().any(|r| same(&r.name, name));
    let routes = mentions.applied_routes.iter().filter(route);
    let routes = routes.map(|name| {
        format!("a rule applies to route {name}, which the configuration does not have")
    });
    accounts.chain(routes).collect()
}

/// Routes for which no file speaks.
fn without_rules(config: &Config, rules: &RuleSet) -> Vec<String> {
    let routes = config.routes.iter();
    let bare = routes.filter(|route| !rules.speaks_for(route.crm, &route.name));
    bare.map(|route| {
        format!(
            "route {} has no rules: every write there is refused",
            route.name
        )
    })
    .collect()
}

/// Objects that are nearly, but not quite, called like one that is built in.
fn misspelt(crm: CrmKind, names: &BTreeSet<String>) -> Vec<String> {
    let known = Crm(crm).objects();
    let unknown = names.iter().filter(|name| {
        let built_in = known.iter().any(|known| known.eq_ignore_ascii_case(name));
        !built_in && !name.contains("__") && Crm(crm).canonical(name).is_none()
    });
    unknown
        .filter_map(|name| {
            let meant = nearest(name, &known)?;
            Some(format!(
                "the rules name {crm} object {name}, which is not built in: {meant}?"
            ))
        })
        .collect()
}

/// Rows that hold for a team in which, for some service account, only its owner could decide.
fn owners_of_their_own(config: &Config, mentions: &Mentions) -> Vec<String> {
    let mut warnings = Vec::new();
    for account in &config.service_accounts {
        let owner = account.owner.as_deref();
        let theirs = mentions.row_deciders.iter().filter(|(_, whose)| {
            let whose = whose.as_ref();
            whose.is_none_or(|name| *name == account.name)
        });
        let teams: BTreeSet<&String> = theirs.map(|(team, _)| team).collect();
        for team in teams {
            let asked = Requirement::Teams(vec![team.clone()]);
            let alone = could_meet(config, &asked, None) && !could_meet(config, &asked, owner);
            if let Some(owner) = owner.filter(|_| alone) {
                warnings.push(format!(
                    "rows let {team} decide, and without {owner}, who owns {} and decides none of its holds, nobody of that team can",
                    account.name
                ));
            }
        }
    }
    warnings
}

/// Owners of rows that hold: a team without an approver decides nothing; what is no team leaves the
/// decision to everybody.
fn deciders(config: &Config, mentions: &Mentions) -> Vec<String> {
    let mut warnings = Vec::new();
    for owner in mentions.deciders.difference(&mentions.approvers) {
        let team = config.operators.iter().any(|person| is_of(person, owner));
        let decides = approvers(config).any(|person| is_of(person, owner));
        if !team {
            warnings.push(format!(
                "the rules let {owner} decide holds, but that is no operator's team: any approver decides"
            ));
        } else if !decides {
            warnings.push(format!(
                "the rules let {owner} decide holds, but no operator of that team is an approver"
            ));
        }
    }
    warnings
}

/// Rules that ask for more people than there are, or than are left without a service account's owner.
fn unmeetable(config: &Config, mentions: &Mentions) -> Vec<String> {
    let mut warnings = Vec::new();
    for (rule, requirement) in &mentions.requirements {
        if !could_meet(config, requirement, None) {
            // A team that nobody is of is told already.
            if every_team_has_somebody(config, requirement) {
                warnings.push(format!(
                    "rule {rule} asks for {}, and there are not so many approvers: nobody can approve it",
                    people(requirement)
                ));
            }
            continue;
        }
        for account in &config.service_accounts {
            let owner = account.owner.as_deref();
            if owner.is_some() && !could_meet(config, requirement, owner) {
                warnings.push(format!(
                    "rule {rule} asks for {}, and without {}, who owns {} and decides none of its holds, there are not so many: nobody can approve it",
                    people(requirement),
                    owner.unwrap_or_default(),
                    account.name
                ));
            }
        }
    }
    warnings
}

/// Operators that count as one person wherever two are asked for.
fn one_person(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    for (place, one) in config.operators.iter().enumerate() {
        let others = config.operators.iter().skip(place + 1);
        for other in others.filter(|other| same(&one.name, &other.name)) {
            warnings.push(format!(
                "operators {} and {} count as one person: where two have to agree, they are one",
                one.name, other.name
            ));
        }
    }
    warnings
}

fn every_team_has_somebody(config: &Config, requirement: &Requirement) -> bool {
    match requirement {
        Requirement::Approvers(_) => true,
        Requirement::Teams(teams) => teams
            .iter()
            .all(|team| approvers(config).any(|person| is_of(person, team))),
    }
}

fn people(requirement: &Requirement) -> String {
    match requirement {
        Requirement::Approvers(count) => format!("{count} people"),
        Requirement::Teams(teams) => format!("one person each of {}", teams.join(" and ")),
    }
}

/// Operators who may decide; each role includes the ones before it.
fn approvers(config: &Config) -> impl Iterator<Item = &Operator> {
    let may = |person: &&Operator| person.roles.iter().any(|role| *role >= Role::Approver);
    config.operators.iter().filter(may)
}

fn is_of(person: &Operator, team: &str) -> bool {
    person
        .teams
        .iter()
        .any(|own| own.eq_ignore_ascii_case(team))
}

/// Other names of HubSpot's types: rules see the plural one alone.
fn aliases(mentions: &Mentions) -> Vec<String> {
    let names = mentions.hubspot_objects.iter();
    names
        .filter_map(|name| {
            let canonical = Crm(CrmKind::HubSpot).canonical(name)?;
            (canonical != name).then(|| {
                format!("the rules name HubSpot object {name}, which never matches: it is called {canonical}")
            })
        })
        .collect()
}

/// Rows for paths that are usually taken apart: they speak only for what could not be, such as types
/// that are not known.
fn endpoints(mentions: &Mentions) -> Vec<String> {
    let rows = mentions.endpoints.iter();
    rows.filter(|(crm, name)| is_record_api(*crm, name))
        .map(|(_, name)| {
            format!(
                "endpoint {name} is of the record API: it lets through what cannot be taken apart there, unseen; the rows under `objects` do not apply to that"
            )
        })
        .collect()
}

fn is_record_api(crm: CrmKind, name: &str) -> bool {
    let mut segments = name.split('/').map(str::to_ascii_lowercase);
    match crm {
        CrmKind::Salesforce => segments.any(|part| part == "sobjects" || part == "composite"),
        CrmKind::HubSpot => segments.any(|part| part == "objects" || part == "associations"),
    }
}

/// Limits that refuse more, or less, than they seem to.
fn limit(limit: &Limit) -> Option<String> {
    let LimitKind::Rate { count, burst, .. } = limit.kind else {
        return None;
    };
    let name = &limit.name;
    if count > burst {
        return Some(format!(
            "limit {name}: the rate ({count}) is larger than the burst ({burst}), so {count} never come at once; leave `burst` out, or make it {count} or more"
        ));
    }
    let of_mutations = matches!(limit.count, Count::Mutations | Count::Operation(_));
    (of_mutations && burst < BATCH).then(|| {
        format!(
            "limit {name} counts {} with a burst of {burst}: a batch with more than {burst} is always refused",
            limit.count.word()
        )
    })
}
