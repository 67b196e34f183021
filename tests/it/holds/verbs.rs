//! `writegate holds …` against the real binary, as a person on a Monday uses it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::house::{APPROVER, OPERATOR, OTHER_TOKEN, TOKEN};
use crate::support::program::{Program, Ran};
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox, Token};

const RULES: &str = "
crm: salesforce
default: allow
objects:
  Opportunity: { fields: { StageName: { agents: hold, owner: Sales Ops } } }
rules:
  - { name: cases, applies: { object: Case }, then: hold, reason: Cases are looked at. }
";

struct Monday {
    crm: Running,
    program: Program,
    deals: Vec<String>,
}

impl Monday {
    async fn new() -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut options = Options::with_token(TOKEN);
        options.tokens.push(Token::new(OTHER_TOKEN));
        let crm = Sandbox::start(listen, options).await.unwrap();
        let deals = crm.ids(CrmKind::Salesforce, "Opportunity");
        let starting = Program::before(&crm.base_url())
            .rules(&[("rules.yaml", RULES)])
            .route(", release_credential: { env: RELEASE }")
            .env("RELEASE", TOKEN);
        let program = tokio::task::spawn_blocking(|| starting.start())
            .await
            .unwrap();
        Self {
            crm,
            program,
            deals,
        }
    }

    async fn held(&self, deal: usize, stage: &str) -> String {
        let target = super::opportunity(&self.deals[deal]);
        let agent = self.program.agent();
        super::hold_of(&agent.patch(&target, &json!({ "StageName": stage })).await)
    }

    /// Runs a verb while the sandbox answers on this runtime.
    async fn verb(&self, arguments: &[&str]) -> Ran {
        self.verb_as(OPERATOR, arguments).await
    }

    async fn verb_as(&self, token: &str, arguments: &[&str]) -> Ran {
        let admin = format!("http://{}", self.program.admin);
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let token = token.to_owned();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let env = [("WRITEGATE_ADMIN", &*admin), ("WRITEGATE_TOKEN", &*token)];
            crate::support::program::verb(&arguments, &env)
        })
        .await
        .unwrap()
    }

    /// As much of a digest as is shown.
    async fn digest(&self, id: &str) -> String {
        self.show(id).await["digest"].as_str().unwrap()[..12].to_owned()
    }

    async fn show(&self, id: &str) -> Value {
        let admin = Client::new(self.program.admin, OPERATOR);
        admin.get(&format!("/api/v1/holds/{id}")).await.json()
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one Monday, from the list to the status"
)]
async fn forty_holds_are_listed_by_rule_and_decided_by_id_and_digest() {
    let monday = Monday::new().await;
    let one = monday.held(2, "Closed Won").await;
    let two = monday.held(3, "Closed Won").await;
    let case = monday.crm.ids(CrmKind::Salesforce, "Case").remove(0);
    let target = format!("/services/data/v61.0/sobjects/Case/{case}");
    let agent = monday.program.other_agent();
    let three = super::hold_of(&agent.patch(&target, &json!({ "Priority": "Low" })).await);

    let listed = monday.verb(&["holds", "list"]).await;
    assert_eq!((listed.code, listed.err.as_str()), (Some(0), ""));
    for line in [
        "field Opportunity.StageName · 2".to_owned(),
        "rule cases · 1".to_owned(),
        format!(
            "  update Opportunity {}: StageName \"Qualification\" → \"Closed Won\"",
            monday.deals[2]
        ),
        "HOLD   AS                 STATE".to_owned(),
    ] {
        assert!(listed.out.contains(&line), "{line}\n{}", listed.out);
    }
    let json = monday
        .verb(&["holds", "list", "--rule", "CASES", "--json"])
        .await;
    assert!(
        json.out.contains(&three) && !json.out.contains(&one),
        "{}",
        json.out
    );

    for (filter, told) in [
        (
            ["--as", "sdr-agnet"],
            "no service account is named sdr-agnet",
        ),
        (
            ["--route", "salesfroce"],
            "no route is named salesfroce; there are: ",
        ),
    ] {
        let unknown = monday
            .verb(&[&["holds", "list"][..], &filter].concat())
            .await;
        assert_eq!(unknown.code, Some(1), "{}", unknown.out);
        assert!(unknown.err.contains(told), "{}", unknown.err);
    }

    let shown = monday.verb(&["holds", "show", &one.to_lowercase()]).await;
    for part in [
        "THEN",
        "PROPOSED",
        "NOW",
        "\"Qualification\"",
        "\"Closed Won\"",
        "Sales Ops",
    ] {
        assert!(shown.out.contains(part), "{part}\n{}", shown.out);
    }
    assert!(!shown.out.contains("released"), "{}", shown.out);
    let digest = monday.digest(&one).await;
    assert!(
        shown.out.contains(&format!("holds approve {one}@{digest}")),
        "{}",
        shown.out
    );

    // Nobody to ask: the table is shown, nothing is decided.
    let asked = monday.verb(&["holds", "approve", &one]).await;
    assert_eq!(asked.code, Some(2));
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    assert_eq!(monday.show(&one).await["state"], "parked");

    // A stale digest, an unknown id and a good one: one result each, and exit 1.
    let stale = format!("{two}@{}", "0".repeat(12));
    let good = format!("{one}@{digest}");
    let mixed = monday
        .verb(&["holds", "approve", &good, &stale, "0000@00000000", "--yes"])
        .await;
    assert_eq!(mixed.code, Some(1), "{}", mixed.out);
    for part in [
        "StageName \"Qualification\" → \"Closed Won\"".to_owned(),
        format!("{one}   approved; being sent"),
        format!("{two}   nothing decided: it is not what was shown any more"),
        "0000   nothing decided: not_found: no hold has this id".to_owned(),
        "1 of 3 decided".to_owned(),
        digest.clone(),
    ] {
        assert!(mixed.out.contains(&part), "{part}\n{}", mixed.out);
    }
    monday.program.logged("\"released\"").await;
    let no_reason = monday.verb(&["holds", "reject", &two, "--yes"]).await;
    assert_eq!(no_reason.code, Some(2));
    let which = monday
        .verb(&["holds", "reject", "--reason", "x", "--yes"])
        .await;
    assert_eq!(which.code, Some(2));
    let rejected = monday
        .verb(&[
            "holds",
            "reject",
            "--as",
            "enrichment-agent",
            "--rule",
            "StageName",
            "--reason",
            "no contract",
            "--yes",
            "--json",
        ])
        .await;
    assert_eq!(rejected.code, Some(0), "{}", rejected.out);
    assert!(
        rejected.out.contains(&format!("\"id\":\"{two}\"")),
        "{}",
        rejected.out
    );
    assert!(
        rejected
            .out
            .contains("\"decided\":true,\"state\":\"rejected\"")
    );
    assert_eq!(monday.show(&two).await["ended"]["reason"], "no contract");

    // ann is of no team that is asked; what she may decide she can choose by a filter.
    let seen = format!("{three}@{}", monday.digest(&three).await);
    let barred = monday
        .verb_as(APPROVER, &["holds", "approve", &seen, "--yes"])
        .await;
    assert_eq!(barred.code, Some(0), "{}", barred.out);
    let none = monday
        .verb(&[
            "holds", "reject", "--rule", "no-such", "--reason", "x", "--yes",
        ])
        .await;
    assert_eq!((none.code, none.out.as_str()), (Some(1), "no holds\n"));
    let status = monday.verb(&["status"]).await;
    assert!(status.out.contains("release_credential"), "{}", status.out);
}

