//! Who may decide a hold, and whether those who agreed suffice. Nobody approves their own request, and
//! two approvers are two people (P6).

pub mod same;

use crate::config::{Config, Fingerprint, Operator, Role};
use crate::mutation::{Actor, Requirement};

use super::Hold;
use same::{names, same};

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
    /// One of these under the name of then.
    #[error("{0} stood behind this request of {1} under another name: somebody else decides")]
    Renamed(String, String),
    /// No requirement asks for them.
    #[error("{0} is not asked: this waits for {1}")]
    NotAsked(String, String),
}

/// One person: the operators that are them.
#[derive(Clone, Debug)]
pub struct Person<'a>(Vec<&'a Operator>);

impl<'a> Person<'a> {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().map(|operator| operator.name.as_str())
    }

    fn is_in(&self, team: &str) -> bool {
        self.0.iter().any(|operator| is_in(operator, team))
    }
}

/// Whether this operator may decide this hold.
///
/// # Errors
/// Why not.
pub fn may_decide(config: &Config, hold: &Hold, operator: &Operator) -> Result<(), Barred> {
    if !is_approver(operator) {
        return Err(Barred::NoApprover(operator.name.clone()));
    }
    if let Some(barred) = is_own(config, hold, operator) {
        return Err(barred);
    }
    if asked(&hold.terms.requirements, operator) {
        return Ok(());
    }
    let whom = waits_for(&hold.terms.requirements);
    Err(Barred::NotAsked(operator.name.clone(), whom))
}

/// Whether the approvals given meet all of `requirements`, with people, roles and teams as they are
/// today. Never without any approval.
#[must_use]
pub fn met(config: &Config, hold: &Hold, requirements: &[Requirement]) -> bool {
    let agreed = agreed(config, hold);
    !agreed.is_empty() && requirements.iter().all(|one| is_met(one, &agreed))
}

/// The people whose approvals count today.
#[must_use]
pub fn agreed<'a>(config: &'a Config, hold: &Hold) -> Vec<Person<'a>> {
    let counts = |operator: &&Operator| {
        let theirs = hold.approvals.iter().any(|one| one.by == operator.name);
        theirs && is_approver(operator) && is_own(config, hold, operator).is_none()
    };
    let tokens = |operator: &Operator| -> Vec<Fingerprint> {
        let said = hold.approvals.iter();
        let said = said.filter(|one| one.by == operator.name);
        said.map(|one| one.token).chain([operator.token]).collect()
    };
    people(config.operators.iter().filter(counts), tokens)
}

/// Whether there are people who could meet a requirement for a service account with this owner.
#[must_use]
pub fn could_meet(config: &Config, requirement: &Requirement, owner: Option<&str>) -> bool {
    let may = |operator: &&Operator| {
        is_approver(operator) && !owner.is_some_and(|owner| names(owner, &operator.name))
    };
    let left = people(config.operators.iter().filter(may), |one| vec![one.token]);
    is_met(requirement, &left)
}

/// Whether there is anybody at all who may decide what this service account asks.
#[must_use]
pub fn anybody_decides(config: &Config, actor: &Actor) -> bool {
    let mut operators = config.operators.iter();
    operators.any(|one| is_approver(one) && stands_behind(config, actor, None, one).is_none())
}

/// The tokens of the operators who stand behind what this service account asks.
#[must_use]
pub fn behind(config: &Config, actor: &Actor) -> Vec<Fingerprint> {
    let own = |operator: &&Operator| stands_behind(config, actor, None, operator).is_some();
    let operators = config.operators.iter().filter(own);
    operators.map(|operator| operator.token).collect()
}

/// Operators under names or tokens of one person are that person.
fn people<'a>(
    operators: impl Iterator<Item = &'a Operator>,
    tokens: impl Fn(&Operator) -> Vec<Fingerprint>,
) -> Vec<Person<'a>> {
    let mut people: Vec<Person<'a>> = Vec::new();
    for operator in operators {
        let theirs = tokens(operator);
        let known = |other: &&Operator| {
            same(&other.name, &operator.name)
                || tokens(other).iter().any(|token| theirs.contains(token))
        };
        let (same, others): (Vec<_>, Vec<_>) = people
            .into_iter()
            .partition(|person| person.0.iter().any(known));
        let mut person: Vec<_> = same.into_iter().flat_map(|person| person.0).collect();
        person.push(operator);
        people = others;
        people.push(Person(person));
    }
    people
}

