//! What became of operations that are judged by their name (Actions Developer Guide; REST API Developer
//! Guide, Process Approvals): one answer for each input, or one for all.

use serde_json::Value;

use super::code;
use crate::mutation::{Mutation, Outcome, OutcomeState};

/// By each input's own answer, where the answer is a list of them; else `otherwise`.
pub(super) fn outcomes(
    mutations: &[Mutation],
    body: &Value,
    otherwise: OutcomeState,
) -> Vec<Outcome> {
    let each = body.as_array().filter(|list| list.len() == mutations.len());
    let each = each.and_then(|list| list.iter().map(of_input).collect::<Option<Vec<_>>>());
    each.unwrap_or_else(|| {
        let code = code(body, "errorCode");
        let all = Outcome {
            code: code.filter(|_| otherwise == OutcomeState::Failed),
            ..Outcome::of(otherwise)
        };
        vec![all; mutations.len()]
    })
}

fn of_input(answer: &Value) -> Option<Outcome> {
    let flag = answer.get("isSuccess").or_else(|| answer.get("success"))?;
    Some(if flag.as_bool()? {
        Outcome::of(OutcomeState::Done)
    } else {
        let errors = answer.get("errors").unwrap_or(&Value::Null);
        Outcome {
            code: code(errors, "statusCode"),
            ..Outcome::of(OutcomeState::Failed)
        }
    })
}
