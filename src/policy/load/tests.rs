//! What loading says of mistakes: the whole text, since people act on it.

use std::fs;

use super::*;
use crate::mutation::{CrmKind, LimitKind};

/// The whole error text of a file.
fn errors(text: &str) -> String {
    compile(&[("rules.yaml".into(), text.into())])
        .expect_err("has mistakes")
        .to_string()
}

#[test]
fn all_mistakes_of_all_files_are_told_at_once() {
    let hubspot = "crm: hubspt\nlimits:\n  - { name: burst, per: service_account, rate: 10/s }\n";
    let salesforce = "\
crm: salesforce
defalt: deny
objects:
  Account:
    create: fill-else-hold
    drop: deny
    fields:
      Industry: { agents: fil-else-hold, owner: '' }
      A||B: deny
limits:
  - { name: Burst, per: service_account, rate: 10/s, burst: 0 }
";
    let files = [
        ("salesforce.yaml".to_owned(), salesforce.to_owned()),
        ("hubspot.yaml".to_owned(), hubspot.to_owned()),
    ];
    assert_eq!(
        compile(&files).unwrap_err().to_string(),
        "\
hubspot.yaml:1:6: unknown CRM `hubspt`: use salesforce or hubspot
salesforce.yaml:2:1: unknown key `defalt`: use crm, routes, default, objects, rules, endpoints or limits
salesforce.yaml:5:13: `fill-else-hold` is for fields: use allow, hold or deny
salesforce.yaml:6:5: unknown operation `drop`: use create, update, upsert, delete, purge, restore, merge, convert, associate, dissociate, send, export, import, invoke, schema, settings or credential; fields stand below `fields`
salesforce.yaml:8:27: unknown word `fil-else-hold`: use allow, hold, deny, fill-else-hold or fill-else-deny
salesforce.yaml:8:49: `owner` is empty: write text
salesforce.yaml:9:7: `A||B` has an empty name between its `|`: remove the extra `|`
salesforce.yaml:11:61: `burst` is 0, so nothing would pass: use 1 or more"
    );
}

#[test]
fn mistakes_in_limits() {
    assert_eq!(
        errors(
            "\
crm: salesforce
limits:
  - { name: a, per: service_account, rate: 10/s, window: 1h }
  - { name: b, per: service_account, count: mutations, window: 1h }
  - { name: c, per: service_account, count: mutations, max: 5 }
  - { name: d, per: service_account, count: writes, max: 5, window: 1h }
  - { name: e, per: record, count: holds, max: 5 }
  - { name: f, per: service_account, count: refusals, max: 5, window: 10x, then: hold }
  - { name: g, per: [service_account, team], rate: 10 }
  - { per: service_account, rate: 10/s }
  - { name: h, count: requests, max: -1, window: 1h, brust: 3 }
  - { name: i, per: service_account, count: records, rate: 10/s }
  - { name: A, per: route, rate: 1/d }
  - { name: j, reserve: 20 }
  - { name: k, reserve: 0%, per: route, max: 5 }
  - { name: a, reserve: 20% }
  - { reserve: 20% }
"
        ),
        "\
rules.yaml:3:58: `window` does not go with `rate`: use `rate` and `burst`, or `max` and `window`
rules.yaml:4:5: `max` is missing: say how many still pass, or use `rate`
rules.yaml:5:5: `window` is missing: say in what time, such as 1h
rules.yaml:6:45: unknown count `writes`: use requests, mutations, records, refusals, holds or an operation such as delete
rules.yaml:7:5: refusals and holds are counted per service_account or route: change `per`
rules.yaml:8:71: `10x` is not a duration: write it like 30s, 10m, 1h30m, 72h or 7d
rules.yaml:8:82: `then: hold` does not go with refusals or holds: use deny or stop
rules.yaml:9:39: unknown `per` `team`: use service_account, record, object or route
rules.yaml:9:52: `rate` is a number: write text
rules.yaml:10:5: `name` is missing: add it
rules.yaml:11:5: `per` is missing: add it
rules.yaml:11:38: `max` has to be a whole number, such as 5
rules.yaml:11:54: unknown key `brust`: use name, reserve, per, count, rate, burst, max, window, then or observe
rules.yaml:12:60: different records and waiting holds have no rate: use `max`
rules.yaml:13:13: limit `A` exists already at rules.yaml:3: give it another name
rules.yaml:14:25: `reserve` is a number: write text
rules.yaml:15:25: `0%` is not a share: write it like 20%, from 1% to 99%
rules.yaml:15:34: `per` does not go with `reserve`, for which the CRM counts: remove it, or make two limits
rules.yaml:15:46: `max` does not go with `reserve`, for which the CRM counts: remove it, or make two limits
rules.yaml:16:13: limit `a` exists already at rules.yaml:13: give it another name
rules.yaml:17:5: `name` is missing: add it"
    );
}

