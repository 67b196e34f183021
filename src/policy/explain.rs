//! Verdicts in words for people: one line for each reason, and who has to decide.

use crate::mutation::{ChangeSet, Reason, Requirement, Verdict};

/// One line for each reason: `deny  records[3].Amount  field Opportunity.Amount: owned by VP Sales`.
/// Never a value.
#[must_use]
pub fn lines(verdict: &Verdict, changes: &ChangeSet) -> Vec<String> {
    verdict
        .reasons
        .iter()
        .map(|reason| line(reason, changes))
        .collect()
}

/// One reason.
#[must_use]
pub fn line(reason: &Reason, changes: &ChangeSet) -> String {
    let row = reason
        .mutation
        .and_then(|place| changes.mutations().get(place))
        .and_then(|mutation| mutation.row.as_deref());
    let subject = match (row, reason.field.as_deref()) {
        (Some(row), Some(field)) => format!("{row}.{field}  "),
        (Some(one), None) | (None, Some(one)) => format!("{one}  "),
        (None, None) => String::new(),
    };
    let effect = reason.effect.word();
    format!("{effect:<5}  {subject}{}: {}", reason.rule, reason.message)
}

/// Who has to decide: `Sales Ops and Deal Desk`, `2 approvers`, `any approver`.
#[must_use]
pub fn deciders(requirements: &[Requirement]) -> String {
    let mut parts = Vec::new();
    for requirement in requirements {
        match requirement {
            Requirement::Teams(teams) => {
                for team in teams {
                    if !parts.contains(team) {
                        parts.push(team.clone());
                    }
                }
            }
            Requirement::Approvers(0 | 1) => parts.push("any approver".to_owned()),
            Requirement::Approvers(count) => parts.push(format!("{count} approvers")),
        }
    }
    match parts.as_slice() {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::mutation::{Effect, Mutation, Operation, ReasonKind, RecordKey, Undo};

    #[test]
    fn a_reason_is_one_line_that_names_the_row_and_the_field() {
        let changes = ChangeSet::Mutations(vec![Mutation {
            object: "Opportunity".into(),
            operation: Operation::Update,
            record: Some(RecordKey::id("006xx0000000001AAA")),
            fields: Map::new(),
            row: Some("records[3]".into()),
            undo: Undo::Full,
            others: Vec::new(),
        }]);
        let mut verdict = Verdict::allow();
        verdict.reasons = vec![Reason {
            effect: Effect::Deny,
            kind: ReasonKind::Field,
            rule: "field Opportunity.Amount".into(),
            mutation: Some(0),
            field: Some("Amount".into()),
            message: "owned by VP Sales".into(),
            owner: Some("VP Sales".into()),
        }];
        assert_eq!(
            lines(&verdict, &changes),
            ["deny   records[3].Amount  field Opportunity.Amount: owned by VP Sales"]
        );
    }

    #[test]
    fn those_who_decide_are_named_once() {
        let teams = |names: &[&str]| {
            Requirement::Teams(names.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(
            deciders(&[teams(&["Deal Desk", "Sales Ops"]), teams(&["Sales Ops"])]),
            "Deal Desk and Sales Ops"
        );
        assert_eq!(deciders(&[Requirement::Approvers(1)]), "any approver");
        assert_eq!(
            deciders(&[teams(&["A", "B"]), Requirement::Approvers(3)]),
            "A, B and 3 approvers"
        );
    }
}
