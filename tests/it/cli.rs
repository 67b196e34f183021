//! The program as a user meets it: the real binary, its output and its exit codes.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, as the test itself does"
)]

mod check;
mod coverage;
mod explain;
mod ledger;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use writegate::config::Fingerprint;

/// What a run of the program came to.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

/// A run of the program in an empty environment.
struct Run {
    command: Command,
    input: Vec<u8>,
}

fn run(arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writegate"));
    command.args(arguments).env_clear();
    Run {
        command,
        input: Vec::new(),
    }
}

impl Run {
    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    fn start(&mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn done(mut self) -> Ran {
        let mut child = self.start();
        let mut stdin = child.stdin.take().unwrap();
        let input = self.input;
        // Beside the reading, so that neither side waits for the other.
        let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// An operator API that gives prepared answers, and what it was asked.
struct Admin {
    address: SocketAddr,
    served: JoinHandle<Vec<String>>,
}

impl Admin {
    fn answering(answers: Vec<(u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|(status, body)| serve(&listener, status, &body))
                .collect()
        });
        Self { address, served }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(arguments)
            .env("WRITEGATE_ADMIN", &format!("http://{}", self.address))
            .env("WRITEGATE_TOKEN", "dana-token")
    }

    /// The requests: request line, authorization and body each.
    fn asked(self) -> Vec<String> {
        self.served.join().unwrap()
    }
}

fn serve(listener: &TcpListener, status: u16, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut asked = String::new();
    let mut length = 0;
    reader.read_line(&mut asked).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').unwrap();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        if name.eq_ignore_ascii_case("authorization") {
            asked.push_str(value.trim());
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    asked.push('\n');
    asked.push_str(std::str::from_utf8(&body).unwrap());
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    asked.replace("\r\n", "\n")
}

#[test]
fn wrong_arguments_end_with_2_and_help_with_0() {
    assert_eq!(run(&["frobnicate"]).done().code, 2);
    assert_eq!(run(&[]).done().code, 2);
    let help = run(&["--help"]).done();
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    assert_eq!(
        run(&["--version"]).done(),
        Ran {
            code: 0,
            out: format!("writegate {}\n", env!("CARGO_PKG_VERSION")),
            err: String::new(),
        }
    );
}

#[test]
fn a_fingerprint_is_of_the_bare_token() {
    let of_token = format!("{}\n", Fingerprint::of(b"agent-token"));
    for arguments in [&["fingerprint"][..], &["fingerprint", "-"]] {
        for input in ["agent-token", "agent-token\n", "agent-token\r\n"] {
            let ran = run(arguments).input(input).done();
            assert_eq!(
                (ran.code, ran.out, ran.err),
                (0, of_token.clone(), String::new())
            );
        }
    }
    let ran = run(&["fingerprint", "agent-token"]).done();
    assert_eq!((ran.code, ran.out), (0, of_token));
    assert!(
        ran.err.contains("warning: a token among the arguments"),
        "{}",
        ran.err
    );
    for wrong in [
        "",
        "Bearer agent-token",
        "agent token",
        "one\ntwo\n",
        "tökën",
    ] {
        let ran = run(&["fingerprint"]).input(wrong).done();
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong}");
    }
}

