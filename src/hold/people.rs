//! Who may decide a hold, and whether those who agreed suffice. Nobody approves their own request, and
//! two approvers are two people (P6).

use crate::config::{Config, Operator, Role};
use crate::mutation::Requirement;

use super::Hold;

/// Why somebody may not decide.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// Not an approver.
    #[error("{0} needs the role approver for this")]
    NoApprover(String),
    /// The owner of the service account, now or when it asked.
    #[error("{0} owns {1}: somebody else decides")]
    Owner(String, String),
    /// The operator who asked for the revert.
    #[error("{0} asked for this revert: somebody else decides")]
    Asked(String),
    /// The person for whom the agent says it acts.
    #[error("{0} is the person for whom {1} says it acts: somebody else decides")]
    OnBehalf(String, String),
    /// No requirement asks for them.
    #[error("{0} is not asked: this waits for {1}")]
    NotAsked(String, String),
}

/// Whether this operator may decide this hold.
///
/// # Errors
/// Why not.
pub fn may_decide(config: &Config, hold: &Hold, operator: &Operator) -> Result<(), Barred> {
    let name = operator.name.clone();
    if !is_approver(operator) {
        return Err(Barred::NoApprover(name));
    }
    let account = hold.actor.service_account.clone();
    if owners(config, hold).any(|owner| same_person(owner, &name)) {
        return Err(Barred::Owner(name, account));
    }
    if wants(hold, &name) {
        return Err(Barred::Asked(name));
    }
    if speaks_for(hold, &name) {
        return Err(Barred::OnBehalf(name, account));
    }
    if asked(&hold.terms.requirements, operator) {
        return Ok(());
    }
    let whom = waits_for(&hold.terms.requirements);
    Err(Barred::NotAsked(name, whom))
}

/// Whether the approvals given meet all of `requirements`, with people, roles and teams as they are
/// today. Never without any approval.
#[must_use]
pub fn met(config: &Config, hold: &Hold, requirements: &[Requirement]) -> bool {
    let agreed = agreed(config, hold);
    !agreed.is_empty() && requirements.iter().all(|one| is_met(one, &agreed))
}

/// The operators whose approvals count today, each once.
#[must_use]
pub fn agreed<'a>(config: &'a Config, hold: &Hold) -> Vec<&'a Operator> {
    config
        .operators
        .iter()
        .filter(|operator| hold.approvals.iter().any(|one| one.by == operator.name))
        .filter(|operator| is_approver(operator) && !is_own(config, hold, &operator.name))
        .collect()
}

/// Whether these people meet one requirement: a different one from each team, or so many different
/// ones.
#[must_use]
pub fn is_met(requirement: &Requirement, agreed: &[&Operator]) -> bool {
    match requirement {
        Requirement::Approvers(count) => u32::try_from(agreed.len()).unwrap_or(u32::MAX) >= *count,
        Requirement::Teams(teams) => one_from_each(teams, agreed),
    }
}

/// The teams of an operator that the requirements name, as the requirements spell them.
#[must_use]
pub fn teams_asked(requirements: &[Requirement], operator: &Operator) -> Vec<String> {
    let mut asked: Vec<String> = Vec::new();
    for requirement in requirements {
        if let Requirement::Teams(teams) = requirement {
            for team in teams {
                if is_in(operator, team) && !asked.contains(team) {
                    asked.push(team.clone());
                }
            }
        }
    }
    asked
}

/// Who is asked: `Sales Ops and Deal Desk`, `an approver`, `2 approvers`.
#[must_use]
pub fn waits_for(requirements: &[Requirement]) -> String {
    let mut teams: Vec<&str> = Vec::new();
    let mut people = 0;
    for requirement in requirements {
        match requirement {
            Requirement::Teams(names) => {
                for name in names {
                    if !teams.contains(&name.as_str()) {
                        teams.push(name);
                    }
                }
            }
            Requirement::Approvers(count) => people = people.max(*count),
        }
    }
    let whom = match people {
        0 | 1 => "an approver".to_owned(),
        count => format!("{count} approvers"),
    };
    let enough = u32::try_from(teams.len()).unwrap_or(u32::MAX) >= people;
    match (teams.as_slice(), enough) {
        ([], _) => whom,
        (_, true) => teams.join(" and "),
        (_, false) => format!("{} and in all {whom}", teams.join(" and ")),
    }
}

fn is_approver(operator: &Operator) -> bool {
    operator.roles.iter().any(|role| *role >= Role::Approver)
}

fn is_own(config: &Config, hold: &Hold, name: &str) -> bool {
    owners(config, hold).any(|owner| same_person(owner, name))
        || wants(hold, name)
        || speaks_for(hold, name)
}

/// The owner of the service account today, and the one when it asked.
fn owners<'a>(config: &'a Config, hold: &'a Hold) -> impl Iterator<Item = &'a str> {
    let today = config
        .service_accounts
        .iter()
        .filter(|account| account.name == hold.actor.service_account)
        .filter_map(|account| account.owner.as_deref());
    today.chain(hold.owner.as_deref())
}

/// Whether it is a revert that this operator asked for.
fn wants(hold: &Hold, name: &str) -> bool {
    let back = hold.takes_back.as_ref();
    back.is_some_and(|back| same_person(&back.by, name))
}

/// Claims prove nothing, but they may bar: who is said to be behind a request does not approve it.
fn speaks_for(hold: &Hold, name: &str) -> bool {
    let claimed = hold.actor.claims.on_behalf_of.as_deref();
    claimed.is_some_and(|claimed| same_person(claimed, name))
}