#[tokio::test]
async fn what_a_field_holds_does_not_steer_the_terminal() {
    let monday = Monday::new().await;
    let id = monday.held(2, "\u{1b}[2J\u{202e}won").await;
    for arguments in [
        &["holds", "show", &id][..],
        &["holds", "list"],
        &["holds", "reject", &id, "--reason", "\u{1b}[1mno", "--yes"],
    ] {
        let ran = monday.verb(arguments).await;
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{:?}", ran.out);
    }
}

#[tokio::test]
async fn nobody_says_yes_to_what_was_not_looked_at() {
    let monday = Monday::new().await;
    let id = monday.held(2, "Closed Won").await;
    for unseen in [
        &["holds", "approve", &id, "--yes"][..],
        &["holds", "approve", "--as", "enrichment-agent", "--yes"],
    ] {
        let ran = monday.verb(unseen).await;
        assert_eq!(ran.code, Some(2), "{}", ran.out);
        assert!(ran.err.contains("ID@DIGEST"), "{}", ran.err);
    }
    // What the filters do not choose is told, not left out.
    let seen = format!("{id}@{}", monday.digest(&id).await);
    let other = monday
        .verb(&["holds", "approve", &seen, "--as", "sdr-agent", "--yes"])
        .await;
    assert_eq!(other.code, Some(1));
    let told = format!("{id}   nothing decided: the filters do not choose it");
    assert!(other.out.contains(&told), "{}", other.out);
    assert_eq!(monday.show(&id).await["state"], "parked");
}

