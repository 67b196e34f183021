//! The floor: `'*'` rows for what no single record shows. Where a file's default allows and no such row
//! speaks, a send or an export passes that nobody has named.

use jiff::Timestamp;
use serde_json::Map;

use crate::config::{Config, Route};
use crate::mutation::{
    Acting, Actor, ChangeSet, Claims, Effect, Mutation, Operation, Origin, RecordKey, Undo,
};
use crate::policy::{Evaluation, Question, RuleSet};

/// What the shipped rules name in their floor.
const FLOOR: [Operation; 10] = [
    Operation::Delete,
    Operation::Merge,
    Operation::Purge,
    Operation::Send,
    Operation::Export,
    Operation::Import,
    Operation::Invoke,
    Operation::Schema,
    Operation::Settings,
    Operation::Credential,
];

/// Names that no rule spells.
const NOBODY: &str = "nobody-in-particular";
const NOTHING: &str = "nothing-in-particular";

/// One line for each route whose rules let pass what they do not name.
pub(super) fn missing(config: &Config, rules: &RuleSet) -> Vec<String> {
    let routes = config.routes.iter();
    let open = routes.filter_map(|route| {
        let allowed = FLOOR.iter().filter(|operation| allows(rules, route, **operation));
        let words: Vec<&str> = allowed.map(|operation| operation.word()).collect();
        (!words.is_empty()).then(|| {
            format!(
                "route {}: no `'*'` row and no default stands against {}: what no row names passes; give \
                 them rows under `'*'`, as the shipped rules do",
                route.name,
                words.join(", ")
            )
        })
    });
    open.collect()
}

fn allows(rules: &RuleSet, route: &Route, operation: Operation) -> bool {
    let actor = Actor {
        service_account: NOBODY.to_owned(),
        claims: Claims::default(),
    };
    let of_record = [Operation::Delete, Operation::Merge, Operation::Purge].contains(&operation);
    let changes = ChangeSet::Mutations(vec![Mutation {
        object: NOTHING.to_owned(),
        operation,
        record: of_record.then(|| RecordKey::id("1")),
        fields: Map::new(),
        row: None,
        undo: Undo::None,
        others: Vec::new(),
    }]);
    let evaluation = rules.evaluate(&Question {
        crm: route.crm,
        route: &route.name,
        actor: &actor,
        origin: Origin::Agent,
        method: "POST",
        path: "/",
        acting: &Acting::new(),
        changes: &changes,
        total: None,
        snapshot: None,
        now: Timestamp::UNIX_EPOCH,
    });
    match evaluation {
        Evaluation::Decided { verdict, .. } => verdict.effect == Effect::Allow,
        Evaluation::NeedsPrior(_) => false,
    }
}
