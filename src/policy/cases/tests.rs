//! Cases: the packs' own, and what running them says.

use super::*;
use crate::mutation::Opaque;

fn nothing(_: CrmKind, _: &str) -> Result<ParsedRequest, String> {
    Err("no parser".to_owned())
}

fn set() -> RuleSet {
    let text = "\
crm: salesforce
routes: [prod]
default: deny
objects:
  Account: { fields: { Industry: { agents: fill-else-hold, owner: RevOps } } }
endpoints:
  POST /x: { agents: hold }
rules:
  - { name: routed, applies: { route: prod, origin: revert }, then: deny }
";
    RuleSet::compile(&[("a.yaml".into(), text.into())]).unwrap()
}

fn results(cases: &str) -> Result<Vec<CaseResult>, LoadErrors> {
    let parse = |crm: CrmKind, text: &str| match text {
        "opaque" => Ok(ParsedRequest {
            method: "POST".to_owned(),
            path: "/x".to_owned(),
            acting: Acting::new(),
            changes: ChangeSet::Opaque(Opaque::unknown(crm.name())),
        }),
        "update" => {
            let mutation = r#"{"object":"Account","operation":"update","record":{"id":"7"},
                "fields":{"Industry":"x"},"row":null,"undo":"full"}"#;
            let mutation = yaml_json(mutation);
            Ok(ParsedRequest {
                method: "PATCH".to_owned(),
                path: "/y".to_owned(),
                acting: Acting::new(),
                changes: ChangeSet::Mutations(vec![mutation]),
            })
        }
        _ => Err("not HTTP".to_owned()),
    };
    run(&set(), &[("a.cases.yaml".into(), cases.into())], &parse)
}

/// JSON is YAML.
fn yaml_json(text: &str) -> Mutation {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn a_case_that_fails_says_what_came() {
    let results = results(
        "\
- { name: right, as: a, update: Account, before: { Industry: x }, set: { Industry: y }, verdict: hold, by: field account.industry }
- { name: wrong verdict, as: a, update: Account, before: { Industry: x }, set: { Industry: y }, verdict: deny }
- { name: wrong rule, as: a, update: Account, before: { Industry: x }, set: { Industry: y }, verdict: hold, by: field Account.Name }
- { name: opaque, as: a, request: opaque, verdict: hold, by: endpoint POST /x }
- { name: blank, as: a, request: update, before: { account/7: { Industry: null } }, verdict: allow }
- { name: not known, as: a, request: update, verdict: hold }
- { name: broken, as: a, request: nonsense, verdict: allow }
- { name: revert, as: dana, origin: revert, update: Contact, set: { X: 1 }, verdict: deny, by: rule routed }
- { name: elsewhere, as: a, route: other, update: Account, before: {}, set: { Industry: y }, verdict: allow }
",
    )
    .unwrap();
    let failures: Vec<_> = results
        .iter()
        .map(|result| result.failure.as_deref())
        .collect();
    let came = "\n  hold   Industry  field Account.Industry: already has a value; owned by RevOps";
    assert_eq!(
        failures,
        [
            None,
            Some(format!("expected deny, got hold{came}").as_str()),
            Some(format!("expected hold by field Account.Name, got hold{came}").as_str()),
            None,
            None,
            None,
            Some("the request cannot be parsed: not HTTP"),
            None,
            Some("expected allow, got deny\n  deny   Industry  default: no row allows it"),
        ]
    );
    assert_eq!(results[2].line, 3);
}

#[test]
fn mistakes_in_cases_are_told_at_once() {
    let errors = results(
        "\
- { name: a, as: x, update: Account, delete: Account, verdict: deny }
- { as: x, update: Account, verdict: maybe, befor: {} }
- { name: c, as: x, update: Account, before: 5, verdict: allow }
- { name: d, as: x, create: Account, claims: { mood: good }, verdict: allow }
",
    )
    .unwrap_err();
    assert_eq!(
        errors.to_string(),
        "\
a.cases.yaml:1:3: a case does one thing: use one of create, update, upsert, delete, purge, restore, merge, convert, associate, dissociate, send, export, import, invoke, schema, settings or credential, with the object's name, or request
a.cases.yaml:2:3: `name` is missing: add it
a.cases.yaml:2:38: unknown verdict `maybe`: use allow, hold or deny
a.cases.yaml:2:45: unknown key `befor`: use name, as, route, claims, origin, verdict, by, before, request, create, update, upsert, delete, purge, restore, merge, convert, associate, dissociate, send, export, import, invoke, schema, settings, credential, set, id or undo
a.cases.yaml:3:46: `before` has to be a map of fields, absent or unknown
a.cases.yaml:4:48: unknown key `mood`: use intent, evidence, confidence, model, on-behalf-of or run"
    );
}

#[test]
fn cases_without_a_rule_file_are_a_mistake() {
    let errors = run(&set(), &[("b.cases.yaml".into(), "[]".into())], &nothing).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "b.cases.yaml: has no rule file: add b.yaml beside it"
    );
}