#[test]
fn mistakes_in_rules() {
    assert_eq!(
        errors(
            "\
crm: hubspot
rules:
  - { name: a, then: allow }
  - { name: A, then: hold, wait: 2m, expires: soon, approvers: 0 }
  - { name: b, applies: { operation: edit, origin: import, objekt: deals }, then: deny }
  - name: c
    when:
      after.amount: { atleast: 5, at_least: lots, more_than: 0x10 }
      after.dealname: { matches: '(' }
      befor.amount: 5
      after: 5
      mutation.kind: x
      after.items[?@.price > 5]: { blank: false }
      after.items[?match(@.sku, 'a.*')]: { blank: false }
      after.items[?@.a == @.b]: { blank: false }
      after.items[?$.before.x]: { blank: false }
      claims.confidence: { changed: true, blank: maybe }
      after.x: { path: before.y, tims: 2 }
      'after.[': 1
      any: { after.x: 1 }
      not: {}
    then: hold
"
        ),
        "\
rules.yaml:3:22: unknown `then` `allow`: use hold or deny; a rule only makes a verdict stricter
rules.yaml:4:34: `wait` may be 45s at most: clients give up at 60 and send again
rules.yaml:4:47: `soon` is not a duration: write it like 30s, 10m, 1h30m, 72h or 7d
rules.yaml:4:64: `approvers` has to be from 1 to 20, or a list of teams
rules.yaml:5:38: unknown operation `edit`: use create, update, upsert, delete, purge, restore, merge, convert, associate, dissociate, send, export, import, invoke, schema, settings or credential
rules.yaml:5:52: unknown origin `import`: use agent or revert
rules.yaml:5:60: unknown key `objekt`: use object, field, service_account, route, operation or origin
rules.yaml:8:23: unknown operator `atleast`: use matches, contains, more_than, at_least, less_than, at_most, blank or changed
rules.yaml:8:45: `lots` is not a number: write it like 100000, -2.5 or 1e6
rules.yaml:8:62: `0x10` is not a number: write it like 100000, -2.5 or 1e6
rules.yaml:9:34: `(` is not a regular expression: unclosed group
rules.yaml:10:7: `befor.amount` does not name something a rule can look at: use actor, request, mutation, before, after or claims there
rules.yaml:11:7: `after` has to name one field: write it as `after.Amount`
rules.yaml:12:7: `mutation.kind` does not name something a rule can look at: use object, operation, record, fields, undo or row there
rules.yaml:13:7: `after.items[?@.price > 5]` compares numbers in a filter: select without it and use an operator, such as `more_than`
rules.yaml:14:7: `after.items[?match(@.sku, 'a.*')]` uses a function in a filter: select without it and use an operator, such as `matches`
rules.yaml:15:7: `after.items[?@.a == @.b]` compares numbers in a filter: select without it and use an operator, such as `more_than`
rules.yaml:16:7: `after.items[?$.before.x]` uses `$` in a filter: use `@` there, and a second condition for the rest
rules.yaml:17:28: `changed` compares before and after: use it on a path such as `after.Amount`
rules.yaml:17:50: `blank` has to be true or false
rules.yaml:18:34: unknown key `tims`: use path or times
rules.yaml:19:7: `after.[` is not a JSONPath (RFC 9535): write it as `after.Amount`
rules.yaml:20:12: `any` is a map: write a list
rules.yaml:21:12: `not` is empty: write a condition, or leave it out"
    );
}