/// A proxy that answers until it is asked to decide `gone`.
fn breaks_off(listener: &std::net::TcpListener) {
    use std::io::{BufRead, BufReader, Read, Write};
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let lower = line.to_ascii_lowercase();
            if let Some(bytes) = lower.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let id = first.split('/').nth(4).unwrap().split(' ').next().unwrap();
        let decides = first.starts_with("POST");
        if decides && id == "gone" {
            return;
        }
        let state = if decides { "rejected" } else { "parked" };
        let body = json!({ "id": id, "state": state, "digest": "0".repeat(64) }).to_string();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

#[tokio::test]
async fn what_was_decided_is_told_when_the_proxy_goes_away() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", listener.local_addr().unwrap());
    let proxy = std::thread::spawn(move || breaks_off(&listener));
    let run = move || {
        let arguments = [
            "holds", "reject", "done", "gone", "left", "--reason", "x", "--yes",
        ];
        let env = [("WRITEGATE_ADMIN", &*admin), ("WRITEGATE_TOKEN", OPERATOR)];
        crate::support::program::verb(&arguments, &env)
    };
    let ran = tokio::task::spawn_blocking(run).await.unwrap();
    proxy.join().unwrap();
    assert_eq!(ran.code, Some(69), "{}", ran.err);
    for line in [
        "done   rejected",
        "gone   no answer: look at it again",
        "left   nothing decided: the proxy did not answer before it",
        "1 of 3 decided",
    ] {
        assert!(ran.out.contains(line), "{line}\n{}", ran.out);
    }
}

/// What has waited too long is listed and rejected by its age; nobody says yes to it by its age.
#[tokio::test]
async fn what_is_old_is_listed_and_rejected() {
    let monday = Monday::new().await;
    let old = monday.held(2, "Closed Won").await;
    let new = monday.held(3, "Closed Won").await;
    let moment = monday.show(&new).await["at"].as_str().unwrap().to_owned();
    let at = moment.as_str();
    let listed = monday
        .verb(&["holds", "list", "--older-than", at, "--json"])
        .await;
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    assert!(
        listed.out.contains(&old) && !listed.out.contains(&new),
        "{}",
        listed.out
    );
    let none = monday.verb(&["holds", "list", "--older-than", "3d"]).await;
    assert_eq!((none.code, none.out.as_str()), (Some(0), "no holds\n"));
    let why = ["--reason", "nobody looked at it", "--yes"];
    let too_old = [&["holds", "reject", "--older-than", "72h"][..], &why].concat();
    let none = monday.verb(&too_old).await;
    assert_eq!((none.code, none.out.as_str()), (Some(1), "no holds\n"));
    // Beside other filters and ids, all have to fit.
    let elsewhere = [
        &["holds", "reject", "--older-than", at, "--as", "sdr-agent"][..],
        &why,
    ]
    .concat();
    assert_eq!(monday.verb(&elsewhere).await.out, "no holds\n");
    let younger = [&["holds", "reject", &new, "--older-than", at][..], &why].concat();
    let younger = monday.verb(&younger).await.out;
    assert!(
        younger.contains("the filters do not choose it"),
        "{younger}"
    );
    let rejected = [&["holds", "reject", "--older-than", at][..], &why].concat();
    let rejected = monday.verb(&rejected).await;
    assert_eq!(rejected.code, Some(0), "{}", rejected.err);
    assert!(
        rejected.out.contains(&format!("{old}   rejected")),
        "{}",
        rejected.out
    );
    assert!(rejected.out.contains("1 of 1 decided"), "{}", rejected.out);
    assert_eq!(
        monday.show(&old).await["ended"]["reason"],
        "nobody looked at it"
    );
    assert_eq!(monday.show(&new).await["state"], "parked");
    for usage in [
        &["holds", "approve", "--older-than", "3d", "--yes"][..],
        &["holds", "list", "--older-than", "old"],
        &["holds", "list", "--older-than", "999999999999999999d"],
    ] {
        assert_eq!(monday.verb(usage).await.code, Some(2), "{usage:?}");
    }
}
