//! Cases beside rule files: writes with the verdict they have to get. `NAME.cases.yaml` belongs to
//! `NAME.yaml` and is judged by the whole rule set.

mod read;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::load::base_name;
use super::mistake::{LoadErrors, Mistake, Mistakes};
use super::{Evaluation, Question, RuleSet, explain, yaml};
use crate::mutation::{
    Acting, Actor, ChangeSet, CrmKind, Effect, Mutation, Origin, Prior, RecordKey, Snapshot,
    Verdict, same_name,
};

/// A raw HTTP request, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedRequest {
    /// The method on the request line.
    pub method: String,
    /// The canonical path.
    pub path: String,
    /// The headers that act.
    pub acting: Acting,
    /// What would change.
    pub changes: ChangeSet,
}

/// Takes a raw HTTP request apart. Made by the caller, since rules know no wire format.
pub type ParseRequest<'p> = &'p dyn Fn(CrmKind, &str) -> Result<ParsedRequest, String>;

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// The file, as it was named.
    pub file: String,
    /// Where the case starts.
    pub line: u64,
    /// Its name.
    pub name: String,
    /// Why it failed: what was expected and what came; `None` when it passed.
    pub failure: Option<String>,
}

/// One case.
#[derive(Debug)]
struct Case {
    name: String,
    line: u64,
    actor: Actor,
    origin: Origin,
    route: Option<String>,
    write: Write,
    verdict: Effect,
    by: Option<String>,
}

/// What a case writes.
#[derive(Debug)]
enum Write {
    /// One mutation against one prior.
    Mutation(Box<Mutation>, Prior),
    /// A raw request, and the records that exist, as `Object/id`.
    Request(String, Vec<(String, Map<String, Value>)>),
}

/// Runs all cases of these files, given as names and texts.
///
/// # Errors
/// All mistakes in the files, all at once; also a file that no rule file belongs to.
pub fn run(
    set: &RuleSet,
    files: &[(String, String)],
    parse: ParseRequest<'_>,
) -> Result<Vec<CaseResult>, LoadErrors> {
    let mut results = Vec::new();
    let mut mistakes = Vec::new();
    for (name, text) in files {
        let mut of_file = Mistakes::of(name);
        let cases = yaml::read(text, &mut of_file)
            .map(|tree| read::cases(&tree, &mut of_file))
            .unwrap_or_default();
        mistakes.extend(of_file.into_list());
        match home(set, name) {
            Ok((crm, route)) => {
                let judged = cases.iter().map(|case| CaseResult {
                    file: name.clone(),
                    line: case.line,
                    name: case.name.clone(),
                    failure: case.failure(set, crm, &route, parse),
                });
                results.extend(judged);
            }
            Err(what) => mistakes.push(Mistake {
                file: name.clone(),
                place: None,
                what,
            }),
        }
    }
    if mistakes.is_empty() {
        Ok(results)
    } else {
        Err(LoadErrors(mistakes))
    }
}

/// The CRM and the usual route of the rule file that a cases file belongs to.
fn home(set: &RuleSet, cases: &str) -> Result<(CrmKind, String), String> {
    let stem = base_name(cases).trim_end_matches(".cases.yaml");
    let rules = format!("{stem}.yaml");
    let file = set.files.iter().find(|file| file.name == rules);
    let file = file.ok_or_else(|| format!("has no rule file: add {rules} beside it"))?;
    let route = file.routes.first().cloned();
    Ok((
        file.crm,
        route.unwrap_or_else(|| file.crm.name().to_owned()),
    ))
}

impl Case {
    fn failure(
        &self,
        set: &RuleSet,
        crm: CrmKind,
        route: &str,
        parse: ParseRequest<'_>,
    ) -> Option<String> {
        let (request, snapshot) = match &self.write {
            Write::Mutation(mutation, prior) => (
                ParsedRequest {
                    method: "POST".to_owned(),
                    path: "/".to_owned(),
                    acting: Acting::new(),
                    changes: ChangeSet::Mutations(vec![(**mutation).clone()]),
                },
                Snapshot::of(vec![prior.clone()]),
            ),
            Write::Request(text, records) => match parse(crm, text) {
                Ok(request) => {
                    let snapshot = snapshot(&request.changes, records);
                    (request, snapshot)
                }
                Err(what) => return Some(format!("the request cannot be parsed: {what}")),
            },
        };
        let evaluation = set.evaluate(&Question {
            total: None,
            crm,
            route: self.route.as_deref().unwrap_or(route),
            actor: &self.actor,
            origin: self.origin,
            method: &request.method,
            path: &request.path,
            acting: &request.acting,
            changes: &request.changes,
            snapshot: Some(&snapshot),
            now: Timestamp::UNIX_EPOCH,
        });
        match evaluation {
            Evaluation::Decided { verdict, .. } => self.compare(&verdict, &request.changes),
            Evaluation::NeedsPrior(_) => Some("prior values are missing".to_owned()),
        }
    }

    fn compare(&self, verdict: &Verdict, changes: &ChangeSet) -> Option<String> {
        let by = self.by.as_deref();
        let named =
            by.is_none_or(|by| verdict.deciding().any(|reason| same_name(&reason.rule, by)));
        if verdict.effect == self.verdict && named {
            return None;
        }
        let expected = match by {
            Some(by) => format!("{} by {by}", self.verdict.word()),
            None => self.verdict.word().to_owned(),
        };
        let mut lines = vec![format!(
            "expected {expected}, got {}",
            verdict.effect.word()
        )];
        lines.extend(explain::lines(verdict, changes));
        Some(lines.join("\n  "))
    }
}

/// The priors of a request's mutations among the records that exist; unknown where none is named.
fn snapshot(changes: &ChangeSet, records: &[(String, Map<String, Value>)]) -> Snapshot {
    let prior = |mutation: &Mutation| {
        let key = match &mutation.record {
            Some(RecordKey::Id { id }) => format!("{}/{id}", mutation.object),
            Some(key @ RecordKey::External { .. }) => format!("{}/{key}", mutation.object),
            None => return Prior::Absent,
        };
        match records.iter().find(|(name, _)| same_name(name, &key)) {
            Some((_, fields)) => Prior::Found {
                id: key,
                fields: fields.clone(),
                stamp: None,
            },
            None => Prior::Unknown,
        }
    };
    Snapshot::of(changes.mutations().iter().map(prior).collect())
}

#[cfg(test)]
mod tests;
