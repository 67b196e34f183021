//! The answer to a batch: `status`, `results` in any order, `errors`. An input whose part of the answer
//! cannot be told is unknown, never done.

use std::collections::HashSet;

use serde_json::Value;

use super::failed;
use crate::crm::Crm;
use crate::mutation::{CrmKind, Mutation, Operation, Outcome, OutcomeState, RecordKey, is_blank};

/// What became of each mutation of a batch. Links follow the create they stand in.
pub(super) fn outcomes(mutations: &[Mutation], answer: &Value) -> Vec<Outcome> {
    let inputs: Vec<&Mutation> = mutations
        .iter()
        .filter(|mutation| !is_link(mutation))
        .collect();
    let of_inputs = Batch::of(answer).map_or_else(
        || vec![Outcome::of(OutcomeState::Unknown); inputs.len()],
        |batch| batch.outcomes(&inputs),
    );
    let mut rest = of_inputs.into_iter();
    let mut current = Outcome::of(OutcomeState::Unknown);
    let follow = |mutation: &Mutation| {
        if is_link(mutation) {
            return Outcome {
                new_id: None,
                ..current.clone()
            };
        }
        current = rest
            .next()
            .unwrap_or_else(|| Outcome::of(OutcomeState::Unknown));
        current.clone()
    };
    mutations.iter().map(follow).collect()
}

fn is_link(mutation: &Mutation) -> bool {
    mutation.operation == Operation::Associate
}

/// A batch answer that HubSpot says is complete.
struct Batch<'a> {
    results: &'a [Value],
    errors: &'a [Value],
}

impl<'a> Batch<'a> {
    fn of(answer: &'a Value) -> Option<Self> {
        let list = |name: &str| {
            answer
                .get(name)
                .and_then(Value::as_array)
                .map(Vec::as_slice)
        };
        if answer.get("status").and_then(Value::as_str) != Some("COMPLETE") {
            return None;
        }
        Some(Self {
            results: list("results")?,
            errors: list("errors").unwrap_or_default(),
        })
    }

    fn outcomes(&self, inputs: &[&Mutation]) -> Vec<Outcome> {
        let assigned = self.assign(inputs);
        let matched: HashSet<usize> = assigned.iter().flatten().copied().collect();
        let complete = self.errors.is_empty() && self.results.len() == inputs.len();
        // with an error for each input that has no result, no result may be without an input
        let accounted = matched.len() == self.results.len()
            && self.results.len() + self.errors.len() == inputs.len();
        inputs
            .iter()
            .zip(assigned)
            .map(
                |(input, result)| match result.and_then(|place| self.results.get(place)) {
                    Some(result) => done(input, Some(result)),
                    None if complete => done(input, None),
                    None => match self.error_of(input) {
                        Some(error) => failed(Some(error)),
                        None if accounted => failed(self.only_error()),
                        None => Outcome::of(OutcomeState::Unknown),
                    },
                },
            )
            .collect()
    }

    /// For each input the place of its result, each result at most once.
    fn assign(&self, inputs: &[&Mutation]) -> Vec<Option<usize>> {
        let names: HashSet<&str> = inputs
            .iter()
            .flat_map(|input| input.fields.keys().map(String::as_str))
            .collect();
        let mut free: Vec<bool> = vec![true; self.results.len()];
        let mut assigned = Vec::new();
        for (place, input) in inputs.iter().enumerate() {
            let own = |at: &usize| {
                free.get(*at) == Some(&true)
                    && self
                        .results
                        .get(*at)
                        .is_some_and(|result| belongs(result, input, &names))
            };
            // equal inputs: the one in the same place first
            let found = Some(place)
                .filter(own)
                .or_else(|| (0..self.results.len()).find(own));
            if let Some(free) = found.and_then(|at| free.get_mut(at)) {
                *free = false;
            }
            assigned.push(found);
        }
        // one input and one result are left: they belong together
        let mut open = assigned.iter_mut().filter(|found| found.is_none());
        let mut left = free.iter().enumerate().filter(|(_, free)| **free);
        let pair = (open.next(), open.next(), left.next(), left.next());
        if let (true, (Some(open), None, Some((at, _)), None)) = (self.errors.is_empty(), pair) {
            *open = Some(at);
        }
        assigned
    }

    /// The error whose context names the input's key.
    fn error_of(&self, input: &Mutation) -> Option<&'a Value> {
        let key = match input.record.as_ref()? {
            RecordKey::Id { id } => id,
            RecordKey::External { value, .. } => value,
        };
        self.errors.iter().find(|error| {
            let lists = error
                .get("context")
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            let mut named = lists
                .filter_map(|(_, list)| list.as_array())
                .flatten()
                .chain(error.get("id"))
                .filter_map(Value::as_str);
            named.any(|name| name == key)
        })
    }

    /// The error's category, where there is only one.
    fn only_error(&self) -> Option<&'a Value> {
        match self.errors {
            [error] => Some(error),
            _ => None,
        }
    }
}

fn done(input: &Mutation, result: Option<&Value>) -> Outcome {
    let new = result
        .and_then(|result| result.get("new"))
        .and_then(Value::as_bool)
        == Some(true);
    let made = input.operation == Operation::Create || input.operation == Operation::Upsert && new;
    let id = result
        .and_then(|result| result.get("id"))
        .and_then(Value::as_str);
    Outcome {
        new_id: id.filter(|_| made).map(str::to_owned),
        ..Outcome::of(OutcomeState::Done)
    }
}

/// Whether a result is an input's: by its key; for a create by what it wrote and what it left out among
/// the properties of all inputs.
fn belongs(result: &Value, input: &Mutation, names: &HashSet<&str>) -> bool {
    let property = |name: &str| result.get("properties").and_then(|all| all.get(name));
    match &input.record {
        Some(RecordKey::Id { id }) => result.get("id").and_then(Value::as_str) == Some(id.as_str()),
        Some(RecordKey::External { key, value }) => property(key)
            .and_then(Value::as_str)
            .is_some_and(|own| own.to_lowercase() == value.to_lowercase()),
        None => names
            .iter()
            .all(|name| agrees(name, input.fields.get(*name), property(name))),
    }
}

/// HubSpot answers with text, with some values in another case than they were sent, and with moments
/// and numbers in a form of its own.
fn agrees(name: &str, sent: Option<&Value>, answered: Option<&Value>) -> bool {
    if is_blank(sent) || is_blank(answered) {
        return is_blank(sent) && is_blank(answered);
    }
    let text = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.to_lowercase(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let holds = |sent| Crm(CrmKind::HubSpot).holds(name, sent, answered);
    text(sent) == text(answered) || sent.is_some_and(holds)
}