#[test]
fn mistakes_in_endpoints() {
    assert_eq!(
        errors(
            "\
crm: salesforce
endpoints:
  /services/apexrest/x: allow
  POST services/apexrest/x: allow
  post /services/apexrest/x: allow
  POST /services/**/x: allow
  POST /services/x*: allow
  POST /services/x: fill-else-hold
  POST /services/y:
"
        ),
        "\
rules.yaml:3:3: `/services/apexrest/x` is not an endpoint: write it like `POST /services/apexrest/scoring/*`
rules.yaml:4:3: `POST services/apexrest/x` is not an endpoint: write it like `POST /services/apexrest/scoring/*`
rules.yaml:5:3: `post /services/apexrest/x` is not an endpoint: write it like `POST /services/apexrest/scoring/*`
rules.yaml:6:3: `POST /services/**/x`: `*` stands for one whole segment and `**`, at the end, for the rest; query and fragment are left out
rules.yaml:7:3: `POST /services/x*`: `*` stands for one whole segment and `**`, at the end, for the rest; query and fragment are left out
rules.yaml:8:21: `fill-else-hold` is for fields: use allow, hold or deny
rules.yaml:9:19: `POST /services/y` is nothing: write a word, or a map of service accounts to words"
    );
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    for (text, expected) in [
        (
            "crm: salesforce\ncrm: hubspot\n",
            "rules.yaml:2:1: duplicate mapping key: crm not allowed here",
        ),
        ("crm: [\n", "rules.yaml:1:6: unclosed bracket '['"),
        (
            "crm: salesforce\n---\ncrm: hubspot\n",
            "rules.yaml:3:1: only single YAML document expected but multiple found",
        ),
        (
            "crm: salesforce\ndefault: !word deny\n",
            "rules.yaml:2:16: unsupported tag `!word`",
        ),
        (
            "- crm\n",
            "rules.yaml:1:1: `the file` is a list: write a map of `key: value`",
        ),
        (
            "",
            "rules.yaml:1:1: `the file` is nothing: write a map of `key: value`",
        ),
        (
            "default: deny\n",
            "rules.yaml:1:1: `crm` is missing: add it",
        ),
        (
            "crm: salesforce\nobjects:\n  A: { fields: { X: deny, X: allow } }\n",
            "rules.yaml:3:27: duplicate mapping key: X not allowed here",
        ),
    ] {
        assert_eq!(errors(text), expected, "{text}");
    }
}

#[test]
fn words_that_yaml_1_1_took_for_truth_are_text() {
    let text = "crm: salesforce\nrules:\n  - { name: n, when: { after.Country: [NO, on, yes] }, then: hold }\n";
    assert!(compile(&[("rules.yaml".into(), text.into())]).is_ok());
}

#[test]
fn rule_names_are_unique_across_files() {
    let file = |name: &str| {
        let text = "crm: salesforce\nrules:\n  - { name: big, then: hold }\n";
        (name.to_owned(), text.to_owned())
    };
    assert_eq!(
        compile(&[file("b.yaml"), file("a.yaml")])
            .unwrap_err()
            .to_string(),
        "b.yaml:3:13: rule `big` exists already at a.yaml:3: give it another name"
    );
}

#[test]
fn limits_are_read() {
    let text = "\
crm: salesforce
limits:
  - { name: burst,   per: service_account, rate: 10/s, burst: 20 }
  - { name: hourly,  per: [route, service_account], count: mutations, max: 500, window: 1h }
  - { name: churn,   per: record, count: delete, max: 5, window: 1d, then: hold }
  - { name: queue,   per: service_account, count: holds, max: 100 }
";
    let set = compile(&[("rules.yaml".into(), text.into())]).unwrap();
    let limits: Vec<_> = set.limits().collect();
    let kinds: Vec<_> = limits.iter().map(|limit| limit.kind).collect();
    assert_eq!(
        kinds,
        [
            LimitKind::Rate {
                count: 10,
                period_ms: 1_000,
                burst: 20
            },
            LimitKind::Budget {
                max: 500,
                window_ms: 3_600_000
            },
            LimitKind::Budget {
                max: 5,
                window_ms: 86_400_000
            },
            LimitKind::Budget {
                max: 100,
                window_ms: 0
            },
        ]
    );
    use crate::mutation::{Count, Operation, Per, Then};
    assert_eq!(limits[1].per, [Per::ServiceAccount, Per::Route]);
    assert_eq!(limits[2].count, Count::Operation(Operation::Delete));
    assert_eq!(limits[2].then, Then::Hold);
    assert_eq!(limits[0].count, Count::Requests);
}

