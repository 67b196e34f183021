//! `explain`: exact output for people and programs, with no proxy running.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use tempfile::TempDir;

use super::{Admin, Ran, run};

/// A configuration with both CRMs, rules for both, and no secret anywhere.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in [
        ("writegate.yaml", CONFIG),
        ("rules/salesforce.yaml", SALESFORCE),
        ("rules/hubspot.yaml", HUBSPOT),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const CONFIG: &str = "\
routes:
  - name: salesforce
    crm: salesforce
    listen: 127.0.0.1:8443
    upstream: https://acme.my.salesforce.com
    tls: { cert: not-here.pem, key: not-here.key }
    release_credential: { env: NOT_SET }
  - { name: hubspot, crm: hubspot, listen: 127.0.0.1:8444, upstream: https://api.hubapi.com }
service_accounts:
  - { name: enrichment-agent }
  - { name: sdr-agent }
operators: []
";

const SALESFORCE: &str = "\
crm: salesforce
default: deny
objects:
  \"*\":
    delete: deny
  Opportunity:
    fields:
      StageName: { sdr-agent: hold, owner: Sales Ops }
      Amount: { owner: VP Sales, source: contract }
  Account:
    create: { agents: allow }
    fields:
      Industry: { enrichment-agent: fill-else-deny, owner: RevOps }
      Name|Ext__c: { agents: allow }
endpoints:
  POST /services/apexrest/scoring/*: { sdr-agent: hold }
";

const HUBSPOT: &str = "\
crm: hubspot
default: deny
objects:
  deals:
    create: { agents: allow }
    delete: { agents: hold, owner: RevOps }
    fields:
      amount: { owner: VP Sales }
      dealname|closedate: { agents: allow }
rules:
  - name: enterprise
    applies: { object: deals }
    when: { after.amount: { at_least: 1000 } }
    then: hold
    approvers: [Deal Desk]
    reason: Big deals need a person.
";

fn explain(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let config = folder.join("writegate.yaml");
    let config = ["explain", "--config", config.to_str().unwrap()];
    run(&[&config, arguments].concat()).input(input).done()
}

const HUBSPOT_UPDATE: &str = "\
PATCH /crm/v3/objects/deals/123 HTTP/1.1
Content-Type: application/json

{\"properties\":{\"amount\":\"5000\",\"dealname\":\"x\"}}";

#[test]
fn people_get_one_line_for_each_field() {
    let folder = folder();
    let arguments = ["--route", "hubspot", "--as", "sdr-agent", "-"];
    let ran = explain(folder.path(), &arguments, HUBSPOT_UPDATE);
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "\
write as sdr-agent on hubspot: deny

update deals 123   hold   rule enterprise (Big deals need a person.)
amount ? → \"5000\"   deny    field deals.amount (owner VP Sales)
dealname ? → \"x\"    allow
"
            .into(),
            err: String::new(),
        }
    );
}

#[test]
fn a_hold_says_who_decides_and_an_opaque_write_why_it_is_one() {
    let folder = folder();
    let arguments = ["--route", "hubspot", "--as", "sdr-agent", "-"];
    let held = explain(
        folder.path(),
        &arguments,
        "DELETE /crm/v3/objects/deals/123\n",
    );
    assert_eq!(
        held.out,
        "\
write as sdr-agent on hubspot: hold
waits for Deal Desk

delete deals 123   hold   operation deals.delete (owner RevOps); rule enterprise (Big deals need a person.)
"
    );
    let opaque = explain(folder.path(), &arguments, "POST /crm/frobnicate\n");
    assert_eq!(
        (opaque.code, opaque.out.as_str()),
        (
            0,
            "\
opaque as sdr-agent on hubspot: deny
cannot tell what it would change: its path has no API version
deny   endpoints (no `endpoints` row names it)
"
        )
    );
}

#[test]
fn prior_values_come_from_a_file() {
    let folder = folder();
    let before = folder.path().join("before.json");
    std::fs::write(
        &before,
        r#"{"deals/123":{"amount":"100"},"deal/123":{"amount":"1"}}"#,
    )
    .unwrap();
    let arguments = [
        "--route",
        "hubspot",
        "--as",
        "sdr-agent",
        "--before",
        before.to_str().unwrap(),
        "-",
    ];
    let ran = explain(folder.path(), &arguments, HUBSPOT_UPDATE);
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "\
write as sdr-agent on hubspot: deny

update deals 123   hold   rule enterprise (Big deals need a person.)
amount \"100\" → \"5000\"   deny    field deals.amount (owner VP Sales)
dealname null → \"x\"     allow
"
            .into(),
            err: "writegate: warning: --before names deal/123, which this request does not touch\n"
                .into(),
        }
    );
    std::fs::write(&before, r#"{"deals/123":1}"#).unwrap();
    assert_eq!(explain(folder.path(), &arguments, HUBSPOT_UPDATE).code, 2);
}

#[test]
fn programs_get_one_object_with_its_fields_in_order() {
    let folder = folder();
    let arguments = ["--route", "hubspot", "--as", "sdr-agent", "--json", "-"];
    let ran = explain(folder.path(), &arguments, HUBSPOT_UPDATE);
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: concat!(
                r#"{"route":"hubspot","effect":"write","opaque":null,"#,
                r#""mutations":[{"object":"deals","operation":"update","record":{"id":"123"},"#,
                r#""fields":{"amount":"5000","dealname":"x"}}],"#,
                r#""verdict":"deny","reasons":["#,
                r#"{"rule":"field deals.amount","message":"owned by VP Sales"},"#,
                r#"{"rule":"rule enterprise","message":"Big deals need a person."}]}"#,
                "\n"
            )
            .into(),
            err: String::new(),
        }
    );
    let ran = explain(folder.path(), &arguments, "PATCH /a/../b\n");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(
        ran.out.starts_with("{\"error\":\"segment 2 of the path"),
        "{}",
        ran.out
    );
}

#[test]
fn every_line_is_answered_with_one_line() {
    let folder = folder();
    let arguments = ["--route", "hubspot", "--as", "sdr-agent", "--jsonl"];
    let input = r#"{"method":"GET","path":"/crm/v3/objects/deals/123?properties=amount"}
{"method":"POST","path":"/oauth/v1/token","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body":"grant_type=x"}
{"method":"DELETE","path":"/crm/v3/objects/deals/123","headers":[]}
{"method":"PATCH","path":"/crm/v3/objects/deals/x%40y?idProperty=ext","headers":[["Content-Type","application/json"]],"body":"{\"properties\":{\"dealname\":null}}"}
{"method":"POST","path":"/crm/v3/objects/deals","headers":{"Content-Type":"application/json"},"body_b64":"eyJwcm9wZXJ0aWVzIjp7ImRlYWxuYW1lIjoieCJ9fQ=="}
{"method":"POST","path":"/crm/frobnicate"}
nonsense

{"method":"PATCH","path":"/crm/v3/objects/deals/123","headers":{"Content-Type":"application/json"},"body":"{\"properties\":{\"amount\":1,\"AMOUNT\":2}}"}"#;
    let ran = explain(folder.path(), &arguments, input);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 9, "{}", ran.out);
    assert_eq!(
        lines[..6],
        [
            r#"{"route":"hubspot","effect":"read","opaque":null,"mutations":[],"verdict":"allow","reasons":[]}"#,
            r#"{"route":"hubspot","effect":"auth","opaque":null,"mutations":[],"verdict":"allow","reasons":[]}"#,
            r#"{"route":"hubspot","effect":"write","opaque":null,"mutations":[{"object":"deals","operation":"delete","record":{"id":"123"},"fields":{}}],"verdict":"hold","reasons":[{"rule":"operation deals.delete","message":"owned by RevOps"},{"rule":"rule enterprise","message":"Big deals need a person."}]}"#,
            r#"{"route":"hubspot","effect":"write","opaque":null,"mutations":[{"object":"deals","operation":"update","record":{"key":"ext","value":"x@y"},"fields":{"dealname":null}}],"verdict":"hold","reasons":[{"rule":"rule enterprise","message":"Big deals need a person."}]}"#,
            r#"{"route":"hubspot","effect":"write","opaque":null,"mutations":[{"object":"deals","operation":"create","record":null,"fields":{"dealname":"x"}}],"verdict":"allow","reasons":[]}"#,
            r#"{"route":"hubspot","effect":"opaque","opaque":"its path has no API version","mutations":[],"verdict":"deny","reasons":[{"rule":"endpoints","message":"no `endpoints` row names it"}]}"#,
        ]
    );
    for line in &lines[6..] {
        assert!(line.starts_with("{\"error\":\""), "{line}");
    }
}

/// The example of DESIGN.md section 7.
#[test]
fn the_example_of_the_design_comes_out_word_for_word() {
    let folder = folder();
    let request = folder.path().join("request.http");
    let text = "PATCH /services/data/v66.0/sobjects/Opportunity/006xx0000000001AAA HTTP/1.1\r\n\
                Content-Type: application/json\r\n\r\n{\"Amount\":5}";
    std::fs::write(&request, text).unwrap();
    let before = folder.path().join("before.json");
    std::fs::write(&before, r#"{"Opportunity/006xx0000000001":{"Amount":100}}"#).unwrap();
    let route = ["--route", "salesforce", "--as", "enrichment-agent"];
    let request = request.to_str().unwrap();
    let ran = explain(
        folder.path(),
        &[&route[..], &["--json", request]].concat(),
        "",
    );
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: concat!(
                r#"{"route":"salesforce","effect":"write","opaque":null,"#,
                r#""mutations":[{"object":"Opportunity","operation":"update","#,
                r#""record":{"id":"006xx0000000001AAA"},"fields":{"Amount":5}}],"#,
                r#""verdict":"deny","#,
                r#""reasons":[{"rule":"field Opportunity.Amount","message":"owned by VP Sales"}]}"#,
                "\n"
            )
            .into(),
            err: String::new(),
        }
    );
    let before = ["--before", before.to_str().unwrap(), request];
    let ran = explain(folder.path(), &[&route[..], &before].concat(), "");
    let line = "Amount 100 → 5   deny   field Opportunity.Amount (owner VP Sales)";
    assert_eq!(ran.err, "");
    assert_eq!(ran.out.lines().last(), Some(line));
}

#[test]
fn salesforce_upserts_creates_batches_and_opaque_writes_are_told_apart() {
    let folder = folder();
    let arguments = [
        "--route",
        "salesforce",
        "--as",
        "enrichment-agent",
        "--jsonl",
    ];
    let json = r#""headers":{"Content-Type":"application/json"}"#;
    let lines = [
        format!(r#"{{"method":"PATCH","path":"/services/data/v66.0/sobjects/Account/Ext__c/x",{json},"body":"{{\"Name\":\"n\"}}"}}"#),
        format!(r#"{{"method":"POST","path":"/services/data/v66.0/sobjects/Account",{json},"body":"{{\"Industry\":\"Software\"}}"}}"#),
        r#"{"method":"DELETE","path":"/services/data/v66.0/composite/sobjects?ids=001xx0000000001AAA,001xx0000000002AAA"}"#.to_owned(),
        format!(r#"{{"method":"POST","path":"/services/apexrest/scoring/run",{json},"body":"{{}}"}}"#),
    ];
    let ran = explain(folder.path(), &arguments, &lines.join("\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(
        ran.out.lines().collect::<Vec<_>>(),
        [
            r#"{"route":"salesforce","effect":"write","opaque":null,"mutations":[{"object":"Account","operation":"upsert","record":{"key":"Ext__c","value":"x"},"fields":{"Name":"n"}}],"verdict":"allow","reasons":[]}"#,
            r#"{"route":"salesforce","effect":"write","opaque":null,"mutations":[{"object":"Account","operation":"create","record":null,"fields":{"Industry":"Software"}}],"verdict":"allow","reasons":[]}"#,
            r#"{"route":"salesforce","effect":"write","opaque":null,"mutations":[{"object":"Account","operation":"delete","record":{"id":"001xx0000000001AAA"},"fields":{}},{"object":"Account","operation":"delete","record":{"id":"001xx0000000002AAA"},"fields":{}}],"verdict":"deny","reasons":[{"rule":"operation Account.delete","message":"no row allows it"},{"rule":"operation Account.delete","message":"no row allows it"}]}"#,
            r#"{"route":"salesforce","effect":"opaque","opaque":"this runs the org's own code, which can change anything, even on GET: ask for an `endpoints` row","mutations":[],"verdict":"deny","reasons":[{"rule":"endpoint POST /services/apexrest/scoring/*","message":"no row allows it"}]}"#,
        ]
    );
}

/// Far more output than a pipe holds, and nobody reads it.
#[test]
fn a_reader_that_leaves_in_the_middle_ends_it_quietly() {
    let folder = folder();
    let config = folder.path().join("writegate.yaml");
    let mut run = run(&["explain", "--config", config.to_str().unwrap()]);
    run.command
        .args(["--route", "hubspot", "--as", "sdr-agent", "--jsonl"]);
    let mut child = run.start();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let line = b"{\"method\":\"GET\",\"path\":\"/crm/v3/objects/deals/1\"}\n";
        // Ends when the program does.
        while stdin.write_all(line).is_ok() {}
    });
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    answers.read_line(&mut first).unwrap();
    drop(answers);
    writer.join().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(first.starts_with("{\"route\":\"hubspot\""), "{first}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_route_and_a_service_account_have_to_be_named() {
    let folder = folder();
    for (arguments, why) in [
        (
            &["--as", "sdr-agent", "-"][..],
            "say which route with --route: salesforce, hubspot",
        ),
        (
            &["--route", "hubspot", "-"],
            "say which service account with --as: enrichment-agent, sdr-agent",
        ),
        (
            &["--route", "crm", "--as", "sdr-agent", "-"],
            "there is no route `crm`, only salesforce, hubspot",
        ),
        (
            &["--route", "hubspot", "--as", "kim", "-"],
            "there is no service account `kim`, only enrichment-agent, sdr-agent",
        ),
        (
            &["--route", "hubspot", "--as", "sdr-agent", "nowhere.http"],
            "cannot read nowhere.http: No such file",
        ),
    ] {
        let ran = explain(folder.path(), arguments, HUBSPOT_UPDATE);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains(why), "{}", ran.err);
    }
    let ran = explain(folder.path(), &["--as", "sdr-agent"], "");
    assert_eq!(ran.code, 2);
}

#[test]
fn what_has_two_readings_ends_with_1() {
    let folder = folder();
    let arguments = ["--route", "hubspot", "--as", "sdr-agent", "-"];
    let request = HUBSPOT_UPDATE.replace("dealname", "AMOUNT");
    let ran = explain(folder.path(), &arguments, &request);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.err
            .starts_with("writegate: not one request: the JSON body"),
        "{}",
        ran.err
    );
}

#[test]
fn an_entry_is_explained_by_the_running_proxy() {
    let answer =
        r#"{"id":"01JD0000000000000000000000","at":"2026-11-20T14:02:00Z","state":"refused"}"#;
    let admin = Admin::answering(vec![(200, answer.into())]);
    let ran = admin.run(&["explain", "01JD0000000000000000000000"]).done();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("state     refused"), "{}", ran.out);
    assert_eq!(
        admin.asked(),
        ["GET /api/v1/entries/01JD0000000000000000000000 HTTP/1.1\nBearer dana-token\n"]
    );
}
