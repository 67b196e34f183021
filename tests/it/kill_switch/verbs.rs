//! `kill`, `resume`, `status` and `entries` against the real binary.

use serde_json::json;
use writegate::mutation::CrmKind;
use writegate::sandbox::{Options, Running, Sandbox, Token, seed};

use super::{create, read};
use crate::support::client::Reply;
use crate::support::house::{OTHER_TOKEN, TOKEN, VIEWER};
use crate::support::program::{Program, Ran, verb};

async fn started(rules: &str) -> (Running, Program) {
    let mut options = Options::with_token(TOKEN);
    options.tokens.push(Token::new(OTHER_TOKEN));
    let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), options)
        .await
        .unwrap();
    let starting = Program::before(&sandbox.base_url()).rules(&[("salesforce.yaml", rules)]);
    (sandbox, starting.start())
}

const RULES: &str = "
crm: salesforce
default: allow
objects:
  '*': { create: { agents: allow } }
  Account: { fields: { AnnualRevenue: { owner: VP Sales } } }
limits:
  - { name: hourly, per: service_account, count: mutations, max: 4, window: 1h }
";

fn done(out: impl Into<String>) -> Ran {
    Ran {
        code: Some(0),
        out: out.into(),
        err: String::new(),
    }
}

fn entry_of(reply: &Reply) -> String {
    reply.header("x-writegate-entry").unwrap().to_owned()
}