#[test]
fn a_new_key_is_shown_with_its_fingerprint_and_is_another_each_time() {
    let key = || {
        let ran = run(&["key", "new", "--json"]).done();
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let text = |name: &str| {
            let (_, rest) = ran.out.split_once(&format!("\"{name}\":\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        let (key, fingerprint) = (text("key"), text("fingerprint"));
        assert_eq!(Fingerprint::of(key.as_bytes()).to_string(), fingerprint);
        assert!(key.starts_with("wg_") && key.len() == 3 + 43, "{key}");
        key
    };
    assert_ne!(key(), key());
    let people = run(&["key", "new"]).done();
    assert!(
        people.out.starts_with("key           wg_"),
        "{}",
        people.out
    );
    assert!(people.err.contains("shown this once"), "{}", people.err);
}

/// The sf CLI takes for a token what has this form: `/^(00D\\w{12,15})![.\\w]*$/`.
#[test]
fn a_key_can_look_like_a_session_of_salesforce() {
    let form = regex::Regex::new(r"^(00D\w{12,15})![.\w]*$").unwrap();
    for _ in 0..20 {
        let ran = run(&["key", "new", "--like", "salesforce"]).done();
        let key = ran.out.lines().next().unwrap().split_whitespace().last();
        let key = key.unwrap();
        assert!(form.is_match(key), "{key}");
        assert!(writegate::proxy::actor::is_key(key), "{key}");
        assert!(
            ran.out
                .contains(&Fingerprint::of(key.as_bytes()).to_string())
        );
    }
    assert_eq!(run(&["key", "new", "--like", "hubspot"]).done().code, 2);
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    for arguments in [&["completions", "bash"][..], &["key", "new"], &["--help"]] {
        let mut run = run(arguments);
        let mut child = run.start();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {err}");
        assert!(!err.contains("panicked") && !err.contains("write"), "{err}");
    }
}

#[test]
fn a_proxy_that_cannot_be_reached_ends_with_69_and_says_what_to_do() {
    // Bound and let go: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{address}");
    let ran = run(&["status", "--admin", &url])
        .env("WRITEGATE_TOKEN", "t")
        .done();
    assert_eq!(
        ran,
        Ran {
            code: 69,
            out: String::new(),
            err: format!(
                "writegate: cannot reach Writegate at {url} (Connection refused (os error 111)): \
                 start it with `writegate serve`, or say where it is with --admin or \
                 WRITEGATE_ADMIN\n"
            ),
        }
    );
    let admin = Admin::answering(vec![(200, "<html>".into())]);
    let ran = admin.run(&["status"]).done();
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(
        ran.err.contains("is not Writegate's operator API"),
        "{}",
        ran.err
    );
}

#[test]
fn the_operators_token_is_needed_and_never_travels_in_clear_text() {
    let ran = run(&["status"]).done();
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("WRITEGATE_TOKEN is not set"),
        "{}",
        ran.err
    );
    for url in [
        "http://10.0.0.1:9090",
        "ftp://localhost",
        "http://localhost:9090/x",
        "x y",
    ] {
        let ran = run(&["status", "--admin", url])
            .env("WRITEGATE_TOKEN", "t")
            .done();
        assert_eq!(ran.code, 2, "{url} {ran:?}");
    }
}

#[test]
fn a_refusal_of_the_operator_api_ends_with_1_and_its_words() {
    let error = r#"{"error":{"code":"forbidden","message":"viewers cannot stop anybody"}}"#;
    let admin = Admin::answering(vec![(403, error.into())]);
    let ran = admin.run(&["kill", "enrichment-agent"]).done();
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (1, "", "writegate: forbidden: viewers cannot stop anybody\n")
    );
}

#[test]
fn kill_and_resume_say_who_confirmed_it() {
    let answer = r#"{"confirmed":1,"replicas":1,"sent":2,"holds":3}"#;
    let partly = r#"{"confirmed":1,"replicas":2,"sent":0,"holds":0}"#;
    let admin = Admin::answering(vec![
        (200, answer.into()),
        (200, partly.into()),
        (200, answer.into()),
        (200, answer.into()),
    ]);
    let killed = admin
        .run(&["kill", "enrichment-agent", "--reason", "odd writes"])
        .done();
    assert_eq!(
        killed,
        Ran {
            code: 0,
            out: "enrichment-agent is stopped\n\
                  confirmed by 1 of 1 replicas · 2 writes already sent · 3 holds kept\n"
                .into(),
            err: String::new(),
        }
    );
    let partly = admin.run(&["kill", "*", "--writes"]).done();
    assert_eq!(
        (partly.code, partly.out.lines().next()),
        (1, Some("every service account may not write"))
    );
    let resumed = admin.run(&["resume", "enrichment-agent", "--json"]).done();
    assert_eq!((resumed.code, resumed.out), (0, format!("{answer}\n")));
    let resumed = admin
        .run(&["resume", "enrichment-agent", "--reason", "fixed"])
        .done();
    assert_eq!(resumed.out.lines().next(), Some("enrichment-agent goes on"));
    assert_eq!(
        admin.asked(),
        [
            "PUT /api/v1/switches/enrichment-agent HTTP/1.1\nBearer dana-token\n\
             {\"scope\":\"all\",\"reason\":\"odd writes\"}",
            "PUT /api/v1/switches/%2A HTTP/1.1\nBearer dana-token\n\
             {\"scope\":\"writes\",\"reason\":\"no reason given\"}",
            "DELETE /api/v1/switches/enrichment-agent HTTP/1.1\nBearer dana-token\n\
             {\"reason\":\"no reason given\"}",
            "DELETE /api/v1/switches/enrichment-agent HTTP/1.1\nBearer dana-token\n\
             {\"reason\":\"fixed\"}",
        ]
    );
}

#[test]
fn status_shows_what_is_stopped_and_what_is_nearly_used_up() {
    let answer = r#"{"routes":[{"name":"salesforce","crm":"salesforce","listen":"127.0.0.1:8443",
        "upstream":"https://acme.my.salesforce.com","mode":"enforce","releases":"release_credential"}],"rules":"3f1c","stopped":[
        {"service_account":"enrichment-agent","scope":"writes","by":"limit runaway","reason":"50 records in 2 min",
        "at":"2026-11-20T14:02:00Z","limit":"runaway"}],"holds":0,"in_doubt":1,"limits":[
        {"limit":"hourly","key":"sdr-agent","used":401,"max":500},
        {"limit":"hourly","key":"idle-agent","used":400,"max":500}]}"#;
    let admin = Admin::answering(vec![(200, answer.into())]);
    let ran = admin.run(&["status"]).done();
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "\
ROUTE        CRM          LISTENS ON       UPSTREAM                         MODE      RELEASES WITH
salesforce   salesforce   127.0.0.1:8443   https://acme.my.salesforce.com   enforce   release_credential

