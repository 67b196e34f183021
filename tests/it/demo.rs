//! `writegate demo`: the real binary tells its story, and then serves whoever follows its pointers.

mod fleet;
mod staying;
mod told;
mod turn;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use http::Method;
use serde_json::json;
use writegate::sandbox::seed;

use super::readme::fits;
use staying::{Staying, send};

/// The ports that a demo likes to have: Salesforce, HubSpot, operators.
const USUAL: [u16; 3] = [8443, 8444, 9090];

/// What every tour shows.
const HEADINGS: [&str; 14] = [
    "1. A blank field is filled",
    "2. The same in HubSpot",
    "3. An amount is not the agent's to write",
    "4. A fill would overwrite",
    "5. A batch with two bad rows",
    "6. A limit is used up",
    "7. An operator stops an agent, and lets it go on",
    "8. A stage change waits for two people",
    "9. A person says no",
    "10. What was approved has moved",
    "11. A write is taken back, but not over a person's",
    "12. A trip wire stops an agent that runs away",
    "13. What the runaway left behind is taken back",
    "14. The record of all this is whole",
];

/// What the steps about people say, in this order; `…` stands for anything within a line.
const SAID: [(usize, &[&str]); 5] = [
    (
        8,
        &[
            "   agent saw     423 WRITEGATE_HELD",
            "   dana runs     writegate holds show …",
            "   │   FIELD       THEN                     PROPOSED               NOW",
            r#"   │   StageName   "Proposal/Price Quote"   "Negotiation/Review"   "Proposal/Price Quote""#,
            "   dana runs     writegate holds approve …@… --yes",
            "   │ …   yes noted; agreed so far: dana; asked: …",
            "   lee runs      writegate holds approve …@… --yes",
            "   │ …   approved; being sent",
            "   CRM saw       1 write, 1 read",
            "   agent saw     204, x-writegate-replayed: true",
            "   ledger says   hold by …; done",
            "   CRM saw       nothing",
        ],
    ),
    (
        9,
        &[
            "   agent saw     423 WRITEGATE_HELD",
            r#"   dana runs     writegate holds reject …@… --reason "no demo is agreed yet" --yes"#,
            "   │ …   rejected",
            "   agent saw     403 WRITEGATE_REJECTED",
            r#"…said no: "no demo is agreed yet"…"#,
            "   CRM saw       nothing",
        ],
    ),
    (
        10,
        &[
            r#"   │   StageName   "Qualification"   "Needs Analysis"   "Qualification""#,
            r#"   in Salesforce Kim (…) sets StageName: "Qualification" → "Value Proposition""#,
            "   │ …   approved; being sent",
            "   CRM saw       no write, 1 read",
            "   │ moved since           Opportunity.StageName",
            r#"   │   StageName   "Qualification"   "Needs Analysis"   "Value Proposition""#,
            "   │ …   nothing decided: it is not what was shown any more: look at it again",
            "   │ …   rejected",
        ],
    ),
    (
        11,
        &[
            "   in Salesforce Kim (…) sets NumberOfEmployees: 12 → 40",
            "   dana runs     writegate revert … --dry-run",
            "   │ Lead/… · last changed by 005Wg0000000003IAA",
            r#"   │   Industry            restored   null   "Chemicals"   "Chemicals""#,
            "   │   NumberOfEmployees   skipped    null   12            40            changed since…",
            "   │ dry run, nothing written: 1 restored · 1 skipped · 0 impossible, of 1 entries",
            "   dana runs     writegate revert …",
            "   │ 1 restored · 1 skipped · 0 impossible, of 1 entries",
            "   │ to take this back: writegate revert …",
        ],
    ),
    (
        13,
        &[
            "   dana runs     writegate revert --as sdr-agent --since … --dry-run",
            "   │ Task/…   restored   deleted: the entry made it",
            "   │ dry run, nothing written: 40 restored · 0 skipped · 0 impossible, of 2 entries",
            "   dana runs     writegate revert --as sdr-agent --since …",
            "   │ 40 restored · 0 skipped · 0 impossible, of 2 entries",
            "   dana runs     writegate resume sdr-agent",
            "   agent saw     200, 20 tasks created: its limit is empty again",
        ],
    ),
];

/// What a story has below one of its headings.
fn step(story: &str, number: usize) -> &str {
    let heading = format!("\n{}\n", HEADINGS[number - 1]);
    let (_, rest) = story.split_once(&heading).unwrap();
    let end = match HEADINGS.get(number) {
        Some(next) => format!("\n{next}\n"),
        None => "\nAll ".to_owned(),
    };
    rest.split_once(&end).unwrap().0
}

