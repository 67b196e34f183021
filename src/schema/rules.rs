//! The schema of a rule file.

use serde_json::{Map, Value, json};

use super::{DRAFT, described, list, map, one_or_many, text, words};
use crate::mutation::{CrmKind, Operation, Origin, Per, Then};
use crate::policy::OPERATORS;

/// `1h30m`: larger units first, each at most once, and not nothing.
const DURATION: &str = "^(?=.*[1-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$";
const RATE: &str = "^0*[1-9][0-9]*/[dhms]$";
const ENDPOINT: &str = "^[A-Z]+ /";

/// The schema of a rule file (`rules/NAME.yaml`).
#[must_use]
pub fn rules() -> Value {
    let mut schema = map(
        json!({
            "crm": words([CrmKind::Salesforce, CrmKind::HubSpot].map(CrmKind::name)),
            "routes": described(one_or_many(&text("A route's name")), "The routes it speaks for [default: all of the CRM]"),
            "default": described(reference("field_row"), "What no row names"),
            "objects": {
                "type": "object",
                "description": "The field ownership matrix, by object; keys may be patterns and A|B",
                "additionalProperties": reference("object"),
            },
            "rules": described(list(&reference("rule")), "Conditions that make a verdict stricter"),
            "endpoints": {
                "type": "object",
                "description": "Requests that cannot be taken apart: METHOD /path; * one segment, ** the rest",
                "propertyNames": { "pattern": ENDPOINT },
                "additionalProperties": reference("operation_row"),
            },
            "limits": described(list(&reference("limit")), "How much, how often"),
        }),
        &["crm"],
    );
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), DRAFT.into());
        schema.insert("title".into(), "A rule file of Writegate".into());
        schema.insert("definitions".into(), definitions());
    }
    schema
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

fn definitions() -> Value {
    const PLAIN: [&str; 3] = ["allow", "hold", "deny"];
    json!({
        "operation_word": words(PLAIN),
        "field_word": words(PLAIN.into_iter().chain(["fill-else-hold", "fill-else-deny"])),
        "operation_row": row("operation_word"),
        "field_row": row("field_word"),
        "object": object(),
        "rule": rule(),
        "applies": applies(),
        "when": when(),
        "scalar": { "type": ["string", "number", "boolean", "null"] },
        "operand": { "anyOf": [reference("scalar"), reference("path")] },
        "path": path(),
        "limit": limit(),
        "duration": { "type": "string", "pattern": DURATION },
    })
}

/// A word for everybody, or words for service accounts.
fn row(word: &str) -> Value {
    json!({
        "anyOf": [
            reference(word),
            {
                "type": "object",
                "properties": {
                    "agents": described(reference(word), "For all that have no word of their own"),
                    "owner": text("Who owns it; a team decides its holds"),
                    "source": text("Where its truth comes from; for readers"),
                    "note": text("For readers"),
                },
                "additionalProperties": reference(word),
            },
        ],
    })
}

fn object() -> Value {
    let mut properties = Map::new();
    for operation in Operation::ALL {
        properties.insert(operation.word().into(), reference("operation_row"));
    }
    let of_fields = json!({ "type": "object", "additionalProperties": reference("field_row") });
    properties.insert("default".into(), reference("field_row"));
    properties.insert("fields".into(), of_fields);
    map(Value::Object(properties), &[])
}

fn rule() -> Value {
    let approvers = json!({
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": 20 },
            one_or_many(&text("A team")),
        ],
        "description": "One person from each of these teams, or this many approvers",
    });
    map(
        json!({
            "name": text("Its name in verdicts"),
            "applies": reference("applies"),
            "when": reference("when"),
            "then": words(["hold", "deny"]),
            "approvers": approvers,
            "expires": described(reference("duration"), "How long a hold waits [default: 7d]"),
            "wait": described(reference("duration"), "How long the call is kept open first, at most 45s"),
            "reason": text("What the agent and the approver read"),
            "owner": text("The team that decides where there are no approvers"),
            "observe": { "type": "boolean", "description": "Record what it would say, and nothing else" },
        }),
        &["name", "then"],
    )
}

