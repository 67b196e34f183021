//! What the engine says, word by word of the design, and what must hold for every rule set.

mod properties;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;
use crate::mutation::Actor;
use crate::mutation::{
    ChangeSet, Claims, CrmKind, RecordKey, Requirement, Snapshot, Undo, Verdict,
};

fn compile(text: &str) -> RuleSet {
    RuleSet::compile(&[("a.yaml".into(), text.into())]).unwrap_or_else(|errors| panic!("{errors}"))
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no map"),
    }
}

fn mutation(operation: Operation, object: &str, fields: Value) -> Mutation {
    Mutation {
        object: object.into(),
        operation,
        record: (operation != Operation::Create).then(|| RecordKey::id("1")),
        fields: map(fields),
        row: None,
        undo: Undo::Full,
        others: Vec::new(),
    }
}

fn update(object: &str, fields: Value) -> Mutation {
    mutation(Operation::Update, object, fields)
}

fn found(fields: Value) -> Prior {
    Prior::Found {
        id: "1".into(),
        fields: map(fields),
        stamp: None,
    }
}

/// A question with the usual answers; change what a test is about.
struct Ask {
    changes: ChangeSet,
    priors: Option<Vec<Prior>>,
    service_account: &'static str,
    claims: Claims,
    origin: Origin,
    crm: CrmKind,
    route: &'static str,
    method: &'static str,
    path: &'static str,
}

impl Ask {
    fn of(mutations: Vec<Mutation>) -> Self {
        Self {
            changes: ChangeSet::Mutations(mutations),
            priors: None,
            service_account: "agent",
            claims: Claims::default(),
            origin: Origin::Agent,
            crm: CrmKind::Salesforce,
            route: "salesforce",
            method: "PATCH",
            path: "/services/data/v65.0/sobjects/Account/1",
        }
    }

    fn opaque(method: &'static str, path: &'static str) -> Self {
        let mut ask = Self::of(Vec::new());
        ask.changes = ChangeSet::Opaque {
            reason: "unknown path".into(),
        };
        ask.method = method;
        ask.path = path;
        ask
    }

    fn prior(mut self, prior: Prior) -> Self {
        self.priors = Some(vec![prior]);
        self
    }

    fn by(mut self, service_account: &'static str) -> Self {
        self.service_account = service_account;
        self
    }

    fn evaluate(&self, set: &RuleSet) -> Evaluation {
        let actor = Actor {
            service_account: self.service_account.into(),
            claims: self.claims.clone(),
        };
        let snapshot = self.priors.clone().map(|priors| Snapshot { priors });
        set.evaluate(&Question {
            crm: self.crm,
            route: self.route,
            actor: &actor,
            origin: self.origin,
            method: self.method,
            path: self.path,
            changes: &self.changes,
            snapshot: snapshot.as_ref(),
            now: Timestamp::UNIX_EPOCH,
        })
    }

    fn verdict(&self, set: &RuleSet) -> Verdict {
        match self.evaluate(set) {
            Evaluation::Decided { verdict, .. } => verdict,
            Evaluation::NeedsPrior(fields) => panic!("needs {fields:?}"),
        }
    }

    /// The effect and the rules that decided.
    fn says(&self, set: &RuleSet) -> (Effect, Vec<String>) {
        let verdict = self.verdict(set);
        let rules = verdict.deciding().map(|reason| reason.rule.clone());
        (verdict.effect, rules.collect())
    }
}

fn deny(rules: &[&str]) -> (Effect, Vec<String>) {
    (
        Effect::Deny,
        rules.iter().map(|&rule| rule.into()).collect(),
    )
}

fn hold(rules: &[&str]) -> (Effect, Vec<String>) {
    (
        Effect::Hold,
        rules.iter().map(|&rule| rule.into()).collect(),
    )
}

fn allow() -> (Effect, Vec<String>) {
    (Effect::Allow, Vec::new())
}