/// Whether two texts name one person: without case, white space and what is not seen, and `dana` is `dana@acme.com`.
fn same_person(a: &str, b: &str) -> bool {
    let (a, b) = (folded(a), folded(b));
    let local = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    match (a.contains('@'), b.contains('@')) {
        (true, true) | (false, false) => a == b,
        (true, false) | (false, true) => local(&a) == local(&b),
    }
}

fn folded(text: &str) -> String {
    let counts = |letter: &char| letter.is_alphanumeric() || "@._-+'".contains(*letter);
    text.chars()
        .filter(counts)
        .flat_map(char::to_lowercase)
        .collect()
}

fn asked(requirements: &[Requirement], operator: &Operator) -> bool {
    requirements.is_empty()
        || requirements.iter().any(|one| match one {
            Requirement::Approvers(_) => true,
            Requirement::Teams(teams) => teams.iter().any(|team| is_in(operator, team)),
        })
}

fn is_in(operator: &Operator, team: &str) -> bool {
    operator
        .teams
        .iter()
        .any(|own| own.trim().eq_ignore_ascii_case(team.trim()))
}

/// Whether each team can have a person of its own: augmenting paths (Berge), since who is in two teams
/// stands for one of them only.
fn one_from_each(teams: &[String], people: &[&Operator]) -> bool {
    let mut stands_for: Vec<Option<usize>> = vec![None; people.len()];
    (0..teams.len()).all(|team| {
        let mut tried = vec![false; people.len()];
        place(team, teams, people, &mut stands_for, &mut tried)
    })
}

/// Finds a person for a team; who stands for another one already may be moved.
fn place(
    team: usize,
    teams: &[String],
    people: &[&Operator],
    stands_for: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    let Some(name) = teams.get(team) else {
        return false;
    };
    for (person, operator) in people.iter().enumerate() {
        let seen = tried.get(person).copied().unwrap_or(true);
        if seen || !is_in(operator, name) {
            continue;
        }
        if let Some(mark) = tried.get_mut(person) {
            *mark = true;
        }
        let free = match stands_for.get(person).copied().flatten() {
            None => true,
            Some(other) => place(other, teams, people, stands_for, tried),
        };
        if free && let Some(slot) = stands_for.get_mut(person) {
            *slot = Some(team);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::*;
    use crate::config::Fingerprint;

    fn operator(name: &str, teams: &[&str]) -> Operator {
        Operator {
            name: name.into(),
            roles: vec![Role::Approver],
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
            token: Fingerprint::of(name.as_bytes()),
        }
    }

    fn teams(names: &[&str]) -> Requirement {
        Requirement::Teams(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn who_is_in_two_teams_stands_for_one() {
        let both = operator("ann", &["A", "B"]);
        let a = operator("bob", &["a"]);
        let need = teams(&["A", "B"]);
        assert!(!is_met(&need, &[&both]));
        assert!(is_met(&need, &[&both, &a]));
        assert!(is_met(&need, &[&a, &both]));
        assert!(!is_met(&teams(&["A", "B", "C"]), &[&both, &a]));
        assert!(is_met(&Requirement::Approvers(2), &[&both, &a]));
        assert!(!is_met(&Requirement::Approvers(3), &[&both, &a]));
    }

    #[test]
    fn a_person_is_the_same_in_any_spelling() {
        for (a, b) in [
            ("kim", "Kim"),
            (" kim ", "kim"),
            ("KIM@acme.com", "kim"),
            ("k im", "kim"),
            ("k\u{200b}im", "kim"),
        ] {
            assert!(same_person(a, b), "{a} {b}");
        }
        assert!(!same_person("kim@a.com", "kim@b.com"));
        assert!(!same_person("kim", "kimberly"));
    }

    #[test]
    fn who_is_asked_reads_as_a_sentence() {
        assert_eq!(waits_for(&[]), "an approver");
        assert_eq!(waits_for(&[Requirement::Approvers(2)]), "2 approvers");
        let sales = teams(&["Sales Ops", "Deal Desk"]);
        assert_eq!(waits_for(&[sales]), "Sales Ops and Deal Desk");
        assert_eq!(
            waits_for(&[teams(&["RevOps"]), Requirement::Approvers(3)]),
            "RevOps and in all 3 approvers"
        );
    }

    proptest! {
        /// Against trying every assignment.
        #[test]
        fn each_team_has_a_person_of_its_own_or_not(
            memberships in prop::collection::vec(prop::collection::btree_set(0_usize..4, 0..4), 0..5),
            wanted in 0_usize..5,
        ) {
            let names = ["A", "B", "C", "D"];
            let people: Vec<Operator> = memberships
                .iter()
                .enumerate()
                .map(|(number, of)| {
                    let of: Vec<&str> = of.iter().map(|team| names[*team]).collect();
                    operator(&format!("p{number}"), &of)
                })
                .collect();
            let refs: Vec<&Operator> = people.iter().collect();
            let need: Vec<String> =
                names.iter().take(wanted).map(|name| (*name).to_owned()).collect();
            assert_eq!(one_from_each(&need, &refs), by_force(&need, &refs));
        }
    }

    fn by_force(teams: &[String], people: &[&Operator]) -> bool {
        let Some((first, rest)) = teams.split_first() else {
            return true;
        };
        (0..people.len()).any(|place| {
            let mut others = people.to_vec();
            let person = others.remove(place);
            is_in(person, first) && by_force(rest, &others)
        })
    }
}
