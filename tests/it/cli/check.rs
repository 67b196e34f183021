//! `check`: mistakes, failed cases and warnings, and what the exit code says.

use tempfile::TempDir;

use super::{Ran, run};

fn folder(config: &str, rules: &str, cases: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in [
        ("writegate.yaml", config),
        ("rules/hubspot.yaml", rules),
        ("rules/hubspot.cases.yaml", cases),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn check(folder: &TempDir, arguments: &[&str]) -> Ran {
    let config = folder.path().join("writegate.yaml");
    let config = config.to_str().unwrap();
    let ran = run(&[&["check", "--config", config], arguments].concat()).done();
    let shorter = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    Ran {
        code: ran.code,
        out: shorter(ran.out),
        err: shorter(ran.err),
    }
}

const TOKEN: &str = "sha256:eb47b9ce4840a5b3ea138b8691253b78035b9289d9014409067e9844c272ef99";
const OTHER: &str = "sha256:1a7674eb4ee78df7e1ac439a93c3fa8e3c945784d4dec9fd8e3011738b2f1d62";

fn good_config() -> String {
    format!(
        "\
routes:
  - {{ name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com, release_credential: {{ file: token }} }}
service_accounts:
  - {{ name: sdr-agent, tokens: [\"{TOKEN}\"] }}
operators:
  - {{ name: dana, roles: [admin], teams: [Sales Ops], token: \"{OTHER}\" }}
"
    )
}

const RULES: &str = "\
crm: hubspot
default: deny
objects:
  deals:
    delete: { agents: hold, owner: Sales Ops }
    fields:
      amount: { owner: VP Sales }
      closedate: { sdr-agent: allow }
rules:
  - name: late
    applies: { object: deals }
    when: { after.closedate: { blank: true } }
    then: hold
    approvers: [Sales Ops]
    reason: A deal has a date.
";

const CASES: &str = "\
- { name: no amounts, as: sdr-agent, update: deals, before: { amount: 1 }, set: { amount: 5 }, verdict: deny, by: field deals.amount }
- name: deletes wait
  as: sdr-agent
  request: |
    DELETE /crm/v3/objects/deals/123 HTTP/1.1
  verdict: hold
";

#[test]
fn what_is_right_ends_with_0() {
    let folder = folder(&good_config(), RULES, CASES);
    std::fs::write(folder.path().join("token"), "pat-na1-1\n").unwrap();
    let ran = check(&folder, &[]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.err, "");
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert_eq!(lines[0], "configuration writegate.yaml: routes hubspot");
    assert!(
        lines[1].ends_with(|c: char| c.is_ascii_hexdigit()),
        "{}",
        lines[1]
    );
    assert_eq!(lines[2], "cases: 2 of 2 passed");
}

#[test]
fn a_failed_case_ends_with_1() {
    let cases = format!(
        "{CASES}- {{ name: wishful, as: sdr-agent, update: deals, before: {{ amount: 1 }}, set: {{ amount: 5 }}, verdict: allow }}\n"
    );
    let folder = folder(&good_config(), RULES, &cases);
    std::fs::write(folder.path().join("token"), "pat-na1-1\n").unwrap();
    let ran = check(&folder, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("rules/hubspot.cases.yaml:7: case wishful: expected allow, got deny"),
        "{}",
        ran.out
    );
    assert!(ran.out.ends_with("cases: 2 of 3 passed\n"), "{}", ran.out);
    let json = check(&folder, &["--json"]);
    assert_eq!(json.code, 1);
    assert!(
        json.out.contains("\"cases\":3,\"failed\":[\""),
        "{}",
        json.out
    );
}

/// The rules that are shipped are tests themselves (both CRMs, raw requests included).
#[test]
fn the_shipped_rules_pass_their_own_cases() {
    let config = "\
routes:
  - { name: salesforce, crm: salesforce, listen: 127.0.0.1:8443, upstream: https://acme.my.salesforce.com }
  - { name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }
";
    let folder = folder(config, RULES, CASES);
    let config = folder.path().join("writegate.yaml");
    let ran = run(&["check", "--json", "--config", config.to_str().unwrap()])
        .env(
            "WRITEGATE_RULES",
            concat!(env!("CARGO_MANIFEST_DIR"), "/rules"),
        )
        .done();
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(ran.out.contains("\"failed\":[]"), "{}", ran.out);
    assert!(!ran.out.contains("\"cases\":0"), "{}", ran.out);
}

#[test]
fn mistakes_end_with_78_and_all_are_told() {
    let broken = folder(&good_config().replace("admin", "boss"), RULES, CASES);
    let ran = check(&broken, &[]);
    assert_eq!(
        ran,
        Ran {
            code: 78,
            out: String::new(),
            err: "\
writegate.yaml:2:122: `release_credential`: the file token cannot be read (No such file or directory (os error 2)): create it or correct the path
writegate.yaml:6:27: `boss` is no role: write viewer, approver or admin
"
            .into(),
        }
    );
    let broken = folder(
        &good_config(),
        &RULES.replace("then: hold", "then: halt"),
        CASES,
    );
    std::fs::write(broken.path().join("token"), "pat-na1-1\n").unwrap();
    let ran = check(&broken, &[]);
    assert_eq!((ran.code, ran.out.as_str()), (78, ""), "{ran:?}");
    assert!(ran.err.contains("rules/hubspot.yaml:13:11:"), "{}", ran.err);
    // a program gets the same as JSON
    let ran = check(&broken, &["--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (78, ""), "{ran:?}");
    assert!(ran.out.starts_with("{\"mistakes\":[\""), "{}", ran.out);
    assert!(ran.out.contains("rules/hubspot.yaml:13:11:"), "{}", ran.out);
}

fn warnings(config: &str, rules: &str) -> Vec<String> {
    let folder = folder(config, rules, "[]");
    std::fs::write(folder.path().join("token"), "pat-na1-1\n").unwrap();
    let ran = check(&folder, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines = ran.out.lines();
    lines
        .filter_map(|line| line.strip_prefix("warning: "))
        .map(ToOwned::to_owned)
        .collect()
}

const PEOPLE: &str = "  - { name: ann, roles: [approver], teams: [Deal Desk, Sales Ops], token: \"sha256:0000000000000000000000000000000000000000000000000000000000000001\" }
  - { name: vic, roles: [viewer], teams: [RevOps], token: \"sha256:0000000000000000000000000000000000000000000000000000000000000002\" }
";

/// Approvals that can never be had: too few people, the owner among them, a team of viewers.
#[test]
fn approvers_that_can_never_be_met_are_warned_of() {
    let rules = "\
crm: hubspot
default: deny
objects:
  deals:
    delete: { agents: hold, owner: RevOps }
    merge: { agents: hold, owner: agent team }
    purge: { owner: nobody in particular }
    fields: { dealstage: { sdr-agent: hold, owner: Sales Ops } }
rules:
  - { name: two,        then: hold, approvers: 2 }
  - { name: three,      then: hold, approvers: 3 }
  - { name: each,       then: hold, approvers: [Sales Ops, Deal Desk] }
  - { name: same-twice, then: hold, approvers: [Deal Desk, Closing] }
";
    let config = format!("{}{PEOPLE}", good_config());
    let config = config.replace("name: sdr-agent,", "name: sdr-agent, owner: Ann,");
    let config = config.replace(
        "teams: [Deal Desk, Sales Ops]",
        "teams: [Deal Desk, Sales Ops, Closing]",
    );
    assert_eq!(
        warnings(&config, rules),
        [
            "the rules let RevOps decide holds, but no operator of that team is an approver",
            "the rules let agent team decide holds, but that is no operator's team: any approver decides",
            "rule two asks for 2 people, and without Ann, who owns sdr-agent and decides none of its holds, there are not so many: nobody can approve it",
            "rule three asks for 3 people, and there are not so many approvers: nobody can approve it",
            "rule each asks for one person each of Sales Ops and Deal Desk, and without Ann, who owns sdr-agent and decides none of its holds, there are not so many: nobody can approve it",
            "rule same-twice asks for one person each of Deal Desk and Closing, and there are not so many approvers: nobody can approve it",
        ]
    );
    // one more person of the desk, and all but three can be met
    let more = "  - { name: bob, roles: [approver], teams: [Deal Desk, RevOps], token: \"sha256:0000000000000000000000000000000000000000000000000000000000000003\" }\n";
    let config = format!("{}{PEOPLE}{more}", good_config());
    let config = config.replace(
        "teams: [Deal Desk, Sales Ops]",
        "teams: [Deal Desk, Sales Ops, Closing]",
    );
    assert_eq!(
        warnings(&config, rules),
        [
            "the rules let agent team decide holds, but that is no operator's team: any approver decides"
        ]
    );
}

/// Rules that never apply, and rows that only the owner of the service account could decide.
#[test]
fn rules_that_never_apply_are_warned_of() {
    let rules = "\
crm: hubspot
default: deny
objects:
  companes: { create: deny }
  p_thing: { create: deny }
  deals: { create: { sdr-agent: hold, owner: Deal Desk } }
rules:
  - { name: a, applies: { service_account: sdr-agnet }, then: deny }
  - { name: b, applies: { route: hubspto }, then: deny }
  - { name: c, applies: { service_account: SDR-*, route: HubSpot }, then: deny }
";
    let config = format!("{}{PEOPLE}", good_config());
    let config = config.replace("name: sdr-agent,", "name: sdr-agent, owner: Ann,");
    assert_eq!(
        warnings(&config, rules),
        [
            "a rule applies to service account sdr-agnet, which the configuration does not have",
            "a rule applies to route hubspto, which the configuration does not have",
            "rows let Deal Desk decide, and without Ann, who owns sdr-agent and decides none of its holds, nobody of that team can",
            "the rules name hubspot object companes, which is not built in: companies?",
        ]
    );
    let elsewhere = rules.replace("crm: hubspot", "crm: hubspot\nroutes: [other]");
    let told = warnings(&config, &elsewhere);
    let wanted = "route hubspot has no rules: every write there is refused";
    assert!(told.iter().any(|line| line == wanted), "{told:?}");
}

/// Two names of one person do not make two people, nor is somebody else than the owner.
#[test]
fn operators_that_are_one_person_are_warned_of() {
    let rules = "\
crm: hubspot
default: deny
rules:
  - { name: two, then: hold, approvers: 2 }
";
    let more = "  - { name: dana@acme.com, roles: [approver], teams: [Deal Desk], token: \"sha256:0000000000000000000000000000000000000000000000000000000000000003\" }\n";
    let config = format!("{}{more}", good_config());
    let one = "operators dana and dana@acme.com count as one person: where two have to agree, they are one";
    assert_eq!(
        warnings(&config, rules),
        [
            "rule two asks for 2 people, and there are not so many approvers: nobody can approve it",
            one,
        ]
    );
    let config = format!("{config}{PEOPLE}");
    assert_eq!(warnings(&config, rules), [one]);
    let config = config.replace(
        "name: sdr-agent,",
        "name: sdr-agent, owner: Ann Lee <ann@acme.com>,",
    );
    assert_eq!(
        warnings(&config, rules),
        [
            "rule two asks for 2 people, and without Ann Lee <ann@acme.com>, who owns sdr-agent and decides none of its holds, there are not so many: nobody can approve it",
            one,
        ]
    );
}

#[test]
fn rows_and_limits_that_do_not_do_what_they_seem_to_are_warned_of() {
    let rules = "\
crm: hubspot
default: deny
objects:
  contact|0-2: { create: deny }
  companies: { create: deny }
rules:
  - { name: r, applies: { object: [Deal, tickets] }, then: deny }
endpoints:
  POST /crm/v3/objects/contacts/search/x: { sdr-agent: allow }
  POST /crm/v3/objects/p_thing: deny
  POST /automation/v4/flows: { sdr-agent: hold }
limits:
  - { name: odd,    per: service_account, rate: 10/s, burst: 5 }
  - { name: narrow, per: service_account, count: mutations, rate: 100/s, burst: 100 }
  - { name: fine,   per: service_account, rate: 10/s, burst: 20 }
  - { name: wide,   per: service_account, count: mutations, rate: 100/s, burst: 200 }
";
    assert_eq!(
        warnings(&good_config(), rules),
        [
            "the rules name HubSpot object 0-2, which never matches: it is called companies",
            "the rules name HubSpot object contact, which never matches: it is called contacts",
            "the rules name HubSpot object deal, which never matches: it is called deals",
            "endpoint POST /crm/v3/objects/contacts/search/x is of the record API: it lets through what cannot be taken apart there, unseen; the rows under `objects` do not apply to that",
            "limit odd: the rate (10) is larger than the burst (5), so 10 never come at once; leave `burst` out, or make it 10 or more",
            "limit narrow counts mutations with a burst of 100: a batch with more than 100 is always refused",
        ]
    );
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let config = format!(
        "\
routes:
  - {{ name: hubspot, crm: hubspot, listen: 0.0.0.0:8444, public_url: https://gate, upstream: https://api.hubapi.com }}
admin: {{ listen: 0.0.0.0:9090 }}
control: redis://r
ledger: postgres://db/w?sslmode=require
service_accounts:
  - {{ name: a, keys: [\"{TOKEN}\"] }}
  - {{ name: b, credentials: {{ hubspot: {{ env: HS }} }} }}
operators:
  - {{ name: dana, roles: [viewer], teams: [Sales Ops], token: \"{OTHER}\" }}
"
    );
    let folder = folder(&config, RULES, "[]");
    let config = folder.path().join("writegate.yaml");
    let ran = run(&["check", "--config", config.to_str().unwrap()])
        .env("HS", "pat-na1-1")
        .done();
    assert_eq!(ran.code, 0, "{ran:?}");
    let warnings: Vec<&str> = ran
        .out
        .lines()
        .filter_map(|line| line.strip_prefix("warning: "))
        .collect();
    assert_eq!(
        warnings,
        [
            "route hubspot has no `release_credential`: a released hold waits for the agent's next repeat unless its service account has `credentials`, and reverts are not possible",
            "route hubspot listens on 0.0.0.0:8444 without `tls`: tokens travel in clear text",
            "`admin` listens on 0.0.0.0:9090 without TLS: operators' tokens travel in clear text",
            "`control` is on another machine, without TLS: a password and the keys of records travel in clear text; write rediss",
            "`ledger` takes any certificate, or none, of a server elsewhere: use sslmode=verify-full",
            "service account a has `keys` but no `credentials`: there is nothing to send the CRM",
            "service account b has no tokens, clients, keys or certs: nobody will ever be it",
            "service account b has `credentials` but no `keys`: they are used for its releases only",
            "no operator has the role admin: nobody can resume what was stopped",
            "the rules name service account sdr-agent, which the configuration does not have",
            "the rules ask Sales Ops to decide, but no operator of that team is an approver",
        ]
    );
}

#[test]
fn identities_and_credentials_that_cannot_work_are_warned_of() {
    let credentials = "credentials: { hubspot: { refresh: { client_id: app, refresh_token: { env: REFRESH } } } }";
    for (account, says, silent) in [
        (
            "certs: [a.agents.acme]",
            "service account a has `certs`, but no route has a `client_ca`",
            "`keys`",
        ),
        (
            &format!("certs: [a.agents.acme], {credentials}"),
            "service account a, route hubspot: the refresh token stands in a variable",
            "used for its releases only",
        ),
        (
            &format!("tokens: [], {credentials}"),
            "used for its releases only",
            "client_ca",
        ),
    ] {
        let config = good_config().replace(
            "operators:",
            &format!("  - {{ name: a, {account} }}\noperators:"),
        );
        let folder = folder(&config, RULES, "[]");
        std::fs::write(folder.path().join("token"), "token").unwrap();
        let file = folder.path().join("writegate.yaml");
        let ran = run(&["check", "--config", file.to_str().unwrap()]);
        let ran = ran.env("REFRESH", "token").done();
        let told = format!("{}{}", ran.out, ran.err);
        assert!(told.contains(says), "{account}: {told}");
        assert!(!told.contains(silent), "{account}: {told}");
    }
}

/// Where a default allows, sends and exports pass that nobody has named, unless the floor stands against them.
#[test]
fn a_missing_floor_is_warned_of() {
    let floor = |rules: &str| -> Vec<String> {
        let all = warnings(&good_config(), rules);
        all.into_iter()
            .filter(|told| told.contains("`'*'`"))
            .collect()
    };
    let open = "crm: hubspot\ndefault: { agents: allow }\n";
    let told = floor(open);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("send, export, import"), "{told:?}");
    let some = format!(
        "{open}objects: {{ \"*\": {{ send: deny, export: {{ agents: hold }}, credential: deny }} }}\n"
    );
    let told = floor(&some);
    assert!(
        told[0].contains("against delete, merge, purge, import, invoke"),
        "{told:?}"
    );
    assert!(!told[0].contains("send"), "{told:?}");
    assert_eq!(floor("crm: hubspot\ndefault: deny\n"), Vec::<String>::new());
    let held = "crm: hubspot\ndefault: { agents: hold }\n";
    assert_eq!(floor(held), Vec::<String>::new());
}