#[test]
fn a_row_speaks_for_the_account_then_agents_then_denies() {
    let set = compile(
        "\
crm: salesforce
default: deny
objects:
  Account:
    fields:
      A: { agents: allow, special: hold }
      B: { special: allow, owner: VP Sales }
      C: hold
",
    );
    let ask = |field: &str, by| {
        Ask::of(vec![update("Account", json!({field: 1}))])
            .by(by)
            .says(&set)
    };
    assert_eq!(ask("A", "agent"), allow());
    assert_eq!(ask("A", "special"), hold(&["field Account.A"]));
    assert_eq!(
        ask("A", "Special"),
        allow(),
        "names of service accounts are exact"
    );
    assert_eq!(ask("B", "special"), allow());
    assert_eq!(ask("B", "agent"), deny(&["field Account.B"]));
    assert_eq!(ask("C", "agent"), hold(&["field Account.C"]));
    assert_eq!(ask("D", "agent"), deny(&["default"]));
}

#[test]
fn every_row_that_matches_applies_and_the_floor_is_never_loosened() {
    let set = compile(
        "\
crm: salesforce
default: allow
objects:
  '*': { delete: deny, fields: { OwnerId: hold } }
  Lead|Account: { delete: allow, fields: { '*': allow, Owner*: allow } }
  Acc*: { fields: { OwnerId: deny } }
",
    );
    let owner = |object| Ask::of(vec![update(object, json!({"ownerid": 1}))]).says(&set);
    assert_eq!(owner("Lead"), hold(&["field Lead.ownerid"]));
    assert_eq!(owner("ACCOUNT"), deny(&["field ACCOUNT.ownerid"]));
    let delete = Ask::of(vec![mutation(Operation::Delete, "Lead", json!({}))]);
    assert_eq!(delete.says(&set), deny(&["operation Lead.delete"]));
}

#[test]
fn defaults_speak_only_for_what_no_row_names() {
    let files = [
        (
            "a.yaml",
            "crm: salesforce\ndefault: allow\nobjects:\n  Lead: { default: hold, fields: { X: allow } }\n",
        ),
        (
            "b.yaml",
            "crm: salesforce\ndefault: { special: allow, owner: RevOps }\n",
        ),
        (
            "c.yaml",
            "crm: salesforce\nroutes: [other]\ndefault: deny\nobjects:\n  Lead: { fields: { X: deny } }\n",
        ),
        ("d.yaml", "crm: hubspot\ndefault: deny\n"),
    ];
    let set = RuleSet::compile(&files.map(|(name, text)| (name.into(), text.into()))).unwrap();
    let ask = |object: &str, field: &str| Ask::of(vec![update(object, json!({field: 1}))]);
    assert_eq!(ask("Lead", "X").says(&set), allow());
    assert_eq!(ask("Lead", "Y").says(&set), hold(&["default Lead"]));
    assert_eq!(
        ask("Case", "Y").says(&set),
        deny(&["default"]),
        "the strictest default wins"
    );
    assert_eq!(ask("Case", "Y").by("special").says(&set), allow());
    let mut elsewhere = ask("Lead", "X");
    elsewhere.route = "other";
    assert_eq!(elsewhere.says(&set), deny(&["field Lead.X"]));
    let create = Ask::of(vec![mutation(Operation::Create, "Lead", json!({"X": 1}))]);
    assert_eq!(
        create.says(&set),
        hold(&["default Lead"]),
        "operations have defaults too"
    );
    let empty = RuleSet::compile(&[]).unwrap();
    assert_eq!(
        ask("Lead", "X").says(&empty),
        deny(&["default"]),
        "no rules allow nothing"
    );
}

#[test]
fn an_update_needs_no_row_of_its_own() {
    let set = compile(
        "crm: salesforce\ndefault: deny\nobjects:\n  Lead: { update: { special: allow } }\n",
    );
    let empty = |object| Ask::of(vec![update(object, json!({}))]);
    assert_eq!(empty("Case").says(&set), allow(), "nothing is written");
    assert_eq!(empty("Lead").says(&set), deny(&["operation Lead.update"]));
    assert_eq!(empty("Lead").by("special").says(&set), allow());
}