/// Every moment as `AT`, every hash as `HASH`, every column as wide as it needs to be.
fn plain(text: &str) -> String {
    let word = |word: &str| {
        let moment = word.len() > 10 && word.starts_with("20") && word.ends_with('Z');
        let hash = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (moment, hash) {
            (true, _) => "AT".to_owned(),
            (_, true) => "HASH".to_owned(),
            _ => word.to_owned(),
        }
    };
    text.lines()
        .map(|line| {
            line.split_whitespace()
                .map(word)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn kill_and_resume_say_what_they_did() {
    let (sandbox, program) = started(RULES).await;
    let agent = program.agent();
    assert_eq!(create(&agent).await.status, 201);
    assert_eq!(
        program.verb(&[
            "kill",
            "enrichment-agent",
            "--writes",
            "--reason",
            "odd writes"
        ]),
        done(
            "enrichment-agent may not write\n\
             confirmed by 1 of 1 replicas · 0 writes already sent · 0 holds kept\n"
        )
    );
    assert_eq!(create(&agent).await.code(), "WRITEGATE_STOPPED");
    assert_eq!(read(&agent).await.status, 200);
    let told = program.verb(&["kill", "*"]);
    assert_eq!(
        told.out.lines().next(),
        Some("every service account is stopped")
    );
    assert_eq!(
        read(&program.other_agent()).await.code(),
        "WRITEGATE_STOPPED"
    );
    for name in ["*", "enrichment-agent"] {
        let told = program.verb(&["resume", name, "--reason", "fixed"]);
        let said = "confirmed by 1 of 1 replicas · 0 writes already sent · 0 holds kept";
        assert_eq!(
            (told.code, told.out.lines().nth(1)),
            (Some(0), Some(said)),
            "{told:?}"
        );
    }
    assert_eq!(create(&agent).await.status, 201);
    assert_eq!(
        program.verb(&["resume", "enrichment-agent"]),
        Ran {
            code: Some(1),
            out: String::new(),
            err: "writegate: not_stopped: enrichment-agent is not stopped\n".into(),
        }
    );
    let stranger = program.verb(&["kill", "nobody"]);
    assert_eq!(stranger.code, Some(1));
    let viewer = program.verb_as(VIEWER, &["kill", "enrichment-agent"]);
    assert_eq!(
        (viewer.code, viewer.err.as_str()),
        (
            Some(1),
            "writegate: forbidden: vic needs the role approver for this\n"
        )
    );
    let nobody = program.verb_as("a-stranger", &["status"]);
    assert_eq!(nobody.code, Some(1));
    let switches = program
        .verb(&["entries", "list", "--state", "switch", "--json"])
        .out;
    assert_eq!(switches.matches("\"reason\"").count(), 0, "{switches}");
    assert_eq!(
        switches
            .matches("\"message\":\"resumed by dana: fixed\"")
            .count(),
        2,
        "{switches}"
    );
    let listed = program.verb(&["entries", "list", "--state", "switch"]).out;
    for what in [
        "stopped (writes) by dana: odd writes",
        "stopped (all) by dana: no reason given",
    ] {
        assert_eq!(listed.matches(what).count(), 1, "{what}\n{listed}");
    }
    assert_eq!(
        program.verb(&["entries", "list", "--state", "setting"]),
        done("no entries\n")
    );
    assert_eq!(sandbox.ids(CrmKind::Salesforce, "Account").len(), 14);
}

#[tokio::test]
async fn status_shows_routes_switches_doubts_and_limits() {
    let (sandbox, program) = started(RULES).await;
    for _ in 0..4 {
        assert_eq!(create(&program.agent()).await.status, 201);
    }
    program.verb(&["kill", "sdr-agent", "--reason", "on leave"]);
    let status = program.verb(&["status"]);
    let upstream = format!("{}/", sandbox.base_url());
    let wanted = format!(
        "ROUTE CRM LISTENS ON UPSTREAM MODE RELEASES WITH
salesforce salesforce {} {upstream} enforce broker credentials, else the agent's next repeat
hubspot hubspot {} {upstream} enforce broker credentials, else the agent's next repeat

rules HASH (folder)
stopped 1
holds 0
in doubt 0

STOPPED WHAT SINCE BY REASON
sdr-agent everything SINCE dana on leave

LIMIT OVER 80 % FOR USED OF
hourly enrichment-agent 4 4",
        program.salesforce, program.hubspot
    );
    let mut shown = plain(&status.out);
    if let Some(at) = shown.find("everything ") {
        let at = at + "everything ".len();
        shown.replace_range(at..at + "2026-11-20 14:02:00 UTC".len(), "SINCE");
    }
    assert_eq!(shown, wanted);
    assert_eq!((status.code, status.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn entries_are_listed_and_shown() {
    let (_sandbox, program) = started(RULES).await;
    let agent = program.agent();
    let target = format!("/services/data/v60.0/sobjects/Account/{}", seed::GLOBEX);
    let written = agent
        .patch(&target, &json!({ "Industry": "Energy", "Rating": "Hot" }))
        .await;
    assert_eq!(written.status, 204, "{}", written.text());
    let refused = agent.patch(&target, &json!({ "AnnualRevenue": 5 })).await;
    assert_eq!(refused.status, 403);
    let (written, refused, said) = (entry_of(&written), entry_of(&refused), refused.message());
    let list = program.verb(&[
        "entries",
        "list",
        "--as",
        "enrichment-agent",
        "--since",
        "1h",
    ]);
    assert_eq!(
        plain(&list.out),
        format!(
            "ENTRY AT SERVICE ACCOUNT ROUTE STATE VERDICT WHAT
{refused} AT enrichment-agent salesforce refused deny update Account {id} (AnnualRevenue)
{written} AT enrichment-agent salesforce done allow update Account {id} (Industry, Rating)",
            id = seed::GLOBEX
        )
    );
    let only = program.verb(&["entries", "list", "--state", "done", "--limit", "1"]);
    assert_eq!(only.out.lines().count(), 2);
    assert!(only.out.contains(&written));
    let none = program.verb(&["entries", "list", "--as", "sdr-agent"]);
    assert_eq!(none, done("no entries\n"));
    let shown = program.verb(&["entries", "show", &written]);
    assert_eq!(
        plain(&shown.out),
        format!(
            "entry {written}
at AT
service account enrichment-agent
route salesforce
request PATCH {target}
state done
mode enforce
verdict allow

update Account {id} done
Industry \"Manufacturing\" → \"Energy\"
Rating null → \"Hot\"

ROW KIND AT HASH
2 opened AT HASH
3 closed AT HASH",
            id = seed::GLOBEX
        )
    );
    let shown = program.verb(&["entries", "show", &refused]);
    let wanted = [
        "state refused".to_owned(),
        "because field Account.AnnualRevenue: owned by VP Sales".to_owned(),
        format!("answered {said}"),
        "AnnualRevenue ? → 5".to_owned(),
    ];
    for line in &wanted {
        assert!(
            plain(&shown.out).lines().any(|shown| shown == line),
            "{line}\n{}",
            shown.out
        );
    }
    let unknown = program.verb(&["entries", "show", "01UNKNOWN"]);
    assert_eq!(
        (unknown.code, unknown.err.as_str()),
        (Some(1), "writegate: not_found: no entry has this id\n")
    );
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (_sandbox, program) = started(&RULES.replace("max: 4", "max: 400")).await;
    let mut wanted = Vec::new();
    for _ in 0..7 {
        wanted.insert(0, entry_of(&create(&program.agent()).await));
    }
    let first = program
        .verb(&["entries", "list", "--limit", "5", "--json"])
        .out;
    assert!(!first.contains("\"next\":null"), "{first}");
    let all = program.verb(&["entries", "list", "--limit", "50"]).out;
    let listed: Vec<_> = all
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(listed, wanted);
}

/// Answers the first request with this, and hangs up.
fn answers_once(body: &'static str) -> (String, std::thread::JoinHandle<()>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = format!("http://{}", listener.local_addr().unwrap());
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        // the body of a kill ends in a brace, and its head holds none
        while seen.last() != Some(&b'}') {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "hung up before the body");
            seen.extend_from_slice(&buffer[..read]);
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        let length = body.len();
        write!(stream, "{head}content-length: {length}\r\n\r\n{body}").unwrap();
    });
    (admin, proxy)
}

/// A script sees a kill that is not confirmed, or not on record, whichever way it asks.
#[test]
fn a_kill_that_does_not_hold_fails_the_script() {
    for body in [
        r#"{"confirmed":0,"replicas":1,"recorded":true}"#,
        r#"{"confirmed":1,"replicas":1,"recorded":false}"#,
    ] {
        for arguments in [
            &["kill", "enrichment-agent"][..],
            &["kill", "enrichment-agent", "--json"],
        ] {
            let (admin, proxy) = answers_once(body);
            let env = [
                ("WRITEGATE_ADMIN", admin.as_str()),
                ("WRITEGATE_TOKEN", "x"),
            ];
            let ran = verb(arguments, &env);
            proxy.join().unwrap();
            assert_eq!(ran.code, Some(1), "{arguments:?} {body}: {ran:?}");
        }
    }
}

/// Who has not confirmed is named, with what that means.
#[test]
fn each_replica_is_told() {
    let body = r#"{"replicas":2,"confirmed":1,"sent":3,"holds":4,"recorded":true,"by_replica":[
        {"replica":"one","state":"confirmed","after_ms":3,"heard_at":"2026-11-20T10:39:29Z"},
        {"replica":"stuck","state":"unconfirmed","after_ms":null,"heard_at":"2026-11-20T10:39:29Z"},
        {"replica":"gone","state":"silent","after_ms":null,"heard_at":"2026-11-20T10:02:29Z"}]}"#;
    let (admin, proxy) = answers_once(body);
    let env = [
        ("WRITEGATE_ADMIN", admin.as_str()),
        ("WRITEGATE_TOKEN", "x"),
    ];
    let ran = verb(&["kill", "sdr-agent"], &env);
    proxy.join().unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(
        ran.out,
        "sdr-agent is stopped
confirmed by 1 of 2 replicas · 3 writes already sent · 4 holds kept
  one: confirmed in 3 ms
  stuck: not confirmed in 2 s; it refuses every write until it is
  gone: not heard of since 2026-11-20 10:02 UTC; its view of the switches is too old, so it refuses every \
         write by itself
"
    );
}

#[test]
fn nothing_that_listens_is_69() {
    // bound, not listening: nobody else gets the port, and a connection is refused
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let admin = format!("http://127.0.0.1:{port}");
    let env = [
        ("WRITEGATE_ADMIN", admin.as_str()),
        ("WRITEGATE_TOKEN", "x"),
    ];
    let verbs: [&[&str]; 5] = [
        &["kill", "enrichment-agent"],
        &["resume", "enrichment-agent"],
        &["status"],
        &["entries", "list"],
        &["entries", "show", "01A"],
    ];
    for arguments in verbs {
        let ran = verb(arguments, &env);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (Some(69), ""),
            "{arguments:?}"
        );
        assert!(
            ran.err
                .starts_with("writegate: cannot reach Writegate at http://127.0.0.1:")
        );
    }
}