fn applies() -> Value {
    let pattern = one_or_many(&text(
        "A name; * stands for any letters, A|B for one of several",
    ));
    let word = format!("({})", Operation::ALL.map(Operation::word).join("|"));
    let operations = one_or_many(&json!({
        "type": "string",
        "pattern": format!("^ *{word} *(\\| *{word} *)*$"),
        "description": "An operation, or several with |",
    }));
    let origins = [Origin::Agent, Origin::Revert].map(Origin::word);
    map(
        json!({
            "object": pattern,
            "field": pattern,
            "service_account": pattern,
            "route": pattern,
            "operation": operations,
            "origin": one_or_many(&words(origins)),
        }),
        &[],
    )
}

/// A map of paths to what they have to pass; all have to.
fn when() -> Value {
    let mut operators = Map::new();
    for operator in OPERATORS {
        let operand = match operator {
            "matches" => text("A regular expression"),
            "blank" | "changed" => json!({ "type": "boolean" }),
            _ => reference("operand"),
        };
        operators.insert(operator.into(), operand);
    }
    let mut operators = map(Value::Object(operators), &[]);
    if let Value::Object(operators) = &mut operators {
        operators.insert("minProperties".into(), 1.into());
    }
    json!({
        "type": "object",
        "minProperties": 1,
        "properties": {
            "any": described(json!({ "type": "array", "minItems": 1, "items": reference("when") }), "One of them has to hold"),
            "not": reference("when"),
        },
        "additionalProperties": {
            "anyOf": [one_or_many(&reference("operand")), operators],
        },
    })
}

fn path() -> Value {
    let times = json!({ "type": ["number", "string"], "description": "A factor" });
    map(
        json!({ "path": text("A path such as before.Amount"), "times": times }),
        &["path"],
    )
}

/// What is counted in a window.
fn counted() -> impl Iterator<Item = &'static str> {
    let counts = ["requests", "mutations", "records", "refusals"].into_iter();
    counts.chain(Operation::ALL.map(Operation::word))
}

fn limit() -> Value {
    let counts = words(counted().chain(["holds"]));
    let per = [Per::ServiceAccount, Per::Record, Per::Object, Per::Route].map(Per::word);
    let then = [Then::Deny, Then::Hold, Then::Stop].map(Then::word);
    let at_least = |least: u64| json!({ "type": "integer", "minimum": least });
    let mut limit = map(
        json!({
            "name": text("Its name in refusals and commands"),
            "per": described(one_or_many(&words(per)), "What it is kept apart by"),
            "count": described(counts, "What is counted; an operation's name counts it alone"),
            "rate": { "type": "string", "pattern": RATE, "description": "Such as 10/s" },
            "burst": described(at_least(1), "How many may come at once [default: the number in rate]"),
            "max": described(at_least(0), "How many still pass"),
            "window": described(reference("duration"), "In what time"),
            "then": described(words(then), "What happens past it [default: deny]"),
            "reserve": { "type": "string", "pattern": "^[1-9][0-9]?%$", "description": "The share of the CRM's own calls that is kept for people, such as 20%" },
            "observe": { "type": "boolean", "description": "Count, and neither refuse, hold nor stop" },
        }),
        &["name"],
    );
    let none = |keys: &[&str]| -> Map<String, Value> {
        keys.iter()
            .map(|key| ((*key).into(), false.into()))
            .collect()
    };
    let mut in_a_window = none(&["rate", "burst"]);
    in_a_window.insert("count".into(), words(counted()));
    let mut waiting = none(&["rate", "burst", "window"]);
    waiting.insert("count".into(), words(["holds"]));
    if let Value::Object(limit) = &mut limit {
        let kinds = json!([
            { "required": ["rate", "per"], "properties": none(&["max", "window"]) },
            { "required": ["max", "count", "per", "window"], "properties": in_a_window },
            { "required": ["max", "count", "per"], "properties": waiting },
            { "required": ["reserve"], "properties": none(&["count", "per", "window", "burst", "then"]) },
        ]);
        limit.insert("oneOf".into(), kinds);
    }
    limit
}