const FILL: &str = "\
crm: salesforce
default: deny
objects:
  Account:
    create: allow
    fields: { A: fill-else-deny, B: { agents: fill-else-hold, owner: RevOps } }
";

#[test]
fn fill_allows_blanks_and_what_changes_nothing() {
    let set = compile(FILL);
    let ask = |prior: Value, new: Value| {
        Ask::of(vec![update("Account", json!({"A": new}))])
            .prior(found(json!({"a": prior})))
            .says(&set)
            .0
    };
    for (prior, new, effect) in [
        (json!(null), json!("x"), Effect::Allow),
        (json!(""), json!("x"), Effect::Allow),
        (json!("x"), json!("x"), Effect::Allow),
        (json!("5.0"), json!(5), Effect::Allow),
        (json!("0.1"), json!(0.1), Effect::Allow),
        (json!(0), json!(1), Effect::Deny),
        (json!(false), json!(true), Effect::Deny),
        (json!("x"), json!("X"), Effect::Deny),
        (json!("x"), json!(null), Effect::Deny),
        (
            json!("9007199254740993"),
            json!("9007199254740992"),
            Effect::Deny,
        ),
    ] {
        assert_eq!(ask(prior.clone(), new.clone()), effect, "{prior} {new}");
    }
}

#[test]
fn what_fill_says_depends_on_what_is_known() {
    let set = compile(FILL);
    let ask = |prior| {
        Ask::of(vec![update("Account", json!({"B": 1}))])
            .prior(prior)
            .verdict(&set)
    };
    let kind = |verdict: &Verdict| verdict.reasons.first().map(|reason| reason.kind);
    let unknown = ask(Prior::Unknown);
    assert_eq!(
        (unknown.effect, kind(&unknown)),
        (Effect::Hold, Some(ReasonKind::PriorUnknown))
    );
    assert_eq!(
        unknown.requirements,
        [Requirement::Teams(vec!["RevOps".into()])]
    );
    let filled = ask(found(json!({"B": 2})));
    assert_eq!(
        (filled.effect, kind(&filled)),
        (Effect::Hold, Some(ReasonKind::Filled))
    );
    assert_eq!(
        filled.reasons[0].message,
        "already has a value; owned by RevOps"
    );
    assert_eq!(ask(found(json!({}))).effect, Effect::Allow);
    let create = Ask::of(vec![mutation(
        Operation::Create,
        "Account",
        json!({"A": 1, "B": 1}),
    )]);
    assert_eq!(
        create.evaluate(&set),
        Evaluation::Decided {
            verdict: Verdict::allow(),
            rests_on_prior: false
        },
        "a create has no prior values"
    );
}

#[test]
fn prior_values_are_asked_for_only_where_they_can_matter() {
    let set = compile(
        "\
crm: salesforce
default: deny
objects:
  Account: { fields: { A: fill-else-deny, B: allow, C: deny } }
rules:
  - { name: r, applies: { field: B }, when: { before.Amount: { more_than: 5 }, after.Stage: x, before.b: y }, then: hold }
",
    );
    let ask = |fields| Ask::of(vec![update("Account", fields)]).evaluate(&set);
    assert_eq!(ask(json!({"A": 1})), Evaluation::NeedsPrior(vec![vec![]]));
    assert_eq!(
        ask(json!({"B": 1})),
        Evaluation::NeedsPrior(vec![vec!["Amount".into(), "Stage".into()]]),
        "the fields beyond those that are written"
    );
    let batch = Ask::of(vec![
        update("Account", json!({"C": 1})),
        update("Account", json!({"A": 1})),
    ]);
    assert_eq!(
        batch.says(&set),
        deny(&["field Account.C"]),
        "a static deny needs no read"
    );
    let two = Ask::of(vec![
        update("Account", json!({})),
        update("Account", json!({"B": 1})),
    ]);
    assert_eq!(
        two.evaluate(&set),
        Evaluation::NeedsPrior(vec![vec![], vec!["Amount".into(), "Stage".into()]])
    );
    match Ask::of(vec![update("Account", json!({"A": 1}))])
        .prior(found(json!({})))
        .evaluate(&set)
    {
        Evaluation::Decided {
            verdict,
            rests_on_prior,
        } => {
            assert_eq!((verdict.effect, rests_on_prior), (Effect::Allow, true));
        }
        Evaluation::NeedsPrior(_) => panic!("it was read"),
    }
}