/// The program in a folder for temporary files of its own and an otherwise empty environment.
fn demo(arguments: &[&str], temporary: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writegate"));
    command
        .arg("demo")
        .args(arguments)
        .env_clear()
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The story of a tour that did all it says, and nothing beside it.
fn story(output: &Output) -> String {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert_eq!(err, "", "the log clutters the story");
    out
}

#[test]
fn a_tour_tells_its_story_and_ends_with_0() {
    let temporary = tempfile::tempdir().unwrap();
    let out = story(&demo(&["--exit"], temporary.path()).output().unwrap());
    for heading in HEADINGS {
        assert!(out.lines().any(|line| line == heading), "{heading}\n{out}");
    }
    let checked = out.lines().filter(|line| line.starts_with("   checked  "));
    assert_eq!(checked.count(), HEADINGS.len(), "{out}");
    assert!(!out.contains("FAILED"), "{out}");
    assert!(out.contains("All 14 steps did what they say."), "{out}");
    assert!(!out.contains('\u{1b}'), "colour in a pipe");
    for seen in [
        "403 WRITEGATE_DENIED",
        "403 WRITEGATE_BUDGET",
        "403 WRITEGATE_STOPPED",
        "Account.Industry            null → \"Manufacturing\"",
        "companies.industry   null → \"MACHINERY\"",
        "records[1], records[3]: Account.NumberOfEmployees already has",
    ] {
        assert!(out.contains(seen), "{seen}\n{out}");
    }
    // The ledger's path may be long.
    let unbroken = out.replace("\n   │ ", " ");
    assert!(unbroken.contains(" rows, the chain is whole"), "{out}");
    for (number, lines) in SAID {
        let mut told = step(&out, number).lines();
        for line in lines {
            let found = told.any(|seen| fits(line, seen));
            assert!(
                found,
                "{number}: not there, or not in this order: {line}\n{out}"
            );
        }
    }
    let left = std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(left, 0, "files stay behind");
}

#[test]
fn ports_that_are_taken_are_replaced_and_named() {
    // Two at once: whoever else listens, not both of them have a port.
    let demos = [Staying::start(), Staying::start()];
    let named = demos.each_ref().map(|demo| {
        let mut lines = demo.said.lines();
        let told = lines.find(|line| line.starts_with("Somebody else listens on "));
        let admin = demo.pointer("export WRITEGATE_ADMIN=http://");
        let ports = [
            demo.address("Salesforce").port(),
            demo.address("HubSpot").port(),
            admin.parse::<SocketAddr>().unwrap().port(),
        ];
        [0, 1, 2].map(|place| {
            let usual = USUAL[place].to_string();
            let named = told.is_some_and(|line| line.contains(&usual));
            assert_eq!(named, ports[place] != USUAL[place], "{told:?} {ports:?}");
            named
        })
    });
    for place in 0..USUAL.len() {
        assert!(named[0][place] || named[1][place], "{named:?}");
    }
}

#[tokio::test]
async fn what_it_prints_leads_to_what_it_serves_until_term() {
    let mut demo = Staying::start();
    let ca = PathBuf::from(demo.pointer("CA"));
    let account = format!("/services/data/v60.0/sobjects/Account/{}", seed::ACME);
    let salesforce = demo.address("Salesforce");
    let token = demo.token(0);

    let read = (Method::GET, account.as_str(), None);
    let (status, body) = send(&ca, salesforce, &token, read).await;
    assert_eq!((status, &body["Name"]), (200, &json!("Acme Corporation")));
    assert_eq!(body["Industry"], "Manufacturing", "the tour wrote it");

    let again = json!({ "Industry": "Retail" });
    let write = (Method::PATCH, account.as_str(), Some(again));
    let (status, body) = send(&ca, salesforce, &token, write).await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (403, &json!("WRITEGATE_DENIED"))
    );

    let company = format!("/crm/v3/objects/companies/{}", seed::HS_INITECH);
    let fill = json!({ "properties": { "numberofemployees": "310" } });
    let write = (Method::PATCH, company.as_str(), Some(fill));
    let (status, body) = send(&ca, demo.address("HubSpot"), &demo.token(1), write).await;
    assert_eq!(status, 200, "{body}");

    for (verb, says) in [
        ("status", "salesforce"),
        ("entries list", "update companies"),
        ("revert --as", "1 restored · 0 skipped · 0 impossible"),
        ("kill", "enrichment-agent is stopped"),
        ("resume", "enrichment-agent goes on"),
        ("check", "passed"),
        ("ledger verify", "the chain is whole"),
    ] {
        let output = demo.verb(verb);
        let out = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{verb}: {output:?}");
        assert!(out.contains(says), "{verb}: {out}");
    }
    let (code, rest) = demo.terminate();
    assert_eq!((code, rest.as_str()), (Some(0), ""));
}