rules      3f1c
stopped    1
holds      0
in doubt   1

STOPPED            WHAT     SINCE                     BY              REASON
enrichment-agent   writes   2026-11-20 14:02:00 UTC   limit runaway   50 records in 2 min

LIMIT OVER 80 %   FOR         USED   OF
hourly            sdr-agent   401    500
"
            .into(),
            err: String::new(),
        }
    );
}

#[test]
fn entries_are_listed_page_by_page() {
    let item = |id: &str, operation: &str| {
        format!(
            r#"{{"id":"{id}","at":"2026-11-20T14:02:00Z","service_account":"sdr-agent","route":"salesforce",
            "state":"refused","method":"PATCH","path":"/x","summary":[{{"object":"Opportunity","operation":"{operation}",
            "record":{{"id":"006xx0000000001AAA"}},"fields":["Amount"]}},{{"object":"Opportunity"}}],"verdict":"deny",
            "reasons":[],"message":"Not written"}}"#
        )
    };
    let admin = Admin::answering(vec![
        (
            200,
            format!(r#"{{"items":[{}],"next":"n1"}}"#, item("01A", "update")),
        ),
        (
            200,
            format!(
                r#"{{"items":[{}],"next":null}}"#,
                item("01B", "up\\u001b[2Jdate")
            ),
        ),
    ]);
    let ran = admin
        .run(&[
            "entries",
            "list",
            "--as",
            "sdr-agent",
            "--state",
            "refused",
            "--since",
            "2026-11-20T00:00Z",
        ])
        .done();
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "\
ENTRY   AT                     SERVICE ACCOUNT   ROUTE        STATE     VERDICT   WHAT
01A     2026-11-20T14:02:00Z   sdr-agent         salesforce   refused   deny      update Opportunity 006xx0000000001AAA (Amount) and 1 more
01B     2026-11-20T14:02:00Z   sdr-agent         salesforce   refused   deny      up\\u{1b}[2Jdate Opportunity 006xx0000000001AAA (Amount) and 1 more
"
            .into(),
            err: String::new(),
        }
    );
    let query = "service_account=sdr-agent&state=refused&since=2026-11-20T00%3A00%3A00Z";
    assert_eq!(
        admin.asked(),
        [
            format!("GET /api/v1/entries?limit=50&{query} HTTP/1.1\nBearer dana-token\n"),
            format!("GET /api/v1/entries?limit=49&{query}&after=n1 HTTP/1.1\nBearer dana-token\n"),
        ]
    );
}

#[test]
fn an_entry_is_shown_with_its_values() {
    let answer = r#"{"id":"01A","at":"2026-11-20T14:02:00Z","service_account":"sdr-agent","route":"salesforce",
        "state":"done","method":"PATCH","path":"/services/data/v66.0/sobjects/Lead/00Q","summary":[],"verdict":"allow",
        "reasons":[],"message":null,"changes":[{"object":"Lead","operation":"update","record":{"id":"00Q"},"row":null,
        "outcome":"done","fields":{"Industry":{"before":null,"after":"Software"},"Rating":{"after":"Hot"}}}],
        "rows":[{"seq":7,"kind":"opened","at":"2026-11-20T14:02:00Z","hash":"ab12"}]}"#;
    let admin = Admin::answering(vec![(200, answer.into()), (404, "{}".into())]);
    let ran = admin.run(&["entries", "show", "01A"]).done();
    assert_eq!(
        ran,
        Ran {
            code: 0,
            out: "\
entry             01A
at                2026-11-20T14:02:00Z
service account   sdr-agent
route             salesforce
request           PATCH /services/data/v66.0/sobjects/Lead/00Q
state             done
verdict           allow

update Lead 00Q done
  Industry   null → \"Software\"
  Rating     ? → \"Hot\"

ROW   KIND     AT                     HASH
7     opened   2026-11-20T14:02:00Z   ab12
"
            .into(),
            err: String::new(),
        }
    );
    assert_eq!(admin.run(&["entries", "show", "../x"]).done().code, 69);
    assert_eq!(
        admin.asked()[1],
        "GET /api/v1/entries/..%2Fx HTTP/1.1\nBearer dana-token\n"
    );
}