#[test]
fn a_folder_is_read_without_its_cases() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), "crm: hubspot\n").unwrap();
    fs::write(dir.path().join("a.cases.yaml"), "broken: [").unwrap();
    fs::write(dir.path().join("README.md"), "text").unwrap();
    let set = load(dir.path()).unwrap();
    assert_eq!(set.files.len(), 1);
    assert_eq!(set.files[0].crm, CrmKind::HubSpot);
    let same = compile(&[("a.yaml".into(), "crm: hubspot\n".into())]).unwrap();
    assert_eq!(set.digest(), same.digest(), "the folder is not part of it");
    assert_eq!(
        read_cases(dir.path()).unwrap(),
        [("a.cases.yaml".to_owned(), "broken: [".to_owned())]
    );
}

#[test]
fn a_folder_without_rules_or_with_a_file_that_would_be_ignored_is_a_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().display();
    assert_eq!(
        load(dir.path()).unwrap_err().to_string(),
        format!("{shown}: has no rule file: add one, such as salesforce.yaml")
    );
    fs::write(dir.path().join("a.yml"), "crm: hubspot\n").unwrap();
    assert_eq!(
        load(dir.path()).unwrap_err().to_string(),
        format!("{shown}/a.yml: would be ignored: rename it to end in .yaml")
    );
    assert!(load(&dir.path().join("none")).is_err());
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.yaml");
    fs::write(&file, "crm: hubspot\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(load(dir.path()).is_ok());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
    assert_eq!(
        load(dir.path()).unwrap_err().to_string(),
        format!(
            "{}: is writable by everybody: run `chmod o-w` on it",
            file.display()
        )
    );
}

/// Whoever may write the folder may put another file in the place of one that they may not write.
#[cfg(unix)]
#[test]
fn a_folder_that_everybody_may_write_is_refused_unless_it_is_a_config_map() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("..2026")).unwrap();
    fs::write(dir.path().join("..2026/a.yaml"), "crm: hubspot\n").unwrap();
    symlink("..2026/a.yaml", dir.path().join("a.yaml")).unwrap();
    let mode = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o775);
    assert!(load(dir.path()).is_ok());
    for open in [0o777, 0o1777] {
        mode(open);
        let told = load(dir.path()).unwrap_err().to_string();
        assert!(
            told.contains("is a folder that everybody may write"),
            "{told}"
        );
        assert!(read_cases(dir.path()).is_err());
    }
    symlink("..2026", dir.path().join("..data")).unwrap();
    assert!(load(dir.path()).is_ok());
}

#[test]
fn the_digest_tells_names_and_texts_apart() {
    let digest = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        compile(&files).unwrap().digest().to_owned()
    };
    let one = digest(&[
        ("a.yaml", "crm: hubspot\n"),
        ("b.yaml", "crm: salesforce\n"),
    ]);
    assert_eq!(one.len(), 64);
    assert_eq!(
        one,
        digest(&[
            ("b.yaml", "crm: salesforce\n"),
            ("a.yaml", "crm: hubspot\n")
        ])
    );
    assert_ne!(
        one,
        digest(&[
            ("a.yaml", "crm: salesforce\n"),
            ("b.yaml", "crm: hubspot\n")
        ])
    );
    assert_ne!(one, digest(&[("a.yaml", "crm: hubspot\n ")]));
}

#[test]
fn names_from_outside_are_told_for_warnings() {
    let text = "\
crm: hubspot
routes: [prod]
default: { fallback-agent: allow, owner: Everybody }
objects:
  Contacts|deal*: { create: { sdr-agent: hold, owner: Sales Ops }, fields: { X: { agents: hold, owner: RevOps } } }
rules:
  - { name: r, applies: { object: Deal }, then: hold, approvers: [Deal Desk], owner: VP Sales }
endpoints: { POST /x: { endpoint-agent: allow } }
";
    let set = compile(&[("a.yaml".into(), text.into())]).unwrap();
    let mentions = set.mentions();
    let list = |names: &std::collections::BTreeSet<String>| {
        names.iter().cloned().collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        list(&mentions.service_accounts),
        "endpoint-agent, fallback-agent, sdr-agent"
    );
    assert_eq!(
        list(&mentions.owners),
        "Everybody, RevOps, Sales Ops, VP Sales"
    );
    assert_eq!(list(&mentions.approvers), "Deal Desk");
    assert_eq!(list(&mentions.routes), "prod");
    assert_eq!(list(&mentions.hubspot_objects), "contacts, deal");
    assert!(mentions.salesforce_objects.is_empty());
}
