//! What rules, endpoints and origins add, when prior values are asked for, and what a verdict holds.

use super::*;

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
        deny(&["endpoints"]),
        "an allowance for its own only"
    );
    for (method, path) in [
        ("GET", "/services/apexrest/x"),
        ("POST", "/services/apexrest"),
        ("POST", "/services"),
    ] {
        assert_eq!(
            Ask::opaque(method, path).by("special").says(&set),
            deny(&["endpoints"])
        );
    }
    let mut unclear = ask("/services/apexrest/scoring/7").by("special");
    unclear.changes = ChangeSet::Opaque(Opaque::unclear("a header"));
    assert_eq!(
        unclear.says(&set),
        deny(&["endpoints"]),
        "a row never opens what can be parsed"
    );
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
fn rules_see_the_headers_that_act() {
    let set = compile(
        "\
crm: salesforce
default: allow
rules:
  - name: past-duplicates
    when: { \"request.headers['Sforce-Duplicate-Rule-Header']\": { contains: allowSave=true } }
    then: deny
  - { name: any, when: { 'request.headers.*': never }, then: hold }
",
    );
    let mut ask = Ask::of(vec![update("A", json!({}))]);
    assert_eq!(ask.says(&set), allow());
    let header = "sforce-duplicate-rule-header".to_owned();
    ask.acting.insert(header.clone(), "allowSave=true".into());
    assert_eq!(ask.says(&set), deny(&["rule past-duplicates"]));
    ask.acting.insert(header, "never".into());
    assert_eq!(ask.says(&set), hold(&["rule any"]));
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
        rules(Ask::of(vec![
            mutation(Operation::Merge, "A", json!({})),
            mutation(Operation::Delete, "A", json!({})),
        ])),
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