/// Whether these people meet one requirement: a different one from each team, or so many different
/// ones.
#[must_use]
pub fn is_met(requirement: &Requirement, agreed: &[Person<'_>]) -> bool {
    match requirement {
        Requirement::Approvers(count) => u32::try_from(agreed.len()).unwrap_or(u32::MAX) >= *count,
        Requirement::Teams(teams) => one_from_each(teams, agreed),
    }
}

/// What is still asked once these people have agreed: the teams without a person of their own, and how
/// many more.
#[must_use]
pub fn unmet(requirements: &[Requirement], agreed: &[Person<'_>]) -> Vec<Requirement> {
    let count = u32::try_from(agreed.len()).unwrap_or(u32::MAX);
    let open = requirements.iter().filter(|one| !is_met(one, agreed));
    open.map(|one| match one {
        Requirement::Approvers(wanted) => Requirement::Approvers(wanted.saturating_sub(count)),
        Requirement::Teams(teams) => Requirement::Teams(without_a_person(teams, agreed)),
    })
    .collect()
}

/// The teams that are left when as many as can be have a person of their own.
fn without_a_person(teams: &[String], agreed: &[Person<'_>]) -> Vec<String> {
    let (mut stand, mut left) = (Vec::new(), Vec::new());
    for team in teams {
        stand.push(team.clone());
        if !one_from_each(&stand, agreed) {
            stand.pop();
            left.push(team.clone());
        }
    }
    left
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

/// Why a hold is this operator's own request, where it is.
fn is_own(config: &Config, hold: &Hold, operator: &Operator) -> Option<Barred> {
    // A revert that this operator asked for.
    let back = hold.takes_back.as_ref();
    if back.is_some_and(|back| names(&back.by, &operator.name)) {
        return Some(Barred::Asked(operator.name.clone()));
    }
    let owner = hold.owner.as_deref();
    stands_behind(config, &hold.actor, owner, operator).or_else(|| {
        let account = hold.actor.service_account.clone();
        let renamed = hold.barred.contains(&operator.token);
        renamed.then(|| Barred::Renamed(operator.name.clone(), account))
    })
}

/// Why this operator stands behind what a service account asks, where they do: as its owner today, as
/// its `owner` when it asked, or as who it says it acts for.
fn stands_behind(
    config: &Config,
    actor: &Actor,
    owner: Option<&str>,
    operator: &Operator,
) -> Option<Barred> {
    let name = &operator.name;
    let account = &actor.service_account;
    let mut owners = owners_of(config, |known| known == account).chain(owner);
    if owners.any(|owner| names(owner, name)) {
        return Some(Barred::Owner(name.clone(), account.clone()));
    }
    // Claims prove nothing, but they may bar: who is said to be behind a request does not approve it,
    // nor does who owns the service account that is said to be.
    let claimed = actor.claims.on_behalf_of.as_deref()?;
    let mut delegates = owners_of(config, |known| names(claimed, known));
    let theirs = names(claimed, name) || delegates.any(|owner| names(owner, name));
    theirs.then(|| Barred::OnBehalf(name.clone(), account.clone()))
}

/// The owners of these service accounts.
fn owners_of(config: &Config, which: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
    let accounts = config.service_accounts.iter();
    let accounts = accounts.filter(move |account| which(&account.name));
    accounts.filter_map(|account| account.owner.as_deref())
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
fn one_from_each(teams: &[String], people: &[Person<'_>]) -> bool {
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
    people: &[Person<'_>],
    stands_for: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    let Some(name) = teams.get(team) else {
        return false;
    };
    for (place_of, person) in people.iter().enumerate() {
        let seen = tried.get(place_of).copied().unwrap_or(true);
        if seen || !person.is_in(name) {
            continue;
        }
        if let Some(mark) = tried.get_mut(place_of) {
            *mark = true;
        }
        let free = match stands_for.get(place_of).copied().flatten() {
            None => true,
            Some(other) => place(other, teams, people, stands_for, tried),
        };
        if free && let Some(slot) = stands_for.get_mut(place_of) {
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

    fn each_alone<'a>(operators: &[&'a Operator]) -> Vec<Person<'a>> {
        operators.iter().map(|one| Person(vec![one])).collect()
    }

    #[test]
    fn who_is_in_two_teams_stands_for_one() {
        let both = operator("ann", &["A", "B"]);
        let a = operator("bob", &["a"]);
        let need = teams(&["A", "B"]);
        let met = |need: &Requirement, people: &[&Operator]| is_met(need, &each_alone(people));
        assert!(!met(&need, &[&both]));
        assert!(met(&need, &[&both, &a]));
        assert!(met(&need, &[&a, &both]));
        assert!(!met(&teams(&["A", "B", "C"]), &[&both, &a]));
        assert!(met(&Requirement::Approvers(2), &[&both, &a]));
        assert!(!met(&Requirement::Approvers(3), &[&both, &a]));
    }

    #[test]
    fn two_names_or_tokens_of_one_person_are_one_person() {
        let of = |name: &str, token: &str, team: &str| Operator {
            token: Fingerprint::of(token.as_bytes()),
            ..operator(name, &[team])
        };
        let ann = of("ann", "1", "A");
        let count = |others: &[Operator]| {
            let all = std::iter::once(&ann).chain(others);
            people(all, |one| vec![one.token]).len()
        };
        assert_eq!(count(&[of("bob", "2", "B")]), 2);
        assert_eq!(count(&[of("Ann", "2", "B")]), 1);
        assert_eq!(count(&[of("ann@acme.com", "2", "B")]), 1);
        assert_eq!(count(&[of("bob", "1", "B")]), 1);
        // one name joins two that are not one by themselves
        let (one, other) = (of("ann@a.com", "2", "B"), of("ann@b.com", "3", "C"));
        assert_eq!(count(&[one, other]), 1);
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

    #[test]
    fn what_is_still_asked_shrinks_with_each_yes() {
        let ann = operator("ann", &["A", "B"]);
        let bob = operator("bob", &["A"]);
        let asked = [teams(&["A", "B"]), Requirement::Approvers(3)];
        let left = |people: &[&Operator]| waits_for(&unmet(&asked, &each_alone(people)));
        assert_eq!(left(&[]), "A and B and in all 3 approvers");
        assert_eq!(left(&[&bob]), "B and in all 2 approvers");
        assert_eq!(left(&[&bob, &ann]), "an approver");
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
            assert_eq!(one_from_each(&need, &each_alone(&refs)), by_force(&need, &refs));
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
