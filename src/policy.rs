//! Rules → verdict: pure, synchronous, no I/O, time is an argument. JSONPath lives only here.
//! Knows `mutation` and `error` only. `load` and `cases` read files; nothing else does I/O.

mod answer;
pub mod cases;
mod charge;
mod condition;
mod decimal;
pub mod explain;
mod finding;
mod judge;
mod load;
mod matrix;
mod mention;
mod mistake;
mod path;
mod pattern;
mod reserve;
mod rule;
mod scene;
mod value;
mod yaml;

use jiff::Timestamp;

use crate::mutation::{
    Acting, Actor, ChangeSet, Charge, CrmKind, Limit, LimitKind, Mutation, Operation, Origin,
    Prior, Requirement, Snapshot, Verdict, same_name,
};
use matrix::RuleFile;

pub use load::{OPERATORS, duration, load, rate, read_cases, read_rules};
pub use mention::Mentions;
pub use mistake::{LoadErrors, Mistake, Place};
pub use reserve::Reserve;
pub use value::same as same_value;

/// What the rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The CRM of the route.
    pub crm: CrmKind,
    /// The route's name.
    pub route: &'a str,
    /// Who asks.
    pub actor: &'a Actor,
    /// Where the write comes from.
    pub origin: Origin,
    /// The method on the request line.
    pub method: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The headers that act on the write beside its body.
    pub acting: &'a Acting,
    /// What would change.
    pub changes: &'a ChangeSet,
    /// How many mutations there are in all, where `changes` are some of a bulk job's.
    pub total: Option<u64>,
    /// The prior values, once they were read.
    pub snapshot: Option<&'a Snapshot>,
    /// The request's time.
    pub now: Timestamp,
}

/// The rows of a bulk job, counted.
#[derive(Clone, Copy, Debug)]
pub struct JobRows<'a> {
    /// Their object.
    pub object: &'a str,
    /// How many.
    pub rows: u64,
    /// How many are judged as which operation.
    pub operations: &'a [(Operation, u64)],
}

impl JobRows<'_> {
    /// Counts a row, and what its record held before, as what it is judged.
    pub fn count(mutation: &Mutation, prior: &Prior, into: &mut Vec<(Operation, u64)>) {
        charge::count(mutation, prior, into);
    }
}

/// What the rules answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluation {
    /// A verdict.
    Decided {
        /// The verdict.
        verdict: Verdict,
        /// Whether prior values were looked at, so that they must still hold when the write arrives.
        rests_on_prior: bool,
    },
    /// A row or rule that could decide looks at prior values: read them and ask again. For each
    /// mutation the fields that rules look at beyond those it writes.
    NeedsPrior(Vec<Vec<String>>),
}

/// A compiled rule set. Immutable; a reload makes a new one.
#[derive(Clone, Debug)]
pub struct RuleSet {
    files: Vec<RuleFile>,
    digest: String,
    /// The teams that exist; `None`: every owner counts as one.
    teams: Option<Vec<String>>,
}

impl RuleSet {
    /// Compiles rule files from names and texts; their order does not matter. No file: everything is
    /// denied.
    ///
    /// # Errors
    /// All mistakes of all files.
    pub fn compile(files: &[(String, String)]) -> Result<Self, LoadErrors> {
        load::compile(files)
    }

    /// The same rules, with the teams that exist: the holds of a row whose `owner` is none of them can
    /// be decided by any approver. Without this every owner counts as a team.
    #[must_use]
    pub fn with_teams(mut self, teams: impl IntoIterator<Item = String>) -> Self {
        self.teams = Some(teams.into_iter().collect());
        self
    }

    /// SHA-256 of the files it was compiled from, hex; each entry names it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Judges a request.
    #[must_use]
    pub fn evaluate(&self, question: &Question<'_>) -> Evaluation {
        judge::evaluate(self, question)
    }

