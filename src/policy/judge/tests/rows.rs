//! What the matrix says: rows, words, defaults, operations.

use super::*;

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
fn only_what_may_create_finds_nothing_blank() {
    let set = compile(
        "crm: salesforce\ndefault: deny\nobjects:\n  A: { upsert: allow, create: allow, fields: { X: fill-else-deny } }\n",
    );
    let ask = |operation| {
        let ask = Ask::of(vec![mutation(operation, "A", json!({"X": 1}))]);
        ask.prior(Prior::Absent).says(&set)
    };
    assert_eq!(ask(Operation::Upsert), allow());
    assert_eq!(ask(Operation::Update), deny(&["field A.X"]));
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
    assert_eq!(
        merge("A", json!({})),
        allow(),
        "the loser is judged by itself"
    );
    let both = |object| {
        let both =
            [Operation::Merge, Operation::Delete].map(|what| mutation(what, object, json!({})));
        Ask::of(both.into()).says(&set)
    };
    assert_eq!(both("A"), deny(&["operation A.delete"]));
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
fn an_upsert_that_creates_also_writes_the_field_it_is_keyed_by() {
    let set = compile(
        "crm: hubspot\nobjects:\n  contacts:\n    create: { agents: allow }\n    fields:\n      \
         firstname: { agents: allow }\n      email: { owner: RevOps }\n",
    );
    let mut upsert = mutation(Operation::Upsert, "contacts", json!({ "firstname": "Ada" }));
    upsert.record = Some(RecordKey::External {
        key: "email".into(),
        value: "ada@example.com".into(),
    });
    let ask = || {
        let mut ask = Ask::of(vec![upsert.clone()]);
        ask.crm = CrmKind::HubSpot;
        ask
    };
    let creates = ask().prior(Prior::Absent);
    assert_eq!(creates.says(&set), deny(&["field contacts.email"]));
    let updates = ask().prior(found(
        json!({ "firstname": "", "email": "ada@example.com" }),
    ));
    assert_eq!(updates.says(&set), allow());
}