#[test]
fn an_upsert_is_judged_as_what_it_comes_to() {
    let set = compile(
        "\
crm: salesforce
default: deny
objects:
  Lead: { create: hold, fields: { X: allow } }
  Case: { create: allow, upsert: hold, fields: { X: allow } }
  Task: { create: allow, fields: { X: allow } }
  Note: { create: deny, update: deny, fields: { X: allow } }
rules:
  - { name: creates, applies: { object: Task, operation: create, service_account: special }, then: deny }
",
    );
    let ask = |object| Ask::of(vec![mutation(Operation::Upsert, object, json!({"X": 1}))]);
    assert_eq!(ask("Lead").prior(found(json!({}))).says(&set), allow());
    assert_eq!(
        ask("Lead").prior(Prior::Absent).says(&set),
        hold(&["operation Lead.create"])
    );
    assert_eq!(
        ask("Lead").prior(Prior::Unknown).says(&set),
        hold(&["operation Lead.create"])
    );
    assert_eq!(
        ask("Lead").evaluate(&set),
        Evaluation::NeedsPrior(vec![vec![]])
    );
    assert_eq!(
        ask("Task").says(&set),
        allow(),
        "both ways agree, nothing is read"
    );
    assert_eq!(ask("Case").says(&set), hold(&["operation Case.upsert"]));
    assert_eq!(
        ask("Note").says(&set),
        deny(&["operation Note.create", "operation Note.update"]),
        "both ways deny, nothing is read"
    );
    assert_eq!(
        ask("Task").by("special").evaluate(&set),
        Evaluation::NeedsPrior(vec![vec![]])
    );
    assert_eq!(
        ask("Task").by("special").prior(Prior::Absent).says(&set),
        deny(&["rule creates"])
    );
    assert_eq!(
        ask("Task").by("special").prior(found(json!({}))).says(&set),
        allow()
    );
}

#[test]
fn merges_and_conversions_are_also_what_they_do() {
    let set = compile(
        "\
crm: salesforce
default: allow
objects:
  A: { merge: allow, delete: deny }
  B: { merge: allow, fields: { X: deny } }
  Lead: { convert: allow }
  Contact: { create: hold }
",
    );
    let merge =
        |object, fields| Ask::of(vec![mutation(Operation::Merge, object, fields)]).says(&set);
    assert_eq!(merge("A", json!({})), deny(&["operation A.delete"]));
    assert_eq!(merge("B", json!({})), allow());
    assert_eq!(merge("B", json!({"X": 1})), deny(&["field B.X"]));
    let convert = Ask::of(vec![mutation(Operation::Convert, "Lead", json!({}))]);
    assert_eq!(convert.says(&set), hold(&["operation Contact.create"]));
}

#[test]
fn parts_of_messages_are_judged_with_their_operation() {
    let set = compile(
        "crm: hubspot\ndefault: deny\nobjects:\n  '*': { fields: { ownerid: hold } }\n  mail: { send: allow }\n",
    );
    let ask = |fields| {
        let mut ask = Ask::of(vec![mutation(Operation::Send, "mail", fields)]);
        ask.crm = CrmKind::HubSpot;
        ask.says(&set)
    };
    assert_eq!(ask(json!({"body": "x"})), allow());
    assert_eq!(ask(json!({"OwnerId": "x"})), hold(&["field mail.OwnerId"]));
}