    /// What the request takes from which limits. Uses the ids of the snapshot where there is one.
    /// Nothing for `refusals` and `holds`: see [`Self::refusal_charges`] and [`Self::hold_charges`].
    #[must_use]
    pub fn charges(&self, question: &Question<'_>) -> Vec<Charge> {
        charge::of_request(self, question)
    }

    /// What a bulk job takes from which limits.
    #[must_use]
    pub fn job_charges(&self, question: &Question<'_>, job: &JobRows<'_>) -> Vec<Charge> {
        charge::of_job(self, question, job)
    }

    /// The longest window of any limit in milliseconds; charges older than that count nowhere.
    #[must_use]
    pub fn longest_window_ms(&self) -> u64 {
        self.limits()
            .map(|limit| match limit.kind {
                LimitKind::Rate {
                    count,
                    period_ms,
                    burst,
                } => period_ms.saturating_mul(burst).div_ceil(count.max(1)),
                LimitKind::Budget { window_ms, .. } => window_ms,
            })
            .max()
            .unwrap_or(0)
    }

    /// What a refused request of this service account takes (`count: refusals`).
    #[must_use]
    pub fn refusal_charges(&self, crm: CrmKind, route: &str, service_account: &str) -> Vec<Charge> {
        charge::of_refusal(self, crm, route, service_account)
    }

    /// What one more waiting hold of this service account takes (`count: holds`): a gauge, so it is
    /// given back when the hold is decided.
    #[must_use]
    pub fn hold_charges(&self, crm: CrmKind, route: &str, service_account: &str) -> Vec<Charge> {
        charge::of_hold(self, crm, route, service_account)
    }

    /// All limits, in the order of files.
    pub fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.files.iter().flat_map(|file| &file.limits)
    }

    /// The limit of a name, compared without case.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<&Limit> {
        self.limits().find(|limit| same_name(&limit.name, name))
    }

    /// All shares of the CRM's quota that are kept for people, in the order of files.
    pub fn reserves(&self) -> impl Iterator<Item = &Reserve> {
        self.files.iter().flat_map(|file| &file.reserves)
    }

    /// The one of a name, compared without case.
    #[must_use]
    pub fn reserve(&self, name: &str) -> Option<&Reserve> {
        self.reserves()
            .find(|reserve| same_name(&reserve.name, name))
    }

    /// The shares of the CRM's quota that are kept for people on a route.
    pub fn reserves_for(&self, crm: CrmKind, route: &str) -> impl Iterator<Item = &Reserve> {
        self.files_for(crm, route).flat_map(|file| &file.reserves)
    }

    /// Whether a limit only observes (`observe: true`): what is charged to it is counted and nothing is
    /// refused, held or stopped for it. Charges do not say so; who asks for them has to.
    #[must_use]
    pub fn observes(&self, limit: &str) -> bool {
        let mut observing = self.files.iter().flat_map(|file| &file.observing);
        observing.any(|name| same_name(name, limit))
    }

    /// Whether any file speaks for a route.
    #[must_use]
    pub fn speaks_for(&self, crm: CrmKind, route: &str) -> bool {
        self.files_for(crm, route).next().is_some()
    }

    /// The names that the rules mention, for warnings.
    #[must_use]
    pub fn mentions(&self) -> Mentions {
        mention::of(&self.files)
    }

    fn files_for(&self, crm: CrmKind, route: &str) -> impl Iterator<Item = &RuleFile> {
        self.files
            .iter()
            .filter(move |file| file.speaks_for(crm, route))
    }

    fn limits_for(&self, crm: CrmKind, route: &str) -> impl Iterator<Item = &Limit> {
        self.files_for(crm, route).flat_map(|file| &file.limits)
    }

    /// Who decides a hold of a row with this owner.
    fn decided_by(&self, owner: Option<&str>) -> Requirement {
        let team = owner.and_then(|owner| match &self.teams {
            None => Some(owner.to_owned()),
            Some(teams) => teams.iter().find(|team| same_name(team, owner)).cloned(),
        });
        team.map_or(Requirement::Approvers(1), |team| {
            Requirement::Teams(vec![team])
        })
    }
}