#[test]
fn opaque_requests_need_a_row_and_its_exact_spelling() {
    let set = compile(
        "\
crm: salesforce
default: allow
endpoints:
  POST /services/apexrest/scoring/*: { agents: allow }
  POST /services/apexrest/**: { special: allow, agents: hold, owner: RevOps }
  POST /services/apexrest/scoring/secret: deny
rules:
  - { name: unsure, when: { claims.confidence: { less_than: 0.5 } }, then: deny }
  - { name: about-records, when: { mutation.undo: none }, then: deny }
  - { name: about-objects, applies: { object: '*' }, then: deny }
",
    );
    let ask = |path| Ask::opaque("POST", path);
    let scoring = ask("/services/apexrest/scoring/7");
    assert_eq!(
        scoring.says(&set),
        hold(&["endpoint POST /services/apexrest/**"])
    );
    assert_eq!(
        ask("/services/apexrest/scoring/7").by("special").says(&set),
        allow()
    );
    assert_eq!(
        ask("/services/apexrest/SCORING/secret")
            .by("special")
            .says(&set),
        deny(&["endpoint POST /services/apexrest/scoring/secret"]),
        "a denial holds for every spelling"
    );
    assert_eq!(
        ask("/services/APEXREST/x").by("special").says(&set),
        deny(&["endpoint POST /services/APEXREST/x"]),
        "an allowance for its own only"
    );
    for (method, path) in [
        ("GET", "/services/apexrest/x"),
        ("POST", "/services/apexrest"),
        ("POST", "/services"),
    ] {
        let rule = format!("endpoint {method} {path}");
        assert_eq!(
            Ask::opaque(method, path).by("special").says(&set),
            deny(&[&rule])
        );
    }
    let mut unsure = ask("/services/apexrest/x").by("special");
    unsure.claims.confidence = Some("0.49".into());
    assert_eq!(unsure.says(&set), deny(&["rule unsure"]));
    let mut revert = ask("/services/apexrest/x").by("special");
    revert.origin = Origin::Revert;
    assert_eq!(revert.says(&set).0, Effect::Deny);
}

#[test]
fn a_revert_is_judged_by_the_rules_that_say_so() {
    let set = compile(
        "\
crm: salesforce
default: deny
rules:
  - { name: agents, then: deny }
  - { name: reverts, applies: { origin: revert, field: Amount }, then: hold, approvers: 2 }
  - { name: both, applies: { origin: [agent, revert], field: Name }, then: deny }
",
    );
    let ask = |field: &str| {
        let mut ask = Ask::of(vec![update("Account", json!({field: 1}))]);
        ask.origin = Origin::Revert;
        ask
    };
    assert_eq!(ask("Phone").says(&set), allow());
    assert_eq!(ask("Amount").says(&set), hold(&["rule reverts"]));
    assert_eq!(ask("Name").says(&set), deny(&["rule both"]));
    let agent = Ask::of(vec![update("Account", json!({"Phone": 1}))]);
    assert_eq!(agent.says(&set), deny(&["default", "rule agents"]));
}

#[test]
fn a_hold_waits_for_everybody_who_was_named() {
    let text = "\
crm: salesforce
default: allow
objects:
  Account: { fields: { A: { agents: hold, owner: Sales ops }, B: { agents: hold, owner: agent team }, C: hold } }
rules:
  - { name: two, applies: { field: C }, then: hold, approvers: 2, expires: 72h, wait: 30s }
  - { name: desk, applies: { field: D }, then: hold, approvers: [Deal Desk, Sales Ops], expires: 1h, wait: 5s }
  - { name: owned, applies: { field: E }, then: hold, owner: RevOps, expires: 14d }
";
    let set = compile(text).with_teams(["Sales Ops", "Deal Desk", "RevOps"].map(String::from));
    let ask = |fields| Ask::of(vec![update("Account", fields)]).verdict(&set);
    let teams =
        |names: &[&str]| Requirement::Teams(names.iter().map(|&name| name.into()).collect());
    let a = ask(json!({"A": 1}));
    assert_eq!(a.requirements, [teams(&["Sales Ops"])]);
    assert_eq!((a.expires_seconds, a.wait_seconds), (7 * 86_400, 0));
    assert_eq!(
        ask(json!({"B": 1})).requirements,
        [Requirement::Approvers(1)],
        "not a team"
    );
    assert_eq!(
        ask(json!({"C": 1})).requirements,
        [Requirement::Approvers(2)]
    );
    assert_eq!(ask(json!({"E": 1})).requirements, [teams(&["RevOps"])]);
    assert_eq!(ask(json!({"E": 1})).expires_seconds, 14 * 86_400);
    let all = ask(json!({"A": 1, "B": 1, "C": 1, "D": 1}));
    assert_eq!(all.requirements, [teams(&["Deal Desk", "Sales Ops"])]);
    assert_eq!((all.expires_seconds, all.wait_seconds), (3_600, 30));
}

#[test]
fn a_verdict_lists_what_decided_first_and_no_value() {
    let set = compile(
        "\
crm: salesforce
objects:
  Account: { fields: { A: { agents: hold, note: ask first }, B: { owner: VP Sales } } }
",
    );
    let ask = Ask::of(vec![
        update("Account", json!({"A": "secret"})),
        update("Account", json!({"B": "secret", "Zip": "secret"})),
    ]);
    let verdict = ask.verdict(&set);
    let reasons: Vec<_> = verdict
        .reasons
        .iter()
        .map(|reason| {
            (
                reason.effect,
                reason.mutation,
                reason.rule.as_str(),
                reason.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        reasons,
        [
            (Effect::Deny, Some(1), "default", "no row allows it"),
            (
                Effect::Deny,
                Some(1),
                "field Account.B",
                "owned by VP Sales"
            ),
            (
                Effect::Hold,
                Some(0),
                "field Account.A",
                "a person decides; ask first"
            ),
        ]
    );
    assert_eq!(verdict.reasons[0].field.as_deref(), Some("Zip"));
    assert_eq!(verdict.requirements, [], "a denial waits for nobody");
    assert!(!format!("{verdict:?}").contains("secret"));
}

#[test]
fn rules_apply_by_what_they_are_about() {
    let set = compile(
        "\
crm: salesforce
default: allow
rules:
  - { name: o, applies: { object: [Lead, Opp*] }, then: hold }
  - { name: f, applies: { field: 'Am*|Stage' }, then: hold }
  - { name: s, applies: { service_account: 'sdr*' }, then: hold }
  - { name: d, applies: { operation: delete|purge }, then: hold }
  - { name: r, applies: { route: emea }, then: hold }
  - { name: u, when: { mutation.undo: none }, then: hold }
  - { name: n, when: { request.mutations: { at_least: 3 } }, then: hold }
",
    );
    let rules = |ask: Ask| ask.says(&set).1;
    assert_eq!(
        rules(Ask::of(vec![update("opportunity", json!({}))])),
        ["rule o"]
    );
    assert_eq!(
        rules(Ask::of(vec![update("A", json!({"AMOUNT": 1}))])),
        ["rule f"]
    );
    assert_eq!(
        rules(Ask::of(vec![update("A", json!({}))]).by("sdr-agent")),
        ["rule s"]
    );
    assert_eq!(
        rules(Ask::of(vec![mutation(Operation::Merge, "A", json!({}))])),
        ["rule d"]
    );
    let mut routed = Ask::of(vec![update("A", json!({}))]);
    routed.route = "EMEA";
    assert_eq!(rules(routed), ["rule r"]);
    let mut lasting = update("A", json!({}));
    lasting.undo = Undo::None;
    assert_eq!(rules(Ask::of(vec![lasting])), ["rule u"]);
    let three = Ask::of(vec![update("A", json!({})); 3]);
    assert_eq!(three.says(&set).1, ["rule n"; 3]);
    assert!(rules(Ask::of(vec![update("A", json!({}))])).is_empty());
}
